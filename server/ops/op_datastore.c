/*
 * Datastores: a folder that hosts reach.  The first host makes the marker with its
 * uuid; the others must see the same one, which proves that they look at the same
 * folder.
 */
#include "server/hosts/uuid.h"
#include "server/ops/ops_int.h"

#define ATTACH_MS 30000u
#define MAX_HOSTS 1000 /* of one datastore */

enum { STEP_MARK, STEP_ATTACH };

static void
locks(const struct inv *inv, obj_id entity, const json *args, struct lock_set *out)
{
	lock_set_add(out, entity, LOCK_EXCLUSIVE);
}

static enum flow_rc
gone(struct task_run *r)
{
	err_set(task_err(r), ERR_NOT_FOUND, "datastore \"%s\" is gone", r->entity_name);
	return FLOW_FAIL;
}

static enum flow_rc
send_attach(struct task_run *r, obj_id host, bool create, struct wake w)
{
	const struct datastore *ds = inv_datastore(r->inv, r->entity);
	Drover__DatastoreSpec spec = DROVER__DATASTORE_SPEC__INIT;
	Drover__DatastoreAttach attach = DROVER__DATASTORE_ATTACH__INIT;
	Drover__Order o = DROVER__ORDER__INIT;

	spec.datastore = obj_id_number(r->entity);
	spec.uuid = ds->uuid;
	spec.name = ds->o.name;
	spec.type = ds->type;
	spec.path = ds->path;
	spec.create = create;
	attach.spec = &spec;
	o.task = obj_id_number(r->id);
	o.step = ORDER_STEP(task_step(r));
	o.verb_case = DROVER__ORDER__VERB_DATASTORE_ATTACH;
	o.datastore_attach = &attach;
	host_call(run_ops(r)->hosts, host, &o, ATTACH_MS, w);
	return FLOW_WAIT;
}

static enum flow_rc
mark_start(struct task_run *r)
{
	const struct datastore *ds = inv_datastore(r->inv, r->entity);

	if (!ds || !ds->hosts.n)
		return gone(r);
	return send_attach(r, ds->hosts.v[0], true, task_wake(r));
}

/* Detach everywhere; a host that is away forgets it at its next Welcome. */
static enum flow_rc
mark_undo(struct task_run *r)
{
	const struct datastore *ds = inv_datastore(r->inv, r->entity);
	Drover__DatastoreDetach detach = DROVER__DATASTORE_DETACH__INIT;
	Drover__Order o = DROVER__ORDER__INIT;

	detach.datastore = obj_id_number(r->entity);
	o.task = obj_id_number(r->id);
	o.step = UNDO_STEP(task_step(r));
	o.verb_case = DROVER__ORDER__VERB_DATASTORE_DETACH;
	o.datastore_detach = &detach;
	for (size_t i = 0; ds && i < ds->hosts.n; i++)
		host_call_patient(
		    run_ops(r)->hosts, ds->hosts.v[i], &o, ATTACH_MS, WAKE_NONE);
	return FLOW_NEXT;
}

static enum flow_rc
attach_start(struct task_run *r)
{
	const struct datastore *ds = inv_datastore(r->inv, r->entity);
	struct wake parts[MAX_HOSTS];

	if (!ds)
		return gone(r);
	if (ds->hosts.n < 2)
		return FLOW_NEXT;
	task_join(r, (unsigned)ds->hosts.n - 1, parts);
	for (size_t i = 1; i < ds->hosts.n; i++)
		send_attach(r, ds->hosts.v[i], false, parts[i - 1]);
	return FLOW_WAIT;
}

static void
create_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	const struct datastore *row = inv_datastore(r->inv, r->entity);

	if (!row)
		return;
	if (rc) {
		txn_del(t, r->entity);
		return;
	}
	struct datastore *ds = txn_edit(t, r->entity);
	const Drover__Reply *reply = run_reply(r, row->hosts.v[0], STEP_MARK);
	if (reply && reply->result_case == DROVER__REPLY__RESULT_DATASTORE) {
		ds->capacity_bytes = reply->datastore->capacity_bytes;
		ds->free_bytes = reply->datastore->free_bytes;
	}
	txn_event(t, EV_DATASTORE_ADDED, r->entity, r->id, r->who.name,
	    "Added datastore %s at %s", row->o.name, row->path);
}

/* Whoever waited for the task may use it at once. */
static void
create_gone(struct task_run *r)
{
	struct hosts *hosts = run_ops(r)->hosts;
	const struct datastore *ds = inv_datastore(r->inv, r->entity);

	for (size_t i = 0; ds && i < ds->hosts.n; i++) {
		unsigned step = i ? STEP_ATTACH : STEP_MARK;
		if (run_reply(r, ds->hosts.v[i], step))
			hosts_note_reach(hosts, ds->hosts.v[i], r->entity);
	}
	run_forget(r);
}

static const struct task_step create_steps[] = {
	{ .name = "mark",
	    .start = mark_start,
	    .finish = run_order_finish,
	    .undo = mark_undo },
	{ .name = "attach", .start = attach_start, .finish = run_order_finish },
	{ .name = NULL },
};

static const struct task_kind create_kind = {
	.op = "datastore.create",
	.title = "Add datastore",
	.steps = create_steps,
	.locks = locks,
	.on_end = create_end,
	.on_gone = create_gone,
};

static int
check_path(const char *path, struct err *e)
{
	if (path[0] != '/' || strstr(path, "/../") || str_ends(path, "/..") ||
	    str_same(path, "/"))
		return err_set(
		    e, ERR_INVALID, "path: \"%.100s\" is no absolute folder", path);
	return 0;
}

/* The hosts' ids; each must exist, be connected, and stand in the datacenter. */
static int
read_hosts(const struct op_call *c, obj_id *out, size_t *ret_n, struct err *e)
{
	const json *hosts = json_get(c->args, "hosts");
	obj_id dc = arg_id(c->args, "datacenter");
	size_t n = json_count(hosts);

	if (n > MAX_HOSTS)
		return err_set(e, ERR_INVALID,
		    "hosts: has %zu entries, at most %d may be", n, MAX_HOSTS);
	if (n > 1 && !arg_bool(c->args, "shared", false))
		return err_set(e, ERR_INVALID,
		    "hosts: a datastore that is not shared has one host");
	for (size_t i = 0; i < n; i++) {
		const char *s = json_str_value(json_at(hosts, i), NULL);
		int rc = obj_id_parse(s, KIND_HOST, &out[i], e);
		if (!rc)
			rc = hosts_need_up(c->hosts, out[i], e);
		if (rc)
			return err_wrap(e, "hosts");
		if (!obj_id_is(inv_ancestor(c->inv, out[i], KIND_DATACENTER), dc))
			return err_set(e, ERR_INVALID,
			    "hosts: host \"%s\" is in another datacenter",
			    inv_name(c->inv, out[i]));
	}
	*ret_n = n;
	return 0;
}

static int
datastore_create(struct op_call *c, struct txn *t, struct err *e)
{
	obj_id hosts[MAX_HOSTS];
	size_t n_hosts = 0;
	char uuid[UUID_TEXT];
	void *obj;
	int rc = arg_exists(c->inv, c->args, "datacenter", e);

	if (!rc)
		rc = check_path(arg_str(c->args, "path"), e);
	if (!rc)
		rc = read_hosts(c, hosts, &n_hosts, e);
	if (!rc)
		rc = txn_add(t, KIND_DATASTORE, arg_id(c->args, "datacenter"),
		    arg_str(c->args, "name"), &obj, e);
	if (rc)
		return rc;
	struct datastore *ds = obj;
	ds->uuid = xstrdup(uuid_make(uuid));
	ds->type = xstrdup("dir");
	ds->path = xstrdup(arg_str(c->args, "path"));
	ds->shared = arg_bool(c->args, "shared", false);
	id_list_set(&ds->hosts, hosts, n_hosts);
	c->object = ds->o.id;
	return 0;
}

static enum flow_rc
detach_start(struct task_run *r)
{
	struct ops *ops = run_ops(r);
	const struct datastore *ds = inv_datastore(r->inv, r->entity);
	Drover__DatastoreDetach detach = DROVER__DATASTORE_DETACH__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	struct wake parts[MAX_HOSTS];
	obj_id up[MAX_HOSTS];
	unsigned n = 0;

	for (size_t i = 0; ds && i < ds->hosts.n && n < MAX_HOSTS; i++) {
		if (hosts_is_up(ops->hosts, ds->hosts.v[i]))
			up[n++] = ds->hosts.v[i];
	}
	if (!n)
		return FLOW_NEXT;
	detach.datastore = obj_id_number(r->entity);
	o.task = obj_id_number(r->id);
	o.step = ORDER_STEP(task_step(r));
	o.verb_case = DROVER__ORDER__VERB_DATASTORE_DETACH;
	o.datastore_detach = &detach;
	task_join(r, n, parts);
	for (unsigned i = 0; i < n; i++)
		host_call_patient(ops->hosts, up[i], &o, ATTACH_MS, parts[i]);
	return FLOW_WAIT;
}

static void
delete_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	if (rc || !inv_datastore(r->inv, r->entity))
		return;
	txn_event(t, EV_DATASTORE_REMOVED, r->entity, r->id, r->who.name,
	    "Removed datastore %s; its files are left as they are", r->entity_name);
	txn_del(t, r->entity);
}

static const struct task_step delete_steps[] = {
	{ .name = "detach", .start = detach_start },
	{ .name = NULL },
};

static const struct task_kind delete_kind = {
	.op = "datastore.delete",
	.title = "Remove datastore",
	.steps = delete_steps,
	.locks = locks,
	.on_end = delete_end,
	.on_gone = run_forget,
};

static int
datastore_delete(struct op_call *c, struct txn *t, struct err *e)
{
	const char *name = inv_name(c->inv, c->entity);

	INV_EACH(c->inv, KIND_VM, o)
	{
		if (id_list_has(&inv_vm(c->inv, o->id)->datastores, c->entity))
			return err_set(e, ERR_BAD_STATE,
			    "datastore \"%s\" is used by machine \"%s\"", name,
			    o->name);
	}
	INV_EACH(c->inv, KIND_TEMPLATE, o)
	{
		if (obj_id_is(inv_template(c->inv, o->id)->datastore, c->entity))
			return err_set(e, ERR_BAD_STATE,
			    "datastore \"%s\" is used by template \"%s\"", name,
			    o->name);
	}
	return 0;
}

/* clang-format off */
static const struct op_arg create_args[] = {
	{ .name = "name", .type = ARG_NAME, .required = true, .help = "name, unique in the datacenter" },
	{ .name = "datacenter", .type = ARG_ID, .required = true, .kinds = KIND_BIT(DATACENTER),
	  .help = "datacenter to put it into" },
	{ .name = "path", .type = ARG_TEXT, .required = true, .min = 2, .max = 1024,
	  .help = "absolute path of the folder on the hosts" },
	{ .name = "hosts", .type = ARG_IDS, .required = true, .kinds = KIND_BIT(HOST), .help = "hosts that reach it" },
	{ .name = "shared", .type = ARG_BOOL, .help = "the hosts see the same folder there" },
	{ 0 } };
static const struct op_arg update_args[] = {
	{ .name = "name", .type = ARG_NAME, .help = "new name" }, { 0 } };

const struct op_def op_datastore_defs[] = {
	{ .info = { "datastore.create", "Add datastore", KIND_NONE, ROLE_ADMINISTRATOR, true, create_args },
	  .apply = datastore_create, .task = &create_kind },
	{ .info = { "datastore.update", "Rename datastore", KIND_DATASTORE, ROLE_ADMINISTRATOR, false, update_args },
	  .apply = apply_rename },
	{ .info = { "datastore.delete", "Remove datastore", KIND_DATASTORE, ROLE_ADMINISTRATOR, true, NULL },
	  .apply = datastore_delete, .task = &delete_kind },
	{ .info = { .name = NULL } },
};
/* clang-format on */
