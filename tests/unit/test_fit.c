#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/lib/build_view.h"

/* The one host's verdict on guest 7. */
static struct sched_plan *
judge(const struct sched_host *h, const struct sched_guest *g, size_t guest_count)
{
	AUTO(sched_view) struct sched_view *v = build_view(h, 1, g, guest_count);
	struct sched_plan *plan = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(sched_place(v, 7, SCHED_EXPLAIN, &plan, &e), 0);
	assert_int_equal(plan->moves[0].candidate_count, 1);
	return plan;
}

static void
expect_fits(const struct sched_host *h, const struct sched_guest *g)
{
	AUTO(sched_plan) struct sched_plan *plan = judge(h, g, 1);

	assert_true(plan->moves[0].candidates[0].fits);
	assert_int_equal(plan->moves[0].code, 0);
	assert_int_equal(plan->moves[0].to, h->id);
}

static void
expect_reason(
    const struct sched_host *h, const struct sched_guest *g, struct sched_reason want)
{
	AUTO(sched_plan) struct sched_plan *plan = judge(h, g, 1);
	const struct sched_candidate *c = &plan->moves[0].candidates[0];

	assert_false(c->fits);
	assert_int_equal(plan->moves[0].code, ERR_NO_CAPACITY);
	assert_int_equal(c->reason_count, 1);
	assert_int_equal(c->reasons[0].code, want.code);
	assert_int_equal(c->reasons[0].object, want.object);
	assert_int_equal(c->reasons[0].asked, want.asked);
	assert_int_equal(c->reasons[0].free, want.free);
	assert_int_equal(c->reasons[0].total, want.total);
	assert_string_equal(c->reasons[0].text, want.text);
}

static void
test_plain_guest_fits(void **state)
{
	struct sched_host h = build_host(1, "h");
	struct sched_guest g = build_guest(7, "g");

	expect_fits(&h, &g);
}

static void
test_every_host_state(void **state)
{
	struct sched_host h = build_host(1, "h");
	struct sched_guest g = build_guest(7, "g");
	const struct sched_reason away = { .code = SCHED_REASON_NOT_CONNECTED,
		.text = "is not connected" };
	const struct sched_reason maintenance = { .code = SCHED_REASON_MAINTENANCE,
		.text = "is in maintenance" };

	h.state = SCHED_HOST_DISCONNECTED;
	expect_reason(&h, &g, away);
	h.state = SCHED_HOST_NOT_RESPONDING;
	expect_reason(&h, &g, away);
	h.state = SCHED_HOST_MAINTENANCE;
	expect_reason(&h, &g, maintenance);
	h.state = SCHED_HOST_ENTERING_MAINTENANCE;
	expect_reason(&h, &g, maintenance);
}

static void
test_host_that_told_nothing_lacks_nothing(void **state)
{
	struct sched_host h = build_host(1, "h");
	struct sched_guest g = build_guest(7, "g");

	h.state = SCHED_HOST_DISCONNECTED;
	h.cpu_cores = h.cpu_mhz = h.memory_mb = 0;
	expect_reason(&h, &g,
	    (struct sched_reason){
		.code = SCHED_REASON_NOT_CONNECTED, .text = "is not connected" });
}

static void
test_cluster(void **state)
{
	struct sched_host h = build_host(1, "h");
	struct sched_guest g = build_guest(7, "g");

	g.cluster = 2;
	h.cluster = 2;
	expect_fits(&h, &g);
	h.cluster = 1;
	expect_reason(&h, &g,
	    (struct sched_reason){ .code = SCHED_REASON_OTHER_CLUSTER,
		.object = 2,
		.text = "is not in cluster cluster-2" });
	h.cluster = 0;
	expect_reason(&h, &g,
	    (struct sched_reason){ .code = SCHED_REASON_OTHER_CLUSTER,
		.object = 2,
		.text = "is not in cluster cluster-2" });
}

static void
test_engine(void **state)
{
	struct sched_host h = build_host(1, "h");
	struct sched_guest g = build_guest(7, "g");

	g.engines = 1U << SCHED_ENGINE_OCI;
	expect_reason(&h, &g,
	    (struct sched_reason){
		.code = SCHED_REASON_ENGINE, .text = "has no oci engine" });
	h.engines |= 1U << SCHED_ENGINE_OCI;
	expect_fits(&h, &g);
}

static void
test_memory_to_the_last_mb(void **state)
{
	struct sched_host h = build_host(1, "h");
	struct sched_guest g = build_guest(7, "g");

	h.memory_overhead_mb = 192;
	g.memory_mb = 8000;
	expect_fits(&h, &g);
	g.memory_mb = 8001;
	expect_reason(&h, &g,
	    (struct sched_reason){ .code = SCHED_REASON_MEMORY,
		.asked = 8001,
		.free = 8000,
		.total = 8000,
		.text = "lacks memory: 8001 MB asked, 8000 MB free of 8000 MB" });
}

static void
test_overfull_host_has_nothing_free(void **state)
{
	struct sched_host h = build_host(1, "h");
	struct sched_guest g[] = { build_running(1, "old", 1), build_guest(7, "g") };
	AUTO(sched_plan) struct sched_plan *plan = NULL;

	g[0].memory_mb = 9000;
	plan = judge(&h, g, 2);
	assert_int_equal(plan->moves[0].candidates[0].reasons[0].free, 0);
	assert_int_equal(plan->moves[0].candidates[0].reasons[0].total, 8192);
}

static void
test_cores_bound_one_guest(void **state)
{
	struct sched_host h = build_host(1, "h");
	struct sched_guest g = build_guest(7, "g");

	g.num_cpu = 4;
	expect_fits(&h, &g);
	g.num_cpu = 5;
	expect_reason(&h, &g,
	    (struct sched_reason){ .code = SCHED_REASON_CORES,
		.asked = 5,
		.total = 4,
		.text = "has too few cores: 5 vCPU asked, 4 there" });
}

static void
test_vcpus_bound_all_guests(void **state)
{
	struct sched_host h = build_host(1, "h");
	struct sched_guest g[] = { build_running(1, "old", 1), build_guest(7, "g") };
	AUTO(sched_plan) struct sched_plan *fits = NULL;
	AUTO(sched_plan) struct sched_plan *refused = NULL;

	g[0].num_cpu = 62;
	g[0].memory_mb = 1;
	fits = judge(&h, g, 2);
	assert_int_equal(fits->moves[0].code, 0);
	g[0].num_cpu = 63;
	refused = judge(&h, g, 2);
	assert_int_equal(refused->moves[0].code, ERR_NO_CAPACITY);
	assert_string_equal(
	    refused->moves[0].candidates[0].text, "lacks vCPUs: 2 asked, 1 free of 64");
}

static void
test_networks(void **state)
{
	static const uint64_t both[] = { 2, 1 };
	struct sched_host h = build_host(1, "h");
	struct sched_guest g = build_guest(7, "g");

	g.networks = both;
	g.network_count = 2;
	expect_reason(&h, &g,
	    (struct sched_reason){ .code = SCHED_REASON_NETWORK,
		.object = 2,
		.text = "does not reach network network-2" });
	h.networks = both;
	h.network_count = 2;
	expect_fits(&h, &g);
}

static void
test_disk_on_a_datastore_out_of_reach(void **state)
{
	/* Two disks, one reason. */
	const struct sched_disk disks[] = { { .datastore = 2 }, { .datastore = 2 } };
	struct sched_host h = build_host(1, "h");
	struct sched_guest g = build_guest(7, "g");

	g.disks = disks;
	g.disk_count = 2;
	expect_reason(&h, &g,
	    (struct sched_reason){ .code = SCHED_REASON_DATASTORE_UNREACHED,
		.object = 2,
		.text = "does not reach datastore datastore-2" });
}

static void
test_disks_of_one_guest_share_the_space(void **state)
{
	struct sched_disk disks[] = { { .need_mb = 300000 }, { .need_mb = 200000 } };
	struct sched_host h = build_host(1, "h");
	struct sched_guest g = build_guest(7, "g");

	g.disks = disks;
	g.disk_count = 2;
	expect_fits(&h, &g);
	disks[1].need_mb++;
	expect_reason(&h, &g,
	    (struct sched_reason){ .code = SCHED_REASON_DATASTORE_SPACE,
		.object = 1,
		.asked = 200001,
		.free = 200000,
		.total = 1000000,
		.text =
		    "lacks space on datastore datastore-1: 200001 MB asked, 200000 MB "
		    "free of 1000000 MB" });
}

static void
test_host_without_datastores(void **state)
{
	const struct sched_disk disk = { .need_mb = 0 };
	struct sched_host h = build_host(1, "h");
	struct sched_guest g = build_guest(7, "g");

	h.datastore_count = 0;
	expect_fits(&h, &g);
	g.disks = &disk;
	g.disk_count = 1;
	expect_reason(&h, &g,
	    (struct sched_reason){
		.code = SCHED_REASON_NO_DATASTORE, .text = "reaches no datastore" });
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_guest_fits),
		cmocka_unit_test(test_every_host_state),
		cmocka_unit_test(test_host_that_told_nothing_lacks_nothing),
		cmocka_unit_test(test_cluster),
		cmocka_unit_test(test_engine),
		cmocka_unit_test(test_memory_to_the_last_mb),
		cmocka_unit_test(test_overfull_host_has_nothing_free),
		cmocka_unit_test(test_cores_bound_one_guest),
		cmocka_unit_test(test_vcpus_bound_all_guests),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_disk_on_a_datastore_out_of_reach),
		cmocka_unit_test(test_disks_of_one_guest_share_the_space),
		cmocka_unit_test(test_host_without_datastores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
