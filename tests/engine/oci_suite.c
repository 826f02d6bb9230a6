#include "tests/engine/oci_suite.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine_console.h"
#include "host-agent/engine/engine_device.h"
#include "host-agent/network/port.h"
#include "loop/child.h"
#include "tests/engine/ct_image.h"
#include "tests/engine/inside.h"
#include "tests/lib/borrow.h"

#define ID_BASE 1000000000u

bool
oci_suite_can(void)
{
	const char *why = geteuid()                           ? "containers take root"
			  : access("/usr/sbin/runc", X_OK)    ? "no runc here"
			  : access("/dev/loop-control", F_OK) ? "no loop devices here"
							      : NULL;

	if (!why && unshare(CLONE_NEWNET))
		why = "no network namespace";
	if (why)
		fprintf(stderr, "skipped: %s\n", why);
	return !why;
}

/* ---- nothing stays ---- */

static size_t
paths_like(const char *pattern)
{
	glob_t g;
	size_t n = 0;

	if (!glob(pattern, 0, NULL, &g))
		n = g.gl_pathc;
	globfree(&g);
	return n;
}

void
oci_expect_nothing_left(const struct suite *s)
{
	AUTO_FREE char *groups = xasprintf("/sys/fs/cgroup/*/%s/*/ct", s->group);
	AUTO_FREE char *records = xasprintf("%s/oci/runtime/*", s->dir);

	assert_int_equal(ct_image_loops(s->dir), 0);
	assert_int_equal(paths_like(groups), 0);
	assert_int_equal(paths_like(records), 0);
}

static int
set_up(void **state)
{
	*state = suite_new(SUITE_OCI, NULL);
	return 0;
}

static int
tear_down(void **state)
{
	struct suite *s = *state;

	/* Of a test that failed. */
	for (size_t i = 0; i < SUITE_GUESTS; i++)
		if (s->guests[i])
			suite_guest_free(s->guests[i]);
	oci_expect_nothing_left(s);
	suite_free(s);
	return 0;
}

/* ---- verbs ---- */

static void
verb_stop(struct suite_guest *sg, struct wake w)
{
	engine_stop(sg->g, 20000, w);
}

static void
expect_fails(struct suite_guest *sg, const char *words)
{
	struct err e = ERR_INIT;

	if (!suite_start(sg, -1, &e) || !strstr(e.msg, words))
		fail_msg("start, not \"%s\": \"%s\"", words, e.msg);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_DOWN);
	oci_expect_nothing_left(sg->suite);
}

/* ---- what is inside ---- */

static void
inside_is_its_own(void **state)
{
	struct suite_guest *sg = suite_guest_new(*state, 21, NULL, NULL);

	sg->spec.host_name = borrow("ct-21");
	suite_must_start(sg);
	inside_expect(sg, "echo $(cat /proc/1/comm)", "sh\n");
	inside_expect(sg, "hostname; cat /etc/hostname", "ct-21\nct-21\n");
	inside_expect(sg, "echo $(cat /proc/self/uid_map)", "0 1001376256 65536\n");
	inside_expect(
	    sg, "id -u; touch /x && ls -ln /x | grep -c ' 0 .* 0 '", "0\n1\n");
	/* Its own processes, links and mounts alone. */
	inside_expect(sg, "ls -d /proc/[0-9]* | wc -l | grep -c '^[1-9]$'", "1\n");
	inside_expect(sg, "ls /sys/class/net", "lo\n");
	inside_expect(sg, "grep -c drover-engine /proc/mounts", "0\n");
	suite_guest_free(sg);
}

static void
rights_are_few(void **state)
{
	struct suite_guest *sg = suite_guest_new(*state, 22, NULL, NULL);

	suite_must_start(sg);
	/* Docker's, for an application. */
	inside_expect(
	    sg, "grep CapBnd /proc/self/status", "CapBnd:\t00000000a80425fb\n");
	inside_expect(sg, "grep NoNewPrivs /proc/1/status", "NoNewPrivs:\t1\n");
	inside_expect(sg, "grep Seccomp: /proc/1/status", "Seccomp:\t2\n");
	inside_expect(sg, "ls -A /sys/firmware | wc -l", "0\n");
	inside_expect(
	    sg, "(echo 1 >/proc/sys/kernel/panic) 2>/dev/null || echo no", "no\n");
	inside_expect(
	    sg, "(echo b >/proc/sysrq-trigger) 2>/dev/null || echo no", "no\n");
	inside_expect(sg, "mkdir /sys/fs/cgroup/pids/x 2>/dev/null || echo no", "no\n");
	inside_expect(sg, "mount -t tmpfs x /tmp 2>/dev/null || echo no", "no\n");
	suite_guest_free(sg);
}

static void
programs_run_inside(void **state)
{
	struct suite_guest *sg = suite_guest_new(*state, 23, NULL, NULL);
	static const char *const pwd[] = { "sh", "-c", "id -u; id -g; pwd; echo $A",
		NULL };
	static const char *const none[] = { "no-such-program", NULL };
	static const char *const env[] = { "A=b c", NULL };
	struct engine_exec x = {
		.args = pwd, .env = env, .cwd = "/tmp", .uid = 1000, .gid = 1000
	};
	struct err e = ERR_INIT;
	struct child *c;
	struct inside in;

	assert_int_equal(engine_exec(sg->g, &x, NULL, NULL, &c, &e), ERR_BAD_STATE);
	suite_must_start(sg);
	inside_exec(sg, &x, &in);
	assert_string_equal(in.out, "1000\n1000\n/tmp\nb c\n");
	assert_int_equal(WEXITSTATUS(in.status), 0);
	inside_ask(sg, "exit 7", &in);
	assert_int_equal(WEXITSTATUS(in.status), 7);
	x.args = none;
	inside_exec(sg, &x, &in);
	assert_int_equal(WEXITSTATUS(in.status), 127);
	assert_non_null(strstr(in.out, "no such program"));
	suite_guest_free(sg);
}

static bool
sleeps_inside(void *arg)
{
	struct inside in;

	inside_ask(arg, "ps | grep -c '[s]leep 4242'", &in);
	return str_same(in.out, "1\n");
}

static bool
sleeps_no_more(void *arg)
{
	return !sleeps_inside(arg);
}

/* The program inside ends with the one that was started for it. */
static void
killed_programs_end(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 24, NULL, NULL);
	static const char *const args[] = { "sleep", "4242", NULL };
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const struct engine_exec x = {
		.args = args, .cwd = "", .fds = { null, null, null }
	};
	struct inside in;
	struct child *c;

	suite_must_start(sg);
	c = inside_begin(sg, &x, &in);
	suite_await(s, sleeps_inside, sg);
	child_kill(c, SIGKILL);
	suite_await(s, inside_ended, &in);
	suite_await(s, sleeps_no_more, sg);
	suite_guest_free(sg);
}

struct terminal {
	int fd;
	const char *words;
	char said[INSIDE_MAX];
	size_t n;
};

static bool
terminal_says(void *arg)
{
	struct terminal *t = arg;
	ssize_t n = read(t->fd, t->said + t->n, sizeof(t->said) - 1 - t->n);

	if (n > 0)
		t->n += (size_t)n;
	t->said[t->n] = '\0';
	return strstr(t->said, t->words) != NULL;
}

static void
terminals_work(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 25, NULL, NULL);
	static const char *const args[] = { "sh", "-c",
		"[ -t 0 ] && echo at $(readlink /proc/self/fd/0); read x; echo got-$x; "
		"exit 5",
		NULL };
	AUTO_CLOSE int master =
	    posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	struct engine_exec x = { .args = args, .cwd = "", .tty = true };
	struct terminal t = { .fd = master, .words = "at /dev/pts/" };
	struct inside in;
	int slave;

	assert_true(master >= 0 && !grantpt(master) && !unlockpt(master));
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	suite_must_start(sg);
	x.fds[0] = x.fds[1] = x.fds[2] = slave;
	inside_begin(sg, &x, &in);
	close(slave);
	suite_await(s, terminal_says, &t);
	assert_int_equal(write(master, "wort\n", 5), 5);
	t.words = "got-wort";
	suite_await(s, terminal_says, &t);
	suite_await(s, inside_ended, &in);
	assert_int_equal(WEXITSTATUS(in.status), 5);
	suite_guest_free(sg);
}

static void
its_root_is_seen(void **state)
{
	struct suite_guest *sg = suite_guest_new(*state, 26, NULL, NULL);
	struct engine_root root;
	struct err e = ERR_INIT;
	struct stat st;

	assert_int_equal(engine_root(sg->g, &root, &e), ERR_BAD_STATE);
	suite_must_start(sg);
	assert_int_equal(engine_root(sg->g, &root, &e), 0);
	assert_int_equal(fstatat(root.fd, "bin/busybox", &st, 0), 0);
	assert_int_equal(root.id_base, ID_BASE + 26 * 65536);
	assert_int_equal(st.st_uid, root.id_base);
	close(root.fd);
	suite_guest_free(sg);
}

/* ---- its life ---- */

static bool
console_says(void *arg)
{
	struct terminal *t = ((void **)arg)[1];
	size_t n = engine_console_tail(
	    ((struct suite_guest *)((void **)arg)[0])->g, t->said, sizeof(t->said) - 1);

	t->said[n] = '\0';
	return strstr(t->said, t->words) != NULL;
}

static void
console_is_kept(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 27, NULL, NULL);
	struct terminal t = { .words = "hello there" };
	void *arg[] = { sg, &t };
	struct inside in;
	AUTO_FREE char *all = xmalloc(ENGINE_CONSOLE_MAX);

	suite_guest_script(sg, "echo hello there; while :; do sleep 1000; done");
	suite_must_start(sg);
	suite_await(s, console_says, arg);
	/* It is bounded, and a link in its place leads nowhere. */
	inside_ask(sg, "dd if=/dev/zero bs=1024 count=400 >>/dev/console 2>/dev/null", &in);
	assert_int_equal(
	    engine_console_tail(sg->g, all, ENGINE_CONSOLE_MAX), ENGINE_CONSOLE_MAX);
	assert_int_equal(engine_console_tail(sg->g, all, ENGINE_CONSOLE_MAX), 0);
	suite_guest_free(sg);
}

static void
death_is_an_event(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 28, NULL, NULL);

	suite_guest_script(sg, "sleep 0.1; exit 3");
	suite_must_start(sg);
	suite_await_events(s, 1);
	assert_int_equal(s->events[0].kind, ENGINE_EV_DOWN);
	assert_string_equal(s->events[0].reason, "its first process exited with 3");
	assert_int_equal(engine_guest_state(sg->g), ENGINE_DOWN);
	assert_int_equal(engine_guest_end(sg->g), ENGINE_END_DIED);
	oci_expect_nothing_left(s);
	suite_guest_script(sg, "while :; do sleep 1000; done");
	suite_must_start(sg);
	kill(engine_guest_stat(sg->g)->pid, SIGKILL);
	suite_await_events(s, 2);
	assert_string_equal(
	    s->events[1].reason, "its first process was killed by SIGKILL");
	suite_guest_free(sg);
}

static void
init_is_asked_to_shut_down(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 29, NULL, NULL);
	struct inside in;

	suite_guest_script(sg, NULL);
	suite_must_start(sg);
	inside_expect(sg, "grep NoNewPrivs /proc/1/status", "NoNewPrivs:\t0\n");
	inside_expect(sg, "mount -t tmpfs x /tmp && echo yes", "yes\n");
	suite_must(sg, verb_stop);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_DOWN);
	assert_int_equal(engine_guest_end(sg->g), ENGINE_END_ORDERED);
	assert_int_equal(s->n_events, 0);
	/* Whoever else could bury it would take what it died of along. */
	assert_int_equal(child_adopt_orphans(s->loop, NULL), 0);
	for (unsigned i = 1; i <= 3; i++) {
		suite_must_start(sg);
		inside_ask(sg, "poweroff -f", &in);
		suite_await_events(s, i);
		assert_int_equal(engine_guest_end(sg->g), ENGINE_END_GUEST);
	}
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	suite_guest_free(sg);
}

static void
own_signal_is_sent(void **state)
{
	struct suite_guest *sg = suite_guest_new(*state, 30, NULL, NULL);

	suite_guest_script(sg, "trap 'exit 0' HUP; while :; do sleep 0.05; done");
	sg->container.stop_signal = borrow("SIGHUP");
	suite_must_start(sg);
	suite_must(sg, verb_stop);
	assert_int_equal(engine_guest_end(sg->g), ENGINE_END_ORDERED);
	suite_guest_free(sg);
}

static void
reset_starts_anew(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 31, NULL, NULL);
	struct inside in;
	pid_t pid;

	suite_must_start(sg);
	pid = engine_guest_stat(sg->g)->pid;
	inside_ask(sg, "echo kept >/root/file", &in);
	/* Nobody has its files open but the container; also after another agent. */
	engine_guest_free(sg->g);
	suite_restart(s);
	suite_guest_handle(sg);
	suite_must(sg, verb_adopt);
	suite_must(sg, verb_reset);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_RUNNING);
	assert_int_not_equal(engine_guest_stat(sg->g)->pid, pid);
	inside_expect(sg, "cat /root/file", "kept\n");
	assert_int_equal(s->n_events, 0);
	suite_guest_free(sg);
}

/* ---- starts that fail ---- */

static void
failed_starts_say_why(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 32, NULL, NULL);
	struct suite_guest *two = suite_guest_new(s, 33, NULL, NULL);

	sg->args[0] = borrow("/nothing");
	expect_fails(sg, "cannot run /nothing: no such program");
	suite_guest_script(sg, "exit 4");
	sg->container.devices = (char *[]){ borrow("/dev/no-such-device") };
	sg->container.n_devices = 1;
	expect_fails(sg, "no character device /dev/no-such-device");
	sg->container.n_devices = 0;
	sg->spec.container = NULL;
	expect_fails(sg, "a machine, not a container");
	sg->spec.container = &sg->container;
	suite_guest_script(sg, "while :; do sleep 1000; done");
	suite_must_start(sg);
	/* One image is one container's. */
	snprintf(two->disk_path, sizeof(two->disk_path), "%s", sg->disk_path);
	{
		struct err e = ERR_INIT;

		assert_int_not_equal(suite_start(two, -1, &e), 0);
		assert_non_null(strstr(e.msg, "in use"));
	}
	suite_guest_free(two);
	suite_guest_free(sg);
}

static void
layers_are_shared(void **state)
{
	struct suite *s = *state;
	struct suite_guest *one = suite_guest_new(s, 34, NULL, NULL);
	struct suite_guest *two = suite_guest_new(s, 35, NULL, NULL);
	AUTO_FREE char *layer = xasprintf("%s/layer", s->dir);

	suite_must_start(one);
	suite_must_start(two);
	assert_int_equal(ct_image_loops(layer), 1);
	assert_int_equal(ct_image_loops(s->dir), 3);
	suite_must(one, verb_kill);
	inside_expect(two, "echo here", "here\n");
	suite_guest_free(one);
	suite_guest_free(two);
}

/* What a container left in its image never leads out of it. */
static void
links_lead_nowhere(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 36, NULL, NULL);
	AUTO_FREE char *victim = xasprintf("%s/victim", s->dir);
	AUTO_FREE char *etc = xasprintf("ln -s %s upper/etc; touch %s", victim, victim);
	AUTO_FREE char *files =
	    xasprintf("mkdir upper/etc; ln -s %s upper/etc/hostname; "
		      "ln -s %s upper/etc/resolv.conf; ln -s %s log/console",
		victim, victim, victim);
	char *dns[] = { borrow("10.9.8.7") };
	struct stat st;

	sg->spec.dns = dns;
	sg->spec.n_dns = 1;
	ct_image_own(sg->disk_path, "rmdir log; ln -s /etc log");
	expect_fails(sg, "no folder log");
	ct_image_own(sg->disk_path, "rmdir upper; ln -s / upper");
	expect_fails(sg, "no folder upper");
	ct_image_own(sg->disk_path, "rmdir work; ln -s /tmp work");
	expect_fails(sg, "no folder work");
	ct_image_own(sg->disk_path, etc);
	suite_must_start(sg);
	inside_expect(sg, "grep -c 'cannot open /etc' /dev/console", "1\n");
	suite_must(sg, verb_kill);
	ct_image_own(sg->disk_path, "mkdir -p upper/etc/hostname/x");
	suite_must_start(sg);
	inside_expect(sg, "ls /etc/hostname", "x\n");
	suite_must(sg, verb_kill);
	ct_image_own(sg->disk_path, files);
	suite_must_start(sg);
	inside_expect(sg, "grep nameserver /etc/resolv.conf", "nameserver 10.9.8.7\n");
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_size, 0);
	suite_guest_free(sg);
}

/* ---- the agent dies ---- */

/* A new agent finds it, and it is in the state that both were in. */
static void
come_back(struct suite *s, struct suite_guest *sg)
{
	engine_guest_free(sg->g);
	suite_restart(s);
	suite_guest_handle(sg);
}

static void
adopts_what_was_cut_short(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 37, NULL, NULL);
	struct err e = ERR_INIT;

	/* At different moments of a start. */
	for (int turns = 0; turns < 12; turns++) {
		suite_start_verb(sg, WAKE_NONE);
		for (int i = 0; i < turns; i++)
			loop_turn(s->loop, 8);
		come_back(s, sg);
		if (suite_run(sg, verb_adopt, &e) == 0) {
			assert_int_equal(engine_guest_state(sg->g), ENGINE_RUNNING);
			suite_must(sg, verb_kill);
		} else {
			assert_int_equal(e.code, ERR_NOT_FOUND);
			assert_int_equal(engine_guest_state(sg->g), ENGINE_DOWN);
		}
		oci_expect_nothing_left(s);
	}
	suite_guest_free(sg);
}

static void
adopts_the_dead(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 38, NULL, NULL);
	struct err e = ERR_INIT;

	suite_must_start(sg);
	kill(engine_guest_stat(sg->g)->pid, SIGKILL);
	come_back(s, sg);
	assert_int_equal(suite_run(sg, verb_adopt, &e), ERR_NOT_FOUND);
	oci_expect_nothing_left(s);
	suite_must_start(sg);
	/* A kill, a stop and a reset that nobody saw the end of. */
	engine_kill(sg->g, WAKE_NONE);
	come_back(s, sg);
	(void)!suite_run(sg, verb_adopt, &e);
	suite_must(sg, verb_kill);
	oci_expect_nothing_left(s);
	suite_must_start(sg);
	engine_reset(sg->g, WAKE_NONE);
	loop_turn(s->loop, 20);
	loop_turn(s->loop, 20);
	come_back(s, sg);
	(void)!suite_run(sg, verb_adopt, &e);
	suite_must(sg, verb_kill);
	suite_guest_free(sg);
}

/* ---- neighbours ---- */

static void
limit_processes(const struct suite_guest *sg, const char *max)
{
	AUTO_FREE char *dir = xasprintf("/sys/fs/cgroup/pids/%s", sg->cgroup);
	AUTO_FREE char *path = xasprintf("%s/pids.max", dir);
	AUTO_FREE char *parent = xasprintf("/sys/fs/cgroup/pids/%s", sg->suite->group);
	int fd;

	mkdir(parent, 0755);
	mkdir(dir, 0755);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, max, strlen(max)), (ssize_t)strlen(max));
	close(fd);
}

static void
fork_bombs_are_bounded(void **state)
{
	struct suite *s = *state;
	struct suite_guest *bomb = suite_guest_new(s, 39, NULL, NULL);
	struct suite_guest *other = suite_guest_new(s, 40, NULL, NULL);

	if (access("/sys/fs/cgroup/pids", F_OK))
		skip();
	limit_processes(bomb, "40");
	suite_guest_script(
	    bomb, "b() { b & b & sleep 1; }; b; while :; do sleep 9; done");
	suite_must_start(bomb);
	suite_must_start(other);
	inside_expect(other, "echo fine", "fine\n");
	suite_must(bomb, verb_kill);
	suite_guest_free(bomb);
	suite_guest_free(other);
}

/* ---- wires ---- */

static void
make_pair(struct nl *nl, unsigned nic, const char *mac)
{
	const struct port_spec port = {
		.guest = 41, .nic = nic, .bridge = "br0", .mac = mac
	};
	struct err e = ERR_INIT;

	if (port_pair_add(nl, &port, NULL, &e))
		fail_msg("port: %s", e.msg);
}

static Drover__NicSpec second;
static Drover__NicSpec *two_nics[2];

static void
verb_plug(struct suite_guest *sg, struct wake w)
{
	const struct engine_device d = { .spec = &sg->spec, .i = 1, .tap_fd = -1 };

	engine_plug_nic(sg->g, &d, w);
}

static void
verb_unplug(struct suite_guest *sg, struct wake w)
{
	const struct engine_device d = { .spec = &sg->spec, .i = 1, .tap_fd = -1 };

	engine_unplug_nic(sg->g, &d, w);
}

static void
wires_are_put_in(void **state)
{
	struct suite_guest *sg = suite_guest_new(*state, 41, NULL, NULL);
	struct nl *nl = NULL;
	struct nl_link link;
	struct err e = ERR_INIT;

	assert_int_equal(nl_new(&nl, &e), 0);
	if (nl_link_get(nl, "br0", &link, &e)) {
		/* NOLINTNEXTLINE(cert-env33-c): our own text */
		assert_int_equal(
		    system("ip link add br0 type bridge && ip link set br0 up"), 0);
	}
	suite_guest_wire(sg);
	sg->nic.name = borrow("nic-0");
	sg->nic.gateway = borrow("10.77.0.1");
	sg->nic.bridge = borrow("br0");
	/* What is not there when it starts is made. */
	assert_int_equal(port_del(nl, 41, 0, &e), 0);
	suite_must_start(sg);
	assert_int_equal(nl_link_get(nl, "dvt41n0", &link, &e), 0);
	assert_true(link.master > 0);
	assert_int_equal(nl_link_get(nl, "dvc41n0", &link, &e), ERR_NOT_FOUND);
	inside_expect(sg, "cat /sys/class/net/eth0/address", SUITE_MAC "\n");
	inside_expect(sg, "ip -4 addr show eth0 | grep -c 10.77.0.17/24", "1\n");
	inside_expect(
	    sg, "ip route | grep default", "default via 10.77.0.1 dev eth0 \n");
	drover__nic_spec__init(&second);
	second.name = borrow("nic-3");
	second.mac = borrow("52:54:00:00:00:33");
	two_nics[0] = &sg->nic;
	two_nics[1] = &second;
	sg->spec.nics = two_nics;
	sg->spec.n_nics = 2;
	make_pair(nl, 3, "52:54:00:00:00:33");
	suite_must(sg, verb_plug);
	inside_expect(sg, "cat /sys/class/net/eth3/address", "52:54:00:00:00:33\n");
	/* Whatever it is called inside. */
	inside_expect(sg, "ls /sys/class/net | wc -l", "3\n");
	suite_must(sg, verb_unplug);
	inside_expect(sg, "ls /sys/class/net | wc -l", "2\n");
	sg->spec.n_nics = 1;
	suite_must(sg, verb_reset);
	inside_expect(sg, "ip -4 addr show eth0 | grep -c 10.77.0.17/24", "1\n");
	suite_guest_free(sg);
	assert_int_equal(port_del(nl, 41, 3, &e), 0);
	nl_free(nl);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
oci_suite_run(void)
{
	static const struct CMUnitTest cases[] = {
		CASE(inside_is_its_own),
		CASE(rights_are_few),
		CASE(programs_run_inside),
		CASE(killed_programs_end),
		CASE(terminals_work),
		CASE(its_root_is_seen),
		CASE(console_is_kept),
		CASE(death_is_an_event),
		CASE(init_is_asked_to_shut_down),
		CASE(own_signal_is_sent),
		CASE(reset_starts_anew),
		CASE(failed_starts_say_why),
		cmocka_unit_test_setup_teardown(
		    oci_ends_without_its_runtime, oci_own_runtime, oci_runtime_back),
		CASE(layers_are_shared),
		CASE(links_lead_nowhere),
		CASE(adopts_what_was_cut_short),
		CASE(adopts_the_dead),
		CASE(oci_agent_dies_at_any_moment),
		CASE(fork_bombs_are_bounded),
		CASE(oci_disk_grows_or_says_why_not),
		CASE(wires_are_put_in),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}
