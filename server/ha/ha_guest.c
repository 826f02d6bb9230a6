#include "server/ha/ha_guest.h"

#include "base/assert.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "loop/timer.h"
#include "server/event/event.h"
#include "server/ha/ha_guest_sight.h"
#include "server/hosts/hosts.h"
#include "server/inventory/inv_life.h"
#include "server/ops/ops.h"

#define GUESTS_MAGIC 0x68616775u
#define LOOK_MS      5000u
#define MS_PER_S     1000u

/* What is being found out before a reset. */
enum stage { STAGE_NONE, STAGE_IO, STAGE_SIGHT, STAGE_RESET };

struct watched {
	struct ha_guests *all;
	obj_id vm, host;
	uint64_t gen;
	uint64_t told_beat; /* the last one as its host told it, by the host's clock */
	struct ha_pulse pulse;
	enum stage stage;
	struct ha_sight *sight;
	unsigned shown; /* pictures taken */
};

/* An answer that is awaited; it outlives us if it must. */
struct asking {
	struct list_node node;
	struct ha_guests *all; /* NULL: gone */
	obj_id vm;
};

struct ha_guests {
	uint32_t magic;
	struct ha_guests_opts o;
	struct loop *loop;
	struct timer *look;
	struct map *watched;
	struct list asking;
};

static uint64_t
now_ms(const struct ha_guests *g)
{
	return clock_mono_ms(loop_clock(g->loop));
}

static void
set_stage(struct watched *w, enum stage s)
{
	w->stage = s;
}

static struct asking *
ask_new(struct watched *w)
{
	struct asking *a = xcalloc(1, sizeof(*a));

	a->all = w->all;
	a->vm = w->vm;
	list_add_tail(&w->all->asking, &a->node);
	return a;
}

/* Whose answer it is, if that is still wanted. */
static struct watched *
ask_end(struct asking *a)
{
	struct watched *w = a->all ? map_get(a->all->watched, a->vm.v) : NULL;

	if (a->all)
		list_remove(&a->node);
	free(a);
	return w;
}

/* ---- the reset ---- */

static void
fail(struct watched *w, const struct err *e)
{
	event_post(w->all->o.inv, EV_VM_MONITOR_FAILED, w->vm, caller_server.name,
	    "%s has stopped working and could not be reset: %s",
	    inv_name(w->all->o.inv, w->vm), e->msg);
	/* Not at once again. */
	w->pulse.on_ms = now_ms(w->all);
}

static void
on_reset(const struct op_result *r, void *arg)
{
	struct watched *w = ask_end(arg);

	if (!w || w->stage != STAGE_RESET)
		return;
	set_stage(w, STAGE_NONE);
	if (r->rc)
		fail(w, &r->err);
}

static void
tell_reset(const struct watched *w, const struct protect_monitor *m,
    const struct ha_seen *seen)
{
	struct inv *inv = w->all->o.inv;
	uint64_t now = now_ms(w->all);

	event_post(inv, EV_VM_MONITOR_RESET, w->vm, caller_server.name,
	    "Resetting %s, which has not answered for %llu s and does nothing: %zu of "
	    "%u times%s%s%s%s",
	    inv_name(inv, w->vm),
	    (unsigned long long)(ha_guest_silent_ms(&w->pulse, now) / MS_PER_S),
	    ha_guest_resets(&w->pulse, m, now) + 1, m->resets,
	    *seen->picture ? "; its screen: " : "", seen->picture,
	    *seen->line ? "; its console said last: " : "", seen->line);
}

static void
reset(struct watched *w, const struct ha_seen *seen)
{
	const struct vm *vm = inv_vm(w->all->o.inv, w->vm);
	AUTO(json) json *args = json_new_object();
	const struct op_request r = {
		.op = "vm.restart",
		.entity = w->vm,
		.args = args,
		.who = &caller_server,
	};

	tell_reset(w, protect_monitor_of(protect_monitoring(w->all->o.inv, vm)), seen);
	ha_guest_note_reset(&w->pulse, now_ms(w->all));
	json_set_str(args, "mode", "reset");
	set_stage(w, STAGE_RESET);
	op_submit(w->all->o.ops, &r, on_reset, ask_new(w));
}

/* ---- what it shows ---- */

static void
on_seen(void *arg, const struct ha_seen *seen)
{
	struct watched *w = arg;

	w->sight = NULL;
	if (inv_vm(w->all->o.inv, w->vm))
		reset(w, seen);
}

static void
look_closely(struct watched *w)
{
	const struct ha_guests_opts *o = &w->all->o;
	const struct ha_sight_opts so = {
		.inv = o->inv,
		.hosts = o->hosts,
		.visits = o->visits,
		.vm = w->vm,
		.number = w->shown++ % PROTECT_MAX_RESETS + 1,
	};

	set_stage(w, STAGE_SIGHT);
	if (o->visits)
		w->sight = ha_sight_new(&so, on_seen, w);
	else
		reset(w, &(struct ha_seen){ "", "" });
}

/* ---- deciding ---- */

static void
follow(struct watched *w, enum ha_guest_io io)
{
	struct inv *inv = w->all->o.inv;
	const struct vm *vm = inv_vm(inv, w->vm);
	const struct protect_monitor *m =
	    protect_monitor_of(protect_monitoring(inv, vm));

	switch (ha_guest_decide(&w->pulse, m, &w->all->o.times, io, now_ms(w->all))) {
	case HA_GUEST_NOTHING:
	case HA_GUEST_ASK_IO:
		break;
	case HA_GUEST_RESET:
		look_closely(w);
		break;
	case HA_GUEST_GIVE_UP:
		w->pulse.given_up = true;
		event_post(inv, EV_VM_MONITOR_GIVEN_UP, w->vm, caller_server.name,
		    "%s has stopped working and was reset %u times already: it is let "
		    "alone",
		    vm->o.name, m->resets);
		break;
	}
}

static void
on_io(void *arg, enum ha_guest_io io)
{
	struct watched *w = ask_end(arg);

	if (!w || w->stage != STAGE_IO)
		return;
	set_stage(w, STAGE_NONE);
	if (inv_vm(w->all->o.inv, w->vm))
		follow(w, io);
}

static void
ask_io(struct watched *w)
{
	const struct ha_guests_opts *o = &w->all->o;

	set_stage(w, STAGE_IO);
	o->ask_io(o->ask_from, o->inv, w->vm, o->times.idle_ms, on_io, ask_new(w));
}

/* ---- what hosts tell ---- */

static void
drop(struct watched *w)
{
	ha_sight_free(w->sight);
	free(map_del(w->all->watched, w->vm.v));
}

/* Another run, or another host: as if never seen. */
static void
begin_anew(struct watched *w, const struct vm *vm)
{
	ha_sight_free(MOVE(w->sight));
	w->pulse = (struct ha_pulse){ .on_ms = now_ms(w->all) };
	w->host = vm->host;
	w->gen = vm->run_gen;
	w->told_beat = vm->guest_heartbeat;
	set_stage(w, STAGE_NONE);
}

static struct watched *
watched_of(struct ha_guests *g, const struct vm *vm)
{
	struct watched *w = map_get(g->watched, vm->o.id.v);

	if (!w) {
		w = xcalloc(1, sizeof(*w));
		w->all = g;
		w->vm = vm->o.id;
		map_put(g->watched, vm->o.id.v, w);
		begin_anew(w, vm);
	} else if (w->gen != vm->run_gen || !obj_id_is(w->host, vm->host)) {
		begin_anew(w, vm);
	}
	return w;
}

/* Only that its time has changed counts: whose clock it is of does not matter then. */
static void
take(struct watched *w, const struct vm *vm)
{
	bool is_up = hosts_is_up(w->all->o.hosts, vm->host);

	if (!is_up)
		w->pulse.heard_ms = 0;
	else if (!w->pulse.heard_ms)
		w->pulse.heard_ms = now_ms(w->all);
	if (!vm->guest_heartbeat || vm->guest_heartbeat == w->told_beat)
		return;
	w->told_beat = vm->guest_heartbeat;
	w->pulse.beat_ms = now_ms(w->all);
}

static bool
is_monitored(const struct inv *inv, const struct vm *vm)
{
	const struct cluster *cl =
	    inv_cluster(inv, inv_ancestor(inv, vm->host, KIND_CLUSTER));

	return cl && cl->ha_enabled && vm->power_state == POWER_ON &&
	       vm->lifecycle == LIFE_READY &&
	       protect_monitoring(inv, vm) != HA_MONITOR_OFF;
}

static void
look_at(struct ha_guests *g, const struct vm *vm)
{
	struct watched *w = watched_of(g, vm);
	const struct protect_monitor *m =
	    protect_monitor_of(protect_monitoring(g->o.inv, vm));

	take(w, vm);
	if (w->stage != STAGE_NONE)
		return;
	if (ha_guest_decide(&w->pulse, m, &g->o.times, HA_GUEST_IO_UNASKED,
		now_ms(g)) == HA_GUEST_ASK_IO)
		ask_io(w);
}

static void
on_look(void *arg)
{
	struct ha_guests *g = CAST_OBJ(ha_guests, arg, GUESTS_MAGIC);

	MAP_EACH(g->watched, it) {
		const struct vm *vm = inv_vm(g->o.inv, (obj_id){ it.key });
		if (!vm || !is_monitored(g->o.inv, vm))
			drop(it.value);
	}
	INV_EACH(g->o.inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(g->o.inv, o->id);
		if (is_monitored(g->o.inv, vm))
			look_at(g, vm);
	}
}

struct ha_guests *
ha_guests_new(const struct ha_guests_opts *o)
{
	struct ha_guests *g = xcalloc(1, sizeof(*g));

	g->magic = GUESTS_MAGIC;
	g->o = *o;
	g->loop = inv_loop(o->inv);
	g->watched = map_new_u64();
	list_init(&g->asking);
	g->look = timer_new(g->loop, on_look, g);
	timer_every(g->look, LOOK_MS);
	return g;
}

void
ha_guests_free(struct ha_guests *g)
{
	if (!g)
		return;
	LIST_EACH_SAFE(struct asking, a, &g->asking, node) {
		list_remove(&a->node);
		a->all = NULL;
	}
	timer_free(g->look);
	MAP_EACH(g->watched, it) {
		drop(it.value);
	}
	map_free(g->watched);
	free(g);
}
