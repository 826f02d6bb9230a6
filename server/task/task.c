#include "server/task/task.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/task/task_int.h"

struct tasks *
tasks_new(struct inv *inv)
{
	struct tasks *ts = xcalloc(1, sizeof(*ts));

	ts->inv = inv;
	ts->loop = inv_loop(inv);
	ts->flows = flows_new(ts->loop);
	ts->kinds = map_new_str();
	ts->by_id = map_new_u64();
	list_init(&ts->live);
	return ts;
}

struct flows *
tasks_flows(struct tasks *ts)
{
	return ts->flows;
}

void
tasks_set_ctx(struct tasks *ts, void *ctx)
{
	ts->ctx = ctx;
}

void
tasks_free(struct tasks *ts)
{
	if (!ts)
		return;
	flows_free(ts->flows);
	LIST_EACH_SAFE(struct task_int, in, &ts->live, node) {
		in->flow = NULL;
		run_free(in->run);
	}
	MAP_EACH(ts->kinds, it) {
		struct kind_entry *entry = it.value;
		free(entry->steps);
		free(entry->cancel_rules);
		free(entry);
	}
	map_free(ts->kinds);
	map_free(ts->by_id);
	free(ts);
}

void
tasks_add_kind(struct tasks *ts, const struct task_kind *k)
{
	struct kind_entry *entry = xcalloc(1, sizeof(*entry));

	entry->kind = k;
	entry->steps = steps_wrap(k, &entry->n_steps);
	entry->cancel_rules = steps_cancel_rules(k, entry->n_steps);
	ASSERT(!map_put_str(ts->kinds, k->op, entry));
}

static void
on_retry(void *arg)
{
	run_store_again(CAST_OBJ(task_run, arg, TASK_RUN_MAGIC));
}

struct task_run *
run_new(struct tasks *ts, const struct run_seed *seed)
{
	struct task_run *r = xcalloc(1, sizeof(*r));
	struct task_int *in = xcalloc(1, sizeof(*in));

	r->magic = TASK_RUN_MAGIC;
	r->tasks = ts;
	r->inv = ts->inv;
	r->ctx = ts->ctx;
	r->kind = seed->entry->kind;
	r->id = seed->id;
	r->entity = seed->entity;
	r->entity_name = xstrdup(seed->entity_name ? seed->entity_name : "");
	r->args = seed->args ? json_dup(seed->args) : json_new_object();
	r->who = *seed->who;
	r->in = in;
	in->run = r;
	in->entry = seed->entry;
	in->retry = timer_new(ts->loop, on_retry, r);
	r->kind->locks(ts->inv, r->entity, r->args, &in->locks);
	list_add_tail(&ts->live, &in->node);
	map_put(ts->by_id, r->id.v, r);
	return r;
}

void
run_free(struct task_run *r)
{
	struct task_int *in = r->in;

	ASSERT(!in->flow);
	list_remove(&in->node);
	map_del(r->tasks->by_id, r->id.v);
	timer_free(in->retry);
	free(in->awaited);
	json_free(r->args);
	json_free(r->result);
	free(r->entity_name);
	free(in);
	r->magic = 0;
	free(r);
}

static const char *
mode_of(const json *args)
{
	const json *mode = args ? json_get(args, "mode") : NULL;

	return mode && json_what(mode) == JSON_IS_STR ? json_str_value(mode, NULL)
						      : NULL;
}

/* One that was here before and excludes what r's locks want; the newest such. */
static struct task_int *
in_the_way(
    const struct tasks *ts, const struct lock_set *locks, const struct task_run *r)
{
	struct task_int *found = NULL;

	LIST_EACH(struct task_int, in, &ts->live, node) {
		if (in->run == r)
			break;
		if (!obj_id_none(lock_set_conflict(&in->locks, locks)))
			found = in;
	}
	return found;
}

static int
busy(const struct tasks *ts, obj_id object, const struct task_int *in, struct err *e)
{
	char task[OBJ_ID_TEXT], id[OBJ_ID_TEXT];

	return err_set(e, ERR_BUSY, "%s \"%s\" is in use by %s (%s)",
	    obj_id_text(object, id), inv_name(ts->inv, object),
	    obj_id_text(in->run->id, task), in->run->kind->op);
}

/* May the newcomer come in at all, be it to wait? */
static int
check_turn(const struct tasks *ts, const struct task_new *n,
    const struct lock_set *locks, enum run_state *ret_state, struct err *e)
{
	*ret_state = RUN_NEW;
	LIST_EACH(struct task_int, in, &ts->live, node) {
		obj_id object = lock_set_conflict(&in->locks, locks);
		if (obj_id_none(object))
			continue;
		if (lock_turn(in->run->kind->op, n->kind->op, mode_of(n->args)) ==
		    TURN_REFUSED)
			return busy(ts, object, in, e);
		*ret_state = RUN_QUEUED;
	}
	return 0;
}

/* Nothing is in its way: its first step is stored with its row. */
static void
fill_first_step(struct tasks *ts, struct task *row, const struct task_kind *kind)
{
	row->state = TASK_RUNNING;
	row->started_at = clock_wall_ms(loop_clock(ts->loop));
	row->step = xstrdup(kind->steps[0].name);
}

static int
add_row(struct txn *t, const struct task_new *n, struct task **ret_row, struct err *e)
{
	struct task *row;
	void *obj;
	int rc = txn_add(t, KIND_TASK, OBJ_ID_NONE, n->kind->title, &obj, e);

	if (rc)
		return rc;
	row = obj;
	row->op = xstrdup(n->kind->op);
	row->entity = n->entity;
	row->entity_name = xstrdup(n->entity_name);
	row->state = TASK_QUEUED;
	row->args = n->args ? json_dup(n->args) : json_new_object();
	row->user_name = xstrdup(n->who->name);
	row->op_id = xstrdup(n->op_id);
	row->asked = xstrdup(n->asked);
	*ret_row = row;
	return 0;
}

int
task_add(struct tasks *ts, struct txn *t, const struct task_new *n,
    struct task_run **ret_r, struct err *e)
{
	struct lock_set locks = { .n = 0 };
	enum run_state state;
	struct task *row;

	n->kind->locks(ts->inv, n->entity, n->args, &locks);
	int rc = check_turn(ts, n, &locks, &state, e);
	if (!rc)
		rc = add_row(t, n, &row, e);
	if (rc)
		return rc;

	struct run_seed seed = {
		.entry = map_get_str(ts->kinds, n->kind->op),
		.id = row->o.id,
		.entity = n->entity,
		.entity_name = n->entity_name,
		.args = n->args,
		.who = n->who,
	};
	ASSERT(seed.entry);
	*ret_r = run_new(ts, &seed);
	if (state == RUN_NEW) {
		fill_first_step(ts, row, n->kind);
		if (n->kind->on_step)
			n->kind->on_step(*ret_r, 0, t);
	}
	return 0;
}

/* Ask those to stop that a newcomer of this kind does not wait for. */
static void
cancel_in_the_way(struct task_run *r)
{
	LIST_EACH(struct task_int, in, &r->tasks->live, node) {
		if (in->run == r)
			return;
		if (obj_id_none(lock_set_conflict(&in->locks, &r->in->locks)) ||
		    lock_turn(in->run->kind->op, r->kind->op, mode_of(r->args)) !=
			TURN_QUEUED_CANCELLING)
			continue;
		if (in->flow)
			flow_cancel(in->flow, "another way of stopping was asked for");
	}
}

void
task_go(struct task_run *r)
{
	cancel_in_the_way(r);
	run_begin(r);
}

void
task_drop(struct task_run *r)
{
	struct tasks *ts = r->tasks;

	run_free(r);
	tasks_next(ts);
}

void
run_begin(struct task_run *r)
{
	if (in_the_way(r->tasks, &r->in->locks, r)) {
		r->in->state = RUN_QUEUED;
		return;
	}
	run_begin_at(r, 0, FLOW_RUNNING, NULL);
}

void
run_begin_at(
    struct task_run *r, unsigned step, enum flow_phase phase, const struct err *why)
{
	struct task_int *in = r->in;

	in->state = RUN_FLOWING;
	in->flow =
	    flow_new(r->tasks->flows, r->kind->op, in->entry->steps, r, &task_hooks, r);
	flow_set_cancel_rules(in->flow, in->entry->cancel_rules);
	if (why)
		in->why = *why;
	if (step == 0 && phase == FLOW_RUNNING)
		flow_start(in->flow);
	else
		flow_start_at(in->flow, step, phase, why);
}

void
tasks_next(struct tasks *ts)
{
	LIST_EACH(struct task_int, in, &ts->live, node) {
		if (in->state == RUN_QUEUED)
			run_begin(in->run);
	}
	tasks_give_slots(ts);
}

int
task_may_change(const struct tasks *ts, obj_id id, struct err *e)
{
	struct lock_set want = { .n = 0 };

	lock_set_add(&want, id, LOCK_EXCLUSIVE);
	const struct task_int *in = in_the_way(ts, &want, NULL);
	return in ? busy(ts, id, in, e) : 0;
}

int
task_lock_add(struct task_run *r, obj_id id, enum lock_mode mode, struct err *e)
{
	struct lock_set want = { .n = 0 };

	lock_set_add(&want, id, mode);
	LIST_EACH(struct task_int, in, &r->tasks->live, node) {
		if (in->run != r && !obj_id_none(lock_set_conflict(&in->locks, &want)))
			return busy(r->tasks, id, in, e);
	}
	lock_set_add(&r->in->locks, id, mode);
	return 0;
}

void
task_lock_drop(struct task_run *r, obj_id id)
{
	lock_set_drop(&r->in->locks, id);
	tasks_next(r->tasks);
}

bool
task_works_on(const struct tasks *ts, obj_id id)
{
	struct lock_set want = { .n = 0 };

	lock_set_add(&want, id, LOCK_SHARED);
	return in_the_way(ts, &want, NULL) != NULL;
}

struct task_run *
task_run_find(const struct tasks *ts, obj_id task)
{
	return map_get(ts->by_id, task.v);
}

struct task_run *
task_run_search(const struct tasks *ts, task_fits_fn fits, const void *arg)
{
	LIST_EACH(struct task_int, in, &ts->live, node) {
		if (fits(in->run, arg))
			return in->run;
	}
	return NULL;
}

unsigned
tasks_live(const struct tasks *ts)
{
	return (unsigned)map_count(ts->by_id);
}

int
task_cancel(struct tasks *ts, obj_id task, const char *who, struct err *e)
{
	struct task_run *r = task_run_find(ts, task);
	char id[OBJ_ID_TEXT];
	struct err why = ERR_INIT;

	obj_id_text(task, id);
	if (!r && !inv_task(ts->inv, task))
		return err_set(e, ERR_NOT_FOUND, "there is no task %s", id);
	if (!r || r->in->state == RUN_ENDING)
		return err_set(e, ERR_BAD_STATE, "%s has ended", id);
	err_set(&why, ERR_CANCELLED, "cancelled by %s", who);
	if (r->in->state == RUN_QUEUED) {
		run_end(r, ERR_CANCELLED, &why);
		return 0;
	}
	if (r->in->flow && flow_phase(r->in->flow) != FLOW_RUNNING)
		return err_set(e, ERR_BAD_STATE, "%s failed and is being undone", id);
	if (r->in->flow && !flow_may_cancel(r->in->flow))
		return err_set(e, ERR_BAD_STATE,
		    "%s (%s) is past the point where it could be cancelled", id,
		    r->kind->op);
	if (r->in->flow)
		flow_cancel(r->in->flow, why.msg);
	return 0;
}

void
task_await(struct tasks *ts, obj_id task, struct wake w)
{
	struct task_run *r = task_run_find(ts, task);
	struct err e = ERR_INIT;

	if (!r) {
		err_set(&e, ERR_NOT_FOUND, "the task has ended");
		post_wake(ts->loop, w, e.code, &e);
		return;
	}
	struct task_int *in = r->in;
	in->awaited =
	    xreallocarray(in->awaited, in->n_awaited + 1, sizeof(*in->awaited));
	in->awaited[in->n_awaited++] = w;
}

struct wake
task_wake(struct task_run *r)
{
	return flow_wake(r->in->flow);
}

void
task_pause(struct task_run *r, uint32_t ms)
{
	flow_set_timeout(r->in->flow, ms);
}

void
task_set_waiting(struct task_run *r, const char *what)
{
	struct task *row = inv_note_begin(r->inv, r->id);

	if (!row)
		return;
	text_set(&row->waiting_for, what);
	inv_note_end(r->inv, r->id);
}

void
task_join(struct task_run *r, unsigned n, struct wake *parts)
{
	(void)flow_join(r->in->flow, n, parts);
}

struct err *
task_err(struct task_run *r)
{
	return flow_err(r->in->flow);
}

unsigned
task_step(const struct task_run *r)
{
	return r->in->flow ? flow_step_index(r->in->flow) : r->in->step;
}

void
task_set_args(struct task_run *r, struct txn *t, json *args_take)
{
	struct task *row = txn_edit(t, r->id);

	json_free(row->args);
	row->args = json_dup(args_take);
	json_free(r->args);
	r->args = args_take;
}
