#include "host-agent/collect/live.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "loop/timer.h"

struct live {
	struct live_conf conf;
	struct look *look; /* NULL: nobody watches */
	struct timer *tick, *end;
	uint32_t interval_ms;
	uint64_t ids[LIVE_OBJECTS_MAX];
	size_t n_ids;
};

static void
stop(struct live *l, const char *why)
{
	if (!l->look)
		return;
	timer_stop(l->tick);
	timer_stop(l->end);
	look_free(MOVE(l->look));
	log_info("live", "nothing is watched any more: %s", why);
}

static void
on_tick(void *arg)
{
	struct live *l = arg;
	Drover__StatRound *r = look_take_of(l->look, l->ids, l->n_ids);

	if (r)
		l->conf.send(l->conf.arg, r);
}

static void
on_end(void *arg)
{
	stop(arg, "the server has not said so for long");
}

static void
start(struct live *l)
{
	l->look = look_new(&l->conf.look);
	/* What rates are since. */
	(void)look_take_of(l->look, l->ids, l->n_ids);
	timer_every(l->tick, l->interval_ms);
	log_info(
	    "live", "%zu objects are watched, every %u ms", l->n_ids, l->interval_ms);
}

static bool
is_sound(const Drover__StatWatch *w)
{
	return w->interval_ms >= LIVE_MIN_MS && w->interval_ms <= LIVE_MAX_MS &&
	       w->lease_ms && w->lease_ms <= LIVE_LEASE_MAX_MS;
}

void
live_watch(struct live *l, const Drover__StatWatch *w)
{
	if (!w->n_objects) {
		stop(l, "nobody does");
		return;
	}
	if (!is_sound(w)) {
		log_warn("live", "the server watches every %u ms for %u ms: ignored",
		    w->interval_ms, w->lease_ms);
		return;
	}
	if (l->look && w->interval_ms != l->interval_ms)
		stop(l, "it begins anew");
	l->interval_ms = w->interval_ms;
	l->n_ids = w->n_objects < LIVE_OBJECTS_MAX ? w->n_objects : LIVE_OBJECTS_MAX;
	memcpy(l->ids, w->objects, l->n_ids * sizeof(l->ids[0]));
	if (!l->look)
		start(l);
	timer_after(l->end, w->lease_ms);
}

void
live_link_down(struct live *l)
{
	stop(l, "the link is down");
}

bool
live_is_on(const struct live *l)
{
	return l->look != NULL;
}

struct live *
live_new(const struct live_conf *c)
{
	struct live *l = xcalloc(1, sizeof(*l));

	l->conf = *c;
	l->tick = timer_new(c->look.loop, on_tick, l);
	l->end = timer_new(c->look.loop, on_end, l);
	return l;
}

void
live_free(struct live *l)
{
	if (!l)
		return;
	stop(l, "the agent ends");
	timer_free(l->tick);
	timer_free(l->end);
	free(l);
}
