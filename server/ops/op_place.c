/*
 * Datacenters, folders and clusters: where things stand.
 */
#include "server/ops/ha_settings.h"
#include "server/ops/ops_int.h"
#include "server/ops/power_hook.h"

#define SHARES_NORMAL_CPU    4000
#define SHARES_NORMAL_MEM    163840
#define DRS_THRESHOLD_NORMAL 3
#define DRS_THRESHOLD_MAX    5

void
created_event(struct op_call *c, struct txn *t, const struct obj *o)
{
	c->object = o->id;
	txn_event(t, EV_OBJECT_CREATED, o->id, OBJ_ID_NONE, c->who.name,
	    "Created %s %s", kind_word(obj_id_kind(o->id)), o->name);
}

/* A folder or machine must stay in its datacenter, and a folder out of itself. */
static int
check_move(const struct op_call *c, obj_id parent, struct err *e)
{
	obj_id from = inv_ancestor(c->inv, c->entity, KIND_DATACENTER);
	obj_id to = inv_ancestor(c->inv, parent, KIND_DATACENTER);

	if (!obj_id_is(from, to))
		return err_set(e, ERR_INVALID,
		    "parent: \"%s\" is in another datacenter than \"%s\"",
		    inv_name(c->inv, parent), inv_name(c->inv, c->entity));
	for (obj_id at = parent; !obj_id_none(at);) {
		if (obj_id_is(at, c->entity))
			return err_set(e, ERR_INVALID,
			    "parent: \"%s\" cannot be put into itself",
			    inv_name(c->inv, c->entity));
		const struct obj *o = inv_get(c->inv, at);
		at = o ? o->parent : OBJ_ID_NONE;
	}
	return 0;
}

int
apply_rename(struct op_call *c, struct txn *t, struct err *e)
{
	const struct obj *o = inv_get(c->inv, c->entity);
	const char *name = arg_str(c->args, "name");
	obj_id parent = arg_id(c->args, "parent");

	if (!o)
		return err_set(e, ERR_NOT_FOUND, "the object is gone");
	if (!name)
		name = o->name;
	if (obj_id_none(parent))
		parent = o->parent;
	if (str_same(name, o->name) && obj_id_is(parent, o->parent))
		return 0;
	int rc = arg_exists(c->inv, c->args, "parent", e);
	if (!rc && !obj_id_is(parent, o->parent))
		rc = check_move(c, parent, e);
	if (!rc)
		rc = txn_rename(t, c->entity, parent, name, e);
	if (rc)
		return rc;
	enum event_code code =
	    obj_id_kind(c->entity) == KIND_VM ? EV_VM_RENAMED : EV_OBJECT_CHANGED;
	if (!str_same(name, o->name))
		txn_event(t, code, c->entity, OBJ_ID_NONE, c->who.name,
		    "Renamed %s to %s", o->name, name);
	else
		txn_event(t, EV_OBJECT_CHANGED, c->entity, OBJ_ID_NONE, c->who.name,
		    "Moved %s to %s", name, inv_name(c->inv, parent));
	return 0;
}

int
apply_delete(struct op_call *c, struct txn *t, struct err *e)
{
	const struct obj *o = inv_get(c->inv, c->entity);

	if (!o)
		return err_set(e, ERR_NOT_FOUND, "the object is gone");
	int rc = task_may_change(c->tasks, c->entity, e);
	if (rc)
		return rc;
	if (o->n_kids) {
		return err_set(e, ERR_BAD_STATE,
		    "%s \"%s\" is not empty: it holds %s \"%s\"%s",
		    kind_word(obj_id_kind(o->id)), o->name,
		    kind_word(obj_id_kind(o->kids[0])), inv_name(c->inv, o->kids[0]),
		    o->n_kids > 1 ? " and more" : "");
	}
	txn_event(t, EV_OBJECT_REMOVED, c->entity, OBJ_ID_NONE, c->who.name,
	    "Removed %s %s", kind_word(obj_id_kind(o->id)), o->name);
	txn_del(t, c->entity);
	return 0;
}

static int
datacenter_create(struct op_call *c, struct txn *t, struct err *e)
{
	void *obj;
	int rc =
	    txn_add(t, KIND_DATACENTER, OBJ_ID_NONE, arg_str(c->args, "name"), &obj, e);

	if (!rc)
		created_event(c, t, obj);
	return rc;
}

static int
folder_create(struct op_call *c, struct txn *t, struct err *e)
{
	void *obj;
	int rc = arg_exists(c->inv, c->args, "parent", e);

	if (!rc)
		rc = txn_add(t, KIND_FOLDER, arg_id(c->args, "parent"),
		    arg_str(c->args, "name"), &obj, e);
	if (!rc)
		created_event(c, t, obj);
	return rc;
}

static int
add_root_pool(struct txn *t, obj_id cluster, struct err *e)
{
	void *obj;
	int rc = txn_add(t, KIND_POOL, cluster, "Resources", &obj, e);

	if (rc)
		return rc;
	struct pool *p = obj;
	p->is_root = true;
	p->cpu_shares_level = xstrdup("normal");
	p->mem_shares_level = xstrdup("normal");
	p->cpu_shares = SHARES_NORMAL_CPU;
	p->mem_shares = SHARES_NORMAL_MEM;
	return 0;
}

static void
fill_drs(const json *args, struct cluster *cl)
{
	const char *level = arg_str(args, "drs_automation_level");

	cl->drs_enabled = arg_bool(args, "drs_enabled", cl->drs_enabled);
	cl->drs_threshold = (uint32_t)arg_u64(args, "drs_threshold", cl->drs_threshold);
	if (level)
		text_set(&cl->drs_automation_level, level);
}

static int
fill_hook(const json *args, const char *name, json **hook, struct err *e)
{
	const json *words = arg_has(args, name) ? json_get(args, name) : NULL;
	int rc = words ? power_hook_check(words, name, e) : 0;

	if (rc || !words)
		return rc;
	json_free(*hook);
	*hook = json_dup(words);
	return 0;
}

static bool
has_words(const json *hook)
{
	return hook && json_count(hook);
}

/* What wakes hosts and puts them into standby, and who decides about it. */
static int
fill_dpm(const json *args, struct cluster *cl, struct err *e)
{
	const char *level = arg_str(args, "dpm_automation");
	int rc = fill_hook(args, "dpm_wake", &cl->dpm_wake, e);

	if (!rc)
		rc = fill_hook(args, "dpm_standby", &cl->dpm_standby, e);
	if (rc)
		return rc;
	if (level)
		cl->dpm_automation = (enum dpm_automation)dpm_automation_parse(level);
	if (cl->dpm_automation != DPM_OFF &&
	    !(has_words(cl->dpm_wake) && has_words(cl->dpm_standby)))
		return err_set(e, ERR_INVALID,
		    "dpm_automation: hosts go into standby only with both dpm_wake "
		    "and dpm_standby");
	return 0;
}

static int
cluster_create(struct op_call *c, struct txn *t, struct err *e)
{
	void *obj;
	int rc = arg_exists(c->inv, c->args, "datacenter", e);

	if (!rc)
		rc = txn_add(t, KIND_CLUSTER, arg_id(c->args, "datacenter"),
		    arg_str(c->args, "name"), &obj, e);
	if (rc)
		return rc;
	struct cluster *cl = obj;
	cl->drs_automation_level = xstrdup("manual");
	cl->drs_threshold = DRS_THRESHOLD_NORMAL;
	fill_drs(c->args, cl);
	ha_cluster_preset(cl);
	cl->memory_overcommit_permille =
	    (uint32_t)arg_u64(c->args, "memory_overcommit_permille", 1000);
	cl->vcpus_per_core = (uint32_t)arg_u64(c->args, "vcpus_per_core", 16);
	rc = ha_cluster_lay(c->inv, cl, c->args, e);
	if (!rc)
		rc = fill_dpm(c->args, cl, e);
	if (rc)
		return rc;
	created_event(c, t, &cl->o);
	return add_root_pool(t, cl->o.id, e);
}

static int
cluster_update(struct op_call *c, struct txn *t, struct err *e)
{
	struct cluster *cl = txn_edit(t, c->entity);

	cl->memory_overcommit_permille = (uint32_t)arg_u64(
	    c->args, "memory_overcommit_permille", cl->memory_overcommit_permille);
	cl->vcpus_per_core =
	    (uint32_t)arg_u64(c->args, "vcpus_per_core", cl->vcpus_per_core);
	fill_drs(c->args, cl);
	int rc = fill_dpm(c->args, cl, e);

	if (rc)
		return rc;
	if (ha_cluster_given(c->args)) {
		rc = ha_cluster_lay(c->inv, cl, c->args, e);
		if (rc)
			return rc;
		txn_event(t, EV_OBJECT_CHANGED, c->entity, OBJ_ID_NONE, c->who.name,
		    "Changed HA of cluster %s, which is %s", cl->o.name,
		    cl->ha_enabled ? "on" : "off");
	}
	return apply_rename(c, t, e);
}

/* Its root pool goes with it, and what was only said about it. */
static bool
goes_along(const struct op_call *c, obj_id kid)
{
	const struct pool *p = inv_pool(c->inv, kid);

	return obj_id_kind(kid) == KIND_RULE || obj_id_kind(kid) == KIND_REC ||
	       obj_id_kind(kid) == KIND_GROUP || (p && p->is_root && !p->o.n_kids);
}

static int
cluster_delete(struct op_call *c, struct txn *t, struct err *e)
{
	const struct cluster *cl = inv_cluster(c->inv, c->entity);
	int rc = task_may_change(c->tasks, c->entity, e);

	for (size_t i = 0; !rc && i < cl->o.n_kids; i++) {
		if (goes_along(c, cl->o.kids[i])) {
			rc = task_may_change(c->tasks, cl->o.kids[i], e);
			txn_del(t, cl->o.kids[i]);
			continue;
		}
		rc = err_set(e, ERR_BAD_STATE,
		    "cluster \"%s\" is not empty: it holds %s \"%s\"", cl->o.name,
		    kind_word(obj_id_kind(cl->o.kids[i])),
		    inv_name(c->inv, cl->o.kids[i]));
	}
	if (rc)
		return rc;
	txn_event(t, EV_OBJECT_REMOVED, c->entity, OBJ_ID_NONE, c->who.name,
	    "Removed cluster %s", cl->o.name);
	txn_del(t, c->entity);
	return 0;
}

/* clang-format off */
#define NAME_NEW { .name = "name", .type = ARG_NAME, .required = true, .help = "name, unique beside its like" }
#define NAME_CHANGE { .name = "name", .type = ARG_NAME, .help = "new name" }
#define OVERCOMMIT { .name = "memory_overcommit_permille", .type = ARG_U32, .min = 100, .max = 100000, \
	.help = "memory that may be given to machines, in permille of what hosts have" }
#define VCPUS { .name = "vcpus_per_core", .type = ARG_U32, .min = 1, .max = 1024, \
	.help = "most virtual CPUs on one core" }
#define DRS \
	{ .name = "drs_enabled", .type = ARG_BOOL, .help = "look for better places for its guests" }, \
	{ .name = "drs_automation_level", .type = ARG_WORD, .words = "manual|partially_automated|fully_automated", \
	  .help = "what is done with what is found; fully: guests are moved" }, \
	{ .name = "drs_threshold", .type = ARG_U32, .min = 1, .max = DRS_THRESHOLD_MAX, \
	  .help = "1: only moves that must be; 3: good gains; 5: any gain" }
#define DPM \
	{ .name = "dpm_automation", .type = ARG_WORD, .words = "off|manual|automatic", \
	  .help = "hosts that nobody needs go into standby, or that is recommended" }, \
	{ .name = "dpm_wake", .type = ARG_TEXTS, .max = POWER_HOOK_MAX, \
	  .help = "what wakes a host: a program of the folder of hooks, and its arguments" }, \
	{ .name = "dpm_standby", .type = ARG_TEXTS, .max = POWER_HOOK_MAX, \
	  .help = "the same for putting it into standby" }

static const struct op_arg name_new_args[] = { NAME_NEW, { 0 } };
static const struct op_arg name_change_args[] = { NAME_CHANGE, { 0 } };
static const struct op_arg folder_create_args[] = {
	NAME_NEW,
	{ .name = "parent", .type = ARG_ID, .required = true,
	  .kinds = KIND_BIT(DATACENTER) | KIND_BIT(FOLDER), .help = "folder or datacenter to put it into" },
	{ 0 } };
static const struct op_arg folder_update_args[] = {
	NAME_CHANGE,
	{ .name = "parent", .type = ARG_ID,
	  .kinds = KIND_BIT(DATACENTER) | KIND_BIT(FOLDER), .help = "folder or datacenter to move it into" },
	{ 0 } };
static const struct op_arg cluster_create_args[] = {
	NAME_NEW,
	{ .name = "datacenter", .type = ARG_ID, .required = true, .kinds = KIND_BIT(DATACENTER),
	  .help = "datacenter to put it into" },
	OVERCOMMIT, VCPUS, DRS, DPM, HA_CLUSTER_ARGS, { 0 } };
static const struct op_arg cluster_update_args[] = { NAME_CHANGE, OVERCOMMIT, VCPUS, DRS, DPM, HA_CLUSTER_ARGS, { 0 } };

const struct op_def op_place_defs[] = {
	{ .info = { "datacenter.create", "Create datacenter", KIND_NONE, ROLE_ADMINISTRATOR, false, name_new_args },
	  .apply = datacenter_create },
	{ .info = { "datacenter.update", "Rename datacenter", KIND_DATACENTER, ROLE_ADMINISTRATOR, false, name_change_args },
	  .apply = apply_rename },
	{ .info = { "datacenter.delete", "Remove datacenter", KIND_DATACENTER, ROLE_ADMINISTRATOR, false, NULL },
	  .apply = apply_delete },
	{ .info = { "folder.create", "Create folder", KIND_NONE, ROLE_OPERATOR, false, folder_create_args },
	  .apply = folder_create },
	{ .info = { "folder.update", "Rename or move folder", KIND_FOLDER, ROLE_OPERATOR, false, folder_update_args },
	  .apply = apply_rename },
	{ .info = { "folder.delete", "Remove folder", KIND_FOLDER, ROLE_OPERATOR, false, NULL },
	  .apply = apply_delete },
	{ .info = { "cluster.create", "Create cluster", KIND_NONE, ROLE_ADMINISTRATOR, false, cluster_create_args },
	  .apply = cluster_create },
	{ .info = { "cluster.update", "Change cluster", KIND_CLUSTER, ROLE_ADMINISTRATOR, false, cluster_update_args },
	  .apply = cluster_update },
	{ .info = { "cluster.delete", "Remove cluster", KIND_CLUSTER, ROLE_ADMINISTRATOR, false, NULL },
	  .apply = cluster_delete },
	{ .info = { .name = NULL } },
};
/* clang-format on */
