/*
 * stat_text: how objects fared, as JSON or CSV, piece by piece.
 *
 * Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct stat_answer;

#define STAT_PERCENTILES_MAX 8u

struct stat_text {
	const struct stat_answer *a;
	bool csv, extremes;
	double percentiles[STAT_PERCENTILES_MAX]; /* of each series, in JSON */
	size_t n_percentiles;
	/* Where it goes on; zeroed at its beginning. */
	bool begun;
	size_t series, array, value;
};

/* Add what comes next, some bytes more than least.  False: that was all. */
bool stat_text_more(struct stat_text *t, size_t least, struct str *out);
