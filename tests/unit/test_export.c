#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/event/event_life.h"
#include "server/export/export.h"
#include "server/inventory/inv_drs.h"
#include "server/stats/stat_intake.h"
#include "server/stats/stats.h"
#include "tests/lib/inv_world.h"

#define STEP_MS 20000u

struct bed {
	struct world *w;
	struct events *events;
	struct stats *stats;
	struct exporter *x;
	char dir[64];
	obj_id dc, cluster, other, pool, host, vm;
	uint64_t seq;
};

static void
fill(struct bed *b)
{
	struct txn *t = txn_new(b->w->inv);
	struct vm *vm = txn_edit(t, b->vm);
	struct host *h = txn_edit(t, b->host);
	struct pool *p = txn_edit(t, b->pool);

	vm->host = b->host;
	vm->pool = b->pool;
	vm->num_cpu = 2;
	vm->memory_mb = 512;
	vm->power_state = POWER_ON;
	h->cpu_cores = 4;
	h->connection_state = CONN_CONNECTED;
	p->cpu_reservation_mhz = 1000;
	assert_int_equal(world_commit(b->w, t), 0);
}

static int
setup(void **state)
{
	struct bed *b = xcalloc(1, sizeof(*b));
	struct err e = ERR_INIT;
	void *w;

	world_setup(&w);
	b->w = w;
	b->events = events_new(b->w->inv);
	snprintf(b->dir, sizeof(b->dir), "/tmp/test-export-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	b->dc = world_add(b->w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	b->cluster = world_add(b->w, KIND_CLUSTER, b->dc, "c1");
	b->other = world_add(b->w, KIND_CLUSTER, b->dc, "c2");
	b->pool = world_add(b->w, KIND_POOL, b->cluster, "gold");
	b->host = world_add(b->w, KIND_HOST, b->cluster, "h1");
	b->vm = world_add(b->w, KIND_VM, b->dc, "web");
	fill(b);
	const struct stats_opts so = { .inv = b->w->inv,
		.dir = b->dir,
		.daemon = "",
		.interval_ms = STEP_MS,
		.write_s = 300 };
	assert_int_equal(stats_new(&so, &b->stats, &e), 0);
	const struct export_deps d = { .inv = b->w->inv, .stats = b->stats };
	b->x = exporter_new(&d);
	*state = b;
	return 0;
}

static int
teardown(void **state)
{
	struct bed *b = *state;
	void *w = b->w;
	AUTO_FREE char *line = xasprintf("rm -rf '%s'", b->dir);

	exporter_free(b->x);
	stats_free(b->stats);
	events_free(b->events);
	/* NOLINTNEXTLINE(cert-env33-c): a folder that the test has made */
	assert_int_equal(system(line), 0);
	world_teardown(&w);
	free(b);
	return 0;
}

static char *
told(struct bed *b, unsigned collectors, obj_id cluster)
{
	const struct export_ask ask = { .collectors = collectors, .cluster = cluster };
	struct export_run *r = export_begin(b->x, &ask);
	struct str all = STR_INIT;
	bool more;

	do {
		AUTO(str) struct str piece = STR_INIT;

		more = export_more(r, &piece);
		str_add(&all, str_cstr(&piece));
	} while (more);
	export_end(r);
	str_add(&all, "");
	return str_take(&all);
}

static void
expect(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no \"%s\" in:\n%s", line, text);
}

static void
reject(const char *text, const char *line)
{
	if (strstr(text, line))
		fail_msg("\"%s\" in:\n%s", line, text);
}

/* The guest's CPU use in percent over a step, and what it waited in milliseconds. */
#define LATENCY "drover_vm_disk_latency_seconds"

static void
send_round(struct bed *b, uint64_t percent, uint64_t ready_ms)
{
	uint32_t counters[] = { METRIC_CPU_USAGE, METRIC_CPU_READY,
		METRIC_DISK_READ_TIME, METRIC_DISK_READS_TIMED };
	uint64_t values[] = { percent * METRIC_SCALE, ready_ms * METRIC_SCALE,
		25 * METRIC_SCALE, 4 * METRIC_SCALE };
	Drover__StatSet set = DROVER__STAT_SET__INIT, *guests[] = { &set };
	Drover__StatRound r = DROVER__STAT_ROUND__INIT, *rounds[] = { &r };
	Drover__StatBatch batch = DROVER__STAT_BATCH__INIT;
	Drover__StatAck ack = DROVER__STAT_ACK__INIT;

	set.id = obj_id_number(b->vm);
	set.n_counters = set.n_values = ARRAY_SIZE(counters);
	set.counters = counters;
	set.values = values;
	r.seq = ++b->seq;
	r.span_ms = STEP_MS;
	r.n_guests = 1;
	r.guests = guests;
	batch.n_rounds = 1;
	batch.rounds = rounds;
	stats_take(b->stats, b->host, "boot-1", &batch, &ack);
}

static void
names_objects_by_their_ids(void **state)
{
	struct bed *b = *state;
	AUTO_FREE char *vms = told(b, EXPORT_BIT(EXPORT_VMS), OBJ_ID_NONE);
	AUTO_FREE char *rest = told(b, EXPORT_SMALL, OBJ_ID_NONE);

	expect(vms,
	    "drover_vm_info{vm=\"vm-1\",name=\"web\",type=\"machine\",host=\"host-1\","
	    "cluster=\"cluster-1\",pool=\"pool-1\",guest_os=\"\",power=\"powered_on\"} 1");
	expect(vms, "drover_vm_power_state{vm=\"vm-1\",state=\"powered_on\"} 1\n");
	expect(vms, "drover_vm_power_state{vm=\"vm-1\",state=\"powered_off\"} 0\n");
	expect(vms, "drover_vm_memory_configured_bytes{vm=\"vm-1\"} 536870912\n");
	reject(vms, "drover_host_up");
	expect(rest, "drover_host_up{host=\"host-1\"} 1\n");
	expect(rest,
	    "drover_pool_cpu_hertz{pool=\"pool-1\",kind=\"reservation\"} 1000000000\n");
	reject(rest, "kind=\"limit\"");
	expect(rest, "drover_scrape_duration_seconds{collector=\"hosts\"} ");
	reject(rest, "drover_vm_vcpus");
}

static void
counts_what_samples_add_up_to(void **state)
{
	struct bed *b = *state;
	AUTO_FREE char *none = told(b, EXPORT_BIT(EXPORT_VMS), OBJ_ID_NONE);

	reject(none, "drover_vm_cpu_seconds_total{");
	send_round(b, 50, 400); /* of two CPUs, for 20 s */
	AUTO_FREE char *one = told(b, EXPORT_BIT(EXPORT_VMS), OBJ_ID_NONE);
	expect(one, "# TYPE drover_vm_cpu_seconds_total counter\n");
	expect(one, "drover_vm_cpu_seconds_total{vm=\"vm-1\"} 20\n");
	expect(one, "drover_vm_cpu_ready_seconds_total{vm=\"vm-1\"} 0.4\n");
	clock_advance(b->w->clock, STEP_MS);
	send_round(b, 100, 0);
	AUTO_FREE char *two = told(b, EXPORT_BIT(EXPORT_VMS), OBJ_ID_NONE);
	expect(two, "drover_vm_cpu_seconds_total{vm=\"vm-1\"} 60\n");
	expect(two, "# TYPE drover_vm_disk_latency_seconds summary\n");
	expect(two, LATENCY "_sum{vm=\"vm-1\",operation=\"read\"} 0.05\n");
	expect(two, LATENCY "_count{vm=\"vm-1\",operation=\"read\"} 8\n");
	assert_null(strstr(two, "operation=\"write\""));
}

static void
keeps_to_the_cluster_that_is_asked_for(void **state)
{
	struct bed *b = *state;
	AUTO_FREE char *mine = told(b, EXPORT_ALL, b->cluster);
	AUTO_FREE char *other = told(b, EXPORT_ALL, b->other);

	expect(mine, "drover_vm_vcpus{vm=\"vm-1\"} 2\n");
	expect(mine, "drover_cluster_info{cluster=\"cluster-1\"");
	reject(mine, "drover_cluster_info{cluster=\"cluster-2\"");
	reject(other, "drover_vm_vcpus{");
	reject(other, "drover_host_up{");
	expect(other, "drover_cluster_info{cluster=\"cluster-2\"");
}

static void
end_task(struct bed *b, const char *op, const char *user, enum task_state state)
{
	obj_id id = world_add(b->w, KIND_TASK, OBJ_ID_NONE, "Move");
	struct txn *t = txn_new(b->w->inv);
	struct task *task = txn_edit(t, id);

	text_set(&task->op, op);
	text_set(&task->user_name, user);
	task->entity = b->vm;
	task->state = state;
	task->started_at = 1000;
	task->finished_at = 4000;
	task->result = json_new_object();
	json_set_u64(task->result, "outage_ms", 40);
	assert_int_equal(world_commit(b->w, t), 0);
}

static void
counts_moves_by_who_wanted_them(void **state)
{
	struct bed *b = *state;

	end_task(b, "vm.migrate", "ann", TASK_SUCCESS);
	end_task(b, "vm.migrate", "drs", TASK_SUCCESS);
	end_task(b, "vm.migrate", "drs", TASK_ERROR);
	end_task(b, "vm.migrate", "drs", TASK_RUNNING);
	end_task(b, "ha.restart", "ha", TASK_SUCCESS);
	AUTO_FREE char *text = told(b, EXPORT_SMALL, OBJ_ID_NONE);
#define MOVES "drover_cluster_migrations_total{cluster=\"cluster-1\",reason="
	expect(text, MOVES "\"user\",result=\"success\"} 1\n");
	expect(text, MOVES "\"drs\",result=\"success\"} 1\n");
	expect(text, MOVES "\"drs\",result=\"error\"} 1\n");
	expect(text,
	    "drover_cluster_ha_restarts_total{cluster=\"cluster-1\",result=\"success\"} 1\n");
	expect(text,
	    "drover_cluster_migration_duration_seconds_bucket{cluster=\"cluster-1\",le=\"2.5\"} 0\n");
	expect(text,
	    "drover_cluster_migration_duration_seconds_bucket{cluster=\"cluster-1\",le=\"5\"} 2\n");
	expect(text,
	    "drover_cluster_migration_downtime_seconds_sum{cluster=\"cluster-1\"} 0.08\n");
	event_post(b->w->inv, EV_SERVER_STARTED, OBJ_ID_NONE, NULL, "up");
	world_settle(b->w);
	AUTO_FREE char *after = told(b, EXPORT_BIT(EXPORT_SERVER), OBJ_ID_NONE);
	expect(after, "drover_events_total{type=\"ServerStartedEvent\"} 1\n");
}

static void
long_answers_come_in_pieces(void **state)
{
	struct bed *b = *state;
	const struct export_ask ask = { .format = EXPO_OPENMETRICS,
		.collectors = EXPORT_BIT(EXPORT_VMS) };
	struct export_run *r;
	size_t pieces = 0, longest = 0, lines = 0;
	bool more;

	for (unsigned i = 0; i < 400; i++) {
		char name[16];

		snprintf(name, sizeof(name), "many-%u", i);
		world_add(b->w, KIND_VM, b->dc, name);
	}
	r = export_begin(b->x, &ask);
	do {
		AUTO(str) struct str piece = STR_INIT;

		more = export_more(r, &piece);
		pieces++;
		longest = piece.len > longest ? piece.len : longest;
		for (const char *at = str_cstr(&piece); *at; at++)
			lines += at[0] == '\n';
		if (!more)
			assert_true(str_ends(str_cstr(&piece), "# EOF\n"));
	} while (more);
	export_end(r);
	assert_true(pieces > 3);
	assert_true(longest < 2 * EXPORT_PIECE);
	assert_true(lines > 401 * 12);
}

static void
families_are_called_as_others_expect(void **state)
{
	const struct expo_family *f = NULL;
	AUTO(str) struct str seen = STR_INIT;

	while ((f = export_family_next(f)) != NULL) {
		AUTO_FREE char *mark = xasprintf(" %s ", f->name);

		assert_true(
		    str_starts(f->name, "drover_") || str_starts(f->name, "process_"));
		assert_false(str_ends(f->name, "_total") || str_ends(f->name, "_info"));
		if (*f->unit)
			assert_true(str_ends(f->name, f->unit));
		assert_null(strstr(str_cstr(&seen), mark));
		str_add(&seen, mark);
		assert_false(str_ends(f->help, "."));
	}
	assert_true(seen.len > 1000);
}

#define EXPORT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EXPORT_TEST(names_objects_by_their_ids),
		EXPORT_TEST(counts_what_samples_add_up_to),
		EXPORT_TEST(keeps_to_the_cluster_that_is_asked_for),
		EXPORT_TEST(counts_moves_by_who_wanted_them),
		EXPORT_TEST(long_answers_come_in_pieces),
		cmocka_unit_test(families_are_called_as_others_expect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
