#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/guest/guests.h"
#include "host-agent/record/record.h"
#include "host-agent/stores/stores.h"
#include "loop/flow.h"
#include "tests/lib/agent_bed.h"

/* The agent's guests on the simulated engine, from order to reply. */
struct world {
	struct bed *bed;
	struct flows *flows;
	struct stores *stores;
	struct engine *engine;
	struct guests *guests;
	char *book, *run, *list;
	const char *faults;

	unsigned replies, fails, events, adoptions;
	struct order_name answered;
	struct err fault;
	Drover__GuestStatus last; /* scalars of the newest reply */
	char what[32];            /* of the newest event */
	uint32_t step;
	uint64_t real_ms; /* when the clock was last moved */
};

static void
on_reply(void *arg, struct order_name name, Drover__Reply *r_take)
{
	struct world *w = arg;

	w->replies++;
	w->answered = name;
	if (r_take->result_case == DROVER__REPLY__RESULT_GUEST)
		w->last = *r_take->guest;
	drover__reply__free_unpacked(r_take, NULL);
}

static void
on_fail(void *arg, struct order_name name, const struct err *e)
{
	struct world *w = arg;

	w->fails++;
	w->answered = name;
	w->fault = *e;
}

static void
on_event(void *arg, const Drover__GuestEvent *ev)
{
	struct world *w = arg;

	w->events++;
	snprintf(w->what, sizeof(w->what), "%s", ev->what);
}

static void
on_changed(void *arg)
{
}

static const char *
needed_by(void *arg, uint64_t datastore)
{
	return NULL;
}

static void
on_adopted(void *arg)
{
	((struct world *)arg)->adoptions++;
}

static void
open_world(struct world *w)
{
	const struct engine_sim_conf ec = { 7, 40, 40, w->faults, w->bed->dir };
	const struct stores_ops sops = { on_reply, on_fail, needed_by, on_changed,
		on_changed, w };
	const struct stores_conf sc = {
		.loop = w->bed->loop,
		.workers = w->bed->workers,
		.savers = w->bed->workers,
		.path = w->list,
		.roots = w->bed->dir,
	};
	const struct guests_ops gops = { on_reply, on_fail, on_event, on_changed, w };
	struct guests_env env = {
		.loop = w->bed->loop,
		.savers = w->bed->workers,
		.blockers = w->bed->workers,
		.engines = &w->engine,
		.n_engines = 1,
		.book_dir = w->book,
		.run_dir = w->run,
		.bridges = "",
	};
	struct err e = ERR_INIT;

	w->flows = flows_new(w->bed->loop);
	env.flows = w->flows;
	assert_int_equal(engine_sim_new(w->bed->loop, &ec, &w->engine, &e), 0);
	engine_probe(w->engine, WAKE_NONE);
	bed_settle(w->bed);
	assert_int_equal(stores_open(&sc, &sops, &w->stores, &e), 0);
	env.stores = w->stores;
	assert_int_equal(guests_open(&env, &gops, &w->guests, &e), 0);
}

static void
close_world(struct world *w)
{
	guests_free(w->guests);
	flows_free(w->flows);
	stores_free(w->stores);
	engine_free(w->engine);
}

/* Invented guests live on the clock, the book on real disks: both must go on. */
static void
let_time_pass(struct world *w)
{
	uint64_t now = clock_mono_ms(clock_system());

	if (now > w->real_ms)
		clock_advance(w->bed->clock, w->real_ms ? 4 * (now - w->real_ms) : 1);
	w->real_ms = now;
}

static bool
is_adopted(void *arg)
{
	struct world *w = arg;

	let_time_pass(w);
	return w->adoptions > 0;
}

/* The agent ends as by SIGKILL, and begins anew. */
static void
restart(struct world *w)
{
	close_world(w);
	bed_restart(w->bed);
	w->adoptions = 0;
	open_world(w);
	guests_adopt(w->guests, on_adopted, w);
	bed_until(w->bed, is_adopted, w);
}

static int
setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	log_set_level(LOG_LEVEL_ERR);
	assert_int_equal(log_to_file("/dev/null", NULL), 0);
	w->bed = bed_new();
	w->book = xstrdup(bed_path(w->bed, "guests"));
	w->run = xstrdup(bed_path(w->bed, "run"));
	w->list = xstrdup(bed_path(w->bed, "datastores"));
	open_world(w);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	close_world(w);
	bed_free(w->bed);
	free(w->book);
	free(w->run);
	free(w->list);
	free(w);
	return 0;
}

struct answer_wait {
	struct world *w;
	unsigned want;
};

static bool
is_answered(void *arg)
{
	struct answer_wait *a = arg;

	let_time_pass(a->w);
	return a->w->replies + a->w->fails >= a->want;
}

static Drover__Order *
order_new(struct world *w, Drover__Order__VerbCase verb)
{
	Drover__Order *o = xcalloc(1, sizeof(*o));

	drover__order__init(o);
	o->task = 1;
	o->step = ++w->step;
	o->verb_case = verb;
	return o;
}

/* Give it and wait for the answer: 0 or the fault's code. */
static int
give(struct world *w, Drover__Order *o)
{
	struct answer_wait a = { w, w->replies + w->fails + 1 };
	struct order_name name = { o->task, o->step };
	unsigned fails = w->fails;

	guests_order(w->guests, name, o);
	bed_until(w->bed, is_answered, &a);
	assert_int_equal(w->answered.step, name.step);
	drover__order__free_unpacked(o, NULL);
	return w->fails > fails ? w->fault.code : 0;
}

#define NEW_BODY(o, field, init)                              \
	({                                                    \
		(o)->field = xcalloc(1, sizeof(*(o)->field)); \
		init((o)->field);                             \
		(o)->field;                                   \
	})

static int
create(struct world *w, uint64_t guest)
{
	Drover__Order *o = order_new(w, DROVER__ORDER__VERB_GUEST_CREATE);

	NEW_BODY(o, guest_create, drover__guest_create__init)->spec = bed_spec(guest);
	return give(w, o);
}

static Drover__Order *
start_order(struct world *w, uint64_t guest, uint64_t generation)
{
	Drover__Order *o = order_new(w, DROVER__ORDER__VERB_GUEST_START);
	Drover__GuestStart *s = NEW_BODY(o, guest_start, drover__guest_start__init);

	s->guest = guest;
	s->generation = generation;
	s->spec = bed_spec(guest);
	return o;
}

static int
start(struct world *w, uint64_t guest, uint64_t generation)
{
	return give(w, start_order(w, guest, generation));
}

static Drover__Order *
stop_order(struct world *w, uint64_t guest, Drover__StopMode mode, uint32_t timeout_ms)
{
	Drover__Order *o = order_new(w, DROVER__ORDER__VERB_GUEST_STOP);
	Drover__GuestStop *s = NEW_BODY(o, guest_stop, drover__guest_stop__init);

	s->guest = guest;
	s->mode = mode;
	s->timeout_ms = timeout_ms;
	return o;
}

static int
stop(struct world *w, uint64_t guest, Drover__StopMode mode, uint32_t timeout_ms)
{
	return give(w, stop_order(w, guest, mode, timeout_ms));
}

static int
plain(struct world *w, Drover__Order__VerbCase verb, uint64_t guest)
{
	Drover__Order *o = order_new(w, verb);

	switch (verb) {
	case DROVER__ORDER__VERB_GUEST_PAUSE:
		NEW_BODY(o, guest_pause, drover__guest_pause__init)->guest = guest;
		break;
	case DROVER__ORDER__VERB_GUEST_RESUME:
		NEW_BODY(o, guest_resume, drover__guest_resume__init)->guest = guest;
		break;
	case DROVER__ORDER__VERB_GUEST_SUSPEND:
		NEW_BODY(o, guest_suspend, drover__guest_suspend__init)->guest = guest;
		break;
	case DROVER__ORDER__VERB_GUEST_DELETE:
		NEW_BODY(o, guest_delete, drover__guest_delete__init)->guest = guest;
		break;
	case DROVER__ORDER__VERB_GUEST_QUERY:
		NEW_BODY(o, guest_query, drover__guest_query__init)->guest = guest;
		break;
	default:
		fail();
	}
	return give(w, o);
}

#define PAUSE(w, g)   plain((w), DROVER__ORDER__VERB_GUEST_PAUSE, (g))
#define RESUME(w, g)  plain((w), DROVER__ORDER__VERB_GUEST_RESUME, (g))
#define SUSPEND(w, g) plain((w), DROVER__ORDER__VERB_GUEST_SUSPEND, (g))
#define DELETE(w, g)  plain((w), DROVER__ORDER__VERB_GUEST_DELETE, (g))
#define QUERY(w, g)   plain((w), DROVER__ORDER__VERB_GUEST_QUERY, (g))

static int
reset(struct world *w, uint64_t guest, bool graceful)
{
	Drover__Order *o = order_new(w, DROVER__ORDER__VERB_GUEST_RESET);
	Drover__GuestReset *r = NEW_BODY(o, guest_reset, drover__guest_reset__init);

	r->guest = guest;
	r->graceful = graceful;
	r->timeout_ms = 60000;
	return give(w, o);
}

static unsigned
state_of(struct world *w, uint64_t guest)
{
	assert_int_equal(QUERY(w, guest), 0);
	return w->last.state;
}

static void
whole_life(void **state)
{
	struct world *w = *state;

	assert_int_equal(create(w, 7), 0);
	assert_int_equal(w->last.state, GUEST_STOPPED);
	assert_int_equal(start(w, 7, 1), 0);
	assert_int_equal(w->last.state, GUEST_RUNNING);
	assert_int_equal(w->last.generation, 1);
	assert_true(w->last.started_ms > 0);
	assert_int_equal(PAUSE(w, 7), 0);
	assert_int_equal(w->last.state, GUEST_PAUSED);
	assert_int_equal(PAUSE(w, 7), 0);
	assert_int_equal(RESUME(w, 7), 0);
	assert_int_equal(reset(w, 7, false), 0);
	assert_int_equal(w->last.state, GUEST_RUNNING);
	assert_int_equal(reset(w, 7, true), 0);
	assert_int_equal(w->last.state, GUEST_RUNNING);
	assert_int_equal(w->last.generation, 1);
	assert_int_equal(DELETE(w, 7), ERR_BAD_STATE);
	assert_int_equal(stop(w, 7, DROVER__STOP_MODE__STOP_GRACEFUL, 60000), 0);
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

	assert_int_equal(create(w, 7), 0);
	assert_int_equal(create(w, 7), 0);
	assert_int_equal(start(w, 7, 1), 0);
	assert_int_equal(start(w, 7, 1), 0);
	assert_int_equal(create(w, 7), 0);
	assert_int_equal(stop(w, 7, DROVER__STOP_MODE__STOP_KILL, 0), 0);
	assert_int_equal(stop(w, 7, DROVER__STOP_MODE__STOP_KILL, 0), 0);
	assert_int_equal(DELETE(w, 7), 0);
	assert_int_equal(DELETE(w, 7), 0);
}

static void
generation_decides_over_a_start(void **state)
{
	struct world *w = *state;

	assert_int_equal(start(w, 7, 5), 0); /* the book is made on the way */
	assert_int_equal(start(w, 7, 4), ERR_STALE);
	assert_int_equal(start(w, 7, 6), ERR_BAD_STATE);
	assert_int_equal(start(w, 7, 0), ERR_INVALID);
	assert_int_equal(stop(w, 7, DROVER__STOP_MODE__STOP_KILL, 0), 0);
	assert_int_equal(start(w, 7, 5), ERR_STALE);
	restart(w);
	assert_int_equal(start(w, 7, 5), ERR_STALE);
	assert_int_equal(start(w, 7, 6), 0);
}

static void
suspended_guest_goes_on(void **state)
{
	struct world *w = *state;

	assert_int_equal(start(w, 7, 1), 0);
	assert_int_equal(SUSPEND(w, 7), 0);
	assert_int_equal(w->last.state, GUEST_SUSPENDED);
	restart(w);
	assert_int_equal(state_of(w, 7), GUEST_SUSPENDED);
	assert_int_equal(start(w, 7, 2), 0);
	assert_int_equal(w->last.state, GUEST_RUNNING);
	assert_int_equal(SUSPEND(w, 7), 0);
	assert_int_equal(stop(w, 7, DROVER__STOP_MODE__STOP_GRACEFUL, 0), 0);
	assert_int_equal(w->last.state, GUEST_STOPPED);
}

static void
other_order_meanwhile_is_told_what_is_going_on(void **state)
{
	struct world *w = *state;
	Drover__Order *o = start_order(w, 7, 1);
	struct order_name name = { o->task, o->step };
	struct answer_wait a = { w, 2 };

	guests_order(w->guests, name, o);
	assert_int_equal(DELETE(w, 7), ERR_BUSY);
	assert_string_equal(w->fault.msg, "vm g7 is busy: start (order 1.1)");
	bed_until(w->bed, is_answered, &a);
	assert_int_equal(w->replies, 1);
	drover__order__free_unpacked(o, NULL);
	assert_int_equal(state_of(w, 7), GUEST_RUNNING);
}

static void
cancelled_start_leaves_nothing(void **state)
{
	struct world *w = *state;
	Drover__Order *o;
	struct answer_wait a = { w, 1 };

	close_world(w);
	bed_restart(w->bed);
	w->faults = "start:7=lost";
	open_world(w);
	o = start_order(w, 7, 1);
	guests_order(w->guests, (struct order_name){ o->task, o->step }, o);
	for (int i = 0; i < 40; i++)
		loop_turn(w->bed->loop, 1);
	guests_cancel(w->guests, (struct order_name){ o->task, o->step }, "too late");
	bed_until(w->bed, is_answered, &a);
	assert_int_equal(w->fault.code, ERR_CANCELLED);
	drover__order__free_unpacked(o, NULL);
	assert_int_equal(guests_count(w->guests), 0);
	restart(w);
	assert_int_equal(guests_count(w->guests), 0);
}

static void
stop_that_is_not_obeyed_leaves_the_guest_running(void **state)
{
	struct world *w = *state;

	close_world(w);
	bed_restart(w->bed);
	w->faults = "stop:*=slow";
	open_world(w);
	assert_int_equal(start(w, 7, 1), 0);
	assert_int_equal(stop(w, 7, DROVER__STOP_MODE__STOP_GRACEFUL, 30), ERR_TIMEOUT);
	assert_int_equal(state_of(w, 7), GUEST_RUNNING);
	assert_int_equal(stop(w, 7, DROVER__STOP_MODE__STOP_GRACEFUL_THEN_KILL, 30), 0);
	assert_int_equal(state_of(w, 7), GUEST_STOPPED);
}

static void
kill_does_not_wait_for_the_polite_stop(void **state)
{
	struct world *w = *state;
	Drover__Order *polite, *kill;

	close_world(w);
	bed_restart(w->bed);
	w->faults = "stop:*=slow";
	open_world(w);
	assert_int_equal(start(w, 7, 1), 0);
	polite = stop_order(w, 7, DROVER__STOP_MODE__STOP_GRACEFUL, 3600000);
	kill = stop_order(w, 7, DROVER__STOP_MODE__STOP_KILL, 0);
	struct answer_wait a = { w, w->replies + w->fails + 2 };
	guests_order(
	    w->guests, (struct order_name){ polite->task, polite->step }, polite);
	for (int i = 0; i < 40; i++)
		loop_turn(w->bed->loop, 1);
	guests_order(w->guests, (struct order_name){ kill->task, kill->step }, kill);
	bed_until(w->bed, is_answered, &a);
	assert_int_equal(w->fault.code, ERR_CANCELLED);
	assert_int_equal(state_of(w, 7), GUEST_STOPPED);
	drover__order__free_unpacked(polite, NULL);
	drover__order__free_unpacked(kill, NULL);
}

static void
guest_that_dies_is_told_with_its_reason(void **state)
{
	struct world *w = *state;

	close_world(w);
	bed_restart(w->bed);
	w->faults = "pause:7=crash,start:8=crash";
	open_world(w);
	assert_int_equal(start(w, 7, 1), 0);
	assert_int_equal(PAUSE(w, 7), ERR_LOST);
	assert_int_equal(state_of(w, 7), GUEST_FAILED);
	assert_int_equal(w->events, 1);
	assert_string_equal(w->what, "died");
	assert_int_equal(create(w, 8), 0);
	assert_int_equal(start(w, 8, 1), ERR_LOST);
	assert_int_equal(state_of(w, 8), GUEST_STOPPED);
	assert_int_equal(start(w, 8, 1), ERR_LOST); /* that generation never ran */
}

static void
running_guests_are_adopted(void **state)
{
	struct world *w = *state;

	assert_int_equal(start(w, 7, 3), 0);
	uint64_t started = w->last.started_ms;
	assert_int_equal(create(w, 8), 0);
	assert_int_equal(start(w, 9, 1), 0);
	assert_int_equal(PAUSE(w, 9), 0);
	restart(w);
	assert_int_equal(state_of(w, 7), GUEST_RUNNING);
	assert_int_equal(w->last.generation, 3);
	assert_int_equal(w->last.started_ms, started);
	assert_int_equal(state_of(w, 8), GUEST_STOPPED);
	assert_int_equal(state_of(w, 9), GUEST_PAUSED);
	assert_int_equal(w->events, 2);
	assert_string_equal(w->what, "adopted");
	assert_int_equal(start(w, 7, 3), 0);
}

static void
guest_that_died_while_we_were_away_is_told(void **state)
{
	struct world *w = *state;

	assert_int_equal(start(w, 7, 3), 0);
	assert_int_equal(remove(bed_path(w->bed, "vm-7")), 0);
	restart(w);
	assert_int_equal(w->events, 1);
	assert_string_equal(w->what, "died");
	assert_int_equal(state_of(w, 7), GUEST_FAILED);
	assert_int_equal(start(w, 7, 4), 0);
}

/* Killed after each few turns of a start; the order comes again until it is through. */
static void
agent_killed_anywhere_in_a_start(void **state)
{
	struct world *w = *state;

	for (unsigned turns = 0; turns < 30; turns++) {
		uint64_t guest = 100 + turns;
		Drover__Order *o = start_order(w, guest, 1);

		guests_order(w->guests, (struct order_name){ o->task, o->step }, o);
		for (unsigned i = 0; i < turns; i++) {
			clock_advance(w->bed->clock, 3);
			loop_turn(w->bed->loop, 1);
		}
		restart(w);
		drover__order__free_unpacked(o, NULL);
		assert_int_equal(start(w, guest, 1), 0);
		assert_int_equal(state_of(w, guest), GUEST_RUNNING);
		assert_int_equal(w->last.generation, 1);
	}
}

static void
agent_killed_anywhere_in_a_delete(void **state)
{
	struct world *w = *state;

	for (unsigned turns = 0; turns < 20; turns++) {
		Drover__Order *o = order_new(w, DROVER__ORDER__VERB_GUEST_DELETE);

		assert_int_equal(create(w, 7), 0);
		NEW_BODY(o, guest_delete, drover__guest_delete__init)->guest = 7;
		guests_order(w->guests, (struct order_name){ o->task, o->step }, o);
		for (unsigned i = 0; i < turns; i++)
			loop_turn(w->bed->loop, 1);
		restart(w);
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

	assert_int_equal(start(w, 7, 1), 0);
	close_world(w);
	bed_restart(w->bed);
	open_world(w);
	guests_adopt(w->guests, on_adopted, w);
	o = order_new(w, DROVER__ORDER__VERB_GUEST_PAUSE);
	NEW_BODY(o, guest_pause, drover__guest_pause__init)->guest = 7;
	a.want = w->replies + w->fails + 1;
	guests_order(w->guests, (struct order_name){ o->task, o->step }, o);
	bed_until(w->bed, is_answered, &a);
	drover__order__free_unpacked(o, NULL);
	assert_int_equal(w->fails, 0);
	assert_int_equal(w->last.state, GUEST_PAUSED);
}

static void
book_that_cannot_be_written_stops_a_start(void **state)
{
	struct world *w = *state;

	assert_int_equal(remove(w->book), 0);
	bed_write(w->book, "x", 1);
	assert_int_equal(start(w, 7, 1), ERR_IO);
	assert_int_equal(guests_count(w->guests), 0);
	assert_false(bed_exists(bed_path(w->bed, "vm-7"))); /* it never ran */
	assert_int_equal(remove(w->book), 0);
	assert_int_equal(record_dir_make(w->book, 0700, NULL), 0);
	assert_int_equal(start(w, 7, 1), 0);
}

static int
update(struct world *w, uint64_t guest, uint32_t num_cpu)
{
	Drover__Order *o = order_new(w, DROVER__ORDER__VERB_GUEST_UPDATE);
	Drover__GuestSpec *s = bed_spec(guest);

	s->num_cpu = num_cpu;
	NEW_BODY(o, guest_update, drover__guest_update__init)->spec = s;
	return give(w, o);
}

static void
update_is_kept(void **state)
{
	struct world *w = *state;

	assert_int_equal(start(w, 7, 1), 0);
	assert_int_equal(update(w, 7, 4), 0);
	restart(w);
	assert_int_equal(update(w, 7, 4), 0);
	assert_int_equal(update(w, 7, 2), ERR_UNSUPPORTED);
	assert_int_equal(state_of(w, 7), GUEST_RUNNING);
}

static void
suspended_guest_keeps_its_size(void **state)
{
	struct world *w = *state;

	assert_int_equal(start(w, 7, 1), 0);
	assert_int_equal(SUSPEND(w, 7), 0);
	assert_int_equal(update(w, 7, 4), ERR_UNSUPPORTED);
	assert_non_null(strstr(w->fault.msg, "needs power off"));
	assert_int_equal(stop(w, 7, DROVER__STOP_MODE__STOP_KILL, 0), 0);
	assert_int_equal(update(w, 7, 4), 0);
}

static void
order_that_makes_no_sense_is_refused(void **state)
{
	struct world *w = *state;
	Drover__Order *o = start_order(w, 7, 1);

	o->guest_start->guest = 8;
	assert_int_equal(give(w, o), ERR_INVALID);
	o = start_order(w, 7, 1);
	o->guest_start->spec->num_cpu = 0;
	assert_int_equal(give(w, o), ERR_INVALID);
	o = start_order(w, 7, 1);
	free(o->guest_start->spec->engine);
	o->guest_start->spec->engine = xstrdup("xen");
	assert_int_equal(give(w, o), ERR_UNSUPPORTED);
	o = order_new(w, DROVER__ORDER__VERB_GUEST_CREATE);
	NEW_BODY(o, guest_create, drover__guest_create__init);
	assert_int_equal(give(w, o), ERR_INVALID);
	assert_int_equal(guests_count(w->guests), 0);
	assert_int_equal(PAUSE(w, 7), ERR_NOT_FOUND);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(whole_life),
		T(repeated_orders_do_no_harm),
		T(generation_decides_over_a_start),
		T(suspended_guest_goes_on),
		T(other_order_meanwhile_is_told_what_is_going_on),
		T(cancelled_start_leaves_nothing),
		T(stop_that_is_not_obeyed_leaves_the_guest_running),
		T(kill_does_not_wait_for_the_polite_stop),
		T(guest_that_dies_is_told_with_its_reason),
		T(running_guests_are_adopted),
		T(guest_that_died_while_we_were_away_is_told),
		T(agent_killed_anywhere_in_a_start),
		T(agent_killed_anywhere_in_a_delete),
		T(orders_wait_for_adoption),
		T(book_that_cannot_be_written_stops_a_start),
		T(update_is_kept),
		T(suspended_guest_keeps_its_size),
		T(order_that_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
