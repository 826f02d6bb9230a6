#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/guest/guest_book.h"
#include "host-agent/record/record.h"
#include "tests/lib/agent_bed.h"

static int
setup(void **state)
{
	log_set_level(LOG_LEVEL_ERR);
	assert_int_equal(log_to_file("/dev/null", NULL), 0);
	*state = bed_new();
	return 0;
}

static int
teardown(void **state)
{
	bed_free(*state);
	return 0;
}

static void
encode(uint64_t guest, struct str *out)
{
	struct guest_record r = {
		.spec = bed_spec(guest),
		.state = GUEST_RUNNING,
		.generation = 7,
		.started_ms = 1234,
		.pid = 99,
		.reason = "because",
		.restart = { 12, 3 },
	};

	guest_record_encode(&r, out);
	guest_record_fini(&r);
}

static void
write_record(const struct bed *b, uint64_t guest, const void *p, size_t n)
{
	AUTO_FREE char *path = guest_book_path(b->dir, guest);
	char *slash = strrchr(path, '/');

	*slash = '\0';
	assert_int_equal(record_dir_make(path, 0700, NULL), 0);
	*slash = '/';
	bed_write(path, p, n);
}

static void
move_survives_the_way_to_disk_and_back(void **state)
{
	Drover__MoveRecord *m = xcalloc(1, sizeof(*m));
	struct guest_record r = {
		.spec = bed_spec(42),
		.state = GUEST_LEAVING,
		.generation = 7,
		.move = m,
	};
	struct guest_record back = { 0 };
	AUTO(str) struct str b = STR_INIT;

	drover__move_record__init(m);
	m->generation = 8;
	m->peer_uuid = xstrdup("3f2504e0-4f89-41d3-9a0c-0305e82c3301");
	m->running = true;
	guest_record_encode(&r, &b);
	guest_record_fini(&r);
	assert_int_equal(guest_record_decode((uint8_t *)b.s, b.len, &back, NULL), 0);
	assert_int_equal(back.state, GUEST_LEAVING);
	assert_int_equal(back.restart.task, 0);
	assert_int_equal(back.move->generation, 8);
	assert_true(back.move->running);
	guest_record_fini(&back);
	assert_int_equal(
	    guest_record_decode((uint8_t *)b.s, b.len - 1, &back, NULL), ERR_CORRUPT);
}

static void
record_survives_the_way_to_disk_and_back(void **state)
{
	AUTO(str) struct str b = STR_INIT;
	struct guest_record r = { 0 };

	encode(42, &b);
	assert_int_equal(guest_record_decode((uint8_t *)b.s, b.len, &r, NULL), 0);
	assert_int_equal(r.spec->guest, 42);
	assert_int_equal(r.state, GUEST_RUNNING);
	assert_int_equal(r.generation, 7);
	assert_int_equal(r.started_ms, 1234);
	assert_int_equal(r.pid, 99);
	assert_string_equal(r.reason, "because");
	assert_int_equal(r.restart.task, 12);
	assert_int_equal(r.restart.step, 3);
	guest_record_fini(&r);
}

static void
cut_or_flipped_anywhere_it_is_refused(void **state)
{
	AUTO(str) struct str b = STR_INIT;
	struct guest_record r = { 0 };

	encode(42, &b);
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(
		    guest_record_decode((uint8_t *)b.s, n, &r, NULL), ERR_CORRUPT);
	for (size_t i = 0; i < b.len; i++) {
		b.s[i] ^= 0x20;
		assert_int_equal(
		    guest_record_decode((uint8_t *)b.s, b.len, &r, NULL), ERR_CORRUPT);
		b.s[i] ^= 0x20;
	}
	str_addc(&b, 'x');
	assert_int_equal(
	    guest_record_decode((uint8_t *)b.s, b.len, &r, NULL), ERR_CORRUPT);
}

struct loaded {
	unsigned n;
	uint64_t sum;
};

static void
on_record(void *arg, struct guest_record *r_take)
{
	struct loaded *l = arg;

	l->n++;
	l->sum += r_take->spec->guest;
	guest_record_fini(r_take);
}

static void
damaged_record_is_set_aside_and_the_others_load(void **state)
{
	const struct bed *b = *state;
	AUTO(str) struct str r = STR_INIT;
	struct loaded l = { 0 };
	unsigned damaged = 0;

	encode(1, &r);
	write_record(b, 1, r.s, r.len);
	write_record(b, 2, r.s, r.len); /* another guest's record */
	write_record(b, 3, r.s, r.len / 2);
	write_record(b, 4, "", 0);
	str_reset(&r);
	encode(5, &r);
	write_record(b, 5, r.s, r.len);
	assert_int_equal(record_dir_make(bed_path(b, "vm-6"), 0700, NULL), 0);
	assert_int_equal(record_dir_make(bed_path(b, "lost+found"), 0700, NULL), 0);
	assert_int_equal(guest_book_load(b->dir, on_record, &l, &damaged, NULL), 0);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.sum, 6);
	assert_false(bed_exists(bed_path(b, "vm-6")));
	assert_int_equal(damaged, 3);
	assert_true(bed_exists(bed_path(b, "vm-3/record.damaged")));
	assert_false(bed_exists(bed_path(b, "vm-3/record")));
	/* Loud once: the next start does not trip over it again. */
	assert_int_equal(guest_book_load(b->dir, on_record, &l, &damaged, NULL), 0);
	assert_int_equal(damaged, 0);
}

static void
book_that_cannot_be_read_is_an_error(void **state)
{
	const struct bed *b = *state;
	struct loaded l = { 0 };
	unsigned damaged;

	assert_int_equal(
	    guest_book_load(bed_path(b, "none"), on_record, &l, &damaged, NULL),
	    ERR_IO);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(record_survives_the_way_to_disk_and_back),
		T(move_survives_the_way_to_disk_and_back),
		T(cut_or_flipped_anywhere_it_is_refused),
		T(damaged_record_is_set_aside_and_the_others_load),
		T(book_that_cannot_be_read_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
