#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host-agent/link/progress.h"
#include "tests/lib/agent_bed.h"

static const struct order_name order_a = { 7, 2 }, order_b = { 8, 3 };

static void
on_news(void *arg)
{
	(*(unsigned *)arg)++;
}

static void
note(struct progress *p, struct order_name name, uint64_t done, const char *phase)
{
	Drover__Progress at = DROVER__PROGRESS__INIT;
	AUTO_FREE char *text = xstrdup(phase);

	at.done_bytes = done;
	at.total_bytes = 100;
	at.phase = text;
	progress_note(p, name, &at);
}

static void
turn_to(struct bed *b, uint64_t ms)
{
	clock_advance(b->clock, ms);
	bed_settle(b);
}

static void
test_report_holds_what_was_noted_last(void **state)
{
	struct bed *b = bed_new();
	unsigned news = 0;
	struct progress *p = progress_new(b->loop, on_news, &news);
	Drover__Report r = DROVER__REPORT__INIT;

	note(p, order_a, 1, "copying");
	note(p, order_b, 5, "waiting");
	note(p, order_a, 9, "copying");
	progress_fill(p, &r);
	assert_int_equal(r.n_progress, 2);
	assert_int_equal(r.progress[0]->task, 7);
	assert_int_equal(r.progress[0]->step, 2);
	assert_int_equal(r.progress[0]->done_bytes, 9);
	assert_int_equal(r.progress[0]->total_bytes, 100);
	assert_string_equal(r.progress[1]->phase, "waiting");
	progress_drop(p, order_a);
	progress_drop(p, order_a);
	progress_fill(p, &r);
	assert_int_equal(r.n_progress, 1);
	assert_int_equal(r.progress[0]->task, 8);
	progress_free(p);
	bed_free(b);
}

static void
test_news_are_few(void **state)
{
	struct bed *b = bed_new();
	unsigned news = 0;
	struct progress *p = progress_new(b->loop, on_news, &news);

	turn_to(b, 5000);
	note(p, order_a, 1, "copying");
	assert_int_equal(news, 1);
	for (uint64_t i = 0; i < 50; i++)
		note(p, order_a, i, "copying");
	assert_int_equal(news, 1);
	note(p, order_a, 50, "checking");
	assert_int_equal(news, 2);
	turn_to(b, PROGRESS_GAP_MS);
	note(p, order_a, 51, "checking");
	assert_int_equal(news, 3);
	progress_free(p);
	bed_free(b);
}

static void
test_nobody_listens(void **state)
{
	note(NULL, order_a, 1, "copying");
	progress_drop(NULL, order_a);
	progress_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report_holds_what_was_noted_last),
		cmocka_unit_test(test_news_are_few),
		cmocka_unit_test(test_nobody_listens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
