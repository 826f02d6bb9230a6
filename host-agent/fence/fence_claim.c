/*
 * R6, claim before look: an order's way from its wish to phase run, and the way back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/fence/fence_int.h"
#include "host-agent/fence/lease_place.h"
#include "loop/timer.h"

#define LOOK_AGAIN_MS 250u
/* A guest that has arrived stands still until its source has dropped its claim. */
#define ARRIVED_MS 20u

void
fence_note(struct held *h, const char *text)
{
	snprintf(h->note, sizeof(h->note), "%.*s", (int)sizeof(h->note) - 1, text);
}

void
fence_order_end(struct held *h, int rc, const struct err *e)
{
	struct wake w = h->done;

	h->done = WAKE_NONE;
	if (w.flow)
		post_wake(h->f->loop, w, rc, e);
}

void
fence_drop_end(struct held *h)
{
	struct wake w = h->dropped;

	h->dropped = WAKE_NONE;
	if (w.flow)
		post_wake(h->f->loop, w, 0, NULL);
}

/* Before its claim is. */
static bool
is_there(const struct held *h)
{
	return h->how == FENCE_RETURNS || h->how == FENCE_STAYS;
}

void
fence_claim_fail(struct held *h, const struct err *e)
{
	log_warn("fence", "vm-%" PRIu64 " generation %" PRIu64 " %s: %s", h->guest,
	    h->wish_gen, is_there(h) ? "is not claimed" : "does not start", e->msg);
	fence_note(h, e->msg);
	h->stage = CLAIM_AT_REST;
	/* What was given away stands still all the same, and may be asked for again; so
	 * runs on what is under no lease. */
	h->unwanted = h->unwanted || !is_there(h);
	h->dropping = is_there(h);
	h->kept_seq = fence_keep(h->f);
	fence_order_end(h, e->code, e);
}

/* ---- from step to step ---- */

/* What went before here is over, and a lease holds that the guest could run under. */
static bool
is_ready(struct held *h)
{
	struct fence *f = h->f;
	struct fence_copy c = { .alive = false };
	uint64_t now = fence_now_ms(f);

	(void)f->hands.copy(f->hands.arg, h->guest, &c);
	return fence_is_on(f) && f->joined && !f->fenced && !f->rejoin &&
	       (!c.alive || is_there(h)) && fence_register_is_free(h) && !h->dropping &&
	       lease_holds(fence_end_ms(f, h), now);
}

static void
accept(struct held *h)
{
	h->run_gen = h->wish_gen;
	h->phase = h->how == FENCE_ARRIVES ? CLAIM_MIGRATE_IN : CLAIM_CLAIM;
	h->datastore = h->ha->datastore;
	h->unplaced = false;
	h->unwanted = false;
	h->ordered = false;
	h->shutdown_ms = h->kill_ms = h->guard_us = 0;
	h->restarts = 0;
	h->ran_ms = 0;
	h->stage = CLAIM_AWAITS_RECORD;
	h->kept_seq = fence_keep(h->f);
}

/* Storage is asked at a pace: each answer of it makes us look at everything. */
static void
look_at_others(struct held *h)
{
	uint64_t now = fence_now_ms(h->f);

	if (h->writing || now < h->look_ms)
		return;
	h->look_ms = now + (h->how == FENCE_ARRIVES ? ARRIVED_MS : LOOK_AGAIN_MS);
	fence_register_look(h);
}

void
fence_claim_go_on(struct held *h)
{
	switch (h->stage) {
	case CLAIM_AWAITS_LEASE:
		if (is_ready(h))
			accept(h);
		else
			fence_note(h, "waiting for this host's own lease");
		break;
	case CLAIM_AWAITS_RECORD:
		if (!fence_is_kept(h->f, h->kept_seq))
			break;
		h->stage = CLAIM_AWAITS_BLOCK;
		fence_register_put(h, h->phase);
		break;
	case CLAIM_AWAITS_OTHERS:
		look_at_others(h);
		break;
	case CLAIM_AWAITS_RUN:
		if (fence_register_is_free(h))
			fence_register_put(h, CLAIM_RUN);
		break;
	case CLAIM_AWAITS_BLOCK:
		/* What was under way went with its datastore. */
		if (fence_register_is_free(h))
			fence_register_put(h, h->phase);
		break;
	case CLAIM_AT_REST:
	case CLAIM_AWAITS_ARRIVAL:
		break;
	}
}

/* Fails may free nothing: a held guest goes by fence_let_go alone, after its drop. */
void
fence_claims_turn(struct fence *f)
{
	AUTO_FREE uint64_t *keys = map_keys_sorted(f->held);
	size_t n = map_count(f->held);
	bool waits = false, hurries = false;

	for (size_t i = 0; i < n; i++) {
		struct held *h = fence_held(f, keys[i]);

		if (!h)
			continue;
		if (h->dropping)
			fence_claim_drop(h);
		else if (h->stage == CLAIM_AT_REST && h->late)
			fence_late_turn(h);
		else if (h->stage == CLAIM_AT_REST)
			fence_register_follow(h);
		else
			fence_claim_go_on(h);
		h = fence_held(f, keys[i]);
		if (!h)
			continue;
		waits = waits || h->stage != CLAIM_AT_REST ||
			(h->dropping && fence_is_on(f));
		hurries = hurries ||
			  (h->how == FENCE_ARRIVES && h->stage == CLAIM_AWAITS_OTHERS);
	}
	if (waits)
		timer_after(f->claims, hurries ? ARRIVED_MS : LOOK_AGAIN_MS);
}

/* Without leases nobody looks at claims: it is dropped when there are some again. */
void
fence_claim_drop(struct held *h)
{
	h->dropping = h->phase != CLAIM_NONE;
	if (!h->dropping || !fence_is_on(h->f))
		fence_drop_end(h);
	else if (fence_register_is_free(h))
		fence_register_put(h, CLAIM_NONE);
}

/* ---- what orders ask ---- */

static void
take_attests(struct held *h, const Drover__RunClaim *c)
{
	size_t n = c->n_attests < FENCE_MAX_ATTESTS ? c->n_attests : FENCE_MAX_ATTESTS;

	free(h->attests);
	h->attests = xcalloc(n + 1, sizeof(*h->attests));
	h->n_attests = n;
	for (size_t i = 0; i < n; i++) {
		const Drover__ClaimAttest *a = c->attests[i];

		h->attests[i] = (struct claim_attest){
			.proof = (enum claim_proof)a->proof,
			.host_id = a->slot,
			.inc = a->inc,
			.run_gen = a->run_gen,
		};
	}
}

void
fence_claim(struct fence *f, const struct fence_wish *w, struct wake done)
{
	struct held *h =
	    w->claim ? fence_hold(f, w->claim->guest) : fence_held(f, w->guest);
	struct err e = ERR_INIT;

	if (!h) {
		err_set(&e, ERR_BAD_STATE, "vm-%" PRIu64 ": it was under no lease here",
		    w->guest);
		post_wake(f->loop, done, e.code, &e);
		return;
	}
	if (w->claim) {
		free(h->ha);
		h->ha = fence_ha_dup(w->claim->guest);
		/* By the list of before; the next one was made after this order. */
		h->listed = fence_is_listed(f, w->guest);
		take_attests(h, w->claim);
	}
	h->late = false;
	h->wish_gen = w->run_gen;
	h->how = w->how;
	h->done = done;
	h->asked_ms = fence_now_ms(f);
	h->claimed_ms = h->clear_ms = 0;
	h->stage = CLAIM_AWAITS_LEASE;
	timer_after(f->claims, 0);
}

void
fence_claim_arrived(struct fence *f, uint64_t guest, struct wake done)
{
	struct held *h = fence_held(f, guest);
	struct err e = ERR_INIT;

	if (!h || h->stage != CLAIM_AWAITS_ARRIVAL) {
		err_set(&e, ERR_STALE, "vm-%" PRIu64 ": its claim here is over%s%s",
		    guest, h && *h->note ? ": " : "", h ? h->note : "");
		post_wake(f->loop, done, e.code, &e);
		return;
	}
	h->done = done;
	h->stage = CLAIM_AWAITS_OTHERS;
	timer_after(f->claims, 0);
}

static void
give_up_order(struct held *h)
{
	struct err e = ERR_INIT;

	if (h->stage == CLAIM_AT_REST)
		return;
	err_set(&e, ERR_CANCELLED, "vm-%" PRIu64 ": given up", h->guest);
	h->stage = CLAIM_AT_REST;
	fence_order_end(h, e.code, &e);
}

void
fence_drop(struct fence *f, uint64_t guest, enum fence_end how, struct wake done)
{
	struct held *h = fence_held(f, guest);

	if (!h) {
		post_wake(f->loop, done, 0, NULL);
		return;
	}
	give_up_order(h);
	h->dropped = done;
	/* One that was never under leases and went elsewhere is nothing of ours. */
	h->ordered = how == FENCE_REAPED || h->late;
	if (h->ordered && h->phase == CLAIM_NONE && !h->writing) {
		fence_let_go(f, h);
		return;
	}
	h->unwanted = h->unwanted || how == FENCE_REAPED;
	h->kept_seq = fence_keep(f);
	fence_claim_drop(h);
	timer_after(f->claims, FENCE_LOOK_MS);
}

void
fence_forget(struct fence *f, uint64_t guest, uint64_t datastore)
{
	struct lease_store *st = fence_store_find(f, datastore);
	struct held *h = fence_held(f, guest);
	struct lease_area area;
	struct err e = ERR_INIT;

	if (h)
		fence_let_go(f, h);
	if (!st || fence_store_ready(st, &e))
		return;
	area = st->area;
	area.guest = guest;
	if (lease_place_remove(st->claims_io, st->ds, &area, f->terms.length_ms, &e))
		log_warn("fence", "vm-%" PRIu64 ": its claims stay: %s", guest, e.msg);
}

bool
fence_holds(const struct fence *f, uint64_t guest)
{
	const struct held *h = fence_held(f, guest);

	return h && !h->late;
}

const char *
fence_claim_text(const struct fence *f, uint64_t guest)
{
	const struct held *h = fence_held(f, guest);

	return h && h->stage != CLAIM_AT_REST ? h->note : "";
}
