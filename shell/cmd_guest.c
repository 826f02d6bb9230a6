/*
 * cmd_guest: what is known of the inside of guests, and objects as the API has them.
 */
#include <string.h>

#include "base/json_peek.h"
#include "shell/change.h"
#include "shell/data.h"
#include "shell/inventory.h"
#include "shell/rest.h"

static struct val
guest_record(struct shell *sh, json *vm)
{
	struct val r = val_table(TABLE_RECORD, "VMGuest");
	AUTO(val) struct val of = record_from(sh, KIND_VM, vm);
	const char *power = json_peek_str(vm, "power_state");
	bool runs = power && !strcmp(power, "powered_on");
	const json *answers = json_get(vm, "guest_agent");
	bool inside =
	    answers && json_what(answers) == JSON_IS_BOOL && json_bool_value(answers);

	table_set(r.table, "VM", member_get(of, "Name"));
	table_set(r.table, "State",
	    val_text(!runs    ? "NotRunning"
		     : inside ? "Running"
			      : "Unknown"));
	table_set(r.table, "IPAddress", member_get(of, "GuestAddresses"));
	if (table_get(r.table, "IPAddress")->type == VAL_NULL)
		table_set(r.table, "IPAddress", member_get(of, "IPAddress"));
	table_set(r.table, "OSFullName", member_get(of, "GuestOS"));
	table_set(r.table, "HostName", member_get(of, "GuestHostName"));
	table_set(r.table, "Heartbeat", member_get(of, "GuestHeartbeat"));
	table_set(r.table, "VMId", val_text(json_peek_str(vm, "id")));
	return r;
}

/* The raw objects that a parameter means, one after the other. */
static enum run
each_raw(struct stage *st, const char *param, unsigned kinds,
    struct val (*make)(struct shell *sh, json *j))
{
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, param), kinds, &refs);

	for (size_t i = 0; rc == RUN_OK && i < val_count(refs); i++) {
		AUTO_FREE char *path = object_path(record_id(val_at(refs, i)), NULL);
		AUTO(json) json *j = NULL;
		struct err e = ERR_INIT;
		if (rest_get(st->sh, path, &j, &e) < 0)
			rc = stage_error(st, &e, val_at(refs, i));
		else
			rc = put(st, make(st->sh, j));
	}
	val_free(refs);
	return rc;
}

static enum run
get_guest_process(struct stage *st, struct val v)
{
	return each_raw(st, "VM", KIND_BIT(VM), guest_record);
}

const struct cmd_ops ops_get_guest = { 0, NULL, get_guest_process, NULL, NULL };

static struct val
raw_record(struct shell *sh, json *j)
{
	return val_from_json(j, TABLE_RECORD);
}

#define VIEWED                                                                \
	(KIND_BIT(VM) | KIND_BIT(HOST) | KIND_BIT(CLUSTER) | KIND_BIT(POOL) | \
	    KIND_BIT(DATACENTER) | KIND_BIT(FOLDER) | KIND_BIT(TEMPLATE) |    \
	    KIND_BIT(DATASTORE) | KIND_BIT(NETWORK) | KIND_BIT(TASK))

static enum run
get_view_process(struct stage *st, struct val v)
{
	return each_raw(st, "VIObject", VIEWED, raw_record);
}

const struct cmd_ops ops_get_view = { 0, NULL, get_view_process, NULL, NULL };

/* Get-Inventory: whatever fits the names. */
static enum run
get_inventory_process(struct stage *st, struct val v)
{
	static const enum obj_kind kinds[] = { KIND_DATACENTER, KIND_FOLDER,
		KIND_CLUSTER, KIND_HOST, KIND_POOL, KIND_VM, KIND_TEMPLATE,
		KIND_DATASTORE, KIND_NETWORK };
	struct val names = get_arg(st, "Name");
	enum run rc = RUN_OK;

	for (size_t k = 0; k < ARRAY_SIZE(kinds) && rc == RUN_OK; k++) {
		AUTO(json) json *items = NULL;
		struct err e = ERR_INIT;
		if (inventory_list(st->sh, kinds[k], NULL, &items, &e) < 0)
			return throw_err(st->sh, st->node, &e);
		for (size_t i = 0; i < json_count(items) && rc == RUN_OK; i++) {
			const json *o = json_at(items, i);
			const char *name = json_peek_str(o, "name");
			bool fits = !val_count(names);
			for (size_t n = 0; n < val_count(names) && !fits; n++)
				fits =
				    name && wild_match(val_at(names, n).text->s, name);
			if (fits)
				rc = put(st, record_from(st->sh, kinds[k], o));
		}
	}
	return rc;
}

const struct cmd_ops ops_get_inventory = { 0, NULL, get_inventory_process, NULL, NULL };
