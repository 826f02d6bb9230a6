#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/record/reclog.h"
#include "host-agent/record/record.h"
#include "host-agent/record/saver.h"
#include "tests/lib/agent_bed.h"

static int
setup(void **state)
{
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
every_flipped_bit_and_cut_is_seen(void **state)
{
	AUTO(str) struct str b = STR_INIT;
	uint32_t n = 0;

	record_add(&b, "hello", 5);
	assert_int_equal(record_peek((uint8_t *)b.s, b.len, &n, NULL), 1);
	assert_int_equal(n, 5);
	for (size_t cut = 0; cut < b.len; cut++)
		assert_int_equal(record_peek((uint8_t *)b.s, cut, &n, NULL), 0);
	for (size_t bit = 0; bit < b.len * 8; bit++) {
		b.s[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_not_equal(record_peek((uint8_t *)b.s, b.len, &n, NULL), 1);
		b.s[bit / 8] ^= (char)(1 << bit % 8);
	}
}

static void
file_is_replaced_whole(void **state)
{
	const struct bed *b = *state;
	AUTO(str) struct str got = STR_INIT;
	const char *path = bed_path(b, "f");
	struct err e = ERR_INIT;

	assert_int_equal(record_file_read(path, 100, &got, &e), ERR_NOT_FOUND);
	assert_int_equal(record_file_write(path, 0600, "one", 3, &e), 0);
	assert_int_equal(record_file_write(path, 0600, "twotwo", 6, &e), 0);
	assert_int_equal(record_file_read(path, 100, &got, &e), 0);
	assert_string_equal(str_cstr(&got), "twotwo");
	assert_int_equal(record_file_read(path, 5, &got, &e), ERR_TOO_LARGE);
	assert_int_equal(record_file_remove(path, &e), 0);
	assert_int_equal(record_file_remove(path, &e), 0);
	assert_false(bed_exists(path));
}

static void
text_is_swapped_whole(void **state)
{
	const struct bed *b = *state;
	AUTO(str) struct str got = STR_INIT;
	const char *path = bed_path(b, "f");
	struct err e = ERR_INIT;

	assert_int_equal(record_file_swap(path, "first and long", &e), 0);
	bed_write(bed_path(b, "f.tmp"), "left by a crash", 15);
	assert_int_equal(record_file_swap(path, "second", &e), 0);
	assert_int_equal(record_file_read(path, 100, &got, &e), 0);
	assert_string_equal(str_cstr(&got), "second");
	assert_false(bed_exists(bed_path(b, "f.tmp")));
	assert_int_equal(record_file_swap(bed_path(b, "no/f"), "x", &e), ERR_IO);
}

static void
folders_are_made_on_the_way(void **state)
{
	const struct bed *b = *state;
	struct err e = ERR_INIT;

	assert_int_equal(record_dir_make(bed_path(b, "a/b/c"), 0700, &e), 0);
	assert_int_equal(record_dir_make(bed_path(b, "a/b/c"), 0700, &e), 0);
	bed_write(bed_path(b, "a/file"), "", 0);
	assert_int_equal(record_dir_make(bed_path(b, "a/file"), 0700, &e), ERR_IO);
}

struct calls {
	unsigned n;
	int rc;
};

static void
on_saved(void *arg, uint64_t seq, int rc, const struct err *e)
{
	struct calls *c = arg;

	c->n++;
	c->rc = rc;
}

static void
newest_contents_win(void **state)
{
	struct bed *b = *state;
	struct saver *s = saver_new(b->loop, b->workers, bed_path(b, "s"));
	AUTO(str) struct str got = STR_INIT;
	struct calls c = { 0 };

	for (int i = 0; i < 50; i++) {
		char text[8];

		snprintf(text, sizeof(text), "%d", i);
		saver_put(s, text, strlen(text), on_saved, &c);
	}
	assert_int_equal(c.n, 0);
	bed_until_count(b, &c.n, 50);
	assert_int_equal(c.rc, 0);
	assert_int_equal(record_file_read(bed_path(b, "s"), 100, &got, NULL), 0);
	assert_string_equal(str_cstr(&got), "49");

	saver_put(s, NULL, 0, on_saved, &c);
	bed_until_count(b, &c.n, 51);
	assert_false(bed_exists(bed_path(b, "s")));
	saver_put(s, "x", 1, on_saved, &c);
	saver_free(s);
	bed_settle(b);
	assert_int_equal(c.n, 51);
}

static void
write_that_fails_is_told(void **state)
{
	struct bed *b = *state;
	struct saver *s = saver_new(b->loop, b->workers, bed_path(b, "no/such/folder"));
	struct calls c = { 0 };

	saver_put(s, "x", 1, on_saved, &c);
	bed_until_count(b, &c.n, 1);
	assert_int_equal(c.rc, ERR_IO);
	saver_free(s);
}

struct seen {
	unsigned n;
	char all[4096];
	uint64_t offsets[64];
};

static void
on_replay(void *arg, uint64_t offset, const uint8_t *p, size_t n)
{
	struct seen *s = arg;

	s->offsets[s->n % 64] = offset;
	s->n++;
	size_t len = strlen(s->all);

	snprintf(s->all + len, sizeof(s->all) - len, "%.*s,", (int)n, (const char *)p);
}

static struct reclog *
open_log(struct bed *b, struct seen *s, uint64_t *cut)
{
	const struct reclog_conf c = { b->loop, b->workers, bed_path(b, "log"),
		on_replay, s };
	struct reclog *g = NULL;
	struct err e = ERR_INIT;

	memset(s, 0, sizeof(*s));
	assert_int_equal(reclog_open(&c, &g, cut, &e), 0);
	return g;
}

static void
on_appended(void *arg, int rc, const struct err *e)
{
	struct calls *c = arg;

	c->n++;
	c->rc = rc;
}

static void
what_was_appended_is_replayed(void **state)
{
	struct bed *b = *state;
	struct seen s;
	uint64_t cut = 9;
	struct reclog *g = open_log(b, &s, &cut);
	AUTO(str) struct str got = STR_INIT;
	struct calls c = { 0 };

	assert_int_equal(cut, 0);
	uint64_t first = reclog_append(g, "a", 1, on_appended, &c);
	uint64_t second = reclog_append(g, "bb", 2, on_appended, &c);
	/* Readable at once, wherever it is on its way. */
	assert_int_equal(reclog_read(g, second, &got, NULL), 0);
	assert_string_equal(str_cstr(&got), "bb");
	bed_until_count(b, &c.n, 2);
	assert_int_equal(c.rc, 0);
	assert_int_equal(reclog_read(g, first, &got, NULL), 0);
	assert_string_equal(str_cstr(&got), "a");
	assert_int_equal(reclog_read(g, first + 3, &got, NULL), ERR_CORRUPT);
	reclog_free(g);

	g = open_log(b, &s, &cut);
	assert_string_equal(s.all, "a,bb,");
	assert_int_equal(s.offsets[1], second);
	reclog_free(g);
}

static void
log_cut_at_any_byte_keeps_what_is_whole(void **state)
{
	struct bed *b = *state;
	struct seen s;
	uint64_t cut;
	struct reclog *g = open_log(b, &s, &cut);
	struct calls c = { 0 };
	size_t n;

	for (int i = 0; i < 3; i++)
		reclog_append(g, "record", 6, on_appended, &c);
	bed_until_count(b, &c.n, 3);
	reclog_free(g);
	AUTO_FREE uint8_t *all = bed_read(bed_path(b, "log"), &n);
	for (size_t len = 0; len <= n; len++) {
		bed_write(bed_path(b, "log"), all, len);
		g = open_log(b, &s, &cut);
		assert_int_equal(s.n, len / (n / 3));
		assert_int_equal(cut, len % (n / 3));
		reclog_append(g, "after", 5, on_appended, &c);
		c.n = 0;
		bed_until_count(b, &c.n, 1);
		reclog_free(g);
		g = open_log(b, &s, &cut);
		assert_int_equal(s.n, len / (n / 3) + 1);
		assert_int_equal(cut, 0);
		reclog_free(g);
	}
}

struct moved {
	unsigned n;
	uint64_t from, to, late_from, late_to;
};

static void
on_compacted(void *arg, int rc, const struct reclog_moves *m, const struct err *e)
{
	struct moved *v = arg;

	v->n++;
	assert_int_equal(rc, 0);
	v->to = reclog_moved(m, v->from);
	v->late_to = reclog_moved(m, v->late_from);
}

static void
compaction_keeps_what_was_asked_for_and_what_came_meanwhile(void **state)
{
	struct bed *b = *state;
	struct seen s;
	uint64_t cut;
	struct reclog *g = open_log(b, &s, &cut);
	AUTO(str) struct str got = STR_INIT;
	struct calls c = { 0 };
	struct moved v = { 0 };

	reclog_append(g, "old", 3, on_appended, &c);
	v.from = reclog_append(g, "kept", 4, on_appended, &c);
	reclog_append(g, "older", 5, on_appended, &c);
	bed_until_count(b, &c.n, 3);
	assert_int_equal(reclog_compact(g, &v.from, 1, on_compacted, &v, NULL), 0);
	assert_int_equal(
	    reclog_compact(g, &v.from, 1, on_compacted, &v, NULL), ERR_BUSY);
	v.late_from = reclog_append(g, "late", 4, on_appended, &c);
	bed_until_count(b, &v.n, 1);
	bed_until_count(b, &c.n, 4);
	assert_int_equal(v.to, 0);
	assert_int_equal(reclog_read(g, v.to, &got, NULL), 0);
	assert_string_equal(str_cstr(&got), "kept");
	assert_int_equal(reclog_read(g, v.late_to, &got, NULL), 0);
	assert_string_equal(str_cstr(&got), "late");
	reclog_free(g);
	g = open_log(b, &s, &cut);
	assert_string_equal(s.all, "kept,late,");
	reclog_free(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_flipped_bit_and_cut_is_seen),
		cmocka_unit_test_setup_teardown(
		    file_is_replaced_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(text_is_swapped_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    folders_are_made_on_the_way, setup, teardown),
		cmocka_unit_test_setup_teardown(newest_contents_win, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    write_that_fails_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_was_appended_is_replayed, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    log_cut_at_any_byte_keeps_what_is_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    compaction_keeps_what_was_asked_for_and_what_came_meanwhile, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
