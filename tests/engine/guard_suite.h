/*
 * guard_suite: what every engine must do alike with a guest that has a deadline.
 */
#pragma once
#include "tests/engine/suite.h"

/* Runs all of it; the number of tests that failed. */
int guard_suite_run(enum suite_kind kind);
/* What concerns moves, where they can be made. */
int guard_move_suite_run(enum suite_kind kind);
