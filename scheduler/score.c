#include "scheduler/sched_int.h"

/* 0 of nothing is no load; the bounds of a view keep part * 1000 below 2^63. */
static uint64_t
permille(uint64_t part, uint64_t whole)
{
	return whole ? part * 1000 / whole : 0;
}

void
score_host(const struct view_host *h, const struct host_load *l,
    const struct view_guest *g, struct score *out)
{
	uint64_t memory_mb = h->in.memory_mb - h->in.memory_overhead_mb;

	*out = (struct score){
		.cpu_before = permille(l->demand_mhz, h->in.cpu_mhz),
		.cpu_after =
		    permille(l->demand_mhz + load_demand_mhz(g, h), h->in.cpu_mhz),
		.memory_before = permille(l->memory_mb, memory_mb),
		.memory_after = permille(l->memory_mb + g->in.memory_mb, memory_mb),
		.guests = l->guests,
	};
}

static uint64_t
worst(const struct score *s)
{
	return s->cpu_after > s->memory_after ? s->cpu_after : s->memory_after;
}

int
score_cmp(const struct score *a, const struct score *b)
{
	if (a->bent != b->bent)
		return a->bent < b->bent ? -1 : 1;
	if (worst(a) != worst(b))
		return worst(a) < worst(b) ? -1 : 1;
	if (a->guests != b->guests)
		return a->guests < b->guests ? -1 : 1;
	return 0;
}
