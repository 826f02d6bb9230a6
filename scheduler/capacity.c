#include "scheduler/capacity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "scheduler/balance_int.h"
#include "scheduler/balance_spare.h"

/*
 * Ways of filling hosts: evenly, one after the other, or evenly by weights that chance
 * gives.  Which of them leaves room in better pieces depends on the sizes of those who
 * are there; small clusters, where one piece counts, try many weights.
 */
enum fill { FILL_LEVEL, FILL_FULL, FILL_WEIGHTED };

#define MAX_TRIES  1000u
#define TRIES_WORK 8000000u /* tries, times hosts, times guests */

struct fitting {
	const struct bal *b;
	const struct capacity_ask *ask;
	double *free_mem, *free_cpu; /* of each host, with the new ones there */
	double *left;                /* while one host is lost */
	double *sizes;               /* of the guests of one host */
	double *weight;              /* of each host */
	uint32_t hardest;            /* host to lose, so far */
	uint32_t *on, *best_on;
};

static bool
takes_one(const struct fitting *f, uint32_t host)
{
	return !f->b->hosts[host].closed && f->free_mem[host] >= f->ask->mem &&
	       f->free_cpu[host] >= f->ask->cpu;
}

static bool
is_before(const struct fitting *f, uint32_t a, uint32_t b, enum fill how)
{
	switch (how) {
	case FILL_LEVEL:
		return f->free_mem[a] > f->free_mem[b];
	case FILL_FULL:
		return f->free_mem[a] < f->free_mem[b];
	case FILL_WEIGHTED:
		return f->free_mem[a] * f->weight[a] > f->free_mem[b] * f->weight[b];
	}
	return false;
}

static uint32_t
next_host(const struct fitting *f, enum fill how)
{
	uint32_t best = BAL_NONE;

	for (uint32_t h = 0; h < f->b->host_count; h++) {
		if (!takes_one(f, h))
			continue;
		if (best == BAL_NONE || is_before(f, h, best, how))
			best = h;
	}
	return best;
}

/* count new ones somewhere; false if they do not fit even so. */
static bool
put_new(struct fitting *f, uint32_t count, enum fill how)
{
	const struct bal *b = f->b;

	for (uint32_t h = 0; h < b->host_count; h++) {
		f->free_mem[h] = b->hosts[h].mem_cap - b->hosts[h].mem;
		f->free_cpu[h] =
		    f->ask->cpu > 0 ? b->hosts[h].cpu_cap - b->hosts[h].cpu : HUGE_VAL;
		f->on[h] = 0;
	}
	while (count > 0) {
		uint32_t h = next_host(f, how);

		if (h == BAL_NONE)
			return false;
		/* Filled to the brim: all that the host takes at once. */
		do {
			f->free_mem[h] -= f->ask->mem;
			f->free_cpu[h] -= f->ask->cpu;
			f->on[h]++;
			count--;
		} while (how == FILL_FULL && count > 0 && takes_one(f, h));
	}
	return true;
}

static int
cmp_larger(const void *pa, const void *pb)
{
	double a = *(const double *)pa, b = *(const double *)pb;

	return (a < b) - (a > b);
}

/* Largest first, each where least is left over. */
static bool
survives(struct fitting *f, uint32_t lost)
{
	const struct bal_host *h = &f->b->hosts[lost];
	uint32_t n = 0;

	for (uint32_t k = 0; k < h->guest_count; k++)
		f->sizes[n++] = f->b->guests[h->guests[k]].mem;
	for (uint32_t k = 0; k < f->on[lost]; k++)
		f->sizes[n++] = f->ask->mem;
	qsort(f->sizes, n, sizeof(*f->sizes), cmp_larger);
	memcpy(f->left, f->free_mem, f->b->host_count * sizeof(*f->left));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t best = BAL_NONE;

		for (uint32_t to = 0; to < f->b->host_count; to++) {
			if (to != lost && !f->b->hosts[to].closed &&
			    f->left[to] >= f->sizes[i] &&
			    (best == BAL_NONE || f->left[to] < f->left[best]))
				best = to;
		}
		if (best == BAL_NONE)
			return false;
		f->left[best] -= f->sizes[i];
	}
	return true;
}

static bool
holds_filled(struct fitting *f, uint32_t count, enum fill how)
{
	uint32_t hosts = f->b->host_count;

	if (!put_new(f, count, how))
		return false;
	/* What was too much last time is most likely to be so again. */
	for (uint32_t i = 0; f->ask->failures && i < hosts; i++) {
		uint32_t h = (f->hardest + i) % hosts;

		if (survives(f, h))
			continue;
		f->hardest = h;
		return false;
	}
	memcpy(f->best_on, f->on, hosts * sizeof(*f->on));
	return true;
}

static bool
holds(struct fitting *f, uint32_t count)
{
	return holds_filled(f, count, FILL_LEVEL) || holds_filled(f, count, FILL_FULL);
}

static bool
holds_by_chance(struct fitting *f, uint32_t count)
{
	uint64_t work =
	    ((uint64_t)f->b->host_count + 1) * (f->b->guest_count + UINT64_C(1));
	uint64_t tries = TRIES_WORK / work;
	struct rng r;

	if (holds(f, count))
		return true;
	rng_seed(&r, count);
	for (uint64_t i = 0; i < tries && i < MAX_TRIES && f->ask->failures; i++) {
		for (uint32_t h = 0; h < f->b->host_count; h++)
			f->weight[h] = 1 + (double)rng_below(&r, 1024);
		if (holds_filled(f, count, FILL_WEIGHTED))
			return true;
	}
	return false;
}

/* All that is free, in pieces of one size; and less what the largest host has. */
static uint32_t
bound_of(const struct bal *b, const struct capacity_ask *ask)
{
	double pieces = 0, spare = 0, largest = 0;

	for (uint32_t i = 0; i < b->host_count; i++) {
		const struct bal_host *h = &b->hosts[i];
		double free_mem = h->mem_cap - h->mem, n = floor(free_mem / ask->mem);

		if (ask->cpu > 0)
			n = fmin(n, floor((h->cpu_cap - h->cpu) / ask->cpu));
		if (h->closed)
			continue;
		pieces += fmax(n, 0);
		spare += free_mem;
		largest = fmax(largest, h->mem_cap);
	}
	if (ask->failures)
		pieces = fmin(pieces, floor((spare - largest) / ask->mem));
	return pieces > 0 ? (uint32_t)fmin(pieces, UINT32_MAX / 4) : 0;
}

struct capacity
capacity_find(const struct bal *b, const struct capacity_ask *ask)
{
	struct capacity c = { .bound = bound_of(b, ask) };
	size_t hosts = (size_t)b->host_count + 1;
	struct fitting f = {
		.b = b,
		.ask = ask,
		.free_mem = arena_array(b->arena, hosts, sizeof(double)),
		.free_cpu = arena_array(b->arena, hosts, sizeof(double)),
		.left = arena_array(b->arena, hosts, sizeof(double)),
		.sizes = arena_array(
		    b->arena, (size_t)b->guest_count + c.bound + 1, sizeof(double)),
		.weight = arena_array(b->arena, hosts, sizeof(double)),
		.on = arena_array(b->arena, hosts, sizeof(uint32_t)),
		.best_on = arena_array(b->arena, hosts, sizeof(uint32_t)),
	};
	uint32_t low = 0, high = c.bound;

	while (low < high) {
		uint32_t middle = low + (high - low + 1) / 2;

		if (holds(&f, middle))
			low = middle;
		else
			high = middle - 1;
	}
	while (low < c.bound && holds_by_chance(&f, low + 1))
		low++;
	c.count = low;
	c.on = f.best_on;
	return c;
}

/* The score with so much more on a host: nothing leaves another. */
static double
score_with(const struct bal *b, uint32_t host, double mem, double cpu)
{
	const struct bal_host *h = &b->hosts[host];
	struct bal_sums s = b->sums;
	double x = h->cpu / h->cpu_cap, y = h->mem / h->mem_cap;
	double d = cpu / h->cpu_cap, e = mem / h->mem_cap;

	s.sx += d;
	s.qx += d * (2 * x + d);
	s.sy += e;
	s.qy += e * (2 * y + e);
	return bal_score_of(b, &s);
}

uint32_t
capacity_place(const struct bal *b, double mem, double cpu)
{
	uint32_t best = BAL_NONE;
	double least = 0;

	for (uint32_t h = 0; h < b->host_count; h++) {
		const struct bal_host *host = &b->hosts[h];
		double score;

		if (host->closed || host->mem + mem > host->mem_cap ||
		    host->cpu + cpu > host->cpu_cap ||
		    (b->spare && !bal_spare_takes(b, h, mem)))
			continue;
		score = score_with(b, h, mem, cpu);
		if (best == BAL_NONE || score < least) {
			best = h;
			least = score;
		}
	}
	return best;
}
