/*
 * Two guests that change places, for when no single move gains or memory is in its way.
 *
 * Only pairs among the hosts that are farthest from the mean are looked at; if they all
 * want the same, those farthest above it and those farthest below.
 */
#include "scheduler/balance_int.h"
#include "scheduler/balance_spare.h"

#define FARTHEST   24u
#define MOST_TRIED 48u
#define NO_GAIN    1e-9

/* Hosts on one side of the mean, the farthest first. */
struct side {
	double far[FARTHEST];
	uint32_t host[FARTHEST], count;
};

static void
note_far(struct side *s, uint32_t host, double d)
{
	uint32_t k;

	if (s->count == FARTHEST && d <= s->far[s->count - 1])
		return;
	k = s->count < FARTHEST ? s->count++ : s->count - 1;
	for (; k > 0 && s->far[k - 1] < d; k--) {
		s->far[k] = s->far[k - 1];
		s->host[k] = s->host[k - 1];
	}
	s->far[k] = d;
	s->host[k] = host;
}

/* How many of one side there is room for beside the half that is the other's. */
static uint32_t
most_of(const struct side *s, const struct side *other)
{
	uint32_t kept = other->count < FARTHEST / 2 ? other->count : FARTHEST / 2;

	return s->count < FARTHEST - kept ? s->count : FARTHEST - kept;
}

/* The farthest of the two, halves or not. */
static uint32_t
merge_sides(const struct side *hot, const struct side *cold, bool halves,
    uint32_t list[FARTHEST])
{
	uint32_t hots = halves ? most_of(hot, cold) : hot->count;
	uint32_t colds = halves ? most_of(cold, hot) : cold->count;
	uint32_t n = 0, i = 0, k = 0;

	while (n < FARTHEST && (i < hots || k < colds)) {
		bool is_hot = k == colds || (i < hots && hot->far[i] >= cold->far[k]);

		list[n++] = is_hot ? hot->host[i++] : cold->host[k++];
	}
	return n;
}

static void
find_sides(const struct bal *b, struct side *hot, struct side *cold)
{
	double n = b->host_count;

	for (uint32_t i = 0; i < b->host_count; i++) {
		const struct bal_host *h = &b->hosts[i];
		double x = h->cpu / h->cpu_cap - b->sums.sx / n;
		double y = h->mem / h->mem_cap - b->sums.sy / n;

		if (!h->closed)
			note_far(x + y > 0 ? hot : cold, i, x * x + y * y);
	}
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
may_leave(const struct bal *b, uint32_t u)
{
	const struct bal_guest *g = &b->guests[u];

	return !g->fixed && g->next == u;
}

static bool
may_swap(const struct bal *b, uint32_t u, uint32_t v)
{
	const struct bal_guest *x = &b->guests[u], *y = &b->guests[v];
	const struct bal_host *hx = &b->hosts[x->at], *hy = &b->hosts[y->at];

	return may_leave(b, u) && may_leave(b, v) && has_room(hy, x, y) &&
	       has_room(hx, y, x) &&
	       (hy->mem + x->mem <= hy->mem_cap || hx->mem + y->mem <= hx->mem_cap) &&
	       (!x->ruled || bal_rules_allow_for(b, u, y->at, v)) &&
	       (!y->ruled || bal_rules_allow_for(b, v, x->at, u));
}

struct pair {
	double gain; /* for each guest that it displaces */
	uint32_t u, v;
};

/* The best of them first.  With a certificate only trying tells which can be made. */
struct pairs {
	struct pair list[MOST_TRIED];
	uint32_t count, room;
};

static void
note_pair(struct pairs *p, const struct pair *found)
{
	uint32_t k = p->count < p->room ? p->count++ : p->count - 1;

	for (; k > 0 && p->list[k - 1].gain < found->gain; k--)
		p->list[k] = p->list[k - 1];
	p->list[k] = *found;
}

static void
try_pair(const struct bal *b, uint32_t budget, uint32_t u, uint32_t v, struct pairs *p)
{
	const struct bal_guest *x = &b->guests[u], *y = &b->guests[v];
	double least = p->count == p->room ? p->list[p->count - 1].gain : NO_GAIN;
	int more = displaces(x, y);
	double gain;

	if (more > (int64_t)budget)
		return;
	gain = b->score - bal_after_swap(b, u, v) -
	       b->price * (pays(x, y->at) + pays(y, x->at));
	if (more > 1)
		gain /= more;
	if (gain > least && may_swap(b, u, v))
		note_pair(p, &(struct pair){ gain, u, v });
}

/* As it was before, the certificate too. */
static void
take_back(struct bal *b, uint32_t done)
{
	struct bal_spare *spare = b->spare;

	b->spare = NULL;
	bal_undo(b, done);
	b->spare = spare;
	if (spare)
		bal_spare_take_back(b);
}

/* One after the other, if the certificate allows it in this order. */
static bool
swap_in_order(struct bal *b, uint32_t u, uint32_t v)
{
	uint32_t hu = b->guests[u].at, hv = b->guests[v].at, done = b->step_count;
	const struct bal_host *to = &b->hosts[hv];

	if (to->mem + b->guests[u].mem > to->mem_cap ||
	    (b->spare && !bal_spare_allows(b, u, hv)))
		return false;
	if (b->spare)
		bal_spare_try(b);
	bal_apply(b, u, hv);
	if (b->spare && !bal_spare_allows(b, v, hu)) {
		take_back(b, done);
		return false;
	}
	bal_apply(b, v, hu);
	return true;
}

bool
bal_swap(struct bal *b, uint32_t u, uint32_t v)
{
	bool done = swap_in_order(b, u, v) || swap_in_order(b, v, u);

	if (b->spare)
		bal_spare_keep(b);
	return done;
}

static bool
can_be_made(struct bal *b, const struct pair *p)
{
	uint32_t done = b->step_count;

	if (!b->spare)
		return true;
	if (!swap_in_order(b, p->u, p->v) && !swap_in_order(b, p->v, p->u))
		return false;
	take_back(b, done);
	return true;
}

/* Of two guests of these hosts. */
static double
best_among(
    struct bal *b, uint32_t budget, const uint32_t *list, uint32_t n, struct pair *ret)
{
	struct pairs p = { .room = b->spare ? MOST_TRIED : 1 };

	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = i + 1; k < n; k++) {
			const struct bal_host *x = &b->hosts[list[i]];
			const struct bal_host *y = &b->hosts[list[k]];

			for (uint32_t m = 0; m < x->guest_count * y->guest_count; m++)
				try_pair(b, budget, x->guests[m / y->guest_count],
				    y->guests[m % y->guest_count], &p);
		}
	}
	for (uint32_t i = 0; i < p.count; i++) {
		if (!can_be_made(b, &p.list[i]))
			continue;
		*ret = p.list[i];
		return p.list[i].gain;
	}
	return 0;
}

double
bal_best_swap(struct bal *b, uint32_t budget, uint32_t *ret_u, uint32_t *ret_v)
{
	struct side hot = { .count = 0 }, cold = { .count = 0 };
	struct pair found = { 0, BAL_NONE, BAL_NONE };
	uint32_t list[FARTHEST] = { 0 }, n;
	double gain;

	find_sides(b, &hot, &cold);
	n = merge_sides(&hot, &cold, false, list);
	gain = best_among(b, budget, list, n, &found);
	if (gain <= 0 && hot.count + cold.count > n) {
		n = merge_sides(&hot, &cold, true, list);
		gain = best_among(b, budget, list, n, &found);
	}
	*ret_u = found.u;
	*ret_v = found.v;
	return gain;
}
