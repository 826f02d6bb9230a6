#include "server/alarm/alarm_due.h"

#include "base/str.h"
#include "server/alarm/alarm_action.h"

#define TEXT_MAX 1024u

/* The list without entry i; NULL: nothing is left. */
static json *
without(const json *list, size_t i)
{
	json *rest = json_new_array();

	for (size_t k = 0; k < json_count(list); k++) {
		if (k != i)
			json_add_json(rest, json_dup(json_at(list, k)));
	}
	if (json_count(rest))
		return rest;
	json_free(rest);
	return NULL;
}

static void
drop(struct alarm *al, size_t i)
{
	json *before = al->due;

	al->due = without(before, i);
	json_free(before);
}

void
alarm_due_add(struct alarm *al, const struct alarm_def *d, enum alarm_status was)
{
	for (size_t i = 0; d->actions && i < json_count(d->actions); i++) {
		const json *action = json_at(d->actions, i);
		json *j;

		if (!alarm_action_is_on(action, al->status))
			continue;
		j = json_new_object();
		json_set_u64(j, "turn", al->turns);
		json_set_str(j, "action", alarm_action_name(action));
		json_set_str(j, "status", alarm_status_text(al->status));
		json_set_str(j, "was", alarm_status_text(was));
		json_set_str(j, "reason", al->reason ? al->reason : "");
		json_set_u64(j, "at", al->since);
		if (!al->due)
			al->due = json_new_array();
		json_add_json(al->due, j);
	}
	while (al->due && json_count(al->due) > ALARM_DUE_MAX)
		drop(al, 0);
}

void
alarm_due_strike(struct alarm *al, uint64_t turn, const char *action)
{
	for (size_t i = 0; al->due && i < json_count(al->due); i++) {
		struct err e = ERR_INIT;
		struct alarm_due d;

		if (alarm_due_read(json_at(al->due, i), &d, &e) || d.turn != turn ||
		    !str_same(d.action, action))
			continue;
		drop(al, i);
		return;
	}
}

static int
read_status(const json *j, const char *key, enum alarm_status *ret, struct err *e)
{
	const char *word = NULL;
	int rc = json_read_str(j, key, JSON_REQUIRED, TEXT_MAX, &word, e);
	int v = rc ? -1 : alarm_status_parse(word);

	if (!rc && v < 0)
		rc = err_set(e, ERR_CORRUPT, "%s: \"%s\" is no status", key, word);
	if (!rc)
		*ret = (enum alarm_status)v;
	return rc;
}

int
alarm_due_read(const json *j, struct alarm_due *ret_d, struct err *e)
{
	int rc =
	    json_read_u64(j, "turn", JSON_REQUIRED, 0, UINT64_MAX, &ret_d->turn, e);

	if (!rc)
		rc = json_read_u64(
		    j, "at", JSON_REQUIRED, 0, UINT64_MAX, &ret_d->at_ms, e);
	if (!rc)
		rc = json_read_str(
		    j, "action", JSON_REQUIRED, TEXT_MAX, &ret_d->action, e);
	if (!rc)
		rc = json_read_str(
		    j, "reason", JSON_REQUIRED, TEXT_MAX, &ret_d->reason, e);
	if (!rc)
		rc = read_status(j, "status", &ret_d->status, e);
	return rc ? rc : read_status(j, "was", &ret_d->was, e);
}
