#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/guest/guest_stall.h"
#include "host-agent/guest/guest_state.h"

static void
every_state_can_be_left_and_none_moves_to_itself(void **state)
{
	for (unsigned from = 0; from < GUEST_STATES_; from++) {
		unsigned out = 0;

		for (unsigned to = 0; to < GUEST_STATES_; to++)
			out += guest_state_may(from, to);
		assert_true(out > 0);
		assert_false(guest_state_may(from, from));
		assert_true(strlen(guest_state_name(from)) > 2);
	}
	assert_false(guest_state_may(GUEST_STATES_, GUEST_STOPPED));
}

/* A job that fails leaves its guest where the engine says: these moves must all be
 * legal. */
static void
states_of_jobs_lead_wherever_the_engine_may_stand(void **state)
{
	const enum guest_state jobs[] = { GUEST_STARTING, GUEST_STOPPING,
		GUEST_SUSPENDING };

	const enum guest_state ends[] = { GUEST_RUNNING, GUEST_PAUSED, GUEST_STALLED,
		GUEST_STOPPED, GUEST_FAILED };

	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		assert_false(guest_state_rests(jobs[i]));
		assert_true(guest_state_is_up(jobs[i]));
		for (size_t k = 0; k < ARRAY_SIZE(ends); k++)
			assert_true(guest_state_may(jobs[i], ends[k]));
	}
	assert_true(guest_state_may(GUEST_STARTING, GUEST_SUSPENDED));
	assert_true(guest_state_may(GUEST_DELETING, GUEST_SUSPENDED));
}

static void
numbers_are_the_protocols(void **state)
{
	assert_int_equal(GUEST_STOPPED, DROVER__GUEST_STATE__GUEST_STOPPED);
	assert_int_equal(GUEST_STALLED, DROVER__GUEST_STATE__GUEST_STALLED);
	assert_int_equal(GUEST_FAILED, DROVER__GUEST_STATE__GUEST_FAILED);
	assert_int_equal(GUEST_GIVEN, DROVER__GUEST_STATE__GUEST_GIVEN);
	assert_int_equal(GUEST_STATES_, 15);
}

static void
verbs_begin_where_they_may(void **state)
{
	static const struct {
		enum guest_verb verb;
		enum guest_state state;
		enum guest_verdict want;
	} rows[] = {
		{ GV_START, GUEST_STOPPED, GUEST_GO },
		{ GV_START, GUEST_FAILED, GUEST_GO },
		{ GV_START, GUEST_SUSPENDED, GUEST_GO },
		{ GV_START, GUEST_RUNNING, GUEST_ALREADY },
		{ GV_START, GUEST_DELETING, GUEST_REFUSED },
		{ GV_START, GUEST_CREATING, GUEST_REFUSED },
		{ GV_STOP, GUEST_RUNNING, GUEST_GO },
		{ GV_STOP, GUEST_SUSPENDED, GUEST_GO },
		{ GV_STOP, GUEST_STOPPED, GUEST_ALREADY },
		{ GV_STOP, GUEST_DELETING, GUEST_REFUSED },
		{ GV_RESET, GUEST_STOPPED, GUEST_REFUSED },
		{ GV_RESET, GUEST_STALLED, GUEST_GO },
		{ GV_PAUSE, GUEST_PAUSED, GUEST_ALREADY },
		{ GV_PAUSE, GUEST_STALLED, GUEST_REFUSED },
		{ GV_RESUME, GUEST_STALLED, GUEST_GO },
		{ GV_RESUME, GUEST_SUSPENDED, GUEST_REFUSED },
		{ GV_SUSPEND, GUEST_PAUSED, GUEST_GO },
		{ GV_SUSPEND, GUEST_STOPPED, GUEST_REFUSED },
		{ GV_DELETE, GUEST_RUNNING, GUEST_REFUSED },
		{ GV_DELETE, GUEST_DELETING, GUEST_GO },
		{ GV_DELETE, GUEST_SUSPENDED, GUEST_GO },
		{ GV_UPDATE, GUEST_RUNNING, GUEST_GO },
		{ GV_UPDATE, GUEST_CREATING, GUEST_REFUSED },
		{ GV_CREATE, GUEST_RUNNING, GUEST_REFUSED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(
		    guest_verb_check(rows[i].verb, rows[i].state, "web", &e),
		    rows[i].want);
		assert_int_equal(
		    e.code, rows[i].want == GUEST_REFUSED ? ERR_BAD_STATE : 0);
		if (e.code)
			assert_non_null(strstr(e.msg, "vm web is "));
	}
}

static void
generations_never_go_back(void **state)
{
	static const struct {
		struct guest_generation g;
		uint64_t wanted;
		enum guest_verdict want;
		int code;
	} rows[] = {
		{ { 0, false, false }, 1, GUEST_GO, 0 },
		{ { 5, true, false }, 6, GUEST_GO, 0 },
		{ { 5, true, false }, 5, GUEST_REFUSED, ERR_STALE },
		{ { 5, false, false }, 5, GUEST_GO, 0 }, /* its start was cut short */
		{ { 5, false, false }, 4, GUEST_REFUSED, ERR_STALE },
		{ { 5, true, true }, 5, GUEST_ALREADY, 0 },
		{ { 5, true, true }, 6, GUEST_REFUSED, ERR_BAD_STATE },
		{ { 5, true, true }, 4, GUEST_REFUSED, ERR_STALE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(
		    guest_generation_check(&rows[i].g, rows[i].wanted, "web", &e),
		    rows[i].want);
		assert_int_equal(e.code, rows[i].code);
		if (e.code == ERR_STALE && rows[i].wanted < rows[i].g.seen)
			assert_non_null(strstr(e.msg, "overtaken"));
	}
}

static void
stalled_guest_waits_for_room_on_all_its_datastores(void **state)
{
	const uint64_t gib = 1ull << 30, mib = 1ull << 20;
	struct stall_room r[2] = { { true, 10 * gib, gib }, { true, 10 * gib, gib } };

	assert_true(stall_has_room(r, 2));
	assert_false(stall_has_room(r, 0));
	r[1].free_bytes = 63 * mib;
	assert_false(stall_has_room(r, 2));
	r[1].capacity_bytes = 100 * mib; /* a small one asks for a twentieth */
	r[1].free_bytes = 5 * mib;
	assert_true(stall_has_room(r, 2));
	r[1].free_bytes = 5 * mib - 1;
	assert_false(stall_has_room(r, 2));
	r[0].known = false;
	r[1].free_bytes = 50 * mib;
	assert_false(stall_has_room(r, 2));
	assert_int_equal(stall_retry_ms(0), STALL_RETRY_MIN_MS);
	assert_int_equal(stall_retry_ms(1), 2 * STALL_RETRY_MIN_MS);
	assert_int_equal(stall_retry_ms(1000), STALL_RETRY_MAX_MS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_can_be_left_and_none_moves_to_itself),
		cmocka_unit_test(states_of_jobs_lead_wherever_the_engine_may_stand),
		cmocka_unit_test(numbers_are_the_protocols),
		cmocka_unit_test(verbs_begin_where_they_may),
		cmocka_unit_test(generations_never_go_back),
		cmocka_unit_test(stalled_guest_waits_for_room_on_all_its_datastores),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
