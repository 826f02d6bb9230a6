/*
 * What fence_decide looks at, and what is done with what it says.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/fence/fence_int.h"
#include "host-agent/fence/fence_ping.h"
#include "host-agent/fence/guard_client.h"
#include "host-agent/fence/watchdog.h"
#include "loop/timer.h"

#define US_PER_MS      1000u
#define KILL_AGAIN_MS  1000u
#define RESTART_MIN_MS 1000u
#define RESTART_MAX_MS 60000u
/* An agent that was not let run learns of what has ended meanwhile before it acts. */
#define RESET_AFTER_MS 1000u
#define RUNS_WELL_MS   300000u /* then a restart counts as the first */

/* ---- what fence_decide looks at ---- */

struct look {
	struct fence_view v;
	struct fence_store *stores; /* the last one is of those that have none */
};

static void
look_begin(const struct fence *f, struct look *l)
{
	l->stores = xcalloc(f->n_stores + 1, sizeof(*l->stores));
	for (size_t i = 0; i < f->n_stores; i++)
		l->stores[i] = f->stores[i]->lease;
	l->v = (struct fence_view){
		.joined = f->joined,
		.fenced = f->fenced,
		.mode =
		    fence_now_ms(f) < f->frozen_until_ms ? FENCE_FROZEN : FENCE_NORMAL,
		.network_end_ms = f->network_end_ms,
		.long_end_ms = f->long_end_ms,
		.freeze_end_ms = f->frozen_until_ms,
		.manager_ms = f->manager_ms,
		.gateway_ms = f->ping ? fence_ping_heard_ms(f->ping) : 0,
		.isolation_ms = fence_is_on(f) && f->ping ? f->conf->isolation_ms : 0,
		.terms = &f->terms,
		.stores = l->stores,
		.n_stores = f->n_stores + 1,
	};
}

static size_t
store_of(const struct fence *f, const struct held *h)
{
	for (size_t i = 0; i < f->n_stores; i++) {
		if (f->stores[i]->number == h->ha->datastore)
			return i;
	}
	return f->n_stores;
}

static enum fence_authority
authority_of(const struct fence *f, const struct held *h)
{
	if (!fence_is_on(f))
		return FENCE_NONE;
	switch (h->ha->authority) {
	case DROVER__HA_AUTHORITY__HA_AUTHORITY_SHARED:
		return FENCE_SHARED;
	case DROVER__HA_AUTHORITY__HA_AUTHORITY_NETWORK:
		return FENCE_NETWORK;
	default:
		return FENCE_NONE;
	}
}

static enum fence_response
response_of(const struct held *h)
{
	switch (h->ha->response) {
	case DROVER__HA_RESPONSE__HA_SHUT_DOWN:
		return FENCE_SHUT_DOWN;
	case DROVER__HA_RESPONSE__HA_POWER_OFF:
		return FENCE_POWER_OFF;
	default:
		return FENCE_LEAVE_ON;
	}
}

/* Until the write of phase run is there for sure, it is a claim. */
static enum claim_phase
phase_of(const struct held *h)
{
	return h->phase != CLAIM_NONE && h->stage != CLAIM_AT_REST ? CLAIM_CLAIM
								   : h->phase;
}

/* One that was reaped before its deadline was not ended by it. */
static void
note_guard(struct held *h, const struct fence_copy *c, uint64_t now)
{
	if (c->alive)
		h->guard_us = c->guarded ? c->guard_us : 0;
	else if (now < h->guard_us / US_PER_MS)
		h->guard_us = 0;
}

static uint64_t
guard_ms(const struct held *h, const struct fence_guest *g, const struct fence_view *v,
    uint64_t now)
{
	if (h->guard_us != GUARD_NO_DEADLINE)
		return h->guard_us / US_PER_MS;
	/* It was under no lease, and gets a deadline when there is one to hold it. */
	return g->authority != FENCE_NONE && lease_holds(fence_deadline(v, g), now)
		   ? 0
		   : LEASE_NEVER;
}

static struct fence_guest
guest_of(const struct fence *f, struct held *h, const struct look *l,
    const struct fence_copy *c)
{
	struct fence_guest g = {
		.authority = authority_of(f, h),
		.response = response_of(h),
		.store = store_of(f, h),
		.alive = c->alive,
		.phase = phase_of(h),
		.shutdown_ms = h->shutdown_ms,
	};

	/* Without a guard nothing would end it: its host is all that vouches for it. */
	if (h->late || (c->alive && !c->guarded))
		g.authority = FENCE_NONE;
	if (c->alive)
		g.wanted = !h->unwanted || h->shutdown_ms;
	else
		g.wanted = !h->unwanted && (h->stage != CLAIM_AT_REST || c->busy ||
					       (c->wanted && h->ha->restart));
	note_guard(h, c, fence_now_ms(f));
	g.guard_ms = guard_ms(h, &g, &l->v, fence_now_ms(f));
	return g;
}

uint64_t
fence_end_ms(const struct fence *f, const struct held *h)
{
	struct look l;
	struct fence_guest g = { .authority = authority_of(f, h),
		.store = store_of(f, h) };
	uint64_t end;

	look_begin(f, &l);
	end = fence_deadline(&l.v, &g);
	free(l.stores);
	return end;
}

/* ---- what it orders ---- */

static void
arm(struct fence *f, const struct held *h, uint64_t until_ms)
{
	uint64_t us =
	    until_ms == LEASE_NEVER ? GUARD_NO_DEADLINE : until_ms * US_PER_MS;
	struct err e = ERR_INIT;

	if (f->hands.arm(f->hands.arg, h->guest, us, &e))
		log_debug("fence", "%s", e.msg);
}

/* Durable before it is reported reaped: the leader starts it elsewhere on that word. */
static void
give_up(struct fence *f, struct held *h)
{
	if (h->unwanted)
		return;
	h->unwanted = true;
	h->kept_seq = fence_keep(f);
}

static void
kill_copy(struct fence *f, struct held *h, enum fence_why why)
{
	uint64_t now = fence_now_ms(f);
	struct err e = ERR_INIT;

	err_set(&e, ERR_CANCELLED, "vm-%" PRIu64 ": %s", h->guest, fence_why_text(why));
	if (h->stage != CLAIM_AT_REST)
		fence_claim_fail(h, &e);
	give_up(f, h);
	h->shutdown_ms = 0;
	if (h->kill_ms && now < h->kill_ms + KILL_AGAIN_MS)
		return;
	log_warn("fence", "vm-%" PRIu64 " is ended: %s", h->guest, fence_why_text(why));
	h->kill_ms = now;
	snprintf(h->note, sizeof(h->note), "%s", fence_why_text(why));
	f->hands.kill(f->hands.arg, h->guest, fence_why_text(why));
}

static void
stop_copy(struct fence *f, struct held *h, enum fence_why why)
{
	log_warn(
	    "fence", "vm-%" PRIu64 " is shut down: %s", h->guest, fence_why_text(why));
	h->shutdown_ms = fence_now_ms(f);
	give_up(f, h);
	snprintf(h->note, sizeof(h->note), "%s", fence_why_text(why));
	f->hands.shut_down(f->hands.arg, h->guest, fence_why_text(why));
}

static void
drop(struct fence *f, struct held *h, const struct fence_copy *c)
{
	struct err e = ERR_INIT;

	if (h->stage > CLAIM_AWAITS_LEASE) {
		err_set(&e, ERR_UNAVAILABLE,
		    "vm-%" PRIu64 ": the leases of this host do not hold", h->guest);
		fence_claim_fail(h, &e);
		return;
	}
	/* What is at work on it knows how it ends, and drops it itself. */
	if (c->busy && h->stage == CLAIM_AT_REST)
		return;
	if (h->stage == CLAIM_AT_REST)
		give_up(f, h);
	if (!h->dropping && fence_is_kept(f, h->kept_seq))
		fence_claim_drop(h);
	if (h->dropping)
		timer_after(f->claims, FENCE_LOOK_MS);
}

static uint64_t
pause_ms(unsigned restarts)
{
	uint64_t ms = RESTART_MIN_MS;

	for (unsigned i = 1; i < restarts && ms < RESTART_MAX_MS; i++)
		ms *= 2;
	return ms < RESTART_MAX_MS ? ms : RESTART_MAX_MS;
}

/* The first at once; one that dies again and again less and less often. */
static void
restart(struct fence *f, struct held *h, const struct fence_copy *c)
{
	uint64_t now = fence_now_ms(f);
	struct err e = ERR_INIT;

	if (c->busy)
		return;
	if (h->restarts && now > h->restart_ms + RUNS_WELL_MS)
		h->restarts = 0;
	if (h->restarts && now < h->restart_ms + pause_ms(h->restarts))
		return;
	h->restarts++;
	h->restart_ms = now;
	log_notice("fence", "vm-%" PRIu64 " is started again: it died", h->guest);
	if (f->hands.restart(f->hands.arg, h->guest, &e))
		log_warn("fence", "vm-%" PRIu64 " is not started again: %s", h->guest,
		    e.msg);
}

static void
obey(struct fence *f, struct held *h, const struct fence_order *o,
    const struct fence_copy *c)
{
	switch (o->act) {
	case FENCE_KEEP:
		break;
	case FENCE_ARM:
		if (c->guarded)
			arm(f, h, o->guard_ms);
		break;
	case FENCE_STOP:
		stop_copy(f, h, o->why);
		break;
	case FENCE_KILL:
		kill_copy(f, h, o->why);
		break;
	case FENCE_DROP:
		drop(f, h, c);
		break;
	case FENCE_RESTART:
		restart(f, h, c);
		break;
	}
}

static void
see_to_host(struct fence *f, const struct fence_effects *out)
{
	struct err e = ERR_INIT;

	if (f->watchdog && out->feed_watchdog && watchdog_feed(f->watchdog, &e))
		log_err("fence", "%s", e.msg);
	if (!out->reset_host) {
		f->reset_ms = 0;
	} else if (!f->reset_ms) {
		f->reset_ms = fence_now_ms(f);
	} else if (!f->reset_told && fence_now_ms(f) >= f->reset_ms + RESET_AFTER_MS) {
		f->reset_told = true;
		f->hands.reset_host(
		    f->hands.arg, "a guest whose lease is over cannot be ended");
	}
}

static void
note_effects(struct fence *f, const struct fence_effects *out, bool was_expired)
{
	bool beat = out->rejoin != f->rejoin || out->isolated != f->isolated;

	for (size_t i = 0; i < f->n_stores; i++)
		f->stores[i]->may_renew = out->renew[i];
	f->ask_network = out->ask_network;
	if (out->isolated != f->isolated) {
		log_warn("fence", "this host is %s",
		    out->isolated ? "isolated: neither a manager nor a gateway answers"
				  : "not isolated any more");
	}
	f->isolated = out->isolated;
	f->rejoin = out->rejoin;
	if (f->state.expired && !was_expired)
		(void)fence_keep(f);
	if (beat && fence_is_on(f))
		fence_beat_send(f);
}

void
fence_look(struct fence *f)
{
	size_t n = map_count(f->held);
	AUTO_FREE uint64_t *keys = map_keys_sorted(f->held);
	AUTO_FREE struct fence_guest *guests = xcalloc(n + 1, sizeof(*guests));
	AUTO_FREE struct fence_order *orders = xcalloc(n + 1, sizeof(*orders));
	AUTO_FREE struct fence_copy *copies = xcalloc(n + 1, sizeof(*copies));
	AUTO_FREE bool *renew = xcalloc(f->n_stores + 1, sizeof(*renew));
	struct fence_effects out = { .orders = orders, .renew = renew };
	bool was_expired = f->state.expired;
	struct look l;

	look_begin(f, &l);
	for (size_t i = 0; i < n; i++) {
		struct held *h = fence_held(f, keys[i]);

		(void)f->hands.copy(f->hands.arg, keys[i], &copies[i]);
		guests[i] = guest_of(f, h, &l, &copies[i]);
	}
	l.v.guests = guests;
	l.v.n_guests = n;
	fence_decide(&l.v, fence_now_ms(f), &f->state, &out);
	free(l.stores);
	note_effects(f, &out, was_expired);
	for (size_t i = 0; i < n; i++) {
		struct held *h = fence_held(f, keys[i]);

		if (h)
			obey(f, h, &orders[i], &copies[i]);
	}
	see_to_host(f, &out);
}

int
fence_guard_until_us(
    const struct fence *f, uint64_t guest, uint64_t *ret_us, struct err *e)
{
	const struct held *h = fence_held(f, guest);
	uint64_t end;

	*ret_us = GUARD_NO_DEADLINE;
	if (!h || h->late || h->phase == CLAIM_NONE)
		return 0;
	end = fence_end_ms(f, h);
	if (!lease_holds(end, fence_now_ms(f)))
		return err_set(e, ERR_UNAVAILABLE,
		    "vm-%" PRIu64 ": the leases of this host do not hold", guest);
	*ret_us = end == LEASE_NEVER ? GUARD_NO_DEADLINE : end * US_PER_MS;
	return 0;
}
