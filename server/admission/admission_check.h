/*
 * admission_check: is enough kept free for the guests of lost hosts, once one guest
 * more runs?  Pure.
 *
 * Reservations count, as vSphere counts them (scheduler/failover.h): a percentage of
 * the hosts' CPU and memory stays unreserved, or the slots of as many hosts as may be
 * lost stay free.  CPU in MHz, memory in MB.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "scheduler/failover.h"
#include "server/inventory/inv.h"

struct admission_view {
	const char *cluster;
	enum ha_admission policy;
	uint32_t level;                       /* how many hosts may be lost */
	uint32_t cpu_percent, memory_percent; /* 0: by the level */
	struct failover_slot caps;            /* 0: none */
	const struct failover_host *hosts;    /* that could take guests */
	size_t n_hosts;
	const struct failover_guest *guests; /* that run, but for the one in question */
	size_t n_guests;
};

struct admission_room {
	uint64_t cpu_mhz, memory_mb; /* of all hosts */
	uint64_t reserved_mhz, reserved_mb;
	struct failover_share keep, unreserved;
	struct failover_slots slots;
};

/* How much of what guests use, in percent, they would miss with level of the largest
 * hosts lost: of CPU or memory, whichever is more. */
uint32_t admission_miss(const struct failover_host *hosts, size_t n_hosts,
    uint32_t level, uint64_t used_mhz, uint64_t used_mb);
/* How it stands, by both ways of counting. */
void admission_weigh(const struct admission_view *v, struct admission_room *ret);
/*
 * May the guest called name run, too?  ERR_NO_CAPACITY says what is kept, what is
 * reserved, by how much it is too much and what would fit.  With HA_ADMIT_HOSTS, too:
 * there whole hosts are kept, which is not asked here.
 */
int admission_check(const struct admission_view *v, const char *name,
    const struct failover_guest *more, struct err *e) WARN_UNUSED;
