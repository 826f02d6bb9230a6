#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/event/event_life.h"
#include "server/stats/stat_graph.h"
#include "server/stats/stats_int.h"
#include "tests/lib/inv_world.h"

#define STEP_S      20u
#define DEADLINE_MS 30000u

struct bed {
	struct world *w;
	struct events *events;
	struct stats *stats;
	char dir[64];
	obj_id vm;
	uint64_t now_s;
};

struct drawn {
	unsigned calls;
	int rc;
	size_t n;
	unsigned width; /* of the whole picture */
	char msg[240];
};

static void
open_stats(struct bed *b, const char *program)
{
	const struct stats_opts o = { .inv = b->w->inv,
		.dir = b->dir,
		.interval_ms = STEP_S * 1000,
		.write_s = 600,
		.graph_program = program };
	struct err e = ERR_INIT;

	stats_free(b->stats);
	assert_int_equal(stats_new(&o, &b->stats, &e), 0);
	for (unsigned i = 0; i < 30; i++)
		stats_put(
		    b->stats, b->vm, b->now_s / STEP_S - i, METRIC_CPU_USAGE, (float)i);
}

static int
setup(void **state)
{
	struct bed *b = xcalloc(1, sizeof(*b));
	void *w;

	world_setup(&w);
	b->w = w;
	b->events = events_new(b->w->inv);
	snprintf(b->dir, sizeof(b->dir), "/tmp/test-graph-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	obj_id dc = world_add(b->w, KIND_DATACENTER, OBJ_ID_NONE, "dc");
	b->vm = world_add(b->w, KIND_VM, dc, "a: \\b %s");
	b->now_s = clock_wall_ms(b->w->clock) / 1000;
	open_stats(b, NULL);
	*state = b;
	return 0;
}

static int
teardown(void **state)
{
	struct bed *b = *state;
	AUTO_FREE char *line = xasprintf("rm -rf '%s'", b->dir);
	void *w = b->w;

	stats_free(b->stats);
	events_free(b->events);
	/* NOLINTNEXTLINE(cert-env33-c): a folder that the test has made */
	assert_int_equal(system(line), 0);
	world_teardown(&w);
	free(b);
	return 0;
}

static void
on_drawn(void *arg, int rc, const struct err *e, const void *png, size_t n)
{
	const uint8_t *p = png;
	struct drawn *d = arg;

	d->calls++;
	d->rc = rc;
	d->n = n;
	if (e)
		snprintf(d->msg, sizeof(d->msg), "%s", e->msg);
	/* Of the header: the width is the first thing after its name. */
	if (!rc)
		d->width = (unsigned)p[18] << 8 | p[19];
}

static void
turn_until_drawn(struct bed *b, const struct drawn *d, uint64_t advance_ms)
{
	uint64_t end_ms = clock_mono_ms(clock_system()) + DEADLINE_MS;

	while (!d->calls) {
		assert_true(clock_mono_ms(clock_system()) < end_ms);
		loop_turn(b->w->loop, 1);
		clock_advance(b->w->clock, advance_ms);
		sched_yield();
	}
}

static struct stat_graph_ask
ask_for(const struct bed *b, const uint8_t *counters, size_t n)
{
	return (struct stat_graph_ask){
		.ids = &b->vm,
		.n_ids = 1,
		.counters = counters,
		.n_counters = n,
		.start_s = b->now_s - 600,
		.end_s = b->now_s,
		.width = 400,
		.height = 100,
	};
}

static const uint8_t usage[] = { METRIC_CPU_USAGE, METRIC_MEM_USAGE };

static struct drawn
draw(struct bed *b, const struct stat_graph_ask *ask, uint64_t advance_ms)
{
	struct drawn d = { 0 };
	struct err e = ERR_INIT;

	assert_int_equal(stats_graph(b->stats, ask, on_drawn, &d, &e), 0);
	assert_int_equal(d.calls, 0);
	turn_until_drawn(b, &d, advance_ms);
	return d;
}

static void
a_graph_is_a_picture(void **state)
{
	struct bed *b = *state;
	struct stat_graph_ask ask = ask_for(b, usage, 2);
	struct drawn d = draw(b, &ask, 0);

	assert_int_equal(d.rc, 0);
	assert_true(d.n > 1000);
	assert_in_range(d.width, 400, 520);
	/* What was in memory was written for it. */
	assert_int_equal(stats_find(b->stats, b->vm)->written, b->now_s / STEP_S);
	ask.dark = true;
	ask.start_s = b->now_s - 400 * UINT64_C(86400);
	assert_int_equal(draw(b, &ask, 0).rc, 0);
}

static void
several_are_drawn_one_after_the_other(void **state)
{
	enum { MANY = 6 };
	struct bed *b = *state;
	struct stat_graph_ask ask = ask_for(b, usage, 1);
	static struct drawn d[MANY]; /* who waits is told at the end, come what may */
	struct err e = ERR_INIT;

	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(stats_graph(b->stats, &ask, on_drawn, &d[i], &e), 0);
	for (unsigned i = 0; i < MANY; i++) {
		turn_until_drawn(b, &d[i], 0);
		if (d[i].rc)
			fail_msg("%u: %d, %s", i, d[i].rc, d[i].msg);
	}
}

static void
put_program(const struct bed *b, const char *text, char *path, size_t size)
{
	snprintf(path, size, "%s/program", b->dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0700), 0);
}

static void
what_draws_may_fail(void **state)
{
	static const struct {
		const char *program, *says;
		uint64_t advance_ms;
	} cases[] = {
		{ "#!/bin/sh\necho no fonts >&2\nexit 3\n", "no fonts", 0 },
		{ "#!/bin/sh\nkill -SEGV $$\n", "SIGSEGV", 0 },
		{ "#!/bin/sh\nexec sleep 1000\n", "time", 200 },
		{ "#!/bin/sh\necho hello\n", "no picture", 0 },
	};
	struct bed *b = *state;
	struct stat_graph_ask ask = ask_for(b, usage, 1);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char path[96];

		put_program(b, cases[i].program, path, sizeof(path));
		open_stats(b, path);
		struct drawn d = draw(b, &ask, cases[i].advance_ms);
		assert_true(d.rc < 0 && d.calls == 1);
		if (!strstr(d.msg, cases[i].says))
			fail_msg("\"%s\" says nothing of \"%s\"", d.msg, cases[i].says);
	}
	/* And the next one is drawn again. */
	open_stats(b, NULL);
	assert_int_equal(draw(b, &ask, 0).rc, 0);
}

static void
what_makes_no_graph_is_refused(void **state)
{
	static const uint8_t mixed[] = { METRIC_CPU_USAGE, METRIC_CPU_READY };
	static const uint8_t strange[] = { METRIC_DISK_CAPACITY };

	enum { MANY = 33 };
	struct bed *b = *state;
	struct stat_graph_ask ask = ask_for(b, mixed, 2);
	struct drawn d[MANY] = { 0 };
	struct err e = ERR_INIT;

	assert_int_equal(stats_graph(b->stats, &ask, on_drawn, d, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "cpu.ready.summation in ms"));
	ask = ask_for(b, strange, 1);
	assert_int_equal(stats_graph(b->stats, &ask, on_drawn, d, &e), ERR_INVALID);
	ask = ask_for(b, usage, 1);
	for (unsigned i = 0; i + 1 < MANY; i++)
		assert_int_equal(stats_graph(b->stats, &ask, on_drawn, &d[i], &e), 0);
	assert_int_equal(
	    stats_graph(b->stats, &ask, on_drawn, &d[MANY - 1], &e), ERR_BUSY);
	/* A stop ends those that wait. */
	stats_close(b->stats);
	for (unsigned i = 0; i + 1 < MANY; i++)
		assert_int_equal(d[i].rc, ERR_UNAVAILABLE);
	assert_int_equal(d[MANY - 1].calls, 0);
}

int
main(int argc, char **argv)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_graph_is_a_picture),
		CASE(several_are_drawn_one_after_the_other),
		CASE(what_draws_may_fail),
		CASE(what_makes_no_graph_is_refused),
	};

	if (argc > 1 && str_same(argv[1], RRD_DRAW))
		rrd_draw_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
