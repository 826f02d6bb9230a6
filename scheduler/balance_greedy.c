/*
 * Best improvement: the single move that lowers the score most, again and again.
 *
 * Of hosts of equal capacity only those are worth trying that no other one beats in
 * both CPU and memory: the front.  All guests are tried against the fronts by the
 * first-order gain, without a root, in arrays that the compiler makes vectors of; the
 * best few of them are judged exactly.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "scheduler/balance_int.h"
#include "scheduler/balance_spare.h"

/* How many promising guests are judged exactly: more where each move counts, or where
 * several are made at once; and of those under rules. */
#define SHORT_LIST 64u
#define FEW_LISTED 24u
#define RULED_LIST 16u
#define FEW_HOSTS  64u
#define HOPELESS   (-1e9f)
#define NO_STEP    1e-9
#define NEARLY     0.8F
#define PIECE      2u /* hosts of a front that are bounded together */

/* From so many hosts on, one screening serves for several moves: those that share no
 * host, judged anew before each, while they gain this part of what the best did. */
#define MANY_HOSTS 256u
#define FRONT_LOOK 12u /* of each kind's front, spread over it */
#define STILL_GOOD 0.98
#define HUGE_HOSTS 512u /* from so many on less will do */
#define HUGE_GOOD  0.9
#define HUGE_TURNS 8u   /* rounds that one screening serves for */
#define PROMISING  0.5F /* of what the last one listed promised */

/* Guests that may promise enough, one after the other. */
struct hopeful {
	uint32_t *guest;
	float *cpu, *mem;
	float *gain;  /* best found, to first order, at the target alone */
	uint32_t *to; /* and where */
	uint32_t count;
};

struct bal_screen {
	float *cpu, *mem;             /* of each guest */
	float *cpu_share, *mem_share; /* of its host's capacity */
	float *host_x, *host_y;       /* its host's loads */
	float *source;                /* what its leaving gains, to first order */
	float *bound;                 /* no gain is more than that */
	float *gain;                  /* of the hopeful: best found */
	uint32_t *to;                 /* and where */
	struct hopeful hopeful;
	float enough; /* what the last one of the last short list promised */
	uint32_t *front, *sorted;         /* hosts; room for all */
	uint32_t *front_from, *kind_from; /* of each kind; one more at the end */
	bool *ruled;                      /* guests that some rule names */
	bool *touched;                    /* hosts, since the last screening */
};

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
screen_init(struct bal *b)
{
	struct bal_screen *s = arena_alloc(b->arena, sizeof(*s));

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

static void
find_fronts(struct bal *b)
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

/* Weights are the slopes of the two deviations. */
struct slope {
	float wx, wy, mean_x, mean_y;
};

static struct slope
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

/*
 * The same, as if both deviations were those that a usual guest's move leaves behind.
 * Where one of them is nought any move adds to it, and its slope there would forbid
 * all.
 */
static struct slope
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

/* Where the machine has wider vectors the linker's choice at start takes them. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define WIDE_VECTORS __attribute__((target_clones("avx2", "default")))
#else
#define WIDE_VECTORS
#endif

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

static void
screen_all(struct bal *b, const struct slope *w, float enough)
{
	list_hopeful(b, enough);
	try_hopeful(b, w);
}

/* ---- the best, exactly ---- */

struct choice {
	double gain; /* for each guest that moves, what that costs taken off */
	uint32_t guest, to;
};

/* What it has to pay for: the first move of each guest. */
static double
price_of(const struct bal *b, uint32_t guest, uint32_t to)
{
	const struct bal_guest *v = &b->guests[guest];

	if (to == v->home)
		return -b->price * v->seconds;
	return v->at == v->home ? b->price * v->seconds : 0;
}

static void
judge(const struct bal *b, uint32_t guest, uint32_t to, struct choice *c)
{
	double gain;

	if (!bal_has_room(b, guest, to))
		return;
	gain = b->score - bal_after(b, guest, to) - price_of(b, guest, to);
	if (gain > c->gain && (!b->spare || bal_spare_allows(b, guest, to)))
		*c = (struct choice){ gain, guest, to };
}

/* Guests that are kept together go together, and have to be worth it. */
static void
judge_ring(const struct bal *b, uint32_t guest, uint32_t to, struct choice *c)
{
	uint32_t n;
	double gain;

	if (to == b->guests[guest].at || !bal_ring_fits(b, guest, to))
		return;
	gain = b->score - bal_after_ring(b, guest, to, &n);
	for (uint32_t g = b->guests[guest].next; g != guest; g = b->guests[g].next)
		gain -= price_of(b, g, to);
	gain = (gain - price_of(b, guest, to)) / n;
	if (gain > c->gain)
		*c = (struct choice){ gain, guest, to };
}

static void
judge_fronts(const struct bal *b, uint32_t guest, struct choice *c)
{
	const struct bal_screen *s = b->screen;

	for (uint32_t i = 0; i < s->front_from[b->kind_count]; i++)
		judge(b, guest, s->front[i], c);
}

/* The front may be closed to it by a rule. */
static void
judge_everywhere(const struct bal *b, uint32_t guest, struct choice *c)
{
	uint32_t next = b->guests[guest].next;

	/* One of a ring speaks for all of it. */
	if (next != guest && (next < guest || !bal_ring_is_whole(b, guest)))
		return;
	for (uint32_t to = 0; to < b->host_count; to++) {
		if (next != guest)
			judge_ring(b, guest, to, c);
		else
			judge(b, guest, to, c);
	}
}

/* The guests that promise most, best first; of a ring its first stands for all. */
struct promise {
	uint32_t list[SHORT_LIST], count, room;
	float worth[SHORT_LIST];
};

/* Those in rules and those in none. */
struct promises {
	struct promise free, ruled;
};

static void
note_promise(struct promise *p, uint32_t g, float worth)
{
	uint32_t k;

	if (p->count == p->room && worth <= p->worth[p->count - 1])
		return;
	k = p->count < p->room ? p->count++ : p->count - 1;
	for (; k > 0 && p->worth[k - 1] < worth; k--) {
		p->worth[k] = p->worth[k - 1];
		p->list[k] = p->list[k - 1];
	}
	p->worth[k] = worth;
	p->list[k] = g;
}

/* What a guest has to promise more than to be listed. */
static float
least_of(const struct promise *p)
{
	return p->count < p->room ? 0 : p->worth[p->count - 1];
}

/* What its guests promise on average. */
static void
note_ring(const struct bal *b, uint32_t first, struct promise *p)
{
	uint32_t n = 0, g = first;
	float worth = 0;

	do {
		if (g < first)
			return;
		worth += b->screen->gain[g];
		g = b->guests[g].next;
		n++;
	} while (g != first);
	note_promise(p, first, worth / (float)n);
}

static void
list_promises(const struct bal *b, uint32_t budget, struct promises *p)
{
	bool few = b->host_count > FEW_HOSTS && b->host_count < MANY_HOSTS;
	const float *gain = b->screen->gain;

	p->free.room = few ? FEW_LISTED : SHORT_LIST;
	p->ruled.room = RULED_LIST;
	p->free.count = p->ruled.count = 0;
	for (uint32_t i = 0; i < b->screen->hopeful.count; i++) {
		uint32_t g = b->screen->hopeful.guest[i];
		const struct bal_guest *v = &b->guests[g];

		if (!b->screen->ruled[g] && gain[g] <= least_of(&p->free))
			continue;
		if (v->fixed || (v->at == v->home && !budget))
			continue;
		if (v->next != g && budget > 1)
			note_ring(b, g, &p->ruled);
		else if (v->next == g && gain[g] > 0 && b->screen->to[g] != v->at)
			note_promise(v->ruled ? &p->ruled : &p->free, g, gain[g]);
	}
}

static void
choose(const struct bal *b, struct choice *c, const struct promises *p)
{
	for (uint32_t k = 0; k < p->free.count; k++)
		judge_fronts(b, p->free.list[k], c);
	for (uint32_t k = 0; k < p->ruled.count; k++)
		judge_everywhere(b, p->ruled.list[k], c);
}

/*
 * From round to round little changes: who cannot promise about as much as the last one
 * of the list did is not looked at, unless the list stays short without him.
 */
static void
promise_all(struct bal *b, uint32_t budget, const struct slope *w, struct promises *p)
{
	float enough = b->screen->enough * NEARLY;

	screen_all(b, w, enough);
	list_promises(b, budget, p);
	if (enough > 0 && (p->free.count < p->free.room ||
			      p->free.worth[p->free.count - 1] < enough)) {
		/* Those on a full list promise that for sure: nobody below matters. */
		screen_all(b, w,
		    p->free.count < p->free.room ? 0 : least_of(&p->free) * NEARLY);
		list_promises(b, budget, p);
	}
	b->screen->enough =
	    p->free.count == p->free.room ? p->free.worth[p->free.count - 1] : 0;
}

static void
look_by(struct bal *b, uint32_t budget, const struct slope *w, struct choice *c,
    struct promises *p)
{
	find_sources(b, w);
	for (uint32_t k = 0; k < b->kind_count; k++) {
		uint32_t end = b->screen->front_from[k + 1];

		for (uint32_t i = b->screen->front_from[k]; i < end; i += PIECE)
			try_corner(b, i, i + PIECE < end ? i + PIECE - 1 : end - 1, w);
	}
	promise_all(b, budget, w, p);
	choose(b, c, p);
}

static void
find_best(struct bal *b, uint32_t budget, struct choice *c, struct promises *p)
{
	struct slope w = slope_now(b);

	*c = (struct choice){ NO_STEP, BAL_NONE, BAL_NONE };
	if (!b->screen) {
		screen_init(b);
		fill_sorted(b);
	}
	find_fronts(b);
	look_by(b, budget, &w, c, p);
}

/* After find_best() has found nothing: what the slopes of now hide. */
static void
find_hidden(struct bal *b, uint32_t budget, struct choice *c, struct promises *p)
{
	struct slope w = slope_behind(b);

	b->screen->enough = 0;
	look_by(b, budget, &w, c, p);
	b->screen->enough = 0;
}

double
bal_best_move(struct bal *b, bool may_move_more, uint32_t *ret_guest, uint32_t *ret_to)
{
	struct promises p;
	struct choice c;

	find_best(b, may_move_more, &c, &p);
	if (c.guest == BAL_NONE)
		find_hidden(b, may_move_more, &c, &p);
	*ret_guest = c.guest;
	*ret_to = c.to;
	return c.guest == BAL_NONE ? 0 : c.gain;
}

bool
bal_make(struct bal *b, const struct bal_change *c)
{
	if (c->back != BAL_NONE)
		return bal_swap(b, c->guest, c->back);
	bal_ring_apply(b, c->guest, c->to);
	return true;
}

/* Of those that were screened, who promised enough: what they promise now. */
static void
screen_again(struct bal *b, const struct slope *w, float enough)
{
	struct bal_screen *s = b->screen;
	struct hopeful *a = &s->hopeful;
	uint32_t n = 0;

	for (uint32_t i = 0; i < a->count; i++) {
		uint32_t g = a->guest[i];

		a->guest[n] = g;
		n += s->gain[g] > enough;
	}
	a->count = n;
	try_hopeful(b, w);
}

/* The others that promised something, to hosts that nobody has touched since: of many
 * hosts those of the front, of more the front of those that are left. */
static void
make_more(
    struct bal *b, const struct bal_limits *l, const struct promise *p, double first)
{
	const struct bal_screen *s = b->screen;
	bool *touched = s->touched;
	bool is_huge = b->host_count >= HUGE_HOSTS;

	for (uint32_t k = 0; k < p->count && b->score > l->target; k++) {
		struct choice c = { first * (is_huge ? HUGE_GOOD : STILL_GOOD),
			BAL_NONE, BAL_NONE };
		uint32_t g = p->list[k];

		if (touched[b->guests[g].at] ||
		    (b->guests[g].at == b->guests[g].home && b->moved >= l->max_moved))
			continue;
		for (uint32_t i = 0; i < s->front_from[b->kind_count]; i++) {
			if (!touched[s->front[i]])
				judge(b, g, s->front[i], &c);
		}
		if (c.guest == BAL_NONE)
			continue;
		touched[b->guests[g].at] = touched[c.to] = true;
		bal_ring_apply(b, c.guest, c.to);
		if (is_huge)
			find_fronts(b);
	}
	for (uint32_t i = 0; i < b->host_count; i++)
		touched[i] = false;
}

/* Again of those that were screened while there is something to gain: most of them are
 * where they were. */
static void
make_rounds(struct bal *b, const struct bal_limits *l, struct promises *p, double first)
{
	uint32_t turns = b->host_count < HUGE_HOSTS ? 1 : HUGE_TURNS;

	for (uint32_t i = 0;;) {
		uint32_t before = b->step_count, budget;
		struct slope w;

		make_more(b, l, &p->free, first);
		if (++i == turns || b->step_count == before || b->score <= l->target)
			return;
		budget = b->moved < l->max_moved ? l->max_moved - b->moved : 0;
		w = slope_now(b);
		find_fronts(b);
		find_sources(b, &w);
		screen_again(b, &w, b->screen->enough * PROMISING);
		list_promises(b, budget, p);
	}
}

static bool
find_next(struct bal *b, const struct bal_limits *l, struct promises *p,
    struct bal_change *ret)
{
	uint32_t budget = b->moved < l->max_moved ? l->max_moved - b->moved : 0;
	struct choice c;
	uint32_t u, v;
	double gain;

	find_best(b, budget, &c, p);
	if (c.guest != BAL_NONE && c.gain >= l->min_gain) {
		*ret = (struct bal_change){ c.guest, c.to, BAL_NONE, c.gain };
		return true;
	}
	if (c.guest == BAL_NONE)
		find_hidden(b, budget, &c, p);
	gain = bal_best_swap(b, budget, &u, &v);
	if (c.guest != BAL_NONE && c.gain >= fmax(gain, l->min_gain)) {
		*ret = (struct bal_change){ c.guest, c.to, BAL_NONE, c.gain };
		return true;
	}
	if (gain <= 0 || gain < l->min_gain)
		return false;
	*ret = (struct bal_change){ u, b->guests[v].at, v, gain };
	return true;
}

bool
bal_next(struct bal *b, const struct bal_limits *l, struct bal_change *ret)
{
	struct promises p;

	return find_next(b, l, &p, ret);
}

static bool
step(struct bal *b, const struct bal_limits *l)
{
	struct bal_change c;
	struct promises p;

	if (!find_next(b, l, &p, &c))
		return false;
	uint32_t from = b->guests[c.guest].at;

	if (!bal_make(b, &c))
		return false;
	if (b->host_count < MANY_HOSTS || c.back != BAL_NONE)
		return true;
	b->screen->touched[from] = b->screen->touched[c.to] = true;
	if (b->host_count >= HUGE_HOSTS)
		find_fronts(b);
	make_rounds(b, l, &p, fmax(c.gain, l->min_gain));
	return true;
}

void
bal_greedy(struct bal *b, const struct bal_limits *l)
{
	uint32_t most = b->guest_count * 4 + 64;

	for (uint32_t n = 1; n <= most && b->score > l->target && step(b, l); n++) {
		if (n % BAL_RESUM == 0)
			bal_resum(b);
	}
}
