#include "host-agent/resource/cg_values.h"

#define NORMAL_SHARES     1000 /* of one CPU */
#define SHARES_PER_WEIGHT 10
#define MIN_V1            2
#define MAX_V1            262144
#define MIN_V2            1
#define MAX_V2            10000

static uint32_t
within(uint64_t v, uint32_t min, uint32_t max)
{
	if (v < min)
		return min;
	return v > max ? max : (uint32_t)v;
}

void
cg_values_of(const Drover__ResourceSpec *r, uint32_t num_cpu, struct cg_values *out)
{
	uint64_t shares =
	    r && r->cpu_shares ? r->cpu_shares : (uint64_t)NORMAL_SHARES * num_cpu;

	out->cpu_shares = within(shares, MIN_V1, MAX_V1);
	out->cpu_weight = within(shares / SHARES_PER_WEIGHT, MIN_V2, MAX_V2);
	out->pids_max = num_cpu + CG_PIDS_SPARE;
}
