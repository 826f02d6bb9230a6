/*
 * stat_write: from rings to files, a batch of objects at a time, on a worker.
 *
 * The ring is what is not written yet: a file that cannot be written loses nothing for
 * an hour.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/event/event.h"
#include "server/stats/stats_int.h"

#define BATCH_OBJECTS 64u
#define MS_PER_S      1000u
/* So long the daemon is waited for, before files are written without it: of what the
 * ring has, nothing is lost. */
#define DIRECT_AFTER_MS 1800000u

struct item {
	obj_id id;
	struct rrd_file file;
	char *path;
	bool opened;
	uint64_t last; /* the newest slot in the file */
	struct rrd_rows rows;
	float *v;
	char damaged[64]; /* where the old file went; "": it was sound */
	struct err err;
};

struct job {
	struct stats *s;
	char *daemon;
	bool may_go_direct;
	uint64_t wall_ms;
	void (*then)(void *arg); /* NULL: nobody waits for it */
	void *arg;
	size_t n;
	struct item items[BATCH_OBJECTS];
};

/* ---- what is to be written ---- */

static float *
copy_rows(const struct stat_object *o, uint64_t first, size_t n)
{
	uint8_t counters[METRIC_MAX];
	size_t width = metrics_of(o->objects, counters);
	float *v = xcalloc(n * width, sizeof(*v));

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < width; k++)
			v[i * width + k] =
			    stat_ring_get(o->ring, first + i, counters[k]);
	}
	return v;
}

/* Up to the slot last. */
static void
add_item(struct job *j, struct stat_object *o, uint64_t last)
{
	struct stats *s = j->s;
	struct item *it = &j->items[j->n++];
	uint64_t oldest = stat_ring_oldest(o->ring);
	/* After a gap one row without a value: else the gap would count as a sample. */
	uint64_t first = o->written + 1 > oldest - 1 ? o->written + 1 : oldest - 1;

	it->id = o->id;
	it->path = stats_path(s, o->id);
	it->file = (struct rrd_file){ it->path, j->daemon, s->step_s, o->objects };
	it->opened = o->opened;
	it->last = o->written;
	it->rows.first = first;
	it->rows.n = last - first + 1;
	it->v = copy_rows(o, first, it->rows.n);
	it->rows.v = it->v;
	o->writing = true;
}

static struct job *
job_new(struct stats *s)
{
	struct job *j = xcalloc(1, sizeof(*j));
	uint64_t now_ms = loop_now_ms(s->loop);

	j->s = s;
	j->daemon = xstrdup(s->daemon);
	j->may_go_direct =
	    s->unreachable_ms && now_ms - s->unreachable_ms > DIRECT_AFTER_MS;
	j->wall_ms = clock_wall_ms(loop_clock(s->loop));
	return j;
}

static void
job_free(struct job *j)
{
	for (size_t i = 0; i < j->n; i++) {
		free(j->items[i].path);
		free(j->items[i].v);
	}
	free(j->daemon);
	free(j);
}

/* ---- on the worker ---- */

/* What is no such file is kept for whoever wants to look at it. */
static int
open_file(const struct job *j, struct item *it)
{
	int rc = rrd_file_open(&it->file, it->rows.first, &it->last, &it->err);

	if (rc != ERR_CORRUPT)
		return rc;
	AUTO_FREE char *aside = xasprintf("%s.damaged-%" PRIu64, it->path, j->wall_ms);
	if (rename(it->path, aside))
		return err_sys(&it->err, ERR_IO, errno, "cannot rename %s", it->path);
	snprintf(it->damaged, sizeof(it->damaged), "%s", strrchr(aside, '/') + 1);
	err_clear(&it->err);
	return rrd_file_open(&it->file, it->rows.first, &it->last, &it->err);
}

static int
write_item(const struct job *j, struct item *it)
{
	struct rrd_rows rows = it->rows;
	uint8_t counters[METRIC_MAX];
	size_t width = metrics_of(it->file.objects, counters);
	int rc = it->opened ? 0 : open_file(j, it);

	if (rc)
		return rc;
	it->opened = true;
	if (it->last >= rows.first) {
		uint64_t there = it->last - rows.first + 1;

		if (there >= rows.n)
			return 0;
		rows.first += there;
		rows.n -= there;
		rows.v += there * width;
	}
	rc = rrd_file_add(&it->file, &rows, &it->err);
	if (!rc)
		it->last = rows.first + rows.n - 1;
	return rc;
}

static int
run(void *arg)
{
	struct job *j = arg;

	for (size_t i = 0; i < j->n; i++) {
		struct item *it = &j->items[i];

		if (write_item(j, it) != ERR_UNAVAILABLE || !j->may_go_direct)
			continue;
		err_clear(&it->err);
		it->file.daemon = "";
		(void)write_item(j, it);
	}
	return 0;
}

/* ---- on the core again ---- */

static void
note_failure(struct stats *s, const struct err *e)
{
	if (e->code == ERR_UNAVAILABLE && !s->unreachable_ms)
		s->unreachable_ms = loop_now_ms(s->loop);
	if (s->failing)
		return;
	s->failing = true;
	log_err("stats", "%s", e->msg);
	event_post(s->inv, EV_STATS_STORE_LOST, OBJ_ID_NONE, NULL,
	    "Statistics are kept for an hour in memory, but not stored: %s", e->msg);
}

static void
note_success(struct stats *s)
{
	s->unreachable_ms = 0;
	if (!s->failing)
		return;
	s->failing = false;
	log_notice("stats", "samples are stored again");
	event_post(s->inv, EV_STATS_STORE_FOUND, OBJ_ID_NONE, NULL,
	    "Statistics are stored again");
}

static void
end_item(struct stats *s, const struct item *it)
{
	struct stat_object *o = stats_find(s, it->id);

	if (*it->damaged) {
		log_warn(
		    "stats", "%s was damaged: it is %s now", it->path, it->damaged);
		event_post(s->inv, EV_STATS_FILE_DAMAGED, it->id, NULL,
		    "The statistics of %s were damaged: they begin anew, the old file "
		    "is %s",
		    inv_name(s->inv, it->id), it->damaged);
	}
	if (o) {
		/* What failed is looked at again. */
		o->opened = it->opened && !it->err.code;
		o->written = it->last;
	}
}

static void
done(void *arg, int rc)
{
	struct job *j = arg;
	struct stats *s = j->s;
	const struct err *failed = NULL;

	s->jobs--;
	for (size_t i = 0; i < j->n; i++) {
		struct stat_object *o = stats_find(s, j->items[i].id);

		if (o)
			o->writing = false;
		if (!rc)
			end_item(s, &j->items[i]);
		if (j->items[i].err.code)
			failed = &j->items[i].err;
	}
	if (failed)
		note_failure(s, failed);
	else if (!rc)
		note_success(s);
	if (j->then)
		j->then(j->arg);
	job_free(j);
	/* Graphs wait for files that are written. */
	timer_after(s->draw, 0);
	if (!rc && !failed)
		stat_write_due(s);
}

static bool
has_news(const struct stat_object *o, uint64_t last)
{
	return !o->writing && !o->drawing && last > o->written &&
	       last >= stat_ring_oldest(o->ring);
}

/* ---- when they are ---- */

/* All are written equally often, each in its own second. */
static struct list *
second_of(struct stats *s, obj_id id)
{
	uint64_t spread = (id.v * UINT64_C(0x9e3779b97f4a7c15)) >> 40;

	return &s->wheel[spread % s->write_s];
}

void
stat_write_plan(struct stats *s, struct stat_object *o)
{
	list_remove(&o->turn);
	list_add_tail(second_of(s, o->id), &o->turn);
}

static void
turn_wheel(struct stats *s)
{
	uint64_t now_s = loop_now_ms(s->loop) / MS_PER_S;

	if (s->turned_s + s->write_s < now_s)
		s->turned_s = now_s - s->write_s;
	while (s->turned_s < now_s)
		list_move(&s->due, &s->wheel[++s->turned_s % s->write_s]);
}

/* Take what is due, the longest first. */
static struct job *
gather(struct stats *s)
{
	struct stat_final known = { 0 };
	struct job *j = NULL;

	turn_wheel(s);
	while (!list_empty(&s->due) && (!j || j->n < BATCH_OBJECTS)) {
		struct stat_object *o = LIST_FIRST(struct stat_object, &s->due, turn);
		uint64_t last = stat_sum_final(s, o, &known);

		stat_write_plan(s, o);
		if (!has_news(o, last))
			continue;
		if (!j)
			j = job_new(s);
		add_item(j, o, last);
	}
	return j;
}

static int
begin(struct job *j, struct err *e)
{
	struct stats *s = j->s;
	int rc;

	s->jobs++;
	rc = worker_run(s->workers, run, done, j, e);
	if (!rc)
		return 0;
	log_warn("stats", "files are not written now: %s", e->msg);
	j->then = NULL;
	done(j, rc);
	return rc;
}

bool
stat_write_now(
    struct stats *s, const obj_id *ids, size_t n, void (*then)(void *arg), void *arg)
{
	struct stat_final known = { 0 };
	struct job *j = job_new(s);
	struct err e = ERR_INIT;

	j->then = then;
	j->arg = arg;
	for (size_t i = 0; i < n && j->n < BATCH_OBJECTS; i++) {
		struct stat_object *o = stats_find(s, ids[i]);
		uint64_t last = o ? stat_sum_final(s, o, &known) : 0;

		if (o && has_news(o, last))
			add_item(j, o, last);
	}
	if (!j->n) {
		job_free(j);
		return false;
	}
	return !begin(j, &e);
}

void
stat_write_due(struct stats *s)
{
	struct err e = ERR_INIT;
	struct job *j;

	if (s->jobs || !s->workers)
		return;
	j = gather(s);
	if (j)
		(void)begin(j, &e);
}

void
stat_write_all(struct stats *s, uint64_t ms)
{
	uint64_t end_ms = clock_mono_ms(loop_clock(s->loop)) + ms;

	LIST_EACH(struct stat_object, o, &s->objects, node) {
		uint64_t last = stat_ring_newest(o->ring);
		struct job *j;

		o->writing = false;
		if (!has_news(o, last))
			continue;
		if (clock_mono_ms(loop_clock(s->loop)) > end_ms) {
			log_warn("stats", "some files were not written any more");
			return;
		}
		j = job_new(s);
		add_item(j, o, last);
		(void)run(j);
		if (j->items[0].err.code)
			log_warn("stats", "%s", j->items[0].err.msg);
		job_free(j);
	}
}
