#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/guest/guest_past.h"
#include "loop/flow.h"
#include "tests/lib/agent_bed.h"
#include "tests/lib/waiter.h"

struct past_bed {
	struct bed *bed;
	struct flows *flows;
	struct guest_past *past;
};

static void
open_past(struct past_bed *b)
{
	struct err e = ERR_INIT;

	b->flows = flows_new(b->bed->loop);
	assert_int_equal(guest_past_open(b->bed->loop, b->bed->workers,
			     bed_path(b->bed, "past"), &b->past, &e),
	    0);
}

static void
close_past(struct past_bed *b)
{
	guest_past_free(b->past);
	flows_free(b->flows);
}

static int
setup(void **state)
{
	struct past_bed *b = xcalloc(1, sizeof(*b));

	assert_int_equal(log_to_file("/dev/null", NULL), 0);
	b->bed = bed_new();
	open_past(b);
	*state = b;
	return 0;
}

static int
teardown(void **state)
{
	struct past_bed *b = *state;

	close_past(b);
	bed_free(b->bed);
	free(b);
	return 0;
}

static void
restart(struct past_bed *b)
{
	close_past(b);
	bed_restart(b->bed);
	open_past(b);
}

static int
note(struct past_bed *b, uint64_t guest, uint64_t generation)
{
	struct waiter w;

	guest_past_note(
	    b->past, guest, generation, waiter_start(&w, b->bed->loop, b->flows));
	return waiter_end(&w, b->bed->loop);
}

static void
what_is_over_stays_over(void **state)
{
	struct past_bed *b = *state;

	assert_int_equal(guest_past_seen(b->past, 7), 0);
	assert_int_equal(note(b, 7, 5), 0);
	assert_int_equal(note(b, 8, 2), 0);
	assert_int_equal(note(b, 7, 3), 0); /* never lower */
	restart(b);
	assert_int_equal(guest_past_seen(b->past, 7), 5);
	assert_int_equal(guest_past_seen(b->past, 8), 2);
	assert_int_equal(guest_past_seen(b->past, 9), 0);
}

static void
the_reason_is_kept_until_the_next_start(void **state)
{
	struct past_bed *b = *state;

	guest_past_set_why(b->past, 7, 5, "nobody knows 7");
	assert_string_equal(guest_past_why(b->past, 7, 5), "");
	assert_int_equal(note(b, 7, 5), 0);
	guest_past_set_why(b->past, 7, 5, "no room");
	assert_int_equal(note(b, 7, 5), 0); /* refused again */
	assert_int_equal(note(b, 8, 1), 0);
	assert_string_equal(guest_past_why(b->past, 7, 5), "no room");
	assert_string_equal(guest_past_why(b->past, 7, 4), "");
	assert_int_equal(note(b, 7, 6), 0);
	assert_string_equal(guest_past_why(b->past, 7, 6), "");
	guest_past_set_why(b->past, 7, 6, "no room either");
	restart(b);
	assert_int_equal(guest_past_seen(b->past, 7), 6);
	assert_string_equal(guest_past_why(b->past, 7, 6), "");
}

static void
oldest_goes_when_there_are_too_many(void **state)
{
	struct past_bed *b = *state;

	for (uint64_t i = 1; i <= GUEST_PAST_MAX; i++)
		guest_past_note(b->past, i, 1, WAKE_NONE);
	guest_past_note(b->past, 1, 2, WAKE_NONE); /* news again */
	assert_int_equal(note(b, GUEST_PAST_MAX + 1, 1), 0);
	restart(b);
	assert_int_equal(guest_past_seen(b->past, 1), 2);
	assert_int_equal(guest_past_seen(b->past, 2), 0);
	assert_int_equal(guest_past_seen(b->past, 3), 1);
	assert_int_equal(guest_past_seen(b->past, GUEST_PAST_MAX + 1), 1);
}

static void
damaged_file_is_set_aside(void **state)
{
	struct past_bed *b = *state;
	uint8_t *p;
	size_t n;

	assert_int_equal(note(b, 7, 5), 0);
	p = bed_read(bed_path(b->bed, "past"), &n);
	bed_write(bed_path(b->bed, "past"), p, n - 1);
	free(p);
	restart(b);
	assert_true(bed_exists(bed_path(b->bed, "past.damaged")));
	assert_int_equal(note(b, 7, 6), 0);
	restart(b);
	assert_int_equal(guest_past_seen(b->past, 7), 6);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_is_over_stays_over),
		T(the_reason_is_kept_until_the_next_start),
		T(oldest_goes_when_there_are_too_many),
		T(damaged_file_is_set_aside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
