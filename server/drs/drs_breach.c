#include "server/drs/drs_breach.h"

#include "base/log.h"
#include "base/map.h"
#include "server/event/event.h"
#include "server/inventory/txn.h"
#include "server/rules/rules.h"

static const struct drs_breach *
find_breach(const struct drs_plan *p, uint32_t rule)
{
	for (uint32_t i = 0; i < p->breach_count; i++) {
		if (p->breaches[i].rule == rule)
			return &p->breaches[i];
	}
	return NULL;
}

static void
tell_broken(struct txn *t, const struct drs_view *v, const struct drs_breach *b)
{
	const struct drs_rule *r = &v->rules[b->rule];
	const struct drs_guest *g = &v->guests[b->guest];

	txn_event(t, rules_are_strict(r->type) ? EV_RULE_BROKEN : EV_RULE_BENT, r->id,
	    OBJ_ID_NONE, NULL, "Rule %s is not followed: %s runs on host %s", r->name,
	    g->name, v->hosts[g->host].name);
}

static void
on_told(void *arg, int rc, const struct err *e)
{
	if (rc)
		log_warn("drs", "what became of rules was not stored: %s", e->msg);
}

void
drs_breach_tell(struct inv *inv, struct map *broken, const struct drs_view *v,
    const struct drs_plan *p)
{
	struct txn *t = txn_new(inv);
	bool any = false;

	for (uint32_t i = 0; i < v->rule_count; i++) {
		const struct drs_breach *b = find_breach(p, i);
		bool was = map_get(broken, v->rules[i].id.v);
		if (was == (b != NULL))
			continue;
		any = true;
		if (b) {
			tell_broken(t, v, b);
			map_put(broken, v->rules[i].id.v, broken);
			continue;
		}
		txn_event(t, EV_RULE_KEPT, v->rules[i].id, OBJ_ID_NONE, NULL,
		    "Rule %s is followed again", v->rules[i].name);
		map_del(broken, v->rules[i].id.v);
	}
	if (any)
		txn_commit(t, on_told, NULL);
	else
		txn_free(t);
}

void
drs_breach_forget(const struct inv *inv, struct map *broken)
{
	MAP_EACH(broken, it) {
		const struct rule *r = inv_rule(inv, (obj_id){ it.key });
		if (!r || !r->enabled)
			map_del(broken, it.key);
	}
}
