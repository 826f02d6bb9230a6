/*
 * Snapshots of machines: taken, described, deleted; images merged that no snapshot
 * needs.
 *
 * What the images are afterwards is computed from the inventory, in the step as at the
 * end, so it is the same on a server that takes the task over: nothing else changes
 * them while the task holds the machine.
 */
#include "server/ops/snap_plan.h"
#include "server/ops/snap_step.h"
#include "server/ops/vm_spec.h"

#define DESCRIPTION_MAX 4096u
#define TAKE_MS         1900000u
#define MERGE_MS        (12u * 3600 * 1000)
#define WARN_LAYERS     8u

#define TAKE_POWER \
	(POWER_BIT(POWER_OFF) | POWER_BIT(POWER_ON) | POWER_BIT(POWER_PAUSED))

/* ---- take ---- */

static json *
new_tops(const struct task_run *r, const struct vm *vm)
{
	return snap_fresh_disks(vm->o.id, vm->disks, obj_id_number(r->id));
}

static enum flow_rc
take_start(struct task_run *r)
{
	AUTO(arena) struct arena *a = arena_new();
	const struct snapshot *s = inv_snapshot(r->inv, r->entity);
	const struct vm *vm = snap_vm(r);
	Drover__SnapshotTake take = DROVER__SNAPSHOT_TAKE__INIT;
	Drover__Order o = DROVER__ORDER__INIT;

	if (!vm || !s)
		return FLOW_FAIL;
	AUTO(json) json *tops = new_tops(r, vm);
	take.guest = obj_id_number(vm->o.id);
	take.snapshot = obj_id_number(r->entity);
	take.spec = snap_spec_with(a, r->inv, vm, tops);
	take.memory = s->memory;
	take.quiesce = arg_bool(r->args, "quiesce", false);
	o.verb_case = DROVER__ORDER__VERB_SNAPSHOT_TAKE;
	o.snapshot_take = &take;
	return run_order(r, vm->host, &o, TAKE_MS);
}

/* Whatever came of it: the fresh images go into those they stand on. */
static enum flow_rc
take_undo(struct task_run *r)
{
	AUTO(arena) struct arena *a = arena_new();
	const struct vm *vm = snap_vm(r);
	Drover__SnapshotDelete del = DROVER__SNAPSHOT_DELETE__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	uint64_t snapshot = obj_id_number(r->entity);

	if (!vm)
		return FLOW_NEXT;
	AUTO(json) json *tops = new_tops(r, vm);
	Drover__GuestSpec *with = snap_spec_with(a, r->inv, vm, tops);
	del.guest = obj_id_number(vm->o.id);
	del.snapshot = snapshot;
	del.memories = &snapshot;
	del.n_memories = 1;
	del.spec = vm_spec(a, r->inv, vm);
	del.merges = arena_array(a, with->n_disks + 1, sizeof(*del.merges));
	for (size_t i = 0; i < with->n_disks; i++) {
		Drover__LayerMerge *m = arena_alloc(a, sizeof(*m));
		Drover__DiskLayer *upper = arena_alloc(a, sizeof(*upper));

		drover__layer_merge__init(m);
		drover__disk_layer__init(upper);
		upper->path = with->disks[i]->path;
		upper->format = with->disks[i]->format;
		m->datastore = with->disks[i]->datastore;
		m->disk = with->disks[i]->name;
		m->upper = upper;
		m->lower = with->disks[i]->backing[0];
		del.merges[del.n_merges++] = m;
	}
	o.verb_case = DROVER__ORDER__VERB_SNAPSHOT_DELETE;
	o.snapshot_delete = &del;
	return run_undo_order(r, vm->host, &o, MERGE_MS);
}

static void
warn_of_length(struct task_run *r, struct txn *t, const struct vm *vm)
{
	size_t n = snap_chain_length(vm->disks);

	if (n < WARN_LAYERS)
		return;
	txn_event(t, EV_VM_CHAIN_LONG, vm->o.id, r->id, r->who.name,
	    "A disk of %s stands on %zu images: delete snapshots that are not needed",
	    vm->o.name, n - 1);
}

static void
take_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	struct snapshot *s = txn_edit(t, r->entity);
	struct vm *vm = s ? txn_edit(t, s->o.parent) : NULL;
	const Drover__Reply *reply;

	if (!vm)
		return;
	if (rc) {
		txn_event(t, EV_VM_SNAPSHOT_FAILED, vm->o.id, r->id, r->who.name,
		    "Snapshot %s of %s failed: %.150s", s->o.name, vm->o.name, e->msg);
		txn_del(t, r->entity);
		return;
	}
	AUTO(json) json *tops = new_tops(r, vm);
	snap_set_disks(&s->disks, vm->disks);
	snap_set_disks(&vm->disks, tops);
	vm->snapshot = s->o.id;
	s->lifecycle = LIFE_READY;
	s->taken_at = clock_wall_ms(loop_clock(inv_loop(r->inv)));
	reply = run_reply(r, vm->host, 0);
	if (reply && reply->result_case == DROVER__REPLY__RESULT_SNAPSHOT) {
		const Drover__SnapshotFacts *f = reply->snapshot;
		AUTO_FREE char *why_not = task_words(r->inv, f->quiesce_why_not);

		s->memory = f->has_memory;
		s->memory_bytes = f->memory_bytes;
		s->quiesced = f->quiesced;
		r->result = json_new_object();
		json_set_u64(r->result, "paused_ms", f->paused_ms);
		json_set_bool(r->result, "quiesced", f->quiesced);
		if (*why_not)
			json_set_str(r->result, "quiesce_why_not", why_not);
	}
	txn_event(t, EV_VM_SNAPSHOT_TAKEN, vm->o.id, r->id, r->who.name,
	    "Took snapshot %s of %s%s", s->o.name, vm->o.name,
	    s->memory ? " with its memory" : "");
	warn_of_length(r, t, vm);
}

static const struct task_step take_steps[] = {
	{ .name = "take",
	    .start = take_start,
	    .finish = run_order_finish,
	    .undo = take_undo },
	{ .name = NULL },
};

static const struct task_kind take_kind = {
	.op = "vm.snapshot",
	.title = "Take snapshot",
	.steps = take_steps,
	.locks = snap_locks,
	.on_end = take_end,
	.on_gone = run_forget,
};

static int
need_machine(const struct vm *vm, struct err *e)
{
	if (vm->guest_type != GUEST_CONTAINER)
		return 0;
	return err_set(e, ERR_UNSUPPORTED,
	    "\"%s\" is a container, of which there are no snapshots: make a template of "
	    "it, or clone it",
	    vm->o.name);
}

static int
check_take(const struct op_call *c, const struct vm *vm, bool memory, struct err *e)
{
	int rc = need_machine(vm, e);

	if (!rc)
		rc = snap_need_host(c, vm, TAKE_POWER, e);
	if (!rc && memory && vm->power_state != POWER_ON)
		return err_set(e, ERR_BAD_STATE,
		    "memory: machine \"%s\" is %s; its memory can be kept while it runs",
		    vm->o.name, power_state_text(vm->power_state));
	if (!rc && snap_chain_length(vm->disks) >= SNAP_MAX_LAYERS) {
		return err_set(e, ERR_NO_CAPACITY,
		    "a disk of machine \"%s\" stands on %zu images, and more than %u are "
		    "not allowed: delete snapshots first",
		    vm->o.name, snap_chain_length(vm->disks) - 1, SNAP_MAX_LAYERS - 1);
	}
	return rc ? rc : snap_check_room(c, vm, memory, e);
}

static int
vm_snapshot(struct op_call *c, struct txn *t, struct err *e)
{
	const struct vm *vm = inv_vm(c->inv, c->entity);
	/* As vSphere has it: of a machine that is off there is no memory to keep. */
	bool memory =
	    arg_bool(c->args, "memory", false) && vm->power_state != POWER_OFF;
	struct snapshot *s;
	void *obj;
	int rc = check_take(c, vm, memory, e);

	if (!rc)
		rc = txn_add(
		    t, KIND_SNAPSHOT, c->entity, arg_str(c->args, "name"), &obj, e);
	if (rc)
		return rc;
	s = obj;
	text_set(&s->description, arg_str(c->args, "description"));
	s->lifecycle = LIFE_CREATING;
	s->parent_snapshot = vm->snapshot;
	s->power_state = vm->power_state;
	s->memory = memory;
	s->num_cpu = vm->num_cpu;
	s->memory_mb = vm->memory_mb;
	snap_set_disks(&s->nics, vm->nics);
	arg_set_id(c->args, "vm", c->entity);
	c->object = s->o.id;
	return 0;
}

/* ---- describe ---- */

static int
snapshot_update(struct op_call *c, struct txn *t, struct err *e)
{
	int rc = task_may_change(c->tasks, c->entity, e);

	if (!rc)
		rc = apply_rename(c, t, e);
	if (!rc && arg_has(c->args, "description")) {
		struct snapshot *s = txn_edit(t, c->entity);

		text_set(&s->description, arg_str(c->args, "description"));
	}
	return rc;
}

/* ---- delete, consolidate ---- */

static int
plan_of(struct arena *a, const struct task_run *r, const struct vm *vm,
    struct snap_plan *ret_p, struct err *e)
{
	struct id_list gone = { .n = 0 };
	int rc;

	snap_ids(json_get(r->args, "gone"), &gone);
	rc = snap_plan(a,
	    &(struct snap_wish){
		.inv = r->inv, .vm = vm, .gone = &gone, .now = vm->disks },
	    ret_p, e);
	free(gone.v);
	return rc;
}

static enum flow_rc
merge_start(struct task_run *r)
{
	AUTO(arena) struct arena *a = arena_new();
	const struct vm *vm = run_vm(r);
	Drover__SnapshotDelete del = DROVER__SNAPSHOT_DELETE__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	struct id_list gone = { .n = 0 };
	struct snap_plan p;
	enum flow_rc rc;

	if (!vm || plan_of(a, r, vm, &p, task_err(r)))
		return FLOW_FAIL;
	snap_ids(json_get(r->args, "gone"), &gone);
	del.memories = arena_array(a, gone.n + 1, sizeof(*del.memories));
	for (size_t i = 0; i < gone.n; i++) {
		const struct snapshot *s = inv_snapshot(r->inv, gone.v[i]);

		if (s && s->memory)
			del.memories[del.n_memories++] = obj_id_number(gone.v[i]);
	}
	free(gone.v);
	del.guest = obj_id_number(r->entity);
	del.snapshot = obj_id_number(run_arg_id(r, "snapshot"));
	del.merges = p.merges;
	del.n_merges = p.n_merges;
	del.drop = p.drops;
	del.n_drop = p.n_drops;
	del.spec = snap_spec_with(a, r->inv, vm, p.disks);
	o.verb_case = DROVER__ORDER__VERB_SNAPSHOT_DELETE;
	o.snapshot_delete = &del;
	rc = run_order(r, vm->host, &o, MERGE_MS);
	snap_plan_fini(&p);
	return rc;
}

/* The nearest one above that stays, or none. */
static obj_id
staying(const struct inv *inv, const struct id_list *gone, obj_id id)
{
	while (id_list_has(gone, id)) {
		const struct snapshot *s = inv_snapshot(inv, id);

		id = s ? s->parent_snapshot : OBJ_ID_NONE;
	}
	return id;
}

static void
write_merged(struct task_run *r, struct txn *t, const struct id_list *gone)
{
	AUTO(arena) struct arena *a = arena_new();
	const struct vm *row = inv_vm(r->inv, r->entity);
	struct vm *vm = txn_edit(t, r->entity);
	struct err ignored = ERR_INIT;
	struct snap_plan p;

	if (snap_plan(a,
		&(struct snap_wish){
		    .inv = r->inv, .vm = row, .gone = gone, .now = row->disks },
		&p, &ignored))
		return;
	snap_set_disks(&vm->disks, p.disks);
	vm->needs_consolidation = p.hides;
	vm->snapshot = staying(r->inv, gone, vm->snapshot);
	for (size_t i = 0; i < p.n_snaps; i++) {
		struct snapshot *s = txn_edit(t, p.snaps[i].snapshot);

		snap_set_disks(&s->disks, p.snaps[i].disks);
		s->parent_snapshot = staying(r->inv, gone, s->parent_snapshot);
	}
	snap_plan_fini(&p);
	for (size_t i = 0; i < gone->n; i++)
		txn_del(t, gone->v[i]);
}

/*
 * Part of it may be done: trying again goes on from there.  The snapshots stay marked,
 * for in their images there may be what was written after them.
 */
static void
merge_failed(struct task_run *r, struct txn *t)
{
	struct vm *vm = txn_edit(t, r->entity);

	vm->needs_consolidation = true;
}

static void
merge_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	const struct vm *vm = txn_edit(t, r->entity);
	struct id_list gone = { .n = 0 };

	if (!vm)
		return;
	snap_ids(json_get(r->args, "gone"), &gone);
	if (rc) {
		merge_failed(r, t);
		txn_event(t, EV_VM_CONSOLIDATION_NEEDED, r->entity, r->id, r->who.name,
		    "Images of %s could not be merged: %.150s", vm->o.name, e->msg);
	} else {
		write_merged(r, t, &gone);
		for (size_t i = 0; i < gone.n; i++)
			txn_event(t, EV_VM_SNAPSHOT_REMOVED, r->entity, r->id,
			    r->who.name, "Deleted snapshot %s of %s",
			    inv_name(r->inv, gone.v[i]), vm->o.name);
		if (!gone.n)
			txn_event(t, EV_VM_CONSOLIDATED, r->entity, r->id, r->who.name,
			    "Merged what no snapshot of %s needs", vm->o.name);
	}
	free(gone.v);
}

static const struct task_step delete_steps[] = {
	{ .name = "merge",
	    .start = merge_start,
	    .finish = run_order_finish,
	    .cancel = FLOW_CANCEL_LATE },
	{ .name = NULL },
};

static const struct task_step consolidate_steps[] = {
	{ .name = "merge",
	    .start = merge_start,
	    .finish = run_order_finish,
	    .cancel = FLOW_CANCEL_LATE },
	{ .name = NULL },
};

static const struct task_kind delete_kind = {
	.op = "snapshot.delete",
	.title = "Delete snapshot",
	.steps = delete_steps,
	.locks = snap_locks,
	.on_end = merge_end,
	.on_gone = run_forget,
};

static const struct task_kind consolidate_kind = {
	.op = "vm.consolidate",
	.title = "Consolidate disks",
	.steps = consolidate_steps,
	.locks = snap_locks,
	.on_end = merge_end,
	.on_gone = run_forget,
};

/* Does s come from the snapshot root, over however many? */
static bool
descends(const struct inv *inv, const struct snapshot *s, obj_id root)
{
	for (size_t i = 0; s && i <= inv_count(inv, KIND_SNAPSHOT); i++) {
		if (obj_id_is(s->o.id, root))
			return true;
		s = inv_snapshot(inv, s->parent_snapshot);
	}
	return false;
}

static int
mark_gone(struct op_call *c, struct txn *t, const struct vm *vm, struct err *e)
{
	bool children = arg_bool(c->args, "children", false);
	json *gone = json_new_array();
	int rc = 0;

	for (size_t i = 0; !rc && i < vm->o.n_kids; i++) {
		const struct snapshot *s = inv_snapshot(c->inv, vm->o.kids[i]);
		char id[OBJ_ID_TEXT];

		if (!s || !(obj_id_is(s->o.id, c->entity) ||
			      (children && descends(c->inv, s, c->entity))))
			continue;
		/* One whose images could not be merged is deleted again. */
		if (s->lifecycle != LIFE_DELETING)
			rc = snap_check_ready(s, e);
		if (!rc)
			rc = task_may_change(c->tasks, s->o.id, e);
		if (rc)
			break;
		struct snapshot *edit = txn_edit(t, s->o.id);
		edit->lifecycle = LIFE_DELETING;
		json_add_str(gone, obj_id_text(s->o.id, id));
	}
	json_set_json(c->args, "gone", gone);
	return rc;
}

/* What would be merged can be told, or nothing is touched. */
static int
check_plan(const struct op_call *c, const struct vm *vm, struct err *e)
{
	AUTO(arena) struct arena *a = arena_new();
	struct id_list gone = { .n = 0 };
	struct snap_plan p;
	int rc;

	snap_ids(json_get(c->args, "gone"), &gone);
	rc = snap_plan(a,
	    &(struct snap_wish){
		.inv = c->inv, .vm = vm, .gone = &gone, .now = vm->disks },
	    &p, e);
	free(gone.v);
	if (!rc)
		snap_plan_fini(&p);
	return rc;
}

static int
snapshot_delete(struct op_call *c, struct txn *t, struct err *e)
{
	const struct snapshot *s = inv_snapshot(c->inv, c->entity);
	const struct vm *vm = inv_vm(c->inv, s->o.parent);
	int rc = snap_need_host(c, vm, SNAP_ANY_POWER, e);

	if (!rc)
		rc = mark_gone(c, t, vm, e);
	if (!rc)
		rc = check_plan(c, vm, e);
	if (rc)
		return rc;
	arg_set_id(c->args, "snapshot", c->entity);
	c->object = vm->o.id;
	return 0;
}

/* Those whose deletion has not come to its end go with it. */
static json *
half_gone(const struct inv *inv, const struct vm *vm)
{
	json *gone = json_new_array();
	char id[OBJ_ID_TEXT];

	for (size_t i = 0; i < vm->o.n_kids; i++) {
		const struct snapshot *s = inv_snapshot(inv, vm->o.kids[i]);

		if (s && s->lifecycle == LIFE_DELETING)
			json_add_str(gone, obj_id_text(s->o.id, id));
	}
	return gone;
}

static int
vm_consolidate(struct op_call *c, struct txn *t, struct err *e)
{
	const struct vm *vm = inv_vm(c->inv, c->entity);
	int rc = need_machine(vm, e);

	if (!rc)
		rc = snap_need_host(c, vm, SNAP_ANY_POWER, e);
	if (rc)
		return rc;
	json_set_json(c->args, "gone", half_gone(c->inv, vm));
	return check_plan(c, vm, e);
}

/* clang-format off */
static const struct op_arg take_args[] = {
	{ .name = "name", .type = ARG_NAME, .required = true, .help = "unique among the machine's snapshots" },
	{ .name = "description", .type = ARG_TEXT, .max = DESCRIPTION_MAX, .help = "for people" },
	{ .name = "memory", .type = ARG_BOOL, .help = "of a running machine: its memory too" },
	{ .name = "quiesce", .type = ARG_BOOL, .help = "ask the guest to settle its file systems; taken all the same if it cannot" },
	{ 0 } };
static const struct op_arg describe_args[] = {
	{ .name = "name", .type = ARG_NAME, .help = "new name" },
	{ .name = "description", .type = ARG_TEXT, .max = DESCRIPTION_MAX, .help = "for people" },
	{ 0 } };
static const struct op_arg delete_args[] = {
	{ .name = "children", .type = ARG_BOOL, .help = "those that were taken after it too" },
	{ 0 } };

const struct op_def op_snapshot_defs[] = {
	{ .info = { "vm.snapshot", "Take snapshot", KIND_VM, ROLE_OPERATOR, true, take_args },
	  .apply = vm_snapshot, .task = &take_kind },
	{ .info = { "snapshot.update", "Change snapshot", KIND_SNAPSHOT, ROLE_OPERATOR, false, describe_args },
	  .apply = snapshot_update },
	{ .info = { "snapshot.delete", "Delete snapshot", KIND_SNAPSHOT, ROLE_OPERATOR, true, delete_args },
	  .apply = snapshot_delete, .task = &delete_kind },
	{ .info = { "vm.consolidate", "Consolidate disks", KIND_VM, ROLE_OPERATOR, true, NULL },
	  .apply = vm_consolidate, .task = &consolidate_kind },
	{ .info = { .name = NULL } },
};
/* clang-format on */
