#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/event/event_life.h"
#include "server/stats/stat_intake.h"
#include "server/stats/stat_query.h"
#include "server/stats/stats_int.h"
#include "tests/lib/inv_world.h"

#define STEP_MS     20000u
#define WRITE_S     60u
#define DEADLINE_MS 10000u

struct bed {
	struct world *w;
	struct events *events;
	struct stats *stats;
	char dir[64];
	obj_id host, vm;
};

struct answer {
	unsigned calls;
	int rc;
	size_t n;
	uint64_t first_s;
	uint32_t interval_s;
	float v[400];
};

static void
open_stats(struct bed *b)
{
	const struct stats_opts o = {
		.inv = b->w->inv,
		.dir = b->dir,
		.daemon = "",
		.interval_ms = STEP_MS,
		.write_s = WRITE_S,
	};
	struct err e = ERR_INIT;

	assert_int_equal(stats_new(&o, &b->stats, &e), 0);
}

static obj_id
add_vm(struct bed *b, const char *name)
{
	obj_id dc = world_add(b->w, KIND_DATACENTER, OBJ_ID_NONE, name);
	obj_id id = world_add(b->w, KIND_VM, dc, name);
	struct txn *t = txn_new(b->w->inv);
	struct vm *vm = txn_edit(t, id);

	vm->host = b->host;
	assert_int_equal(world_commit(b->w, t), 0);
	return id;
}

static int
setup(void **state)
{
	struct bed *b = xcalloc(1, sizeof(*b));
	void *w;

	world_setup(&w);
	b->w = w;
	b->events = events_new(b->w->inv);
	snprintf(b->dir, sizeof(b->dir), "/tmp/test-stats-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	obj_id dc = world_add(b->w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	obj_id cluster = world_add(b->w, KIND_CLUSTER, dc, "c1");
	b->host = world_add(b->w, KIND_HOST, cluster, "h1");
	b->vm = add_vm(b, "vm1");
	open_stats(b);
	*state = b;
	return 0;
}

static void
remove_tree(const char *dir)
{
	AUTO_FREE char *line = xasprintf("rm -rf '%s'", dir);

	/* NOLINTNEXTLINE(cert-env33-c): a folder that the test has made */
	assert_int_equal(system(line), 0);
}

static int
teardown(void **state)
{
	struct bed *b = *state;
	void *w = b->w;

	stats_free(b->stats);
	events_free(b->events);
	remove_tree(b->dir);
	world_teardown(&w);
	free(b);
	return 0;
}

/* One round: of the host and of a guest. */
static void
send_round(struct bed *b, uint64_t seq, uint64_t age_ms, obj_id guest, uint64_t value)
{
	uint32_t counters[] = { METRIC_CPU_USAGE, METRIC_CPU_READY, 63 };
	uint64_t values[] = { value, 2 * value, 1 };
	Drover__StatSet set = DROVER__STAT_SET__INIT, *guests[] = { &set };
	Drover__StatRound r = DROVER__STAT_ROUND__INIT, *rounds[] = { &r };
	Drover__StatBatch batch = DROVER__STAT_BATCH__INIT;
	Drover__StatAck ack = DROVER__STAT_ACK__INIT;

	set.id = obj_id_number(guest);
	set.n_counters = set.n_values = 3;
	set.counters = counters;
	set.values = values;
	r.seq = seq;
	r.age_ms = age_ms;
	r.span_ms = STEP_MS;
	r.host = &set;
	r.n_guests = 1;
	r.guests = guests;
	batch.n_rounds = 1;
	batch.rounds = rounds;
	stats_take(b->stats, b->host, "boot-1", &batch, &ack);
	assert_int_equal(ack.interval_ms, STEP_MS);
	assert_in_range(ack.due_ms, 1, STEP_MS);
	assert_true(ack.seq >= seq);
}

static void
on_answer(void *arg, int rc, const struct err *e, const struct stat_answer *a)
{
	struct answer *to = arg;

	to->calls++;
	to->rc = rc;
	if (rc)
		return;
	assert_int_equal(a->n_series, 1);
	to->n = a->n_values;
	to->first_s = a->first_s;
	to->interval_s = a->interval_s;
	assert_true(a->n_values <= ARRAY_SIZE(to->v));
	memcpy(to->v, a->series[0].values.average, a->n_values * sizeof(float));
}

static uint64_t
now_s(const struct bed *b)
{
	return clock_wall_ms(b->w->clock) / 1000;
}

/* Workers live in real time. */
static void
turn_until(struct bed *b, bool (*is)(struct bed *b, void *arg), void *arg)
{
	uint64_t end_ms = clock_mono_ms(clock_system()) + DEADLINE_MS;

	while (!is(b, arg)) {
		assert_true(clock_mono_ms(clock_system()) < end_ms);
		loop_turn(b->w->loop, 1);
		sched_yield();
	}
}

static bool
is_answered(struct bed *b, void *arg)
{
	return ((struct answer *)arg)->calls > 0;
}

static struct answer
ask(struct bed *b, obj_id id, uint8_t counter, uint64_t back_s, uint32_t interval_s)
{
	const struct stat_ask q = { &id, 1, &counter, 1,
		{ .start_s = now_s(b) - back_s, .interval_s = interval_s } };
	struct answer a = { 0 };
	struct err e = ERR_INIT;

	assert_int_equal(stats_query(b->stats, &q, on_answer, &a, &e), 0);
	assert_int_equal(a.calls, 0);
	turn_until(b, is_answered, &a);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.rc, 0);
	return a;
}

/* To the next moment at which samples are due, and a little more. */
static void
go_to_slot(struct bed *b)
{
	uint64_t wall_ms = clock_wall_ms(b->w->clock);

	clock_advance(b->w->clock, STEP_MS - wall_ms % STEP_MS + 3);
	world_settle(b->w);
}

static bool
is_written(struct bed *b, void *arg)
{
	const struct stat_object *o = stats_find(b->stats, *(obj_id *)arg);

	return o && o->written == stat_ring_newest(o->ring);
}

/* All are due once in so long. */
static void
go_past_due(struct bed *b)
{
	for (unsigned i = 0; i <= WRITE_S; i++) {
		clock_advance(b->w->clock, 1000);
		world_settle(b->w);
	}
}

static void
let_write(struct bed *b, obj_id id)
{
	go_past_due(b);
	turn_until(b, is_written, &id);
}

static void
samples_are_asked_for(void **state)
{
	struct bed *b = *state;
	struct answer a;

	go_to_slot(b);
	send_round(b, 1, 0, b->vm, 10000);
	go_to_slot(b);
	go_to_slot(b);
	send_round(b, 2, 0, b->vm, 30000);
	a = ask(b, b->vm, METRIC_CPU_USAGE, 60, 0);
	assert_int_equal(a.n, 3);
	assert_int_equal(a.interval_s, 20);
	assert_int_equal(
	    (a.first_s + 40) * 1000 / STEP_MS, clock_wall_ms(b->w->clock) / STEP_MS);
	assert_true(a.v[0] == 10 && isnan(a.v[1]) && a.v[2] == 30);
	/* Sums are over the interval, whatever it is. */
	a = ask(b, b->vm, METRIC_CPU_READY, 60, 60);
	assert_int_equal(a.interval_s, 60);
	a = ask(b, b->vm, METRIC_CPU_READY, 60, 0);
	assert_true(fabsf(a.v[2] - 60) < 0.1f);
	a = ask(b, b->host, METRIC_CPU_USAGE, 60, 0);
	assert_true(a.v[2] == 30);
}

static const struct host *
host_row(const struct bed *b)
{
	return inv_host(b->w->inv, b->host);
}

/* Five minutes of it, so that a burst counts little, and what is long ago nothing. */
static void
hosts_tell_how_busy_they_are(void **state)
{
	struct bed *b = *state;

	for (unsigned i = 0; i < 3; i++) {
		uint64_t slot = stats_slot(b->stats, clock_wall_ms(b->w->clock));

		stats_put(b->stats, b->host, slot, METRIC_NET_UTILIZATION, 90);
		stats_put(b->stats, b->host, slot, METRIC_DISK_PRESSURE,
		    i ? 12.5f : 100);
		go_to_slot(b);
	}
	clock_advance(b->w->clock, STEP_MS / 2);
	world_settle(b->w);
	assert_in_range(host_row(b)->network_busy_permille, 899, 901);
	assert_in_range(host_row(b)->disk_busy_permille, 416, 418);
	for (unsigned i = 0; i < 16; i++)
		go_to_slot(b);
	assert_int_equal(host_row(b)->network_busy_permille, 0);
	assert_int_equal(host_row(b)->disk_busy_permille, 0);
}

static void
age_not_the_hosts_clock_places_a_sample(void **state)
{
	struct bed *b = *state;
	struct answer a;

	go_to_slot(b);
	go_to_slot(b);
	go_to_slot(b);
	send_round(b, 1, 2 * STEP_MS, b->vm, 10000);
	send_round(b, 2, STEP_MS, b->vm, 20000);
	/* Again: its acknowledgement was lost. */
	send_round(b, 2, STEP_MS, b->vm, 99000);
	/* Long ago, which nobody keeps. */
	send_round(b, 3, UINT64_C(4000000), b->vm, 50000);
	a = ask(b, b->vm, METRIC_CPU_USAGE, 60, 0);
	assert_true(a.v[0] == 10 && a.v[1] == 20 && isnan(a.v[2]));
}

static void
a_clock_that_is_set_back_loses_no_samples(void **state)
{
	struct bed *b = *state;
	uint64_t now;
	struct answer a;

	go_to_slot(b);
	now = stats_slot(b->stats, clock_wall_ms(b->w->clock));
	/* As they were taken before. */
	stats_put(b->stats, b->vm, now + 4320, METRIC_CPU_USAGE, 99);
	let_write(b, b->vm);
	go_to_slot(b);
	send_round(b, 1, 0, b->vm, 10000);
	a = ask(b, b->vm, METRIC_CPU_USAGE, 20, 0);
	assert_true(a.v[0] == 10);
	go_past_due(b);
	go_to_slot(b);
	send_round(b, 2, 0, b->vm, 11000);
	assert_true(ask(b, b->vm, METRIC_CPU_USAGE, 20, 0).v[0] == 11);
	assert_false(b->stats->failing);
}

static void
a_host_speaks_of_its_own_guests_alone(void **state)
{
	struct bed *b = *state;
	obj_id own = b->host;

	b->host = OBJ_ID_NONE;
	obj_id other = add_vm(b, "vm2");
	b->host = own;
	go_to_slot(b);
	send_round(b, 1, 0, other, 10000);
	send_round(b, 2, 0, obj_id_make(KIND_VM, 4711), 10000);
	assert_null(stats_find(b->stats, other));
	assert_null(stats_find(b->stats, obj_id_make(KIND_VM, 4711)));
	assert_non_null(stats_find(b->stats, b->host));
}

static void
history_outlives_the_server(void **state)
{
	struct bed *b = *state;
	struct answer a;

	for (uint64_t i = 1; i <= 20; i++) {
		go_to_slot(b);
		send_round(b, i, 0, b->vm, i * 1000);
	}
	let_write(b, b->vm);
	go_to_slot(b);
	send_round(b, 21, 0, b->vm, 21000);
	/* What is not written yet is written at the end. */
	stats_free(b->stats);
	open_stats(b);
	go_to_slot(b);
	send_round(b, 1, 0, b->vm, 22000);
	a = ask(b, b->vm, METRIC_CPU_USAGE, 60, 0);
	assert_true(a.v[1] == 21 && a.v[2] == 22);
	let_write(b, b->vm);
	assert_true(stats_find(b->stats, b->vm)->opened);
}

static void
damaged_files_are_put_aside(void **state)
{
	struct bed *b = *state;
	AUTO_FREE char *path = stats_path(b->stats, b->vm);
	struct stat st;

	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs("this is none", f);
	fclose(f);
	go_to_slot(b);
	send_round(b, 1, 0, b->vm, 1000);
	let_write(b, b->vm);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size > 100000);
	assert_false(b->stats->failing);
}

static void
put_file(const char *path, uint64_t wall_ms)
{
	const struct timespec t = { .tv_sec = (time_t)(wall_ms / 1000) };
	const struct timespec times[2] = { t, t };
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fclose(f);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool
is_failing(struct bed *b, void *arg)
{
	return b->stats->failing;
}

static bool
is_put_away(struct bed *b, void *path)
{
	return access(path, F_OK) == 0;
}

static void
what_cannot_be_written_is_kept(void **state)
{
	struct bed *b = *state;
	AUTO_FREE char *folder = xasprintf("%s/vms", b->dir);
	struct answer a;

	/* As good as a full disk. */
	assert_int_equal(rmdir(folder), 0);
	go_to_slot(b);
	send_round(b, 1, 0, b->vm, 1000);
	go_past_due(b);
	turn_until(b, is_failing, NULL);
	a = ask(b, b->vm, METRIC_CPU_USAGE, 100, 0);
	assert_true(a.v[0] == 1 || a.v[1] == 1 || a.v[2] == 1);
	assert_int_equal(mkdir(folder, 0700), 0);
	let_write(b, b->vm);
	assert_false(b->stats->failing);
}

static void
what_is_gone_is_put_away(void **state)
{
	struct bed *b = *state;
	char id[OBJ_ID_TEXT];
	AUTO_FREE char *path = stats_path(b->stats, b->vm);
	AUTO_FREE char *rest =
	    xasprintf("%s/deleted/%s.rrd", b->dir, obj_id_text(b->vm, id));
	struct txn *t = txn_new(b->w->inv);

	go_to_slot(b);
	send_round(b, 1, 0, b->vm, 1000);
	let_write(b, b->vm);
	assert_int_equal(access(path, F_OK), 0);
	txn_del(t, b->vm);
	assert_int_equal(world_commit(b->w, t), 0);
	assert_null(stats_find(b->stats, b->vm));
	turn_until(b, is_put_away, rest);
	assert_int_equal(access(path, F_OK), -1);
}

static bool
is_removed(struct bed *b, void *path)
{
	return access(path, F_OK) != 0;
}

static void
what_has_lain_long_enough_is_removed(void **state)
{
	struct bed *b = *state;
	uint64_t month_ms = STAT_KEPT_DAYS * UINT64_C(86400000);
	AUTO_FREE char *old = xasprintf("%s/deleted/vm-7.rrd", b->dir);
	AUTO_FREE char *young = xasprintf("%s/deleted/vm-8.rrd", b->dir);
	AUTO_FREE char *lost = xasprintf("%s/vms/vm-9.rrd", b->dir);
	AUTO_FREE char *found = xasprintf("%s/deleted/vm-9.rrd", b->dir);

	put_file(old, clock_wall_ms(b->w->clock) - month_ms);
	put_file(young, clock_wall_ms(b->w->clock) - month_ms + 86400000);
	/* It went while there was no server. */
	put_file(lost, clock_wall_ms(b->w->clock));
	clock_advance(b->w->clock, 3600000);
	stat_sweep(b->stats);
	turn_until(b, is_removed, old);
	turn_until(b, is_removed, lost);
	assert_int_equal(access(young, F_OK), 0);
	assert_int_equal(access(found, F_OK), 0);
}

/* A machine that is on, in a pool of its own in the cluster's. */
static obj_id
put_in_pool(struct bed *b, obj_id vm_id)
{
	obj_id cluster = inv_get(b->w->inv, b->host)->parent;
	obj_id outer = world_add(b->w, KIND_POOL, cluster, "Resources");
	obj_id inner = world_add(b->w, KIND_POOL, outer, "inner");
	struct txn *t = txn_new(b->w->inv);
	struct vm *vm = txn_edit(t, vm_id);

	vm->pool = inner;
	vm->power_state = POWER_ON;
	assert_int_equal(world_commit(b->w, t), 0);
	return outer;
}

static void
pools_and_clusters_are_sums(void **state)
{
	struct bed *b = *state;
	obj_id cluster = inv_get(b->w->inv, b->host)->parent;
	obj_id pool = put_in_pool(b, b->vm);
	struct txn *t = txn_new(b->w->inv);
	struct host *h = txn_edit(t, b->host);
	uint64_t slot;

	h->cpu_total_mhz = 4000;
	h->memory_total_mb = 1;
	assert_int_equal(world_commit(b->w, t), 0);
	go_to_slot(b);
	slot = stats_slot(b->stats, clock_wall_ms(b->w->clock));
	stats_put(b->stats, b->vm, slot, METRIC_CPU_USAGEMHZ, 500);
	stats_put(b->stats, b->vm, slot, METRIC_MEM_CONSUMED, 256);
	stats_put(b->stats, b->host, slot, METRIC_CPU_USAGEMHZ, 1000);
	stats_put(b->stats, b->host, slot, METRIC_MEM_CONSUMED, 512);
	clock_advance(b->w->clock, STEP_MS / 2);
	world_settle(b->w);
	assert_true(ask(b, pool, METRIC_CPU_USAGEMHZ, 25, 0).v[0] == 500);
	assert_true(ask(b, pool, METRIC_MEM_CONSUMED, 25, 0).v[0] == 256);
	assert_true(ask(b, cluster, METRIC_CPU_USAGE, 25, 0).v[0] == 25);
	assert_true(ask(b, cluster, METRIC_MEM_USAGE, 25, 0).v[0] == 50);
	assert_true(ask(b, cluster, METRIC_CPU_TOTALMHZ, 25, 0).v[0] == 4000);
	/* Nobody was sampled: that is not nothing. */
	clock_advance(b->w->clock, STEP_MS);
	world_settle(b->w);
	assert_true(isnan(ask(b, pool, METRIC_CPU_USAGEMHZ, 20, 0).v[0]));
}

static void
intervals_make_whole_rows(void **state)
{
	struct err e = ERR_INIT;

	assert_int_equal(stats_check_interval(20000, &e), 0);
	assert_int_equal(stats_check_interval(1000, &e), 0);
	assert_int_equal(stats_check_interval(300000, &e), 0);
	assert_int_equal(stats_check_interval(7000, &e), ERR_INVALID);
	assert_int_equal(stats_check_interval(1500, &e), ERR_INVALID);
	assert_int_equal(stats_check_interval(0, &e), ERR_INVALID);
	assert_int_equal(stats_check_interval(600000, &e), ERR_INVALID);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(samples_are_asked_for),
		CASE(hosts_tell_how_busy_they_are),
		CASE(age_not_the_hosts_clock_places_a_sample),
		CASE(a_clock_that_is_set_back_loses_no_samples),
		CASE(a_host_speaks_of_its_own_guests_alone),
		CASE(history_outlives_the_server),
		CASE(damaged_files_are_put_aside),
		CASE(what_cannot_be_written_is_kept),
		CASE(what_is_gone_is_put_away),
		CASE(what_has_lain_long_enough_is_removed),
		CASE(pools_and_clusters_are_sums),
		cmocka_unit_test(intervals_make_whole_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
