/*
 * stat_busy: how busy hosts' networks and disks have been lately, told to the inventory
 * for those who look for hosts.
 */
#include <math.h>

#include "base/err.h"
#include "server/inventory/inv_life.h"
#include "server/stats/stats_int.h"

#define LATELY_S     300u /* a burst is no reason to stay away */
#define PER_PER_CENT 10.0

/* 0: nothing is known. */
static uint32_t
lately(const struct stats *s, obj_id id, uint64_t slot, uint32_t counter)
{
	const struct stat_object *o = stats_find(s, id);
	uint64_t back = LATELY_S / s->step_s;
	double sum = 0;
	unsigned known = 0;

	for (uint64_t i = 0; o && i < (back ? back : 1) && i <= slot; i++) {
		float v = stat_ring_get(o->ring, slot - i, counter);

		if (isnan(v))
			continue;
		sum += (double)v;
		known++;
	}
	return known ? (uint32_t)(fmin(sum / known, 100) * PER_PER_CENT + 0.5) : 0;
}

void
stat_tell_busy(struct stats *s, uint64_t slot)
{
	INV_EACH(s->inv, KIND_HOST, o)
	{
		const struct host *h = inv_host(s->inv, o->id);
		uint32_t network = lately(s, o->id, slot, METRIC_NET_UTILIZATION);
		uint32_t disk = lately(s, o->id, slot, METRIC_DISK_PRESSURE);
		struct host *note;

		if (h->network_busy_permille == network &&
		    h->disk_busy_permille == disk)
			continue;
		note = inv_note_begin(s->inv, o->id);
		note->network_busy_permille = network;
		note->disk_busy_permille = disk;
		inv_note_end(s->inv, o->id);
	}
}
