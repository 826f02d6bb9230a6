/*
 * alarm: says when something is not as it should be, and does something about it.
 *
 * Definitions (inv_alarm.h) are watched on every object they are for.  Samples
 * (stats_follow), changes of the inventory and events each move the conditions that
 * depend on them, and nothing else is looked at.  A change of an alarm's status is
 * stored with its event and with the actions that are due; these are done from there,
 * each once for a change, though servers come and go (ADR 46).  Core thread; what
 * blocks is done by its own workers and by child processes.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"

struct alarms;
struct inv;
struct ops;
struct stats;

struct alarm_opts {
	struct inv *inv;
	struct stats *stats; /* NULL: nothing is counted */
	struct ops *ops;     /* for tasks; NULL: they fail */
	/* All copied; "" and NULL: there is none. */
	const char *smtp_url;  /* "smtp://mail.example:25" */
	const char *smtp_from; /* who mails come from */
	const char *smtp_user;
	const char *smtp_password_file;
	const char *scripts;  /* folder of programs */
	const char *ca_file;  /* of those who sign receivers; the system's */
	uint32_t deadline_ms; /* for each try of an action */
	uint32_t script_ms;   /* for a script */
};

/* Verbs for definitions and alarms; before ops_new. */
void alarm_register(void);

/* Makes the definitions of a new installation where there never was one. */
struct alarms *alarms_new(const struct alarm_opts *o);
/* Nothing more is sent; jobs that run are cut. */
void alarms_close(struct alarms *a);
void alarms_free(struct alarms *a);

/* How often a definition would have raised an alarm.  j is borrowed; NULL with an
 * error. */
typedef void (*alarm_preview_fn)(void *arg, int rc, const struct err *e, const json *j);

struct alarm_preview_ask {
	obj_id entity;      /* none: everything */
	const char *target; /* "vm" */
	const char *match;  /* "any"; NULL: that */
	const json *conditions;
	uint32_t days;
};

/* done comes once, in a later posts phase. */
int alarms_preview(struct alarms *a, const struct alarm_preview_ask *ask,
    alarm_preview_fn done, void *arg, struct err *e) WARN_UNUSED;
