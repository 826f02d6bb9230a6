/*
 * handoff: owned messages into a loop from any other thread.
 *
 * The receiver is called on the loop's thread in the posts phase, in sending order.
 * What travels is owned by the receiver once sent.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "loop/loop.h"

struct handoff;

typedef void (*handoff_fn)(void *msg, void *arg);
/* max: how many messages may wait; drop frees what is still queued at handoff_free. */
struct handoff *handoff_new(
    struct loop *l, size_t max, handoff_fn recv, void (*drop)(void *msg), void *arg);
void handoff_free(struct handoff *h);
/* Any thread. False if the queue is full or closed: the message stays the caller's. */
bool handoff_send(struct handoff *h, void *msg);
size_t handoff_waiting(const struct handoff *h); /* any thread */
