/* How uneven the hosts that stay are. */
#include <math.h>

#include "scheduler/moves.h"
#include "scheduler/policy.h"

static void
add(struct bal_sums *s, const struct bal_host *h, double cpu, double mem, double sign)
{
	double x = cpu / h->cpu_cap, y = mem / h->mem_cap;

	if (h->closed)
		return;
	s->sx += sign * x;
	s->qx += sign * x * x;
	s->sy += sign * y;
	s->qy += sign * y * y;
}

struct even_sums
even_sum(const struct bal *b)
{
	struct even_sums e = { 0 };

	for (uint32_t i = 0; i < b->host_count; i++) {
		const struct bal_host *h = &b->hosts[i];

		e.n += !h->closed;
		add(&e.s, h, h->cpu, h->mem, 1);
	}
	return e;
}

struct even_sums
even_sum_after(
    const struct bal *b, const struct even_sums *now, uint32_t guest, uint32_t to)
{
	const struct bal_guest *g = &b->guests[guest];
	const struct bal_host *f = &b->hosts[g->at], *t = &b->hosts[to];
	struct even_sums e = *now;

	if (g->at == to)
		return e;
	add(&e.s, f, f->cpu, f->mem, -1);
	add(&e.s, f, f->cpu - g->cpu, f->mem - g->mem, 1);
	add(&e.s, t, t->cpu, t->mem, -1);
	add(&e.s, t, t->cpu + g->cpu, t->mem + g->mem, 1);
	return e;
}

static double
cpu_of(const struct even_sums *e)
{
	return policy_deviation(e->s.sx, e->s.qx, e->n);
}

static double
memory_of(const struct even_sums *e)
{
	return policy_deviation(e->s.sy, e->s.qy, e->n);
}

struct sched_unevenness
even_of(const struct even_sums *e)
{
	return (struct sched_unevenness){
		.cpu_ppm = (uint64_t)(cpu_of(e) * 1e6 + 0.5),
		.memory_ppm = (uint64_t)(memory_of(e) * 1e6 + 0.5),
	};
}

double
even_total(const struct even_sums *e)
{
	return cpu_of(e) + memory_of(e);
}

/* The widest gap between two hosts, over both resources. */
static double
widest_gap(const struct bal *b)
{
	double lo[2] = { HUGE_VAL, HUGE_VAL }, hi[2] = { 0, 0 };

	for (uint32_t i = 0; i < b->host_count; i++) {
		const struct bal_host *h = &b->hosts[i];
		const double x[2] = { h->cpu / h->cpu_cap, h->mem / h->mem_cap };

		for (unsigned k = 0; !h->closed && k < 2; k++) {
			lo[k] = fmin(lo[k], x[k]);
			hi[k] = fmax(hi[k], x[k]);
		}
	}
	return fmax(hi[0] - lo[0], hi[1] - lo[1]);
}

uint32_t
even_priority(const struct bal *b, const struct even_sums *e)
{
	uint32_t p = policy_priority(fmax(cpu_of(e), memory_of(e)), e->n), q;

	/* Nothing is more urgent, whatever the gaps are. */
	if (p == 2)
		return p;
	q = e->n ? policy_priority_of_gap(widest_gap(b)) : POLICY_NOTHING;
	return p < q ? p : q;
}
