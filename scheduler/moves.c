#include "scheduler/moves.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "scheduler/balance_spare.h"

#define MAX_REASON 200 /* bytes of hosts and reasons that a refusal lists */

struct sched_ask
sched_ask_default(void)
{
	return (struct sched_ask){
		.detail = SCHED_EXPLAIN,
		.at_once = 8,
		.link_mb_s = (uint64_t)BAL_LINK_MB_S,
		.max_moves = UINT32_MAX,
		.max_per_host = UINT32_MAX,
		.seed = 1,
	};
}

static int
check_ask(const struct sched_ask *ask, struct err *e)
{

	if (ask->threshold > 5)
		return err_set(e, ERR_INVALID, "the threshold is %u, must be 0 to 5",
		    ask->threshold);
	if (!ask->at_once || !ask->link_mb_s)
		return err_set(
		    e, ERR_INVALID, "moves at once and MB a second are at least 1");
	return 0;
}

int
moves_begin(struct moves *m, const struct sched_view *v, const struct sched_ask *ask,
    const bool *leaving, struct err *e)
{
	struct bal_scope scope;
	int rc = check_ask(ask, e);

	ASSERT(v->is_finished);
	*m = (struct moves){
		.v = v,
		.ask = ask,
		.leaving_why = SCHED_WHY_MAINTENANCE,
		.even_why = SCHED_WHY_COUNT_,
	};
	if (!rc)
		rc = bal_scope_of(v, ask->cluster, &scope, e);
	if (rc)
		return rc;
	scope.leaving = leaving;
	scope.link_mb_s = (double)ask->link_mb_s;
	m->scratch = arena_new();
	m->plan = xcalloc(1, sizeof(*m->plan));
	m->plan->arena = arena_new();
	bal_view_init(&m->x, v, &scope, m->scratch);
	m->x.b.price = (double)ask->price_ppb / 1e9;
	m->refused = arena_array(
	    m->scratch, (size_t)m->x.b.guest_count + 1, sizeof(*m->refused));
	if (ask->keeps_spare)
		bal_spare_init(&m->x.b);
	return 0;
}

void
moves_end(struct moves *m)
{
	arena_free(m->scratch);
	sched_plan_free(m->plan);
	m->scratch = NULL;
	m->plan = NULL;
}

/* ---- what fails ---- */

const struct view_rule *
moves_broken(const struct moves *m, uint32_t guest, uint32_t host)
{
	const struct bal *b = &m->x.b;

	for (uint32_t i = b->rule_from[guest]; i < b->rule_from[guest + 1]; i++) {
		uint32_t r = b->rule_of[i];

		if (m->x.rule_of[r] != NO_IX && !bal_rule_allows(b, r, guest, host))
			return view_rule_at(m->v, m->x.rule_of[r]);
	}
	return NULL;
}

static const char *
against_reach(const struct moves *m, uint32_t guest, uint32_t to, const char **ret_text)
{
	struct str text = STR_INIT;
	struct fit f;

	if (fit_reaches(
		m->v, view_guest_at(m->v, m->x.guest_of[guest]), m->x.host_of[to], &f))
		return NULL;
	text_reasons(&f, &text);
	*ret_text = arena_strdup(m->plan->arena, str_cstr(&text));
	str_fini(&text);
	return sched_reason_name(f.reasons[0].code);
}

static const char *
shortage(const struct moves *m, const char *unit, double need, double used, double cap)
{
	return arena_printf(m->plan->arena, "has %.0f of %.0f %s free, not %.0f",
	    fmax(0, cap - used), cap, unit, need);
}

const char *
moves_against(const struct moves *m, uint32_t guest, uint32_t to, const char **ret_text)
{
	const struct bal *b = &m->x.b;
	const struct bal_host *h = &b->hosts[to];
	const struct bal_guest *g = &b->guests[guest];
	const struct view_rule *r;
	const char *term;

	if (h->closed) {
		*ret_text = "is to be emptied";
		return "closed";
	}
	term = against_reach(m, guest, to, ret_text);
	if (term)
		return term;
	r = moves_broken(m, guest, to);
	if (r) {
		*ret_text = arena_printf(
		    m->plan->arena, "is kept from it by rule %s", r->in.name);
		return "rule";
	}
	if (h->mem + g->mem > h->mem_cap) {
		*ret_text = shortage(m, "MB", g->mem, h->mem, h->mem_cap);
		return "memory";
	}
	if (h->cpu + g->cpu > h->cpu_cap) {
		*ret_text = shortage(m, "MHz", g->cpu, h->cpu, h->cpu_cap);
		return "cpu";
	}
	if (h->busy) {
		*ret_text = "has a busy network or busy disks";
		return "busy";
	}
	if (b->spare && !bal_spare_allows(b, guest, to)) {
		*ret_text = "would leave too little room should a host be lost";
		return "spare";
	}
	return NULL;
}

static void
list_blockers(const struct moves *m, uint32_t guest, struct str *out)
{
	const struct bal *b = &m->x.b;
	const char *text = "";

	for (uint32_t h = 0; h < b->host_count && out->len < MAX_REASON; h++) {
		if (h == b->guests[guest].at || b->hosts[h].closed ||
		    !moves_against(m, guest, h, &text))
			continue;
		str_addf(out, "%s%s %s", out->len ? "; " : "",
		    view_host_at(m->v, m->x.host_of[h])->in.name, text);
	}
}

void
moves_refuse(struct moves *m, uint32_t guest)
{
	const struct sched_guest *g = &view_guest_at(m->v, m->x.guest_of[guest])->in;
	const struct sched_host *from =
	    &view_host_at(m->v, m->x.host_of[m->x.b.guests[guest].at])->in;
	struct str why = STR_INIT;

	if (g->pinned)
		str_add(&why, g->pinned);
	else
		list_blockers(m, guest, &why);
	m->refused[m->plan->refused++] = (struct sched_move){
		.guest = g->id,
		.guest_name = arena_strdup(m->plan->arena, g->name),
		.code = ERR_NO_CAPACITY,
		.from = from->id,
		.from_name = arena_strdup(m->plan->arena, from->name),
		.text = arena_printf(m->plan->arena,
		    "%s has to leave %s and cannot: %s", g->name, from->name,
		    why.len ? str_cstr(&why) : "the cluster has no other host"),
	};
	str_fini(&why);
}

/* ---- the plan ---- */

/* As they were at first, with a certificate of its own if one is kept. */
static void
go_home(struct bal *b)
{
	bool keeps_spare = b->spare;

	b->spare = NULL;
	for (uint32_t g = 0; g < b->guest_count; g++) {
		if (b->guests[g].at != b->guests[g].home)
			bal_apply(b, g, b->guests[g].home);
	}
	b->steps = NULL;
	b->step_count = b->step_room = 0;
	bal_resum(b);
	if (keeps_spare)
		bal_spare_init(b);
}

static void
find_waits(struct sched_move *moves, struct sched_grounds *grounds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		grounds[i].waits_for = SCHED_NO_MOVE;
		for (size_t k = i; k > 0; k--) {
			if (moves[k - 1].from != moves[i].to)
				continue;
			grounds[i].waits_for = k - 1;
			break;
		}
	}
}

struct sched_plan *
moves_finish(struct moves *m)
{
	struct sched_plan *p = m->plan;
	struct bal *b = &m->x.b;
	struct bal_step *steps;
	uint32_t n, *wave;

	p->unsafe = b->spare ? bal_spare_missing(b) : 0;
	p->is_ordered = bal_order(b, &steps, &n);
	wave = arena_array(m->scratch, (size_t)n + 1, sizeof(*wave));
	p->waves = bal_waves(b, steps, n, m->ask->at_once, wave);
	m->goal = arena_array(m->scratch, (size_t)b->guest_count + 1, sizeof(*m->goal));
	for (uint32_t g = 0; g < b->guest_count; g++)
		m->goal[g] = b->guests[g].at;
	go_home(b);
	struct sched_move *moves =
	    arena_array(p->arena, (size_t)n + p->refused + 1, sizeof(*moves));
	struct sched_grounds *grounds =
	    arena_array(p->arena, (size_t)n + 1, sizeof(*grounds));
	struct even_sums sums = even_sum(b);

	p->before = even_of(&sums);
	for (uint32_t i = 0; i < n; i++) {
		grounds_of(m, &steps[i], wave[i], &moves[i], &grounds[i]);
		bal_apply(b, steps[i].guest, steps[i].to);
	}
	find_waits(moves, grounds, n);
	memcpy(moves + n, m->refused, p->refused * sizeof(*moves));
	sums = even_sum(b);
	p->after = even_of(&sums);
	p->moves = moves;
	p->move_count = n + p->refused;
	m->plan = NULL;
	moves_end(m);
	return p;
}
