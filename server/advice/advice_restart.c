/*
 * The inventory as it is asked what comes after a host is lost: with what guests need
 * of a host, what they reserve, their priorities and the rules.
 */

#include "base/arena.h"
#include "server/advice/advice_int.h"
#include "server/protect/protect.h"

static enum sched_restart
priority_of(const struct inv *inv, const struct vm *vm)
{
	switch (protect_priority(inv, vm)) {
	case HA_PRIORITY_LOWEST:
		return SCHED_RESTART_LOWEST;
	case HA_PRIORITY_LOW:
		return SCHED_RESTART_LOW;
	case HA_PRIORITY_MEDIUM:
		return SCHED_RESTART_MEDIUM;
	case HA_PRIORITY_HIGH:
		return SCHED_RESTART_HIGH;
	case HA_PRIORITY_HIGHEST:
		return SCHED_RESTART_HIGHEST;
	case HA_PRIORITY_OFF:
	case ha_priority_COUNT_:
		break;
	}
	return SCHED_RESTART_DISABLED;
}

/* With a disk that is one host's own it is bound to that, whatever its priority. */
static bool
is_bound(const struct inv *inv, const struct vm *vm)
{
	for (size_t i = 0; i < vm->datastores.n; i++) {
		const struct datastore *ds = inv_datastore(inv, vm->datastores.v[i]);
		if (!ds || !ds->shared)
			return true;
	}
	return !vm->datastores.n;
}

static size_t
numbers_of(const struct inv *inv, const struct id_list *ids, size_t most, uint64_t *to)
{
	size_t n = 0;

	for (size_t i = 0; i < ids->n && n < most; i++) {
		if (inv_get(inv, ids->v[i]))
			to[n++] = obj_id_number(ids->v[i]);
	}
	return n;
}

static int
add_guest(
    const struct advice *a, struct sched_view *v, const struct vm *vm, struct err *e)
{
	uint64_t stores[SCHED_MAX_DISKS], networks[SCHED_MAX_NETWORKS];
	struct sched_disk disks[SCHED_MAX_DISKS] = { 0 };
	struct sched_guest g = {
		.id = obj_id_number(vm->o.id),
		.name = vm->o.name,
		.num_cpu = vm->num_cpu,
		.memory_mb = vm->memory_mb,
		.engines = advice_engine_bit(vm->engine),
		.disks = disks,
		.networks = networks,
		.is_measured = vm->cpu_usage_mhz != 0,
		.cpu_demand_mhz = vm->cpu_usage_mhz,
		.cpu_reservation_mhz = vm->cpu_reservation_mhz,
		.memory_reservation_mb = vm->mem_reservation_mb,
		.restart = is_bound(a->inv, vm) ? SCHED_RESTART_DISABLED
						: priority_of(a->inv, vm),
	};

	g.disk_count = numbers_of(a->inv, &vm->datastores, SCHED_MAX_DISKS, stores);
	for (size_t i = 0; i < g.disk_count; i++)
		disks[i].datastore = stores[i];
	g.network_count =
	    numbers_of(a->inv, &vm->networks, SCHED_MAX_NETWORKS, networks);
	if (inv_host(a->inv, vm->host)) {
		g.host = obj_id_number(vm->host);
		g.cluster = obj_id_number(inv_ancestor(a->inv, vm->host, KIND_CLUSTER));
		g.state = advice_guest_state(a, vm);
	}
	return sched_view_add_guest(v, &g, e);
}

enum sched_rule_kind
advice_rule_kind(enum rule_type type)
{
	switch (type) {
	case RULE_TOGETHER:
		return SCHED_RULE_TOGETHER;
	case RULE_APART:
		return SCHED_RULE_APART;
	case RULE_MUST_RUN_ON:
		return SCHED_RULE_MUST_RUN_ON;
	case RULE_MUST_NOT_RUN_ON:
		return SCHED_RULE_MUST_NOT_RUN_ON;
	case RULE_SHOULD_RUN_ON:
		return SCHED_RULE_SHOULD_RUN_ON;
	case RULE_SHOULD_NOT_RUN_ON:
	case rule_type_COUNT_:
		break;
	}
	return SCHED_RULE_SHOULD_NOT_RUN_ON;
}

static int
add_rule(const struct advice *a, struct sched_view *v, const struct rule *r,
    struct arena *mem, struct err *e)
{
	uint64_t *vms = arena_array(mem, r->vms.n + 1, sizeof(*vms));
	uint64_t *hosts = arena_array(mem, r->hosts.n + 1, sizeof(*hosts));
	bool among = rules_are_among_guests(r->type);
	struct sched_rule s = {
		.id = obj_id_number(r->o.id),
		.name = r->o.name,
		.kind = advice_rule_kind(r->type),
		.guests = vms,
		.guest_count = numbers_of(a->inv, &r->vms, r->vms.n, vms),
		.hosts = hosts,
		.host_count =
		    among ? 0 : numbers_of(a->inv, &r->hosts, r->hosts.n, hosts),
	};

	/* Of a group that is empty now nothing is said. */
	if (!r->enabled || !s.guest_count || (!among && !s.host_count))
		return 0;
	return sched_view_add_rule(v, &s, e);
}

int
advice_restart_view(const struct advice *a, struct sched_view **ret_v, struct err *e)
{
	AUTO(sched_view) struct sched_view *v = sched_view_new();
	AUTO(arena) struct arena *mem = arena_new();
	const struct advice_guest lost = { .is_restart = true };
	int rc = advice_view_places(a, &lost, v, e);

	INV_EACH(a->inv, KIND_VM, o)
	{
		if (!rc)
			rc = add_guest(a, v, inv_vm(a->inv, o->id), e);
	}
	INV_EACH(a->inv, KIND_RULE, o)
	{
		if (!rc)
			rc = add_rule(a, v, inv_rule(a->inv, o->id), mem, e);
	}
	if (!rc)
		rc = sched_view_finish(v, e);
	if (!rc)
		*ret_v = MOVE(v);
	return rc;
}
