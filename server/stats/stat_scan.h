/*
 * stat_scan: many objects over a range, one after the other.
 *
 * What is in memory is looked at in slices, between which others have their turns; what
 * is not comes from files, some at a time, on the worker that reads.
 */
#pragma once
#include "server/stats/stat_rows.h"
#include "server/stats/stats.h"

/* Copied. */
struct stat_scan_ask {
	const obj_id *ids;
	size_t n_ids;
	const uint8_t *counters;
	size_t n_counters;
	struct stat_plan plan;
};

struct stat_scan_fns {
	/* at: which of ids; in any order, those alone that have one of the counters */
	void (*each)(void *arg, size_t at, const struct stat_rows *r);
	/* Comes once, in a later posts or timers phase; arg is not used any more. */
	void (*end)(void *arg, int rc, const struct err *e);
};

int stats_scan(struct stats *s, const struct stat_scan_ask *ask,
    const struct stat_scan_fns *fns, void *arg, struct err *e) WARN_UNUSED;
/* The plan for what is wanted now. */
int stats_plan(const struct stats *s, const struct stat_want *w, struct stat_plan *ret,
    struct err *e) WARN_UNUSED;
