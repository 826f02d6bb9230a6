#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/event/event_life.h"
#include "server/stats/stat_intake.h"
#include "server/stats/stat_query.h"
#include "server/stats/stats_int.h"
#include "tests/lib/stats_bed.h"

struct answer {
	unsigned calls;
	int rc;
	size_t n;
	uint64_t first_s;
	uint32_t interval_s;
	float v[400];
};

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

static bool
is_answered(struct bed *b, void *arg)
{
	return ((struct answer *)arg)->calls > 0;
}

static struct answer
ask(struct bed *b, obj_id id, uint8_t counter, uint64_t back_s, uint32_t interval_s)
{
	const struct stat_ask q = { .ids = &id,
		.n_ids = 1,
		.counters = &counter,
		.n_counters = 1,
		.want = {
		    .start_s = bed_now_s(b) - back_s, .interval_s = interval_s } };
	struct answer a = { 0 };
	struct err e = ERR_INIT;

	assert_int_equal(stats_query(b->stats, &q, on_answer, &a, &e), 0);
	assert_int_equal(a.calls, 0);
	bed_turn_until(b, is_answered, &a);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.rc, 0);
	return a;
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
	bed_turn_until(b, is_written, &id);
}

static void
samples_are_asked_for(void **state)
{
	struct bed *b = *state;
	struct answer a;

	bed_go_to_slot(b);
	send_round(b, 1, 0, b->vm, 10000);
	bed_go_to_slot(b);
	bed_go_to_slot(b);
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
		stats_put(
		    b->stats, b->host, slot, METRIC_DISK_PRESSURE, i ? 12.5f : 100);
		bed_go_to_slot(b);
	}
	clock_advance(b->w->clock, STEP_MS / 2);
	world_settle(b->w);
	assert_in_range(host_row(b)->network_busy_permille, 899, 901);
	assert_in_range(host_row(b)->disk_busy_permille, 416, 418);
	for (unsigned i = 0; i < 16; i++)
		bed_go_to_slot(b);
	assert_int_equal(host_row(b)->network_busy_permille, 0);
	assert_int_equal(host_row(b)->disk_busy_permille, 0);
}

static void
age_not_the_hosts_clock_places_a_sample(void **state)
{
	struct bed *b = *state;
	struct answer a;

	bed_go_to_slot(b);
	bed_go_to_slot(b);
	bed_go_to_slot(b);
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

	bed_go_to_slot(b);
	now = stats_slot(b->stats, clock_wall_ms(b->w->clock));
	/* As they were taken before. */
	stats_put(b->stats, b->vm, now + 4320, METRIC_CPU_USAGE, 99);
	let_write(b, b->vm);
	bed_go_to_slot(b);
	send_round(b, 1, 0, b->vm, 10000);
	a = ask(b, b->vm, METRIC_CPU_USAGE, 20, 0);
	assert_true(a.v[0] == 10);
	go_past_due(b);
	bed_go_to_slot(b);
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
	obj_id other = bed_add_vm(b, "vm2");
	b->host = own;
	bed_go_to_slot(b);
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
		bed_go_to_slot(b);
		send_round(b, i, 0, b->vm, i * 1000);
	}
	let_write(b, b->vm);
	bed_go_to_slot(b);
	send_round(b, 21, 0, b->vm, 21000);
	/* What is not written yet is written at the end. */
	stats_free(b->stats);
	bed_open(b);
	bed_go_to_slot(b);
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
	bed_go_to_slot(b);
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

static obj_id
open_named(struct bed *b)
{
	const struct stats_opts o = { .inv = b->w->inv,
		.dir = b->dir,
		.daemon = "",
		.interval_ms = STEP_MS,
		.write_s = WRITE_S,
		.name = "s1.example.com:8443" };
	struct err e = ERR_INIT;
	const struct obj *found;

	stats_free(b->stats);
	assert_int_equal(stats_new(&o, &b->stats, &e), 0);
	world_settle(b->w);
	found = inv_find(b->w->inv, OBJ_ID_NONE, KIND_SERVER, o.name);
	assert_non_null(found);
	return found->id;
}

/* Half a step after samples of hosts are due. */
static void
go_to_own(struct bed *b)
{
	bed_go_to_slot(b);
	clock_advance(b->w->clock, STEP_MS / 2);
	world_settle(b->w);
}

static void
the_server_itself_is_counted(void **state)
{
	struct bed *b = *state;
	obj_id id = open_named(b);

	assert_true(isnan(stats_now(b->stats, id, METRIC_CPU_USAGE)));
	go_to_own(b);
	assert_true(stats_now(b->stats, id, METRIC_MEM_CONSUMED) > 0);
	/* Two counters of the host and two of a guest; one more nobody knows. */
	send_round(b, 1, 0, b->vm, 1000);
	clock_advance(b->w->clock, STEP_MS);
	world_settle(b->w);
	assert_true(stats_now(b->stats, id, METRIC_CPU_USAGE) >= 0);
	assert_true(stats_now(b->stats, id, METRIC_SERVER_SAMPLES) > 0);
	assert_true(stats_now(b->stats, id, METRIC_SERVER_DROPPED) == 0);
	assert_true(stats_now(b->stats, id, METRIC_SERVER_TASKS_RUNNING) == 0);
	assert_true(isnan(stats_now(b->stats, id, METRIC_SERVER_REQUESTS)));
	/* It leads once more: it is the same one. */
	assert_true(obj_id_is(open_named(b), id));
	assert_int_equal(inv_count(b->w->inv, KIND_SERVER), 1);
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
	bed_go_to_slot(b);
	send_round(b, 1, 0, b->vm, 1000);
	go_past_due(b);
	bed_turn_until(b, is_failing, NULL);
	a = ask(b, b->vm, METRIC_CPU_USAGE, 100, 0);
	assert_true(a.v[0] == 1 || a.v[1] == 1 || a.v[2] == 1);
	assert_int_equal(mkdir(folder, 0700), 0);
	let_write(b, b->vm);
	assert_false(b->stats->failing);
}

static void
a_full_disk_loses_nothing(void **state)
{
	struct bed *b = *state;
	const struct rlimit full = { 65536, RLIM_INFINITY };
	const struct rlimit roomy = { RLIM_INFINITY, RLIM_INFINITY };

	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	bed_go_to_slot(b);
	send_round(b, 1, 0, b->vm, 1000);
	go_past_due(b);
	bed_turn_until(b, is_failing, NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &roomy), 0);
	let_write(b, b->vm);
	assert_false(b->stats->failing);
	stats_free(b->stats);
	bed_open(b);
	struct answer a = ask(b, b->vm, METRIC_CPU_USAGE, 200, 0);
	size_t known = 0;
	for (size_t i = 0; i < a.n; i++)
		known += a.v[i] == 1;
	assert_int_equal(known, 1);
}

/* A machine that has another name, place and host has its history. */
static void
history_follows_moves_and_names(void **state)
{
	struct bed *b = *state;
	struct err e = ERR_INIT;

	bed_go_to_slot(b);
	send_round(b, 1, 0, b->vm, 10000);
	let_write(b, b->vm);
	obj_id dc = world_add(b->w, KIND_DATACENTER, OBJ_ID_NONE, "dc2");
	obj_id cluster = world_add(b->w, KIND_CLUSTER, dc, "c2");
	b->host = world_add(b->w, KIND_HOST, cluster, "h2");
	struct txn *t = txn_new(b->w->inv);
	((struct vm *)txn_edit(t, b->vm))->host = b->host;
	assert_int_equal(txn_rename(t, b->vm, dc, "other", &e), 0);
	assert_int_equal(world_commit(b->w, t), 0);
	bed_go_to_slot(b);
	send_round(b, 1, 0, b->vm, 20000);
	stats_free(b->stats);
	bed_open(b);
	struct answer a = ask(b, b->vm, METRIC_CPU_USAGE, 200, 0);
	float first = NAN, last = NAN;
	for (size_t i = 0; i < a.n; i++) {
		first = isnan(first) ? a.v[i] : first;
		last = isnan(a.v[i]) ? last : a.v[i];
	}
	assert_true(first == 10 && last == 20);
}

static void
a_million_metrics_take_no_more_room(void **state)
{
	enum { MANY = 1000000 };
	struct bed *b = *state;
	uint32_t *counters = xcalloc(MANY, sizeof(*counters));
	uint64_t *values = xcalloc(MANY, sizeof(*values));
	Drover__StatSet set = DROVER__STAT_SET__INIT, *guests[1000];
	Drover__StatRound r = DROVER__STAT_ROUND__INIT, *rounds[] = { &r, &r };
	Drover__StatBatch batch = DROVER__STAT_BATCH__INIT;
	Drover__StatAck ack = DROVER__STAT_ACK__INIT;

	for (uint32_t i = 0; i < MANY; i++) {
		counters[i] = i;
		values[i] = UINT64_MAX - i;
	}
	set.id = obj_id_number(b->vm);
	set.n_counters = set.n_values = MANY;
	set.counters = counters;
	set.values = values;
	for (unsigned i = 0; i < 1000; i++)
		guests[i] = &set;
	r.seq = 1;
	r.span_ms = 1;
	r.host = &set;
	r.guests = guests;
	r.n_guests = 1;
	batch.n_rounds = 2;
	batch.rounds = rounds;
	bed_go_to_slot(b);
	stats_take(b->stats, b->host, "boot-1", &batch, &ack);
	/* Guests that it does not have. */
	set.n_counters = 1;
	set.id = 4711;
	r.seq = 2;
	r.n_guests = 1000;
	stats_take(b->stats, b->host, "boot-1", &batch, &ack);
	assert_int_equal(ack.seq, 2);
	assert_int_equal(map_count(b->stats->by_id), 2);
	assert_true(stat_ring_bytes(stats_find(b->stats, b->vm)->ring) < 64 * 1024);
	/* What comes after as many as there are is not looked at. */
	assert_true(isfinite(ask(b, b->vm, METRIC_CPU_USAGE, 20, 0).v[0]));
	set.id = obj_id_number(b->vm);
	set.n_counters = set.n_values = MANY;
	for (uint32_t i = 0; i < MANY; i++) {
		counters[i] = i < METRIC_MAX ? METRIC_MAX : METRIC_CPU_USAGE;
		values[i] = 1000;
	}
	bed_go_to_slot(b);
	r.seq = 3;
	r.n_guests = 1;
	stats_take(b->stats, b->host, "boot-1", &batch, &ack);
	assert_true(isnan(ask(b, b->vm, METRIC_CPU_USAGE, 20, 0).v[0]));
	let_write(b, b->vm);
	assert_false(b->stats->failing);
	free(counters);
	free(values);
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

	bed_go_to_slot(b);
	send_round(b, 1, 0, b->vm, 1000);
	let_write(b, b->vm);
	assert_int_equal(access(path, F_OK), 0);
	txn_del(t, b->vm);
	assert_int_equal(world_commit(b->w, t), 0);
	assert_null(stats_find(b->stats, b->vm));
	bed_turn_until(b, is_put_away, rest);
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
	bed_turn_until(b, is_removed, old);
	bed_turn_until(b, is_removed, lost);
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
	bed_go_to_slot(b);
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

/* Of the machine and of its host, by the host's agent. */
static void
send_use(struct bed *b, uint64_t seq, uint64_t age_ms, uint64_t mhz)
{
	uint32_t counters[] = { METRIC_CPU_USAGEMHZ, METRIC_MEM_CONSUMED };
	uint64_t values[] = { mhz * METRIC_SCALE, UINT64_C(256) * METRIC_SCALE };
	Drover__StatSet set = DROVER__STAT_SET__INIT, *guests[] = { &set };
	Drover__StatRound r = DROVER__STAT_ROUND__INIT, *rounds[] = { &r };
	Drover__StatBatch batch = DROVER__STAT_BATCH__INIT;
	Drover__StatAck ack = DROVER__STAT_ACK__INIT;

	set.id = obj_id_number(b->vm);
	set.n_counters = set.n_values = ARRAY_SIZE(counters);
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
}

static void
late_samples_are_in_the_sums(void **state)
{
	struct bed *b = *state;
	obj_id cluster = inv_get(b->w->inv, b->host)->parent;
	obj_id pool = put_in_pool(b, b->vm);
	struct answer a;
	float sum = 0;

	for (unsigned i = 0; i < 4; i++)
		bed_go_to_slot(b);
	assert_true(isnan(ask(b, pool, METRIC_CPU_USAGEMHZ, 80, 0).v[0]));
	/* The host was away: files wait for what it knows, memory goes on. */
	go_past_due(b);
	for (uint64_t i = 0; i < 7; i++)
		send_use(b, i + 1, (6 - i) * STEP_MS, 100 * (i + 1));
	for (unsigned i = 0; i < STEP_MS / 2 / 50; i++) {
		clock_advance(b->w->clock, 50);
		world_settle(b->w);
	}
	a = ask(b, pool, METRIC_CPU_USAGEMHZ, 120, 0);
	for (unsigned i = 0; i < 6; i++)
		assert_true(a.v[i] == (float)(100 * (i + 2)));
	assert_true(ask(b, cluster, METRIC_CPU_USAGEMHZ, 120, 0).v[0] == 200);
	/* And so it is in its file. */
	for (uint64_t i = 8; i < 12; i++) {
		bed_go_to_slot(b);
		send_use(b, i, 0, 100 * i);
		clock_advance(b->w->clock, STEP_MS / 2);
		world_settle(b->w);
	}
	let_write(b, b->vm);
	assert_int_equal(stats_find(b->stats, pool)->written,
	    stat_ring_newest(stats_find(b->stats, b->vm)->ring));
	stats_free(b->stats);
	bed_open(b);
	a = ask(b, pool, METRIC_CPU_USAGEMHZ, 600, 0);
	for (size_t i = 0; i < a.n; i++) {
		if (isnan(a.v[i]))
			continue;
		sum += 100;
		assert_true(fabsf(a.v[i] - sum) <= sum / 1000);
	}
	assert_true(sum == 1100);
}

static uint64_t
final_of(const struct bed *b, obj_id id)
{
	struct stat_final known = { 0 };

	return stat_sum_final(b->stats, stats_find(b->stats, id), &known);
}

/* More guests than are summed up in a turn; of one of them a sample comes late, while
 * the others are being looked at. */
static void
sums_of_many_take_several_turns(void **state)
{
	enum { MANY = 4500 };
	struct bed *b = *state;
	obj_id pool = put_in_pool(b, b->vm), dc = inv_get(b->w->inv, b->vm)->parent;
	obj_id inner = inv_vm(b->w->inv, b->vm)->pool;
	struct txn *t = txn_new(b->w->inv);
	uint64_t slot;
	float sum;

	for (unsigned i = 0; i < MANY; i++) {
		AUTO_FREE char *name = xasprintf("many-%u", i);
		void *o;

		assert_int_equal(txn_add(t, KIND_VM, dc, name, &o, NULL), 0);
		((struct vm *)o)->pool = inner;
		((struct vm *)o)->power_state = POWER_ON;
	}
	assert_int_equal(world_commit(b->w, t), 0);
	bed_go_to_slot(b);
	slot = stats_slot(b->stats, clock_wall_ms(b->w->clock));
	INV_EACH(b->w->inv, KIND_VM, o)
	{
		stats_put(b->stats, o->id, slot, METRIC_CPU_USAGEMHZ, 2);
		stats_put(b->stats, o->id, slot, METRIC_MEM_CONSUMED, 1);
	}
	clock_advance(b->w->clock, STEP_MS / 2);
	loop_turn(b->w->loop, 0);
	assert_true(isnan(stats_at(b->stats, pool, slot, METRIC_CPU_USAGEMHZ)));
	send_use(b, 1, STEP_MS / 2, 102);
	world_settle(b->w);
	sum = stats_at(b->stats, pool, slot, METRIC_CPU_USAGEMHZ);
	assert_true(fabsf(sum - (2 * MANY + 102)) < 10);
	assert_int_equal(final_of(b, pool), slot);
	/* Their files would be 20 GB. */
	LIST_EACH(struct stat_object, o, &b->stats->objects, node)
		o->written = slot;
}

static void
files_wait_for_who_was_heard_lately(void **state)
{
	struct bed *b = *state;
	obj_id pool = put_in_pool(b, b->vm);
	uint64_t heard;

	bed_go_to_slot(b);
	send_use(b, 1, 0, 100);
	heard = stats_slot(b->stats, clock_wall_ms(b->w->clock));
	clock_advance(b->w->clock, STEP_MS / 2);
	world_settle(b->w);
	stats_put(b->stats, pool, heard + 5, METRIC_CPU_USAGEMHZ, 1);
	assert_int_equal(final_of(b, pool), heard);
	/* Most of an hour later nothing more is to come of it. */
	stats_put(b->stats, pool, heard + 149, METRIC_CPU_USAGEMHZ, 1);
	assert_int_equal(final_of(b, pool), heard);
	stats_put(b->stats, pool, heard + 150, METRIC_CPU_USAGEMHZ, 1);
	assert_int_equal(final_of(b, pool), heard + 150);
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
#define CASE(f) cmocka_unit_test_setup_teardown(f, bed_setup, bed_teardown)
	const struct CMUnitTest tests[] = {
		CASE(samples_are_asked_for),
		CASE(the_server_itself_is_counted),
		CASE(hosts_tell_how_busy_they_are),
		CASE(age_not_the_hosts_clock_places_a_sample),
		CASE(a_clock_that_is_set_back_loses_no_samples),
		CASE(a_host_speaks_of_its_own_guests_alone),
		CASE(history_outlives_the_server),
		CASE(damaged_files_are_put_aside),
		CASE(what_cannot_be_written_is_kept),
		CASE(a_full_disk_loses_nothing),
		CASE(history_follows_moves_and_names),
		CASE(a_million_metrics_take_no_more_room),
		CASE(what_is_gone_is_put_away),
		CASE(what_has_lain_long_enough_is_removed),
		CASE(pools_and_clusters_are_sums),
		CASE(late_samples_are_in_the_sums),
		CASE(sums_of_many_take_several_turns),
		CASE(files_wait_for_who_was_heard_lately),
		cmocka_unit_test(intervals_make_whole_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
