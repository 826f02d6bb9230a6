#include <inttypes.h>

#include "scheduler/sched_int.h"

void
sched_plan_free(struct sched_plan *p)
{
	if (!p)
		return;
	arena_free(p->arena);
	free(p);
}

static void
add_candidates(const struct sched_move *m, struct str *out)
{
	for (size_t i = 0; i < m->candidate_count; i++) {
		const struct sched_candidate *c = &m->candidates[i];

		if (c->fits)
			str_addf(out, "  %3zu. %s: %s\n", i + 1, c->host_name, c->text);
		else
			str_addf(out, "    -  %s %s\n", c->host_name, c->text);
	}
}

static void
add_loads(const char *name, const struct sched_load *before,
    const struct sched_load *after, struct str *out)
{
	str_addf(out, "    %s: cpu %.1f %% -> %.1f %%, memory %.1f %% -> %.1f %%\n",
	    name, (double)before->cpu_permille / 10, (double)after->cpu_permille / 10,
	    (double)before->memory_permille / 10, (double)after->memory_permille / 10);
}

static void
add_grounds(const struct sched_move *m, struct str *out)
{
	const struct sched_grounds *g = m->grounds;

	str_addf(out,
	    "    priority %u, wave %u; unevenness of cpu %.6f -> %.6f, of memory %.6f "
	    "-> %.6f\n",
	    g->priority, m->wave, (double)g->before.cpu_ppm / 1e6,
	    (double)g->after.cpu_ppm / 1e6, (double)g->before.memory_ppm / 1e6,
	    (double)g->after.memory_ppm / 1e6);
	add_loads(m->from_name, &g->from_before, &g->from_after, out);
	add_loads(m->to_name, &g->to_before, &g->to_after, out);
	str_addf(out,
	    "    copied in %.1f s, stopped for %.1f s; brings %" PRId64
	    ", costs %" PRId64 ", net %" PRId64 " MHz*s\n",
	    (double)g->worth.copy_ms / 1000, (double)g->worth.stop_ms / 1000,
	    g->worth.benefit, g->worth.cost, g->worth.net);
	for (size_t i = 0; i < g->rule_count; i++)
		str_addf(out, "    follows rule %s\n", g->rules[i]);
	for (size_t i = 0; i < g->alternative_count; i++)
		str_addf(out, "    not %s, %s: it %s\n", g->alternatives[i].host_name,
		    g->alternatives[i].term, g->alternatives[i].text);
	if (g->waits_for != SCHED_NO_MOVE)
		str_addf(out, "    waits for move %zu\n", g->waits_for + 1);
}

void
sched_move_text(const struct sched_move *m, struct str *out)
{
	str_addf(out, "%s\n", m->text);
	add_candidates(m, out);
	if (m->grounds && m->grounds->rules)
		add_grounds(m, out);
}

void
sched_plan_text(const struct sched_plan *p, struct str *out)
{
	for (size_t i = 0; i < p->move_count; i++)
		sched_move_text(&p->moves[i], out);
	for (size_t i = 0; i < p->power_count; i++)
		str_addf(out, "%s %s: %s\n",
		    p->powers[i].power == SCHED_POWER_WAKE ? "wake" : "standby",
		    p->powers[i].host_name, p->powers[i].text);
}

static json *
reason_json(const struct sched_reason *r)
{
	json *o = json_new_object();

	json_set_str(o, "code", sched_reason_name(r->code));
	if (r->object)
		id_json(o, "object", r->object);
	if (r->asked) {
		json_set_u64(o, "asked", r->asked);
		json_set_u64(o, "free", r->free);
		json_set_u64(o, "total", r->total);
	}
	json_set_str(o, "text", r->text);
	return o;
}

static json *
candidate_json(const struct sched_move *m, const struct sched_candidate *c)
{
	json *o = json_new_object(), *reasons;

	id_json(o, "host", c->host);
	json_set_str(o, "host_name", c->host_name);
	json_set_bool(o, "fits", c->fits);
	if (c->fits) {
		json_set_u64(o, "cpu_before_permille", c->cpu_before_permille);
		json_set_u64(o, "cpu_after_permille", c->cpu_after_permille);
		json_set_u64(o, "memory_before_permille", c->memory_before_permille);
		json_set_u64(o, "memory_after_permille", c->memory_after_permille);
		json_set_u64(o, "guests", c->guests);
		ids_json(o, "datastores", c->datastores, m->disk_count);
	} else {
		reasons = json_new_array();
		for (size_t i = 0; i < c->reason_count; i++)
			json_add_json(reasons, reason_json(&c->reasons[i]));
		json_set_json(o, "reasons", reasons);
	}
	json_set_str(o, "text", c->text);
	return o;
}

static json *
unevenness_json(const struct sched_unevenness *u)
{
	json *o = json_new_object();

	json_set_u64(o, "cpu_ppm", u->cpu_ppm);
	json_set_u64(o, "memory_ppm", u->memory_ppm);
	return o;
}

static json *
load_json(const struct sched_load *before, const struct sched_load *after)
{
	json *o = json_new_object();

	json_set_u64(o, "cpu_before_permille", before->cpu_permille);
	json_set_u64(o, "cpu_after_permille", after->cpu_permille);
	json_set_u64(o, "memory_before_permille", before->memory_permille);
	json_set_u64(o, "memory_after_permille", after->memory_permille);
	return o;
}

static json *
worth_json(const struct sched_worth *w)
{
	json *o = json_new_object();

	json_set_u64(o, "copy_ms", w->copy_ms);
	json_set_u64(o, "stop_ms", w->stop_ms);
	json_set_i64(o, "cost", w->cost);
	json_set_i64(o, "benefit", w->benefit);
	json_set_i64(o, "net", w->net);
	return o;
}

static json *
alternative_json(const struct sched_alternative *a)
{
	json *o = json_new_object();

	id_json(o, "host", a->host);
	json_set_str(o, "host_name", a->host_name);
	json_set_str(o, "term", a->term);
	json_set_str(o, "text", a->text);
	json_set_json(o, "after", unevenness_json(&a->after));
	return o;
}

static json *
grounds_json(const struct sched_grounds *g)
{
	json *o = json_new_object(), *rules = json_new_array(),
	     *alternatives = json_new_array();

	json_set_str(o, "reason", sched_why_name(g->why));
	json_set_str(o, "rule", g->rule);
	json_set_u64(o, "priority", g->priority);
	json_set_json(o, "before", unevenness_json(&g->before));
	json_set_json(o, "after", unevenness_json(&g->after));
	json_set_json(o, "from_load", load_json(&g->from_before, &g->from_after));
	json_set_json(o, "to_load", load_json(&g->to_before, &g->to_after));
	json_set_json(o, "worth", worth_json(&g->worth));
	for (size_t i = 0; i < g->rule_count; i++)
		json_add_str(rules, g->rules[i]);
	json_set_json(o, "rules", rules);
	for (size_t i = 0; i < g->alternative_count; i++)
		json_add_json(alternatives, alternative_json(&g->alternatives[i]));
	json_set_json(o, "alternatives", alternatives);
	if (g->waits_for != SCHED_NO_MOVE)
		json_set_u64(o, "waits_for", g->waits_for);
	return o;
}

static json *
power_json(const struct sched_power_advice *p)
{
	json *o = json_new_object();

	id_json(o, "host", p->host);
	json_set_str(o, "host_name", p->host_name);
	json_set_str(o, "power", p->power == SCHED_POWER_WAKE ? "wake" : "standby");
	json_set_str(o, "text", p->text);
	return o;
}

static json *
move_json(const struct sched_move *m)
{
	json *o = json_new_object(), *candidates;

	id_json(o, "guest", m->guest);
	json_set_str(o, "guest_name", m->guest_name);
	json_set_str(o, "error", m->code ? err_name(m->code) : NULL);
	id_json(o, "from", m->from);
	id_json(o, "to", m->to);
	json_set_str(o, "to_name", m->to_name);
	if (!m->code)
		ids_json(o, "datastores", m->datastores, m->disk_count);
	json_set_str(o, "text", m->text);
	if (m->grounds || m->wave)
		json_set_u64(o, "wave", m->wave);
	if (m->grounds)
		json_set_json(o, "grounds", grounds_json(m->grounds));
	if (!m->candidates)
		return o;
	candidates = json_new_array();
	for (size_t i = 0; i < m->candidate_count; i++)
		json_add_json(candidates, candidate_json(m, &m->candidates[i]));
	json_set_json(o, "candidates", candidates);
	return o;
}

json *
sched_plan_json(const struct sched_plan *p)
{
	json *o = json_new_object(), *moves = json_new_array(), *powers;

	json_set_u64(o, "refused", p->refused);
	for (size_t i = 0; i < p->move_count; i++)
		json_add_json(moves, move_json(&p->moves[i]));
	json_set_json(o, "moves", moves);
	if (!p->power_count)
		return o;
	powers = json_new_array();
	for (size_t i = 0; i < p->power_count; i++)
		json_add_json(powers, power_json(&p->powers[i]));
	json_set_json(o, "powers", powers);
	return o;
}
