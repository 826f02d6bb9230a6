/*
 * watch_int: what the files of the watch share.
 */
#pragma once
#include <stdbool.h>

#include "base/json.h"
#include "base/list.h"
#include "base/map.h"
#include "loop/timer.h"
#include "server/api/watch.h"
#include "server/inventory/inv.h"

#define WATCH_MAX_QUEUE   ((size_t)1024 * 1024)
#define WATCH_BEHIND_MS   30000u
#define WATCH_PING_MS     15000u
#define WATCH_MIN_GAP_MS  20u   /* between deltas to one client */
#define WATCH_MAX_RATE    5000u /* deltas a second to all of them */
#define WATCH_CHUNK       400u
#define WATCH_MAX_SUBS    8u
#define WATCH_MAX_CLIENTS 1000u
#define WATCH_MAX_STATS   16u /* objects whose samples a session watches */

struct watch_stats;

enum sub_kind {
	SUB_INVENTORY,
	SUB_TASKS,
	SUB_EVENTS,
	SUB_ALARMS,
	SUB_STATS,
	SUB_KIND_COUNT_
};

struct sub {
	bool used;
	uint64_t id; /* the client's */
	enum sub_kind kind;
	uint64_t rev; /* everything up to it has been sent */
	bool lapsed;  /* told to resync, or waits for its first answer: silent */
	bool wanted;  /* asked for a snapshot that has not begun */
	struct watch_stats *stats; /* NULL: of another kind */
};

struct client {
	struct list_node node;
	uint64_t ws;
	char session[24];
	struct sub subs[WATCH_MAX_SUBS];
	size_t queued;            /* bytes on their way */
	size_t asked;             /* those of them that it asked for: snapshots */
	uint64_t behind_since_ms; /* 0: not behind */
	uint64_t next_flush_ms;
	uint64_t next_ping_ms;
};

/* The newest delta made, for the next client that stands where the last one stood. */
struct delta_memo {
	uint64_t from, to;
	char *set; /* `"set":{…},"del":[…]`, NULL: nothing of the kind changed */
	bool valid;
};

struct watch {
	struct watch_deps d;
	struct list clients;
	struct map *by_ws;
	struct timer *timer;
	struct delta_memo memo[SUB_KIND_COUNT_];
	uint64_t queued;
	uint64_t resyncs;
};

void watch_send(struct watch *w, struct client *c, char *text_take, size_t n);
void watch_send_json(struct watch *w, struct client *c, json *j_take);
bool watch_covers(enum sub_kind s, enum obj_kind k);
/* Chunks of everything the subscription covers. */
void watch_snapshot(struct watch *w, struct client *c, struct sub *s);
/* What changed since the subscription's revision; true if that was anything. */
bool watch_delta(struct watch *w, struct client *c, struct sub *s);
void watch_lapse(struct watch *w, struct client *c, struct sub *s, const char *why);

/* ---- watch_stat.c ---- */

/* What m asks for, in the place of what old has; old may be NULL. */
int watch_stats_new(struct watch *w, struct client *c, const json *m,
    const struct sub *old, struct watch_stats **ret, struct err *e) WARN_UNUSED;
void watch_stats_free(struct watch_stats *s);
/* It is the subscription of that id: say what comes of it. */
void watch_stats_greet(struct watch_stats *s, uint64_t id);
