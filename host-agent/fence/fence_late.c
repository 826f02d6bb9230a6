/*
 * Guests that ran before this host held leases, or before the leader wished for it:
 * each has had a guard since its start, so it can come under leases without being
 * started anew.  R6 holds: its claim is written and all others are read before its
 * block says run, and the leader protects it only once its host says that and its guard
 * counts. Until then nobody may run it elsewhere, so it has no deadline to lose either.
 *
 * What such a guest was under before is over: a claim of it that is left on storage,
 * for nobody could be told while HA was off, is dropped before the new one is made.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/fence/fence_int.h"
#include "host-agent/fence/guard_client.h"
#include "loop/timer.h"

#define AGAIN_MS 5000u /* after a claim that came to nothing */

static void
become_late(struct held *h, uint64_t run_gen)
{
	h->run_gen = run_gen;
	h->late = true;
	h->unwanted = false;
	h->dropping = h->phase != CLAIM_NONE;
	fence_held_follow(h);
	h->kept_seq = fence_keep(h->f);
}

void
fence_unclaimed(struct fence *f, uint64_t guest, uint64_t run_gen)
{
	struct held *h = fence_held(f, guest);

	if (h)
		become_late(h, run_gen);
}

static bool
could_be_claimed(const struct fence_copy *c)
{
	return c->alive && !c->busy && !c->moves && c->guarded && c->heard &&
	       c->guard_us == GUARD_NO_DEADLINE;
}

void
fence_late_find(struct fence *f)
{
	for (size_t i = 0; fence_is_on(f) && i < f->conf->n_guests; i++) {
		const Drover__HaGuest *ha = f->conf->guests[i];
		struct fence_copy c = { .alive = false };

		if (fence_held(f, ha->guest) ||
		    !f->hands.copy(f->hands.arg, ha->guest, &c) ||
		    !could_be_claimed(&c))
			continue;
		log_info("fence", "vm-%" PRIu64 " runs, and comes under leases now",
		    ha->guest);
		become_late(fence_hold(f, ha), c.run_gen);
	}
}

static bool
may_claim(const struct held *h, const struct fence_copy *c)
{
	const struct fence *f = h->f;
	uint64_t now = fence_now_ms(f);

	return h->listed && h->phase == CLAIM_NONE && !h->unwanted && f->joined &&
	       !f->fenced && !f->rejoin && c->run_gen == h->run_gen &&
	       could_be_claimed(c) && (!h->asked_ms || now >= h->asked_ms + AGAIN_MS);
}

void
fence_late_turn(struct held *h)
{
	struct fence *f = h->f;
	struct fence_copy c = { .alive = false };

	(void)f->hands.copy(f->hands.arg, h->guest, &c);
	if (!c.alive && !c.busy && h->phase == CLAIM_NONE) {
		fence_let_go(f, h);
		return;
	}
	if (!c.alive || !fence_is_on(f) || !may_claim(h, &c))
		return;
	/* What an older run has left claimed has its host for a proof: it lets go. */
	free(MOVE(h->attests));
	h->n_attests = 0;
	h->wish_gen = h->run_gen;
	h->how = FENCE_STAYS;
	h->asked_ms = fence_now_ms(f);
	h->claimed_ms = h->clear_ms = 0;
	h->stage = CLAIM_AWAITS_LEASE;
}

void
fence_ran(struct fence *f, uint64_t guest)
{
	struct held *h = fence_held(f, guest);

	if (h && h->clear_ms && !h->ran_ms) {
		h->ran_ms = fence_now_ms(f);
		fence_changed(f);
	}
}
