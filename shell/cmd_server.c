/*
 * cmd_server: which servers work on the database, and who of them leads.
 */
#include "base/json.h"
#include "shell/change.h"
#include "shell/data.h"
#include "shell/rest.h"

static struct val
server_record(const json *o)
{
	static const struct {
		const char *name, *field;
	} props[] = { { "Address", "address" }, { "AgentsAddress", "agents_address" },
		{ "Leads", "leads" }, { "Version", "version" },
		{ "StartTime", "since" }, { "LastSeen", "said_at" }, { "Id", "id" } };
	struct val r = val_table(TABLE_RECORD, "DroverServer");

	for (size_t i = 0; i < ARRAY_SIZE(props); i++) {
		json *v = json_get(o, props[i].field);
		if (v)
			table_set(
			    r.table, props[i].name, val_from_json(v, TABLE_RECORD));
	}
	return r;
}

static enum run
get_drover_server_process(struct stage *st, struct val v)
{
	AUTO(json) json *answer = NULL;
	struct err e = ERR_INIT;
	enum run rc = RUN_OK;

	if (rest_get(st->sh, "/system/servers", &answer, &e) < 0)
		return throw_err(st->sh, st->node, &e);
	const json *items = json_get(answer, "items");
	for (size_t i = 0; items && i < json_count(items) && rc == RUN_OK; i++)
		rc = put(st, server_record(json_at(items, i)));
	return rc;
}

const struct cmd_ops ops_get_drover_server = { 0, NULL, get_drover_server_process, NULL,
	NULL };
