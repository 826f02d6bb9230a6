#include "scheduler/policy.h"

#include <math.h>

#include "base/mem.h"

#define STEP_PRIORITY 0.1  /* deviation that is worth one step of priority */
#define CORE_SHARE    0.3  /* of a core that sending or taking memory keeps busy */
#define SLOWED        0.05 /* of its demand a guest loses while it is copied */
#define RESUME_S      0.2
#define DIRTY_MAX     0.9    /* of the link; above that a copy would never end */
#define SWITCH_MB     32.0   /* what is left to send when it is paused */
#define AHEAD_S       3600.0 /* so far ahead a move is judged */
#define GAIN_LEAST    0.005
#define GAIN_ANY      0.001
#define GAIN_HOSTS    4.0 /* up to so many; one move is less of a larger cluster */
#define AGGRESSIVE    5u  /* threshold at which any gain is taken */

double
policy_deviation(double sum, double squares, uint32_t n)
{
	double mean = n ? sum / n : 0;
	double variance = n ? squares / n - mean * mean : 0;

	return variance > 0 ? sqrt(variance) : 0;
}

uint32_t
policy_priority(double deviation, uint32_t n)
{
	double steps = ceil(deviation / STEP_PRIORITY * sqrt(n));

	if (steps < 1)
		return POLICY_NOTHING;
	return steps > 4 ? 2 : POLICY_NOTHING - (uint32_t)steps;
}

/* The deviation hides a few hot hosts among many: each pair of hosts counts too. */
uint32_t
policy_priority_of_gap(double gap)
{
	static const double over[] = { [2] = 0.30, [3] = 0.20, [4] = 0.10, [5] = 0.05 };
	uint32_t p = 2;

	while (p < POLICY_NOTHING && !(gap > over[p]))
		p++;
	return p;
}

double
policy_knee(uint32_t threshold)
{
	static const double knees[] = { 0.5, 0.5, 0.5, 0.5, 0.3, 0 };
	const uint32_t last = ARRAY_SIZE(knees) - 1;

	return knees[threshold < last ? threshold : last];
}

double
policy_least_gain(uint32_t threshold, uint32_t hosts)
{
	double least = threshold >= AGGRESSIVE ? GAIN_ANY : GAIN_LEAST;

	return least * fmin(1, GAIN_HOSTS / hosts);
}

/* Load above the knee is what guests may have to wait for, in MHz. */
static double
unmet(const struct policy_host *h, double cpu, double mem, double knee)
{
	double x = fmax(0, cpu / h->cpu_cap - knee);
	double y = fmax(0, mem / h->mem_cap - knee);

	return (x * x + y * y) * h->cpu_cap;
}

/* How much less would be unmet after it; from, to: what their guests want, mhz: what
 * the guest does. */
static double
less_unmet(const struct policy_move *m, double from, double to, double mhz)
{
	const struct policy_host *f = &m->from, *t = &m->to;
	double mb = m->guest.mem;

	return unmet(f, from, f->mem, m->knee) + unmet(t, to, t->mem, m->knee) -
	       unmet(f, from - mhz, f->mem - mb, m->knee) -
	       unmet(t, to + mhz, t->mem + mb, m->knee);
}

struct policy_worth
policy_worth_of(const struct policy_move *m)
{
	const struct policy_guest *g = &m->guest;
	double dirty = fmin(g->dirty_mb_s / m->link_mb_s, DIRTY_MAX);
	struct policy_worth w = { 0 };

	w.copy_s = g->mem / (m->link_mb_s * (1 - dirty));
	w.stop_s = fmin(g->mem, SWITCH_MB) / m->link_mb_s + RESUME_S;
	w.cost = w.copy_s * CORE_SHARE * (m->from.core_mhz + m->to.core_mhz) +
		 w.copy_s * SLOWED * g->cpu + w.stop_s * g->cpu;
	w.benefit = less_unmet(m, m->from.cpu, m->to.cpu, g->cpu) *
		    fmax(0, g->stable_s - w.copy_s);
	w.worst = less_unmet(m, m->from.peak, m->to.peak, g->peak) *
		  fmax(0, AHEAD_S - g->stable_s);
	w.risk = fmin(0, w.worst);
	w.net = w.benefit + w.risk - w.cost;
	return w;
}
