#include "tests/lib/guest_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/channel/channel.h"
#include "host-agent/engine/engine_kind.h"
#include "host-agent/stores/stores.h"
#include "loop/flow.h"

static void
on_reply(void *arg, struct order_name name, Drover__Reply *r_take)
{
	struct world *w = arg;

	w->replies++;
	w->answered = name;
	if (r_take->result_case == DROVER__REPLY__RESULT_GUEST)
		w->last = *r_take->guest;
	drover__reply__free_unpacked(w->reply, NULL);
	w->reply = r_take;
}

static void
on_fail(void *arg, struct order_name name, const struct err *e)
{
	struct world *w = arg;

	w->fails++;
	w->answered = name;
	w->fault = *e;
	drover__reply__free_unpacked(w->reply, NULL);
	w->reply = NULL;
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

void
world_on_adopted(void *arg)
{
	((struct world *)arg)->adoptions++;
}

static void
open_channel(struct world *w)
{
	const struct channel_opts o = {
		.accept_ctx = w->accept,
		.dial_ctx = w->dial,
		.address = "127.0.0.1",
	};
	struct err e = ERR_INIT;

	if (w->uuid)
		assert_int_equal(channel_open(w->bed->loop, &o, &w->channel, &e), 0);
}

void
world_open(struct world *w)
{
	static const char *const addresses[] = { "127.0.0.1" };
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
		.channel_addresses = addresses,
		.n_channel_addresses = ARRAY_SIZE(addresses),
	};
	struct err e = ERR_INIT;

	open_channel(w);
	env.channel = w->channel;
	env.fence = w->fence;
	w->flows = flows_new(w->bed->loop);
	env.flows = w->flows;
	assert_int_equal(engine_sim_new(w->bed->loop, &ec, &w->engine, &e), 0);
	engine_probe(w->engine, WAKE_NONE);
	bed_settle(w->bed);
	assert_int_equal(stores_open(&sc, &sops, &w->stores, &e), 0);
	env.stores = w->stores;
	assert_int_equal(guests_open(&env, &gops, &w->guests, &e), 0);
}

void
world_close(struct world *w)
{
	guests_free(w->guests);
	channel_free(w->channel);
	w->channel = NULL;
	flows_free(w->flows);
	stores_free(w->stores);
	engine_free(w->engine);
}

void
world_let_time_pass(struct world *w)
{
	uint64_t now = clock_mono_ms(clock_system());

	if (now > w->real_ms)
		clock_advance(w->bed->clock, w->real_ms ? 4 * (now - w->real_ms) : 1);
	w->real_ms = now;
}

bool
world_is_adopted(void *arg)
{
	struct world *w = arg;

	world_let_time_pass(w);
	return w->adoptions > 0;
}

void
world_restart(struct world *w)
{
	world_close(w);
	bed_restart(w->bed);
	w->adoptions = 0;
	world_open(w);
	guests_adopt(w->guests, world_on_adopted, w);
	bed_until(w->bed, world_is_adopted, w);
}

struct world *
world_new(void)
{
	struct world *w = xcalloc(1, sizeof(*w));

	log_set_level(LOG_LEVEL_ERR);
	assert_int_equal(log_to_file("/dev/null", NULL), 0);
	w->bed = bed_new();
	w->book = xstrdup(bed_path(w->bed, "guests"));
	w->run = xstrdup(bed_path(w->bed, "run"));
	w->list = xstrdup(bed_path(w->bed, "datastores"));
	return w;
}

int
world_setup(void **state)
{
	struct world *w = world_new();

	world_open(w);
	*state = w;
	return 0;
}

void
world_free(struct world *w)
{
	drover__reply__free_unpacked(w->reply, NULL);
	bed_free(w->bed);
	free(w->book);
	free(w->run);
	free(w->list);
	free(w);
}

int
world_teardown(void **state)
{
	world_close(*state);
	world_free(*state);
	return 0;
}

bool
world_is_answered(void *arg)
{
	struct answer_wait *a = arg;

	world_let_time_pass(a->w);
	return a->w->replies + a->w->fails >= a->want;
}

Drover__Order *
world_order(struct world *w, Drover__Order__VerbCase verb)
{
	Drover__Order *o = xcalloc(1, sizeof(*o));

	drover__order__init(o);
	o->task = 1;
	o->step = ++w->step;
	o->verb_case = verb;
	return o;
}

void
world_begin(struct world *w, Drover__Order *o)
{
	guests_order(w->guests, (struct order_name){ o->task, o->step }, o);
}

int
world_give(struct world *w, Drover__Order *o)
{
	struct answer_wait a = { w, w->replies + w->fails + 1 };
	unsigned fails = w->fails;

	world_begin(w, o);
	bed_until(w->bed, world_is_answered, &a);
	assert_int_equal(w->answered.step, o->step);
	drover__order__free_unpacked(o, NULL);
	return w->fails > fails ? w->fault.code : 0;
}

int
world_create(struct world *w, uint64_t guest)
{
	Drover__Order *o = world_order(w, DROVER__ORDER__VERB_GUEST_CREATE);

	NEW_BODY(o, guest_create, drover__guest_create__init)->spec = bed_spec(guest);
	return world_give(w, o);
}

Drover__Order *
world_start_order(struct world *w, uint64_t guest, uint64_t generation)
{
	Drover__Order *o = world_order(w, DROVER__ORDER__VERB_GUEST_START);
	Drover__GuestStart *s = NEW_BODY(o, guest_start, drover__guest_start__init);

	s->guest = guest;
	s->generation = generation;
	s->spec = bed_spec(guest);
	return o;
}

int
world_start(struct world *w, uint64_t guest, uint64_t generation)
{
	return world_give(w, world_start_order(w, guest, generation));
}

Drover__Order *
world_stop_order(
    struct world *w, uint64_t guest, Drover__StopMode mode, uint32_t timeout_ms)
{
	Drover__Order *o = world_order(w, DROVER__ORDER__VERB_GUEST_STOP);
	Drover__GuestStop *s = NEW_BODY(o, guest_stop, drover__guest_stop__init);

	s->guest = guest;
	s->mode = mode;
	s->timeout_ms = timeout_ms;
	return o;
}

int
world_stop(struct world *w, uint64_t guest, Drover__StopMode mode, uint32_t timeout_ms)
{
	return world_give(w, world_stop_order(w, guest, mode, timeout_ms));
}

int
world_plain(struct world *w, Drover__Order__VerbCase verb, uint64_t guest)
{
	Drover__Order *o = world_order(w, verb);

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
	return world_give(w, o);
}

Drover__Order *
world_reset_order(struct world *w, uint64_t guest, bool graceful)
{
	Drover__Order *o = world_order(w, DROVER__ORDER__VERB_GUEST_RESET);
	Drover__GuestReset *r = NEW_BODY(o, guest_reset, drover__guest_reset__init);

	r->guest = guest;
	r->graceful = graceful;
	r->timeout_ms = 60000;
	return o;
}

int
world_reset(struct world *w, uint64_t guest, bool graceful)
{
	return world_give(w, world_reset_order(w, guest, graceful));
}

unsigned
world_state(struct world *w, uint64_t guest)
{
	assert_int_equal(QUERY(w, guest), 0);
	return w->last.state;
}
