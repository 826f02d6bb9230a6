/*
 * An agent that is killed in the middle of whatever it does with a container.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/engine/oci_suite.h"
#include "tests/engine/suite.h"

#define FIRST_MS 15
#define STEP_MS  35
#define DEATHS   12

/* The agent that is to die: it says when it begins, and then does every verb. */
static _Noreturn void
be_agent(struct suite *s, struct suite_guest *sg, int ready)
{
	struct err e = ERR_INIT;
	char c = 'x';

	engine_guest_free(sg->g);
	suite_restart(s);
	suite_guest_handle(sg);
	if (write(ready, &c, 1) != 1)
		_exit(1);
	for (;;) {
		(void)!suite_start(sg, -1, &e);
		(void)!suite_run(sg, verb_pause, &e);
		(void)!suite_run(sg, verb_resume, &e);
		(void)!suite_run(sg, verb_reset, &e);
		(void)!suite_run(sg, verb_kill, &e);
	}
}

static void
let_die(struct suite *s, struct suite_guest *sg, int after_ms)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0)
		be_agent(s, sg, ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	/* The moment is what the test is about. */
	poll(NULL, 0, after_ms);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

void
oci_agent_dies_at_any_moment(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 51, NULL, NULL);
	struct err e = ERR_INIT;

	for (int i = 0; i < DEATHS; i++) {
		let_die(s, sg, FIRST_MS + i * STEP_MS);
		engine_guest_free(sg->g);
		suite_restart(s);
		suite_guest_handle(sg);
		if (suite_run(sg, verb_adopt, &e)) {
			assert_int_equal(e.code, ERR_NOT_FOUND);
			assert_int_equal(engine_guest_state(sg->g), ENGINE_DOWN);
		} else {
			/* It is up, and one can do with it what one wants. */
			if (engine_guest_state(sg->g) == ENGINE_PAUSED)
				assert_int_equal(suite_run(sg, verb_resume, &e), 0);
			assert_int_equal(engine_guest_state(sg->g), ENGINE_RUNNING);
			assert_int_equal(suite_run(sg, verb_kill, &e), 0);
		}
		oci_expect_nothing_left(s);
		/* And it starts again. */
		if (suite_start(sg, -1, &e))
			fail_msg("start: %s", e.msg);
		assert_int_equal(suite_run(sg, verb_kill, &e), 0);
		oci_expect_nothing_left(s);
	}
	suite_guest_free(sg);
}
