/*
 * export_place: resource pools and datastores.
 */
#include <math.h>

#include "base/mem.h"
#include "server/export/export_int.h"
#include "server/stats/stats.h"

void
export_pool_info(const struct export_run *r, const struct obj *o, struct expo *x)
{
	const struct pool *p = inv_pool(r->x->d.inv, o->id);

	export_begin_of(x, o);
	expo_label(x, "name", o->name);
	export_label_id(x, "cluster", export_cluster_of(r->x->d.inv, o->id));
	export_label_id(x, "parent", p->is_root ? OBJ_ID_NONE : o->parent);
	expo_value(x, 1);
}

/* One resource of a pool, in its unit. */
struct pool_amounts {
	double reservation, limit, taken, usage, entitlement;
};

static void
put_amounts(struct expo *x, const struct obj *o, const struct pool_amounts *a)
{
	export_put_as(x, o, "kind", "reservation", a->reservation);
	if (a->limit > 0)
		export_put_as(x, o, "kind", "limit", a->limit);
	export_put_as(x, o, "kind", "usage", a->usage);
	export_put_as(x, o, "kind", "entitlement", a->entitlement);
	export_put_as(x, o, "kind", "unreserved", fmax(a->reservation - a->taken, 0));
}

static double
usage(const struct export_run *r, const struct obj *o, uint32_t counter)
{
	return r->x->d.stats ? (double)stats_now(r->x->d.stats, o->id, counter)
			     : (double)NAN;
}

void
export_pool_cpu(const struct export_run *r, const struct obj *o, struct expo *x)
{
	const struct pool *p = inv_pool(r->x->d.inv, o->id);
	const struct export_sum *s = export_sum_of(r, o->id);
	double mhz = p->is_root ? export_sum_of(r, o->parent)->capacity_mhz
				: (double)p->cpu_reservation_mhz;
	const struct pool_amounts a = {
		.reservation = mhz * MHZ_HERTZ,
		.limit = (double)p->cpu_limit_mhz * MHZ_HERTZ,
		.taken = s->taken_mhz * MHZ_HERTZ,
		.usage = usage(r, o, METRIC_CPU_USAGEMHZ) * MHZ_HERTZ,
		.entitlement = s->entitled_mhz * MHZ_HERTZ,
	};

	put_amounts(x, o, &a);
}

void
export_pool_memory(const struct export_run *r, const struct obj *o, struct expo *x)
{
	const struct pool *p = inv_pool(r->x->d.inv, o->id);
	const struct export_sum *s = export_sum_of(r, o->id);
	const struct pool_amounts a = {
		.reservation = p->is_root ? export_sum_of(r, o->parent)->capacity_bytes
					  : (double)p->mem_reservation_mb * MB_BYTES,
		.limit = (double)p->mem_limit_mb * MB_BYTES,
		.taken = s->taken_bytes,
		.usage = usage(r, o, METRIC_MEM_CONSUMED) * KB_BYTES,
		.entitlement = NAN, /* memory is given, not divided by the moment */
	};

	put_amounts(x, o, &a);
}

void
export_pool_shares(const struct export_run *r, const struct obj *o, struct expo *x)
{
	const struct pool *p = inv_pool(r->x->d.inv, o->id);

	if (p->is_root)
		return;
	export_put_as(x, o, "resource", "cpu", (double)p->cpu_shares);
	export_put_as(x, o, "resource", "memory", (double)p->mem_shares);
}

void
export_datastore_info(const struct export_run *r, const struct obj *o, struct expo *x)
{
	const struct datastore *ds = inv_datastore(r->x->d.inv, o->id);

	export_begin_of(x, o);
	expo_label(x, "name", o->name);
	expo_label(x, "type", ds->type ? ds->type : "");
	expo_value(x, 1);
}

void
export_datastore_accessible(
    const struct export_run *r, const struct obj *o, struct expo *x)
{
	export_put(x, o, inv_datastore(r->x->d.inv, o->id)->accessible);
}

void
export_datastore_capacity(
    const struct export_run *r, const struct obj *o, struct expo *x)
{
	export_put(x, o, (double)inv_datastore(r->x->d.inv, o->id)->capacity_bytes);
}

void
export_datastore_free(const struct export_run *r, const struct obj *o, struct expo *x)
{
	export_put(x, o, (double)inv_datastore(r->x->d.inv, o->id)->free_bytes);
}

void
export_datastore_provisioned(
    const struct export_run *r, const struct obj *o, struct expo *x)
{
	export_put(x, o, export_sum_of(r, o->id)->provisioned_bytes);
}
