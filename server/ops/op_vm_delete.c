/*
 * A machine and its disks go. Safe to repeat: what is gone is gone.
 */
#include "server/ops/ha_settings.h"
#include "server/ops/vm_step.h"
#include "server/rules/rules.h"

#define MAY_DELETE \
	(POWER_BIT(POWER_OFF) | POWER_BIT(POWER_SUSPENDED) | POWER_BIT(POWER_UNKNOWN))

static enum flow_rc
delete_start(struct task_run *r)
{
	const struct vm *vm = inv_vm(r->inv, r->entity);

	/* Without a host there is nothing to delete anywhere. */
	if (!vm || obj_id_none(vm->host))
		return FLOW_NEXT;
	return run_spec_order(r, VERB_DELETE, vm, VM_ORDER_MS);
}

static void
on_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	struct vm *vm = txn_edit(t, r->entity);

	if (!vm)
		return;
	if (rc) {
		/* What is left of it the next try deletes. */
		vm->lifecycle = arg_bool(r->args, "was_orphaned", false) ? LIFE_ORPHANED
									 : LIFE_READY;
		return;
	}
	txn_event(
	    t, EV_VM_REMOVED, r->entity, r->id, r->who.name, "Removed %s", vm->o.name);
	/* Their images and memory lay in its folder. */
	const struct vm *row = inv_vm(r->inv, r->entity);
	for (size_t i = 0; i < row->o.n_kids; i++)
		txn_del(t, row->o.kids[i]);
	rules_forget(r->inv, t, r->entity);
	ha_settings_forget(r->inv, t, r->entity);
	txn_del(t, r->entity);
}

static const struct task_step delete_steps[] = {
	{ .name = "delete", .start = delete_start, .finish = run_order_finish },
	{ .name = NULL },
};

static const struct task_kind delete_kind = {
	.op = "vm.delete",
	.title = "Delete virtual machine",
	.steps = delete_steps,
	.locks = vm_locks,
	.on_end = on_end,
	.on_gone = run_forget,
};

static int
vm_delete(struct op_call *c, struct txn *t, struct err *e)
{
	const struct vm *vm = inv_vm(c->inv, c->entity);
	bool orphaned = vm->lifecycle == LIFE_ORPHANED;

	/* A task that is on it is named by the lock. */
	if (task_works_on(c->tasks, c->entity))
		return 0;
	int rc = orphaned ? 0 : vm_need_ready(vm, e);
	if (!rc && !orphaned)
		rc = vm_need_power(vm, MAY_DELETE, e);
	if (!rc && !obj_id_none(vm->host))
		rc = hosts_need_up(c->hosts, vm->host, e);
	if (rc)
		return rc;
	json_set_bool(c->args, "was_orphaned", orphaned);
	struct vm *edit = txn_edit(t, c->entity);
	edit->lifecycle = LIFE_DELETING;
	return 0;
}

const struct op_def op_vm_delete_defs[] = {
	{ .info = { "vm.delete", "Delete virtual machine", KIND_VM, ROLE_OPERATOR, true,
	      NULL },
	    .apply = vm_delete,
	    .task = &delete_kind },
	{ .info = { .name = NULL } },
};
