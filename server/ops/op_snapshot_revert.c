/*
 * A machine goes back to a snapshot: ended if it runs, given fresh images on the frozen
 * ones, and started again if that is wanted.
 */
#include "server/admission/admission.h"
#include "server/ops/snap_plan.h"
#include "server/ops/snap_step.h"
#include "server/ops/vm_spec.h"
#include "server/pools/pool_tree.h"
#include "server/protect/protect.h"

#define REVERT_MS 900000u
#define STOP_MS   60000u

enum { STEP_STOP, STEP_BACK, STEP_PLACE, STEP_START };

static const struct snapshot *
run_snapshot(struct task_run *r)
{
	const struct snapshot *s = inv_snapshot(r->inv, run_arg_id(r, "snapshot"));

	if (!s)
		err_set(task_err(r), ERR_NOT_FOUND, "the snapshot is gone");
	return s;
}

static bool
is_up(struct task_run *r)
{
	const struct vm *vm = inv_vm(r->inv, r->entity);

	return vm && vm->power_state != POWER_OFF && vm->power_state != POWER_SUSPENDED;
}

static enum flow_rc
stop_start(struct task_run *r)
{
	const struct vm *vm = run_vm(r);
	Drover__GuestStop stop = DROVER__GUEST_STOP__INIT;
	Drover__Order o = DROVER__ORDER__INIT;

	if (!vm)
		return FLOW_FAIL;
	stop.guest = obj_id_number(r->entity);
	stop.mode = DROVER__STOP_MODE__STOP_KILL;
	o.verb_case = DROVER__ORDER__VERB_GUEST_STOP;
	o.guest_stop = &stop;
	return run_order(r, vm->host, &o, STOP_MS);
}

/* The machine as it was: a copy, whose disks the caller frees. */
static void
as_it_was(const struct task_run *r, const struct vm *vm, const struct snapshot *s,
    struct vm *v)
{
	*v = *vm;
	v->num_cpu = s->num_cpu;
	v->memory_mb = s->memory_mb;
	v->nics = s->nics;
	v->disks = snap_fresh_disks(vm->o.id, s->disks, obj_id_number(r->id));
}

static enum flow_rc
back_start(struct task_run *r)
{
	AUTO(arena) struct arena *a = arena_new();
	const struct snapshot *s = run_snapshot(r);
	const struct vm *vm = run_vm(r);
	Drover__SnapshotRevert back = DROVER__SNAPSHOT_REVERT__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	struct snap_plan p;
	struct vm v;

	if (!vm || !s)
		return FLOW_FAIL;
	as_it_was(r, vm, s, &v);
	AUTO(json) json *fresh = v.disks;
	if (snap_plan(a,
		&(struct snap_wish){
		    .inv = r->inv, .vm = vm, .now = fresh, .given_up = vm->disks },
		&p, task_err(r)))
		return FLOW_FAIL;
	back.guest = obj_id_number(r->entity);
	back.snapshot = obj_id_number(s->o.id);
	back.spec = vm_spec(a, r->inv, &v);
	back.memory = s->memory;
	back.drop = p.drops;
	back.n_drop = p.n_drops;
	snap_plan_fini(&p);
	o.verb_case = DROVER__ORDER__VERB_SNAPSHOT_REVERT;
	o.snapshot_revert = &back;
	return run_order(r, vm->host, &o, REVERT_MS);
}

static bool
needs_consolidation(const struct inv *inv, obj_id id, const json *disks)
{
	const struct vm *vm = inv_vm(inv, id);
	AUTO(arena) struct arena *a = arena_new();
	struct err ignored = ERR_INIT;
	struct snap_plan p;
	bool needed;

	if (snap_plan(a, &(struct snap_wish){ .inv = inv, .vm = vm, .now = disks }, &p,
		&ignored))
		return true;
	needed = p.hides || p.n_merges;
	snap_plan_fini(&p);
	return needed;
}

/* The host has gone back: so does the row. Safe to do twice. */
static void
write_back(struct task_run *r, struct txn *t)
{
	const struct snapshot *s = inv_snapshot(r->inv, run_arg_id(r, "snapshot"));
	struct vm *vm = txn_edit(t, r->entity), v;

	if (!vm || !s)
		return;
	as_it_was(r, vm, s, &v);
	AUTO(json) json *fresh = v.disks;
	vm->num_cpu = v.num_cpu;
	vm->memory_mb = v.memory_mb;
	snap_set_disks(&vm->nics, v.nics);
	snap_set_disks(&vm->disks, fresh);
	vm->snapshot = s->o.id;
	vm->needs_consolidation = needs_consolidation(r->inv, r->entity, fresh);
	if (vm->power_state != POWER_STARTING) {
		vm->power_state = s->memory ? POWER_SUSPENDED : POWER_OFF;
		protect_end(vm);
	}
	text_set(&vm->power_reason, NULL);
}

static bool
starts(struct task_run *r)
{
	return arg_bool(r->args, "power_on", false);
}

static enum flow_rc
place_start(struct task_run *r)
{
	const struct vm *vm = run_vm(r);
	struct err *e = task_err(r);

	if (!vm || hosts_need_up(run_ops(r)->hosts, vm->host, e))
		return FLOW_FAIL;
	struct pool_claim claim = pool_claim_of(vm);
	if (pool_admit_guest(r->inv, vm->pool, vm->o.id, &claim, e) ||
	    admission_start(r->inv, vm, e))
		return FLOW_FAIL;
	struct advice_guest g = {
		.vm = vm->o.id,
		.name = vm->o.name,
		.cluster = inv_ancestor(r->inv, vm->host, KIND_CLUSTER),
		.want_host = vm->host,
		.num_cpu = vm->num_cpu,
		.memory_mb = vm->memory_mb,
		.engine = vm->engine,
		.datastore = vm->datastores.n ? vm->datastores.v[0] : OBJ_ID_NONE,
		.network = vm->networks.n ? vm->networks.v[0] : OBJ_ID_NONE,
	};
	return run_hold_room(r, &g, 0, e) ? run_wait_for_host(r) : FLOW_NEXT;
}

static enum flow_rc
run_start(struct task_run *r)
{
	const struct vm *vm = run_vm(r);

	return vm ? run_spec_order(r, VERB_START, vm, VM_ORDER_MS) : FLOW_FAIL;
}

static void
revert_step(struct task_run *r, unsigned step, struct txn *t)
{
	if (step > STEP_BACK)
		write_back(r, t);
	if (step == STEP_START)
		vm_begin_start(r, t);
}

static void
revert_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	const struct snapshot *s = inv_snapshot(r->inv, run_arg_id(r, "snapshot"));
	struct vm *vm = txn_edit(t, r->entity);

	if (!vm || !s)
		return;
	if (rc) {
		vm_failed_start(vm, rc, e);
		return;
	}
	if (!starts(r))
		write_back(r, t);
	txn_event(t, EV_VM_SNAPSHOT_REVERTED, r->entity, r->id, r->who.name,
	    "%s is back at snapshot %s", vm->o.name, s->o.name);
	if (!starts(r))
		return;
	vm->power_state = POWER_ON;
	vm_take_status(vm, run_reply(r, vm->host, STEP_START));
	txn_event(t, EV_VM_POWERED_ON, r->entity, r->id, r->who.name,
	    "%s runs on host %s", vm->o.name, inv_name(r->inv, vm->host));
}

/* clang-format off */
static const struct task_step revert_steps[] = {
	[STEP_STOP] = { .name = "stop", .start = stop_start, .finish = run_order_finish, .needed = is_up },
	[STEP_BACK] = { .name = "revert", .start = back_start, .finish = run_order_finish, .cancel = FLOW_CANCEL_LATE },
	[STEP_PLACE] = { .name = "place", .start = place_start, .finish = run_again, .needed = starts },
	[STEP_START] = { .name = "start", .start = run_start, .finish = run_order_finish, .needed = starts },
	{ .name = NULL },
};
/* clang-format on */

static const struct task_kind revert_kind = {
	.op = "snapshot.revert",
	.title = "Revert to snapshot",
	.steps = revert_steps,
	.locks = snap_locks,
	.on_step = revert_step,
	.on_recover = run_recover_hold,
	.on_end = revert_end,
	.on_gone = run_forget,
};

static int
snapshot_revert(struct op_call *c, struct txn *t, struct err *e)
{
	const struct snapshot *s = inv_snapshot(c->inv, c->entity);
	const struct vm *vm = inv_vm(c->inv, s->o.parent);
	int rc = snap_check_ready(s, e);

	if (!rc)
		rc = snap_need_host(c, vm, SNAP_ANY_POWER, e);
	if (!rc && snap_chain_length(s->disks) >= SNAP_MAX_LAYERS) {
		rc = err_set(e, ERR_NO_CAPACITY,
		    "a disk of snapshot \"%s\" stands on %zu images, and no more are "
		    "allowed: delete snapshots first",
		    s->o.name, snap_chain_length(s->disks) - 1);
	}
	if (!rc)
		rc = snap_check_room(c, vm, false, e);
	if (rc)
		return rc;
	arg_set_id(c->args, "snapshot", c->entity);
	c->object = vm->o.id;
	return 0;
}

/* clang-format off */
static const struct op_arg revert_args[] = {
	{ .name = "power_on", .type = ARG_BOOL, .help = "start it then; with memory it goes on from that" },
	{ 0 } };

const struct op_def op_snapshot_revert_defs[] = {
	{ .info = { "snapshot.revert", "Revert to snapshot", KIND_SNAPSHOT, ROLE_OPERATOR, true, revert_args },
	  .apply = snapshot_revert, .task = &revert_kind },
	{ .info = { .name = NULL } },
};
/* clang-format on */
