/*
 * copies_int: what the files of this folder share.
 */
#pragma once
#include "base/list.h"
#include "host-agent/copy/copies.h"
#include "host-agent/copy/image_job.h"
#include "loop/flow.h"

struct timer;

/* An order that is to be answered. */
struct copy_waiter {
	struct list_node node;
	struct order_name name;
};

enum copy_side { COPY_TAKES, COPY_GIVES };

struct image_copy {
	uint32_t magic;
	struct list_node node;
	struct copies *owner;
	enum copy_side side;
	uint8_t key[CHANNEL_KEY_BYTES];
	uint64_t datastore;
	char *path, *peer_uuid;
	struct list ready_waiters; /* for where to dial */
	struct list end_waiters;

	/* To give. */
	char **addresses;
	size_t n_addresses;
	uint16_t port;
	uint64_t cap;

	/* Under way. */
	struct flow *flow; /* NULL: it is over */
	bool is_ready;
	struct image_job *job;
	struct call *call; /* of the job that runs now, or NULL */
	struct workers *thread;
	int wire_fd; /* until the thread takes it; -1 */
	struct channel_stream *stream;
	struct timer *timer; /* how far it is; then how long its stream stays */
	char *why_ended;     /* by order */

	/* Over. */
	struct err e;
	Drover__CopyFacts facts; /* good where e is clear */
	char sum[2 * IMAGE_SUM_BYTES + 1];
};

struct copies {
	struct copies_conf conf;
	struct copies_ops ops;
	struct list all; /* oldest first */
};

/* ---- copies.c ---- */

Drover__Reply *copies_reply_new(void);
/* It listens: whoever waits for that is told. */
void copy_say_ready(struct image_copy *c);
/* It is over: everybody is told. e is its reason, clear if it went well. */
void copy_say_end(struct image_copy *c, const struct err *e);

/* ---- copies_flow.c ---- */

void copy_start(struct image_copy *c);
void copy_give_up(struct image_copy *c, const char *why);
/* What it holds while it is under way; its flow is gone. */
void copy_let_go(struct image_copy *c);
