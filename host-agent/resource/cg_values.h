/*
 * cg_values: resource settings as numbers that cgroups take.
 *
 * Pure integer arithmetic.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/guest.pb-c.h"

/* Threads of a machine's process beside its CPUs: main loop, I/O workers, VNC, signals.
 */
#define CG_PIDS_SPARE 192
/* Processes and threads of a container whose settings say nothing of them. */
#define CG_PIDS_CONTAINER   1024
#define CG_IO_WEIGHT_NORMAL 100
#define CG_PERIOD_US        100000     /* CPU time is rationed by such periods */
#define CG_SWAP_ANY         UINT64_MAX /* what the host has: better than to be killed */
#define CG_PLACE_MAX        256        /* of "pool-1/pool-3": eight of the longest */

struct cg_values {
	uint32_t cpu_shares;   /* v1: 2 … 262144 */
	uint32_t cpu_weight;   /* v2: 1 … 10000 */
	uint64_t cpu_quota_us; /* in each period; 0: as much as there is */
	uint32_t pids_max;
	uint64_t memory_bytes; /* 0, of a machine: as much as there is */
	uint64_t swap_bytes;   /* besides, where memory_bytes is set; CG_SWAP_ANY */
	/* Taken from it last when the host is short, and never: as far as the version
	 * of cgroups knows it. */
	uint64_t memory_kept_bytes, memory_reserved_bytes;
	bool nests;               /* an engine makes groups below it */
	uint32_t io_weight;       /* 1 … 1000; 0: as it is */
	char place[CG_PLACE_MAX]; /* pools that its group lies in; "": none */
};

/*
 * Shares are relative among the guests of a host.  0 shares means normal: 1000 for each
 * CPU.  v2 weights keep the ratio: 1000 shares are weight 100.  A container has its
 * CPUs as a share of time, at most cpu_limit_mhz of a host whose CPUs do cpu_mhz (0:
 * not known, and then such a limit is none).
 */
void cg_values_of(
    const Drover__GuestSpec *spec, uint32_t cpu_mhz, struct cg_values *out);
/* Of a pool: CPU time in each period; 0: as much as there is. */
uint64_t cg_quota_us(uint64_t limit_mhz, uint32_t cpu_mhz);
/* Shares as each version takes them. */
uint32_t cg_shares_v1(uint64_t shares);
uint32_t cg_shares_v2(uint64_t shares);
