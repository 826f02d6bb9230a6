/*
 * What its disks stand on goes first, where it is not there yet.
 *
 * Before its turn: a copy of a large template would keep others waiting.  What was
 * copied stays if the move fails, as a deployment's does.
 */
#include "server/migrate/migrate_int.h"
#include "server/template/template.h"

bool
mig_brings_template(struct task_run *r)
{
	return arg_bool(r->args, "brings_template", false);
}

/* False also if nothing can come any more: the check before its turn says why. */
static bool
is_missing(const struct task_run *r, const struct vm *vm)
{
	obj_id store = run_arg_id(r, "datastore");

	for (size_t i = 0; vm->disks && i < json_count(vm->disks); i++) {
		const json *disk = json_at(vm->disks, i);
		AUTO(json) json *base = mig_base_on(r->inv, vm, disk, store);
		if (!base && mig_disk_moves(disk, r->args) &&
		    mig_base_may_come(r->inv, vm, disk, store))
			return true;
	}
	return false;
}

enum flow_rc
mig_template_start(struct task_run *r)
{
	const struct vm *vm = run_vm(r);

	if (!vm)
		return FLOW_FAIL;
	if (is_missing(r, vm))
		return copy_await(r, vm->template_, run_arg_id(r, "datastore"));
	mig_note_disks(r->inv, vm, r->args);
	return FLOW_NEXT;
}

enum flow_rc
mig_template_finish(struct task_run *r, int rc)
{
	const struct vm *vm = run_vm(r);

	task_set_waiting(r, NULL);
	/* Asked for, or over, maybe just when it was to be waited for; or somebody
	 * else's failed, but one is there now. */
	if (vm && (!rc || rc == ERR_NOT_FOUND || !is_missing(r, vm)))
		return FLOW_AGAIN;
	if (!vm)
		return FLOW_FAIL;
	err_wrap(task_err(r), "the copy of template \"%s\" on \"%s\"",
	    inv_name(r->inv, vm->template_),
	    inv_name(r->inv, run_arg_id(r, "datastore")));
	return FLOW_FAIL;
}
