/*
 * Rules: which guests of a cluster run together or apart, and on which hosts.
 */
#include "server/ops/op_args.h"
#include "server/ops/ops_int.h"
#include "server/rules/rules.h"

static void
take_ids(const json *args, const char *name, struct id_list *l)
{
	const json *a = json_get(args, name);
	size_t n = arg_has(args, name) ? json_count(a) : 0;
	struct err ignored = ERR_INIT;

	if (!arg_has(args, name))
		return;
	AUTO_FREE obj_id *v = xcalloc(n + 1, sizeof(*v));
	for (size_t i = 0; i < n; i++) {
		const char *s = json_str_value(json_at(a, i), NULL);
		if (!s || obj_id_parse(s, KIND_NONE, &v[i], &ignored))
			v[i] = OBJ_ID_NONE;
	}
	id_list_set(l, v, n);
}

static void
take_members(const json *args, struct rule *r)
{
	take_ids(args, "vms", &r->vms);
	take_ids(args, "hosts", &r->hosts);
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
	take_members(c->args, r);
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
	struct rule *r = txn_edit(t, c->entity);
	int rc = 0;

	take_members(c->args, r);
	if (arg_has(c->args, "vms") || arg_has(c->args, "hosts") ||
	    arg_bool(c->args, "enabled", false))
		rc = settle(c, t, r, e);
	else
		r->enabled = arg_bool(c->args, "enabled", r->enabled);
	return rc ? rc : apply_rename(c, t, e);
}

/* clang-format off */
#define TYPES "together|apart|must_run_on|must_not_run_on|should_run_on|should_not_run_on"
#define MEMBERS \
	{ .name = "enabled", .type = ARG_BOOL, .help = "does it count" }, \
	{ .name = "vms", .type = ARG_IDS, .kinds = KIND_BIT(VM), .help = "guests of the cluster" }, \
	{ .name = "hosts", .type = ARG_IDS, .kinds = KIND_BIT(HOST), .help = "its hosts, of a rule between guests and hosts" }

static const struct op_arg create_args[] = {
	{ .name = "name", .type = ARG_NAME, .required = true, .help = "name, unique in the cluster" },
	{ .name = "cluster", .type = ARG_ID, .required = true, .kinds = KIND_BIT(CLUSTER), .help = "cluster that it is for" },
	{ .name = "type", .type = ARG_WORD, .required = true, .words = TYPES, .help = "what it says" },
	MEMBERS, { 0 } };
static const struct op_arg update_args[] = {
	{ .name = "name", .type = ARG_NAME, .help = "new name" },
	MEMBERS, { 0 } };

const struct op_def op_rule_defs[] = {
	{ .info = { "rule.create", "Make rule", KIND_NONE, ROLE_ADMINISTRATOR, false, create_args },
	  .apply = rule_create },
	{ .info = { "rule.update", "Change rule", KIND_RULE, ROLE_ADMINISTRATOR, false, update_args },
	  .apply = rule_update },
	{ .info = { "rule.delete", "Remove rule", KIND_RULE, ROLE_ADMINISTRATOR, false, NULL },
	  .apply = apply_delete },
	{ .info = { .name = NULL } },
};
/* clang-format on */
