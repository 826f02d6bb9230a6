#include "server/stats/stat_rows.h"

#include <math.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "server/stats/stats_int.h"

void
stat_rows_init(struct stat_rows *r, const struct stats *s, obj_id id,
    const char *daemon, const uint8_t *counters, size_t n_counters)
{
	unsigned objects = stats_objects_of(s->inv, id);

	*r = (struct stat_rows){ .id = id, .path = stats_path(s, id) };
	r->file = (struct rrd_file){ r->path, daemon, s->step_s, objects };
	for (size_t i = 0; i < n_counters; i++) {
		if (metric_at(counters[i])->objects & objects)
			r->counters[r->n_counters++] = counters[i];
	}
}

void
stat_rows_init_instance(struct stat_rows *r, const struct stats *s, obj_id id,
    const struct stat_instance *of, const uint8_t *counters, size_t n_counters)
{
	*r = (struct stat_rows){ .id = id };
	snprintf(r->instance, sizeof(r->instance), "%s", of->name);
	for (size_t i = 0; i < n_counters; i++) {
		if (stat_ring_has(of->ring, counters[i]))
			r->counters[r->n_counters++] = counters[i];
	}
}

void
stat_rows_fini(struct stat_rows *r)
{
	free(r->path);
	r->path = NULL;
}

bool
stat_rows_have_peaks(const struct stats *s, const struct stat_plan *p)
{
	return p->row_s != s->step_s;
}

/* ---- files, on the worker ---- */

void
stat_rows_read(struct stat_rows *r, const struct stat_plan *p)
{
	struct rrd_range range = {
		.of = RRD_AVERAGE,
		.row_s = p->row_s,
		.first_s = p->first_s,
		.last_s = p->last_s,
		.counters = r->counters,
		.n_counters = r->n_counters,
	};
	struct err e = ERR_INIT;
	int rc;

	if (!r->path)
		return;
	rc = rrd_file_read(&r->file, &range, r->rows, &e);
	range.of = RRD_MAX;
	if (!rc && r->peaks)
		rc = rrd_file_read(&r->file, &range, r->peaks, &e);
	/* What cannot be read is a gap: writing sees to the file. */
	if (rc && rc != ERR_NOT_FOUND)
		log_debug("stats", "%s", e.msg);
}

/* ---- memory ---- */

/* What the ring knows of a row, which may be more than the file does. */
static void
overlay_row(const struct stat_ring *ring, uint64_t first_slot, uint64_t last_slot,
    uint32_t counter, float *row, float *peak)
{
	uint64_t known = 0;
	float max = NAN;
	double sum = 0;

	if (first_slot < stat_ring_oldest(ring) && !isnan(*row))
		return;
	for (uint64_t slot = first_slot; slot <= last_slot; slot++) {
		float v = stat_ring_get(ring, slot, counter);

		if (isnan(v))
			continue;
		known++;
		sum += (double)v;
		max = fmaxf(max, v);
	}
	if (!known)
		return;
	*row = (float)(sum / (double)known);
	if (peak)
		*peak = max;
}

static void
overlay_counter(struct stat_rows *r, const struct stat_ring *ring, uint32_t step_s,
    const struct stat_plan *p, size_t k)
{
	size_t n_rows = stat_plan_rows(p), skip = 0;
	uint64_t oldest_s = stat_ring_oldest(ring) * step_s, n = p->row_s / step_s;

	/* Rows before the ring's first slot are the file's alone. */
	if (oldest_s > p->first_s)
		skip = (oldest_s - p->first_s) / p->row_s;
	for (size_t i = skip; i < n_rows; i++) {
		uint64_t end = (p->first_s + i * p->row_s) / step_s;
		size_t at = k * n_rows + i;

		overlay_row(ring, end - n + 1, end, r->counters[k], &r->rows[at],
		    r->peaks ? &r->peaks[at] : NULL);
	}
}

/* NULL: there are no samples. */
static const struct stat_ring *
ring_of(const struct stat_rows *r, const struct stats *s)
{
	const struct stat_object *o = stats_find(s, r->id);
	const struct stat_instance *i;

	if (!o)
		return NULL;
	if (!*r->instance)
		return stat_ring_newest(o->ring) ? o->ring : NULL;
	i = stat_instance_find(&o->instances, r->instance);
	return i ? i->ring : NULL;
}

void
stat_rows_overlay(
    struct stat_rows *r, const struct stats *s, const struct stat_plan *p, size_t k)
{
	const struct stat_ring *ring = ring_of(r, s);

	if (ring)
		overlay_counter(r, ring, s->step_s, p, k);
}

bool
stat_rows_in_memory(const struct stats *s, obj_id id, const struct stat_plan *p)
{
	const struct stat_object *o = stats_find(s, id);

	return p->row_s == s->step_s && o && stat_ring_newest(o->ring) &&
	       stat_ring_oldest(o->ring) * s->step_s <= p->first_s;
}
