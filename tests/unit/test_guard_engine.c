/*
 * A guard around what the engines start: QEMU itself, and a container's runtime.
 */
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
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/fence/guard_client.h"
#include "loop/child.h"
#include "tests/lib/agent_bed.h"

#define QEMU     "/usr/bin/qemu-system-x86_64"
#define BUSYBOX  "/bin/busybox"
#define LATER_US UINT64_C(60000000)
#define SOON_US  UINT64_C(100000)
#define SOME_UID 61234

struct guest {
	struct bed *bed;
	struct guard_client *client;
	struct guard_state state;
	int status;
	bool done;
};

static uint64_t
in_us(uint64_t us)
{
	return clock_mono_us(clock_system()) + us;
}

static void
on_change(void *arg, const struct guard_state *s)
{
	struct guest *g = arg;

	g->state = *s;
}

static bool
is_told(void *arg)
{
	const struct guest *g = arg;

	return g->state.life != GUARD_LIFE_STARTS;
}

static bool
is_over(void *arg)
{
	const struct guest *g = arg;

	return g->state.life > GUARD_LIFE_RUNS;
}

static int
setup(void **state)
{
	struct guest *g = xcalloc(1, sizeof(*g));

	g->bed = bed_new();
	*state = g;
	return 0;
}

static int
teardown(void **state)
{
	struct guest *g = *state;

	if (g->client && g->state.life == GUARD_LIFE_RUNS) {
		assert_int_equal(guard_client_kill(g->client, NULL), 0);
		bed_until(g->bed, is_over, g);
	}
	if (g->state.heard)
		assert_int_equal(guard_client_release(g->client, NULL), 0);
	guard_client_free(g->client);
	bed_free(g->bed);
	free(g);
	return 0;
}

static struct guard_opts
opts_for(struct guest *g, const char *const *argv)
{
	return (struct guard_opts){
		.guard = GUARD_PROGRAM,
		.dir = g->bed->dir,
		.deadline_us = in_us(LATER_US),
		.argv = argv,
		.output_path = bed_path(g->bed, "out"),
	};
}

static void
start(struct guest *g, const struct guard_opts *o)
{
	struct err e = ERR_INIT;

	if (guard_client_start(g->bed->loop, o, on_change, g, &g->client, &e))
		fail_msg("%s", e.msg);
	bed_until(g->bed, is_told, g);
	if (g->state.life != GUARD_LIFE_RUNS)
		fail_msg("%s", g->state.why.msg);
}

/* ---- a machine ---- */

static bool
is_greeted(void *arg)
{
	struct pollfd p = { .fd = *(int *)arg, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* QMP over a listening socket that QEMU is given, as the engine does it. */
static void
a_machine_answers_and_dies_on_time(void **state)
{
	static const char *const argv[] = { QEMU, "-nodefaults", "-no-user-config",
		"-display", "none", "-machine", "q35,accel=tcg", "-m", "64", "-S",
		"-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-chardev", "socket,id=qmp,fd=3,server=on,wait=off", "-mon",
		"chardev=qmp,mode=control", NULL };
	static const char ask[] = "{\"execute\":\"qmp_capabilities\"}\n"
				  "{\"execute\":\"query-status\"}\n";
	struct guest *g = *state;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	AUTO_CLOSE int wait_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct guard_opts o = opts_for(g, argv);
	char said[4096] = "";
	size_t n = 0;

	if (access(QEMU, X_OK))
		skip();
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", bed_path(g->bed, "qmp.sock"));
	assert_int_equal(bind(wait_fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(wait_fd, 1), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	o.pass_fds = &wait_fd;
	o.n_pass_fds = 1;
	o.uid = o.gid = SOME_UID;
	start(g, &o);
	assert_int_equal(write(fd, ask, sizeof(ask) - 1), sizeof(ask) - 1);
	while (!strstr(said, "prelaunch")) {
		ssize_t got;

		bed_until(g->bed, is_greeted, &fd);
		got = read(fd, said + n, sizeof(said) - 1 - n);
		assert_true(got > 0);
		n += (size_t)got;
	}
	assert_int_equal(guard_client_arm(g->client, in_us(SOON_US), NULL), 0);
	bed_until(g->bed, is_over, g);
	assert_int_equal(g->state.life, GUARD_LIFE_KILLED);
}

/* ---- a container ---- */

static void
write_text(const char *path, const char *text)
{
	bed_write(path, text, strlen(text));
}

static void
make_bundle(struct guest *g)
{
	AUTO_FREE char *make =
	    xasprintf("cd %s && mkdir -p b/rootfs/bin b/rootfs/proc b/rootfs/dev &&"
		      " cp " BUSYBOX " b/rootfs/bin/sh",
		g->bed->dir);
	AUTO_FREE char *config = xasprintf("%s/b/config.json", g->bed->dir);

	assert_int_equal(system(make), 0); /* NOLINT(cert-env33-c): our own text */
	write_text(config,
	    "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"rootfs\"},"
	    "\"process\":{\"cwd\":\"/\",\"args\":[\"/bin/sh\",\"-c\","
	    "\"(sh -c 'while :; do read x; done' < /dev/zero &);"
	    " while :; do sleep 1000; done\"],"
	    "\"env\":[\"PATH=/bin\"],\"user\":{\"uid\":0,\"gid\":0}},"
	    "\"mounts\":[{\"destination\":\"/proc\",\"type\":\"proc\","
	    "\"source\":\"proc\"}],"
	    "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},"
	    "{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"network\"}]}}");
}

static void
on_ran(struct child *c, const struct child_result *r, void *arg)
{
	struct guest *g = arg;

	g->status = r->status;
	g->done = true;
}

static bool
is_done(void *arg)
{
	const struct guest *g = arg;

	return g->done;
}

/* The runtime in the guard's namespace: it sees its containers by their names there. */
static int
runtime(struct guest *g, const char *const *args)
{
	const char *argv[24] = { GUARD_PROGRAM, "enter", "--init", "3", "--",
		RUNC_PROGRAM, "--root", bed_path(g->bed, "state") };
	int init = guard_client_pidfd(g->client);
	struct child_opts o = { .argv = argv,
		.pass_fds = &init,
		.n_pass_fds = 1,
		.stdout_path = bed_path(g->bed, "out"),
		.stderr_path = bed_path(g->bed, "out"),
		.timeout_ms = 20000 };
	struct child *child;

	for (size_t i = 0; args[i]; i++)
		argv[8 + i] = args[i];
	g->done = false;
	assert_int_equal(child_start(g->bed->loop, &o, on_ran, g, &child, NULL), 0);
	bed_until(g->bed, is_done, g);
	return g->status;
}

static void
a_container_dies_on_time(void **state)
{
	struct guest *g = *state;
	struct guard_opts o = opts_for(g, NULL);
	AUTO_FREE char *bundle = xasprintf("%s/b", g->bed->dir);
	AUTO_FREE char *pid_file = xasprintf("%s/pid", g->bed->dir);
	AUTO_FREE char *name = xasprintf("drover-guard-%d", (int)getpid());
	const char *const run[] = { "run", "-d", "--bundle", bundle, "--pid-file",
		pid_file, name, NULL };
	const char *const exec[] = { "exec", name, "/bin/sh", "-c", "exit 0", NULL };
	const char *const delete[] = { "delete", "--force", name, NULL };
	AUTO_FREE uint8_t *text = NULL;
	AUTO_CLOSE int container = -1;
	struct guest after = { .bed = g->bed };
	pid_t inner, outer = 0;
	size_t n;

	if (access(RUNC_PROGRAM, X_OK) || access(BUSYBOX, X_OK))
		skip();
	make_bundle(g);
	start(g, &o);
	assert_int_equal(runtime(g, run), 0);
	assert_int_equal(runtime(g, exec), 0);
	text = bed_read(pid_file, &n);
	inner = (pid_t)strtol((char *)text, NULL, 10);
	assert_int_equal(guard_client_outer_pid(g->client, inner, &outer, NULL), 0);
	container = pidfd_open(outer, 0);
	assert_true(container >= 0);
	assert_int_equal(guard_client_arm(g->client, in_us(SOON_US), NULL), 0);
	bed_until(g->bed, is_over, g);
	assert_int_equal(g->state.life, GUARD_LIFE_KILLED);
	assert_int_equal(pidfd_send_signal(container, 0, NULL, 0), -1);
	assert_int_equal(errno, ESRCH);
	/* What the runtime wrote down is swept away from within another one. */
	guard_client_free(MOVE(g->client));
	o = opts_for(g, NULL);
	assert_int_equal(
	    guard_client_start(g->bed->loop, &o, on_change, &after, &g->client, NULL),
	    0);
	bed_until(g->bed, is_told, &after);
	g->state = after.state;
	assert_int_equal(runtime(g, delete), 0);
	assert_int_equal(guard_client_kill(g->client, NULL), 0);
	bed_until(g->bed, is_over, &after);
	g->state = after.state;
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_machine_answers_and_dies_on_time),
		TEST(a_container_dies_on_time),
	};

	if (geteuid() != 0) {
		fprintf(stderr, "namespaces need root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
