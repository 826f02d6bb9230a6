/* What a move costs and brings. */
#include <math.h>

#include "scheduler/moves.h"

#define CORE_SHARE 0.3  /* of a core that sending or taking memory keeps busy */
#define SLOWED     0.05 /* of its demand a guest loses while it is copied */
#define RESUME_S   0.2
#define DIRTY_MAX  0.9  /* of the link; above that a copy would never end */
#define SWITCH_MB  32.0 /* what is left to send when it is paused */
#define STABLE_S   300  /* that demand is taken to stay what it is */

/* Load from which on guests may have to wait, by threshold. */
static const double knees[] = { 0.5, 0.5, 0.5, 0.5, 0.3, 0 };

/* What guests may have to wait for, in MHz. */
static double
unmet(const struct bal_host *h, double cpu, double mem, double knee)
{
	double x = fmax(0, cpu / h->cpu_cap - knee),
	       y = fmax(0, mem / h->mem_cap - knee);

	return (x * x + y * y) * h->cpu_cap;
}

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

struct sched_worth
worth_of(const struct moves *m, uint32_t guest, uint32_t to)
{
	const struct bal_guest *g = &m->x.b.guests[guest];
	const struct bal_host *f = &m->x.b.hosts[g->at], *t = &m->x.b.hosts[to];
	const struct sched_guest *in = &view_guest_at(m->v, m->x.guest_of[guest])->in;
	double link = (double)m->ask->link_mb_s, knee = knees[m->ask->threshold];
	double copy_s = g->mem / (link * (1 - fmin(g->dirty / link, DIRTY_MAX)));
	double stop_s = fmin(g->mem, SWITCH_MB) / link + RESUME_S;
	double stable_s = (double)(in->stable_s ? in->stable_s : STABLE_S);
	double cost = copy_s * CORE_SHARE * (core_mhz(m, g->at) + core_mhz(m, to)) +
		      copy_s * SLOWED * g->cpu + stop_s * g->cpu;
	double benefit = unmet(f, f->cpu, f->mem, knee) +
			 unmet(t, t->cpu, t->mem, knee) -
			 unmet(f, f->cpu - g->cpu, f->mem - g->mem, knee) -
			 unmet(t, t->cpu + g->cpu, t->mem + g->mem, knee);

	benefit *= fmax(0, stable_s - copy_s);
	return (struct sched_worth){
		.copy_ms = (uint64_t)whole(copy_s * 1000),
		.stop_ms = (uint64_t)whole(stop_s * 1000),
		.cost = whole(cost),
		.benefit = whole(benefit),
		.net = whole(benefit) - whole(cost),
	};
}
