#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/metric.h"

static void
names_tell_what_they_are(void **state)
{
	const struct metric *m = NULL;

	while ((m = metric_next(m)) != NULL) {
		const char *last = strrchr(m->name, '.');

		assert_non_null(last);
		assert_string_equal(last + 1, metric_rollup_text(m->rollup));
		assert_ptr_equal(metric_find(m->name), m);
		assert_ptr_equal(metric_at(m->number), m);
		assert_true(m->level == 1 || m->level == 2);
		assert_true(m->objects);
		/* Sums over a sample are what a summation sums up. */
		assert_int_equal(
		    m->kind == METRIC_DELTA, m->rollup == METRIC_SUMMATION);
	}
}

static void
finds_by_name_and_kind(void **state)
{
	uint8_t numbers[METRIC_MAX];
	size_t n = metrics_of(METRIC_OF_DATASTORE, numbers);

	assert_int_equal(metric_find("CPU.Usage.Average")->number, METRIC_CPU_USAGE);
	assert_null(metric_find("cpu.usage"));
	assert_null(metric_at(0));
	assert_null(metric_at(METRIC_MAX));
	assert_int_equal(n, 2);
	assert_int_equal(numbers[0], METRIC_DISK_USED);
	assert_int_equal(numbers[1], METRIC_DISK_CAPACITY);
}

static void
names_what_is_near(void **state)
{
	struct str b = STR_INIT;

	metric_near("cpu.usgae.average", &b);
	assert_true(str_starts(str_cstr(&b), "cpu.usage.average, "));
	str_reset(&b);
	metric_near("zzz", &b);
	assert_string_equal(str_cstr(&b), "");
	str_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_tell_what_they_are),
		cmocka_unit_test(finds_by_name_and_kind),
		cmocka_unit_test(names_what_is_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
