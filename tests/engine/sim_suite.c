#include "tests/engine/sim_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "host-agent/engine/engine_kind.h"
#include "tests/engine/suite.h"

static void
script_is_followed(void **state)
{
	struct suite *s =
	    suite_new(SUITE_SIM, "start:7=crash,pause:*=stuck,kill:8=slow");
	struct suite_guest *crashes = suite_guest_new(s, 7, NULL, NULL);
	struct suite_guest *stuck = suite_guest_new(s, 8, NULL, NULL);
	struct err e = ERR_INIT;

	assert_int_equal(suite_start(crashes, -1, &e), ERR_LOST);
	assert_int_equal(engine_guest_end(crashes->g), ENGINE_END_DIED);
	suite_must_start(stuck);
	assert_int_equal(suite_run(stuck, verb_pause, &e), ERR_BUSY);
	assert_int_equal(engine_guest_state(stuck->g), ENGINE_RUNNING);
	suite_guest_free(crashes);
	suite_guest_free(stuck);
	suite_free(s);
}

static void
bad_script_is_refused(void **state)
{
	struct engine_sim_conf c = { .faults = "start:7=crash,fly:1=slow" };
	struct engine *en = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(engine_sim_new(NULL, &c, &en, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "fly:1=slow"));
}

int
sim_suite_run(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(script_is_followed),
		cmocka_unit_test(bad_script_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
