/*
 * failover: how many hosts may be lost, by reservations: admission control of HA.
 *
 * Two policies, as vSphere has them.  Slots: a slot is as large as the largest
 * reservation of any guest that runs, each host has so many of them, and those of the
 * hosts that may be lost (the ones with most) are kept free.  Percentage: so many
 * percent of the hosts' CPU and memory stay unreserved.
 *
 * CPU in MHz, memory in MB.  Pure; any thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Counts for a guest without a CPU reservation. */
#define FAILOVER_CPU_MHZ 32u

struct failover_host {
	uint64_t cpu_mhz, memory_mb; /* of a host that could take guests */
};

struct failover_guest {
	uint64_t cpu_mhz, memory_mb; /* reserved */
	uint64_t overhead_mb;        /* memory besides, for running it */
};

/* ---- slots ---- */

struct failover_slot {
	uint64_t cpu_mhz, memory_mb; /* each at least 1 */
};

/* Of the guests that run; caps (0: none) bound it, so that one large guest does not
 * make all slots large. */
struct failover_slot failover_slot_size(const struct failover_guest *guests, size_t n,
    const struct failover_slot *caps /* NULL: none */);
uint64_t failover_host_slots(
    const struct failover_host *h, const struct failover_slot *s);
/* One, or more where a capped slot is smaller than the guest. */
uint64_t failover_guest_slots(
    const struct failover_guest *g, const struct failover_slot *s);

struct failover_slots {
	struct failover_slot slot;
	uint64_t total, used;
	uint64_t kept;     /* of the hosts that may be lost */
	uint64_t free;     /* for guests that are not on yet */
	uint64_t survives; /* hosts, the largest first, that can be lost now */
};

/* With failures hosts to tolerate; hosts' order is of no matter.  At most
 * FAILOVER_MAX_HOSTS count. */
#define FAILOVER_MAX_HOSTS 10000u
struct failover_slots failover_slots(const struct failover_host *hosts, size_t n_hosts,
    const struct failover_guest *guests, size_t n_guests,
    const struct failover_slot *caps, uint32_t failures);

/* ---- percentage ---- */

struct failover_share {
	uint64_t cpu_permille,
	    memory_permille; /* unreserved, of all hosts, rounded down */
};

/* A guest without a CPU reservation counts FAILOVER_CPU_MHZ. */
struct failover_share failover_unreserved(const struct failover_host *hosts,
    size_t n_hosts, const struct failover_guest *guests, size_t n_guests);
/* What the failures largest hosts are of all, rounded up to whole percent: the
 * automatic setting. */
struct failover_share failover_automatic(
    const struct failover_host *hosts, size_t n_hosts, uint32_t failures);

/* Would one guest more leave at least keep unreserved?  Of a 0 nothing is asked. */
bool failover_share_admits(const struct failover_host *hosts, size_t n_hosts,
    const struct failover_guest *guests, size_t n_guests,
    const struct failover_guest *more, const struct failover_share *keep);
