#include "host-agent/guest/guest_job.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/guest/guest_move.h"
#include "host-agent/guest/guest_spec.h"
#include "host-agent/link/inbox.h"
#include "host-agent/link/progress.h"
#include "host-agent/network/outage.h"
#include "host-agent/record/record.h"
#include "host-agent/stores/stores.h"
#include "loop/timer.h"
#include "loop/worker.h"

struct guest_job *
guest_job_new(struct guest *g, enum guest_verb verb, const char *what)
{
	struct guest_job *j = xcalloc(1, sizeof(*j));

	j->magic = GUEST_JOB_MAGIC;
	j->id = ++g->gs->last_job;
	j->g = g;
	j->verb = verb;
	j->what = what;
	j->from = g->state;
	j->memory_fd = -1;
	return j;
}

struct guest_job *
guest_job_new_internal(struct guest *g, const char *what)
{
	struct guest_job *j = guest_job_new(g, GV_VERBS_, what);

	j->internal = true;
	return j;
}

void
guest_job_close_fds(struct guest_job *j)
{
	for (size_t i = 0; i < j->n_disks; i++)
		disk_close(&j->disks[i]);
	for (size_t i = 0; i < j->n_taps; i++) {
		if (j->taps[i] >= 0)
			close(j->taps[i]);
	}
	free(j->disks);
	free(j->taps);
	j->disks = NULL;
	j->taps = NULL;
	j->n_disks = j->n_taps = 0;
	if (j->memory_fd >= 0)
		close(MOVE_FD(j->memory_fd));
}

void
guest_job_free(struct guest_job *j)
{
	if (!j)
		return;
	guest_job_close_fds(j);
	drover__guest_spec__free_unpacked(j->spec, NULL);
	drover__guest_spec__free_unpacked(j->old, NULL);
	guest_update_free(j->update);
	guest_disks_free(j->disks_move);
	drover__reply__free_unpacked(j->reply, NULL);
	timer_free(j->ticker);
	outage_free(j->outage);
	free(j->own_steps);
	free(j->traced);
	j->magic = 0;
	free(j);
}

/* Where a guest that is down stands after a job that failed. */
static enum guest_state
down_state(const struct guest_job *j)
{
	const struct guest *g = j->g;

	/* It may have been given whole before it ended: only its target can tell. */
	if (g->state == GUEST_LEAVING && j->giving)
		return GUEST_GIVEN;
	if (g->state == GUEST_SUSPENDING) {
		bool saved = j->image_synced && g->handle &&
			     engine_guest_end(g->handle) == ENGINE_END_SUSPENDED;

		return saved ? GUEST_SUSPENDED : GUEST_FAILED;
	}
	/* Its disks have left the old memory behind. */
	if (j->booted && j->from == GUEST_SUSPENDED)
		return GUEST_FAILED;
	if (guest_state_rests(j->from) && !guest_state_is_up(j->from) &&
	    j->from != GUEST_UNKNOWN)
		return j->from;
	return g->state == GUEST_DELETING ? GUEST_FAILED : GUEST_STOPPED;
}

/* A failed job leaves its guest where the engine says that it is. */
static void
settle_failed(struct guest_job *j)
{
	struct guest *g = j->g;
	bool left;

	if (g->state == GUEST_CREATING || guest_state_rests(g->state))
		return;
	if (!guest_is_live(g))
		guest_forget_claim(g);
	g->restart = (struct order_name){ 0 };
	left = g->state == GUEST_LEAVING;
	guest_follow_engine(g, down_state(j));
	if (left && g->state != GUEST_GIVEN)
		guest_set_move(g, NULL);
	if (guest_is_live(g) && !g->started_ms)
		g->started_ms = clock_wall_ms(loop_clock(g->gs->env.loop));
	guest_save(g, WAKE_NONE);
}

static void
answer(struct guest_job *j, int rc, const struct err *e)
{
	const struct guests_ops *ops = &j->g->gs->ops;
	Drover__Reply *r;

	if (j->internal) {
		if (rc)
			log_warn("guest", "vm %s: %s: %s", j->g->spec->name, j->what,
			    e->msg);
		return;
	}
	if (rc) {
		ops->fail(ops->arg, j->name, e);
		return;
	}
	if (j->reply) {
		ops->reply(ops->arg, j->name, MOVE(j->reply));
		return;
	}
	r = xcalloc(1, sizeof(*r));
	drover__reply__init(r);
	if (!j->forgets) {
		r->result_case = DROVER__REPLY__RESULT_GUEST;
		r->guest = guest_status(j->g);
	}
	ops->reply(ops->arg, j->name, r);
}

static void
note_adopted(struct guests *gs)
{
	if (--gs->adopting == 0)
		gs->adopted(gs->adopted_arg);
}

/* Orders that waited for the end of it go on without it. */
static void
remove_guest(struct guest *g)
{
	struct guests *gs = g->gs;
	struct list waiting;

	list_init(&waiting);
	LIST_EACH_SAFE(struct waiting_order, w, &g->waiting, node) {
		list_remove(&w->node);
		list_add_tail(&waiting, &w->node);
	}
	guests_remove(gs, g);
	gs->ops.changed(gs->ops.arg);
	LIST_EACH_SAFE(struct waiting_order, w, &waiting, node) {
		list_remove(&w->node);
		guests_order(gs, w->name, w->order);
		free(w);
	}
}

static void
on_ended(void *owner, struct flow *f, int rc, const struct err *e)
{
	struct guest_job *j = CAST_OBJ(guest_job, owner, GUEST_JOB_MAGIC);
	struct guest *g = j->g;
	struct guests *gs = g->gs;
	bool gone;

	g->job = NULL;
	gone = rc ? j->is_new && !guest_is_live(g) : j->forgets;
	if (rc && !gone)
		settle_failed(j);
	answer(j, rc, e);
	if (!rc && j->saves_last)
		guest_save(g, WAKE_NONE);
	if (!j->internal)
		progress_drop(gs->env.progress, j->name);
	if (gone) {
		remove_guest(g);
	} else {
		guest_replay_event(g);
		if (!rc && j->verb == GV_ARRIVE)
			guest_arrival_watch(g, MOVE(j->outage));
		guest_job_start_waiting(g);
	}
	if (j->adopts)
		note_adopted(gs);
	guest_job_free(j);
}

static const struct flow_hooks hooks = { NULL, on_ended };

/* ---- places for the kill tests ---- */

/* "leave" of the order guest_leave; the agent's own work has no order. */
static const char *
work_name(const struct guest_job *j)
{
	const char *name = j->order ? inbox_verb_name(j->order->verb_case) : j->what;

	return str_starts(name, "guest_") ? name + strlen("guest_") : name;
}

static const struct flow_step *
pass(struct flow *f, const struct guest_job *j, const char *when)
{
	char name[120];

	snprintf(name, sizeof(name), "agent.%s.%s.%s", work_name(j), flow_step_name(f),
	    when);
	fault_point(name);
	return &j->steps[flow_step_index(f)];
}

static enum flow_rc
passed(struct flow *f, const struct guest_job *j, enum flow_rc rc)
{
	if (rc == FLOW_NEXT)
		pass(f, j, "after");
	return rc;
}

static enum flow_rc
traced_start(struct flow *f, void *arg)
{
	const struct guest_job *j = arg;

	return passed(f, j, pass(f, j, "before")->start(f, arg));
}

static enum flow_rc
traced_finish(struct flow *f, void *arg, int rc)
{
	const struct guest_job *j = arg;
	const struct flow_step *step = &j->steps[flow_step_index(f)];

	if (step->finish)
		return passed(f, j, step->finish(f, arg, rc));
	return passed(f, j, rc ? FLOW_FAIL : FLOW_NEXT);
}

static enum flow_rc
traced_undo(struct flow *f, void *arg)
{
	return pass(f, arg, "undo")->undo(f, arg);
}

static const struct flow_step *
trace(struct guest_job *j)
{
	size_t n = 0;

	while (j->steps[n].name)
		n++;
	j->traced = xcalloc(n + 1, sizeof(*j->traced));
	for (size_t i = 0; i < n; i++) {
		j->traced[i] = j->steps[i];
		j->traced[i].start = traced_start;
		j->traced[i].finish = traced_finish;
		if (j->steps[i].undo)
			j->traced[i].undo = traced_undo;
	}
	return j->traced;
}

void
guest_job_start(struct guest_job *j_take, const struct flow_step *steps)
{
	struct guest *g = j_take->g;

	ASSERT(!g->job);
	g->job = j_take;
	j_take->steps = steps;
	if (FAULT_POINTS_BUILT)
		steps = trace(j_take);
	j_take->flow =
	    flow_new(g->gs->env.flows, j_take->what, steps, j_take, &hooks, j_take);
	flow_start(j_take->flow);
}

void
guest_job_cancel(struct guest_job *j, const char *why)
{
	if (j->cancel)
		j->cancel(j, why);
	else
		flow_cancel(j->flow, why);
}

void
guest_job_start_waiting(struct guest *g)
{
	struct guests *gs = g->gs;
	uint64_t number = g->number;

	/* An order may end at once, and with it the guest. */
	while ((g = guests_find(gs, number)) && !g->job && !list_empty(&g->waiting)) {
		struct waiting_order *w =
		    LIST_FIRST(struct waiting_order, &g->waiting, node);
		struct order_name name = w->name;
		const Drover__Order *o = w->order;

		guest_waiting_drop(g, w);
		guests_order(gs, name, o);
	}
}

/* ---- blocking calls ---- */

int
guest_work_new(struct guest *g, const Drover__GuestSpec *spec,
    struct guest_work **ret_k, struct err *e)
{
	struct guest_work *k = xcalloc(1, sizeof(*k));

	k->gs = g->gs;
	k->guest = g->number;
	k->memory_fd = -1;
	k->spec = guest_spec_dup(spec);
	k->stores = xcalloc(spec->n_disks + 1, sizeof(struct datastore *));
	k->disks = xcalloc(spec->n_disks + 1, sizeof(*k->disks));
	list_add_tail(&g->gs->works, &k->node);
	for (size_t i = 0; i < spec->n_disks; i++)
		k->disks[i] = (struct engine_disk){ .fd = -1 };
	for (size_t i = 0; i < spec->n_disks; i++) {
		struct datastore *ds;

		if (stores_get(g->gs->env.stores, spec->disks[i]->datastore, &ds, e)) {
			guest_work_free(k);
			return err_wrap(
			    e, "disk %s of vm %s", spec->disks[i]->name, spec->name);
		}
		k->stores[i] = datastore_ref(ds);
	}
	*ret_k = k;
	return 0;
}

void
guest_work_free(struct guest_work *k)
{
	list_remove(&k->node);
	for (size_t i = 0; i < k->spec->n_disks; i++) {
		datastore_unref(k->stores[i]);
		if (k->disks)
			disk_close(&k->disks[i]);
	}
	if (k->memory_fd >= 0)
		close(k->memory_fd);
	drover__guest_spec__free_unpacked(k->spec, NULL);
	free(k->stores);
	free(k->disks);
	free(k->path);
	drover__offer__free_unpacked(k->offer, NULL);
	free(k);
}

static int
work_run(void *arg)
{
	struct guest_work *k = arg;

	return k->run(k);
}

static void
work_done(void *arg, int rc)
{
	struct guest_work *k = arg;
	struct guest *g = k->gs ? guests_find(k->gs, k->guest) : NULL;
	bool wanted = g && (!k->job || (g->job && g->job->id == k->job));

	if (rc && !k->e.code)
		err_set(&k->e, rc, "the agent is stopping");
	if (wanted && k->ended)
		k->ended(g, k);
	if (k->gs)
		post_wake(k->gs->env.loop, k->w, rc, &k->e);
	guest_work_free(k);
}

int
guest_work_start(
    struct guest_work *k_take, const struct guest_job *j, struct wake w, struct err *e)
{
	int rc;

	k_take->job = j ? j->id : 0;
	k_take->w = w;
	rc = worker_run(k_take->gs->env.blockers, work_run, work_done, k_take, e);
	if (rc)
		guest_work_free(k_take);
	return rc;
}

enum flow_rc
guest_step_work(struct flow *f, const struct guest_job *j, struct guest_work *k_take)
{
	if (guest_work_start(k_take, j, flow_wake(f), flow_err(f)))
		return FLOW_FAIL;
	return FLOW_WAIT;
}

enum flow_rc
guest_step_call(struct flow *f, const struct guest_job *j,
    int (*run)(struct guest_work *k),
    void (*ended)(struct guest *g, struct guest_work *k))
{
	struct guest_work *k;

	if (guest_work_new(j->g, j->g->spec, &k, flow_err(f)))
		return FLOW_FAIL;
	k->run = run;
	k->ended = ended;
	return guest_step_work(f, j, k);
}
