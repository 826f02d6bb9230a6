/*
 * What the guests need regularly: figures that only their engine or datastore can tell,
 * and, for a stalled one, a look whether it can go on.
 */
#include "base/log.h"
#include "base/mem.h"
#include "host-agent/guest/guest_job.h"
#include "host-agent/guest/guest_resource.h"
#include "host-agent/guest/guest_spec.h"
#include "host-agent/guest/guest_stall.h"
#include "host-agent/resource/net_dev.h"
#include "host-agent/stores/stores.h"

/* Of this network namespace; /sys may be another's. */
#define LINKS "/proc/self/net/dev"

static int
run_sizes(struct guest_work *k)
{
	for (size_t i = 0; i < k->spec->n_disks; i++) {
		uint64_t used = 0;

		if (disk_used(k->stores[i], k->spec->disks[i], &used, &k->e))
			return k->e.code;
		k->bytes += used;
	}
	return 0;
}

static void
sized(struct guest *g, struct guest_work *k)
{
	g->sizing = false;
	if (!k->e.code)
		g->disk_bytes = k->bytes;
}

static void
measure_disks(struct guest *g)
{
	struct guest_work *k;

	if (g->sizing || !g->spec->n_disks || guest_spec_invented(g->spec) ||
	    guest_work_new(g, g->spec, &k, NULL))
		return;
	k->run = run_sizes;
	k->ended = sized;
	g->sizing = !guest_work_start(k, NULL, WAKE_NONE, NULL);
}

void
guests_sample(struct guests *gs)
{
	AUTO_FREE struct net_dev *links = NULL;
	struct err e = ERR_INIT;
	size_t n_links = 0;

	if (net_dev_read(LINKS, &links, &n_links, &e))
		log_debug("guest", "%s", e.msg);
	MAP_EACH(gs->by_number, it) {
		struct guest *g = it.value;

		if (g->tentative)
			continue;
		measure_disks(g);
		guest_resources_sample(g, links, n_links);
		/* A process is read from /proc; asking its engine would hold up orders.
		 */
		if (!g->job && guest_is_live(g) && guest_spec_invented(g->spec))
			guest_job_start(
			    guest_job_new_internal(g, "query"), guest_query_steps);
	}
}

static bool
has_room(const struct guests *gs, const struct guest *g)
{
	struct stall_room rooms[GUEST_MAX_DISKS];

	for (size_t i = 0; i < g->spec->n_disks; i++) {
		struct datastore_room r = { 0 };

		rooms[i].known =
		    stores_room(gs->env.stores, g->spec->disks[i]->datastore, &r);
		rooms[i].capacity_bytes = r.capacity_bytes;
		rooms[i].free_bytes = r.free_bytes;
	}
	return stall_has_room(rooms, g->spec->n_disks);
}

void
guests_room_changed(struct guests *gs)
{
	uint64_t now = loop_now_ms(gs->env.loop);

	MAP_EACH(gs->by_number, it) {
		struct guest *g = it.value;

		if (g->state != GUEST_STALLED || g->job || now < g->resume_after_ms ||
		    !has_room(gs, g))
			continue;
		g->resume_after_ms = now + stall_retry_ms(g->stalls++);
		guest_job_start(
		    guest_job_new_internal(g, "resuming"), guest_unstall_steps);
	}
}
