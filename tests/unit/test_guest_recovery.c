#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/guest/guest_book.h"
#include "host-agent/record/record.h"
#include "tests/lib/guest_world.h"

/* What an agent that was killed finds, and makes of it. */

static void
running_guests_are_adopted(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_start(w, 7, 3), 0);
	uint64_t started = w->last.started_ms;
	assert_int_equal(world_create(w, 8), 0);
	assert_int_equal(world_start(w, 9, 1), 0);
	assert_int_equal(PAUSE(w, 9), 0);
	world_restart(w);
	assert_int_equal(world_state(w, 7), GUEST_RUNNING);
	assert_int_equal(w->last.generation, 3);
	assert_int_equal(w->last.started_ms, started);
	assert_int_equal(world_state(w, 8), GUEST_STOPPED);
	assert_int_equal(world_state(w, 9), GUEST_PAUSED);
	assert_int_equal(w->events, 2);
	assert_string_equal(w->what, "adopted");
	assert_int_equal(world_start(w, 7, 3), 0);
}

struct file_wait {
	struct world *w;
	uint64_t guest;
};

/* What the book says of the guest: its state once it has met the generation. */
static enum guest_state
booked(const struct world *w, uint64_t guest, uint64_t generation)
{
	AUTO_FREE char *path = guest_book_path(w->book, guest);
	AUTO(str) struct str file = STR_INIT;
	struct guest_record r = { 0 };
	enum guest_state st;

	assert_int_equal(record_file_read(path, SIZE_MAX, &file, NULL), 0);
	assert_int_equal(
	    guest_record_decode((const uint8_t *)file.s, file.len, &r, NULL), 0);
	st = r.generation == generation ? r.state : GUEST_UNKNOWN;
	guest_record_fini(&r);
	return st;
}

/* The record of a start follows its answer. */
static bool
is_booked_running(void *arg)
{
	const struct file_wait *fw = arg;

	return booked(fw->w, fw->guest, 3) == GUEST_RUNNING;
}

static void
guest_that_died_while_we_were_away_is_told(void **state)
{
	struct world *w = *state;
	struct file_wait fw = { w, 7 };

	assert_int_equal(world_start(w, 7, 3), 0);
	bed_until(w->bed, is_booked_running, &fw);
	assert_int_equal(remove(bed_path(w->bed, "vm-7")), 0);
	world_restart(w);
	assert_int_equal(w->events, 1);
	assert_string_equal(w->what, "died");
	assert_int_equal(world_state(w, 7), GUEST_FAILED);
	assert_int_equal(world_start(w, 7, 4), 0);
}

/* Killed after each few turns of a start; the order comes again until it is through. */
static void
agent_killed_anywhere_in_a_start(void **state)
{
	struct world *w = *state;

	for (unsigned turns = 0; turns < 30; turns++) {
		uint64_t guest = 100 + turns;
		Drover__Order *o = world_start_order(w, guest, 1);

		guests_order(w->guests, (struct order_name){ o->task, o->step }, o);
		for (unsigned i = 0; i < turns; i++) {
			clock_advance(w->bed->clock, 3);
			loop_turn(w->bed->loop, 1);
		}
		world_restart(w);
		drover__order__free_unpacked(o, NULL);
		assert_int_equal(world_start(w, guest, 1), 0);
		assert_int_equal(world_state(w, guest), GUEST_RUNNING);
		assert_int_equal(w->last.generation, 1);
	}
}

/* The invented guest has ended; nothing has booted it yet. */
static bool
has_ended(void *arg)
{
	struct file_wait *fw = arg;
	AUTO_FREE char *file = xasprintf("vm-%" PRIu64, fw->guest);

	world_let_time_pass(fw->w);
	return !bed_exists(bed_path(fw->w->bed, file));
}

static void
restart_cut_short_goes_on(void **state)
{
	struct world *w = *state;
	struct file_wait fw = { w, 7 };
	Drover__Order *o;

	assert_int_equal(world_start(w, 7, 1), 0);
	o = world_reset_order(w, 7, true);
	guests_order(w->guests, (struct order_name){ o->task, o->step }, o);
	bed_until(w->bed, has_ended, &fw);
	/* Twice: what is left to do is on disk. */
	world_restart(w);
	world_restart(w);
	assert_int_equal(world_state(w, 7), GUEST_STOPPED);
	assert_int_equal(world_reset(w, 7, true), ERR_BAD_STATE); /* another order */
	assert_int_equal(world_give(w, o), 0);
	assert_int_equal(world_state(w, 7), GUEST_RUNNING);
	assert_int_equal(w->last.generation, 1);
}

static bool
has_claimed(void *arg)
{
	struct file_wait *fw = arg;

	return booked(fw->w, fw->guest, 2) != GUEST_UNKNOWN;
}

static void
resume_cut_short_keeps_the_memory(void **state)
{
	struct world *w = *state;
	unsigned kept = 0;

	/* The boot may have begun by the time that the claim is seen. */
	for (uint64_t guest = 300; guest < 310 && !kept; guest++) {
		struct file_wait fw = { w, guest };
		Drover__Order *o;

		assert_int_equal(world_start(w, guest, 1), 0);
		assert_int_equal(SUSPEND(w, guest), 0);
		o = world_start_order(w, guest, 2);
		guests_order(w->guests, (struct order_name){ o->task, o->step }, o);
		bed_until(w->bed, has_claimed, &fw);
		world_restart(w);
		kept += world_state(w, guest) == GUEST_SUSPENDED;
		assert_int_equal(world_give(w, o), 0);
		assert_int_equal(world_state(w, guest), GUEST_RUNNING);
	}
	assert_int_equal(kept, 1);
}

static void
agent_killed_anywhere_in_a_delete(void **state)
{
	struct world *w = *state;

	for (unsigned turns = 0; turns < 20; turns++) {
		Drover__Order *o = world_order(w, DROVER__ORDER__VERB_GUEST_DELETE);

		assert_int_equal(world_create(w, 7), 0);
		NEW_BODY(o, guest_delete, drover__guest_delete__init)->guest = 7;
		guests_order(w->guests, (struct order_name){ o->task, o->step }, o);
		for (unsigned i = 0; i < turns; i++)
			loop_turn(w->bed->loop, 1);
		world_restart(w);
		drover__order__free_unpacked(o, NULL);
		assert_int_equal(DELETE(w, 7), 0);
		assert_int_equal(guests_count(w->guests), 0);
	}
}

static void
orders_wait_for_adoption(void **state)
{
	struct world *w = *state;
	struct answer_wait a = { w, 0 };
	Drover__Order *o;

	assert_int_equal(world_start(w, 7, 1), 0);
	world_close(w);
	bed_restart(w->bed);
	world_open(w);
	guests_adopt(w->guests, world_on_adopted, w);
	o = world_order(w, DROVER__ORDER__VERB_GUEST_PAUSE);
	NEW_BODY(o, guest_pause, drover__guest_pause__init)->guest = 7;
	a.want = w->replies + w->fails + 1;
	guests_order(w->guests, (struct order_name){ o->task, o->step }, o);
	bed_until(w->bed, world_is_answered, &a);
	drover__order__free_unpacked(o, NULL);
	assert_int_equal(w->fails, 0);
	assert_int_equal(w->last.state, GUEST_PAUSED);
}

static Drover__Order *
pause_order(struct world *w, uint64_t guest)
{
	Drover__Order *o = world_order(w, DROVER__ORDER__VERB_GUEST_PAUSE);

	NEW_BODY(o, guest_pause, drover__guest_pause__init)->guest = guest;
	return o;
}

static void
order_that_waits_can_be_given_up(void **state)
{
	struct world *w = *state;
	Drover__Order *o;

	assert_int_equal(world_start(w, 7, 1), 0);
	world_close(w);
	bed_restart(w->bed);
	world_open(w);
	w->adoptions = 0;
	guests_adopt(w->guests, world_on_adopted, w);
	o = pause_order(w, 7);
	guests_order(w->guests, (struct order_name){ o->task, o->step }, o);
	guests_cancel(w->guests, (struct order_name){ o->task, o->step }, "too late");
	assert_int_equal(w->fails, 1);
	assert_int_equal(w->fault.code, ERR_CANCELLED);
	drover__order__free_unpacked(o, NULL);
	bed_until(w->bed, world_is_adopted, w);
	assert_int_equal(world_state(w, 7), GUEST_RUNNING);
}

static void
only_so_many_orders_wait(void **state)
{
	struct world *w = *state;
	Drover__Order *orders[80];
	struct answer_wait a = { w, 0 };

	assert_int_equal(world_start(w, 7, 1), 0);
	world_close(w);
	bed_restart(w->bed);
	world_open(w);
	guests_adopt(w->guests, world_on_adopted, w);
	a.want = w->replies + w->fails + 80;
	for (size_t i = 0; i < 80; i++) {
		orders[i] = pause_order(w, 7);
		guests_order(w->guests,
		    (struct order_name){ orders[i]->task, orders[i]->step }, orders[i]);
	}
	assert_int_equal(w->fails, 16);
	assert_int_equal(w->fault.code, ERR_BUSY);
	bed_until(w->bed, world_is_answered, &a);
	for (size_t i = 0; i < 80; i++)
		drover__order__free_unpacked(orders[i], NULL);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		T(running_guests_are_adopted),
		T(guest_that_died_while_we_were_away_is_told),
		T(agent_killed_anywhere_in_a_start),
		T(restart_cut_short_goes_on),
		T(resume_cut_short_keeps_the_memory),
		T(agent_killed_anywhere_in_a_delete),
		T(orders_wait_for_adoption),
		T(order_that_waits_can_be_given_up),
		T(only_so_many_orders_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
