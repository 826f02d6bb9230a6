/*
 * cmd_ha: how high availability stands, what would come if hosts were lost, and the
 * word of somebody who knows that one has no power.
 */
#include <string.h>

#include "base/json_peek.h"
#include "shell/body.h"
#include "shell/change.h"
#include "shell/data.h"
#include "shell/rest.h"

#define PERMILLE_PER_PERCENT 10.0

static void
put_text(struct val r, const char *name, const json *o, const char *key)
{
	table_set(r.table, name, val_text(json_peek_str(o, key)));
}

static void
put_count(struct val r, const char *name, const json *o, const char *key)
{
	table_set(r.table, name, val_int(json_peek_int(o, key)));
}

static void
put_flag(struct val r, const char *name, const json *o, const char *key)
{
	const json *v = json_get(o, key);

	table_set(r.table, name,
	    val_bool(v && json_what(v) == JSON_IS_BOOL && json_bool_value(v)));
}

static void
put_ref(
    struct stage *st, struct val r, const char *name, const json *o, const char *key)
{
	const char *id = json_peek_str(o, key);

	table_set(r.table, name, id ? reference_to(st->sh, id) : VAL_NONE);
}

/* ---- how it stands ---- */

static struct val
host_record(struct stage *st, const json *h)
{
	struct val r = val_table(TABLE_RECORD, "HAHostStatus");

	put_ref(st, r, "VMHost", h, "host");
	put_text(r, "State", h, "state");
	put_text(r, "Fencing", h, "fencing");
	put_count(r, "Protected", h, "protected");
	put_count(r, "SilentMs", h, "silent_ms");
	put_count(r, "LeaseMs", h, "lease_ms");
	put_flag(r, "Fenced", h, "fenced");
	put_count(r, "Incarnation", h, "incarnation");
	put_text(r, "LostDatastores", h, "lost_datastores");
	return r;
}

static struct val
guest_record(struct stage *st, const json *g)
{
	struct val r = val_table(TABLE_RECORD, "HAGuestStatus");

	put_ref(st, r, "VM", g, "vm");
	put_text(r, "State", g, "state");
	put_text(r, "Reason", g, "text");
	put_count(r, "Failures", g, "failures");
	return r;
}

static struct val
failover_record(struct stage *st, const json *f)
{
	struct val r = val_table(TABLE_RECORD, "HAFailover");

	put_ref(st, r, "VM", f, "vm");
	put_ref(st, r, "From", f, "from");
	put_ref(st, r, "To", f, "to");
	put_text(r, "Time", f, "at");
	put_count(r, "DetectMs", f, "detect_ms");
	put_count(r, "WaitMs", f, "wait_ms");
	put_count(r, "ClaimMs", f, "claim_ms");
	put_count(r, "ExecMs", f, "exec_ms");
	return r;
}

static struct val
list_of(struct stage *st, const json *items,
    struct val (*record)(struct stage *st, const json *item))
{
	struct val list = val_list();

	for (size_t i = 0; items && i < json_count(items); i++)
		list_push(list.list, record(st, json_at(items, i)));
	return list;
}

static void
put_percent(struct val r, const char *name, const json *o, const char *key)
{
	table_set(r.table, name,
	    val_real((double)json_peek_int(o, key) / PERMILLE_PER_PERCENT));
}

static void
put_admission(struct val r, const json *a)
{
	put_text(r, "AdmissionPolicy", a, "policy");
	put_count(r, "FailoverLevel", a, "failover_level");
	put_percent(r, "CpuUnreservedPct", a, "cpu_unreserved_permille");
	put_percent(r, "CpuKeptPct", a, "cpu_keep_permille");
	put_percent(r, "MemoryUnreservedPct", a, "memory_unreserved_permille");
	put_percent(r, "MemoryKeptPct", a, "memory_keep_permille");
}

static void
put_capacity(struct val r, const json *status)
{
	const json *k = json_get(status, "capacity");

	if (!k || json_what(k) != JSON_IS_OBJECT) {
		table_set(r.table, "Survives", VAL_NONE);
		table_set(r.table, "Capacity", VAL_NONE);
		return;
	}
	put_count(r, "Survives", k, "survives");
	put_text(r, "Capacity", k, "text");
}

static size_t
count_of(const json *o, const char *key)
{
	const json *list = json_get(o, key);

	return list ? json_count(list) : 0;
}

static struct val
status_record(struct stage *st, const json *s)
{
	struct val r = val_table(TABLE_RECORD, "HAStatus");

	put_ref(st, r, "Cluster", s, "cluster");
	put_flag(r, "HAEnabled", s, "enabled");
	put_capacity(r, s);
	put_count(r, "Protected", s, "protected");
	table_set(
	    r.table, "NumUnprotected", val_int((int64_t)count_of(s, "unprotected")));
	table_set(r.table, "NumWaiting", val_int((int64_t)count_of(s, "waiting")));
	put_admission(r, json_get(s, "admission"));
	put_flag(r, "Braked", s, "braked");
	table_set(r.table, "VMHost", list_of(st, json_get(s, "hosts"), host_record));
	table_set(r.table, "Unprotected",
	    list_of(st, json_get(s, "unprotected"), guest_record));
	table_set(
	    r.table, "Waiting", list_of(st, json_get(s, "waiting"), guest_record));
	table_set(r.table, "Failover",
	    list_of(st, json_get(s, "failovers"), failover_record));
	return r;
}

static enum run
put_status(struct stage *st, const char *cluster)
{
	AUTO_FREE char *path = object_path(cluster, "ha");
	AUTO(val) struct val target = val_text(cluster);
	AUTO(json) json *answer = NULL;
	struct err e = ERR_INIT;

	if (rest_get(st->sh, path, &answer, &e) < 0)
		return stage_error(st, &e, target);
	return put(st, status_record(st, answer));
}

/* Without a name: of all. */
static enum run
status_process(struct stage *st, struct val v)
{
	AUTO(json) json *all = NULL;
	struct val refs = VAL_NONE;
	struct err e = ERR_INIT;
	enum run rc = RUN_OK;

	if (has_arg(st, "Cluster"))
		rc = resolve(st, get_arg(st, "Cluster"), KIND_BIT(CLUSTER), &refs);
	else if (inventory_list(st->sh, KIND_CLUSTER, NULL, &all, &e) < 0)
		rc = throw_err(st->sh, st->node, &e);
	for (size_t i = 0; rc == RUN_OK && i < val_count(refs); i++)
		rc = put_status(st, record_id(val_at(refs, i)));
	for (size_t i = 0; rc == RUN_OK && all && i < json_count(all); i++)
		rc = put_status(st, json_peek_str(json_at(all, i), "id"));
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_ha_status = { 0, NULL, status_process, NULL, NULL };

/* ---- what would come ---- */

static enum run
put_moves(struct stage *st, const json *items)
{
	enum run rc = RUN_OK;

	for (size_t i = 0; items && rc == RUN_OK && i < json_count(items); i++) {
		const json *m = json_at(items, i);
		bool is = json_peek_str(m, "to") != NULL;
		struct val r = val_table(TABLE_RECORD, "HAFailoverTest");
		put_ref(st, r, "VM", m, "vm");
		put_text(r, "Priority", m, "priority");
		table_set(r.table, "Outcome", val_text(is ? "Restarted" : "NoPlace"));
		put_ref(st, r, "From", m, "from");
		put_ref(st, r, "Target", m, "to");
		put_count(r, "Wave", m, "wave");
		put_text(r, "Reason", m, "text");
		rc = put(st, r);
	}
	return rc;
}

/* All that are given are lost together, so they are gathered first. */
struct lost {
	struct val hosts;
};

static enum run
lost_begin(struct stage *st)
{
	struct lost *l = st->state;

	l->hosts = val_list();
	return RUN_OK;
}

static enum run
lost_process(struct stage *st, struct val v)
{
	struct lost *l = st->state;
	struct val refs = VAL_NONE;
	struct err e = ERR_INIT;

	if (resolve_all(st, get_arg(st, "VMHost"), KIND_BIT(HOST), &refs, &e) < 0)
		return throw_err(st->sh, st->node, &e);
	for (size_t i = 0; i < val_count(refs); i++)
		list_push(l->hosts.list, val_ref(val_at(refs, i)));
	val_free(refs);
	return RUN_OK;
}

static enum run
lost_end(struct stage *st)
{
	struct lost *l = st->state;
	AUTO(json) json *body = json_new_object(), *answer = NULL;
	json *ids = json_new_array();
	struct err e = ERR_INIT;

	json_set_json(body, "hosts", ids);
	if (!val_count(l->hosts))
		return RUN_OK;
	for (size_t i = 0; i < val_count(l->hosts); i++)
		json_add_str(ids, record_id(val_at(l->hosts, i)));
	const struct known *first = known_get(st->sh, record_id(val_at(l->hosts, 0)));
	if (!first || !first->parent)
		return stage_fail(st, ERR_NOT_FOUND, "the host is gone");
	AUTO_FREE char *path = object_path(first->parent, "ha/test");
	if (rest_change(st->sh, "POST", path, body, &answer, &e) < 0)
		return stage_error(st, &e, get_arg(st, "VMHost"));
	return put_moves(st, json_get(answer, "items"));
}

static void
lost_fini(struct stage *st)
{
	struct lost *l = st->state;

	val_free(l->hosts);
}

const struct cmd_ops ops_ha_test = { sizeof(struct lost), lost_begin, lost_process,
	lost_end, lost_fini };

/* ---- somebody's word ---- */

static enum run
confirm_begin(struct stage *st)
{
	return changes_of(st, KIND_HOST);
}

static enum run
confirm_process(struct stage *st, struct val v)
{
	return change_named(st, "VMHost", KIND_BIT(HOST), "POST", "confirm-dead", NULL);
}

const struct cmd_ops ops_confirm_off = { sizeof(struct changes), confirm_begin,
	confirm_process, changes_finish, changes_fini };
