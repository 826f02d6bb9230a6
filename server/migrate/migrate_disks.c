/*
 * A machine's disks before and after.
 */
#include "server/migrate/migrate_int.h"
#include "server/ops/template_chain.h"
#include "server/template/template.h"

#define BACKING "backing"

bool
mig_disk_moves(const json *disk, const json *args)
{
	obj_id store = arg_id(args, "datastore");

	return !obj_id_none(store) && !obj_id_is(arg_id(disk, "datastore"), store);
}

/* The template that a disk stands on, where it is all of it; or NULL. */
static const struct template *
template_below(const struct inv *inv, const struct vm *vm, const json *disk)
{
	const struct template *tpl = inv_template(inv, vm->template_);
	const json *backing = json_get(disk, BACKING);

	if (!tpl || !backing)
		return NULL;
	AUTO(json) json *here = template_chain_on(tpl, arg_id(disk, "datastore"));
	return here && json_same(here, backing) ? tpl : NULL;
}

json *
mig_base_on(const struct inv *inv, const struct vm *vm, const json *disk, obj_id store)
{
	const struct template *tpl = template_below(inv, vm, disk);

	return tpl ? template_chain_on(tpl, store) : NULL;
}

bool
mig_base_may_come(
    const struct inv *inv, const struct vm *vm, const json *disk, obj_id store)
{
	const struct template *tpl = template_below(inv, vm, disk);

	return tpl && inv_datastore(inv, store) && copy_may_go(inv, tpl, store);
}

static json *
disk_after(const struct inv *inv, const struct vm *vm, const json *disk,
    const json *args, bool keeps_chain)
{
	obj_id store = arg_id(args, "datastore");
	json *after = json_dup(disk);
	json *base = keeps_chain ? mig_base_on(inv, vm, disk, store) : NULL;

	arg_set_id(after, "datastore", store);
	json_del(after, BACKING);
	if (base)
		json_set_json(after, BACKING, base);
	return after;
}

json *
mig_disks_after(
    const struct inv *inv, const struct vm *vm, const json *args, enum mig_chain chain)
{
	json *list = json_new_array();
	bool is_container = vm->guest_type == GUEST_CONTAINER;
	bool wished = arg_bool(args, "keep_chain", chain == MIG_CHAIN_KEPT);
	/* Nobody flattens the layers of a container. */
	bool keeps_chain = is_container || (wished && chain != MIG_CHAIN_FLAT);

	for (size_t i = 0; vm->disks && i < json_count(vm->disks); i++) {
		const json *disk = json_at(vm->disks, i);
		json_add_json(list, mig_disk_moves(disk, args)
					? disk_after(inv, vm, disk, args, keeps_chain)
					: json_dup(disk));
	}
	return list;
}

void
mig_set_stores(struct vm *vm)
{
	size_t n = vm->disks ? json_count(vm->disks) : 0, used = 0;
	AUTO_FREE obj_id *ids = xcalloc(n + 1, sizeof(*ids));

	for (size_t i = 0; i < n; i++) {
		struct id_list so_far = { ids, used };
		obj_id store = arg_id(json_at(vm->disks, i), "datastore");
		if (!obj_id_none(store) && !id_list_has(&so_far, store))
			ids[used++] = store;
	}
	id_list_set(&vm->datastores, ids, used);
}
