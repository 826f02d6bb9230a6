#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "scheduler/balance_int.h"
#include "scheduler/balance_spare.h"

static void
put(struct bal *b, uint32_t guest, uint32_t host)
{
	struct bal_guest *g = &b->guests[guest];
	struct bal_host *h = &b->hosts[host];

	if (h->guest_count == h->guest_room) {
		uint32_t room = h->guest_room * 2 + 32;
		uint32_t *more = arena_array(b->arena, room, sizeof(*more));

		if (h->guest_count)
			memcpy(more, h->guests, h->guest_count * sizeof(*more));
		h->guests = more;
		h->guest_room = room;
	}
	g->at = host;
	g->pos = h->guest_count;
	h->guests[h->guest_count++] = guest;
	h->cpu += g->cpu;
	h->mem += g->mem;
}

static void
take(struct bal *b, uint32_t guest)
{
	const struct bal_guest *g = &b->guests[guest];
	struct bal_host *h = &b->hosts[g->at];
	uint32_t last = h->guests[--h->guest_count];

	h->guests[g->pos] = last;
	b->guests[last].pos = g->pos;
	h->cpu -= g->cpu;
	h->mem -= g->mem;
}

static void
count_host(struct bal_sums *s, const struct bal_host *h, double sign)
{
	double x = h->cpu / h->cpu_cap, y = h->mem / h->mem_cap;

	s->sx += sign * x;
	s->qx += sign * x * x;
	s->sy += sign * y;
	s->qy += sign * y * y;
}

static double
deviation(double sum, double squares, double n)
{
	double variance = squares / n - (sum / n) * (sum / n);

	return variance > 0 ? sqrt(variance) : 0;
}

double
bal_score_of(const struct bal *b, const struct bal_sums *s)
{
	double n = b->host_count;

	return deviation(s->sx, s->qx, n) + deviation(s->sy, s->qy, n);
}

/* The guests of each host are few: adding them up anew costs nothing. */
void
bal_resum(struct bal *b)
{
	b->sums = (struct bal_sums){ 0 };
	for (uint32_t i = 0; i < b->host_count; i++) {
		struct bal_host *h = &b->hosts[i];

		h->cpu = 0;
		h->mem = 0;
	}
	for (uint32_t i = 0; i < b->guest_count; i++) {
		struct bal_host *h = &b->hosts[b->guests[i].at];

		h->cpu += b->guests[i].cpu;
		h->mem += b->guests[i].mem;
	}
	for (uint32_t i = 0; i < b->host_count; i++)
		count_host(&b->sums, &b->hosts[i], 1);
	b->score = bal_score_of(b, &b->sums);
}

/* What hosts of equal capacity have in common is worked out once for all of them. */
static void
find_kinds(struct bal *b)
{
	uint32_t *first = arena_array(b->arena, b->host_count + 1, sizeof(*first));

	for (uint32_t i = 0; i < b->host_count; i++) {
		struct bal_host *h = &b->hosts[i];
		uint32_t k = 0;

		while (
		    k < b->kind_count && (b->hosts[first[k]].cpu_cap != h->cpu_cap ||
					     b->hosts[first[k]].mem_cap != h->mem_cap))
			k++;
		if (k == b->kind_count)
			first[b->kind_count++] = i;
		h->kind = k;
	}
}

static void
index_rules(struct bal *b)
{
	uint32_t at = 0;

	b->guest_room = b->guest_room ? b->guest_room : b->guest_count;
	b->rule_from =
	    arena_array(b->arena, (size_t)b->guest_room + 2, sizeof(uint32_t));
	for (uint32_t i = 0; i < b->rule_count; i++) {
		at += b->rules[i].guest_count;
		for (uint32_t k = 0; k < b->rules[i].guest_count; k++)
			b->rule_from[b->rules[i].guests[k] + 2]++;
	}
	b->rule_of = arena_array(b->arena, at + 1, sizeof(uint32_t));
	for (uint32_t g = 2; g < b->guest_room + 2; g++)
		b->rule_from[g] += b->rule_from[g - 1];
	for (uint32_t i = 0; i < b->rule_count; i++) {
		for (uint32_t k = 0; k < b->rules[i].guest_count; k++) {
			uint32_t g = b->rules[i].guests[k];

			b->guests[g].ruled = true;
			b->rule_of[b->rule_from[g + 1]++] = i;
		}
	}
}

static bool
is_in_ring(const struct bal *b, uint32_t guest, uint32_t other)
{
	uint32_t g = guest;

	do {
		if (g == other)
			return true;
		g = b->guests[g].next;
	} while (g != guest);
	return false;
}

/* Rules that share a guest make one ring of theirs. */
static void
join_rings(struct bal *b)
{
	for (uint32_t g = 0; g < b->guest_count; g++)
		b->guests[g].next = g;
	for (uint32_t i = 0; i < b->rule_count; i++) {
		const struct bal_rule *r = &b->rules[i];

		for (uint32_t k = 1; r->kind == BAL_TOGETHER && k < r->guest_count;
		     k++) {
			uint32_t g = r->guests[0], other = r->guests[k], next;

			if (is_in_ring(b, g, other))
				continue;
			next = b->guests[g].next;
			b->guests[g].next = b->guests[other].next;
			b->guests[other].next = next;
		}
	}
}

void
bal_init(struct bal *b)
{
	find_kinds(b);
	index_rules(b);
	join_rings(b);
	for (uint32_t g = 0; g < b->guest_count; g++) {
		b->guests[g].seconds = bal_move_seconds(b, &b->guests[g]);
		put(b, g, b->guests[g].home);
	}
	bal_resum(b);
}

static void
note_step(struct bal *b, uint32_t guest, uint32_t from, uint32_t to)
{
	if (b->step_count == b->step_room) {
		uint32_t room = b->step_room * 2 + 1024;
		struct bal_step *more = arena_array(b->arena, room, sizeof(*more));

		if (b->step_count)
			memcpy(more, b->steps, b->step_count * sizeof(*more));
		b->steps = more;
		b->step_room = room;
	}
	b->steps[b->step_count++] = (struct bal_step){ guest, from, to };
}

void
bal_apply(struct bal *b, uint32_t guest, uint32_t to)
{
	struct bal_guest *g = &b->guests[guest];
	uint32_t from = g->at;

	if (b->spare)
		bal_spare_move(b, guest, to);
	b->moved -= from != g->home;
	b->moved += to != g->home;
	if ((from != g->home) != (to != g->home))
		b->paid += to != g->home ? g->seconds : -g->seconds;
	count_host(&b->sums, &b->hosts[from], -1);
	count_host(&b->sums, &b->hosts[to], -1);
	take(b, guest);
	put(b, guest, to);
	count_host(&b->sums, &b->hosts[from], 1);
	count_host(&b->sums, &b->hosts[to], 1);
	b->score = bal_score_of(b, &b->sums);
	if (b->screen) {
		bal_rescreen(b, from);
		bal_rescreen(b, to);
	}
	note_step(b, guest, from, to);
}

void
bal_undo(struct bal *b, uint32_t steps)
{
	while (b->step_count > steps) {
		const struct bal_step s = b->steps[b->step_count - 1];

		bal_apply(b, s.guest, s.from);
		b->step_count -= 2;
	}
}

void
bal_join(struct bal *b, uint32_t host, double cpu, double mem)
{
	uint32_t g = b->guest_count++;

	ASSERT(b->guest_count <= b->guest_room);
	b->guests[g] = (struct bal_guest){
		.cpu = cpu, .mem = mem, .home = host, .at = host, .next = g
	};
	count_host(&b->sums, &b->hosts[host], -1);
	put(b, g, host);
	count_host(&b->sums, &b->hosts[host], 1);
	b->score = bal_score_of(b, &b->sums);
	if (b->spare)
		bal_spare_join(b, g);
}

/* What the sums would be if d MHz and m MB left one host for the other. */
static struct bal_sums
shifted(const struct bal *b, uint32_t from, uint32_t to, double d, double m)
{
	const struct bal_host *f = &b->hosts[from], *t = &b->hosts[to];
	double xf = f->cpu / f->cpu_cap, xt = t->cpu / t->cpu_cap;
	double yf = f->mem / f->mem_cap, yt = t->mem / t->mem_cap;
	double df = d / f->cpu_cap, dt = d / t->cpu_cap;
	double ef = m / f->mem_cap, et = m / t->mem_cap;

	return (struct bal_sums){
		.sx = b->sums.sx - df + dt,
		.qx = b->sums.qx - df * (2 * xf - df) + dt * (2 * xt + dt),
		.sy = b->sums.sy - ef + et,
		.qy = b->sums.qy - ef * (2 * yf - ef) + et * (2 * yt + et),
	};
}

double
bal_after(const struct bal *b, uint32_t guest, uint32_t to)
{
	const struct bal_guest *g = &b->guests[guest];
	struct bal_sums s = shifted(b, g->at, to, g->cpu, g->mem);

	return bal_score_of(b, &s);
}

double
bal_after_load(const struct bal *b, uint32_t from, uint32_t to, double cpu, double mem)
{
	struct bal_sums s = shifted(b, from, to, cpu, mem);

	return bal_score_of(b, &s);
}

double
bal_after_swap(const struct bal *b, uint32_t u, uint32_t v)
{
	const struct bal_guest *p = &b->guests[u], *q = &b->guests[v];
	struct bal_sums s = shifted(b, p->at, q->at, p->cpu - q->cpu, p->mem - q->mem);

	return bal_score_of(b, &s);
}

/* ---- rules ---- */

static bool
rule_allows(const struct bal *b, const struct bal_rule *r, uint32_t guest, uint32_t to,
    uint32_t without)
{
	if (r->soft && b->lax)
		return true;
	switch (r->kind) {
	case BAL_ONLY_ON:
		return r->hosts[to];
	case BAL_NEVER_ON:
		return !r->hosts[to];
	case BAL_APART:
	case BAL_TOGETHER:
		break;
	}
	for (uint32_t k = 0; k < r->guest_count; k++) {
		uint32_t other = r->guests[k];

		if (other != guest && other != without &&
		    (b->guests[other].at == to) != (r->kind == BAL_TOGETHER))
			return false;
	}
	return true;
}

bool
bal_rules_allow_for(const struct bal *b, uint32_t guest, uint32_t to, uint32_t without)
{
	for (uint32_t i = b->rule_from[guest]; i < b->rule_from[guest + 1]; i++) {
		if (!rule_allows(b, &b->rules[b->rule_of[i]], guest, to, without))
			return false;
	}
	return true;
}

bool
bal_rule_allows(const struct bal *b, uint32_t rule, uint32_t guest, uint32_t to)
{
	return rule_allows(b, &b->rules[rule], guest, to, BAL_NONE);
}

bool
bal_rules_allow(const struct bal *b, uint32_t guest, uint32_t to)
{
	return bal_rules_allow_for(b, guest, to, BAL_NONE);
}

uint32_t
bal_rules_broken(const struct bal *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->rule_count; i++) {
		const struct bal_rule *r = &b->rules[i];

		for (uint32_t k = 0; k < r->guest_count; k++)
			n += !rule_allows(
			    b, r, r->guests[k], b->guests[r->guests[k]].at, BAL_NONE);
	}
	return n;
}

bool
bal_has_room(const struct bal *b, uint32_t guest, uint32_t to)
{
	const struct bal_guest *g = &b->guests[guest];
	const struct bal_host *h = &b->hosts[to];

	return to != g->at && !g->fixed && !h->closed &&
	       h->mem + g->mem <= h->mem_cap &&
	       (b->lax || (!h->busy && h->cpu + g->cpu <= h->cpu_cap)) &&
	       (!g->ruled || bal_rules_allow(b, guest, to));
}

bool
bal_fits(const struct bal *b, uint32_t guest, uint32_t to)
{
	return bal_has_room(b, guest, to) &&
	       (!b->spare || bal_spare_allows(b, guest, to));
}
