#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "server/stats/rrd_file.h"
#include "server/stats/stat_reduce.h"

#define NOW UINT64_C(1767323040) /* a whole number of 20 s, not of 5 min */
#define DAY 86400u

static void
the_finest_that_reaches_back_is_read(void **state)
{
	static const struct {
		uint64_t back_s;
		uint32_t interval_s, row_s, rows_each;
	} cases[] = {
		{ 600, 0, 20, 1 },
		{ DAY, 0, 20, 1 },
		{ DAY + 1, 0, 300, 1 },
		{ 8 * DAY, 0, 1800, 1 },
		{ 61 * DAY, 0, 7200, 1 },
		{ 366 * DAY, 0, DAY, 1 },
		{ 9000 * (uint64_t)DAY, 0, DAY, 1 },
		{ 600, 60, 20, 3 },
		{ 600, 50, 20, 3 },
		{ 3600, 300, 300, 1 },
		{ 3600, 1799, 300, 6 },
		{ 600, 1, 20, 1 },
		{ 8 * DAY, 20, 1800, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct stat_want w = {
			.start_s = NOW > cases[i].back_s ? NOW - cases[i].back_s : 0,
			.interval_s = cases[i].interval_s,
		};
		struct stat_plan p;

		assert_int_equal(stat_plan(&w, 20, NOW, &p, NULL), 0);
		assert_int_equal(p.row_s, cases[i].row_s);
		assert_int_equal(p.rows_each, cases[i].rows_each);
		assert_int_equal(stat_plan_rows(&p) % p.rows_each, 0);
		assert_int_equal(p.last_s % (p.row_s * p.rows_each), 0);
	}
}

static void
rows_end_within_what_is_asked(void **state)
{
	struct stat_want w = { .start_s = NOW - 60, .end_s = NOW };
	struct stat_plan p;
	struct err e = ERR_INIT;

	assert_int_equal(stat_plan(&w, 20, NOW + 5, &p, &e), 0);
	assert_int_equal(p.first_s, NOW - 40);
	assert_int_equal(p.last_s, NOW);
	assert_int_equal(stat_plan_values(&p), 3);
	w.end_s = NOW - 61;
	assert_int_equal(stat_plan(&w, 20, NOW, &p, &e), ERR_RANGE);
	w = (struct stat_want){ .start_s = NOW + 1 };
	assert_int_equal(stat_plan(&w, 20, NOW, &p, &e), ERR_RANGE);
	/* Nothing has ended yet: the value that has begun. */
	w = (struct stat_want){ .start_s = NOW - 5 };
	assert_int_equal(stat_plan(&w, 20, NOW - 1, &p, &e), 0);
	assert_int_equal(stat_plan_values(&p), 1);
	assert_int_equal(p.last_s, NOW);
}

static void
points_are_at_most_as_many(void **state)
{
	for (uint32_t points = 1; points < 200; points += 7) {
		const struct stat_want w = { .start_s = NOW - 3600, .points = points };
		struct stat_plan p;

		assert_int_equal(stat_plan(&w, 20, NOW, &p, NULL), 0);
		assert_true(stat_plan_values(&p) <= points);
		assert_true(stat_plan_values(&p) * 2 + 2 >= points || points > 90);
	}
}

static void
peaks_survive(void **state)
{
	const struct stat_plan p = {
		.row_s = 20, .first_s = 20, .last_s = 160, .rows_each = 4
	};
	const float rows[] = { 1, 2, NAN, 9, NAN, NAN, NAN, NAN };
	const float peaks[] = { 1, 50, NAN, 9, NAN, NAN, NAN, NAN };
	float average[2], min[2], max[2];
	const struct stat_reduced to = { average, min, max };

	stat_reduce(&p, rows, NULL, &to);
	assert_true(average[0] == 4);
	assert_true(min[0] == 1);
	assert_true(max[0] == 9);
	assert_true(isnan(average[1]) && isnan(min[1]) && isnan(max[1]));
	stat_reduce(&p, rows, peaks, &to);
	assert_true(average[0] == 4);
	assert_true(max[0] == 50);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_finest_that_reaches_back_is_read),
		cmocka_unit_test(rows_end_within_what_is_asked),
		cmocka_unit_test(points_are_at_most_as_many),
		cmocka_unit_test(peaks_survive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
