/*
 * A machine from a template: row, place and addresses, disks on the host, and if wanted
 * its first start.
 */
#include "server/hosts/uuid.h"
#include "server/ops/net_plan.h"
#include "server/ops/vm_spec.h"
#include "server/ops/vm_step.h"

#define STOP_MS    30000u
#define CLONE_MB   1 /* a linked clone takes its header; it grows as it is written */
#define PRESET_CPU 1
#define PRESET_MB  256

enum { STEP_PLACE, STEP_CREATE, STEP_START };

static void
create_locks(
    const struct inv *inv, obj_id entity, const json *args, struct lock_set *out)
{
	lock_set_add(out, entity, LOCK_EXCLUSIVE);
	lock_set_add(out, arg_id(args, "template"), LOCK_SHARED);
	lock_set_add(out, arg_id(args, "datastore"), LOCK_SHARED);
	lock_set_add(out, arg_id(args, "network"), LOCK_SHARED);
	lock_set_add(out, arg_id(args, "cluster"), LOCK_SHARED);
	lock_set_add(out, arg_id(args, "host"), LOCK_SHARED);
}

static bool
wants_power(const struct task_run *r)
{
	return arg_bool(r->args, "power_on", false);
}

static int
plan_of(const struct network *n, struct net_plan *p, struct err *e)
{
	struct net_texts texts = { n->cidr, n->gateway, n->range_first, n->range_last,
		n->dns };

	return net_plan_check(&texts, p, e);
}

/* A free address of the network, 0 if it gives none. */
static int
pick_address(struct task_run *r, obj_id network, uint32_t *ret_ip, struct err *e)
{
	const struct network *n = inv_network(r->inv, network);
	struct net_plan plan;
	AUTO_FREE uint32_t *used = NULL;
	size_t n_used = 0;
	struct err ignored = ERR_INIT;

	*ret_ip = 0;
	if (!n || !n->range_first || !n->range_first[0])
		return 0;
	int rc = plan_of(n, &plan, e);
	if (rc)
		return err_wrap(e, "network \"%s\"", n->o.name);
	used = xcalloc(inv_count(r->inv, KIND_VM) + 1, sizeof(*used));
	INV_EACH(r->inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(r->inv, o->id);
		if (vm->ip_address && id_list_has(&vm->networks, network) &&
		    !ipv4_parse(vm->ip_address, "", &used[n_used], &ignored))
			n_used++;
	}
	advice_held_addresses(run_ops(r)->advice, network, &used, &n_used);
	rc = net_plan_pick(&plan, used, n_used, ret_ip, e);
	return rc ? err_wrap(e, "network \"%s\"", n->o.name) : 0;
}

/* What the cluster runs machines with: "qemu" where any host can. */
static const char *
cluster_engine(const struct task_run *r, obj_id cluster)
{
	const char *found = NULL;

	INV_EACH(r->inv, KIND_HOST, o)
	{
		const char *engine = host_engine(inv_host(r->inv, o->id));
		if (!engine || !obj_id_is(o->parent, cluster))
			continue;
		if (!found || str_same(engine, "qemu"))
			found = engine;
	}
	return found;
}

static enum flow_rc
place_start(struct task_run *r)
{
	const struct vm *vm = run_vm(r);
	uint32_t address;

	if (!vm)
		return FLOW_FAIL;
	struct advice_guest g = {
		.vm = vm->o.id,
		.name = vm->o.name,
		.cluster = run_arg_id(r, "cluster"),
		.want_host = run_arg_id(r, "host"),
		.num_cpu = vm->num_cpu,
		.memory_mb = vm->memory_mb,
		.datastore = run_arg_id(r, "datastore"),
		.disk_mb = CLONE_MB,
		.network = run_arg_id(r, "network"),
	};
	g.engine = cluster_engine(r, g.cluster);
	if (!g.engine) {
		err_set(task_err(r), ERR_NO_CAPACITY,
		    "no host of cluster \"%s\" has a usable engine",
		    inv_name(r->inv, g.cluster));
		return run_wait_for_host(r);
	}
	if (pick_address(r, g.network, &address, task_err(r)))
		return FLOW_FAIL;
	if (run_hold_room(r, &g, address, task_err(r)))
		return run_wait_for_host(r);
	return FLOW_NEXT;
}

/* With the storing of the next step the placement becomes the machine's. */
static void
write_placement(struct task_run *r, struct txn *t)
{
	const struct advice_hold *hold =
	    advice_hold_find(run_ops(r)->advice, r->entity);
	struct vm *vm = txn_edit(t, r->entity);
	const struct template *tpl = inv_template(r->inv, run_arg_id(r, "template"));
	obj_id network = run_arg_id(r, "network");
	char mac[18], ip[IPV4_TEXT];

	if (!hold || !vm || !tpl)
		return;
	vm->host = hold->host;
	text_set(&vm->engine, host_engine(inv_host(r->inv, hold->host)));
	json_free(vm->disks);
	vm->disks = vm_disks_clone(vm, tpl);
	if (obj_id_none(network))
		return;
	vm_mac_pick(r->inv, r->entity, hold->cluster, mac);
	json_free(vm->nics);
	vm->nics = vm_nics_one(network, mac, hold->address);
	if (hold->address)
		text_set(&vm->ip_address, ipv4_text(hold->address, ip));
}

static void
write_ready(struct task_run *r, struct txn *t)
{
	struct vm *vm = txn_edit(t, r->entity);

	if (!vm)
		return;
	vm->lifecycle = LIFE_READY;
	txn_event(t, EV_VM_CREATED, r->entity, r->id, r->who.name,
	    "Created %s on host %s", vm->o.name, inv_name(r->inv, vm->host));
	if (wants_power(r))
		vm_begin_start(r, t);
}

static void
on_step(struct task_run *r, unsigned step, struct txn *t)
{
	if (step == STEP_CREATE)
		write_placement(r, t);
	else if (step == STEP_START)
		write_ready(r, t);
}

static enum flow_rc
create_start(struct task_run *r)
{
	const struct vm *vm = run_vm(r);

	return vm ? run_spec_order(r, VERB_CREATE, vm, VM_ORDER_MS) : FLOW_FAIL;
}

static enum flow_rc
create_undo(struct task_run *r)
{
	const struct vm *vm = inv_vm(r->inv, r->entity);

	if (!vm || obj_id_none(vm->host))
		return FLOW_NEXT;
	return run_undo_delete(r, vm, VM_ORDER_MS);
}

static enum flow_rc
first_start(struct task_run *r)
{
	const struct vm *vm = run_vm(r);

	if (!vm)
		return FLOW_FAIL;
	if (!wants_power(r))
		return FLOW_NEXT;
	return run_spec_order(r, VERB_START, vm, VM_ORDER_MS);
}

/* It may run, whatever the answer was, and must not when its disks go. */
static enum flow_rc
first_start_undo(struct task_run *r)
{
	const struct vm *vm = inv_vm(r->inv, r->entity);
	Drover__GuestStop stop = DROVER__GUEST_STOP__INIT;
	Drover__Order o = DROVER__ORDER__INIT;

	if (!vm || obj_id_none(vm->host) || !wants_power(r))
		return FLOW_NEXT;
	stop.guest = obj_id_number(r->entity);
	stop.mode = DROVER__STOP_MODE__STOP_KILL;
	o.verb_case = DROVER__ORDER__VERB_GUEST_STOP;
	o.guest_stop = &stop;
	return run_undo_order(r, vm->host, &o, STOP_MS);
}

static void
end_well(struct task_run *r, struct txn *t, struct vm *vm)
{
	if (wants_power(r)) {
		vm->power_state = POWER_ON;
		vm_take_status(vm, run_reply(r, vm->host, STEP_START));
		txn_event(t, EV_VM_POWERED_ON, r->entity, r->id, r->who.name,
		    "%s runs on host %s", vm->o.name, inv_name(r->inv, vm->host));
	}
	char id[OBJ_ID_TEXT];
	r->result = json_new_object();
	json_set_str(r->result, "vm", obj_id_text(r->entity, id));
	json_set_str(r->result, "host", obj_id_text(vm->host, id));
}

/* Are there disks on a host that could not be told to delete them? */
static bool
left_behind(const struct task_run *r, const struct vm *vm)
{
	const struct task *row = inv_task(r->inv, r->id);

	return row->step_index >= STEP_CREATE && !obj_id_none(vm->host) &&
	       !run_undo_reply(r, vm->host, STEP_CREATE);
}

static void
end_badly(struct task_run *r, struct txn *t, struct vm *vm, const struct err *e)
{
	txn_event(t, EV_VM_CREATE_FAILED, r->entity, r->id, r->who.name,
	    "%s was not created: %s", vm->o.name, e->msg);
	if (!left_behind(r, vm)) {
		txn_del(t, r->entity);
		return;
	}
	vm->lifecycle = LIFE_ORPHANED;
	vm->power_state = POWER_UNKNOWN;
	text_set(
	    &vm->power_reason, "its creation failed and its host did not clean up");
}

static void
on_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	struct vm *vm = txn_edit(t, r->entity);

	if (!vm)
		return;
	if (rc)
		end_badly(r, t, vm, e);
	else
		end_well(r, t, vm);
}

static const struct task_step create_steps[] = {
	[STEP_PLACE] = { .name = "place", .start = place_start, .finish = run_again },
	[STEP_CREATE] = { .name = "create",
	    .start = create_start,
	    .finish = run_order_finish,
	    .undo = create_undo },
	[STEP_START] = { .name = "start",
	    .start = first_start,
	    .finish = run_order_finish,
	    .undo = first_start_undo },
	{ .name = NULL },
};

static const struct task_kind create_kind = {
	.op = "vm.create",
	.title = "Create virtual machine",
	.steps = create_steps,
	.locks = create_locks,
	.on_step = on_step,
	.on_recover = run_recover_hold,
	.on_end = on_end,
	.on_gone = run_forget,
};

static int
check_all_exist(const struct op_call *c, struct err *e)
{
	static const char *const names[] = { "template", "parent", "cluster", "pool",
		"host", "datastore", "network" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int rc = arg_exists(c->inv, c->args, names[i], e);
		if (rc)
			return rc;
	}
	return 0;
}

/* The only one of its kind under a parent, or none. */
static obj_id
only_one(const struct inv *inv, obj_id parent, enum obj_kind kind, size_t *ret_n)
{
	obj_id found = OBJ_ID_NONE;

	*ret_n = 0;
	INV_EACH(inv, kind, o)
	{
		if (!obj_id_is(o->parent, parent))
			continue;
		found = o->id;
		++*ret_n;
	}
	return *ret_n == 1 ? found : OBJ_ID_NONE;
}

/* From host, pool or cluster; else the only one there is in the template's datacenter.
 */
static int
settle_cluster(struct op_call *c, obj_id dc, struct err *e)
{
	static const char *const from[] = { "host", "pool", "cluster" };
	obj_id cluster = OBJ_ID_NONE;
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		obj_id id = arg_id(c->args, from[i]);
		obj_id of = inv_ancestor(c->inv, id, KIND_CLUSTER);
		if (obj_id_none(id))
			continue;
		if (!obj_id_none(cluster) && !obj_id_is(cluster, of))
			return err_set(e, ERR_INVALID,
			    "%s: \"%s\" is not in cluster \"%s\"", from[i],
			    inv_name(c->inv, id), inv_name(c->inv, cluster));
		cluster = of;
	}
	if (obj_id_none(cluster)) {
		cluster = only_one(c->inv, dc, KIND_CLUSTER, &n);
		if (obj_id_none(cluster))
			return err_set(e, ERR_INVALID,
			    "cluster: datacenter \"%s\" has %zu, name one",
			    inv_name(c->inv, dc), n);
	}
	arg_set_id(c->args, "cluster", cluster);
	return 0;
}

static int
settle_pool(struct op_call *c, struct err *e)
{
	obj_id cluster = arg_id(c->args, "cluster");

	if (arg_has(c->args, "pool"))
		return 0;
	INV_EACH(c->inv, KIND_POOL, o)
	{
		if (!obj_id_is(o->parent, cluster) || !inv_pool(c->inv, o->id)->is_root)
			continue;
		arg_set_id(c->args, "pool", o->id);
		return 0;
	}
	return err_set(e, ERR_INTERNAL, "cluster \"%s\" has no root pool",
	    inv_name(c->inv, cluster));
}

static int
settle_datastore(struct op_call *c, const struct template *tpl, struct err *e)
{
	obj_id asked = arg_id(c->args, "datastore");

	if (!obj_id_none(asked) && !obj_id_is(asked, tpl->datastore)) {
		return err_set(e, ERR_UNSUPPORTED,
		    "datastore: a linked clone must lie on the datastore of template "
		    "\"%s\", which is \"%s\", not on \"%s\"",
		    tpl->o.name, inv_name(c->inv, tpl->datastore),
		    inv_name(c->inv, asked));
	}
	arg_set_id(c->args, "datastore", tpl->datastore);
	return 0;
}

static int
settle_network(struct op_call *c, obj_id dc, struct err *e)
{
	obj_id network = arg_id(c->args, "network");
	size_t n;

	if (!obj_id_none(network)) {
		if (obj_id_is(inv_ancestor(c->inv, network, KIND_DATACENTER), dc))
			return 0;
		return err_set(e, ERR_INVALID,
		    "network: \"%s\" is in another datacenter",
		    inv_name(c->inv, network));
	}
	network = only_one(c->inv, dc, KIND_NETWORK, &n);
	if (n > 1)
		return err_set(e, ERR_INVALID,
		    "network: datacenter \"%s\" has %zu, name one",
		    inv_name(c->inv, dc), n);
	if (n == 1)
		arg_set_id(c->args, "network", network);
	return 0;
}

static int
settle_parent(struct op_call *c, obj_id dc, struct err *e)
{
	obj_id parent = arg_id(c->args, "parent");

	if (obj_id_none(parent))
		arg_set_id(c->args, "parent", dc);
	else if (!obj_id_is(inv_ancestor(c->inv, parent, KIND_DATACENTER), dc))
		return err_set(e, ERR_INVALID,
		    "parent: \"%s\" is in another datacenter than the template",
		    inv_name(c->inv, parent));
	return 0;
}

/* Every choice that was left open is made here and stored with the task. */
static int
settle(struct op_call *c, const struct template *tpl, struct err *e)
{
	obj_id dc = inv_ancestor(c->inv, tpl->o.id, KIND_DATACENTER);
	int rc = settle_cluster(c, dc, e);

	if (!rc)
		rc = settle_pool(c, e);
	if (!rc)
		rc = settle_datastore(c, tpl, e);
	if (!rc)
		rc = settle_network(c, dc, e);
	if (!rc)
		rc = settle_parent(c, dc, e);
	return rc;
}

static void
fill_row(const struct op_call *c, const struct template *tpl, struct vm *vm)
{
	char uuid[UUID_TEXT];
	obj_id network = arg_id(c->args, "network");
	uint32_t num_cpu = tpl->num_cpu ? tpl->num_cpu : PRESET_CPU;
	uint64_t memory_mb = tpl->memory_mb ? tpl->memory_mb : PRESET_MB;

	vm->uuid = xstrdup(uuid_make(uuid));
	vm->lifecycle = LIFE_CREATING;
	vm->power_state = POWER_OFF;
	vm->pool = arg_id(c->args, "pool");
	vm->template_ = tpl->o.id;
	vm->num_cpu = (uint32_t)arg_u64(c->args, "num_cpu", num_cpu);
	vm->memory_mb = arg_u64(c->args, "memory_mb", memory_mb);
	text_set(&vm->notes, arg_str(c->args, "notes"));
	id_list_set(&vm->datastores, &tpl->datastore, 1);
	id_list_set(&vm->networks, &network, obj_id_none(network) ? 0 : 1);
}

static int
vm_create(struct op_call *c, struct txn *t, struct err *e)
{
	void *obj;
	int rc = check_all_exist(c, e);

	if (rc)
		return rc;
	const struct template *tpl = inv_template(c->inv, arg_id(c->args, "template"));
	if (tpl->lifecycle != LIFE_READY)
		return err_set(e, ERR_BAD_STATE, "template \"%s\" is %s", tpl->o.name,
		    vm_lifecycle_text(tpl->lifecycle));
	rc = settle(c, tpl, e);
	if (!rc && arg_has(c->args, "host"))
		rc = hosts_need_up(c->hosts, arg_id(c->args, "host"), e);
	if (!rc)
		rc = txn_add(t, KIND_VM, arg_id(c->args, "parent"),
		    arg_str(c->args, "name"), &obj, e);
	if (rc)
		return rc;
	struct vm *vm = obj;
	fill_row(c, tpl, vm);
	c->object = vm->o.id;
	return 0;
}

/* clang-format off */
static const struct op_arg create_args[] = {
	{ .name = "name", .type = ARG_NAME, .required = true, .help = "name, unique in its folder" },
	{ .name = "template", .type = ARG_ID, .required = true, .kinds = KIND_BIT(TEMPLATE), .help = "what its disk is a clone of" },
	{ .name = "parent", .type = ARG_ID, .kinds = KIND_BIT(DATACENTER) | KIND_BIT(FOLDER),
	  .help = "folder or datacenter; without: the template's datacenter" },
	{ .name = "cluster", .type = ARG_ID, .kinds = KIND_BIT(CLUSTER), .help = "without: the datacenter's only one" },
	{ .name = "pool", .type = ARG_ID, .kinds = KIND_BIT(POOL), .help = "without: the cluster's root pool" },
	{ .name = "host", .type = ARG_ID, .kinds = KIND_BIT(HOST), .help = "without: the scheduler's choice" },
	{ .name = "datastore", .type = ARG_ID, .kinds = KIND_BIT(DATASTORE), .help = "must be the template's" },
	{ .name = "network", .type = ARG_ID, .kinds = KIND_BIT(NETWORK), .help = "without: the datacenter's only one, if any" },
	{ .name = "num_cpu", .type = ARG_U32, .min = 1, .max = VM_MAX_CPU, .help = "virtual CPUs; without: the template's" },
	{ .name = "memory_mb", .type = ARG_U64, .min = VM_MIN_MB, .max = VM_MAX_MB, .help = "memory; without: the template's" },
	{ .name = "notes", .type = ARG_TEXT, .max = NOTES_MAX, .help = "for people" },
	{ .name = "power_on", .type = ARG_BOOL, .help = "start it too" },
	{ 0 } };

const struct op_def op_vm_create_defs[] = {
	{ .info = { "vm.create", "Create virtual machine", KIND_NONE, ROLE_OPERATOR, true, create_args },
	  .apply = vm_create, .task = &create_kind },
	{ .info = { .name = NULL } },
};
/* clang-format on */
