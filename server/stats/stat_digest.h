/*
 * stat_digest: a range in a few figures, and who is first by one of them.
 *
 * Pure.  Gaps (NaN) count for nothing.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/id.h"

/* Of gaps alone: NaN, and 0 samples. */
struct stat_digest {
	float average, min, max;
	double sum;
	size_t samples;
	float p50, p95, p99; /* of stat_digest_fill alone */
};

/* peaks: those of the rows; NULL: they are their own. */
void stat_digest_of(
    const float *rows, const float *peaks, size_t n, struct stat_digest *ret);
/* The percentiles, too; room has n. */
void stat_digest_fill(const float *rows, size_t n, float *room, struct stat_digest *d);
/*
 * The nearest rank: the lowest value that percent of all do not exceed.  Puts v in
 * another order.  NaN: n is 0.
 */
float stat_percentile(float *v, size_t n, double percent);
/* Those that are values, one after the other; returns how many. */
size_t stat_known(const float *rows, size_t n, float *ret_v);

/* By which figure. */
enum stat_by_what { STAT_BY_AVERAGE, STAT_BY_MIN, STAT_BY_MAX, STAT_BY_PERCENTILE };

struct stat_by {
	enum stat_by_what what;
	double percent;
};

/* "average", "min", "max", "p95", "p99.9". */
int stat_by_parse(const char *s, struct stat_by *ret, struct err *e) WARN_UNUSED;

/* One of those that are first. */
struct stat_place {
	obj_id id;
	float value;
	struct stat_digest d;
};

struct stat_table {
	struct stat_place *v; /* the first first */
	size_t n, max;
	bool lowest; /* is first */
};

/* Where it would stand; t->n == t->max: nowhere.  Of equals the older object is first.
 */
size_t stat_table_find(const struct stat_table *t, float value, obj_id id);
void stat_table_put(struct stat_table *t, size_t at, const struct stat_place *p);
