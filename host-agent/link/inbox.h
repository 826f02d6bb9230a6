/*
 * inbox: an order comes in, its handler acts, one reply goes out.
 *
 * The same (task, step) again gets the stored reply; while it is still being carried
 * out, the reply that is coming.  The deadline of an order is this module's: it asks
 * the handler to give up, and a work given up for it is answered with TIMEOUT.  Loop
 * thread only.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "host-agent/link/journal.h"

#define MAX_ORDERS_RUNNING    4096u
#define ORDER_DEADLINE_MAX_MS (24u * 3600 * 1000)

enum inbox_who { INBOX_GUESTS, INBOX_STORES, INBOX_INBOX, INBOX_WHO_ };

struct inbox;

struct inbox_handler {
	/*
	 * Carry out o; inbox_reply or inbox_fail ends it, now or later. o is the
	 * inbox's and good until then.
	 */
	void (*start)(void *arg, struct order_name name, const Drover__Order *o);
	/* Give it up if that can be done: ends with ERR_CANCELLED. NULL: never. */
	void (*cancel)(void *arg, struct order_name name, const char *why);
	void *arg;
};

/* The link may be down: then the server will ask again. */
typedef void (*inbox_send_fn)(void *arg, const Drover__Reply *r);

struct inbox *inbox_new(struct loop *l, struct journal *j,
    const struct inbox_handler handlers[INBOX_INBOX], inbox_send_fn send, void *arg);
/* Orders in progress stay begun in the journal. */
void inbox_free(struct inbox *in);

/* m holds an order; its epoch has been checked. */
void inbox_order(struct inbox *in, Drover__Envelope *m_take);
/* Answer an order without acting on it (an old epoch, say). */
void inbox_refuse(struct inbox *in, const Drover__Order *o, const struct err *why);
/* The end of an order. r is taken; its task and step are filled in here. */
void inbox_reply(struct inbox *in, struct order_name name, Drover__Reply *r_take);
void inbox_fail(struct inbox *in, struct order_name name, const struct err *e);
/* The order that was acted on last; zeroes before the first. */
struct order_name inbox_last(const struct inbox *in);
size_t inbox_running(const struct inbox *in);
const char *inbox_verb_name(Drover__Order__VerbCase verb);
