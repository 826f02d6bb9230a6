#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "loop/child.h"

#define DEADLINE_MS 20000
#define NOBODY      65534u

struct world {
	struct loop *loop;
	bool done, gone;
	int status;
	bool timed_out;
	char *out, *err_out;
	size_t out_len, err_len;
	struct err err; /* of child_err */
	bool free_in_done;
	char dir[64];
};

static int
setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->loop = loop_new(clock_system());
	snprintf(w->dir, sizeof(w->dir), "/tmp/drover-child-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	*state = w;
	return 0;
}

static const char *
in_dir(const struct world *w, const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s", w->dir, name);
	return path;
}

static int
teardown(void **state)
{
	struct world *w = *state;
	char path[128];

	loop_free(w->loop);
	/* No process of ours is left, not even a dead one. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	unlink(in_dir(w, "out", path));
	unlink(in_dir(w, "procs", path));
	rmdir(w->dir);
	free(w->out);
	free(w->err_out);
	free(w);
	return 0;
}

static void
on_done(struct child *c, const struct child_result *r, void *arg)
{
	struct world *w = arg;
	int rc;

	assert_int_equal(r->out[r->out_len], '\0');
	assert_int_equal(r->err_out[r->err_len], '\0');
	w->done = true;
	w->status = r->status;
	w->timed_out = r->timed_out;
	free(w->out);
	free(w->err_out);
	w->out = xmemdup(r->out, r->out_len + 1);
	w->err_out = xmemdup(r->err_out, r->err_len + 1);
	w->out_len = r->out_len;
	w->err_len = r->err_len;
	err_clear(&w->err);
	rc = child_err(r, "it", &w->err);
	assert_int_equal(rc, w->err.code);
	if (w->free_in_done)
		child_free(c);
}

static void
wait_for(struct world *w, const bool *flag)
{
	uint64_t until = loop_now_ms(w->loop) + DEADLINE_MS;

	while (!*flag && loop_now_ms(w->loop) < until)
		loop_turn(w->loop, 1000);
	assert_true(*flag);
}

static struct child *
start(struct world *w, struct child_opts *o)
{
	struct child *c = NULL;
	struct err e = ERR_INIT;

	w->done = false;
	if (child_start(w->loop, o, on_done, w, &c, &e))
		fail_msg("%s", e.msg);
	assert_true(child_pid(c) > 0);
	assert_false(w->done);
	return c;
}

static void
run(struct world *w, struct child_opts *o)
{
	start(w, o);
	wait_for(w, &w->done);
}

static const char *const sleep_argv[] = { "/bin/sleep", "60", NULL };

/* A shell's words for opts.argv. */
#define SH(script)                            \
	(const char *const[])                 \
	{                                     \
		"/bin/sh", "-c", script, NULL \
	}

static void
output_and_status_come_back(void **state)
{
	struct world *w = *state;

	run(w, &(struct child_opts){ .argv = SH("echo out; echo err >&2; exit 3") });
	assert_true(WIFEXITED(w->status));
	assert_int_equal(WEXITSTATUS(w->status), 3);
	assert_string_equal(w->out, "out\n");
	assert_string_equal(w->err_out, "err\n");
	assert_int_equal(w->err.code, ERR_IO);
	assert_string_equal(w->err.msg, "it: exited with 3: err");
	run(w, &(struct child_opts){ .argv = SH("exit 0") });
	assert_int_equal(w->err.code, 0);
}

static void
a_program_that_is_not_there_fails_the_start(void **state)
{
	struct world *w = *state;
	struct child *c = NULL;
	struct err e = ERR_INIT;
	struct child_opts o = { .argv =
				    (const char *const[]){ "/nowhere/prog", NULL } };

	assert_int_equal(child_start(w->loop, &o, on_done, w, &c, &e), ERR_IO);
	assert_string_equal(
	    e.msg, "cannot run /nowhere/prog: No such file or directory");
	o.argv = SH("exit 0");
	o.cwd = "/nowhere";
	assert_int_equal(child_start(w->loop, &o, on_done, w, &c, &e), ERR_IO);
	assert_non_null(strstr(e.msg, "cannot change to /nowhere"));
	o.cwd = NULL;
	o.join_cgroups = (const char *const[]){ "/nowhere/cgroup.procs", NULL };
	assert_int_equal(child_start(w->loop, &o, on_done, w, &c, &e), ERR_IO);
	assert_non_null(strstr(e.msg, "cannot enter its cgroups"));
	o.join_cgroups = NULL;
	o.stdout_path = "/nowhere/out";
	assert_int_equal(child_start(w->loop, &o, on_done, w, &c, &e), ERR_IO);
	assert_non_null(strstr(e.msg, "/nowhere/out"));
	assert_null(c);
}

static void
input_is_written_and_closed(void **state)
{
	struct world *w = *state;
	size_t n = 300000;
	char *text = xcalloc(1, n);

	memset(text, 'x', n);
	run(w,
	    &(struct child_opts){ .argv = SH("wc -c"), .input = text, .input_len = n });
	assert_string_equal(w->out, "300000\n");
	/* A reader that stops early is no fault of ours. */
	run(w, &(struct child_opts){ .argv = SH("read x; exec 0<&-; echo gone"),
		   .input = text,
		   .input_len = n });
	assert_int_equal(WEXITSTATUS(w->status), 0);
	run(w,
	    &(struct child_opts){ .argv = SH("wc -c"), .input = "", .input_len = 0 });
	assert_string_equal(w->out, "0\n");
	run(w, &(struct child_opts){ .argv = SH("readlink /proc/self/fd/0") });
	assert_string_equal(w->out, "/dev/null\n");
	free(text);
}

static void
captured_output_is_limited(void **state)
{
	struct world *w = *state;

	run(w, &(struct child_opts){ .argv = SH("head -c 500000 /dev/zero; echo e >&2"),
		   .max_output = 1000 });
	assert_int_equal(w->out_len, 1000);
	assert_string_equal(w->err_out, "e\n");
	assert_int_equal(WEXITSTATUS(w->status), 0);
	run(w, &(struct child_opts){ .argv = SH("head -c 500000 /dev/zero") });
	assert_int_equal(w->out_len, 65536);
}

static void
output_may_go_to_a_file(void **state)
{
	struct world *w = *state;
	char path[128], buf[64] = "";
	struct stat st;
	int fd;

	in_dir(w, "out", path);
	for (int i = 0; i < 2; i++)
		run(w, &(struct child_opts){
			   .argv = SH("echo line; echo e >&2"), .stdout_path = path });
	assert_int_equal(w->out_len, 0);
	assert_string_equal(w->err_out, "e\n");
	fd = open(path, O_RDONLY);
	assert_true(read(fd, buf, sizeof(buf) - 1) > 0);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	assert_string_equal(buf, "line\nline\n");
	assert_int_equal(st.st_mode & 0137, 0);
}

static void
the_environment_is_the_one_given(void **state)
{
	struct world *w = *state;

	setenv("DROVER_SECRET", "x", 1);
	run(w, &(struct child_opts){
		   .argv = (const char *const[]){ "/usr/bin/env", NULL } });
	assert_string_equal(w->out,
	    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
	    "LANG=C.UTF-8\n");
	run(w,
	    &(struct child_opts){ .argv = (const char *const[]){ "/usr/bin/env", NULL },
		.env = (const char *const[]){ "A=1", NULL } });
	assert_string_equal(w->out, "A=1\n");
	unsetenv("DROVER_SECRET");
	run(w, &(struct child_opts){ .argv = SH("pwd") });
	assert_string_equal(w->out, "/\n");
	run(w, &(struct child_opts){ .argv = SH("pwd"), .cwd = "/usr" });
	assert_string_equal(w->out, "/usr\n");
}

static void
only_named_descriptors_are_passed(void **state)
{
	struct world *w = *state;
	int open_fd = open("/etc/passwd", O_RDONLY); /* not close-on-exec */
	int a = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	int b = open("/dev/full", O_RDONLY | O_CLOEXEC);
	int twisted[] = { b, a, b };

	assert_true(open_fd >= 0 && a >= 0 && b >= 0);
	run(w, &(struct child_opts){
		   .argv = SH("for f in 3 4 5; do readlink /proc/$$/fd/$f; done; "
			      "ls /proc/$$/fd; true"),
		   .pass_fds = twisted,
		   .n_pass_fds = 3 });
	assert_string_equal(
	    w->out, "/dev/full\n/dev/zero\n/dev/full\n0\n1\n2\n3\n4\n5\n");
	close(open_fd);
	close(a);
	close(b);
}

static void
signals_are_as_a_program_expects_them(void **state)
{
	struct world *w = *state;

	run(w, &(struct child_opts){
		   .argv = SH("grep -E '^Sig(Blk|Ign)' /proc/self/status") });
	assert_string_equal(
	    w->out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

static void
on_signal(int signo)
{
}

/* A child may begin in our memory, but not with anything else of ours. */
static void
starting_leaves_us_as_we_were(void **state)
{
	struct world *w = *state;
	const struct sigaction ours = { .sa_handler = on_signal };
	const char *const good[] = { "/bin/pwd", NULL };
	const char *const bad[] = { "/nonexistent/program", NULL };
	struct child_opts o = { .argv = good, .cwd = "/usr", .rlimit_cpu_s = 60 };
	struct rlimit before, after;
	struct sigaction is;
	struct child *c;
	struct err e = ERR_INIT;
	char cwd[2][256];
	sigset_t mask;

	assert_non_null(getcwd(cwd[0], sizeof(cwd[0])));
	assert_int_equal(sigaction(SIGUSR1, &ours, NULL), 0);
	assert_int_equal(getrlimit(RLIMIT_CPU, &before), 0);
	assert_int_equal(child_start(w->loop, &o, on_done, w, &c, &e), 0);
	wait_for(w, &w->done);
	assert_string_equal(w->out, "/usr\n");
	o.argv = bad;
	assert_int_equal(child_start(w->loop, &o, on_done, w, &c, &e), ERR_IO);
	assert_non_null(getcwd(cwd[1], sizeof(cwd[1])));
	assert_string_equal(cwd[0], cwd[1]);
	assert_int_equal(sigaction(SIGUSR1, NULL, &is), 0);
	assert_ptr_equal(is.sa_handler, on_signal);
	assert_int_equal(getrlimit(RLIMIT_CPU, &after), 0);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
	assert_false(sigismember(&mask, SIGUSR1));
	assert_int_equal(signal(SIGUSR1, SIG_DFL) == SIG_ERR, 0);
}

static void
a_deadline_ends_it(void **state)
{
	struct world *w = *state;

	run(w, &(struct child_opts){
		   .argv = SH("echo begun; sleep 60"), .timeout_ms = 500 });
	assert_true(w->timed_out);
	assert_int_equal(WTERMSIG(w->status), SIGTERM);
	assert_string_equal(w->out, "begun\n");
	assert_int_equal(w->err.code, ERR_TIMEOUT);
}

static void
a_deadline_is_enforced(void **state)
{
	struct world *w = *state;

	/* The shell waits for a child of its own that ignores SIGTERM as well. */
	run(w, &(struct child_opts){
		   .argv = SH("trap '' TERM; sleep 60; sleep 60"), .timeout_ms = 500 });
	assert_true(w->timed_out);
	assert_int_equal(WTERMSIG(w->status), SIGKILL);
}

static void
a_signal_is_named(void **state)
{
	struct world *w = *state;

	run(w, &(struct child_opts){
		   .argv = SH("echo 'a\tb' >&2; echo >&2; kill -SEGV $$") });
	assert_string_equal(w->err.msg, "it: killed by SIGSEGV: a b");
	/* Not through a shell, which may be busy catching the signal. */
	child_kill(start(w, &(struct child_opts){ .argv = sleep_argv }), SIGINT);
	wait_for(w, &w->done);
	assert_int_equal(WTERMSIG(w->status), SIGINT);
}

static void
odd_last_lines_make_fit_messages(void **state)
{
	struct world *w = *state;

	run(w, &(struct child_opts){
		   .argv = SH("printf 'x\\nbad \\377\\033[1m' >&2; exit 1") });
	assert_string_equal(w->err.msg, "it: exited with 1: bad ? [1m");
	run(w, &(struct child_opts){ .argv = SH("exit 1") });
	assert_string_equal(w->err.msg, "it: exited with 1");
	/* 159 bytes, then a character that the limit would cut. */
	run(w, &(struct child_opts){
		   .argv = SH("printf '%0159d\\303\\244\\303\\244' 0 >&2; exit 1") });
	assert_true(utf8_valid(w->err.msg, strlen(w->err.msg)));
	assert_int_equal(strlen(w->err.msg), strlen("it: exited with 1: ") + 159);
}

static void
a_grandchild_does_not_hold_up_the_end(void **state)
{
	struct world *w = *state;
	pid_t grandchild;

	/* It keeps stdout open. */
	run(w, &(struct child_opts){ .argv = SH("sleep 60 & echo $!") });
	grandchild = (pid_t)strtol(w->out, NULL, 10);
	assert_true(grandchild > 1);
	assert_int_equal(kill(grandchild, SIGKILL), 0);
}

static void
rights_are_dropped(void **state)
{
	struct world *w = *state;
	gid_t groups[] = { 4, 24 };

	if (geteuid() != 0)
		skip();
	if (setgroups(2, groups))
		skip();
	run(w, &(struct child_opts){
		   .argv = SH("id -u; id -g; id -G; grep -E '^(Cap|NoNewPrivs)' "
			      "/proc/self/status | cut -f2 | sort -u"),
		   .uid = NOBODY,
		   .gid = NOBODY });
	assert_int_equal(setgroups(0, NULL), 0);
	assert_string_equal(w->out, "65534\n65534\n65534\n0000000000000000\n1\n");
	run(w, &(struct child_opts){ .argv = SH("id -u; id -g"), .gid = NOBODY });
	assert_string_equal(w->out, "0\n65534\n");
}

static void
limits_are_set(void **state)
{
	struct world *w = *state;

	run(w, &(struct child_opts){ .argv = SH("ulimit -v; ulimit -t; ulimit -f"),
		   .rlimit_as_bytes = 256u << 20,
		   .rlimit_cpu_s = 7,
		   .rlimit_file_bytes = 1u << 20 });
	assert_string_equal(w->out, "262144\n7\n2048\n");
}

static bool
kernel_has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0,
		   LANDLOCK_CREATE_RULESET_VERSION) >= 1;
}

/* What it was not given it cannot open, though its user may. */
static void
a_confined_child_opens_only_its_own(void **state)
{
	struct world *w = *state;
	char path[128];
	int fds[2];

	if (!kernel_has_landlock())
		skip();
	fds[0] = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	fds[1] = open(in_dir(w, "out", path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fds[0] >= 0 && fds[1] >= 0);
	run(w, &(struct child_opts){
		   .argv = SH("wc -l </dev/fd/3 >/dev/fd/4 && echo given; "
			      "cat /etc/hostname && echo more; "
			      "echo x >>/dev/fd/3 && echo written; "
			      "true"),
		   .pass_fds = fds,
		   .n_pass_fds = 2,
		   .confine = true });
	assert_string_equal(w->out, "given\n");
	assert_int_not_equal(lseek(fds[1], 0, SEEK_END), 0);
	close(fds[0]);
	close(fds[1]);
}

static void
cgroups_are_entered_before_exec(void **state)
{
	struct world *w = *state;
	char path[128], buf[16] = "";
	int fd;

	/* Any file takes what a cgroup.procs would be told. */
	fd = open(in_dir(w, "procs", path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	run(w, &(struct child_opts){ .argv = SH("exit 0"),
		   .join_cgroups = (const char *const[]){ path, NULL } });
	assert_int_equal(read(fd, buf, sizeof(buf) - 1), 1);
	assert_string_equal(buf, "0");
	close(fd);
}

static bool
is_alive(pid_t pid)
{
	return kill(pid, 0) == 0;
}

static void
a_forgotten_child_is_killed(void **state)
{
	struct world *w = *state;
	struct child *c = start(w, &(struct child_opts){ .argv = SH("sleep 60") });
	pid_t pid = child_pid(c);
	uint64_t until = loop_now_ms(w->loop) + DEADLINE_MS;

	child_free(c);
	while (is_alive(pid) && loop_now_ms(w->loop) < until)
		loop_turn(w->loop, 100);
	assert_false(is_alive(pid));
	assert_false(w->done);
	/* And one that the loop's end has to reap. */
	child_free(start(w, &(struct child_opts){ .argv = SH("sleep 60") }));
}

static void
a_child_may_be_freed_when_done(void **state)
{
	struct world *w = *state;

	w->free_in_done = true;
	run(w, &(struct child_opts){ .argv = SH("exit 0") });
	loop_turn(w->loop, 0);
}

static void
on_gone(void *arg)
{
	struct world *w = arg;

	w->gone = true;
}

/* Nobody else buries it before we know how it ended. */
static void
orphans_tell_how_they_ended(void **state)
{
	struct world *w = *state;
	struct pid_watch *watch = NULL;
	struct err e = ERR_INIT;
	int asked = 0, stray = 0, status = 0;

	assert_int_equal(child_adopt_orphans(w->loop, &e), 0);
	run(w,
	    &(struct child_opts){ .argv = SH("sleep 60 >/dev/null 2>&1 & echo $!; "
					     "sleep 60 >/dev/null 2>&1 & echo $!") });
	assert_int_equal(sscanf(w->out, "%d %d", &asked, &stray), 2);
	assert_int_equal(pid_watch_new(w->loop, asked, 0, on_gone, w, &watch, &e), 0);
	kill(asked, SIGHUP);
	kill(stray, SIGHUP);
	wait_for(w, &w->gone);
	/* Others end, and it can still be asked. */
	run(w, &(struct child_opts){ .argv = SH("exit 0") });
	assert_int_equal(waitpid(asked, &status, WNOHANG), asked);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
	pid_watch_free(watch);
	while (is_alive(stray))
		run(w, &(struct child_opts){ .argv = SH("exit 0") });
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void
a_detached_child_outlives_us(void **state)
{
	struct world *w = *state;
	struct pid_watch *watch = NULL;
	struct child *c = start(
	    w, &(struct child_opts){ .argv = SH("exec sleep 60"), .detach = true });
	pid_t pid = child_pid(c);
	uint64_t ticks = 0;

	assert_int_equal(getsid(pid), pid);
	child_free(c);
	loop_turn(w->loop, 0);
	assert_true(is_alive(pid));

	assert_int_equal(pid_start_ticks(pid, &ticks, NULL), 0);
	assert_true(ticks > 0);
	assert_int_equal(
	    pid_watch_new(w->loop, pid, ticks, on_gone, w, &watch, NULL), 0);
	loop_turn(w->loop, 0);
	assert_false(w->gone);
	kill(pid, SIGKILL);
	wait_for(w, &w->gone);
	pid_watch_free(watch);
	while (is_alive(pid))
		loop_turn(w->loop, 100);
}

static void
a_reused_pid_is_not_mistaken(void **state)
{
	struct world *w = *state;
	struct pid_watch *watch = NULL;
	struct err e = ERR_INIT;
	uint64_t ticks = 0;

	assert_int_equal(pid_start_ticks(getpid(), &ticks, &e), 0);
	assert_int_equal(
	    pid_watch_new(w->loop, getpid(), ticks + 1, on_gone, w, &watch, &e),
	    ERR_NOT_FOUND);
	assert_non_null(strstr(e.msg, "reuses its number"));
	/* Above any pid_max. */
	assert_int_equal(pid_watch_new(w->loop, 0x7ffffffe, 0, on_gone, w, &watch, &e),
	    ERR_NOT_FOUND);
	assert_int_equal(
	    pid_watch_new(w->loop, 0, 0, on_gone, w, &watch, &e), ERR_INVALID);
	assert_int_equal(pid_start_ticks(0x7ffffffe, &ticks, &e), ERR_NOT_FOUND);
	assert_null(watch);
	assert_int_equal(
	    pid_watch_new(w->loop, getpid(), ticks, on_gone, w, &watch, &e), 0);
	pid_watch_free(watch);
}

static void
many_children_at_once(void **state)
{
	enum { N = 40 };
	struct world *w = *state;
	struct world each[N];
	char script[64];

	memset(each, 0, sizeof(each));
	for (int i = 0; i < N; i++) {
		each[i].loop = w->loop;
		snprintf(script, sizeof(script), "echo %d; exit %d", i, i);
		start(&each[i], &(struct child_opts){ .argv = SH(script) });
	}
	for (int i = 0; i < N; i++) {
		wait_for(w, &each[i].done);
		assert_int_equal(WEXITSTATUS(each[i].status), i);
		assert_int_equal(strtol(each[i].out, NULL, 10), i);
		free(each[i].out);
		free(each[i].err_out);
	}
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(output_and_status_come_back),
		CASE(a_program_that_is_not_there_fails_the_start),
		CASE(input_is_written_and_closed),
		CASE(captured_output_is_limited),
		CASE(output_may_go_to_a_file),
		CASE(the_environment_is_the_one_given),
		CASE(only_named_descriptors_are_passed),
		CASE(signals_are_as_a_program_expects_them),
		CASE(starting_leaves_us_as_we_were),
		CASE(a_deadline_ends_it),
		CASE(a_deadline_is_enforced),
		CASE(a_signal_is_named),
		CASE(odd_last_lines_make_fit_messages),
		CASE(a_grandchild_does_not_hold_up_the_end),
		CASE(rights_are_dropped),
		CASE(limits_are_set),
		CASE(a_confined_child_opens_only_its_own),
		CASE(cgroups_are_entered_before_exec),
		CASE(a_forgotten_child_is_killed),
		CASE(a_child_may_be_freed_when_done),
		CASE(orphans_tell_how_they_ended),
		CASE(a_detached_child_outlives_us),
		CASE(a_reused_pid_is_not_mistaken),
		CASE(many_children_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
