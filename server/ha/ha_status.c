/*
 * What there is to see of HA.
 */
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "server/ha/ha_int.h"

struct read {
	const struct ha *ha;
	const struct cluster *cl;
	struct arena *mem;
	uint64_t now_ms;
	struct ha_status *to;
};

static uint32_t
protected_on(const struct inv *inv, obj_id host)
{
	uint32_t n = 0;

	INV_EACH(inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(inv, o->id);
		n += vm->ha_protected && obj_id_is(vm->host, host);
	}
	return n;
}

static const char *
lost_stores(const struct read *r, const struct ha_node *n)
{
	const char *text = "";

	for (size_t i = 0; i < n->n_stores; i++) {
		uint64_t number = n->stores[i].number;
		if (ha_store_lost_ms(r->ha, n, number))
			text = arena_printf(r->mem, "%s%s%s", text, *text ? ", " : "",
			    inv_name(
				r->ha->o.inv, obj_id_make(KIND_DATASTORE, number)));
	}
	return text;
}

static void
read_host(const struct read *r, const struct host *row, struct ha_status_host *to)
{
	const struct ha_node *n = ha_node_find(r->ha, row->o.id);

	*to = (struct ha_status_host){
		.host = row->o.id,
		.is = n ? n->is : HA_UP,
		.slot = row->ha_slot,
		.inc = row->ha_inc,
		.fenced = ha_is_fenced(row),
		.heard = n && n->heard,
		.fencing = row->ha_fencing ? arena_strdup(r->mem, row->ha_fencing) : "",
		.lost = n ? lost_stores(r, n) : "",
		.n_protected = protected_on(r->ha->o.inv, row->o.id),
	};
	if (!n)
		return;
	to->silent_ms = r->now_ms - n->h.heard_ms;
	to->lease_ms =
	    n->h.grants_end_ms > r->now_ms ? n->h.grants_end_ms - r->now_ms : 0;
}

static void
read_hosts(const struct read *r)
{
	const struct inv *inv = r->ha->o.inv;
	struct ha_status *to = r->to;

	to->hosts =
	    arena_array(r->mem, inv_count(inv, KIND_HOST) + 1, sizeof(*to->hosts));
	INV_EACH(inv, KIND_HOST, o)
	{
		if (!obj_id_is(o->parent, r->cl->o.id))
			continue;
		read_host(r, inv_host(inv, o->id), &to->hosts[to->n_hosts]);
		to->protected_on += to->hosts[to->n_hosts++].n_protected;
	}
}

static const char *
why_not_yet(const struct read *r, const struct ha_guest *g)
{
	uint64_t again_ms =
	    lease_end(g->g.failed_ms, restart_backoff_ms(g->g.failures));

	if (g->g.is == RESTART_STARTING)
		return arena_printf(
		    r->mem, "starts on host %s", inv_name(r->ha->o.inv, g->to));
	if (g->g.failures && again_ms > r->now_ms)
		return arena_printf(r->mem, "is tried again in %llu s: %s",
		    (unsigned long long)(again_ms - r->now_ms + 999) / 1000, g->why);
	if (g->why[0])
		return arena_strdup(r->mem, g->why);
	return g->g.is == RESTART_HELD ? "an operation has to end first"
				       : "waits for others to be started before it";
}

static void
read_guests(const struct read *r)
{
	const struct inv *inv = r->ha->o.inv;
	struct ha_status *to = r->to;

	to->waiting =
	    arena_array(r->mem, map_count(r->ha->guests) + 1, sizeof(*to->waiting));
	INV_EACH(inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(inv, o->id);
		const struct ha_guest *g = ha_guest_find(r->ha, o->id);
		if (!g || !g->g.lost_ms || g->g.is == RESTART_RUNNING ||
		    inv_ancestor(inv, vm->host, KIND_CLUSTER).v != r->cl->o.id.v)
			continue;
		to->waiting[to->n_waiting++] = (struct ha_status_waiting){
			.vm = o->id,
			.is = g->g.is,
			.why = why_not_yet(r, g),
			.since_ms = r->now_ms - g->g.lost_ms,
			.failures = g->g.failures,
		};
	}
}

static void
read_failovers(const struct read *r)
{
	const struct ha_cluster *c = map_get(r->ha->clusters, r->cl->o.id.v);
	struct ha_status *to = r->to;

	to->failovers = arena_array(r->mem, HA_FAILOVERS, sizeof(*to->failovers));
	for (size_t i = 0; c && i < c->n_failovers && i < HA_FAILOVERS; i++)
		to->failovers[to->n_failovers++] =
		    c->failovers[(c->n_failovers - 1 - i) % HA_FAILOVERS];
}

bool
ha_is_braked(const struct ha *ha, obj_id cluster)
{
	const struct ha_cluster *c = map_get(ha->clusters, cluster.v);

	return c && c->braked;
}

void
ha_status_read(
    const struct ha *ha, obj_id cluster, struct arena *mem, struct ha_status *ret)
{
	struct read r = {
		.ha = ha,
		.cl = inv_cluster(ha->o.inv, cluster),
		.mem = mem,
		.now_ms = ha_now_ms(ha),
		.to = ret,
	};
	uint64_t collected_ms = lease_end(ha->since_ms, HA_COLLECT_MS);

	*ret = (struct ha_status){ .braked = ha_is_braked(ha, cluster) };
	ret->collect_ms = collected_ms > r.now_ms ? collected_ms - r.now_ms : 0;
	if (!r.cl)
		return;
	read_hosts(&r);
	read_guests(&r);
	read_failovers(&r);
}
