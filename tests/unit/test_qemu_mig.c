#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/engine/qemu/qemu_event.h"
#include "host-agent/engine/qemu/qemu_mig.h"

static json *
parsed(const char *text)
{
	json *o = NULL;
	struct err e = ERR_INIT;

	if (json_parse(text, strlen(text), "test", &o, &e))
		fail_msg("%s", e.msg);
	return o;
}

static bool
sets(const json *caps, const char *name)
{
	const json *list = json_get(caps, "capabilities");
	const char *is = "";
	bool on = false;

	for (size_t i = 0; i < json_count(list); i++) {
		const json *c = json_at(list, i);

		assert_int_equal(
		    json_read_str(c, "capability", JSON_REQUIRED, 64, &is, NULL), 0);
		assert_int_equal(
		    json_read_bool(c, "state", JSON_REQUIRED, &on, NULL), 0);
		if (strcmp(is, name) == 0)
			return on;
	}
	fail_msg("%s is not named", name);
	return false;
}

/* A process keeps what it was told: each use names all of them. */
static void
each_use_names_all(void **state)
{
	for (int use = QEMU_MIG_SAVE; use <= QEMU_MIG_IN; use++) {
		AUTO(json) json *o = qemu_mig_caps((enum qemu_mig_use)use, true);

		assert_true(sets(o, "events"));
		assert_false(sets(o, "return-path"));
		assert_int_equal(
		    sets(o, "pause-before-switchover"), use == QEMU_MIG_OUT);
		assert_int_equal(sets(o, "auto-converge"), use == QEMU_MIG_OUT);
		assert_int_equal(sets(o, "late-block-activate"), use == QEMU_MIG_IN);
	}
}

/* What may be cancelled, and what must be left alone: also what is not known. */
static void
knows_what_may_be_cancelled(void **state)
{
	assert_int_equal(qemu_mig_status("active"), QEMU_MIG_MOVES);
	assert_int_equal(qemu_mig_status("pre-switchover"), QEMU_MIG_HOLDS);
	assert_int_equal(qemu_mig_status("device"), QEMU_MIG_SWITCHES);
	assert_int_equal(qemu_mig_status("postcopy-active"), QEMU_MIG_SWITCHES);
	assert_int_equal(qemu_mig_status("cancelled"), QEMU_MIG_FAILED);
	assert_int_equal(qemu_mig_status("completed"), QEMU_MIG_COMPLETED);
}

static void
reads_how_far_it_is(void **state)
{
	AUTO(json)
	json *o =
	    parsed("{\"status\":\"active\",\"cpu-throttle-percentage\":20,"
		   "\"ram\":{\"transferred\":1000,\"remaining\":500,\"total\":9000,"
		   "\"dirty-sync-count\":3,\"dirty-pages-rate\":10,\"page-size\":4096,"
		   "\"mbps\":8.0},\"blocked-reasons\":[\"a device\"]}");
	AUTO(json) json *nothing = parsed("{}");
	AUTO(json)
	json *failed = parsed("{\"status\":\"failed\",\"error-desc\":\"broken\"}");
	struct qemu_mig_facts m;

	assert_int_equal(qemu_mig_read(o, &m, NULL), 0);
	assert_int_equal(m.status, QEMU_MIG_MOVES);
	assert_int_equal(m.rounds, 3);
	assert_int_equal(m.remaining_bytes, 500);
	assert_int_equal(m.dirty_bytes_per_s, 40960);
	assert_int_equal(m.bytes_per_s, 1000000);
	assert_int_equal(m.throttle_pct, 20);
	assert_int_equal(json_count(m.blocked), 1);
	assert_int_equal(qemu_mig_read(nothing, &m, NULL), 0);
	assert_int_equal(m.status, QEMU_MIG_NONE);
	assert_null(m.blocked);
	assert_int_equal(qemu_mig_read(failed, &m, NULL), 0);
	assert_string_equal(m.why, "broken");
}

/* A guest on its way stops and goes on as its move says, not as events say. */
static void
events_leave_a_moving_guest_alone(void **state)
{
	static const enum engine_state moving[] = { ENGINE_ARRIVING, ENGINE_LEAVING,
		ENGINE_GIVEN };
	struct qemu_trace t = { .shutdown_seen = false };
	struct qemu_move m;

	for (size_t i = 0; i < ARRAY_SIZE(moving); i++) {
		qemu_event_take(&t, moving[i], false, "STOP", NULL, &m);
		assert_false(m.moves || m.tells);
	}
	qemu_event_take(&t, ENGINE_LEAVING, true, "RESUME", NULL, &m);
	assert_false(m.moves || m.tells);
	/* Taken back: that is an order. */
	qemu_event_take(&t, ENGINE_GIVEN, true, "RESUME", NULL, &m);
	assert_true(m.moves && m.to == ENGINE_RUNNING && !m.tells);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_use_names_all),
		cmocka_unit_test(knows_what_may_be_cancelled),
		cmocka_unit_test(reads_how_far_it_is),
		cmocka_unit_test(events_leave_a_moving_guest_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
