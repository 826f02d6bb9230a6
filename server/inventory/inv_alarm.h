/*
 * inv_alarm: definitions of alarms and the alarms they have raised, as the inventory
 * has them (inv.h).
 */
#pragma once
#include "server/inventory/inv.h"

struct alarm_def { /* parent: none; the name is unique */
	struct obj o;
	obj_id entity; /* watched are it and what is in it; none: everything */
	enum alarm_target target; /* objects of this kind */
	char *description;
	bool enabled;
	enum alarm_match match;
	json *conditions; /* as alarm_parse.h reads them */
	json *actions;    /* as alarm_action.h reads them, without their secrets */
	json *secrets; /* {name of an action: {"url": …, "secret": …}}, or NULL */
	uint64_t silenced_until; /* 0: it is not */
};

/* One that is raised, is silenced, or has actions under way. */
struct alarm { /* parent: none; name: its definition's */
	struct obj o;
	obj_id definition;
	obj_id entity; /* none: the server */
	char *entity_name;
	enum alarm_status status;
	char *reason; /* for people */
	uint64_t since;
	bool acknowledged;
	char *acknowledged_by;
	uint64_t acknowledged_at, silenced_until;
	char *levels;    /* of each condition, a digit of enum alarm_status */
	uint64_t turns;  /* how often it has changed its status */
	uint64_t resets; /* how often somebody has set it back */
	json *due;       /* actions under way (alarm_due.h), or NULL */
};

const struct alarm_def *inv_alarm_def(const struct inv *inv, obj_id id);
const struct alarm *inv_alarm(const struct inv *inv, obj_id id);
