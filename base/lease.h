/*
 * lease: how long a permission to run lasts, and how long others wait it out.
 *
 * All times are CLOCK_BOOTTIME milliseconds of one machine, all leases durations: no
 * timestamp of another machine is ever compared.  Clocks may differ in rate by
 * drift_permille (e); every wait is longer than the lease it waits out by 2e, because
 * one clock may be slow and the other fast, and by settle_ms (d), in which a write that
 * was under way may still land.
 *
 * R1, count from the send: who holds a lease counts from when it SENT the renewal, who
 * waits for its end from when it SAW or answered it.  So the holder always stops first.
 *
 * Pure; used by fencing on hosts, by HA and by the election of the leader.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define LEASE_NEVER     UINT64_MAX /* a deadline that does not come */
#define LEASE_LONG_MS   30000u     /* of guests that only the network vouches for */
#define LEASE_FREEZE_MS 60000u     /* while an agent is upgraded (R12) */

struct lease_terms {
	uint32_t renew_ms;       /* R */
	uint32_t length_ms;      /* L */
	uint32_t kill_ms;        /* K: a copy whose lease ended is dead so soon after */
	uint32_t drift_permille; /* e */
	uint32_t settle_ms;      /* d */
	uint32_t dead_ms;        /* D: what an observer waits */
	uint32_t watchdog_ms;    /* W, of the host's hardware; 0: none */
};

enum lease_preset {
	LEASE_SOFTWARE, /* guards alone: D 9.5 s */
	LEASE_WATCHDOG, /* a 5 s hardware watchdog behind them: D 12.5 s */
	LEASE_TOLERANT, /* as that, on storage that stalls: D 37.2 s */
	LEASE_PRESETS_
};

struct lease_terms lease_preset(enum lease_preset p);

/* Do the terms keep the promise?  W < K, L >= 4R, D >= (L+K)(1+2e)+d; the message names
 * the inequality that fails, with its numbers.  HA does not start with others. */
int lease_check(const struct lease_terms *t, struct err *e) WARN_UNUSED;

/* R3: what to wait for somebody who published these length and kill bound. */
uint64_t lease_wait_ms(
    const struct lease_terms *own, uint64_t length_ms, uint64_t kill_ms);

/* R4: what the grantor of a lease of length_ms waits after its end until nothing runs
 * under it.  Kill bound and settling, and the drift of the lease itself, because the
 * holder's clock may have been slow all the while. */
uint64_t lease_after_end_ms(const struct lease_terms *t, uint64_t length_ms);

/* When a lease ends whose renewal was sent at sent_ms (R1). */
uint64_t lease_end(uint64_t sent_ms, uint64_t length_ms);

/* R4: how long a grant may be so that it does not outlive the grantor's own leadership,
 * which ends at lead_end_ms; 0 if that is over. */
uint64_t lease_clip(uint64_t length_ms, uint64_t now_ms, uint64_t lead_end_ms);

static inline bool
lease_holds(uint64_t end_ms, uint64_t now_ms)
{
	return now_ms < end_ms;
}
