/*
 * fence_bed: hosts with their fence drivers on one datastore, and a leader that answers
 * them, for tests.  What runs is what the test says, or guests of their own.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "host-agent/fence/fence.h"
#include "loop/flow.h"
#include "tests/lib/agent_bed.h"
#include "tests/lib/waiter.h"

#define FENCE_BED_HOSTS       2
#define FENCE_BED_GUESTS      4 /* numbers 1 … */
#define FENCE_BED_STORE       3 /* the number of the datastore that all lie on */
#define FENCE_BED_OTHER_STORE 4

#define FENCE_BED_LEASE_MS 10000u
#define FENCE_BED_DEAD_MS  11400u

struct fence_bed;

struct guests;

struct fence_host {
	struct fence_bed *all;
	struct bed *bed;
	struct flows *flows;
	struct guests *guests; /* NULL: copies and so on below */
	uint32_t slot;         /* its number, too */
	struct fence *fence;
	struct fence_ping *ping; /* NULL: it is never isolated */
	bool lost_store;         /* the datastore is not attached to it */

	/* By number, [0] is nobody. */
	bool known[FENCE_BED_GUESTS + 1];
	struct fence_copy copies[FENCE_BED_GUESTS + 1];
	unsigned kills[FENCE_BED_GUESTS + 1], restarts[FENCE_BED_GUESTS + 1];
	unsigned shutdowns[FENCE_BED_GUESTS + 1];
	char why[64]; /* of the last kill or shutdown */
	unsigned resets;
	/* Its hardware watchdog, where it has one. */
	bool hardware, armed;
	unsigned arms, feeds;

	/* What the leader knows of it. */
	uint64_t inc;
	bool fenced, deaf; /* deaf: it is not answered */
	bool off;          /* it is told that HA is off */
	bool store_is_others;
	uint64_t stop;              /* a guest whose copy here is old; 0: none */
	bool runs_seen;             /* its word on what it has reaped is taken */
	uint64_t answered;          /* the last beat's nonce */
	Drover__Beat *beat, *whole; /* the last one, and the last with all runs */
	unsigned beats, joins;
};

struct fence_bed {
	struct bed *own; /* NULL: the hosts' are the test's */
	struct flows *flows;
	struct datastore *ds, *other_ds;
	uint64_t guest_store; /* where guest 1 lies, by the leader's list; 0: no list */
	struct fence_host hosts[FENCE_BED_HOSTS + 1]; /* [0] is nobody */
	uint64_t real_ms; /* when the clock was last moved */
	uint32_t isolation_ms;
	const char *isolation_address; /* NULL: the default gateways */
	Drover__HaResponse response;
};

/* All on one loop. */
int fence_bed_setup(void **state);
int fence_bed_teardown(void **state);
/* Each on its own; their flows and guests are set when they are there. */
struct fence_bed *fence_bed_over(struct bed *one, struct bed *two);
void fence_bed_free(struct fence_bed *b);
struct fence_host *fence_bed_host(struct fence_bed *b, uint32_t slot);
/* Its agent begins, or ends as by SIGKILL; what is kept stays. */
void fence_host_open(struct fence_host *h);
void fence_host_close(struct fence_host *h);
/* The leader says what it wants. */
void fence_host_conf(struct fence_host *h);
/* Let time go by until cond, or for so long; the loop turns. */
void fence_bed_turn(struct fence_bed *b);
void fence_bed_until(struct fence_bed *b, bool (*cond)(void *arg), void *arg);
void fence_bed_pass(struct fence_bed *b, uint64_t ms);
uint64_t fence_bed_now_ms(const struct fence_bed *b);
/* A condition: the other host sees its block, as the incarnation that it is. */
bool fence_host_is_seen(void *host);

/* Claim guest for gen; attest_slot: a host of which netfence is attested for
 * attest_inc; 0: none. */
struct fence_try {
	struct fence_host *host;
	uint64_t guest, gen;
	enum fence_start how;
	uint32_t attest_slot;
	uint64_t attest_inc;
	struct waiter waiter;
};

/* As of its order; free with drover__run_claim__free_unpacked. */
Drover__RunClaim *fence_try_claim(const struct fence_try *t);
void fence_try_begin(struct fence_try *t);
/* Time goes by until it has ended. Returns its rc. */
int fence_try_end(struct fence_try *t);
/* Drop, and wait for it. */
int fence_host_drop(struct fence_host *h, uint64_t guest, enum fence_end how);
/* The guest's processes begin, under a guard. */
void fence_host_run(struct fence_host *h, uint64_t guest, uint64_t gen);
void fence_host_reap(struct fence_host *h, uint64_t guest, bool wanted);
/* What the host says of it last; NULL: nothing. */
const Drover__RunWord *fence_host_word(const struct fence_host *h, uint64_t guest);
/* Path of a file below the datastore, as of bed_path. */
const char *fence_bed_file(const struct fence_bed *b, const char *name);

/* ---- a play to begin with ---- */

/* Its agent begins and is told what is wanted. */
struct fence_host *fence_host_up(struct fence_bed *b, uint32_t slot);
/* Two hosts that see each other; the guest runs on the first, as generation 1. */
struct fence_host *fence_bed_two(struct fence_bed *b, uint64_t guest);
/* The host says so of the guest. */
void fence_host_until(
    struct fence_host *h, uint64_t guest, Drover__RunPhase phase, bool alive);
