/*
 * divvy: how much of one resource each pool and guest of a tree is entitled to.
 *
 * Capacity flows down the tree.  What a node wants is what it asks for, up to its
 * limit; its floor is what it wants of its reservation, or of those below it where that
 * is more.  The children of a pool share its amount by one level L for all of them:
 *
 *     x_i = clamp(L * shares_i, floor_i, want_i),    sum of x_i = min(amount, sum of
 * want_i)
 *
 * so a reservation that nobody uses is lent, a limit frees capacity for the others, and
 * shares count between siblings only.  Where the floors themselves do not fit (a host
 * was lost) they are cut in proportion.
 *
 * Integers throughout, in whatever unit the caller has: L is kept as a fraction, and
 * what rounding down leaves goes, one each, to the siblings with the most shares.  The
 * result does not depend on the order of the nodes.  Any thread; pure.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define DIVVY_MAX_NODES  250000u
#define DIVVY_MAX_DEPTH  32u
#define DIVVY_MAX_AMOUNT (UINT64_C(1) << 44) /* their sum stays below 2^62 */
#define DIVVY_MAX_SHARES (UINT64_C(1) << 40)
#define DIVVY_NO_LIMIT   UINT64_MAX
#define DIVVY_ROOT       UINT32_MAX /* parent of what is right below the cluster */

enum divvy_kind { DIVVY_GUEST, DIVVY_POOL };

struct divvy_node {
	uint64_t id;     /* unique; breaks ties */
	uint32_t parent; /* its pool's position among the nodes, or DIVVY_ROOT */
	enum divvy_kind kind;
	uint64_t reservation; /* at most DIVVY_MAX_AMOUNT, as limit and demand */
	uint64_t limit;       /* or DIVVY_NO_LIMIT */
	uint64_t shares;      /* 1 … DIVVY_MAX_SHARES */
	uint64_t demand;      /* of a guest; a pool has that of those below it */

	/* What comes of it. */
	uint64_t want, floor;
	uint64_t entitlement;
};

/*
 * Divide capacity among n nodes.  ERR_INVALID names the node and what is wrong with it:
 * a number out of its range, a parent that is none or is its own descendant, an id
 * given twice.  ret_unused (may be NULL) is what nobody wants.  Nothing is changed on
 * failure but the results.
 */
int divvy(struct divvy_node *nodes, size_t n, uint64_t capacity, uint64_t *ret_unused,
    struct err *e) WARN_UNUSED;
