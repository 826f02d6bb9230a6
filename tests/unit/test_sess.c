#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/lib/sess_world.h"

static void
a_program_tells_all_it_has_to_say(void **state)
{
	struct sess_world w;

	sw_open(&w);
	sw_run(&w, "cat; echo oops >&2; exit 3", false);
	assert_true(w.granted >= 5);
	sw_say(&w, "hello", 5, true);
	sw_wait_end(&w);
	assert_string_equal(str_cstr(&w.out), "hello");
	assert_string_equal(str_cstr(&w.err), "oops\n");
	assert_true(w.out_ended && w.err_ended);
	assert_int_equal(w.exit_code, 3);
	assert_int_equal(w.signal, 0);
	assert_int_equal(w.fault, 0);
	sw_close(&w);
}

static void
a_signal_is_told_as_one(void **state)
{
	struct sess_world w;

	sw_open(&w);
	sw_run(&w, "kill -SEGV $$", false);
	sw_wait_end(&w);
	assert_int_equal(w.signal, 11);
	assert_int_equal(w.exit_code, 0);
	sw_close(&w);
}

/* Whoever is left behind with the pipes in its hands does not hold up the end. */
static void
what_is_left_running_keeps_nobody(void **state)
{
	struct sess_world w;

	sw_open(&w);
	sw_run(&w, "sleep 600 & echo $!", false);
	sw_wait_end(&w);
	assert_int_equal(w.exit_code, 0);
	uint64_t pid = 0;
	AUTO_FREE char *line =
	    xstrndup(str_cstr(&w.out), strcspn(str_cstr(&w.out), "\n"));
	assert_int_equal(parse_u64(line, 2, 1u << 22, "pid", &pid, NULL), 0);
	kill((pid_t)pid, SIGKILL);
	sw_close(&w);
}

static bool
has_all_credit_allows(void *arg)
{
	return ((struct sess_world *)arg)->out.len >= 1000;
}

static void
no_more_comes_than_credit(void **state)
{
	struct sess_world w;

	sw_open(&w);
	w.keeps_credit = true;
	sw_run(&w, "head -c 300000 /dev/zero", false);
	sw_grant(&w, DROVER__SESSION_STREAM__SESSION_OUT, 1000);
	bed_until(w.bed, has_all_credit_allows, &w);
	bed_settle(w.bed);
	assert_int_equal(w.out.len, 1000);
	assert_int_equal(w.ends, 0);
	sw_grant(&w, DROVER__SESSION_STREAM__SESSION_OUT, PLENTY);
	sw_grant(&w, DROVER__SESSION_STREAM__SESSION_ERR, 1);
	sw_wait_end(&w);
	assert_int_equal(w.out.len, 300000);
	sw_close(&w);
}

static void
data_beyond_credit_cuts_the_session(void **state)
{
	struct sess_world w;

	sw_open(&w);
	sw_run(&w, "sleep 600", false);
	AUTO_FREE uint8_t *many = xcalloc(1, (size_t)w.granted + 1);
	sw_say(&w, many, (size_t)w.granted + 1, false);
	assert_int_equal(w.fault, ERR_TOO_LARGE);
	assert_int_equal(w.ends, 1);
	assert_int_equal(sess_count(w.set), 0);
	sw_close(&w);
}

/* A program that does not read stops who writes, and goes on with all of it. */
static void
input_waits_for_the_program(void **state)
{
	struct sess_world w;
	size_t sent = 0;

	sw_open(&w);
	sw_run(&w, "read line; wc -c", false);
	AUTO_FREE char *many = xmalloc(PLENTY);
	memset(many, 'x', PLENTY);
	many[0] = '\n';
	while (sent < PLENTY) {
		size_t n = (size_t)w.granted - sent;

		if (n > PLENTY - sent)
			n = PLENTY - sent;
		if (n > MAX_SESSION_FRAME)
			n = MAX_SESSION_FRAME;
		if (n)
			sw_say(&w, many + sent, n, sent + n == PLENTY);
		else
			loop_turn(w.bed->loop, 10);
		sent += n;
	}
	sw_wait_end(&w);
	assert_string_equal(str_cstr(&w.out), "1048575\n");
	sw_close(&w);
}

static bool
has_prompted(void *arg)
{
	return strstr(str_cstr(&((struct sess_world *)arg)->out), "ready") != NULL;
}

static void
a_terminal_has_a_size_and_an_owner(void **state)
{
	struct sess_world w;
	Drover__SessionSize z = DROVER__SESSION_SIZE__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	sw_open(&w);
	sw_run(&w, "tty >/dev/null && stty size && echo ready && read x && stty size",
	    true);
	bed_until(w.bed, has_prompted, &w);
	assert_non_null(strstr(w.out.s, "50 132"));
	z.session = SESSION;
	z.rows = 24;
	z.columns = 80;
	m.body_case = DROVER__ENVELOPE__BODY_SESSION_SIZE;
	m.session_size = &z;
	sw_tell(&w, &m);
	sw_say(&w, "\n", 1, false);
	sw_wait_end(&w);
	assert_non_null(strstr(w.out.s, "24 80"));
	assert_int_equal(w.exit_code, 0);
	sw_close(&w);
}

/* The end is one byte more than was granted. */
static void
a_terminal_ends_behind_a_full_window(void **state)
{
	struct sess_world w;
	size_t n;

	sw_open(&w);
	sw_run(&w, "stty -echo && echo ready && wc -c", true);
	bed_until(w.bed, has_prompted, &w);
	n = (size_t)w.granted;
	AUTO_FREE char *lines = xmalloc(n);
	for (size_t i = 0; i < n; i++)
		lines[i] = i % 64 == 63 ? '\n' : 'x';
	assert_int_equal(n % 64, 0);
	sw_say(&w, lines, n, true);
	sw_wait_end(&w);
	AUTO_FREE char *count = xasprintf("ready\r\n%zu\r\n", n);
	assert_string_equal(str_cstr(&w.out), count);
	assert_int_equal(w.exit_code, 0);
	sw_close(&w);
}

static void
what_cannot_begin_says_why(void **state)
{
	static const struct {
		enum engine_state guest_state;
		uint64_t guest;
		int code;
	} cases[] = {
		{ ENGINE_DOWN, GUEST, ERR_BAD_STATE },
		{ ENGINE_PAUSED, GUEST, ERR_BAD_STATE },
		{ ENGINE_RUNNING, GUEST + 1, ERR_NOT_FOUND },
	};

	static char program[] = "/bin/true";
	char *args[] = { program };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sess_world w;
		Drover__SessionOpen o = DROVER__SESSION_OPEN__INIT;
		Drover__SessionExec x = DROVER__SESSION_EXEC__INIT;

		sw_open(&w);
		w.guest.state = cases[i].guest_state;
		x.args = args;
		x.n_args = 1;
		o.guest = cases[i].guest;
		o.what_case = DROVER__SESSION_OPEN__WHAT_EXEC;
		o.exec = &x;
		sw_begin(&w, &o);
		assert_int_equal(w.fault, cases[i].code);
		assert_int_equal(sess_count(w.set), 0);
		sw_close(&w);
	}
}

static void
an_environment_has_bounds(void **state)
{
	struct sess_world w;
	Drover__SessionOpen o = DROVER__SESSION_OPEN__INIT;
	Drover__SessionExec x = DROVER__SESSION_EXEC__INIT;
	static char program[] = "/bin/true";
	char *args[] = { program }, *env[1];

	sw_open(&w);
	env[0] = xmalloc(MAX_EXEC_BYTES + 1);
	memset(env[0], 'x', MAX_EXEC_BYTES);
	env[0][1] = '=';
	env[0][MAX_EXEC_BYTES] = '\0';
	x.args = args;
	x.n_args = 1;
	x.env = env;
	x.n_env = 1;
	o.what_case = DROVER__SESSION_OPEN__WHAT_EXEC;
	o.exec = &x;
	sw_begin(&w, &o);
	assert_int_equal(w.fault, ERR_TOO_LARGE);
	free(env[0]);
	sw_close(&w);
}

static void
a_session_opened_twice_is_cut(void **state)
{
	struct sess_world w;

	sw_open(&w);
	sw_run(&w, "sleep 600", false);
	sw_run(&w, "sleep 600", false);
	assert_int_equal(w.fault, ERR_EXISTS);
	assert_int_equal(w.ends, 1);
	assert_int_equal(sess_count(w.set), 0);
	sw_close(&w);
}

static bool
is_gone(void *arg)
{
	return kill(*(pid_t *)arg, 0) != 0;
}

static void
what_runs_ends_with_the_link(void **state)
{
	struct sess_world w;
	uint64_t v = 0;

	sw_open(&w);
	sw_run(&w, "echo ready $$; exec sleep 600", false);
	bed_until(w.bed, has_prompted, &w);
	AUTO_FREE char *line = xstrndup(w.out.s + 6, w.out.len - 7);
	assert_int_equal(parse_u64(line, 2, 1u << 22, "pid", &v, NULL), 0);
	pid_t pid = (pid_t)v;
	w.lost = true;
	sess_link_down(w.set);
	assert_int_equal(sess_count(w.set), 0);
	bed_until(w.bed, is_gone, &pid);
	sw_close(&w);
}

static void
only_so_many_at_once(void **state)
{
	struct sess_world w;
	static char sleep[] = "sleep", long_time[] = "600";
	char *args[] = { sleep, long_time };

	sw_open(&w);
	for (unsigned i = 0; i <= MAX_SESSIONS_PER_GUEST; i++) {
		Drover__SessionOpen o = DROVER__SESSION_OPEN__INIT;
		Drover__SessionExec x = DROVER__SESSION_EXEC__INIT;
		Drover__Envelope m = DROVER__ENVELOPE__INIT;

		x.args = args;
		x.n_args = ARRAY_SIZE(args);
		o.session = 100 + i;
		o.guest = GUEST;
		o.what_case = DROVER__SESSION_OPEN__WHAT_EXEC;
		o.exec = &x;
		m.body_case = DROVER__ENVELOPE__BODY_SESSION_OPEN;
		m.session_open = &o;
		sw_tell(&w, &m);
	}
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.fault, ERR_BUSY);
	assert_int_equal(sess_count(w.set), MAX_SESSIONS_PER_GUEST);
	sw_close(&w);
}

static void
the_console_is_told(void **state)
{
	struct sess_world w;
	Drover__SessionOpen o = DROVER__SESSION_OPEN__INIT;
	Drover__SessionLog log = DROVER__SESSION_LOG__INIT;

	sw_open(&w);
	w.guest.state = ENGINE_DOWN;
	log.bytes = 7;
	o.what_case = DROVER__SESSION_OPEN__WHAT_LOG;
	o.log = &log;
	sw_begin(&w, &o);
	sw_grant(&w, DROVER__SESSION_STREAM__SESSION_OUT, 3);
	assert_int_equal(w.ends, 0);
	sw_grant(&w, DROVER__SESSION_STREAM__SESSION_OUT, PLENTY);
	sw_wait_end(&w);
	assert_string_equal(str_cstr(&w.out), "login: ");
	assert_true(w.out_ended);
	assert_int_equal(w.fault, 0);
	sw_close(&w);
}

static void
look_at_screen(struct sess_world *w)
{
	Drover__SessionOpen o = DROVER__SESSION_OPEN__INIT;
	Drover__SessionPicture picture = DROVER__SESSION_PICTURE__INIT;

	sw_open(w);
	w->guest.state = ENGINE_RUNNING;
	o.what_case = DROVER__SESSION_OPEN__WHAT_PICTURE;
	o.picture = &picture;
	sw_begin(w, &o);
	sw_grant(w, DROVER__SESSION_STREAM__SESSION_OUT, PLENTY);
	assert_int_equal(w->ends, 0);
}

static void
the_screen_is_told(void **state)
{
	struct sess_world w;

	look_at_screen(&w);
	engine_picture_end(&w.guest, 0, NULL, "PNG", 3);
	sw_wait_end(&w);
	assert_string_equal(str_cstr(&w.out), "PNG");
	assert_true(w.out_ended);
	assert_int_equal(w.fault, 0);
	sw_close(&w);
}

static void
a_guest_that_ends_shows_nothing(void **state)
{
	struct sess_world w;

	look_at_screen(&w);
	engine_set_down(&w.guest, ENGINE_END_DIED, "killed");
	sw_wait_end(&w);
	assert_int_equal(w.fault, ERR_LOST);
	sw_close(&w);
}

static void
a_screen_that_nobody_waits_for_is_not_told(void **state)
{
	struct sess_world w;

	look_at_screen(&w);
	w.lost = true;
	sess_link_down(w.set);
	assert_null(w.guest.picture.fn);
	engine_picture_end(&w.guest, 0, NULL, "PNG", 3);
	assert_int_equal(w.out.len, 0);
	sw_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_tells_all_it_has_to_say),
		cmocka_unit_test(a_signal_is_told_as_one),
		cmocka_unit_test(what_is_left_running_keeps_nobody),
		cmocka_unit_test(no_more_comes_than_credit),
		cmocka_unit_test(data_beyond_credit_cuts_the_session),
		cmocka_unit_test(input_waits_for_the_program),
		cmocka_unit_test(a_terminal_has_a_size_and_an_owner),
		cmocka_unit_test(a_terminal_ends_behind_a_full_window),
		cmocka_unit_test(what_cannot_begin_says_why),
		cmocka_unit_test(an_environment_has_bounds),
		cmocka_unit_test(a_session_opened_twice_is_cut),
		cmocka_unit_test(what_runs_ends_with_the_link),
		cmocka_unit_test(only_so_many_at_once),
		cmocka_unit_test(the_console_is_told),
		cmocka_unit_test(the_screen_is_told),
		cmocka_unit_test(a_guest_that_ends_shows_nothing),
		cmocka_unit_test(a_screen_that_nobody_waits_for_is_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
