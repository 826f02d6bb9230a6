#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/lease.h"
#include "base/mem.h"

static void
presets_keep_their_promise(void **state)
{
	static const uint32_t dead_ms[] = { 9500, 12500, 37200 };

	for (int p = 0; p < LEASE_PRESETS_; p++) {
		struct lease_terms t = lease_preset((enum lease_preset)p);
		struct err e = ERR_INIT;
		if (lease_check(&t, &e) != 0)
			fail_msg("preset %d: %s", p, e.msg);
		assert_int_equal(t.dead_ms, dead_ms[p]);
		assert_int_equal(lease_wait_ms(&t, t.length_ms, t.kill_ms), dead_ms[p]);
	}
}

static void
each_inequality_is_named(void **state)
{
	static const struct {
		struct lease_terms t;
		const char *text;
	} rows[] = {
		{ { 1000, 6000, 5000, 10, 320, 20000, 5000 }, "watchdog (W, 5000 ms)" },
		{ { 1000, 6000, 3000, 10, 320, 20000, 5000 }, "watchdog" },
		{ { 1501, 6000, 3000, 10, 320, 20000, 0 }, "4 renewals of 1501 ms" },
		{ { 1000, 6000, 3000, 10, 320, 9499, 0 },
		    "9499 ms (D), but (L+K)(1+2e)+d is 9500" },
		{ { 1000, 6000, 3000, 20, 320, 9500, 0 }, "is 9680" },
		{ { 0, 6000, 3000, 10, 320, 9500, 0 }, "must not be 0" },
		{ { 1000, 6000, 0, 10, 320, 9500, 0 }, "must not be 0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = ERR_INIT;
		assert_int_equal(lease_check(&rows[i].t, &e), ERR_INVALID);
		if (!strstr(e.msg, rows[i].text))
			fail_msg("row %zu: \"%s\"", i, e.msg);
	}
}

static void
the_bounds_themselves_are_allowed(void **state)
{
	static const struct lease_terms rows[] = {
		{ 1500, 6000, 3000, 10, 320, 9500, 0 },
		{ 1500, 6000, 3000, 10, 320, 9500, 2999 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(lease_check(&rows[i], NULL), 0);
}

static void
waits_cover_both_clocks(void **state)
{
	struct lease_terms t = lease_preset(LEASE_SOFTWARE);

	/* A frozen host publishes a longer lease: others wait for that one. */
	assert_int_equal(lease_wait_ms(&t, 60000, 3000), 63000 + 1260 + 320);
	/* After the end: the kill bound, settling, and the drift of the whole lease. */
	assert_int_equal(lease_after_end_ms(&t, 6000), 3500);
	assert_int_equal(lease_after_end_ms(&t, 0), 3000 + 60 + 320);
	/* Part of a millisecond is waited for, too. */
	assert_int_equal(lease_wait_ms(&t, 1, 0), 1 + 1 + 320);
}

static void
a_holder_on_a_slow_clock_stops_before_a_fast_observer_acts(void **state)
{
	for (int p = 0; p < LEASE_PRESETS_; p++) {
		struct lease_terms t = lease_preset((enum lease_preset)p);
		/* In true time, both clocks wrong by e, in opposite directions. */
		uint64_t held = (t.length_ms + t.kill_ms) * 1010ull;
		uint64_t waited = t.dead_ms * 1000000ull / 1010;
		assert_true(waited >= held);
	}
}

static void
grants_end_with_the_leadership(void **state)
{
	assert_int_equal(lease_clip(6000, 100, 10000), 6000);
	assert_int_equal(lease_clip(6000, 7000, 10000), 3000);
	assert_int_equal(lease_clip(6000, 10000, 10000), 0);
	assert_int_equal(lease_clip(6000, 10001, 10000), 0);
	assert_int_equal(lease_clip(6000, 100, LEASE_NEVER), 6000);
}

static void
ends_do_not_wrap(void **state)
{
	assert_int_equal(lease_end(1000, 6000), 7000);
	assert_true(lease_end(LEASE_NEVER - 5, 6000) == LEASE_NEVER);
	assert_true(lease_end(5, LEASE_NEVER) == LEASE_NEVER);
	assert_true(lease_holds(7000, 6999));
	assert_false(lease_holds(7000, 7000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(presets_keep_their_promise),
		cmocka_unit_test(each_inequality_is_named),
		cmocka_unit_test(the_bounds_themselves_are_allowed),
		cmocka_unit_test(waits_cover_both_clocks),
		cmocka_unit_test(
		    a_holder_on_a_slow_clock_stops_before_a_fast_observer_acts),
		cmocka_unit_test(grants_end_with_the_leadership),
		cmocka_unit_test(ends_do_not_wrap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
