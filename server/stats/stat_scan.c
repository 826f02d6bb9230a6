#include "server/stats/stat_scan.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "server/stats/stats_int.h"

#define FILES_MAX   64u      /* read by one job */
#define CELLS_JOB   2000000u /* rows of all their counters */
#define CELLS_SLICE 100000u
#define OBJECT_COST 50u /* of one that has none of it, in cells */
#define MS_PER_S    1000u

struct stat_scan {
	struct list_node node; /* in stats->scans */
	struct stats *s;
	struct stat_scan_fns fns;
	void *arg;
	struct stat_plan plan;
	size_t n_rows;
	obj_id *ids;
	size_t n_ids, next;
	uint8_t counters[METRIC_MAX];
	size_t n_counters;
	char *daemon;
	struct timer *slice;
	float *cells; /* of one object in memory */
	/* What is read from files, and its rows. */
	struct stat_rows files[FILES_MAX];
	size_t at[FILES_MAX];
	size_t n_files, files_max;
	float *file_cells;
};

static void
scan_free(struct stat_scan *c)
{
	for (size_t i = 0; i < c->n_files; i++)
		stat_rows_fini(&c->files[i]);
	list_remove(&c->node);
	timer_free(c->slice);
	free(c->file_cells);
	free(c->cells);
	free(c->daemon);
	free(c->ids);
	free(c);
}

static void
fail(struct stat_scan *c, const struct err *e)
{
	c->fns.end(c->arg, e->code, e);
	scan_free(c);
}

static void
stop(struct stat_scan *c)
{
	struct err e = ERR_INIT;

	err_set(&e, ERR_UNAVAILABLE, "the server is about to stop");
	fail(c, &e);
}

/* ---- memory ---- */

/* Returns what it cost. */
static size_t
take_from_memory(struct stat_scan *c, size_t at)
{
	const struct stat_object *o = stats_find(c->s, c->ids[at]);
	struct stat_rows r = { .id = c->ids[at], .rows = c->cells };

	for (size_t i = 0; i < c->n_counters; i++) {
		if (!(metric_at(c->counters[i])->objects & o->objects))
			continue;
		stat_ring_copy(o->ring, c->counters[i], c->plan.first_s / c->s->step_s,
		    c->n_rows, c->cells + r.n_counters * c->n_rows);
		r.counters[r.n_counters++] = c->counters[i];
	}
	if (r.n_counters)
		c->fns.each(c->arg, at, &r);
	return r.n_counters * c->n_rows;
}

/* ---- files ---- */

static void
add_file(struct stat_scan *c, size_t at)
{
	struct stat_rows *r = &c->files[c->n_files];

	stat_rows_init(r, c->s, c->ids[at], c->daemon, c->counters, c->n_counters);
	if (!r->n_counters) {
		stat_rows_fini(r);
		return;
	}
	c->at[c->n_files++] = at;
}

static void
make_room(struct stat_scan *c)
{
	bool have_peaks = stat_rows_have_peaks(c->s, &c->plan);
	size_t each = c->n_counters * c->n_rows;
	size_t n = c->n_files * each * (have_peaks ? 2 : 1);

	c->file_cells = xreallocarray(c->file_cells, n, sizeof(*c->file_cells));
	for (size_t i = 0; i < n; i++)
		c->file_cells[i] = NAN;
	for (size_t i = 0; i < c->n_files; i++) {
		c->files[i].rows = c->file_cells + i * each;
		c->files[i].peaks =
		    have_peaks ? c->file_cells + (c->n_files + i) * each : NULL;
	}
}

static int
run(void *arg)
{
	struct stat_scan *c = arg;

	for (size_t i = 0; i < c->n_files; i++)
		stat_rows_read(&c->files[i], &c->plan);
	return 0;
}

static void
on_read(void *arg, int rc)
{
	struct stat_scan *c = arg;

	if (rc) {
		stop(c);
		return;
	}
	for (size_t i = 0; i < c->n_files; i++) {
		for (size_t k = 0; k < c->files[i].n_counters; k++)
			stat_rows_overlay(&c->files[i], c->s, &c->plan, k);
		c->fns.each(c->arg, c->at[i], &c->files[i]);
		stat_rows_fini(&c->files[i]);
	}
	c->n_files = 0;
	timer_after(c->slice, 0);
}

/* ---- one after the other ---- */

/* False: there is more than one turn's worth. */
static bool
take_slice(struct stat_scan *c)
{
	size_t cost = 0;

	while (c->next < c->n_ids && c->n_files < c->files_max) {
		size_t at = c->next;

		if (cost > CELLS_SLICE)
			return false;
		c->next++;
		cost += OBJECT_COST;
		if (stat_rows_in_memory(c->s, c->ids[at], &c->plan))
			cost += take_from_memory(c, at);
		else
			add_file(c, at);
	}
	return true;
}

static void
on_slice(void *arg)
{
	struct stat_scan *c = arg;
	struct err e = ERR_INIT;

	if (!take_slice(c)) {
		timer_after(c->slice, 0);
		return;
	}
	if (!c->n_files) {
		c->fns.end(c->arg, 0, NULL);
		scan_free(c);
		return;
	}
	make_room(c);
	if (worker_run(c->s->workers, run, on_read, c, &e))
		fail(c, &e);
}

int
stats_plan(const struct stats *s, const struct stat_want *w, struct stat_plan *ret,
    struct err *e)
{
	uint64_t now_s = clock_wall_ms(loop_clock(s->loop)) / MS_PER_S;

	return stat_plan(w, s->step_s, now_s, ret, e);
}

static struct stat_scan *
scan_new(struct stats *s, const struct stat_scan_ask *ask, size_t each)
{
	struct stat_scan *c = xcalloc(1, sizeof(*c));
	size_t files = CELLS_JOB / 2 / (each + 1);

	c->s = s;
	c->plan = ask->plan;
	c->n_rows = stat_plan_rows(&ask->plan);
	c->ids = xcalloc(ask->n_ids + 1, sizeof(*c->ids));
	for (size_t i = 0; i < ask->n_ids; i++)
		c->ids[i] = ask->ids[i];
	c->n_ids = ask->n_ids;
	memcpy(c->counters, ask->counters, ask->n_counters);
	c->n_counters = ask->n_counters;
	c->daemon = xstrdup(s->daemon);
	c->cells = xcalloc(each + 1, sizeof(*c->cells));
	c->files_max = files < 1 ? 1 : files < FILES_MAX ? files : FILES_MAX;
	c->slice = timer_new(s->loop, on_slice, c);
	list_add_tail(&s->scans, &c->node);
	return c;
}

int
stats_scan(struct stats *s, const struct stat_scan_ask *ask,
    const struct stat_scan_fns *fns, void *arg, struct err *e)
{
	size_t each = ask->n_counters * stat_plan_rows(&ask->plan);
	struct stat_scan *c;

	if (each > CELLS_JOB / 2) {
		return err_set(e, ERR_TOO_LARGE,
		    "%zu values of each object are asked: at most %u are read at once, "
		    "so ask for a longer interval",
		    each, CELLS_JOB / 2);
	}
	if (!s->workers)
		return err_set(e, ERR_UNAVAILABLE, "the server is about to stop");
	c = scan_new(s, ask, each);
	c->fns = *fns;
	c->arg = arg;
	timer_after(c->slice, 0);
	return 0;
}

void
stat_scan_close(struct stats *s)
{
	LIST_EACH_SAFE(struct stat_scan, c, &s->scans, node)
		stop(c);
}
