#include "host-agent/resource/cg_values.h"

#define NORMAL_SHARES     1000 /* of one CPU */
#define SHARES_PER_WEIGHT 10
#define MIN_V1            2
#define MAX_V1            262144
#define MIN_V2            1
#define MAX_V2            10000
#define MIN_QUOTA_US      1000 /* the kernel's */
#define MB_BYTES          UINT64_C(0x100000)

static uint32_t
within(uint64_t v, uint32_t min, uint32_t max)
{
	if (v < min)
		return min;
	return v > max ? max : (uint32_t)v;
}

uint32_t
cg_shares_v1(uint64_t shares)
{
	return within(shares, MIN_V1, MAX_V1);
}

uint32_t
cg_shares_v2(uint64_t shares)
{
	return within(shares / SHARES_PER_WEIGHT, MIN_V2, MAX_V2);
}

uint64_t
cg_quota_us(uint64_t limit_mhz, uint32_t cpu_mhz)
{
	uint64_t quota = cpu_mhz ? limit_mhz * CG_PERIOD_US / cpu_mhz : 0;

	if (!limit_mhz || !cpu_mhz)
		return 0;
	return quota < MIN_QUOTA_US ? MIN_QUOTA_US : quota;
}

static uint64_t
quota_of(const Drover__GuestSpec *spec, uint32_t cpu_mhz)
{
	const Drover__ResourceSpec *r = spec->resources;
	uint64_t quota = spec->container ? (uint64_t)CG_PERIOD_US * spec->num_cpu : 0;
	uint64_t capped = r ? cg_quota_us(r->cpu_limit_mhz, cpu_mhz) : 0;

	return capped && (!quota || capped < quota) ? capped : quota;
}

static void
fill_container(const Drover__GuestSpec *spec, struct cg_values *out)
{
	const Drover__ContainerSpec *c = spec->container;
	uint64_t limit = spec->resources ? spec->resources->mem_limit_mb : 0;

	out->pids_max = c->pids_limit ? c->pids_limit : CG_PIDS_CONTAINER;
	out->memory_bytes =
	    (limit && limit < spec->memory_mb ? limit : spec->memory_mb) * MB_BYTES;
	out->swap_bytes = c->swap_limit_mb * MB_BYTES;
	out->nests = true;
	out->io_weight = c->io_weight ? c->io_weight : CG_IO_WEIGHT_NORMAL;
}

void
cg_values_of(const Drover__GuestSpec *spec, uint32_t cpu_mhz, struct cg_values *out)
{
	const Drover__ResourceSpec *r = spec->resources;
	uint64_t shares = r && r->cpu_shares ? r->cpu_shares
					     : (uint64_t)NORMAL_SHARES * spec->num_cpu;

	*out = (struct cg_values){
		.cpu_shares = cg_shares_v1(shares),
		.cpu_weight = cg_shares_v2(shares),
		.cpu_quota_us = quota_of(spec, cpu_mhz),
		.pids_max = spec->num_cpu + CG_PIDS_SPARE,
		.swap_bytes = CG_SWAP_ANY,
	};
	if (spec->container)
		fill_container(spec, out);
}
