#include "scheduler/restart.h"

#include "base/arena.h"
#include "scheduler/bal_view.h"

/* Places in the queue. */
static const uint32_t turns[] = {
	[SCHED_RESTART_HIGHEST] = 0,
	[SCHED_RESTART_HIGH] = 1,
	[SCHED_RESTART_MEDIUM] = 2,
	[SCHED_RESTART_LOW] = 3,
	[SCHED_RESTART_LOWEST] = 4,
	[SCHED_RESTART_DISABLED] = 5,
};

struct restart_ask
restart_ask_default(void)
{
	return (struct restart_ask){ .at_once = 32 };
}

static int
cmp_turns(const void *pa, const void *pb)
{
	const struct view_guest *a = *(const struct view_guest *const *)pa;
	const struct view_guest *b = *(const struct view_guest *const *)pb;
	uint32_t x = turns[a->in.restart], y = turns[b->in.restart];

	if (x != y)
		return x < y ? -1 : 1;
	if (a->in.memory_mb != b->in.memory_mb)
		return a->in.memory_mb > b->in.memory_mb ? -1 : 1;
	return (a->ix > b->ix) - (a->ix < b->ix);
}

static int
mark_lost(const struct sched_view *v, const struct restart_ask *ask, bool *ret_lost,
    struct err *e)
{
	char text[SCHED_ID_TEXT];

	if (!ask->at_once)
		return err_set(e, ERR_INVALID, "starts at once are at least 1");
	for (size_t i = 0; i < ask->lost_count; i++) {
		uint32_t ix = view_find(&v->hosts, ask->lost[i]);

		if (ix == NO_IX)
			return err_set(e, ERR_NOT_FOUND, "there is no host %s",
			    view_id_text(ask->lost[i], text));
		ret_lost[ix] = true;
	}
	return 0;
}

/* Whom to start, in order. */
static size_t
list_guests(const struct sched_view *v, const bool *lost, struct arena *a,
    const struct view_guest ***ret_list)
{
	const struct view_guest **list =
	    arena_array(a, v->guests.count + 1, sizeof(void *));
	size_t n = 0;

	for (uint32_t i = 0; i < v->guests.count; i++) {
		const struct view_guest *g = view_guest_at(v, i);

		if (g->host_ix != NO_IX && lost[g->host_ix] &&
		    g->in.state == SCHED_GUEST_RUNNING &&
		    g->in.restart != SCHED_RESTART_DISABLED)
			list[n++] = g;
	}
	qsort(list, n, sizeof(void *), cmp_turns);
	*ret_list = list;
	return n;
}

/* As many at once as a host may start; a priority waits for the one before it. */
static void
set_waves(const struct sched_view *v, const struct restart_ask *ask,
    const struct view_guest *const *list, struct sched_plan *plan)
{
	struct sched_move *moves =
	    arena_array(plan->arena, plan->move_count + 1, sizeof(*moves));
	uint32_t *started =
	    arena_array(plan->arena, v->hosts.count + 1, sizeof(*started));
	uint32_t begins = 0;

	for (size_t i = 0; i < plan->move_count; i++) {
		struct sched_move *m = &moves[i];

		*m = plan->moves[i];
		if (ask->waits && i && list[i]->in.restart != list[i - 1]->in.restart)
			begins = plan->waves;
		if (m->code)
			continue;
		uint32_t *n = &started[view_find(&v->hosts, m->to)];

		m->wave = *n / ask->at_once;
		if (m->wave < begins) {
			m->wave = begins;
			*n = begins * ask->at_once;
		}
		(*n)++;
		if (m->wave >= plan->waves)
			plan->waves = m->wave + 1;
	}
	plan->moves = moves;
	plan->is_ordered = true;
}

int
sched_restart(const struct sched_view *v, const struct restart_ask *ask,
    struct sched_plan **ret_plan, struct err *e)
{
	AUTO(arena) struct arena *a = arena_new();
	bool *lost = arena_array(a, v->hosts.count + 1, sizeof(*lost));
	const struct view_guest **list;
	int rc = mark_lost(v, ask, lost, e);

	if (rc)
		return rc;
	size_t n = list_guests(v, lost, a, &list);
	uint64_t *ids = arena_array(a, n + 1, sizeof(*ids));

	for (size_t i = 0; i < n; i++)
		ids[i] = list[i]->in.id;
	const struct place_lost l = {
		.hosts = lost,
		.guests = ids,
		.count = n,
		.ignores_apart = !ask->keeps_apart,
		.detail = ask->detail,
	};

	rc = place_lost(v, &l, ret_plan, e);
	if (!rc)
		set_waves(v, ask, list, *ret_plan);
	return rc;
}

/* ---- admission ---- */

struct reserving {
	struct failover_host *hosts;
	size_t host_count;
	struct failover_guest *guests;
	size_t guest_count;
};

/* What the hosts that are up have, and what those that run in the cluster reserve. */
static void
add_up(const struct sched_view *v, uint32_t cluster_ix, struct reserving *r)
{
	for (uint32_t i = 0; i < v->hosts.count; i++) {
		const struct view_host *h = view_host_at(v, i);

		if (h->cluster_ix != cluster_ix || h->in.state != SCHED_HOST_CONNECTED)
			continue;
		r->hosts[r->host_count++] = (struct failover_host){ h->in.cpu_mhz,
			h->in.memory_mb - h->in.memory_overhead_mb };
	}
	for (uint32_t i = 0; i < v->guests.count; i++) {
		const struct view_guest *g = view_guest_at(v, i);

		if (g->in.state == SCHED_GUEST_OFF ||
		    view_host_at(v, g->host_ix)->cluster_ix != cluster_ix)
			continue;
		r->guests[r->guest_count++] =
		    (struct failover_guest){ g->in.cpu_reservation_mhz,
			    g->in.memory_reservation_mb, g->in.memory_overhead_mb };
	}
}

int
sched_admit(const struct sched_view *v, uint64_t cluster,
    const struct failover_guest *more, uint32_t failures, struct restart_admission *ret,
    struct err *e)
{
	AUTO(arena) struct arena *a = arena_new();
	struct reserving r = {
		.hosts = arena_array(a, v->hosts.count + 1, sizeof(*r.hosts)),
		.guests = arena_array(a, v->guests.count + 2, sizeof(*r.guests)),
	};
	struct bal_scope scope;
	int rc = bal_scope_of(v, cluster, &scope, e);

	if (rc)
		return rc;
	add_up(v, scope.cluster_ix, &r);
	ret->keep = failover_automatic(r.hosts, r.host_count, failures);
	ret->by_share = failover_share_admits(
	    r.hosts, r.host_count, r.guests, r.guest_count, more, &ret->keep);
	r.guests[r.guest_count++] = *more;
	ret->unreserved =
	    failover_unreserved(r.hosts, r.host_count, r.guests, r.guest_count);
	ret->slots = failover_slots(
	    r.hosts, r.host_count, r.guests, r.guest_count, NULL, failures);
	ret->by_slots = ret->slots.used + ret->slots.kept <= ret->slots.total;
	return 0;
}
