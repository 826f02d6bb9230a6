#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "loop/flow_int.h"
#include "loop/loop_int.h"
#include "loop/timer.h"

/* A new wait number: from here on wakes of the one before fall on the floor. */
static void
begin_call(struct flow *f)
{
	flow_drop_joins(f);
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
	flow_drop_joins(f);
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

/* Somebody asked to stop before the step at hand has begun. */
static bool
is_stopped(const struct flow *f)
{
	return f->cancel.code && flow_cancel_rule(f) == FLOW_CANCEL_ENDS;
}

static enum stage
enter_step(struct flow *f)
{
	if (!f->steps[f->step].name) {
		f->phase = FLOW_DONE;
		return STAGE_END;
	}
	if (is_stopped(f))
		return fail(f, &f->cancel);
	return store_then(f, STAGE_START);
}

static enum stage
start_step(struct flow *f)
{
	enum flow_rc rc;

	if (is_stopped(f))
		return fail(f, &f->cancel);
	f->begun = f->step + 1;
	rc = call_step(f, f->steps[f->step].start);
	switch (rc) {
	case FLOW_NEXT:
		f->step++;
		return STAGE_ENTER;
	case FLOW_WAIT:
		wait_then(f, STAGE_FINISH);
		if (f->cancel.code && flow_cancel_rule(f) != FLOW_CANCEL_LATE)
			flow_stop_waiting(f, ERR_CANCELLED, &f->cancel);
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
	struct flow *f;

	fs->running = true;
	for (unsigned i = 0; i < due; i++) {
		f = LIST_FIRST(struct flow, &fs->ready, ready_node);
		ASSERT(f);
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
