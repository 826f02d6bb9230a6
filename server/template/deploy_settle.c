/*
 * A wish for a machine becomes a whole one: where it may stand, what it is made of.
 */
#include "server/hosts/uuid.h"
#include "server/template/name_pattern.h"
#include "server/template/template_int.h"

#define PRESET_CPU 1
#define PRESET_MB  256
#define MB_BYTES   UINT64_C(0x100000)

static int
check_all_exist(const struct op_call *c, struct err *e)
{
	static const char *const names[] = { "template", "parent", "cluster", "pool",
		"host", "datastore", "network", "snapshot" };

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

/* From host, pool or cluster; else the only one there is in the datacenter. */
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
	else if (!obj_id_is(inv_ancestor(c->inv, parent, KIND_DATACENTER), dc)) {
		return err_set(e, ERR_INVALID,
		    "parent: \"%s\" is in another datacenter than what the machine is "
		    "made of",
		    inv_name(c->inv, parent));
	}
	return 0;
}

int
settle_place(struct op_call *c, obj_id dc, struct err *e)
{
	int rc = check_all_exist(c, e);

	if (!rc)
		rc = settle_cluster(c, dc, e);
	if (!rc)
		rc = settle_pool(c, e);
	if (!rc)
		rc = settle_network(c, dc, e);
	if (!rc)
		rc = settle_parent(c, dc, e);
	if (!rc && arg_has(c->args, "host"))
		rc = hosts_need_up(c->hosts, arg_id(c->args, "host"), e);
	return rc;
}

/* What makes it its own, each kind in its way. */
static int
settle_own(struct op_call *c, const struct deploy_source *from, json **ret_container,
    struct err *e)
{
	return from->type == GUEST_CONTAINER
		   ? settle_container(c, from->container, ret_container, e)
		   : settle_custom(c, e);
}

int
deploy_row(struct op_call *c, const struct deploy_source *from, struct txn *t,
    struct vm **ret_vm, struct err *e)
{
	obj_id network = arg_id(c->args, "network");
	obj_id datastore = arg_id(c->args, "datastore");
	AUTO(json) json *container = NULL;
	char uuid[UUID_TEXT];
	void *obj;
	int rc = container_kind_check(c->args, from->type, from->o, e);

	if (!rc)
		rc = settle_own(c, from, &container, e);
	if (!rc)
		rc = txn_add(t, KIND_VM, arg_id(c->args, "parent"),
		    arg_str(c->args, "name"), &obj, e);
	if (rc)
		return rc;
	struct vm *vm = obj;
	vm->guest_type = from->type;
	vm->container = MOVE(container);
	vm->uuid = xstrdup(uuid_make(uuid));
	vm->lifecycle = LIFE_CREATING;
	vm->power_state = POWER_OFF;
	vm->pool = arg_id(c->args, "pool");
	text_set(&vm->notes, arg_str(c->args, "notes"));
	id_list_set(&vm->datastores, &datastore, 1);
	id_list_set(&vm->networks, &network, obj_id_none(network) ? 0 : 1);
	c->object = vm->o.id;
	*ret_vm = vm;
	return 0;
}

int
deploy_split(const json *args, json **ret_list, struct err *e)
{
	const char *name = arg_str(args, "name");
	const json *custom = json_get(args, "customize");
	struct name_pattern p;

	*ret_list = NULL;
	if (!name || !name_is_pattern(name))
		return 0;
	int rc = name_pattern_parse(name, &p, e);
	if (rc)
		return rc;
	if (custom && arg_has(custom, "address"))
		return err_set(e, ERR_INVALID,
		    "customize: address: is for one machine, not for %u", p.count);
	if (arg_has(args, "ip_address"))
		return err_set(e, ERR_INVALID,
		    "ip_address: is for one container, not for %u", p.count);
	*ret_list = json_new_array();
	for (uint32_t i = 0; i < p.count; i++) {
		json *one = json_dup(args);
		AUTO_FREE char *text = name_pattern_at(&p, i);
		json_set_str(one, "name", text);
		json_add_json(*ret_list, one);
	}
	return 0;
}

/* ---- from a template ---- */

/* Can a host that the machine may go to reach both? */
static bool
is_within_reach(const struct op_call *c, obj_id a, obj_id b)
{
	return !obj_id_none(host_reaching(
	    c, a, b, arg_id(c->args, "cluster"), arg_id(c->args, "host")));
}

/* Without a wish: the first of the template's datastores that a host reaches. */
static obj_id
own_datastore(const struct op_call *c, const struct template *tpl)
{
	struct tpl_place all[PLACES_MAX];
	size_t n = tpl_places(tpl, all);

	for (size_t i = 0; i < n; i++) {
		if (is_within_reach(c, all[i].datastore, all[i].datastore))
			return all[i].datastore;
	}
	return tpl->datastore;
}

/*
 * Which image it is cloned or copied from: a linked clone stands on one beside it, a
 * copy can come from any that the same host reaches.  If there is none, one is made on
 * the machine's datastore first.
 */
static obj_id
image_for(const struct op_call *c, const struct template *tpl, obj_id datastore)
{
	struct tpl_place all[PLACES_MAX], there;
	size_t n = tpl_places(tpl, all);

	if (!arg_bool(c->args, "full", false) || tpl_place_on(tpl, datastore, &there))
		return datastore;
	for (size_t i = 0; i < n; i++) {
		if (is_within_reach(c, all[i].datastore, datastore))
			return all[i].datastore;
	}
	return datastore;
}

static int
settle_datastore(
    struct op_call *c, const struct template *tpl, obj_id dc, struct err *e)
{
	obj_id datastore = arg_id(c->args, "datastore");

	if (obj_id_none(datastore))
		datastore = own_datastore(c, tpl);
	else if (!obj_id_is(inv_ancestor(c->inv, datastore, KIND_DATACENTER), dc))
		return err_set(e, ERR_INVALID,
		    "datastore: \"%s\" is in another datacenter than the template",
		    inv_name(c->inv, datastore));
	arg_set_id(c->args, "datastore", datastore);
	arg_set_id(c->args, "from", image_for(c, tpl, datastore));
	return 0;
}

static int
check_disk_size(const struct op_call *c, const struct template *tpl, struct err *e)
{
	uint64_t asked = arg_u64(c->args, "disk_mb", 0) * MB_BYTES;

	/* A container's disk is its own: the template's lies below it. */
	if (!asked || asked >= tpl->virtual_bytes || tpl->guest_type == GUEST_CONTAINER)
		return 0;
	return err_set(e, ERR_INVALID,
	    "disk_mb: the disk of template \"%s\" has %llu MB and cannot become smaller",
	    tpl->o.name,
	    (unsigned long long)((tpl->virtual_bytes + MB_BYTES - 1) / MB_BYTES));
}

static int
from_template(
    struct op_call *c, const struct template *tpl, struct txn *t, struct err *e)
{
	const struct deploy_source from = { &tpl->o, tpl->guest_type, tpl->container };
	obj_id dc = inv_ancestor(c->inv, tpl->o.id, KIND_DATACENTER);
	struct vm *vm;
	int rc = tpl_need_ready(tpl, e);

	if (!rc)
		rc = settle_place(c, dc, e);
	if (!rc)
		rc = settle_datastore(c, tpl, dc, e);
	if (!rc)
		rc = check_disk_size(c, tpl, e);
	if (!rc)
		rc = deploy_row(c, &from, t, &vm, e);
	if (rc)
		return rc;
	uint32_t num_cpu = tpl->num_cpu ? tpl->num_cpu : PRESET_CPU;
	uint64_t memory_mb = tpl->memory_mb ? tpl->memory_mb : PRESET_MB;
	vm->template_ = tpl->o.id;
	vm->num_cpu = (uint32_t)arg_u64(c->args, "num_cpu", num_cpu);
	vm->memory_mb = arg_u64(c->args, "memory_mb", memory_mb);
	return 0;
}

static int
vm_create(struct op_call *c, struct txn *t, struct err *e)
{
	int rc = arg_exists(c->inv, c->args, "template", e);

	if (rc)
		return rc;
	return from_template(
	    c, inv_template(c->inv, arg_id(c->args, "template")), t, e);
}

static const struct task_step create_steps[] = {
	DEPLOY_PLACE,
	DEPLOY_COPY,
	DEPLOY_QUEUE,
	DEPLOY_CREATE,
	DEPLOY_START,
	{ .name = NULL },
};

static const struct task_kind create_kind = {
	.op = "vm.create",
	.title = "Create virtual machine",
	.steps = create_steps,
	.locks = deploy_locks,
	.on_step = deploy_on_step,
	.on_recover = deploy_on_recover,
	.on_end = deploy_on_end,
	.on_gone = run_forget,
};

/* ---- a template becomes a machine and goes ---- */

static void
to_vm_locks(
    const struct inv *inv, obj_id entity, const json *args, struct lock_set *out)
{
	lock_set_add(out, arg_id(args, "template"), LOCK_EXCLUSIVE);
	deploy_locks(inv, entity, args, out);
}

/* It is made; a template that cannot be removed is no reason to give it up again. */
static enum flow_rc
remove_finish(struct task_run *r, int rc)
{
	return rc && rc != ERR_LOST ? FLOW_NEXT : FLOW_AGAIN;
}

static void
to_vm_on_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	obj_id id = run_arg_id(r, "template");
	struct template *tpl = txn_edit(t, id);

	deploy_on_end(r, t, rc, e);
	if (!tpl)
		return;
	tpl->lifecycle = LIFE_READY;
	if (rc)
		return;
	json_set_bool(r->result, "template_removed", removals_done(r));
	if (removals_done(r))
		tpl_forget(r, t, id);
}

static const struct task_step to_vm_steps[] = {
	DEPLOY_PLACE,
	DEPLOY_QUEUE,
	DEPLOY_CREATE,
	DEPLOY_START,
	{ .name = "remove",
	    .start = removals_start,
	    .finish = remove_finish,
	    .cancel = FLOW_CANCEL_LATE },
	{ .name = NULL },
};

static const struct task_kind to_vm_kind = {
	.op = "template.to_vm",
	.title = "Convert template to virtual machine",
	.steps = to_vm_steps,
	.locks = to_vm_locks,
	.on_step = deploy_on_step,
	.on_recover = deploy_on_recover,
	.on_end = to_vm_on_end,
	.on_gone = run_forget,
};

static int
template_to_vm(struct op_call *c, struct txn *t, struct err *e)
{
	const struct template *tpl = inv_template(c->inv, c->entity);
	const struct obj *user = tpl_user(c->inv, tpl);
	struct tpl_place there;

	if (name_is_pattern(arg_str(c->args, "name")))
		return err_set(e, ERR_INVALID, "name: a template becomes one machine");
	if (tpl->guest_type == GUEST_CONTAINER) {
		return err_set(e, ERR_UNSUPPORTED,
		    "template \"%s\" is what its containers stand on: make one of it "
		    "instead",
		    tpl->o.name);
	}
	if (user)
		return err_set(e, ERR_BAD_STATE,
		    "template \"%s\" carries the disk of %s \"%s\"", tpl->o.name,
		    tpl_user_kind(user), user->name);
	arg_set_id(c->args, "template", c->entity);
	json_set_bool(c->args, "full", true);
	int rc = removals_plan(c, tpl, e);
	if (!rc)
		rc = from_template(c, tpl, t, e);
	if (rc)
		return rc;
	if (!tpl_place_on(tpl, arg_id(c->args, "from"), &there)) {
		return err_set(e, ERR_UNSUPPORTED,
		    "no connected host reaches datastore \"%s\" together with one of "
		    "template \"%s\"",
		    inv_name(c->inv, arg_id(c->args, "datastore")), tpl->o.name);
	}
	struct template *edit = txn_edit(t, c->entity);
	edit->lifecycle = LIFE_DELETING;
	return 0;
}

/* clang-format off */
static const struct op_arg create_args[] = {
	DEPLOY_ARGS,
	{ .name = "template", .type = ARG_ID, .required = true, .kinds = KIND_BIT(TEMPLATE), .help = "what its disk is a clone of" },
	{ .name = "full", .type = ARG_BOOL, .help = "a whole copy instead of a linked clone" },
	{ 0 } };
static const struct op_arg to_vm_args[] = { DEPLOY_ARGS, { 0 } };

const struct op_def deploy_defs[] = {
	{ .info = { "vm.create", "Create virtual machine", KIND_NONE, ROLE_OPERATOR, true, create_args },
	  .split = deploy_split, .apply = vm_create, .task = &create_kind },
	{ .info = { "template.to_vm", "Convert template to virtual machine", KIND_TEMPLATE, ROLE_OPERATOR, true, to_vm_args },
	  .apply = template_to_vm, .task = &to_vm_kind },
	{ .info = { .name = NULL } },
};
/* clang-format on */
