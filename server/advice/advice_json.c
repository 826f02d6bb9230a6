/*
 * A plan as the API shows it: ids as everywhere else, hosts best first.
 */
#include "base/str.h"
#include "server/advice/advice_int.h"
#include "server/advice/engine_pick.h"
#include "server/inventory/inv_json.h"

/* The host says itself why it has no use of the engine. */
static void
set_reason_text(
    json *o, const struct host *h, const struct sched_reason *r, const char *engine)
{
	bool is_engine = r->code == SCHED_REASON_ENGINE && h && engine;
	const char *why = is_engine ? engine_why_not(h, engine) : NULL;
	AUTO_FREE char *text =
	    why ? xasprintf("cannot use its %s engine: %s", engine, why) : NULL;

	json_set_str(o, "text", text ? text : r->text);
}

static json *
reasons_json(const struct host *h, const struct sched_candidate *c, const char *engine)
{
	json *list = json_new_array();

	for (size_t i = 0; i < c->reason_count; i++) {
		const struct sched_reason *r = &c->reasons[i];
		json *o = json_new_object();
		json_set_str(o, "code", sched_reason_name(r->code));
		if (r->asked) {
			json_set_u64(o, "asked", r->asked);
			json_set_u64(o, "free", r->free);
			json_set_u64(o, "total", r->total);
		}
		set_reason_text(o, h, r, engine);
		json_add_json(list, o);
	}
	return list;
}

static json *
candidate_json(
    const struct inv *inv, const struct sched_candidate *c, const char *engine)
{
	const struct host *h = inv_host(inv, obj_id_make(KIND_HOST, c->host));
	json *o = json_new_object();

	inv_json_id(o, "host", obj_id_make(KIND_HOST, c->host));
	json_set_str(o, "host_name", c->host_name);
	json_set_bool(o, "fits", c->fits);
	if (c->fits) {
		json_set_u64(o, "cpu_before_permille", c->cpu_before_permille);
		json_set_u64(o, "cpu_after_permille", c->cpu_after_permille);
		json_set_u64(o, "memory_before_permille", c->memory_before_permille);
		json_set_u64(o, "memory_after_permille", c->memory_after_permille);
		json_set_u64(o, "guests", c->guests);
	} else {
		json_set_json(o, "reasons", reasons_json(h, c, engine));
	}
	json_set_str(o, "text", c->text);
	return o;
}

json *
advice_plan_json(const struct inv *inv, const struct sched_plan *p, const char *engine)
{
	json *o = json_new_object(), *items = json_new_array();

	for (size_t i = 0; i < p->move_count; i++) {
		const struct sched_move *m = &p->moves[i];
		json *item = json_new_object(), *candidates = json_new_array();
		json_set_str(item, "name", m->guest_name);
		inv_json_id(item, "host", obj_id_make(KIND_HOST, m->to));
		json_set_str(item, "text", m->text);
		for (size_t k = 0; k < m->candidate_count; k++)
			json_add_json(
			    candidates, candidate_json(inv, &m->candidates[k], engine));
		json_set_json(item, "candidates", candidates);
		json_add_json(items, item);
	}
	json_set_json(o, "items", items);
	json_set_u64(o, "refused", p->refused);
	return o;
}
