/*
 * outbox: events about guests that the server has not acknowledged yet.
 *
 * Each is on disk before it is sent and is sent again after every reconnect until its
 * EventAck comes.  At most OUTBOX_MAX wait; then the oldest go, for every report says
 * how things stand now.  Ids grow, also over a lost file: they are never below the wall
 * clock's milliseconds. Loop thread only.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/envelope.pb-c.h"

#define OUTBOX_MAX 1000u

struct loop;
struct outbox;
struct workers;

/* Send one; the link may be down (then it comes again from outbox_resend). */
typedef void (*outbox_send_fn)(void *arg, const Drover__GuestEvent *ev);

struct outbox_conf {
	struct loop *loop;
	struct workers *workers;
	const char *path;
	outbox_send_fn send;
	void *arg; /* of send */
};

/* Blocks (start-up). A damaged file is set aside and logged. */
int outbox_open(
    const struct outbox_conf *c, struct outbox **ret_b, struct err *e) WARN_UNUSED;
void outbox_free(struct outbox *b);
/* Give ev its id and time, store it, then send it. ev is copied. */
void outbox_add(struct outbox *b, const Drover__GuestEvent *ev);
/* The link is up: send all that are stored, oldest first. */
void outbox_resend(struct outbox *b);
/* Forget the event with that id. */
void outbox_ack(struct outbox *b, uint64_t id);
size_t outbox_count(const struct outbox *b);
