/*
 * A machine from another one: a whole copy of disks that nobody writes to, which are a
 * stopped machine's own or what a snapshot has frozen; of one that runs a snapshot is
 * taken for it (clone_live.c).
 */
#include "server/ops/template_chain.h"
#include "server/template/template_int.h"

#define MB_BYTES UINT64_C(0x100000)

static const struct task_step clone_steps[] = {
	{ .name = "freeze",
	    .start = freeze_start,
	    .finish = freeze_finish,
	    .undo = freeze_undo,
	    .needed = is_live_clone },
	{ .name = "place", .start = live_place_start, .finish = live_place_finish },
	DEPLOY_QUEUE,
	DEPLOY_CREATE,
	{ .name = "merge",
	    .start = merge_start,
	    .finish = merge_finish,
	    .needed = is_live_clone },
	DEPLOY_START,
	{ .name = NULL },
};

static void
clone_on_step(struct task_run *r, unsigned step, struct txn *t)
{
	if (is_live_clone(r) && step_is(r, step, "place"))
		live_sources_write(r, t);
	deploy_on_step(r, step, t);
}

static void
clone_on_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	const struct obj *left = inv_get(r->inv, run_arg_id(r, "snapshot"));
	char id[OBJ_ID_TEXT];

	deploy_on_end(r, t, rc, e);
	if (!rc && is_live_clone(r) && left)
		json_set_str(r->result, "snapshot_left", obj_id_text(left->id, id));
}

static const struct task_kind clone_kind = {
	.op = "vm.clone",
	.title = "Clone virtual machine",
	.steps = clone_steps,
	.locks = deploy_locks,
	.on_step = clone_on_step,
	.on_recover = deploy_on_recover,
	.on_end = clone_on_end,
	.on_gone = run_forget,
};

/* The disks that are copied, and how large they may be. */
static int
take_sources(struct op_call *c, const struct vm *vm, const json *disks, struct err *e)
{
	uint64_t bytes = 0;
	size_t n = disks ? json_count(disks) : 0;

	if (!n)
		return err_set(
		    e, ERR_BAD_STATE, "machine \"%s\" has no disk", vm->o.name);
	obj_id from = arg_id(json_at(disks, 0), "datastore");
	for (size_t i = 0; i < n; i++) {
		const json *d = json_at(disks, i);
		bytes += arg_u64(d, "size_bytes", 0);
		if (!obj_id_is(arg_id(d, "datastore"), from)) {
			return err_set(e, ERR_UNSUPPORTED,
			    "the disks of machine \"%s\" lie on \"%s\" and \"%s\"; "
			    "bring them together first",
			    vm->o.name, inv_name(c->inv, from),
			    inv_name(c->inv, arg_id(d, "datastore")));
		}
	}
	uint64_t first = arg_u64(json_at(disks, 0), "size_bytes", 0);
	uint64_t asked = arg_u64(c->args, "disk_mb", 0) * MB_BYTES;
	if (asked && asked < first) {
		return err_set(e, ERR_INVALID,
		    "disk_mb: disk %s of \"%s\" has %llu MB and cannot become smaller",
		    arg_str(json_at(disks, 0), "name"), vm->o.name,
		    (unsigned long long)((first + MB_BYTES - 1) / MB_BYTES));
	}
	if (vm->disk_usage_bytes && vm->disk_usage_bytes < bytes)
		bytes = vm->disk_usage_bytes;
	if (!arg_has(c->args, "live"))
		json_set_json(c->args, "sources", json_dup(disks));
	json_set_u64(c->args, "source_mb", bytes / MB_BYTES + 1);
	arg_set_id(c->args, "from", from);
	if (!arg_has(c->args, "datastore"))
		arg_set_id(c->args, "datastore", from);
	return 0;
}

/* The layers that a container's copy stands on are its template's where that lies. */
static int
settle_chain(struct op_call *c, const struct vm *vm, struct err *e)
{
	const struct template *tpl = inv_template(c->inv, vm->template_);
	const json *disk = json_at(vm->disks, 0), *backing = json_get(disk, "backing");
	obj_id from = arg_id(disk, "datastore"), to = arg_id(c->args, "datastore");

	if (vm->guest_type != GUEST_CONTAINER || !backing)
		return 0;
	if (tpl)
		arg_set_id(c->args, "base", tpl->o.id);
	if (obj_id_is(from, to)) {
		json_set_json(c->args, "chain", json_dup(backing));
		return 0;
	}
	AUTO(json) json *here = tpl ? template_chain_on(tpl, from) : NULL;
	AUTO(json) json *there = tpl ? template_chain_on(tpl, to) : NULL;
	if (!here || !there || !json_same(here, backing)) {
		return err_set(e, ERR_BAD_STATE,
		    "datastore: container \"%s\" stands on %s%s%s, which is not on "
		    "\"%s\": copy it there first",
		    vm->o.name, tpl ? "template \"" : "layers", tpl ? tpl->o.name : "",
		    tpl ? "\"" : "", inv_name(c->inv, to));
	}
	json_set_json(c->args, "chain", MOVE(there));
	return 0;
}

/* It writes to its disks: they are frozen first. */
static int
settle_live(struct op_call *c, const struct vm *vm, struct err *e)
{
	int rc;

	if (vm->guest_type == GUEST_CONTAINER)
		return vm_need_power(vm, POWER_BIT(POWER_OFF), e);
	rc = vm_need_power(vm, POWER_BIT(POWER_ON) | POWER_BIT(POWER_PAUSED), e);
	if (rc)
		return rc;
	if (!clone_live_possible() || arg_bool(c->args, "many", false)) {
		return err_set(e, ERR_BAD_STATE,
		    "machine \"%s\" is %s and writes to its disks; take a snapshot and "
		    "clone that, or power it off",
		    vm->o.name, power_state_text(vm->power_state));
	}
	arg_set_id(c->args, "live", c->entity);
	return 0;
}

/* What is frozen: the snapshot's images, or those of a machine that is off. */
static int
settle_source(struct op_call *c, const struct vm *vm, struct err *e)
{
	const struct snapshot *snap = inv_snapshot(c->inv, arg_id(c->args, "snapshot"));
	int rc = arg_exists(c->inv, c->args, "snapshot", e);

	if (rc)
		return rc;
	if (arg_bool(c->args, "linked", false)) {
		return err_set(e, ERR_UNSUPPORTED,
		    "linked: images of machine \"%s\" are merged and moved with it, so "
		    "none can stand on them; make a template of it and clone that",
		    vm->o.name);
	}
	if (snap && !obj_id_is(snap->o.parent, c->entity))
		return err_set(e, ERR_INVALID,
		    "snapshot: \"%s\" is not one of machine \"%s\"", snap->o.name,
		    vm->o.name);
	if (snap && snap->lifecycle != LIFE_READY)
		return err_set(e, ERR_BAD_STATE, "snapshot \"%s\" is %s", snap->o.name,
		    vm_lifecycle_text(snap->lifecycle));
	rc = vm_need_ready(vm, e);
	if (!rc && !snap && vm->power_state != POWER_OFF)
		rc = settle_live(c, vm, e);
	return rc ? rc : take_sources(c, vm, snap ? snap->disks : vm->disks, e);
}

static int
vm_clone(struct op_call *c, struct txn *t, struct err *e)
{
	const struct vm *from = inv_vm(c->inv, c->entity);
	const struct deploy_source source = { &from->o, from->guest_type,
		from->container };
	obj_id dc = inv_ancestor(c->inv, c->entity, KIND_DATACENTER);
	struct vm *vm;
	int rc = settle_source(c, from, e);

	if (!arg_has(c->args, "live"))
		arg_set_id(c->args, "source", c->entity);
	if (!rc && !arg_has(c->args, "network") && from->networks.n)
		arg_set_id(c->args, "network", from->networks.v[0]);
	if (!rc)
		rc = settle_place(c, dc, e);
	if (!rc && !obj_id_is(inv_ancestor(c->inv, arg_id(c->args, "datastore"),
				  KIND_DATACENTER),
		       dc))
		rc = err_set(e, ERR_INVALID,
		    "datastore: \"%s\" is in another datacenter than the machine",
		    inv_name(c->inv, arg_id(c->args, "datastore")));
	if (!rc)
		rc = settle_chain(c, from, e);
	if (!rc)
		rc = deploy_row(c, &source, t, &vm, e);
	if (rc)
		return rc;
	vm->template_ = from->template_;
	vm->num_cpu = (uint32_t)arg_u64(c->args, "num_cpu", from->num_cpu);
	vm->memory_mb = arg_u64(c->args, "memory_mb", from->memory_mb);
	return 0;
}

/* Each of many would freeze the machine anew. */
static int
clone_split(const json *args, json **ret_list, struct err *e)
{
	int rc = deploy_split(args, ret_list, e);

	for (size_t i = 0; !rc && *ret_list && i < json_count(*ret_list); i++)
		json_set_bool(json_at(*ret_list, i), "many", true);
	return rc;
}

/* clang-format off */
static const struct op_arg clone_args[] = {
	DEPLOY_ARGS,
	{ .name = "snapshot", .type = ARG_ID, .kinds = KIND_BIT(SNAPSHOT), .help = "what is copied; without: the machine as it is" },
	{ .name = "linked", .type = ARG_BOOL, .help = "refused: linked clones stand on templates" },
	{ 0 } };

const struct op_def clone_defs[] = {
	{ .info = { "vm.clone", "Clone virtual machine", KIND_VM, ROLE_OPERATOR, true, clone_args },
	  .split = clone_split, .apply = vm_clone, .task = &clone_kind },
	{ .info = { .name = NULL } },
};
/* clang-format on */
