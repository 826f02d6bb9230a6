#include <math.h>
#include <sched.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/event/event_life.h"
#include "server/stats/stat_group.h"
#include "server/stats/stat_top.h"
#include "server/stats/stats_int.h"
#include "tests/lib/inv_world.h"

#define STEP_S      20u
#define GUESTS      200u /* more than one job reads */
#define DEADLINE_MS 20000u

struct bed {
	struct world *w;
	struct events *events;
	struct stats *stats;
	char dir[64];
	obj_id cluster, pools[2], ids[GUESTS];
	uint64_t slot; /* of now */
};

static int
setup(void **state)
{
	struct bed *b = xcalloc(1, sizeof(*b));
	const struct stats_opts o = {
		.dir = b->dir, .interval_ms = STEP_S * 1000, .write_s = 60
	};
	struct stats_opts opts = o;
	struct err e = ERR_INIT;
	void *w;

	world_setup(&w);
	b->w = w;
	b->events = events_new(b->w->inv);
	snprintf(b->dir, sizeof(b->dir), "/tmp/test-scan-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	obj_id dc = world_add(b->w, KIND_DATACENTER, OBJ_ID_NONE, "dc");
	b->cluster = world_add(b->w, KIND_CLUSTER, dc, "c");
	b->pools[0] = world_add(b->w, KIND_POOL, b->cluster, "Resources");
	b->pools[1] = world_add(b->w, KIND_POOL, b->pools[0], "inner");
	for (unsigned i = 0; i < GUESTS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "vm%u", i);
		b->ids[i] = world_add(b->w, KIND_VM, dc, name);
		struct txn *t = txn_new(b->w->inv);
		((struct vm *)txn_edit(t, b->ids[i]))->pool = b->pools[i % 2];
		assert_int_equal(world_commit(b->w, t), 0);
	}
	opts.inv = b->w->inv;
	assert_int_equal(stats_new(&opts, &b->stats, &e), 0);
	b->slot = clock_wall_ms(b->w->clock) / 1000 / STEP_S;
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

/* Guest i used i % and waited 10 i ms in each of the last n slots, the last but one of
 * which is a gap. */
static void
put_samples(struct bed *b, unsigned n)
{
	for (unsigned i = 0; i < GUESTS; i++) {
		for (unsigned k = 0; k < n; k++) {
			uint64_t slot = b->slot - k;

			if (k == 1)
				continue;
			stats_put(
			    b->stats, b->ids[i], slot, METRIC_CPU_USAGE, (float)i);
			stats_put(
			    b->stats, b->ids[i], slot, METRIC_CPU_READY, (float)i / 2);
		}
	}
}

static void
turn_until(struct bed *b, const unsigned *calls)
{
	uint64_t end_ms = clock_mono_ms(clock_system()) + DEADLINE_MS;

	while (!*calls) {
		assert_true(clock_mono_ms(clock_system()) < end_ms);
		loop_turn(b->w->loop, 1);
		sched_yield();
	}
}

/* ---- who is first ---- */

struct top_answer {
	unsigned calls;
	int rc;
	size_t n, measured;
	uint32_t interval_s;
	struct stat_place v[GUESTS];
};

static void
on_top(void *arg, int rc, const struct err *e, const struct stat_top *t)
{
	struct top_answer *a = arg;

	a->calls++;
	a->rc = rc;
	if (rc)
		return;
	a->n = t->n;
	a->measured = t->n_measured;
	a->interval_s = t->interval_s;
	memcpy(a->v, t->places, t->n * sizeof(*a->v));
}

static struct stat_top_ask
top_ask(const struct bed *b, uint32_t counter, uint64_t back_s)
{
	return (struct stat_top_ask){
		.ids = b->ids,
		.n_ids = GUESTS,
		.counter = counter,
		.want.start_s = b->slot * STEP_S - back_s,
		.n = 3,
	};
}

static struct top_answer
top(struct bed *b, const struct stat_top_ask *ask)
{
	struct top_answer a = { 0 };
	struct err e = ERR_INIT;

	assert_int_equal(stats_top(b->stats, ask, on_top, &a, &e), 0);
	assert_int_equal(a.calls, 0);
	turn_until(b, &a.calls);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.rc, 0);
	return a;
}

static void
check_top(struct bed *b)
{
	struct stat_top_ask ask = top_ask(b, METRIC_CPU_READY, 10 * STEP_S);
	struct top_answer a = top(b, &ask);

	assert_int_equal(a.n, 3);
	assert_int_equal(a.measured, GUESTS);
	assert_int_equal(a.interval_s, STEP_S);
	for (unsigned i = 0; i < 3; i++) {
		float ms = (float)(GUESTS - 1 - i) / 2 * STEP_S;

		assert_true(obj_id_is(a.v[i].id, b->ids[GUESTS - 1 - i]));
		assert_int_equal(a.v[i].d.samples, 9);
		assert_true(fabsf(a.v[i].value - ms) < ms / 500);
		assert_true(fabsf(a.v[i].d.p95 - ms) < ms / 500);
		assert_true(fabs(a.v[i].d.sum - 9 * (double)ms) < (double)ms / 50);
	}
	ask.lowest = true;
	ask.by = (struct stat_by){ STAT_BY_PERCENTILE, 50 };
	a = top(b, &ask);
	assert_true(obj_id_is(a.v[0].id, b->ids[0]) && a.v[0].value == 0);
	assert_true(obj_id_is(a.v[1].id, b->ids[1]));
}

static void
who_is_first_is_found_in_memory(void **state)
{
	struct bed *b = *state;

	put_samples(b, 12);
	check_top(b);
}

static void
who_is_first_is_found_in_files(void **state)
{
	struct bed *b = *state;
	const struct stats_opts o = { .inv = b->w->inv,
		.dir = b->dir,
		.interval_ms = STEP_S * 1000,
		.write_s = 60 };
	struct err e = ERR_INIT;

	put_samples(b, 12);
	stats_free(b->stats);
	assert_int_equal(stats_new(&o, &b->stats, &e), 0);
	assert_null(stats_find(b->stats, b->ids[0]));
	check_top(b);
	/* Those with newer samples come from both. */
	stats_put(b->stats, b->ids[7], b->slot + 1, METRIC_CPU_USAGE, 1000);
	clock_advance(b->w->clock, STEP_S * 1000);
	struct stat_top_ask ask = top_ask(b, METRIC_CPU_USAGE, 10 * STEP_S);
	ask.by.what = STAT_BY_MAX;
	struct top_answer a = top(b, &ask);
	assert_true(obj_id_is(a.v[0].id, b->ids[7]) && a.v[0].value == 1000);
	assert_int_equal(a.v[0].d.samples, 10);
}

static void
who_has_no_sample_is_not_last(void **state)
{
	struct bed *b = *state;
	struct stat_top_ask ask = top_ask(b, METRIC_CPU_USAGE, 4 * STEP_S);
	struct top_answer a = top(b, &ask);

	assert_int_equal(a.n, 0);
	stats_put(b->stats, b->ids[3], b->slot, METRIC_CPU_USAGE, 5);
	ask.lowest = true;
	a = top(b, &ask);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.measured, 1);
	/* Nothing like it is counted of them. */
	ask.counter = METRIC_DISK_CAPACITY;
	assert_int_equal(top(b, &ask).n, 0);
	ask.n_ids = 0;
	assert_int_equal(top(b, &ask).n, 0);
}

static void
a_stop_ends_what_is_under_way(void **state)
{
	struct bed *b = *state;
	struct stat_top_ask ask = top_ask(b, METRIC_CPU_USAGE, 4 * STEP_S);
	struct top_answer a = { 0 }, late = { 0 };
	struct err e = ERR_INIT;

	assert_int_equal(stats_top(b->stats, &ask, on_top, &a, &e), 0);
	loop_turn(b->w->loop, 0);
	assert_int_equal(stats_top(b->stats, &ask, on_top, &late, &e), 0);
	stats_close(b->stats);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.rc, ERR_UNAVAILABLE);
	assert_int_equal(late.rc, ERR_UNAVAILABLE);
	assert_int_equal(stats_top(b->stats, &ask, on_top, &a, &e), ERR_UNAVAILABLE);
}

static void
too_much_is_refused(void **state)
{
	struct bed *b = *state;
	struct stat_top_ask ask = top_ask(b, METRIC_CPU_USAGE, 4 * STEP_S);
	struct err e = ERR_INIT;

	ask.want.end_s = ask.want.start_s - 1;
	assert_int_equal(stats_top(b->stats, &ask, on_top, NULL, &e), ERR_RANGE);
}

/* ---- files ---- */

static size_t
count_written(const struct bed *b)
{
	size_t n = 0;

	for (unsigned i = 0; i < GUESTS; i++)
		n += stats_find(b->stats, b->ids[i])->written != 0;
	return n;
}

/* Not all at the end of the minute in which each is written once. */
static void
files_are_written_each_in_its_second(void **state)
{
	struct bed *b = *state;
	uint64_t end_ms = clock_mono_ms(clock_system()) + DEADLINE_MS;

	put_samples(b, 3);
	for (unsigned i = 0; i < 60; i++) {
		clock_advance(b->w->clock, 1000);
		do {
			assert_true(clock_mono_ms(clock_system()) < end_ms);
			loop_turn(b->w->loop, 1);
			sched_yield();
		} while (b->stats->jobs);
		if (i == 29)
			assert_in_range(count_written(b), GUESTS / 4, 3 * GUESTS / 4);
	}
	assert_int_equal(count_written(b), GUESTS);
}

/* ---- groups ---- */

struct group_answer {
	unsigned calls;
	int rc;
	size_t n_series;
	obj_id id[4];
	uint32_t counter[4];
	float v[4][8], max[4][8];
};

static void
on_groups(void *arg, int rc, const struct err *e, const struct stat_answer *a)
{
	struct group_answer *to = arg;

	to->calls++;
	to->rc = rc;
	if (rc)
		return;
	to->n_series = a->n_series;
	assert_true(a->n_series <= 4 && a->n_values <= 8);
	for (size_t i = 0; i < a->n_series; i++) {
		const struct stat_series *s = &a->series[i];

		to->id[i] = s->id;
		to->counter[i] = s->metric->number;
		memcpy(to->v[i], s->values.average, a->n_values * sizeof(float));
		memcpy(to->max[i], s->values.max, a->n_values * sizeof(float));
	}
}

static struct group_answer
group(struct bed *b, const enum stat_join *how)
{
	static const uint8_t counters[] = { METRIC_CPU_USAGE, METRIC_CPU_READY };
	obj_id groups[GUESTS];
	struct stat_group_ask ask = {
		.of = { b->ids, GUESTS, counters, 2,
		    { .start_s = (b->slot - 4) * STEP_S } },
		.groups = groups,
		.joins = how != NULL,
		.how = how ? *how : STAT_SUM,
	};
	struct group_answer a = { 0 };
	struct err e = ERR_INIT;

	for (unsigned i = 0; i < GUESTS; i++)
		groups[i] = inv_vm(b->w->inv, b->ids[i])->pool;
	groups[1] = OBJ_ID_NONE;
	assert_int_equal(stats_group(b->stats, &ask, on_groups, &a, &e), 0);
	turn_until(b, &a.calls);
	assert_int_equal(a.rc, 0);
	return a;
}

static bool
is_near(float v, float is)
{
	return fabsf(v - is) <= fabsf(is) / 500;
}

static void
groups_are_joined_as_their_unit_has_it(void **state)
{
	struct bed *b = *state;
	/* Of 0, 2, … 198 and of 3, 5, … 199. */
	const float sums[2] = { 9900, 9999 };
	const unsigned n[2] = { 100, 99 };
	enum stat_join how = STAT_HIGHEST;
	struct group_answer a;

	put_samples(b, 12);
	a = group(b, NULL);
	assert_int_equal(a.n_series, 4);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(obj_id_is(a.id[2 * i], b->pools[i]));
		assert_int_equal(a.counter[2 * i], METRIC_CPU_USAGE);
		/* Shares are not added up, times are. */
		assert_true(is_near(a.v[2 * i][3], sums[i] / (float)n[i]));
		assert_true(is_near(a.v[2 * i + 1][3], sums[i] / 2 * STEP_S));
		assert_true(isnan(a.v[2 * i][2]));
	}
	a = group(b, &how);
	assert_true(a.v[0][3] == 198 && a.v[2][3] == 199);
	how = STAT_LOWEST;
	a = group(b, &how);
	assert_true(a.v[0][3] == 0 && a.v[2][3] == 3);
}

static void
groups_are_of_those_that_have_a_sample(void **state)
{
	struct bed *b = *state;
	enum stat_join how = STAT_MEAN;
	struct group_answer a;

	stats_put(b->stats, b->ids[2], b->slot, METRIC_CPU_USAGE, 10);
	stats_put(b->stats, b->ids[4], b->slot, METRIC_CPU_USAGE, 20);
	stats_put(b->stats, b->ids[4], b->slot - 1, METRIC_CPU_USAGE, 40);
	a = group(b, &how);
	assert_true(a.v[0][3] == 15 && a.v[0][2] == 40 && isnan(a.v[0][1]));
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(who_is_first_is_found_in_memory),
		CASE(who_is_first_is_found_in_files),
		CASE(who_has_no_sample_is_not_last),
		CASE(a_stop_ends_what_is_under_way),
		CASE(too_much_is_refused),
		CASE(files_are_written_each_in_its_second),
		CASE(groups_are_joined_as_their_unit_has_it),
		CASE(groups_are_of_those_that_have_a_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
