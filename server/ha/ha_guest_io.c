/*
 * What a guest does, by the statistics.
 */
#include <math.h>

#include "base/mem.h"
#include "base/metric.h"
#include "loop/loop.h"
#include "loop/post.h"
#include "server/ha/ha_guest.h"
#include "server/inventory/inv_life.h"
#include "server/stats/stat_query.h"

#define MS_PER_S 1000u

struct question {
	ha_io_fn done;
	void *arg;
};

/* Nothing read, written or sent in any of the samples, and most of them there. */
static enum ha_guest_io
io_of(const struct stat_answer *a)
{
	size_t known = 0, all = a->n_series * a->n_values;

	for (size_t i = 0; i < all; i++) {
		float v = a->series[i / a->n_values].values.average[i % a->n_values];
		if (isnan(v))
			continue;
		if (v > 0)
			return HA_GUEST_IO_SOME;
		known++;
	}
	return 2 * known > all ? HA_GUEST_IO_NONE : HA_GUEST_IO_UNKNOWN;
}

static void
on_figures(void *arg, int rc, const struct err *e, const struct stat_answer *a)
{
	struct question *q = arg;

	q->done(q->arg, rc ? HA_GUEST_IO_UNKNOWN : io_of(a));
	free(q);
}

static void
on_refused(void *arg)
{
	on_figures(arg, ERR_INVALID, NULL, NULL);
}

void
ha_guest_ask_stats(void *stats, const struct inv *inv, obj_id vm, uint32_t ms,
    ha_io_fn done, void *arg)
{
	static const uint8_t counters[] = { METRIC_DISK_READ, METRIC_DISK_WRITE,
		METRIC_NET_TRANSMITTED };
	struct question *q = xcalloc(1, sizeof(*q));
	struct loop *loop = inv_loop(inv);
	uint64_t wall_ms = clock_wall_ms(loop_clock(loop));
	const struct stat_ask ask = {
		.ids = &vm,
		.n_ids = 1,
		.counters = counters,
		.n_counters = sizeof(counters),
		.want = { .start_s = (wall_ms - ms) / MS_PER_S },
	};
	struct err ignored = ERR_INIT;

	*q = (struct question){ done, arg };
	if (stats_query(stats, &ask, on_figures, q, &ignored))
		post_call(loop, on_refused, q);
}
