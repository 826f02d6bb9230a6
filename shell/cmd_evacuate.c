/*
 * cmd_evacuate: who could leave a host and who could not, and what stands in the way of
 * DRS.
 */
#include <math.h>
#include <string.h>

#include "base/json_peek.h"
#include "shell/change.h"
#include "shell/data.h"
#include "shell/rest.h"

static struct val
reference_in(struct stage *st, const json *o, const char *key)
{
	const char *id = json_peek_str(o, key);

	return id ? reference_to(st->sh, id) : VAL_NONE;
}

/* How long its memory and disks would be copied. */
static struct val
seconds_of(const json *move)
{
	const json *s = json_get(json_get(move, "factors"), "copy_s");

	return s && json_what(s) != JSON_IS_NULL
		   ? val_int((int64_t)ceil(json_number(s)))
		   : VAL_NONE;
}

static struct val
leaving(struct stage *st, struct val host, const json *o, bool can)
{
	struct val r = val_table(TABLE_RECORD, "VMHostEvacuation");

	table_set(r.table, "VM", reference_in(st, o, "vm"));
	table_set(r.table, "From", val_ref(host));
	table_set(r.table, "To", can ? reference_in(st, o, "to_host") : VAL_NONE);
	table_set(r.table, "Possible", val_bool(can));
	table_set(r.table, "EstSeconds", can ? seconds_of(o) : VAL_NONE);
	table_set(r.table, "Reason", val_text(json_peek_str(o, "text")));
	return r;
}

static enum run
put_plan(struct stage *st, struct val host)
{
	AUTO_FREE char *path = object_path(record_id(host), "maintenance-check");
	AUTO(json) json *answer = NULL;
	struct err e = ERR_INIT;
	enum run rc = RUN_OK;

	if (rest_change(st->sh, "POST", path, NULL, &answer, &e) < 0)
		return stage_error(st, &e, host);
	const json *moves = json_get(answer, "items");
	const json *blockers = json_get(answer, "blockers");
	for (size_t i = 0; moves && i < json_count(moves) && rc == RUN_OK; i++)
		rc = put(st, leaving(st, host, json_at(moves, i), true));
	for (size_t i = 0; blockers && i < json_count(blockers) && rc == RUN_OK; i++)
		rc = put(st, leaving(st, host, json_at(blockers, i), false));
	return rc;
}

static enum run
evacuation_process(struct stage *st, struct val v)
{
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "VMHost"), KIND_BIT(HOST), &refs);

	for (size_t i = 0; i < val_count(refs) && rc == RUN_OK; i++)
		rc = put_plan(st, val_at(refs, i));
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_evacuation = { 0, NULL, evacuation_process, NULL, NULL };

static struct val
fault(struct stage *st, struct val cluster, const json *blocker)
{
	struct val r = val_table(TABLE_RECORD, "DrsFault");

	table_set(r.table, "VM", reference_in(st, blocker, "vm"));
	table_set(r.table, "Cluster", val_ref(cluster));
	table_set(r.table, "ReasonCode", val_text(json_peek_str(blocker, "reason")));
	table_set(r.table, "Reason", val_text(json_peek_str(blocker, "text")));
	return r;
}

static enum run
put_faults(struct stage *st, struct val cluster)
{
	AUTO_FREE char *path = object_path(record_id(cluster), "drs");
	AUTO(json) json *body = json_new_object(), *answer = NULL;
	struct err e = ERR_INIT;
	enum run rc = RUN_OK;

	json_set_bool(body, "simulate", true);
	if (rest_change(st->sh, "POST", path, body, &answer, &e) < 0)
		return stage_error(st, &e, cluster);
	const json *blockers = json_get(answer, "blockers");
	for (size_t i = 0; blockers && i < json_count(blockers) && rc == RUN_OK; i++)
		rc = put(st, fault(st, cluster, json_at(blockers, i)));
	return rc;
}

static enum run
fault_process(struct stage *st, struct val v)
{
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "Cluster"), KIND_BIT(CLUSTER), &refs);

	for (size_t i = 0; i < val_count(refs) && rc == RUN_OK; i++)
		rc = put_faults(st, val_at(refs, i));
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_drs_fault = { 0, NULL, fault_process, NULL, NULL };
