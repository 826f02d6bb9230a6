/* sched_capacity: how many more guests of one size a cluster of the view takes. */
#include "base/arena.h"
#include "scheduler/bal_view.h"
#include "scheduler/balance_spare.h"
#include "scheduler/capacity.h"

static void
list_rooms(
    const struct bal_view *x, const struct capacity *c, struct sched_capacity *out)
{
	out->rooms = xcalloc(x->b.host_count + (size_t)1, sizeof(*out->rooms));
	for (uint32_t i = 0; i < x->b.host_count; i++) {
		const struct sched_host *h = &view_host_at(x->v, x->host_of[i])->in;

		if (c->on[i])
			out->rooms[out->room_count++] =
			    (struct sched_room){ h->id, h->name, c->on[i] };
	}
}

static void
find_next(
    struct bal_view *x, const struct capacity_ask *ask, struct sched_capacity *out)
{
	uint32_t next;

	if (ask->failures)
		bal_spare_init(&x->b);
	next = capacity_place(&x->b, ask->mem, ask->cpu);
	if (next == BAL_NONE)
		return;
	out->next = view_host_at(x->v, x->host_of[next])->in.id;
	out->next_name = view_host_at(x->v, x->host_of[next])->in.name;
}

int
sched_capacity(const struct sched_view *v, uint64_t cluster,
    const struct sched_size *size, struct sched_capacity *ret, struct err *e)
{
	AUTO(arena) struct arena *a = arena_new();
	struct sched_policy policy = sched_policy_default();
	struct bal_scope scope;
	struct bal_view x;
	int rc = bal_scope_of(v, cluster, &scope, e);

	if (rc)
		return rc;

	if (!size->memory_mb || size->memory_mb > SCHED_MAX_MEMORY_MB ||
	    size->num_cpu > SCHED_MAX_VCPUS || size->failures > 1)
		return err_set(e, ERR_INVALID,
		    "a size is 1 MB or more, 0 to %d vCPUs, with 0 or 1 lost hosts",
		    SCHED_MAX_VCPUS);
	if (scope.cluster_ix != NO_IX)
		policy = view_cluster_at(v, scope.cluster_ix)->in.policy;
	const struct capacity_ask ask = {
		.mem = (double)size->memory_mb,
		.cpu = (double)(size->num_cpu * policy.vcpu_demand_mhz),
		.failures = size->failures,
	};

	bal_view_init(&x, v, &scope, a);
	struct capacity c = capacity_find(&x.b, &ask);

	*ret = (struct sched_capacity){ .count = c.count, .bound = c.bound };
	list_rooms(&x, &c, ret);
	find_next(&x, &ask, ret);
	return 0;
}
