/*
 * stat_top: which objects have most of something, or least, over a range.
 */
#pragma once
#include "server/stats/stat_digest.h"
#include "server/stats/stat_reduce.h"
#include "server/stats/stats.h"

#define STAT_TOP_MAX 1000u

/* Borrowed during the call. */
struct stat_top_ask {
	const obj_id *ids;
	size_t n_ids;
	uint32_t counter;
	struct stat_want want; /* points count for nothing */
	struct stat_by by;
	size_t n; /* so many; at most STAT_TOP_MAX */
	bool lowest;
};

/* Figures are of rows of interval_s; a summation's are sums over one. */
struct stat_top {
	uint64_t first_s; /* when the first row's interval has ended */
	uint64_t last_s;
	uint32_t interval_s;
	const struct metric *metric;
	const struct stat_place *places;
	size_t n;
	size_t n_measured; /* that have a value at all */
};

/* t is borrowed; NULL with an error. */
typedef void (*stat_top_fn)(
    void *arg, int rc, const struct err *e, const struct stat_top *t);
/* done comes once, later.  ERR_RANGE, ERR_TOO_LARGE: it never does. */
int stats_top(struct stats *s, const struct stat_top_ask *ask, stat_top_fn done,
    void *arg, struct err *e) WARN_UNUSED;
