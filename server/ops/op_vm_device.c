/*
 * Disks and network cards of machines, added, changed and removed.
 *
 * A machine that runs has it done by its host at once, and one whose system does not
 * let go of a device stays as it is.  What a machine that is off has for cards and
 * limits is told with its next start; images are made and removed in any case.
 */
#include "server/ops/device_plan.h"
#include "server/ops/net_plan.h"
#include "server/ops/vm_address.h"
#include "server/ops/vm_spec.h"
#include "server/ops/vm_step.h"

#define DISK_MAX_MB  (UINT64_C(64) << 20)
#define THIN_BYTES   UINT64_C(0x100000) /* what an empty image takes */
#define MB_BYTES     UINT64_C(0x100000)
#define MAX_IOPS     10000000u
#define MAX_MB_PER_S 1000000u
#define MAX_MBIT     1000000u
#define MAX_VLAN     4094u
#define DEVICE_MS    180000u

#define DEVICE_POWER \
	(POWER_BIT(POWER_OFF) | POWER_BIT(POWER_ON) | POWER_BIT(POWER_PAUSED))

enum { STEP_CHOOSE, STEP_CHANGE };

static const struct task_kind kinds[];

static enum device_verb
verb_of(const struct task_run *r)
{
	return (enum device_verb)(r->kind - kinds);
}

static bool
is_off(const struct vm *vm)
{
	return vm->power_state == POWER_OFF;
}

/* ---- what the task chooses ---- */

static void
device_locks(
    const struct inv *inv, obj_id entity, const json *args, struct lock_set *out)
{
	vm_locks(inv, entity, args, out);
	lock_set_add(out, arg_id(args, "datastore"), LOCK_SHARED);
	lock_set_add(out, arg_id(args, "network"), LOCK_SHARED);
}

/* Does its card come to a network, and so perhaps to a new address? */
static bool
comes_to_network(const struct task_run *r)
{
	const struct vm *vm = inv_vm(r->inv, r->entity);
	obj_id network = run_arg_id(r, "network");
	const json *nic;

	if (obj_id_none(network) || !vm)
		return false;
	nic = device_find(vm->nics, arg_str(r->args, "name"));
	return !nic || !obj_id_is(arg_id(nic, "network"), network);
}

static void
hold_address(struct task_run *r, const struct vm *vm, uint32_t address)
{
	struct advice_hold hold = {
		.vm = vm->o.id,
		.host = vm->host,
		.cluster = inv_ancestor(r->inv, vm->host, KIND_CLUSTER),
		.num_cpu = vm->num_cpu,
		.memory_mb = vm->memory_mb,
		.network = run_arg_id(r, "network"),
		.address = address,
	};

	advice_hold_take(run_ops(r)->advice, &hold);
}

static enum flow_rc
choose_start(struct task_run *r)
{
	const struct vm *vm = run_vm(r);
	const char *asked = arg_str(r->args, "address");
	uint32_t address;

	if (!vm)
		return FLOW_FAIL;
	if (!comes_to_network(r))
		return FLOW_NEXT;
	if (vm_address_pick(
		run_ops(r), run_arg_id(r, "network"), asked, &address, task_err(r)))
		return FLOW_FAIL;
	hold_address(r, vm, address);
	return FLOW_NEXT;
}

/* What was chosen is stored before the host hears of it: nothing is chosen twice. */
static void
store_choice(struct task_run *r, struct txn *t)
{
	const struct advice_hold *hold =
	    advice_hold_find(run_ops(r)->advice, r->entity);
	json *args = json_dup(r->args);
	char mac[18], ip[IPV4_TEXT];

	json_set_u64(args, "number", obj_id_number(r->id));
	if (hold && comes_to_network(r))
		json_set_str(
		    args, "address", hold->address ? ipv4_text(hold->address, ip) : "");
	if (verb_of(r) == DEVICE_NIC_ADD) {
		const struct vm *vm = inv_vm(r->inv, r->entity);

		vm_mac_pick(r->inv, r->entity,
		    vm ? inv_ancestor(r->inv, vm->host, KIND_CLUSTER) : OBJ_ID_NONE,
		    mac);
		json_set_str(args, "mac", mac);
	}
	task_set_args(r, t, args);
}

static void
on_step(struct task_run *r, unsigned step, struct txn *t)
{
	if (step == STEP_CHANGE)
		store_choice(r, t);
}

static void
on_recover(struct task_run *r)
{
	const struct vm *vm = inv_vm(r->inv, r->entity);
	const char *address = arg_str(r->args, "address");
	struct err ignored = ERR_INIT;
	uint32_t ip;

	if (vm && address && comes_to_network(r) &&
	    !ipv4_parse(address, "", &ip, &ignored))
		hold_address(r, vm, ip);
}

/* ---- the change ---- */

static bool
is_for_host(const struct task_run *r, const struct vm *vm)
{
	enum device_verb v = verb_of(r);

	if (!is_off(vm))
		return true;
	return v == DEVICE_DISK_ADD || v == DEVICE_DISK_REMOVE ||
	       (v == DEVICE_DISK_UPDATE && arg_has(r->args, "size_mb"));
}

static enum flow_rc
change_start(struct task_run *r)
{
	AUTO(arena) struct arena *a = arena_new();
	const struct vm *vm = run_vm(r);
	Drover__GuestUpdate update = DROVER__GUEST_UPDATE__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	struct device_lists next;
	enum flow_rc rc;
	struct vm v;

	if (!vm || device_plan(vm, verb_of(r), r->args, &next, task_err(r)))
		return FLOW_FAIL;
	if (!is_for_host(r, vm)) {
		device_lists_fini(&next);
		return FLOW_NEXT;
	}
	v = *vm;
	v.disks = next.disks;
	v.nics = next.nics;
	update.spec = vm_spec(a, r->inv, &v);
	update.delete_removed =
	    verb_of(r) == DEVICE_DISK_REMOVE && !arg_bool(r->args, "keep", false);
	o.verb_case = DROVER__ORDER__VERB_GUEST_UPDATE;
	o.guest_update = &update;
	rc = run_order(r, vm->host, &o, DEVICE_MS);
	device_lists_fini(&next);
	return rc;
}

/* ---- what is true then ---- */

static void
list_ids(const json *list, const char *key, struct id_list *out)
{
	AUTO_FREE obj_id *ids = xcalloc(json_count(list) + 1, sizeof(*ids));
	size_t n = 0;

	for (size_t i = 0; i < json_count(list); i++) {
		obj_id id = arg_id(json_at(list, i), key);
		struct id_list had = { .v = ids, .n = n };

		if (!obj_id_none(id) && !id_list_has(&had, id))
			ids[n++] = id;
	}
	id_list_set(out, ids, n);
}

static const char *
first_address(const json *nics)
{
	for (size_t i = 0; i < json_count(nics); i++) {
		const char *address = arg_str(json_at(nics, i), "address");

		if (address)
			return address;
	}
	return NULL;
}

static void
tell(struct task_run *r, struct txn *t, const struct vm *vm, const char *device)
{
	static const char *const verbs[] = { "Added", "Changed", "Removed" };
	static const char *const towards[] = { "to", "of", "from" };
	size_t which = (size_t)verb_of(r) % ARRAY_SIZE(verbs);
	char id[OBJ_ID_TEXT];

	txn_event(t, EV_VM_RECONFIGURED, r->entity, r->id, r->who.name, "%s %s %s %s",
	    verbs[which], device, towards[which], vm->o.name);
	r->result = json_new_object();
	json_set_str(r->result, "vm", obj_id_text(r->entity, id));
	json_set_str(r->result, "device", device);
}

static void
on_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	struct vm *vm = rc ? NULL : txn_edit(t, r->entity);
	struct err why = ERR_INIT;
	struct device_lists next;

	if (!vm || device_plan(vm, verb_of(r), r->args, &next, &why))
		return;
	json_free(vm->disks);
	json_free(vm->nics);
	vm->disks = MOVE(next.disks);
	vm->nics = MOVE(next.nics);
	list_ids(vm->disks, "datastore", &vm->datastores);
	list_ids(vm->nics, "network", &vm->networks);
	text_set(&vm->ip_address, first_address(vm->nics));
	tell(r, t, vm, next.name);
}

static const struct task_step device_steps[] = {
	[STEP_CHOOSE] = { .name = "choose", .start = choose_start },
	[STEP_CHANGE] = { .name = "change",
	    .start = change_start,
	    .finish = run_order_finish,
	    .cancel = FLOW_CANCEL_LATE },
	{ .name = NULL },
};

/* clang-format off */
#define DEVICE_KIND(what, name) { .op = what, .title = name, .steps = device_steps, .locks = device_locks, \
	.on_step = on_step, .on_recover = on_recover, .on_end = on_end, .on_gone = run_forget }

static const struct task_kind kinds[] = {
	[DEVICE_DISK_ADD] = DEVICE_KIND("vm.disk_add", "Add disk"),
	[DEVICE_DISK_UPDATE] = DEVICE_KIND("vm.disk_update", "Change disk"),
	[DEVICE_DISK_REMOVE] = DEVICE_KIND("vm.disk_remove", "Remove disk"),
	[DEVICE_NIC_ADD] = DEVICE_KIND("vm.nic_add", "Add network card"),
	[DEVICE_NIC_UPDATE] = DEVICE_KIND("vm.nic_update", "Change network card"),
	[DEVICE_NIC_REMOVE] = DEVICE_KIND("vm.nic_remove", "Remove network card"),
};

/* clang-format on */

/* ---- may it be asked for ---- */

static int
check_machine(
    const struct op_call *c, const struct vm *vm, enum device_verb verb, struct err *e)
{
	bool images = verb == DEVICE_DISK_ADD || verb == DEVICE_DISK_REMOVE ||
		      arg_has(c->args, "size_mb");
	struct device_lists next;
	int rc = vm_need_ready(vm, e);

	if (rc)
		return rc;
	if (vm->guest_type == GUEST_CONTAINER &&
	    (verb == DEVICE_DISK_ADD || verb == DEVICE_DISK_REMOVE))
		return err_set(e, ERR_UNSUPPORTED,
		    "\"%s\" is a container: its one disk is its root, which can only "
		    "grow",
		    vm->o.name);
	/* A task that is on it is named by the lock. */
	if (!task_works_on(c->tasks, vm->o.id))
		rc = vm_need_power(vm, DEVICE_POWER, e);
	if (!rc && (images || !is_off(vm)))
		rc = hosts_need_up(c->hosts, vm->host, e);
	if (!rc)
		rc = device_plan(vm, verb, c->args, &next, e);
	if (!rc)
		device_lists_fini(&next);
	return rc;
}

static int
check_room(const struct op_call *c, const struct vm *vm, obj_id datastore,
    uint64_t bytes, struct err *e)
{
	const struct datastore *ds = inv_datastore(c->inv, datastore);

	if (!ds)
		return err_set(e, ERR_INVALID,
		    "datastore: machine \"%s\" has no disk yet, name one", vm->o.name);
	if (!id_list_has(&ds->reachable_hosts, vm->host))
		return err_set(e, ERR_BAD_STATE,
		    "datastore: host \"%s\" does not reach \"%s\"",
		    inv_name(c->inv, vm->host), ds->o.name);
	if (ds->capacity_bytes && bytes > ds->capacity_bytes)
		return err_set(e, ERR_NO_CAPACITY,
		    "size_mb: datastore \"%s\" has %llu MB in all", ds->o.name,
		    (unsigned long long)(ds->capacity_bytes / MB_BYTES));
	if (ds->free_bytes < THIN_BYTES)
		return err_set(
		    e, ERR_NO_CAPACITY, "datastore \"%s\" is full", ds->o.name);
	return 0;
}

static int
vm_disk_add(struct op_call *c, struct txn *t, struct err *e)
{
	const struct vm *vm = inv_vm(c->inv, c->entity);
	const json *first =
	    vm->disks && json_count(vm->disks) ? json_at(vm->disks, 0) : NULL;
	int rc = arg_exists(c->inv, c->args, "datastore", e);

	if (rc)
		return rc;
	if (!arg_has(c->args, "datastore") && first)
		arg_set_id(c->args, "datastore", arg_id(first, "datastore"));
	rc = check_machine(c, vm, DEVICE_DISK_ADD, e);
	if (rc)
		return rc;
	return check_room(c, vm, arg_id(c->args, "datastore"),
	    arg_u64(c->args, "size_mb", 0) * MB_BYTES, e);
}

/* A snapshot that has the disk, or NULL. */
static const struct obj *
snapshot_with(const struct inv *inv, obj_id vm, const char *disk)
{
	INV_EACH(inv, KIND_SNAPSHOT, o)
	{
		if (obj_id_is(o->parent, vm) &&
		    device_find(inv_snapshot(inv, o->id)->disks, disk))
			return o;
	}
	return NULL;
}

static int
vm_disk_update(struct op_call *c, struct txn *t, struct err *e)
{
	const struct vm *vm = inv_vm(c->inv, c->entity);
	const char *name = arg_str(c->args, "name");
	const json *disk = device_find(vm->disks, name);
	const struct obj *snapshot = snapshot_with(c->inv, c->entity, name);
	uint64_t bytes = arg_u64(c->args, "size_mb", 0) * MB_BYTES;
	int rc = check_machine(c, vm, DEVICE_DISK_UPDATE, e);

	if (rc || !bytes || bytes == arg_u64(disk, "size_bytes", 0))
		return rc;
	if (snapshot)
		return err_set(e, ERR_BAD_STATE,
		    "%s of machine \"%s\" cannot grow while snapshot \"%s\" stands on it",
		    name, vm->o.name, snapshot->name);
	return check_room(c, vm, arg_id(disk, "datastore"), bytes, e);
}

static int
vm_disk_remove(struct op_call *c, struct txn *t, struct err *e)
{
	const struct vm *vm = inv_vm(c->inv, c->entity);
	const char *name = arg_str(c->args, "name");
	const struct obj *snapshot = snapshot_with(c->inv, c->entity, name);
	int rc = check_machine(c, vm, DEVICE_DISK_REMOVE, e);

	if (rc)
		return rc;
	if (!is_off(vm) && str_same(arg_str(json_at(vm->disks, 0), "name"), name))
		return err_set(e, ERR_UNSUPPORTED,
		    "needs power off: %s is what machine \"%s\" boots from", name,
		    vm->o.name);
	if (snapshot && !arg_bool(c->args, "keep", false))
		return err_set(e, ERR_BAD_STATE,
		    "%s of machine \"%s\" is part of snapshot \"%s\": delete that first,"
		    " or keep the disk's files",
		    name, vm->o.name, snapshot->name);
	return 0;
}

static int
check_network(const struct op_call *c, const struct vm *vm, struct err *e)
{
	obj_id network = arg_id(c->args, "network");
	obj_id dc = inv_ancestor(c->inv, vm->host, KIND_DATACENTER);
	const char *address = arg_str(c->args, "address");
	uint32_t ip;
	int rc = arg_exists(c->inv, c->args, "network", e);

	if (!rc && !obj_id_none(network) && !obj_id_none(vm->host) &&
	    !obj_id_is(inv_ancestor(c->inv, network, KIND_DATACENTER), dc))
		rc = err_set(e, ERR_INVALID, "network: \"%s\" is in another datacenter",
		    inv_name(c->inv, network));
	if (!rc && address)
		rc = ipv4_parse(address, "address", &ip, e);
	return rc;
}

static int
vm_nic_add(struct op_call *c, struct txn *t, struct err *e)
{
	const struct vm *vm = inv_vm(c->inv, c->entity);
	int rc = check_network(c, vm, e);

	return rc ? rc : check_machine(c, vm, DEVICE_NIC_ADD, e);
}

static int
vm_nic_update(struct op_call *c, struct txn *t, struct err *e)
{
	const struct vm *vm = inv_vm(c->inv, c->entity);
	int rc = check_network(c, vm, e);

	return rc ? rc : check_machine(c, vm, DEVICE_NIC_UPDATE, e);
}

static int
vm_nic_remove(struct op_call *c, struct txn *t, struct err *e)
{
	return check_machine(c, inv_vm(c->inv, c->entity), DEVICE_NIC_REMOVE, e);
}

/* clang-format off */
#define NAME_ARG(what) { .name = "name", .type = ARG_TEXT, .required = true, .min = 1, .max = 15, .help = what }
#define DISK_LIMIT_ARGS \
	{ .name = "iops_limit", .type = ARG_U64, .max = MAX_IOPS, .help = "operations a second; 0: no limit" }, \
	{ .name = "mb_per_s_limit", .type = ARG_U64, .max = MAX_MB_PER_S, .help = "MiB a second; 0: no limit" }
#define NIC_ARGS \
	{ .name = "vlan", .type = ARG_U32, .max = MAX_VLAN, .help = "its own VLAN; 0: the network's" }, \
	{ .name = "rx_mbit_limit", .type = ARG_U64, .max = MAX_MBIT, .help = "towards the machine; 0: no limit" }, \
	{ .name = "tx_mbit_limit", .type = ARG_U64, .max = MAX_MBIT, .help = "from the machine; 0: no limit" }

static const struct op_arg disk_add_args[] = {
	{ .name = "size_mb", .type = ARG_U64, .required = true, .min = 1, .max = DISK_MAX_MB, .help = "its size" },
	{ .name = "datastore", .type = ARG_ID, .kinds = KIND_BIT(DATASTORE), .help = "the first disk's if not given" },
	{ .name = "format", .type = ARG_WORD, .words = "qcow2|raw", .help = "qcow2 if not given" },
	DISK_LIMIT_ARGS, { 0 } };
static const struct op_arg disk_update_args[] = {
	NAME_ARG("the disk, disk-1"),
	{ .name = "size_mb", .type = ARG_U64, .min = 1, .max = DISK_MAX_MB, .help = "a larger size" },
	DISK_LIMIT_ARGS, { 0 } };
static const struct op_arg disk_remove_args[] = {
	NAME_ARG("the disk, disk-1"),
	{ .name = "keep", .type = ARG_BOOL, .help = "its files stay on the datastore" }, { 0 } };
static const struct op_arg nic_add_args[] = {
	{ .name = "network", .type = ARG_ID, .required = true, .kinds = KIND_BIT(NETWORK), .help = "the network" },
	{ .name = "address", .type = ARG_TEXT, .min = 7, .max = 15, .help = "the next free one of the network if not given" },
	NIC_ARGS, { 0 } };
static const struct op_arg nic_update_args[] = {
	NAME_ARG("the card, nic-0"),
	{ .name = "network", .type = ARG_ID, .kinds = KIND_BIT(NETWORK), .help = "another network" },
	NIC_ARGS, { 0 } };
static const struct op_arg nic_remove_args[] = { NAME_ARG("the card, nic-0"), { 0 } };

#define DEVICE_OP(what, title, list, check, verb) \
	{ .info = { what, title, KIND_VM, ROLE_OPERATOR, true, list }, .apply = check, .task = &kinds[verb] }

const struct op_def op_vm_device_defs[] = {
	DEVICE_OP("vm.disk_add", "Add disk", disk_add_args, vm_disk_add, DEVICE_DISK_ADD),
	DEVICE_OP("vm.disk_update", "Change disk", disk_update_args, vm_disk_update, DEVICE_DISK_UPDATE),
	DEVICE_OP("vm.disk_remove", "Remove disk", disk_remove_args, vm_disk_remove, DEVICE_DISK_REMOVE),
	DEVICE_OP("vm.nic_add", "Add network card", nic_add_args, vm_nic_add, DEVICE_NIC_ADD),
	DEVICE_OP("vm.nic_update", "Change network card", nic_update_args, vm_nic_update, DEVICE_NIC_UPDATE),
	DEVICE_OP("vm.nic_remove", "Remove network card", nic_remove_args, vm_nic_remove, DEVICE_NIC_REMOVE),
	{ .info = { .name = NULL } },
};
/* clang-format on */
