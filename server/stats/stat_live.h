/*
 * stat_live: samples of what somebody watches, told as they come.
 *
 * What is watched closely is sampled by its host's agent every STAT_LIVE_MS for as long
 * as it is: the agent is asked again and again, and stops by itself when it is not.
 * Those samples go to whoever watches and are kept nowhere.  What no agent samples so
 * often (what is no host or guest, older agents, a host that is away) is told as it is
 * sampled for everybody.  Core thread.
 */
#pragma once
#include <stdbool.h>

#include "base/err.h"
#include "base/id.h"
#include "base/metric.h"

#define STAT_LIVE_MS       2000u
#define STAT_LIVE_PER_HOST 16u /* objects that are watched closely */

struct stat_watcher;
struct stats;

struct stat_live {
	obj_id id;
	uint64_t wall_ms; /* when the span ended */
	uint32_t span_ms;
	float v[METRIC_MAX]; /* by counter; NaN: none.  Deltas are over the span */
};

struct stat_watch_ask {
	obj_id id;
	bool is_close;
	/* Not from within stats_watch. */
	void (*fn)(void *arg, const struct stat_live *x);
	void *arg;
};

/*
 * Until stats_unwatch, also while there is no such object.  ERR_INVALID: nothing is
 * counted of it.  ERR_NO_CAPACITY: so much of its host is watched closely already.
 */
int stats_watch(struct stats *s, const struct stat_watch_ask *ask,
    struct stat_watcher **ret, struct err *e) WARN_UNUSED;
/* Not from within fn. */
void stats_unwatch(struct stats *s, struct stat_watcher *w);
/* Between samples, as far as can be told now. */
uint32_t stats_watch_ms(const struct stats *s, const struct stat_watcher *w);
