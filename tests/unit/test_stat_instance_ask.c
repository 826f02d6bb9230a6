#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "server/stats/stat_intake.h"
#include "server/stats/stat_query.h"
#include "server/stats/stats_int.h"
#include "tests/lib/stats_bed.h"

#define NAMED_MAX 8u

struct named {
	unsigned calls;
	size_t n;
	char name[NAMED_MAX][METRIC_INSTANCE_TEXT];
	float newest[NAMED_MAX];
};

static void
on_named(void *arg, int rc, const struct err *e, const struct stat_answer *a)
{
	struct named *to = arg;

	to->calls++;
	assert_int_equal(rc, 0);
	assert_true(a->n_series <= NAMED_MAX);
	to->n = a->n_series;
	for (size_t i = 0; i < a->n_series; i++) {
		const struct stat_series *one = &a->series[i];

		memcpy(to->name[i], one->instance, sizeof(to->name[i]));
		to->newest[i] = one->values.average[a->n_values - 1];
	}
}

static bool
is_named(struct bed *b, void *arg)
{
	return ((struct named *)arg)->calls > 0;
}

static struct named
ask_instances(struct bed *b, obj_id id, uint8_t counter, const char *instances)
{
	const struct stat_ask q = { .ids = &id,
		.n_ids = 1,
		.counters = &counter,
		.n_counters = 1,
		.want = { .start_s = bed_now_s(b) - 60 },
		.instances = instances };
	struct named a = { 0 };
	struct err e = ERR_INIT;

	assert_int_equal(stats_query(b->stats, &q, on_named, &a, &e), 0);
	bed_turn_until(b, is_named, &a);
	return a;
}

/* A sample of one instance of each that are named; guest 0: the host itself. */
static void
send_instances(
    struct bed *b, uint64_t seq, uint64_t guest, const char *const *names, size_t n)
{
	uint32_t counters[] = { METRIC_NET_RECEIVED, METRIC_MEM_CONSUMED };
	uint64_t values[] = { 7000, 1000 };
	Drover__StatSet sets[4], *list[4], whole = DROVER__STAT_SET__INIT, *guests[1];
	Drover__StatRound r = DROVER__STAT_ROUND__INIT, *rounds[] = { &r };
	Drover__StatBatch batch = DROVER__STAT_BATCH__INIT;
	Drover__StatAck ack = DROVER__STAT_ACK__INIT;

	whole.id = guest;
	whole.n_counters = whole.n_values = 2;
	whole.counters = counters;
	whole.values = values;
	for (size_t i = 0; i < n; i++) {
		sets[i] = whole;
		sets[i].instance = (char *)(uintptr_t)names[i];
		list[i] = &sets[i];
	}
	guests[0] = &whole;
	r.seq = seq;
	r.span_ms = STEP_MS;
	r.host = guest ? NULL : &whole;
	r.n_guests = guest != 0;
	r.guests = guests;
	r.n_instances = n;
	r.instances = list;
	batch.n_rounds = 1;
	batch.rounds = rounds;
	stats_take(b->stats, b->host, "boot-1", &batch, &ack);
}

static void
instances_are_asked_for_by_name(void **state)
{
	static const char *const names[] = { "nic-0", "nic-1", "bad name" };
	struct bed *b = *state;
	const char *known[METRIC_INSTANCES_MAX];
	struct named a;

	bed_go_to_slot(b);
	send_instances(b, 1, obj_id_number(b->vm), names, 3);
	send_instances(b, 2, 0, names, 1);
	a = ask_instances(b, b->vm, METRIC_NET_RECEIVED, NULL);
	assert_int_equal(a.n, 1);
	assert_string_equal(a.name[0], "");
	a = ask_instances(b, b->vm, METRIC_NET_RECEIVED, "*");
	assert_int_equal(a.n, 3);
	assert_string_equal(a.name[0], "");
	assert_string_equal(a.name[1], "nic-0");
	assert_string_equal(a.name[2], "nic-1");
	assert_true(a.newest[1] == 7);
	a = ask_instances(b, b->vm, METRIC_NET_RECEIVED, "disk-0,nic-1");
	assert_int_equal(a.n, 1);
	assert_string_equal(a.name[0], "nic-1");
	assert_int_equal(ask_instances(b, b->host, METRIC_NET_RECEIVED, "nic-*").n, 1);
	/* Memory has no instances, whatever an agent says. */
	assert_int_equal(ask_instances(b, b->vm, METRIC_MEM_CONSUMED, "*").n, 1);
	assert_int_equal(
	    stats_instances(b->stats, b->vm, METRIC_NET_RECEIVED, known), 2);
	assert_string_equal(known[1], "nic-1");
	assert_int_equal(stats_instances(b->stats, b->vm, METRIC_DISK_READ, known), 0);
	/* They are gone with the hour. */
	for (unsigned i = 0; i < 181; i++)
		bed_go_to_slot(b);
	send_instances(b, 3, obj_id_number(b->vm), names, 1);
	a = ask_instances(b, b->vm, METRIC_NET_RECEIVED, "nic-1");
	assert_true(a.n == 0 || isnan(a.newest[0]));
}

/* One that a host has not it says nothing about. */
static void
instances_are_of_its_own_guests(void **state)
{
	static const char *const names[] = { "nic-0" };
	struct bed *b = *state;
	obj_id other = bed_add_vm(b, "vm2");
	struct txn *t = txn_new(b->w->inv);

	((struct vm *)txn_edit(t, other))->host = OBJ_ID_NONE;
	assert_int_equal(world_commit(b->w, t), 0);
	bed_go_to_slot(b);
	stats_put(b->stats, other, stats_slot(b->stats, clock_wall_ms(b->w->clock)),
	    METRIC_NET_RECEIVED, 1);
	send_instances(b, 1, obj_id_number(other), names, 1);
	assert_int_equal(ask_instances(b, other, METRIC_NET_RECEIVED, "nic-*").n, 0);
	assert_int_equal(ask_instances(b, other, METRIC_NET_RECEIVED, "*").n, 1);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, bed_setup, bed_teardown)
	const struct CMUnitTest tests[] = {
		CASE(instances_are_asked_for_by_name),
		CASE(instances_are_of_its_own_guests),
	};
#undef CASE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
