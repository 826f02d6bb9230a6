#include "server/rules/rules.h"

#include "base/mem.h"
#include "base/str.h"
#include "server/event/event.h"
#include "server/inventory/txn.h"

bool
rules_are_among_guests(enum rule_type type)
{
	return type == RULE_TOGETHER || type == RULE_APART;
}

bool
rules_are_strict(enum rule_type type)
{
	return type == RULE_APART || type == RULE_MUST_RUN_ON ||
	       type == RULE_MUST_NOT_RUN_ON;
}

static bool
is_running(const struct vm *vm)
{
	return vm->power_state != POWER_OFF && vm->power_state != POWER_SUSPENDED;
}

/* A guest that somebody wants on a host. */
struct asked {
	const struct inv *inv;
	obj_id vm, host;
	rule_where_fn where;
	const void *arg;
};

/* The other guest that is in the way on host, or none. */
static const struct vm *
find_other(const struct asked *q, const struct rule *r)
{
	for (size_t i = 0; i < r->vms.n; i++) {
		const struct vm *other = inv_vm(q->inv, r->vms.v[i]);
		if (!other || obj_id_is(other->o.id, q->vm) || !is_running(other))
			continue;
		bool is_there = obj_id_is(q->where(q->arg, other), q->host);
		if (is_there == (r->type == RULE_APART))
			return other;
	}
	return NULL;
}

static bool
is_followed(const struct rule *r, obj_id host)
{
	bool runs_on = r->type == RULE_MUST_RUN_ON || r->type == RULE_SHOULD_RUN_ON;

	/* Of a group that is empty for now it says nothing. */
	return !r->hosts.n || id_list_has(&r->hosts, host) == runs_on;
}

static enum rule_verdict
judge(const struct asked *q, const struct rule *r, struct str *why)
{
	enum rule_verdict bad = rules_are_strict(r->type) ? RULE_BROKEN : RULE_BENT;

	if (rules_are_among_guests(r->type)) {
		const struct vm *other = find_other(q, r);
		if (!other)
			return RULE_FOLLOWED;
		str_addf(why, "rule \"%s\" keeps it %s \"%s\"", r->o.name,
		    r->type == RULE_APART ? "apart from" : "together with",
		    other->o.name);
		return bad;
	}
	if (is_followed(r, q->host))
		return RULE_FOLLOWED;
	str_addf(why, "rule \"%s\" keeps it off that host", r->o.name);
	return bad;
}

enum rule_verdict
rules_judge(const struct inv *inv, obj_id vm, obj_id host, rule_where_fn where,
    const void *arg, struct str *why)
{
	const struct asked q = { inv, vm, host, where, arg };
	enum rule_verdict worst = RULE_FOLLOWED;
	AUTO(str) struct str text = STR_INIT;

	INV_EACH(inv, KIND_RULE, o)
	{
		const struct rule *r = inv_rule(inv, o->id);
		if (!r->enabled || !id_list_has(&r->vms, vm))
			continue;
		str_reset(&text);
		enum rule_verdict v = judge(&q, r, &text);
		if (v <= worst)
			continue;
		worst = v;
		str_reset(why);
		str_add(why, str_cstr(&text));
	}
	return worst;
}

static bool
has_sense(const struct rule *r)
{
	if (rules_are_among_guests(r->type))
		return r->vms.n >= 2;
	/* A group may have members again. */
	return (r->vms.n || !obj_id_none(r->vm_group)) &&
	       (r->hosts.n || !obj_id_none(r->host_group));
}

static void
take_members(const struct inv *inv, obj_id group, struct id_list *l)
{
	const struct drs_group *g = inv_drs_group(inv, group);

	if (g)
		id_list_set(l, g->members.v, g->members.n);
}

void
rules_take_groups(const struct inv *inv, struct rule *r)
{
	take_members(inv, r->vm_group, &r->vms);
	take_members(inv, r->host_group, &r->hosts);
}

void
rules_follow_group(
    const struct inv *inv, struct txn *t, const struct drs_group *group, const char *by)
{
	INV_EACH(inv, KIND_RULE, o)
	{
		const struct rule *now = inv_rule(inv, o->id);
		bool of_vms = obj_id_is(now->vm_group, group->o.id);
		AUTO_FREE char *conflict = NULL;
		struct err e = ERR_INIT;
		if (!of_vms && !obj_id_is(now->host_group, group->o.id))
			continue;
		struct rule *r = txn_edit(t, o->id);
		id_list_set(
		    of_vms ? &r->vms : &r->hosts, group->members.v, group->members.n);
		if (rules_admit(inv, o->parent, o->id, r, &conflict, &e))
			conflict = xstrdup(e.msg);
		text_set(&r->conflict, conflict);
		if (!conflict || !r->enabled)
			continue;
		r->enabled = false;
		txn_event(t, EV_RULE_CONFLICT, o->id, OBJ_ID_NONE, by,
		    "Rule %s is disabled: %s", o->name, conflict);
	}
}

static void
leave_groups(const struct inv *inv, struct txn *t, obj_id member)
{
	INV_EACH(inv, KIND_GROUP, o)
	{
		if (id_list_has(&inv_drs_group(inv, o->id)->members, member))
			id_list_drop(
			    &((struct drs_group *)txn_edit(t, o->id))->members, member);
	}
}

void
rules_forget(const struct inv *inv, struct txn *t, obj_id member)
{
	leave_groups(inv, t, member);
	INV_EACH(inv, KIND_RULE, o)
	{
		const struct rule *now = inv_rule(inv, o->id);
		if (!id_list_has(&now->vms, member) &&
		    !id_list_has(&now->hosts, member))
			continue;
		struct rule *r = txn_edit(t, o->id);
		id_list_drop(&r->vms, member);
		id_list_drop(&r->hosts, member);
		if (has_sense(r))
			continue;
		txn_event(t, EV_OBJECT_REMOVED, o->id, OBJ_ID_NONE, NULL,
		    "Removed rule %s: without %s it says nothing", o->name,
		    inv_name(inv, member));
		txn_del(t, o->id);
	}
}
