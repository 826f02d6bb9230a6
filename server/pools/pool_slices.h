/*
 * pool_slices: what each host gives of a cluster's pools to the guests that run there.
 *
 * First the cluster's capacity is divided among all guests (scheduler/divvy).  A pool's
 * part on a host follows what its guests there are entitled to: so much of its shares,
 * its reservation and its limit.  Then each host's capacity is divided in the tree as
 * it is there, and the weights of siblings follow.
 *
 * A limit holds over all hosts together at every moment: what one host still holds is
 * not given to another, and what is to be raised waits for what is lowered.
 *
 * One resource at a time; pure; any thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

#define SLICE_ROOT UINT32_MAX /* pool of what lies in the root pool */

struct slice_pool {
	uint64_t id;
	uint32_t parent; /* an earlier one, or SLICE_ROOT */
	uint64_t shares, reservation;
	uint64_t limit; /* 0: none */
};

struct slice_guest {
	uint64_t id;
	uint32_t pool; /* or SLICE_ROOT */
	uint32_t host;
	uint64_t shares, reservation;
	uint64_t limit; /* 0: none */
	uint64_t demand;
	uint64_t most; /* that it could use */
};

struct slice_host {
	uint64_t capacity;
	bool is_away; /* it keeps what it has */
};

struct slice_view {
	const struct slice_pool *pools;
	size_t n_pools;
	const struct slice_guest *guests;
	size_t n_guests;
	const struct slice_host *hosts;
	size_t n_hosts;
	/* What of a pool's limit a host may be using by now; 0: none of it. */
	uint64_t (*held)(void *arg, uint64_t pool, uint32_t host);
	void *arg;
	bool finds_most; /* fill in guest_most */
};

/* A pool on a host on which guests of it run. */
struct slice {
	uint32_t pool, host;
	uint64_t weight; /* beside its siblings on that host */
	uint64_t reservation;
	uint64_t limit; /* 0: none */
};

struct slices {
	struct slice *v; /* by host, those that hold others before them */
	size_t n;
	uint64_t *guest_weight; /* one for each guest of the view */
	uint64_t *guest_entitlement;
	uint64_t *guest_here; /* entitlement, of what its host has */
	/* What limits leave to it where its host has enough for everybody: no less than
	 * it is entitled to, and together no more than a limit. */
	uint64_t *guest_most;
	bool waits; /* some limit is to be raised once others are lowered */
};

/* The arena's.  ERR_INVALID as divvy has it. */
int pool_slices(const struct slice_view *v, struct arena *a, struct slices *out,
    struct err *e) WARN_UNUSED;

/*
 * What a guest would use if it were let, from what it does use.  Of CPU time it doubles
 * at most from one time to the next, so that one that is held back soon counts as much
 * as it can.  Memory that is used stays so: it has a little to grow.
 */
uint64_t slice_demand(uint64_t used, uint64_t most);
uint64_t slice_memory_demand(uint64_t used, uint64_t most);
