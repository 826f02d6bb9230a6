/*
 * What an order wants of a guest, whether it may have it, and the job that does it.
 */
#include "host-agent/guest/guest_order.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "host-agent/guest/guest_chain.h"
#include "host-agent/guest/guest_change.h"
#include "host-agent/guest/guest_pools.h"
#include "host-agent/guest/guest_spec.h"
#include "proto/msg.h"

#define STOP_TIMEOUT_MAX_MS (3600u * 1000)
#define UNDO_STEPS          100u /* from an order to the one that undoes it */

bool
wish_is_same(struct order_name a, struct order_name b)
{
	return a.task == b.task && a.step == b.step;
}

static void
aim_create(struct wish *w)
{
	w->spec = w->o->guest_create->spec;
}

static void
aim_update(struct wish *w)
{
	w->spec = w->o->guest_update->spec;
}

static void
aim_start(struct wish *w)
{
	w->guest = w->o->guest_start->guest;
	w->spec = w->o->guest_start->spec;
}

static void
aim_delete(struct wish *w)
{
	w->guest = w->o->guest_delete->guest;
	w->spec = w->o->guest_delete->spec;
}

static void
aim_stop(struct wish *w)
{
	w->guest = w->o->guest_stop->guest;
}

static void
aim_reset(struct wish *w)
{
	w->guest = w->o->guest_reset->guest;
}

static void
aim_pause(struct wish *w)
{
	w->guest = w->o->guest_pause->guest;
}

static void
aim_resume(struct wish *w)
{
	w->guest = w->o->guest_resume->guest;
}

static void
aim_suspend(struct wish *w)
{
	w->guest = w->o->guest_suspend->guest;
}

enum guest_verdict
wish_make_guest(struct wish *w, struct err *e)
{
	if (!w->spec) {
		err_set(
		    e, ERR_NOT_FOUND, "vm-%" PRIu64 " is not on this host", w->guest);
		return GUEST_REFUSED;
	}
	if (guests_count(w->gs) >= MAX_GUESTS_PER_HOST) {
		err_set(e, ERR_NO_CAPACITY, "this host has %u guests already",
		    MAX_GUESTS_PER_HOST);
		return GUEST_REFUSED;
	}
	w->g = guests_add(w->gs, w->spec);
	w->g->tentative = true;
	return GUEST_GO;
}

static enum guest_verdict
check_create(struct wish *w, struct err *e)
{
	if (!w->spec) {
		err_set(e, ERR_INVALID, "a creation without a spec");
		return GUEST_REFUSED;
	}
	if (w->g && w->g->state != GUEST_CREATING) {
		if (guest_spec_same(w->g->spec, w->spec))
			return GUEST_ALREADY;
		err_set(e, ERR_EXISTS, "vm-%" PRIu64 " (%s) exists with another spec",
		    w->guest, w->g->spec->name);
		return GUEST_REFUSED;
	}
	if (guests_spec_check(w->gs, w->spec, e))
		return GUEST_REFUSED;
	return w->g ? GUEST_GO : wish_make_guest(w, e);
}

static enum guest_verdict
check_start(struct wish *w, struct err *e)
{
	uint64_t wanted = w->o->guest_start->generation;
	const Drover__GuestSpec *spec = w->spec ? w->spec : w->g ? w->g->spec : NULL;
	enum guest_verdict v = GUEST_GO;

	if (!wanted || (w->o->guest_start->make_disks && !w->spec)) {
		err_set(e, ERR_INVALID, "a start without a %s",
		    wanted ? "spec for the disks that it makes" : "generation");
		return GUEST_REFUSED;
	}
	if (spec) {
		const struct guest_generation gen = guests_generation(w->gs, w->guest);

		v = guest_generation_check(&gen, wanted, spec->name, e);
	}
	if (v != GUEST_GO)
		return v;
	if (w->g && w->spec && chain_is_behind(w->g->spec, w->spec)) {
		err_set(e, ERR_BAD_STATE,
		    "vm %s: a disk that the start names is frozen by a snapshot",
		    w->g->spec->name);
		return GUEST_REFUSED;
	}
	if (spec && guests_spec_check(w->gs, spec, e))
		return GUEST_REFUSED;
	return w->g ? GUEST_GO : wish_make_guest(w, e);
}

static enum guest_verdict
check_delete(struct wish *w, struct err *e)
{
	if (w->g)
		return GUEST_GO;
	/* Without a record and without a spec there is nothing that could be deleted.
	 */
	if (!w->spec || w->o->guest_delete->keep_disks)
		return GUEST_ALREADY;
	if (guest_spec_check(w->spec, NULL, e))
		return GUEST_REFUSED;
	return wish_make_guest(w, e);
}

/* What a guest holds in memory, running or saved, bounds what can change. */
static int
check_held(const struct guest *g, const Drover__GuestSpec *spec, struct err *e)
{
	bool resized =
	    spec->num_cpu != g->spec->num_cpu || spec->memory_mb != g->spec->memory_mb;

	if (g->state == GUEST_SUSPENDED && resized)
		return err_set(e, ERR_UNSUPPORTED,
		    "needs power off: vm %s is suspended as large as it is",
		    g->spec->name);
	if (!guest_runs(g) && g->state != GUEST_SUSPENDED)
		return 0;
	return guest_change_hot(g->spec, spec,
	    g->state == GUEST_SUSPENDED ? GUEST_HELD_SAVED : GUEST_HELD_UP, e);
}

static enum guest_verdict
check_update(struct wish *w, struct err *e)
{
	if (!w->g || !w->spec) {
		err_set(e, w->spec ? ERR_NOT_FOUND : ERR_INVALID, "vm-%" PRIu64 ": %s",
		    w->guest,
		    w->spec ? "not on this host" : "an update without a spec");
		return GUEST_REFUSED;
	}
	if (guest_spec_same(w->g->spec, w->spec))
		return GUEST_ALREADY;
	if (guests_spec_check(w->gs, w->spec, e) ||
	    guest_change_check(w->g->spec, w->spec, e) || check_held(w->g, w->spec, e))
		return GUEST_REFUSED;
	return GUEST_GO;
}

enum guest_verdict
wish_check_known(struct wish *w, struct err *e)
{
	if (w->g)
		return GUEST_GO;
	err_set(e, ERR_NOT_FOUND, "vm-%" PRIu64 " is not on this host", w->guest);
	return GUEST_REFUSED;
}

/* Given before, and the agent ended when it had shut the guest down. */
static enum guest_verdict
check_reset(struct wish *w, struct err *e)
{
	const struct guest *g = w->g;

	w->goes_on =
	    g && g->state == GUEST_STOPPED && wish_is_same(g->restart, w->name);
	return wish_check_known(w, e);
}

static const struct flow_step *
fill_create(struct guest_job *j, const struct wish *w)
{
	j->is_new = j->from == GUEST_UNKNOWN || j->from == GUEST_CREATING;
	return guest_create_steps;
}

static const struct flow_step *
fill_start(struct guest_job *j, const struct wish *w)
{
	j->generation = w->o->guest_start->generation;
	j->is_new = w->g->tentative;
	j->makes_disks = w->o->guest_start->make_disks;
	return guest_start_steps;
}

static uint32_t
stop_timeout(uint32_t ms)
{
	return ms < STOP_TIMEOUT_MAX_MS ? ms : STOP_TIMEOUT_MAX_MS;
}

static const struct flow_step *
fill_stop(struct guest_job *j, const struct wish *w)
{
	j->mode = w->o->guest_stop->mode;
	j->timeout_ms = stop_timeout(w->o->guest_stop->timeout_ms);
	return guest_stop_steps;
}

static const struct flow_step *
fill_reset(struct guest_job *j, const struct wish *w)
{
	j->graceful = w->o->guest_reset->graceful;
	j->timeout_ms = stop_timeout(w->o->guest_reset->timeout_ms);
	j->mode = j->graceful ? DROVER__STOP_MODE__STOP_GRACEFUL
			      : DROVER__STOP_MODE__STOP_KILL;
	return j->graceful || guest_spec_is_container(w->g->spec) ? guest_restart_steps
								  : guest_reset_steps;
}

static const struct flow_step *
fill_delete(struct guest_job *j, const struct wish *w)
{
	j->keep_disks = w->o->guest_delete->keep_disks;
	j->is_new = w->g->tentative;
	j->forgets = true;
	return guest_delete_steps;
}

static const struct flow_step *
fill_update(struct guest_job *j, const struct wish *w)
{
	j->delete_removed = w->o->guest_update->delete_removed;
	j->cancel = guest_update_cancel;
	return guest_update_steps;
}

/* The guest does not heed the polite way: the job gives up and the kill follows it. */
static enum wish_met
meet_stop(const struct wish *w, struct guest_job *j)
{
	bool kills = w->o->guest_stop->mode == DROVER__STOP_MODE__STOP_KILL;
	bool polite = j->verb == GV_STOP && j->mode != DROVER__STOP_MODE__STOP_KILL;

	if (!kills ||
	    (!polite && j->verb != GV_LEAVE && !(j->verb == GV_RESET && j->graceful)))
		return WISH_BUSY;
	guest_job_cancel(j, "a kill was ordered");
	return WISH_WAITS;
}

/* clang-format off */
static const struct order_verb verbs[] = {
	{ .order = ORDER(CREATE), .verb = GV_CREATE,
		.aim = aim_create, .check = check_create, .fill = fill_create },
	{ .order = ORDER(START), .verb = GV_START,
		.aim = aim_start, .check = check_start, .fill = fill_start },
	{ .order = ORDER(STOP), .verb = GV_STOP,
		.aim = aim_stop, .check = wish_check_known, .fill = fill_stop, .meet = meet_stop },
	{ .order = ORDER(RESET), .verb = GV_RESET,
		.aim = aim_reset, .check = check_reset, .fill = fill_reset },
	{ .order = ORDER(PAUSE), .verb = GV_PAUSE, .steps = guest_pause_steps,
		.aim = aim_pause, .check = wish_check_known },
	{ .order = ORDER(RESUME), .verb = GV_RESUME, .steps = guest_resume_steps,
		.aim = aim_resume, .check = wish_check_known },
	{ .order = ORDER(SUSPEND), .verb = GV_SUSPEND, .steps = guest_suspend_steps,
		.aim = aim_suspend, .check = wish_check_known },
	{ .order = ORDER(DELETE), .verb = GV_DELETE,
		.aim = aim_delete, .check = check_delete, .fill = fill_delete },
	{ .order = ORDER(UPDATE), .verb = GV_UPDATE,
		.aim = aim_update, .check = check_update, .fill = fill_update },
	{ .check = NULL },
};

/* clang-format on */

Drover__Reply *
wish_status(const struct guest *g)
{
	Drover__Reply *r = xcalloc(1, sizeof(*r));

	drover__reply__init(r);
	if (g) {
		r->result_case = DROVER__REPLY__RESULT_GUEST;
		r->guest = guest_status(g);
	}
	return r;
}

static void
answer(const struct wish *w, Drover__Reply *r_take)
{
	w->gs->ops.reply(w->gs->ops.arg, w->name, r_take);
}

static void
refuse(const struct wish *w, const struct err *e)
{
	w->gs->ops.fail(w->gs->ops.arg, w->name, e);
}

static void
start_job(const struct order_verb *v, const struct wish *w)
{
	struct guest_job *j = guest_job_new(w->g, v->verb, guest_verb_name(v->verb));

	j->name = w->name;
	j->order = w->o;
	if (w->spec)
		j->spec = guest_spec_dup(w->spec);
	guest_job_start(j, v->fill ? v->fill(j, w) : v->steps);
}

static void
wait_behind(const struct wish *w)
{
	struct guest *g = w->g;
	struct waiting_order *wait;
	struct err e = ERR_INIT;

	if (g->n_waiting >= MAX_WAITING) {
		err_set(&e, ERR_BUSY, "%u orders wait for vm %s already", MAX_WAITING,
		    g->spec->name);
		refuse(w, &e);
		return;
	}
	wait = xcalloc(1, sizeof(*wait));
	wait->name = w->name;
	wait->order = w->o;
	list_add_tail(&g->waiting, &wait->node);
	g->n_waiting++;
}

/* It must not be lost because what it undoes is still at work. */
static bool
undoes(const struct wish *w, const struct guest_job *j)
{
	return !j->internal && j->name.task == w->name.task &&
	       j->name.step + UNDO_STEPS == w->name.step;
}

/* True: the order is dealt with, for the guest has a job already. */
static bool
behind_job(const struct order_verb *v, const struct wish *w)
{
	struct guest_job *j = w->g ? w->g->job : NULL;
	enum wish_met met;
	struct err e = ERR_INIT;

	if (!j)
		return false;
	met = v->meet ? v->meet(w, j) : WISH_BUSY;
	if (met == WISH_ACTS)
		return false;
	if (met == WISH_BUSY && undoes(w, j))
		met = WISH_WAITS;
	if (met == WISH_WAITS || (j->internal && !j->refuses)) {
		wait_behind(w);
		return true;
	}
	err_set(&e, ERR_BUSY, "vm %s is busy: %s", w->g->spec->name, j->what);
	if (!j->internal)
		err_set(&e, ERR_BUSY, "vm %s is busy: %s (order %" PRIu64 ".%u)",
		    w->g->spec->name, j->what, j->name.task, j->name.step);
	refuse(w, &e);
	return true;
}

/* A move was under way, and not even the engine can tell how it ended. */
static bool
is_undecided(const struct wish *w, struct err *e)
{
	const struct guest *g = w->g;

	if (!g || g->state != GUEST_UNKNOWN || !g->move || !g->move->generation)
		return false;
	err_set(e, ERR_UNAVAILABLE, "vm %s: the engine cannot tell what became of it",
	    g->spec->name);
	return true;
}

static void
act(const struct order_verb *v, struct wish *w)
{
	struct err e = ERR_INIT;
	enum guest_verdict verdict;
	bool known = w->g != NULL;

	if (behind_job(v, w))
		return;
	verdict = is_undecided(w, &e) ? GUEST_REFUSED : v->check(w, &e);
	if (verdict == GUEST_GO && !w->goes_on)
		verdict = guest_verb_check(v->verb, w->g->state, w->g->spec->name, &e);
	switch (verdict) {
	case GUEST_GO:
		start_job(v, w);
		return;
	case GUEST_ALREADY:
		answer(w, v->already ? v->already(w) : wish_status(w->g));
		break;
	case GUEST_REFUSED:
		refuse(w, &e);
		break;
	}
	if (!known && w->g)
		guests_remove(w->gs, w->g);
}

static void
query(const struct wish *w)
{
	const struct guest *g = guests_find(w->gs, w->o->guest_query->guest);
	struct err e = ERR_INIT;

	if (g && !g->tentative) {
		answer(w, wish_status(g));
		return;
	}
	err_set(&e, ERR_NOT_FOUND, "vm-%" PRIu64 " is not on this host",
	    w->o->guest_query->guest);
	refuse(w, &e);
}

static const struct order_verb *
find_verb(Drover__Order__VerbCase c)
{
	const struct order_verb *const tables[] = { verbs, guest_move_verbs,
		guest_snapshot_verbs };

	for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
		for (const struct order_verb *v = tables[t]; v->check; v++) {
			if (v->order == c)
				return v;
		}
	}
	return NULL;
}

static void
take_pools(struct wish *w)
{
	struct err e = ERR_INIT;
	Drover__Reply *r;

	if (guest_pools_take(w->gs, w->o->host_pools, &e)) {
		refuse(w, &e);
		return;
	}
	r = xcalloc(1, sizeof(*r));
	drover__reply__init(r);
	w->gs->ops.reply(w->gs->ops.arg, w->name, r);
}

void
guests_order(void *arg, struct order_name name, const Drover__Order *o)
{
	struct wish w = { .gs = arg, .name = name, .o = o };
	const struct order_verb *v = find_verb(o->verb_case);
	struct err e = ERR_INIT;

	if (o->verb_case == DROVER__ORDER__VERB_GUEST_QUERY) {
		query(&w);
		return;
	}
	if (o->verb_case == DROVER__ORDER__VERB_HOST_POOLS) {
		take_pools(&w);
		return;
	}
	if (!v) {
		err_set(&e, ERR_UNSUPPORTED, "guests do not know this order");
		refuse(&w, &e);
		return;
	}
	v->aim(&w);
	if (w.spec && w.guest && w.spec->guest != w.guest) {
		err_set(&e, ERR_INVALID,
		    "an order for vm-%" PRIu64 " with the spec of vm-%" PRIu64, w.guest,
		    w.spec->guest);
		refuse(&w, &e);
		return;
	}
	if (w.spec)
		w.guest = w.spec->guest;
	w.g = guests_find(w.gs, w.guest);
	act(v, &w);
}

/* True: it waited, and does so no more. */
static bool
give_up_waiting(struct guest *g, struct order_name name)
{
	LIST_EACH_SAFE(struct waiting_order, w, &g->waiting, node) {
		if (!wish_is_same(w->name, name))
			continue;
		guest_waiting_drop(g, w);
		return true;
	}
	return false;
}

void
guests_cancel(void *arg, struct order_name name, const char *why)
{
	struct guests *gs = arg;
	struct err e = ERR_INIT;

	MAP_EACH(gs->by_number, it) {
		struct guest *g = it.value;
		struct guest_job *j = g->job;

		if (j && !j->internal && wish_is_same(j->name, name)) {
			guest_job_cancel(j, why);
		} else if (give_up_waiting(g, name)) {
			err_set(&e, ERR_CANCELLED, "vm %s: not begun: %s",
			    g->spec->name, why);
			gs->ops.fail(gs->ops.arg, name, &e);
			return;
		}
	}
}
