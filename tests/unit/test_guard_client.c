#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/fence/guard_wire.h"
#include "loop/child.h"
#include "tests/lib/guard_bed.h"

static bool
is_child_gone(void *arg)
{
	return waitpid(*(pid_t *)arg, NULL, WNOHANG) != 0;
}

/* ---- life ---- */

static void
an_exit_status_is_told(void **state)
{
	struct guarded *g = *state;

	guarded_start(g, guarded_in_us(LATER_US), "exit 3");
	bed_until(g->bed, guarded_is_over, g);
	assert_int_equal(g->state.life, GUARD_LIFE_ENDED);
	assert_true(WIFEXITED(g->state.status));
	assert_int_equal(WEXITSTATUS(g->state.status), 3);
}

static void
a_killed_program_is_told(void **state)
{
	struct guarded *g = *state;

	guarded_start(g, guarded_in_us(LATER_US), "sleep 1000");
	assert_int_equal(g->state.life, GUARD_LIFE_RUNS);
	assert_true(g->state.locked);
	assert_int_equal(guard_client_kill(g->client, NULL), 0);
	bed_until(g->bed, guarded_is_over, g);
	assert_int_equal(g->state.life, GUARD_LIFE_ENDED);
	assert_true(WIFSIGNALED(g->state.status));
	assert_int_equal(WTERMSIG(g->state.status), SIGKILL);
}

static void
a_program_that_is_not_there_is_told(void **state)
{
	static const char *const argv[] = { "/no/such/program", NULL };
	struct guarded *g = *state;
	struct guard_opts o = guarded_opts(g, guarded_in_us(LATER_US), argv);

	guarded_start_opts(g, &o);
	bed_until(g->bed, guarded_is_over, g);
	assert_int_equal(g->state.life, GUARD_LIFE_FAILED);
	assert_string_equal(
	    g->state.why.msg, "cannot run its program: No such file or directory");
}

static void
a_group_that_is_not_there_is_told(void **state)
{
	static const char *const argv[] = { "/bin/true", NULL };
	static const char *const groups[] = { "/no/such/group", NULL };
	struct guarded *g = *state;
	struct guard_opts o = guarded_opts(g, GUARD_NO_DEADLINE, argv);

	o.join_cgroups = groups;
	guarded_start_opts(g, &o);
	bed_until(g->bed, guarded_is_over, g);
	assert_int_equal(g->state.life, GUARD_LIFE_FAILED);
	assert_non_null(strstr(g->state.why.msg, "cannot enter its cgroups"));
}

static void
the_program_has_lost_its_rights(void **state)
{
	static const char *const argv[] = { "/bin/sh", "-c",
		"id -u; id -g; grep CapEff /proc/self/status; ls /proc/self/fd | wc -l;"
		" echo $$",
		NULL };
	struct guarded *g = *state;
	struct guard_opts o = guarded_opts(g, GUARD_NO_DEADLINE, argv);
	AUTO_FREE uint8_t *said = NULL;
	size_t n;

	o.uid = 61234;
	o.gid = 61235;
	guarded_start_opts(g, &o);
	bed_until(g->bed, guarded_is_over, g);
	said = bed_read(bed_path(g->bed, "out"), &n);
	/* 0, 1, 2, the witness, and the folder that ls reads. */
	assert_int_equal(
	    strncmp((char *)said, "61234\n61235\nCapEff:\t0000000000000000\n5\n1\n", n),
	    0);
}

/* ---- deadlines ---- */

static void
all_die_at_the_deadline(void **state)
{
	struct guarded *g = *state;

	guarded_start_ready(g, guarded_in_us(LATER_US),
	    "(setsid sh -c '(sleep 1000 &) ; : > ready; sleep 1000' &) ; sleep 1000");
	guarded_arm(g, guarded_in_us(SOON_US));
	bed_until(g->bed, guarded_none_left, g);
	bed_until(g->bed, guarded_is_over, g);
	assert_int_equal(g->state.life, GUARD_LIFE_KILLED);
	assert_false(g->state.heard);
}

static void
a_deadline_before_the_start_is_kept(void **state)
{
	static const char *const argv[] = { "/bin/sleep", "1000", NULL };
	struct guarded *g = *state;
	struct guard_opts o = guarded_opts(g, guarded_in_us(SOON_US), argv);

	guarded_start_opts(g, &o);
	bed_until(g->bed, guarded_none_left, g);
}

static void
deadlines_in_the_past_kill_at_once(void **state)
{
	static const uint64_t past[] = { 0, 1, 1000000 };
	struct guarded *g = *state;

	for (size_t i = 0; i < ARRAY_SIZE(past); i++) {
		guarded_start(g, guarded_in_us(LATER_US), "sleep 1000");
		guarded_arm(g, past[i]);
		bed_until(g->bed, guarded_is_over, g);
		assert_int_equal(g->state.life, GUARD_LIFE_KILLED);
		guard_client_free(MOVE(g->client));
		close(MOVE_FD(g->witness));
		g->state = (struct guard_state){ .life = GUARD_LIFE_STARTS };
	}
}

static bool
is_past(void *arg)
{
	return clock_mono_us(clock_system()) > *(uint64_t *)arg;
}

static void
a_renewed_one_lives_on(void **state)
{
	struct guarded *g = *state;
	uint64_t first = guarded_in_us(SOON_US);

	guarded_start(g, guarded_in_us(LATER_US), "sleep 1000");
	guarded_arm(g, first);
	guarded_arm(g, guarded_in_us(LATER_US));
	first += SOON_US;
	bed_until(g->bed, is_past, &first);
	assert_false(guarded_none_left(g));
	assert_int_equal(g->state.life, GUARD_LIFE_RUNS);
	assert_true(guard_client_state(g->client)->deadline_us > first);
	guarded_arm(g, GUARD_NO_DEADLINE);
	guarded_arm(g, guarded_in_us(SOON_US));
	bed_until(g->bed, guarded_none_left, g);
}

/* One that takes its orders late must not make of an old lease a new one. */
static void
a_stopped_guard_and_guest_die_on_time(void **state)
{
	struct guarded *g = *state;
	pid_t guard;

	guarded_start_ready(g, guarded_in_us(LATER_US),
	    "(setsid sh -c ': > ready; kill -STOP $$' &) ; sleep 1000");
	guard = guarded_guard(g);
	guarded_arm(g, guarded_in_us(SOON_US));
	kill(guard, SIGSTOP);
	kill(g->state.pid, SIGSTOP);
	bed_until(g->bed, guarded_none_left, g);
}

static void
an_unheard_order_prolongs_nothing(void **state)
{
	struct guarded *g = *state;

	guarded_start(g, guarded_in_us(SOON_US), "sleep 1000");
	if (g->state.life == GUARD_LIFE_RUNS && !kill(guarded_guard(g), SIGSTOP))
		assert_int_equal(
		    guard_client_arm(g->client, guarded_in_us(LATER_US), NULL), 0);
	bed_until(g->bed, guarded_none_left, g);
}

static void
nobody_can_ask_for_years(void **state)
{
	struct guarded *g = *state;
	uint64_t first = guarded_in_us(LATER_US),
		 years = guarded_in_us(UINT64_C(100000000000000));
	struct guarded_order order = { g, first + 1 };

	guarded_start(g, first, "sleep 1000");
	assert_int_equal(guard_client_arm(g->client, years, NULL), 0);
	assert_int_equal(guard_client_arm(g->client, first + 1, NULL), 0);
	/* One answer a turn: none is missed. */
	while (!guarded_is_taken(&order)) {
		assert_true(guard_client_state(g->client)->deadline_us == first);
		loop_turn(g->bed->loop, 100);
	}
}

/* ---- agents ---- */

static void
adopt(struct guarded *g)
{
	struct err e = ERR_INIT;

	g->state = (struct guard_state){ .life = GUARD_LIFE_STARTS };
	if (guard_client_adopt(
		g->bed->loop, g->bed->dir, guarded_on_change, g, &g->client, &e))
		fail_msg("%s", e.msg);
	bed_until(g->bed, guarded_is_told, g);
}

static void
a_later_agent_finds_it(void **state)
{
	struct guarded *g = *state;
	uint64_t deadline = guarded_in_us(LATER_US);
	pid_t pid;

	guarded_start(g, deadline, "sleep 1000");
	pid = g->state.pid;
	guard_client_free(MOVE(g->client));
	adopt(g);
	assert_int_equal(g->state.life, GUARD_LIFE_RUNS);
	assert_int_equal(g->state.pid, pid);
	assert_true(g->state.deadline_us == deadline);
	guarded_arm(g, guarded_in_us(SOON_US));
	bed_until(g->bed, guarded_is_over, g);
	assert_int_equal(g->state.life, GUARD_LIFE_KILLED);
}

static void
a_later_agent_hears_how_it_ended(void **state)
{
	struct guarded *g = *state;

	guarded_start(g, guarded_in_us(LATER_US), "read x < /dev/null; exit 5");
	guard_client_free(MOVE(g->client));
	bed_until(g->bed, guarded_none_left, g);
	adopt(g);
	bed_until(g->bed, guarded_is_over, g);
	assert_int_equal(g->state.life, GUARD_LIFE_ENDED);
	assert_int_equal(WEXITSTATUS(g->state.status), 5);
}

static bool
is_no_more(void *arg)
{
	const pid_t *pid = arg;
	AUTO_FREE char *path = xasprintf("/proc/%d/stat", (int)*pid);
	char buf[1024];
	const char *after = strrchr(guarded_peek(path, buf), ')');

	return !after || after[2] == 'Z';
}

/* It finds the guest's end, and then that nobody listens, before the release. */
static void
a_slow_guard_hears_that_it_is_released(void **state)
{
	struct guarded *g = *state;
	pid_t guard;

	guarded_start(g, guarded_in_us(LATER_US), "sleep 1000");
	guard = guarded_guard(g);
	kill(guard, SIGSTOP);
	assert_int_equal(guard_client_kill(g->client, NULL), 0);
	bed_until(g->bed, guarded_none_left, g);
	assert_int_equal(guard_client_release(g->client, NULL), 0);
	guard_client_free(MOVE(g->client));
	kill(guard, SIGCONT);
	bed_until(g->bed, is_no_more, &guard);
}

static bool
is_unheard(void *arg)
{
	const struct guarded *g = arg;

	return !g->state.heard;
}

static void
the_last_agent_to_come_is_heard(void **state)
{
	struct guarded *g = *state;
	struct guard_client *second;
	struct guarded later = { .bed = g->bed };

	guarded_start(g, guarded_in_us(LATER_US), "sleep 1000");
	assert_int_equal(guard_client_adopt(g->bed->loop, g->bed->dir,
			     guarded_on_change, &later, &second, NULL),
	    0);
	bed_until(g->bed, guarded_is_told, &later);
	bed_until(g->bed, is_unheard, g);
	assert_int_equal(g->state.life, GUARD_LIFE_RUNS);
	assert_int_equal(
	    guard_client_arm(g->client, guarded_in_us(LATER_US), NULL), ERR_LOST);
	assert_true(later.state.heard);
	guard_client_free(second);
	guard_client_free(MOVE(g->client));
	adopt(g);
}

static void
who_is_not_there_is_not_adopted(void **state)
{
	struct guarded *g = *state;
	struct guard_client *c;
	struct err e = ERR_INIT;

	assert_int_equal(
	    guard_client_adopt(g->bed->loop, g->bed->dir, guarded_on_change, g, &c, &e),
	    ERR_NOT_FOUND);
	guarded_start(g, guarded_in_us(LATER_US), "sleep 1000");
	guarded_arm(g, 0);
	bed_until(g->bed, guarded_is_over, g);
	assert_int_equal(
	    guard_client_adopt(g->bed->loop, g->bed->dir, guarded_on_change, g, &c, &e),
	    ERR_LOST);
	assert_non_null(strstr(e.msg, "guard.sock"));
}

/* The agent as a process of its own, which is killed. */
static _Noreturn void
be_agent(struct guarded *g, uint64_t deadline, int tell)
{
	static const char *const argv[] = { "/bin/sleep", "1000", NULL };
	struct loop *l = loop_new(clock_system());
	struct guard_opts o = guarded_opts(g, deadline, argv);
	struct err e = ERR_INIT;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	o.pass_fds = &tell;
	o.n_pass_fds = 1;
	if (guard_client_start(l, &o, guarded_on_change, g, &g->client, &e))
		_exit(1);
	while (g->state.life != GUARD_LIFE_RUNS)
		loop_turn(l, 100);
	if (write(tell, "r", 1) != 1)
		_exit(1);
	for (;;)
		loop_turn(l, 1000);
}

static void
the_guest_outlives_a_killed_agent(void **state)
{
	struct guarded *g = *state;
	uint64_t deadline = guarded_in_us(LATER_US);
	int fds[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		be_agent(g, deadline, fds[1]);
	close(fds[1]);
	g->witness = fds[0];
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	bed_until(g->bed, is_child_gone, &pid);
	assert_false(guarded_none_left(g));
	adopt(g);
	assert_int_equal(g->state.life, GUARD_LIFE_RUNS);
	assert_true(g->state.deadline_us == deadline);
}

static void
strangers_words_hurt_nobody(void **state)
{
	static const char garbage[64] = "arm me";
	struct guarded *g = *state;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct guard_ask ask = { .magic = GUARD_MAGIC, .version = 1, .verb = 99 };
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct guard_say said;

	guarded_start(g, guarded_in_us(LATER_US), "sleep 1000");
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", bed_path(g->bed, "guard.sock"));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(send(fd, &ask, sizeof(ask), MSG_NOSIGNAL), sizeof(ask));
	assert_int_equal(recv(fd, &said, sizeof(said), 0), sizeof(said));
	assert_int_equal(said.phase, GUARD_RUNNING);
	assert_int_equal(
	    send(fd, garbage, sizeof(garbage), MSG_NOSIGNAL), sizeof(garbage));
	assert_int_equal(recv(fd, &said, sizeof(said), 0), 0);
	guard_client_free(MOVE(g->client));
	adopt(g);
	assert_int_equal(g->state.life, GUARD_LIFE_RUNS);
}

/* ---- what is brought in ---- */

static void
on_entered(struct child *c, const struct child_result *r, void *arg)
{
	struct guarded *g = arg;

	assert_true(WIFEXITED(r->status));
	assert_int_equal(WEXITSTATUS(r->status), 7);
	g->done = true;
}

static bool
is_done(void *arg)
{
	const struct guarded *g = arg;

	return g->done;
}

/* A program that leaves something behind and goes, as a container's runtime does. */
static void
what_is_brought_in_dies_with_the_guard(void **state)
{
	struct guarded *g = *state;
	struct guard_opts o = guarded_opts(g, guarded_in_us(LATER_US), NULL);
	AUTO_FREE char *script =
	    xasprintf("cd %s; (sleep 1000 3>&3 & echo $! > inner); : > ready; exit 7",
		g->bed->dir);
	const char *argv[] = { GUARD_PROGRAM, "enter", "--init", "4", "--", "/bin/sh",
		"-c", script, NULL };
	struct child *child;
	pid_t outer = 0;
	int fds[2], pass[2];
	pid_t inner;
	size_t n;

	assert_int_equal(guard_client_start(
			     g->bed->loop, &o, guarded_on_change, g, &g->client, NULL),
	    0);
	bed_until(g->bed, guarded_is_told, g);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	g->witness = fds[0];
	pass[0] = fds[1];
	pass[1] = guard_client_pidfd(g->client);
	assert_int_equal(
	    child_start(g->bed->loop,
		&(struct child_opts){ .argv = argv, .pass_fds = pass, .n_pass_fds = 2 },
		on_entered, g, &child, NULL),
	    0);
	close(fds[1]);
	bed_until(g->bed, is_done, g);
	AUTO_FREE uint8_t *text = bed_read(bed_path(g->bed, "inner"), &n);
	inner = (pid_t)strtol((char *)text, NULL, 10);
	assert_int_equal(guard_client_outer_pid(g->client, inner, &outer, NULL), 0);
	assert_int_equal(kill(outer, 0), 0);
	assert_int_equal(
	    guard_client_outer_pid(g->client, 9999, &outer, NULL), ERR_NOT_FOUND);
	guarded_arm(g, guarded_in_us(SOON_US));
	bed_until(g->bed, guarded_none_left, g);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, guarded_setup, guarded_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_exit_status_is_told),
		TEST(a_killed_program_is_told),
		TEST(a_program_that_is_not_there_is_told),
		TEST(a_group_that_is_not_there_is_told),
		TEST(the_program_has_lost_its_rights),
		TEST(all_die_at_the_deadline),
		TEST(a_deadline_before_the_start_is_kept),
		TEST(deadlines_in_the_past_kill_at_once),
		TEST(a_renewed_one_lives_on),
		TEST(a_stopped_guard_and_guest_die_on_time),
		TEST(an_unheard_order_prolongs_nothing),
		TEST(nobody_can_ask_for_years),
		TEST(a_later_agent_finds_it),
		TEST(a_later_agent_hears_how_it_ended),
		TEST(a_slow_guard_hears_that_it_is_released),
		TEST(the_last_agent_to_come_is_heard),
		TEST(who_is_not_there_is_not_adopted),
		TEST(the_guest_outlives_a_killed_agent),
		TEST(strangers_words_hurt_nobody),
		TEST(what_is_brought_in_dies_with_the_guard),
	};

	if (geteuid() != 0) {
		fprintf(stderr, "namespaces need root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
