/* The worked examples, and what a tree of pools refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "scheduler/admit.h"

#define NONE ADMIT_NO_LIMIT

static void
sum(struct admit_pool *p, size_t n)
{
	struct err e = ERR_INIT;

	if (admit_sum(p, n, &e))
		fail_msg("%s", e.msg);
}

static void
expect(const struct admit_pool *p, uint32_t pool, uint64_t need, enum admit_why why,
    uint32_t who, uint64_t lacks)
{
	struct admit_answer a = admit_check(p, pool, need);

	assert_int_equal(a.why, why);
	if (why == ADMIT_FITS)
		return;
	assert_int_equal(a.pool, who);
	assert_int_equal(a.asked - a.free, lacks);
}

/* Parent of 6 GHz with a guest of 1; in it a pool of 2 with guests of 2 each. */
static void
the_second_guest_borrows(void **state)
{
	struct admit_pool p[] = {
		{ 1, ADMIT_ROOT, false, 6000, NONE, 1000, 0 },
		{ 2, 0, true, 2000, NONE, 0, 0 },
	};

	sum(p, 2);
	assert_int_equal(p[0].claimed, 3000);
	expect(p, 1, 2000, ADMIT_FITS, 0, 0);
	assert_int_equal(admit_check(p, 1, 2000).borrowed, 0);
	p[1].guests = 2000;
	sum(p, 2);
	assert_int_equal(p[0].claimed, 3000);
	expect(p, 1, 2000, ADMIT_FITS, 0, 0);
	assert_int_equal(admit_check(p, 1, 2000).borrowed, 2000);
	p[1].guests = 4000;
	sum(p, 2);
	assert_int_equal(p[0].claimed, 5000);
}

static void
the_second_guest_is_refused_where_the_parent_lacks(void **state)
{
	struct admit_pool p[] = {
		{ 1, ADMIT_ROOT, false, 6000, NONE, 3000, 0 },
		{ 2, 0, true, 2000, NONE, 2000, 0 },
	};

	sum(p, 2);
	expect(p, 1, 2000, ADMIT_FULL, 0, 1000);
	p[1].is_expandable = false;
	expect(p, 1, 2000, ADMIT_FIXED, 1, 2000);
}

/* Cluster 100 > A 50 > B 30 > C 20. */
static void
a_limit_on_the_way_refuses(void **state)
{
	struct admit_pool p[] = {
		{ 1, ADMIT_ROOT, false, 100, NONE, 0, 0 },
		{ 2, 0, true, 50, NONE, 0, 0 },
		{ 3, 1, true, 30, NONE, 0, 0 },
		{ 4, 2, true, 20, NONE, 0, 0 },
	};

	sum(p, 4);
	assert_int_equal(p[1].reservation - p[1].claimed, 20);
	assert_int_equal(p[2].reservation - p[2].claimed, 10);
	expect(p, 3, 25, ADMIT_FITS, 0, 0);
	assert_int_equal(admit_check(p, 3, 25).borrowed, 5);
	p[2].limit = 35;
	p[2].guests = 10;
	sum(p, 4);
	expect(p, 3, 30, ADMIT_LIMIT, 2, 5);
	expect(p, 3, 20, ADMIT_FITS, 0, 0);
	p[2].limit = NONE;
	expect(p, 3, 30, ADMIT_FITS, 0, 0);
}

static void
a_pool_of_its_own_reservation_claims_it_all(void **state)
{
	struct admit_pool p[] = {
		{ 1, ADMIT_ROOT, false, 100, NONE, 0, 0 },
		{ 2, 0, false, 60, NONE, 0, 0 },
		{ 3, 0, false, 30, NONE, 25, 0 },
	};

	sum(p, 3);
	expect(p, 0, 10, ADMIT_FITS, 0, 0);
	expect(p, 0, 11, ADMIT_FULL, 0, 1);
	expect(p, 2, 6, ADMIT_FIXED, 2, 1);
}

static void
the_state_of_a_tree_is_told(void **state)
{
	struct admit_pool p[] = {
		{ 1, ADMIT_ROOT, false, 100, NONE, 0, 0 },
		{ 2, 0, false, 60, NONE, 50, 0 },
	};
	uint32_t who = 7;

	sum(p, 2);
	assert_int_equal(admit_tree_state(p, 2, &who), ADMIT_VALID);
	p[1].guests = 70;
	sum(p, 2);
	assert_int_equal(admit_tree_state(p, 2, &who), ADMIT_OVERCOMMITTED);
	assert_int_equal(who, 1);
	p[0].reservation = 50; /* hosts were lost */
	sum(p, 2);
	assert_int_equal(admit_tree_state(p, 2, &who), ADMIT_INVALID);
	assert_int_equal(who, 0);
}

static void
expect_bad(struct admit_pool *p, size_t n, const char *why)
{
	struct err e = ERR_INIT;

	assert_int_equal(admit_sum(p, n, &e), ERR_INVALID);
	if (!strstr(e.msg, why))
		fail_msg("\"%s\" does not say \"%s\"", e.msg, why);
}

static void
what_is_no_tree_is_refused(void **state)
{
	struct admit_pool p[] = {
		{ 1, ADMIT_ROOT, false, 100, NONE, 0, 0 },
		{ 2, 2, false, 60, NONE, 0, 0 },
		{ 3, 1, false, 60, NONE, 0, 0 },
	};

	expect_bad(p, 3, "pool 2 is in itself");
	p[1].parent = 9;
	expect_bad(p, 3, "pool 2 has a parent that is none");
	p[1].parent = ADMIT_ROOT;
	expect_bad(p, 3, "one root, not 2");
	p[1].parent = 0;
	p[1].reservation = UINT64_C(1) << 63;
	expect_bad(p, 3, "pool 2 has a number out of its range");
}

/* Whoever is let in leaves a tree that still holds, whatever came before. */
static void
what_is_admitted_never_breaks_the_tree(void **state)
{
	struct rng r;

	rng_seed(&r, 5);
	for (int t = 0; t < 2000; t++) {
		struct admit_pool p[8] = { { 1, ADMIT_ROOT, false, 1000, NONE, 0, 0 } };
		size_t n = 1 + rng_below(&r, 8);

		for (size_t i = 1; i < n; i++) {
			uint32_t parent = (uint32_t)rng_below(&r, i);
			uint64_t want = rng_below(&r, 300);

			p[i] = (struct admit_pool){ .id = i + 1,
				.parent = parent,
				.is_expandable = rng_below(&r, 2),
				.limit = rng_below(&r, 3) ? NONE : want + 100 };
			sum(p, i + 1);
			if (admit_check(p, parent, want).why == ADMIT_FITS)
				p[i].reservation = want;
		}
		for (int k = 0; k < 20; k++) {
			uint32_t pool = (uint32_t)rng_below(&r, n);
			uint64_t need = rng_below(&r, 200);

			sum(p, n);
			if (admit_check(p, pool, need).why == ADMIT_FITS)
				p[pool].guests += need;
			sum(p, n);
			assert_int_equal(admit_tree_state(p, n, NULL), ADMIT_VALID);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_second_guest_borrows),
		cmocka_unit_test(the_second_guest_is_refused_where_the_parent_lacks),
		cmocka_unit_test(a_limit_on_the_way_refuses),
		cmocka_unit_test(a_pool_of_its_own_reservation_claims_it_all),
		cmocka_unit_test(the_state_of_a_tree_is_told),
		cmocka_unit_test(what_is_no_tree_is_refused),
		cmocka_unit_test(what_is_admitted_never_breaks_the_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
