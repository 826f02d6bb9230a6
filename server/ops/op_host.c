/*
 * Hosts: a token to enrol one, rename, remove.
 */
#include "server/db/db.h"
#include "server/hosts/host_enroll.h"
#include "server/ops/ha_settings.h"
#include "server/ops/ops_int.h"
#include "server/rules/rules.h"

/* The host that the token is for: one of that name in the cluster enrols again. */
static int
find_or_add(struct op_call *c, struct txn *t, struct err *e)
{
	obj_id cluster = arg_id(c->args, "cluster");
	const char *name = arg_str(c->args, "name");
	const struct obj *known = inv_find(c->inv, cluster, KIND_HOST, name);
	void *obj;

	if (known) {
		c->object = known->id;
		return 0;
	}
	int rc = txn_add(t, KIND_HOST, cluster, name, &obj, e);
	if (rc)
		return rc;
	struct host *h = obj;
	h->connection_state = CONN_DISCONNECTED;
	h->state_reason = xstrdup("has not connected yet");
	created_event(c, t, &h->o);
	return 0;
}

static int
enroll_token(struct op_call *c, struct txn *t, struct err *e)
{
	struct host_token k = {
		.ttl_s = (uint32_t)arg_u64(c->args, "ttl_s", ENROLL_TTL_S),
		.created_by = c->who.name,
	};
	char id[OBJ_ID_TEXT], when[32];
	int rc = arg_exists(c->inv, c->args, "cluster", e);

	if (!rc)
		rc = find_or_add(c, t, e);
	if (!rc)
		rc = host_token_make(c->hosts, t, c->object, &k, e);
	if (rc)
		return rc;
	c->extra = json_new_object();
	json_set_str(c->extra, "token", k.text);
	json_set_str(c->extra, "ca_fingerprint", hosts_ca_fingerprint(c->hosts));
	json_set_str(c->extra, "expires_at", clock_text(k.expires_ms, when));
	json_set_str(c->extra, "host", obj_id_text(c->object, id));
	free(k.text);
	return 0;
}

/* Shared datastores lose it from their lists, and tokens for it are void. */
static void
forget(const struct op_call *c, struct txn *t)
{
	char id[OBJ_ID_TEXT];
	const char *params[] = { obj_id_text(c->entity, id) };

	INV_EACH(c->inv, KIND_DATASTORE, o)
	{
		if (!id_list_has(&inv_datastore(c->inv, o->id)->hosts, c->entity))
			continue;
		struct datastore *ds = txn_edit(t, o->id);
		size_t to = 0;
		for (size_t i = 0; i < ds->hosts.n; i++) {
			if (!obj_id_is(ds->hosts.v[i], c->entity))
				ds->hosts.v[to++] = ds->hosts.v[i];
		}
		ds->hosts.n = to;
	}
	txn_sql(t, STMT_ENROLL_DELETE_OF_HOST, 1, params);
}

static int
host_delete(struct op_call *c, struct txn *t, struct err *e)
{
	const char *name = inv_name(c->inv, c->entity);

	if (hosts_is_up(c->hosts, c->entity) || hosts_is_expected(c->hosts, c->entity))
		return err_set(e, ERR_BAD_STATE,
		    "host \"%s\" is connected: stop its agent first", name);
	INV_EACH(c->inv, KIND_VM, o)
	{
		if (obj_id_is(inv_vm(c->inv, o->id)->host, c->entity))
			return err_set(e, ERR_BAD_STATE,
			    "host \"%s\" still has machine \"%s\"", name, o->name);
	}
	INV_EACH(c->inv, KIND_DATASTORE, o)
	{
		const struct datastore *ds = inv_datastore(c->inv, o->id);
		if (!ds->shared && id_list_has(&ds->hosts, c->entity))
			return err_set(e, ERR_BAD_STATE,
			    "host \"%s\" still has datastore \"%s\"", name, o->name);
	}
	int rc = task_may_change(c->tasks, c->entity, e);
	if (rc)
		return rc;
	txn_event(t, EV_HOST_REMOVED, c->entity, OBJ_ID_NONE, c->who.name,
	    "Removed host %s", name);
	forget(c, t);
	rules_forget(c->inv, t, c->entity);
	ha_settings_forget(c->inv, t, c->entity);
	txn_del(t, c->entity);
	return 0;
}

/* clang-format off */
static const struct op_arg token_args[] = {
	{ .name = "cluster", .type = ARG_ID, .required = true, .kinds = KIND_BIT(CLUSTER),
	  .help = "cluster that the host joins" },
	{ .name = "name", .type = ARG_NAME, .required = true,
	  .help = "name of the host; one of that name in the cluster enrols again" },
	{ .name = "ttl_s", .type = ARG_U32, .min = 1, .max = ENROLL_TTL_MAX_S, .help = "how long the token works" },
	{ 0 } };
static const struct op_arg update_args[] = {
	{ .name = "name", .type = ARG_NAME, .help = "new name" }, { 0 } };

const struct op_def op_host_defs[] = {
	{ .info = { "host.enroll_token", "Make enrolment token", KIND_NONE, ROLE_ADMINISTRATOR, false, token_args },
	  .apply = enroll_token },
	{ .info = { "host.update", "Rename host", KIND_HOST, ROLE_ADMINISTRATOR, false, update_args },
	  .apply = apply_rename },
	{ .info = { "host.delete", "Remove host", KIND_HOST, ROLE_ADMINISTRATOR, false, NULL },
	  .apply = host_delete },
	{ .info = { .name = NULL } },
};
/* clang-format on */
