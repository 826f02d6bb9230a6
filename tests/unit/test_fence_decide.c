#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/fence/fence_decide.h"

#define NOW 1000000u

/* A host that is well: both leases hold for five seconds. */
struct bed {
	struct lease_terms terms;
	struct fence_store stores[2];
	struct fence_guest guests[2];
	struct fence_order orders[2];
	bool renew[2];
	struct fence_view view;
	struct fence_state state;
	struct fence_effects out;
};

static void
bed_init(struct bed *b)
{
	*b = (struct bed){ .terms = lease_preset(LEASE_SOFTWARE) };
	for (size_t i = 0; i < 2; i++) {
		b->stores[i] = (struct fence_store){ .end_ms = NOW + 5000,
			.renew_ms = NOW - 1000 };
		b->guests[i] = (struct fence_guest){ .store = i,
			.alive = true,
			.wanted = true,
			.phase = CLAIM_RUN,
			.guard_ms = NOW + 5000 };
	}
	b->view = (struct fence_view){ .joined = true,
		.network_end_ms = NOW + 5000,
		.manager_ms = NOW - 500,
		.gateway_ms = NOW - 500,
		.terms = &b->terms,
		.stores = b->stores,
		.n_stores = 2,
		.guests = b->guests,
		.n_guests = 2 };
	b->out = (struct fence_effects){ .orders = b->orders, .renew = b->renew };
}

static void
look(struct bed *b)
{
	fence_decide(&b->view, NOW, &b->state, &b->out);
}

static void
expect(const struct bed *b, size_t guest, enum fence_act act, enum fence_why why)
{
	assert_int_equal(b->orders[guest].act, act);
	assert_int_equal(b->orders[guest].why, why);
}

static void
one_lease_of_two_is_enough(void **state)
{
	static const struct {
		enum fence_authority authority;
		uint64_t store_ms, network_ms, long_ms, freeze_ms, want;
	} rows[] = {
		{ FENCE_SHARED, 5, 9, 99, 0, 9 },
		{ FENCE_SHARED, 9, 5, 99, 0, 9 },
		{ FENCE_SHARED, 9, 0, 0, 0, 9 },
		{ FENCE_SHARED, 0, 9, 0, 0, 9 },
		{ FENCE_SHARED, 5, 9, 0, 60, 60 },
		{ FENCE_NETWORK, 99, 5, 30, 0, 30 },
		{ FENCE_NETWORK, 99, 5, 0, 0, 5 },
		{ FENCE_NETWORK, 99, 5, 30, 60, 60 },
		{ FENCE_NONE, 1, 1, 1, 1, LEASE_NEVER },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bed b;
		bed_init(&b);
		b.stores[0].end_ms = rows[i].store_ms;
		b.view.network_end_ms = rows[i].network_ms;
		b.view.long_end_ms = rows[i].long_ms;
		b.view.freeze_end_ms = rows[i].freeze_ms;
		b.guests[0].authority = rows[i].authority;
		if (fence_deadline(&b.view, &b.guests[0]) != rows[i].want)
			fail_msg("row %zu", i);
	}
}

static void
the_guard_follows_the_later_lease_and_never_goes_back(void **state)
{
	struct bed b;

	bed_init(&b);
	b.stores[0].end_ms = NOW + 6000;
	look(&b);
	expect(&b, 0, FENCE_ARM, FENCE_WHY_NONE);
	assert_int_equal(b.orders[0].guard_ms, NOW + 6000);
	expect(&b, 1, FENCE_KEEP, FENCE_WHY_NONE);
	b.guests[0].guard_ms = NOW + 9000;
	look(&b);
	expect(&b, 0, FENCE_KEEP, FENCE_WHY_NONE);
	assert_true(b.out.feed_watchdog && b.out.ask_network && b.renew[0]);
	assert_false(b.out.rejoin || b.out.reset_host || b.out.isolated);
}

static void
a_copy_past_its_deadline_ends_however_well_the_leases_look(void **state)
{
	struct bed b;

	bed_init(&b);
	b.guests[0].guard_ms = NOW;
	look(&b);
	expect(&b, 0, FENCE_KILL, FENCE_WHY_EXPIRED);
	assert_true(b.state.expired);
	assert_false(b.out.feed_watchdog);
	assert_false(b.out.reset_host);
	/* Neither its datastore's lease nor the network's, but the other store's. */
	assert_false(b.renew[0] || b.out.ask_network);
	assert_true(b.renew[1]);
	expect(&b, 1, FENCE_KEEP, FENCE_WHY_NONE);
	/* It does not die: the host has to. */
	b.guests[0].guard_ms = NOW - b.terms.kill_ms;
	look(&b);
	assert_true(b.out.reset_host);
	/* The guard struck while nobody looked: it is not started again. */
	b.guests[0].alive = false;
	look(&b);
	expect(&b, 0, FENCE_DROP, FENCE_WHY_EXPIRED);
	assert_false(b.renew[0] || b.out.ask_network || b.out.rejoin);
	assert_true(b.out.feed_watchdog && !b.out.reset_host);
	/* Reaped and dropped: its store goes on while the other guest lives … */
	b.guests[0].phase = CLAIM_NONE;
	look(&b);
	assert_true(b.renew[0] && b.out.ask_network && !b.out.rejoin);
	/* … and when that is gone the host joins anew. */
	b.guests[1].alive = false;
	b.guests[1].phase = CLAIM_NONE;
	look(&b);
	assert_true(b.out.rejoin);
	b.state = (struct fence_state){ 0 };
	look(&b);
	assert_false(b.out.rejoin);
}

static void
a_fenced_incarnation_ends_its_copies(void **state)
{
	struct bed b;

	bed_init(&b);
	b.view.fenced = true;
	b.guests[1].authority = FENCE_NONE;
	look(&b);
	expect(&b, 0, FENCE_KILL, FENCE_WHY_FENCED);
	/* Nobody else can have this one. */
	assert_int_not_equal(b.orders[1].act, FENCE_KILL);
	assert_false(b.renew[0] || b.out.ask_network || b.out.rejoin);
	b.guests[0].alive = false;
	look(&b);
	expect(&b, 0, FENCE_DROP, FENCE_WHY_NONE);
	b.guests[0].phase = CLAIM_NONE;
	look(&b);
	assert_true(b.out.rejoin);
}

static void
what_died_starts_again_while_it_may(void **state)
{
	static const struct {
		const char *what;
		bool joined, fenced, wanted;
		enum claim_phase phase;
		uint64_t lease_ms, guard_ms;
		enum fence_act want;
	} rows[] = {
		{ "well", true, false, true, CLAIM_RUN, NOW + 1, NOW + 1,
		    FENCE_RESTART },
		{ "never ran yet", true, false, true, CLAIM_RUN, NOW + 1, 0,
		    FENCE_RESTART },
		{ "no lease", true, false, true, CLAIM_RUN, NOW, 0, FENCE_DROP },
		{ "guard was due", true, false, true, CLAIM_RUN, NOW + 1, NOW,
		    FENCE_DROP },
		{ "stopped", true, false, false, CLAIM_RUN, NOW + 1, NOW + 1,
		    FENCE_DROP },
		{ "fenced", true, true, true, CLAIM_RUN, NOW + 1, NOW + 1, FENCE_DROP },
		{ "not joined", false, false, true, CLAIM_RUN, NOW + 1, NOW + 1,
		    FENCE_DROP },
		{ "claim only", true, false, true, CLAIM_CLAIM, NOW + 1, 0,
		    FENCE_KEEP },
		{ "claim given up", true, false, false, CLAIM_CLAIM, NOW + 1, 0,
		    FENCE_DROP },
		{ "claim, no lease", true, false, true, CLAIM_CLAIM, NOW, 0,
		    FENCE_DROP },
		{ "arriving", true, false, true, CLAIM_MIGRATE_IN, NOW + 1, 0,
		    FENCE_KEEP },
		{ "nothing", true, false, true, CLAIM_NONE, NOW + 1, 0, FENCE_KEEP },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bed b;
		bed_init(&b);
		b.view.n_guests = 1;
		b.view.joined = rows[i].joined;
		b.view.fenced = rows[i].fenced;
		b.view.network_end_ms = 0;
		b.stores[0].end_ms = rows[i].lease_ms;
		b.guests[0].alive = false;
		b.guests[0].wanted = rows[i].wanted;
		b.guests[0].phase = rows[i].phase;
		b.guests[0].guard_ms = rows[i].guard_ms;
		look(&b);
		if (b.orders[0].act != rows[i].want)
			fail_msg("%s: %d", rows[i].what, b.orders[0].act);
		if (rows[i].want == FENCE_RESTART)
			assert_int_equal(b.orders[0].guard_ms, NOW + 1);
	}
}

static void
a_host_that_has_just_started_asks_for_its_incarnation(void **state)
{
	struct bed b;

	bed_init(&b);
	b.view.joined = false;
	b.view.network_end_ms = b.stores[0].end_ms = b.stores[1].end_ms = 0;
	for (size_t i = 0; i < 2; i++)
		b.guests[i] = (struct fence_guest){ .phase = CLAIM_RUN, .store = i };
	look(&b);
	assert_int_equal(b.orders[0].act, FENCE_DROP);
	assert_false(b.out.rejoin || b.renew[0] || b.out.ask_network);
	b.guests[0].phase = b.guests[1].phase = CLAIM_NONE;
	look(&b);
	assert_true(b.out.rejoin);
	assert_false(b.renew[0] || b.out.ask_network);
	/* What only it has it may start by itself. */
	b.guests[0] = (struct fence_guest){
		.authority = FENCE_NONE, .wanted = true, .phase = CLAIM_RUN
	};
	look(&b);
	assert_int_equal(b.orders[0].act, FENCE_RESTART);
	assert_true(b.out.rejoin);
}

static void
an_isolated_host_does_what_each_guest_wishes(void **state)
{
	static const struct {
		uint64_t manager_ms, gateway_ms, shutdown_ms;
		enum fence_mode mode;
		enum fence_response response;
		bool isolated;
		enum fence_act want;
	} rows[] = {
		{ NOW - 30000, NOW - 30000, 0, FENCE_NORMAL, FENCE_POWER_OFF, true,
		    FENCE_KILL },
		{ NOW - 30000, NOW - 30000, 0, FENCE_NORMAL, FENCE_LEAVE_ON, true,
		    FENCE_KEEP },
		{ NOW - 30000, NOW - 30000, 0, FENCE_NORMAL, FENCE_SHUT_DOWN, true,
		    FENCE_STOP },
		{ NOW - 30000, NOW - 30000, NOW - 299999, FENCE_NORMAL, FENCE_SHUT_DOWN,
		    true, FENCE_KEEP },
		{ NOW - 30000, NOW - 30000, NOW - 300000, FENCE_NORMAL, FENCE_SHUT_DOWN,
		    true, FENCE_KILL },
		/* One answer from either is enough. */
		{ NOW - 29999, NOW - 90000, 0, FENCE_NORMAL, FENCE_POWER_OFF, false,
		    FENCE_KEEP },
		{ NOW - 90000, NOW - 29999, 0, FENCE_NORMAL, FENCE_POWER_OFF, false,
		    FENCE_KEEP },
		{ NOW - 90000, NOW - 90000, 0, FENCE_FROZEN, FENCE_POWER_OFF, false,
		    FENCE_KEEP },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bed b;
		bed_init(&b);
		b.view.isolation_ms = 30000;
		b.view.manager_ms = rows[i].manager_ms;
		b.view.gateway_ms = rows[i].gateway_ms;
		b.view.mode = rows[i].mode;
		b.guests[0].response = rows[i].response;
		b.guests[0].shutdown_ms = rows[i].shutdown_ms;
		look(&b);
		if (b.orders[0].act != rows[i].want ||
		    b.out.isolated != rows[i].isolated)
			fail_msg("row %zu: %d", i, b.orders[0].act);
		b.view.isolation_ms = 0;
		look(&b);
		assert_int_equal(b.orders[0].act, FENCE_KEEP);
	}
}

static void
a_datastore_that_this_host_alone_lost_is_left_to_others(void **state)
{
	struct bed b;

	bed_init(&b);
	b.stores[0].renew_ms = NOW - FENCE_LOST_STORE_MS;
	b.stores[0].end_ms = 0;
	look(&b);
	expect(&b, 0, FENCE_KEEP, FENCE_WHY_NONE); /* a stall of all is ridden out */
	b.stores[0].others_have = true;
	look(&b);
	expect(&b, 0, FENCE_KILL, FENCE_WHY_STORE);
	expect(&b, 1, FENCE_KEEP, FENCE_WHY_NONE);
	b.guests[0].alive = false;
	look(&b);
	expect(&b, 0, FENCE_DROP, FENCE_WHY_NONE);
	b.guests[0].alive = true;
	b.stores[0].renew_ms++;
	look(&b);
	expect(&b, 0, FENCE_KEEP, FENCE_WHY_NONE);
	b.stores[0].renew_ms--;
	b.view.mode = FENCE_FROZEN;
	look(&b);
	expect(&b, 0, FENCE_KEEP, FENCE_WHY_NONE);
}

static void
an_order_to_stop_is_obeyed(void **state)
{
	struct bed b;

	bed_init(&b);
	b.guests[0].wanted = false;
	look(&b);
	expect(&b, 0, FENCE_KILL, FENCE_WHY_STOPPED);
	assert_string_equal(fence_why_text(FENCE_WHY_EXPIRED), "its lease is over");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_lease_of_two_is_enough),
		cmocka_unit_test(the_guard_follows_the_later_lease_and_never_goes_back),
		cmocka_unit_test(
		    a_copy_past_its_deadline_ends_however_well_the_leases_look),
		cmocka_unit_test(a_fenced_incarnation_ends_its_copies),
		cmocka_unit_test(what_died_starts_again_while_it_may),
		cmocka_unit_test(a_host_that_has_just_started_asks_for_its_incarnation),
		cmocka_unit_test(an_isolated_host_does_what_each_guest_wishes),
		cmocka_unit_test(
		    a_datastore_that_this_host_alone_lost_is_left_to_others),
		cmocka_unit_test(an_order_to_stop_is_obeyed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
