/*
 * guest_world: the agent's guests on the simulated engine, from order to reply, for
 * tests.
 */
#pragma once
#include <stdbool.h>

#include "host-agent/guest/guests.h"
#include "tests/lib/agent_bed.h"

struct world {
	struct bed *bed;
	struct flows *flows;
	struct stores *stores;
	struct engine *engine;
	struct guests *guests;
	char *book, *run, *list;
	const char *faults;
	const char *uuid;                 /* of the host; NULL: it has no channel */
	struct ssl_ctx_st *accept, *dial; /* of its channel, borrowed */
	struct channel *channel;
	struct fence *fence; /* borrowed; NULL: it has no leases */

	unsigned replies, fails, events, adoptions;
	struct order_name answered;
	struct err fault;
	Drover__GuestStatus last; /* scalars of the newest reply */
	Drover__Reply *reply;     /* the newest; NULL: it was a fault */
	char what[32];            /* of the newest event */
	uint32_t step;
	uint64_t real_ms; /* when the clock was last moved */
};

struct answer_wait {
	struct world *w;
	unsigned want;
};

/* On a fresh bed, not open yet. */
struct world *world_new(void);
void world_free(struct world *w); /* closed before */
/* Setup and teardown of a test: *state is the world. */
int world_setup(void **state);
int world_teardown(void **state);
void world_open(struct world *w);
void world_close(struct world *w);
/* The agent ends as by SIGKILL, and begins anew. */
void world_restart(struct world *w);
/* Invented guests live on the clock, the book on real disks: both must go on. */
void world_let_time_pass(struct world *w);

/* Conditions for bed_until: of a world, and of a struct answer_wait. */
bool world_is_adopted(void *arg);
bool world_is_answered(void *arg);
void world_on_adopted(void *arg);

/* Orders are the caller's until given.  Each is the next step of task 1. */
Drover__Order *world_order(struct world *w, Drover__Order__VerbCase verb);
Drover__Order *world_start_order(struct world *w, uint64_t guest, uint64_t generation);
Drover__Order *world_stop_order(
    struct world *w, uint64_t guest, Drover__StopMode mode, uint32_t timeout_ms);
Drover__Order *world_reset_order(struct world *w, uint64_t guest, bool graceful);
/* Give it; the answer comes with the loop's turns.  o stays the caller's until then. */
void world_begin(struct world *w, Drover__Order *o);
/* Give it and wait for the answer: 0 or the fault's code.  o is taken. */
int world_give(struct world *w, Drover__Order *o_take);
int world_create(struct world *w, uint64_t guest);
int world_start(struct world *w, uint64_t guest, uint64_t generation);
int world_stop(
    struct world *w, uint64_t guest, Drover__StopMode mode, uint32_t timeout_ms);
int world_reset(struct world *w, uint64_t guest, bool graceful);
/* A verb that wants nothing but the guest. */
int world_plain(struct world *w, Drover__Order__VerbCase verb, uint64_t guest);
/* By a query, which must succeed. */
unsigned world_state(struct world *w, uint64_t guest);

#define NEW_BODY(o, field, init)                              \
	({                                                    \
		(o)->field = xcalloc(1, sizeof(*(o)->field)); \
		init((o)->field);                             \
		(o)->field;                                   \
	})

#define PAUSE(w, g)   world_plain((w), DROVER__ORDER__VERB_GUEST_PAUSE, (g))
#define RESUME(w, g)  world_plain((w), DROVER__ORDER__VERB_GUEST_RESUME, (g))
#define SUSPEND(w, g) world_plain((w), DROVER__ORDER__VERB_GUEST_SUSPEND, (g))
#define DELETE(w, g)  world_plain((w), DROVER__ORDER__VERB_GUEST_DELETE, (g))
#define QUERY(w, g)   world_plain((w), DROVER__ORDER__VERB_GUEST_QUERY, (g))
