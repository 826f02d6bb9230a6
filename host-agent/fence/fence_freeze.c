/*
 * R12: this agent is about to be exchanged.  Its guests have leases of a few seconds,
 * and nobody renews them while it is away.  So the leader is asked to let this host
 * alone; what it answers is a lease of a minute, by which the guards of all guests are
 * armed before the agent goes.
 */
#include <inttypes.h>

#include "host-agent/fence/fence_int.h"
#include "host-agent/fence/guard_client.h"

#define US_PER_MS 1000u
/* A guard that is armed for less was armed by an answer of long ago. */
#define ENOUGH_MS (LEASE_FREEZE_MS / 2)

bool
fence_is_freezing(const struct fence *f)
{
	return fence_now_ms(f) < f->freezing_until_ms;
}

void
fence_freeze(struct fence *f)
{
	f->freezing_until_ms = fence_now_ms(f) + LEASE_FREEZE_MS;
	if (f->started && fence_is_on(f))
		fence_beat_send(f);
}

static int
check_guest(const struct held *h, uint64_t until_us, struct err *e)
{
	struct fence_copy c = { .alive = false };

	if (h->stage != CLAIM_AT_REST)
		return err_set(
		    e, ERR_BUSY, "vm-%" PRIu64 " is about to start here", h->guest);
	(void)h->f->hands.copy(h->f->hands.arg, h->guest, &c);
	if (!c.alive || !c.guarded || c.guard_us == GUARD_NO_DEADLINE ||
	    c.guard_us >= until_us)
		return 0;
	return err_set(e, ERR_BUSY,
	    "vm-%" PRIu64 ": its guard does not know yet that it may live on",
	    h->guest);
}

bool
fence_is_frozen(const struct fence *f, struct err *e)
{
	uint64_t until_ms = fence_now_ms(f) + ENOUGH_MS;

	if (!fence_is_on(f) || !map_count(f->held))
		return true;
	if (f->frozen_until_ms < until_ms) {
		err_set(e, ERR_BUSY, "the server has not agreed");
		return false;
	}
	MAP_EACH(f->held, it) {
		if (check_guest(it.value, until_ms * US_PER_MS, e))
			return false;
	}
	return true;
}
