#include <string.h>

#include "base/assert.h"
#include "scheduler/bal_view.h"
#include "scheduler/balance_spare.h"

/* One run; what ends up in the plan is allocated from arena, the rest from scratch. */
struct run {
	const struct sched_view *v;
	enum sched_detail detail;
	struct load load;
	struct bal_view *safe; /* where those placed are added, or NULL */
	struct arena *arena;
	struct arena *scratch;
	const char **host_names; /* copies for the plan, made when first needed */
	struct str buf;
};

/* A host that was looked at for the guest at hand. */
struct ranked {
	uint32_t host_ix;
	bool fits;
	struct score score;
	struct sched_candidate candidate;
};

/* The best host so far. */
struct best {
	uint32_t host_ix; /* NO_IX: none yet */
	size_t fitting;   /* hosts that could take it */
	struct score score;
	uint32_t datastore_ix[SCHED_MAX_DISKS];
};

static const char *
keep_host_name(struct run *r, uint32_t ix)
{
	if (!r->host_names[ix])
		r->host_names[ix] =
		    arena_strdup(r->arena, view_host_at(r->v, ix)->in.name);
	return r->host_names[ix];
}

/* What was written into the run's buffer, as the plan's text. */
static const char *
keep_text(struct run *r)
{
	const char *text = arena_strdup(r->arena, str_cstr(&r->buf));

	str_reset(&r->buf);
	return text;
}

static const uint64_t *
keep_datastores(struct run *r, const struct view_guest *g, const uint32_t *datastore_ix)
{
	size_t n = g->in.disk_count;
	uint64_t *ids = arena_array(r->arena, n ? n : 1, sizeof(*ids));

	for (size_t i = 0; i < n; i++)
		ids[i] = view_datastore_at(r->v, datastore_ix[i])->in.id;
	return ids;
}

static const struct sched_reason *
keep_reasons(struct run *r, const struct fit *f)
{
	struct sched_reason *kept = arena_array(r->arena, f->count, sizeof(*kept));

	for (size_t i = 0; i < f->count; i++) {
		const struct fit_reason *from = &f->reasons[i];

		text_reason(from, &r->buf);
		kept[i] = (struct sched_reason){
			.code = from->code,
			.object = from->object,
			.asked = from->asked,
			.free = from->free,
			.total = from->total,
			.text = keep_text(r),
		};
	}
	return kept;
}

static void
explain(
    struct run *r, const struct view_guest *g, const struct fit *f, struct ranked *out)
{
	struct sched_candidate *c = &out->candidate;

	c->host = view_host_at(r->v, out->host_ix)->in.id;
	c->host_name = keep_host_name(r, out->host_ix);
	c->fits = out->fits;
	if (!c->fits) {
		c->reasons = keep_reasons(r, f);
		c->reason_count = f->count;
		text_reasons(f, &r->buf);
		c->text = keep_text(r);
		return;
	}
	c->cpu_before_permille = out->score.cpu_before;
	c->cpu_after_permille = out->score.cpu_after;
	c->memory_before_permille = out->score.memory_before;
	c->memory_after_permille = out->score.memory_after;
	c->guests = out->score.guests;
	c->datastores = keep_datastores(r, g, f->datastore_ix);
	text_factors(r->v, g, &out->score, f->datastore_ix, &r->buf);
	c->text = keep_text(r);
}

static int
cmp_ranked(const void *pa, const void *pb)
{
	const struct ranked *a = pa, *b = pb;
	int order = 0;

	if (a->fits != b->fits)
		return a->fits ? -1 : 1;
	if (a->fits)
		order = score_cmp(&a->score, &b->score);
	if (order)
		return order;
	return (a->host_ix > b->host_ix) - (a->host_ix < b->host_ix);
}

/* Hosts come in the order of their ids, so the first of equals stays. */
static void
consider(
    struct best *best, uint32_t host_ix, const struct score *s, const struct fit *f)
{
	best->fitting++;
	if (best->host_ix != NO_IX && score_cmp(s, &best->score) >= 0)
		return;
	best->host_ix = host_ix;
	best->score = *s;
	memcpy(best->datastore_ix, f->datastore_ix, sizeof(best->datastore_ix));
}

/* Judge every host.  ranked, one entry a host, is NULL if no explanation is wanted. */
static void
judge_hosts(
    struct run *r, const struct view_guest *g, struct best *best, struct ranked *ranked)
{
	struct score score = { 0 };
	struct fit fit;

	for (uint32_t i = 0; i < r->v->hosts.count; i++) {
		fit_check(r->v, &r->load, g, i, &fit);
		if (!fit.count) {
			score_host(view_host_at(r->v, i), &r->load.hosts[i], g, &score);
			score.bent = fit.bent;
			score.bending = fit.bending;
			consider(best, i, &score, &fit);
		}
		if (ranked) {
			ranked[i] = (struct ranked){
				.host_ix = i, .fits = !fit.count, .score = score
			};
			explain(r, g, &fit, &ranked[i]);
		}
	}
}

static void
keep_candidates(struct run *r, struct ranked *ranked, struct sched_move *m)
{
	size_t n = r->v->hosts.count;
	struct sched_candidate *kept = arena_array(r->arena, n ? n : 1, sizeof(*kept));

	if (n)
		qsort(ranked, n, sizeof(*ranked), cmp_ranked);
	for (size_t i = 0; i < n; i++)
		kept[i] = ranked[i].candidate;
	m->candidates = kept;
	m->candidate_count = n;
}

static void
write_choice(struct run *r, const struct view_guest *g, const struct best *best,
    struct sched_move *m)
{
	m->to = view_host_at(r->v, best->host_ix)->in.id;
	m->to_name = keep_host_name(r, best->host_ix);
	m->datastores = keep_datastores(r, g, best->datastore_ix);
	text_guest(g, &r->buf);
	str_addf(&r->buf, " on %s, ", m->to_name);
	if (best->fitting == 1)
		str_add(&r->buf, "the only host that fits: ");
	else
		str_addf(&r->buf, "best of %zu that fit: ", best->fitting);
	text_factors(r->v, g, &best->score, best->datastore_ix, &r->buf);
	m->text = keep_text(r);
}

static void
settle(struct run *r, const struct view_guest *g, const struct best *best)
{
	const struct view_host *h = view_host_at(r->v, best->host_ix);

	load_put(
	    r->v, &r->load, g, SCHED_GUEST_RESERVED, best->host_ix, best->datastore_ix);
	if (r->safe)
		bal_join(&r->safe->b, r->safe->bal_host[best->host_ix],
		    (double)load_demand_mhz(g, h), (double)g->in.memory_mb);
}

static void
place_guest(struct run *r, const struct view_guest *g, struct sched_move *m)
{
	struct best best = { .host_ix = NO_IX };
	struct ranked *ranked = NULL;
	bool stands =
	    g->host_ix != NO_IX && !(r->load.lost && r->load.lost[g->host_ix]);

	m->guest = g->in.id;
	m->guest_name = arena_strdup(r->arena, g->in.name);
	m->from = g->in.host;
	m->from_name = g->host_ix == NO_IX ? NULL : keep_host_name(r, g->host_ix);
	m->disk_count = g->in.disk_count;
	if (r->detail == SCHED_EXPLAIN) {
		size_t n = r->v->hosts.count;

		ranked = arena_array(r->scratch, n ? n : 1, sizeof(*ranked));
	}
	if (stands)
		load_take(r->v, &r->load, g, g->in.state, g->host_ix, g->datastore_ix);
	judge_hosts(r, g, &best, ranked);
	if (ranked)
		keep_candidates(r, ranked, m);
	if (best.host_ix != NO_IX) {
		write_choice(r, g, &best, m);
		settle(r, g, &best);
		return;
	}
	m->code = ERR_NO_CAPACITY;
	text_refusal(r->v, &r->load, g, &r->buf);
	m->text = keep_text(r);
	if (stands)
		load_put(r->v, &r->load, g, g->in.state, g->host_ix, g->datastore_ix);
}

/* The positions of the guests asked for, each once. */
static int
find_guests(struct run *r, const uint64_t *guests, size_t count, uint32_t *ret_ix,
    struct err *e)
{
	size_t all = r->v->guests.count;
	bool *seen = arena_array(r->scratch, all ? all : 1, sizeof(*seen));
	char text[SCHED_ID_TEXT];

	for (size_t i = 0; i < count; i++) {
		uint32_t ix = view_find(&r->v->guests, guests[i]);

		if (ix == NO_IX)
			return err_set(e, ERR_NOT_FOUND, "there is no guest %s",
			    view_id_text(guests[i], text));
		if (seen[ix])
			return err_set(e, ERR_INVALID, "guest %s is to be placed twice",
			    view_guest_at(r->v, ix)->in.name);
		seen[ix] = true;
		ret_ix[i] = ix;
	}
	return 0;
}

static void
place_all(
    struct run *r, const uint32_t *guest_ix, size_t count, struct sched_plan *plan)
{
	size_t hosts = r->v->hosts.count;
	struct sched_move *moves =
	    arena_array(r->arena, count ? count : 1, sizeof(*moves));

	r->host_names = arena_array(r->scratch, hosts + 1, sizeof(*r->host_names));
	for (size_t i = 0; i < count; i++) {
		place_guest(r, view_guest_at(r->v, guest_ix[i]), &moves[i]);
		if (moves[i].code)
			plan->refused++;
	}
	plan->moves = moves;
	plan->move_count = count;
	str_fini(&r->buf);
}

/* r has the view, the detail and what the load is asked besides. */
static int
place_asked(struct run *r, const uint64_t *guests, size_t count,
    struct sched_plan **ret_plan, struct err *e)
{
	uint32_t *guest_ix =
	    arena_array(r->scratch, count ? count : 1, sizeof(*guest_ix));
	struct sched_plan *plan;
	int rc;

	ASSERT(r->v->is_finished);
	rc = find_guests(r, guests, count, guest_ix, e);
	if (rc)
		return rc;
	plan = xcalloc(1, sizeof(*plan));
	plan->arena = arena_new();
	r->arena = plan->arena;
	place_all(r, guest_ix, count, plan);
	*ret_plan = plan;
	return 0;
}

int
sched_place_many(const struct sched_view *v, const uint64_t *guests, size_t count,
    enum sched_detail detail, struct sched_plan **ret_plan, struct err *e)
{
	AUTO(arena) struct arena *scratch = arena_new();
	struct run r = {
		.v = v, .detail = detail, .scratch = scratch, .buf = STR_INIT
	};

	r.load = load_dup(v, scratch);
	return place_asked(&r, guests, count, ret_plan, e);
}

/* Those to be placed are judged as if they were nowhere. */
static const bool *
mark_guests(const struct sched_view *v, const struct sched_safe *s, struct arena *a)
{
	bool *marked = arena_array(a, v->guests.count + 1, sizeof(*marked));

	for (size_t i = 0; i < s->count; i++) {
		uint32_t ix = view_find(&v->guests, s->guests[i]);

		if (ix != NO_IX)
			marked[ix] = true;
	}
	return marked;
}

int
sched_place_safe(const struct sched_view *v, const struct sched_safe *s,
    struct sched_plan **ret_plan, struct err *e)
{
	AUTO(arena) struct arena *scratch = arena_new();
	struct run r = {
		.v = v, .detail = s->detail, .scratch = scratch, .buf = STR_INIT
	};
	struct bal_scope scope;
	struct bal_view x;
	int rc = bal_scope_of(v, s->cluster, &scope, e);

	if (rc)
		return rc;
	scope.without = mark_guests(v, s, scratch);
	bal_view_init(&x, v, &scope, scratch);
	bal_spare_init(&x.b);
	r.load = load_dup(v, scratch);
	r.load.safe = r.safe = &x;
	return place_asked(&r, s->guests, s->count, ret_plan, e);
}

int
place_lost(const struct sched_view *v, const struct place_lost *lost,
    struct sched_plan **ret_plan, struct err *e)
{
	AUTO(arena) struct arena *scratch = arena_new();
	struct run r = {
		.v = v, .detail = lost->detail, .scratch = scratch, .buf = STR_INIT
	};

	r.load = load_dup(v, scratch);
	r.load.lost = lost->hosts;
	r.load.ignores_apart = lost->ignores_apart;
	for (uint32_t i = 0; i < v->guests.count; i++) {
		const struct view_guest *g = view_guest_at(v, i);

		if (g->host_ix != NO_IX && lost->hosts[g->host_ix])
			load_take(
			    v, &r.load, g, g->in.state, g->host_ix, g->datastore_ix);
	}
	return place_asked(&r, lost->guests, lost->count, ret_plan, e);
}

int
sched_place(const struct sched_view *v, uint64_t guest, enum sched_detail detail,
    struct sched_plan **ret_plan, struct err *e)
{
	return sched_place_many(v, &guest, 1, detail, ret_plan, e);
}
