#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "server/leader/leader_decide.h"

#define WAIT 4400u /* 4 s and the margin of both clocks and settling */
#define LED                                                                        \
	{                                                                          \
		.leading = true, .epoch = 7, .proved_ms = 10000, .wrote_ms = 10000 \
	}

/* The row of epoch e, first seen at 10 s, and so at the reading that began at c. */
#define SEEN(e, c)                                          \
	{                                                   \
		true, { (e), 40, false, false }, 10000, (c) \
	}

static void
check(const struct leader_view *v, uint64_t now_ms, enum leader_act want, size_t row)
{
	struct lease_terms t = lease_preset(LEASE_SOFTWARE);
	enum leader_act got = leader_decide(v, &t, now_ms);
	if (got != want)
		fail_msg("row %zu: act %d, not %d", row, got, want);
}

static void
a_follower_waits_out_the_leader(void **state)
{
	static const struct {
		struct leader_view v;
		uint64_t now_ms;
		enum leader_act want;
	} rows[] = {
		/* Nothing known yet. */
		{ { 0 }, 10000, LEADER_READ },
		{ { .read_ms = 10000 }, 10499, LEADER_IDLE },
		{ { .read_ms = 10000 }, 10500, LEADER_READ },
		{ { .busy = true }, 10000, LEADER_IDLE },
		/* Nobody ever led. */
		{ { .watch = { true, { 0, 0, false, false }, 10000, 10000 } }, 10000,
		    LEADER_CAMPAIGN },
		/* The holder gave it up. */
		{ { .watch = { true, { 7, 41, false, true }, 10000, 10000 } }, 10000,
		    LEADER_CAMPAIGN },
		/* Somebody does; only what was read counts, not the time that went. */
		{ { .watch = SEEN(7, 10000 + WAIT - 1), .read_ms = 14399 }, 14400,
		    LEADER_IDLE },
		{ { .watch = SEEN(7, 10000 + WAIT), .read_ms = 14400 }, 14400,
		    LEADER_CAMPAIGN },
		{ { .watch = SEEN(7, 10500), .read_ms = 99900 }, 100000, LEADER_IDLE },
		/* Our campaign's answer was lost. */
		{ { .unknown = true, .watch = SEEN(7, 10000 + WAIT) }, 15000,
		    LEADER_READ },
		{ { .unknown = true, .busy = true, .watch = SEEN(7, 10000 + WAIT) },
		    15000, LEADER_IDLE },
		/* It was done, and is still worth something. */
		{ { .watch = { true, { 8, 41, true, false }, 15000, 15000 },
		      .wrote_ms = 14500,
		      .read_ms = 15000 },
		    15000, LEADER_LEAD },
		{ { .watch = { true, { 8, 41, true, false }, 18500, 18500 },
		      .wrote_ms = 14500,
		      .read_ms = 18500 },
		    18500, LEADER_IDLE },
		/* We led with it and stepped down: it is nobody's now. */
		{ { .epoch = 8,
		      .watch = { true, { 8, 41, true, false }, 15000, 15000 },
		      .wrote_ms = 14500,
		      .read_ms = 15000 },
		    15100, LEADER_IDLE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check(&rows[i].v, rows[i].now_ms, rows[i].want, i);
}

static void
a_leader_stops_by_its_own_clock(void **state)
{
	struct leader_view v = LED;

	check(&v, 10999, LEADER_IDLE, 0);
	check(&v, 11000, LEADER_RENEW, 1);
	v.busy = true;
	check(&v, 11000, LEADER_IDLE, 2);
	/* The answer does not come: it counts from the last that did. */
	check(&v, 13999, LEADER_IDLE, 3);
	check(&v, 14000, LEADER_STEP_DOWN, 4);
	v.busy = false;
	v.unknown = true;
	check(&v, 12000, LEADER_READ, 5);
	check(&v, 14000, LEADER_STEP_DOWN, 6);
	/* Frozen for a minute. */
	check(&v, 70000, LEADER_STEP_DOWN, 7);
	assert_int_equal(leader_end_ms(&v), 14000);
	v.leading = false;
	assert_int_equal(leader_end_ms(&v), 0);
}

static void
a_leader_yields_to_a_later_epoch(void **state)
{
	struct leader_view v = LED;

	v.watch = (struct leader_watch){ true, { 7, 40, true, false }, 10000, 10000 };
	check(&v, 10500, LEADER_IDLE, 0);
	v.watch.row = (struct leader_row){ 8, 41, false, false };
	check(&v, 10500, LEADER_STEP_DOWN, 1);
}

static void
a_row_that_moves_is_waited_for_anew(void **state)
{
	struct leader_watch w = { 0 };
	struct leader_row row = { 7, 40, false, false };

	leader_watch_note(&w, &row, 900, 1000);
	assert_int_equal(w.moved_ms, 1000);
	assert_int_equal(w.checked_ms, 1000);
	leader_watch_note(&w, &row, 1500, 9000);
	assert_int_equal(w.moved_ms, 1000);
	assert_int_equal(w.checked_ms, 1500);
	/* An answer that was overtaken takes nothing back. */
	leader_watch_note(&w, &row, 1200, 9500);
	assert_int_equal(w.checked_ms, 1500);
	row.beat++;
	leader_watch_note(&w, &row, 9600, 9700);
	assert_int_equal(w.moved_ms, 9700);
	row.epoch++;
	leader_watch_note(&w, &row, 9800, 9900);
	assert_int_equal(w.moved_ms, 9900);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_follower_waits_out_the_leader),
		cmocka_unit_test(a_leader_stops_by_its_own_clock),
		cmocka_unit_test(a_leader_yields_to_a_later_epoch),
		cmocka_unit_test(a_row_that_moves_is_waited_for_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
