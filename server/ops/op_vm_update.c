/*
 * Changes of a machine or container. Name, folder and notes become true at once; sizes
 * of one that runs only if its host can change them meanwhile.  A container's limits
 * bind at once, what its first process is given from its next start on.
 */
#include "server/ops/container_conf.h"
#include "server/ops/vm_spec.h"
#include "server/ops/vm_step.h"

enum { STEP_CHANGE };

static bool
is_off(const struct vm *vm)
{
	return vm->power_state == POWER_OFF;
}

static bool
is_container(const struct vm *vm)
{
	return vm->guest_type == GUEST_CONTAINER;
}

/* The machine as it shall be: a copy in v, whose texts are the row's.  What it is as a
 * container is v's own; free it. */
static int
changed(const struct task_run *r, const struct vm *vm, struct vm *v, struct err *e)
{
	int rc = 0;

	*v = *vm;
	v->num_cpu = (uint32_t)arg_u64(r->args, "num_cpu", vm->num_cpu);
	v->memory_mb = arg_u64(r->args, "memory_mb", vm->memory_mb);
	if (!is_container(vm))
		return 0;
	v->container = vm->container ? json_dup(vm->container) : json_new_object();
	rc = container_conf_lay(v->container, r->args, e);
	if (rc)
		json_free(MOVE(v->container));
	return rc;
}

static bool
is_resized(const struct vm *vm, const struct vm *v)
{
	return v->num_cpu != vm->num_cpu || v->memory_mb != vm->memory_mb;
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
change_start(struct task_run *r)
{
	const struct vm *vm = run_vm(r);
	enum flow_rc rc = FLOW_NEXT;
	struct vm v;

	/* One that is off takes it with its next start. */
	if (!vm || is_off(vm))
		return vm ? FLOW_NEXT : FLOW_FAIL;
	if (changed(r, vm, &v, task_err(r)))
		return FLOW_FAIL;
	if (is_resized(vm, &v) && hold_growth(r, &v, task_err(r)))
		rc = FLOW_FAIL;
	else if (is_resized(vm, &v) || container_arg_given(r->args))
		rc = run_spec_order(r, VERB_UPDATE, &v, VM_ORDER_MS);
	if (is_container(vm))
		json_free(v.container);
	return rc;
}

static void
tell(struct task_run *r, struct txn *t, const struct vm *vm, bool resized)
{
	if (resized)
		txn_event(t, EV_VM_RECONFIGURED, r->entity, r->id, r->who.name,
		    "%s has %u CPUs and %llu MB now", vm->o.name, vm->num_cpu,
		    (unsigned long long)vm->memory_mb);
	if (container_arg_given(r->args))
		txn_event(t, EV_VM_RECONFIGURED, r->entity, r->id, r->who.name,
		    "Settings of container %s were changed", vm->o.name);
}

static void
on_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	struct vm *vm = rc ? NULL : txn_edit(t, r->entity);
	struct err why = ERR_INIT;
	struct vm v;
	bool resized;

	if (!vm || changed(r, vm, &v, &why))
		return;
	resized = is_resized(vm, &v);
	vm->num_cpu = v.num_cpu;
	vm->memory_mb = v.memory_mb;
	if (is_container(vm)) {
		json_free(vm->container);
		vm->container = MOVE(v.container);
	}
	tell(r, t, vm, resized);
}

/* clang-format off */
static const struct task_step update_steps[] = {
	[STEP_CHANGE] = { .name = "resize", .start = change_start, .finish = run_order_finish },
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

/* Would the host have to be told, if it ran? */
static bool
is_for_host(const struct op_call *c)
{
	return arg_has(c->args, "num_cpu") || arg_has(c->args, "memory_mb") ||
	       container_arg_given(c->args);
}

static int
check_container(const struct op_call *c, const struct vm *vm, struct err *e)
{
	const char *given = container_arg_given(c->args);
	AUTO(json) json *conf = NULL;

	if (!given)
		return 0;
	if (!is_container(vm))
		return err_set(e, ERR_INVALID, "%s: \"%s\" is a machine, no container",
		    given, vm->o.name);
	conf = vm->container ? json_dup(vm->container) : json_new_object();
	return container_conf_lay(conf, c->args, e);
}

static int
vm_update(struct op_call *c, struct txn *t, struct err *e)
{
	const struct vm *vm = inv_vm(c->inv, c->entity);
	int rc = vm_need_ready(vm, e);

	if (!rc)
		rc = check_container(c, vm, e);
	if (!rc && is_for_host(c) && vm->power_state == POWER_SUSPENDED)
		return err_set(e, ERR_BAD_STATE,
		    "machine \"%s\" is suspended: its memory image has the sizes it had",
		    vm->o.name);
	if (!rc && is_for_host(c) && !is_off(vm))
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
	CONTAINER_ARGS,
	{ 0 } };

const struct op_def op_vm_update_defs[] = {
	{ .info = { "vm.update", "Change virtual machine", KIND_VM, ROLE_OPERATOR, true, update_args },
	  .apply = vm_update, .task = &update_kind },
	{ .info = { .name = NULL } },
};
/* clang-format on */
