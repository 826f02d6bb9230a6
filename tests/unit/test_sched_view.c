#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/build_view.h"

static void
expect_guest_refused(const struct sched_guest *g, const char *message)
{
	AUTO(sched_view) struct sched_view *v = sched_view_new();
	struct err e = ERR_INIT;

	assert_int_equal(sched_view_add_guest(v, g, &e), ERR_INVALID);
	assert_string_equal(e.msg, message);
}

static void
expect_host_refused(const struct sched_host *h, const char *message)
{
	AUTO(sched_view) struct sched_view *v = sched_view_new();
	struct err e = ERR_INIT;

	assert_int_equal(sched_view_add_host(v, h, &e), ERR_INVALID);
	assert_string_equal(e.msg, message);
}

static void
test_ids_and_names(void **state)
{
	struct sched_guest g = build_guest(0, "g");

	expect_guest_refused(&g, "guest: id is 0, must be 1 to 9223372036854775807");
	g.id = UINT64_C(1) << 63;
	expect_guest_refused(
	    &g, "guest: id is 9223372036854775808, must be 1 to 9223372036854775807");
	g.id = 1;
	g.name = NULL;
	expect_guest_refused(&g, "guest 1 has no name");
}

static void
test_guest_sizes(void **state)
{
	struct sched_guest g = build_guest(1, "g");

	g.num_cpu = 0;
	expect_guest_refused(&g, "guest g: num_cpu is 0, must be 1 to 1024");
	g.num_cpu = UINT64_MAX;
	expect_guest_refused(
	    &g, "guest g: num_cpu is 18446744073709551615, must be 1 to 1024");
	g.num_cpu = 1;
	g.memory_mb = UINT64_C(1) << 63;
	expect_guest_refused(
	    &g, "guest g: memory_mb is 9223372036854775808, must be 1 to 4294967296");
	g.memory_mb = 1;
	g.disk_count = SCHED_MAX_DISKS + 1;
	expect_guest_refused(&g, "guest g: number of disks is 17, must be 0 to 16");
	g.disk_count = 0;
	g.engines = 1U << SCHED_ENGINE_COUNT_;
	expect_guest_refused(&g, "guest g: engines has unknown bits: 0x10");
}

static void
test_guest_disks(void **state)
{
	struct sched_disk disk = { .need_mb = SCHED_MAX_STORAGE_MB + 1 };
	struct sched_guest g = build_guest(1, "g");

	g.disks = &disk;
	g.disk_count = 1;
	expect_guest_refused(&g,
	    "guest g: disk 0: need_mb is 1099511627777, must be 0 to 1099511627776");
	disk = (struct sched_disk){ .need_mb = 1 };
	g.host = 1;
	expect_guest_refused(
	    &g, "guest g: disk 0 of a guest that has a host needs a datastore");
}

static void
test_guest_that_runs_nowhere(void **state)
{
	struct sched_guest g = build_guest(1, "g");

	g.state = SCHED_GUEST_RUNNING;
	expect_guest_refused(&g, "guest g has no host, so its state must be off");
	g.state = SCHED_GUEST_STATE_COUNT_;
	expect_guest_refused(&g, "guest g: state 3 is unknown");
}

static void
test_host_sizes(void **state)
{
	struct sched_host h = build_host(1, "h");

	h.memory_overhead_mb = h.memory_mb + 1;
	expect_host_refused(
	    &h, "host h: memory_overhead_mb is 8193, must be 0 to 8192");
	h.memory_overhead_mb = 0;
	h.memory_mb = 0;
	expect_host_refused(&h, "host h: memory_mb is 0, must be 1 to 4294967296");
}

static void
test_host_lists(void **state)
{
	static const uint64_t twice[] = { 3, 1, 3 };
	static const uint64_t zero[] = { 0 };
	struct sched_host h = build_host(1, "h");

	h.datastores = twice;
	h.datastore_count = 3;
	expect_host_refused(&h, "host h: datastores: 3 is there twice");
	h.datastore_count = 2;
	h.networks = zero;
	expect_host_refused(&h, "host h: networks: 0 is no id");
}

static void
test_policy_and_datastore(void **state)
{
	AUTO(sched_view) struct sched_view *v = sched_view_new();
	struct sched_cluster c = { 1, "c", sched_policy_default() };
	struct sched_datastore d = { 1, "d", 100, 101 };
	struct err e = ERR_INIT;

	c.policy.vcpu_demand_mhz = 0;
	assert_int_equal(sched_view_add_cluster(v, &c, &e), ERR_INVALID);
	assert_string_equal(
	    e.msg, "cluster c: vcpu_demand_mhz is 0, must be 1 to 100000");
	assert_int_equal(sched_view_add_datastore(v, &d, &e), ERR_INVALID);
	assert_string_equal(e.msg, "datastore d: free_mb is 101, must be 0 to 100");
}

/* What was refused leaves no trace. */
static void
test_view_is_usable_after_a_refusal(void **state)
{
	AUTO(sched_view) struct sched_view *v = sched_view_new();
	struct sched_guest g = build_guest(1, "g");
	struct sched_counts counts;

	g.num_cpu = 0;
	assert_int_equal(sched_view_add_guest(v, &g, NULL), ERR_INVALID);
	g.num_cpu = 1;
	assert_int_equal(sched_view_add_guest(v, &g, NULL), 0);
	assert_int_equal(sched_view_finish(v, NULL), 0);
	sched_view_counts(v, &counts);
	assert_int_equal(counts.guests, 1);
	assert_int_equal(counts.unplaced, 1);
}

static void
test_unknown_reference(void **state)
{
	AUTO(sched_view) struct sched_view *v = sched_view_new();
	struct sched_guest g = build_guest(1, "g");
	struct err e = ERR_INIT;

	g.want_host = 5;
	assert_int_equal(sched_view_add_guest(v, &g, &e), 0);
	assert_int_equal(sched_view_finish(v, &e), ERR_NOT_FOUND);
	assert_string_equal(e.msg, "guest g: there is no host 5");
}

static void
test_same_id_twice(void **state)
{
	AUTO(sched_view) struct sched_view *v = sched_view_new();
	const struct sched_guest a = build_guest(1, "a"), b = build_guest(1, "b");
	struct err e = ERR_INIT;

	assert_int_equal(sched_view_add_guest(v, &a, &e), 0);
	assert_int_equal(sched_view_add_guest(v, &b, &e), 0);
	assert_int_equal(sched_view_finish(v, &e), ERR_EXISTS);
	assert_string_equal(e.msg, "two guests have the id 1");
}

static void
test_finished_view_takes_no_more(void **state)
{
	AUTO(sched_view) struct sched_view *v = build_view(NULL, 0, NULL, 0);
	const struct sched_guest g = build_guest(1, "g");
	struct err e = ERR_INIT;

	assert_int_equal(sched_view_add_guest(v, &g, &e), ERR_BAD_STATE);
	assert_string_equal(e.msg, "guest: the view is finished");
}

static void
test_find_guest(void **state)
{
	const struct sched_guest g[] = { build_guest(7, "web"), build_guest(8, "twin"),
		build_guest(9, "twin"), build_guest(UINT64_C(6) << 56 | 42, "db") };
	AUTO(sched_view) struct sched_view *v = build_view(NULL, 0, g, 4);
	struct err e = ERR_INIT;
	uint64_t id = 0;

	assert_int_equal(sched_view_find_guest(v, "7", &id, &e), 0);
	assert_int_equal(id, 7);
	assert_int_equal(sched_view_find_guest(v, "vm-42", &id, &e), 0);
	assert_int_equal(id, g[3].id);
	assert_int_equal(sched_view_find_guest(v, "web", &id, &e), 0);
	assert_int_equal(id, 7);
	assert_int_equal(sched_view_find_guest(v, "twin", &id, &e), ERR_INVALID);
	assert_string_equal(e.msg, "more than one guest is named twin: say its id");
	assert_int_equal(sched_view_find_guest(v, "10", &id, &e), ERR_NOT_FOUND);
	assert_string_equal(e.msg, "there is no guest 10");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids_and_names),
		cmocka_unit_test(test_guest_sizes),
		cmocka_unit_test(test_guest_disks),
		cmocka_unit_test(test_guest_that_runs_nowhere),
		cmocka_unit_test(test_host_sizes),
		cmocka_unit_test(test_host_lists),
		cmocka_unit_test(test_policy_and_datastore),
		cmocka_unit_test(test_view_is_usable_after_a_refusal),
		cmocka_unit_test(test_unknown_reference),
		cmocka_unit_test(test_same_id_twice),
		cmocka_unit_test(test_finished_view_takes_no_more),
		cmocka_unit_test(test_find_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
