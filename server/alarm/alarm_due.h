/*
 * alarm_due: the actions of an alarm that are under way, as they are stored with it.
 *
 * A list of {"turn", "action", "status", "was", "reason", "at"}.  Pure.
 */
#pragma once
#include "base/json.h"
#include "server/inventory/inv_alarm.h"

#define ALARM_DUE_MAX 64u /* of one alarm: the oldest fall out */

/* The alarm has just turned: put down what its definition's actions have to do. */
void alarm_due_add(struct alarm *al, const struct alarm_def *d, enum alarm_status was);
/* It has been done. */
void alarm_due_strike(struct alarm *al, uint64_t turn, const char *action);

struct alarm_due {
	uint64_t turn, at_ms;
	const char *action, *reason; /* borrowed */
	enum alarm_status status, was;
};

/* One that was stored; a negative code if it is none. */
int alarm_due_read(const json *j, struct alarm_due *ret_d, struct err *e) WARN_UNUSED;
