/*
 * event_int: what the files of event/ share.
 */
#pragma once
#include "base/list.h"
#include "server/db/db.h"
#include "server/event/event_life.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"

#define EVENT_RING 2000u

struct event_follower {
	event_fn fn;
	void *arg;
};

struct event_queue; /* event_post.c */

struct events {
	uint32_t magic;
	struct inv *inv;
	json *ring[EVENT_RING]; /* the i-th stored since the start stands at i %
				   EVENT_RING */
	uint64_t stored;
	struct event_follower *followers;
	size_t n_followers;
	struct event_queue *queue;
	struct timer *prune; /* event_prune.c */
	unsigned keep_days;
};

#define EVENTS_MAGIC 0x65766e74u

/* An event before it has its number. */
struct event_draft {
	enum event_code code;
	obj_id entity, task;
	char *entity_name; /* NULL: the one that it has when the transaction is sent */
	char *user, *message;
	uint64_t at_ms;
};

/* Make it a part of the transaction; the draft's texts are taken. */
void event_put(struct txn *t, const struct event_draft *d_take);
void event_draft_fini(struct event_draft *d);
/* It is stored: into the ring and to the followers. */
void event_stored(struct events *ev, json *j_take);

struct event_queue *event_queue_new(struct events *ev);
void event_queue_free(struct event_queue *q);

/* ---- event_query.c ---- */

/* The rows of a question, newest first, as event_row_json reads them. */
void event_list(
    struct inv *inv, const struct event_ask *ask, db_rows_fn done, void *arg);
json *event_row_json(const struct db_rows *rows, size_t i);

/* ---- event_prune.c ---- */

void event_prune_open(struct events *ev);
void event_prune_close(struct events *ev);
