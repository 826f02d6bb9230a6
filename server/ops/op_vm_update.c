/*
 * Changes of a machine or container. Name, folder and notes become true at once; sizes
 * of one that runs only if its host can change them meanwhile.  A container's limits
 * bind at once, what its first process is given from its next start on.  Of another
 * pool the host is told by the pools of all its guests, not by an order.
 */
#include "server/ops/container_conf.h"
#include "server/ops/ha_settings.h"
#include "server/ops/vm_resources.h"
#include "server/ops/vm_spec.h"
#include "server/ops/vm_step.h"

enum { STEP_CHANGE };

static bool
is_up(const struct vm *vm)
{
	return vm->power_state != POWER_OFF && vm->power_state != POWER_SUSPENDED;
}

static bool
is_container(const struct vm *vm)
{
	return vm->guest_type == GUEST_CONTAINER;
}

/* What changed gave it of its own. */
static void
drop_changed(struct vm *v)
{
	free(v->cpu_shares_level);
	free(v->mem_shares_level);
	json_free(v->container);
}

static char *
dup_text(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

/* The machine as it shall be: a copy in v, whose texts are the row's but for its levels
 * of shares and what it is as a container; drop those. */
static int
changed(const json *args, const struct vm *vm, struct vm *v, struct err *e)
{
	int rc = 0;

	*v = *vm;
	v->num_cpu = (uint32_t)arg_u64(args, "num_cpu", vm->num_cpu);
	v->memory_mb = arg_u64(args, "memory_mb", vm->memory_mb);
	v->cpu_shares_level = dup_text(vm->cpu_shares_level);
	v->mem_shares_level = dup_text(vm->mem_shares_level);
	v->container = vm->container ? json_dup(vm->container) : NULL;
	if (is_container(vm) && !v->container)
		v->container = json_new_object();
	rc = vm_resources_lay(v, args, e);
	if (!rc && is_container(vm))
		rc = container_conf_lay(v->container, args, e);
	if (rc)
		drop_changed(v);
	return rc;
}

static bool
is_resized(const struct vm *vm, const struct vm *v)
{
	return v->num_cpu != vm->num_cpu || v->memory_mb != vm->memory_mb;
}

/* Must the host be told by an order, if it runs? */
static bool
is_for_host(const json *args)
{
	return arg_has(args, "num_cpu") || arg_has(args, "memory_mb") ||
	       container_arg_given(args) || vm_resources_given(args);
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
	int rc = run_hold_room(r, &g, 0, e);

	if (!rc)
		return 0;
	g.datastore = v->datastores.n ? v->datastores.v[0] : OBJ_ID_NONE;
	g.network = v->networks.n ? v->networks.v[0] : OBJ_ID_NONE;
	run_tell_where(r, &g);
	return rc;
}

static enum flow_rc
change_start(struct task_run *r)
{
	const struct vm *vm = run_vm(r);
	enum flow_rc rc = FLOW_NEXT;
	struct vm v;

	/* One that is down takes it with its next start. */
	if (!vm || !is_up(vm))
		return vm ? FLOW_NEXT : FLOW_FAIL;
	if (changed(r->args, vm, &v, task_err(r)))
		return FLOW_FAIL;
	if (vm_resources_admit(r->inv, vm, &v, task_err(r)) ||
	    (is_resized(vm, &v) && hold_growth(r, &v, task_err(r))))
		rc = FLOW_FAIL;
	else if (is_for_host(r->args))
		rc = run_spec_order(r, VERB_UPDATE, &v, VM_ORDER_MS);
	drop_changed(&v);
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
	if (vm_resources_given(r->args))
		txn_event(t, EV_VM_RECONFIGURED, r->entity, r->id, r->who.name,
		    "Shares, reservations or limits of %s were changed", vm->o.name);
	if (arg_has(r->args, "pool"))
		txn_event(t, EV_VM_RECONFIGURED, r->entity, r->id, r->who.name,
		    "%s is in pool %s now", vm->o.name, inv_name(r->inv, vm->pool));
}

/* Take over what v has of its own, and its numbers. */
static void
take_resources(struct vm *vm, struct vm *v)
{
	text_set(&vm->cpu_shares_level, v->cpu_shares_level);
	text_set(&vm->mem_shares_level, v->mem_shares_level);
	vm->cpu_shares = v->cpu_shares;
	vm->cpu_reservation_mhz = v->cpu_reservation_mhz;
	vm->cpu_limit_mhz = v->cpu_limit_mhz;
	vm->mem_shares = v->mem_shares;
	vm->mem_reservation_mb = v->mem_reservation_mb;
	vm->mem_limit_mb = v->mem_limit_mb;
	vm->pool = v->pool;
}

static void
on_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	struct vm *vm = rc ? NULL : txn_edit(t, r->entity);
	struct err why = ERR_INIT;
	struct vm v;
	bool resized;

	if (!vm || changed(r->args, vm, &v, &why))
		return;
	resized = is_resized(vm, &v);
	vm->num_cpu = v.num_cpu;
	vm->memory_mb = v.memory_mb;
	take_resources(vm, &v);
	if (is_container(vm)) {
		json_free(vm->container);
		vm->container = MOVE(v.container);
	}
	drop_changed(&v);
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

/* Is its saved memory of what it is now? */
static bool
is_remembered(const json *args)
{
	return arg_has(args, "num_cpu") || arg_has(args, "memory_mb") ||
	       container_arg_given(args);
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
check_resources(const struct op_call *c, const struct vm *vm, struct err *e)
{
	int rc = arg_exists(c->inv, c->args, "pool", e);
	struct vm v;

	if (rc || (!vm_resources_given(c->args) && !arg_has(c->args, "pool")))
		return rc;
	rc = changed(c->args, vm, &v, e);
	if (rc)
		return rc;
	rc = vm_resources_admit(c->inv, vm, &v, e);
	drop_changed(&v);
	return rc;
}

/* "cluster": as its cluster again. */
static void
take_drs(const struct op_call *c, struct vm *edit)
{
	const char *level = arg_str(c->args, "drs_automation");

	text_set(&edit->drs_automation, str_same(level, "cluster") ? NULL : level);
}

static int
change_ha(struct op_call *c, struct txn *t, struct err *e)
{
	struct vm *edit = txn_edit(t, c->entity);
	int rc = ha_guest_lay(c->inv, edit, c->args, e);

	if (!rc)
		txn_event(t, EV_VM_RECONFIGURED, c->entity, OBJ_ID_NONE, c->who.name,
		    "HA settings of %s were changed", edit->o.name);
	return rc;
}

static int
vm_update(struct op_call *c, struct txn *t, struct err *e)
{
	const struct vm *vm = inv_vm(c->inv, c->entity);
	int rc = vm_need_ready(vm, e);

	if (!rc)
		rc = check_container(c, vm, e);
	if (!rc)
		rc = check_resources(c, vm, e);
	if (!rc && is_remembered(c->args) && vm->power_state == POWER_SUSPENDED)
		return err_set(e, ERR_BAD_STATE,
		    "machine \"%s\" is suspended: its memory image has the sizes it had",
		    vm->o.name);
	if (!rc && is_for_host(c->args) && is_up(vm))
		rc = hosts_need_up(c->hosts, vm->host, e);
	if (!rc)
		rc = apply_rename(c, t, e);
	if (!rc && arg_has(c->args, "notes")) {
		struct vm *edit = txn_edit(t, c->entity);
		text_set(&edit->notes, arg_str(c->args, "notes"));
	}
	if (!rc && arg_has(c->args, "drs_automation"))
		take_drs(c, txn_edit(t, c->entity));
	if (!rc && ha_guest_given(c->args))
		rc = change_ha(c, t, e);
	return rc;
}

/* clang-format off */
static const struct op_arg update_args[] = {
	{ .name = "name", .type = ARG_NAME, .help = "new name" },
	{ .name = "notes", .type = ARG_TEXT, .max = NOTES_MAX, .help = "for people" },
	{ .name = "drs_automation", .type = ARG_WORD, .words = "cluster|manual|partially_automated|fully_automated|disabled",
	  .help = "instead of its cluster's level; disabled: it stays where it is" },
	{ .name = "num_cpu", .type = ARG_U32, .min = 1, .max = VM_MAX_CPU, .help = "virtual CPUs" },
	{ .name = "memory_mb", .type = ARG_U64, .min = VM_MIN_MB, .max = VM_MAX_MB, .help = "memory" },
	{ .name = "parent", .type = ARG_ID, .kinds = KIND_BIT(DATACENTER) | KIND_BIT(FOLDER),
	  .help = "folder or datacenter to move it into" },
	HA_GUEST_ARGS,
	CONTAINER_ARGS,
	VM_RESOURCE_ARGS,
	{ 0 } };

const struct op_def op_vm_update_defs[] = {
	{ .info = { "vm.update", "Change virtual machine", KIND_VM, ROLE_OPERATOR, true, update_args },
	  .apply = vm_update, .task = &update_kind },
	{ .info = { .name = NULL } },
};
/* clang-format on */
