/*
 * export_cluster: clusters, and what DRS and HA did in them.
 */
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "server/export/export_int.h"
#include "server/inventory/inv_drs.h"

#define PRIORITIES 5u

void
export_cluster_info(const struct export_run *r, const struct obj *o, struct expo *x)
{
	export_begin_of(x, o);
	expo_label(x, "name", o->name);
	export_label_id(x, "datacenter", o->parent);
	expo_value(x, 1);
}

void
export_score(const struct export_run *r, const struct obj *o, struct expo *x)
{
	const struct export_sum *s = export_sum_of(r, o->id);

	if (s->wanted_mhz > 0)
		export_put(x, o, s->used_mhz / s->wanted_mhz);
}

static double
deviation(unsigned n, double sum, double squares)
{
	double mean = sum / n;

	return sqrt(fmax(squares / n - mean * mean, 0));
}

void
export_imbalance(const struct export_run *r, const struct obj *o, struct expo *x)
{
	const struct export_sum *s = export_sum_of(r, o->id);

	if (!s->hosts)
		return;
	export_put_as(
	    x, o, "resource", "cpu", deviation(s->hosts, s->cpu, s->cpu_squares));
	export_put_as(x, o, "resource", "memory",
	    deviation(s->hosts, s->memory, s->memory_squares));
}

void
export_recommendations(const struct export_run *r, const struct obj *o, struct expo *x)
{
	unsigned n[PRIORITIES + 1] = { 0 };
	char text[16];

	INV_EACH(r->x->d.inv, KIND_REC, rec_obj)
	{
		const struct rec *rec = inv_rec(r->x->d.inv, rec_obj->id);

		if (rec->state == REC_PENDING && obj_id_is(rec->o.parent, o->id) &&
		    rec->priority <= PRIORITIES)
			n[rec->priority]++;
	}
	for (unsigned i = 1; i <= PRIORITIES; i++) {
		snprintf(text, sizeof(text), "%u", i);
		export_put_as(x, o, "priority", text, n[i]);
	}
}

void
export_migrations(const struct export_run *r, const struct obj *o, struct expo *x)
{
	const struct tally_cluster *t = export_tally_of(r->x->tally, o->id);

	for (size_t i = 0; i < TALLY_REASONS_; i++) {
		for (size_t k = 0; k < TALLY_RESULTS_; k++) {
			export_begin_of(x, o);
			expo_label(x, "reason", tally_reasons[i]);
			expo_label(x, "result", tally_results[k]);
			expo_value(x, (double)t->migrations[i][k]);
		}
	}
}

static void
put_histogram(struct expo *x, const struct obj *o, const struct expo_bounds *b,
    const struct expo_histogram *h)
{
	char text[OBJ_ID_TEXT];

	expo_histogram(x, "cluster", obj_id_text(o->id, text), b, h);
}

void
export_migration_time(const struct export_run *r, const struct obj *o, struct expo *x)
{
	put_histogram(x, o, &tally_migration_bounds,
	    &export_tally_of(r->x->tally, o->id)->migration_time);
}

void
export_downtime(const struct export_run *r, const struct obj *o, struct expo *x)
{
	put_histogram(x, o, &tally_downtime_bounds,
	    &export_tally_of(r->x->tally, o->id)->downtime);
}

void
export_tolerated(const struct export_run *r, const struct obj *o, struct expo *x)
{
	const struct cluster *c = inv_cluster(r->x->d.inv, o->id);

	/* Before the first look there is no text. */
	if (c->ha_enabled && c->ha_capacity)
		export_put(x, o, c->ha_survives);
}

void
export_configured(const struct export_run *r, const struct obj *o, struct expo *x)
{
	const struct cluster *c = inv_cluster(r->x->d.inv, o->id);

	if (c->ha_enabled)
		export_put(x, o, c->ha_failover_level);
}

void
export_restarts(const struct export_run *r, const struct obj *o, struct expo *x)
{
	const struct tally_cluster *t = export_tally_of(r->x->tally, o->id);

	for (size_t i = 0; i < TALLY_RESULTS_; i++)
		export_put_as(x, o, "result", tally_results[i], (double)t->restarts[i]);
}

void
export_failover_time(const struct export_run *r, const struct obj *o, struct expo *x)
{
	put_histogram(x, o, &tally_failover_bounds,
	    &export_tally_of(r->x->tally, o->id)->failover_time);
}

void
export_unprotected(const struct export_run *r, const struct obj *o, struct expo *x)
{
	if (inv_cluster(r->x->d.inv, o->id)->ha_enabled)
		export_put(x, o, export_sum_of(r, o->id)->unprotected);
}
