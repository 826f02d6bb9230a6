/*
 * move_suite: what every engine must do alike when a guest goes to another host.
 */
#pragma once
#include "tests/engine/suite.h"

/* Runs all of it; the number of tests that failed. */
int move_suite_run(enum suite_kind kind);
/* Disks that go along; with real processes only. */
int disk_suite_run(void);
