/*
 * cg_values: resource settings as numbers that cgroups take.
 *
 * Pure integer arithmetic.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "proto/guest.pb-c.h"

/* Threads of a guest's process beside its CPUs: main loop, I/O workers, VNC, signals.
 */
#define CG_PIDS_SPARE 192

struct cg_values {
	uint32_t cpu_shares; /* v1: 2 … 262144 */
	uint32_t cpu_weight; /* v2: 1 … 10000 */
	uint32_t pids_max;
};

/*
 * Shares are relative among the guests of a host.  0 shares means normal: 1000 for each
 * CPU.  v2 weights keep the ratio: 1000 shares are weight 100.
 */
void cg_values_of(const Drover__ResourceSpec *r /* NULL: normal */, uint32_t num_cpu,
    struct cg_values *out);
