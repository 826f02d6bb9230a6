/*
 * stat_reduce: which rows answer a question, and fewer of them where fewer are asked.
 *
 * Pure.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* What is asked; 0: not said. */
struct stat_want {
	uint64_t start_s, end_s; /* what ends after start, up to end */
	uint32_t interval_s;     /* of one value */
	uint32_t points;         /* at most */
};

/* Rows of an archive that are read, each of which ends row_s after the one before; and
 * how many of them become one value. */
struct stat_plan {
	uint32_t row_s;
	uint64_t first_s, last_s; /* ends of the first and the last row */
	uint32_t rows_each;
};

/* ERR_RANGE: it ends before it starts, or all of it is to come. */
int stat_plan(const struct stat_want *w, uint32_t step_s, uint64_t now_s,
    struct stat_plan *ret, struct err *e) WARN_UNUSED;
size_t stat_plan_rows(const struct stat_plan *p);
size_t stat_plan_values(const struct stat_plan *p);

/* Where values go; each has room for stat_plan_values. */
struct stat_reduced {
	float *average, *min, *max;
};

/* Rows and their peaks (NULL: they are their own) to values.  Gaps count for nothing;
 * of gaps alone comes a gap. */
void stat_reduce(const struct stat_plan *p, const float *rows, const float *peaks,
    const struct stat_reduced *to);
