#include "scheduler/balance_spare.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "scheduler/balance_int.h"

/* Hosts looked at for the best of them, before the first that will do is taken. */
#define MOST_LOOKS 32u

/* What the loss of one host would bring to another. */
struct share {
	uint32_t from, count; /* guests */
	double mem;
};

/* Who counts on a host, in no order. */
struct backup {
	uint32_t *guests;
	uint32_t count, room;
	struct share *shares;
	uint32_t share_count, share_room;
	double most; /* memory that the loss of one host would bring */
};

/* A change that can be taken back. */
struct note {
	uint32_t guest, host, from;
	bool was_added;
};

struct bal_spare {
	struct backup *hosts;
	uint32_t *spare; /* of each guest: a host, or BAL_NONE */
	uint32_t *pos;   /* in that host's backup */
	uint32_t missing;
	uint32_t next; /* where to look first: neighbours do not all count on one */

	bool notes_changes;
	struct note *notes;
	uint32_t note_count, note_room;
	uint32_t missing_then, next_then;
};

static struct share *
find_share(const struct backup *k, uint32_t from)
{
	for (uint32_t i = 0; i < k->share_count; i++) {
		if (k->shares[i].from == from)
			return &k->shares[i];
	}
	return NULL;
}

/* What the loss of from would bring to host, without guest itself. */
static double
counted_on(const struct bal *b, uint32_t from, uint32_t host, uint32_t guest)
{
	const struct share *s = find_share(&b->spare->hosts[host], from);
	bool is_in = s && guest != BAL_NONE && b->spare->spare[guest] == host &&
		     b->guests[guest].at == from;

	if (!s)
		return 0;
	return is_in ? s->mem - b->guests[guest].mem : s->mem;
}

static void
find_most(struct backup *k)
{
	k->most = 0;
	for (uint32_t i = 0; i < k->share_count; i++) {
		if (k->shares[i].mem > k->most)
			k->most = k->shares[i].mem;
	}
}

/* An array twice as large, with what was there. */
static void *
grow(struct bal *b, const void *old, uint32_t *room, size_t size)
{
	size_t had = *room * size;
	void *more;

	*room = *room * 2 + 16;
	more = arena_array(b->arena, *room, size);
	if (had)
		memcpy(more, old, had);
	return more;
}

static struct share *
add_share(struct bal *b, struct backup *k, uint32_t from)
{
	if (k->share_count == k->share_room)
		k->shares = grow(b, k->shares, &k->share_room, sizeof(*k->shares));
	k->shares[k->share_count] = (struct share){ .from = from };
	return &k->shares[k->share_count++];
}

static void
note(struct bal *b, uint32_t guest, uint32_t from, bool was_added)
{
	struct bal_spare *s = b->spare;

	if (!s->notes_changes)
		return;
	if (s->note_count == s->note_room)
		s->notes = grow(b, s->notes, &s->note_room, sizeof(*s->notes));
	s->notes[s->note_count++] =
	    (struct note){ guest, s->spare[guest], from, was_added };
}

/* Guest, which is or will be on from, counts on a host. */
static void
add_backup(struct bal *b, uint32_t guest, uint32_t from, uint32_t host)
{
	struct backup *k = &b->spare->hosts[host];
	struct share *s = find_share(k, from);

	if (!s)
		s = add_share(b, k, from);
	if (k->count == k->room)
		k->guests = grow(b, k->guests, &k->room, sizeof(*k->guests));
	b->spare->spare[guest] = host;
	b->spare->pos[guest] = k->count;
	k->guests[k->count++] = guest;
	s->count++;
	s->mem += b->guests[guest].mem;
	if (s->mem > k->most)
		k->most = s->mem;
	note(b, guest, from, true);
}

static void
take_backup(struct bal *b, uint32_t guest, uint32_t from)
{
	struct bal_spare *s = b->spare;
	struct backup *k = &s->hosts[s->spare[guest]];
	struct share *part = find_share(k, from);
	uint32_t last = k->guests[--k->count];
	bool is_most;

	ASSERT(part);
	note(b, guest, from, false);
	is_most = part->mem >= k->most;
	k->guests[s->pos[guest]] = last;
	s->pos[last] = s->pos[guest];
	part->mem -= b->guests[guest].mem;
	if (--part->count == 0)
		*part = k->shares[--k->share_count];
	if (is_most)
		find_most(k);
	s->spare[guest] = BAL_NONE;
}

void
bal_spare_try(struct bal *b)
{
	struct bal_spare *s = b->spare;

	s->notes_changes = true;
	s->note_count = 0;
	s->missing_then = s->missing;
	s->next_then = s->next;
}

void
bal_spare_keep(struct bal *b)
{
	b->spare->notes_changes = false;
}

void
bal_spare_take_back(struct bal *b)
{
	struct bal_spare *s = b->spare;

	s->notes_changes = false;
	while (s->note_count > 0) {
		const struct note *n = &s->notes[--s->note_count];

		if (n->was_added)
			take_backup(b, n->guest, n->from);
		else
			add_backup(b, n->guest, n->from, n->host);
	}
	s->missing = s->missing_then;
	s->next = s->next_then;
}

/* A rule about hosts holds for those who come after a loss too. */
static bool
may_be_at(const struct bal *b, uint32_t guest, uint32_t to)
{
	for (uint32_t i = b->rule_from[guest]; i < b->rule_from[guest + 1]; i++) {
		const struct bal_rule *r = &b->rules[b->rule_of[i]];

		if ((r->kind == BAL_ONLY_ON && !r->hosts[to]) ||
		    (r->kind == BAL_NEVER_ON && r->hosts[to]))
			return false;
	}
	return true;
}

/* Could guest, if it were on from and that were lost, go to host?  It may be there now.
 */
static bool
can_save(const struct bal *b, uint32_t guest, uint32_t from, uint32_t host)
{
	const struct bal_host *h = &b->hosts[host];
	const struct bal_guest *g = &b->guests[guest];
	double mem = host == g->at ? h->mem : h->mem + g->mem;

	return host != from && !h->closed && mem <= h->mem_cap &&
	       may_be_at(b, guest, host) &&
	       mem + counted_on(b, from, host, guest) <= h->mem_cap;
}

/* The more others' room it shares, the better: only one host is lost at a time.
 * without: a host that will not do, or BAL_NONE. */
static uint32_t
find_spare(const struct bal *b, uint32_t guest, uint32_t from, uint32_t without)
{
	uint32_t n = b->host_count, looks = n < MOST_LOOKS ? n : MOST_LOOKS;
	uint32_t best = BAL_NONE;
	double least = 0;

	for (uint32_t i = 0; i < looks; i++) {
		uint32_t host = (b->spare->next + i) % n;
		double more;

		if (host == without || !can_save(b, guest, from, host))
			continue;
		more = counted_on(b, from, host, guest) + b->guests[guest].mem -
		       b->spare->hosts[host].most;
		if (more <= 0)
			return host;
		/* Of what is left there, how much it takes. */
		more /= b->hosts[host].mem_cap - b->hosts[host].mem;
		if (best == BAL_NONE || more < least) {
			best = host;
			least = more;
		}
	}
	for (uint32_t i = looks; best == BAL_NONE && i < n; i++) {
		uint32_t host = (b->spare->next + i) % n;

		if (host != without && can_save(b, guest, from, host))
			best = host;
	}
	return best;
}

static void
cover(struct bal *b, uint32_t guest)
{
	struct bal_spare *s = b->spare;
	uint32_t host = find_spare(b, guest, b->guests[guest].at, BAL_NONE);

	if (host == BAL_NONE) {
		s->missing++;
		return;
	}
	add_backup(b, guest, b->guests[guest].at, host);
	s->next = (host + 1) % b->host_count;
}

struct sized {
	double mem;
	uint32_t guest;
};

static int
cmp_sizes(const void *pa, const void *pb)
{
	const struct sized *a = pa, *b = pb;

	if (a->mem != b->mem)
		return a->mem > b->mem ? -1 : 1;
	return (a->guest > b->guest) - (a->guest < b->guest);
}

/* The large ones first; list has room for all guests. */
static void
cover_host(struct bal *b, uint32_t host, struct sized *list)
{
	const struct bal_host *h = &b->hosts[host];

	for (uint32_t i = 0; i < h->guest_count; i++)
		list[i] = (struct sized){ b->guests[h->guests[i]].mem, h->guests[i] };
	qsort(list, h->guest_count, sizeof(*list), cmp_sizes);
	for (uint32_t i = 0; i < h->guest_count; i++)
		cover(b, list[i].guest);
}

void
bal_spare_init(struct bal *b)
{
	struct bal_spare *s = arena_alloc(b->arena, sizeof(*s));
	struct sized *list =
	    arena_array(b->arena, (size_t)b->guest_count + 1, sizeof(*list));

	s->hosts = arena_array(b->arena, b->host_count + 1, sizeof(*s->hosts));
	s->spare = arena_array(b->arena, (size_t)b->guest_room + 1, sizeof(uint32_t));
	s->pos = arena_array(b->arena, (size_t)b->guest_room + 1, sizeof(uint32_t));
	for (uint32_t g = 0; g < b->guest_count; g++)
		s->spare[g] = BAL_NONE;
	b->spare = s;
	for (uint32_t h = 0; h < b->host_count; h++)
		cover_host(b, h, list);
}

void
bal_spare_join(struct bal *b, uint32_t guest)
{
	b->spare->spare[guest] = BAL_NONE;
	cover(b, guest);
}

bool
bal_spare_has_room(const struct bal *b, uint32_t host, double mem)
{
	const struct bal_host *h = &b->hosts[host];

	return h->mem + mem + b->spare->hosts[host].most <= h->mem_cap;
}

bool
bal_spare_takes(const struct bal *b, uint32_t host, double mem)
{
	if (!bal_spare_has_room(b, host, mem))
		return false;
	for (uint32_t i = 0; i < b->host_count; i++) {
		const struct bal_host *h = &b->hosts[i];

		if (i != host && !h->closed && h->mem + mem <= h->mem_cap &&
		    h->mem + mem + counted_on(b, host, i, BAL_NONE) <= h->mem_cap)
			return true;
	}
	return false;
}

/* How much too much the loss of from would bring, were so much more on host. */
static double
excess(const struct bal *b, uint32_t from, uint32_t host, uint32_t guest, double more)
{
	const struct bal_host *h = &b->hosts[host];

	return h->mem + more + counted_on(b, from, host, guest) - h->mem_cap;
}

/*
 * One of those of from who count on host, whose going elsewhere would do, and where.
 * What is found for one lost host is independent of what is found for another.
 */
static bool
find_relief(const struct bal *b, uint32_t from, uint32_t host, double too_much,
    struct bal_step *ret_s)
{
	const struct backup *k = &b->spare->hosts[host];

	for (uint32_t i = 0; i < k->count; i++) {
		uint32_t g = k->guests[i], to;

		if (b->guests[g].at != from || b->guests[g].mem < too_much)
			continue;
		to = find_spare(b, g, from, host);
		if (to == BAL_NONE)
			continue;
		*ret_s = (struct bal_step){ g, host, to };
		return true;
	}
	return false;
}

static bool
can_make_room(const struct bal *b, uint32_t guest, uint32_t to)
{
	const struct backup *k = &b->spare->hosts[to];
	double mem = b->guests[guest].mem;

	for (uint32_t i = 0; i < k->share_count; i++) {
		uint32_t from = k->shares[i].from;
		double too_much = excess(b, from, to, guest, mem);
		struct bal_step s;

		if (too_much > 0 && !find_relief(b, from, to, too_much, &s))
			return false;
	}
	return true;
}

/* The first in its backup who is on from. */
static uint32_t
find_counting(const struct bal *b, uint32_t host, uint32_t from)
{
	const struct backup *k = &b->spare->hosts[host];
	uint32_t i = 0;

	while (b->guests[k->guests[i]].at != from)
		i++;
	return i;
}

/* Before mem more comes there.  What is taken away leaves another share in its place.
 */
static void
make_room(struct bal *b, uint32_t to, double mem)
{
	const struct backup *k = &b->spare->hosts[to];

	for (uint32_t i = 0; i < k->share_count;) {
		uint32_t from = k->shares[i].from;
		double too_much = excess(b, from, to, BAL_NONE, mem);
		struct bal_step s;

		if (too_much <= 0) {
			i++;
			continue;
		}
		if (find_relief(b, from, to, too_much, &s)) {
			take_backup(b, s.guest, from);
			add_backup(b, s.guest, from, s.to);
			continue;
		}
		/* It comes because it must: who counted on the room has none. */
		take_backup(b, k->guests[find_counting(b, to, from)], from);
		b->spare->missing++;
	}
}

bool
bal_spare_allows(const struct bal *b, uint32_t guest, uint32_t to)
{
	uint32_t now = b->spare->spare[guest];

	if (!bal_spare_has_room(b, to, b->guests[guest].mem) &&
	    !can_make_room(b, guest, to))
		return false;
	return now == BAL_NONE || can_save(b, guest, to, now) ||
	       find_spare(b, guest, to, BAL_NONE) != BAL_NONE;
}

void
bal_spare_move(struct bal *b, uint32_t guest, uint32_t to)
{
	struct bal_spare *s = b->spare;
	uint32_t was = s->spare[guest], now;

	if (was == BAL_NONE)
		s->missing--;
	else
		take_backup(b, guest, b->guests[guest].at);
	if (!bal_spare_has_room(b, to, b->guests[guest].mem))
		make_room(b, to, b->guests[guest].mem);
	now = was != BAL_NONE && can_save(b, guest, to, was)
		  ? was
		  : find_spare(b, guest, to, BAL_NONE);
	if (now == BAL_NONE)
		s->missing++;
	else
		add_backup(b, guest, to, now);
}

uint32_t
bal_spare_missing(const struct bal *b)
{
	return b->spare->missing;
}

bool
bal_spare_is_valid(const struct bal *b)
{
	double *mem = arena_array(b->arena, b->host_count + 1, sizeof(*mem));
	bool valid = true;

	for (uint32_t f = 0; valid && f < b->host_count; f++) {
		for (uint32_t h = 0; h < b->host_count; h++)
			mem[h] = 0;
		for (uint32_t g = 0; g < b->guest_count; g++)
			mem[b->guests[g].at] += b->guests[g].mem;
		for (uint32_t g = 0; g < b->guest_count; g++) {
			uint32_t to = b->spare->spare[g];

			if (b->guests[g].at != f || to == BAL_NONE)
				continue;
			valid = valid && to != f;
			mem[to] += b->guests[g].mem;
			valid = valid && mem[to] <= b->hosts[to].mem_cap;
		}
	}
	return valid;
}
