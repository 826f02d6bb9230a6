/*
 * figures: what a host or a guest has used until now, and what samples come of two
 * looks at it.
 *
 * Pure.  A figure that went backwards, or that is of another run than the one before,
 * gives no sample: a gap is no 0.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/metric.h"

enum figure {
	FIG_CPU_US,
	FIG_CPU_READY_US,
	FIG_CPU_LIMITED_US,
	FIG_CPU_ENTITLED_MHZ,
	FIG_CPU_USER_US,
	FIG_CPU_SYSTEM_US,
	FIG_CPU_IOWAIT_US,
	FIG_CPU_STEAL_US,
	FIG_CPU_STALLED_US,
	FIG_MEM_BYTES,
	FIG_MEM_IDLE_BYTES,
	FIG_MEM_BALLOON_BYTES,
	FIG_MEM_SWAPPED_BYTES,
	FIG_MEM_STALLED_US,
	FIG_DISK_READ_BYTES,
	FIG_DISK_WRITTEN_BYTES,
	FIG_DISK_READS,
	FIG_DISK_WRITES,
	FIG_DISK_READ_US, /* of FIG_DISK_READS_TIMED reads */
	FIG_DISK_WRITE_US,
	FIG_DISK_READS_TIMED,
	FIG_DISK_WRITES_TIMED,
	FIG_DISK_STALLED_US,
	FIG_DISK_USED_BYTES,
	FIG_NET_IN_BYTES,
	FIG_NET_OUT_BYTES,
	FIG_NET_IN_DROPPED,
	FIG_NET_OUT_DROPPED,
	FIG_NET_BUSY_US,
	FIG_UPTIME_S,
	FIG_PROCESSES,
	FIG_LOAD_PERMILLE,
	FIG_ENERGY_UJ,
	FIG_COUNT_
};

#define FIG_NONE UINT64_MAX /* nobody knows */

struct figures {
	unsigned object;  /* METRIC_OF_… */
	bool is_instance; /* of a core, card or disk of it */
	uint64_t run;   /* of which life of it; what counts begins anew with another */
	uint64_t at_us; /* mono */
	uint32_t cpus, mhz;    /* that it has, and how fast one is */
	uint64_t memory_bytes; /* that it has */
	uint64_t v[FIG_COUNT_];
};

struct sample {
	uint32_t counter;
	uint64_t value; /* as it travels */
};

/* Everything unknown. */
void figures_init(struct figures *f, unsigned object);
/* Of an instance of what whole is of. */
void figures_init_instance(struct figures *f, const struct figures *whole);
/* A figure that is summed up of several: the first makes it known. */
void figures_add(struct figures *f, enum figure of, uint64_t more);

/* How long so many reads and writes took together. */
struct figures_times {
	uint64_t reads, read_us, writes, write_us;
};

void figures_add_times(struct figures *f, const struct figures_times *t);
/* What is is since was; was NULL: there was no look before.  Returns how many. */
size_t figures_samples(
    const struct figures *was, const struct figures *is, struct sample ret[METRIC_MAX]);
