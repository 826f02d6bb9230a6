/*
 * stat_query: what was, from memory and files as one.
 */
#pragma once
#include "base/id.h"
#include "server/stats/stat_reduce.h"
#include "server/stats/stats.h"

/* Rows of all counters of all objects that one question may read. */
#define STAT_CELLS_MAX 4000000u

/* Borrowed during the call. */
struct stat_ask {
	const obj_id *ids;
	size_t n_ids;
	const uint8_t
	    *counters; /* those that an object does not have are passed over */
	size_t n_counters;
	struct stat_want want;
	/* Of cores, cards and disks: names and wildcards with commas between, "" for
	 * the object itself; NULL: of the object alone. */
	const char *instances;
};

/* NaN: a gap.  A summation is the sum over the interval. */
struct stat_series {
	obj_id id;
	const struct metric *metric;
	struct stat_reduced values;
	char instance[METRIC_INSTANCE_TEXT]; /* "": the object itself */
};

struct stat_answer {
	uint64_t first_s;    /* when the first value's interval has ended */
	uint32_t interval_s; /* from one value to the next */
	size_t n_values;
	const struct stat_series *series;
	size_t n_series;
};

/* A copy of all of it; free() it. */
struct stat_answer *stat_answer_copy(const struct stat_answer *a);

/* a is borrowed; NULL with an error. */
typedef void (*stat_query_fn)(
    void *arg, int rc, const struct err *e, const struct stat_answer *a);
/* done comes once, in a later posts phase.  ERR_RANGE, ERR_TOO_LARGE: it never does. */
int stats_query(struct stats *s, const struct stat_ask *ask, stat_query_fn done,
    void *arg, struct err *e) WARN_UNUSED;
