#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/record/record.h"
#include "tests/lib/guest_world.h"

static void
whole_life(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_create(w, 7), 0);
	assert_int_equal(w->last.state, GUEST_STOPPED);
	assert_int_equal(world_start(w, 7, 1), 0);
	assert_int_equal(w->last.state, GUEST_RUNNING);
	assert_int_equal(w->last.generation, 1);
	assert_true(w->last.started_ms > 0);
	assert_int_equal(PAUSE(w, 7), 0);
	assert_int_equal(w->last.state, GUEST_PAUSED);
	assert_int_equal(PAUSE(w, 7), 0);
	assert_int_equal(RESUME(w, 7), 0);
	assert_int_equal(world_reset(w, 7, false), 0);
	assert_int_equal(w->last.state, GUEST_RUNNING);
	assert_int_equal(world_reset(w, 7, true), 0);
	assert_int_equal(w->last.state, GUEST_RUNNING);
	assert_int_equal(w->last.generation, 1);
	assert_int_equal(DELETE(w, 7), ERR_BAD_STATE);
	assert_int_equal(world_stop(w, 7, DROVER__STOP_MODE__STOP_GRACEFUL, 60000), 0);
	assert_int_equal(w->last.state, GUEST_STOPPED);
	assert_int_equal(w->events, 0);
	assert_int_equal(DELETE(w, 7), 0);
	assert_int_equal(guests_count(w->guests), 0);
	assert_false(bed_exists(bed_path(w->bed, "guests/vm-7")));
	assert_int_equal(QUERY(w, 7), ERR_NOT_FOUND);
}

static void
repeated_orders_do_no_harm(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_create(w, 7), 0);
	assert_int_equal(world_create(w, 7), 0);
	assert_int_equal(world_start(w, 7, 1), 0);
	assert_int_equal(world_start(w, 7, 1), 0);
	assert_int_equal(world_create(w, 7), 0);
	assert_int_equal(world_stop(w, 7, DROVER__STOP_MODE__STOP_KILL, 0), 0);
	assert_int_equal(world_stop(w, 7, DROVER__STOP_MODE__STOP_KILL, 0), 0);
	assert_int_equal(DELETE(w, 7), 0);
	assert_int_equal(DELETE(w, 7), 0);
}

static void
generation_decides_over_a_start(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_start(w, 7, 5), 0); /* the book is made on the way */
	assert_int_equal(world_start(w, 7, 4), ERR_STALE);
	assert_int_equal(world_start(w, 7, 6), ERR_BAD_STATE);
	assert_int_equal(world_start(w, 7, 0), ERR_INVALID);
	assert_int_equal(world_stop(w, 7, DROVER__STOP_MODE__STOP_KILL, 0), 0);
	assert_int_equal(world_start(w, 7, 5), ERR_STALE);
	world_restart(w);
	assert_int_equal(world_start(w, 7, 5), ERR_STALE);
	assert_int_equal(world_start(w, 7, 6), 0);
}

static void
suspended_guest_goes_on(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_start(w, 7, 1), 0);
	assert_int_equal(SUSPEND(w, 7), 0);
	assert_int_equal(w->last.state, GUEST_SUSPENDED);
	world_restart(w);
	assert_int_equal(world_state(w, 7), GUEST_SUSPENDED);
	assert_int_equal(world_start(w, 7, 2), 0);
	assert_int_equal(w->last.state, GUEST_RUNNING);
	assert_int_equal(SUSPEND(w, 7), 0);
	assert_int_equal(world_stop(w, 7, DROVER__STOP_MODE__STOP_GRACEFUL, 0), 0);
	assert_int_equal(w->last.state, GUEST_STOPPED);
}

static void
other_order_meanwhile_is_told_what_is_going_on(void **state)
{
	struct world *w = *state;
	Drover__Order *o = world_start_order(w, 7, 1);
	struct order_name name = { o->task, o->step };
	struct answer_wait a = { w, 2 };

	guests_order(w->guests, name, o);
	assert_int_equal(DELETE(w, 7), ERR_BUSY);
	assert_string_equal(w->fault.msg, "vm g7 is busy: start (order 1.1)");
	bed_until(w->bed, world_is_answered, &a);
	assert_int_equal(w->replies, 1);
	drover__order__free_unpacked(o, NULL);
	assert_int_equal(world_state(w, 7), GUEST_RUNNING);
}

static void
what_undoes_an_order_waits_for_it(void **state)
{
	struct world *w = *state;
	Drover__Order *o = world_start_order(w, 7, 1);
	Drover__Order *undo = world_order(w, DROVER__ORDER__VERB_GUEST_STOP);
	Drover__GuestStop *stop = NEW_BODY(undo, guest_stop, drover__guest_stop__init);
	struct answer_wait a = { w, 2 };

	undo->step = o->step + 100;
	stop->guest = 7;
	stop->mode = DROVER__STOP_MODE__STOP_KILL;
	guests_order(w->guests, (struct order_name){ o->task, o->step }, o);
	guests_order(w->guests, (struct order_name){ undo->task, undo->step }, undo);
	bed_until(w->bed, world_is_answered, &a);
	assert_int_equal(w->replies, 2);
	assert_int_equal(world_state(w, 7), GUEST_STOPPED);
	drover__order__free_unpacked(o, NULL);
	drover__order__free_unpacked(undo, NULL);
}

static void
cancelled_start_leaves_nothing(void **state)
{
	struct world *w = *state;
	Drover__Order *o;
	struct answer_wait a = { w, 1 };

	world_close(w);
	bed_restart(w->bed);
	w->faults = "start:7=lost";
	world_open(w);
	o = world_start_order(w, 7, 1);
	guests_order(w->guests, (struct order_name){ o->task, o->step }, o);
	for (int i = 0; i < 40; i++)
		loop_turn(w->bed->loop, 1);
	guests_cancel(w->guests, (struct order_name){ o->task, o->step }, "too late");
	bed_until(w->bed, world_is_answered, &a);
	assert_int_equal(w->fault.code, ERR_CANCELLED);
	drover__order__free_unpacked(o, NULL);
	assert_int_equal(guests_count(w->guests), 0);
	world_restart(w);
	assert_int_equal(guests_count(w->guests), 0);
}

static void
stop_that_is_not_obeyed_leaves_the_guest_running(void **state)
{
	struct world *w = *state;

	world_close(w);
	bed_restart(w->bed);
	w->faults = "stop:*=slow";
	world_open(w);
	assert_int_equal(world_start(w, 7, 1), 0);
	assert_int_equal(
	    world_stop(w, 7, DROVER__STOP_MODE__STOP_GRACEFUL, 30), ERR_TIMEOUT);
	assert_int_equal(world_state(w, 7), GUEST_RUNNING);
	assert_int_equal(
	    world_stop(w, 7, DROVER__STOP_MODE__STOP_GRACEFUL_THEN_KILL, 30), 0);
	assert_int_equal(world_state(w, 7), GUEST_STOPPED);
}

static void
kill_does_not_wait_for_the_polite_stop(void **state)
{
	struct world *w = *state;
	Drover__Order *polite, *kill;

	world_close(w);
	bed_restart(w->bed);
	w->faults = "stop:*=slow";
	world_open(w);
	assert_int_equal(world_start(w, 7, 1), 0);
	polite = world_stop_order(w, 7, DROVER__STOP_MODE__STOP_GRACEFUL, 3600000);
	kill = world_stop_order(w, 7, DROVER__STOP_MODE__STOP_KILL, 0);
	struct answer_wait a = { w, w->replies + w->fails + 2 };
	guests_order(
	    w->guests, (struct order_name){ polite->task, polite->step }, polite);
	for (int i = 0; i < 40; i++)
		loop_turn(w->bed->loop, 1);
	guests_order(w->guests, (struct order_name){ kill->task, kill->step }, kill);
	bed_until(w->bed, world_is_answered, &a);
	assert_int_equal(w->fault.code, ERR_CANCELLED);
	assert_int_equal(world_state(w, 7), GUEST_STOPPED);
	drover__order__free_unpacked(polite, NULL);
	drover__order__free_unpacked(kill, NULL);
}

static void
guest_that_dies_is_told_with_its_reason(void **state)
{
	struct world *w = *state;

	world_close(w);
	bed_restart(w->bed);
	w->faults = "pause:7=crash,start:8=crash";
	world_open(w);
	assert_int_equal(world_start(w, 7, 1), 0);
	assert_int_equal(PAUSE(w, 7), ERR_LOST);
	assert_int_equal(world_state(w, 7), GUEST_FAILED);
	assert_int_equal(w->events, 1);
	assert_string_equal(w->what, "died");
	assert_int_equal(world_create(w, 8), 0);
	assert_int_equal(world_start(w, 8, 1), ERR_LOST);
	assert_int_equal(world_state(w, 8), GUEST_STOPPED);
	assert_int_equal(
	    world_start(w, 8, 1), ERR_LOST); /* that generation never ran */
}

static void
book_that_cannot_be_written_stops_a_start(void **state)
{
	struct world *w = *state;

	assert_int_equal(remove(w->book), 0);
	bed_write(w->book, "x", 1);
	assert_int_equal(world_start(w, 7, 1), ERR_IO);
	assert_int_equal(guests_count(w->guests), 0);
	assert_false(bed_exists(bed_path(w->bed, "vm-7"))); /* it never ran */
	assert_int_equal(remove(w->book), 0);
	assert_int_equal(record_dir_make(w->book, 0700, NULL), 0);
	assert_int_equal(world_start(w, 7, 1), 0);
}

static int
update(struct world *w, uint64_t guest, uint32_t num_cpu)
{
	Drover__Order *o = world_order(w, DROVER__ORDER__VERB_GUEST_UPDATE);
	Drover__GuestSpec *s = bed_spec(guest);

	s->num_cpu = num_cpu;
	NEW_BODY(o, guest_update, drover__guest_update__init)->spec = s;
	return world_give(w, o);
}

static void
update_is_kept(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_start(w, 7, 1), 0);
	assert_int_equal(update(w, 7, 4), 0);
	world_restart(w);
	assert_int_equal(update(w, 7, 4), 0);
	assert_int_equal(update(w, 7, 2), ERR_UNSUPPORTED);
	assert_int_equal(world_state(w, 7), GUEST_RUNNING);
}

static void
suspended_guest_keeps_its_size(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_start(w, 7, 1), 0);
	assert_int_equal(SUSPEND(w, 7), 0);
	assert_int_equal(update(w, 7, 4), ERR_UNSUPPORTED);
	assert_non_null(strstr(w->fault.msg, "needs power off"));
	assert_int_equal(world_stop(w, 7, DROVER__STOP_MODE__STOP_KILL, 0), 0);
	assert_int_equal(update(w, 7, 4), 0);
}

static void
order_that_makes_no_sense_is_refused(void **state)
{
	struct world *w = *state;
	Drover__Order *o = world_start_order(w, 7, 1);

	o->guest_start->guest = 8;
	assert_int_equal(world_give(w, o), ERR_INVALID);
	o = world_start_order(w, 7, 1);
	o->guest_start->spec->num_cpu = 0;
	assert_int_equal(world_give(w, o), ERR_INVALID);
	o = world_start_order(w, 7, 1);
	free(o->guest_start->spec->engine);
	o->guest_start->spec->engine = xstrdup("xen");
	assert_int_equal(world_give(w, o), ERR_UNSUPPORTED);
	o = world_order(w, DROVER__ORDER__VERB_GUEST_CREATE);
	NEW_BODY(o, guest_create, drover__guest_create__init);
	assert_int_equal(world_give(w, o), ERR_INVALID);
	assert_int_equal(guests_count(w->guests), 0);
	assert_int_equal(PAUSE(w, 7), ERR_NOT_FOUND);
}

static void
stopped_guest_is_not_reset(void **state)
{
	struct world *w = *state;

	assert_int_equal(world_create(w, 7), 0);
	assert_int_equal(world_reset(w, 7, true), ERR_BAD_STATE);
	assert_int_equal(world_start(w, 7, 1), 0);
	assert_int_equal(world_stop(w, 7, DROVER__STOP_MODE__STOP_KILL, 0), 0);
	assert_int_equal(world_reset(w, 7, true), ERR_BAD_STATE);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		T(whole_life),
		T(repeated_orders_do_no_harm),
		T(generation_decides_over_a_start),
		T(suspended_guest_goes_on),
		T(other_order_meanwhile_is_told_what_is_going_on),
		T(what_undoes_an_order_waits_for_it),
		T(cancelled_start_leaves_nothing),
		T(stop_that_is_not_obeyed_leaves_the_guest_running),
		T(kill_does_not_wait_for_the_polite_stop),
		T(guest_that_dies_is_told_with_its_reason),
		T(stopped_guest_is_not_reset),
		T(book_that_cannot_be_written_stops_a_start),
		T(update_is_kept),
		T(suspended_guest_keeps_its_size),
		T(order_that_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
