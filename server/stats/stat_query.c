#include "server/stats/stat_query.h"

#include <math.h>

#include "base/log.h"
#include "base/mem.h"
#include "loop/post.h"
#include "server/stats/stats_int.h"

#define MS_PER_S 1000u

/* What is asked of one object. */
struct part {
	obj_id id;
	char *path;
	struct rrd_file file;
	uint8_t counters[METRIC_MAX];
	size_t n_counters;
	float *rows, *peaks; /* one counter after the other; peaks NULL: as rows */
};

struct query {
	struct stats *s;
	stat_query_fn done;
	void *arg;
	struct stat_plan plan;
	size_t n_rows;
	char *daemon;
	struct part *parts;
	size_t n_parts, n_series;
	float *cells; /* of all parts */
};

static void
query_free(struct query *q)
{
	for (size_t i = 0; i < q->n_parts; i++)
		free(q->parts[i].path);
	free(q->parts);
	free(q->cells);
	free(q->daemon);
	free(q);
}

/* ---- files, on the worker ---- */

static int
run(void *arg)
{
	struct query *q = arg;

	for (size_t i = 0; i < q->n_parts; i++) {
		struct part *p = &q->parts[i];
		struct rrd_range r = {
			.of = RRD_AVERAGE,
			.row_s = q->plan.row_s,
			.first_s = q->plan.first_s,
			.last_s = q->plan.last_s,
			.counters = p->counters,
			.n_counters = p->n_counters,
		};
		struct err e = ERR_INIT;
		int rc = rrd_file_read(&p->file, &r, p->rows, &e);

		r.of = RRD_MAX;
		if (!rc && p->peaks)
			rc = rrd_file_read(&p->file, &r, p->peaks, &e);
		/* What cannot be read is a gap: writing sees to the file. */
		if (rc && rc != ERR_NOT_FOUND)
			log_debug("stats", "%s", e.msg);
	}
	return 0;
}

/* ---- memory ---- */

/* What the ring knows of a row, which may be more than the file does. */
static void
overlay_row(const struct stat_ring *r, const struct query *q, uint64_t end_slot,
    uint32_t counter, float *row, float *peak)
{
	uint64_t n = q->plan.row_s / q->s->step_s, known = 0;
	float max = NAN;
	double sum = 0;

	if (end_slot - n + 1 < stat_ring_oldest(r) && !isnan(*row))
		return;
	for (uint64_t slot = end_slot - n + 1; slot <= end_slot; slot++) {
		float v = stat_ring_get(r, slot, counter);

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
overlay(const struct query *q, const struct part *p)
{
	const struct stat_object *o = stats_find(q->s, p->id);
	uint32_t step_s = q->s->step_s;
	size_t skip = 0;

	if (!o || !stat_ring_newest(o->ring))
		return;
	/* Rows before the ring's first slot are the file's alone. */
	if (stat_ring_oldest(o->ring) * step_s > q->plan.first_s)
		skip = (stat_ring_oldest(o->ring) * step_s - q->plan.first_s) /
		       q->plan.row_s;
	for (size_t k = 0; k < p->n_counters; k++) {
		for (size_t i = skip; i < q->n_rows; i++) {
			size_t at = k * q->n_rows + i;
			uint64_t end_s = q->plan.first_s + i * q->plan.row_s;

			overlay_row(o->ring, q, end_s / step_s, p->counters[k],
			    &p->rows[at], p->peaks ? &p->peaks[at] : NULL);
		}
	}
}

static bool
is_in_memory(const struct query *q)
{
	if (q->plan.row_s != q->s->step_s)
		return false;
	for (size_t i = 0; i < q->n_parts; i++) {
		const struct stat_object *o = stats_find(q->s, q->parts[i].id);

		if (!o || !stat_ring_newest(o->ring) ||
		    stat_ring_oldest(o->ring) * q->s->step_s > q->plan.first_s)
			return false;
	}
	return true;
}

/* ---- the answer ---- */

static void
scale(float *v, size_t n, float by)
{
	for (size_t i = 0; i < n; i++)
		v[i] *= by;
}

static void
add_series(const struct query *q, const struct part *p, size_t k,
    struct stat_series *to, float *room)
{
	size_t n = stat_plan_values(&q->plan);
	uint32_t interval_s = q->plan.row_s * q->plan.rows_each;

	to->id = p->id;
	to->metric = metric_at(p->counters[k]);
	to->values = (struct stat_reduced){ room, room + n, room + 2 * n };
	stat_reduce(&q->plan, p->rows + k * q->n_rows,
	    p->peaks ? p->peaks + k * q->n_rows : NULL, &to->values);
	/* What is kept is how much there was in a second. */
	if (to->metric->kind == METRIC_DELTA)
		scale(room, 3 * n, (float)interval_s);
}

static void
answer(struct query *q)
{
	size_t n = stat_plan_values(&q->plan), at = 0;
	AUTO_FREE struct stat_series *series =
	    xcalloc(q->n_series + 1, sizeof(*series));
	AUTO_FREE float *room = xcalloc(q->n_series * 3 * n + 1, sizeof(*room));
	uint32_t interval_s = q->plan.row_s * q->plan.rows_each;
	const struct stat_answer a = {
		.first_s = q->plan.first_s + interval_s - q->plan.row_s,
		.interval_s = interval_s,
		.n_values = n,
		.series = series,
		.n_series = q->n_series,
	};

	for (size_t i = 0; i < q->n_parts; i++) {
		const struct part *p = &q->parts[i];

		overlay(q, p);
		for (size_t k = 0; k < p->n_counters; k++, at++)
			add_series(q, p, k, &series[at], room + at * 3 * n);
	}
	q->done(q->arg, 0, NULL, &a);
	query_free(q);
}

static void
on_read(void *arg, int rc)
{
	struct query *q = arg;
	struct err e = ERR_INIT;

	if (!rc) {
		answer(q);
		return;
	}
	err_set(&e, ERR_UNAVAILABLE, "the server is about to stop");
	q->done(q->arg, e.code, &e, NULL);
	query_free(q);
}

static void
on_at_hand(void *arg)
{
	answer(arg);
}

static void
add_part(struct query *q, const struct stat_ask *ask, obj_id id)
{
	unsigned objects = stats_objects_of(q->s->inv, id);
	struct part *p = &q->parts[q->n_parts++];

	p->id = id;
	p->path = stats_path(q->s, id);
	p->file = (struct rrd_file){ p->path, q->daemon, q->s->step_s, objects };
	for (size_t i = 0; i < ask->n_counters; i++) {
		if (metric_at(ask->counters[i])->objects & objects)
			p->counters[p->n_counters++] = ask->counters[i];
	}
	q->n_series += p->n_counters;
}

static void
make_cells(struct query *q)
{
	bool has_peaks = q->plan.row_s != q->s->step_s;
	size_t n = q->n_series * q->n_rows * (has_peaks ? 2 : 1);
	float *at = q->cells = xcalloc(n + 1, sizeof(*q->cells));

	for (size_t i = 0; i < n; i++)
		at[i] = NAN;
	for (size_t i = 0; i < q->n_parts; i++) {
		struct part *p = &q->parts[i];

		p->rows = at;
		at += p->n_counters * q->n_rows;
		if (!has_peaks)
			continue;
		p->peaks = at;
		at += p->n_counters * q->n_rows;
	}
}

static struct query *
query_new(struct stats *s, const struct stat_ask *ask, const struct stat_plan *plan)
{
	struct query *q = xcalloc(1, sizeof(*q));

	q->s = s;
	q->plan = *plan;
	q->n_rows = stat_plan_rows(plan);
	q->daemon = xstrdup(s->daemon);
	q->parts = xcalloc(ask->n_ids + 1, sizeof(*q->parts));
	for (size_t i = 0; i < ask->n_ids; i++)
		add_part(q, ask, ask->ids[i]);
	make_cells(q);
	return q;
}

static int
check_size(const struct stat_ask *ask, size_t n_rows, struct err *e)
{
	if (ask->n_ids * ask->n_counters * n_rows <= STAT_CELLS_MAX)
		return 0;
	return err_set(e, ERR_TOO_LARGE,
	    "%zu counters of %zu objects in %zu rows are asked: at most %u values are "
	    "read at once, so ask for a longer interval",
	    ask->n_counters, ask->n_ids, n_rows, STAT_CELLS_MAX);
}

int
stats_query(struct stats *s, const struct stat_ask *ask, stat_query_fn done, void *arg,
    struct err *e)
{
	uint64_t now_s = clock_wall_ms(loop_clock(s->loop)) / MS_PER_S;
	struct query *q;
	struct stat_plan plan;
	int rc = stat_plan(&ask->want, s->step_s, now_s, &plan, e);

	if (!rc)
		rc = check_size(ask, stat_plan_rows(&plan), e);
	if (!rc && !s->workers)
		rc = err_set(e, ERR_UNAVAILABLE, "the server is about to stop");
	if (rc)
		return rc;
	q = query_new(s, ask, &plan);
	q->done = done;
	q->arg = arg;
	if (is_in_memory(q)) {
		post_call(s->loop, on_at_hand, q);
		return 0;
	}
	rc = worker_run(s->workers, run, on_read, q, e);
	if (rc)
		query_free(q);
	return rc;
}
