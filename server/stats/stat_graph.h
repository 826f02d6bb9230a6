/*
 * stat_graph: pictures of how objects fared.
 *
 * Each is drawn by a process of its own (rrd_draw.h), so that one that fails, hangs or
 * takes all memory is that picture's fault alone; some at a time, others wait.
 */
#pragma once
#include "base/id.h"
#include "server/stats/rrd_draw.h"
#include "server/stats/stats.h"

#define STAT_GRAPH_WIDTH_MAX  2000u
#define STAT_GRAPH_HEIGHT_MAX 1200u

/* Borrowed during the call. */
struct stat_graph_ask {
	const obj_id *ids;
	size_t n_ids;
	const uint8_t *counters; /* of one unit */
	size_t n_counters;
	uint64_t start_s, end_s; /* start before end */
	unsigned width, height;
	bool dark;
};

/* png is borrowed; NULL with an error. */
typedef void (*stat_graph_fn)(
    void *arg, int rc, const struct err *e, const void *png, size_t n);
/* done comes once, in a later posts phase.  ERR_INVALID: different units, too many
 * lines, nothing to draw; ERR_BUSY: too many wait.  Then it never does. */
int stats_graph(struct stats *s, const struct stat_graph_ask *ask, stat_graph_fn done,
    void *arg, struct err *e) WARN_UNUSED;
