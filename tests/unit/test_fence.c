#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/fence/fence_ping.h"
#include "host-agent/fence/guard_client.h"
#include "host-agent/fence/lease_file.h"
#include "host-agent/storage/datastore.h"
#include "tests/lib/fence_bed.h"

#define DEAD_MS  FENCE_BED_DEAD_MS
#define LEASE_MS FENCE_BED_LEASE_MS

static bool
is_killed(void *arg)
{
	return ((struct fence_host *)arg)->kills[1] > 0;
}

static bool
is_restarted(void *arg)
{
	return ((struct fence_host *)arg)->restarts[1] > 0;
}

static void
a_host_joins_once_and_is_seen(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_host_up(b, 1);

	fence_host_up(b, 2);
	fence_bed_until(b, fence_host_is_seen, h);
	fence_bed_pass(b, 3000);
	assert_int_equal(h->joins, 1);
	assert_true(fence_host_is_seen(h));
	assert_int_equal(h->beat->conf_seen, 7);
	assert_string_equal(h->beat->fencing, "software fencing");
}

static void
a_guest_runs_under_a_deadline_that_moves(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);
	uint64_t first = h->copies[1].guard_us;

	fence_host_until(h, 1, DROVER__RUN_PHASE__RUN_RUN, true);
	assert_true(fence_host_word(h, 1)->guarded);
	fence_bed_pass(b, LEASE_MS);
	assert_true(h->copies[1].guard_us > first);
	assert_true(h->copies[1].guard_us <= (fence_bed_now_ms(b) + LEASE_MS) * 1000);
	assert_int_equal(h->kills[1], 0);
	assert_int_equal(fence_host_drop(h, 1, FENCE_GIVEN), 0);
}

static void
nobody_starts_it_beside_another(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);
	struct fence_try t = { .host = fence_bed_host(b, 2), .guest = 1, .gen = 2 };

	fence_try_begin(&t);
	fence_bed_pass(b, DEAD_MS + 3000);
	assert_false(t.waiter.ended);
	assert_string_equal(
	    fence_claim_text(t.host->fence, 1), "waiting for host-1's lease to end");
	fence_host_until(t.host, 1, DROVER__RUN_PHASE__RUN_CLAIM, false);
	fence_host_reap(h, 1, false);
	assert_int_equal(fence_host_drop(h, 1, FENCE_REAPED), 0);
	assert_int_equal(fence_try_end(&t), 0);
	assert_string_equal(fence_claim_text(t.host->fence, 1), "");
}

static void
an_order_that_waits_can_be_given_up(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h2 = fence_bed_host(b, 2);
	struct fence_try t = { .host = h2, .guest = 1, .gen = 2 };

	fence_bed_two(b, 1);
	fence_try_begin(&t);
	fence_host_until(h2, 1, DROVER__RUN_PHASE__RUN_CLAIM, false);
	assert_int_equal(fence_host_drop(h2, 1, FENCE_REAPED), 0);
	assert_true(t.waiter.ended);
	assert_int_equal(t.waiter.rc, ERR_CANCELLED);
	assert_false(fence_holds(h2->fence, 1));
}

/* Its block stands still, and the leader grants it nothing any more. */
static void
a_dead_host_is_taken_over_after_its_lease(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);
	struct fence_try t = { .host = fence_bed_host(b, 2),
		.guest = 1,
		.gen = 2,
		.attest_slot = 1,
		.attest_inc = 1 };
	uint64_t died;

	fence_host_close(h);
	died = fence_bed_now_ms(b);
	fence_try_begin(&t);
	assert_int_equal(fence_try_end(&t), 0);
	/* It was renewed at most one renewal before, and read at most one later. */
	assert_true(fence_bed_now_ms(b) + 1000 >= died + DEAD_MS);
}

static void
an_attestation_of_another_incarnation_is_none(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);
	struct fence_try t = { .host = fence_bed_host(b, 2),
		.guest = 1,
		.gen = 2,
		.attest_slot = 1,
		.attest_inc = 9 };

	fence_host_close(h);
	fence_try_begin(&t);
	fence_bed_pass(b, DEAD_MS + 3000);
	assert_false(t.waiter.ended);
}

static void
a_damaged_claim_is_waited_for(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);
	struct fence_try t = { .host = fence_bed_host(b, 2),
		.guest = 1,
		.gen = 2,
		.attest_slot = 1,
		.attest_inc = 1 };
	int fd;

	fence_host_close(h);
	fd = open(fence_bed_file(b, ".drover/ha/guests/vm-1.claims"), O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "?", 1, LEASE_BLOCK_BYTES + 100), 1);
	close(fd);
	fence_try_begin(&t);
	fence_bed_pass(b, DEAD_MS + 3000);
	assert_false(t.waiter.ended);
	assert_non_null(strstr(fence_claim_text(t.host->fence, 1), "cannot be read"));
}

static bool
waits_for_host_1(void *arg)
{
	const struct fence_host *h = arg;

	return !strcmp(
	    fence_claim_text(h->fence, 1), "waiting for host-1's lease to end");
}

static void
our_own_damaged_claim_is_mended(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);
	struct fence_try t = { .host = fence_bed_host(b, 2), .guest = 1, .gen = 2 };
	int fd = open(fence_bed_file(b, ".drover/ha/guests/vm-1.claims"), O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "?", 1, LEASE_BLOCK_BYTES + 100), 1);
	close(fd);
	fence_try_begin(&t);
	/* What cannot be read becomes what it was. */
	fence_bed_until(b, waits_for_host_1, t.host);
	assert_int_equal(h->kills[1], 0);
}

static void
a_late_order_is_withdrawn(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_host(b, 1);
	struct fence_try newer = { .host = h, .guest = 1, .gen = 5 };
	struct fence_try late = { .host = fence_bed_host(b, 2), .guest = 1, .gen = 4 };

	fence_host_up(b, 1);
	fence_host_up(b, 2);
	fence_try_begin(&newer);
	assert_int_equal(fence_try_end(&newer), 0);
	fence_try_begin(&late);
	assert_int_equal(fence_try_end(&late), ERR_STALE);
	assert_non_null(strstr(late.waiter.e.msg, "host-1"));
	assert_non_null(strstr(late.waiter.e.msg, "generation 5"));
}

/* ---- ends ---- */

static void
lose_both_leases(struct fence_host *h)
{
	h->deaf = true;
	h->lost_store = true;
}

static bool
has_joined_again(void *arg)
{
	return ((struct fence_host *)arg)->joins == 2;
}

static void
a_copy_whose_leases_are_over_is_ended_and_the_host_joins_anew(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);
	uint64_t until;

	lose_both_leases(h);
	fence_bed_until(b, is_killed, h);
	assert_string_equal(h->why, "its lease is over");
	assert_true(fence_bed_now_ms(b) * 1000 >= h->copies[1].guard_us);
	until = h->copies[1].guard_us;
	/* However late the leader answers, it does not get another chance. */
	h->deaf = h->lost_store = false;
	fence_bed_pass(b, 500);
	assert_int_equal(h->copies[1].guard_us, until);
	assert_int_equal(h->joins, 1);
	fence_host_reap(h, 1, true);
	fence_host_until(h, 1, DROVER__RUN_PHASE__RUN_NONE, false);
	assert_int_equal(h->restarts[1], 0);
	fence_bed_until(b, has_joined_again, h);
	fence_bed_until(b, fence_host_is_seen, h);
	assert_int_equal(h->inc, 2);
}

static void
the_host_goes_if_a_copy_cannot_be_ended(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);

	lose_both_leases(h);
	fence_bed_until(b, is_killed, h);
	fence_bed_pass(b, 1500);
	assert_int_equal(h->resets, 0);
	fence_bed_pass(b, 1500);
	assert_int_equal(h->resets, 1);
}

static void
a_manager_that_is_away_changes_nothing(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);

	h->deaf = true;
	fence_bed_pass(b, LEASE_MS + 5000);
	assert_int_equal(h->kills[1], 0);
	h->copies[1].busy = false;
	fence_host_reap(h, 1, true);
	fence_bed_until(b, is_restarted, h);
}

static void
a_datastore_that_stalls_changes_nothing(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);

	h->lost_store = true;
	fence_bed_pass(b, LEASE_MS + 5000);
	assert_int_equal(h->kills[1], 0);
	assert_true(h->beat->stores[0]->lost_ms > 0);
	assert_string_equal(h->beat->stores[0]->why, "it is not mounted");
}

static void
a_datastore_lost_to_this_host_alone_ends_its_guests(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);

	h->lost_store = h->store_is_others = true;
	fence_bed_until(b, is_killed, h);
	assert_string_equal(h->why, "this host alone has lost its datastore");
	fence_host_reap(h, 1, true);
	/* The word that it is reaped needs no datastore. */
	fence_host_until(h, 1, DROVER__RUN_PHASE__RUN_NONE, false);
	assert_int_equal(h->restarts[1], 0);
}

static void
a_fenced_host_ends_its_guests(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);

	h->fenced = true;
	fence_bed_until(b, is_killed, h);
	assert_string_equal(h->why, "this host's incarnation is over");
}

static void
a_copy_that_is_old_is_ended(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);

	h->stop = 1;
	fence_bed_until(b, is_killed, h);
	h->stop = 0;
	h->runs_seen = true;
	fence_host_reap(h, 1, true);
	while (fence_holds(h->fence, 1))
		fence_bed_pass(b, 100);
	assert_int_equal(h->restarts[1], 0);
}

static void
one_that_shut_itself_down_is_let_go(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);

	h->copies[1].busy = false;
	fence_host_reap(h, 1, false);
	fence_host_until(h, 1, DROVER__RUN_PHASE__RUN_NONE, false);
	assert_int_equal(h->restarts[1], 0);
}

static void
one_that_dies_again_and_again_is_started_less_often(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);

	h->copies[1].busy = false;
	fence_host_reap(h, 1, true);
	fence_bed_pass(b, 10000);
	assert_in_range(h->restarts[1], 3, 6);
}

static bool
is_isolated(void *arg)
{
	return ((struct fence_host *)arg)->beat->isolated;
}

static struct fence_host *
told_isolation(struct fence_bed *b, const char *address)
{
	struct fence_host *h = fence_bed_host(b, 1);
	struct err e = ERR_INIT;

	if (fence_ping_new(b->own->loop, &h->ping, &e))
		skip();
	b->isolation_ms = 5000;
	b->isolation_address = address;
	b->response = DROVER__HA_RESPONSE__HA_POWER_OFF;
	fence_bed_two(b, 1);
	fence_bed_pass(b, 6000);
	assert_int_equal(h->kills[1], 0);
	h->deaf = true;
	return h;
}

static void
an_answer_from_the_network_is_enough(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = told_isolation(b, "127.0.0.1");

	fence_bed_pass(b, 8000);
	assert_false(is_isolated(h));
	assert_int_equal(h->kills[1], 0);
}

/* Of a class that no network has. */
static void
an_isolated_host_powers_off_what_is_to_be(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = told_isolation(b, "240.0.0.1");

	fence_bed_until(b, is_isolated, h);
	fence_bed_until(b, is_killed, h);
	assert_string_equal(h->why, "this host is isolated");
}

/* ---- the agent's own ends ---- */

static void
an_agent_that_restarts_finds_its_leases(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);
	uint64_t until;

	fence_host_close(h);
	until = h->copies[1].guard_us;
	fence_bed_pass(b, 500);
	h->deaf = true;
	fence_host_open(h);
	while (h->copies[1].guard_us == until)
		fence_bed_pass(b, 100);
	assert_int_equal(h->joins, 1);
	assert_int_equal(h->kills[1], 0);
	fence_host_until(h, 1, DROVER__RUN_PHASE__RUN_RUN, true);
}

static void
what_ended_while_the_agent_was_away_is_the_leaders(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);

	fence_host_close(h);
	fence_host_reap(h, 1, true);
	h->copies[1].busy = false;
	fence_host_open(h);
	fence_host_until(h, 1, DROVER__RUN_PHASE__RUN_NONE, false);
	assert_int_equal(h->restarts[1], 0);
}

/* It ends at its deadline, as nobody here knows of its lease any more. */
static void
what_was_kept_and_is_damaged_costs_the_guest(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_host(b, 1);

	h->known[1] = true;
	h->copies[1] = (struct fence_copy){ .guest = 1,
		.run_gen = 1,
		.alive = true,
		.guarded = true,
		.heard = true,
		.guard_us = (fence_bed_now_ms(b) + 5000) * 1000 };
	bed_write(bed_path(b->own, "fence-1"), "x", 1);
	fence_host_up(b, 1);
	fence_host_up(b, 2);
	assert_true(bed_exists(bed_path(b->own, "fence-1.damaged")));
	fence_bed_until(b, is_killed, h);
	assert_true(fence_bed_now_ms(b) * 1000 >= h->copies[1].guard_us);
	fence_host_reap(h, 1, true);
	fence_host_until(h, 1, DROVER__RUN_PHASE__RUN_NONE, false);
	fence_bed_until(b, fence_host_is_seen, h);
}

/* ---- moves ---- */

static void
a_guest_that_moves_runs_on_one_of_the_two(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1), *to = fence_bed_host(b, 2);
	struct fence_try t = { .host = to, .guest = 1, .gen = 2, .how = FENCE_ARRIVES };
	struct fence_try whole = { .host = to, .guest = 1 };

	fence_try_begin(&t);
	assert_int_equal(fence_try_end(&t), 0);
	fence_host_run(to, 1, 2);
	fence_host_until(to, 1, DROVER__RUN_PHASE__RUN_MIGRATE_IN, true);
	fence_claim_arrived(
	    to->fence, 1, waiter_start(&whole.waiter, b->own->loop, b->flows));
	fence_bed_pass(b, 1000);
	assert_false(whole.waiter.ended);
	assert_int_equal(fence_host_drop(h, 1, FENCE_GIVEN), 0);
	assert_int_equal(fence_try_end(&whole), 0);
	fence_host_until(to, 1, DROVER__RUN_PHASE__RUN_RUN, true);
	assert_int_equal(h->kills[1], 0);
	fence_host_reap(h, 1, false);
	assert_int_equal(fence_host_drop(h, 1, FENCE_REAPED), 0);
	assert_false(fence_holds(h->fence, 1));
}

static void
a_guest_that_was_refused_runs_on_at_its_source(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1), *to = fence_bed_host(b, 2);
	struct fence_try t = { .host = to, .guest = 1, .gen = 2, .how = FENCE_ARRIVES };
	struct fence_try back = { .host = h };
	struct fence_wish w = { 1, 2, FENCE_RETURNS, NULL };

	fence_try_begin(&t);
	assert_int_equal(fence_try_end(&t), 0);
	assert_int_equal(fence_host_drop(h, 1, FENCE_GIVEN), 0);
	assert_int_equal(fence_host_drop(to, 1, FENCE_REAPED), 0);
	fence_claim(h->fence, &w, waiter_start(&back.waiter, b->own->loop, b->flows));
	assert_int_equal(fence_try_end(&back), 0);
	fence_host_until(h, 1, DROVER__RUN_PHASE__RUN_RUN, true);
	assert_int_equal(h->kills[1], 0);
}

static bool
is_protected(void *arg)
{
	const Drover__RunWord *w = fence_host_word(arg, 1);

	return w && w->guarded;
}

static void
a_claim_follows_the_first_disk(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);
	struct fence_try t = { .host = fence_bed_host(b, 2), .guest = 1, .gen = 2 };
	const char *there = fence_bed_file(b, "../other/.drover/ha/guests/vm-1.claims");

	fence_bed_until(b, is_protected, h);
	b->guest_store = FENCE_BED_OTHER_STORE;
	fence_host_conf(h);
	fence_host_conf(t.host);
	while (!bed_exists(there))
		fence_bed_pass(b, 10);
	fence_bed_until(b, is_protected, h);
	fence_try_begin(&t);
	fence_bed_until(b, waits_for_host_1, t.host);
	fence_host_reap(h, 1, false);
	assert_int_equal(fence_host_drop(h, 1, FENCE_REAPED), 0);
	assert_int_equal(fence_try_end(&t), 0);
}

static void
claims_that_were_deleted_are_made_anew(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);
	const char *path = fence_bed_file(b, ".drover/ha/guests/vm-1.claims");
	struct fence_try t = { .host = fence_bed_host(b, 2), .guest = 1, .gen = 2 };

	assert_int_equal(unlink(path), 0);
	while (!bed_exists(path))
		fence_bed_pass(b, 10);
	fence_bed_until(b, is_protected, h);
	fence_try_begin(&t);
	fence_bed_until(b, waits_for_host_1, t.host);
}

static void
hide(const struct fence_bed *b, const char *name, const char *as)
{
	assert_int_equal(rename(fence_bed_file(b, name), fence_bed_file(b, as)), 0);
}

/* Its datastore is not mounted when it would drop its claim. */
static void
a_claim_in_a_mount_that_is_missing_is_not_taken_for_dropped(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_two(b, 1);
	struct fence_try t = { .host = fence_bed_host(b, 2), .guest = 1, .gen = 2 };

	hide(b, ".drover", ".away");
	hide(b, DATASTORE_MARK, ".mark");
	fence_host_reap(h, 1, false);
	fence_bed_pass(b, 2000);
	assert_true(fence_holds(h->fence, 1));
	hide(b, ".mark", DATASTORE_MARK);
	hide(b, ".away", ".drover");
	fence_try_begin(&t);
	assert_int_equal(fence_try_end(&t), 0);
	assert_false(h->fenced);
	assert_int_equal(h->inc, 1);
}

static void
the_hardware_is_armed_while_somebody_is_under_a_lease(void **state)
{
	struct fence_bed *b = *state;
	struct fence_host *h = fence_bed_host(b, 1);
	struct fence_try t = { .host = h, .guest = 1, .gen = 1 };

	h->hardware = true;
	fence_host_up(b, 1);
	fence_host_up(b, 2);
	fence_bed_until(b, fence_host_is_seen, h);
	assert_int_equal(h->arms, 1);
	assert_false(h->armed);
	assert_string_equal(
	    h->beat->fencing, "hardware watchdog, 5 s, off: no guest needs it");

	fence_try_begin(&t);
	assert_true(h->armed);
	assert_int_equal(fence_try_end(&t), 0);
	fence_host_run(h, 1, 1);
	fence_bed_pass(b, 3000);
	assert_true(h->feeds > 0);
	assert_string_equal(h->beat->fencing, "hardware watchdog, 5 s");
	fence_host_reap(h, 1, false);
	assert_int_equal(fence_host_drop(h, 1, FENCE_REAPED), 0);
	assert_false(h->armed);
	assert_int_equal(h->arms, 2);

	/* An agent that goes leaves it counting for the next one. */
	t.gen = 2;
	fence_try_begin(&t);
	assert_int_equal(fence_try_end(&t), 0);
	fence_host_run(h, 1, 2);
	fence_host_close(h);
	assert_true(h->armed);
}

static void
gateways_are_read_of_routes(void **state)
{
	AUTO_FREE char *way =
	    fence_ping_gateway("eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000");

	assert_string_equal(way, "192.168.1.1");
	assert_null(fence_ping_gateway("eth0\t0001A8C0\t00000000\t0001\t0"));
	assert_null(fence_ping_gateway("eth0\t00000000\t0101A8C0\t0002\t0"));
	assert_null(fence_ping_gateway("Iface\tDestination\tGateway \tFlags"));
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, fence_bed_setup, fence_bed_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_host_joins_once_and_is_seen),
		TEST(a_guest_runs_under_a_deadline_that_moves),
		TEST(nobody_starts_it_beside_another),
		TEST(an_order_that_waits_can_be_given_up),
		TEST(a_dead_host_is_taken_over_after_its_lease),
		TEST(an_attestation_of_another_incarnation_is_none),
		TEST(a_damaged_claim_is_waited_for),
		TEST(our_own_damaged_claim_is_mended),
		TEST(a_late_order_is_withdrawn),
		TEST(a_copy_whose_leases_are_over_is_ended_and_the_host_joins_anew),
		TEST(the_host_goes_if_a_copy_cannot_be_ended),
		TEST(a_manager_that_is_away_changes_nothing),
		TEST(a_datastore_that_stalls_changes_nothing),
		TEST(a_datastore_lost_to_this_host_alone_ends_its_guests),
		TEST(a_fenced_host_ends_its_guests),
		TEST(a_copy_that_is_old_is_ended),
		TEST(one_that_shut_itself_down_is_let_go),
		TEST(one_that_dies_again_and_again_is_started_less_often),
		TEST(an_answer_from_the_network_is_enough),
		TEST(an_isolated_host_powers_off_what_is_to_be),
		TEST(an_agent_that_restarts_finds_its_leases),
		TEST(what_ended_while_the_agent_was_away_is_the_leaders),
		TEST(what_was_kept_and_is_damaged_costs_the_guest),
		TEST(the_hardware_is_armed_while_somebody_is_under_a_lease),
		TEST(a_guest_that_moves_runs_on_one_of_the_two),
		TEST(a_guest_that_was_refused_runs_on_at_its_source),
		TEST(a_claim_follows_the_first_disk),
		TEST(claims_that_were_deleted_are_made_anew),
		TEST(a_claim_in_a_mount_that_is_missing_is_not_taken_for_dropped),
		cmocka_unit_test(gateways_are_read_of_routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
