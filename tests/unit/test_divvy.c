/* Published and hand-made vectors, and what must hold for every tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "scheduler/divvy.h"

#define SCALE     UINT64_C(1000000) /* of the vectors' numbers */
#define BUSY      UINT64_C(1000000)
#define MAX_NODES 64
#define TREES     100000

/* A line of a vector: its pool comes before it. */
struct line {
	const char *name, *pool;
	uint64_t shares, demand;
	uint64_t reservation, limit;
	double wants; /* entitlement expected; below 0: any */
	enum divvy_kind kind;
};

#define VM(name, pool, shares, demand, res, lim, x)                  \
	{                                                            \
		name, pool, shares, demand, res, lim, x, DIVVY_GUEST \
	}
#define POOL(name, pool, shares, res, lim, x)                  \
	{                                                      \
		name, pool, shares, 0, res, lim, x, DIVVY_POOL \
	}
#define END                                            \
	{                                              \
		NULL, NULL, 0, 0, 0, 0, 0, DIVVY_GUEST \
	}
#define NONE UINT64_MAX
#define ANY  (-1.0)

struct vector {
	const char *label;
	uint64_t capacity;
	struct line lines[16];
};

static const struct vector vectors[] = {
	{ "shares 4:1, what one leaves goes to the other", 200,
	    { POOL("gold", NULL, 4, 0, NONE, 175), POOL("bronze", NULL, 1, 0, NONE, 25),
		VM("g", "gold", 1000, 180, 0, NONE, 175),
		VM("b", "bronze", 1000, 25, 0, NONE, 25), END } },
	{ "high beside normal", 6000,
	    { POOL("qa", NULL, 8000, 0, NONE, 4000),
		POOL("marketing", NULL, 4000, 0, NONE, 2000),
		VM("q", "qa", 1000, BUSY, 0, NONE, 4000),
		VM("m", "marketing", 1000, BUSY, 0, NONE, 2000), END } },
	{ "a full pool of high shares", 100000,
	    { POOL("high", NULL, 8000, 0, NONE, 200000 / 3.0),
		POOL("normal", NULL, 4000, 0, NONE, 100000 / 3.0),
		VM("h0", "high", 2000, BUSY, 0, NONE, 100000 / 9.0),
		VM("h1", "high", 2000, BUSY, 0, NONE, 100000 / 9.0),
		VM("h2", "high", 2000, BUSY, 0, NONE, 100000 / 9.0),
		VM("h3", "high", 2000, BUSY, 0, NONE, 100000 / 9.0),
		VM("h4", "high", 2000, BUSY, 0, NONE, 100000 / 9.0),
		VM("h5", "high", 2000, BUSY, 0, NONE, 100000 / 9.0),
		VM("n0", "normal", 2000, BUSY, 0, NONE, 50000 / 3.0),
		VM("n1", "normal", 2000, BUSY, 0, NONE, 50000 / 3.0), END } },
	{ "a guest beside a pool", 100,
	    { VM("vm1", NULL, 2000, 10, 0, NONE, 10),
		POOL("rp", NULL, 8000, 0, NONE, 90),
		VM("a", "rp", 2000, BUSY, 0, NONE, 18),
		VM("b", "rp", 2000, BUSY, 0, NONE, 18),
		VM("c", "rp", 2000, BUSY, 0, NONE, 18),
		VM("d", "rp", 2000, BUSY, 0, NONE, 18),
		VM("e", "rp", 2000, BUSY, 0, NONE, 18), END } },
	{ "idle siblings leave their part", 100,
	    { VM("vm1", NULL, 2000, BUSY, 0, NONE, 20),
		POOL("rp", NULL, 8000, 0, NONE, 80), VM("a", "rp", 2000, 0, 0, NONE, 0),
		VM("b", "rp", 2000, BUSY, 0, NONE, 40),
		VM("c", "rp", 2000, BUSY, 0, NONE, 40), END } },
	{ "a reservation lifts above the shares", 1000,
	    { VM("a", NULL, 1000, BUSY, 600, NONE, 600),
		VM("b", NULL, 1000, BUSY, 0, NONE, 400 / 3.0),
		VM("c", NULL, 2000, BUSY, 0, NONE, 800 / 3.0), END } },
	{ "a limit frees capacity", 1000,
	    { VM("a", NULL, 1000, BUSY, 0, 100, 100),
		VM("b", NULL, 1000, BUSY, 0, NONE, 300),
		VM("c", NULL, 2000, BUSY, 0, NONE, 600), END } },
	{ "both at once", 1000,
	    { VM("a", NULL, 1000, BUSY, 500, NONE, 500),
		VM("b", NULL, 4000, BUSY, 0, 200, 200),
		VM("c", NULL, 1000, 250, 0, NONE, 150),
		VM("d", NULL, 1000, BUSY, 0, NONE, 150), END } },
	{ "an idle reservation is lent", 1000,
	    { VM("a", NULL, 1000, 100, 600, NONE, 100),
		VM("b", NULL, 1000, BUSY, 0, NONE, 450),
		VM("c", NULL, 1000, BUSY, 0, NONE, 450), END } },
	{ "a pool's reservation serves who is busy in it", 1000,
	    { POOL("p", NULL, 1000, 600, NONE, 600),
		VM("p1", "p", 1000, 500, 0, NONE, 400),
		VM("p2", "p", 1000, 200, 0, NONE, 200),
		VM("x", NULL, 9000, BUSY, 0, NONE, 400), END } },
	{ "a limit two levels up", 1000,
	    { POOL("a", NULL, 8000, 0, 400, 400), POOL("b", "a", 1000, 0, NONE, 200),
		VM("b1", "b", 1000, BUSY, 0, NONE, 50),
		VM("b2", "b", 3000, BUSY, 0, NONE, 150),
		VM("a1", "a", 1000, BUSY, 0, NONE, 200),
		VM("x", NULL, 1000, 500, 0, NONE, 500), END } },
	{ "enough for all", 1000,
	    { POOL("p", NULL, 1, 0, NONE, 500), VM("p1", "p", 1000, 300, 0, NONE, 300),
		VM("p2", "p", 1000, 200, 0, NONE, 200),
		VM("x", NULL, 9, 100, 0, NONE, 100), END } },
	{ "more is reserved than there is", 600,
	    { VM("a", NULL, 1000, BUSY, 600, NONE, 400),
		VM("b", NULL, 5000, BUSY, 300, NONE, 200), END } },
	{ "reserved deep below an expandable pool", 1000,
	    { POOL("p", NULL, 1, 100, NONE, 700),
		VM("p1", "p", 1, BUSY, 700, NONE, 700),
		VM("x", NULL, 9999, BUSY, 0, NONE, 300), END } },
};

static uint32_t
find_line(const struct vector *v, const char *name)
{
	for (uint32_t i = 0; v->lines[i].name; i++) {
		if (name && !strcmp(v->lines[i].name, name))
			return i;
	}
	return DIVVY_ROOT;
}

static uint64_t
scaled(uint64_t x)
{
	return x == NONE ? DIVVY_NO_LIMIT : x * SCALE;
}

static void
vectors_hold(void **state)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		struct divvy_node nodes[16] = { 0 };
		struct err e = ERR_INIT;
		size_t n = 0;

		for (; v->lines[n].name; n++) {
			const struct line *l = &v->lines[n];

			nodes[n] = (struct divvy_node){
				.id = n + 1,
				.parent = find_line(v, l->pool),
				.kind = l->kind,
				.reservation = l->reservation * SCALE,
				.limit = scaled(l->limit),
				.shares = l->shares,
				.demand = l->demand * SCALE,
			};
		}
		assert_int_equal(divvy(nodes, n, v->capacity * SCALE, NULL, &e), 0);
		for (size_t k = 0; k < n; k++) {
			double got = (double)nodes[k].entitlement / (double)SCALE;
			double off = got - v->lines[k].wants;

			if (off > 0.001 || off < -0.001)
				fail_msg("%s: %s gets %f, not %f", v->label,
				    v->lines[k].name, got, v->lines[k].wants);
		}
	}
}

/* ---- what must hold for every tree ---- */

static uint64_t
upto(struct rng *r, uint64_t n)
{
	return rng_below(r, n + 1);
}

static size_t
make_tree(struct rng *r, struct divvy_node *nodes)
{
	size_t n = 1 + upto(r, MAX_NODES - 1);
	uint64_t most = UINT64_C(1) << (1 + upto(r, 43));

	for (size_t i = 0; i < n; i++) {
		struct divvy_node *d = &nodes[i];

		*d = (struct divvy_node){ .id = 100 + i, .parent = DIVVY_ROOT };
		d->kind = upto(r, 2) ? DIVVY_GUEST : DIVVY_POOL;
		d->shares = 1 + upto(r, upto(r, 1) ? 4 : DIVVY_MAX_SHARES - 1);
		d->reservation = upto(r, 1) ? 0 : upto(r, most);
		d->limit = upto(r, 3) ? DIVVY_NO_LIMIT : d->reservation + upto(r, most);
		if (d->limit != DIVVY_NO_LIMIT && d->limit > DIVVY_MAX_AMOUNT)
			d->limit = DIVVY_MAX_AMOUNT;
		d->demand = d->kind == DIVVY_POOL || !upto(r, 4) ? 0 : upto(r, most);
		if (i > 0 && upto(r, 3)) {
			uint32_t p = (uint32_t)rng_below(r, i);

			if (nodes[p].kind == DIVVY_POOL)
				d->parent = p;
		}
	}
	return n;
}

typedef unsigned __int128 wide;

/* No two siblings may both gain by moving one unit, but for the rounding of one. */
static void
check_fair(const struct divvy_node *nodes, size_t n, uint32_t parent)
{
	for (size_t i = 0; i < n; i++) {
		const struct divvy_node *a = &nodes[i];

		if (a->parent != parent || a->entitlement <= a->floor + 1)
			continue;
		for (size_t k = 0; k < n; k++) {
			const struct divvy_node *b = &nodes[k];

			if (k == i || b->parent != parent || b->entitlement >= b->want)
				continue;
			assert_true((wide)(a->entitlement - 1) * b->shares <=
				    (wide)(b->entitlement + 1) * a->shares);
		}
	}
}

static void
check_pool(const struct divvy_node *nodes, size_t n, uint32_t parent, uint64_t amount)
{
	uint64_t wants = 0, got = 0, floors = 0;

	for (size_t i = 0; i < n; i++) {
		const struct divvy_node *d = &nodes[i];

		if (d->parent != parent)
			continue;
		wants += d->want;
		floors += d->floor;
		got += d->entitlement;
		assert_true(d->entitlement <= d->want);
	}
	assert_int_equal(got, wants < amount ? wants : amount);
	if (floors > amount)
		return;
	for (size_t i = 0; i < n; i++)
		assert_true(nodes[i].parent != parent ||
			    nodes[i].entitlement >= nodes[i].floor);
	check_fair(nodes, n, parent);
}

static void
check_tree(const struct divvy_node *nodes, size_t n, uint64_t capacity)
{
	check_pool(nodes, n, DIVVY_ROOT, capacity);
	for (uint32_t i = 0; i < n; i++) {
		if (nodes[i].kind == DIVVY_POOL)
			check_pool(nodes, n, i, nodes[i].entitlement);
	}
}

static void
every_tree_is_shared_out_fairly(void **state)
{
	struct rng r;

	rng_seed(&r, 1);
	for (int t = 0; t < TREES; t++) {
		struct divvy_node nodes[MAX_NODES];
		size_t n = make_tree(&r, nodes);
		uint64_t capacity = upto(&r, UINT64_C(1) << (1 + upto(&r, 43)));
		uint64_t unused = 0, wants = 0;
		struct err e = ERR_INIT;

		assert_int_equal(divvy(nodes, n, capacity, &unused, &e), 0);
		check_tree(nodes, n, capacity);
		for (size_t i = 0; i < n; i++)
			wants += nodes[i].parent == DIVVY_ROOT ? nodes[i].want : 0;
		assert_int_equal(unused, wants < capacity ? capacity - wants : 0);
	}
}

static void
the_order_of_the_nodes_is_of_no_matter(void **state)
{
	struct rng r;

	rng_seed(&r, 2);
	for (int t = 0; t < 2000; t++) {
		struct divvy_node nodes[MAX_NODES], turned[MAX_NODES];
		size_t n = make_tree(&r, nodes);
		uint64_t capacity = upto(&r, UINT64_C(1) << (1 + upto(&r, 43)));
		struct err e = ERR_INIT;

		for (size_t i = 0; i < n; i++) {
			turned[n - 1 - i] = nodes[i];
			if (nodes[i].parent != DIVVY_ROOT)
				turned[n - 1 - i].parent =
				    (uint32_t)n - 1 - nodes[i].parent;
		}
		assert_int_equal(divvy(nodes, n, capacity, NULL, &e), 0);
		assert_int_equal(divvy(turned, n, capacity, NULL, &e), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(
			    nodes[i].entitlement, turned[n - 1 - i].entitlement);
	}
}

static void
more_shares_never_give_less(void **state)
{
	struct rng r;

	rng_seed(&r, 3);
	for (int t = 0; t < 2000; t++) {
		struct divvy_node nodes[MAX_NODES], more[MAX_NODES];
		size_t n = make_tree(&r, nodes), i = rng_below(&r, n);
		uint64_t capacity = upto(&r, UINT64_C(1) << (1 + upto(&r, 43)));
		struct err e = ERR_INIT;

		memcpy(more, nodes, sizeof(more));
		more[i].shares += upto(&r, DIVVY_MAX_SHARES - more[i].shares);
		assert_int_equal(divvy(nodes, n, capacity, NULL, &e), 0);
		assert_int_equal(divvy(more, n, capacity, NULL, &e), 0);
		/* The last unit goes by rank. */
		assert_true(more[i].entitlement + 1 >= nodes[i].entitlement);
	}
}

/* ---- what is refused ---- */

static void
expect_refused(struct divvy_node *nodes, size_t n, const char *why)
{
	struct err e = ERR_INIT;

	assert_int_equal(divvy(nodes, n, 1000, NULL, &e), ERR_INVALID);
	if (!strstr(e.msg, why))
		fail_msg("\"%s\" does not say \"%s\"", e.msg, why);
}

static void
bad_trees_are_refused(void **state)
{
	const struct divvy_node pool = { .id = 1,
		.parent = DIVVY_ROOT,
		.kind = DIVVY_POOL,
		.limit = DIVVY_NO_LIMIT,
		.shares = 1 };
	struct divvy_node n[3] = { pool, pool, pool };

	n[1].id = 2;
	n[2].id = 3;
	n[0].parent = 0;
	expect_refused(n, 3, "node 1 is, or lies in, a pool that is in itself");
	n[0].parent = 1;
	n[1].parent = 0;
	expect_refused(n, 3, "in itself");
	n[0].parent = DIVVY_ROOT;
	n[1].parent = 7;
	expect_refused(n, 3, "node 2: its parent is 7");
	n[1].parent = 0;
	n[0].kind = DIVVY_GUEST;
	expect_refused(n, 3, "node 2: its parent 1 is a guest");
	n[0].kind = DIVVY_POOL;
	n[2].shares = 0;
	expect_refused(n, 3, "node 3: its number of shares is 0");
	n[2].shares = UINT64_C(1) << 63;
	expect_refused(n, 3, "number of shares");
	n[2].shares = 1;
	n[2].reservation = UINT64_C(1) << 63;
	expect_refused(n, 3, "reservation");
	n[2].reservation = 0;
	n[2].limit = UINT64_MAX - 1;
	expect_refused(n, 3, "limit");
	n[2].limit = DIVVY_NO_LIMIT;
	n[2].demand = DIVVY_MAX_AMOUNT + 1;
	expect_refused(n, 3, "demand");
	n[2].demand = 0;
	n[2].id = 2;
	expect_refused(n, 3, "node 2 is given twice");
}

static void
nothing_and_no_capacity_are_fine(void **state)
{
	struct divvy_node n = { .id = 1,
		.parent = DIVVY_ROOT,
		.limit = DIVVY_NO_LIMIT,
		.shares = 1,
		.demand = 5,
		.reservation = 5 };
	struct err e = ERR_INIT;
	uint64_t unused = 1;

	assert_int_equal(divvy(NULL, 0, 7, &unused, &e), 0);
	assert_int_equal(unused, 7);
	assert_int_equal(divvy(&n, 1, 0, &unused, &e), 0);
	assert_int_equal(n.entitlement, 0);
	assert_int_equal(unused, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_hold),
		cmocka_unit_test(every_tree_is_shared_out_fairly),
		cmocka_unit_test(the_order_of_the_nodes_is_of_no_matter),
		cmocka_unit_test(more_shares_never_give_less),
		cmocka_unit_test(bad_trees_are_refused),
		cmocka_unit_test(nothing_and_no_capacity_are_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
