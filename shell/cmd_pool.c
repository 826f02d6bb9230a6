/*
 * cmd_pool: resource pools.
 */
#include "shell/body.h"
#include "shell/change.h"

static enum run
fill(struct stage *st, json *body)
{
	body_bool(st, body, "CpuExpandableReservation", "cpu_expandable");
	body_bool(st, body, "MemExpandableReservation", "mem_expandable");
	body_bool(st, body, "ScalableShares", "scalable_shares");
	return body_resources(st, body);
}

static enum run
pool_begin(struct stage *st)
{
	return changes_of(st, KIND_POOL);
}

static enum run
new_process(struct stage *st, struct val v)
{
	json *body = body_named(st);
	enum run rc =
	    body_id(st, body, "Location", KIND_BIT(CLUSTER) | KIND_BIT(POOL), "parent");

	if (rc == RUN_OK)
		rc = fill(st, body);
	if (rc == RUN_OK)
		return change_now(st, "/pools", body, get_text(st, "Name"));
	json_free(body);
	return rc;
}

const struct cmd_ops ops_new_pool = { sizeof(struct changes), pool_begin, new_process,
	NULL, changes_fini };

static enum run
change_pools(struct stage *st, const json *body)
{
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "ResourcePool"), KIND_BIT(POOL), &refs);

	if (rc != RUN_OK)
		return rc;
	rc = change_each(st, refs, "PATCH", NULL, body);
	val_free(refs);
	return rc;
}

static enum run
set_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	enum run rc = fill(st, body);

	body_text(st, body, "Name", "name");
	if (rc != RUN_OK)
		return rc;
	if (!json_count(body))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "Set-ResourcePool wants something to change");
	return change_pools(st, body);
}

static enum run
pools_end(struct stage *st)
{
	return changes_end(st, st->state);
}

const struct cmd_ops ops_set_pool = { sizeof(struct changes), pool_begin, set_process,
	pools_end, changes_fini };

static enum run
move_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	enum run rc = body_id(
	    st, body, "Destination", KIND_BIT(CLUSTER) | KIND_BIT(POOL), "parent");

	return rc == RUN_OK ? change_pools(st, body) : rc;
}

const struct cmd_ops ops_move_pool = { sizeof(struct changes), pool_begin, move_process,
	pools_end, changes_fini };
