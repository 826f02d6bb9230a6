#include "server/stats/stat_graph.h"

#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "loop/child.h"
#include "server/stats/stats_int.h"

#define AT_ONCE    2u
#define WAITING    32u
#define TIMEOUT_MS 10000u
#define TRIES_MAX  20u
#define AGAIN_MS   100u
#define CPU_S      10u
#define PNG_MAX    (UINT64_C(4) << 20)
#define DAY_S      86400u

struct graph {
	struct list_node node; /* in stats->graphs, the first to come first */
	struct stats *s;
	stat_graph_fn done;
	void *arg;
	char **args;
	obj_id *ids; /* whose files it reads */
	size_t n_ids;
	bool is_written; /* what is in memory went to the files */
	unsigned tries;  /* that met a file which rrdcached was writing */
	struct child *child;
};

/* How a unit is shown. */
static const struct {
	const char *sign, *shown;
	double scale;
	bool binary;
} units[] = {
	{ "KB", "bytes", 1024, true },
	{ "KBps", "bytes/s", 1024, true },
	{ "MHz", "Hz", 1e6, false },
	{ "%", "%", 1, false },
	{ "ms", "ms each second", 1, false },
	{ "s", "s", 1, false },
	{ "num", "", 1, false },
};

/* librrd locks a file that it reads, and then nobody can write it; and the other way
 * round. */
static void
hold_files(const struct graph *g, int by)
{
	for (size_t i = 0; i < g->n_ids; i++) {
		struct stat_object *o = stats_find(g->s, g->ids[i]);

		if (o)
			o->drawing += by;
	}
}

static bool
are_written_just_now(const struct graph *g)
{
	for (size_t i = 0; i < g->n_ids; i++) {
		const struct stat_object *o = stats_find(g->s, g->ids[i]);

		if (o && o->writing)
			return true;
	}
	return false;
}

static void
graph_free(struct graph *g)
{
	list_remove(&g->node);
	if (g->child)
		hold_files(g, -1);
	if (g->child)
		child_free(g->child);
	for (size_t i = 0; g->args && g->args[i]; i++)
		free(g->args[i]);
	free(g->args);
	free(g->ids);
	free(g);
}

/* ---- drawing ---- */

static void start_next(struct stats *s);

static void
finish(struct graph *g, int rc, const struct err *e, const void *png, size_t n)
{
	struct stats *s = g->s;

	g->done(g->arg, rc, e, png, n);
	graph_free(g);
	start_next(s);
}

static void
on_drawn(struct child *c, const struct child_result *r, void *arg)
{
	static const char magic[] = { '\x89', 'P', 'N', 'G' };
	struct graph *g = arg;
	struct err e = ERR_INIT;
	int rc = child_err(r, "drawing a graph", &e);

	hold_files(g, -1);
	g->child = NULL;
	if (rc && strstr(e.msg, "could not lock") && ++g->tries < TRIES_MAX) {
		timer_after(g->s->draw, AGAIN_MS);
		return;
	}
	if (!rc &&
	    (r->out_len < sizeof(magic) || memcmp(r->out, magic, sizeof(magic)) != 0))
		rc = err_set(&e, ERR_INTERNAL, "drawing a graph made no picture");
	if (rc)
		finish(g, rc, &e, NULL, 0);
	else
		finish(g, 0, NULL, r->out, r->out_len);
}

static int
start(struct graph *g, struct err *e)
{
	AUTO_FREE char *cache = xasprintf("XDG_CACHE_HOME=%s", g->s->dir);
	const char *const env[] = { "PATH=/usr/bin:/bin", "LANG=C.UTF-8", cache, NULL };
	const struct child_opts o = {
		.argv = (const char *const *)g->args,
		.env = env,
		.timeout_ms = TIMEOUT_MS,
		.rlimit_cpu_s = CPU_S,
		.max_output = PNG_MAX,
	};

	int rc = child_start(g->s->loop, &o, on_drawn, g, &g->child, e);

	if (!rc)
		hold_files(g, 1);
	return rc;
}

static void
start_next(struct stats *s)
{
	unsigned drawing = 0;

	LIST_EACH_SAFE(struct graph, g, &s->graphs, node) {
		struct err e = ERR_INIT;

		if (drawing == AT_ONCE || !s->workers)
			return;
		if (!g->child && (!g->is_written || are_written_just_now(g)))
			continue;
		if (!g->child && start(g, &e)) {
			finish(g, e.code, &e, NULL, 0);
			return; /* which went on by itself */
		}
		drawing++;
	}
}

static void
on_written(void *arg)
{
	struct graph *g = arg;

	g->is_written = true;
	start_next(g->s);
}

/* ---- what is drawn ---- */

static size_t
unit_of(const struct metric *m)
{
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(units) && !str_same(units[i].sign, m->sign))
		i++;
	return i;
}

struct lines {
	struct rrd_line v[RRD_LINES_MAX];
	char *legends[RRD_LINES_MAX], *paths[RRD_LINES_MAX];
	size_t n;
	const struct metric *metric; /* of the first */
};

static void
lines_fini(struct lines *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->legends[i]);
		free(l->paths[i]);
	}
}

static int
add_line(const struct stats *s, const struct stat_graph_ask *ask, struct lines *l,
    size_t at, struct err *e)
{
	obj_id id = ask->ids[at / ask->n_counters];
	const struct metric *m = metric_at(ask->counters[at % ask->n_counters]);

	if (!m || !(m->objects & stats_objects_of(s->inv, id)))
		return 0;
	if (l->n == RRD_LINES_MAX)
		return err_set(
		    e, ERR_INVALID, "a graph has at most %u lines", RRD_LINES_MAX);
	if (l->metric && unit_of(m) != unit_of(l->metric))
		return err_set(e, ERR_INVALID,
		    "a graph has one unit: %s is in %s, %s in %s", l->metric->name,
		    l->metric->sign, m->name, m->sign);
	l->metric = l->metric ? l->metric : m;
	l->paths[l->n] = stats_path(s, id);
	l->legends[l->n] = xasprintf("%s %s", inv_name(s->inv, id), m->name);
	l->v[l->n] = (struct rrd_line){ l->paths[l->n], l->legends[l->n], m->number,
		units[unit_of(m)].scale };
	l->n++;
	return 0;
}

static char **
args_of(const struct stats *s, const struct stat_graph_ask *ask, const struct lines *l)
{
	const struct metric *m = l->metric;
	ASSERT(m);
	size_t unit = unit_of(m);
	const struct rrd_drawing d = {
		.daemon = s->daemon,
		.title = ask->n_ids == 1 ? inv_name(s->inv, ask->ids[0]) : m->name,
		.unit = units[unit].shown,
		.start_s = ask->start_s,
		.end_s = ask->end_s,
		.width = ask->width,
		.height = ask->height,
		.dark = ask->dark,
		.binary = units[unit].binary,
		/* Samples are their own peaks. */
		.peaks = ask->end_s - ask->start_s > DAY_S,
		.lines = l->v,
		.n_lines = l->n,
	};
	char **drawing = rrd_draw_args(&d), **all;
	size_t n = 0;

	while (drawing[n])
		n++;
	all = xcalloc(n + 3, sizeof(*all));
	all[0] = xstrdup(s->graph_program);
	all[1] = xstrdup(RRD_DRAW);
	for (size_t i = 0; i < n; i++)
		all[i + 2] = drawing[i];
	free(drawing);
	return all;
}

int
stats_graph(struct stats *s, const struct stat_graph_ask *ask, stat_graph_fn done,
    void *arg, struct err *e)
{
	struct lines l = { 0 };
	struct graph *g;
	size_t waiting = 0;
	int rc = 0;

	LIST_EACH(struct graph, other, &s->graphs, node)
		waiting++;
	if (!s->workers)
		return err_set(e, ERR_UNAVAILABLE, "the server is about to stop");
	if (waiting >= WAITING)
		return err_set(e, ERR_BUSY, "%zu graphs are being drawn", waiting);
	for (size_t i = 0; !rc && i < ask->n_ids * ask->n_counters; i++)
		rc = add_line(s, ask, &l, i, e);
	if (!rc && !l.metric)
		rc = err_set(
		    e, ERR_INVALID, "nothing of it is counted of these objects");
	if (rc) {
		lines_fini(&l);
		return rc;
	}
	g = xcalloc(1, sizeof(*g));
	g->s = s;
	g->done = done;
	g->arg = arg;
	g->args = args_of(s, ask, &l);
	g->n_ids = ask->n_ids;
	g->ids = xmemdup(ask->ids, ask->n_ids * sizeof(*ask->ids));
	lines_fini(&l);
	list_add_tail(&s->graphs, &g->node);
	g->is_written = !stat_write_now(s, ask->ids, ask->n_ids, on_written, g);
	timer_after(s->draw, 0);
	return 0;
}

static void
on_draw(void *arg)
{
	start_next(arg);
}

void
stat_graph_open(struct stats *s, const char *program)
{
	list_init(&s->graphs);
	s->graph_program = xstrdup(program ? program : "/proc/self/exe");
	s->draw = timer_new(s->loop, on_draw, s);
}

void
stat_graph_close(struct stats *s)
{
	struct err e = ERR_INIT;

	err_set(&e, ERR_UNAVAILABLE, "the server is about to stop");
	LIST_EACH_SAFE(struct graph, g, &s->graphs, node) {
		g->done(g->arg, e.code, &e, NULL, 0);
		graph_free(g);
	}
}

void
stat_graph_free(struct stats *s)
{
	timer_free(s->draw);
	free(s->graph_program);
}
