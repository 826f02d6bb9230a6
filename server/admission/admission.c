#include "server/admission/admission.h"

#include "base/arena.h"

/* May well run: like the scheduler's view, which gives its room to nobody. */
static bool
is_up(const struct vm *vm)
{
	return vm->power_state != POWER_OFF && vm->power_state != POWER_SUSPENDED;
}

static struct failover_guest
claim_of(const struct vm *vm)
{
	return (struct failover_guest){
		.cpu_mhz = vm->cpu_reservation_mhz,
		.memory_mb = vm->mem_reservation_mb,
		.overhead_mb =
		    vm->guest_type == GUEST_CONTAINER ? 0 : ADMISSION_OVERHEAD_MB,
	};
}

bool
admission_counts(const struct host *h)
{
	return h->connection_state == CONN_CONNECTED && h->maintenance == MAINT_NONE &&
	       h->standby == STANDBY_NONE && h->cpu_total_mhz && h->memory_total_mb;
}

/* The cluster without one guest (or none). */
static struct admission_view
view_of(
    const struct inv *inv, const struct cluster *cl, obj_id without, struct arena *mem)
{
	struct failover_host *hosts =
	    arena_array(mem, inv_count(inv, KIND_HOST) + 1, sizeof(*hosts));
	struct failover_guest *guests =
	    arena_array(mem, inv_count(inv, KIND_VM) + 1, sizeof(*guests));
	struct admission_view v = {
		.cluster = cl->o.name,
		.policy = cl->ha_enabled ? cl->ha_admission : HA_ADMIT_OFF,
		.level = cl->ha_failover_level,
		.cpu_percent = cl->ha_cpu_percent,
		.memory_percent = cl->ha_memory_percent,
		.caps = { cl->ha_slot_cpu_mhz, cl->ha_slot_memory_mb },
		.hosts = hosts,
		.guests = guests,
	};

	INV_EACH(inv, KIND_HOST, o)
	{
		const struct host *h = inv_host(inv, o->id);
		if (obj_id_is(o->parent, cl->o.id) && admission_counts(h))
			hosts[v.n_hosts++] = (struct failover_host){ h->cpu_total_mhz,
				h->memory_total_mb };
	}
	INV_EACH(inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(inv, o->id);
		if (is_up(vm) && !obj_id_is(o->id, without) &&
		    obj_id_is(inv_ancestor(inv, vm->host, KIND_CLUSTER), cl->o.id))
			guests[v.n_guests++] = claim_of(vm);
	}
	return v;
}

int
admission_guest(
    const struct inv *inv, obj_id cluster, const struct vm *vm, struct err *e)
{
	const struct cluster *cl = inv_cluster(inv, cluster);

	if (!cl || !cl->ha_enabled || cl->ha_admission == HA_ADMIT_OFF)
		return 0;
	AUTO(arena) struct arena *mem = arena_new();
	struct admission_view v = view_of(inv, cl, vm->o.id, mem);
	struct failover_guest more = claim_of(vm);
	return admission_check(&v, vm->o.name, &more, e);
}

int
admission_start(const struct inv *inv, const struct vm *vm, struct err *e)
{
	if (admission_is_kept(inv, vm->host)) {
		return err_set(e, ERR_NO_CAPACITY,
		    "host \"%s\" is kept free for the guests of lost hosts: move "
		    "\"%s\" to another one first",
		    inv_name(inv, vm->host), vm->o.name);
	}
	return admission_guest(inv, inv_ancestor(inv, vm->host, KIND_CLUSTER), vm, e);
}

int
admission_grow(
    const struct inv *inv, const struct vm *now, const struct vm *wanted, struct err *e)
{
	if (!is_up(now) || (wanted->cpu_reservation_mhz <= now->cpu_reservation_mhz &&
			       wanted->mem_reservation_mb <= now->mem_reservation_mb))
		return 0;
	return admission_guest(
	    inv, inv_ancestor(inv, now->host, KIND_CLUSTER), wanted, e);
}

bool
admission_is_kept(const struct inv *inv, obj_id host)
{
	const struct host *h = inv_host(inv, host);
	const struct cluster *cl = h ? inv_cluster(inv, h->o.parent) : NULL;

	return cl && cl->ha_enabled && cl->ha_admission == HA_ADMIT_HOSTS &&
	       id_list_has(&cl->ha_failover_hosts, host);
}

void
admission_stand(const struct inv *inv, obj_id cluster, struct admission_room *ret)
{
	const struct cluster *cl = inv_cluster(inv, cluster);

	if (!cl) {
		*ret = (struct admission_room){ 0 };
		return;
	}
	AUTO(arena) struct arena *mem = arena_new();
	struct admission_view v = view_of(inv, cl, OBJ_ID_NONE, mem);
	admission_weigh(&v, ret);
}

uint32_t
admission_degradation(const struct inv *inv, obj_id cluster)
{
	const struct cluster *cl = inv_cluster(inv, cluster);
	uint64_t used_mhz = 0, used_mb = 0;

	if (!cl)
		return 0;
	AUTO(arena) struct arena *mem = arena_new();
	struct admission_view v = view_of(inv, cl, OBJ_ID_NONE, mem);
	INV_EACH(inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(inv, o->id);
		if (!obj_id_is(inv_ancestor(inv, vm->host, KIND_CLUSTER), cluster))
			continue;
		used_mhz += vm->cpu_usage_mhz;
		used_mb += vm->memory_usage_mb;
	}
	return admission_miss(v.hosts, v.n_hosts, v.level, used_mhz, used_mb);
}
