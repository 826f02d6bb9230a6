#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/link/outbox.h"
#include "tests/lib/agent_bed.h"

static char what_died[] = "died";

struct sent {
	unsigned n;
	uint64_t last_id, last_guest;
};

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

static void
on_send(void *arg, const Drover__GuestEvent *ev)
{
	struct sent *s = arg;

	s->n++;
	s->last_id = ev->id;
	s->last_guest = ev->guest;
	assert_string_equal(ev->what, "died");
}

static struct outbox *
open_outbox(struct bed *b, struct sent *s)
{
	const struct outbox_conf c = { b->loop, b->workers, bed_path(b, "events"),
		on_send, s };
	struct outbox *o = NULL;
	struct err e = ERR_INIT;

	memset(s, 0, sizeof(*s));
	assert_int_equal(outbox_open(&c, &o, &e), 0);
	return o;
}

static void
add(struct outbox *o, uint64_t guest)
{
	Drover__GuestEvent ev = DROVER__GUEST_EVENT__INIT;

	ev.guest = guest;
	ev.what = what_died;
	outbox_add(o, &ev);
}

static void
event_is_stored_then_sent_then_repeated_until_acknowledged(void **state)
{
	struct bed *b = *state;
	struct sent s;
	struct outbox *o = open_outbox(b, &s);
	uint64_t first;

	add(o, 1);
	assert_int_equal(s.n, 0);
	bed_until_count(b, &s.n, 1);
	first = s.last_id;
	add(o, 2);
	bed_until_count(b, &s.n, 2);
	assert_true(s.last_id > first);
	outbox_free(o);

	bed_restart(b);
	o = open_outbox(b, &s);
	assert_int_equal(outbox_count(o), 2);
	outbox_resend(o);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.last_guest, 2);
	outbox_ack(o, first);
	outbox_ack(o, first);
	assert_int_equal(outbox_count(o), 1);
	outbox_resend(o);
	assert_int_equal(s.n, 3);
	outbox_free(o);
}

static void
ids_grow_over_a_lost_file(void **state)
{
	struct bed *b = *state;
	struct sent s;
	struct outbox *o = open_outbox(b, &s);
	uint64_t first;

	add(o, 1);
	bed_until_count(b, &s.n, 1);
	first = s.last_id;
	outbox_free(o);
	bed_restart(b);
	remove(bed_path(b, "events"));
	clock_advance(b->clock, 5);
	o = open_outbox(b, &s);
	add(o, 2);
	bed_until_count(b, &s.n, 1);
	assert_true(s.last_id > first);
	outbox_free(o);
}

static void
damaged_file_is_set_aside_and_its_good_part_used(void **state)
{
	struct bed *b = *state;
	struct sent s;
	struct outbox *o = open_outbox(b, &s);
	size_t n;

	add(o, 1);
	add(o, 2);
	bed_until_count(b, &s.n, 2);
	outbox_free(o);
	bed_restart(b);
	AUTO_FREE uint8_t *p = bed_read(bed_path(b, "events"), &n);
	bed_write(bed_path(b, "events"), p, n - 1);
	o = open_outbox(b, &s);
	assert_int_equal(outbox_count(o), 1);
	assert_true(bed_exists(bed_path(b, "events.damaged")));
	outbox_free(o);
}

static void
oldest_go_when_too_many_wait(void **state)
{
	struct bed *b = *state;
	struct sent s;
	struct outbox *o = open_outbox(b, &s);

	for (unsigned i = 1; i <= OUTBOX_MAX + 5; i++)
		add(o, i);
	assert_int_equal(outbox_count(o), OUTBOX_MAX);
	bed_until_count(b, &s.n, OUTBOX_MAX);
	assert_int_equal(s.last_guest, OUTBOX_MAX + 5);
	outbox_free(o);
}

static void
full_disk_delays_no_event(void **state)
{
	struct bed *b = *state;
	struct sent s = { 0 };
	const struct outbox_conf c = { b->loop, b->workers, bed_path(b, "x/events"),
		on_send, &s };
	struct outbox *o = NULL;

	assert_int_equal(outbox_open(&c, &o, NULL), 0);
	add(o, 1);
	bed_until_count(b, &s.n, 1);
	outbox_free(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    event_is_stored_then_sent_then_repeated_until_acknowledged, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    ids_grow_over_a_lost_file, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    damaged_file_is_set_aside_and_its_good_part_used, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    oldest_go_when_too_many_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    full_disk_delays_no_event, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
