/* When a guest that has stopped working is reset, and when it is let alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "server/ha/ha_guest_decide.h"

#define S   1000ull
#define H   (3600 * S)
#define NOW (1000 * H)

static const struct ha_guest_times times = { 120 * S, 120 * S };

static const struct protect_monitor *
level(enum ha_monitoring m)
{
	return protect_monitor_of(m);
}

static void
presets_are_the_published_ones(void **state)
{
	static const struct {
		enum ha_monitoring level;
		uint64_t quiet_s, resets, window_h;
	} rows[] = {
		{ HA_MONITOR_OFF, 0, 0, 0 },
		{ HA_MONITOR_HIGH, 30, 3, 1 },
		{ HA_MONITOR_MEDIUM, 60, 3, 24 },
		{ HA_MONITOR_LOW, 120, 3, 7 * 24 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct protect_monitor *m = level(rows[i].level);
		assert_int_equal(m->quiet_ms, rows[i].quiet_s * S);
		assert_int_equal(m->resets, rows[i].resets);
		assert_int_equal(m->window_ms, rows[i].window_h * H);
	}
}

/* Ago: on, its host heard, its last answer (0: none). */
static const struct {
	const char *what;
	enum ha_monitoring level;
	uint64_t on_s, heard_s, beat_s;
	enum ha_guest_io io;
	enum ha_guest_do wants;
} rows[] = {
	{ "off", HA_MONITOR_OFF, 1000, 1000, 900, HA_GUEST_IO_NONE, HA_GUEST_NOTHING },
	{ "answers", HA_MONITOR_HIGH, 1000, 1000, 29, HA_GUEST_IO_NONE,
	    HA_GUEST_NOTHING },
	{ "silent", HA_MONITOR_HIGH, 1000, 1000, 30, HA_GUEST_IO_UNASKED,
	    HA_GUEST_ASK_IO },
	{ "dead", HA_MONITOR_HIGH, 1000, 1000, 30, HA_GUEST_IO_NONE, HA_GUEST_RESET },
	{ "at work", HA_MONITOR_HIGH, 1000, 1000, 300, HA_GUEST_IO_SOME,
	    HA_GUEST_NOTHING },
	{ "no figures", HA_MONITOR_HIGH, 1000, 1000, 300, HA_GUEST_IO_UNKNOWN,
	    HA_GUEST_NOTHING },
	{ "medium waits", HA_MONITOR_MEDIUM, 1000, 1000, 59, HA_GUEST_IO_NONE,
	    HA_GUEST_NOTHING },
	{ "medium", HA_MONITOR_MEDIUM, 1000, 1000, 60, HA_GUEST_IO_NONE,
	    HA_GUEST_RESET },
	{ "low waits", HA_MONITOR_LOW, 1000, 1000, 119, HA_GUEST_IO_NONE,
	    HA_GUEST_NOTHING },
	{ "low", HA_MONITOR_LOW, 1000, 1000, 120, HA_GUEST_IO_NONE, HA_GUEST_RESET },
	{ "boots", HA_MONITOR_HIGH, 119, 1000, 40, HA_GUEST_IO_NONE, HA_GUEST_NOTHING },
	{ "has booted", HA_MONITOR_HIGH, 120, 1000, 40, HA_GUEST_IO_NONE,
	    HA_GUEST_RESET },
	{ "never answered", HA_MONITOR_HIGH, 1000, 1000, 0, HA_GUEST_IO_NONE,
	    HA_GUEST_NOTHING },
	{ "host away", HA_MONITOR_HIGH, 1000, 0, 300, HA_GUEST_IO_NONE,
	    HA_GUEST_NOTHING },
	{ "host was away", HA_MONITOR_HIGH, 1000, 20, 300, HA_GUEST_IO_NONE,
	    HA_GUEST_NOTHING },
	{ "host is long back", HA_MONITOR_HIGH, 1000, 30, 300, HA_GUEST_IO_NONE,
	    HA_GUEST_RESET },
};

static void
every_case(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct ha_pulse p = {
			.on_ms = NOW - rows[i].on_s * S,
			.heard_ms = rows[i].heard_s ? NOW - rows[i].heard_s * S : 0,
			.beat_ms = rows[i].beat_s ? NOW - rows[i].beat_s * S : 0,
		};
		enum ha_guest_do got =
		    ha_guest_decide(&p, level(rows[i].level), &times, rows[i].io, NOW);
		if (got != rows[i].wants)
			fail_msg("%s: %d", rows[i].what, (int)got);
	}
}

static void
three_resets_in_an_hour_are_enough(void **state)
{
	const struct protect_monitor *high = level(HA_MONITOR_HIGH);
	struct ha_pulse p = { .on_ms = NOW, .heard_ms = NOW };
	uint64_t now = NOW;

	for (int i = 0; i < 3; i++) {
		p.beat_ms = now;
		now += 600 * S;
		assert_int_equal(
		    ha_guest_decide(&p, high, &times, HA_GUEST_IO_NONE, now),
		    HA_GUEST_RESET);
		ha_guest_note_reset(&p, now);
		assert_int_equal(p.beat_ms, 0);
	}
	p.beat_ms = now;
	now += 600 * S;
	assert_int_equal(
	    ha_guest_decide(&p, high, &times, HA_GUEST_IO_NONE, now), HA_GUEST_GIVE_UP);
	p.given_up = true;
	assert_int_equal(
	    ha_guest_decide(&p, high, &times, HA_GUEST_IO_NONE, now), HA_GUEST_NOTHING);
	/* The first one is an hour ago. */
	now = NOW + 600 * S + 1 * H;
	assert_int_equal(
	    ha_guest_decide(&p, high, &times, HA_GUEST_IO_NONE, now), HA_GUEST_RESET);
	ha_guest_note_reset(&p, now);
	assert_int_equal(ha_guest_resets(&p, high, now), 3);
	assert_false(p.given_up);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(presets_are_the_published_ones),
		cmocka_unit_test(every_case),
		cmocka_unit_test(three_resets_in_an_hour_are_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
