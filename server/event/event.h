/*
 * event: what happened; stored for ever (retention in the configuration), the newest in
 * memory.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"

enum event_code {

#define EVENT(code, type, severity) EV_##code,
#include "server/event/event.def"
#undef EVENT
	EV_COUNT_
};

struct inv;
struct str;

/* An event alone, in its own transaction; kept and retried in order while the database
 * is away (the newest 10,000). */
void event_post(struct inv *inv, enum event_code code, obj_id entity, const char *user,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));

const char *event_type(enum event_code code);     /* "VmDiedEvent" */
const char *event_severity(enum event_code code); /* "info", "warning", "error" */

/*
 * One stored event as JSON:
 * {"id","type","severity","time","entity","entity_name","task","user","message"}.
 * event_recent gives the i-th newest kept in memory, NULL when there are no more (ring
 * of 2,000); older ones are read from the database.
 */
const json *event_recent(const struct inv *inv, size_t i);
/* New events since the last call of this follower come as they are stored. */
typedef void (*event_fn)(const json *ev, void *arg);
void event_follow(struct inv *inv, event_fn fn, void *arg);
void event_unfollow(struct inv *inv, event_fn fn, void *arg);

/* Which events; 0 and NULL: all. */
struct event_ask {
	uint64_t before;   /* older than the one of that number */
	obj_id entity;     /* of it and of what was in it when they happened */
	const char *user;  /* who caused them; case ignored */
	const char *types; /* "{VmDiedEvent,VmStalledEvent}", of event_types_parse */
	uint64_t start_ms, end_ms; /* not before, not after */
	unsigned limit;
};

/* "Vm*,HostLostEvent,error": patterns of types, and severities; case ignored.
 * ERR_INVALID names the word that means none. */
int event_types_parse(
    const char *list, struct str *ret_types, struct err *e) WARN_UNUSED;

/* Read from the database, newest first.  done gets a JSON array (borrowed) or an error.
 */
typedef void (*events_fn)(void *arg, int rc, const struct err *e, json *events);
void event_query(
    struct inv *inv, const struct event_ask *ask, events_fn done, void *arg);
