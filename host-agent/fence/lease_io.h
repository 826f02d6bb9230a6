/*
 * lease_io: the thread that waits for one datastore, so that the loop does not.
 *
 * Jobs run one after the other, in the order in which they came: a write that storage
 * holds back is never overtaken by a later one.  Whoever asked hears by a deadline of
 * his own; what storage answers after that falls on the floor, so an unanswered read
 * says nothing, and an unanswered write may still land.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct lease_io;
struct loop;

/* What a job works on belongs to it: drop frees it when neither side needs it. */
struct lease_job {
	int (*run)(void *data, struct err *e); /* on the thread */
	/* In the posts phase, once.  ERR_TIMEOUT: the deadline has passed, and the
	 * thread may be at it still: only what run does not write may be looked at. */
	void (*done)(void *data, int rc, const struct err *e);
	void (*drop)(void *data); /* on either side */
	void *data;
	const void *owner; /* see lease_io_forget */
};

/* max: how many jobs may wait. */
struct lease_io *lease_io_new(struct loop *l, unsigned max);
/* Nobody hears any more.  Never waits: a thread that storage holds goes when it can. */
void lease_io_free(struct lease_io *io);
/* ERR_BUSY: too many wait; data is the caller's still. */
int lease_io_run(struct lease_io *io, const struct lease_job *job, uint32_t deadline_ms,
    struct err *e) WARN_UNUSED;
/* Nobody waits for an answer. */
bool lease_io_is_idle(const struct lease_io *io);
/* No done of that owner's jobs is called any more; what they began goes on. */
void lease_io_forget(struct lease_io *io, const void *owner);
