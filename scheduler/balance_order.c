#include <string.h>

#include "scheduler/balance_int.h"
#include "scheduler/balance_spare.h"

/* How many of those that are left are compared for each next move. */
#define WINDOW 512u

struct order {
	struct bal *b;
	uint32_t *goal; /* of each guest */
	uint32_t *left; /* guests that are still to go; those that gained most first */
	uint32_t left_count, room;
};

/* A guest that must be apart from this one may still be there. */
static bool
is_met_by(const struct bal *b, uint32_t guest, uint32_t to)
{
	for (uint32_t i = b->rule_from[guest]; i < b->rule_from[guest + 1]; i++) {
		const struct bal_rule *r = &b->rules[b->rule_of[i]];

		for (uint32_t k = 0; r->kind == BAL_APART && k < r->guest_count; k++) {
			if (r->guests[k] != guest && b->guests[r->guests[k]].at == to)
				return true;
		}
	}
	return false;
}

static bool
has_room(const struct bal *b, uint32_t guest, uint32_t to)
{
	const struct bal_guest *g = &b->guests[guest];
	const struct bal_host *h = &b->hosts[to];

	return h->mem + g->mem <= h->mem_cap && !is_met_by(b, guest, to) &&
	       (!b->spare || bal_spare_allows(b, guest, to));
}

/* Everybody goes home; whoever was placed first is asked first. */
static void
rewind(struct order *o)
{
	struct bal *b = o->b;
	struct bal_spare *spare = b->spare;

	o->goal = arena_array(b->arena, b->guest_count + 1, sizeof(uint32_t));
	o->left = arena_array(b->arena, b->moved + 1, sizeof(uint32_t));
	o->room = 2 * b->moved + 2;
	b->spare = NULL;
	for (uint32_t g = 0; g < b->guest_count; g++) {
		o->goal[g] = b->guests[g].at;
		if (o->goal[g] == b->guests[g].home)
			continue;
		o->left[o->left_count++] = g;
		bal_apply(b, g, b->guests[g].home);
	}
	/* Those that were found may be needed still. */
	b->steps = NULL;
	b->step_count = b->step_room = 0;
	bal_resum(b);
	if (spare)
		bal_spare_init(b);
}

static void
drop(struct order *o, uint32_t i)
{
	o->left_count--;
	memmove(o->left + i, o->left + i + 1, (o->left_count - i) * sizeof(*o->left));
}

/* Those that are kept together follow at once if they can. */
static void
go_ring(struct order *o, uint32_t first)
{
	struct bal *b = o->b;

	for (uint32_t g = b->guests[first].next; g != first; g = b->guests[g].next) {
		for (uint32_t i = 0; i < o->left_count; i++) {
			if (o->left[i] != g || !has_room(b, g, o->goal[g]))
				continue;
			drop(o, i);
			bal_apply(b, g, o->goal[g]);
			break;
		}
	}
}

/* The one that gains most of those that can go; true if any could. */
static bool
go_best(struct order *o)
{
	struct bal *b = o->b;
	uint32_t best = BAL_NONE, g;
	double least = 0;

	for (uint32_t i = 0; i < o->left_count; i++) {
		double score;

		g = o->left[i];
		if (i >= WINDOW && best != BAL_NONE)
			break;
		if (!has_room(b, g, o->goal[g]))
			continue;
		score = bal_after(b, g, o->goal[g]);
		if (best == BAL_NONE || score < least) {
			best = i;
			least = score;
		}
	}
	if (best == BAL_NONE)
		return false;
	g = o->left[best];
	drop(o, best);
	bal_apply(b, g, o->goal[g]);
	go_ring(o, g);
	return true;
}

/* A circle in a full cluster: the smallest guest that stands in it steps aside. */
static bool
step_aside(struct order *o)
{
	struct bal *b = o->b;
	uint32_t guest = BAL_NONE, to = BAL_NONE;

	if (b->step_count + o->left_count + 1 > o->room)
		return false;
	for (uint32_t i = 0; i < o->left_count; i++) {
		uint32_t g = o->left[i];

		if (guest == BAL_NONE || b->guests[g].mem < b->guests[guest].mem)
			guest = g;
	}
	for (uint32_t h = 0; h < b->host_count; h++) {
		const struct bal_host *host = &b->hosts[h];

		if (b->guests[guest].ruled || !bal_fits(b, guest, h))
			continue;
		if (to == BAL_NONE ||
		    host->mem_cap - host->mem > b->hosts[to].mem_cap - b->hosts[to].mem)
			to = h;
	}
	if (to == BAL_NONE)
		return false;
	bal_apply(b, guest, to);
	return true;
}

/* Do the steps as they were found lead from home to here, each with room? */
static bool
is_a_way(const struct bal *b)
{
	double *mem = arena_array(b->arena, (size_t)b->host_count + 1, sizeof(*mem));
	uint32_t *at = arena_array(b->arena, (size_t)b->guest_count + 1, sizeof(*at));

	for (uint32_t g = 0; g < b->guest_count; g++) {
		at[g] = b->guests[g].home;
		mem[at[g]] += b->guests[g].mem;
	}
	for (uint32_t i = 0; i < b->step_count; i++) {
		const struct bal_step *s = &b->steps[i];

		mem[s->from] -= b->guests[s->guest].mem;
		mem[s->to] += b->guests[s->guest].mem;
		if (s->from != at[s->guest] || mem[s->to] > b->hosts[s->to].mem_cap)
			return false;
		at[s->guest] = s->to;
	}
	for (uint32_t g = 0; g < b->guest_count; g++) {
		if (at[g] != b->guests[g].at)
			return false;
	}
	return true;
}

/* With a certificate nobody steps aside: that would ask for room twice. */
static bool
find_order(struct order *o)
{
	bool found = true;

	rewind(o);
	while (found && o->left_count > 0)
		found = go_best(o) || (!o->b->spare && step_aside(o));
	for (uint32_t i = 0; i < o->left_count; i++)
		bal_apply(o->b, o->left[i], o->goal[o->left[i]]);
	bal_resum(o->b);
	return found;
}

bool
bal_order(struct bal *b, struct bal_step **ret_steps, uint32_t *ret_count)
{
	struct order o = { .b = b };
	struct bal_step *steps = b->steps;
	uint32_t n = b->step_count;
	bool is_way = is_a_way(b);

	/* Each guest once is as short as it gets. */
	if ((is_way && n == b->moved) || find_order(&o)) {
		*ret_steps = b->steps;
		*ret_count = b->step_count;
		return true;
	}
	*ret_steps = is_way ? steps : b->steps;
	*ret_count = is_way ? n : b->step_count;
	return is_way;
}
