#include "scheduler/admit.h"

#include <inttypes.h>

#include "base/arena.h"

static int
bad_pool(const struct admit_pool *p, const char *what, struct err *e)
{
	return err_set(e, ERR_INVALID, "pool %" PRIu64 " %s", p->id, what);
}

static int
check_pool(const struct admit_pool *pools, size_t n, size_t i, struct err *e)
{
	const struct admit_pool *p = &pools[i];

	if (p->parent != ADMIT_ROOT && p->parent >= n)
		return bad_pool(p, "has a parent that is none", e);
	if (p->reservation > ADMIT_MAX_AMOUNT || p->guests > ADMIT_MAX_AMOUNT ||
	    (p->limit > ADMIT_MAX_AMOUNT && p->limit != ADMIT_NO_LIMIT))
		return bad_pool(p, "has a number out of its range", e);
	return 0;
}

static uint64_t
claim_of(const struct admit_pool *p)
{
	return p->reservation > p->claimed ? p->reservation : p->claimed;
}

/* Leaves first: a pool is done when all in it are. */
static size_t
sum_from_leaves(
    struct admit_pool *pools, size_t n, uint32_t *waits_for, uint32_t *ready)
{
	size_t begin = 0, end = 0;

	for (uint32_t i = 0; i < n; i++) {
		pools[i].claimed = pools[i].guests;
		if (pools[i].parent != ADMIT_ROOT)
			waits_for[pools[i].parent]++;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (!waits_for[i])
			ready[end++] = i;
	}
	for (; begin < end; begin++) {
		const struct admit_pool *p = &pools[ready[begin]];

		if (p->parent == ADMIT_ROOT)
			continue;
		pools[p->parent].claimed += claim_of(p);
		if (!--waits_for[p->parent])
			ready[end++] = p->parent;
	}
	return end;
}

int
admit_sum(struct admit_pool *pools, size_t n, struct err *e)
{
	AUTO(arena) struct arena *a = arena_new();
	uint32_t *waits_for = arena_array(a, n + 1, sizeof(uint32_t));
	uint32_t *ready = arena_array(a, n + 1, sizeof(uint32_t));
	size_t roots = 0;

	if (n > ADMIT_MAX_POOLS)
		return err_set(
		    e, ERR_TOO_LARGE, "%zu pools: at most %u", n, ADMIT_MAX_POOLS);
	for (size_t i = 0; i < n; i++) {
		int rc = check_pool(pools, n, i, e);

		if (rc)
			return rc;
		roots += pools[i].parent == ADMIT_ROOT;
	}
	if (roots != 1)
		return err_set(
		    e, ERR_INVALID, "a tree of pools has one root, not %zu", roots);
	if (sum_from_leaves(pools, n, waits_for, ready) == n)
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (waits_for[i])
			return bad_pool(&pools[i], "is in itself", e);
	}
	return err_set(e, ERR_INTERNAL, "a pool was not summed up");
}

static uint64_t
room(uint64_t has, uint64_t claimed)
{
	return has > claimed ? has - claimed : 0;
}

struct admit_answer
admit_check(const struct admit_pool *pools, uint32_t pool, uint64_t need)
{
	struct admit_answer a = { .pool = pool, .asked = need };

	for (bool is_first = true;; is_first = false) {
		const struct admit_pool *p = &pools[a.pool];
		uint64_t free = room(p->reservation, p->claimed);

		if (p->limit != ADMIT_NO_LIMIT &&
		    a.asked > room(p->limit, p->claimed)) {
			a.why = ADMIT_LIMIT;
			a.free = room(p->limit, p->claimed);
			return a;
		}
		a.free = free;
		if (a.asked <= free)
			return a;
		if (is_first)
			a.borrowed = need - free;
		if (p->parent == ADMIT_ROOT || !p->is_expandable) {
			a.why = p->parent == ADMIT_ROOT ? ADMIT_FULL : ADMIT_FIXED;
			return a;
		}
		a.asked -= free;
		a.pool = p->parent;
	}
}

enum admit_state
admit_tree_state(const struct admit_pool *pools, size_t n, uint32_t *ret_pool)
{
	enum admit_state state = ADMIT_VALID;

	for (uint32_t i = 0; i < n; i++) {
		const struct admit_pool *p = &pools[i];
		bool is_root = p->parent == ADMIT_ROOT;
		bool fits =
		    p->claimed <= p->reservation || (p->is_expandable && !is_root);

		if (p->limit != ADMIT_NO_LIMIT && p->claimed > p->limit)
			fits = false;
		if (fits || (state != ADMIT_VALID && !is_root))
			continue;
		state = is_root ? ADMIT_INVALID : ADMIT_OVERCOMMITTED;
		if (ret_pool)
			*ret_pool = i;
		if (is_root)
			break;
	}
	return state;
}
