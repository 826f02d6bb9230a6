#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "server/export/expo.h"

static const struct expo_family counter = { "drover_moves", EXPO_COUNTER, "", "Moves" };
static const struct expo_family gauge = { "drover_free_bytes", EXPO_GAUGE, "bytes",
	"Room" };
static const struct expo_family info = { "drover_vm", EXPO_INFO, "", "Names" };
static const struct expo_family histogram = { "drover_wait_seconds", EXPO_HISTOGRAM,
	"seconds", "Waits" };

static void
write_all(struct expo *x)
{
	static const double upper[] = { 0.5, 1 };
	static const struct expo_bounds bounds = { upper, ARRAY_SIZE(upper) };
	struct expo_histogram h = { 0 };

	expo_family(x, &counter);
	expo_begin(x);
	expo_label(x, "reason", "drs");
	expo_label(x, "result", "error");
	expo_value(x, 3);
	expo_family(x, &gauge);
	expo_begin(x);
	expo_value(x, 1234567890123456.0);
	expo_family(x, &info);
	expo_begin(x);
	expo_label(x, "name", "a \"b\"\\c\nd");
	expo_value(x, 1);
	expo_family(x, &histogram);
	expo_observe(&h, &bounds, 0.25);
	expo_observe(&h, &bounds, 0.5);
	expo_observe(&h, &bounds, 7);
	expo_histogram(x, "cluster", "cluster-1", &bounds, &h);
	expo_end(x);
}

static void
expect(enum expo_format format, const char *want)
{
	AUTO(str) struct str out = STR_INIT;
	struct expo x = { .out = &out, .format = format };

	write_all(&x);
	assert_string_equal(str_cstr(&out), want);
}

#define SAMPLES_MOVES "drover_moves_total{reason=\"drs\",result=\"error\"} 3\n"
#define SAMPLES_INFO  "drover_vm_info{name=\"a \\\"b\\\"\\\\c\\nd\"} 1\n"
#define SAMPLES_WAIT                                                        \
	"drover_wait_seconds_bucket{cluster=\"cluster-1\",le=\"0.5\"} 2\n"  \
	"drover_wait_seconds_bucket{cluster=\"cluster-1\",le=\"1\"} 2\n"    \
	"drover_wait_seconds_bucket{cluster=\"cluster-1\",le=\"+Inf\"} 3\n" \
	"drover_wait_seconds_sum{cluster=\"cluster-1\"} 7.75\n"             \
	"drover_wait_seconds_count{cluster=\"cluster-1\"} 3\n"

static void
writes_the_classic_format(void **state)
{
	expect(EXPO_CLASSIC,
	    "# HELP drover_moves_total Moves.\n# TYPE drover_moves_total counter\n" SAMPLES_MOVES
	    "# HELP drover_free_bytes Room.\n# TYPE drover_free_bytes gauge\n"
	    "drover_free_bytes 1234567890123456\n"
	    "# HELP drover_vm_info Names.\n# TYPE drover_vm_info gauge\n" SAMPLES_INFO
	    "# HELP drover_wait_seconds Waits.\n"
	    "# TYPE drover_wait_seconds histogram\n" SAMPLES_WAIT);
}

static void
writes_openmetrics(void **state)
{
	expect(EXPO_OPENMETRICS,
	    "# TYPE drover_moves counter\n# HELP drover_moves Moves.\n" SAMPLES_MOVES
	    "# TYPE drover_free_bytes gauge\n# UNIT drover_free_bytes bytes\n"
	    "# HELP drover_free_bytes Room.\ndrover_free_bytes 1234567890123456\n"
	    "# TYPE drover_vm info\n# HELP drover_vm Names.\n" SAMPLES_INFO
	    "# TYPE drover_wait_seconds histogram\n"
	    "# UNIT drover_wait_seconds seconds\n# HELP drover_wait_seconds Waits.\n" SAMPLES_WAIT
	    "# EOF\n");
}

static void
writes_numbers_that_read_back_the_same(void **state)
{
	static const double values[] = { 0, 1, -1, 0.1, 2.5, 1e-9, 9007199254740991.0,
		1e300, 123456.789 };

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		AUTO(str) struct str out = STR_INIT;
		struct expo x = { .out = &out, .family = &gauge };

		expo_begin(&x);
		expo_value(&x, values[i]);
		const char *at = strchr(str_cstr(&out), ' ') + 1;
		assert_true(strtod(at, NULL) == values[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_the_classic_format),
		cmocka_unit_test(writes_openmetrics),
		cmocka_unit_test(writes_numbers_that_read_back_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
