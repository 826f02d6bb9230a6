#include <string.h>

#include "scheduler/balance_int.h"

struct order {
	const struct bal *b;
	uint32_t *where;   /* each guest, as far as the moves have led */
	double *cpu, *mem; /* each host likewise */
	uint32_t *left;    /* guests that are still to go */
	uint32_t left_count;
	struct bal_step *steps;
	uint32_t count, room;
};

static void
order_init(struct order *o, struct bal *b)
{
	o->where = arena_array(b->arena, b->guest_count + 1, sizeof(uint32_t));
	o->left = arena_array(b->arena, b->guest_count + 1, sizeof(uint32_t));
	o->cpu = arena_array(b->arena, b->host_count + 1, sizeof(double));
	o->mem = arena_array(b->arena, b->host_count + 1, sizeof(double));
	o->room = 2 * b->moved + 2;
	o->steps = arena_array(b->arena, o->room, sizeof(struct bal_step));
	for (uint32_t g = 0; g < b->guest_count; g++) {
		const struct bal_guest *v = &b->guests[g];

		o->where[g] = v->home;
		o->cpu[v->home] += v->cpu;
		o->mem[v->home] += v->mem;
		if (v->at != v->home)
			o->left[o->left_count++] = g;
	}
}

/* A guest that must be apart from this one may still be there. */
static bool
is_met_by(const struct order *o, uint32_t guest, uint32_t to)
{
	const struct bal *b = o->b;

	for (uint32_t i = b->rule_from[guest]; i < b->rule_from[guest + 1]; i++) {
		const struct bal_rule *r = &b->rules[b->rule_of[i]];

		for (uint32_t k = 0; r->kind == BAL_APART && k < r->guest_count; k++) {
			if (r->guests[k] != guest && o->where[r->guests[k]] == to)
				return true;
		}
	}
	return false;
}

static bool
has_room(const struct order *o, uint32_t guest, uint32_t to)
{
	const struct bal_guest *g = &o->b->guests[guest];
	const struct bal_host *h = &o->b->hosts[to];

	return o->mem[to] + g->mem <= h->mem_cap && !is_met_by(o, guest, to);
}

static void
go(struct order *o, uint32_t guest, uint32_t to)
{
	const struct bal_guest *g = &o->b->guests[guest];
	uint32_t from = o->where[guest];

	o->cpu[from] -= g->cpu;
	o->mem[from] -= g->mem;
	o->cpu[to] += g->cpu;
	o->mem[to] += g->mem;
	o->where[guest] = to;
	o->steps[o->count++] = (struct bal_step){ guest, from, to };
}

/* All that can go at once; true if any could. */
static bool
go_all(struct order *o)
{
	uint32_t kept = 0, before = o->left_count;

	for (uint32_t i = 0; i < before; i++) {
		uint32_t g = o->left[i];

		if (has_room(o, g, o->b->guests[g].at))
			go(o, g, o->b->guests[g].at);
		else
			o->left[kept++] = g;
	}
	o->left_count = kept;
	return kept < before;
}

/* A circle in a full cluster: the smallest guest that stands in it steps aside. */
static bool
step_aside(struct order *o)
{
	uint32_t guest = BAL_NONE, to = BAL_NONE;

	if (o->count + o->left_count + 1 > o->room)
		return false;
	for (uint32_t i = 0; i < o->left_count; i++) {
		uint32_t g = o->left[i];

		if (guest == BAL_NONE || o->b->guests[g].mem < o->b->guests[guest].mem)
			guest = g;
	}
	for (uint32_t h = 0; h < o->b->host_count; h++) {
		const struct bal_host *host = &o->b->hosts[h];

		if (h == o->where[guest] || host->closed || o->b->guests[guest].ruled ||
		    !has_room(o, guest, h) ||
		    o->cpu[h] + o->b->guests[guest].cpu > host->cpu_cap)
			continue;
		if (to == BAL_NONE ||
		    host->mem_cap - o->mem[h] > o->b->hosts[to].mem_cap - o->mem[to])
			to = h;
	}
	if (to == BAL_NONE)
		return false;
	go(o, guest, to);
	return true;
}

bool
bal_order(struct bal *b, struct bal_step **ret_steps, uint32_t *ret_count)
{
	struct order o = { .b = b };

	order_init(&o, b);
	while (o.left_count > 0) {
		if (!go_all(&o) && !step_aside(&o))
			return false;
	}
	*ret_steps = o.steps;
	*ret_count = o.count;
	return true;
}
