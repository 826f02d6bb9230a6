#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "server/stats/stat_digest.h"

#define MANY 1000u

static int
by_size(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

static void
gaps_count_for_nothing(void **state)
{
	static const float rows[] = { 4, NAN, 2, NAN, 6 };
	static const float peaks[] = { 5, 99, NAN, NAN, 9 };
	static const float none[] = { NAN, NAN };
	struct stat_digest d;

	stat_digest_of(rows, NULL, 5, &d);
	assert_int_equal(d.samples, 3);
	assert_true(d.average == 4 && d.min == 2 && d.max == 6 && d.sum == 12);
	stat_digest_of(rows, peaks, 5, &d);
	assert_true(d.average == 4 && d.max == 9);
	stat_digest_of(none, NULL, 2, &d);
	assert_int_equal(d.samples, 0);
	assert_true(isnan(d.average) && isnan(d.min) && isnan(d.max));
}

static void
percentiles_are_nearest_ranks(void **state)
{
	float v[] = { 15, 20, 35, 40, 50 };

	assert_true(stat_percentile(v, 5, 30) == 20);
	assert_true(stat_percentile(v, 5, 40) == 20);
	assert_true(stat_percentile(v, 5, 50) == 35);
	assert_true(stat_percentile(v, 5, 100) == 50);
	assert_true(stat_percentile(v, 5, 0.1) == 15);
	assert_true(isnan(stat_percentile(v, 0, 50)));
}

/* Against sorting; many values are equal. */
static void
percentiles_need_no_order(void **state)
{
	float sorted[MANY], v[MANY];
	struct rng r;

	rng_seed(&r, 7);
	for (unsigned round = 1; round <= 200; round++) {
		unsigned n = 1 + (unsigned)(rng_next(&r) % MANY);

		for (unsigned i = 0; i < n; i++)
			v[i] = sorted[i] = (float)(rng_next(&r) % round);
		qsort(sorted, n, sizeof(*sorted), by_size);
		for (unsigned p = 1; p <= 100; p += 11) {
			unsigned rank = (p * n + 99) / 100;

			assert_true(stat_percentile(v, n, p) == sorted[rank - 1]);
		}
	}
}

static void
figures_have_names(void **state)
{
	struct err e = ERR_INIT;
	struct stat_by by;

	assert_int_equal(stat_by_parse("max", &by, &e), 0);
	assert_int_equal(by.what, STAT_BY_MAX);
	assert_int_equal(stat_by_parse("p99.9", &by, &e), 0);
	assert_int_equal(by.what, STAT_BY_PERCENTILE);
	assert_true(by.percent > 99.8 && by.percent < 100);
	assert_int_equal(stat_by_parse("p0", &by, &e), ERR_INVALID);
	assert_int_equal(stat_by_parse("p101", &by, &e), ERR_INVALID);
	assert_int_equal(stat_by_parse("p", &by, &e), ERR_INVALID);
	assert_int_equal(stat_by_parse("p9e1", &by, &e), ERR_INVALID);
	assert_int_equal(stat_by_parse("median", &by, &e), ERR_INVALID);
}

static void
put(struct stat_table *t, uint64_t number, float value)
{
	const struct stat_place p = { .id = obj_id_make(KIND_VM, number),
		.value = value };

	stat_table_put(t, stat_table_find(t, value, p.id), &p);
}

static void
the_first_are_kept(void **state)
{
	struct stat_place room[3];
	struct stat_table t = { room, 0, 3, false };

	put(&t, 1, 5);
	put(&t, 2, 9);
	put(&t, 3, 1);
	put(&t, 4, 7);
	put(&t, 5, 0);
	/* Of equals the older one. */
	put(&t, 9, 9);
	assert_int_equal(t.n, 3);
	assert_int_equal(obj_id_number(room[0].id), 2);
	assert_int_equal(obj_id_number(room[1].id), 9);
	assert_int_equal(obj_id_number(room[2].id), 4);
	t = (struct stat_table){ room, 0, 2, true };
	put(&t, 1, 5);
	put(&t, 2, 9);
	put(&t, 3, 1);
	assert_true(room[0].value == 1 && room[1].value == 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gaps_count_for_nothing),
		cmocka_unit_test(percentiles_are_nearest_ranks),
		cmocka_unit_test(percentiles_need_no_order),
		cmocka_unit_test(figures_have_names),
		cmocka_unit_test(the_first_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
