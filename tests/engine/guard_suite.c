#include "tests/engine/guard_suite.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine_guard.h"
#include "tests/engine/pair.h"

#define SOON_US     UINT64_C(200000)
#define LATER_US    UINT64_C(120000000)
#define RESET_TURNS 9 /* of the loop, until it has ended what runs */

static enum suite_kind kind;

static uint64_t
in_us(uint64_t us)
{
	return clock_mono_us(clock_system()) + us;
}

static int
set_up(void **state)
{
	*state = suite_new(kind, NULL);
	return 0;
}

static int
tear_down(void **state)
{
	suite_free(*state);
	return 0;
}

static struct suite_guest *
guarded(struct suite *s, uint64_t number)
{
	struct suite_guest *sg = suite_guest_new(s, number, NULL, NULL);

	sg->guard_until_us = in_us(LATER_US);
	return sg;
}

static bool
is_heard(void *arg)
{
	return engine_guest_guard(arg).heard;
}

static uint64_t awaited_us;

static bool
is_confirmed(void *arg)
{
	return engine_guest_guard(arg).deadline_us == awaited_us;
}

static void
arm(struct suite_guest *sg, uint64_t deadline_us)
{
	struct err e = ERR_INIT;

	if (engine_guard_arm(sg->g, deadline_us, &e))
		fail_msg("arm: %s", e.msg);
}

static void
arm_and_await(struct suite_guest *sg, uint64_t deadline_us)
{
	arm(sg, deadline_us);
	awaited_us = deadline_us;
	suite_await(sg->suite, is_confirmed, sg->g);
}

static void
expect_over(struct suite *s, unsigned n)
{
	suite_await_events(s, n);
	assert_int_equal(s->events[n - 1].kind, ENGINE_EV_DOWN);
	assert_string_equal(s->events[n - 1].reason, ENGINE_LEASE_OVER);
}

/* The agent ends; who comes after it adopts. */
static void
another_agent(struct suite_guest *sg)
{
	engine_guest_free(sg->g);
	suite_restart(sg->suite);
	suite_guest_handle(sg);
}

/* ---- alike in every engine ---- */

static void
only_who_has_a_guard_has_a_deadline(void **state)
{
	struct suite_guest *sg = suite_guest_new(*state, 60, NULL, NULL);
	struct err e = ERR_INIT;

	sg->guard_until_us = 0;
	assert_true(engine_can(((struct suite *)*state)->engine, ENGINE_CAP_GUARD));
	assert_int_equal(engine_guard_arm(sg->g, in_us(LATER_US), &e), ERR_BAD_STATE);
	assert_string_equal(e.msg, "vm-60: cannot set a deadline: it is down");
	suite_must_start(sg);
	assert_false(engine_guest_guard(sg->g).guarded);
	assert_int_equal(engine_guard_arm(sg->g, in_us(LATER_US), &e), ERR_UNSUPPORTED);
	assert_string_equal(
	    e.msg, "vm-60: cannot set a deadline: it was started without a guard");
	suite_guest_free(sg);
}

static void
lives_under_its_guard(void **state)
{
	struct suite_guest *sg = guarded(*state, 61);

	suite_must_start(sg);
	suite_await(*state, is_heard, sg->g);
	assert_true(engine_guest_guard(sg->g).guarded);
	assert_int_equal(engine_guest_guard(sg->g).deadline_us, sg->guard_until_us);
	arm_and_await(sg, in_us(LATER_US));
	arm_and_await(sg, GUARD_NO_DEADLINE);
	suite_must(sg, verb_reset);
	assert_true(engine_guest_guard(sg->g).guarded);
	suite_must(sg, verb_query);
	suite_must(sg, verb_kill);
	assert_int_equal(engine_guest_end(sg->g), ENGINE_END_ORDERED);
	assert_false(engine_guest_guard(sg->g).guarded);
	/* The next one has none of it. */
	sg->guard_until_us = 0;
	suite_must_start(sg);
	assert_false(engine_guest_guard(sg->g).guarded);
	assert_int_equal(((struct suite *)*state)->n_events, 0);
	suite_guest_free(sg);
}

static void
dies_at_its_deadline(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = guarded(s, 62);

	suite_must_start(sg);
	arm(sg, in_us(SOON_US));
	expect_over(s, 1);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_DOWN);
	assert_int_equal(engine_guest_end(sg->g), ENGINE_END_DIED);
	assert_string_equal(engine_guest_reason(sg->g), ENGINE_LEASE_OVER);
	/* A time that has passed is over at once. */
	sg->guard_until_us = GUARD_NO_DEADLINE;
	suite_must_start(sg);
	arm(sg, in_us(0));
	expect_over(s, 2);
	suite_must_start(sg);
	suite_guest_free(sg);
}

static void
never_runs_after_its_deadline(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = guarded(s, 63);
	struct err e = ERR_INIT;

	sg->guard_until_us = in_us(0);
	assert_int_not_equal(suite_start(sg, -1, &e), 0);
	if (!strstr(e.msg, ENGINE_LEASE_OVER))
		fail_msg("start: %s", e.msg);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_DOWN);
	assert_int_equal(s->n_events, 0);
	suite_guest_free(sg);
}

static void
an_agent_that_comes_back_has_its_guard(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = guarded(s, 64);
	pid_t pid;

	suite_must_start(sg);
	pid = engine_guest_stat(sg->g)->pid;
	another_agent(sg);
	suite_must(sg, verb_adopt);
	assert_int_equal(engine_guest_stat(sg->g)->pid, pid);
	suite_await(s, is_heard, sg->g);
	assert_int_equal(engine_guest_guard(sg->g).deadline_us, sg->guard_until_us);
	arm(sg, in_us(SOON_US));
	expect_over(s, 1);
	suite_guest_free(sg);
}

static bool
is_gone(void *arg)
{
	const pid_t *pid = arg;

	if (kind == SUITE_SIM)
		return clock_mono_us(clock_system()) > awaited_us;
	return kill(*pid, 0) && errno == ESRCH;
}

static void
dies_while_there_is_no_agent(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = guarded(s, 65);
	struct err e = ERR_INIT;
	pid_t pid;

	suite_must_start(sg);
	pid = engine_guest_stat(sg->g)->pid;
	awaited_us = in_us(SOON_US);
	arm(sg, awaited_us);
	another_agent(sg);
	suite_await(s, is_gone, &pid);
	assert_int_equal(suite_run(sg, verb_adopt, &e), ERR_NOT_FOUND);
	if (strncmp(engine_guest_reason(sg->g), ENGINE_LEASE_OVER,
		strlen(ENGINE_LEASE_OVER)) != 0)
		fail_msg("reason: %s", engine_guest_reason(sg->g));
	assert_int_equal(s->n_events, 0);
	suite_must_start(sg);
	suite_guest_free(sg);
}

static pid_t
parent_of(pid_t pid)
{
	static const char key[] = "PPid:";
	AUTO_FREE char *path = xasprintf("/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "re");
	char line[256];
	pid_t parent = 0;

	assert_non_null(f);
	while (!parent && fgets(line, sizeof(line), f))
		if (str_starts(line, key))
			parent = (pid_t)strtol(line + strlen(key), NULL, 10);
	fclose(f);
	return parent;
}

/* A container's is the child of a process that only holds it. */
static pid_t
guard_of(const struct suite_guest *sg)
{
	pid_t parent = parent_of(engine_guest_stat(sg->g)->pid);

	return kind == SUITE_OCI ? parent_of(parent) : parent;
}

/* ---- on its way ---- */

static void
start_pair(struct pair *p, struct suite *s)
{
	uint64_t usual = suite_guard_until_us;

	suite_guard_until_us = in_us(LATER_US);
	pair_start(p, s, NULL);
	suite_guard_until_us = usual;
}

static void
moves_from_guard_to_guard(void **state)
{
	struct suite *s = *state;
	struct err e = ERR_INIT;
	struct pair p;

	start_pair(&p, s);
	pair_connect(&p, &wire_whole);
	if (pair_leave(&p, &e) || suite_end(p.comes, &e))
		fail_msg("move: %s", e.msg);
	pair_disconnect(&p);
	pair_expect(p.from, ENGINE_GIVEN);
	suite_must(p.from, verb_kill);
	assert_false(engine_guest_guard(p.from->g).guarded);
	pair_expect(p.to, ENGINE_RUNNING);
	assert_true(engine_guest_guard(p.to->g).guarded);
	assert_int_equal(s->n_events, 0);
	arm(p.to, in_us(SOON_US));
	expect_over(s, 1);
	pair_end(&p);
}

/* A container that was given is files, with a guard around nothing. */
static bool
is_struck(void *arg)
{
	return kind == SUITE_OCI ? !engine_guest_guard(arg).heard
				 : engine_guest_state(arg) == ENGINE_DOWN;
}

/* It is the other side's, which is to be told nothing by this one. */
static void
one_that_was_given_does_not_come_back_after_its_deadline(void **state)
{
	struct suite *s = *state;
	struct err e = ERR_INIT;
	struct pair p;

	start_pair(&p, s);
	pair_connect(&p, &wire_whole);
	if (pair_leave(&p, &e) || suite_end(p.comes, &e))
		fail_msg("move: %s", e.msg);
	pair_disconnect(&p);
	pair_expect(p.from, ENGINE_GIVEN);
	arm(p.from, in_us(0));
	suite_await(s, is_struck, p.from->g);
	assert_int_equal(s->n_events, 0);
	assert_int_not_equal(suite_run(p.from, verb_take_back, &e), 0);
	assert_int_equal(engine_guest_state(p.from->g), ENGINE_DOWN);
	pair_expect(p.to, ENGINE_RUNNING);
	pair_end(&p);
}

/* Its claim is written while it stands still, and it dies on time meanwhile. */
static void
arrives_paused_under_its_guard(void **state)
{
	struct suite *s = *state;
	struct err e = ERR_INIT;
	struct pair p;

	start_pair(&p, s);
	p.arrival.run = false;
	pair_connect(&p, &wire_whole);
	if (pair_leave(&p, &e) || suite_end(p.comes, &e))
		fail_msg("move: %s", e.msg);
	pair_disconnect(&p);
	pair_expect(p.to, ENGINE_PAUSED);
	arm_and_await(p.to, in_us(LATER_US));
	suite_must(p.to, verb_resume);
	pair_expect(p.to, ENGINE_RUNNING);
	suite_must(p.from, verb_kill);
	pair_end(&p);
	assert_int_equal(s->n_events, 0);
}

static void
dies_on_time_where_it_arrived_paused(void **state)
{
	struct suite *s = *state;
	struct err e = ERR_INIT;
	struct pair p;

	start_pair(&p, s);
	p.arrival.run = false;
	pair_connect(&p, &wire_whole);
	if (pair_leave(&p, &e) || suite_end(p.comes, &e))
		fail_msg("move: %s", e.msg);
	pair_disconnect(&p);
	pair_expect(p.to, ENGINE_PAUSED);
	arm(p.to, in_us(SOON_US));
	expect_over(s, 1);
	pair_end(&p);
}

/* ---- with real processes ---- */

static void
nobody_is_put_into_the_old_freezer_under_a_lease(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg;
	struct err e = ERR_INIT;

	if (access("/sys/fs/cgroup/freezer", F_OK))
		skip();
	sg = guarded(s, 70);
	suite_must_start(sg);
	assert_int_equal(suite_run(sg, verb_pause, &e), ERR_UNSUPPORTED);
	if (!strstr(e.msg, "runs under a lease"))
		fail_msg("pause: %s", e.msg);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_RUNNING);
	arm_and_await(sg, GUARD_NO_DEADLINE);
	suite_must(sg, verb_pause);
	assert_int_equal(engine_guard_arm(sg->g, in_us(LATER_US), &e), ERR_UNSUPPORTED);
	suite_must(sg, verb_resume);
	arm_and_await(sg, in_us(LATER_US));
	suite_guest_free(sg);
}

static bool
is_process_gone(void *arg)
{
	const pid_t *pid = arg;

	return kill(*pid, 0) && errno == ESRCH;
}

/* However far it has come with ending what it starts again. */
static void
a_kill_overtakes_a_reset(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = guarded(s, 72);
	struct err e = ERR_INIT;

	for (int turns = 1; turns <= RESET_TURNS; turns += 2) {
		struct suite_running *reset;
		pid_t guard;

		suite_must_start(sg);
		guard = guard_of(sg);
		reset = suite_begin(sg, verb_reset);
		for (int i = 0; i < turns; i++)
			loop_turn(s->loop, 50);
		suite_must(sg, verb_kill);
		(void)suite_end(reset, &e);
		assert_int_equal(engine_guest_state(sg->g), ENGINE_DOWN);
		suite_await(s, is_process_gone, &guard);
	}
	assert_int_equal(s->n_events, 0);
	suite_guest_free(sg);
}

/* Killed is what it is in the freezer, too; it ends when it is thawed. */
static void
one_that_stands_still_dies_with_its_guard(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = guarded(s, 71);

	sg->guard_until_us = GUARD_NO_DEADLINE;
	suite_must_start(sg);
	suite_must(sg, verb_pause);
	kill(guard_of(sg), SIGKILL);
	suite_await_events(s, 1);
	assert_int_equal(s->events[0].kind, ENGINE_EV_DOWN);
	assert_string_equal(s->events[0].reason, "its guard was killed");
	suite_guest_free(sg);
}

static void
says_what_it_lacks(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg;
	struct err e = ERR_INIT;

	s->guard = "/nonexistent/drover-guard";
	suite_restart(s);
	sg = guarded(s, 66);
	assert_false(engine_can(s->engine, ENGINE_CAP_GUARD));
	assert_int_equal(suite_start(sg, -1, &e), ERR_UNSUPPORTED);
	assert_string_equal(e.msg, "vm-66: cannot start: it cannot have a guard: "
				   "no program /nonexistent/drover-guard");
	sg->guard_until_us = 0;
	suite_must_start(sg);
	suite_guest_free(sg);
}

static void
a_guard_goes_after_its_guest(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = guarded(s, 67);
	pid_t guard;

	suite_must_start(sg);
	guard = guard_of(sg);
	assert_int_not_equal(guard, getpid());
	kill(engine_guest_stat(sg->g)->pid, SIGKILL);
	suite_await_events(s, 1);
	if (!strstr(s->events[0].reason, "killed by SIGKILL"))
		fail_msg("reason: %s", s->events[0].reason);
	suite_await(s, is_process_gone, &guard);
	suite_guest_free(sg);
}

static void
dies_with_its_guard(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = guarded(s, 68);

	suite_must_start(sg);
	kill(guard_of(sg), SIGKILL);
	suite_await_events(s, 1);
	assert_int_equal(s->events[0].kind, ENGINE_EV_DOWN);
	assert_string_equal(s->events[0].reason, "its guard was killed");
	suite_guest_free(sg);
}

/* The agent that is to die: it says when the guest runs. */
static _Noreturn void
be_agent(struct suite_guest *sg, int ready)
{
	char c = 'x';

	another_agent(sg);
	suite_must_start(sg);
	if (write(ready, &c, 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static void
start_and_be_killed(struct suite_guest *sg)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		be_agent(sg, ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
outlives_an_agent_that_is_killed_until_its_deadline(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = guarded(s, 69);

	start_and_be_killed(sg);
	another_agent(sg);
	suite_must(sg, verb_adopt);
	suite_await(s, is_heard, sg->g);
	assert_int_equal(engine_guest_guard(sg->g).deadline_us, sg->guard_until_us);
	arm(sg, in_us(SOON_US));
	expect_over(s, 1);
	suite_guest_free(sg);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int
guard_suite_run(enum suite_kind k)
{
	static const struct CMUnitTest alike[] = {
		TEST(only_who_has_a_guard_has_a_deadline),
		TEST(lives_under_its_guard),
		TEST(dies_at_its_deadline),
		TEST(never_runs_after_its_deadline),
		TEST(an_agent_that_comes_back_has_its_guard),
		TEST(dies_while_there_is_no_agent),
	};
	static const struct CMUnitTest real[] = {
		TEST(says_what_it_lacks),
		TEST(a_guard_goes_after_its_guest),
		TEST(dies_with_its_guard),
		TEST(outlives_an_agent_that_is_killed_until_its_deadline),
		TEST(one_that_stands_still_dies_with_its_guard),
	};
	static const struct CMUnitTest containers[] = {
		TEST(nobody_is_put_into_the_old_freezer_under_a_lease),
		TEST(a_kill_overtakes_a_reset),
	};
	int failed;

	kind = k;
	failed = cmocka_run_group_tests(alike, NULL, NULL);
	if (kind != SUITE_SIM)
		failed += cmocka_run_group_tests(real, NULL, NULL);
	if (kind == SUITE_OCI)
		failed += cmocka_run_group_tests(containers, NULL, NULL);
	return failed;
}

int
guard_move_suite_run(enum suite_kind k)
{
	static const struct CMUnitTest moving[] = {
		TEST(moves_from_guard_to_guard),
		TEST(arrives_paused_under_its_guard),
		TEST(dies_on_time_where_it_arrived_paused),
		TEST(one_that_was_given_does_not_come_back_after_its_deadline),
	};

	kind = k;
	return cmocka_run_group_tests(moving, NULL, NULL);
}
