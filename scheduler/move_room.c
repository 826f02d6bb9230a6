/* sched_make_room: a guest that fits nowhere, until others have made room for it. */
#include "base/assert.h"
#include "scheduler/moves.h"

#define MAX_TRIED 64u /* hosts, those that lack least first */

struct making {
	struct moves *m;
	const struct view_guest *g; /* that room is made for */
	struct load load;
	double cpu;
};

struct gap {
	uint32_t host; /* the balancer's */
	double lacks;  /* MB */
};

static int
cmp_gaps(const void *pa, const void *pb)
{
	const struct gap *a = pa, *b = pb;

	if (a->lacks != b->lacks)
		return a->lacks < b->lacks ? -1 : 1;
	return (a->host > b->host) - (a->host < b->host);
}

/* Could it be there if only others were not? */
static bool
may_host(const struct making *k, uint32_t host)
{
	uint32_t ix = k->m->x.host_of[host];
	const struct view_host *h = view_host_at(k->m->v, ix);
	struct host_load was = k->load.hosts[ix];
	struct fit f;

	if (bal_view_memory_mb(h) < k->g->in.memory_mb)
		return false;
	k->load.hosts[ix] = (struct host_load){ 0 };
	fit_check(k->m->v, &k->load, k->g, ix, &f);
	k->load.hosts[ix] = was;
	return !f.count;
}

static double
lacks(const struct making *k, uint32_t host)
{
	const struct bal_host *h = &k->m->x.b.hosts[host];

	return h->mem + (double)k->g->in.memory_mb - h->mem_cap;
}

static uint32_t
list_gaps(const struct making *k, struct gap *list)
{
	const struct bal *b = &k->m->x.b;
	uint32_t n = 0;

	for (uint32_t h = 0; h < b->host_count; h++) {
		if (may_host(k, h))
			list[n++] = (struct gap){ h, lacks(k, h) };
	}
	qsort(list, n, sizeof(*list), cmp_gaps);
	return n < MAX_TRIED ? n : MAX_TRIED;
}

/* Where else one of the host's guests could go: where it evens out most. */
static uint32_t
find_elsewhere(const struct bal *b, uint32_t guest)
{
	uint32_t best = BAL_NONE;
	double least = 0;

	for (uint32_t to = 0; to < b->host_count; to++) {
		if (!bal_fits(b, guest, to))
			continue;
		double score = bal_after(b, guest, to);

		if (best == BAL_NONE || score < least) {
			best = to;
			least = score;
		}
	}
	return best;
}

/* The smallest that is enough, or else the largest there is; of those that can go. */
static uint32_t
find_leaver(const struct bal *b, uint32_t host, double mem, uint32_t *ret_to)
{
	const struct bal_host *h = &b->hosts[host];
	uint32_t best = BAL_NONE;

	for (uint32_t i = 0; i < h->guest_count; i++) {
		const struct bal_guest *g = &b->guests[h->guests[i]];
		const struct bal_guest *was =
		    best == BAL_NONE ? NULL : &b->guests[best];
		uint32_t to;

		if (was && (g->mem >= mem ? was->mem >= mem && was->mem <= g->mem
					  : was->mem >= g->mem))
			continue;
		to = find_elsewhere(b, h->guests[i]);
		if (to == BAL_NONE)
			continue;
		best = h->guests[i];
		*ret_to = to;
	}
	return best;
}

/* MB to be sent for it; below 0: it cannot be done.  It is done then. */
static double
clear(struct bal *b, uint32_t host, double mem)
{
	double sent = 0;

	while (b->hosts[host].mem + mem > b->hosts[host].mem_cap) {
		const struct bal_host *h = &b->hosts[host];
		uint32_t to = BAL_NONE;
		uint32_t g = find_leaver(b, host, h->mem + mem - h->mem_cap, &to);

		if (g == BAL_NONE)
			return -1;
		sent += b->guests[g].mem;
		bal_apply(b, g, to);
	}
	return sent;
}

/* The host that costs least to clear, cleared; BAL_NONE: there is none. */
static uint32_t
clear_best(const struct making *k)
{
	struct bal *b = &k->m->x.b;
	struct gap *list =
	    arena_array(k->m->scratch, (size_t)b->host_count + 1, sizeof(*list));
	uint32_t n = list_gaps(k, list), best = BAL_NONE;
	double mem = (double)k->g->in.memory_mb, least = 0;

	for (uint32_t i = 0; i < n; i++) {
		double sent = clear(b, list[i].host, mem);

		bal_undo(b, 0);
		if (sent < 0 || (best != BAL_NONE && sent >= least))
			continue;
		best = list[i].host;
		least = sent;
	}
	if (best != BAL_NONE)
		clear(b, best, mem);
	return best;
}

/* The last move of the plan: where the guest goes at the end. */
static void
add_placement(struct sched_plan *p, const struct sched_move *placed)
{
	struct sched_move *moves =
	    arena_array(p->arena, p->move_count + 1, sizeof(*moves));

	for (size_t i = 0; i < p->move_count; i++)
		moves[i] = p->moves[i];
	moves[p->move_count++] = *placed;
	p->moves = moves;
}

static void
describe(const struct making *k, uint32_t host, struct sched_move *out)
{
	struct arena *a = k->m->plan->arena;
	const struct sched_guest *g = &k->g->in;

	*out = (struct sched_move){ .guest = g->id,
		.guest_name = arena_strdup(a, g->name),
		.disk_count = g->disk_count };
	if (host == BAL_NONE) {
		out->code = ERR_NO_CAPACITY;
		out->text = arena_printf(a,
		    "no moves make room for %s (%llu MB) on any host that could have "
		    "it",
		    g->name, (unsigned long long)g->memory_mb);
		return;
	}
	const struct sched_host *h = &view_host_at(k->m->v, k->m->x.host_of[host])->in;
	uint64_t *stores = arena_array(a, g->disk_count + 1, sizeof(*stores));
	struct fit f;

	k->load.hosts[k->m->x.host_of[host]] = (struct host_load){ 0 };
	fit_check(k->m->v, &k->load, k->g, k->m->x.host_of[host], &f);
	for (size_t i = 0; i < g->disk_count; i++)
		stores[i] = view_datastore_at(k->m->v, f.datastore_ix[i])->in.id;
	out->to = h->id;
	out->to_name = arena_strdup(a, h->name);
	out->datastores = stores;
	out->text = arena_printf(
	    a, "%s on %s, once those before it have left", g->name, h->name);
}

static int
find_guest(const struct sched_view *v, uint64_t guest, const struct view_guest **ret_g,
    struct err *e)
{
	uint32_t ix = view_find(&v->guests, guest);
	char text[SCHED_ID_TEXT];

	if (ix == NO_IX)
		return err_set(e, ERR_NOT_FOUND, "there is no guest %s",
		    view_id_text(guest, text));
	*ret_g = view_guest_at(v, ix);
	if ((*ret_g)->in.state != SCHED_GUEST_OFF)
		return err_set(e, ERR_BAD_STATE,
		    "guest %s takes room on a host already", (*ret_g)->in.name);
	return 0;
}

int
sched_make_room(const struct sched_view *v, uint64_t guest, const struct sched_ask *ask,
    struct sched_plan **ret_plan, struct err *e)
{
	struct moves m;
	struct making k = { .m = &m };
	struct sched_move placed;
	int rc = find_guest(v, guest, &k.g, e);

	if (!rc)
		rc = moves_begin(&m, v, ask, NULL, e);
	if (rc)
		return rc;
	ASSERT(k.g);
	k.load = load_dup(v, m.scratch);
	m.even_why = SCHED_WHY_MAKE_ROOM;
	describe(&k, clear_best(&k), &placed);
	*ret_plan = moves_finish(&m);
	(*ret_plan)->refused += placed.code != 0;
	add_placement(*ret_plan, &placed);
	return 0;
}
