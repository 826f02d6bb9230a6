/*
 * run_golden: what a folder of golden cases is run through.
 */
#pragma once
#include <stddef.h>

#include "base/str.h"

/* Append what the function under test makes of a case's n bytes.  Defined by each test.
 */
void golden_case(const char *text, size_t n, struct str *out);
