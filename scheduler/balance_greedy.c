/*
 * Best improvement: the single move that lowers the score most, again and again.
 *
 * Of all guests the best few by the first-order gain (balance_screen.h) are judged
 * exactly, each against all hosts of the fronts.
 */
#include <math.h>
#include <string.h>

#include "scheduler/balance_screen.h"
#include "scheduler/balance_spare.h"

/* How many promising guests are judged exactly: more where each move counts, or where
 * several are made at once; and of those under rules. */
#define SHORT_LIST 64u
#define FEW_LISTED 24u
#define RULED_LIST 16u
#define FEW_HOSTS  64u
#define NO_STEP    1e-9
#define NEARLY     0.8F

/* Of what the best of several moves after one screening did, the others gain. */
#define STILL_GOOD 0.98
#define HUGE_HOSTS 512u /* from so many on less will do */
#define HUGE_GOOD  0.9
#define HUGE_TURNS 8u   /* rounds that one screening serves for */
#define PROMISING  0.5F /* of what the last one listed promised */

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
	uint32_t k = 0, last;

	if (p->count == p->room && worth <= p->worth[p->count - 1])
		return;
	last = p->count < p->room ? p->count++ : p->count - 1;
	for (uint32_t end = last; k < end;) {
		uint32_t mid = k + (end - k) / 2;

		if (p->worth[mid] < worth)
			end = mid;
		else
			k = mid + 1;
	}
	memmove(&p->worth[k + 1], &p->worth[k], (last - k) * sizeof(*p->worth));
	memmove(&p->list[k + 1], &p->list[k], (last - k) * sizeof(*p->list));
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

/* What the sums of squares would be without each of those on a list. */
struct leaving {
	double cpu[SHORT_LIST], mem[SHORT_LIST];
	double sx[SHORT_LIST], qx[SHORT_LIST], sy[SHORT_LIST], qy[SHORT_LIST];
	double gain[SHORT_LIST]; /* at the host that is looked at, where it fits */
	uint32_t count;
};

static void
leave_all(const struct bal *b, const struct promise *p, struct leaving *l)
{
	l->count = p->count;
	for (uint32_t k = 0; k < p->count; k++) {
		const struct bal_guest *g = &b->guests[p->list[k]];
		const struct bal_host *h = &b->hosts[g->at];
		double d = g->cpu / h->cpu_cap, e = g->mem / h->mem_cap;

		l->cpu[k] = g->cpu;
		l->mem[k] = g->mem;
		l->sx[k] = b->sums.sx - d;
		l->qx[k] = b->sums.qx - d * (2 * (h->cpu / h->cpu_cap) - d);
		l->sy[k] = b->sums.sy - e;
		l->qy[k] = b->sums.qy - e * (2 * (h->mem / h->mem_cap) - e);
	}
}

/* What bal_after() says, of all of them at once. */
WIDE_VECTORS static void
arrive_all(const struct bal *b, uint32_t to, struct leaving *l)
{
	const struct bal_host *h = &b->hosts[to];
	const double per_mhz = 1 / h->cpu_cap, per_mb = 1 / h->mem_cap;
	const double x = 2 * h->cpu / h->cpu_cap, y = 2 * h->mem / h->mem_cap;
	const double cpu_free = h->cpu_cap - h->cpu, mem_free = h->mem_cap - h->mem;
	const double one = 1 / (double)b->host_count, score = b->score;

	for (uint32_t k = 0; k < l->count; k++) {
		double d = l->cpu[k] * per_mhz, e = l->mem[k] * per_mb;
		double mx = (l->sx[k] + d) * one, my = (l->sy[k] + e) * one;
		double vx = (l->qx[k] + d * (x + d)) * one - mx * mx;
		double vy = (l->qy[k] + e * (y + e)) * one - my * my;
		int fits = (l->cpu[k] <= cpu_free) & (l->mem[k] <= mem_free);
		double gain;

		vx = vx > 0 ? vx : 0;
		vy = vy > 0 ? vy : 0;
		gain = score - sqrt(vx) - sqrt(vy);
		l->gain[k] = fits ? gain : 0;
	}
}

/* The best of those that no rule names, at the fronts. */
static void
choose_free(const struct bal *b, struct choice *c, const struct promise *p)
{
	const struct bal_screen *s = b->screen;
	struct leaving l;

	leave_all(b, p, &l);
	for (uint32_t i = 0; i < s->front_from[b->kind_count]; i++) {
		uint32_t to = s->front[i];

		arrive_all(b, to, &l);
		for (uint32_t k = 0; k < p->count; k++) {
			/* Going home may bring more than it gains. */
			if (l.gain[k] > c->gain || b->price > 0)
				judge(b, p->list[k], to, c);
		}
	}
}

static void
choose(const struct bal *b, struct choice *c, const struct promises *p)
{
	choose_free(b, c, &p->free);
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
	screen_bound(b, w);
	promise_all(b, budget, w, p);
	choose(b, c, p);
}

static void
find_best(struct bal *b, uint32_t budget, struct choice *c, struct promises *p)
{
	struct slope w = slope_now(b);

	*c = (struct choice){ NO_STEP, BAL_NONE, BAL_NONE };
	screen_begin(b);
	screen_find_fronts(b);
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
			screen_find_fronts(b);
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
		screen_find_fronts(b);
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
		screen_find_fronts(b);
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
