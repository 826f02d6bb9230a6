/* What a move costs and brings. */
#include <math.h>

#include "scheduler/moves.h"
#include "scheduler/policy.h"

#define STABLE_S 300 /* that demand is taken to stay what it is */

static double
core_mhz(const struct moves *m, uint32_t host)
{
	const struct sched_host *h = &view_host_at(m->v, m->x.host_of[host])->in;

	return (double)h->cpu_mhz / (double)(h->cpu_cores ? h->cpu_cores : 1);
}

static int64_t
whole(double x)
{
	return (int64_t)fmin(fmax(round(x), -0x1p62), 0x1p62);
}

/* A snapshot has no peaks: what guests want now is what they may want. */
static struct policy_host
host_of(const struct moves *m, uint32_t host)
{
	const struct bal_host *h = &m->x.b.hosts[host];

	return (struct policy_host){
		.cpu = h->cpu,
		.mem = h->mem,
		.peak = h->cpu,
		.cpu_cap = h->cpu_cap,
		.mem_cap = h->mem_cap,
		.core_mhz = core_mhz(m, host),
	};
}

struct sched_worth
worth_of(const struct moves *m, uint32_t guest, uint32_t to)
{
	const struct bal_guest *g = &m->x.b.guests[guest];
	const struct sched_guest *in = &view_guest_at(m->v, m->x.guest_of[guest])->in;
	const struct policy_move move = {
		.from = host_of(m, g->at),
		.to = host_of(m, to),
		.guest = {
			.cpu = g->cpu,
			.mem = g->mem,
			.peak = g->cpu,
			.dirty_mb_s = g->dirty,
			.stable_s = (double)(in->stable_s ? in->stable_s : STABLE_S),
		},
		.link_mb_s = (double)m->ask->link_mb_s,
		.knee = policy_knee(m->ask->threshold),
	};
	struct policy_worth w = policy_worth_of(&move);

	return (struct sched_worth){
		.copy_ms = (uint64_t)whole(w.copy_s * 1000),
		.stop_ms = (uint64_t)whole(w.stop_s * 1000),
		.cost = whole(w.cost),
		.benefit = whole(w.benefit),
		.net = whole(w.benefit) - whole(w.cost),
	};
}
