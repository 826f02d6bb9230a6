#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "tests/lib/build_view.h"

static void
test_factors_of_the_choice(void **state)
{
	const struct sched_host h[] = { build_host(1, "a"), build_host(2, "b") };
	const struct sched_guest g[] = { build_running(1, "old", 1),
		build_guest(7, "g") };
	AUTO(sched_view) struct sched_view *v = build_view(h, 2, g, 2);
	AUTO(sched_plan) struct sched_plan *plan = NULL;
	const struct sched_move *m;

	assert_int_equal(sched_place(v, 7, SCHED_EXPLAIN, &plan, NULL), 0);
	m = &plan->moves[0];
	assert_int_equal(m->from, 0);
	assert_int_equal(m->to, 2);
	assert_string_equal(m->to_name, "b");
	assert_int_equal(m->candidate_count, 2);
	assert_int_equal(m->candidates[0].host, 2);
	assert_int_equal(m->candidates[1].host, 1);
	/* 2 vCPU * 500 MHz of 9600 MHz; 4096 of 8192 MB. */
	assert_int_equal(m->candidates[1].cpu_before_permille, 104);
	assert_int_equal(m->candidates[1].cpu_after_permille, 208);
	assert_int_equal(m->candidates[1].memory_before_permille, 500);
	assert_int_equal(m->candidates[1].memory_after_permille, 1000);
	assert_int_equal(m->candidates[1].guests, 1);
}

static void
test_brief_plan_chooses_the_same(void **state)
{
	const struct sched_host h[] = { build_host(1, "a"), build_host(2, "b") };
	const struct sched_guest g[] = { build_running(1, "old", 1),
		build_guest(7, "g") };
	AUTO(sched_view) struct sched_view *v = build_view(h, 2, g, 2);
	AUTO(sched_plan) struct sched_plan *brief = NULL;
	AUTO(sched_plan) struct sched_plan *full = NULL;

	assert_int_equal(sched_place(v, 7, SCHED_BRIEF, &brief, NULL), 0);
	assert_int_equal(sched_place(v, 7, SCHED_EXPLAIN, &full, NULL), 0);
	assert_int_equal(brief->moves[0].candidate_count, 0);
	assert_int_equal(brief->moves[0].to, full->moves[0].to);
	assert_string_equal(brief->moves[0].text, full->moves[0].text);
}

static void
test_refusal_says_which_resource_where(void **state)
{
	struct sched_host h[] = { build_host(1, "host-1"), build_host(2, "host-2") };
	struct sched_guest g[] = { build_running(1, "old", 1), build_guest(7, "vm-7") };
	AUTO(sched_view) struct sched_view *v = NULL;
	AUTO(sched_plan) struct sched_plan *plan = NULL;

	g[0].memory_mb = 7168;
	h[1].state = SCHED_HOST_NOT_RESPONDING;
	v = build_view(h, 2, g, 2);
	assert_int_equal(sched_place(v, 7, SCHED_BRIEF, &plan, NULL), 0);
	assert_int_equal(plan->refused, 1);
	assert_int_equal(plan->moves[0].code, ERR_NO_CAPACITY);
	assert_int_equal(plan->moves[0].to, 0);
	assert_string_equal(plan->moves[0].text,
	    "no host can take vm-7 (2 vCPU, 4096 MB): host-1 lacks memory: 4096 MB "
	    "asked, 1024 MB free of 8192 MB; host-2 is not connected");
}

static void
test_six_equal_guests_spread_over_three_hosts(void **state)
{
	const struct sched_host h[] = { build_host(1, "a"), build_host(2, "b"),
		build_host(3, "c") };
	static const uint64_t ids[] = { 11, 12, 13, 14, 15, 16 };
	struct sched_guest g[6];
	size_t on[4] = { 0 };
	AUTO(sched_view) struct sched_view *v = NULL;
	AUTO(sched_plan) struct sched_plan *plan = NULL;

	for (size_t i = 0; i < 6; i++) {
		g[i] = build_guest(ids[i], "web");
		g[i].memory_mb = 512;
	}
	v = build_view(h, 3, g, 6);
	assert_int_equal(sched_place_many(v, ids, 6, SCHED_BRIEF, &plan, NULL), 0);
	assert_int_equal(plan->refused, 0);
	for (size_t i = 0; i < 6; i++)
		on[plan->moves[i].to]++;
	assert_int_equal(on[1], 2);
	assert_int_equal(on[2], 2);
	assert_int_equal(on[3], 2);
}

/* Even where a guest is too small to show in permille. */
static void
test_tiny_guests_spread_over_huge_hosts(void **state)
{
	struct sched_host h[] = { build_host(1, "a"), build_host(2, "b") };
	struct sched_guest g[] = { build_guest(7, "g"), build_guest(8, "g") };
	static const uint64_t ids[] = { 7, 8 };
	AUTO(sched_view) struct sched_view *v = NULL;
	AUTO(sched_plan) struct sched_plan *plan = NULL;

	for (size_t i = 0; i < 2; i++) {
		h[i].memory_mb = SCHED_MAX_MEMORY_MB;
		h[i].cpu_mhz = SCHED_MAX_MHZ;
		g[i].memory_mb = 1;
	}
	v = build_view(h, 2, g, 2);
	assert_int_equal(sched_place_many(v, ids, 2, SCHED_BRIEF, &plan, NULL), 0);
	assert_int_equal(plan->moves[0].to, 1);
	assert_int_equal(plan->moves[1].to, 2);
}

/* Asked about itself, a running guest does not stand in its own way. */
static void
test_running_guest_is_judged_as_if_away(void **state)
{
	const struct sched_disk disk = { .need_mb = 400000, .datastore = 1 };
	const struct sched_host h = build_host(1, "a");
	struct sched_guest g = build_running(7, "g", 1);
	AUTO(sched_view) struct sched_view *v = NULL;
	AUTO(sched_plan) struct sched_plan *plan = NULL;

	g.memory_mb = 8192;
	g.disks = &disk;
	g.disk_count = 1;
	v = build_view(&h, 1, &g, 1);
	assert_int_equal(sched_place(v, 7, SCHED_EXPLAIN, &plan, NULL), 0);
	assert_int_equal(plan->moves[0].from, 1);
	assert_int_equal(plan->moves[0].to, 1);
	assert_int_equal(plan->moves[0].candidates[0].memory_before_permille, 0);
	assert_int_equal(plan->moves[0].candidates[0].guests, 0);
}

/* One that cannot go anywhere keeps its room from those placed after it. */
static void
test_refused_guest_still_takes_its_room(void **state)
{
	struct sched_host h[] = { build_host(1, "a"), build_host(2, "b") };
	struct sched_guest g[] = { build_running(1, "stuck", 1), build_guest(2, "g") };
	static const uint64_t ids[] = { 1, 2 };
	AUTO(sched_view) struct sched_view *v = NULL;
	AUTO(sched_plan) struct sched_plan *plan = NULL;

	h[1].memory_mb = 1024;
	g[0].want_host = 2;
	g[1].memory_mb = 5000;
	v = build_view(h, 2, g, 2);
	assert_int_equal(sched_place_many(v, ids, 2, SCHED_BRIEF, &plan, NULL), 0);
	assert_int_equal(plan->refused, 2);
	assert_non_null(strstr(plan->moves[1].text, "5000 MB asked, 4096 MB free"));
}

static void
test_off_guest_takes_no_memory(void **state)
{
	const struct sched_host h = build_host(1, "a");
	struct sched_guest g[] = { build_guest(1, "off"), build_guest(7, "g") };
	AUTO(sched_view) struct sched_view *v = NULL;
	AUTO(sched_plan) struct sched_plan *plan = NULL;

	g[0].host = 1;
	g[0].memory_mb = 8192;
	v = build_view(&h, 1, g, 2);
	assert_int_equal(sched_place(v, 7, SCHED_EXPLAIN, &plan, NULL), 0);
	assert_int_equal(plan->moves[0].to, 1);
	assert_int_equal(plan->moves[0].candidates[0].guests, 1);
}

static void
test_unknown_and_repeated_guests_are_refused(void **state)
{
	static const uint64_t twice[] = { 7, 7 };
	const struct sched_host h = build_host(1, "a");
	const struct sched_guest g = build_guest(7, "web");
	AUTO(sched_view) struct sched_view *v = build_view(&h, 1, &g, 1);
	struct sched_plan *plan = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(sched_place(v, 9, SCHED_BRIEF, &plan, &e), ERR_NOT_FOUND);
	assert_string_equal(e.msg, "there is no guest 9");
	assert_int_equal(
	    sched_place_many(v, twice, 2, SCHED_BRIEF, &plan, &e), ERR_INVALID);
	assert_string_equal(e.msg, "guest web is to be placed twice");
	assert_null(plan);
}

static void
test_no_guests_make_an_empty_plan(void **state)
{
	const struct sched_host h = build_host(1, "a");
	AUTO(sched_view) struct sched_view *v = build_view(&h, 1, NULL, 0);
	AUTO(sched_plan) struct sched_plan *plan = NULL;
	AUTO(str) struct str text = STR_INIT;

	assert_int_equal(sched_place_many(v, NULL, 0, SCHED_EXPLAIN, &plan, NULL), 0);
	assert_int_equal(plan->move_count, 0);
	sched_plan_text(plan, &text);
	assert_string_equal(str_cstr(&text), "");
}

static void
test_plan_outlives_its_view(void **state)
{
	const struct sched_disk disk = { .need_mb = 1 };
	const struct sched_host h = build_host(1, "a");
	struct sched_guest g = build_guest(7, "g");
	AUTO(sched_plan) struct sched_plan *plan = NULL;
	AUTO(str) struct str text = STR_INIT;
	struct sched_view *v;

	g.disks = &disk;
	g.disk_count = 1;
	v = build_view(&h, 1, &g, 1);
	assert_int_equal(sched_place(v, 7, SCHED_EXPLAIN, &plan, NULL), 0);
	sched_view_free(v);
	sched_plan_text(plan, &text);
	assert_non_null(strstr(str_cstr(&text), "disk 0 on datastore-1"));
	assert_int_equal(plan->moves[0].datastores[0], 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_factors_of_the_choice),
		cmocka_unit_test(test_brief_plan_chooses_the_same),
		cmocka_unit_test(test_refusal_says_which_resource_where),
		cmocka_unit_test(test_six_equal_guests_spread_over_three_hosts),
		cmocka_unit_test(test_tiny_guests_spread_over_huge_hosts),
		cmocka_unit_test(test_running_guest_is_judged_as_if_away),
		cmocka_unit_test(test_refused_guest_still_takes_its_room),
		cmocka_unit_test(test_off_guest_takes_no_memory),
		cmocka_unit_test(test_unknown_and_repeated_guests_are_refused),
		cmocka_unit_test(test_no_guests_make_an_empty_plan),
		cmocka_unit_test(test_plan_outlives_its_view),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
