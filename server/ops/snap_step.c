#include "server/ops/snap_step.h"

#include "server/ops/snap_plan.h"
#include "server/ops/vm_spec.h"

#define TOP_BYTES MB_BYTES /* of a fresh image, more than its head takes */
#define MB_BYTES  UINT64_C(0x100000)

/* The machine of a task on it, or on one of its snapshots. */
static obj_id
vm_id_of(const struct inv *inv, obj_id entity)
{
	return inv_ancestor(inv, entity, KIND_VM);
}

const struct vm *
snap_vm(struct task_run *r)
{
	const struct vm *vm = inv_vm(r->inv, vm_id_of(r->inv, r->entity));

	if (!vm)
		err_set(task_err(r), ERR_NOT_FOUND, "the machine of \"%s\" is gone",
		    r->entity_name);
	return vm;
}

void
snap_locks(const struct inv *inv, obj_id entity, const json *args, struct lock_set *out)
{
	/* A snapshot that is to be taken stands in no tree yet. */
	obj_id vm = arg_has(args, "vm") ? arg_id(args, "vm") : vm_id_of(inv, entity);
	const json *gone = json_get(args, "gone");

	vm_locks(inv, vm, args, out);
	if (obj_id_kind(entity) == KIND_SNAPSHOT)
		lock_set_add(out, entity, LOCK_EXCLUSIVE);
	if (arg_has(args, "snapshot"))
		lock_set_add(out, arg_id(args, "snapshot"), LOCK_EXCLUSIVE);
	/* The machine's lock covers them all; these are for who copies one of them. */
	for (size_t i = 0; gone && i < json_count(gone) && out->n < TASK_LOCKS_MAX;
	     i++) {
		obj_id id = OBJ_ID_NONE;

		if (!obj_id_parse(json_str_value(json_at(gone, i), NULL), KIND_SNAPSHOT,
			&id, NULL))
			lock_set_add(out, id, LOCK_EXCLUSIVE);
	}
}

Drover__GuestSpec *
snap_spec_with(struct arena *a, const struct inv *inv, const struct vm *vm, json *disks)
{
	struct vm v = *vm;

	v.disks = disks;
	return vm_spec(a, inv, &v);
}

void
snap_set_disks(json **field, json *disks)
{
	if (*field == disks)
		return;
	json_free(*field);
	*field = disks ? json_ref(disks) : NULL;
}

int
snap_need_host(
    const struct op_call *c, const struct vm *vm, unsigned power, struct err *e)
{
	int rc = vm_need_ready(vm, e);

	if (!rc && obj_id_none(vm->host))
		rc = err_set(
		    e, ERR_BAD_STATE, "machine \"%s\" is on no host", vm->o.name);
	/* A task that is on it is named by the lock. */
	if (!rc && !task_works_on(c->tasks, vm->o.id))
		rc = vm_need_power(vm, power, e);
	return rc ? rc : hosts_need_up(c->hosts, vm->host, e);
}

void
snap_ids(const json *ids, struct id_list *out)
{
	for (size_t i = 0; ids && i < json_count(ids); i++) {
		obj_id id = OBJ_ID_NONE;

		if (obj_id_parse(json_str_value(json_at(ids, i), NULL), KIND_SNAPSHOT,
			&id, NULL))
			continue;
		out->v = xreallocarray(out->v, out->n + 1, sizeof(*out->v));
		out->v[out->n++] = id;
	}
}

/* A guess from below: the images grow with what the machine writes. */
int
snap_check_room(
    const struct op_call *c, const struct vm *vm, bool memory, struct err *e)
{
	for (size_t i = 0; vm->disks && i < json_count(vm->disks); i++) {
		obj_id id = arg_id(json_at(vm->disks, i), "datastore");
		const struct datastore *ds = inv_datastore(c->inv, id);
		uint64_t needed = TOP_BYTES;

		if (memory && i == 0)
			needed += vm->memory_mb * MB_BYTES;
		if (ds && ds->capacity_bytes && ds->free_bytes < needed)
			return err_set(e, ERR_NO_CAPACITY,
			    "datastore \"%s\" has %llu MB free; the snapshot takes %llu "
			    "MB at once",
			    ds->o.name, (unsigned long long)(ds->free_bytes / MB_BYTES),
			    (unsigned long long)(needed / MB_BYTES));
	}
	return 0;
}

int
snap_check_ready(const struct snapshot *s, struct err *e)
{
	if (s->lifecycle == LIFE_READY)
		return 0;
	return err_set(e, ERR_BAD_STATE, "snapshot \"%s\" is %s", s->o.name,
	    vm_lifecycle_text(s->lifecycle));
}
