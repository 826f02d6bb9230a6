/*
 * Two guests that change places, for when no single move gains or memory is in its way.
 *
 * Only pairs among the hosts that are farthest from the mean are looked at.
 */
#include "scheduler/balance_int.h"

#define FARTHEST 24u

static double
distance(const struct bal *b, uint32_t host)
{
	const struct bal_host *h = &b->hosts[host];
	double n = b->host_count;
	double x = h->cpu / h->cpu_cap - b->sums.sx / n;
	double y = h->mem / h->mem_cap - b->sums.sy / n;

	return x * x + y * y;
}

static uint32_t
find_farthest(const struct bal *b, uint32_t list[FARTHEST])
{
	double far[FARTHEST];
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->host_count; i++) {
		double d = distance(b, i);
		uint32_t k;

		if (b->hosts[i].closed || (n == FARTHEST && d <= far[n - 1]))
			continue;
		k = n < FARTHEST ? n++ : n - 1;
		for (; k > 0 && far[k - 1] < d; k--) {
			far[k] = far[k - 1];
			list[k] = list[k - 1];
		}
		far[k] = d;
		list[k] = i;
	}
	return n;
}

static bool
is_away(const struct bal_guest *g, uint32_t host)
{
	return g->home != host;
}

/* How many more are away from home afterwards. */
static int
displaces(const struct bal_guest *u, const struct bal_guest *v)
{
	return is_away(u, v->at) - is_away(u, u->at) + is_away(v, u->at) -
	       is_away(v, v->at);
}

/* Seconds more, or fewer if it goes home. */
static double
pays(const struct bal_guest *g, uint32_t to)
{
	return ((to != g->home) - (g->at != g->home)) * g->seconds;
}

/* Room for g in exchange for back; one of the two must be able to go first. */
static bool
has_room(
    const struct bal_host *h, const struct bal_guest *g, const struct bal_guest *back)
{
	double cpu = g->cpu - back->cpu;

	return h->mem + g->mem - back->mem <= h->mem_cap &&
	       (cpu <= 0 || h->cpu + cpu <= h->cpu_cap);
}

static bool
may_swap(const struct bal *b, const struct bal_guest *u, const struct bal_guest *v)
{
	const struct bal_host *hu = &b->hosts[u->at], *hv = &b->hosts[v->at];

	/* Two at once is more than the certificate is kept for. */
	return !b->spare && !u->fixed && !v->fixed && !u->ruled && !v->ruled &&
	       has_room(hv, u, v) && has_room(hu, v, u) &&
	       (hv->mem + u->mem <= hv->mem_cap || hu->mem + v->mem <= hu->mem_cap);
}

struct pair {
	double gain; /* for each guest that it displaces */
	uint32_t u, v;
};

static void
try_pair(const struct bal *b, uint32_t budget, uint32_t u, uint32_t v, struct pair *p)
{
	const struct bal_guest *x = &b->guests[u], *y = &b->guests[v];
	int more = displaces(x, y);
	double gain;

	if (more > (int64_t)budget || !may_swap(b, x, y))
		return;
	gain = b->score - bal_after_swap(b, u, v) -
	       b->price * (pays(x, y->at) + pays(y, x->at));
	if (more > 1)
		gain /= more;
	if (gain > p->gain)
		*p = (struct pair){ gain, u, v };
}

double
bal_best_swap(struct bal *b, uint32_t budget, uint32_t *ret_u, uint32_t *ret_v)
{
	uint32_t list[FARTHEST], n = find_farthest(b, list);
	struct pair p = { 1e-9, BAL_NONE, BAL_NONE };

	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = i + 1; k < n; k++) {
			const struct bal_host *x = &b->hosts[list[i]];
			const struct bal_host *y = &b->hosts[list[k]];

			for (uint32_t m = 0; m < x->guest_count * y->guest_count; m++)
				try_pair(b, budget, x->guests[m / y->guest_count],
				    y->guests[m % y->guest_count], &p);
		}
	}
	*ret_u = p.u;
	*ret_v = p.v;
	return p.u == BAL_NONE ? 0 : p.gain;
}

void
bal_swap(struct bal *b, uint32_t u, uint32_t v)
{
	uint32_t hu = b->guests[u].at, hv = b->guests[v].at;
	const struct bal_host *to = &b->hosts[hv];

	if (to->mem + b->guests[u].mem <= to->mem_cap) {
		bal_apply(b, u, hv);
		bal_apply(b, v, hu);
	} else {
		bal_apply(b, v, hu);
		bal_apply(b, u, hv);
	}
}
