/*
 * export_gather: what clusters, hosts, pools and datastores come to, of what is in
 * them.
 */
#include <math.h>

#include "base/mem.h"
#include "server/export/export_int.h"
#include "server/pools/pool_tree.h"
#include "server/stats/stats.h"

#define GUESTS_A_TURN 2000u

static struct export_sum *
sum_of(struct export_run *r, obj_id id)
{
	struct export_sum *s = map_get(r->sums, id.v);

	if (!s) {
		s = xcalloc(1, sizeof(*s));
		map_put(r->sums, id.v, s);
	}
	return s;
}

const struct export_sum *
export_sum_of(const struct export_run *r, obj_id id)
{
	static const struct export_sum nothing;
	const struct export_sum *s = r->sums ? map_get(r->sums, id.v) : NULL;

	return s ? s : &nothing;
}

obj_id
export_cluster_of(const struct inv *inv, obj_id id)
{
	const struct vm *vm = inv_vm(inv, id);

	return inv_ancestor(inv, vm ? vm->pool : id, KIND_CLUSTER);
}

static double
sample(const struct export_run *r, obj_id id, uint32_t counter)
{
	float v = r->x->d.stats ? stats_now(r->x->d.stats, id, counter) : NAN;

	return isnan(v) ? 0 : (double)v;
}

static void
add_to_pools(struct export_run *r, const struct vm *vm)
{
	double entitled = sample(r, vm->o.id, METRIC_CPU_ENTITLEMENT);
	struct pool_claim claim = pool_claim_of(vm);
	const struct pool *p = inv_pool(r->x->d.inv, vm->pool);
	struct export_sum *s;

	if (!p)
		return;
	s = sum_of(r, p->o.id);
	s->taken_mhz += (double)claim.cpu_mhz;
	s->taken_bytes += (double)claim.mem_mb * MB_BYTES;
	for (unsigned deep = 0; p && deep <= POOL_MAX_DEPTH; deep++) {
		sum_of(r, p->o.id)->entitled_mhz += entitled;
		p = inv_pool(r->x->d.inv, p->o.parent);
	}
}

static void
add_disks(struct export_run *r, const struct vm *vm)
{
	for (size_t i = 0; vm->disks && i < json_count(vm->disks); i++) {
		const json *disk = json_at(vm->disks, i);
		const json *size = json_get(disk, "size_bytes");
		const char *where = json_str_value(json_get(disk, "datastore"), NULL);
		obj_id id;

		if (size && where && !obj_id_parse(where, KIND_DATASTORE, &id, NULL))
			sum_of(r, id)->provisioned_bytes += json_number(size);
	}
}

static void
add_guest(struct export_run *r, const struct vm *vm)
{
	obj_id cluster = export_cluster_of(r->x->d.inv, vm->o.id);
	const struct cluster *cl = inv_cluster(r->x->d.inv, cluster);
	struct export_sum *s;
	double wanted;

	add_disks(r, vm);
	if (vm->power_state != POWER_ON)
		return;
	add_to_pools(r, vm);
	s = sum_of(r, vm->host);
	s->reserved_bytes += (double)vm->mem_reservation_mb * MB_BYTES;
	s->ballooned_bytes += sample(r, vm->o.id, METRIC_MEM_BALLOON) * KB_BYTES;
	s = sum_of(r, cluster);
	wanted = sample(r, vm->o.id, METRIC_CPU_DEMAND);
	s->wanted_mhz += wanted;
	s->used_mhz += fmin(wanted, sample(r, vm->o.id, METRIC_CPU_USAGEMHZ));
	s->unprotected += cl && cl->ha_enabled && !vm->ha_protected;
}

static void
add_hosts(struct export_run *r)
{
	INV_EACH(r->x->d.inv, KIND_HOST, o)
	{
		const struct host *h = inv_host(r->x->d.inv, o->id);
		struct export_sum *s = sum_of(r, o->parent);
		double cpu = sample(r, o->id, METRIC_CPU_USAGE) / 100;
		double memory = sample(r, o->id, METRIC_MEM_USAGE) / 100;

		if (h->connection_state != CONN_CONNECTED)
			continue;
		s->hosts++;
		s->cpu += cpu;
		s->cpu_squares += cpu * cpu;
		s->memory += memory;
		s->memory_squares += memory * memory;
		s->capacity_mhz += h->cpu_total_mhz;
		s->capacity_bytes += (double)h->memory_total_mb * MB_BYTES;
	}
}

static void
add_pools(struct export_run *r)
{
	INV_EACH(r->x->d.inv, KIND_POOL, o)
	{
		const struct pool *p = inv_pool(r->x->d.inv, o->id);
		struct export_sum *s;

		if (p->is_root)
			continue;
		s = sum_of(r, o->parent);
		s->taken_mhz += (double)p->cpu_reservation_mhz;
		s->taken_bytes += (double)p->mem_reservation_mb * MB_BYTES;
	}
}

bool
export_gather(struct export_run *r)
{
	const struct inv *inv = r->x->d.inv;
	const struct obj *o = NULL;

	if (!r->sums) {
		r->sums = map_new_u64();
		add_hosts(r);
		add_pools(r);
	}
	for (unsigned i = 0; i < GUESTS_A_TURN; i++) {
		o = inv_next(inv, KIND_VM, r->gathered_to);
		if (!o)
			return false;
		add_guest(r, inv_vm(inv, o->id));
		r->gathered_to = o->id;
	}
	return true;
}
