/*
 * Changes of a machine. Name, folder and notes become true at once; sizes of a running
 * machine only if its host can change them while it runs.
 */
#include "server/ops/vm_spec.h"
#include "server/ops/vm_step.h"

enum { STEP_RESIZE };

static bool
is_off(const struct vm *vm)
{
	return vm->power_state == POWER_OFF;
}

/* The machine as it shall be: a copy in v, whose texts are the row's. */
static void
resized(const struct task_run *r, const struct vm *vm, struct vm *v)
{
	*v = *vm;
	v->num_cpu = (uint32_t)arg_u64(r->args, "num_cpu", vm->num_cpu);
	v->memory_mb = arg_u64(r->args, "memory_mb", vm->memory_mb);
}

static bool
is_resized(const struct task_run *r, const struct vm *vm)
{
	struct vm v;

	resized(r, vm, &v);
	return v.num_cpu != vm->num_cpu || v.memory_mb != vm->memory_mb;
}

/* What it grows by must fit on its host. */
static int
hold_growth(struct task_run *r, const struct vm *v, struct err *e)
{
	struct advice_guest g = {
		.vm = v->o.id,
		.name = v->o.name,
		.cluster = inv_ancestor(r->inv, v->host, KIND_CLUSTER),
		.want_host = v->host,
		.num_cpu = v->num_cpu,
		.memory_mb = v->memory_mb,
		.engine = v->engine,
	};

	return run_hold_room(r, &g, 0, e);
}

static enum flow_rc
resize_start(struct task_run *r)
{
	const struct vm *vm = run_vm(r);
	struct vm v;

	if (!vm)
		return FLOW_FAIL;
	/* One that is off takes its sizes with its next start. */
	if (!is_resized(r, vm) || is_off(vm))
		return FLOW_NEXT;
	resized(r, vm, &v);
	if (hold_growth(r, &v, task_err(r)))
		return FLOW_FAIL;
	return run_spec_order(r, VERB_UPDATE, &v, VM_ORDER_MS);
}

static void
on_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	struct vm *vm = rc ? NULL : txn_edit(t, r->entity);

	if (!vm || !is_resized(r, vm))
		return;
	vm->num_cpu = (uint32_t)arg_u64(r->args, "num_cpu", vm->num_cpu);
	vm->memory_mb = arg_u64(r->args, "memory_mb", vm->memory_mb);
	txn_event(t, EV_VM_RECONFIGURED, r->entity, r->id, r->who.name,
	    "%s has %u CPUs and %llu MB now", vm->o.name, vm->num_cpu,
	    (unsigned long long)vm->memory_mb);
}

/* clang-format off */
static const struct task_step update_steps[] = {
	[STEP_RESIZE] = { .name = "resize", .start = resize_start, .finish = run_order_finish },
	{ .name = NULL },
};
/* clang-format on */

static const struct task_kind update_kind = {
	.op = "vm.update",
	.title = "Change virtual machine",
	.steps = update_steps,
	.locks = vm_locks,
	.on_end = on_end,
	.on_gone = run_forget,
};

static int
vm_update(struct op_call *c, struct txn *t, struct err *e)
{
	const struct vm *vm = inv_vm(c->inv, c->entity);
	bool sizes = arg_has(c->args, "num_cpu") || arg_has(c->args, "memory_mb");
	int rc = vm_need_ready(vm, e);

	if (!rc && sizes && vm->power_state == POWER_SUSPENDED)
		return err_set(e, ERR_BAD_STATE,
		    "machine \"%s\" is suspended: its memory image has the sizes it had",
		    vm->o.name);
	if (!rc && sizes && !is_off(vm))
		rc = hosts_need_up(c->hosts, vm->host, e);
	if (!rc)
		rc = apply_rename(c, t, e);
	if (!rc && arg_has(c->args, "notes")) {
		struct vm *edit = txn_edit(t, c->entity);
		text_set(&edit->notes, arg_str(c->args, "notes"));
	}
	return rc;
}

/* clang-format off */
static const struct op_arg update_args[] = {
	{ .name = "name", .type = ARG_NAME, .help = "new name" },
	{ .name = "notes", .type = ARG_TEXT, .max = NOTES_MAX, .help = "for people" },
	{ .name = "num_cpu", .type = ARG_U32, .min = 1, .max = VM_MAX_CPU, .help = "virtual CPUs" },
	{ .name = "memory_mb", .type = ARG_U64, .min = VM_MIN_MB, .max = VM_MAX_MB, .help = "memory" },
	{ .name = "parent", .type = ARG_ID, .kinds = KIND_BIT(DATACENTER) | KIND_BIT(FOLDER),
	  .help = "folder or datacenter to move it into" },
	{ 0 } };

const struct op_def op_vm_update_defs[] = {
	{ .info = { "vm.update", "Change virtual machine", KIND_VM, ROLE_OPERATOR, true, update_args },
	  .apply = vm_update, .task = &update_kind },
	{ .info = { .name = NULL } },
};
/* clang-format on */
