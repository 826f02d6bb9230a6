/*
 * When counters of guests are worth telling.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "server/hosts/guest_counters.h"

static char memory[] = "memory", bytes[] = "bytes";
static char longer[] = "a-name-that-goes-on-and-on-and-on-and-on-and-on-and-on-and-on-"
		       "and-on";

static json *
of(uint64_t current, uint64_t limit, uint64_t failures)
{
	Drover__Counter c = DROVER__COUNTER__INIT;
	Drover__Counter *list[] = { &c };

	c.name = memory;
	c.unit = bytes;
	c.current = current;
	c.limit = limit;
	c.failures = failures;
	return guest_counters_json(list, 1);
}

static void
small_moves_are_not_told(void **state)
{
	AUTO(json) json *was = of(1000, 2000, 1);
	AUTO(json) json *near = of(1050, 2000, 1);
	AUTO(json) json *far = of(1051, 2000, 1);
	AUTO(json) json *less = of(949, 2000, 1);

	assert_false(guest_counters_differ(was, was));
	assert_false(guest_counters_differ(was, near));
	assert_true(guest_counters_differ(was, far));
	assert_true(guest_counters_differ(was, less));
}

static void
limits_and_refusals_are_told(void **state)
{
	AUTO(json) json *was = of(1000, 2000, 1);
	AUTO(json) json *limit = of(1000, 2001, 1);
	AUTO(json) json *refused = of(1000, 2000, 2);

	assert_true(guest_counters_differ(was, limit));
	assert_true(guest_counters_differ(was, refused));
	assert_true(guest_counters_differ(NULL, was));
	assert_true(guest_counters_differ(was, NULL));
	assert_false(guest_counters_differ(NULL, NULL));
}

static void
what_a_host_makes_up_is_left_out(void **state)
{
	Drover__Counter c = DROVER__COUNTER__INIT;
	Drover__Counter *many[GUEST_COUNTERS_MAX + 1];

	c.name = longer;
	for (size_t i = 0; i < GUEST_COUNTERS_MAX + 1; i++)
		many[i] = &c;
	assert_null(guest_counters_json(many, 1));
	c.name = memory;
	AUTO(json) json *list = guest_counters_json(many, GUEST_COUNTERS_MAX + 1);
	assert_int_equal(json_count(list), GUEST_COUNTERS_MAX);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_moves_are_not_told),
		cmocka_unit_test(limits_and_refusals_are_told),
		cmocka_unit_test(what_a_host_makes_up_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
