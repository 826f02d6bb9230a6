/*
 * The conformance suite: what every engine must do alike, and then what only real
 * processes can show.  engine_suite sim | qemu | oci, and what is alike with all
 * guests under guards: engine_suite qemu guarded.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine_console.h"
#include "host-agent/engine/engine_guard.h"
#include "host-agent/engine/engine_kind.h"
#include "host-agent/network/port.h"
#include "host-agent/resource/cg.h"
#include "tests/engine/device_suite.h"
#include "tests/engine/guard_suite.h"
#include "tests/engine/move_suite.h"
#include "tests/engine/oci_move_suite.h"
#include "tests/engine/oci_suite.h"
#include "tests/engine/sim_suite.h"
#include "tests/engine/snapshot_suite.h"
#include "tests/engine/suite.h"
#include "tests/lib/borrow.h"

#define SKIPPED    77
#define SEEN_IN_MS 1000

extern const unsigned char disk_writer_sector[512];

static enum suite_kind kind;

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

static int memory_fd = -1;
static uint32_t stop_ms;

static void
verb_suspend(struct suite_guest *sg, struct wake w)
{
	engine_suspend(sg->g, memory_fd, w);
}

static void
verb_stop(struct suite_guest *sg, struct wake w)
{
	engine_stop(sg->g, stop_ms, w);
}

static void
verb_resize(struct suite_guest *sg, struct wake w)
{
	engine_resize(sg->g, &sg->spec, w);
}

/* ---- alike in every engine ---- */

static void
knows_what_it_can_do(void **state)
{
	struct suite *s = *state;
	const struct engine_facts *f = engine_facts(s->engine);

	assert_true(f->usable);
	assert_true(*f->version);
	assert_true(engine_can(s->engine, ENGINE_CAP_PAUSE));
	if (kind != SUITE_OCI)
		assert_true(engine_can(s->engine, ENGINE_CAP_LIVE_MIGRATION));
	assert_false(engine_can(s->engine, ENGINE_CAP_POST_COPY));
	for (int cap = 0; cap < ENGINE_CAPS_; cap++)
		assert_true(f->caps[cap].able || *f->caps[cap].why_not);
}

static void
starts_and_is_killed(void **state)
{
	struct suite_guest *sg = suite_guest_new(*state, 1, NULL, NULL);
	const struct engine_stat *st = engine_guest_stat(sg->g);
	pid_t pid;

	assert_int_equal(engine_guest_state(sg->g), ENGINE_DOWN);
	suite_must_start(sg);
	pid = st->pid;
	assert_true(pid > 0);
	assert_int_equal(st->num_cpu, 1);
	assert_int_equal(st->memory_mb, 64);
	/* Once more: done already, nothing happens. */
	suite_must_start(sg);
	assert_int_equal(st->pid, pid);
	suite_must(sg, verb_query);
	suite_must(sg, verb_kill);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_DOWN);
	assert_int_equal(engine_guest_end(sg->g), ENGINE_END_ORDERED);
	assert_int_equal(st->pid, 0);
	suite_must(sg, verb_kill);
	assert_int_equal(((struct suite *)*state)->n_events, 0);
	suite_guest_free(sg);
}

static void
pauses_resumes_resets(void **state)
{
	struct suite_guest *sg = suite_guest_new(*state, 2, NULL, NULL);

	suite_must_start(sg);
	suite_must(sg, verb_pause);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_PAUSED);
	suite_must(sg, verb_pause);
	suite_must(sg, verb_resume);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_RUNNING);
	suite_must(sg, verb_resume);
	suite_must(sg, verb_pause);
	suite_must(sg, verb_reset);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_RUNNING);
	assert_int_equal(((struct suite *)*state)->n_events, 0);
	suite_guest_free(sg);
}

static void
refuses_what_makes_no_sense(void **state)
{
	struct suite_guest *sg = suite_guest_new(*state, 3, NULL, NULL);
	struct err e = ERR_INIT;

	assert_int_equal(suite_run(sg, verb_pause, &e), ERR_BAD_STATE);
	assert_string_equal(e.msg, "vm-3: cannot pause: it is down");
	assert_int_equal(suite_run(sg, verb_reset, &e), ERR_BAD_STATE);
	sg->spec.num_cpu = 0;
	assert_int_equal(suite_start(sg, -1, &e), ERR_INVALID);
	sg->spec.num_cpu = 1;
	assert_int_equal(engine_guest_state(sg->g), ENGINE_DOWN);
	suite_guest_free(sg);
}

static void
says_when_a_guest_does_not_shut_down(void **state)
{
	struct suite_guest *sg = suite_guest_new(*state, 4, NULL, NULL);
	struct err e = ERR_INIT;

	suite_must_start(sg);
	stop_ms = 100;
	assert_int_equal(suite_run(sg, verb_stop, &e), ERR_TIMEOUT);
	assert_string_equal(e.msg, "vm-4 did not shut down within 1 s; it runs on");
	assert_int_equal(engine_guest_state(sg->g), ENGINE_RUNNING);
	suite_guest_free(sg);
}

static bool
is_starting(void *arg)
{
	return engine_guest_state(arg) == ENGINE_STARTING;
}

static void
kill_cuts_a_start_short(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 5, NULL, NULL);

	suite_start_verb(sg, WAKE_NONE);
	suite_await(s, is_starting, sg->g);
	suite_must(sg, verb_kill);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_DOWN);
	suite_must_start(sg);
	suite_guest_free(sg);
}

static void
kill_gets_through_while_another_one_is_under_way(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 5, NULL, NULL);

	suite_must_start(sg);
	engine_kill(sg->g, WAKE_NONE);
	suite_must(sg, verb_kill);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_DOWN);
	assert_int_equal(engine_guest_end(sg->g), ENGINE_END_ORDERED);
	assert_int_equal(s->n_events, 0);
	suite_guest_free(sg);
}

static int
open_memory(const struct suite *s)
{
	AUTO_FREE char *path = xasprintf("%s/memory", s->dir);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static void
suspends_and_goes_on(void **state)
{
	struct suite_guest *sg = suite_guest_new(*state, 6, NULL, NULL);
	struct err e = ERR_INIT;

	suite_must_start(sg);
	memory_fd = open_memory(*state);
	suite_must(sg, verb_suspend);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_DOWN);
	assert_int_equal(engine_guest_end(sg->g), ENGINE_END_SUSPENDED);
	if (suite_start(sg, memory_fd, &e))
		fail_msg("start from memory: %s", e.msg);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_RUNNING);
	suite_must(sg, verb_kill);
	/* An image that was not written to its end is none. */
	assert_int_equal(ftruncate(memory_fd, 10), 0);
	assert_int_equal(suite_start(sg, memory_fd, &e), ERR_CORRUPT);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_DOWN);
	close(memory_fd);
	assert_int_equal(((struct suite *)*state)->n_events, 0);
	suite_guest_free(sg);
}

static void
grows_but_does_not_shrink(void **state)
{
	struct suite_guest *sg = suite_guest_new(*state, 7, NULL, NULL);
	const struct engine_stat *st = engine_guest_stat(sg->g);
	struct err e = ERR_INIT;

	suite_must_start(sg);
	sg->spec.num_cpu = 2;
	sg->spec.memory_mb = 192;
	suite_must(sg, verb_resize);
	assert_int_equal(st->num_cpu, 2);
	assert_int_equal(st->memory_mb, 192);
	sg->spec.memory_mb = 64;
	assert_int_equal(suite_run(sg, verb_resize, &e), ERR_UNSUPPORTED);
	assert_non_null(strstr(e.msg, "needs power off"));
	assert_int_equal(st->memory_mb, 192);
	/* What was plugged comes back with the memory. */
	memory_fd = open_memory(*state);
	suite_must(sg, verb_suspend);
	if (suite_start(sg, memory_fd, &e))
		fail_msg("start from memory: %s", e.msg);
	assert_int_equal(st->num_cpu, 2);
	assert_int_equal(st->memory_mb, 192);
	close(memory_fd);
	suite_guest_free(sg);
}

static void
outlives_the_agent(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 8, NULL, NULL);
	struct err e = ERR_INIT;
	pid_t pid;

	suite_must_start(sg);
	suite_must(sg, verb_pause);
	pid = engine_guest_stat(sg->g)->pid;
	engine_guest_free(sg->g);
	suite_restart(s);
	suite_guest_handle(sg);
	if (suite_run(sg, verb_adopt, &e))
		fail_msg("adopt: %s", e.msg);
	assert_int_equal(engine_guest_stat(sg->g)->pid, pid);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_PAUSED);
	suite_must(sg, verb_resume);
	suite_must(sg, verb_kill);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_DOWN);
	suite_guest_free(sg);
}

static void
adopts_nothing_where_nothing_runs(void **state)
{
	struct suite_guest *sg = suite_guest_new(*state, 9, NULL, NULL);
	struct err e = ERR_INIT;

	assert_int_equal(suite_run(sg, verb_adopt, &e), ERR_NOT_FOUND);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_DOWN);
	suite_guest_free(sg);
}

/* ---- with real processes ---- */

static void
expect_death(struct suite *s, unsigned n, const char *reason)
{
	uint64_t since = clock_mono_ms(clock_system());

	suite_await_events(s, n);
	assert_true(clock_mono_ms(clock_system()) - since < SEEN_IN_MS);
	assert_int_equal(s->events[n - 1].kind, ENGINE_EV_DOWN);
	if (!strstr(s->events[n - 1].reason, reason))
		fail_msg("reason \"%s\"", s->events[n - 1].reason);
}

static void
death_is_seen_with_its_reason(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 10, NULL, NULL);

	suite_must_start(sg);
	kill(engine_guest_stat(sg->g)->pid, SIGKILL);
	expect_death(s, 1, "killed by SIGKILL");
	assert_int_equal(engine_guest_end(sg->g), ENGINE_END_DIED);
	suite_must_start(sg);
	kill(engine_guest_stat(sg->g)->pid, SIGTERM);
	expect_death(s, 2, "terminating on signal 15");
	suite_guest_free(sg);
}

static void
death_of_an_adopted_one_is_seen(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 11, NULL, NULL);
	struct err e = ERR_INIT;

	suite_must_start(sg);
	engine_guest_free(sg->g);
	suite_restart(s);
	suite_guest_handle(sg);
	assert_int_equal(suite_run(sg, verb_adopt, &e), 0);
	kill(engine_guest_stat(sg->g)->pid, SIGTERM);
	expect_death(s, 1, "terminating on signal 15");
	suite_guest_free(sg);
}

static void
status_line(pid_t pid, const char *key, char *buf, size_t n)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "re");

	assert_non_null(f);
	buf[0] = '\0';
	while (fgets(buf, (int)n, f) && strncmp(buf, key, strlen(key)) != 0)
		buf[0] = '\0';
	fclose(f);
}

static void
runs_without_rights(void **state)
{
	struct suite_guest *sg = suite_guest_new(*state, 12, NULL, NULL);
	char line[256];
	pid_t pid;

	suite_must_start(sg);
	pid = engine_guest_stat(sg->g)->pid;
	status_line(pid, "Uid:", line, sizeof(line));
	assert_string_equal(line, "Uid:\t64012\t64012\t64012\t64012\n");
	status_line(pid, "Gid:", line, sizeof(line));
	assert_string_equal(line, "Gid:\t64000\t64000\t64000\t64000\n");
	status_line(pid, "NoNewPrivs:", line, sizeof(line));
	assert_string_equal(line, "NoNewPrivs:\t1\n");
	status_line(pid, "Seccomp:", line, sizeof(line));
	assert_string_equal(line, "Seccomp:\t2\n");
	status_line(pid, "CapBnd:", line, sizeof(line));
	assert_string_equal(line, "CapBnd:\t0000000000000000\n");
	suite_guest_free(sg);
}

static void
an_image_is_used_once_only(void **state)
{
	struct suite_guest *one = suite_guest_new(*state, 13, NULL, NULL);
	struct suite_guest *two = suite_guest_new(*state, 14, NULL, NULL);
	struct err e = ERR_INIT;

	suite_must_start(one);
	snprintf(two->disk_path, sizeof(two->disk_path), "%s", one->disk_path);
	assert_int_equal(suite_start(two, -1, &e), ERR_IO);
	if (!strstr(e.msg, "lock"))
		fail_msg("start: %s", e.msg);
	assert_int_equal(engine_guest_state(two->g), ENGINE_DOWN);
	assert_int_equal(engine_guest_state(one->g), ENGINE_RUNNING);
	suite_guest_free(two);
	suite_guest_free(one);
}

/* A file that takes all the room there is. */
static void
fill(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	static const char block[65536];

	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
}

static void
stalls_without_room_and_goes_on(void **state)
{
	struct suite *s = *state;
	AUTO_FREE char *small = xasprintf("%s/small", s->dir);
	AUTO_FREE char *filler = xasprintf("%s/filler", small);
	struct suite_guest *sg;

	mkdir(small, 0700);
	assert_int_equal(mount("drover-test", small, "tmpfs", 0, "size=24m"), 0);
	sg = suite_guest_new(s, 15, small, disk_writer_sector);
	fill(filler);
	suite_must_start(sg);
	suite_await_events(s, 1);
	assert_int_equal(s->events[0].kind, ENGINE_EV_STALLED);
	assert_string_equal(s->events[0].reason,
	    "disk-0: write failed: no space left on its datastore");
	assert_int_equal(engine_guest_state(sg->g), ENGINE_STALLED);
	assert_string_equal(engine_guest_reason(sg->g), s->events[0].reason);
	/* Still no room: it stalls again. */
	suite_must(sg, verb_resume);
	suite_await_events(s, 2);
	/* The agent comes back meanwhile. */
	engine_guest_free(sg->g);
	suite_restart(s);
	suite_guest_handle(sg);
	suite_must(sg, verb_adopt);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_STALLED);
	assert_string_equal(
	    engine_guest_reason(sg->g), "disk-0: no space left on its datastore");
	s->n_events = 0;
	assert_int_equal(unlink(filler), 0);
	suite_must(sg, verb_resume);
	suite_must(sg, verb_query);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_RUNNING);
	suite_guest_free(sg);
	assert_int_equal(umount(small), 0);
}

static void
failed_start_leaves_nothing(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 16, NULL, NULL);
	AUTO_FREE char *left = xasprintf("%s/qmp.sock", sg->dir);
	struct err e = ERR_INIT;

	/* Said to be an image, but is not. */
	sg->disk.format = borrow("qcow2");
	assert_int_equal(suite_start(sg, -1, &e), ERR_IO);
	if (!strstr(e.msg, "vm-16: cannot start") || !strstr(e.msg, "qcow2"))
		fail_msg("start: %s", e.msg);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_DOWN);
	assert_int_equal(access(left, F_OK), -1);
	assert_int_equal(s->n_events, 0);
	suite_guest_free(sg);
}

/* ---- a real guest, with a wire and a group ---- */

static struct nl *nl;
static const char *said;

static void
plug(struct suite_guest *sg)
{
	struct port_spec port = { .guest = 17, .bridge = "br0", .mac = SUITE_MAC };
	struct err e = ERR_INIT;

	if (port_add(nl, &port, &sg->tap, &e))
		fail_msg("port: %s", e.msg);
}

static bool
has_said(void *arg)
{
	struct suite_guest *sg = arg;
	AUTO_FREE char *buf = xcalloc(1, ENGINE_CONSOLE_MAX + 1);

	engine_console_tail(sg->g, buf, ENGINE_CONSOLE_MAX);
	return strstr(buf, said) != NULL;
}

static void
await_words(struct suite_guest *sg, const char *words)
{
	said = words;
	suite_await(sg->suite, has_said, sg);
}

static void
type_in(struct suite_guest *sg, const char *line)
{
	struct err e = ERR_INIT;

	if (engine_console_write(sg->g, line, strlen(line), &e))
		fail_msg("console: %s", e.msg);
}

/* What is plugged is seen inside, what is taken out is not. */
static void
devices_reach_the_guest(struct suite_guest *sg)
{
	struct port_spec port = {
		.guest = 17, .nic = 3, .bridge = "br0", .mac = "52:54:00:00:00:33"
	};
	struct err e = ERR_INIT;
	int tap;

	suite_guest_second(sg);
	device_second_in(sg);
	type_in(sg, "until [ -e /sys/block/vdb ]; do :; done; "
		    "echo disk-$(cat /sys/block/vdb/size)\n");
	await_words(sg, "disk-32768");
	device_second_grow(sg);
	type_in(sg, "until [ $(cat /sys/block/vdb/size) = 65536 ]; do :; done; "
		    "echo gro''wn\n");
	await_words(sg, "grown");
	if (port_add(nl, &port, &tap, &e))
		fail_msg("port: %s", e.msg);
	device_nic_in(sg, tap);
	type_in(sg, "until [ -e /sys/class/net/eth1 ]; do :; done; "
		    "echo mac-$(cat /sys/class/net/eth1/address)\n");
	await_words(sg, "mac-52:54:00:00:00:33");
	device_nic_out(sg);
	type_in(sg, "[ -e /sys/class/net/eth1 ] || echo ta''ken\n");
	await_words(sg, "taken");
}

/* Its memory comes back with the shell and what was plugged; the shell still works. */
static void
sleep_and_wake(struct suite_guest *sg)
{
	static const char sum[] = "echo sum-$((20+22))\n";
	struct err e = ERR_INIT;

	sg->spec.num_cpu = 2;
	sg->spec.memory_mb = 320;
	suite_must(sg, verb_resize);
	memory_fd = open_memory(sg->suite);
	suite_must(sg, verb_suspend);
	sg->spec.n_nics = 0;
	assert_int_equal(suite_start(sg, memory_fd, &e), ERR_IO);
	sg->spec.n_nics = 1;
	plug(sg);
	if (suite_start(sg, memory_fd, &e))
		fail_msg("start from memory: %s", e.msg);
	close(memory_fd);
	if (engine_console_write(sg->g, sum, sizeof(sum) - 1, &e))
		fail_msg("console: %s", e.msg);
	await_words(sg, "sum-42");
}

static struct cg *
make_group(struct suite_guest *sg)
{
	AUTO_FREE char *base = xasprintf("drover-suite-%d", (int)getpid());
	struct cg_values v;
	struct err e = ERR_INIT;
	struct cg *cg = NULL;

	cg_values_of(&sg->spec, 0, &v);
	if (cg_new("/sys/fs/cgroup", base, &cg, &e))
		return NULL;
	if (cg_guest_set(cg, sg->number, &v, &e))
		fail_msg("group: %s", e.msg);
	sg->join_cgroups = cg_guest_join(cg, sg->number);
	return cg;
}

static void
remove_group(struct suite_guest *sg, struct cg *cg)
{
	struct err e = ERR_INIT;

	if (!cg)
		return;
	if (cg_guest_del(cg, sg->number, &e) || cg_remove_base(cg, &e))
		fail_msg("group: %s", e.msg);
	cg_free(cg);
}

static void
clone_disk(struct suite_guest *sg, const char *image)
{
	AUTO_FREE char *command = xasprintf(
	    "qemu-img create -q -f qcow2 -F qcow2 -b '%s' '%s'", image, sg->disk_path);

	assert_int_equal(unlink(sg->disk_path), 0);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own text */
	sg->disk.format = borrow("qcow2");
	sg->layer.path = borrow(image);
	sg->layer.format = borrow("qcow2");
	sg->disk.n_backing = 1;
}

/* DROVER_TINY names the image; else one that labs have left in DROVER_TINY_CACHE will
 * do. */
static char *
find_image(void)
{
	const char *named = getenv("DROVER_TINY"), *cache = getenv("DROVER_TINY_CACHE");
	AUTO_FREE char *pattern = xasprintf("%s/tiny-*.qcow2", cache ? cache : "");
	char *found = xstrdup(named);
	glob_t g;

	if (!found && cache && glob(pattern, 0, NULL, &g) == 0) {
		found = xstrdup(g.gl_pathv[0]);
		globfree(&g);
	}
	return found;
}

static void
real_guest_lives_its_life(void **state)
{
	struct suite *s = *state;
	AUTO_FREE char *image = find_image();
	struct suite_guest *sg;
	struct cg_usage usage = { 0 };
	struct err e = ERR_INIT;
	struct nl_link tap;
	struct cg *cg;

	if (!image) {
		print_message("skipped: no tiny image, see deploy/tiny/build.sh\n");
		skip();
	}
	sg = suite_guest_new(s, 17, NULL, NULL);
	sg->spec.memory_mb = 192;
	clone_disk(sg, image);
	cg = make_group(sg);
	/* NOLINTNEXTLINE(cert-env33-c): our own text */
	assert_int_equal(
	    system("ip link add br0 type bridge && ip link set br0 up"), 0);
	assert_int_equal(nl_new(&nl, &e), 0);
	suite_guest_wire(sg);
	plug(sg);
	suite_must_start(sg);
	await_words(sg, "ready");
	devices_reach_the_guest(sg);
	sleep_and_wake(sg);
	type_in(sg, "echo woke-$(cat /sys/block/vdb/size)\n");
	await_words(sg, "woke-65536");
	device_second_out(sg);
	type_in(sg, "echo disks-$(ls /sys/block | wc -w)\n");
	await_words(sg, "disks-1");
	if (cg) {
		assert_int_equal(cg_guest_usage(cg, 17, &usage, &e), 0);
		assert_true(usage.cpu_used_us > 0 && usage.memory_bytes > 0);
	}
	stop_ms = 30000;
	suite_must(sg, verb_stop);
	assert_int_equal(engine_guest_end(sg->g), ENGINE_END_ORDERED);
	/* Nothing of it is left. */
	assert_int_equal(nl_link_get(nl, "dvt17n0", &tap, &e), ERR_NOT_FOUND);
	assert_int_equal(s->n_events, 0);
	remove_group(sg, cg);
	sg->join_cgroups = NULL;
	nl_free(nl);
	nl = NULL;
	suite_guest_free(sg);
}

#define BOTH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* What is as it is with guards and without. */

static int
run_oci_rest(void)
{
	int failed = guard_suite_run(kind);

	if (oci_move_suite_can())
		failed += move_suite_run(kind) + oci_move_suite_run() +
			  guard_move_suite_run(kind);
	return failed;
}

static int
run_machines_rest(void)
{
	int failed = guard_suite_run(kind) + guard_move_suite_run(kind);

	if (kind == SUITE_QEMU)
		failed += disk_suite_run() + snapshot_suite_run();
	return failed;
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest alike[] = {
		BOTH(knows_what_it_can_do),
		BOTH(starts_and_is_killed),
		BOTH(pauses_resumes_resets),
		BOTH(refuses_what_makes_no_sense),
		BOTH(says_when_a_guest_does_not_shut_down),
		BOTH(kill_cuts_a_start_short),
		BOTH(kill_gets_through_while_another_one_is_under_way),
		BOTH(outlives_the_agent),
		BOTH(adopts_nothing_where_nothing_runs),
	};
	static const struct CMUnitTest machines[] = {
		BOTH(suspends_and_goes_on),
		BOTH(grows_but_does_not_shrink),
		BOTH(devices_are_plugged),
	};
	static const struct CMUnitTest qemu_only[] = {
		BOTH(death_is_seen_with_its_reason),
		BOTH(death_of_an_adopted_one_is_seen),
		BOTH(runs_without_rights),
		BOTH(an_image_is_used_once_only),
		BOTH(stalls_without_room_and_goes_on),
		BOTH(failed_start_leaves_nothing),
		BOTH(real_guest_lives_its_life),
	};
	int failed;

	if (argc == 3 && str_same(argv[2], "guarded")) {
		suite_guard_until_us = GUARD_NO_DEADLINE;
		argc--;
	}
	if (argc == 2 && str_same(argv[1], "oci")) {
		kind = SUITE_OCI;
		if (!oci_suite_can())
			return SKIPPED;
		failed = cmocka_run_group_tests(alike, NULL, NULL);
		if (!suite_guard_until_us)
			failed += run_oci_rest();
		return failed + oci_suite_run() ? 1 : 0;
	}
	if (argc != 2 || (!str_same(argv[1], "sim") && !str_same(argv[1], "qemu"))) {
		fprintf(stderr, "usage: %s sim|qemu|oci [guarded]\n", argv[0]);
		return 2;
	}
	kind = str_same(argv[1], "qemu") ? SUITE_QEMU : SUITE_SIM;
	if (kind == SUITE_QEMU && geteuid() != 0) {
		fprintf(stderr,
		    "skipped: guests get users of their own, which takes root\n");
		return SKIPPED;
	}
	if (kind == SUITE_QEMU && access("/usr/bin/qemu-system-x86_64", X_OK)) {
		fprintf(stderr, "skipped: no qemu-system-x86_64 here\n");
		return SKIPPED;
	}
	if (kind == SUITE_QEMU && unshare(CLONE_NEWNET)) {
		fprintf(stderr, "skipped: no network namespace: %s\n", strerror(errno));
		return SKIPPED;
	}
	failed = cmocka_run_group_tests(alike, NULL, NULL);
	failed += cmocka_run_group_tests(machines, NULL, NULL);
	failed += kind == SUITE_SIM ? sim_suite_run()
				    : cmocka_run_group_tests(qemu_only, NULL, NULL);
	failed += move_suite_run(kind);
	if (!suite_guard_until_us)
		failed += run_machines_rest();
	return failed ? 1 : 0;
}
