/* Why a step is made, in numbers and words. */
#include <inttypes.h>
#include <math.h>

#include "scheduler/moves.h"

static const struct {
	const char *name, *text;
} whys[] = {

#define SCHED_WHY(code, name, text) [SCHED_WHY_##code] = { name, text },
#include "scheduler/why.def"
#undef SCHED_WHY
};

const char *
sched_why_name(enum sched_why why)
{
	return whys[why].name;
}

const char *
sched_why_text(enum sched_why why)
{
	return whys[why].text;
}

static const struct view_guest *
guest_of(const struct moves *m, uint32_t guest)
{
	return view_guest_at(m->v, m->x.guest_of[guest]);
}

static const struct sched_host *
host_of(const struct moves *m, uint32_t host)
{
	return &view_host_at(m->v, m->x.host_of[host])->in;
}

/* ---- why ---- */

static enum sched_why
why_rule(enum sched_rule_kind kind)
{
	switch (kind) {
	case SCHED_RULE_TOGETHER:
		return SCHED_WHY_TOGETHER;
	case SCHED_RULE_APART:
		return SCHED_WHY_APART;
	case SCHED_RULE_MUST_RUN_ON:
	case SCHED_RULE_MUST_NOT_RUN_ON:
		return SCHED_WHY_HOST;
	case SCHED_RULE_SHOULD_RUN_ON:
	case SCHED_RULE_SHOULD_NOT_RUN_ON:
	case SCHED_RULE_KIND_COUNT_:
		break;
	}
	return SCHED_WHY_HOST_SOFT;
}

static void
find_evenness(const struct moves *m, const struct bal_step *s,
    const struct even_sums *now, struct sched_grounds *g)
{
	int64_t cpu = (int64_t)g->before.cpu_ppm - (int64_t)g->after.cpu_ppm;
	int64_t memory = (int64_t)g->before.memory_ppm - (int64_t)g->after.memory_ppm;

	g->priority = even_priority(&m->x.b, now);
	g->why = cpu >= memory ? SCHED_WHY_CPU_UNEVEN : SCHED_WHY_MEMORY_UNEVEN;
	if (m->even_why != SCHED_WHY_COUNT_)
		g->why = m->even_why;
	if (m->goal[s->guest] != s->to)
		g->why = SCHED_WHY_ASIDE;
}

static void
find_why(const struct moves *m, const struct bal_step *s, const struct even_sums *now,
    struct sched_grounds *g)
{
	const struct bal_host *from = &m->x.b.hosts[s->from];
	const struct view_rule *broken = moves_broken(m, s->guest, s->from);

	g->priority = 1;
	if (from->closed) {
		g->why = m->leaving_why;
	} else if (broken) {
		g->why = why_rule(broken->in.kind);
		g->rule = arena_strdup(m->plan->arena, broken->in.name);
		g->priority = g->why == SCHED_WHY_HOST_SOFT ? 2 : 1;
	} else if (from->mem > from->mem_cap) {
		g->why = SCHED_WHY_MEMORY_SHORT;
	} else {
		find_evenness(m, s, now, g);
	}
}

/* ---- numbers ---- */

static struct sched_load
load_of(const struct bal_host *h, double cpu, double mem)
{
	return (struct sched_load){
		.cpu_permille = (uint64_t)fmax(0, 1000 * (h->cpu + cpu) / h->cpu_cap),
		.memory_permille =
		    (uint64_t)fmax(0, 1000 * (h->mem + mem) / h->mem_cap),
	};
}

static void
find_loads(const struct bal *b, const struct bal_step *s, struct sched_grounds *g)
{
	const struct bal_guest *v = &b->guests[s->guest];
	const struct bal_host *from = &b->hosts[s->from], *to = &b->hosts[s->to];

	g->from_before = load_of(from, 0, 0);
	g->from_after = load_of(from, -v->cpu, -v->mem);
	g->to_before = load_of(to, 0, 0);
	g->to_after = load_of(to, v->cpu, v->mem);
}

static void
list_rules(const struct moves *m, uint32_t guest, struct sched_grounds *g)
{
	const struct view_guest *v = guest_of(m, guest);
	const char **names =
	    arena_array(m->plan->arena, (size_t)v->rule_count + 1, sizeof(*names));

	for (uint32_t i = 0; i < v->rule_count; i++)
		names[i] = arena_strdup(
		    m->plan->arena, view_rule_at(m->v, v->rule_ix[i])->in.name);
	g->rules = names;
	g->rule_count = v->rule_count;
}

/* ---- why not elsewhere ---- */

struct rejected {
	uint32_t host;
	double total;
	struct sched_unevenness after;
};

/* The best of the hosts that it does not go to. */
static uint32_t
find_rejected(const struct moves *m, const struct bal_step *s,
    const struct even_sums *now, struct rejected list[SCHED_MAX_ALTERNATIVES])
{
	uint32_t n = 0;

	for (uint32_t h = 0; h < m->x.b.host_count; h++) {
		if (h == s->from || h == s->to)
			continue;
		struct even_sums after = even_sum_after(&m->x.b, now, s->guest, h);
		double total = even_total(&after);
		uint32_t k = n;

		while (k > 0 && list[k - 1].total > total)
			k--;
		if (k == SCHED_MAX_ALTERNATIVES)
			continue;
		n += n < SCHED_MAX_ALTERNATIVES;
		for (uint32_t i = n - 1; i > k; i--)
			list[i] = list[i - 1];
		list[k] = (struct rejected){ h, total, even_of(&after) };
	}
	return n;
}

static uint64_t
total_of(const struct sched_unevenness *u)
{
	return u->cpu_ppm + u->memory_ppm;
}

static void
list_alternatives(const struct moves *m, const struct bal_step *s,
    const struct even_sums *now, struct sched_grounds *g)
{
	struct rejected list[SCHED_MAX_ALTERNATIVES];

	g->alternative_count = find_rejected(m, s, now, list);
	for (uint32_t i = 0; i < g->alternative_count; i++) {
		const struct sched_host *h = host_of(m, list[i].host);
		struct sched_alternative *a = &g->alternatives[i];

		a->host = h->id;
		a->host_name = arena_strdup(m->plan->arena, h->name);
		a->after = list[i].after;
		a->term = moves_against(m, s->guest, list[i].host, &a->text);
		if (a->term)
			continue;
		a->term = "gain";
		a->text = arena_printf(m->plan->arena,
		    "leaves an unevenness of %.6f instead of %.6f",
		    (double)total_of(&a->after) / 1e6,
		    (double)total_of(&g->after) / 1e6);
	}
}

void
grounds_of(struct moves *m, const struct bal_step *s, uint32_t wave,
    struct sched_move *out, struct sched_grounds *g)
{
	const struct view_guest *v = guest_of(m, s->guest);
	const struct sched_host *from = host_of(m, s->from), *to = host_of(m, s->to);
	struct even_sums now = even_sum(&m->x.b);
	struct even_sums after = even_sum_after(&m->x.b, &now, s->guest, s->to);
	struct arena *a = m->plan->arena;

	g->before = even_of(&now);
	g->after = even_of(&after);
	g->worth = worth_of(m, s->guest, s->to);
	find_why(m, s, &now, g);
	find_loads(&m->x.b, s, g);
	if (m->ask->detail == SCHED_EXPLAIN) {
		list_rules(m, s->guest, g);
		list_alternatives(m, s, &now, g);
	}
	out->grounds = g;
	out->wave = wave;
	out->guest = v->in.id;
	out->guest_name = arena_strdup(a, v->in.name);
	out->from = from->id;
	out->from_name = arena_strdup(a, from->name);
	out->to = to->id;
	out->to_name = arena_strdup(a, to->name);
	out->disk_count = v->in.disk_count;
	uint64_t *stores = arena_array(a, v->in.disk_count + 1, sizeof(*stores));

	for (size_t i = 0; i < v->in.disk_count; i++)
		stores[i] = view_datastore_at(m->v, v->datastore_ix[i])->in.id;
	out->datastores = stores;
	out->text = arena_printf(a, "%s from %s to %s: %s%s%s", v->in.name, from->name,
	    to->name, sched_why_text(g->why), g->rule ? ": " : "",
	    g->rule ? g->rule : "");
}
