/*
 * Rules: which guests of a cluster run together or apart, and on which hosts; and the
 * groups that rules may name instead of their members.
 */
#include "server/ops/op_args.h"
#include "server/ops/ops_int.h"
#include "server/rules/rules.h"

/* A group, or members themselves: what was said last counts. */
static int
take_group(const struct op_call *c, const char *name, const char *members,
    obj_id *group, struct err *e)
{
	if (!arg_has(c->args, name)) {
		if (arg_has(c->args, members))
			*group = OBJ_ID_NONE;
		return 0;
	}
	if (arg_has(c->args, members))
		return err_set(e, ERR_INVALID, "%s: cannot be given together with %s",
		    name, members);
	*group = arg_id(c->args, name);
	return arg_exists(c->inv, c->args, name, e);
}

static int
take_members(const struct op_call *c, struct rule *r, struct err *e)
{
	int rc = take_group(c, "vm_group", "vms", &r->vm_group, e);

	if (!rc)
		rc = take_group(c, "host_group", "hosts", &r->host_group, e);
	if (rc)
		return rc;
	arg_ids(c->args, "vms", &r->vms);
	arg_ids(c->args, "hosts", &r->hosts);
	rules_take_groups(c->inv, r);
	return 0;
}

static int
rule_create(struct op_call *c, struct txn *t, struct err *e)
{
	obj_id cluster = arg_id(c->args, "cluster");
	AUTO_FREE char *conflict = NULL;
	void *obj;
	int rc = arg_exists(c->inv, c->args, "cluster", e);

	if (!rc)
		rc = txn_add(t, KIND_RULE, cluster, arg_str(c->args, "name"), &obj, e);
	if (rc)
		return rc;
	struct rule *r = obj;
	r->type = (enum rule_type)rule_type_parse(arg_str(c->args, "type"));
	rc = take_members(c, r, e);
	if (!rc)
		rc = rules_admit(c->inv, cluster, r->o.id, r, &conflict, e);
	if (rc)
		return rc;
	r->enabled = arg_bool(c->args, "enabled", true) && !conflict;
	text_set(&r->conflict, conflict);
	created_event(c, t, &r->o);
	if (conflict)
		txn_event(t, EV_RULE_CONFLICT, r->o.id, OBJ_ID_NONE, c->who.name,
		    "Rule %s is disabled: %s", r->o.name, conflict);
	return 0;
}

/* One that is switched on must fit; one that is only changed gives way again. */
static int
settle(struct op_call *c, struct txn *t, struct rule *r, struct err *e)
{
	bool asked = arg_bool(c->args, "enabled", false);
	AUTO_FREE char *conflict = NULL;
	int rc = rules_admit(c->inv, r->o.parent, r->o.id, r, &conflict, e);

	if (rc)
		return rc;
	if (asked && conflict)
		return err_set(e, ERR_BAD_STATE, "enabled: %s", conflict);
	r->enabled = arg_bool(c->args, "enabled", r->enabled) && !conflict;
	text_set(&r->conflict, conflict);
	txn_event(t, EV_OBJECT_CHANGED, c->entity, OBJ_ID_NONE, c->who.name,
	    "Changed rule %s%s%s", r->o.name, conflict ? ", which is disabled: " : "",
	    conflict ? conflict : "");
	return 0;
}

static int
rule_update(struct op_call *c, struct txn *t, struct err *e)
{
	static const char *const members[] = { "vms", "hosts", "vm_group",
		"host_group" };
	struct rule *r = txn_edit(t, c->entity);
	bool must_fit = arg_bool(c->args, "enabled", false);
	int rc = take_members(c, r, e);

	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		must_fit = must_fit || arg_has(c->args, members[i]);
	if (rc)
		return rc;
	if (must_fit)
		rc = settle(c, t, r, e);
	else
		r->enabled = arg_bool(c->args, "enabled", r->enabled);
	return rc ? rc : apply_rename(c, t, e);
}

/* ---- groups ---- */

static int
group_create(struct op_call *c, struct txn *t, struct err *e)
{
	bool of_vms = arg_has(c->args, "vms");
	int rc = arg_exists(c->inv, c->args, "cluster", e);
	void *obj;

	if (!rc && of_vms == arg_has(c->args, "hosts"))
		rc = err_set(
		    e, ERR_INVALID, "a group has either vms or hosts, not both");
	if (!rc)
		rc = txn_add(t, KIND_GROUP, arg_id(c->args, "cluster"),
		    arg_str(c->args, "name"), &obj, e);
	if (rc)
		return rc;
	struct drs_group *g = obj;
	g->type = of_vms ? GROUP_VMS : GROUP_HOSTS;
	arg_ids(c->args, of_vms ? "vms" : "hosts", &g->members);
	rc = rules_admit_group(c->inv, g, e);
	if (!rc)
		created_event(c, t, &g->o);
	return rc;
}

static void
remove_ids(struct id_list *from, const struct id_list *ids)
{
	size_t to = 0;

	for (size_t i = 0; i < from->n; i++) {
		if (!id_list_has(ids, from->v[i]))
			from->v[to++] = from->v[i];
	}
	from->n = to;
}

static void
add_ids(struct id_list *to, const struct id_list *ids)
{
	size_t n = to->n;
	AUTO_FREE obj_id *v = xcalloc(n + ids->n + 1, sizeof(*v));

	for (size_t i = 0; i < to->n; i++)
		v[i] = to->v[i];
	for (size_t i = 0; i < ids->n; i++) {
		if (!id_list_has(to, ids->v[i]))
			v[n++] = ids->v[i];
	}
	id_list_set(to, v, n);
}

static int
group_update(struct op_call *c, struct txn *t, struct err *e)
{
	struct drs_group *g = txn_edit(t, c->entity);
	struct id_list add = { 0 }, gone = { 0 };
	int rc;

	arg_ids(c->args, "add", &add);
	arg_ids(c->args, "remove", &gone);
	remove_ids(&g->members, &gone);
	add_ids(&g->members, &add);
	free(add.v);
	free(gone.v);
	rc = rules_admit_group(c->inv, g, e);
	if (rc)
		return rc;
	if (arg_has(c->args, "add") || arg_has(c->args, "remove")) {
		txn_event(t, EV_OBJECT_CHANGED, c->entity, OBJ_ID_NONE, c->who.name,
		    "Changed group %s: it has %zu members", g->o.name, g->members.n);
		rules_follow_group(c->inv, t, g, c->who.name);
	}
	return apply_rename(c, t, e);
}

static int
group_delete(struct op_call *c, struct txn *t, struct err *e)
{
	INV_EACH(c->inv, KIND_RULE, o)
	{
		const struct rule *r = inv_rule(c->inv, o->id);
		if (obj_id_is(r->vm_group, c->entity) ||
		    obj_id_is(r->host_group, c->entity))
			return err_set(e, ERR_BAD_STATE,
			    "rule \"%s\" names group \"%s\": remove that first",
			    o->name, inv_name(c->inv, c->entity));
	}
	return apply_delete(c, t, e);
}

/* clang-format off */
#define TYPES "together|apart|must_run_on|must_not_run_on|should_run_on|should_not_run_on"
#define MEMBERS \
	{ .name = "enabled", .type = ARG_BOOL, .help = "does it count" }, \
	{ .name = "vms", .type = ARG_IDS, .kinds = KIND_BIT(VM), .help = "guests of the cluster" }, \
	{ .name = "hosts", .type = ARG_IDS, .kinds = KIND_BIT(HOST), .help = "its hosts, of a rule between guests and hosts" }, \
	{ .name = "vm_group", .type = ARG_ID, .kinds = KIND_BIT(GROUP), .help = "group of guests, instead of vms, of a rule with hosts" }, \
	{ .name = "host_group", .type = ARG_ID, .kinds = KIND_BIT(GROUP), .help = "group of hosts, instead of hosts" }

static const struct op_arg create_args[] = {
	{ .name = "name", .type = ARG_NAME, .required = true, .help = "name, unique in the cluster" },
	{ .name = "cluster", .type = ARG_ID, .required = true, .kinds = KIND_BIT(CLUSTER), .help = "cluster that it is for" },
	{ .name = "type", .type = ARG_WORD, .required = true, .words = TYPES, .help = "what it says" },
	MEMBERS, { 0 } };
static const struct op_arg update_args[] = {
	{ .name = "name", .type = ARG_NAME, .help = "new name" },
	MEMBERS, { 0 } };
static const struct op_arg group_create_args[] = {
	{ .name = "name", .type = ARG_NAME, .required = true, .help = "name, unique in the cluster" },
	{ .name = "cluster", .type = ARG_ID, .required = true, .kinds = KIND_BIT(CLUSTER), .help = "cluster that it is of" },
	{ .name = "vms", .type = ARG_IDS, .kinds = KIND_BIT(VM), .help = "guests, of a group of guests" },
	{ .name = "hosts", .type = ARG_IDS, .kinds = KIND_BIT(HOST), .help = "hosts, of a group of hosts" },
	{ 0 } };
static const struct op_arg group_update_args[] = {
	{ .name = "name", .type = ARG_NAME, .help = "new name" },
	{ .name = "add", .type = ARG_IDS, .kinds = KIND_BIT(VM) | KIND_BIT(HOST), .help = "members that it gains" },
	{ .name = "remove", .type = ARG_IDS, .kinds = KIND_BIT(VM) | KIND_BIT(HOST), .help = "members that it loses" },
	{ 0 } };

const struct op_def op_rule_defs[] = {
	{ .info = { "rule.create", "Make rule", KIND_NONE, ROLE_ADMINISTRATOR, false, create_args },
	  .apply = rule_create },
	{ .info = { "rule.update", "Change rule", KIND_RULE, ROLE_ADMINISTRATOR, false, update_args },
	  .apply = rule_update },
	{ .info = { "rule.delete", "Remove rule", KIND_RULE, ROLE_ADMINISTRATOR, false, NULL },
	  .apply = apply_delete },
	{ .info = { "group.create", "Make group", KIND_NONE, ROLE_ADMINISTRATOR, false, group_create_args },
	  .apply = group_create },
	{ .info = { "group.update", "Change group", KIND_GROUP, ROLE_ADMINISTRATOR, false, group_update_args },
	  .apply = group_update },
	{ .info = { "group.delete", "Remove group", KIND_GROUP, ROLE_ADMINISTRATOR, false, NULL },
	  .apply = group_delete },
	{ .info = { .name = NULL } },
};
/* clang-format on */
