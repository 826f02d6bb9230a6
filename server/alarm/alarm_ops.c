/*
 * Alarms: their definitions, and what people do about those that are raised.
 */
#include "base/clock.h"
#include "loop/loop.h"
#include "server/alarm/alarm.h"
#include "server/alarm/alarm_action.h"
#include "server/alarm/alarm_parse.h"
#include "server/inventory/inv_alarm.h"
#include "server/ops/op_args.h"
#include "server/ops/ops_int.h"

#define TARGETS         "vm|host|cluster|pool|datastore|server"
#define DESCRIPTION_MAX 1024u
#define TIME_MAX        UINT64_C(4102444800000) /* the year 2100 */

/* What it watches must be able to be in what it is defined on. */
static int
check_entity(const struct alarm_def *d, struct err *e)
{
	if (d->target == ALARM_OF_SERVER && !obj_id_none(d->entity))
		return err_set(
		    e, ERR_INVALID, "entity: what is of the server is in no object");
	return 0;
}

static int
take_conditions(struct alarm_def *d, const json *list, struct err *e)
{
	struct alarm_conds c;
	int rc = alarm_conds_parse(list, d->target, &c, e);

	if (rc)
		return rc;
	alarm_conds_fini(&c);
	json_free(d->conditions);
	d->conditions = json_dup(list);
	return 0;
}

static int
take_actions(struct alarm_def *d, const json *list, struct err *e)
{
	struct alarm_actions a;
	int rc = alarm_actions_take(list, d->secrets, d->target, &a, e);

	if (rc)
		return rc;
	json_free(d->actions);
	json_free(d->secrets);
	d->actions = a.shown;
	d->secrets = a.secrets;
	return 0;
}

static int
take_settings(struct op_call *c, struct alarm_def *d, struct err *e)
{
	const char *match = arg_str(c->args, "match");
	int rc = 0;

	if (arg_has(c->args, "description"))
		text_set(&d->description, arg_str(c->args, "description"));
	d->enabled = arg_bool(c->args, "enabled", d->enabled);
	d->silenced_until = arg_u64(c->args, "silenced_until", d->silenced_until);
	if (match)
		d->match = (enum alarm_match)alarm_match_parse(match);
	if (arg_has(c->args, "conditions"))
		rc = take_conditions(d, json_get(c->args, "conditions"), e);
	if (!rc && arg_has(c->args, "actions"))
		rc = take_actions(d, json_get(c->args, "actions"), e);
	return rc;
}

static int
definition_create(struct op_call *c, struct txn *t, struct err *e)
{
	struct alarm_def *d;
	void *obj;
	int rc = arg_exists(c->inv, c->args, "entity", e);

	if (!rc)
		rc = txn_add(
		    t, KIND_ALARMDEF, OBJ_ID_NONE, arg_str(c->args, "name"), &obj, e);
	if (rc)
		return rc;
	d = obj;
	d->entity = arg_id(c->args, "entity");
	d->target = (enum alarm_target)alarm_target_parse(arg_str(c->args, "target"));
	d->enabled = true;
	rc = check_entity(d, e);
	if (!rc)
		rc = take_settings(c, d, e);
	if (!rc)
		created_event(c, t, &d->o);
	return rc;
}

static int
definition_update(struct op_call *c, struct txn *t, struct err *e)
{
	struct alarm_def *d = txn_edit(t, c->entity);
	int rc = take_settings(c, d, e);

	if (rc)
		return rc;
	txn_event(t, EV_OBJECT_CHANGED, c->entity, OBJ_ID_NONE, c->who.name,
	    "Changed alarm definition %s", d->o.name);
	return apply_rename(c, t, e);
}

/* ---- alarms ---- */

static uint64_t
wall_ms(const struct op_call *c)
{
	return clock_wall_ms(loop_clock(inv_loop(c->inv)));
}

static int
check_raised(const struct alarm *al, struct err *e)
{
	if (al->status >= ALARM_YELLOW)
		return 0;
	return err_set(e, ERR_BAD_STATE, "alarm \"%s\" on %s is %s", al->o.name,
	    al->entity_name, alarm_status_text(al->status));
}

static int
acknowledge(struct op_call *c, struct txn *t, struct err *e)
{
	struct alarm *al = txn_edit(t, c->entity);
	bool want = arg_bool(c->args, "acknowledged", true);
	int rc = check_raised(al, e);

	if (rc)
		return rc;
	al->acknowledged = want;
	al->acknowledged_at = want ? wall_ms(c) : 0;
	text_set(&al->acknowledged_by, want ? c->who.name : NULL);
	txn_event(t, EV_ALARM_ACKNOWLEDGED, al->entity, OBJ_ID_NONE, c->who.name,
	    "%s alarm \"%s\" on %s", want ? "Acknowledged" : "Took back from",
	    al->o.name, al->entity_name);
	return 0;
}

static int
reset(struct op_call *c, struct txn *t, struct err *e)
{
	struct alarm *al = txn_edit(t, c->entity);
	int rc = check_raised(al, e);

	if (rc)
		return rc;
	al->resets++;
	txn_event(t, EV_ALARM_RESET, al->entity, OBJ_ID_NONE, c->who.name,
	    "Reset alarm \"%s\" on %s", al->o.name, al->entity_name);
	return 0;
}

static int
silence(struct op_call *c, struct txn *t, struct err *e)
{
	struct alarm *al = txn_edit(t, c->entity);

	al->silenced_until = arg_u64(c->args, "until", 0);
	txn_event(t, EV_ALARM_SILENCED, al->entity, OBJ_ID_NONE, c->who.name,
	    "%s alarm \"%s\" on %s",
	    al->silenced_until > wall_ms(c) ? "Silenced" : "No longer silenced",
	    al->o.name, al->entity_name);
	return 0;
}

/* clang-format off */
#define SETTINGS(wanted) \
	{ .name = "description", .type = ARG_TEXT, .max = DESCRIPTION_MAX, .help = "what it is for" }, \
	{ .name = "enabled", .type = ARG_BOOL, .help = "is it watched" }, \
	{ .name = "match", .type = ARG_WORD, .words = "any|all", .help = "how conditions go together; any if not given" }, \
	{ .name = "conditions", .type = ARG_LIST, .required = (wanted), .min = 1, .max = ALARM_CONDS_MAX, .help = "counters, states and events" }, \
	{ .name = "actions", .type = ARG_LIST, .max = ALARM_ACTIONS_MAX, .help = "what is done when its status changes" }, \
	{ .name = "silenced_until", .type = ARG_U64, .max = TIME_MAX, .help = "no actions before, in ms since 1970; 0: it is not" }

static const struct op_arg create_args[] = {
	{ .name = "name", .type = ARG_NAME, .required = true, .help = "name, unique" },
	{ .name = "target", .type = ARG_WORD, .required = true, .words = TARGETS, .help = "kind of the objects that are watched" },
	{ .name = "entity", .type = ARG_ID, .help = "only it and what is in it",
	  .kinds = KIND_BIT(DATACENTER) | KIND_BIT(FOLDER) | KIND_BIT(CLUSTER) | KIND_BIT(HOST) | KIND_BIT(POOL) | KIND_BIT(VM) | KIND_BIT(DATASTORE) },
	SETTINGS(true), { 0 } };
static const struct op_arg update_args[] = {
	{ .name = "name", .type = ARG_NAME, .help = "new name" },
	SETTINGS(false), { 0 } };
static const struct op_arg acknowledge_args[] = {
	{ .name = "acknowledged", .type = ARG_BOOL, .help = "false: it is not" },
	{ 0 } };
static const struct op_arg silence_args[] = {
	{ .name = "until", .type = ARG_U64, .required = true, .max = TIME_MAX, .help = "no actions before, in ms since 1970; 0: no longer" },
	{ 0 } };

static const struct op_def defs[] = {
	{ .info = { "alarmdef.create", "Define alarm", KIND_NONE, ROLE_ADMINISTRATOR, false, create_args },
	  .apply = definition_create },
	{ .info = { "alarmdef.update", "Change alarm definition", KIND_ALARMDEF, ROLE_ADMINISTRATOR, false, update_args },
	  .apply = definition_update },
	{ .info = { "alarmdef.delete", "Remove alarm definition", KIND_ALARMDEF, ROLE_ADMINISTRATOR, false, NULL },
	  .apply = apply_delete },
	{ .info = { "alarm.acknowledge", "Acknowledge alarm", KIND_ALARM, ROLE_OPERATOR, false, acknowledge_args },
	  .apply = acknowledge },
	{ .info = { "alarm.reset", "Reset alarm", KIND_ALARM, ROLE_OPERATOR, false, NULL },
	  .apply = reset },
	{ .info = { "alarm.silence", "Silence alarm", KIND_ALARM, ROLE_OPERATOR, false, silence_args },
	  .apply = silence },
	{ .info = { .name = NULL } },
};

/* clang-format on */

void
alarm_register(void)
{
	ops_register(defs);
}
