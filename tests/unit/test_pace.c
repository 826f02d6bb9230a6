#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host-agent/channel/pace.h"

#define MIB 1048576u

static void
test_no_cap_never_waits(void **state)
{
	struct pace p = { 0 };

	pace_set(&p, 0, 1000);
	assert_int_equal(pace_take(&p, 100 * MIB, 1000), 1000);
	assert_int_equal(pace_piece(&p, MIB), MIB);
}

static void
test_a_second_takes_a_second(void **state)
{
	struct pace p = { 0 };
	uint64_t now = 5000000, sent = 0;

	pace_set(&p, MIB, now);
	while (now < 15000000) {
		now = pace_take(&p, 10000, now);
		sent += 10000;
	}
	assert_in_range(sent, 10 * MIB - 30000, 10 * MIB + 50000);
}

static void
test_late_sender_catches_up_a_little(void **state)
{
	struct pace p = { 0 };
	uint64_t rest;

	pace_set(&p, 1000000, 1000000);
	/* A minute of doing nothing is worth one burst, not a minute's bytes. */
	rest = pace_take(&p, 1000000, 61000000);
	assert_int_equal(rest, 61000000 - PACE_BURST_US + 1000000);
}

static void
test_two_senders_share(void **state)
{
	struct pace p = { 0 };
	uint64_t a, b;

	pace_set(&p, 1000000, 1000000);
	a = pace_take(&p, 500000, 1000000);
	b = pace_take(&p, 500000, 1000000);
	assert_true(b >= a + 500000);
}

static void
test_pieces_are_small_where_the_cap_is(void **state)
{
	struct pace p = { 0 };

	pace_set(&p, 2000000, 0);
	assert_int_equal(pace_piece(&p, MIB), 100000);
	pace_set(&p, 10, 0);
	assert_int_equal(pace_piece(&p, MIB), 4096);
	/* The slowest cap there is does not overflow. */
	pace_set(&p, 1, 0);
	assert_in_range(pace_take(&p, 4096, 0), 4095900000u, 4096000000u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_cap_never_waits),
		cmocka_unit_test(test_a_second_takes_a_second),
		cmocka_unit_test(test_late_sender_catches_up_a_little),
		cmocka_unit_test(test_two_senders_share),
		cmocka_unit_test(test_pieces_are_small_where_the_cap_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
