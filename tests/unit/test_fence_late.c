/* Guests that are claimed as they run, and hosts whose agents are exchanged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/lease.h"
#include "host-agent/fence/guard_client.h"
#include "tests/lib/fence_bed.h"

#define DEAD_MS  FENCE_BED_DEAD_MS
#define LEASE_MS FENCE_BED_LEASE_MS

/* A guest that runs on the first host under a guard without a deadline. */
static struct fence_host *
one_with_late_guest(struct fence_bed *b)
{
	struct fence_host *h = fence_bed_host(b, 1);

	fence_host_open(h);
	fence_host_run(h, 1, 4);
	assert_true(h->copies[1].guard_us == GUARD_NO_DEADLINE);
	return h;
}

static bool
has_deadline(void *arg)
{
	return ((struct fence_copy *)arg)->guard_us != GUARD_NO_DEADLINE;
}

static bool
says_who_has_it(void *arg)
{
	const Drover__RunWord *w = fence_host_word(arg, 1);

	return w && strstr(w->note, "generation 5");
}

static void
a_guest_that_ran_before_comes_under_leases(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = one_with_late_guest(b);

	b->guest_store = FENCE_BED_STORE;
	fence_host_conf(h);
	fence_host_up(b, 2);
	fence_host_until(h, 1, DROVER__RUN_PHASE__RUN_RUN, true);
	assert_int_equal(fence_host_word(h, 1)->run_gen, 4);
	fence_bed_until(b, has_deadline, &h->copies[1]);
	assert_true(fence_holds(h->fence, 1));
	assert_int_equal(h->kills[1], 0);
	/* As any other's, nobody else runs it. */
	struct fence_try t = { .host = fence_bed_host(b, 2), .guest = 1, .gen = 5 };
	fence_try_begin(&t);
	fence_bed_pass(b, 3 * DEAD_MS);
	assert_false(t.waiter.ended);
}

static void
a_guest_that_is_not_named_stays_without_leases(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = one_with_late_guest(b);

	fence_host_conf(h);
	fence_host_up(b, 2);
	fence_bed_until(b, fence_host_is_seen, h);
	fence_bed_pass(b, LEASE_MS);
	h->deaf = h->lost_store = true;
	fence_bed_pass(b, 3 * LEASE_MS);
	assert_true(h->copies[1].guard_us == GUARD_NO_DEADLINE);
	assert_int_equal(h->kills[1], 0);
	assert_false(fence_holds(h->fence, 1));
	fence_host_reap(h, 1, true);
	fence_bed_pass(b, 2 * FENCE_BED_LEASE_MS);
	assert_int_equal(h->restarts[1], 0);
}

static void
a_claim_that_another_has_leaves_a_guest_as_it_is(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = one_with_late_guest(b), *other = fence_host_up(b, 2);
	struct fence_try t = { .host = other, .guest = 1, .gen = 5 };

	fence_try_begin(&t);
	assert_int_equal(fence_try_end(&t), 0);
	fence_host_run(other, 1, 5);
	b->guest_store = FENCE_BED_STORE;
	fence_host_conf(h);
	fence_bed_until(b, says_who_has_it, h);
	fence_host_until(h, 1, DROVER__RUN_PHASE__RUN_NONE, true);
	assert_true(h->copies[1].guard_us == GUARD_NO_DEADLINE);
	assert_int_equal(h->kills[1] + other->kills[1], 0);
}

/* ---- HA goes off and on ---- */

static struct fence_host *
one_with_named_guest(struct fence_bed *b)
{
	struct fence_host *h;

	b->guest_store = FENCE_BED_STORE;
	h = fence_bed_two(b, 1);
	fence_bed_until(b, has_deadline, &h->copies[1]);
	return h;
}

static bool
has_none(void *arg)
{
	return !has_deadline(arg);
}

static void
switch_ha(struct fence_host *h, bool off)
{
	h->off = off;
	fence_host_conf(h);
}

static void
without_ha_a_guest_has_no_deadline(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = one_with_named_guest(b);

	switch_ha(h, true);
	fence_bed_until(b, has_none, &h->copies[1]);
	h->deaf = h->lost_store = true;
	fence_bed_pass(b, 3 * LEASE_MS);
	assert_int_equal(h->kills[1], 0);
	h->deaf = h->lost_store = false;
	switch_ha(h, false);
	fence_bed_until(b, has_deadline, &h->copies[1]);
	assert_int_equal(h->kills[1], 0);
}

static void
without_ha_a_guest_that_dies_stays_down(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = one_with_named_guest(b);

	switch_ha(h, true);
	fence_bed_until(b, has_none, &h->copies[1]);
	fence_host_reap(h, 1, true);
	fence_bed_pass(b, 2 * LEASE_MS);
	assert_int_equal(h->restarts[1], 0);
}

/* Its claim of before is on storage all the while, where nobody could drop it. */
static void
a_guest_started_without_ha_is_claimed_when_it_is_on(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = one_with_named_guest(b);

	switch_ha(h, true);
	fence_bed_until(b, has_none, &h->copies[1]);
	fence_host_reap(h, 1, false);
	assert_int_equal(fence_host_drop(h, 1, FENCE_REAPED), 0);
	fence_unclaimed(h->fence, 1, 2);
	fence_host_run(h, 1, 2);
	assert_true(h->copies[1].guard_us == GUARD_NO_DEADLINE);
	fence_bed_pass(b, LEASE_MS);
	switch_ha(h, false);
	fence_bed_until(b, has_deadline, &h->copies[1]);
	fence_host_until(h, 1, DROVER__RUN_PHASE__RUN_RUN, true);
	assert_int_equal(fence_host_word(h, 1)->run_gen, 2);
	assert_int_equal(h->kills[1], 0);
}

/* ---- guests that are not to be claimed ---- */

static void
a_guest_that_stands_still_is_not_claimed(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = one_with_late_guest(b);

	h->copies[1].moves = true;
	b->guest_store = FENCE_BED_STORE;
	fence_host_conf(h);
	fence_host_up(b, 2);
	fence_bed_until(b, fence_host_is_seen, h);
	fence_bed_pass(b, LEASE_MS);
	assert_true(h->copies[1].guard_us == GUARD_NO_DEADLINE);
	h->copies[1].moves = false;
	fence_bed_until(b, has_deadline, &h->copies[1]);
}

static void
a_guest_without_a_guard_is_told_as_bare(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = one_with_late_guest(b);

	h->copies[1].guarded = h->copies[1].heard = false;
	b->guest_store = FENCE_BED_STORE;
	fence_host_conf(h);
	fence_host_up(b, 2);
	fence_bed_until(b, fence_host_is_seen, h);
	fence_bed_pass(b, LEASE_MS);
	assert_true(fence_host_word(h, 1)->bare);
	assert_int_equal(fence_host_word(h, 1)->phase, DROVER__RUN_PHASE__RUN_NONE);
}

/* ---- an agent that is exchanged ---- */

static bool
is_frozen(void *arg)
{
	struct err ignored = ERR_INIT;

	return fence_is_frozen(((struct fence_host *)arg)->fence, &ignored);
}

static void
a_frozen_hosts_guests_live_on_without_their_agent(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);
	struct err e = ERR_INIT;

	assert_false(fence_is_frozen(h->fence, &e));
	assert_non_null(strstr(e.msg, "not agreed"));
	fence_freeze(h->fence);
	fence_bed_until(b, is_frozen, h);
	fence_host_close(h);
	fence_bed_pass(b, 3 * DEAD_MS);
	assert_true(h->copies[1].guard_us > fence_bed_now_ms(b) * 1000);
	fence_host_open(h);
	fence_host_until(h, 1, DROVER__RUN_PHASE__RUN_RUN, true);
	assert_false(h->beat->frozen);
	fence_bed_pass(b, LEASE_FREEZE_MS);
	assert_int_equal(h->joins, 1);
	assert_int_equal(h->kills[1], 0);
}

static void
a_leader_that_is_away_lets_nobody_freeze(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);

	h->deaf = true;
	fence_freeze(h->fence);
	fence_bed_pass(b, LEASE_MS);
	assert_false(is_frozen(h));
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, fence_bed_setup, fence_bed_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_guest_that_ran_before_comes_under_leases),
		TEST(a_guest_that_is_not_named_stays_without_leases),
		TEST(a_claim_that_another_has_leaves_a_guest_as_it_is),
		TEST(without_ha_a_guest_has_no_deadline),
		TEST(without_ha_a_guest_that_dies_stays_down),
		TEST(a_guest_started_without_ha_is_claimed_when_it_is_on),
		TEST(a_guest_that_stands_still_is_not_claimed),
		TEST(a_guest_without_a_guard_is_told_as_bare),
		TEST(a_frozen_hosts_guests_live_on_without_their_agent),
		TEST(a_leader_that_is_away_lets_nobody_freeze),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
