/* Targets of balloons, turn by turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/resource/balloon_decide.h"

#define SIZE 1600u /* 100 MB a turn are taken, 200 are given */

enum guest_kind { OBEYS, STANDS_STILL };

struct world {
	struct balloon_view v;
	struct balloon_state s;
	struct balloon_order o;
	unsigned news;
};

static struct world
world_of(uint64_t reserved, uint64_t entitled, uint64_t most)
{
	return (struct world){ .v = { .size = SIZE,
				   .reserved = reserved,
				   .entitled = entitled,
				   .most = most,
				   .actual = SIZE,
				   .now_ms = 1000 } };
}

static void
turns(struct world *w, unsigned n, enum pressure p, enum guest_kind kind)
{
	w->v.pressure = p;
	for (unsigned i = 0; i < n; i++) {
		balloon_decide(&w->v, &w->s, &w->o);
		w->news += w->o.is_news;
		if (w->o.target && kind == OBEYS)
			w->v.actual = w->o.target;
		w->v.now_ms += 1000;
	}
}

static void
where_nothing_is_short_it_has_all(void **state)
{
	struct world w = world_of(0, 200, 0);

	turns(&w, 60, PRESSURE_NONE, OBEYS);
	assert_int_equal(w.v.actual, SIZE);
	assert_int_equal(w.o.limit, 0);
	assert_int_equal(w.news, 0);
}

static void
a_limit_holds_at_once_and_its_group_follows(void **state)
{
	struct world w = world_of(0, 0, 1000);

	turns(&w, 1, PRESSURE_NONE, OBEYS);
	assert_int_equal(w.v.actual, 1000);
	/* Nobody knows yet whether it obeys. */
	assert_int_equal(w.o.limit, 0);
	turns(&w, 1, PRESSURE_NONE, OBEYS);
	assert_int_equal(w.s.trust, BALLOON_FOLLOWS);
	assert_int_equal(w.o.limit, 1000);
	assert_int_equal(w.news, 1);
	/* A lower one waits for the balloon. */
	w.v.most = 600;
	turns(&w, 1, PRESSURE_NONE, STANDS_STILL);
	assert_int_equal(w.o.target, 600);
	assert_int_equal(w.o.limit, 1000);
	w.v.actual = 600;
	turns(&w, 1, PRESSURE_NONE, OBEYS);
	assert_int_equal(w.o.limit, 600);
	w.v.most = 0;
	turns(&w, 10, PRESSURE_NONE, OBEYS);
	assert_int_equal(w.v.actual, SIZE);
	assert_int_equal(w.o.limit, 0);
}

static void
what_is_idle_is_taken_little_by_little(void **state)
{
	struct world w = world_of(0, 1250, 0);

	turns(&w, 1, PRESSURE_SHORT, OBEYS);
	assert_int_equal(w.v.actual, 1500);
	turns(&w, 10, PRESSURE_SHORT, OBEYS);
	assert_int_equal(w.v.actual, 1250);
	/* No group bounds what no limit does. */
	assert_int_equal(w.o.limit, 0);
}

static void
a_reservation_is_never_taken(void **state)
{
	struct world w = world_of(1300, 500, 0);

	turns(&w, 30, PRESSURE_SHORT, OBEYS);
	assert_int_equal(w.v.actual, 1300);
	turns(&w, 30, PRESSURE_HARD, OBEYS);
	assert_int_equal(w.v.actual, 1300);
	/* Not by a limit that contradicts it either. */
	w.v.most = 900;
	turns(&w, 2, PRESSURE_NONE, OBEYS);
	assert_int_equal(w.v.actual, 1300);
	assert_int_equal(w.o.limit, 1300);
}

static void
very_short_takes_faster_and_down_to_a_quarter(void **state)
{
	struct world w = world_of(0, 1500, 0);

	turns(&w, 1, PRESSURE_HARD, OBEYS);
	assert_int_equal(w.v.actual, 1400);
	turns(&w, 30, PRESSURE_HARD, OBEYS);
	assert_int_equal(w.v.actual, SIZE / BALLOON_LEAST_PART);
}

static void
it_gets_back_what_was_taken_after_a_rest(void **state)
{
	struct world w = world_of(0, 1000, 0);

	turns(&w, 10, PRESSURE_SHORT, OBEYS);
	assert_int_equal(w.v.actual, 1000);
	turns(&w, BALLOON_REST_MS / 1000 - 1, PRESSURE_NONE, OBEYS);
	assert_int_equal(w.v.actual, 1000);
	turns(&w, 2, PRESSURE_NONE, OBEYS);
	assert_int_equal(w.v.actual, 1200 + 200);
	turns(&w, 9, PRESSURE_NONE, OBEYS);
	assert_int_equal(w.v.actual, SIZE);
}

static void
one_that_does_not_follow_is_told_and_bounded(void **state)
{
	struct world w = world_of(0, 0, 1000);

	turns(&w, BALLOON_STILL_MS / 1000 - 1, PRESSURE_NONE, STANDS_STILL);
	assert_int_equal(w.s.trust, BALLOON_UNTRIED);
	assert_int_equal(w.o.limit, 0);
	turns(&w, 3, PRESSURE_NONE, STANDS_STILL);
	assert_int_equal(w.s.trust, BALLOON_STUCK);
	assert_int_equal(w.news, 1);
	assert_int_equal(w.o.limit, 1000);
	/* It is asked again and again, and believed as soon as it does. */
	assert_int_equal(w.o.target, 1000);
	turns(&w, 2, PRESSURE_NONE, OBEYS);
	assert_int_equal(w.s.trust, BALLOON_FOLLOWS);
	assert_int_equal(w.news, 2);
}

static void
one_that_comes_and_goes_does_not_follow(void **state)
{
	struct world w = world_of(0, 0, 1000);

	for (unsigned i = 0; i < 20; i++) {
		w.v.actual = i % 2 ? 1100 : 1300;
		turns(&w, 1, PRESSURE_NONE, STANDS_STILL);
	}
	assert_int_equal(w.s.trust, BALLOON_STUCK);
	assert_int_equal(w.o.limit, 1000);
	/* Nor one that was there and takes its memory back. */
	turns(&w, 2, PRESSURE_NONE, OBEYS);
	assert_int_equal(w.s.trust, BALLOON_FOLLOWS);
	w.v.actual = SIZE;
	turns(&w, BALLOON_STILL_MS / 1000 + 1, PRESSURE_NONE, STANDS_STILL);
	assert_int_equal(w.s.trust, BALLOON_STUCK);
}

static void
a_shortage_bounds_nobody_who_does_not_follow(void **state)
{
	struct world w = world_of(0, 800, 0);

	turns(&w, 40, PRESSURE_SHORT, STANDS_STILL);
	assert_int_equal(w.s.trust, BALLOON_STUCK);
	assert_int_equal(w.o.limit, 0);
}

static void
numbers_out_of_all_bounds_do_no_harm(void **state)
{
	static const uint64_t odd[] = { 0, 1, SIZE, UINT64_C(1) << 63, UINT64_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		for (size_t k = 0; k < ARRAY_SIZE(odd); k++) {
			struct world w = world_of(odd[i], odd[k], odd[i]);

			w.v.actual = odd[k];
			turns(&w, 20, PRESSURE_HARD, STANDS_STILL);
			assert_true(w.o.target <= SIZE);
			assert_true(w.o.limit <= SIZE || w.o.limit == w.v.actual);
		}
	}
	struct world none = { .v = { .actual = 5 } };
	turns(&none, 3, PRESSURE_HARD, OBEYS);
	assert_int_equal(none.o.target, 0);
}

static void
demand_is_what_is_in_use_and_a_quarter_of_what_is_idle(void **state)
{
	static const struct {
		struct balloon_figures f;
		uint64_t demand;
	} cases[] = {
		{ { .actual = 1000, .free = 200, .available = 600 }, 400 + 100 },
		{ { .actual = 1000, .free = 0, .available = 0 }, 1000 },
		{ { .actual = 1000, .free = 1000, .available = 1000 }, 0 },
		/* One that lies is believed within bounds. */
		{ { .actual = 1000, .free = 9000, .available = 9000 }, 0 },
		{ { .actual = 1000, .free = 500, .available = 100 }, 500 },
		{ { .actual = 0, .free = 500, .available = 100 }, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(balloon_demand(&cases[i].f), cases[i].demand);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_nothing_is_short_it_has_all),
		cmocka_unit_test(a_limit_holds_at_once_and_its_group_follows),
		cmocka_unit_test(what_is_idle_is_taken_little_by_little),
		cmocka_unit_test(a_reservation_is_never_taken),
		cmocka_unit_test(very_short_takes_faster_and_down_to_a_quarter),
		cmocka_unit_test(it_gets_back_what_was_taken_after_a_rest),
		cmocka_unit_test(one_that_does_not_follow_is_told_and_bounded),
		cmocka_unit_test(one_that_comes_and_goes_does_not_follow),
		cmocka_unit_test(a_shortage_bounds_nobody_who_does_not_follow),
		cmocka_unit_test(numbers_out_of_all_bounds_do_no_harm),
		cmocka_unit_test(
		    demand_is_what_is_in_use_and_a_quarter_of_what_is_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
