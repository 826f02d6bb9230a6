#include "host-agent/fence/fence.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "host-agent/fence/fence_int.h"
#include "host-agent/fence/fence_watchdog.h"
#include "host-agent/fence/fence_ping.h"
#include "host-agent/fence/guard_client.h"
#include "host-agent/fence/lease_io.h"
#include "host-agent/record/saver.h"
#include "loop/timer.h"

#define US_PER_MS 1000u

uint64_t
fence_now_ms(const struct fence *f)
{
	return clock_mono_ms(loop_clock(f->loop));
}

uint64_t
fence_ms_of(const struct fence *f, uint64_t system_us)
{
	uint64_t age_us = clock_mono_us(clock_system()) - system_us;
	uint64_t now_us = clock_mono_us(loop_clock(f->loop));

	return now_us > age_us ? (now_us - age_us) / US_PER_MS : 0;
}

bool
fence_is_on(const struct fence *f)
{
	return f->conf && f->conf->enabled;
}

/* ---- who is held ---- */

struct held *
fence_held(const struct fence *f, uint64_t guest)
{
	return map_get(f->held, guest);
}

struct held *
fence_hold(struct fence *f, const Drover__HaGuest *ha)
{
	struct held *h = fence_held(f, ha->guest);

	if (h)
		return h;
	h = xcalloc(1, sizeof(*h));
	h->f = f;
	h->guest = ha->guest;
	h->ha = fence_ha_dup(ha);
	h->phase = CLAIM_NONE;
	h->datastore = ha->datastore;
	map_put(f->held, h->guest, h);
	fence_watchdog_follow(f);
	return h;
}

static void
held_free(struct held *h)
{
	for (size_t i = 0; i < h->f->n_stores; i++)
		lease_io_forget(h->f->stores[i]->claims_io, h);
	free(h->ha);
	free(h->attests);
	free(h);
}

void
fence_let_go(struct fence *f, struct held *h)
{
	struct wake w = h->dropped;

	map_del(f->held, h->guest);
	held_free(h);
	fence_watchdog_follow(f);
	(void)fence_keep(f);
	if (w.flow)
		post_wake(f->loop, w, 0, NULL);
}

/* ---- time ---- */

static void
on_look(void *arg)
{
	struct fence *f = arg;
	uint64_t now = fence_now_ms(f);

	/* Who was not let run has not listened either: the wait begins anew. */
	if (now > f->looked_ms + FENCE_STALL_MS)
		f->manager_ms = now;
	f->looked_ms = now;
	f->look_due = false;
	timer_after(f->look, FENCE_LOOK_MS);
	if (f->keep_again)
		(void)fence_keep(f);
	if (f->conf)
		fence_look(f);
	fence_late_find(f);
	fence_claims_turn(f);
}

static void
on_claims(void *arg)
{
	fence_claims_turn(arg);
}

static void
on_beat(void *arg)
{
	struct fence *f = arg;

	if (f->ping && f->conf->isolation_ms)
		fence_ping_send(f->ping,
		    (const char *const *)f->conf->isolation_addresses,
		    f->conf->n_isolation_addresses);
	for (size_t i = 0; i < f->n_stores; i++)
		fence_store_turn(f->stores[i], STORE_RENEW);
	fence_claims_mend(f);
	fence_beat_send(f);
}

void
fence_changed(struct fence *f)
{
	if (!f->started || f->look_due)
		return;
	f->look_due = true;
	timer_after(f->look, 0);
}

void
fence_beats_follow(struct fence *f)
{
	fence_watchdog_follow(f);
	if (!fence_is_on(f)) {
		timer_stop(f->beat);
		fence_beat_send(f);
		return;
	}
	timer_every(f->beat, f->terms.renew_ms);
	on_beat(f);
}

/* ---- life ---- */

int
fence_open(const struct fence_conf *c, const struct fence_hands *hands,
    struct fence **ret_f, struct err *e)
{
	struct fence *f = xcalloc(1, sizeof(*f));
	int rc;

	f->loop = c->loop;
	f->hands = *hands;
	f->boot = xstrdup(c->boot);
	f->ping = c->ping;
	f->held = map_new_u64();
	f->saver = saver_new(c->loop, c->savers, c->path);
	f->beat = timer_new(c->loop, on_beat, f);
	f->look = timer_new(c->loop, on_look, f);
	f->claims = timer_new(c->loop, on_claims, f);
	rng_secret(&f->writer, sizeof(f->writer));
	rng_secret(&f->last_nonce, sizeof(uint32_t));
	rc = fence_keep_load(f, c->path, e);
	if (rc) {
		fence_free(f);
		return rc;
	}
	fence_stores_set(f);
	*ret_f = f;
	return 0;
}

/* What was kept says who was held; who is alive was let run by it. */
static void
take_copy(void *to, const struct fence_copy *c)
{
	struct fence *f = to;
	struct held *h = fence_held(f, c->guest);
	Drover__HaGuest ha = DROVER__HA_GUEST__INIT;

	if (!c->alive)
		return;
	if (h && h->late) {
		/* It ran before it was claimed: that begins again. */
		h->dropping = h->phase != CLAIM_NONE;
		return;
	}
	if (h) {
		h->phase = h->phase == CLAIM_CLAIM ? CLAIM_RUN : h->phase;
		return;
	}
	if (!c->guarded || c->guard_us == GUARD_NO_DEADLINE)
		return;
	log_warn(
	    "fence", "vm-%" PRIu64 " has a deadline, and no lease is known", c->guest);
	ha.guest = c->guest;
	/* Under one that is not ours to renew: its guard is never told to let it live.
	 */
	ha.authority = DROVER__HA_AUTHORITY__HA_AUTHORITY_SHARED;
	h = fence_hold(f, &ha);
	h->run_gen = c->run_gen;
}

/* R7 is for the one who saw it die: the leader decides on those that ended meanwhile.
 */
static void
give_up_dead(struct fence *f)
{
	MAP_EACH(f->held, it) {
		struct held *h = it.value;
		struct fence_copy c = { .alive = false };

		(void)f->hands.copy(f->hands.arg, h->guest, &c);
		if (!c.alive)
			h->unwanted = true;
		/* A write of the life before may still land. */
		h->failed_ms = fence_now_ms(f);
	}
}

void
fence_start(struct fence *f)
{
	f->started = true;
	f->manager_ms = fence_now_ms(f);
	f->hands.each(f->hands.arg, take_copy, f);
	give_up_dead(f);
	if (map_count(f->held)) {
		uint64_t seq = fence_keep(f);

		MAP_EACH(f->held, it)
			((struct held *)it.value)->kept_seq = seq;
	}
	on_look(f);
	if (fence_is_on(f))
		fence_beats_follow(f);
}

void
fence_link_up(struct fence *f)
{
	free(MOVE(f->said));
	if (f->started && f->conf)
		fence_beat_send(f);
}

void
fence_free(struct fence *f)
{
	if (!f)
		return;
	fence_watchdog_leave(f);
	timer_free(f->beat);
	timer_free(f->look);
	timer_free(f->claims);
	MAP_EACH(f->held, it)
		held_free(it.value);
	/* Before its values go: the stores look at who is held. */
	map_free(f->held);
	f->held = map_new_u64();
	fence_stores_free(f);
	map_free(f->held);
	saver_free(f->saver);
	drover__ha_conf__free_unpacked(f->conf, NULL);
	free(f->said);
	free(f->boot);
	free(f);
}
