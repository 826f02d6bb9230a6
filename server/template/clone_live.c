/*
 * Clones of machines that run: a snapshot is taken first and merged again when its
 * images have been copied.
 *
 * Both are operations of their own, as anybody could ask for them.  Between them the
 * clone leans on the machine and on the snapshot, so that nobody merges what is read.
 * What a clone that fails leaves is merged by a task of its own: an undo is done once,
 * and others may be at the machine for as long as they like.
 */
#include "server/template/template_int.h"

#define ASK_AGAIN_MS 1000u
#define OP_TAKE      "vm.snapshot"
#define OP_DELETE    "snapshot.delete"
#define OP_TIDY      "snapshot.tidy"

struct at_work {
	const char *op;
	obj_id vm, snapshot;
};

bool
clone_live_possible(void)
{
	return op_find(OP_TAKE) && op_find(OP_DELETE);
}

bool
is_live_clone(struct task_run *r)
{
	return arg_has(r->args, "live");
}

/* Its name says whose it is. */
static const struct snapshot *
own_snapshot(const struct task_run *r)
{
	char id[OBJ_ID_TEXT];
	AUTO_FREE char *name = xasprintf("clone-%s", obj_id_text(r->id, id));
	const struct obj *o =
	    inv_find(r->inv, run_arg_id(r, "live"), KIND_SNAPSHOT, name);

	return o ? inv_snapshot(r->inv, o->id) : NULL;
}

static bool
is_at_work(const struct task_run *r, const void *arg)
{
	const struct at_work *w = arg;

	return str_same(r->kind->op, w->op) &&
	       (obj_id_is(r->entity, w->vm) || obj_id_is(run_arg_id(r, "vm"), w->vm) ||
		   (!obj_id_none(w->snapshot) && obj_id_is(r->entity, w->snapshot)));
}

/* Wait for the task that is at it, if there is one. */
static bool
await_other(struct task_run *r, const char *op, obj_id vm, const struct snapshot *snap)
{
	const struct at_work w = { op, vm, snap ? snap->o.id : OBJ_ID_NONE };
	const struct task_run *at_it = task_run_search(r->tasks, is_at_work, &w);

	if (at_it)
		task_await(r->tasks, at_it->id, task_wake(r));
	return at_it != NULL;
}

enum flow_rc
freeze_start(struct task_run *r)
{
	const struct snapshot *snap = own_snapshot(r);
	AUTO(json) json *args = json_new_object();
	char id[OBJ_ID_TEXT];
	AUTO_FREE char *name = xasprintf("clone-%s", obj_id_text(r->id, id));

	if (snap && snap->lifecycle == LIFE_READY)
		return FLOW_NEXT;
	if (arg_bool(r->args, "pause", false)) {
		task_pause(r, ASK_AGAIN_MS);
		return FLOW_WAIT;
	}
	if (await_other(r, OP_TAKE, run_arg_id(r, "live"), snap))
		return FLOW_WAIT;
	json_set_str(args, "name", name);
	json_set_str(
	    args, "description", "what a clone is copied from; merged after it");
	const struct op_request request = {
		.op = OP_TAKE,
		.entity = run_arg_id(r, "live"),
		.args = args,
		.who = &r->who,
	};
	op_submit_wake(run_ops(r), &request, task_wake(r));
	return FLOW_WAIT;
}

/* Other clones of the machine may hold it, each for as long as it copies. */
enum flow_rc
freeze_finish(struct task_run *r, int rc)
{
	bool paused = arg_bool(r->args, "pause", false);
	bool waits = !paused && rc == ERR_BUSY;

	json_set_bool(r->args, "pause", waits);
	task_set_waiting(r, waits ? task_err(r)->msg : NULL);
	if (paused)
		return FLOW_AGAIN;
	if (!rc || rc == ERR_NOT_FOUND || waits)
		return FLOW_AGAIN;
	err_wrap(task_err(r), "the snapshot to clone from");
	return FLOW_FAIL;
}

static void
submit_on(struct task_run *r, const char *op, obj_id snapshot)
{
	const struct op_request request = {
		.op = op,
		.entity = snapshot,
		.who = &r->who,
	};

	op_submit_wake(run_ops(r), &request, task_wake(r));
}

static void
let_go(struct task_run *r, const struct snapshot *snap)
{
	task_lock_drop(r, run_arg_id(r, "live"));
	task_lock_drop(r, snap->o.id);
}

enum flow_rc
freeze_undo(struct task_run *r)
{
	const struct snapshot *snap = is_live_clone(r) ? own_snapshot(r) : NULL;

	if (!snap)
		return FLOW_NEXT;
	let_go(r, snap);
	submit_on(r, OP_TIDY, snap->o.id);
	return FLOW_WAIT;
}

void
live_sources_write(struct task_run *r, struct txn *t)
{
	const struct snapshot *snap = own_snapshot(r);

	if (!snap || arg_has(r->args, "sources"))
		return;
	json *args = json_dup(r->args);
	arg_set_id(args, "source", run_arg_id(r, "live"));
	arg_set_id(args, "snapshot", snap->o.id);
	json_set_json(args, "sources", json_dup(snap->disks));
	task_set_args(r, t, args);
}

enum flow_rc
live_place_start(struct task_run *r)
{
	struct err *e = task_err(r);
	int rc = 0;

	if (is_live_clone(r))
		rc = task_lock_add(r, run_arg_id(r, "source"), LOCK_SHARED, e);
	if (!rc && is_live_clone(r))
		rc = task_lock_add(r, run_arg_id(r, "snapshot"), LOCK_SHARED, e);
	/* Another clone takes its snapshot. */
	if (rc == ERR_BUSY) {
		json_set_bool(r->args, "pause", true);
		task_pause(r, ASK_AGAIN_MS);
		return FLOW_WAIT;
	}
	return rc ? FLOW_FAIL : place_start(r);
}

enum flow_rc
live_place_finish(struct task_run *r, int rc)
{
	if (!arg_bool(r->args, "pause", false))
		return run_again(r, rc);
	json_set_bool(r->args, "pause", false);
	return FLOW_AGAIN;
}

/* Others may be at the machine: then it is asked again and again. */
static enum flow_rc
merge(struct task_run *r, const struct snapshot *snap)
{
	if (!snap)
		return FLOW_NEXT;
	if (arg_bool(r->args, "pause", false)) {
		task_pause(r, ASK_AGAIN_MS);
		return FLOW_WAIT;
	}
	if (!await_other(r, OP_DELETE, snap->o.parent, snap))
		submit_on(r, OP_DELETE, snap->o.id);
	return FLOW_WAIT;
}

enum flow_rc
merge_start(struct task_run *r)
{
	const struct snapshot *snap = own_snapshot(r);

	if (snap)
		let_go(r, snap);
	return merge(r, snap);
}

/* The clone is whole: a snapshot that stays is for its owner to see. */
enum flow_rc
merge_finish(struct task_run *r, int rc)
{
	bool paused = arg_bool(r->args, "pause", false);
	bool waits = !paused && rc == ERR_BUSY;

	json_set_bool(r->args, "pause", waits);
	return rc && rc != ERR_NOT_FOUND && !waits && !paused ? FLOW_NEXT : FLOW_AGAIN;
}

/* ---- what a clone that failed has left ---- */

static enum flow_rc
tidy_start(struct task_run *r)
{
	return merge(r, inv_snapshot(r->inv, r->entity));
}

static enum flow_rc
tidy_finish(struct task_run *r, int rc)
{
	bool paused = arg_bool(r->args, "pause", false);
	bool waits = !paused && rc == ERR_BUSY;

	json_set_bool(r->args, "pause", waits);
	task_set_waiting(r, waits ? task_err(r)->msg : NULL);
	return paused || !rc || rc == ERR_NOT_FOUND || waits ? FLOW_AGAIN : FLOW_FAIL;
}

static void
no_locks(const struct inv *inv, obj_id entity, const json *args, struct lock_set *out)
{
}

static const struct task_step tidy_steps[] = {
	{ .name = "merge", .start = tidy_start, .finish = tidy_finish },
	{ .name = NULL },
};

static const struct task_kind tidy_kind = {
	.op = OP_TIDY,
	.title = "Merge a failed clone's snapshot",
	.steps = tidy_steps,
	.locks = no_locks,
};

static int
tidy_apply(struct op_call *c, struct txn *t, struct err *e)
{
	return 0;
}

const struct op_def tidy_defs[] = {
	{ .info = { OP_TIDY, "Merge a failed clone's snapshot", KIND_SNAPSHOT,
	      ROLE_OPERATOR, true, NULL },
	    .apply = tidy_apply,
	    .task = &tidy_kind },
	{ .info = { .name = NULL } },
};
