/*
 * What a definition of an alarm would have done.
 */
#include "server/alarm/alarm.h"
#include "server/api/api_int.h"
#include "server/inventory/inv_alarm.h"

#define DAYS_PRESET 7u
#define DAYS_MAX    60u
#define WORD_MAX    40u

static void
on_preview(void *arg, int rc, const struct err *e, const json *j)
{
	struct api_call *c = arg;

	if (rc)
		api_reply_err(c, e);
	else
		api_reply_json(c, 200, json_dup(j));
}

static int
read_body(const struct api_call *c, struct alarm_preview_ask *ask, struct err *e)
{
	/* What a definition is made with is taken as it is. */
	static const char *const known[] = { "name", "description", "enabled", "target",
		"entity", "match", "conditions", "actions", "silenced_until", "days",
		NULL };
	const char *entity = NULL;
	uint64_t days = DAYS_PRESET;
	int rc = json_only(c->body, known, e);

	if (!rc)
		rc = json_read_str(
		    c->body, "target", JSON_REQUIRED, WORD_MAX, &ask->target, e);
	if (!rc)
		rc = json_read_str(
		    c->body, "match", JSON_OPTIONAL, WORD_MAX, &ask->match, e);
	if (!rc)
		rc = json_read_str(
		    c->body, "entity", JSON_OPTIONAL, WORD_MAX, &entity, e);
	if (!rc)
		rc = json_read_u64(
		    c->body, "days", JSON_OPTIONAL, 1, DAYS_MAX, &days, e);
	if (!rc && entity)
		rc = obj_id_parse(entity, KIND_NONE, &ask->entity, e);
	if (!rc && !obj_id_none(ask->entity) && !inv_get(c->api->d.inv, ask->entity))
		rc = err_set(e, ERR_NOT_FOUND, "entity: there is no %s", entity);
	ask->days = (uint32_t)days;
	ask->conditions = json_get(c->body, "conditions");
	return rc;
}

/* One that is only thought of. */
void
api_alarm_try(struct api_call *c)
{
	struct alarm_preview_ask ask = { 0 };
	struct err e = ERR_INIT;

	if (!c->body) {
		api_refuse(c, ERR_INVALID, "a definition is wanted");
		return;
	}
	if (read_body(c, &ask, &e) ||
	    alarms_preview(c->api->d.alarms, &ask, on_preview, c, &e))
		api_reply_err(c, &e);
}

void
api_alarm_preview(struct api_call *c)
{
	const struct alarm_def *d = inv_alarm_def(c->api->d.inv, c->id);
	uint64_t days;
	struct err e = ERR_INIT;

	if (api_arg_u64(c, "days", DAYS_PRESET, DAYS_MAX, &days) < 0)
		return;
	const struct alarm_preview_ask ask = {
		.entity = d->entity,
		.target = alarm_target_text(d->target),
		.match = alarm_match_text(d->match),
		.conditions = d->conditions,
		.days = days ? (uint32_t)days : DAYS_PRESET,
	};

	if (alarms_preview(c->api->d.alarms, &ask, on_preview, c, &e))
		api_reply_err(c, &e);
}
