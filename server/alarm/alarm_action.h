/*
 * alarm_action: what is to be done when an alarm changes, as it is given and kept.
 *
 * A list of {"name"?, "type", "on"?: ["red", "yellow", "green"], …} with, by type,
 *  email    "to": [address …]
 *  webhook  "url", "secret"?           both are kept from being shown
 *  snmp     "host", "community"?       so is the latter
 *  script   "program", "args"?: [text …]
 *  task     "op", "args"?: {…}         on the object of the alarm
 *  event    "message"
 *
 * Pure but for the table of verbs.
 */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "server/inventory/inv_obj.h"

#define ALARM_ACTIONS_MAX 16u

enum alarm_action_type {
	ALARM_EMAIL,
	ALARM_WEBHOOK,
	ALARM_SNMP,
	ALARM_SCRIPT,
	ALARM_TASK,
	ALARM_POST
};

/*
 * Check them, and part them into what may be shown and the secrets:
 * {name: {"url": …}}, or NULL.  A secret that is not given stays as it is in old, where
 * an action of that name has it.  Every error names the action and the field.
 */
struct alarm_actions {
	json *shown, *secrets;
};

int alarm_actions_take(const json *given, const json *old, enum alarm_target target,
    struct alarm_actions *ret_a, struct err *e) WARN_UNUSED;

/* Of one that was taken. */
const char *alarm_action_name(const json *action);
enum alarm_action_type alarm_action_type(const json *action);
/* Is it to be done when an alarm becomes this?  What is no longer known is green. */
bool alarm_action_is_on(const json *action, enum alarm_status status);
/* The one of that name with its secrets in it, the caller's; NULL: there is none. */
json *alarm_action_whole(const json *shown, const json *secrets, const char *name);
/* "https://hooks.example/…": whom it goes to, without what must not be seen. */
char *alarm_url_shown(const char *url);
