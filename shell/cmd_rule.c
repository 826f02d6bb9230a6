/*
 * cmd_rule: which guests run together, apart, on which hosts, and the groups of both.
 */
#include <string.h>

#include "shell/body.h"
#include "shell/change.h"

/* ---- rules ---- */

static enum run
rule_begin(struct stage *st)
{
	return changes_of(st, KIND_RULE);
}

static enum run
rule_members(struct stage *st, json *body)
{
	enum run rc = body_ids(st, body, "VM", KIND_BIT(VM), "vms");

	body_bool(st, body, "Enabled", "enabled");
	if (rc == RUN_OK)
		rc = body_ids(st, body, "VMHost", KIND_BIT(HOST), "hosts");
	if (rc == RUN_OK)
		rc = body_id(st, body, "VMGroup", KIND_BIT(GROUP), "vm_group");
	if (rc == RUN_OK)
		rc = body_id(st, body, "VMHostGroup", KIND_BIT(GROUP), "host_group");
	return rc;
}

/* -KeepTogether $true or $false of a rule among guests, -Type of one with hosts. */
static enum run
rule_type(struct stage *st, json *body)
{
	AUTO(json) json *flag = json_new_object();
	const json *together;

	if (has_arg(st, "KeepTogether") == has_arg(st, "Type"))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "New-DrsRule wants either -KeepTogether or -Type");
	body_name(st, body, "Type", "type");
	body_bool(st, flag, "KeepTogether", "is");
	together = json_get(flag, "is");
	if (together)
		json_set_str(
		    body, "type", json_bool_value(together) ? "together" : "apart");
	return RUN_OK;
}

static enum run
new_rule_process(struct stage *st, struct val v)
{
	json *body = body_named(st);
	enum run rc = body_id(st, body, "Cluster", KIND_BIT(CLUSTER), "cluster");

	if (rc == RUN_OK)
		rc = rule_type(st, body);
	if (rc == RUN_OK)
		rc = rule_members(st, body);
	if (rc == RUN_OK)
		return change_now(st, "/rules", body, get_text(st, "Name"));
	json_free(body);
	return rc;
}

const struct cmd_ops ops_new_rule = { sizeof(struct changes), rule_begin,
	new_rule_process, NULL, changes_fini };

static enum run
set_rule_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	enum run rc = rule_members(st, body);

	body_text(st, body, "Name", "name");
	if (rc == RUN_OK && !json_count(body))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "Set-DrsRule wants something to change");
	return rc == RUN_OK
		   ? change_named(st, "Rule", KIND_BIT(RULE), "PATCH", NULL, body)
		   : rc;
}

const struct cmd_ops ops_set_rule = { sizeof(struct changes), rule_begin,
	set_rule_process, changes_finish, changes_fini };

/* ---- groups ---- */

static enum run
group_begin(struct stage *st)
{
	return changes_of(st, KIND_GROUP);
}

static enum run
new_group_process(struct stage *st, struct val v)
{
	json *body = body_named(st);
	enum run rc = body_id(st, body, "Cluster", KIND_BIT(CLUSTER), "cluster");

	if (rc == RUN_OK && has_arg(st, "VM") == has_arg(st, "VMHost"))
		rc = throw_new(st->sh, st->node, ERR_INVALID,
		    "New-DrsClusterGroup wants either -VM or -VMHost");
	if (rc == RUN_OK)
		rc = body_ids(st, body, "VM", KIND_BIT(VM), "vms");
	if (rc == RUN_OK)
		rc = body_ids(st, body, "VMHost", KIND_BIT(HOST), "hosts");
	if (rc == RUN_OK)
		return change_now(st, "/groups", body, get_text(st, "Name"));
	json_free(body);
	return rc;
}

const struct cmd_ops ops_new_group = { sizeof(struct changes), group_begin,
	new_group_process, NULL, changes_fini };

/* -Add or -Remove with -VM or -VMHost. */
static enum run
group_members(struct stage *st, json *body)
{
	bool add = get_switch(st, "Add"), remove = get_switch(st, "Remove");
	bool any = has_arg(st, "VM") || has_arg(st, "VMHost");
	const char *key = add ? "add" : "remove";

	if (any && add == remove)
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "Set-DrsClusterGroup wants -Add or -Remove with -VM or -VMHost");
	enum run rc = body_ids(st, body, "VM", KIND_BIT(VM), key);
	return rc == RUN_OK ? body_ids(st, body, "VMHost", KIND_BIT(HOST), key) : rc;
}

static enum run
set_group_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	enum run rc = group_members(st, body);

	body_text(st, body, "Name", "name");
	if (rc == RUN_OK && !json_count(body))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "Set-DrsClusterGroup wants something to change");
	return rc == RUN_OK ? change_named(st, "DrsClusterGroup", KIND_BIT(GROUP),
				  "PATCH", NULL, body)
			    : rc;
}

const struct cmd_ops ops_set_group = { sizeof(struct changes), group_begin,
	set_group_process, changes_finish, changes_fini };
