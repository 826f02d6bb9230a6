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

void
sched_plan_text(const struct sched_plan *p, struct str *out)
{
	for (size_t i = 0; i < p->move_count; i++) {
		str_addf(out, "%s\n", p->moves[i].text);
		add_candidates(&p->moves[i], out);
	}
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
	json *o = json_new_object(), *moves = json_new_array();

	json_set_u64(o, "refused", p->refused);
	for (size_t i = 0; i < p->move_count; i++)
		json_add_json(moves, move_json(&p->moves[i]));
	json_set_json(o, "moves", moves);
	return o;
}
