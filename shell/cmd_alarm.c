/*
 * cmd_alarm: what is watched for, and what people do about alarms.
 */
#include "shell/body.h"
#include "shell/change.h"
#include "shell/data.h"
#include "shell/rest.h"

#define DAYS_PRESET 7LL

/* ---- definitions ---- */

/* Tables as the server's list of conditions or actions. */
static void
body_tables(struct stage *st, json *body, const char *param, const char *key)
{
	struct val v = get_arg(st, param);
	json *list;

	if (!has_arg(st, param))
		return;
	list = json_new_array();
	for (size_t i = 0; i < val_count(v); i++)
		json_add_json(list, val_to_json(val_at(v, i)));
	json_set_json(body, key, list);
}

static void
body_time(struct stage *st, json *body, const char *param, const char *key)
{
	struct val t = get_arg(st, param);

	if (t.type == VAL_TIME)
		json_set_u64(body, key, t.i > 0 ? (uint64_t)t.i : 0);
}

static void
definition_settings(struct stage *st, json *body)
{
	body_text(st, body, "Description", "description");
	body_bool(st, body, "Enabled", "enabled");
	body_word(st, body, "Match", "match");
	body_tables(st, body, "AlarmTrigger", "conditions");
	body_tables(st, body, "AlarmAction", "actions");
	body_time(st, body, "SilencedUntil", "silenced_until");
}

#define ENTITY_KINDS                                                   \
	(KIND_BIT(DATACENTER) | KIND_BIT(FOLDER) | KIND_BIT(CLUSTER) | \
	    KIND_BIT(HOST) | KIND_BIT(POOL) | KIND_BIT(VM) | KIND_BIT(DATASTORE))

static enum run
definition_begin(struct stage *st)
{
	return changes_of(st, KIND_ALARMDEF);
}

static enum run
new_alarm_process(struct stage *st, struct val v)
{
	json *body = body_named(st);
	enum run rc = body_id(st, body, "Entity", ENTITY_KINDS, "entity");

	body_word(st, body, "Target", "target");
	definition_settings(st, body);
	if (rc == RUN_OK)
		return change_now(st, "/alarmdefs", body, get_text(st, "Name"));
	json_free(body);
	return rc;
}

const struct cmd_ops ops_new_alarm = { sizeof(struct changes), definition_begin,
	new_alarm_process, NULL, changes_fini };

static enum run
set_alarm_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();

	body_text(st, body, "Name", "name");
	definition_settings(st, body);
	if (!json_count(body))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "Set-AlarmDefinition wants something to change");
	return change_named(
	    st, "AlarmDefinition", KIND_BIT(ALARMDEF), "PATCH", NULL, body);
}

const struct cmd_ops ops_set_alarm = { sizeof(struct changes), definition_begin,
	set_alarm_process, changes_finish, changes_fini };

/* ---- what one would have done ---- */

static enum run
test_one(struct stage *st, struct val definition)
{
	AUTO_FREE char *path =
	    xasprintf("/api/v1/alarmdefs/%s/preview?days=%lld", record_id(definition),
		has_arg(st, "Days") ? (long long)get_arg(st, "Days").i : DAYS_PRESET);
	AUTO(json) json *answer = NULL;
	struct err e = ERR_INIT;

	if (rest_get(st->sh, path, &answer, &e) < 0)
		return stage_error(st, &e, definition);
	AUTO(val) struct val v = val_from_json(answer, TABLE_RECORD);

	return st->out->put(st->out, v);
}

static enum run
test_alarm_process(struct stage *st, struct val v)
{
	struct val all = VAL_NONE;
	struct err e = ERR_INIT;
	enum run rc = RUN_OK;

	if (resolve_all(
		st, get_arg(st, "AlarmDefinition"), KIND_BIT(ALARMDEF), &all, &e) < 0)
		return throw_err(st->sh, st->node, &e);
	for (size_t i = 0; i < val_count(all) && rc == RUN_OK; i++)
		rc = test_one(st, val_at(all, i));
	val_free(all);
	return rc;
}

const struct cmd_ops ops_test_alarm = { 0, NULL, test_alarm_process, NULL, NULL };

/* ---- alarms ---- */

static enum run
alarm_begin(struct stage *st)
{
	return changes_of(st, KIND_ALARM);
}

static enum run
confirm_alarm_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();

	json_set_bool(body, "acknowledged", !get_switch(st, "Undo"));
	return change_named(st, "Alarm", KIND_BIT(ALARM), "POST", "acknowledge", body);
}

const struct cmd_ops ops_confirm_alarm = { sizeof(struct changes), alarm_begin,
	confirm_alarm_process, changes_finish, changes_fini };

static enum run
reset_alarm_process(struct stage *st, struct val v)
{
	return change_named(st, "Alarm", KIND_BIT(ALARM), "POST", "reset", NULL);
}

const struct cmd_ops ops_reset_alarm = { sizeof(struct changes), alarm_begin,
	reset_alarm_process, changes_finish, changes_fini };

static enum run
suspend_alarm_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();

	json_set_u64(body, "until", 0);
	body_time(st, body, "Until", "until");
	return change_named(st, "Alarm", KIND_BIT(ALARM), "POST", "silence", body);
}

const struct cmd_ops ops_suspend_alarm = { sizeof(struct changes), alarm_begin,
	suspend_alarm_process, changes_finish, changes_fini };
