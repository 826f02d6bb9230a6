#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "loop/loop.h"
#include "loop/timer.h"

struct world {
	struct clock *clock;
	struct loop *loop;
	struct str trace;
	struct timer *t;
	int left;
};

/* A timer that writes its letter. */
struct letter {
	struct world *w;
	char c;
};

static int
setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->clock = clock_virtual_new(1, 0);
	w->loop = loop_new(w->clock);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	timer_free(w->t);
	loop_free(w->loop);
	clock_free(w->clock);
	str_fini(&w->trace);
	free(w);
	return 0;
}

static void
write_letter(void *arg)
{
	struct letter *l = arg;

	str_addc(&l->w->trace, l->c);
}

static void
tick(void *arg)
{
	struct world *w = arg;

	str_addc(&w->trace, 't');
}

static void
expect_after(struct world *w, uint64_t ms, const char *trace)
{
	clock_advance(w->clock, ms);
	while (loop_turn(w->loop, 0))
		;
	assert_string_equal(str_cstr(&w->trace), trace);
	str_reset(&w->trace);
}

static void
timers_run_by_deadline_then_by_arming(void **state)
{
	struct world *w = *state;
	struct letter l[4];
	struct timer *t[4];

	for (int i = 0; i < 4; i++) {
		l[i] = (struct letter){ w, (char)('a' + i) };
		t[i] = timer_new(w->loop, write_letter, &l[i]);
	}
	timer_after(t[3], 20);
	timer_after(t[1], 30);
	timer_after(t[2], 20);
	timer_after(t[0], 10);
	expect_after(w, 9, "");
	expect_after(w, 1, "a");
	expect_after(w, 50, "dcb");
	for (int i = 0; i < 4; i++)
		timer_free(t[i]);
}

static void
a_timer_may_be_stopped_and_moved(void **state)
{
	struct world *w = *state;

	w->t = timer_new(w->loop, tick, w);
	expect_after(w, 100, "");
	timer_after(w->t, 10);
	timer_stop(w->t);
	timer_stop(w->t);
	expect_after(w, 100, "");
	timer_after(w->t, 10);
	timer_after(w->t, 50);
	expect_after(w, 49, "");
	expect_after(w, 1, "t");
	expect_after(w, 1000, "");
	timer_after(w->t, UINT64_MAX);
	expect_after(w, 1000000, "");
}

static void
missed_periods_are_not_made_up(void **state)
{
	struct world *w = *state;

	w->t = timer_new(w->loop, tick, w);
	timer_every(w->t, 10);
	expect_after(w, 10, "t");
	expect_after(w, 35, "t");
	/* The beat stays where it was. */
	expect_after(w, 4, "");
	expect_after(w, 1, "t");
	timer_stop(w->t);
	expect_after(w, 100, "");
}

static void
free_self(void *arg)
{
	struct world *w = arg;

	str_addc(&w->trace, 'f');
	timer_free(w->t);
	w->t = NULL;
}

static void
a_timer_may_free_itself(void **state)
{
	struct world *w = *state;

	w->t = timer_new(w->loop, free_self, w);
	timer_every(w->t, 10);
	expect_after(w, 100, "f");
	expect_after(w, 100, "");
}

static void
again_at_once(void *arg)
{
	struct world *w = arg;

	str_addc(&w->trace, 'z');
	if (--w->left > 0)
		timer_after(w->t, 0);
}

static void
a_timer_of_zero_does_not_hold_the_turn(void **state)
{
	struct world *w = *state;

	w->t = timer_new(w->loop, again_at_once, w);
	w->left = 3;
	timer_after(w->t, 0);
	assert_int_equal(loop_turn(w->loop, 0), 1);
	assert_int_equal(loop_turn(w->loop, 0), 1);
	expect_after(w, 0, "zzz");
}

/* Against a plain search, with timers added, moved and stopped at random. */
static void
the_heap_keeps_its_order(void **state)
{
	enum { N = 200 };
	struct world *w = *state;
	struct letter l = { w, 'x' };
	struct timer *t[N];
	uint64_t due[N] = { 0 }, now = 1;
	struct rng r;

	rng_seed(&r, 42);
	for (int i = 0; i < N; i++)
		t[i] = timer_new(w->loop, write_letter, &l);
	for (int round = 0; round < 5000; round++) {
		int i = (int)rng_below(&r, N);
		uint64_t ms = 1 + rng_below(&r, 50);
		unsigned expected = 0;

		if (rng_below(&r, 4) == 0) {
			timer_stop(t[i]);
			due[i] = 0;
		} else {
			timer_after(t[i], ms);
			due[i] = now + ms;
		}
		if (rng_below(&r, 8))
			continue;
		clock_advance(w->clock, 3);
		now += 3;
		for (int k = 0; k < N; k++) {
			if (due[k] && due[k] <= now) {
				due[k] = 0;
				expected++;
			}
		}
		assert_int_equal(loop_turn(w->loop, 0), expected);
	}
	for (int i = 0; i < N; i++)
		timer_free(t[i]);
}

static void
a_real_clock_wakes_the_loop(void **state)
{
	struct world *w = *state;
	struct loop *l = loop_new(clock_system());
	struct timer *t = timer_new(l, tick, w);
	uint64_t begin_ms = loop_now_ms(l);

	timer_after(t, 30);
	while (!w->trace.len && loop_now_ms(l) < begin_ms + 5000)
		loop_turn(l, 5000);
	assert_string_equal(str_cstr(&w->trace), "t");
	assert_true(loop_now_ms(l) - begin_ms >= 30);
	/* A turn's own limit ends a sleep too. */
	begin_ms = loop_now_ms(l);
	timer_after(t, 60000);
	assert_int_equal(loop_turn(l, 20), 0);
	assert_true(loop_now_ms(l) - begin_ms < 5000);
	timer_free(t);
	loop_free(l);
}

static void
a_loop_may_go_before_its_timers(void **state)
{
	struct world *w = *state;
	struct loop *l = loop_new(w->clock);
	struct timer *t = timer_new(l, tick, w);

	timer_after(t, 10);
	loop_free(l);
	timer_free(t);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(timers_run_by_deadline_then_by_arming),
		CASE(a_timer_may_be_stopped_and_moved),
		CASE(missed_periods_are_not_made_up),
		CASE(a_timer_may_free_itself),
		CASE(a_timer_of_zero_does_not_hold_the_turn),
		CASE(the_heap_keeps_its_order),
		CASE(a_real_clock_wakes_the_loop),
		CASE(a_loop_may_go_before_its_timers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
