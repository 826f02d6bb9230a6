#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/fence/beat_watch.h"
#include "host-agent/fence/claim_decide.h"

#define ME 1u

static void
late_and_repeated_orders_start_nothing(void **state)
{
	assert_true(claim_accept(0, 1));
	assert_true(claim_accept(4, 5));
	assert_false(claim_accept(5, 5));
	assert_false(claim_accept(6, 5));
}

/* Generation 5 on host 1, against what host 2 says. */
static void
another_claim_gives_way_only_to_proof(void **state)
{
	static const struct {
		const char *what;
		struct claim_seen seen;
		struct claim_attest attest;
		enum claim_verdict want;
	} rows[] = {
		{ "free", { { CLAIM_NONE, 2, 3, 4 }, false }, { 0 }, CLAIM_GO },
		{ "our own generation, taken back", { { CLAIM_NONE, 2, 3, 5 }, false },
		    { 0 }, CLAIM_GO },
		{ "newer, and gone", { { CLAIM_NONE, 2, 3, 6 }, false }, { 0 },
		    CLAIM_WITHDRAW },
		{ "newer claim", { { CLAIM_CLAIM, 2, 3, 6 }, false }, { 0 },
		    CLAIM_WITHDRAW },
		{ "newer run, though dead", { { CLAIM_RUN, 2, 3, 6 }, true },
		    { CLAIM_NETFENCED, 2, 3, 0 }, CLAIM_WITHDRAW },
		{ "same generation", { { CLAIM_RUN, 2, 3, 5 }, true },
		    { CLAIM_NETFENCED, 2, 3, 0 }, CLAIM_WITHDRAW },
		{ "older, nothing known", { { CLAIM_RUN, 2, 3, 4 }, false }, { 0 },
		    CLAIM_WAIT },
		{ "older claim counts like a run", { { CLAIM_CLAIM, 2, 3, 4 }, false },
		    { 0 }, CLAIM_WAIT },
		{ "guest under way to there", { { CLAIM_MIGRATE_IN, 2, 3, 4 }, false },
		    { 0 }, CLAIM_WAIT },
		{ "storage lease dead alone", { { CLAIM_RUN, 2, 3, 4 }, true }, { 0 },
		    CLAIM_WAIT },
		{ "network lease out alone", { { CLAIM_RUN, 2, 3, 4 }, false },
		    { CLAIM_NETFENCED, 2, 3, 0 }, CLAIM_WAIT },
		{ "both", { { CLAIM_RUN, 2, 3, 4 }, true },
		    { CLAIM_NETFENCED, 2, 3, 0 }, CLAIM_GO },
		{ "both, of an older incarnation", { { CLAIM_RUN, 2, 4, 4 }, true },
		    { CLAIM_NETFENCED, 2, 3, 0 }, CLAIM_WAIT },
		{ "both, of another host", { { CLAIM_RUN, 2, 3, 4 }, true },
		    { CLAIM_NETFENCED, 3, 3, 0 }, CLAIM_WAIT },
		{ "reaped", { { CLAIM_RUN, 2, 3, 4 }, false },
		    { CLAIM_REAPED, 2, 0, 4 }, CLAIM_GO },
		{ "reaped, an earlier copy", { { CLAIM_RUN, 2, 3, 4 }, false },
		    { CLAIM_REAPED, 2, 0, 3 }, CLAIM_WAIT },
		{ "without power", { { CLAIM_RUN, 2, 3, 4 }, false },
		    { CLAIM_POWERED_OFF, 2, 3, 0 }, CLAIM_GO },
		{ "was without power, is on again", { { CLAIM_RUN, 2, 4, 4 }, false },
		    { CLAIM_POWERED_OFF, 2, 3, 0 }, CLAIM_WAIT },
		{ "unreadable", { { CLAIM_UNKNOWN, 2, 0, 0 }, true },
		    { CLAIM_NETFENCED, 2, 0, 0 }, CLAIM_WAIT },
		{ "unreadable, reaped", { { CLAIM_UNKNOWN, 2, 0, 0 }, false },
		    { CLAIM_REAPED, 2, 0, 4 }, CLAIM_WAIT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct claim_view v = {
			.host_id = ME,
			.run_gen = 5,
			.attests = &rows[i].attest,
			.n_attests = rows[i].attest.host_id ? 1 : 0,
			.seen = &rows[i].seen,
			.n_seen = 1,
		};
		uint32_t host = 99;
		enum claim_verdict got = claim_decide(&v, &host);
		if (got != rows[i].want)
			fail_msg("%s: %d", rows[i].what, got);
		assert_int_equal(host, got == CLAIM_GO ? 0 : 2);
	}
}

static void
every_block_counts_but_our_own(void **state)
{
	struct claim_seen seen[] = {
		{ { CLAIM_CLAIM, ME, 2, 5 }, false },
		{ { CLAIM_NONE, 2, 0, 0 }, false },
		{ { CLAIM_NONE, 3, 0, 0 }, false },
	};
	struct claim_view v = {
		.host_id = ME, .run_gen = 5, .seen = seen, .n_seen = ARRAY_SIZE(seen)
	};
	uint32_t host;

	assert_int_equal(claim_decide(&v, &host), CLAIM_GO);
	/* Our own block may be what it likes: we know what we wrote. */
	seen[0].claim.phase = CLAIM_UNKNOWN;
	assert_int_equal(claim_decide(&v, &host), CLAIM_GO);
	seen[1].claim = (struct lease_claim){ CLAIM_RUN, 2, 1, 3 };
	assert_int_equal(claim_decide(&v, &host), CLAIM_WAIT);
	assert_int_equal(host, 2);
	/* Somebody newer outweighs all waiting. */
	seen[2].claim = (struct lease_claim){ CLAIM_CLAIM, 3, 1, 6 };
	assert_int_equal(claim_decide(&v, &host), CLAIM_WITHDRAW);
	assert_int_equal(host, 3);
}

static void
a_failed_write_may_still_land(void **state)
{
	assert_true(claim_may_write(0, 320, 10));
	assert_false(claim_may_write(1000, 320, 1319));
	assert_true(claim_may_write(1000, 320, 1320));
}

/* ---- R3 ---- */

static struct lease_beat
beat(uint64_t inc, uint64_t seq)
{
	return (struct lease_beat){ .known = true,
		.host_id = 2,
		.inc = inc,
		.seq = seq,
		.lease_ms = 6000,
		.kill_ms = 3000 };
}

static void
a_block_is_dead_when_it_was_read_unmoved_for_long_enough(void **state)
{
	struct lease_terms t = lease_preset(LEASE_SOFTWARE);
	struct beat_watch w = { 0 };
	struct lease_beat b = beat(1, 7);

	assert_false(beat_watch_dead(&w, &t));
	/* Counted from the end of the first reading to the begin of the last. */
	beat_watch_note(&w, &b, 900, 1000);
	beat_watch_note(&w, &b, 10499, 99999);
	assert_int_equal(beat_watch_still_ms(&w), 9499);
	assert_false(beat_watch_dead(&w, &t));
	beat_watch_note(&w, &b, 10500, 10501);
	assert_true(beat_watch_dead(&w, &t));
	/* It moves. */
	b.seq++;
	beat_watch_note(&w, &b, 11000, 11001);
	assert_false(beat_watch_dead(&w, &t));
	assert_int_equal(beat_watch_still_ms(&w), 0);
}

/* What stands there may be of a host that died long ago. */
static void
a_first_reading_tells_nothing(void **state)
{
	struct beat_watch w = { 0 };
	struct lease_beat b = beat(1, 7), old = beat(1, 6);

	assert_false(beat_watch_tells(&w, 3000));
	beat_watch_note(&w, &b, 900, 1000);
	beat_watch_note(&w, &b, 3999, 4000);
	assert_false(beat_watch_tells(&w, 3000));
	beat_watch_note(&w, &b, 4000, 4001);
	assert_true(beat_watch_tells(&w, 3000));

	w = (struct beat_watch){ 0 };
	beat_watch_note(&w, &b, 900, 1000);
	b.seq++;
	beat_watch_note(&w, &b, 1900, 2000);
	assert_true(beat_watch_tells(&w, 3000));
	/* The past comes back: when it moved is in doubt. */
	beat_watch_note(&w, &old, 2900, 3000);
	assert_false(beat_watch_tells(&w, 3000));
}

static void
what_it_publishes_is_what_others_wait(void **state)
{
	struct lease_terms t = lease_preset(LEASE_SOFTWARE);
	struct beat_watch w = { 0 };
	struct lease_beat b = beat(1, 7);

	b.lease_ms = 60000; /* frozen */
	beat_watch_note(&w, &b, 0, 1000);
	beat_watch_note(&w, &b, 1000 + 64579, 70000);
	assert_false(beat_watch_dead(&w, &t));
	beat_watch_note(&w, &b, 1000 + 64580, 70000);
	assert_true(beat_watch_dead(&w, &t));
}

static void
doubtful_readings_prove_nothing(void **state)
{
	struct lease_terms t = lease_preset(LEASE_SOFTWARE);
	struct beat_watch w = { 0 };
	struct lease_beat b = beat(2, 7), damaged = { 0 }, old = beat(2, 6),
			  older = beat(1, 99), unused = beat(0, 0);

	beat_watch_note(&w, &damaged, 900, 1000);
	assert_false(w.seen);
	beat_watch_note(&w, &unused, 900, 1000);
	beat_watch_note(&w, &unused, 50000, 50001);
	assert_false(beat_watch_dead(&w, &t));
	beat_watch_note(&w, &b, 50002, 50003);
	/* Damaged for ever: unknown, and no time is counted. */
	beat_watch_note(&w, &damaged, 99000, 99001);
	assert_int_equal(beat_watch_still_ms(&w), 0);
	/* The past comes back: what was seen since is in doubt. */
	beat_watch_note(&w, &b, 59000, 59001);
	assert_int_equal(beat_watch_still_ms(&w), 59000 - 50003);
	beat_watch_note(&w, &old, 59400, 59401);
	assert_int_equal(beat_watch_still_ms(&w), 0);
	beat_watch_note(&w, &older, 59500, 59501);
	assert_int_equal(w.beat.seq, 7);
	beat_watch_note(&w, &b, 69001, 69002);
	assert_true(beat_watch_dead(&w, &t));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(late_and_repeated_orders_start_nothing),
		cmocka_unit_test(another_claim_gives_way_only_to_proof),
		cmocka_unit_test(every_block_counts_but_our_own),
		cmocka_unit_test(a_failed_write_may_still_land),
		cmocka_unit_test(
		    a_block_is_dead_when_it_was_read_unmoved_for_long_enough),
		cmocka_unit_test(a_first_reading_tells_nothing),
		cmocka_unit_test(what_it_publishes_is_what_others_wait),
		cmocka_unit_test(doubtful_readings_prove_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
