#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "server/hosts/host_decide.h"

#define BEAT 2000u

static void
a_host_is_what_its_beats_say(void **state)
{
	static const struct {
		struct host_view view;
		enum conn_state want;
		const char *reason; /* part of it, or "" for none */
		bool close;
	} rows[] = {
		/* It speaks. */
		{ { CONN_DISCONNECTED, true, true, 0, BEAT, "" }, CONN_CONNECTED, "",
		    false },
		{ { CONN_CONNECTED, true, true, 5999, BEAT, "" }, CONN_CONNECTED, "",
		    false },
		{ { CONN_NOT_RESPONDING, true, true, 10, BEAT, "" }, CONN_CONNECTED, "",
		    false },
		/* A broken link is forgiven for as long as a silent one. */
		{ { CONN_CONNECTED, true, false, 3000, BEAT, "reset by peer" },
		    CONN_CONNECTED, "", false },
		/* Three beats missed. */
		{ { CONN_CONNECTED, true, true, 6000, BEAT, "" }, CONN_NOT_RESPONDING,
		    "no word for 3 beats", true },
		{ { CONN_CONNECTED, true, false, 6000, BEAT, "reset by peer" },
		    CONN_NOT_RESPONDING, "reset by peer", false },
		/* The server has just started. */
		{ { CONN_CONNECTED, false, false, 100, BEAT, "" }, CONN_CONNECTED, "",
		    false },
		{ { CONN_CONNECTED, false, false, 20000, BEAT, "" },
		    CONN_NOT_RESPONDING, "since the server started", false },
		{ { CONN_NOT_RESPONDING, false, false, 100, BEAT, "" },
		    CONN_NOT_RESPONDING, "since the server started", false },
		/* Never seen. */
		{ { CONN_DISCONNECTED, false, false, 90000, BEAT, "" },
		    CONN_DISCONNECTED, "not connected yet", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct host_verdict v;
		host_decide(&rows[i].view, &v);
		if (v.state != rows[i].want || v.close_link != rows[i].close ||
		    !strstr(v.reason, rows[i].reason))
			fail_msg("row %zu: %s \"%s\"", i, conn_state_text(v.state),
			    v.reason);
		if (!rows[i].reason[0])
			assert_string_equal(v.reason, "");
	}
}

static void
the_reason_does_not_change_while_nothing_changes(void **state)
{
	struct host_view view = { CONN_NOT_RESPONDING, true, false, 7000, BEAT, "x" };
	struct host_verdict a, b;
	host_decide(&view, &a);
	view.silent_ms = 700000;
	host_decide(&view, &b);
	assert_string_equal(a.reason, b.reason);
}

static void
the_newer_link_wins_over_a_dead_or_former_one(void **state)
{
	assert_false(host_newer_wins(0, BEAT, false));
	assert_false(host_newer_wins(5999, BEAT, false));
	assert_true(host_newer_wins(6000, BEAT, false));
	assert_true(host_newer_wins(0, BEAT, true));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_is_what_its_beats_say),
		cmocka_unit_test(the_reason_does_not_change_while_nothing_changes),
		cmocka_unit_test(the_newer_link_wins_over_a_dead_or_former_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
