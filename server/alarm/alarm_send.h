/*
 * alarm_send: does the actions that are due.
 *
 * Each receiver gets its own one after the other, in their order; one that does not
 * answer is cut after a deadline, asked again after ever longer times, and given up
 * after an hour.  It holds up nobody else.
 */
#pragma once
#include "base/list.h"
#include "server/alarm/alarm.h"
#include "server/inventory/inv_alarm.h"

struct alarm_sender;

/* A due action that has come to its end, and is to be stored so. */
struct alarm_end {
	struct list_node node;
	obj_id alarm;
	uint64_t turn;
	char *action; /* name */
	int rc;
	char msg[240];
};

struct alarm_sender *alarm_sender_new(struct alarms *a, const struct alarm_opts *o);
/* Jobs that run are cut, no other begins. */
void alarm_sender_close(struct alarm_sender *s);
void alarm_sender_free(struct alarm_sender *s);

/* Begin what is due of an alarm and has not begun. */
void alarm_send_due(struct alarm_sender *s, const struct alarm *al);
/* Of struct alarm_end: whoever stores them takes them out. */
struct list *alarm_send_ends(struct alarm_sender *s);
void alarm_end_free(struct alarm_end *end);
