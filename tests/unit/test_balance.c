/* What must hold for every balancing run, on seeded random clusters. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/str.h"
#include "scheduler/balance_spare.h"
#include "scheduler/drs_file.h"
#include "tests/lib/drs_run.h"

#define CLUSTERS 60
#define NO_LIMIT UINT32_MAX

static const struct bal_limits all_the_way = { NO_LIMIT, 0, 1e-6 };

/* Hosts of two sizes, guests where they fit, some of them under rules. */
static void
write_cluster(struct rng *r, struct str *out)
{
	uint64_t hosts = 3 + rng_below(r, 12), guests = hosts * (2 + rng_below(r, 12));
	uint64_t free_mb[16];

	for (uint64_t i = 0; i < hosts; i++) {
		uint64_t large = rng_below(r, 2);

		free_mb[i] = large ? 400000 : 200000;
		str_addf(out, "H %lu h%lu %u 32 %lu\n", (unsigned long)i,
		    (unsigned long)i, large ? 90000 : 60000, (unsigned long)free_mb[i]);
	}
	for (uint64_t i = 0; i < guests; i++) {
		uint64_t mem = 1000 + rng_below(r, 200000 / guests * hosts);
		uint64_t host = rng_below(r, 1 + rng_below(r, hosts));

		while (free_mb[host] < mem) {
			host = (host + 1) % hosts;
			mem = mem / 2 + 1;
		}
		free_mb[host] -= mem;
		str_addf(out, "V %lu g%lu %lu 2 %lu %lu 0 0 0 1 1 0\n",
		    (unsigned long)i, (unsigned long)i, (unsigned long)host,
		    (unsigned long)mem, (unsigned long)rng_below(r, 4000));
	}
	str_addf(out, "R anti 0,1,2 -\nR aff 3,4 -\nR must 5 0,1\n");
}

static void
read_cluster(uint64_t seed, struct drs_run *f)
{
	AUTO(str) struct str text = STR_INIT;
	struct rng r;

	rng_seed(&r, seed);
	write_cluster(&r, &text);
	drs_run_init(f, str_cstr(&text));
}

static double
deviation(const double *x, uint32_t n)
{
	double mean = 0, squares = 0;

	for (uint32_t i = 0; i < n; i++)
		mean += x[i] / n;
	for (uint32_t i = 0; i < n; i++)
		squares += (x[i] - mean) * (x[i] - mean) / n;
	return sqrt(squares);
}

/* From nothing but where everybody is. */
static double
score_anew(const struct bal *b)
{
	double x[16] = { 0 }, y[16] = { 0 };

	for (uint32_t g = 0; g < b->guest_count; g++) {
		x[b->guests[g].at] += b->guests[g].cpu;
		y[b->guests[g].at] += b->guests[g].mem;
	}
	for (uint32_t h = 0; h < b->host_count; h++) {
		x[h] /= b->hosts[h].cpu_cap;
		y[h] /= b->hosts[h].mem_cap;
	}
	return deviation(x, b->host_count) + deviation(y, b->host_count);
}

/* Each step starts where the guest is and ends where there is memory for it. */
static void
check_steps(const struct bal *b, const struct bal_step *steps, uint32_t n)
{
	double mem[16] = { 0 };
	uint32_t at[512];

	for (uint32_t g = 0; g < b->guest_count; g++) {
		at[g] = b->guests[g].home;
		mem[at[g]] += b->guests[g].mem;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct bal_guest *g = &b->guests[steps[i].guest];

		assert_int_equal(at[steps[i].guest], steps[i].from);
		assert_int_not_equal(steps[i].from, steps[i].to);
		mem[steps[i].from] -= g->mem;
		mem[steps[i].to] += g->mem;
		assert_true(mem[steps[i].to] <= b->hosts[steps[i].to].mem_cap);
		at[steps[i].guest] = steps[i].to;
	}
	for (uint32_t g = 0; g < b->guest_count; g++)
		assert_int_equal(at[g], b->guests[g].at);
}

static void
check_run(const struct bal *b, double before, uint32_t broken_before)
{
	assert_true(fabs(b->score - score_anew(b)) < 1e-9);
	assert_true(b->score <= before + 1e-12);
	assert_true(bal_rules_broken(b) <= broken_before);
}

static void
the_greedy_plan_is_legal_and_better(void **state)
{
	for (uint64_t seed = 1; seed <= CLUSTERS; seed++) {
		struct drs_run f;
		double before;
		uint32_t broken;

		read_cluster(seed, &f);
		before = f.bal.score;
		broken = bal_rules_broken(&f.bal);
		bal_greedy(&f.bal, &all_the_way);
		check_run(&f.bal, before, broken);
		check_steps(&f.bal, f.bal.steps, f.bal.step_count);
		drs_run_fini(&f);
	}
}

static void
the_first_move_is_the_best_of_all(void **state)
{
	for (uint64_t seed = 1; seed <= CLUSTERS; seed++) {
		struct drs_run f;
		double best = 0, gain;
		uint32_t guest, to;

		read_cluster(seed, &f);
		for (uint32_t g = 0; g < f.bal.guest_count; g++) {
			for (uint32_t h = 0; h < f.bal.host_count; h++) {
				if (!bal_fits(&f.bal, g, h))
					continue;
				gain = f.bal.score - bal_after(&f.bal, g, h);
				best = gain > best ? gain : best;
			}
		}
		gain = bal_best_move(&f.bal, true, &guest, &to);
		/* To first order only the best few are found: they are as good. */
		assert_true(gain >= best * 0.95);
		drs_run_fini(&f);
	}
}

static void
a_search_keeps_to_its_moves_and_is_repeatable(void **state)
{
	for (uint64_t seed = 1; seed <= CLUSTERS; seed++) {
		const struct bal_limits l = { 6, 0, 1e-6 };
		struct drs_run f, again;
		struct bal_step *steps;
		uint32_t broken, n;
		double greedy;

		read_cluster(seed, &f);
		read_cluster(seed, &again);
		broken = bal_rules_broken(&f.bal);
		bal_greedy(&f.bal, &l);
		bal_greedy(&again.bal, &l);
		greedy = f.bal.score;
		bal_search(&f.bal, &l, 20000, seed);
		bal_search(&again.bal, &l, 20000, seed);
		assert_true(f.bal.moved <= 6);
		check_run(&f.bal, greedy, broken);
		for (uint32_t g = 0; g < f.bal.guest_count; g++)
			assert_int_equal(f.bal.guests[g].at, again.bal.guests[g].at);
		if (bal_order(&f.bal, &steps, &n))
			check_steps(&f.bal, steps, n);
		drs_run_fini(&f);
		drs_run_fini(&again);
	}
}

static void
check_nobody_can_leave(const struct bal *b, uint32_t host)
{
	for (uint32_t g = 0; g < b->guest_count; g++) {
		for (uint32_t to = 0; b->guests[g].at == host && to < b->host_count;
		     to++)
			assert_false(bal_ring_fits(b, g, to));
	}
}

/* A host is to be emptied, and rules of all kinds may be broken at first. */
static void
what_has_to_be_is_repaired(void **state)
{
	uint32_t whole = 0;

	for (uint64_t seed = 1; seed <= CLUSTERS; seed++) {
		struct drs_run f;
		uint32_t broken;
		double before;

		read_cluster(seed, &f);
		f.bal.hosts[1].closed = true;
		broken = bal_rules_broken(&f.bal);
		bal_repair(&f.bal);
		assert_true(bal_rules_broken(&f.bal) <= broken);
		whole += !bal_rules_broken(&f.bal);
		check_nobody_can_leave(&f.bal, 1);
		before = f.bal.score;
		broken = bal_rules_broken(&f.bal);
		bal_greedy(&f.bal, &all_the_way);
		check_run(&f.bal, before, broken);
		drs_run_fini(&f);
	}
	/* In some of them it is so full that not all can be kept. */
	assert_true(whole > CLUSTERS * 3 / 4);
}

static void
guests_that_are_kept_together_move_together(void **state)
{
	struct drs_run f;

	drs_run_init(&f, "H 0 a 100 1 100\nH 1 b 100 1 100\n"
			 "V 0 x 0 1 20 20 0 0 0 1 1 0\nV 1 y 0 1 20 20 0 0 0 1 1 0\n"
			 "V 2 z 0 1 40 40 0 0 0 1 1 0\nR aff 0,1 -\nR must 2 0\n");
	bal_greedy(&f.bal, &all_the_way);
	assert_int_equal(f.bal.guests[0].at, 1);
	assert_int_equal(f.bal.guests[1].at, 1);
	assert_true(f.bal.score < 1e-9);
	drs_run_fini(&f);
}

/* Two guests on each host that are so large that a third has no CPU there. */
static void
write_pairs(uint32_t hosts, uint32_t hot, struct str *out)
{
	for (uint32_t i = 0; i < hosts; i++)
		str_addf(out, "H %u h%u 850 1 1000\n", i, i);
	for (uint32_t i = 0; i < hosts * 2; i++)
		str_addf(out, "V %u g%u %u 1 10 %u 0 0 0 1 1 0\n", i, i, i / 2,
		    i / 2 < hot ? 400 : 350);
}

static void
a_swap_is_found_though_many_hosts_are_hot(void **state)
{
	const struct bal_limits two = { 2, 0, 1e-6 }, one = { 1, 0, 1e-6 };
	AUTO(str) struct str text = STR_INIT;
	struct bal_change c;
	struct drs_run f;

	/* The hot ones are the farther from the mean. */
	write_pairs(100, 30, &text);
	drs_run_init(&f, str_cstr(&text));
	assert_true(bal_next(&f.bal, &all_the_way, &c));
	assert_int_not_equal(c.back, BAL_NONE);
	assert_int_not_equal(c.guest / 2 < 30, c.back / 2 < 30);
	assert_true(bal_next(&f.bal, &two, &c));
	assert_false(bal_next(&f.bal, &one, &c));
	drs_run_fini(&f);
}

static void
a_guest_moves_though_memory_is_even(void **state)
{
	AUTO(str) struct str text = STR_INIT;
	struct bal_change c;
	struct drs_run f;

	for (uint32_t i = 0; i < 10; i++)
		str_addf(&text, "H %u h%u 1000 1 1000\n", i, i);
	for (uint32_t i = 0; i < 40; i++)
		str_addf(&text, "V %u g%u %u 1 10 %u 0 0 0 1 1 0\n", i, i, i % 10,
		    i % 10 ? 20 : 200);
	drs_run_init(&f, str_cstr(&text));
	assert_true(bal_next(&f.bal, &all_the_way, &c));
	assert_int_equal(c.back, BAL_NONE);
	assert_int_equal(c.guest % 10, 0);
	assert_true(c.gain > 0.05);
	drs_run_fini(&f);
}

static void
the_dearer_of_two_equal_moves_is_not_made(void **state)
{
	struct drs_run f;
	static const char text[] =
	    "H 0 a 100 1 10000\nH 1 b 100 1 10000\n"
	    "V 0 x 0 1 2000 20 0 0 0 1 1 800\nV 1 y 0 1 2000 20 0 0 0 1 1 0\n";

	drs_run_init(&f, text);
	f.bal.price = 1e-6;
	bal_greedy(&f.bal, &all_the_way);
	assert_int_equal(f.bal.guests[0].at, 0);
	assert_int_equal(f.bal.guests[1].at, 1);
	drs_run_fini(&f);
	/* And none at all if no gain is worth it. */
	drs_run_init(&f, text);
	f.bal.price = 1;
	bal_greedy(&f.bal, &all_the_way);
	assert_int_equal(f.bal.moved, 0);
	drs_run_fini(&f);
}

/* The moves, one after the other, on a run that keeps its certificate. */
static void
the_certificate_is_valid_after_every_move(void **state)
{
	for (uint64_t seed = 1; seed <= CLUSTERS; seed++) {
		struct drs_run f, again;
		uint32_t missing;

		read_cluster(seed, &f);
		read_cluster(seed, &again);
		bal_spare_init(&f.bal);
		bal_spare_init(&again.bal);
		assert_true(bal_spare_is_valid(&f.bal));
		missing = bal_spare_missing(&f.bal);
		bal_greedy(&f.bal, &all_the_way);
		for (uint32_t i = 0; i < f.bal.step_count; i++) {
			const struct bal_step *s = &f.bal.steps[i];

			bal_apply(&again.bal, s->guest, s->to);
			assert_true(bal_spare_is_valid(&again.bal));
			assert_true(bal_spare_missing(&again.bal) <= missing);
		}
		assert_int_equal(
		    bal_spare_missing(&f.bal), bal_spare_missing(&again.bal));
		drs_run_fini(&f);
		drs_run_fini(&again);
	}
}

/* Everything that leaves in a wave is still there while others come. */
static void
check_wave(const struct bal *b, const struct bal_step *steps, uint32_t n,
    const uint32_t *wave, uint32_t now)
{
	double mem[16] = { 0 };
	uint32_t busy[16] = { 0 };

	for (uint32_t g = 0; g < b->guest_count; g++) {
		uint32_t at = b->guests[g].home;

		for (uint32_t i = 0; i < n; i++) {
			if (steps[i].guest == g && wave[i] < now)
				at = steps[i].to;
		}
		mem[at] += b->guests[g].mem;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (wave[i] != now)
			continue;
		mem[steps[i].to] += b->guests[steps[i].guest].mem;
		assert_true(++busy[steps[i].from] <= 2);
		assert_true(++busy[steps[i].to] <= 2);
	}
	for (uint32_t h = 0; h < b->host_count; h++)
		assert_true(mem[h] <= b->hosts[h].mem_cap);
}

static void
waves_fit_beside_what_leaves_in_them(void **state)
{
	for (uint64_t seed = 1; seed <= CLUSTERS; seed++) {
		struct drs_run f;
		struct bal_step *steps;
		uint32_t n, waves, wave[512];

		read_cluster(seed, &f);
		bal_greedy(&f.bal, &all_the_way);
		if (bal_order(&f.bal, &steps, &n)) {
			waves = bal_waves(&f.bal, steps, n, 2, wave);
			for (uint32_t i = 0; i < n; i++)
				assert_true(wave[i] < waves);
			for (uint32_t w = 0; w < waves; w++)
				check_wave(&f.bal, steps, n, wave, w);
		}
		drs_run_fini(&f);
	}
}

/* What leaves is still there, and one of the two who come is there already. */
static void
a_wave_counts_all_who_come(void **state)
{
	static const struct bal_step steps[] = { { 2, 1, 2 }, { 0, 0, 1 },
		{ 1, 0, 1 } };
	uint32_t wave[3];
	struct drs_run f;

	drs_run_init(&f, "H 0 a 100 1 100\nH 1 b 100 1 100\nH 2 c 100 1 100\n"
			 "V 0 x 0 1 40 1 0 0 0 1 1 0\nV 1 y 0 1 40 1 0 0 0 1 1 0\n"
			 "V 2 z 1 1 50 1 0 0 0 1 1 0\n");
	assert_int_equal(bal_waves(&f.bal, steps, 3, 8, wave), 2);
	assert_int_equal(wave[0], 0);
	assert_int_equal(wave[1], 0);
	assert_int_equal(wave[2], 1);
	drs_run_fini(&f);
}

static void
a_limit_on_moves_holds(void **state)
{
	for (uint32_t most = 0; most < 5; most++) {
		const struct bal_limits l = { most, 0, 1e-6 };
		struct drs_run f;

		read_cluster(7, &f);
		bal_greedy(&f.bal, &l);
		assert_true(f.bal.moved <= most);
		drs_run_fini(&f);
	}
}

/* Neither of the two big ones can go first, and both want to: the small host helps. */
static void
a_circle_is_left_by_stepping_aside(void **state)
{
	struct drs_run f;
	struct bal_step *steps;
	uint32_t n;

	drs_run_init(&f, "H 0 a 100 1 100\nH 1 b 100 1 100\nH 2 c 100 1 70\n"
			 "V 0 x 0 1 60 10 0 0 0 1 1 0\nV 1 y 1 1 60 10 0 0 0 1 1 0\n");
	bal_apply(&f.bal, 0, 1);
	bal_apply(&f.bal, 1, 0);
	assert_true(bal_order(&f.bal, &steps, &n));
	assert_int_equal(n, 3);
	check_steps(&f.bal, steps, n);
	drs_run_fini(&f);
}

static void
an_order_that_does_not_exist_is_not_found(void **state)
{
	struct drs_run f;
	struct bal_step *steps;
	uint32_t n;

	drs_run_init(&f, "H 0 a 100 1 100\nH 1 b 100 1 100\n"
			 "V 0 x 0 1 60 10 0 0 0 1 1 0\nV 1 y 1 1 60 10 0 0 0 1 1 0\n");
	bal_apply(&f.bal, 0, 1);
	bal_apply(&f.bal, 1, 0);
	assert_false(bal_order(&f.bal, &steps, &n));
	drs_run_fini(&f);
}

static void
expect_bad(const char *text, const char *why)
{
	struct sched_view *v = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(
	    drs_file_read(text, strlen(text), "x.drs", &v, &e), ERR_INVALID);
	assert_null(v);
	if (!strstr(e.msg, why))
		fail_msg("\"%s\" does not say \"%s\"", e.msg, why);
}

static void
bad_text_is_refused_with_its_line(void **state)
{
	static const char host[] = "H 0 a 100 1 100\n";
	char text[256];

	expect_bad("", "x.drs has no host");
	expect_bad("Z 1\n", "line 1: is no record: \"Z\"");
	expect_bad("H 0 a 100 1\n", "line 1: wrong number of words for: \"H\"");
	expect_bad("H 1 a 100 1 100\n", "is not the next id: \"1\"");
	expect_bad("H 0 a 0 1 100\n", "host a: cpu_mhz is 0, must be 1 to");
	expect_bad("H 0 a -1 1 100\n", "is no number in its range: \"-1\"");
	expect_bad("H 0 a nan 1 100\n", "is no number in its range");
	expect_bad("# remark\nH 0 a 1e30 1 100\n", "line 2");
	snprintf(text, sizeof(text), "%sV 0 g 1 1 1 1 0 0 0 1 1 0\n", host);
	expect_bad(text, "line 2: is no id above: \"1\"");
	snprintf(
	    text, sizeof(text), "%sV 0 g 0 1 1 1 0 0 0 1 1 0\nR anti 0,0 -\n", host);
	expect_bad(text, "line 3: rule anti-0: guests: 1 is there twice");
	snprintf(text, sizeof(text), "%sV 0 g 0 1 1 1 0 0 0 1 1 0\nR near 0 -\n", host);
	expect_bad(text, "is no kind of rule: \"near\"");
	snprintf(text, sizeof(text), "%sV 0 g 0 1 1 1 0 0 0 1 1 0\nR must 0 3\n", host);
	expect_bad(text, "is no id above: \"3\"");
	expect_bad("H 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n", "one word too many");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_greedy_plan_is_legal_and_better),
		cmocka_unit_test(the_first_move_is_the_best_of_all),
		cmocka_unit_test(a_search_keeps_to_its_moves_and_is_repeatable),
		cmocka_unit_test(what_has_to_be_is_repaired),
		cmocka_unit_test(guests_that_are_kept_together_move_together),
		cmocka_unit_test(a_swap_is_found_though_many_hosts_are_hot),
		cmocka_unit_test(a_guest_moves_though_memory_is_even),
		cmocka_unit_test(the_dearer_of_two_equal_moves_is_not_made),
		cmocka_unit_test(the_certificate_is_valid_after_every_move),
		cmocka_unit_test(waves_fit_beside_what_leaves_in_them),
		cmocka_unit_test(a_wave_counts_all_who_come),
		cmocka_unit_test(a_limit_on_moves_holds),
		cmocka_unit_test(a_circle_is_left_by_stepping_aside),
		cmocka_unit_test(an_order_that_does_not_exist_is_not_found),
		cmocka_unit_test(bad_text_is_refused_with_its_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
