/* Small clusters, and what drs_decide makes of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/drs/drs_decide.h"

#define HOSTS  4u
#define GUESTS 16u

struct world {
	struct arena *mem;
	struct drs_host hosts[HOSTS];
	struct drs_guest guests[GUESTS];
	struct drs_reach reach;
	bool all[HOSTS];
	const char *no_reason[HOSTS];
	struct drs_rule rules[4];
	struct drs_view v;
	struct drs_plan plan;
};

/* Hosts of 4 × 1000 MHz and 8 GiB. */
static void
world_init(struct world *w, uint32_t hosts)
{
	static const char *const names[HOSTS] = { "h1", "h2", "h3", "h4" };

	*w = (struct world){ .mem = arena_new() };
	for (uint32_t i = 0; i < hosts; i++) {
		w->hosts[i] = (struct drs_host){
			.id = obj_id_make(KIND_HOST, i + 1),
			.name = names[i],
			.cpu_mhz = 4000,
			.mem_mb = 8192,
			.core_mhz = 1000,
		};
		w->all[i] = true;
	}
	w->reach = (struct drs_reach){ w->all, w->no_reason };
	w->v = (struct drs_view){
		.hosts = w->hosts,
		.host_count = hosts,
		.guests = w->guests,
		.reaches = &w->reach,
		.reach_count = 1,
		.rules = w->rules,
		.threshold = 3,
		.link_mb_s = 100,
		.may_balance = true,
	};
}

static uint32_t
guest(struct world *w, const char *name, uint32_t host, double cpu, double mem)
{
	uint32_t at = w->v.guest_count++;

	w->guests[at] = (struct drs_guest){
		.id = obj_id_make(KIND_VM, at + 1),
		.name = name,
		.cpu_mhz = cpu,
		.mem_mb = mem,
		.is_measured = true,
		.host = host,
		.stable_s = 300,
	};
	return at;
}

static void
rule(struct world *w, const char *name, enum rule_type type, const uint32_t *guests,
    uint32_t n, const bool *hosts)
{
	w->rules[w->v.rule_count++] = (struct drs_rule){
		.name = name,
		.type = type,
		.guests = guests,
		.guest_count = n,
		.hosts = hosts,
	};
}

static void
decide(struct world *w)
{
	drs_decide(&w->v, w->mem, &w->plan);
}

static void
test_two_loaded_guests_part(void **state)
{
	struct world w;

	world_init(&w, 3);
	guest(&w, "a", 0, 2000, 1024);
	guest(&w, "b", 0, 2000, 1024);
	decide(&w);
	assert_true(w.plan.is_uneven);
	assert_int_equal(w.plan.move_count, 1);
	const struct drs_move *m = &w.plan.moves[0];
	assert_int_equal(m->from, 0);
	assert_int_equal(m->priority, 2);
	assert_int_equal(m->reason, DRS_BALANCE_CPU);
	/* Loads 1, 0, 0, then 1/2, 1/2, 0. */
	assert_true(fabs(policy_deviation(m->before.cpu, m->before.cpu_squares, 3) -
			 sqrt(2.0) / 3) < 1e-9);
	assert_true(fabs(policy_deviation(m->after.cpu, m->after.cpu_squares, 3) -
			 sqrt(2.0) / 6) < 1e-9);
	assert_true(fabs(m->worth.copy_s - 10.24) < 1e-9);
	assert_true(m->worth.net > 0);
	assert_int_equal(m->alt_count, 1);
	assert_string_equal(m->alts[0].term, "gain");
	arena_free(w.mem);
}

/* Nobody goes there to even things out, and the reason is told; who has to leave does
 * where there is no other place. */
static void
test_busy_hosts_are_avoided(void **state)
{
	struct world w;

	world_init(&w, 3);
	guest(&w, "a", 0, 2000, 1024);
	guest(&w, "b", 0, 2000, 1024);
	w.hosts[1].busy = "its network is busy to 91.0 %";
	decide(&w);
	assert_int_equal(w.plan.move_count, 1);
	const struct drs_move *m = &w.plan.moves[0];
	assert_int_equal(m->to, 2);
	assert_int_equal(m->alt_count, 1);
	assert_int_equal(m->alts[0].host, 1);
	assert_string_equal(m->alts[0].term, "busy");
	assert_string_equal(m->alts[0].text, w.hosts[1].busy);
	w.hosts[2].busy = "its disks are busy to 80.1 %";
	decide(&w);
	assert_int_equal(w.plan.move_count, 0);
	w.hosts[0].is_leaving = true;
	decide(&w);
	assert_int_equal(w.plan.move_count, 2);
	assert_int_equal(w.plan.blocker_count, 0);
	arena_free(w.mem);
}

/* What comes at this time every day is no surprise. */
static void
test_peaks_that_are_expected_keep_it_where_it_is(void **state)
{
	struct world w;

	world_init(&w, 2);
	guest(&w, "a", 0, 1500, 1024);
	guest(&w, "b", 0, 1500, 1024);
	uint32_t c = guest(&w, "c", 1, 100, 1024);
	decide(&w);
	assert_int_equal(w.plan.move_count, 1);
	assert_true(w.plan.moves[0].worth.risk == 0);
	w.guests[c].peak_mhz = 4000;
	decide(&w);
	assert_int_equal(w.plan.move_count, 0);
	arena_free(w.mem);
}

static void
test_it_does_not_go_back(void **state)
{
	struct world w;

	world_init(&w, 3);
	guest(&w, "a", 0, 2000, 1024);
	guest(&w, "b", 0, 2000, 1024);
	w.guests[0].came_from = w.guests[1].came_from = &w.hosts[1];
	decide(&w);
	assert_int_equal(w.plan.move_count, 1);
	assert_int_equal(w.plan.moves[0].to, 2);
	assert_string_equal(w.plan.moves[0].alts[0].term, "back");
	arena_free(w.mem);
}

/* What rewrites its memory as fast as the link is cannot be copied for long. */
static void
test_busy_memory_costs(void **state)
{
	struct world w;

	world_init(&w, 3);
	guest(&w, "a", 0, 2000, 1024);
	guest(&w, "b", 0, 2000, 1024);
	w.guests[0].dirty_mb_s = w.guests[1].dirty_mb_s = 50;
	decide(&w);
	/* 1024 MB at half of 100 MB/s. */
	assert_true(fabs(w.plan.moves[0].worth.copy_s - 20.48) < 1e-9);
	arena_free(w.mem);
}

static void
test_those_kept_together_go_together(void **state)
{
	static const uint32_t pair[] = { 0, 1 };
	struct world w;

	world_init(&w, 2);
	guest(&w, "a", 0, 1000, 1024);
	guest(&w, "b", 0, 1000, 1024);
	w.guests[guest(&w, "c", 0, 2000, 1024)].pinned = "DRS is disabled for it";
	rule(&w, "pair", RULE_TOGETHER, pair, 2, NULL);
	decide(&w);
	assert_int_equal(w.plan.move_count, 2);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(w.plan.moves[i].to, 1);
		assert_int_equal(w.plan.moves[i].reason, DRS_BALANCE_CPU);
	}
	assert_string_equal(w.plan.moves[0].company, "together with \"b\"");
	assert_string_equal(w.plan.moves[1].company, "together with \"a\"");
	arena_free(w.mem);
}

/* No host has room for the other's large guest, but one for the other's small one. */
static void
test_two_change_places(void **state)
{
	struct world w;

	world_init(&w, 2);
	guest(&w, "a", 0, 2000, 3000);
	guest(&w, "b", 0, 2000, 3000);
	guest(&w, "c", 1, 100, 2000);
	guest(&w, "d", 1, 100, 2000);
	guest(&w, "e", 1, 100, 2000);
	decide(&w);
	assert_int_equal(w.plan.move_count, 2);
	const struct drs_move *first = &w.plan.moves[0], *then = &w.plan.moves[1];
	assert_int_equal(first->from, 1);
	assert_int_equal(then->from, 0);
	assert_int_equal(then->waits_for, 0);
	assert_true(then->after.cpu_squares < first->before.cpu_squares);
	assert_non_null(strstr(first->company, "in exchange for"));
	assert_true(
	    policy_deviation(w.plan.after.cpu, w.plan.after.cpu_squares, 2) < 0.1);
	arena_free(w.mem);
}

#define MANY 300u

/* Every tenth host has ten times the load of the others. */
static void
test_large_clusters_are_evened_out_too(void **state)
{
	struct world w;

	world_init(&w, 1);
	struct drs_host *hosts = arena_array(w.mem, MANY, sizeof(*hosts));
	struct drs_guest *guests = arena_array(w.mem, MANY * 2, sizeof(*guests));
	bool *all = arena_array(w.mem, MANY, sizeof(*all));
	for (uint32_t i = 0; i < MANY; i++) {
		hosts[i] = w.hosts[0];
		hosts[i].id = obj_id_make(KIND_HOST, i + 1);
		all[i] = true;
		for (uint32_t k = 0; k < 2; k++) {
			uint32_t at =
			    guest(&w, "g", i, i % 10 ? 200 : 2000, 512 + i % 7 * 256);
			guests[i * 2 + k] = w.guests[at];
			guests[i * 2 + k].id = obj_id_make(KIND_VM, i * 2 + k + 1);
			w.v.guest_count = 0;
		}
	}
	w.reach.hosts = all;
	w.reach.why_not = arena_array(w.mem, MANY, sizeof(char *));
	w.v.hosts = hosts;
	w.v.host_count = MANY;
	w.v.guests = guests;
	w.v.guest_count = MANY * 2;
	decide(&w);
	/* One of the two of each hot host goes. */
	assert_int_equal(w.plan.move_count, MANY / 10);
	arena_free(w.mem);
}

static void
test_threshold_one_only_does_what_must_be(void **state)
{
	struct world w;

	world_init(&w, 3);
	guest(&w, "a", 0, 2000, 1024);
	guest(&w, "b", 0, 2000, 1024);
	w.v.threshold = 1;
	decide(&w);
	assert_false(w.plan.is_uneven);
	assert_int_equal(w.plan.move_count, 0);
	arena_free(w.mem);
}

/* Nobody waits for anything at a load of a tenth: a move only costs. */
static void
test_idle_cluster_is_left_alone(void **state)
{
	struct world w;

	world_init(&w, 2);
	guest(&w, "a", 0, 200, 512);
	guest(&w, "b", 0, 200, 512);
	w.v.threshold = 4;
	decide(&w);
	assert_int_equal(w.plan.move_count, 0);
	arena_free(w.mem);
}

static void
test_those_that_rest_or_are_pinned_stay(void **state)
{
	struct world w;

	world_init(&w, 3);
	guest(&w, "a", 0, 2000, 1024);
	guest(&w, "b", 0, 2000, 1024);
	w.guests[0].resting = "it was moved a short while ago";
	w.guests[1].pinned = "DRS is disabled for it";
	decide(&w);
	assert_true(w.plan.is_uneven);
	assert_int_equal(w.plan.move_count, 0);
	arena_free(w.mem);
}

static void
test_apart_is_mended_first(void **state)
{
	struct world w;
	const uint32_t both[] = { 0, 1 };

	world_init(&w, 2);
	guest(&w, "a", 0, 100, 512);
	guest(&w, "b", 0, 100, 512);
	rule(&w, "ha", RULE_APART, both, 2, NULL);
	w.v.threshold = 1;
	decide(&w);
	assert_int_equal(w.plan.move_count, 1);
	assert_int_equal(w.plan.moves[0].guest, 1);
	assert_int_equal(w.plan.moves[0].priority, 1);
	assert_int_equal(w.plan.moves[0].reason, DRS_RULE_APART);
	assert_string_equal(w.plan.moves[0].rule, "ha");
	arena_free(w.mem);
}

static void
test_together_is_brought_about(void **state)
{
	struct world w;
	const uint32_t all[] = { 0, 1, 2 };

	world_init(&w, 3);
	guest(&w, "a", 0, 100, 512);
	guest(&w, "b", 1, 100, 512);
	guest(&w, "c", 1, 100, 512);
	rule(&w, "app", RULE_TOGETHER, all, 3, NULL);
	decide(&w);
	assert_int_equal(w.plan.move_count, 1);
	assert_int_equal(w.plan.moves[0].guest, 0);
	assert_int_equal(w.plan.moves[0].to, 1);
	arena_free(w.mem);
}

static void
test_must_run_on(void **state)
{
	struct world w;
	const uint32_t one[] = { 0 };
	const bool hosts[HOSTS] = { false, false, true };

	world_init(&w, 3);
	guest(&w, "db", 0, 100, 512);
	rule(&w, "licence", RULE_MUST_RUN_ON, one, 1, hosts);
	decide(&w);
	assert_int_equal(w.plan.move_count, 1);
	assert_int_equal(w.plan.moves[0].to, 2);
	assert_int_equal(w.plan.moves[0].priority, 1);
	arena_free(w.mem);
}

static void
test_a_broken_rule_that_cannot_be_mended_is_told(void **state)
{
	struct world w;
	const uint32_t one[] = { 0 };
	const bool hosts[HOSTS] = { false, true };

	world_init(&w, 2);
	guest(&w, "db", 0, 100, 512);
	guest(&w, "big", 1, 100, 8000);
	rule(&w, "licence", RULE_MUST_RUN_ON, one, 1, hosts);
	decide(&w);
	assert_int_equal(w.plan.move_count, 0);
	assert_int_equal(w.plan.blocker_count, 1);
	assert_non_null(strstr(w.plan.blockers[0].text, "MB free"));
	arena_free(w.mem);
}

static void
test_a_host_is_emptied(void **state)
{
	struct world w;

	world_init(&w, 3);
	guest(&w, "a", 0, 2000, 1024);
	guest(&w, "b", 0, 2000, 1024);
	guest(&w, "c", 1, 500, 1024);
	w.hosts[0].is_leaving = true;
	w.v.may_balance = false;
	decide(&w);
	assert_int_equal(w.plan.move_count, 2);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(w.plan.moves[i].reason, DRS_HOST_MAINTENANCE);
		assert_int_not_equal(w.plan.moves[i].to, 0);
	}
	assert_int_not_equal(w.plan.moves[0].to, w.plan.moves[1].to);
	assert_int_equal(w.plan.hosts, 2);
	arena_free(w.mem);
}

static void
test_who_cannot_leave_is_named(void **state)
{
	struct world w;

	world_init(&w, 2);
	guest(&w, "local", 0, 100, 512);
	w.all[1] = false;
	w.no_reason[1] = "does not reach datastore \"local-1\"";
	w.hosts[0].is_leaving = true;
	decide(&w);
	assert_int_equal(w.plan.move_count, 0);
	assert_int_equal(w.plan.blocker_count, 1);
	assert_string_equal(
	    w.plan.blockers[0].text, "h2: does not reach datastore \"local-1\"");
	arena_free(w.mem);
}

static void
test_memory_that_is_given_twice_is_made_good(void **state)
{
	struct world w;

	world_init(&w, 2);
	guest(&w, "a", 0, 100, 6000);
	guest(&w, "b", 0, 100, 3000);
	w.v.threshold = 1;
	decide(&w);
	assert_int_equal(w.plan.move_count, 1);
	assert_int_equal(w.plan.moves[0].guest, 1);
	assert_int_equal(w.plan.moves[0].reason, DRS_MEMORY_SHORT);
	arena_free(w.mem);
}

/* Every move of a plan finds room at its turn, and no guest moves twice. */
static void
test_plans_are_possible(void **state)
{
	for (uint32_t seed = 1; seed <= 50; seed++) {
		struct world w;
		double mem[HOSTS] = { 0 };
		bool moved[GUESTS] = { false };
		uint32_t x = seed;

		world_init(&w, HOSTS);
		w.v.threshold = 5;
		for (uint32_t i = 0; i < GUESTS; i++) {
			x = x * 1103515245u + 12345u;
			uint32_t h = (x >> 16) % 2;
			double m = 256 + (x >> 20) % 700;
			guest(&w, "g", h, (x >> 8) % 900, m);
			mem[h] += m;
		}
		decide(&w);
		for (uint32_t i = 0; i < w.plan.move_count; i++) {
			const struct drs_move *m = &w.plan.moves[i];
			assert_false(moved[m->guest]);
			moved[m->guest] = true;
			mem[m->from] -= w.guests[m->guest].mem_mb;
			mem[m->to] += w.guests[m->guest].mem_mb;
			assert_true(mem[m->to] <= 8192);
			assert_true(m->priority >= 1 && m->priority <= 5);
		}
		assert_true(w.plan.move_count > 0);
		arena_free(w.mem);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_loaded_guests_part),
		cmocka_unit_test(test_busy_hosts_are_avoided),
		cmocka_unit_test(test_peaks_that_are_expected_keep_it_where_it_is),
		cmocka_unit_test(test_it_does_not_go_back),
		cmocka_unit_test(test_busy_memory_costs),
		cmocka_unit_test(test_those_kept_together_go_together),
		cmocka_unit_test(test_two_change_places),
		cmocka_unit_test(test_large_clusters_are_evened_out_too),
		cmocka_unit_test(test_threshold_one_only_does_what_must_be),
		cmocka_unit_test(test_idle_cluster_is_left_alone),
		cmocka_unit_test(test_those_that_rest_or_are_pinned_stay),
		cmocka_unit_test(test_apart_is_mended_first),
		cmocka_unit_test(test_together_is_brought_about),
		cmocka_unit_test(test_must_run_on),
		cmocka_unit_test(test_a_broken_rule_that_cannot_be_mended_is_told),
		cmocka_unit_test(test_a_host_is_emptied),
		cmocka_unit_test(test_who_cannot_leave_is_named),
		cmocka_unit_test(test_memory_that_is_given_twice_is_made_good),
		cmocka_unit_test(test_plans_are_possible),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
