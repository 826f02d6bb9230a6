/*
 * cmd_resource: shares, reservations and limits of guests.
 *
 * As in PowerCLI a guest's are a record of their own, which has its id: so the record
 * stands for the guest wherever one is wanted.
 */
#include <string.h>

#include "base/json_peek.h"
#include "shell/body.h"
#include "shell/change.h"
#include "shell/rest.h"

#define MB_PER_GB  1024.0
#define CPU_NORMAL 1000 /* shares of one CPU */
#define MEM_NORMAL 10   /* of one MB */

/* One resource of a guest, as the API names it. */
struct resource {
	const char *level, *shares, *reservation, *limit, *size;
	int64_t normal;
};

static const struct resource cpu = { "cpu_shares_level", "cpu_shares",
	"cpu_reservation_mhz", "cpu_limit_mhz", "num_cpu", CPU_NORMAL };
static const struct resource mem = { "mem_shares_level", "mem_shares",
	"mem_reservation_mb", "mem_limit_mb", "memory_mb", MEM_NORMAL };

/* What was never set is normal. */
static const char *
level_of(const json *vm, const struct resource *r)
{
	const char *s = json_peek_str(vm, r->level);

	if (s && !strcmp(s, "low"))
		return "Low";
	if (s && !strcmp(s, "high"))
		return "High";
	return s && !strcmp(s, "custom") ? "Custom" : "Normal";
}

static int64_t
shares_of(const json *vm, const struct resource *r)
{
	const char *level = level_of(vm, r);
	int64_t normal = json_peek_int(vm, r->size) * r->normal;

	if (!strcmp(level, "Custom"))
		return json_peek_int(vm, r->shares);
	if (!strcmp(level, "Low"))
		return normal / 2;
	return strcmp(level, "High") ? normal : normal * 2;
}

/* PowerCLI's word for no limit. */
static int64_t
limit_of(const json *vm, const struct resource *r)
{
	int64_t limit = json_peek_int(vm, r->limit);

	return limit ? limit : -1;
}

static struct val
configuration_record(const json *vm)
{
	struct val r = val_table(TABLE_RECORD, "VMResourceConfiguration");
	int64_t reserved = json_peek_int(vm, mem.reservation);
	int64_t limit = limit_of(vm, &mem);

	table_set(r.table, "VM", val_text(json_peek_str(vm, "name")));
	table_set(r.table, "CpuSharesLevel", val_text(level_of(vm, &cpu)));
	table_set(r.table, "NumCpuShares", val_int(shares_of(vm, &cpu)));
	table_set(
	    r.table, "CpuReservationMhz", val_int(json_peek_int(vm, cpu.reservation)));
	table_set(r.table, "CpuLimitMhz", val_int(limit_of(vm, &cpu)));
	table_set(r.table, "MemSharesLevel", val_text(level_of(vm, &mem)));
	table_set(r.table, "NumMemShares", val_int(shares_of(vm, &mem)));
	table_set(r.table, "MemReservationMB", val_int(reserved));
	table_set(r.table, "MemReservationGB", val_real((double)reserved / MB_PER_GB));
	table_set(r.table, "MemLimitMB", val_int(limit));
	table_set(r.table, "MemLimitGB",
	    limit < 0 ? val_int(limit) : val_real((double)limit / MB_PER_GB));
	table_set(r.table, "VMId", val_text(json_peek_str(vm, "id")));
	table_set(r.table, "Id", val_text(json_peek_str(vm, "id")));
	return r;
}

static enum run
put_configuration(struct stage *st, const char *id)
{
	AUTO_FREE char *path = object_path(id, NULL);
	AUTO(json) json *vm = NULL;
	struct err e = ERR_INIT;

	if (rest_get(st->sh, path, &vm, &e) < 0) {
		AUTO(val) struct val target = val_text(id);

		return stage_error(st, &e, target);
	}
	return put(st, configuration_record(vm));
}

static enum run
get_process(struct stage *st, struct val v)
{
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "VM"), KIND_BIT(VM), &refs);

	for (size_t i = 0; rc == RUN_OK && i < val_count(refs); i++)
		rc = put_configuration(st, record_id(val_at(refs, i)));
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_get_resources = { 0, NULL, get_process, NULL, NULL };

static enum run
set_begin(struct stage *st)
{
	return changes_of(st, KIND_VM);
}

static enum run
set_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	struct val refs = VAL_NONE;
	enum run rc = body_resources(st, body);

	if (rc != RUN_OK)
		return rc;
	if (!json_count(body))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "Set-VMResourceConfiguration wants something to change");
	rc = resolve(st, get_arg(st, "Configuration"), KIND_BIT(VM), &refs);
	if (rc != RUN_OK)
		return rc;
	rc = change_each(st, refs, "PATCH", NULL, body);
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_set_resources = { sizeof(struct changes), set_begin,
	set_process, changes_finish, changes_fini };
