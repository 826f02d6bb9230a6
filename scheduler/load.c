#include <string.h>

#include "scheduler/sched_int.h"

static struct load
load_empty(const struct sched_view *v, struct arena *a)
{
	size_t hosts = v->hosts.count, datastores = v->datastores.count;
	struct load l = { 0 };

	l.at = arena_array(a, v->guests.count + 1, sizeof(*l.at));
	l.hosts = arena_array(a, hosts ? hosts : 1, sizeof(*l.hosts));
	l.promised_mb =
	    arena_array(a, datastores ? datastores : 1, sizeof(*l.promised_mb));
	return l;
}

struct load
load_new(const struct sched_view *v, struct arena *a)
{
	struct load l = load_empty(v, a);

	memset(l.at, 0xff, v->guests.count * sizeof(*l.at));
	for (uint32_t i = 0; i < v->guests.count; i++) {
		const struct view_guest *g = view_guest_at(v, i);

		if (g->host_ix != NO_IX)
			load_put(v, &l, g, g->in.state, g->host_ix, g->datastore_ix);
	}
	return l;
}

struct load
load_dup(const struct sched_view *v, struct arena *a)
{
	struct load l = load_empty(v, a);

	memcpy(l.at, v->load.at, v->guests.count * sizeof(*l.at));
	memcpy(l.hosts, v->load.hosts, v->hosts.count * sizeof(*l.hosts));
	memcpy(l.promised_mb, v->load.promised_mb,
	    v->datastores.count * sizeof(*l.promised_mb));
	return l;
}

uint64_t
load_demand_mhz(const struct view_guest *g, const struct view_host *h)
{
	return g->in.is_measured ? g->in.cpu_demand_mhz
				 : g->in.num_cpu * h->policy.vcpu_demand_mhz;
}

void
load_put(const struct sched_view *v, struct load *l, const struct view_guest *g,
    enum sched_guest_state as, uint32_t host_ix, const uint32_t *datastore_ix)
{
	struct host_load *h = &l->hosts[host_ix];

	h->guests++;
	if (as != SCHED_GUEST_OFF) {
		h->vcpus += g->in.num_cpu;
		h->demand_mhz += load_demand_mhz(g, view_host_at(v, host_ix));
		h->memory_mb += g->in.memory_mb;
		h->running++;
		l->at[g->ix] = host_ix;
	}
	for (size_t i = 0; i < g->in.disk_count; i++)
		l->promised_mb[datastore_ix[i]] += g->in.disks[i].need_mb;
}

void
load_take(const struct sched_view *v, struct load *l, const struct view_guest *g,
    enum sched_guest_state as, uint32_t host_ix, const uint32_t *datastore_ix)
{
	struct host_load *h = &l->hosts[host_ix];

	h->guests--;
	if (as != SCHED_GUEST_OFF) {
		h->vcpus -= g->in.num_cpu;
		h->demand_mhz -= load_demand_mhz(g, view_host_at(v, host_ix));
		h->memory_mb -= g->in.memory_mb;
		h->running--;
		l->at[g->ix] = NO_IX;
	}
	for (size_t i = 0; i < g->in.disk_count; i++)
		l->promised_mb[datastore_ix[i]] -= g->in.disks[i].need_mb;
}
