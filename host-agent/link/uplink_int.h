/*
 * uplink_int: a line to each server, and what they share.
 *
 * uplink_line.c dials, greets and beats on one line; uplink_list.c says which servers
 * have one; uplink.c has the set of them and what the agent sees of it.
 */
#pragma once
#include "base/rng.h"
#include "host-agent/link/uplink.h"

#define MAX_LISTED  16u /* in one ServerList */
#define MAX_SERVERS (2 * MAX_LISTED)

struct line {
	struct uplink *u;
	char *host;
	uint16_t port;
	enum uplink_state state;
	struct link *link;
	struct link *ended; /* freed by the reaper, never from within its callback */
	unsigned failures;  /* attempts since a server last spoke to us */
	uint32_t asked_ms;  /* the server's wish for the next wait */
	uint64_t heard_ms;  /* when the last frame came */
	uint32_t beat_ms;
	uint64_t nonce;
	struct timer *retry, *greeting, *beat, *reaper;
	bool warned;     /* the outage was logged already */
	bool leads;      /* it stands by because another line reaches the same leader */
	bool configured; /* in the settings */
	bool listed;     /* by the leader, or named as the one who leads */
};

struct uplink {
	struct loop *loop;
	struct uplink_conf conf;
	struct epoch *epoch;
	const struct uplink_events *ev;
	void *arg;
	struct rng rng;
	struct line *lines[MAX_SERVERS];
	size_t n_lines;
	bool started;
	struct saver *kept;  /* the leader's list; NULL: it is not kept */
	struct timer *sweep; /* of lines that nobody wants any more */
	struct line *ready;  /* the one that had its welcome, or NULL */
};

/* host is taken. */
struct line *line_new(struct uplink *u, char *host_take, uint16_t port);
void line_free(struct line *l);
void line_start(struct line *l);
/* Fills in version and epoch. */
int line_send(struct line *l, Drover__Envelope *m, struct err *e) WARN_UNUSED;
/* Greet a leader that was only listened to. */
void line_greet(struct line *l);
/* Who leads is said to be there: do not wait any longer. */
void line_hurry(struct line *l);
/* Give the link up, whatever it does, and try again later. */
void line_drop(struct line *l, const char *why);

/* uplink_list.c */
enum line_source { LINE_CONFIGURED, LINE_LISTED };

/* A line to "host:port", if there is none yet. */
int uplink_list_add(struct uplink *u, const char *server, enum line_source from,
    struct err *e) WARN_UNUSED;
/* What was kept of the leader's last list is dialled, too. */
void uplink_list_open(struct uplink *u, const char *path);
void uplink_list_take(struct uplink *u, const Drover__ServerList *list);
/* Lines that nobody wants any more go, but not the one that is obeyed. */
void uplink_list_sweep(void *u);

/* uplink.c: what became of a line. */
void uplink_welcomed(struct line *l, const Drover__Welcome *w);
void uplink_lost(struct line *l);
void uplink_hint(struct uplink *u, const char *leader);
