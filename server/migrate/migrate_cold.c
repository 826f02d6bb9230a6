/*
 * Disks within one host's reach, and machines that do not run.
 */
#include "base/arena.h"
#include "server/migrate/migrate_int.h"
#include "server/ops/vm_spec.h"

#define DISKS_MS    (24u * 60 * 60 * 1000)
#define REGISTER_MS 60000u
#define MB_BYTES    UINT64_C(0x100000)

/* The moves of the disks that the arguments name; spec is the machine after it. */
static void
fill_moves(struct arena *mem, const struct vm *vm, const json *args,
    Drover__GuestSpec *spec, Drover__GuestMoveDisks *to)
{
	to->disks = arena_array(mem, spec->n_disks + 1, sizeof(Drover__DiskMove *));
	for (size_t i = 0; i < spec->n_disks; i++) {
		if (!mig_disk_moves(json_at(vm->disks, i), args))
			continue;
		Drover__DiskMove *m = arena_alloc(mem, sizeof(*m));
		drover__disk_move__init(m);
		m->disk = spec->disks[i]->name;
		m->to = spec->disks[i];
		to->disks[to->n_disks++] = m;
	}
}

enum flow_rc
mig_move_disks_start(struct task_run *r)
{
	AUTO(arena) struct arena *mem = arena_new();
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestMoveDisks move = DROVER__GUEST_MOVE_DISKS__INIT;
	const struct vm *vm = run_vm(r);

	if (!vm)
		return FLOW_FAIL;
	struct vm after = mig_vm_after(r, vm);
	move.guest = obj_id_number(r->entity);
	move.spec = vm_spec(mem, r->inv, &after);
	move.bytes_per_s = arg_u64(r->args, "bandwidth_mb", 0) * MB_BYTES;
	fill_moves(mem, vm, r->args, move.spec, &move);
	if (!arg_has(r->args, "began_ms"))
		json_set_u64(
		    r->args, "began_ms", clock_wall_ms(loop_clock(inv_loop(r->inv))));
	o.verb_case = DROVER__ORDER__VERB_GUEST_MOVE_DISKS;
	o.guest_move_disks = &move;
	mig_order(r, mig_from(r), &o, ORDER_STEP(MIG_MOVE_DISKS), DISKS_MS);
	/* Only the host knows where they are by now. */
	AUTO_FREE char *what =
	    xasprintf("waiting for %s to say where the disks of %s are",
		inv_name(r->inv, mig_from(r)), r->entity_name);
	task_set_waiting(r, mig_host_is_away(r, mig_from(r)) ? what : NULL);
	hosts_wait(run_ops(r)->hosts, task_wake(r));
	return FLOW_WAIT;
}

enum flow_rc
mig_move_disks_finish(struct task_run *r, int rc)
{
	if (!rc && !run_reply(r, mig_from(r), MIG_MOVE_DISKS))
		return FLOW_AGAIN; /* some host came or went */
	task_set_waiting(r, NULL);
	if (rc)
		return FLOW_FAIL;
	json_set_bool(r->args, "disks_moved", true);
	return FLOW_NEXT;
}

enum flow_rc
mig_register_start(struct task_run *r)
{
	AUTO(arena) struct arena *mem = arena_new();
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestCreate create = DROVER__GUEST_CREATE__INIT;
	const struct vm *vm = run_vm(r);

	if (!vm)
		return FLOW_FAIL;
	struct vm after = mig_vm_after(r, vm);
	create.spec = vm_spec(mem, r->inv, &after);
	o.verb_case = DROVER__ORDER__VERB_GUEST_CREATE;
	o.guest_create = &create;
	return run_order(r, mig_to(r), &o, REGISTER_MS);
}

/* Its disks are the source's as well. */
enum flow_rc
mig_register_undo(struct task_run *r)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestDelete del = DROVER__GUEST_DELETE__INIT;

	if (mig_way(r) != MIG_COLD || mig_host_is_away(r, mig_to(r)))
		return FLOW_NEXT;
	del.guest = obj_id_number(r->entity);
	del.keep_disks = true;
	o.verb_case = DROVER__ORDER__VERB_GUEST_DELETE;
	o.guest_delete = &del;
	return run_undo_order(r, mig_to(r), &o, REGISTER_MS);
}
