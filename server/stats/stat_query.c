#include "server/stats/stat_query.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "server/stats/stat_rows.h"
#include "server/stats/stats_int.h"

#define MS_PER_S    1000u
#define CELLS_SLICE 100000u /* made into values in one turn */

struct query {
	struct list_node node; /* in stats->queries */
	struct stats *s;
	stat_query_fn done;
	void *arg;
	struct stat_plan plan;
	size_t n_rows;
	char *daemon;
	struct stat_rows *parts;
	size_t n_parts, n_series;
	float *cells; /* of all parts */
	struct timer *slice;
	/* The answer, as far as it has come. */
	struct stat_series *series;
	float *room;
	size_t part, counter, at; /* what is next, and which series it is */
};

static void
query_free(struct query *q)
{
	list_remove(&q->node);
	timer_free(q->slice);
	free(q->series);
	free(q->room);
	for (size_t i = 0; i < q->n_parts; i++)
		stat_rows_fini(&q->parts[i]);
	free(q->parts);
	free(q->cells);
	free(q->daemon);
	free(q);
}

static int
run(void *arg)
{
	struct query *q = arg;

	for (size_t i = 0; i < q->n_parts; i++)
		stat_rows_read(&q->parts[i], &q->plan);
	return 0;
}

static bool
is_in_memory(const struct query *q)
{
	for (size_t i = 0; i < q->n_parts; i++) {
		const struct stat_rows *p = &q->parts[i];

		if (p->path && !stat_rows_in_memory(q->s, p->id, &q->plan))
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
add_series(const struct query *q, const struct stat_rows *p, size_t k,
    struct stat_series *to, float *room)
{
	size_t n = stat_plan_values(&q->plan);
	uint32_t interval_s = q->plan.row_s * q->plan.rows_each;

	to->id = p->id;
	memcpy(to->instance, p->instance, sizeof(to->instance));
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
	uint32_t interval_s = q->plan.row_s * q->plan.rows_each;
	const struct stat_answer a = {
		.first_s = q->plan.first_s + interval_s - q->plan.row_s,
		.interval_s = interval_s,
		.n_values = stat_plan_values(&q->plan),
		.series = q->series,
		.n_series = q->n_series,
	};

	q->done(q->arg, 0, NULL, &a);
	query_free(q);
}

/* One series more; false: there is none. */
static bool
step(struct query *q)
{
	size_t n = stat_plan_values(&q->plan);
	struct stat_rows *p;

	while (q->part < q->n_parts && q->counter == q->parts[q->part].n_counters) {
		q->part++;
		q->counter = 0;
	}
	if (q->part == q->n_parts)
		return false;
	p = &q->parts[q->part];
	stat_rows_overlay(p, q->s, &q->plan, q->counter);
	add_series(q, p, q->counter, &q->series[q->at], q->room + q->at * 3 * n);
	q->counter++;
	q->at++;
	return true;
}

static void
on_slice(void *arg)
{
	struct query *q = arg;

	if (!q->series) {
		q->series = xcalloc(q->n_series + 1, sizeof(*q->series));
		q->room = xcalloc(
		    q->n_series * 3 * stat_plan_values(&q->plan) + 1, sizeof(*q->room));
	}
	for (size_t cells = 0; cells < CELLS_SLICE; cells += q->n_rows) {
		if (step(q))
			continue;
		answer(q);
		return;
	}
	timer_after(q->slice, 0);
}

static void
stop(struct query *q)
{
	struct err e = ERR_INIT;

	err_set(&e, ERR_UNAVAILABLE, "the server is about to stop");
	q->done(q->arg, e.code, &e, NULL);
	query_free(q);
}

static void
on_read(void *arg, int rc)
{
	struct query *q = arg;

	if (rc)
		stop(q);
	else
		on_slice(q);
}

void
stat_query_close(struct stats *s)
{
	LIST_EACH_SAFE(struct query, q, &s->queries, node)
		stop(q);
}

/* of NULL: the object itself. */
static void
add_part(struct query *q, const struct stat_ask *ask, obj_id id,
    const struct stat_instance *of)
{
	struct stat_rows *p;

	/* Room doubles whenever the number is a power of two. */
	if (!(q->n_parts & (q->n_parts - 1)))
		q->parts = xreallocarray(
		    q->parts, q->n_parts ? 2 * q->n_parts : 1, sizeof(*q->parts));
	p = &q->parts[q->n_parts++];
	if (of)
		stat_rows_init_instance(
		    p, q->s, id, of, ask->counters, ask->n_counters);
	else
		stat_rows_init(p, q->s, id, q->daemon, ask->counters, ask->n_counters);
	q->n_series += p->n_counters;
}

static void
add_object(struct query *q, const struct stat_ask *ask, obj_id id)
{
	const struct stat_object *o = stats_find(q->s, id);

	if (!ask->instances || stat_instance_named(ask->instances, ""))
		add_part(q, ask, id, NULL);
	if (!o || !ask->instances)
		return;
	LIST_EACH(struct stat_instance, i, &o->instances, node) {
		if (stat_instance_named(ask->instances, i->name))
			add_part(q, ask, id, i);
	}
}

static void
make_cells(struct query *q)
{
	bool has_peaks = stat_rows_have_peaks(q->s, &q->plan);
	size_t n = q->n_series * q->n_rows * (has_peaks ? 2 : 1);
	float *at = q->cells = xcalloc(n + 1, sizeof(*q->cells));

	for (size_t i = 0; i < n; i++)
		at[i] = NAN;
	for (size_t i = 0; i < q->n_parts; i++) {
		struct stat_rows *p = &q->parts[i];

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
	q->slice = timer_new(s->loop, on_slice, q);
	list_add_tail(&s->queries, &q->node);
	for (size_t i = 0; i < ask->n_ids; i++)
		add_object(q, ask, ask->ids[i]);
	return q;
}

static int
check_size(const struct query *q, struct err *e)
{
	if (q->n_series * q->n_rows <= STAT_CELLS_MAX)
		return 0;
	return err_set(e, ERR_TOO_LARGE,
	    "%zu series of %zu rows each are asked for: at most %u values are read at "
	    "once, so ask for a longer interval",
	    q->n_series, q->n_rows, STAT_CELLS_MAX);
}

int
stats_query(struct stats *s, const struct stat_ask *ask, stat_query_fn done, void *arg,
    struct err *e)
{
	uint64_t now_s = clock_wall_ms(loop_clock(s->loop)) / MS_PER_S;
	struct query *q;
	struct stat_plan plan;
	int rc = stat_plan(&ask->want, s->step_s, now_s, &plan, e);

	if (!rc && !s->workers)
		rc = err_set(e, ERR_UNAVAILABLE, "the server is about to stop");
	if (rc)
		return rc;
	q = query_new(s, ask, &plan);
	rc = check_size(q, e);
	if (rc) {
		query_free(q);
		return rc;
	}
	make_cells(q);
	q->done = done;
	q->arg = arg;
	if (is_in_memory(q)) {
		timer_after(q->slice, 0);
		return 0;
	}
	rc = worker_run(s->workers, run, on_read, q, e);
	if (rc)
		query_free(q);
	return rc;
}

struct stat_answer *
stat_answer_copy(const struct stat_answer *a)
{
	size_t each = 3 * a->n_values;
	size_t lists = sizeof(*a) + a->n_series * sizeof(struct stat_series);
	struct stat_answer *copy =
	    xmalloc(lists + (a->n_series * each + 1) * sizeof(float));
	struct stat_series *series = (struct stat_series *)(void *)(copy + 1);
	float *v = (float *)(void *)((char *)copy + lists);

	*copy = *a;
	copy->series = series;
	for (size_t i = 0; i < a->n_series; i++, v += each) {
		const struct stat_reduced *from = &a->series[i].values;
		const size_t size = a->n_values * sizeof(float);

		series[i] = a->series[i];
		series[i].values =
		    (struct stat_reduced){ v, v + a->n_values, v + 2 * a->n_values };
		memcpy(series[i].values.average, from->average, size);
		memcpy(series[i].values.min, from->min, size);
		memcpy(series[i].values.max, from->max, size);
	}
	return copy;
}
