/*
 * alarm_default: the definitions of a new installation.
 */
#include "server/alarm/alarm_default.h"

#include <string.h>

#include "base/log.h"
#include "server/alarm/alarm_int.h"
#include "server/event/event.h"

static const struct alarm_default all[] = {
#define ALARM(target, match, name, conditions, description) \
	{ ALARM_OF_##target, ALARM_##match, (name), (conditions), (description) },
#include "server/alarm/alarm_default.def"
#undef ALARM
};

const struct alarm_default *
alarm_defaults(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(all);
	return all;
}

json *
alarm_default_conditions(const struct alarm_default *d)
{
	AUTO_FREE char *text = xstrdup(d->conditions);
	struct err e = ERR_INIT;
	json *j = NULL;

	for (char *p = text; *p; p++) {
		if (*p == '\'')
			*p = '"';
	}
	if (json_parse(text, strlen(text), d->name, &j, &e))
		return NULL;
	return j;
}

static int
add(struct txn *t, const struct alarm_default *d, struct err *e)
{
	struct alarm_def *def;
	void *made;
	int rc = txn_add(t, KIND_ALARMDEF, OBJ_ID_NONE, d->name, &made, e);

	if (rc)
		return rc;
	def = made;
	def->target = d->target;
	def->description = xstrdup(d->description);
	def->enabled = true;
	def->match = d->match;
	def->conditions = alarm_default_conditions(d);
	def->actions = json_new_array();
	return 0;
}

static void
on_made(void *arg, int rc, const struct err *e)
{
	if (rc)
		log_warn("alarm", "the first definitions cannot be stored: %s", e->msg);
}

void
alarm_default_make(struct alarms *a)
{
	struct txn *t;
	struct err e = ERR_INIT;
	int rc = 0;

	/* Who has removed them all does not want them back. */
	if (inv_count(a->inv, KIND_ALARMDEF) ||
	    obj_id_number(inv_new_id(a->inv, KIND_ALARMDEF)) != 1)
		return;
	t = txn_new(a->inv);
	for (size_t i = 0; !rc && i < ARRAY_SIZE(all); i++)
		rc = add(t, &all[i], &e);
	if (rc) {
		log_warn("alarm", "the first definitions cannot be made: %s", e.msg);
		txn_free(t);
		return;
	}
	txn_commit(t, on_made, NULL);
}
