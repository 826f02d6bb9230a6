#include "server/stats/stat_digest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define PER_CENT 100.0

void
stat_digest_of(const float *rows, const float *peaks, size_t n, struct stat_digest *ret)
{
	float min = INFINITY, max = -INFINITY;
	size_t samples = 0;
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		float peak = peaks && peaks[i] > rows[i] ? peaks[i] : rows[i];

		if (isnan(rows[i]))
			continue;
		samples++;
		sum += (double)rows[i];
		min = rows[i] < min ? rows[i] : min;
		max = peak > max ? peak : max;
	}
	*ret = (struct stat_digest){
		.average = samples ? (float)(sum / (double)samples) : NAN,
		.min = samples ? min : NAN,
		.max = samples ? max : NAN,
		.sum = sum,
		.samples = samples,
		.p50 = NAN,
		.p95 = NAN,
		.p99 = NAN,
	};
}

size_t
stat_known(const float *rows, size_t n, float *ret_v)
{
	size_t known = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isnan(rows[i]))
			ret_v[known++] = rows[i];
	}
	return known;
}

/* The value of that rank; all before it are no higher, all behind it no lower. */
static float
select_rank(float *v, size_t n, size_t rank)
{
	size_t low = 0, high = n - 1;

	while (low < high) {
		float pivot = v[low + (high - low) / 2];
		size_t i = low, k = high;

		while (i <= k) {
			while (v[i] < pivot)
				i++;
			while (v[k] > pivot)
				k--;
			if (i > k)
				break;
			float kept = v[i];
			v[i++] = v[k];
			v[k] = kept;
			if (!k)
				break;
			k--;
		}
		if (rank <= k)
			high = k;
		else if (rank >= i)
			low = i;
		else
			break;
	}
	return v[rank];
}

float
stat_percentile(float *v, size_t n, double percent)
{
	double rank = ceil(percent * (double)n / PER_CENT);

	if (!n)
		return NAN;
	return select_rank(v, n,
	    rank < 1           ? 0
	    : rank > (double)n ? n - 1
			       : (size_t)rank - 1);
}

void
stat_digest_fill(const float *rows, size_t n, float *room, struct stat_digest *d)
{
	size_t known = stat_known(rows, n, room);

	d->p50 = stat_percentile(room, known, 50);
	d->p95 = stat_percentile(room, known, 95);
	d->p99 = stat_percentile(room, known, 99);
}

int
stat_by_parse(const char *s, struct stat_by *ret, struct err *e)
{
	static const char *const names[] = { "average", "min", "max" };
	char *end = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (str_same(s, names[i])) {
			*ret = (struct stat_by){ (enum stat_by_what)i, 0 };
			return 0;
		}
	}
	if (s[0] == 'p' && s[1 + strspn(s + 1, "0123456789.")] == '\0') {
		double percent = strtod(s + 1, &end);

		if (!*end && percent > 0 && percent <= PER_CENT) {
			*ret = (struct stat_by){ STAT_BY_PERCENTILE, percent };
			return 0;
		}
	}
	return err_set(e, ERR_INVALID,
	    "\"%.40s\" is not average, min, max or a percentile such as p95", s);
}

/* ---- who is first ---- */

static bool
is_before(
    const struct stat_table *t, float value, obj_id id, const struct stat_place *p)
{
	if (value != p->value)
		return t->lowest ? value < p->value : value > p->value;
	return id.v < p->id.v;
}

size_t
stat_table_find(const struct stat_table *t, float value, obj_id id)
{
	size_t at = t->n;

	while (at && is_before(t, value, id, &t->v[at - 1]))
		at--;
	return at;
}

void
stat_table_put(struct stat_table *t, size_t at, const struct stat_place *p)
{
	if (at >= t->max)
		return;
	if (t->n < t->max)
		t->n++;
	memmove(&t->v[at + 1], &t->v[at], (t->n - at - 1) * sizeof(*t->v));
	t->v[at] = *p;
}
