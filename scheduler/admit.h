/*
 * admit: may a tree of resource pools take one reservation more?  One resource at a
 * time.
 *
 * A pool has free what it has reserved less what is claimed from it: by guests in it
 * that run, and by each pool in it, which claims its own reservation, or what is
 * claimed from it where that is more.  A fixed pool gives only what it has free.  An
 * expandable one asks its parent for what it lacks, and so on upwards; a limit on the
 * way is never passed, by claims no more than by use.  The root has the capacity of the
 * cluster as its reservation and asks nobody.
 *
 * Pure; any thread; integers in the caller's unit.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ADMIT_MAX_POOLS  20000u
#define ADMIT_MAX_AMOUNT (UINT64_C(1) << 44)
#define ADMIT_NO_LIMIT   UINT64_MAX
#define ADMIT_ROOT       UINT32_MAX /* parent of the root, which there is one of */

struct admit_pool {
	uint64_t id; /* for errors */
	uint32_t parent;
	bool is_expandable;
	uint64_t reservation; /* of the root: the capacity */
	uint64_t limit;       /* or ADMIT_NO_LIMIT */
	uint64_t guests;      /* reservations of the guests in it that run */

	uint64_t claimed; /* filled by admit_sum */
};

/* Fill in what is claimed from each pool.  ERR_INVALID: no tree, or numbers beyond the
 * bounds. */
int admit_sum(struct admit_pool *pools, size_t n, struct err *e) WARN_UNUSED;

enum admit_why {
	ADMIT_FITS,
	ADMIT_FIXED, /* the pool lacks it and may not ask its parent */
	ADMIT_FULL,  /* the root lacks it */
	ADMIT_LIMIT, /* the pool's limit would be passed */
};

struct admit_answer {
	enum admit_why why;
	uint32_t pool;     /* the one that refuses, or the last one that was asked */
	uint64_t asked;    /* of that pool */
	uint64_t free;     /* it has, or its limit leaves */
	uint64_t borrowed; /* of what was asked first, from above the first pool */
};

/* May pool take need more?  The pools are as admit_sum left them; nothing is changed.
 */
struct admit_answer admit_check(
    const struct admit_pool *pools, uint32_t pool, uint64_t need);

/* vSphere's words for the state of a tree. */
enum admit_state {
	ADMIT_VALID,
	ADMIT_OVERCOMMITTED, /* some pool's claims no longer fit in it */
	ADMIT_INVALID,       /* the cluster has less than is claimed from the root */
};

/* ret_pool (may be NULL): the first one concerned, by position. */
enum admit_state admit_tree_state(
    const struct admit_pool *pools, size_t n, uint32_t *ret_pool);
