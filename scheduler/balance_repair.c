/*
 * What comes before balancing: nobody on closed hosts, rules kept, memory that is
 * there.
 *
 * Among the places that are allowed the score decides.  Guests that are kept together
 * move as one.
 */
#include "scheduler/balance_int.h"
#include "scheduler/balance_spare.h"

#define HOPELESS 1e9

/* Guests that are kept together are few.  Who has to go in any case goes alone. */
static uint32_t
next_in_ring(const struct bal *b, uint32_t guest, uint32_t first)
{
	uint32_t next = b->guests[guest].next;

	return next == first || b->lax ? BAL_NONE : next;
}

static bool
is_kept_with(const struct bal *b, uint32_t guest, uint32_t other)
{
	for (uint32_t g = guest; g != BAL_NONE; g = next_in_ring(b, g, guest)) {
		if (g == other)
			return true;
	}
	return false;
}

bool
bal_ring_is_whole(const struct bal *b, uint32_t guest)
{
	for (uint32_t g = guest; g != BAL_NONE; g = next_in_ring(b, g, guest)) {
		if (b->guests[g].at != b->guests[guest].at)
			return false;
	}
	return true;
}

/* Does any rule but that of staying together keep it from there? */
static bool
may_be_at(const struct bal *b, uint32_t guest, uint32_t to)
{
	for (uint32_t i = b->rule_from[guest]; i < b->rule_from[guest + 1]; i++) {
		const struct bal_rule *r = &b->rules[b->rule_of[i]];

		if (r->soft && b->lax)
			continue;
		if ((r->kind == BAL_ONLY_ON && !r->hosts[to]) ||
		    (r->kind == BAL_NEVER_ON && r->hosts[to]))
			return false;
		for (uint32_t k = 0; r->kind == BAL_APART && k < r->guest_count; k++) {
			uint32_t other = r->guests[k];

			if (other != guest && (b->guests[other].at == to ||
						  is_kept_with(b, guest, other)))
				return false;
		}
	}
	return true;
}

bool
bal_ring_fits(const struct bal *b, uint32_t guest, uint32_t to)
{
	const struct bal_host *h = &b->hosts[to];
	double cpu = h->cpu, mem = h->mem;
	uint32_t coming = 0;

	if (h->closed || (h->busy && !b->lax))
		return false;
	for (uint32_t g = guest; g != BAL_NONE; g = next_in_ring(b, g, guest)) {
		const struct bal_guest *v = &b->guests[g];

		if (!may_be_at(b, g, to))
			return false;
		if (v->at == to)
			continue;
		if (v->fixed)
			return false;
		cpu += v->cpu;
		mem += v->mem;
		coming++;
	}
	return coming && mem <= h->mem_cap && (cpu <= h->cpu_cap || b->lax) &&
	       (!b->spare || b->lax || bal_spare_has_room(b, to, mem - h->mem));
}

void
bal_ring_apply(struct bal *b, uint32_t guest, uint32_t to)
{
	for (uint32_t g = guest; g != BAL_NONE; g = next_in_ring(b, g, guest)) {
		if (b->guests[g].at != to)
			bal_apply(b, g, to);
	}
}

double
bal_after_ring(const struct bal *b, uint32_t guest, uint32_t to, uint32_t *ret_count)
{
	double cpu = 0, mem = 0;
	uint32_t n = 0;

	for (uint32_t g = guest; g != BAL_NONE; g = next_in_ring(b, g, guest)) {
		cpu += b->guests[g].cpu;
		mem += b->guests[g].mem;
		n++;
	}
	*ret_count = n;
	return bal_after_load(b, b->guests[guest].at, to, cpu, mem);
}

/* ---- the best place for those who have to go ---- */

/* The score with all of a ring there, tried and taken back; the certificate is not
 * asked for what is only tried. */
static double
try_ring(struct bal *b, uint32_t guest, uint32_t to)
{
	struct bal_spare *spare = b->spare;
	uint32_t done = b->step_count;
	double score;

	b->spare = NULL;
	bal_ring_apply(b, guest, to);
	score = b->score;
	bal_undo(b, done);
	b->spare = spare;
	return score;
}

struct place {
	uint32_t guest, to;
	double score;
};

/* without: a host that will not do, or BAL_NONE. */
static void
find_place(struct bal *b, uint32_t guest, uint32_t without, struct place *best)
{
	bool alone = next_in_ring(b, guest, guest) == BAL_NONE;

	for (uint32_t to = 0; to < b->host_count; to++) {
		double score;

		if (to == without || !bal_ring_fits(b, guest, to))
			continue;
		score = alone ? bal_after(b, guest, to) : try_ring(b, guest, to);
		if (score < best->score)
			*best = (struct place){ guest, to, score };
	}
}

static uint32_t
go(struct bal *b, const struct place *p)
{
	uint32_t before = b->step_count;

	if (p->guest == BAL_NONE)
		return 0;
	bal_ring_apply(b, p->guest, p->to);
	return b->step_count - before;
}

/* The large ones first, while there is room for them. */
static uint32_t
largest_of(const struct bal *b, const struct bal_host *h, double less_than)
{
	uint32_t found = BAL_NONE;

	for (uint32_t k = 0; k < h->guest_count; k++) {
		const struct bal_guest *g = &b->guests[h->guests[k]];

		if (g->mem < less_than &&
		    (found == BAL_NONE || g->mem > b->guests[found].mem ||
			(g->mem == b->guests[found].mem && h->guests[k] < found)))
			found = h->guests[k];
	}
	return found;
}

static uint32_t
go_of_size(struct bal *b, uint32_t host, double mem)
{
	const struct bal_host *h = &b->hosts[host];
	struct place best = { BAL_NONE, BAL_NONE, HOPELESS };

	for (uint32_t k = 0; k < h->guest_count; k++) {
		if (b->guests[h->guests[k]].mem == mem)
			find_place(b, h->guests[k], host, &best);
	}
	return go(b, &best);
}

/* Equal sizes are met again: whoever could not go is passed over with all his size. */
uint32_t
bal_empty_host(struct bal *b, uint32_t host)
{
	struct bal_host *h = &b->hosts[host];
	double size = HOPELESS * HOPELESS;
	uint32_t moved = 0;

	for (;;) {
		uint32_t guest = largest_of(b, h, size), n;

		if (guest == BAL_NONE)
			return moved;
		n = go_of_size(b, host, b->guests[guest].mem);
		if (!n) {
			b->lax = true;
			n = go_of_size(b, host, b->guests[guest].mem);
			b->lax = false;
		}
		if (!n)
			size = b->guests[guest].mem;
		moved += n;
	}
}

/* As few as will do: the move that leaves the best score, again and again. */
static uint32_t
lighten_host(struct bal *b, uint32_t host)
{
	struct bal_host *h = &b->hosts[host];
	uint32_t moved = 0;

	while (h->mem > h->mem_cap) {
		struct place best = { BAL_NONE, BAL_NONE, HOPELESS };
		uint32_t n;

		for (uint32_t lax = 0; lax < 2 && best.guest == BAL_NONE; lax++) {
			b->lax = lax;
			for (uint32_t k = 0; k < h->guest_count; k++)
				find_place(b, h->guests[k], host, &best);
		}
		n = go(b, &best);
		b->lax = false;
		if (!n)
			break;
		moved += n;
	}
	return moved;
}

/* Those of a rule of whom one has to go from where he is. */
static bool
is_misplaced(const struct bal *b, const struct bal_rule *r, uint32_t guest)
{
	uint32_t at = b->guests[guest].at;

	switch (r->kind) {
	case BAL_ONLY_ON:
		return !r->hosts[at];
	case BAL_NEVER_ON:
		return r->hosts[at];
	case BAL_TOGETHER:
		return !bal_ring_is_whole(b, guest);
	case BAL_APART:
		break;
	}
	for (uint32_t k = 0; k < r->guest_count; k++) {
		if (r->guests[k] != guest && b->guests[r->guests[k]].at == at)
			return true;
	}
	return false;
}

static uint32_t
mend_rule(struct bal *b, const struct bal_rule *r)
{
	uint32_t moved = 0;

	for (uint32_t most = r->guest_count; most > 0; most--) {
		struct place best = { BAL_NONE, BAL_NONE, HOPELESS };
		uint32_t n;

		for (uint32_t k = 0; k < r->guest_count; k++) {
			if (is_misplaced(b, r, r->guests[k]))
				find_place(b, r->guests[k], BAL_NONE, &best);
		}
		n = go(b, &best);
		if (!n)
			break;
		moved += n;
	}
	return moved;
}

static uint32_t
repair_all(struct bal *b)
{
	uint32_t moved = 0;

	for (uint32_t h = 0; h < b->host_count; h++) {
		if (b->hosts[h].closed)
			moved += bal_empty_host(b, h);
	}
	for (uint32_t i = 0; i < b->rule_count; i++)
		moved += mend_rule(b, &b->rules[i]);
	for (uint32_t h = 0; h < b->host_count; h++)
		moved += lighten_host(b, h);
	return moved;
}

/* What one repair freed may be the room that another one lacked. */
uint32_t
bal_repair(struct bal *b)
{
	uint32_t moved = 0, n;

	do {
		n = repair_all(b);
		moved += n;
	} while (n && moved < b->guest_count * 4);
	bal_resum(b);
	return moved;
}
