#include "server/stats/stat_group.h"

#include <math.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/stats/stat_scan.h"

/* One counter of one group. */
struct joined {
	double *sum; /* NULL: it has no sample */
	float *min, *max, *peak;
	uint32_t *known;
};

struct group {
	obj_id id;
	struct joined counters[METRIC_MAX]; /* in order of what is asked */
};

struct grouping {
	stat_query_fn done;
	void *arg;
	struct stat_plan plan;
	size_t n_rows;
	bool joins;
	enum stat_join how;
	uint8_t counters[METRIC_MAX];
	size_t n_counters;
	struct group *groups;
	size_t n_groups;
	uint32_t *group_of; /* by place in the question; UINT32_MAX: none */
};

static void
joined_fini(struct joined *j)
{
	free(j->sum);
	free(j->min);
	free(j->max);
	free(j->peak);
	free(j->known);
}

static void
grouping_free(struct grouping *g)
{
	for (size_t i = 0; i < g->n_groups; i++) {
		for (size_t k = 0; k < g->n_counters; k++)
			joined_fini(&g->groups[i].counters[k]);
	}
	free(g->groups);
	free(g->group_of);
	free(g);
}

/* ---- as objects come ---- */

static void
joined_init(struct joined *j, size_t n)
{
	j->sum = xcalloc(n, sizeof(*j->sum));
	j->min = xcalloc(n, sizeof(*j->min));
	j->max = xcalloc(n, sizeof(*j->max));
	j->peak = xcalloc(n, sizeof(*j->peak));
	j->known = xcalloc(n, sizeof(*j->known));
}

static void
join(struct joined *j, const float *rows, const float *peaks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float v = rows[i], peak = peaks ? fmaxf(peaks[i], v) : v;
		bool first = !j->known[i];

		if (isnan(v))
			continue;
		j->known[i]++;
		j->sum[i] += (double)v;
		j->min[i] = first || v < j->min[i] ? v : j->min[i];
		j->max[i] = first || v > j->max[i] ? v : j->max[i];
		j->peak[i] = first || peak > j->peak[i] ? peak : j->peak[i];
	}
}

static void
on_each(void *arg, size_t at, const struct stat_rows *r)
{
	struct grouping *g = arg;

	if (g->group_of[at] == UINT32_MAX)
		return;
	for (size_t k = 0; k < r->n_counters; k++) {
		const uint8_t *p = memchr(g->counters, r->counters[k], g->n_counters);
		struct joined *j =
		    &g->groups[g->group_of[at]].counters[p - g->counters];

		if (!j->sum)
			joined_init(j, g->n_rows);
		join(j, r->rows + k * g->n_rows,
		    r->peaks ? r->peaks + k * g->n_rows : NULL, g->n_rows);
	}
}

/* ---- the answer ---- */

/* Shares of something do not add up. */
static enum stat_join
how_of(const struct grouping *g, const struct metric *m)
{
	if (g->joins)
		return g->how;
	return str_same(m->sign, "%") ? STAT_MEAN : STAT_SUM;
}

static float
value_of(const struct joined *j, size_t i, enum stat_join how)
{
	if (!j->known[i])
		return NAN;
	switch (how) {
	case STAT_SUM:
		return (float)j->sum[i];
	case STAT_MEAN:
		return (float)(j->sum[i] / j->known[i]);
	case STAT_LOWEST:
		return j->min[i];
	case STAT_HIGHEST:
		break;
	}
	return j->max[i];
}

static void
add_series(const struct grouping *g, const struct group *of, size_t k,
    struct stat_series *to, float *room)
{
	const struct joined *j = &of->counters[k];
	size_t n = stat_plan_values(&g->plan);
	AUTO_FREE float *rows = xcalloc(g->n_rows + 1, sizeof(*rows));
	uint32_t interval_s = g->plan.row_s * g->plan.rows_each;
	enum stat_join how;

	to->id = of->id;
	to->metric = metric_at(g->counters[k]);
	to->values = (struct stat_reduced){ room, room + n, room + 2 * n };
	how = how_of(g, to->metric);
	for (size_t i = 0; i < g->n_rows; i++)
		rows[i] = value_of(j, i, how);
	/* Peaks of several are not at one moment: only the highest has one. */
	stat_reduce(&g->plan, rows, how == STAT_HIGHEST ? j->peak : NULL, &to->values);
	for (size_t i = 0; to->metric->kind == METRIC_DELTA && i < 3 * n; i++)
		room[i] *= (float)interval_s;
}

static size_t
count_series(const struct grouping *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n_groups * g->n_counters; i++)
		n += g->groups[i / g->n_counters].counters[i % g->n_counters].sum !=
		     NULL;
	return n;
}

static void
answer(const struct grouping *g)
{
	size_t n_series = count_series(g), n = stat_plan_values(&g->plan), at = 0;
	AUTO_FREE struct stat_series *series = xcalloc(n_series + 1, sizeof(*series));
	AUTO_FREE float *room = xcalloc(n_series * 3 * n + 1, sizeof(*room));
	uint32_t interval_s = g->plan.row_s * g->plan.rows_each;
	const struct stat_answer a = {
		.first_s = g->plan.first_s + interval_s - g->plan.row_s,
		.interval_s = interval_s,
		.n_values = n,
		.series = series,
		.n_series = n_series,
	};

	for (size_t i = 0; i < g->n_groups; i++) {
		for (size_t k = 0; k < g->n_counters; k++) {
			if (!g->groups[i].counters[k].sum)
				continue;
			add_series(g, &g->groups[i], k, &series[at], room + at * 3 * n);
			at++;
		}
	}
	g->done(g->arg, 0, NULL, &a);
}

static void
on_end(void *arg, int rc, const struct err *e)
{
	struct grouping *g = arg;

	if (rc)
		g->done(g->arg, rc, e, NULL);
	else
		answer(g);
	grouping_free(g);
}

/* ---- the question ---- */

static void
number_groups(struct grouping *g, const struct stat_group_ask *ask)
{
	size_t n = ask->of.n_ids;
	AUTO_FREE uint32_t *numbers = xcalloc(n + 1, sizeof(*numbers));
	struct map *seen = map_new_u64();

	g->group_of = xcalloc(n + 1, sizeof(*g->group_of));
	g->groups = xcalloc(1, sizeof(*g->groups));
	for (size_t i = 0; i < n; i++) {
		obj_id id = ask->groups[i];
		uint32_t *number = map_get(seen, id.v);

		g->group_of[i] = UINT32_MAX;
		if (obj_id_none(id))
			continue;
		if (!number) {
			g->groups = xreallocarray(
			    g->groups, g->n_groups + 1, sizeof(*g->groups));
			g->groups[g->n_groups] = (struct group){ .id = id };
			number = &numbers[g->n_groups];
			*number = (uint32_t)g->n_groups++;
			map_put(seen, id.v, number);
		}
		g->group_of[i] = *number;
	}
	map_free(seen);
}

int
stats_group(struct stats *s, const struct stat_group_ask *ask, stat_query_fn done,
    void *arg, struct err *e)
{
	static const struct stat_scan_fns fns = { on_each, on_end };
	struct stat_scan_ask scan = { ask->of.ids, ask->of.n_ids, ask->of.counters,
		ask->of.n_counters, { 0 } };
	int rc = stats_plan(s, &ask->of.want, &scan.plan, e);
	struct grouping *g;

	if (rc)
		return rc;
	g = xcalloc(1, sizeof(*g));
	g->done = done;
	g->arg = arg;
	g->plan = scan.plan;
	g->n_rows = stat_plan_rows(&scan.plan);
	g->joins = ask->joins;
	g->how = ask->how;
	g->n_counters = ask->of.n_counters;
	memcpy(g->counters, ask->of.counters, g->n_counters);
	number_groups(g, ask);
	if (g->n_groups * g->n_counters * g->n_rows > STAT_CELLS_MAX / 4) {
		rc = err_set(e, ERR_TOO_LARGE,
		    "%zu counters of %zu groups in %zu rows are asked: at most %u "
		    "values are joined at once, so ask for a longer interval",
		    g->n_counters, g->n_groups, g->n_rows, STAT_CELLS_MAX / 4);
	}
	if (!rc)
		rc = stats_scan(s, &scan, &fns, g, e);
	if (rc)
		grouping_free(g);
	return rc;
}
