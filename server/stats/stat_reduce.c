#include "server/stats/stat_reduce.h"

#include <math.h>

#include "server/stats/rrd_file.h"

static uint32_t
row_of(size_t archive, uint32_t step_s)
{
	return stat_archives[archive].row_s ? stat_archives[archive].row_s : step_s;
}

/* The finest that reaches back to the start; no finer than what is asked. */
static uint32_t
choose(const struct stat_want *w, uint32_t step_s, uint64_t now_s)
{
	uint64_t back_s = now_s > w->start_s ? now_s - w->start_s : 0;
	uint32_t row_s = step_s;

	for (size_t i = 0; i < STAT_ARCHIVES; i++) {
		row_s = row_of(i, step_s);
		if (stat_archives[i].length_s < back_s)
			continue;
		if (i + 1 == STAT_ARCHIVES || w->interval_s < row_of(i + 1, step_s))
			break;
	}
	return row_s;
}

static uint64_t
round_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) / to * to;
}

int
stat_plan(const struct stat_want *w, uint32_t step_s, uint64_t now_s,
    struct stat_plan *ret, struct err *e)
{
	struct stat_plan p = { .row_s = choose(w, step_s, now_s), .rows_each = 1 };
	uint64_t end_s = w->end_s && w->end_s < now_s ? w->end_s : now_s;
	uint64_t each_s, rows;

	if (w->end_s && w->end_s <= w->start_s)
		return err_set(e, ERR_RANGE, "the end is not after the start");
	if (end_s < w->start_s)
		return err_set(e, ERR_RANGE, "the start is still to come");
	if (w->interval_s > p.row_s)
		p.rows_each = (w->interval_s + p.row_s - 1) / p.row_s;
	rows = (end_s - w->start_s) / p.row_s;
	if (w->points && rows / p.rows_each > w->points)
		p.rows_each = (uint32_t)((rows + w->points - 1) / w->points);
	each_s = (uint64_t)p.row_s * p.rows_each;
	/* The last value is whole; where there is none yet, the one that began. */
	p.last_s = end_s / each_s * each_s;
	p.first_s = round_up(w->start_s + 1, each_s);
	if (p.last_s < p.first_s)
		p.last_s = p.first_s;
	p.first_s -= each_s - p.row_s;
	*ret = p;
	return 0;
}

size_t
stat_plan_rows(const struct stat_plan *p)
{
	return (p->last_s - p->first_s) / p->row_s + 1;
}

size_t
stat_plan_values(const struct stat_plan *p)
{
	return stat_plan_rows(p) / p->rows_each;
}

void
stat_reduce(const struct stat_plan *p, const float *rows, const float *peaks,
    const struct stat_reduced *to)
{
	size_t n = stat_plan_values(p);

	for (size_t i = 0; i < n; i++) {
		float min = NAN, max = NAN;
		uint32_t known = 0;
		double sum = 0;

		for (size_t k = i * p->rows_each; k < (i + 1) * p->rows_each; k++) {
			if (isnan(rows[k]))
				continue;
			known++;
			sum += (double)rows[k];
			min = fminf(min, rows[k]);
			max = fmaxf(max, rows[k]);
			if (peaks)
				max = fmaxf(max, peaks[k]);
		}
		to->average[i] = known ? (float)(sum / known) : NAN;
		to->min[i] = min;
		to->max[i] = max;
	}
}
