#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "server/stats/rrd_file.h"

#define STEP  20u
#define FIRST UINT64_C(88366152) /* a slot, of 2026 */

struct bed {
	char dir[64];
	char path[96];
	struct rrd_file file;
};

static int
setup(void **state)
{
	struct bed *b = xcalloc(1, sizeof(*b));

	snprintf(b->dir, sizeof(b->dir), "/tmp/test-rrd-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->path, sizeof(b->path), "%s/datastore-1.rrd", b->dir);
	b->file = (struct rrd_file){ b->path, "", STEP, METRIC_OF_DATASTORE };
	*state = b;
	return 0;
}

static int
teardown(void **state)
{
	struct bed *b = *state;

	(void)unlink(b->path);
	assert_int_equal(rmdir(b->dir), 0);
	free(b);
	return 0;
}

/* Slots first … first + n - 1; used is the slot, capacity unknown in odd ones. */
static void
add(struct bed *b, uint64_t first, size_t n)
{
	float *v = xcalloc(2 * n, sizeof(*v));
	const struct rrd_rows rows = { first, n, v };
	struct err e = ERR_INIT;

	for (size_t i = 0; i < n; i++) {
		v[2 * i] = (float)(first + i - FIRST);
		v[2 * i + 1] = (first + i) % 2 ? NAN : 7;
	}
	assert_int_equal(rrd_file_add(&b->file, &rows, &e), 0);
	free(v);
}

static void
read_rows(struct bed *b, enum rrd_of of, uint32_t row_s, uint64_t first_s, size_t n,
    float *ret_v)
{
	static const uint8_t counters[] = { METRIC_DISK_CAPACITY, METRIC_DISK_USED };
	const struct rrd_range r = { of, row_s, first_s, first_s + (n - 1) * row_s,
		counters, 2 };
	struct err e = ERR_INIT;

	assert_int_equal(rrd_file_read(&b->file, &r, ret_v, &e), 0);
}

static void
what_was_added_is_there(void **state)
{
	struct bed *b = *state;
	struct err e = ERR_INIT;
	uint64_t last;
	float v[8];

	assert_int_equal(rrd_file_open(&b->file, FIRST, &last, &e), 0);
	assert_int_equal(last, FIRST - 1);
	add(b, FIRST, 3);
	/* What is there already is passed over. */
	add(b, FIRST + 1, 3);
	assert_int_equal(rrd_file_open(&b->file, FIRST, &last, &e), 0);
	assert_int_equal(last, FIRST + 3);
	read_rows(b, RRD_AVERAGE, STEP, FIRST * STEP, 4, v);
	assert_true(v[0] == 7 && isnan(v[1]) && v[2] == 7 && isnan(v[3]));
	for (int i = 0; i < 4; i++)
		assert_true(v[4 + i] == (float)i);
	/* Before it was made, and what is to come. */
	read_rows(b, RRD_AVERAGE, STEP, (FIRST - 2) * STEP, 4, v);
	assert_true(isnan(v[4]) && isnan(v[5]) && v[6] == 0 && v[7] == 1);
	read_rows(b, RRD_AVERAGE, STEP, (FIRST + 3) * STEP, 4, v);
	assert_true(v[4] == 3 && isnan(v[5]) && isnan(v[7]));
}

static void
rows_of_five_minutes_keep_their_peak(void **state)
{
	struct bed *b = *state;
	uint64_t start = FIRST / 15 * 15 + 16; /* after a row's end */
	uint64_t last;
	float v[2];

	assert_int_equal(rrd_file_open(&b->file, start, &last, NULL), 0);
	add(b, start, 15);
	read_rows(b, RRD_AVERAGE, 300, (start + 14) * STEP, 1, v);
	assert_true(v[1] == (float)(start + 7 - FIRST));
	read_rows(b, RRD_MAX, 300, (start + 14) * STEP, 1, v);
	assert_true(v[1] == (float)(start + 14 - FIRST));
}

static void
another_layout_keeps_what_was(void **state)
{
	struct bed *b = *state;
	struct err e = ERR_INIT;
	uint64_t last;
	float v[4];

	assert_int_equal(rrd_file_open(&b->file, FIRST, &last, &e), 0);
	add(b, FIRST, 2);
	/* Made anew as a guest's, which has more counters. */
	b->file.objects = METRIC_OF_DATASTORE | METRIC_OF_CONTAINER;
	assert_int_equal(rrd_file_open(&b->file, FIRST, &last, &e), 0);
	assert_int_equal(last, FIRST + 1);
	read_rows(b, RRD_AVERAGE, STEP, FIRST * STEP, 2, v);
	assert_true(v[0] == 7 && isnan(v[1]) && v[2] == 0 && v[3] == 1);
}

static void
what_is_no_such_file_is_told(void **state)
{
	struct bed *b = *state;
	struct err e = ERR_INIT;
	uint64_t last;
	float v[2];

	const struct rrd_range r = { RRD_AVERAGE, STEP, FIRST * STEP, FIRST * STEP,
		(const uint8_t[]){ METRIC_DISK_USED }, 1 };

	assert_int_equal(rrd_file_read(&b->file, &r, v, &e), ERR_NOT_FOUND);
	assert_int_equal(rrd_file_open(&b->file, FIRST, &last, &e), 0);
	assert_int_equal(truncate(b->path, 5000), 0);
	assert_int_equal(rrd_file_open(&b->file, FIRST, &last, &e), ERR_CORRUPT);
	assert_int_equal(rrd_file_read(&b->file, &r, v, &e), ERR_CORRUPT);
	assert_int_equal(truncate(b->path, 0), 0);
	assert_int_equal(rrd_file_open(&b->file, FIRST, &last, &e), ERR_CORRUPT);
}

static void
a_daemon_that_is_not_there_is_told(void **state)
{
	struct bed *b = *state;
	struct err e = ERR_INIT;
	uint64_t last;

	b->file.daemon = "unix:/nowhere/rrdcached.sock";
	assert_int_equal(rrd_file_open(&b->file, FIRST, &last, &e), ERR_UNAVAILABLE);
	assert_int_equal(access(b->path, F_OK), -1);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(what_was_added_is_there),
		CASE(rows_of_five_minutes_keep_their_peak),
		CASE(another_layout_keeps_what_was),
		CASE(what_is_no_such_file_is_told),
		CASE(a_daemon_that_is_not_there_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
