/*
 * alarm_send_int: one action on its way, for the files that know how it is done.
 */
#pragma once
#include "server/alarm/alarm_action.h"
#include "server/alarm/alarm_curl.h"
#include "server/alarm/alarm_int.h"
#include "server/alarm/alarm_notice.h"
#include "server/alarm/alarm_send.h"

struct child;
struct workers;

/* Whom actions go to: one after the other. */
struct alarm_receiver {
	char *key;
	struct list waiting; /* struct alarm_delivery; the first may be under way */
	bool busy;
	unsigned tries;   /* of the first, that failed */
	uint64_t next_ms; /* not before, on the loop's clock */
};

struct alarm_delivery {
	struct list_node node;
	struct alarm_sender *sender;
	struct alarm_receiver *receiver;
	obj_id alarm, entity;
	uint64_t turn;
	char *action; /* its name */
	json *what;   /* the action, with its secrets */
	enum alarm_action_type type;
	struct alarm_notice notice;
	uint64_t give_up_ms; /* on the loop's clock */
	struct child *child; /* of a script that runs */
};

struct alarm_sender {
	uint32_t magic;
	struct alarms *alarms;
	struct inv *inv;
	struct ops *ops;
	struct loop *loop;
	struct workers *workers;
	char *smtp_url, *smtp_from, *smtp_user, *smtp_password_file, *scripts, *ca_file;
	uint32_t deadline_ms, script_ms;
	struct map *receivers; /* by key */
	struct map *known;     /* deliveries, by what their notice calls them */
	struct list ends;
	struct timer *timer;
	atomic_bool stop; /* jobs end */
};

/* It has come to an end, well or not: ERR_TIMEOUT, ERR_LOST, ERR_BUSY, ERR_UNAVAILABLE:
 * it is tried again. */
void alarm_delivery_done(struct alarm_delivery *d, int rc, const struct err *e);
/* A text of its action; "" if it has none. */
const char *alarm_delivery_text(const struct alarm_delivery *d, const char *key);

/* ---- alarm_do.c: one way for each type; an error: it was not begun ---- */

int alarm_do(struct alarm_delivery *d, struct err *e) WARN_UNUSED;
/* Where it goes to; the caller's. */
char *alarm_do_receiver(const struct alarm_delivery *d);
