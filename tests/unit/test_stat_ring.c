#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/stats/stat_ring.h"
#include "server/stats/stat_value.h"

static void
values_keep_three_digits(void **state)
{
	const float top = stat_unpack(STAT_TOP);

	for (int i = 0; i <= 2048; i++)
		assert_true(stat_unpack(stat_pack((float)i)) == (float)i);
	for (float v = 1.0f / 32768; v < 7e13f; v *= 1.0371f) {
		float back = stat_unpack(stat_pack(v));

		assert_true(fabsf(back - v) <= v / 2048);
	}
	assert_true(isnan(stat_unpack(stat_pack(NAN))));
	assert_true(stat_unpack(stat_pack(-1)) == 0);
	assert_true(stat_unpack(stat_pack(1e-9f)) == 0);
	assert_true(top > 7e13f);
	assert_true(stat_unpack(stat_pack(INFINITY)) == top);
	assert_true(stat_unpack(stat_pack(1e30f)) == top);
}

static void
slots_go_round(void **state)
{
	struct stat_ring *r = stat_ring_new(4);

	assert_int_equal(stat_ring_newest(r), 0);
	assert_true(isnan(stat_ring_get(r, 100, METRIC_CPU_USAGE)));
	for (uint64_t slot = 100; slot < 106; slot++)
		assert_true(stat_ring_put(r, slot, METRIC_CPU_USAGE, (float)slot));
	assert_int_equal(stat_ring_newest(r), 105);
	assert_int_equal(stat_ring_oldest(r), 102);
	for (uint64_t slot = 102; slot < 106; slot++)
		assert_true(stat_ring_get(r, slot, METRIC_CPU_USAGE) == (float)slot);
	assert_true(isnan(stat_ring_get(r, 101, METRIC_CPU_USAGE)));
	assert_true(isnan(stat_ring_get(r, 106, METRIC_CPU_USAGE)));
	assert_true(isnan(stat_ring_get(r, 105, METRIC_MEM_USAGE)));
	stat_ring_free(r);
}

static void
what_is_left_out_is_a_gap(void **state)
{
	struct stat_ring *r = stat_ring_new(4);

	stat_ring_put(r, 100, METRIC_CPU_USAGE, 1);
	stat_ring_put(r, 101, METRIC_CPU_USAGE, 2);
	stat_ring_put(r, 103, METRIC_CPU_USAGE, 4);
	stat_ring_put(r, 103, METRIC_SYS_UPTIME, 16777215);
	assert_true(isnan(stat_ring_get(r, 102, METRIC_CPU_USAGE)));
	assert_true(isnan(stat_ring_get(r, 102, METRIC_SYS_UPTIME)));
	assert_true(stat_ring_get(r, 103, METRIC_SYS_UPTIME) == 16777215);
	/* Late, but not too late. */
	assert_true(stat_ring_put(r, 102, METRIC_CPU_USAGE, 3));
	assert_true(stat_ring_get(r, 102, METRIC_CPU_USAGE) == 3);
	assert_false(stat_ring_put(r, 99, METRIC_CPU_USAGE, 9));
	assert_true(stat_ring_get(r, 103, METRIC_CPU_USAGE) == 4);
	/* Long after, nothing old comes up again. */
	stat_ring_put(r, 1000, METRIC_CPU_USAGE, 5);
	for (uint64_t slot = 997; slot < 1000; slot++)
		assert_true(isnan(stat_ring_get(r, slot, METRIC_CPU_USAGE)));
	assert_true(isnan(stat_ring_get(r, 1000, METRIC_SYS_UPTIME)));
	stat_ring_free(r);
}

static void
fifteen_counters_of_an_hour_fit(void **state)
{
	struct stat_ring *r = stat_ring_new(180);
	const struct metric *m = NULL;

	for (int i = 0; i < 15; i++) {
		m = metric_next(m);
		stat_ring_put(r, 1, m->number, 1);
	}
	assert_in_range(stat_ring_bytes(r), 15 * 360, 6000);
	assert_false(stat_ring_put(r, 1, METRIC_MAX, 1));
	stat_ring_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_keep_three_digits),
		cmocka_unit_test(slots_go_round),
		cmocka_unit_test(what_is_left_out_is_a_gap),
		cmocka_unit_test(fifteen_counters_of_an_hour_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
