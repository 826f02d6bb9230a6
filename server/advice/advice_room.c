/*
 * Every host's room for one machine, best first.
 */
#include "base/arena.h"
#include "base/str.h"
#include "server/admission/admission.h"
#include "server/advice/advice_int.h"

static bool
is_about_room(enum sched_reason_code code)
{
	return code == SCHED_REASON_CORES || code == SCHED_REASON_VCPUS ||
	       code == SCHED_REASON_MEMORY || code == SCHED_REASON_DATASTORE_SPACE ||
	       code == SCHED_REASON_KEPT;
}

static void
take_candidate(
    struct arena *mem, const struct sched_candidate *c, struct advice_room *to)
{
	to->host = obj_id_make(KIND_HOST, c->host);
	to->fits = c->fits;
	to->shortages = arena_array(mem, c->reason_count + 4, sizeof(char *));
	for (size_t i = 0; i < c->reason_count; i++) {
		if (is_about_room(c->reasons[i].code))
			to->shortages[to->n_shortages++] =
			    arena_strdup(mem, c->reasons[i].text);
	}
}

/* Why it takes no guests although it is there, or NULL. */
static const char *
why_closed(const struct host *h)
{
	if (h->standby != STANDBY_NONE)
		return "is in standby";
	switch (h->maintenance) {
	case MAINT_NONE:
	case maintenance_state_COUNT_:
		break;
	case MAINT_ENTERING:
		return "is going into maintenance";
	case MAINT_IN:
		return "is in maintenance";
	}
	if (h->health_remedy == HA_REMEDY_QUARANTINE)
		return "is in quarantine: its hardware reports errors";
	return NULL;
}

/* Who is there already may stay, and have its disks moved. */
static void
close_host(
    const struct advice *a, const struct advice_guest *g, struct advice_room *room)
{
	const struct host *h = inv_host(a->inv, room->host);
	const struct vm *vm = inv_vm(a->inv, g->vm);

	if (!h || !why_closed(h) || (vm && obj_id_is(vm->host, room->host)))
		return;
	room->fits = false;
	room->shortages[room->n_shortages++] = why_closed(h);
}

/* What a rule forbids is as good as no room. */
static void
follow_rules(struct advice *a, const struct advice_guest *g, struct arena *mem,
    struct advice_room *room)
{
	AUTO(str) struct str why = STR_INIT;
	enum rule_verdict v = advice_rules(a, g, room->host, &why);

	room->bends_rule = v == RULE_BENT;
	if (v != RULE_BROKEN)
		return;
	room->fits = false;
	room->shortages[room->n_shortages++] =
	    arena_printf(mem, "is no place for it: %s", str_cstr(&why));
}

/* One that runs and comes from elsewhere must leave what its new cluster keeps free. */
static void
keep_room(struct advice *a, const struct advice_guest *g, struct arena *mem,
    struct advice_room *room)
{
	const struct vm *vm = inv_vm(a->inv, g->vm);
	obj_id to = inv_ancestor(a->inv, room->host, KIND_CLUSTER);
	struct err e = ERR_INIT;

	if (!vm || vm->power_state == POWER_OFF || vm->power_state == POWER_SUSPENDED ||
	    obj_id_is(inv_ancestor(a->inv, vm->host, KIND_CLUSTER), to) ||
	    !admission_guest(a->inv, to, vm, &e))
		return;
	room->fits = false;
	room->shortages[room->n_shortages++] =
	    arena_printf(mem, "keeps room for lost hosts: %s", e.msg);
}

/* Hosts that follow every rule come before those that bend one; else in their order. */
static void
bent_last(struct advice_room *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct advice_room one = v[i];
		size_t k = i;
		for (; k > 0 && v[k - 1].bends_rule && !one.bends_rule && one.fits; k--)
			v[k] = v[k - 1];
		v[k] = one;
	}
}

int
advice_rooms(struct advice *a, const struct advice_guest *g, struct arena *mem,
    struct advice_room **ret, size_t *ret_n, struct err *e)
{
	AUTO(sched_view) struct sched_view *v = NULL;
	AUTO(sched_plan) struct sched_plan *plan = NULL;
	uint64_t id;
	int rc = advice_view(a, g, 1, &id, &v, e);

	if (!rc)
		rc = sched_place(v, id, SCHED_EXPLAIN, &plan, e);
	if (rc)
		return rc;
	const struct sched_move *m = &plan->moves[0];
	*ret = arena_array(mem, m->candidate_count + 1, sizeof(**ret));
	*ret_n = m->candidate_count;
	for (size_t i = 0; i < m->candidate_count; i++)
		take_candidate(mem, &m->candidates[i], &(*ret)[i]);
	for (size_t i = 0; i < *ret_n; i++)
		close_host(a, g, &(*ret)[i]);
	for (size_t i = 0; i < *ret_n; i++)
		follow_rules(a, g, mem, &(*ret)[i]);
	for (size_t i = 0; i < *ret_n; i++)
		keep_room(a, g, mem, &(*ret)[i]);
	bent_last(*ret, *ret_n);
	return 0;
}
