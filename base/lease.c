#include "base/lease.h"

#define LEASE_RENEWALS 4u /* so many fit into a lease: three may be lost */

struct lease_terms
lease_preset(enum lease_preset p)
{
	static const struct lease_terms presets[LEASE_PRESETS_] = {
		[LEASE_SOFTWARE] = { .renew_ms = 1000,
		    .length_ms = 6000,
		    .kill_ms = 3000,
		    .drift_permille = 10,
		    .settle_ms = 320,
		    .dead_ms = 9500 },
		[LEASE_WATCHDOG] = { .renew_ms = 1000,
		    .length_ms = 6000,
		    .kill_ms = 6000,
		    .drift_permille = 10,
		    .settle_ms = 260,
		    .dead_ms = 12500,
		    .watchdog_ms = 5000 },
		[LEASE_TOLERANT] = { .renew_ms = 2000,
		    .length_ms = 30000,
		    .kill_ms = 6000,
		    .drift_permille = 10,
		    .settle_ms = 480,
		    .dead_ms = 37200,
		    .watchdog_ms = 5000 },
	};
	return presets[p];
}

int
lease_check(const struct lease_terms *t, struct err *e)
{
	uint64_t least = lease_wait_ms(t, t->length_ms, t->kill_ms);

	if (t->renew_ms == 0 || t->kill_ms == 0)
		return err_set(e, ERR_INVALID,
		    "lease: renewal (%u ms) and kill bound (%u ms) must not be 0",
		    t->renew_ms, t->kill_ms);
	if (t->watchdog_ms >= t->kill_ms) {
		return err_set(e, ERR_INVALID,
		    "lease: the watchdog (W, %u ms) must fire before the kill bound "
		    "(K, %u ms)",
		    t->watchdog_ms, t->kill_ms);
	}
	if (t->length_ms < (uint64_t)t->renew_ms * LEASE_RENEWALS)
		return err_set(e, ERR_INVALID,
		    "lease: its length (L, %u ms) is less than %u renewals of %u ms (R)",
		    t->length_ms, LEASE_RENEWALS, t->renew_ms);
	if (t->dead_ms < least)
		return err_set(e, ERR_INVALID,
		    "lease: others wait %u ms (D), but (L+K)(1+2e)+d is %llu ms",
		    t->dead_ms, (unsigned long long)least);
	return 0;
}

/* Rounded up: a wait is never too long. */
static uint64_t
drift_of(const struct lease_terms *t, uint64_t ms)
{
	return (ms * 2 * t->drift_permille + 999) / 1000;
}

uint64_t
lease_wait_ms(const struct lease_terms *own, uint64_t length_ms, uint64_t kill_ms)
{
	uint64_t sum = length_ms + kill_ms;
	return sum + drift_of(own, sum) + own->settle_ms;
}

uint64_t
lease_after_end_ms(const struct lease_terms *t, uint64_t length_ms)
{
	return lease_wait_ms(t, length_ms, t->kill_ms) - length_ms;
}

uint64_t
lease_end(uint64_t sent_ms, uint64_t length_ms)
{
	return length_ms > LEASE_NEVER - sent_ms ? LEASE_NEVER : sent_ms + length_ms;
}

uint64_t
lease_clip(uint64_t length_ms, uint64_t now_ms, uint64_t lead_end_ms)
{
	uint64_t left = lead_end_ms > now_ms ? lead_end_ms - now_ms : 0;
	return length_ms < left ? length_ms : left;
}
