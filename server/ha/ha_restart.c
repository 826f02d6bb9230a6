/*
 * Guests that their hosts have lost: which is ordered next, and where
 * (ha_restart_decide), and what became of it.
 */
#include <stdio.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/advice/advice.h"
#include "server/event/event.h"
#include "server/ha/ha_int.h"
#include "server/hosts/hosts.h"
#include "server/ops/wake_room.h"
#include "server/protect/protect.h"
#include "server/task/task.h"

/* The task of an order has its own end. */
#define START_LIMIT_MS UINT32_MAX

/* How long a guest that runs took until then, if its host knows. */
#define TOLD_WITHIN_MS 5000u

/* So often the scheduler is asked in one turn of the loop. */
#define PLACES_A_LOOK 16u

struct look {
	struct ha *ha;
	const struct cluster *cl;
	struct arena *mem;
	uint64_t now_ms;
	struct map *busy;   /* guests that tasks work on */
	struct map *places; /* guest → where it stands in ids */
	obj_id *hosts;
	size_t n_hosts;
	struct restart_guest *guests;
	obj_id *ids; /* of guests, by the same index */
	size_t n;
	unsigned asked; /* the scheduler, in this look */
};

/* ---- the view ---- */

static uint32_t
index_of(const struct look *l, obj_id host)
{
	for (size_t i = 0; i < l->n_hosts; i++) {
		if (obj_id_is(l->hosts[i], host))
			return (uint32_t)i;
	}
	return UINT32_MAX;
}

/* What a host that nobody hears makes of an order is not known, so not failed. */
static enum restart_is
is_starting(const struct look *l, const struct ha_guest *g)
{
	const struct ha_node *n = ha_node_find(l->ha, g->to);

	if (!n || index_of(l, g->to) == UINT32_MAX || n->is == HA_SUSPECT ||
	    n->is == HA_PARTITIONED || n->is == HA_ISOLATED)
		return RESTART_HELD;
	return RESTART_STARTING;
}

static enum restart_is
judge(const struct look *l, const struct vm *vm, struct ha_guest *g)
{
	const struct task_run *r = map_get(l->busy, vm->o.id.v);
	const struct ha_node *n = ha_node_find(l->ha, vm->host);
	const struct ha_run *run = n ? ha_run_of(n, vm->o.id) : NULL;

	/* One that a leader before us ordered: where it was put. */
	if (r && obj_id_none(g->to))
		g->to = vm->host;
	if (g->asked || (r && str_same(r->kind->op, "ha.restart")))
		return is_starting(l, g);
	if (r || vm->lifecycle != LIFE_READY)
		return RESTART_HELD;
	if (ha_is_lost(l->ha, vm))
		return RESTART_WAITING;
	/* Ordered by us; what became of it its host says. */
	bool is_down = vm->power_state == POWER_OFF || vm->power_state == POWER_UNKNOWN;
	if (g->g.lost_ms && is_down && !(run && run->alive && run->gen == vm->run_gen))
		return run && run->phase != DROVER__RUN_PHASE__RUN_NONE
			   ? RESTART_HELD
			   : RESTART_WAITING;
	return RESTART_RUNNING;
}

static void
note_lost(const struct look *l, const struct vm *vm, struct ha_guest *g)
{
	const struct ha_node *n = ha_node_find(l->ha, vm->host);

	if (g->g.lost_ms)
		return;
	g->g.lost_ms = l->now_ms;
	g->from = vm->host;
	/* One that is silent was lost with its last word, others just now. */
	bool silent = n && (n->is == HA_DEAD || n->is == HA_ISOLATED);
	g->heard_ms = silent ? n->h.heard_ms : l->now_ms;
	log_notice("ha", "vm \"%s\" is lost with host \"%s\"", vm->o.name,
	    inv_name(l->ha->o.inv, vm->host));
}

static bool
has_heartbeat(const struct vm *vm, const struct ha_guest *g)
{
	return vm->guest_heartbeat && vm->guest_heartbeat >= g->ordered_wall_ms;
}

static void
fill_tried(const struct look *l, const struct ha_guest *g, struct restart_guest *rg)
{
	rg->n_tried = 0;
	for (size_t i = 0; i < g->g.n_tried; i++) {
		uint32_t at = index_of(l, obj_id_make(KIND_HOST, g->g.tried[i]));
		if (at != UINT32_MAX)
			rg->tried[rg->n_tried++] = at;
	}
}

static void
add_guest(struct look *l, const struct vm *vm)
{
	struct ha_guest *g = ha_guest_of(l->ha, vm->o.id);
	struct restart_guest *rg = &l->guests[l->n];
	enum restart_is is = judge(l, vm, g);

	if (is == RESTART_WAITING)
		note_lost(l, vm, g);
	if (g->seen_ms && l->now_ms - g->seen_ms >= TOLD_WITHIN_MS)
		ha_restart_tell(l->ha, g);
	g->g.is = is;
	*rg = g->g;
	rg->id = obj_id_number(vm->o.id);
	rg->priority = (enum restart_priority)protect_priority(l->ha->o.inv, vm);
	rg->host = is == RESTART_STARTING ? index_of(l, g->to) : 0;
	rg->has_heartbeat = has_heartbeat(vm, g);
	rg->has_port = ha_port_answers(l->ha, g);
	fill_tried(l, g, rg);
	l->ids[l->n] = vm->o.id;
	map_put(l->places, vm->o.id.v, &l->ids[l->n]);
	l->n++;
}

static size_t
place_of(const struct look *l, obj_id vm)
{
	const obj_id *at = map_get(l->places, vm.v);

	return at ? (size_t)(at - l->ids) : SIZE_MAX;
}

/* Those that it waits for, as far as they are protected too. */
static void
add_needs(struct look *l, size_t i)
{
	const struct vm *vm = inv_vm(l->ha->o.inv, l->ids[i]);
	size_t n = vm->ha_depends ? json_count(vm->ha_depends) : 0;
	struct restart_need *needs = arena_array(l->mem, n + 1, sizeof(*needs));
	size_t n_needs = 0;

	for (size_t k = 0; k < n; k++) {
		const json *j = json_at(vm->ha_depends, k);
		const char *id = json_str_value(json_get(j, "vm"), NULL);
		const char *gate = json_str_value(json_get(j, "gate"), NULL);
		const json *limit = json_get(j, "limit_s");
		struct err ignored = ERR_INIT;
		obj_id first = OBJ_ID_NONE;
		if (!id || obj_id_parse(id, KIND_VM, &first, &ignored))
			continue;
		size_t at = place_of(l, first);
		int g = gate ? ha_gate_parse(gate) : HA_GATE_ON;
		if (at == SIZE_MAX || at == i || g < 0)
			continue;
		needs[n_needs++] = (struct restart_need){
			.guest = at,
			.gate = (enum restart_gate)g,
			.limit_ms = limit ? (uint64_t)json_int_value(limit) * 1000
					  : l->cl->ha_gate_limit_s * UINT64_C(1000),
		};
	}
	l->guests[i].needs = needs;
	l->guests[i].n_needs = n_needs;
}

/* Of those that others may have to wait for. */
static void
try_ports(struct look *l)
{
	bool waits = false;

	for (size_t i = 0; i < l->n && !waits; i++)
		waits = l->guests[i].lost_ms != 0;
	for (size_t i = 0; i < l->n && waits; i++) {
		if (l->guests[i].is == RESTART_RUNNING)
			ha_port_try(l->ha, ha_guest_of(l->ha, l->ids[i]));
	}
}

/* Asked of every guest there is, for each cluster. */
static bool
is_ours(const struct look *l, const struct vm *vm)
{
	const struct obj *host = inv_get(l->ha->o.inv, vm->host);

	return host && obj_id_is(host->parent, l->cl->o.id);
}

static void
collect(struct look *l)
{
	const struct inv *inv = l->ha->o.inv;
	size_t max = inv_count(inv, KIND_VM) + 1;

	l->hosts =
	    arena_array(l->mem, inv_count(inv, KIND_HOST) + 1, sizeof(*l->hosts));
	INV_EACH(inv, KIND_HOST, o)
	{
		if (obj_id_is(o->parent, l->cl->o.id))
			l->hosts[l->n_hosts++] = o->id;
	}
	l->guests = arena_array(l->mem, max, sizeof(*l->guests));
	l->ids = arena_array(l->mem, max, sizeof(*l->ids));
	INV_EACH(inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(inv, o->id);
		if (vm->ha_protected && is_ours(l, vm))
			add_guest(l, vm);
	}
	for (size_t i = 0; i < l->n; i++)
		add_needs(l, i);
	try_ports(l);
}

/* ---- where ---- */

/* Long before its own guests there are given up: a claim could not be written. */
static bool
lacks_store(const struct ha *ha, const struct ha_node *n, const struct vm *vm)
{
	for (size_t i = 0; i < vm->datastores.n; i++) {
		if (ha_store_lost_ms(ha, n, obj_id_number(vm->datastores.v[i])))
			return true;
	}
	return false;
}

static bool
may_take(const struct look *l, const struct vm *vm, obj_id host)
{
	const struct ha_node *n = ha_node_find(l->ha, host);
	struct err ignored = ERR_INIT;

	return n && n->is == HA_UP && n->able && !n->fencing &&
	       hosts_is_up(l->ha->o.hosts, host) && !lacks_store(l->ha, n, vm) &&
	       !protect_check(l->ha->o.inv, vm, host, &ignored);
}

static struct advice_guest
wanted(const struct look *l, const struct vm *vm)
{
	return (struct advice_guest){
		.vm = vm->o.id,
		.name = vm->o.name,
		.is_restart = true,
		.cluster = l->cl->o.id,
		.num_cpu = vm->num_cpu,
		.memory_mb = vm->memory_mb,
		.engine = vm->engine,
		.datastore = vm->datastores.n ? vm->datastores.v[0] : OBJ_ID_NONE,
		.network = vm->networks.n ? vm->networks.v[0] : OBJ_ID_NONE,
	};
}

static void
ask_advice(struct look *l, const struct vm *vm, const struct restart_ask *ask,
    struct advice_guest *to)
{
	obj_id *closed = arena_array(l->mem, l->n_hosts + 1, sizeof(*closed));
	obj_id *avoid = arena_array(l->mem, ask->n_avoid + 1, sizeof(*avoid));

	*to = wanted(l, vm);
	to->avoid = avoid;
	to->closed = closed;
	for (size_t i = 0; i < ask->n_avoid; i++)
		avoid[to->n_avoid++] = l->hosts[ask->avoid[i]];
	for (size_t i = 0; i < l->n_hosts; i++) {
		if (ask->full[i] || !may_take(l, vm, l->hosts[i]))
			closed[to->n_closed++] = l->hosts[i];
	}
}

/* The room is held at once, so that the next guest of this look finds the rest. */
static bool
place(void *arg, const struct restart_ask *ask, uint32_t *ret_host)
{
	struct look *l = arg;
	const struct vm *vm = inv_vm(l->ha->o.inv, l->ids[ask->guest]);
	struct advice_guest want;
	struct err e = ERR_INIT;
	obj_id host;

	if (l->asked++ >= PLACES_A_LOOK)
		return false;
	ask_advice(l, vm, ask, &want);
	if (advice_find_host(l->ha->o.advice, &want, &host, &e)) {
		struct ha_guest *g = ha_guest_of(l->ha, vm->o.id);
		snprintf(g->why, sizeof(g->why), "%.190s", e.msg);
		return false;
	}
	struct advice_hold hold = {
		.vm = vm->o.id,
		.host = host,
		.cluster = l->cl->o.id,
		.num_cpu = vm->num_cpu,
		.memory_mb = vm->memory_mb,
	};
	advice_hold_take(l->ha->o.advice, &hold);
	*ret_host = index_of(l, host);
	return true;
}

/* ---- what follows ---- */

static void
start(struct look *l, struct ha_guest *g, obj_id host)
{
	const struct ha *ha = l->ha;

	g->g.ordered_ms = l->now_ms;
	g->ordered_wall_ms = clock_wall_ms(loop_clock(ha->loop));
	g->no_host = g->retrieved = false;
	g->gen = inv_vm(ha->o.inv, g->id)->run_gen + 1;
	g->why[0] = '\0';
	log_notice("ha", "vm \"%s\" is ordered on host \"%s\"",
	    inv_name(ha->o.inv, g->id), inv_name(ha->o.inv, host));
	ha_order(l->ha, g, host);
}

static void
tell_failing(struct ha *ha, struct ha_guest *g)
{
	g->g.alarmed = true;
	event_post(ha->o.inv, EV_VM_HA_RESTART_FAILING, g->id, NULL,
	    "%s could not be started elsewhere %u times; it is tried on: %s",
	    inv_name(ha->o.inv, g->id), g->g.failures, g->why);
}

static void
tell_no_host(const struct look *l, struct ha_guest *g)
{
	static const struct caller self = { .name = "ha", .role = ROLE_ADMINISTRATOR };
	const struct vm *vm = inv_vm(l->ha->o.inv, g->id);
	const struct ha *ha = l->ha;
	struct advice_guest want;

	if (g->no_host)
		return;
	g->no_host = true;
	if (vm) {
		want = wanted(l, vm);
		wake_for_room(ha->o.ops, &want, &self);
	}
	event_post(ha->o.inv, EV_VM_HA_NO_HOST, g->id, NULL,
	    "No host takes %s, which was lost with host %s: %s",
	    inv_name(ha->o.inv, g->id), inv_name(ha->o.inv, g->from), g->why);
}

static void
carry_out(struct look *l, const struct restart_orders *out)
{
	for (size_t i = 0; i < out->n; i++) {
		const struct restart_order *o = &out->list[i];
		struct ha_guest *g = ha_guest_of(l->ha, l->ids[o->guest]);
		switch (o->what) {
		case RESTART_START:
			start(l, g, l->hosts[o->host]);
			break;
		case RESTART_ALARM:
			tell_failing(l->ha, g);
			break;
		case RESTART_NO_PLACE:
			if (g->why[0])
				tell_no_host(l, g);
			break;
		case RESTART_FAIL:
			break; /* its task has its own end */
		}
	}
}

/* A guest that runs again is remembered for as long as others wait for it. */
static void
forget_well(const struct look *l)
{
	const enum ha_gate gate = l->cl->ha_gate;

	for (size_t i = 0; i < l->n; i++) {
		const struct restart_guest *rg = &l->guests[i];
		struct ha_guest *g = ha_guest_of(l->ha, l->ids[i]);
		bool waits = (gate == HA_GATE_HEARTBEAT && !rg->has_heartbeat) ||
			     (gate == HA_GATE_PORT && !rg->has_port);
		uint64_t limit_ms = l->cl->ha_gate_limit_s * UINT64_C(1000);
		if (rg->is != RESTART_RUNNING || !rg->lost_ms ||
		    (waits && l->now_ms < lease_end(rg->ordered_ms, limit_ms)))
			continue;
		g->g.lost_ms = 0;
		g->g.failures = 0;
		g->g.n_tried = 0;
		g->g.alarmed = false;
	}
}

void
ha_restart_look(struct ha *ha, const struct cluster *cl)
{
	AUTO(arena) struct arena *mem = arena_new();
	AUTO(map) struct map *busy = ha_busy_guests(ha);
	AUTO(map) struct map *places = map_new_u64();
	struct look l = {
		.ha = ha,
		.cl = cl,
		.mem = mem,
		.now_ms = ha_now_ms(ha),
		.busy = busy,
		.places = places,
	};

	collect(&l);
	size_t *order = arena_array(mem, l.n + 1, sizeof(*order));
	struct restart_orders out = {
		.list = arena_array(mem, 2 * l.n + 1, sizeof(*out.list)),
		.full = arena_array(mem, l.n_hosts + 1, sizeof(*out.full)),
		.starting = arena_array(mem, l.n_hosts + 1, sizeof(*out.starting)),
		.order = order,
	};
	struct restart_view v = {
		.guests = l.guests,
		.n = l.n,
		.hosts = l.n_hosts,
		.gate_limit_ms = cl->ha_gate_limit_s * UINT64_C(1000),
		.start_limit_ms = START_LIMIT_MS,
		.place = place,
		.place_arg = &l,
	};
	for (size_t i = 0; i < RESTART_PRIORITIES_; i++)
		v.gates[i] = (enum restart_gate)cl->ha_gate;
	restart_sort(l.guests, l.n, order);
	ha_restart_decide(&v, l.now_ms, &out);
	carry_out(&l, &out);
	forget_well(&l);
	if (l.asked > PLACES_A_LOOK)
		ha_look_soon(ha);
}
