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

/* The hosts' ids; each must exist and stand in the datacenter; those that had lacks
 * must be connected. */
static int
read_hosts(const struct op_call *c, obj_id dc, bool shared, const struct id_list *had,
    struct id_list *ret, struct err *e)
{
	const json *hosts = json_get(c->args, "hosts");
	size_t n = json_count(hosts);
	obj_id *out = ret->v;

	if (n > MAX_HOSTS)
		return err_set(e, ERR_INVALID,
		    "hosts: has %zu entries, at most %d may be", n, MAX_HOSTS);
	if (n > 1 && !shared)
		return err_set(e, ERR_INVALID,
		    "hosts: a datastore that is not shared has one host");
	for (size_t i = 0; i < n; i++) {
		const char *s = json_str_value(json_at(hosts, i), NULL);
		int rc = obj_id_parse(s, KIND_HOST, &out[i], e);
		if (!rc && !(had && id_list_has(had, out[i])))
			rc = hosts_need_up(c->hosts, out[i], e);
		if (rc)
			return err_wrap(e, "hosts");
		if (!obj_id_is(inv_ancestor(c->inv, out[i], KIND_DATACENTER), dc))
			return err_set(e, ERR_INVALID,
			    "hosts: host \"%s\" is in another datacenter",
			    inv_name(c->inv, out[i]));
	}
	ret->n = n;
	return 0;
}

static int
datastore_create(struct op_call *c, struct txn *t, struct err *e)
{
	obj_id hosts[MAX_HOSTS];
	struct id_list list = { .v = hosts };
	char uuid[UUID_TEXT];
	void *obj;
	int rc = arg_exists(c->inv, c->args, "datacenter", e);

	if (!rc)
		rc = check_path(arg_str(c->args, "path"), e);
	if (!rc)
		rc = read_hosts(c, arg_id(c->args, "datacenter"),
		    arg_bool(c->args, "shared", false), NULL, &list, e);
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
	id_list_set(&ds->hosts, list.v, list.n);
	c->object = ds->o.id;
	return 0;
}

/* ---- more hosts, or fewer ---- */

enum { STEP_MORE, STEP_FEWER };

/* Those that the argument names and the datastore does not have, or the other way
 * round. */
static size_t
hosts_to(const struct task_run *r, unsigned step, obj_id out[MAX_HOSTS])
{
	const struct datastore *ds = inv_datastore(r->inv, r->entity);
	const json *named = json_get(r->args, "hosts");
	obj_id wanted[MAX_HOSTS];
	struct id_list list = { .v = wanted };
	size_t n = 0;

	for (size_t i = 0; named && i < json_count(named) && i < MAX_HOSTS; i++) {
		if (!obj_id_parse(json_str_value(json_at(named, i), NULL), KIND_HOST,
			&wanted[list.n], NULL))
			list.n++;
	}
	const struct id_list *from = step == STEP_MORE ? &list : &ds->hosts;
	const struct id_list *in = step == STEP_MORE ? &ds->hosts : &list;
	for (size_t i = 0; named && i < from->n && n < MAX_HOSTS; i++) {
		if (!id_list_has(in, from->v[i]))
			out[n++] = from->v[i];
	}
	return n;
}

static enum flow_rc
more_start(struct task_run *r)
{
	struct wake parts[MAX_HOSTS];
	obj_id more[MAX_HOSTS];
	size_t n;

	if (!inv_datastore(r->inv, r->entity))
		return gone(r);
	n = hosts_to(r, STEP_MORE, more);
	if (!n)
		return FLOW_NEXT;
	task_join(r, (unsigned)n, parts);
	for (size_t i = 0; i < n; i++)
		send_attach(r, more[i], false, parts[i]);
	return FLOW_WAIT;
}

static void
detach_order(const struct task_run *r, Drover__DatastoreDetach *detach,
    Drover__Order *o, uint32_t step)
{
	drover__datastore_detach__init(detach);
	drover__order__init(o);
	detach->datastore = obj_id_number(r->entity);
	o->task = obj_id_number(r->id);
	o->step = step;
	o->verb_case = DROVER__ORDER__VERB_DATASTORE_DETACH;
	o->datastore_detach = detach;
}

static enum flow_rc
more_undo(struct task_run *r)
{
	Drover__DatastoreDetach detach;
	Drover__Order o;
	obj_id more[MAX_HOSTS];
	size_t n = inv_datastore(r->inv, r->entity) ? hosts_to(r, STEP_MORE, more) : 0;

	detach_order(r, &detach, &o, UNDO_STEP(task_step(r)));
	for (size_t i = 0; i < n; i++)
		host_call_patient(run_ops(r)->hosts, more[i], &o, ATTACH_MS, WAKE_NONE);
	return FLOW_NEXT;
}

/* One that is away forgets it at its next Welcome. */
static enum flow_rc
fewer_start(struct task_run *r)
{
	struct hosts *hosts = run_ops(r)->hosts;
	Drover__DatastoreDetach detach;
	Drover__Order o;
	struct wake parts[MAX_HOSTS];
	obj_id fewer[MAX_HOSTS];
	size_t n, up = 0;

	if (!inv_datastore(r->inv, r->entity))
		return gone(r);
	n = hosts_to(r, STEP_FEWER, fewer);
	for (size_t i = 0; i < n; i++) {
		if (hosts_is_up(hosts, fewer[i]))
			fewer[up++] = fewer[i];
	}
	if (!up)
		return FLOW_NEXT;
	detach_order(r, &detach, &o, ORDER_STEP(task_step(r)));
	task_join(r, (unsigned)up, parts);
	for (size_t i = 0; i < up; i++)
		host_call_patient(hosts, fewer[i], &o, ATTACH_MS, parts[i]);
	return FLOW_WAIT;
}

static void
update_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	const json *named = json_get(r->args, "hosts");
	obj_id list[MAX_HOSTS];
	size_t n = 0;

	if (rc || !named || !inv_datastore(r->inv, r->entity))
		return;
	for (size_t i = 0; i < json_count(named) && i < MAX_HOSTS; i++) {
		if (!obj_id_parse(json_str_value(json_at(named, i), NULL), KIND_HOST,
			&list[n], NULL))
			n++;
	}
	struct datastore *ds = txn_edit(t, r->entity);
	id_list_set(&ds->hosts, list, n);
	txn_event(t, EV_DATASTORE_ADDED, r->entity, r->id, r->who.name,
	    "Datastore %s is on %zu hosts now", ds->o.name, n);
}

/* Who had it before says so with its reports; the new ones need not wait for theirs. */
static void
update_gone(struct task_run *r)
{
	const struct datastore *ds = inv_datastore(r->inv, r->entity);

	hosts_forget_reach(run_ops(r)->hosts, r->entity);
	for (size_t i = 0; ds && i < ds->hosts.n; i++) {
		if (run_reply(r, ds->hosts.v[i], STEP_MORE))
			hosts_note_reach(run_ops(r)->hosts, ds->hosts.v[i], r->entity);
	}
	run_forget(r);
}

static const struct task_step update_steps[] = {
	[STEP_MORE] = { .name = "attach",
	    .start = more_start,
	    .finish = run_order_finish,
	    .undo = more_undo },
	[STEP_FEWER] = { .name = "detach", .start = fewer_start },
	{ .name = NULL },
};

static const struct task_kind update_kind = {
	.op = "datastore.update",
	.title = "Change datastore",
	.steps = update_steps,
	.locks = locks,
	.on_end = update_end,
	.on_gone = update_gone,
};

/* Machines there would lose their disks. */
static int
check_leaving(const struct op_call *c, const struct datastore *ds,
    const struct id_list *stay, struct err *e)
{
	INV_EACH(c->inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(c->inv, o->id);

		if (id_list_has(&vm->datastores, ds->o.id) &&
		    id_list_has(&ds->hosts, vm->host) && !id_list_has(stay, vm->host))
			return err_set(e, ERR_BAD_STATE,
			    "hosts: machine \"%s\" on host \"%s\" has disks on it",
			    o->name, inv_name(c->inv, vm->host));
	}
	return 0;
}

static int
datastore_update(struct op_call *c, struct txn *t, struct err *e)
{
	const struct datastore *ds = inv_datastore(c->inv, c->entity);
	obj_id hosts[MAX_HOSTS];
	struct id_list list = { .v = hosts };
	int rc = 0;

	if (arg_has(c->args, "hosts")) {
		rc = read_hosts(c, inv_ancestor(c->inv, c->entity, KIND_DATACENTER),
		    ds->shared, &ds->hosts, &list, e);
		if (!rc)
			rc = check_leaving(c, ds, &list, e);
	}
	if (!rc)
		rc = apply_rename(c, t, e);
	if (!rc && arg_has(c->args, "quota_bytes")) {
		struct datastore *edit = txn_edit(t, c->entity);

		edit->quota_bytes = arg_u64(c->args, "quota_bytes", 0);
	}
	return rc;
}

/* ---- remove ---- */

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
	{ .name = "name", .type = ARG_NAME, .help = "new name" },
	{ .name = "quota_bytes", .type = ARG_U64, .max = INT64_MAX, .help = "room for uploads; 0: no limit" },
	{ .name = "hosts", .type = ARG_IDS, .kinds = KIND_BIT(HOST), .help = "all hosts that have it from now on" },
	{ 0 } };

const struct op_def op_datastore_defs[] = {
	{ .info = { "datastore.create", "Add datastore", KIND_NONE, ROLE_ADMINISTRATOR, true, create_args },
	  .apply = datastore_create, .task = &create_kind },
	{ .info = { "datastore.update", "Change datastore", KIND_DATASTORE, ROLE_ADMINISTRATOR, true, update_args },
	  .apply = datastore_update, .task = &update_kind },
	{ .info = { "datastore.delete", "Remove datastore", KIND_DATASTORE, ROLE_ADMINISTRATOR, true, NULL },
	  .apply = datastore_delete, .task = &delete_kind },
	{ .info = { .name = NULL } },
};
/* clang-format on */
