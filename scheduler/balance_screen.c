#include "scheduler/balance_screen.h"

#include <float.h>
#include <math.h>

#define HOPELESS   (-1e9f)
#define PIECE      2u  /* hosts of a front that are bounded together */
#define FRONT_LOOK 12u /* of each kind's front, where hosts are many: spread over it \
			*/

static float *
floats(struct bal *b)
{
	return arena_array(b->arena, b->guest_count + 1, sizeof(float));
}

static uint32_t *
indexes(struct bal *b, uint32_t n)
{
	return arena_array(b->arena, (size_t)n + 2, sizeof(uint32_t));
}

/* Hosts by kind, in the order of their ids. */
static void
sort_kinds(struct bal *b, struct bal_screen *s)
{
	for (uint32_t i = 0; i < b->host_count; i++)
		s->kind_from[b->hosts[i].kind + 1]++;
	for (uint32_t k = 0; k < b->kind_count; k++)
		s->kind_from[k + 1] += s->kind_from[k];
}

void
bal_rescreen(struct bal *b, uint32_t host)
{
	const struct bal_host *h = &b->hosts[host];
	struct bal_screen *s = b->screen;
	float x = (float)(h->cpu / h->cpu_cap), y = (float)(h->mem / h->mem_cap);

	for (uint32_t k = 0; k < h->guest_count; k++) {
		uint32_t g = h->guests[k];

		s->cpu_share[g] = (float)(b->guests[g].cpu / h->cpu_cap);
		s->mem_share[g] = (float)(b->guests[g].mem / h->mem_cap);
		s->host_x[g] = x;
		s->host_y[g] = y;
	}
}

static void
fill_sorted(struct bal *b)
{
	struct bal_screen *s = b->screen;
	uint32_t *at = indexes(b, b->kind_count);

	for (uint32_t i = 0; i < b->host_count; i++) {
		uint32_t k = b->hosts[i].kind;

		s->sorted[s->kind_from[k] + at[k]++] = i;
	}
}

void
screen_begin(struct bal *b)
{
	struct bal_screen *s;

	if (b->screen)
		return;
	s = arena_alloc(b->arena, sizeof(*s));

	s->cpu = floats(b);
	s->mem = floats(b);
	s->cpu_share = floats(b);
	s->mem_share = floats(b);
	s->host_x = floats(b);
	s->host_y = floats(b);
	s->source = floats(b);
	s->bound = floats(b);
	s->gain = floats(b);
	s->hopeful.cpu = floats(b);
	s->hopeful.mem = floats(b);
	s->hopeful.gain = floats(b);
	s->hopeful.guest = indexes(b, b->guest_count);
	s->hopeful.to = indexes(b, b->guest_count);
	s->to = indexes(b, b->guest_count);
	s->front = indexes(b, b->host_count);
	s->sorted = indexes(b, b->host_count);
	s->front_from = indexes(b, b->kind_count);
	s->kind_from = indexes(b, b->kind_count);
	s->ruled = arena_array(b->arena, (size_t)b->guest_count + 1, sizeof(bool));
	s->touched = arena_array(b->arena, b->host_count + 1, sizeof(bool));
	b->screen = s;
	sort_kinds(b, s);
	for (uint32_t g = 0; g < b->guest_count; g++) {
		s->cpu[g] = (float)b->guests[g].cpu;
		s->mem[g] = (float)b->guests[g].mem;
		s->ruled[g] = b->guests[g].ruled;
	}
	for (uint32_t i = 0; i < b->host_count; i++)
		bal_rescreen(b, i);
	fill_sorted(b);
}

/* ---- fronts ---- */

static bool
is_emptier(const struct bal *b, uint32_t p, uint32_t q)
{
	const struct bal_host *x = &b->hosts[p], *y = &b->hosts[q];

	if (x->cpu != y->cpu)
		return x->cpu < y->cpu;
	if (x->mem != y->mem)
		return x->mem < y->mem;
	return p < q;
}

/* Nearly sorted from the last time: two hosts have changed since. */
static void
sort_hosts(const struct bal *b, uint32_t *list, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		uint32_t host = list[i], k = i;

		for (; k > 0 && is_emptier(b, host, list[k - 1]); k--)
			list[k] = list[k - 1];
		list[k] = host;
	}
}

/* From many hosts' long fronts some, from the least CPU to the least memory. */
static void
thin_front(struct bal_screen *s, uint32_t from, uint32_t *n)
{
	uint32_t count = *n - from;

	if (count <= FRONT_LOOK)
		return;
	for (uint32_t i = 0; i < FRONT_LOOK; i++)
		s->front[from + i] =
		    s->front[from + i * (count - 1) / (FRONT_LOOK - 1)];
	*n = from + FRONT_LOOK;
}

void
screen_find_fronts(struct bal *b)
{
	struct bal_screen *s = b->screen;
	uint32_t n = 0;

	for (uint32_t k = 0; k < b->kind_count; k++) {
		uint32_t from = s->kind_from[k], to = s->kind_from[k + 1];
		double least = DBL_MAX;

		s->front_from[k] = n;
		sort_hosts(b, s->sorted + from, to - from);
		for (uint32_t i = from; i < to; i++) {
			const struct bal_host *h = &b->hosts[s->sorted[i]];

			if (h->closed || h->busy || h->mem >= least ||
			    s->touched[s->sorted[i]])
				continue;
			least = h->mem;
			s->front[n++] = s->sorted[i];
		}
		if (b->host_count >= MANY_HOSTS)
			thin_front(s, s->front_from[k], &n);
	}
	s->front_from[b->kind_count] = n;
}

/* ---- the first-order gain ---- */

struct slope
slope_now(const struct bal *b)
{
	double n = b->host_count, mx = b->sums.sx / n, my = b->sums.sy / n;
	double vx = b->sums.qx / n - mx * mx, vy = b->sums.qy / n - my * my;

	return (struct slope){
		.wx = (float)(1 / ((vx > 0 ? sqrt(vx) : 0) + 1e-5)),
		.wy = (float)(1 / ((vy > 0 ? sqrt(vy) : 0) + 1e-5)),
		.mean_x = (float)mx,
		.mean_y = (float)my,
	};
}

struct slope
slope_behind(const struct bal *b)
{
	double n = b->host_count, guests = b->guest_count;
	struct slope w = slope_now(b);
	double x = b->sums.sx / guests * sqrt(2 / n);
	double y = b->sums.sy / guests * sqrt(2 / n);

	w.wx = (float)(1 / (hypot(1 / (double)w.wx, x) + 1e-5));
	w.wy = (float)(1 / (hypot(1 / (double)w.wy, y) + 1e-5));
	return w;
}

WIDE_VECTORS static void
try_target(const struct bal *b, uint32_t to, const struct slope *w)
{
	const struct bal_host *h = &b->hosts[to];
	const struct hopeful *a = &b->screen->hopeful;
	const float per_mhz = (float)(1 / h->cpu_cap), per_mb = (float)(1 / h->mem_cap);
	const float x = 2 * ((float)(h->cpu / h->cpu_cap) - w->mean_x);
	const float y = 2 * ((float)(h->mem / h->mem_cap) - w->mean_y);
	const float cpu_free = (float)(h->cpu_cap - h->cpu);
	const float mem_free = (float)(h->mem_cap - h->mem);
	const float wx = w->wx, wy = w->wy;
	const float *restrict cpu = a->cpu, *restrict mem = a->mem;
	float *restrict gain = a->gain;
	uint32_t *restrict best_to = a->to;
	const uint32_t n = a->count;

	for (uint32_t g = 0; g < n; g++) {
		float d = cpu[g] * per_mhz, e = mem[g] * per_mb;
		float found = -wx * d * (x + d) - wy * e * (y + e);

		/* Without branches, or it is no vector. */
		int fits = (cpu[g] <= cpu_free) & (mem[g] <= mem_free);
		float worth = fits ? found : HOPELESS, was = gain[g];
		int better = worth > was;
		uint32_t was_to = best_to[g];

		gain[g] = better ? worth : was;
		best_to[g] = better ? to : was_to;
	}
}

WIDE_VECTORS static void
find_sources(const struct bal *b, const struct slope *w)
{
	const struct bal_screen *s = b->screen;
	const float *restrict d = s->cpu_share, *restrict e = s->mem_share;
	const float *restrict x = s->host_x, *restrict y = s->host_y;
	const float wx = w->wx, wy = w->wy, mx = w->mean_x, my = w->mean_y;
	float *restrict source = s->source;
	float *restrict bound = s->bound;

	for (uint32_t g = 0; g < b->guest_count; g++) {
		source[g] = wx * d[g] * (2 * (x[g] - mx) - d[g]) +
			    wy * e[g] * (2 * (y[g] - my) - e[g]);
		bound[g] = HOPELESS;
	}
}

/* No host of a piece of a front is better than one that had the least CPU load of any
 * there, which is the first's, and the least memory load, the last's: its corner. */
WIDE_VECTORS static void
try_corner(const struct bal *b, uint32_t first, uint32_t last, const struct slope *w)
{
	const struct bal_screen *s = b->screen;
	const struct bal_host *p = &b->hosts[s->front[first]];
	const struct bal_host *q = &b->hosts[s->front[last]];
	const float per_mhz = (float)(1 / p->cpu_cap), per_mb = (float)(1 / p->mem_cap);
	const float x = 2 * ((float)(p->cpu / p->cpu_cap) - w->mean_x);
	const float y = 2 * ((float)(q->mem / q->mem_cap) - w->mean_y);
	const float cpu_free = (float)(p->cpu_cap - p->cpu);
	const float mem_free = (float)(q->mem_cap - q->mem);
	const float wx = w->wx, wy = w->wy;
	const float *restrict cpu = s->cpu, *restrict mem = s->mem;
	float *restrict bound = s->bound;

	for (uint32_t g = 0; g < b->guest_count; g++) {
		float d = cpu[g] * per_mhz, e = mem[g] * per_mb;
		float found = -wx * d * (x + d) - wy * e * (y + e);
		int fits = (cpu[g] <= cpu_free) & (mem[g] <= mem_free);
		float most = fits ? found : HOPELESS, was = bound[g];

		bound[g] = most > was ? most : was;
	}
}

void
screen_bound(struct bal *b, const struct slope *w)
{
	const struct bal_screen *s = b->screen;

	find_sources(b, w);
	for (uint32_t k = 0; k < b->kind_count; k++) {
		uint32_t end = s->front_from[k + 1];

		for (uint32_t i = s->front_from[k]; i < end; i += PIECE)
			try_corner(b, i, i + PIECE < end ? i + PIECE - 1 : end - 1, w);
	}
}

/* Of those in rules the short list is short, and rings are judged as a whole. */
static void
list_hopeful(struct bal *b, float enough)
{
	struct bal_screen *s = b->screen;
	struct hopeful *a = &s->hopeful;
	uint32_t n = 0;

	for (uint32_t g = 0; g < b->guest_count; g++) {
		a->guest[n] = g;
		n += (s->source[g] + s->bound[g] > enough) | s->ruled[g];
	}
	a->count = n;
}

/* Those that are hopeful at every host of the fronts. */
static void
try_hopeful(struct bal *b, const struct slope *w)
{
	struct bal_screen *s = b->screen;
	struct hopeful *a = &s->hopeful;

	for (uint32_t i = 0; i < a->count; i++) {
		a->cpu[i] = s->cpu[a->guest[i]];
		a->mem[i] = s->mem[a->guest[i]];
		a->gain[i] = HOPELESS;
		a->to[i] = BAL_NONE;
	}
	for (uint32_t i = 0; i < s->front_from[b->kind_count]; i++)
		try_target(b, s->front[i], w);
	for (uint32_t i = 0; i < a->count; i++) {
		uint32_t g = a->guest[i];

		s->gain[g] = a->gain[i] + s->source[g];
		s->to[g] = a->to[i];
	}
}

void
screen_all(struct bal *b, const struct slope *w, float enough)
{
	list_hopeful(b, enough);
	try_hopeful(b, w);
}

void
screen_again(struct bal *b, const struct slope *w, float enough)
{
	struct bal_screen *s = b->screen;
	struct hopeful *a = &s->hopeful;
	uint32_t n = 0;

	find_sources(b, w);
	for (uint32_t i = 0; i < a->count; i++) {
		uint32_t g = a->guest[i];

		a->guest[n] = g;
		n += s->gain[g] > enough;
	}
	a->count = n;
	try_hopeful(b, w);
}
