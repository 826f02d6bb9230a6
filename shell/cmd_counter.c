/*
 * cmd_counter: what guests use of each resource, and what they were refused.
 *
 * As disks they are no objects of the inventory: a record knows its machine ("VMId").
 */
#include "base/json_peek.h"
#include "shell/body.h"
#include "shell/change.h"
#include "shell/rest.h"

static void
put_known(struct val r, const char *name, int64_t n)
{
	table_set(r.table, name, n ? val_int(n) : VAL_NONE);
}

static struct val
counter_record(const json *vm, const json *c)
{
	struct val r = val_table(TABLE_RECORD, "VMCounter");

	table_set(r.table, "VM", val_text(json_peek_str(vm, "name")));
	table_set(r.table, "Name", val_text(json_peek_str(c, "name")));
	table_set(r.table, "Current", val_int(json_peek_int(c, "current")));
	put_known(r, "Peak", json_peek_int(c, "peak"));
	put_known(r, "Limit", json_peek_int(c, "limit"));
	table_set(r.table, "Failures", val_int(json_peek_int(c, "failures")));
	table_set(r.table, "Unit", val_text(json_peek_str(c, "unit")));
	table_set(r.table, "VMId", val_text(json_peek_str(vm, "id")));
	return r;
}

/* Those of a machine whose name fits; one that is off has none. */
static enum run
put_counters(struct stage *st, const char *vm_id, const char *pattern)
{
	AUTO_FREE char *path = object_path(vm_id, NULL);
	AUTO(json) json *vm = NULL;
	struct err e = ERR_INIT;
	enum run rc = RUN_OK;

	if (rest_get(st->sh, path, &vm, &e) < 0) {
		AUTO(val) struct val target = val_text(vm_id);

		return stage_error(st, &e, target);
	}
	const json *list = json_get(vm, "counters");
	for (size_t i = 0; list && rc == RUN_OK && i < json_count(list); i++) {
		const json *c = json_at(list, i);
		const char *name = json_peek_str(c, "name");

		if (pattern && !(name && wild_match(pattern, name)))
			continue;
		rc = put(st, counter_record(vm, c));
	}
	return rc;
}

static enum run
get_process(struct stage *st, struct val v)
{
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "VM"), KIND_BIT(VM), &refs);

	for (size_t i = 0; rc == RUN_OK && i < val_count(refs); i++)
		rc = put_counters(st, record_id(val_at(refs, i)), get_text(st, "Name"));
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_get_counter = { 0, NULL, get_process, NULL, NULL };
