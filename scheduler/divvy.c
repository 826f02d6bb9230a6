#include "scheduler/divvy.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/arena.h"

/* Shares and amounts are multiplied with each other. */
typedef unsigned __int128 wide;

/* The tree in the order of a walk that meets each pool before what is in it. */
struct walk {
	struct divvy_node *nodes;
	size_t n;
	uint32_t *order;    /* positions, parents first, siblings side by side */
	uint32_t *first;    /* of each node, where its children are in order */
	uint32_t *count;    /* and how many they are */
	uint32_t top_count; /* right below the cluster: the first ones of order */
	struct bend *bends; /* room for all of one pool */
	const struct divvy_node **by_shares;
};

/* Where a sibling begins to rise with the level, or stops. */
struct bend {
	uint64_t amount, shares; /* the level is the one by the other */
	const struct divvy_node *of;

	enum { BEND_RISES, BEND_STOPS } how;
};

/* ---- checks ---- */

static int
bad_node(const struct divvy_node *d, const char *what, uint64_t value, struct err *e)
{
	return err_set(
	    e, ERR_INVALID, "node %" PRIu64 ": its %s is %" PRIu64, d->id, what, value);
}

static int
check_node(const struct divvy_node *nodes, size_t n, size_t i, struct err *e)
{
	const struct divvy_node *d = &nodes[i];

	if (d->shares < 1 || d->shares > DIVVY_MAX_SHARES)
		return bad_node(d, "number of shares", d->shares, e);
	if (d->reservation > DIVVY_MAX_AMOUNT)
		return bad_node(d, "reservation", d->reservation, e);
	if (d->limit > DIVVY_MAX_AMOUNT && d->limit != DIVVY_NO_LIMIT)
		return bad_node(d, "limit", d->limit, e);
	if (d->demand > DIVVY_MAX_AMOUNT)
		return bad_node(d, "demand", d->demand, e);
	if (d->parent == DIVVY_ROOT)
		return 0;
	if (d->parent >= n)
		return bad_node(d, "parent", d->parent, e);
	if (nodes[d->parent].kind != DIVVY_POOL)
		return err_set(e, ERR_INVALID,
		    "node %" PRIu64 ": its parent %" PRIu64 " is a guest", d->id,
		    nodes[d->parent].id);
	return 0;
}

static int
id_cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int
check_ids(const struct divvy_node *nodes, size_t n, struct arena *a, struct err *e)
{
	uint64_t *ids = arena_array(a, n + 1, sizeof(*ids));

	for (size_t i = 0; i < n; i++)
		ids[i] = nodes[i].id;
	qsort(ids, n, sizeof(*ids), id_cmp);
	for (size_t i = 1; i < n; i++) {
		if (ids[i] == ids[i - 1])
			return err_set(
			    e, ERR_INVALID, "node %" PRIu64 " is given twice", ids[i]);
	}
	return 0;
}

/* ---- the walk ---- */

/* Put each node behind its siblings: a counting sort by parent. */
static void
gather_children(struct walk *w, uint32_t *children)
{
	uint32_t at = 0;

	for (size_t i = 0; i < w->n; i++) {
		if (w->nodes[i].parent != DIVVY_ROOT)
			w->count[w->nodes[i].parent]++;
	}
	for (size_t i = 0; i < w->n; i++) {
		w->first[i] = at;
		at += w->count[i];
		w->count[i] = 0;
	}
	for (uint32_t i = 0; i < w->n; i++) {
		uint32_t p = w->nodes[i].parent;

		if (p == DIVVY_ROOT)
			w->order[w->top_count++] = i;
		else
			children[w->first[p] + w->count[p]++] = i;
	}
}

/* Level by level; who is not reached is in a circle. */
static int
lay_out(struct walk *w, const uint32_t *children, struct err *e)
{
	size_t met = w->top_count, level_end = met;
	uint32_t depth = 1;

	for (size_t at = 0; at < met; at++) {
		uint32_t i = w->order[at], from = w->first[i];

		if (at == level_end) {
			level_end = met;
			depth++;
		}
		if (depth > DIVVY_MAX_DEPTH)
			return err_set(e, ERR_INVALID,
			    "node %" PRIu64 " lies deeper than %u levels",
			    w->nodes[i].id, DIVVY_MAX_DEPTH);
		w->first[i] = (uint32_t)met;
		for (uint32_t k = 0; k < w->count[i]; k++)
			w->order[met++] = children[from + k];
	}
	if (met == w->n)
		return 0;
	for (size_t i = 0; i < w->n; i++)
		w->nodes[i].entitlement = 0;
	for (size_t at = 0; at < met; at++)
		w->nodes[w->order[at]].entitlement = 1;
	for (size_t i = 0; i < w->n; i++) {
		if (!w->nodes[i].entitlement)
			return err_set(e, ERR_INVALID,
			    "node %" PRIu64 " is, or lies in, a pool that is in itself",
			    w->nodes[i].id);
	}
	return err_set(e, ERR_INTERNAL, "a node was not reached");
}

static int
walk_init(struct walk *w, struct arena *a, struct err *e)
{
	uint32_t *children = arena_array(a, w->n + 1, sizeof(*children));

	w->order = arena_array(a, w->n + 1, sizeof(*w->order));
	w->first = arena_array(a, w->n + 1, sizeof(*w->first));
	w->count = arena_array(a, w->n + 1, sizeof(*w->count));
	w->bends = arena_array(a, 2 * w->n + 1, sizeof(*w->bends));
	w->by_shares = arena_array(a, w->n + 1, sizeof(struct divvy_node *));
	gather_children(w, children);
	return lay_out(w, children, e);
}

/* ---- up: what is wanted ---- */

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void
sum_up(const struct walk *w, uint32_t i)
{
	struct divvy_node *d = &w->nodes[i];
	uint64_t want = d->demand, need = 0;

	if (d->kind == DIVVY_POOL) {
		want = 0;
		for (uint32_t k = 0; k < w->count[i]; k++) {
			const struct divvy_node *kid =
			    &w->nodes[w->order[w->first[i] + k]];

			want += kid->want;
			need += kid->floor;
		}
	}
	d->want = least(want, d->limit);
	d->floor = least(d->reservation, d->want);
	if (need > d->floor)
		d->floor = least(need, d->want);
}

/* ---- down: one pool's children share its amount ---- */

/* The siblings from, from + 1, … of the order. */
struct share_out {
	const struct walk *w;
	uint32_t from, count;
	uint64_t amount;
	uint64_t floors, wants;
};

static struct divvy_node *
sibling(const struct share_out *s, uint32_t k)
{
	return &s->w->nodes[s->w->order[s->from + k]];
}

static int
bend_cmp(const void *a, const void *b)
{
	const struct bend *x = a, *y = b;
	wide l = (wide)x->amount * y->shares, r = (wide)y->amount * x->shares;

	if (l != r)
		return l < r ? -1 : 1;
	if (x->of->id != y->of->id)
		return x->of->id < y->of->id ? -1 : 1;
	return (int)x->how - (int)y->how;
}

static size_t
find_bends(const struct share_out *s)
{
	struct bend *b = s->w->bends;
	size_t n = 0;

	for (uint32_t k = 0; k < s->count; k++) {
		const struct divvy_node *d = sibling(s, k);

		if (d->want == d->floor)
			continue;
		b[n++] = (struct bend){ d->floor, d->shares, d, BEND_RISES };
		b[n++] = (struct bend){ d->want, d->shares, d, BEND_STOPS };
	}
	qsort(b, n, sizeof(*b), bend_cmp);
	return n;
}

/*
 * The level at which all is given away, as *ret_over by the shares that rise there.
 * Between two bends the sum is fixed + level * rising.
 */
static uint64_t
find_level(const struct share_out *s, uint64_t *ret_rising)
{
	const struct bend *b = s->w->bends;
	size_t n = find_bends(s);
	uint64_t fixed = s->floors, rising = 0;

	for (size_t i = 0; i < n; i++) {
		/* fixed + level of the bend * rising >= amount? */
		if (rising > 0 && (wide)b[i].amount * rising >=
				      (wide)(s->amount - fixed) * b[i].shares)
			break;
		if (b[i].how == BEND_RISES) {
			fixed -= b[i].amount;
			rising += b[i].shares;
		} else {
			fixed += b[i].amount;
			rising -= b[i].shares;
		}
	}
	*ret_rising = rising;
	return s->amount - fixed;
}

static int
shares_cmp(const void *a, const void *b)
{
	const struct divvy_node *x = *(const struct divvy_node *const *)a;
	const struct divvy_node *y = *(const struct divvy_node *const *)b;

	if (x->shares != y->shares)
		return x->shares > y->shares ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

/* What rounding has left; only those get any that were rounded. */
static void
hand_out_rest(const struct share_out *s, uint64_t rest, size_t n_rounded)
{
	const struct divvy_node **list = s->w->by_shares;

	qsort(list, n_rounded, sizeof(struct divvy_node *), shares_cmp);
	for (size_t i = 0; i < n_rounded && rest > 0; i++, rest--)
		s->w->nodes[list[i] - s->w->nodes].entitlement++;
}

/* Each in proportion to one number of its own: over by under. */
static uint64_t
part_of(uint64_t number, uint64_t over, uint64_t under, bool *ret_rounded)
{
	wide product = (wide)number * over;

	*ret_rounded = product % under != 0;
	return (uint64_t)(product / under);
}

static void
cut_floors(const struct share_out *s)
{
	uint64_t left = s->amount;
	size_t n_rounded = 0;

	for (uint32_t k = 0; k < s->count; k++) {
		struct divvy_node *d = sibling(s, k);
		bool rounded = false;

		d->entitlement =
		    s->floors ? part_of(d->floor, s->amount, s->floors, &rounded) : 0;
		left -= d->entitlement;
		if (rounded)
			s->w->by_shares[n_rounded++] = d;
	}
	hand_out_rest(s, left, n_rounded);
}

static void
fill_to_level(const struct share_out *s)
{
	uint64_t rising, over = find_level(s, &rising), left = s->amount;
	size_t n_rounded = 0;

	for (uint32_t k = 0; k < s->count; k++) {
		struct divvy_node *d = sibling(s, k);
		wide product = (wide)d->shares * over;

		if (product <= (wide)d->floor * rising) {
			d->entitlement = d->floor;
		} else if (product >= (wide)d->want * rising) {
			d->entitlement = d->want;
		} else {
			bool rounded;

			d->entitlement = part_of(d->shares, over, rising, &rounded);
			if (rounded)
				s->w->by_shares[n_rounded++] = d;
		}
		left -= d->entitlement;
	}
	hand_out_rest(s, left, n_rounded);
}

static void
share_out(const struct walk *w, uint32_t from, uint32_t count, uint64_t amount)
{
	struct share_out s = { .w = w, .from = from, .count = count, .amount = amount };

	for (uint32_t k = 0; k < count; k++) {
		s.floors += sibling(&s, k)->floor;
		s.wants += sibling(&s, k)->want;
	}
	if (amount >= s.wants) {
		for (uint32_t k = 0; k < count; k++)
			sibling(&s, k)->entitlement = sibling(&s, k)->want;
	} else if (amount <= s.floors) {
		cut_floors(&s);
	} else {
		fill_to_level(&s);
	}
}

/* ---- the whole ---- */

static uint64_t
divide(const struct walk *w, uint64_t capacity)
{
	uint64_t wants = 0;

	for (size_t at = w->n; at-- > 0;)
		sum_up(w, w->order[at]);
	for (uint32_t k = 0; k < w->top_count; k++)
		wants += w->nodes[w->order[k]].want;
	share_out(w, 0, w->top_count, least(capacity, wants));
	for (size_t at = 0; at < w->n; at++) {
		uint32_t i = w->order[at];

		if (w->count[i])
			share_out(w, w->first[i], w->count[i], w->nodes[i].entitlement);
	}
	return capacity - least(capacity, wants);
}

int
divvy(struct divvy_node *nodes, size_t n, uint64_t capacity, uint64_t *ret_unused,
    struct err *e)
{
	AUTO(arena) struct arena *a = arena_new();
	struct walk w = { .nodes = nodes, .n = n };
	uint64_t unused;
	int rc = 0;

	if (n > DIVVY_MAX_NODES)
		return err_set(e, ERR_TOO_LARGE, "%zu pools and guests: at most %u", n,
		    DIVVY_MAX_NODES);
	if (capacity > DIVVY_MAX_AMOUNT)
		return err_set(e, ERR_INVALID, "the capacity is %" PRIu64, capacity);
	for (size_t i = 0; i < n && !rc; i++)
		rc = check_node(nodes, n, i, e);
	if (!rc)
		rc = check_ids(nodes, n, a, e);
	if (!rc)
		rc = walk_init(&w, a, e);
	if (rc)
		return rc;
	unused = divide(&w, capacity);
	if (ret_unused)
		*ret_unused = unused;
	return 0;
}
