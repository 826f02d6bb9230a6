/* When a host is short of memory, by tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/resource/pressure.h"

#define GB UINT64_C(0x40000000)
#define MB UINT64_C(0x100000)

static void
a_part_is_to_stay_free(void **state)
{
	assert_int_equal(pressure_spare(0), 0);
	assert_int_equal(pressure_spare(160 * MB), 10 * MB);
	assert_int_equal(pressure_spare(16 * GB), GB);
	assert_int_equal(pressure_spare(116 * GB), 2 * GB);
	assert_true(pressure_spare(UINT64_MAX) < UINT64_MAX / 99);
}

static void
memory_or_time_tells(void **state)
{
	static const struct {
		uint64_t available_mb, some_us, full_us, span_us;
		enum pressure is;
	} cases[] = {
		{ 64, 0, 0, 0, PRESSURE_NONE },
		{ 63, 0, 0, 0, PRESSURE_SHORT },
		{ 31, 0, 0, 0, PRESSURE_HARD },
		{ 0, 0, 0, 0, PRESSURE_HARD },
		{ 200, 99000, 0, 1000000, PRESSURE_NONE },
		{ 200, 100000, 0, 1000000, PRESSURE_SHORT },
		{ 200, 400000, 0, 1000000, PRESSURE_HARD },
		{ 200, 0, 100000, 1000000, PRESSURE_HARD },
		{ 200, UINT64_MAX, 0, 1, PRESSURE_HARD },
		/* It does not count. */
		{ 200, 400000, 100000, 0, PRESSURE_NONE },
		/* A guest that thrashes within its own limit is no shortage of the
		 * host's. */
		{ 255, 400000, 100000, 1000000, PRESSURE_HARD },
		{ 256, 400000, 100000, 1000000, PRESSURE_NONE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct pressure_view v = { GB, cases[i].available_mb * MB,
			cases[i].some_us, cases[i].full_us, cases[i].span_us };

		assert_int_equal(pressure_decide(&v), cases[i].is);
	}
}

static void
totals_are_read(void **state)
{
	static const char text[] =
	    "some avg10=0.00 avg60=0.00 avg300=0.00 total=2319750\n"
	    "full avg10=0.00 avg60=0.00 avg300=0.00 total=384212\n";

	static const char *const bad[] = { "", "some total=1\n", "full total=1\n",
		"some avg10=0\nfull avg10=0\n", "some total=\nfull total=\n",
		"some total=99999999999999999999999\nfull total=1\n" };
	uint64_t some, full;
	struct err e = ERR_INIT;

	assert_int_equal(pressure_parse(text, &some, &full, &e), 0);
	assert_int_equal(some, 2319750);
	assert_int_equal(full, 384212);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_not_equal(pressure_parse(bad[i], &some, &full, &e), 0);
	assert_int_equal(some, 2319750);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_part_is_to_stay_free),
		cmocka_unit_test(memory_or_time_tells),
		cmocka_unit_test(totals_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
