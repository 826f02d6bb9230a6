/* Moves of guests that run, on small snapshots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/rng.h"
#include "base/str.h"
#include "scheduler/sched.h"
#include "tests/lib/build_view.h"

#define SEEDS  40
#define HOSTS  6
#define GUESTS 40

struct cluster {
	struct sched_host hosts[HOSTS];
	struct sched_guest guests[GUESTS];
	uint32_t at[GUESTS];
};

static struct sched_ask
ask_of(uint32_t threshold)
{
	struct sched_ask ask = sched_ask_default();

	ask.threshold = threshold;
	return ask;
}

/* Guests where they have room; every fifth cannot leave. */
static void
make_cluster(struct rng *r, struct cluster *c)
{
	uint64_t free_mb[HOSTS];

	for (uint32_t i = 0; i < HOSTS; i++) {
		c->hosts[i] = build_host(i + 1, "host");
		c->hosts[i].memory_mb = free_mb[i] = 16384 << rng_below(r, 2);
	}
	for (uint32_t i = 0; i < GUESTS; i++) {
		uint32_t h = (uint32_t)rng_below(r, 1 + rng_below(r, HOSTS));
		uint64_t mem = 256 + rng_below(r, 2048);

		while (free_mb[h] < mem)
			h = (h + 1) % HOSTS;
		free_mb[h] -= mem;
		c->at[i] = h;
		c->guests[i] = build_running(i + 1, "guest", h + 1);
		c->guests[i].memory_mb = mem;
		c->guests[i].is_measured = true;
		c->guests[i].cpu_demand_mhz = rng_below(r, 1000);
		c->guests[i].pinned = i % 5 == 4 ? "it may not" : NULL;
	}
}

static struct sched_view *
view_of(const struct cluster *c, bool backwards)
{
	static const uint64_t apart[] = { 1, 2 }, together[] = { 6, 7 };
	const struct sched_rule rules[] = {
		{ 1, "apart", SCHED_RULE_APART, apart, 2, NULL, 0 },
		{ 2, "together", SCHED_RULE_TOGETHER, together, 2, NULL, 0 },
		{ 3, "there", SCHED_RULE_MUST_RUN_ON, together + 1, 1, apart, 2 },
	};
	struct sched_view *v = sched_view_new();
	const struct sched_network n = { 1, "n" };
	const struct sched_datastore d = { 1, "d", 1000, 1000 };

	for (uint32_t k = 0; k < GUESTS; k++) {
		uint32_t i = backwards ? GUESTS - 1 - k : k;

		ASSERT(sched_view_add_guest(v, &c->guests[i], NULL) == 0);
		if (i < HOSTS)
			ASSERT(sched_view_add_host(v, &c->hosts[i], NULL) == 0);
		if (i < 3)
			ASSERT(sched_view_add_rule(v, &rules[i], NULL) == 0);
	}
	ASSERT(sched_view_add_network(v, &n, NULL) == 0);
	ASSERT(sched_view_add_datastore(v, &d, NULL) == 0);
	ASSERT(sched_view_finish(v, NULL) == 0);
	return v;
}

/* Move by move: from where it is, to where there is memory, by the must rules. */
static void
check_plan(const struct cluster *c, const struct sched_plan *p)
{
	uint64_t used[HOSTS] = { 0 };
	uint32_t at[GUESTS];

	memcpy(at, c->at, sizeof(at));
	for (uint32_t i = 0; i < GUESTS; i++)
		used[at[i]] += c->guests[i].memory_mb;
	for (size_t i = 0; i < p->move_count; i++) {
		const struct sched_move *m = &p->moves[i];

		if (m->code)
			continue;
		const struct sched_guest *g = &c->guests[m->guest - 1];

		assert_int_equal(at[m->guest - 1] + 1, m->from);
		assert_null(g->pinned);
		used[m->from - 1] -= g->memory_mb;
		used[m->to - 1] += g->memory_mb;
		at[m->guest - 1] = (uint32_t)m->to - 1;
		assert_true(used[m->to - 1] <= c->hosts[m->to - 1].memory_mb);
		assert_int_equal(m->grounds->alternative_count, SCHED_MAX_ALTERNATIVES);
		assert_true(m->grounds->worth.net ==
			    m->grounds->worth.benefit - m->grounds->worth.cost);
		if (m->guest == 7)
			assert_true(m->to <= 2);
	}
}

static char *
text_of(const struct sched_plan *p)
{
	struct str s = STR_INIT;

	sched_plan_text(p, &s);
	return str_take(&s);
}

static void
plans_are_legal_and_the_same_in_any_order(void **state)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct sched_ask ask = ask_of((uint32_t)(seed % 6));
		struct sched_plan *p, *again;
		struct cluster c;
		struct rng r;

		rng_seed(&r, seed);
		make_cluster(&r, &c);
		struct sched_view *v = view_of(&c, false), *w = view_of(&c, true);

		ask.keeps_spare = seed % 2;
		assert_int_equal(sched_balance(v, &ask, &p, NULL), 0);
		assert_int_equal(sched_balance(w, &ask, &again, NULL), 0);
		check_plan(&c, p);
		char *a = text_of(p), *b = text_of(again);

		assert_string_equal(a, b);
		free(a);
		free(b);
		sched_plan_free(p);
		sched_plan_free(again);
		sched_view_free(v);
		sched_view_free(w);
	}
}

static void
an_evacuated_host_is_empty_but_for_the_refused(void **state)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		const uint64_t host = 1 + seed % HOSTS;
		struct sched_ask ask = ask_of(0);
		uint32_t there = 0, left = 0;
		struct sched_plan *p;
		struct cluster c;
		struct rng r;

		rng_seed(&r, seed);
		make_cluster(&r, &c);
		struct sched_view *v = view_of(&c, false);

		assert_int_equal(sched_evacuate(v, &host, 1, &ask, &p, NULL), 0);
		check_plan(&c, p);
		for (uint32_t i = 0; i < GUESTS; i++)
			there += c.at[i] + 1 == host;
		for (size_t i = 0; i < p->move_count; i++) {
			assert_int_equal(p->moves[i].from, host);
			assert_int_not_equal(p->moves[i].to, host);
			left++;
		}
		assert_int_equal(left, there);
		sched_plan_free(p);
		sched_view_free(v);
	}
}

#define MANY 300u

/* Every tenth host has ten times the load of the others. */
static void
large_clusters_are_evened_out_too(void **state)
{
	struct sched_host hosts[MANY];
	struct sched_guest guests[MANY * 2];
	struct sched_ask ask = ask_of(3);
	struct sched_plan *p;

	for (uint32_t i = 0; i < MANY; i++)
		hosts[i] = build_host(i + 1, "host");
	for (uint32_t i = 0; i < MANY * 2; i++) {
		uint32_t h = i / 2;

		guests[i] = build_running(i + 1, "guest", h + 1);
		guests[i].memory_mb = 512 + h % 7 * 256;
		guests[i].is_measured = true;
		guests[i].cpu_demand_mhz = h % 10 ? 300 : 3000;
	}
	struct sched_view *v = build_view(hosts, MANY, guests, MANY * 2);

	ask.detail = SCHED_BRIEF;
	assert_int_equal(sched_balance(v, &ask, &p, NULL), 0);
	/* At the least one of the two of each hot host goes. */
	assert_true(p->move_count >= MANY / 10);
	assert_true(p->after.cpu_ppm < p->before.cpu_ppm * 3 / 4);
	sched_plan_free(p);
	sched_view_free(v);
}

/* Evenness as the numbers say it, worked out by hand. */
static void
the_numbers_of_a_move_are_those_of_its_hosts(void **state)
{
	struct sched_host hosts[] = { build_host(1, "a"), build_host(2, "b") };
	struct sched_guest guests[] = { build_running(1, "x", 1),
		build_running(2, "y", 1) };
	struct sched_ask ask = ask_of(3);
	struct sched_plan *p;

	guests[0].memory_mb = guests[1].memory_mb = 2048;
	struct sched_view *v = build_view(hosts, 2, guests, 2);

	assert_int_equal(sched_balance(v, &ask, &p, NULL), 0);
	assert_int_equal(p->move_count, 1);
	const struct sched_grounds *g = p->moves[0].grounds;

	/* 4096 of 8192 MB and none; then 2048 each. 2 x 1000 of 9600 MHz likewise. */
	assert_int_equal(g->before.memory_ppm, 250000);
	assert_int_equal(g->after.memory_ppm, 0);
	assert_int_equal(g->before.cpu_ppm, 104167);
	assert_int_equal(g->from_before.memory_permille, 500);
	assert_int_equal(g->to_after.memory_permille, 250);
	assert_int_equal(g->worth.copy_ms, 1862);
	assert_int_equal(g->why, SCHED_WHY_MEMORY_UNEVEN);
	assert_int_equal(g->priority, 2);
	sched_plan_free(p);
	sched_view_free(v);
}

static void
what_does_not_exist_is_refused(void **state)
{
	struct sched_host host = build_host(1, "a");
	struct sched_ask ask = ask_of(6);
	const uint64_t nobody = 9;
	struct err e = ERR_INIT;
	struct sched_plan *p;
	struct sched_view *v = build_view(&host, 1, NULL, 0);

	assert_int_equal(sched_balance(v, &ask, &p, &e), ERR_INVALID);
	ask.threshold = 0;
	assert_int_equal(sched_evacuate(v, &nobody, 1, &ask, &p, &e), ERR_NOT_FOUND);
	assert_int_equal(sched_make_room(v, nobody, &ask, &p, &e), ERR_NOT_FOUND);
	ask.cluster = nobody;
	assert_int_equal(sched_balance(v, &ask, &p, &e), ERR_NOT_FOUND);
	sched_view_free(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans_are_legal_and_the_same_in_any_order),
		cmocka_unit_test(an_evacuated_host_is_empty_but_for_the_refused),
		cmocka_unit_test(large_clusters_are_evened_out_too),
		cmocka_unit_test(the_numbers_of_a_move_are_those_of_its_hosts),
		cmocka_unit_test(what_does_not_exist_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
