#include "loop/flow.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "loop/flow_int.h"
#include "loop/loop_int.h"
#include "loop/timer.h"

#define FLOW_MAGIC 0x464c4f57u

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

void
flow_drop_joins(struct flow *f)
{
	LIST_EACH_SAFE(struct join, j, &f->joins, node) {
		join_free(j);
	}
}

void
flow_free(struct flow *f)
{
	struct flows *fs = f->flows;

	flow_drop_joins(f);
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

bool
flows_await(const struct flows *fs, struct wake w)
{
	struct waiter *to = map_get(fs->waiters, w.flow);

	return to && to->awaits(to, w.wait);
}

static void
make_ready(struct flow *f)
{
	list_add_tail(&f->flows->ready, &f->ready_node);
	f->flows->n_ready++;
}

void
flow_stop_waiting(struct flow *f, int rc, const struct err *e)
{
	f->waiting = f->storing = false;
	timer_stop(f->deadline);
	flow_drop_joins(f);
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
	flow_stop_waiting(f, rc, e);
	make_ready(f);
}

static bool
awaits(struct waiter *w, uint32_t wait)
{
	const struct flow *f = LIST_ENTRY(w, struct flow, waiter);

	return (f->waiting || f->in_call) && wait == f->wait;
}

static void
on_deadline(void *arg)
{
	struct flow *f = CAST_OBJ(flow, arg, FLOW_MAGIC);
	struct err e = ERR_INIT;

	err_set(&e, ERR_TIMEOUT, "%s: no answer to %s within %u ms", f->name,
	    flow_step_name(f), f->timeout_ms);
	flow_stop_waiting(f, ERR_TIMEOUT, &e);
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
	f->waiter.awaits = awaits;
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
	if (f->waiting && !f->storing && flow_cancel_rule(f) != FLOW_CANCEL_LATE) {
		flow_stop_waiting(f, ERR_CANCELLED, &f->cancel);
		make_ready(f);
	}
}

bool
flow_may_cancel(const struct flow *f)
{
	return f->phase == FLOW_RUNNING && flow_cancel_rule(f) != FLOW_CANCEL_LATE;
}

void
flow_set_cancel_rules(struct flow *f, const enum flow_cancel_rule *rules)
{
	f->cancel_rules = rules;
}

enum flow_cancel_rule
flow_cancel_rule(const struct flow *f)
{
	return f->cancel_rules && f->steps[f->step].name ? f->cancel_rules[f->step]
							 : FLOW_CANCEL_ENDS;
}

struct loop *
flow_loop(const struct flow *f)
{
	return f->flows->loop;
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
