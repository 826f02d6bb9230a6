/*
 * copies: images that go from one host's datastore to another's, by order.
 *
 * Both sides are told the same key.  The taking side looks whether the image could
 * come, expects one stream under the key and says where it listens; the giving side
 * dials and sends (image_frame.h).  Either side's file work is done by a thread of its
 * own for each copy: one waits for the other, and a pool that both sides shared could
 * wait for ever.  A copy that nobody begins to send within COPIES_DIAL_MS, that is
 * cancelled or whose stream ends leaves nothing.
 *
 * How copies ended is remembered, the newest COPIES_KEEP of them, until the agent ends.
 * Loop thread only.
 */
#pragma once
#include "host-agent/channel/channel.h"
#include "host-agent/link/progress.h"
#include "host-agent/storage/disk.h"

#define COPIES_MAX     64u /* under way */
#define COPIES_KEEP    256u
#define COPIES_DIAL_MS 120000u

struct copies;
struct flows;

struct copies_ops {
	void (*reply)(void *arg, struct order_name name, Drover__Reply *r_take);
	void (*fail)(void *arg, struct order_name name, const struct err *e);
	void *arg;
};

/* All borrowed. */
struct copies_conf {
	struct loop *loop;
	struct flows *flows;
	struct workers *workers; /* for a short look at a datastore */
	const struct disk_conf *disk;
	struct channel *channel; /* NULL: this host takes and gives none */
	const char *const
	    *addresses; /* where the channel is reached; they may change */
	size_t n_addresses;
	struct progress *progress; /* NULL: nobody wants to know */
	uint32_t dial_ms;          /* 0: COPIES_DIAL_MS */
};

struct copies *copies_new(const struct copies_conf *c, const struct copies_ops *ops);
/* After the flows, before the channel and the workers; ends what runs, unanswered. NULL
 * is fine. */
void copies_free(struct copies *cs);

/* The orders of proto/migrate.proto. What they refer to is copied; 0: answered later.
 */
int copies_receive(struct copies *cs, struct order_name name, struct datastore *ds,
    const Drover__ImageReceive *o, struct err *e) WARN_UNUSED;
int copies_send(struct copies *cs, struct order_name name, struct datastore *ds,
    const Drover__ImageSend *o, struct err *e) WARN_UNUSED;
int copies_received(struct copies *cs, struct order_name name,
    const Drover__ImageReceived *o, struct err *e) WARN_UNUSED;
/* Whoever of the three it is, the copy is given up. false: it is none of these. */
bool copies_cancel(struct copies *cs, struct order_name name, const char *why);
