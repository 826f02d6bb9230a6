/* Who starts again where after a host is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/assert.h"
#include "scheduler/restart.h"
#include "scheduler/sched.h"
#include "tests/lib/build_view.h"

#define HOSTS  3
#define GUESTS 8

static const uint64_t first = 1;

/* All of them on the first host. */
static struct sched_view *
view_with(enum sched_restart last, const struct sched_rule *rule)
{
	struct sched_host hosts[HOSTS] = { build_host(1, "a"), build_host(2, "b"),
		build_host(3, "c") };
	struct sched_view *v = sched_view_new();
	const struct sched_network n = { 1, "n" };
	const struct sched_datastore d = { 1, "d", 1000, 1000 };

	for (uint64_t i = 1; i <= GUESTS; i++) {
		struct sched_guest g = build_running(i, "g", 1);

		g.memory_mb = 1024;
		if (i == GUESTS)
			g.restart = last;
		ASSERT(sched_view_add_guest(v, &g, NULL) == 0);
	}
	for (size_t i = 0; i < HOSTS; i++)
		ASSERT(sched_view_add_host(v, &hosts[i], NULL) == 0);
	ASSERT(sched_view_add_network(v, &n, NULL) == 0);
	ASSERT(sched_view_add_datastore(v, &d, NULL) == 0);
	ASSERT(!rule || sched_view_add_rule(v, rule, NULL) == 0);
	ASSERT(sched_view_finish(v, NULL) == 0);
	return v;
}

static struct sched_plan *
restart(const struct sched_view *v, struct restart_ask ask)
{
	struct sched_plan *p = NULL;

	ask.lost = &first;
	ask.lost_count = 1;
	assert_int_equal(sched_restart(v, &ask, &p, NULL), 0);
	return p;
}

static void
the_most_important_starts_first_and_nobody_where_it_was(void **state)
{
	struct sched_view *v = view_with(SCHED_RESTART_HIGHEST, NULL);
	struct sched_plan *p = restart(v, restart_ask_default());

	assert_int_equal(p->move_count, GUESTS);
	assert_int_equal(p->moves[0].guest, GUESTS);
	for (size_t i = 0; i < p->move_count; i++)
		assert_true(p->moves[i].to == 2 || p->moves[i].to == 3);
	sched_plan_free(p);
	sched_view_free(v);
}

static void
who_is_not_to_be_restarted_is_left_out(void **state)
{
	struct sched_view *v = view_with(SCHED_RESTART_DISABLED, NULL);
	struct sched_plan *p = restart(v, restart_ask_default());

	assert_int_equal(p->move_count, GUESTS - 1);
	sched_plan_free(p);
	sched_view_free(v);
}

static void
so_many_start_on_a_host_at_once(void **state)
{
	struct sched_view *v = view_with(SCHED_RESTART_LOW, NULL);
	struct sched_plan *p = restart(v, (struct restart_ask){ .at_once = 2 });
	uint32_t waves[HOSTS + 1][GUESTS] = { 0 };

	for (size_t i = 0; i < p->move_count; i++)
		assert_true(++waves[p->moves[i].to][p->moves[i].wave] <= 2);
	assert_int_equal(p->waves, 2);
	sched_plan_free(p);
	/* The last one waits for all others to have started. */
	p = restart(v, (struct restart_ask){ .at_once = 32, .waits = true });
	assert_int_equal(p->moves[GUESTS - 1].wave, 1);
	assert_int_equal(p->moves[GUESTS - 2].wave, 0);
	sched_plan_free(p);
	sched_view_free(v);
}

static void
must_rules_are_kept_and_apart_if_asked(void **state)
{
	static const uint64_t all[] = { 1, 2, 3, 4, 5, 6, 7, 8 }, third = 3;
	const struct sched_rule must = { 1, "must", SCHED_RULE_MUST_RUN_ON, all, 8,
		&third, 1 };
	const struct sched_rule apart = { 1, "apart", SCHED_RULE_APART, all, 8, NULL,
		0 };
	struct sched_view *v = view_with(SCHED_RESTART_MEDIUM, &must);
	struct sched_plan *p = restart(v, restart_ask_default());

	for (size_t i = 0; i < p->move_count; i++)
		assert_int_equal(p->moves[i].to, 3);
	sched_plan_free(p);
	sched_view_free(v);
	v = view_with(SCHED_RESTART_MEDIUM, &apart);
	p = restart(v, restart_ask_default());
	assert_int_equal(p->refused, 0);
	sched_plan_free(p);
	p = restart(v, (struct restart_ask){ .at_once = 32, .keeps_apart = true });
	assert_int_equal(p->refused, GUESTS - 2);
	sched_plan_free(p);
	sched_view_free(v);
}

/* 3 x 8192 MB, one may go: a slot of 1024 MB leaves 16 of 24. */
static void
admission_counts_what_is_reserved(void **state)
{
	struct sched_view *v = view_with(SCHED_RESTART_MEDIUM, NULL);
	struct restart_admission r;

	assert_int_equal(
	    sched_admit(v, 0, &(struct failover_guest){ 0, 1024, 0 }, 1, &r, NULL), 0);
	assert_int_equal(r.slots.total, 24);
	assert_int_equal(r.slots.used, GUESTS + 1);
	assert_true(r.by_slots && r.by_share);
	assert_int_equal(
	    sched_admit(v, 0, &(struct failover_guest){ 0, 20000, 0 }, 1, &r, NULL), 0);
	assert_false(r.by_slots || r.by_share);
	sched_view_free(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    the_most_important_starts_first_and_nobody_where_it_was),
		cmocka_unit_test(who_is_not_to_be_restarted_is_left_out),
		cmocka_unit_test(so_many_start_on_a_host_at_once),
		cmocka_unit_test(must_rules_are_kept_and_apart_if_asked),
		cmocka_unit_test(admission_counts_what_is_reserved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
