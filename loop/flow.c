#include "loop/flow.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "loop/flow_int.h"
#include "loop/loop_int.h"
#include "loop/timer.h"

#define FLOW_MAGIC 0x464c4f57u

struct flows {
	struct loop *loop;
	struct map *waiters; /* id → struct waiter */
	struct list all;
	struct list ready; /* flows with something to run in the flows phase */
	unsigned n_ready, n_live;
	bool running;
};

/* What a flow does when its turn comes; while it waits: what it does after. */
enum stage {
	STAGE_NEW, /* flow_start was not called yet */
	STAGE_ENTER,
	STAGE_START,
	STAGE_FINISH,
	STAGE_ENTER_UNDO,
	STAGE_UNDO,
	STAGE_FINISH_UNDO,
	STAGE_END,
};

struct flow {
	uint32_t magic;
	struct waiter waiter;
	struct flows *flows;
	struct list_node node, ready_node;
	const char *name;
	const struct flow_step *steps;
	void *arg;
	const struct flow_hooks *hooks;
	void *owner;

	enum stage stage;
	enum flow_phase phase;
	unsigned step;
	unsigned begun; /* steps below this one may have left something to undo */

	bool waiting;
	bool storing;    /* the wait is the persist hook's */
	bool in_call;    /* inside start or undo, where a wake may be taken */
	bool wake_taken; /* in this call */
	uint32_t wait;   /* number of the wait that is on or about to begin */
	uint32_t timeout_ms;
	struct timer *deadline;
	struct list joins; /* that wake the current wait */

	int rc; /* of the wait that ended */
	struct err err;
	struct err cancel; /* code is set once somebody asked to stop */
	struct err why;    /* why it is being undone */
};

struct flows *
flows_new(struct loop *l)
{
	struct flows *fs = xcalloc(1, sizeof(*fs));

	ASSERT(!l->flows);
	fs->loop = l;
	fs->waiters = map_new_u64();
	list_init(&fs->all);
	list_init(&fs->ready);
	l->flows = fs;
	return fs;
}

void
waiter_add(struct flows *fs, struct waiter *w)
{
	/* From the loop, so that no later registry on it reuses an id that still
	 * travels. */
	w->id = ++fs->loop->last_flow_id;
	map_put(fs->waiters, w->id, w);
}

void
waiter_remove(struct flows *fs, struct waiter *w)
{
	map_del(fs->waiters, w->id);
}

struct flows *
flow_registry(const struct flow *f)
{
	return f->flows;
}

struct list *
flow_joins(struct flow *f)
{
	return &f->joins;
}

static void
drop_joins(struct flow *f)
{
	LIST_EACH_SAFE(struct join, j, &f->joins, node) {
		join_free(j);
	}
}

static void
flow_free(struct flow *f)
{
	struct flows *fs = f->flows;

	drop_joins(f);
	waiter_remove(fs, &f->waiter);
	if (list_linked(&f->ready_node)) {
		list_remove(&f->ready_node);
		fs->n_ready--;
	}
	list_remove(&f->node);
	fs->n_live--;
	timer_free(f->deadline);
	f->magic = 0;
	free(f);
}

void
flows_free(struct flows *fs)
{
	if (!fs)
		return;
	ASSERT(!fs->running);
	LIST_EACH_SAFE(struct flow, f, &fs->all, node) {
		flow_free(f);
	}
	map_free(fs->waiters);
	fs->loop->flows = NULL;
	free(fs);
}

unsigned
flows_live(const struct flows *fs)
{
	return fs->n_live;
}

bool
flows_ready(const struct flows *fs)
{
	return fs->n_ready > 0;
}

void
flows_deliver(struct flows *fs, struct wake w, int rc, const struct err *e)
{
	struct waiter *to = map_get(fs->waiters, w.flow);

	if (to)
		to->deliver(to, w.wait, rc, e);
}

static void
make_ready(struct flow *f)
{
	list_add_tail(&f->flows->ready, &f->ready_node);
	f->flows->n_ready++;
}

static void
stop_waiting(struct flow *f, int rc, const struct err *e)
{
	f->waiting = f->storing = false;
	timer_stop(f->deadline);
	drop_joins(f);
	f->rc = rc;
	if (rc)
		f->err = *e;
	else
		err_clear(&f->err);
}

static void
on_wake(struct waiter *w, uint32_t wait, int rc, const struct err *e)
{
	struct flow *f = LIST_ENTRY(w, struct flow, waiter);

	if (!f->waiting || wait != f->wait)
		return;
	if (f->storing && rc) {
		/* Going on unstored could leave something nobody knows of after a
		 * crash. */
		log_warn("flow", "%s stalls before step %s, which cannot be stored: %s",
		    f->name, flow_step_name(f), e->msg);
		return;
	}
	stop_waiting(f, rc, e);
	make_ready(f);
}

static void
on_deadline(void *arg)
{
	struct flow *f = CAST_OBJ(flow, arg, FLOW_MAGIC);
	struct err e = ERR_INIT;

	err_set(&e, ERR_TIMEOUT, "%s: no answer to %s within %u ms", f->name,
	    flow_step_name(f), f->timeout_ms);
	stop_waiting(f, ERR_TIMEOUT, &e);
	make_ready(f);
}

struct flow *
flow_new(struct flows *fs, const char *name, const struct flow_step *steps, void *arg,
    const struct flow_hooks *hooks, void *owner)
{
	struct flow *f = xcalloc(1, sizeof(*f));

	f->magic = FLOW_MAGIC;
	f->flows = fs;
	f->name = name;
	f->steps = steps;
	f->arg = arg;
	f->hooks = hooks;
	f->owner = owner;
	f->waiter.deliver = on_wake;
	f->deadline = timer_new(fs->loop, on_deadline, f);
	list_init(&f->joins);
	waiter_add(fs, &f->waiter);
	list_add_tail(&fs->all, &f->node);
	fs->n_live++;
	return f;
}

void
flow_start(struct flow *f)
{
	flow_start_at(f, 0, FLOW_RUNNING, NULL);
	f->begun = 0;
}

static unsigned
count_steps(const struct flow *f)
{
	unsigned n = 0;

	while (f->steps[n].name)
		n++;
	return n;
}

void
flow_start_at(struct flow *f, unsigned step, enum flow_phase phase, const struct err *e)
{
	unsigned n = count_steps(f);

	ASSERT(f->stage == STAGE_NEW);
	ASSERT(phase == FLOW_RUNNING || phase == FLOW_UNDOING);
	f->phase = phase;
	f->step = step;
	f->begun = step + 1; /* it may have been on its way when it was stored */
	f->stage = phase == FLOW_RUNNING ? STAGE_ENTER : STAGE_ENTER_UNDO;
	if (phase == FLOW_UNDOING && e)
		f->why = *e;
	if (phase == FLOW_UNDOING && !f->why.code)
		err_set(&f->why, ERR_INTERNAL, "%s failed for a reason not stored",
		    f->name);
	if (step > 0 && step >= n) {
		/* Stored by another version of the table: what to undo is not known. */
		err_set(&f->why, ERR_CORRUPT, "%s has no step %u to resume at", f->name,
		    step);
		f->phase = FLOW_UNDOING;
		f->step = n;
		f->stage = STAGE_END;
	}
	make_ready(f);
}

void
flow_cancel(struct flow *f, const char *why)
{
	if (f->cancel.code || f->phase != FLOW_RUNNING)
		return;
	err_set(&f->cancel, ERR_CANCELLED, "%s", why ? why : "cancelled");
	if (f->waiting && !f->storing) {
		stop_waiting(f, ERR_CANCELLED, &f->cancel);
		make_ready(f);
	}
}

uint64_t
flow_id(const struct flow *f)
{
	return f->waiter.id;
}

struct loop *
flow_loop(const struct flow *f)
{
	return f->flows->loop;
}

const char *
flow_name(const struct flow *f)
{
	return f->name;
}

const char *
flow_step_name(const struct flow *f)
{
	const char *name = f->steps[f->step].name;

	return name ? name : "end";
}

unsigned
flow_step_index(const struct flow *f)
{
	return f->step;
}

enum flow_phase
flow_phase(const struct flow *f)
{
	return f->phase;
}

struct wake
flow_wake(struct flow *f)
{
	ASSERT(f->in_call);
	f->wake_taken = true;
	return (struct wake){ f->waiter.id, f->wait };
}

struct err *
flow_err(struct flow *f)
{
	return &f->err;
}

void
flow_set_timeout(struct flow *f, uint32_t ms)
{
	f->timeout_ms = ms;
	if (!f->waiting || f->storing)
		return;
	if (ms)
		timer_after(f->deadline, ms);
	else
		timer_stop(f->deadline);
}

/* A new wait number: from here on wakes of the one before fall on the floor. */
static void
begin_call(struct flow *f)
{
	drop_joins(f);
	f->wait++;
	f->wake_taken = false;
	f->timeout_ms = f->steps[f->step].timeout_ms;
	f->rc = 0;
	err_clear(&f->err);
	f->in_call = true;
}

static enum flow_rc
call_step(struct flow *f, enum flow_rc (*fn)(struct flow *, void *))
{
	enum flow_rc rc;

	begin_call(f);
	rc = fn(f, f->arg);
	f->in_call = false;
	return rc;
}

static enum stage
wait_then(struct flow *f, enum stage next)
{
	/* A wait that nothing can end is a step's mistake. */
	ASSERT(f->wake_taken || f->timeout_ms);
	f->waiting = true;
	if (f->timeout_ms)
		timer_after(f->deadline, f->timeout_ms);
	return next;
}

/* Have the step's index stored, then go on with next. */
static enum stage
store_then(struct flow *f, enum stage next)
{
	struct wake w;

	if (!f->hooks || !f->hooks->persist)
		return next;
	drop_joins(f);
	w = (struct wake){ f->waiter.id, ++f->wait };
	f->waiting = f->storing = true;
	f->hooks->persist(f->owner, f, f->step, f->phase, w);
	return next;
}

static enum stage
fail(struct flow *f, const struct err *e)
{
	f->why = *e;
	if (!f->why.code)
		err_set(&f->why, ERR_INTERNAL, "%s: step %s failed without a reason",
		    f->name, flow_step_name(f));
	log_debug(
	    "flow", "%s fails in step %s: %s", f->name, flow_step_name(f), f->why.msg);
	f->phase = FLOW_UNDOING;
	if (!f->begun)
		return STAGE_END;
	f->step = f->begun - 1;
	return STAGE_ENTER_UNDO;
}

static enum stage
enter_step(struct flow *f)
{
	if (!f->steps[f->step].name) {
		f->phase = FLOW_DONE;
		return STAGE_END;
	}
	if (f->cancel.code)
		return fail(f, &f->cancel);
	return store_then(f, STAGE_START);
}

static enum stage
start_step(struct flow *f)
{
	enum flow_rc rc;

	if (f->cancel.code)
		return fail(f, &f->cancel);
	f->begun = f->step + 1;
	rc = call_step(f, f->steps[f->step].start);
	switch (rc) {
	case FLOW_NEXT:
		f->step++;
		return STAGE_ENTER;
	case FLOW_WAIT:
		wait_then(f, STAGE_FINISH);
		if (f->cancel.code)
			stop_waiting(f, ERR_CANCELLED, &f->cancel);
		return STAGE_FINISH;
	case FLOW_FAIL:
		return fail(f, &f->err);
	case FLOW_AGAIN:
		break;
	}
	ASSERT(!"start says next, wait or fail");
	return STAGE_END;
}

static enum stage
finish_step(struct flow *f)
{
	const struct flow_step *s = &f->steps[f->step];
	enum flow_rc rc = f->rc ? FLOW_FAIL : FLOW_NEXT;

	if (s->finish)
		rc = s->finish(f, f->arg, f->rc);
	switch (rc) {
	case FLOW_NEXT:
		f->step++;
		return STAGE_ENTER;
	case FLOW_AGAIN:
		return STAGE_START;
	case FLOW_FAIL:
		return fail(f, &f->err);
	case FLOW_WAIT:
		break;
	}
	ASSERT(!"finish says next, again or fail");
	return STAGE_END;
}

static enum stage
step_back(struct flow *f)
{
	if (f->step == 0)
		return STAGE_END;
	f->step--;
	return STAGE_ENTER_UNDO;
}

static enum stage
enter_undo(struct flow *f)
{
	if (!f->steps[f->step].name || !f->steps[f->step].undo)
		return step_back(f);
	return store_then(f, STAGE_UNDO);
}

static void
log_undo_failure(const struct flow *f)
{
	log_warn("flow", "%s: step %s could not be undone: %s", f->name,
	    flow_step_name(f), f->err.msg[0] ? f->err.msg : "no reason given");
}

static enum stage
undo_step(struct flow *f)
{
	switch (call_step(f, f->steps[f->step].undo)) {
	case FLOW_NEXT:
		return step_back(f);
	case FLOW_WAIT:
		return wait_then(f, STAGE_FINISH_UNDO);
	case FLOW_FAIL:
		log_undo_failure(f);
		return step_back(f);
	case FLOW_AGAIN:
		break;
	}
	ASSERT(!"undo says next, wait or fail");
	return STAGE_END;
}

static enum stage
finish_undo(struct flow *f)
{
	if (f->rc)
		log_undo_failure(f);
	return step_back(f);
}

static const char *
stage_name(enum stage s)
{
	switch (s) {
	case STAGE_NEW:
		return "new";
	case STAGE_ENTER:
	case STAGE_ENTER_UNDO:
		return "persist";
	case STAGE_START:
		return "start";
	case STAGE_FINISH:
		return "finish";
	case STAGE_UNDO:
	case STAGE_FINISH_UNDO:
		return "undo";
	case STAGE_END:
		return "ended";
	}
	return "";
}

static enum stage
run_stage(struct flow *f)
{
	switch (f->stage) {
	case STAGE_ENTER:
		return enter_step(f);
	case STAGE_START:
		return start_step(f);
	case STAGE_FINISH:
		return finish_step(f);
	case STAGE_ENTER_UNDO:
		return enter_undo(f);
	case STAGE_UNDO:
		return undo_step(f);
	case STAGE_FINISH_UNDO:
		return finish_undo(f);
	case STAGE_NEW:
	case STAGE_END:
		break;
	}
	ASSERT(!"a new or ended flow has nothing to run");
	return STAGE_END;
}

static void
run_checked(struct flow *f)
{
	struct loop *l = f->flows->loop;
	uint64_t begin_us = clock_mono_us(l->clock);
	const char *step = flow_step_name(f);
	const char *call = stage_name(f->stage);
	char part[80];

	f->stage = run_stage(f);
	if (clock_mono_us(l->clock) - begin_us <= SLOW_CALLBACK_US)
		return;
	snprintf(part, sizeof(part), "%s %s", step, call);
	loop_check_slow(l, begin_us, f->name, part);
}

static void
end_flow(struct flow *f)
{
	struct loop *l = f->flows->loop;
	uint64_t begin_us = clock_mono_us(l->clock);
	const char *name = f->name;

	if (f->phase == FLOW_UNDOING)
		f->phase = FLOW_FAILED;
	if (f->hooks && f->hooks->ended)
		f->hooks->ended(f->owner, f, f->why.code, &f->why);
	flow_free(f);
	loop_check_slow(l, begin_us, name, stage_name(STAGE_END));
}

unsigned
flows_run(struct flows *fs)
{
	/* Flows made ready from here on have their turn next. */
	unsigned due = fs->n_ready;

	fs->running = true;
	for (unsigned i = 0; i < due; i++) {
		struct flow *f = LIST_FIRST(struct flow, &fs->ready, ready_node);

		list_remove(&f->ready_node);
		fs->n_ready--;
		while (!f->waiting && f->stage != STAGE_END)
			run_checked(f);
		if (f->stage == STAGE_END)
			end_flow(f);
	}
	fs->running = false;
	return due;
}
