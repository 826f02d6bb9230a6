#include "tests/sim/storm.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/mem.h"
#include "tests/sim/storm_agent.h"
#include "tests/sim/storm_db.h"
#include "tests/sim/storm_net.h"
#include "tests/sim/storm_server.h"
#include "tests/sim/storm_store.h"

#define CALM_LOOK_MS 5000u
#define CALM_LOOKS   3u
#define CALM_MOST_MS 900000u
#define MAX_PPM      9000 /* within e of the lease terms, both ways together */

uint64_t
storm_clock_ms(const struct storm *w, uint32_t node)
{
	const struct storm_clock *c = &w->clocks[node];
	uint64_t rate = UINT64_C(1000000) + (uint64_t)(int64_t)c->ppm;
	return c->base_ms + w->now_ms * rate / 1000000;
}

uint64_t
storm_true_ms(const struct storm *w, uint32_t node, uint64_t ms)
{
	const struct storm_clock *c = &w->clocks[node];
	uint64_t rate = UINT64_C(1000000) + (uint64_t)(int64_t)c->ppm;

	if (ms <= c->base_ms)
		return 0;
	if (ms - c->base_ms > UINT64_MAX / 2000000)
		return UINT64_MAX / 2;
	return ((ms - c->base_ms) * 1000000 + rate - 1) / rate;
}

uint64_t
storm_between(struct storm *w, uint64_t least, uint64_t most)
{
	return least + rng_below(&w->rng, most - least + 1);
}

bool
storm_chance(struct storm *w, uint32_t permille)
{
	return rng_below(&w->rng, 1000) < permille;
}

bool
storm_is_paused(const struct storm *w, uint32_t node)
{
	return w->now_ms < w->paused_ms[node];
}

uint32_t
storm_home(const struct storm *w, uint32_t guest)
{
	ASSERT(w->hosts > 0);
	return guest % w->hosts;
}

uint32_t
storm_server_node(const struct storm *w, uint32_t server)
{
	return w->hosts + server;
}

void
storm_trace(const struct storm *w, const char *fmt, ...)
{
	va_list ap;

	if (!w->trace)
		return;
	printf("%9.3f ", (double)(w->now_ms - STORM_START_MS) / 1000);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

void
storm_post(struct storm *w, uint64_t at_ms, enum storm_event_kind kind, uint32_t node,
    uint64_t arg)
{
	struct storm_event ev = {
		.at_ms = at_ms > w->now_ms ? at_ms : w->now_ms,
		.kind = kind,
		.node = node,
		.life = w->lives[node],
		.arg = arg,
	};
	queue_push(&w->queue, &ev);
}

static void
begin(struct storm *w)
{
	for (uint32_t h = 0; h < w->hosts; h++) {
		storm_post(w, w->now_ms + storm_between(w, 0, w->terms.renew_ms),
		    EV_TICK, h, 0);
		storm_post(w, w->now_ms + storm_between(w, 0, 250), EV_LOOK, h, 0);
	}
	for (uint32_t s = 0; s < w->servers; s++)
		storm_post(w, w->now_ms + storm_between(w, 0, 500), EV_SERVER_TICK,
		    storm_server_node(w, s), 0);
	for (uint32_t g = 0; g < w->guests; g++) {
		uint32_t h = storm_home(w, g);
		copy_start(w, g, h, 1, storm_clock_ms(w, h) + w->terms.length_ms);
	}
}

struct storm *
storm_new(uint64_t seed, enum storm_plant plant)
{
	struct storm *w = xcalloc(1, sizeof(*w));

	w->seed = seed;
	w->plant = plant;
	w->now_ms = STORM_START_MS;
	rng_seed(&w->rng, seed);
	w->hosts = (uint32_t)storm_between(w, 3, STORM_MAX_HOSTS);
	w->servers = (uint32_t)storm_between(w, 1, STORM_MAX_SERVERS);
	w->guests = (uint32_t)storm_between(w, 2, STORM_MAX_GUESTS);
	w->terms = lease_preset(storm_chance(w, 600) ? LEASE_SOFTWARE : LEASE_WATCHDOG);
	for (uint32_t n = 0; n < STORM_MAX_NODES; n++) {
		w->clocks[n].base_ms = storm_between(w, 0, 1000000000);
		w->clocks[n].ppm =
		    (int32_t)storm_between(w, 0, UINT64_C(2) * MAX_PPM) - MAX_PPM;
	}
	schedule_draw(w, &w->schedule);
	w->store = store_new();
	w->db = db_new(w);
	w->net = net_new();
	w->agents = agents_new(w);
	w->srv = servers_new(w);
	store_begin(w);
	return w;
}

void
storm_free(struct storm *w)
{
	if (!w)
		return;
	servers_free(w->srv);
	agents_free(w->agents);
	net_free(w->net);
	db_free(w->db);
	store_free(w->store);
	queue_free(&w->queue);
	free(w);
}

void
storm_use(struct storm *w, const struct storm_schedule *schedule)
{
	w->schedule = *schedule;
}

/* ---- events ---- */

/* What is under way outside the process that asked for it: happens anyway. */
static bool
is_outside(enum storm_event_kind k)
{
	return k == EV_FAULT_ON || k == EV_FAULT_OFF || k == EV_IO_LANDS ||
	       k == EV_DB_LANDS || k == EV_GUARD || k == EV_BOOT ||
	       k == EV_AGENT_BACK || k == EV_SERVER_BACK;
}

/* Handlers that free what they were sent must see it even if nobody is there. */
static bool
is_kept(enum storm_event_kind k)
{
	return k == EV_MESSAGE || k == EV_IO_ENDS || k == EV_DB_ENDS;
}

static void
to_agent(struct storm *w, const struct storm_event *ev)
{
	switch (ev->kind) {
	case EV_TICK:
		agent_on_tick(w, ev->node);
		break;
	case EV_LOOK:
		agent_on_look(w, ev->node);
		break;
	case EV_EXEC:
		agent_on_exec(w, ev->node, ev->arg);
		break;
	case EV_MESSAGE:
		agent_on_message(w, ev->node, ev->arg);
		break;
	case EV_IO_ENDS:
		agent_on_io(w, ev->node, ev->arg);
		break;
	case EV_BOOT:
		agent_on_boot(w, ev->node);
		break;
	case EV_AGENT_BACK:
		agent_on_back(w, ev->node);
		break;
	default:
		break;
	}
}

static void
to_server(struct storm *w, const struct storm_event *ev)
{
	uint32_t server = ev->node - w->hosts;

	switch (ev->kind) {
	case EV_SERVER_TICK:
		server_on_tick(w, server);
		break;
	case EV_MESSAGE:
		server_on_message(w, server, ev->arg);
		break;
	case EV_DB_ENDS:
		server_on_db(w, server, ev->arg);
		break;
	case EV_SERVER_BACK:
		server_on_back(w, server);
		break;
	default:
		break;
	}
}

static void
dispatch(struct storm *w, const struct storm_event *ev)
{
	if (!is_outside(ev->kind) && storm_is_paused(w, ev->node)) {
		struct storm_event later = *ev;
		later.at_ms = w->paused_ms[ev->node];
		queue_push(&w->queue, &later);
		return;
	}
	if (!is_outside(ev->kind) && !is_kept(ev->kind) &&
	    ev->life != w->lives[ev->node])
		return;
	switch (ev->kind) {
	case EV_FAULT_ON:
		fault_begin(w, &w->schedule.list[ev->arg]);
		break;
	case EV_FAULT_OFF:
		fault_end(w, &w->schedule.list[ev->arg]);
		break;
	case EV_IO_LANDS:
		store_on_land(w, ev->arg);
		break;
	case EV_DB_LANDS:
		db_on_land(w, ev->arg);
		break;
	case EV_GUARD:
		copy_on_guard(w, ev);
		break;
	default:
		if (ev->node < w->hosts)
			to_agent(w, ev);
		else
			to_server(w, ev);
		break;
	}
}

void
storm_run(struct storm *w)
{
	uint64_t look_ms = schedule_end_ms(&w->schedule) + CALM_LOOK_MS;
	uint64_t end_ms = look_ms + CALM_MOST_MS;

	for (size_t i = 0; i < w->schedule.n; i++) {
		const struct storm_fault *f = &w->schedule.list[i];
		storm_post(w, f->at_ms, EV_FAULT_ON, 0, i);
		storm_post(w, f->at_ms + f->for_ms, EV_FAULT_OFF, 0, i);
	}
	begin(w);
	while (w->queue.n > 0 && !w->failure.is && w->now_ms < end_ms) {
		struct storm_event ev = queue_pop(&w->queue);
		w->now_ms = ev.at_ms;
		dispatch(w, &ev);
		if (w->now_ms < look_ms)
			continue;
		/* Well for some looks in a row: what is late has had its chance. */
		look_ms = w->now_ms + CALM_LOOK_MS;
		w->calm = oracle_is_calm(w) ? w->calm + 1 : 0;
		if (w->calm >= CALM_LOOKS)
			return;
	}
	oracle_calm(w);
}
