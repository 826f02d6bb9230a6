/*
 * rrd_file: one object's history, in a round-robin file.
 *
 * The only place that knows librrd.  A file has a source for each counter of the
 * object's kind and the archives of stat_archives; what is of another layout is made
 * anew with what it holds (ADR 0036).  Every call blocks: for workers.  Through
 * rrdcached where daemon is its address; "" is without.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "base/metric.h"

/* How long what is kept, and how fine. */
struct stat_archive {
	const char *name; /* vSphere's, or ours */
	uint32_t row_s;   /* 0: the step of sampling */
	uint32_t length_s;
};

#define STAT_ARCHIVES 5u

extern const struct stat_archive stat_archives[STAT_ARCHIVES]; /* finest first */

struct rrd_file {
	const char *path;
	const char *daemon;
	uint32_t step_s;
	unsigned objects; /* METRIC_OF_…: its counters, in order of their numbers */
};

/* Rows of all its counters, one after the other; NaN is a gap. */
struct rrd_rows {
	uint64_t first; /* slot of the first */
	size_t n;
	const float *v;
};

/*
 * See that it is there and of its layout; made where it is absent, with room from slot
 * first on.  ret_last: the newest slot in it.  ERR_CORRUPT: it is no such file.
 */
int rrd_file_open(const struct rrd_file *f, uint64_t first, uint64_t *ret_last,
    struct err *e) WARN_UNUSED;
/* Rows after the newest in it.  ERR_UNAVAILABLE: the daemon does not answer. */
int rrd_file_add(
    const struct rrd_file *f, const struct rrd_rows *rows, struct err *e) WARN_UNUSED;

enum rrd_of { RRD_AVERAGE, RRD_MAX };

struct rrd_range {
	enum rrd_of of;
	uint32_t row_s;
	uint64_t first_s, last_s; /* ends of the first and the last row */
	const uint8_t *counters;
	size_t n_counters;
};

/*
 * The rows of each counter, one counter after the other, into ret_v, which has room for
 * n_counters times (last_s - first_s) / row_s + 1; NaN where there is nothing.
 * ERR_NOT_FOUND: there is no file.
 */
int rrd_file_read(const struct rrd_file *f, const struct rrd_range *r, float *ret_v,
    struct err *e) WARN_UNUSED;
/* Let the daemon write and forget it, before it goes to another place. */
void rrd_file_leave(const struct rrd_file *f);
