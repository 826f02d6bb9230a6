#include "server/stats/rrd_file.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rrd.h>
#include <rrd_client.h>

#include "base/mem.h"
#include "base/str.h"

#define HOUR_S UINT32_C(3600)
#define DAY_S  (24 * HOUR_S)
#define DS_MAX 20 /* of a source's name, librrd's */

/* Each but the finest also keeps the peaks of its rows. */
const struct stat_archive stat_archives[STAT_ARCHIVES] = {
	{ "Realtime", 0, DAY_S },
	{ "Past Day", 300, 7 * DAY_S },
	{ "Past Week", 1800, 60 * DAY_S },
	{ "Past Month", 2 * HOUR_S, 365 * DAY_S },
	{ "Past Year", DAY_S, 3650 * DAY_S },
};

static int
fail(struct err *e, int code, const char *what, const char *path)
{
	int rc = err_set(e, code, "cannot %s %s: %s", what, path, rrd_get_error());

	rrd_clear_error();
	return rc;
}

/* ---- layout ---- */

struct layout {
	char text[METRIC_MAX + 2 * STAT_ARCHIVES][64];
	const char *args[METRIC_MAX + 2 * STAT_ARCHIVES];
	int n;
	uint8_t counters[METRIC_MAX];
	size_t n_counters;

	struct {
		const char *cf;
		uint32_t steps, rows;
	} archive[2 * STAT_ARCHIVES];

	size_t n_archives;
};

static void
add_archive(struct layout *l, const char *cf, uint32_t step_s, size_t i)
{
	uint32_t row_s = stat_archives[i].row_s ? stat_archives[i].row_s : step_s;
	uint32_t steps = row_s / step_s;
	uint32_t rows = stat_archives[i].length_s / row_s;

	l->archive[l->n_archives].cf = cf;
	l->archive[l->n_archives].steps = steps;
	l->archive[l->n_archives++].rows = rows;
	snprintf(l->text[l->n], sizeof(l->text[0]), "RRA:%s:0.5:%" PRIu32 ":%" PRIu32,
	    cf, steps, rows);
	l->args[l->n] = l->text[l->n];
	l->n++;
}

static void
layout_of(const struct rrd_file *f, struct layout *l)
{
	l->n = 0;
	l->n_archives = 0;
	l->n_counters = metrics_of(f->objects, l->counters);
	for (size_t i = 0; i < l->n_counters; i++) {
		snprintf(l->text[l->n], sizeof(l->text[0]), "DS:m%u:GAUGE:%u:0:U",
		    l->counters[i], 2 * f->step_s);
		l->args[l->n] = l->text[l->n];
		l->n++;
	}
	for (size_t i = 0; i < STAT_ARCHIVES; i++)
		add_archive(l, "AVERAGE", f->step_s, i);
	for (size_t i = 1; i < STAT_ARCHIVES; i++)
		add_archive(l, "MAX", f->step_s, i);
}

static const rrd_info_t *
info_of(const rrd_info_t *all, const char *group, unsigned n, const char *part)
{
	char key[64];

	if (*group)
		snprintf(key, sizeof(key), "%s%u].%s", group, n, part);
	else
		snprintf(key, sizeof(key), "%s", part);
	while (all && !str_same(all->key, key))
		all = all->next;
	return all;
}

static bool
has_count(const rrd_info_t *all, const char *group, unsigned n, const char *part,
    unsigned long v)
{
	const rrd_info_t *i = info_of(all, group, n, part);

	return i && i->type == RD_I_CNT && i->value.u_cnt == v;
}

static bool
fits(const rrd_info_t *all, const struct rrd_file *f, const struct layout *l)
{
	if (!has_count(all, "", 0, "step", f->step_s))
		return false;
	for (unsigned i = 0; i < l->n_counters; i++) {
		if (!has_count(all, "ds[m", l->counters[i], "index", i))
			return false;
	}
	for (unsigned i = 0; i < l->n_archives; i++) {
		const rrd_info_t *cf = info_of(all, "rra[", i, "cf");

		if (!cf || cf->type != RD_I_STR ||
		    !str_same(cf->value.u_str, l->archive[i].cf) ||
		    !has_count(all, "rra[", i, "rows", l->archive[i].rows) ||
		    !has_count(all, "rra[", i, "pdp_per_row", l->archive[i].steps))
			return false;
	}
	return !info_of(all, "rra[", (unsigned)l->n_archives, "cf");
}

/* ---- making ---- */

static bool
has_daemon(const struct rrd_file *f)
{
	return *f->daemon != '\0';
}

/* Beside its place first: a file is whole or not there. */
static int
make(const struct rrd_file *f, struct layout *l, uint64_t last, const char *old,
    struct err *e)
{
	AUTO_FREE char *fresh = xasprintf("%s.new", f->path);
	const char *sources[] = { old, NULL };
	/* librrd's own guess is now. */
	time_t last_up = old ? rrd_last_r(old) : (time_t)(last * f->step_s);

	if (rrd_create_r2(fresh, f->step_s, last_up, 0, old ? sources : NULL, NULL,
		l->n, l->args)) {
		(void)unlink(fresh);
		return fail(e, ERR_IO, "make", f->path);
	}
	if (rename(fresh, f->path))
		return err_sys(e, ERR_IO, errno, "cannot rename %s", fresh);
	return 0;
}

static int
open_daemon(const struct rrd_file *f, struct err *e)
{
	if (has_daemon(f) && rrdc_connect(f->daemon))
		return fail(e, ERR_UNAVAILABLE, "reach rrdcached at", f->daemon);
	return 0;
}

void
rrd_file_leave(const struct rrd_file *f)
{
	/* A daemon that does not know the file has nothing to write. */
	if (has_daemon(f) && !rrdc_connect(f->daemon)) {
		(void)rrdc_flush(f->path);
		(void)rrdc_forget(f->path);
	}
	rrd_clear_error();
}

int
rrd_file_open(
    const struct rrd_file *f, uint64_t first, uint64_t *ret_last, struct err *e)
{
	AUTO_FREE struct layout *l = xmalloc(sizeof(*l));
	rrd_info_t *info;
	bool fit;
	int rc = open_daemon(f, e);

	if (rc)
		return rc;
	layout_of(f, l);
	if (access(f->path, F_OK)) {
		rc = make(f, l, first - 1, NULL, e);
		if (!rc)
			*ret_last = first - 1;
		return rc;
	}
	/* What the daemon holds back is newer than what the file says. */
	if (has_daemon(f))
		(void)rrdc_flush(f->path);
	rrd_clear_error();
	info = rrd_info_r(f->path);
	if (!info)
		return fail(e, ERR_CORRUPT, "read", f->path);
	fit = fits(info, f, l);
	rrd_info_free(info);
	if (!fit) {
		rrd_file_leave(f);
		rc = make(f, l, 0, f->path, e);
	}
	if (!rc)
		*ret_last = (uint64_t)rrd_last_r(f->path) / f->step_s;
	return rc;
}

/* ---- adding ---- */

static void
row_text(const struct rrd_file *f, const struct rrd_rows *rows, size_t i, size_t width,
    struct str *out)
{
	str_addf(out, "%" PRIu64, (rows->first + i) * f->step_s);
	for (size_t k = 0; k < width; k++) {
		float v = rows->v[i * width + k];

		if (isnan(v))
			str_add(out, ":U");
		else
			str_addf(out, ":%.7g", (double)v);
	}
}

int
rrd_file_add(const struct rrd_file *f, const struct rrd_rows *rows, struct err *e)
{
	uint8_t counters[METRIC_MAX];
	size_t width = metrics_of(f->objects, counters);
	struct str *text = xcalloc(rows->n + 1, sizeof(*text));
	const char **list = xcalloc(rows->n + 1, sizeof(*list));
	int rc = open_daemon(f, e);

	for (size_t i = 0; i < rows->n; i++) {
		row_text(f, rows, i, width, &text[i]);
		list[i] = str_cstr(&text[i]);
	}
	if (!rc && rows->n && has_daemon(f)) {
		if (rrdc_update(f->path, (int)rows->n, list))
			rc = fail(e, ERR_UNAVAILABLE, "give rrdcached", f->path);
	} else if (!rc && rows->n) {
		if (rrd_updatex_r(
			f->path, NULL, RRD_SKIP_PAST_UPDATES, (int)rows->n, list))
			rc = fail(e, ERR_IO, "write", f->path);
	}
	for (size_t i = 0; i < rows->n; i++)
		str_fini(&text[i]);
	free(text);
	free(list);
	return rc;
}

/* ---- reading ---- */

struct fetched {
	time_t start, end;
	unsigned long step, n_sources;
	char **names;
	rrd_value_t *v;
};

static void
free_fetched(struct fetched *d)
{
	for (unsigned long i = 0; i < d->n_sources; i++)
		rrd_freemem(d->names[i]);
	rrd_freemem(d->names);
	rrd_freemem(d->v);
}

static void
take_column(const struct fetched *d, const struct rrd_range *r, unsigned long source,
    float *ret_v)
{
	size_t n = (r->last_s - r->first_s) / r->row_s + 1;

	for (size_t i = 0; i < n; i++) {
		/* librrd's first row ends a step after its start. */
		int64_t at = ((int64_t)(r->first_s + i * r->row_s) - d->start) /
				 (int64_t)d->step -
			     1;

		if (at >= 0 && at < (d->end - d->start) / (int64_t)d->step)
			ret_v[i] = (float)d->v[(size_t)at * d->n_sources + source];
	}
}

int
rrd_file_read(
    const struct rrd_file *f, const struct rrd_range *r, float *ret_v, struct err *e)
{
	size_t n = (r->last_s - r->first_s) / r->row_s + 1;
	struct fetched d = {
		.start = (time_t)(r->first_s - r->row_s),
		.end = (time_t)r->last_s,
		.step = r->row_s,
	};

	for (size_t i = 0; i < n * r->n_counters; i++)
		ret_v[i] = NAN;
	if (access(f->path, F_OK))
		return err_set(e, ERR_NOT_FOUND, "there is no %s", f->path);
	/* Without the daemon what it holds back is missing, no more. */
	if (has_daemon(f) && !rrdc_connect(f->daemon))
		(void)rrdc_flush(f->path);
	rrd_clear_error();
	if (rrd_fetch_r(f->path, r->of == RRD_MAX ? "MAX" : "AVERAGE", &d.start, &d.end,
		&d.step, &d.n_sources, &d.names, &d.v))
		return fail(e, ERR_CORRUPT, "read", f->path);
	for (size_t i = 0; d.step == r->row_s && i < r->n_counters; i++) {
		char name[DS_MAX];

		snprintf(name, sizeof(name), "m%u", r->counters[i]);
		for (unsigned long k = 0; k < d.n_sources; k++) {
			if (str_same(d.names[k], name))
				take_column(&d, r, k, ret_v + i * n);
		}
	}
	free_fetched(&d);
	return 0;
}
