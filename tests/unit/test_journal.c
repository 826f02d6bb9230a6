#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/link/journal.h"
#include "tests/lib/agent_bed.h"

static int
setup(void **state)
{
	log_set_level(LOG_LEVEL_ERR);
	*state = bed_new();
	return 0;
}

static int
teardown(void **state)
{
	bed_free(*state);
	return 0;
}

static struct journal *
open_journal(struct bed *b, size_t keep)
{
	struct journal *j = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(
	    journal_open(b->loop, b->workers, bed_path(b, "journal"), keep, &j, &e), 0);
	return j;
}

static void
on_done(void *arg, int rc, const struct err *e)
{
	assert_int_equal(rc, 0);
	++*(unsigned *)arg;
}

static void
end_order(struct journal *j, uint64_t task, uint32_t step, unsigned *count)
{
	Drover__Reply r = DROVER__REPLY__INIT;
	Drover__Fault f = DROVER__FAULT__INIT;
	char text[32];

	snprintf(text, sizeof(text), "fault of %u", (unsigned)task);
	f.code = text;
	f.message = text;
	r.task = task;
	r.step = step;
	r.fault = &f;
	journal_end(j, &r, on_done, count);
}

static void
assert_replied(struct journal *j, uint64_t task)
{
	struct order_name name = { task, 1 };
	Drover__Reply *r = NULL;
	char text[32];

	assert_int_equal(journal_find(j, name), JOURNAL_REPLIED);
	assert_int_equal(journal_reply(j, name, &r, NULL), 0);
	snprintf(text, sizeof(text), "fault of %u", (unsigned)task);
	assert_int_equal(r->task, task);
	assert_int_equal(r->step, 1);
	assert_string_equal(r->fault->message, text);
	drover__reply__free_unpacked(r, NULL);
}

static void
states_survive_a_restart(void **state)
{
	struct bed *b = *state;
	struct journal *j = open_journal(b, 100);
	struct order_name begun = { 7, 2 }, replied = { 8, 1 }, never = { 9, 1 };
	unsigned done = 0;

	journal_begin(j, begun, on_done, &done);
	journal_begin(j, replied, on_done, &done);
	end_order(j, 8, 1, &done);
	assert_int_equal(done, 0);
	bed_until_count(b, &done, 3);
	journal_free(j);

	bed_restart(b);
	j = open_journal(b, 100);
	assert_int_equal(journal_find(j, begun), JOURNAL_BEGUN);
	assert_int_equal(journal_find(j, never), JOURNAL_UNKNOWN);
	assert_int_equal(journal_reply(j, begun, NULL, NULL), ERR_NOT_FOUND);
	assert_replied(j, 8);
	journal_free(j);
}

static void
cut_at_every_byte_keeps_every_whole_record(void **state)
{
	struct bed *b = *state;
	struct journal *j = open_journal(b, 100);
	unsigned done = 0;
	size_t n, ends[8];

	for (uint64_t t = 0; t < 4; t++) {
		journal_begin(j, (struct order_name){ t + 1, 1 }, on_done, &done);
		bed_until_count(b, &done, (unsigned)(2 * t + 1));
		free(bed_read(bed_path(b, "journal"), &ends[2 * t]));
		end_order(j, t + 1, 1, &done);
		bed_until_count(b, &done, (unsigned)(2 * t + 2));
		free(bed_read(bed_path(b, "journal"), &ends[2 * t + 1]));
	}
	journal_free(j);
	AUTO_FREE uint8_t *all = bed_read(bed_path(b, "journal"), &n);
	for (size_t len = 0; len <= n; len++) {
		bed_write(bed_path(b, "journal"), all, len);
		j = open_journal(b, 100);
		for (uint64_t t = 0; t < 4; t++) {
			enum journal_state st =
			    journal_find(j, (struct order_name){ t + 1, 1 });

			if (len >= ends[2 * t + 1])
				assert_replied(j, t + 1);
			else
				assert_int_equal(st, len >= ends[2 * t]
							 ? JOURNAL_BEGUN
							 : JOURNAL_UNKNOWN);
		}
		journal_free(j);
	}
}

static void
newest_are_kept_and_the_file_stays_small(void **state)
{
	struct bed *b = *state;
	struct journal *j = open_journal(b, 10);
	struct order_name runs = { 1000, 1 };
	unsigned done = 0;
	size_t n;

	journal_begin(j, runs, on_done, &done);
	for (uint64_t t = 1; t <= 200; t++) {
		journal_begin(j, (struct order_name){ t, 1 }, on_done, &done);
		end_order(j, t, 1, &done);
		bed_until_count(b, &done, (unsigned)(2 * t + 1));
	}
	for (uint64_t t = 192; t <= 200; t++)
		assert_replied(j, t);
	assert_int_equal(journal_find(j, (struct order_name){ 1, 1 }), JOURNAL_UNKNOWN);
	assert_int_equal(journal_find(j, runs), JOURNAL_BEGUN);
	journal_free(j);
	bed_restart(b);
	free(bed_read(bed_path(b, "journal"), &n));
	assert_true(n < 6000);
	j = open_journal(b, 10);
	assert_int_equal(journal_find(j, runs), JOURNAL_BEGUN);
	assert_replied(j, 200);
	assert_int_equal(journal_count(j), 10);
	journal_free(j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    states_survive_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    cut_at_every_byte_keeps_every_whole_record, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    newest_are_kept_and_the_file_stays_small, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
