/*
 * stat_group: many objects as one: sums, averages and extremes by what they are in.
 */
#pragma once
#include "server/stats/stat_query.h"

enum stat_join { STAT_SUM, STAT_MEAN, STAT_LOWEST, STAT_HIGHEST };

/* Borrowed during the call. */
struct stat_group_ask {
	struct stat_ask of;   /* the objects; 0 of want.points: all values */
	const obj_id *groups; /* of each of its ids; none: it counts for nothing */
	bool joins; /* how is what is asked; else as the counter's unit has it */
	enum stat_join how;
};

/*
 * As stats_query, with a series for each group and counter that has a sample.  A value
 * is of those objects that have one at that moment.
 */
int stats_group(struct stats *s, const struct stat_group_ask *ask, stat_query_fn done,
    void *arg, struct err *e) WARN_UNUSED;
