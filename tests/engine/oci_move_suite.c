#include "tests/engine/oci_move_suite.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/network/port.h"
#include "tests/engine/inside.h"
#include "tests/engine/pair.h"

#define MOVES   20

/* Files, a pipe, a socket that is connected through lo, memory shared by name, a timer.
 */
#define LIFE                                                                       \
	"mkfifo /p; (while read x; do echo $x >> /piped; done < /p) & exec 9>/p; " \
	"echo a >&9; exec 7>/open; rm /open; echo kept >/dev/shm/m; "              \
	"nc -l -p 7 -e cat >/dev/null 2>&1 & sleep 1; "                            \
	"(while sleep 0.05; do echo x; done) | nc 127.0.0.1 7 > /echoes & "        \
	"while sleep 0.05; do echo $$ >&7; echo b >&9; echo t >> /ticks; done"

/* Begun by somebody who goes: it belongs to the container's first process then. */
static void
live(struct suite_guest *sg)
{
	inside_must(sg, "/bin/busybox --install -s /bin 2>/dev/null; true");
	inside_must(sg, "(setsid sh -c '" LIFE "' </dev/null >/dev/null 2>&1 &)");
	inside_must(sg,
	    "i=0; while [ ! -s /echoes ]; do i=$((i+1)); [ $i -lt 200 ] || exit 1; "
	    "sleep 0.05; done");
}

static void
expect_life(struct suite_guest *sg)
{
	inside_must(sg,
	    "for f in /echoes /piped /ticks; do n=$(wc -l <$f); i=0; "
	    "while [ $(wc -l <$f) -le $n ]; do i=$((i+1)); "
	    "[ $i -lt 200 ] || { echo $f stands still; exit 1; }; sleep 0.05; done; done; "
	    "grep -q kept /dev/shm/m");
}

static void
move(struct pair *p)
{
	struct err e = ERR_INIT;
	struct suite_guest *was;

	pair_connect(p, &wire_whole);
	if (pair_leave(p, &e) || suite_end(p->comes, &e))
		fail_msg("move: %s", e.msg);
	pair_disconnect(p);
	pair_expect(p->to, ENGINE_RUNNING);
	suite_must(p->from, verb_kill);
	was = p->from;
	p->from = p->to;
	p->to = was;
}

/* ---- what survives ---- */

static void
processes_live_through_twenty_moves(void **state)
{
	struct pair p;

	pair_start(&p, *state, NULL);
	live(p.from);
	for (int i = 0; i < MOVES; i++)
		move(&p);
	expect_life(p.from);
	assert_int_equal(p.suite->n_events, 0);
	pair_end(&p);
}

static int
memory_file(const struct suite *s)
{
	AUTO_FREE char *path = xasprintf("%s/memory", s->dir);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static int suspended_fd;

static void
verb_suspend(struct suite_guest *sg, struct wake w)
{
	engine_suspend(sg->g, suspended_fd, w);
}

static void
suspends_and_goes_on(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 41, NULL, NULL);
	AUTO_CLOSE int fd = memory_file(s);
	struct err e = ERR_INIT;

	assert_int_equal(suite_start(sg, -1, &e), 0);
	live(sg);
	suspended_fd = fd;
	suite_must(sg, verb_suspend);
	pair_expect(sg, ENGINE_DOWN);
	assert_int_equal(engine_guest_end(sg->g), ENGINE_END_SUSPENDED);
	lseek(fd, 0, SEEK_SET);
	if (suite_start(sg, fd, &e))
		fail_msg("start: %s", e.msg);
	pair_expect(sg, ENGINE_RUNNING);
	expect_life(sg);
	assert_int_equal(s->n_events, 0);
	suite_guest_free(sg);
}

static void
half_a_memory_is_refused(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 42, NULL, NULL);
	AUTO_CLOSE int fd = memory_file(s);
	struct err e = ERR_INIT;
	struct stat st;

	assert_int_equal(suite_start(sg, -1, &e), 0);
	suspended_fd = fd;
	suite_must(sg, verb_suspend);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(ftruncate(fd, st.st_size - 1), 0);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(suite_start(sg, fd, &e), ERR_LOST);
	pair_expect(sg, ENGINE_DOWN);
	/* It can be started anew. */
	assert_int_equal(suite_start(sg, -1, &e), 0);
	suite_guest_free(sg);
}

/* No room for its memory: it runs on as if nothing had been. */
static void
runs_on_when_it_cannot_be_suspended(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 43, NULL, NULL);
	AUTO_CLOSE int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct err e = ERR_INIT;

	assert_int_equal(suite_start(sg, -1, &e), 0);
	live(sg);
	suspended_fd = full;
	assert_int_equal(suite_run(sg, verb_suspend, &e), ERR_NO_CAPACITY);
	pair_expect(sg, ENGINE_RUNNING);
	expect_life(sg);
	assert_int_equal(s->n_events, 0);
	suite_guest_free(sg);
}

/* ---- its disk ---- */

static void
own_image(const struct suite_guest *from, struct suite_guest *to)
{
	AUTO_CLOSE int fd = -1;
	struct stat st;

	snprintf(
	    to->disk_path, sizeof(to->disk_path), "%s/moved.ext4", from->suite->dir);
	fd = open(to->disk_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && !stat(from->disk_path, &st));
	assert_int_equal(ftruncate(fd, st.st_size), 0);
}

static void
its_disk_goes_along(void **state)
{
	struct pair p;
	struct err e = ERR_INIT;

	pair_start(&p, *state, NULL);
	own_image(p.from, p.to);
	live(p.from);
	inside_must(p.from,
	    "dd if=/dev/urandom of=/much bs=65536 count=40 2>/dev/null; "
	    "md5sum /much > /sum; sync");
	p.disk_wire = wire_new(&wire_whole, &p.here.fd, &p.there.fd);
	p.here.disk = p.there.disk = p.from->disk.name;
	p.departure.disks = &p.here;
	p.arrival.disks = &p.there;
	p.departure.n_disks = p.arrival.n_disks = 1;
	pair_connect(&p, &wire_whole);
	if (pair_leave(&p, &e) || suite_end(p.comes, &e))
		fail_msg("move: %s", e.msg);
	pair_disconnect(&p);
	assert_true(wire_free(p.disk_wire) > 40 * 65536);
	suite_must(p.from, verb_kill);
	inside_must(p.to, "md5sum -c /sum");
	expect_life(p.to);
	pair_end(&p);
}

/* ---- its wire ---- */

#define ECHO_PORT 7777

static void
wire_up(struct suite_guest *sg, struct nl *nl)
{
	static char name[] = "nic-0", gateway[] = "10.77.0.1";
	struct port_spec port = {
		.guest = sg->number, .bridge = "br0", .mac = SUITE_MAC
	};
	struct err e = ERR_INIT;

	suite_guest_wire(sg);
	sg->nic.name = name;
	sg->nic.gateway = gateway;
	if (port_pair_add(nl, &port, NULL, &e) || port_gate(nl, sg->number, 0, true, &e))
		fail_msg("port: %s", e.msg);
}

static int
connect_to_echo(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(ECHO_PORT),
		.sin_addr.s_addr = htonl(0x0a4d0011) };
	const struct timeval soon = { .tv_sec = 20 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		fail_msg("connect: %s", strerror(errno));
	return fd;
}

static void
expect_echo(int fd, int i)
{
	char said[16], heard[16] = "";
	int n = snprintf(said, sizeof(said), "%05d\n", i);

	assert_int_equal(send(fd, said, (size_t)n, MSG_NOSIGNAL), n);
	assert_int_equal(recv(fd, heard, (size_t)n, MSG_WAITALL), n);
	assert_string_equal(said, heard);
}

static void
listen_inside(struct suite_guest *sg)
{
	inside_must(sg,
	    "/bin/busybox --install -s /bin 2>/dev/null; "
	    "(setsid nc -ll -p 7777 -e cat </dev/null >/dev/null 2>&1 &); "
	    "while ! netstat -ltn | grep -q :7777; do sleep 0.05; done");
}

static void
connections_from_outside_are_kept(void **state)
{
	struct suite *s = *state;
	struct nl *nl = NULL;
	struct err e = ERR_INIT;
	struct pair p;
	int fd;

	/* NOLINTNEXTLINE(cert-env33-c): our own text */
	assert_int_equal(system("ip link add br0 type bridge && ip link set br0 up && "
				"ip addr add 10.77.0.1/24 dev br0"),
	    0);
	assert_int_equal(nl_new(&nl, &e), 0);
	pair_of(&p, s);
	p.from = suite_guest_new(s, 31, NULL, NULL);
	p.to = pair_target(s, p.from, 32);
	p.arrival.run = true;
	p.departure.give_up_ms = 30000;
	wire_up(p.from, nl);
	wire_up(p.to, nl);
	if (suite_start(p.from, -1, &e))
		fail_msg("start: %s", e.msg);
	listen_inside(p.from);
	fd = connect_to_echo();
	for (int i = 0; i < 4; i++) {
		expect_echo(fd, i);
		move(&p);
		expect_echo(fd, 100 + i);
	}
	suspended_fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(suite_run(p.from, verb_suspend, &e), ERR_NO_CAPACITY);
	close(suspended_fd);
	expect_echo(fd, 200);
	close(fd);
	pair_end(&p);
	for (uint64_t g = 31; g <= 32; g++)
		assert_int_equal(port_del(nl, g, 0, &e), 0);
	nl_free(nl);
	/* NOLINTNEXTLINE(cert-env33-c): our own text */
	assert_int_equal(system("ip link del br0"), 0);
}

/* ---- what keeps it here ---- */

static void
sessions_are_named(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 44, NULL, NULL);
	static const char *const args[] = { "/bin/sh", "-c",
		"touch /here; exec sleep 600", NULL };
	AUTO_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const struct engine_exec x = {
		.args = args, .cwd = "", .fds = { null, null, null }
	};
	struct inside in;
	const struct engine_offer *o;
	struct child *c;
	struct err e = ERR_INIT;

	assert_int_equal(suite_start(sg, -1, &e), 0);
	c = inside_begin(sg, &x, &in);
	inside_must(sg, "while [ ! -e /here ]; do sleep 0.05; done");
	suite_must(sg, verb_offer);
	o = engine_move_offered(sg->g);
	assert_true(o->n_obstacles > 0);
	if (!strstr(o->obstacles[0], "(sleep) was started from outside"))
		fail_msg("%s", o->obstacles[0]);
	suspended_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	assert_int_equal(suite_run(sg, verb_suspend, &e), ERR_BAD_STATE);
	close(suspended_fd);
	if (!strstr(e.msg, "(sleep) was started from outside"))
		fail_msg("%s", e.msg);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_RUNNING);
	child_kill(c, SIGKILL);
	suite_await(s, inside_ended, &in);
	suite_guest_free(sg);
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
	suite_free(*state);
	return 0;
}

bool
oci_move_suite_can(void)
{
	struct suite *s = suite_new(SUITE_OCI, NULL);
	const struct engine_cap_fact *f =
	    &engine_facts(s->engine)->caps[ENGINE_CAP_LIVE_MIGRATION];
	bool able = f->able;

	if (!able)
		fprintf(stderr, "moves are skipped: %s\n", f->why_not);
	suite_free(s);
	return able;
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
oci_move_suite_run(void)
{
	static const struct CMUnitTest tests[] = {
		ALONE(processes_live_through_twenty_moves),
		ALONE(suspends_and_goes_on),
		ALONE(half_a_memory_is_refused),
		ALONE(runs_on_when_it_cannot_be_suspended),
		ALONE(its_disk_goes_along),
		ALONE(connections_from_outside_are_kept),
		ALONE(sessions_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
