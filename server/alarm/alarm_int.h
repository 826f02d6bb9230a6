/*
 * alarm_int: what the files of alarm/ share.
 */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/timer.h"
#include "server/alarm/alarm.h"
#include "server/alarm/alarm_eval.h"
#include "server/inventory/inv_alarm.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"

#define ALARMS_MAGIC  0x616c726du
#define ALARM_TICK_MS 1000u
/* As struct change has it. */
#define CHANGE_PARENT_FIELD (1ULL << 62)

/* A definition that is enabled, as it is worked with. */
struct alarm_rule {
	obj_id id, entity;
	enum obj_kind kind; /* of what it watches; KIND_NONE: the server */
	struct alarm_conds conds;
	uint64_t fields; /* whose changes matter, as in struct change */
	bool counts;     /* some condition is on a counter */
};

/* A definition on one object. */
struct alarm_watch {
	struct list_node node;    /* in its object's watches */
	struct list_node changed; /* in alarms->changed, if queued */
	struct list_node live;    /* in alarms->live or ->due, if looked after */
	const struct alarm_rule *rule;
	struct alarm_object *of;
	obj_id alarm;            /* that it has raised, or none */
	enum alarm_status shown; /* what is stored */
	uint64_t resets;         /* of the alarm, that were seen */
	struct alarm_state s[];  /* one a condition */
};

struct alarm_object {
	obj_id id;      /* none: the server */
	uint64_t round; /* of alarms->round, when its watches were made */
	struct list watches;
};

struct alarm_batch; /* alarm_write.c */
struct alarm_sender;

struct alarms {
	uint32_t magic;
	struct inv *inv;
	struct stats *stats;
	struct loop *loop;
	struct map *rules;   /* by id: struct alarm_rule */
	struct map *objects; /* by id: struct alarm_object */
	struct map
	    *raised; /* "alarmdef-1/vm-2" → struct alarm_raised, of alarm_write.c */
	struct map *raised_by_id; /* the same by the alarm's id */
	uint64_t round;           /* grows when objects may have come under others */
	obj_id at;                /* the walk over all objects has come so far */
	bool walking;
	uint64_t kinds_fields[KIND_COUNT_]; /* of all rules */
	uint64_t place_fields; /* of a guest: whose changes may bring it under others */
	uint64_t rule_fields;  /* of a definition: what it watches, and how */
	uint64_t feed_rev;
	struct list changed;       /* watches whose status is to be stored */
	struct list live;          /* watches that time alone may change */
	struct list due;           /* those of them that this second is not over for */
	struct alarm_batch *batch; /* on its way into the database, or NULL */
	unsigned ticks;
	bool untidy;      /* alarms may have lost what they are about */
	bool tidying;     /* they are being looked at */
	obj_id tidied_to; /* and were so far */
	struct timer *tick, *look, *walk, *write;
	struct alarm_sender *sender;
	struct list previews;
};

/* ---- alarm_book.c: definitions ---- */

void alarm_book_open(struct alarms *a);
void alarm_book_close(struct alarms *a);
/* It was made, changed or removed. */
void alarm_book_take(struct alarms *a, obj_id definition);
/* Is the object, of the right kind, it or in it? */
bool alarm_book_covers(
    const struct inv *inv, obj_id entity, enum obj_kind kind, obj_id id);

/* ---- alarm_watch.c: what objects have come to ---- */

/* With the watches that it should have; NULL: it is nothing that is watched. */
struct alarm_object *alarm_object_get(struct alarms *a, obj_id id);
void alarm_object_drop(struct alarms *a, struct alarm_object *o);
struct alarm_watch *alarm_watch_find(
    struct alarms *a, obj_id definition, obj_id entity);
void alarm_watch_drop_rule(struct alarms *a, const struct alarm_rule *r);
/* Look at its states. */
void alarm_watch_states(struct alarms *a, struct alarm_object *o);
/* As stats_fn. */
void alarm_watch_sample(void *alarms, obj_id id, uint64_t slot);
/* As event_fn. */
void alarm_watch_event(const json *event, void *alarms);
/* A second has passed: looks at some of those that are looked after, and at the others
 * in later turns. */
void alarm_watch_tick(struct alarms *a);
/* As loop_fn: at some more of them. */
void alarm_watch_look(void *alarms);
/* Somebody has set the alarm back. */
void alarm_watch_reset(struct alarms *a, const struct alarm *al);
/* Store its status if it is another one. */
void alarm_watch_judge(struct alarms *a, struct alarm_watch *w);
enum alarm_status alarm_watch_status(const struct alarm_watch *w);

/* ---- alarm_write.c: what is stored ---- */

/* Soon. */
void alarm_write_soon(struct alarms *a);
/* As loop_fn. */
void alarm_write_now(void *alarms);
/* Nobody hears any more what became of it. */
void alarm_write_drop(struct alarms *a);
/* "alarmdef-1/vm-2" */
#define ALARM_KEY_TEXT (2 * OBJ_ID_TEXT)
const char *alarm_key(obj_id definition, obj_id entity, char buf[ALARM_KEY_TEXT]);
/* The alarm of a definition on an object, or none. */
obj_id alarm_raised(const struct alarms *a, obj_id definition, obj_id entity);
/* Keep raised as the inventory has it. */
void alarm_raised_note(struct alarms *a, const struct alarm *al);
void alarm_raised_forget(struct alarms *a, obj_id alarm);
void alarm_raised_drop(struct alarms *a);
/* Nobody is to be told of what it does now. */
bool alarm_is_silent(const struct alarms *a, const struct alarm *al);

/* ---- alarm_default.c ---- */

void alarm_default_make(struct alarms *a);

/* ---- alarm_preview.c ---- */

void alarm_preview_drop(struct alarms *a);
