#include <string.h>

#include "scheduler/sched_int.h"

static struct load
load_empty(const struct sched_view *v, struct arena *a)
{
	size_t hosts = v->hosts.count, datastores = v->datastores.count;
	struct load l;

	l.hosts = arena_array(a, hosts ? hosts : 1, sizeof(*l.hosts));
	l.promised_mb =
	    arena_array(a, datastores ? datastores : 1, sizeof(*l.promised_mb));
	return l;
}

struct load
load_new(const struct sched_view *v, struct arena *a)
{
	struct load l = load_empty(v, a);

	for (uint32_t i = 0; i < v->guests.count; i++) {
		const struct view_guest *g = view_guest_at(v, i);

		if (g->host_ix != NO_IX)
			load_put(&l, g, g->in.state, g->host_ix, g->datastore_ix);
	}
	return l;
}

struct load
load_dup(const struct sched_view *v, struct arena *a)
{
	struct load l = load_empty(v, a);

	memcpy(l.hosts, v->load.hosts, v->hosts.count * sizeof(*l.hosts));
	memcpy(l.promised_mb, v->load.promised_mb,
	    v->datastores.count * sizeof(*l.promised_mb));
	return l;
}

void
load_put(struct load *l, const struct view_guest *g, enum sched_guest_state as,
    uint32_t host_ix, const uint32_t *datastore_ix)
{
	struct host_load *h = &l->hosts[host_ix];

	h->guests++;
	if (as != SCHED_GUEST_OFF) {
		h->vcpus += g->in.num_cpu;
		h->memory_mb += g->in.memory_mb;
	}
	for (size_t i = 0; i < g->in.disk_count; i++)
		l->promised_mb[datastore_ix[i]] += g->in.disks[i].need_mb;
}

void
load_take(struct load *l, const struct view_guest *g, enum sched_guest_state as,
    uint32_t host_ix, const uint32_t *datastore_ix)
{
	struct host_load *h = &l->hosts[host_ix];

	h->guests--;
	if (as != SCHED_GUEST_OFF) {
		h->vcpus -= g->in.num_cpu;
		h->memory_mb -= g->in.memory_mb;
	}
	for (size_t i = 0; i < g->in.disk_count; i++)
		l->promised_mb[datastore_ix[i]] -= g->in.disks[i].need_mb;
}
