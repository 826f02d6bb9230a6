/*
 * The inventory as the scheduler sees it.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/admission/admission.h"
#include "server/advice/advice_int.h"
#include "server/hosts/hosts.h"

#define MB_BYTES UINT64_C(0x100000)

/* Machines that do not exist yet get numbers beyond all others. */
#define NEW_GUEST (UINT64_C(1) << 55)

/* So do those that have room on two hosts, for the one that they leave. */
#define LEAVING_GUEST (UINT64_C(1) << 54)

static const char *const engine_names[] = {
#define SCHED_ENGINE(code, name) [SCHED_ENGINE_##code] = name,
#include "scheduler/words.def"
};

uint32_t
advice_engine_bit(const char *name)
{
	for (unsigned i = 0; i < SCHED_ENGINE_COUNT_; i++) {
		if (str_same(engine_names[i], name))
			return 1u << i;
	}
	return 0;
}

static uint32_t
engines_of(const struct host *h)
{
	uint32_t mask = 0;

	for (size_t i = 0; h->engines && i < json_count(h->engines); i++) {
		const json *en = json_at(h->engines, i);
		const json *name = json_get(en, "name");
		const json *usable = json_get(en, "usable");
		if (name && usable && json_bool_value(usable))
			mask |= advice_engine_bit(json_str_value(name, NULL));
	}
	return mask;
}

static int
add_clusters(const struct advice *a, struct sched_view *v, struct err *e)
{
	int rc = 0;

	INV_EACH(a->inv, KIND_CLUSTER, o)
	{
		const struct cluster *cl = inv_cluster(a->inv, o->id);
		struct sched_cluster c = {
			.id = obj_id_number(o->id),
			.name = o->name,
			.policy = sched_policy_default(),
		};
		if (cl->memory_overcommit_permille)
			c.policy.memory_overcommit_permille =
			    cl->memory_overcommit_permille;
		if (cl->vcpus_per_core)
			c.policy.vcpus_per_core = cl->vcpus_per_core;
		if (!rc)
			rc = sched_view_add_cluster(v, &c, e);
	}
	return rc;
}

static int
add_stores_and_networks(const struct advice *a, struct sched_view *v, struct err *e)
{
	int rc = 0;

	INV_EACH(a->inv, KIND_DATASTORE, o)
	{
		const struct datastore *ds = inv_datastore(a->inv, o->id);
		uint64_t total_mb = ds->capacity_bytes / MB_BYTES;
		uint64_t free_mb = ds->free_bytes / MB_BYTES;
		struct sched_datastore d = {
			.id = obj_id_number(o->id),
			.name = o->name,
			.total_mb = total_mb,
			.free_mb = free_mb < total_mb ? free_mb : total_mb,
		};
		if (!rc)
			rc = sched_view_add_datastore(v, &d, e);
	}
	INV_EACH(a->inv, KIND_NETWORK, o)
	{
		struct sched_network n = {
			.id = obj_id_number(o->id),
			.name = o->name,
		};
		if (!rc)
			rc = sched_view_add_network(v, &n, e);
	}
	return rc;
}

/* A failover host: its own guests may stay, and those of lost hosts come. */
static bool
is_kept_from(const struct advice *a, const struct advice_guest *g, const struct host *h)
{
	const struct vm *vm = inv_vm(a->inv, g->vm);

	return !g->is_restart && admission_is_kept(a->inv, h->o.id) &&
	       !(vm && obj_id_is(vm->host, h->o.id));
}

/* Its own guests may stay, and those of lost hosts are better off there than nowhere.
 */
static bool
is_quarantined(
    const struct advice *a, const struct advice_guest *g, const struct host *h)
{
	const struct vm *vm = inv_vm(a->inv, g->vm);

	return !g->is_restart && h->health_remedy == HA_REMEDY_QUARANTINE &&
	       !(vm && obj_id_is(vm->host, h->o.id));
}

static enum sched_host_state
state_when_up(
    const struct advice *a, const struct advice_guest *g, const struct host *h)
{
	if (is_quarantined(a, g, h))
		return SCHED_HOST_QUARANTINE;
	return is_kept_from(a, g, h) ? SCHED_HOST_KEPT : SCHED_HOST_CONNECTED;
}

static enum sched_host_state
state_when_awake(
    const struct advice *a, const struct advice_guest *g, const struct host *h)
{
	if ((h->standby != STANDBY_IN && h->standby != STANDBY_WAKING) ||
	    h->maintenance != MAINT_NONE || !h->cpu_cores || !h->cpu_total_mhz ||
	    !h->memory_total_mb)
		return SCHED_HOST_DISCONNECTED;
	return state_when_up(a, g, h);
}

static enum sched_host_state
state_of(const struct advice *a, const struct advice_guest *g, const struct host *h)
{
	if (g->is_for_asleep)
		return state_when_awake(a, g, h);
	if (h->maintenance != MAINT_NONE)
		return h->maintenance == MAINT_IN ? SCHED_HOST_MAINTENANCE
						  : SCHED_HOST_ENTERING_MAINTENANCE;
	if (h->standby != STANDBY_NONE)
		return SCHED_HOST_STANDBY;
	if (hosts_is_up(a->hosts, h->o.id) && h->cpu_cores && h->cpu_total_mhz &&
	    h->memory_total_mb)
		return state_when_up(a, g, h);
	return h->connection_state == CONN_DISCONNECTED ? SCHED_HOST_DISCONNECTED
							: SCHED_HOST_NOT_RESPONDING;
}

/* Datastores and networks within a host's reach; of one that sleeps, what it is
 * attached to. */
static void
fill_reach(const struct advice *a, const struct host *h, struct sched_host *s,
    uint64_t *stores, uint64_t *networks)
{
	bool sleeps = h->standby != STANDBY_NONE && !hosts_is_up(a->hosts, h->o.id);
	obj_id dc = inv_ancestor(a->inv, h->o.id, KIND_DATACENTER);

	INV_EACH(a->inv, KIND_DATASTORE, o)
	{
		const struct datastore *ds = inv_datastore(a->inv, o->id);
		if (id_list_has(sleeps ? &ds->hosts : &ds->reachable_hosts, h->o.id))
			stores[s->datastore_count++] = obj_id_number(o->id);
	}
	INV_EACH(a->inv, KIND_NETWORK, o)
	{
		const struct network *n = inv_network(a->inv, o->id);
		if (obj_id_is(o->parent, dc) &&
		    (sleeps || hosts_has_bridge(a->hosts, h->o.id, n->bridge)))
			networks[s->network_count++] = obj_id_number(o->id);
	}
	s->datastores = stores;
	s->networks = networks;
}

static int
add_hosts(const struct advice *a, const struct advice_guest *g, struct sched_view *v,
    struct err *e)
{
	size_t n_stores = inv_count(a->inv, KIND_DATASTORE);
	size_t n_networks = inv_count(a->inv, KIND_NETWORK);
	AUTO_FREE uint64_t *stores = xcalloc(n_stores + 1, sizeof(*stores));
	AUTO_FREE uint64_t *networks = xcalloc(n_networks + 1, sizeof(*networks));
	int rc = 0;

	INV_EACH(a->inv, KIND_HOST, o)
	{
		const struct host *h = inv_host(a->inv, o->id);
		struct sched_host s = {
			.id = obj_id_number(o->id),
			.name = o->name,
			.cluster = obj_id_number(o->parent),
			.state = state_of(a, g, h),
			.cpu_mhz = h->cpu_total_mhz,
			.cpu_cores = h->cpu_cores,
			.memory_mb = h->memory_total_mb,
			.engines = engines_of(h),
			.network_permille = h->network_busy_permille,
			.disk_permille = h->disk_busy_permille,
		};
		fill_reach(a, h, &s, stores, networks);
		if (!rc)
			rc = sched_view_add_host(v, &s, e);
	}
	return rc;
}

static enum sched_guest_state
guest_state_running(enum power_state p)
{
	switch (p) {
	case POWER_OFF:
	case POWER_SUSPENDED:
	case power_state_COUNT_:
		return SCHED_GUEST_OFF;
	case POWER_STARTING:
	case POWER_ON:
	case POWER_PAUSED:
	case POWER_STALLED:
	/* It may well run: its room is not given away. */
	case POWER_UNKNOWN:
		break;
	}
	return SCHED_GUEST_RUNNING;
}

enum sched_guest_state
advice_guest_state(const struct advice *a, const struct vm *vm)
{
	if (map_get(a->holds, vm->o.id.v))
		return SCHED_GUEST_RESERVED;
	return guest_state_running(vm->power_state);
}

/* It runs where it is until it has moved. */
static int
add_leaving(
    const struct advice *a, struct sched_view *v, const struct vm *vm, struct err *e)
{
	struct sched_guest g = {
		.id = LEAVING_GUEST + obj_id_number(vm->o.id),
		.name = vm->o.name,
		.host = obj_id_number(vm->host),
		.state = guest_state_running(vm->power_state),
		.num_cpu = vm->num_cpu,
		.memory_mb = vm->memory_mb,
	};

	return inv_host(a->inv, vm->host) ? sched_view_add_guest(v, &g, e) : 0;
}

static int
add_machine(
    const struct advice *a, struct sched_view *v, const struct vm *vm, struct err *e)
{
	const struct advice_hold *hold = map_get(a->holds, vm->o.id.v);
	obj_id host = hold ? hold->host : vm->host;
	struct sched_disk disk = { 0 };
	struct sched_guest g = {
		.id = obj_id_number(vm->o.id),
		.name = vm->o.name,
		.num_cpu = hold ? hold->num_cpu : vm->num_cpu,
		.memory_mb = hold ? hold->memory_mb : vm->memory_mb,
		.disks = &disk,
	};

	if (inv_host(a->inv, host)) {
		g.host = obj_id_number(host);
		g.state = advice_guest_state(a, vm);
	}
	if (vm->datastores.n && inv_get(a->inv, vm->datastores.v[0])) {
		disk.datastore = obj_id_number(vm->datastores.v[0]);
		g.disk_count = 1;
	}
	if (hold && !obj_id_is(hold->host, vm->host) && add_leaving(a, v, vm, e))
		return e->code;
	return sched_view_add_guest(v, &g, e);
}

static int
add_machines(
    const struct advice *a, struct sched_view *v, obj_id without, struct err *e)
{
	int rc = 0;

	INV_EACH(a->inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(a->inv, o->id);
		if (!rc && !obj_id_is(o->id, without))
			rc = add_machine(a, v, vm, e);
	}
	return rc;
}

/* The machine that is looked for a host for. */
static int
add_wanted(struct sched_view *v, const struct advice_guest *g, const char *name,
    uint64_t id, struct err *e)
{
	struct sched_disk disks[2] = {
		{ .need_mb = g->disk_mb, .datastore = obj_id_number(g->datastore) },
		{ .datastore = obj_id_number(g->source) },
	};
	bool copied = !obj_id_none(g->source) && !obj_id_is(g->source, g->datastore);
	uint64_t network = obj_id_number(g->network);
	struct sched_guest s = {
		.id = id,
		.name = name,
		.cluster = obj_id_number(g->cluster),
		.want_host = obj_id_number(g->want_host),
		.state = SCHED_GUEST_OFF,
		.num_cpu = g->num_cpu,
		.memory_mb = g->memory_mb,
		.engines = g->engine ? advice_engine_bit(g->engine) : 0,
		.disks = disks,
		.disk_count = obj_id_none(g->datastore) ? 0
			      : copied                  ? 2
							: 1,
		.networks = &network,
		.network_count = obj_id_none(g->network) ? 0 : 1,
	};

	return sched_view_add_guest(v, &s, e);
}

static int
add_all_wanted(struct sched_view *v, const struct advice_guest *g, unsigned n,
    uint64_t *ret_ids, struct err *e)
{
	int rc = 0;

	for (unsigned i = 0; !rc && i < n; i++) {
		char name[100];
		bool known = n == 1 && !obj_id_none(g->vm);
		const char *base = g->name ? g->name : "machine";
		if (n > 1)
			snprintf(name, sizeof(name), "%.80s %u", base, i + 1);
		else
			snprintf(name, sizeof(name), "%.80s", base);
		ret_ids[i] = known ? obj_id_number(g->vm) : NEW_GUEST + i;
		rc = add_wanted(v, g, name, ret_ids[i], e);
	}
	return rc;
}

int
advice_view_places(const struct advice *a, const struct advice_guest *g,
    struct sched_view *v, struct err *e)
{
	int rc = add_clusters(a, v, e);

	if (!rc)
		rc = add_stores_and_networks(a, v, e);
	return rc ? rc : add_hosts(a, g, v, e);
}

int
advice_view(const struct advice *a, const struct advice_guest *g, unsigned n,
    uint64_t *ret_ids, struct sched_view **ret_v, struct err *e)
{
	AUTO(sched_view) struct sched_view *v = sched_view_new();
	int rc = advice_view_places(a, g, v, e);

	if (!rc)
		rc = add_machines(a, v, g->vm, e);
	if (!rc)
		rc = add_all_wanted(v, g, n, ret_ids, e);
	if (!rc)
		rc = sched_view_finish(v, e);
	if (!rc)
		*ret_v = MOVE(v);
	return rc;
}
