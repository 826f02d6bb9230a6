#include "server/stats/stat_top.h"

#include <math.h>

#include "base/mem.h"
#include "server/stats/stat_scan.h"

struct top {
	stat_top_fn done;
	void *arg;
	struct stat_plan plan;
	size_t n_rows;
	const struct metric *metric;
	struct stat_by by;
	struct stat_table table;
	size_t n_measured;
	float *room; /* for percentiles */
};

static void
top_free(struct top *t)
{
	free(t->table.v);
	free(t->room);
	free(t);
}

static float
figure(const struct top *t, const struct stat_rows *r, const struct stat_digest *d)
{
	switch (t->by.what) {
	case STAT_BY_AVERAGE:
		return d->average;
	case STAT_BY_MIN:
		return d->min;
	case STAT_BY_MAX:
		return d->max;
	case STAT_BY_PERCENTILE:
		break;
	}
	return stat_percentile(
	    t->room, stat_known(r->rows, t->n_rows, t->room), t->by.percent);
}

/* Rows of what is summed up are kept as what there was in a second. */
static void
scale(const struct top *t, struct stat_place *p)
{
	float by = (float)t->plan.row_s;

	if (t->metric->kind != METRIC_DELTA)
		return;
	p->value *= by;
	p->d.average *= by;
	p->d.min *= by;
	p->d.max *= by;
	p->d.sum *= (double)by;
	p->d.p50 *= by;
	p->d.p95 *= by;
	p->d.p99 *= by;
}

static void
on_each(void *arg, size_t at, const struct stat_rows *r)
{
	struct top *t = arg;
	struct stat_place p = { .id = r->id };
	size_t place;

	stat_digest_of(r->rows, r->peaks, t->n_rows, &p.d);
	if (!p.d.samples)
		return;
	t->n_measured++;
	p.value = figure(t, r, &p.d);
	place = stat_table_find(&t->table, p.value, p.id);
	if (place == t->table.max)
		return;
	stat_digest_fill(r->rows, t->n_rows, t->room, &p.d);
	stat_table_put(&t->table, place, &p);
}

static void
on_end(void *arg, int rc, const struct err *e)
{
	struct top *t = arg;
	const struct stat_top answer = {
		.first_s = t->plan.first_s,
		.last_s = t->plan.last_s,
		.interval_s = t->plan.row_s,
		.metric = t->metric,
		.places = t->table.v,
		.n = t->table.n,
		.n_measured = t->n_measured,
	};

	for (size_t i = 0; i < t->table.n; i++)
		scale(t, &t->table.v[i]);
	t->done(t->arg, rc, e, rc ? NULL : &answer);
	top_free(t);
}

int
stats_top(struct stats *s, const struct stat_top_ask *ask, stat_top_fn done, void *arg,
    struct err *e)
{
	static const struct stat_scan_fns fns = { on_each, on_end };
	const uint8_t counter = (uint8_t)ask->counter;
	struct stat_scan_ask scan = { ask->ids, ask->n_ids, &counter, 1, { 0 } };
	struct stat_want want = ask->want;
	struct top *t;
	int rc;

	want.points = 0;
	rc = stats_plan(s, &want, &scan.plan, e);
	if (rc)
		return rc;
	t = xcalloc(1, sizeof(*t));
	t->done = done;
	t->arg = arg;
	t->plan = scan.plan;
	t->n_rows = stat_plan_rows(&scan.plan);
	t->metric = metric_at(ask->counter);
	t->by = ask->by;
	t->table.max = ask->n;
	t->table.lowest = ask->lowest;
	t->table.v = xcalloc(ask->n + 1, sizeof(*t->table.v));
	t->room = xcalloc(t->n_rows + 1, sizeof(*t->room));
	rc = stats_scan(s, &scan, &fns, t, e);
	if (rc)
		top_free(t);
	return rc;
}
