#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

static void
the_system_clock_goes_on(void **state)
{
	const struct clock *c = clock_system();
	uint64_t us = clock_mono_us(c), ms = clock_mono_ms(c);
	assert_true(ms >= us / 1000);
	assert_true(clock_mono_us(c) >= us);
	assert_true(clock_wall_ms(c) > 1700000000000ULL);
}

static void
a_virtual_clock_moves_when_told(void **state)
{
	struct clock *c = clock_virtual_new(1000, 5000);
	assert_int_equal(clock_mono_ms(c), 1000);
	assert_int_equal(clock_wall_ms(c), 5000);
	clock_advance(c, 250);
	assert_int_equal(clock_mono_ms(c), 1250);
	assert_int_equal(clock_mono_us(c), 1250000);
	assert_int_equal(clock_wall_ms(c), 5250);
	clock_free(c);
	clock_free(NULL);
}

static void
text_is_rfc3339(void **state)
{
	char buf[32];
	assert_string_equal(clock_text(0, buf), "1970-01-01T00:00:00.000Z");
	assert_string_equal(clock_text(1767323045678, buf), "2026-01-02T03:04:05.678Z");
	assert_string_equal(clock_text(1709164799999, buf), "2024-02-28T23:59:59.999Z");
	assert_string_equal(clock_text(1709164800000, buf), "2024-02-29T00:00:00.000Z");
	assert_string_equal(
	    clock_text(UINT64_MAX, buf), "584556019-04-03T14:25:51.615Z");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_system_clock_goes_on),
		cmocka_unit_test(a_virtual_clock_moves_when_told),
		cmocka_unit_test(text_is_rfc3339),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
