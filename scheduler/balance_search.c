/*
 * A better set of moves: annealing over the placements with at most so many guests away
 * from home.  The number of tries is given, not the time: the same seed gives the same
 * plan.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "scheduler/balance_int.h"

/* Of the score: how much worse a step may make it at first, and at the end. */
#define HOT         0.02
#define COLD        1e-4 /* of the first */
#define RESUM_TRIES 4096u
#define BETTER_BY   1e-7

struct search {
	struct bal *b;
	struct rng rng;
	const struct bal_limits *limits;
	uint32_t max_moved;
	uint32_t *away; /* guests that are not at home, in no order */
	uint32_t *pos;  /* of each guest in it, or BAL_NONE */
	double heat;
};

static uint32_t
pick(struct search *s, uint32_t n)
{
	return (uint32_t)rng_below(&s->rng, n);
}

/* From one cost to another, by heat and luck. */
static bool
takes(struct search *s, double before, double after)
{
	double odds;

	if (after < before)
		return true;
	odds = exp((before - after) / s->heat);
	return (double)(rng_next(&s->rng) >> 11) * 0x1p-53 < odds;
}

/* Good enough is good enough if moves have a price. */
static double
cost_of(const struct search *s, double score, double paid)
{
	const struct bal *b = s->b;

	if (b->price <= 0)
		return score;
	return fmax(score, s->limits->target) + b->price * paid;
}

static double
cost_now(const struct search *s)
{
	return cost_of(s, s->b->score, s->b->paid);
}

/* What all moves would take if g went there. */
static double
paid_after(const struct bal *b, uint32_t g, uint32_t to)
{
	const struct bal_guest *v = &b->guests[g];

	return b->paid + ((to != v->home) - (v->at != v->home)) * v->seconds;
}

static bool
takes_move(struct search *s, uint32_t g, uint32_t to)
{
	const struct bal *b = s->b;

	return takes(
	    s, cost_now(s), cost_of(s, bal_after(b, g, to), paid_after(b, g, to)));
}

/* b->moved counts them; here is which. */
static void
note(struct search *s, uint32_t g, uint32_t before)
{
	const struct bal_guest *v = &s->b->guests[g];
	bool is_away = v->at != v->home;

	if (is_away && s->pos[g] == BAL_NONE) {
		s->pos[g] = before;
		s->away[before] = g;
	} else if (!is_away && s->pos[g] != BAL_NONE) {
		uint32_t last = s->away[before - 1];

		s->away[s->pos[g]] = last;
		s->pos[last] = s->pos[g];
		s->pos[g] = BAL_NONE;
	}
}

static void
move(struct search *s, uint32_t g, uint32_t to)
{
	uint32_t before = s->b->moved;

	bal_apply(s->b, g, to);
	s->b->step_count = 0;
	note(s, g, before);
}

/* Somebody who is away goes elsewhere. */
static void
try_elsewhere(struct search *s)
{
	uint32_t g = s->away[pick(s, s->b->moved)], to = pick(s, s->b->host_count);

	if (bal_fits(s->b, g, to) && takes_move(s, g, to))
		move(s, g, to);
}

/* One more leaves home, or somebody who is away goes elsewhere. */
static void
try_another(struct search *s)
{
	uint32_t g = pick(s, s->b->guest_count), to = pick(s, s->b->host_count);

	if (s->b->moved >= s->max_moved && s->pos[g] == BAL_NONE)
		return;
	if (bal_fits(s->b, g, to) && takes_move(s, g, to))
		move(s, g, to);
}

/* Somebody goes home, and another leaves in his place. */
static void
try_instead(struct search *s)
{
	struct bal *b = s->b;
	uint32_t u = s->away[pick(s, b->moved)], at = b->guests[u].at;
	uint32_t g = pick(s, b->guest_count), to = pick(s, b->host_count);
	double before = cost_now(s), after;

	if (g == u || s->pos[g] != BAL_NONE || !bal_fits(b, u, b->guests[u].home))
		return;
	bal_apply(b, u, b->guests[u].home);
	if (bal_fits(b, g, to)) {
		after = cost_of(s, bal_after(b, g, to), paid_after(b, g, to));
		if (takes(s, before, after)) {
			b->step_count = 0;
			note(s, u, b->moved + 1);
			move(s, g, to);
			return;
		}
	}
	bal_apply(b, u, at);
	b->step_count = 0;
}

static bool
may_swap(const struct search *s, uint32_t u, uint32_t v)
{
	const struct bal *b = s->b;
	const struct bal_guest *x = &b->guests[u], *y = &b->guests[v];
	const struct bal_host *hx = &b->hosts[x->at], *hy = &b->hosts[y->at];
	uint32_t moved = b->moved - (x->at != x->home) - (y->at != y->home) +
			 (y->at != x->home) + (x->at != y->home);

	return !b->spare && x->at != y->at && !x->ruled && !y->ruled && !x->fixed &&
	       !y->fixed && !hx->closed && !hy->closed && moved <= s->max_moved &&
	       hx->mem - x->mem + y->mem <= hx->mem_cap &&
	       hy->mem - y->mem + x->mem <= hy->mem_cap &&
	       hx->cpu - x->cpu + y->cpu <= hx->cpu_cap &&
	       hy->cpu - y->cpu + x->cpu <= hy->cpu_cap;
}

static void
try_swap(struct search *s)
{
	struct bal *b = s->b;
	uint32_t u = s->away[pick(s, b->moved)], v = pick(s, b->guest_count);
	uint32_t hu = b->guests[u].at, hv = b->guests[v].at;

	double paid;

	if (!may_swap(s, u, v))
		return;
	paid = paid_after(b, u, hv) + paid_after(b, v, hu) - b->paid;
	if (!takes(s, cost_now(s), cost_of(s, bal_after_swap(b, u, v), paid)))
		return;
	move(s, u, hv);
	move(s, v, hu);
}

static void
try_one(struct search *s)
{
	uint32_t kind = s->b->moved ? pick(s, 4) : 3;

	if (kind == 0)
		try_elsewhere(s);
	else if (kind == 1)
		try_instead(s);
	else if (kind == 2)
		try_swap(s);
	else
		try_another(s);
}

static void
keep(const struct bal *b, uint32_t *best)
{
	for (uint32_t g = 0; g < b->guest_count; g++)
		best[g] = b->guests[g].at;
}

static void
go_back(struct bal *b, const uint32_t *best)
{
	for (uint32_t g = 0; g < b->guest_count; g++) {
		if (b->guests[g].at != best[g])
			bal_apply(b, g, best[g]);
	}
	bal_resum(b);
}

void
bal_search(struct bal *b, const struct bal_limits *l, uint32_t tries, uint64_t seed)
{
	struct search s = { .b = b, .limits = l, .max_moved = l->max_moved };
	uint32_t *best = arena_array(b->arena, b->guest_count + 1, sizeof(*best));
	double least = cost_now(&s), first = b->score * HOT;
	uint32_t n = 0;

	if (!tries || !b->guest_count || first <= 0)
		return;
	b->screen = NULL;
	s.away = arena_array(b->arena, b->guest_count + 2, sizeof(uint32_t));
	s.pos = arena_array(b->arena, b->guest_count + 1, sizeof(uint32_t));
	rng_seed(&s.rng, seed);
	for (uint32_t g = 0; g < b->guest_count; g++) {
		s.pos[g] = BAL_NONE;
		note(&s, g, n);
		n += b->guests[g].at != b->guests[g].home;
	}
	keep(b, best);
	for (uint32_t i = 0; i < tries; i++) {
		if (i % RESUM_TRIES == 0) {
			s.heat = first * pow(COLD, (double)i / tries);
			bal_resum(b);
		}
		try_one(&s);
		if (cost_now(&s) < least - BETTER_BY) {
			least = cost_now(&s);
			keep(b, best);
		}
	}
	go_back(b, best);
}

void
bal_prune(struct bal *b, const struct bal_limits *l)
{
	for (uint32_t g = 0; g < b->guest_count; g++) {
		const struct bal_guest *v = &b->guests[g];
		uint32_t at = v->at;
		double before = b->score;

		if (at == v->home || !bal_fits(b, g, v->home))
			continue;
		bal_apply(b, g, v->home);
		if (b->score > before && b->score > l->target)
			bal_apply(b, g, at);
	}
	bal_resum(b);
}
