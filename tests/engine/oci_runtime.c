/*
 * A runtime that is removed while containers run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/engine/oci_suite.h"
#include "tests/engine/suite.h"

static char *given_runtime;

/* A runtime that is removed takes along nobody, and keeps nobody alive. */
void
oci_ends_without_its_runtime(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 46, NULL, NULL);
	struct err e = ERR_INIT;

	suite_guest_script(sg, "while :; do sleep 1000; done");
	assert_int_equal(suite_start(sg, -1, &e), 0);
	assert_int_equal(unlink(getenv("DROVER_RUNTIME")), 0);
	assert_int_equal(suite_run(sg, verb_reset, &e), ERR_UNAVAILABLE);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_RUNNING);
	assert_int_equal(suite_run(sg, verb_kill, &e), 0);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_DOWN);
	oci_expect_nothing_left(s);
	suite_guest_free(sg);
}

int
oci_own_runtime(void **state)
{
	const char *given = getenv("DROVER_RUNTIME");
	AUTO_FREE char *path = xasprintf("/tmp/drover-runtime-%d", (int)getpid());

	given_runtime = given ? xstrdup(given) : NULL;
	unlink(path);
	if (symlink(given ? given : "/usr/sbin/runc", path) ||
	    setenv("DROVER_RUNTIME", path, 1))
		return -1;
	*state = suite_new(SUITE_OCI, NULL);
	return 0;
}

int
oci_runtime_back(void **state)
{
	suite_free(*state);
	unlink(getenv("DROVER_RUNTIME"));
	unsetenv("DROVER_RUNTIME");
	if (given_runtime)
		setenv("DROVER_RUNTIME", given_runtime, 1);
	free(MOVE(given_runtime));
	return 0;
}
