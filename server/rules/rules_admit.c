/*
 * May a rule stand beside the others?
 */
#include "base/mem.h"
#include "base/str.h"
#include "server/rules/rules.h"

static int
check_list(const struct inv *inv, const char *field, const struct id_list *l,
    obj_id cluster, struct err *e)
{
	char id[OBJ_ID_TEXT];

	if (l->n > RULE_MAX_MEMBERS)
		return err_set(
		    e, ERR_INVALID, "%s: at most %u of them", field, RULE_MAX_MEMBERS);
	for (size_t i = 0; i < l->n; i++) {
		const struct obj *o = inv_get(inv, l->v[i]);
		const struct vm *vm = o ? inv_vm(inv, o->id) : NULL;
		obj_id at = vm ? vm->host : l->v[i];
		if (!o)
			return err_set(e, ERR_NOT_FOUND, "%s: there is no %s", field,
			    obj_id_text(l->v[i], id));
		if (!obj_id_is(inv_ancestor(inv, at, KIND_CLUSTER), cluster)) {
			return err_set(e, ERR_INVALID,
			    "%s: %s \"%s\" is not of cluster \"%s\"", field,
			    kind_word(obj_id_kind(o->id)), o->name,
			    inv_name(inv, cluster));
		}
	}
	return 0;
}

static int
check_group(const struct inv *inv, const char *field, obj_id id, enum group_type type,
    obj_id cluster, struct err *e)
{
	const struct drs_group *g = inv_drs_group(inv, id);

	if (obj_id_none(id))
		return 0;
	if (!g)
		return err_set(e, ERR_NOT_FOUND, "%s: there is no such group", field);
	if (g->type != type)
		return err_set(e, ERR_INVALID, "%s: \"%s\" is a group of %s", field,
		    g->o.name, g->type == GROUP_VMS ? "guests" : "hosts");
	if (!obj_id_is(g->o.parent, cluster))
		return err_set(e, ERR_INVALID, "%s: \"%s\" is of cluster \"%s\"", field,
		    g->o.name, inv_name(inv, g->o.parent));
	return 0;
}

int
rules_admit_group(const struct inv *inv, const struct drs_group *wanted, struct err *e)
{
	enum obj_kind kind = wanted->type == GROUP_VMS ? KIND_VM : KIND_HOST;

	for (size_t i = 0; i < wanted->members.n; i++) {
		if (obj_id_kind(wanted->members.v[i]) != kind) {
			return err_set(e, ERR_INVALID,
			    "group \"%s\" is one of %s, and \"%s\" is none",
			    wanted->o.name, kind_plural(kind),
			    inv_name(inv, wanted->members.v[i]));
		}
	}
	return check_list(inv, "members", &wanted->members, wanted->o.parent, e);
}

static int
check_members(
    const struct inv *inv, obj_id cluster, const struct rule *r, struct err *e)
{
	bool among = rules_are_among_guests(r->type);
	int rc = check_list(inv, "vms", &r->vms, cluster, e);

	if (!rc)
		rc = check_list(inv, "hosts", &r->hosts, cluster, e);
	if (!rc && obj_id_none(r->vm_group) && r->vms.n < (among ? 2 : 1))
		rc = err_set(e, ERR_INVALID, "vms: a rule of type %s wants at least %s",
		    rule_type_text(r->type), among ? "two" : "one");
	if (!rc)
		rc = check_group(inv, "vm_group", r->vm_group, GROUP_VMS, cluster, e);
	if (!rc)
		rc = check_group(
		    inv, "host_group", r->host_group, GROUP_HOSTS, cluster, e);
	if (!rc && among && !obj_id_none(r->vm_group))
		rc = err_set(e, ERR_INVALID,
		    "vm_group: has no place in a rule of type %s",
		    rule_type_text(r->type));
	if (!rc && among && (r->hosts.n || !obj_id_none(r->host_group)))
		rc =
		    err_set(e, ERR_INVALID, "hosts: have no place in a rule of type %s",
			rule_type_text(r->type));
	if (!rc && !among && !r->hosts.n && obj_id_none(r->host_group))
		rc = err_set(e, ERR_INVALID,
		    "hosts: a rule of type %s wants at least one",
		    rule_type_text(r->type));
	return rc;
}

/* The first guest from index on that both name, or none. */
static obj_id
shared_guest(const struct rule *a, const struct rule *b, size_t *from)
{
	while (*from < a->vms.n) {
		obj_id id = a->vms.v[(*from)++];
		if (id_list_has(&b->vms, id))
			return id;
	}
	return OBJ_ID_NONE;
}

/* Together and apart of the same two guests. */
static int
check_guests(const struct inv *inv, const struct rule *wanted, const struct rule *other,
    struct err *e)
{
	size_t at = 0;

	if (!rules_are_among_guests(other->type) || wanted->type == other->type)
		return 0;
	obj_id one = shared_guest(wanted, other, &at);
	obj_id two = shared_guest(wanted, other, &at);
	if (obj_id_none(two))
		return 0;
	return err_set(e, ERR_INVALID,
	    "contradicts rule \"%s\", which keeps \"%s\" and \"%s\" %s", other->o.name,
	    inv_name(inv, one), inv_name(inv, two),
	    other->type == RULE_APART ? "apart" : "together");
}

static bool
lets_on(const struct rule *r, obj_id host)
{
	bool runs_on = r->type == RULE_MUST_RUN_ON || r->type == RULE_SHOULD_RUN_ON;

	return !r->hosts.n || id_list_has(&r->hosts, host) == runs_on;
}

/* Is there a host of the cluster that both leave to a guest? */
static bool
have_common_host(
    const struct inv *inv, obj_id cluster, const struct rule *a, const struct rule *b)
{
	INV_EACH(inv, KIND_HOST, o)
	{
		if (obj_id_is(o->parent, cluster) && lets_on(a, o->id) &&
		    lets_on(b, o->id))
			return true;
	}
	return false;
}

static char *
find_conflict(const struct inv *inv, obj_id cluster, const struct rule *wanted,
    const struct rule *other)
{
	size_t at = 0;

	if (rules_are_among_guests(other->type))
		return NULL;
	obj_id guest = shared_guest(wanted, other, &at);
	if (obj_id_none(guest) || have_common_host(inv, cluster, wanted, other))
		return NULL;
	return xasprintf("rule \"%s\" is older, and with both no host is left for "
			 "\"%s\"",
	    other->o.name, inv_name(inv, guest));
}

/* Two guests that stay together, and rules that leave them no host in common. */
static int
check_together(const struct inv *inv, obj_id cluster, const struct rule *together,
    const struct rule *a, const struct rule *b, struct err *e)
{
	size_t at_a = 0, at_b = 0;
	obj_id one = shared_guest(together, a, &at_a);
	obj_id two = shared_guest(together, b, &at_b);

	if (obj_id_none(one) || obj_id_none(two) ||
	    have_common_host(inv, cluster, a, b))
		return 0;
	return err_set(e, ERR_INVALID,
	    "contradicts rules \"%s\" and \"%s\", which leave \"%s\" and \"%s\" no host "
	    "in common",
	    a->o.name, b->o.name, inv_name(inv, one), inv_name(inv, two));
}

static bool
is_must(const struct rule *r)
{
	return r->type == RULE_MUST_RUN_ON || r->type == RULE_MUST_NOT_RUN_ON;
}

static int
check_against_pairs(
    const struct inv *inv, obj_id cluster, const struct rule *wanted, struct err *e)
{
	int rc = 0;

	if (wanted->type != RULE_TOGETHER)
		return 0;
	INV_EACH(inv, KIND_RULE, a)
	{
		const struct rule *x = inv_rule(inv, a->id);
		if (!x->enabled || !is_must(x) || !obj_id_is(a->parent, cluster))
			continue;
		INV_EACH(inv, KIND_RULE, b)
		{
			const struct rule *y = inv_rule(inv, b->id);
			if (!rc && y->enabled && is_must(y) && b->id.v > a->id.v &&
			    obj_id_is(b->parent, cluster))
				rc = check_together(inv, cluster, wanted, x, y, e);
		}
	}
	return rc;
}

int
rules_admit(const struct inv *inv, obj_id cluster, obj_id self,
    const struct rule *wanted, char **ret_conflict, struct err *e)
{
	bool among = rules_are_among_guests(wanted->type);
	AUTO_FREE char *conflict = NULL;
	int rc = check_members(inv, cluster, wanted, e);

	INV_EACH(inv, KIND_RULE, o)
	{
		const struct rule *other = inv_rule(inv, o->id);
		if (rc || conflict || !other->enabled || obj_id_is(o->id, self) ||
		    !obj_id_is(o->parent, cluster))
			continue;
		if (among)
			rc = check_guests(inv, wanted, other, e);
		else
			conflict = find_conflict(inv, cluster, wanted, other);
	}
	if (!rc)
		rc = check_against_pairs(inv, cluster, wanted, e);
	if (!rc)
		*ret_conflict = MOVE(conflict);
	return rc;
}
