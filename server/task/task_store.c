/*
 * Storing a task's steps and its end, again and again until the database takes them.
 */
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/task/task_int.h"

static bool
step_is_stored(const struct task_run *r)
{
	const struct task *row = inv_task(r->inv, r->id);
	bool undoing = r->in->phase == FLOW_UNDOING;

	return row->state == TASK_RUNNING && row->step_index == r->in->step &&
	       row->undoing == undoing;
}

char *
task_words(const struct inv *inv, const char *msg)
{
	size_t n = strcspn(msg, ":");
	const struct vm *vm = NULL;
	char text[OBJ_ID_TEXT];
	obj_id id;

	if (!msg[n] || n >= sizeof(text))
		return xstrdup(msg);
	memcpy(text, msg, n);
	text[n] = '\0';
	if (obj_id_parse(text, KIND_VM, &id, NULL) >= 0)
		vm = inv_vm(inv, id);
	if (!vm)
		return xstrdup(msg);
	return xasprintf(
	    "%s \"%s\"%s", guest_type_text(vm->guest_type), vm->o.name, msg + n);
}

static void
set_error(const struct task_run *r, struct task *row)
{
	AUTO_FREE char *words = task_words(r->inv, r->in->why.msg);

	text_set(&row->error_code, err_name(r->in->why.code));
	text_set(&row->error_message, words);
}

static void
fill_step(struct task_run *r, struct txn *t)
{
	struct task_int *in = r->in;
	struct task *row = txn_edit(t, r->id);

	if (row->state == TASK_QUEUED)
		row->started_at = clock_wall_ms(loop_clock(r->tasks->loop));
	row->state = TASK_RUNNING;
	row->step_index = in->step;
	text_set(&row->step, r->kind->steps[in->step].name);
	row->undoing = in->phase == FLOW_UNDOING;
	if (row->undoing) {
		set_error(r, row);
		return;
	}
	row->progress = in->step * 100 / in->entry->n_steps;
	txn_by(t, r->who.name);
	if (r->kind->on_step)
		r->kind->on_step(r, in->step, t);
}

static void
try_later(struct task_run *r, int rc, const struct err *e)
{
	/* The process steps down: another server goes on with the task. */
	if (rc == ERR_STALE)
		return;
	char id[OBJ_ID_TEXT];
	log_warn("task", "%s (%s) waits to be stored: %s", obj_id_text(r->id, id),
	    r->kind->op, e->msg);
	timer_after(r->in->retry, TASK_RETRY_MS);
}

static void
on_step_stored(void *arg, int rc, const struct err *e)
{
	struct task_run *r = CAST_OBJ(task_run, arg, TASK_RUN_MAGIC);

	if (rc)
		try_later(r, rc, e);
	else
		post_wake(r->tasks->loop, r->in->stored, 0, NULL);
}

static void
store_step(struct task_run *r)
{
	if (step_is_stored(r)) {
		post_wake(r->tasks->loop, r->in->stored, 0, NULL);
		return;
	}
	struct txn *t = txn_new(r->inv);
	fill_step(r, t);
	txn_commit(t, on_step_stored, r);
}

static void
on_persist(
    void *owner, struct flow *f, unsigned step, enum flow_phase phase, struct wake w)
{
	struct task_run *r = CAST_OBJ(task_run, owner, TASK_RUN_MAGIC);

	const struct task_step *s = &r->kind->steps[step];

	r->in->passing = phase == FLOW_RUNNING && s->needed && !s->needed(r);
	r->in->phase = phase;
	if (r->in->passing) {
		post_wake(r->tasks->loop, w, 0, NULL);
		return;
	}
	r->in->storing_step = true;
	r->in->step = step;
	r->in->stored = w;
	store_step(r);
}

/* The oldest finished tasks make room; a few at a time. */
static void
prune(struct task_run *r, struct txn *t)
{
	size_t n = inv_count(r->inv, KIND_TASK);
	unsigned left = 20;

	if (n <= TASKS_KEPT)
		return;
	INV_EACH(r->inv, KIND_TASK, o)
	{
		if (!left || n <= TASKS_KEPT)
			return;
		const struct task *row = inv_task(r->inv, o->id);
		if (row->state != TASK_SUCCESS && row->state != TASK_ERROR)
			continue;
		txn_del(t, o->id);
		n--;
		left--;
	}
}

static void
fill_end(struct task_run *r, struct txn *t)
{
	struct task_int *in = r->in;
	const struct err *e = in->rc ? &in->why : NULL;

	json_free(MOVE(r->result));
	txn_by(t, r->who.name);
	if (r->kind->on_end)
		r->kind->on_end(r, t, in->rc, e);
	struct task *row = txn_edit(t, r->id);
	row->state = in->rc ? TASK_ERROR : TASK_SUCCESS;
	row->undoing = false;
	row->finished_at = clock_wall_ms(loop_clock(r->tasks->loop));
	if (in->rc)
		set_error(r, row);
	else
		row->progress = 100;
	json_free(row->result);
	row->result = r->result ? json_dup(r->result) : NULL;
	txn_audit(t, &r->who, r->kind->op, r->entity, r->entity_name, in->rc,
	    in->rc ? row->error_message : NULL);
	prune(r, t);
}

static void
tell_awaiting(const struct task_run *r)
{
	const struct task_int *in = r->in;

	for (size_t i = 0; i < in->n_awaited; i++)
		post_wake(
		    r->tasks->loop, in->awaited[i], in->rc, in->rc ? &in->why : NULL);
}

/* How far it was is of no interest any more. */
static void
forget_progress(const struct task_run *r)
{
	struct task *row = inv_note_begin(r->inv, r->id);

	if (!row)
		return;
	text_set(&row->waiting_for, NULL);
	text_set(&row->phase, NULL);
	row->done_bytes = row->total_bytes = row->bytes_per_s = row->expected_end = 0;
	inv_note_end(r->inv, r->id);
}

static void
on_end_stored(void *arg, int rc, const struct err *e)
{
	struct task_run *r = CAST_OBJ(task_run, arg, TASK_RUN_MAGIC);
	struct tasks *ts = r->tasks;

	if (rc) {
		try_later(r, rc, e);
		return;
	}
	char id[OBJ_ID_TEXT];
	log_info("task", "%s %s of \"%s\": %s", obj_id_text(r->id, id), r->kind->op,
	    r->entity_name, r->in->rc ? r->in->why.msg : "done");
	if (r->kind->on_gone)
		r->kind->on_gone(r);
	tell_awaiting(r);
	forget_progress(r);
	run_free(r);
	tasks_next(ts);
}

static void
store_end(struct task_run *r)
{
	struct txn *t = txn_new(r->inv);

	fill_end(r, t);
	txn_commit(t, on_end_stored, r);
}

void
run_end(struct task_run *r, int rc, const struct err *e)
{
	r->in->state = RUN_ENDING;
	r->in->storing_step = false;
	r->in->rc = rc;
	if (rc)
		r->in->why = *e;
	store_end(r);
}

static void
on_ended(void *owner, struct flow *f, int rc, const struct err *e)
{
	struct task_run *r = CAST_OBJ(task_run, owner, TASK_RUN_MAGIC);

	run_fault_point(r, "end");
	r->in->flow = NULL;
	run_end(r, rc, e);
}

void
run_store_again(struct task_run *r)
{
	if (r->in->storing_step)
		store_step(r);
	else
		store_end(r);
}

const struct flow_hooks task_hooks = { .persist = on_persist, .ended = on_ended };
