/*
 * Guards of guests that cannot run: frozen by a control group, or held by storage.
 */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/guard_bed.h"

#define V1 "/sys/fs/cgroup/freezer"
#define V2 "/sys/fs/cgroup/unified"

/* ---- control groups ---- */

static void
write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static bool
is_group_empty(void *arg)
{
	return rmdir(arg) == 0;
}

static void
a_frozen_guest_dies_on_time(void **state)
{
	static const char *const argv[] = { "/bin/sleep", "1000", NULL };
	struct guarded *g = *state;
	AUTO_FREE char *group = xasprintf(V2 "/drover-guard-%d", (int)getpid());
	AUTO_FREE char *procs = xasprintf("%s/cgroup.procs", group);
	AUTO_FREE char *freeze = xasprintf("%s/cgroup.freeze", group);
	const char *groups[] = { procs, NULL };
	struct guard_opts o = guarded_opts(g, guarded_in_us(LATER_US), argv);

	if (access(V2 "/cgroup.procs", W_OK) || mkdir(group, 0755))
		skip();
	o.join_cgroups = groups;
	guarded_start_opts(g, &o);
	bed_until(g->bed, guarded_is_told, g);
	write_text(freeze, "1");
	guarded_arm(g, guarded_in_us(SOON_US));
	bed_until(g->bed, guarded_none_left, g);
	bed_until(g->bed, is_group_empty, group);
}

static bool
is_frozen(void *arg)
{
	char buf[1024];

	return !strcmp(guarded_peek(arg, buf), "FROZEN\n");
}

static bool
is_dead(void *arg)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/stat", (int)*(pid_t *)arg);
	char buf[1024];

	return !*guarded_peek(path, buf) || strstr(buf, ") Z");
}

/* Why the agent freezes nobody with this one: its guard is dead on time, the guest only
 * when it is thawed. */
static void
a_guest_in_the_old_freezer_dies_when_thawed(void **state)
{
	static const char *const argv[] = { "/bin/sleep", "1000", NULL };
	struct guarded *g = *state;
	AUTO_FREE char *group = xasprintf(V1 "/drover-guard-%d", (int)getpid());
	AUTO_FREE char *procs = xasprintf("%s/cgroup.procs", group);
	AUTO_FREE char *freezer = xasprintf("%s/freezer.state", group);
	const char *groups[] = { procs, NULL };
	struct guard_opts o = guarded_opts(g, guarded_in_us(LATER_US), argv);
	pid_t guard;

	if (access(V1 "/cgroup.procs", W_OK) || mkdir(group, 0755))
		skip();
	o.join_cgroups = groups;
	guarded_start_opts(g, &o);
	bed_until(g->bed, guarded_is_told, g);
	guard = guarded_guard(g);
	write_text(freezer, "FROZEN");
	bed_until(g->bed, is_frozen, freezer);
	guarded_arm(g, guarded_in_us(SOON_US));
	bed_until(g->bed, is_dead, &guard);
	assert_false(guarded_none_left(g));
	write_text(freezer, "THAWED");
	bed_until(g->bed, guarded_none_left, g);
	bed_until(g->bed, is_group_empty, group);
}

/* ---- storage ---- */

static bool
waits_for_storage(void *arg)
{
	const struct guarded *g = arg;
	AUTO_FREE char *path = xasprintf("/proc/%d/stat", (int)g->state.pid);
	char buf[1024];

	return strstr(guarded_peek(path, buf), ") D");
}

/* What no signal ends, the watchdog is for; and nobody is told that it has ended. */
static void
a_guest_in_storages_hands_is_not_called_dead(void **state)
{
	struct guarded *g = *state;
	AUTO_FREE char *script = NULL;
	pid_t guard;

	if (!disk_bed_mount(&g->disk, g->bed->dir, 16)) {
		g->disk.dir[0] = '\0';
		skip();
	}
	script =
	    xasprintf(": > ready; exec dd if=/dev/zero of=%s/x bs=4096 count=1000000"
		      " oflag=dsync 2>/dev/null",
		g->disk.dir);
	disk_bed_freeze(&g->disk);
	guarded_start_ready(g, guarded_in_us(LATER_US), script);
	bed_until(g->bed, waits_for_storage, g);
	guard = guarded_guard(g);
	guarded_arm(g, guarded_in_us(SOON_US));
	bed_until(g->bed, is_dead, &guard);
	bed_settle(g->bed);
	assert_false(guarded_none_left(g));
	assert_int_equal(g->state.life, GUARD_LIFE_RUNS);
	disk_bed_thaw(&g->disk);
	bed_until(g->bed, guarded_is_over, g);
	assert_int_equal(g->state.life, GUARD_LIFE_KILLED);
	assert_true(guarded_none_left(g));
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, guarded_setup, guarded_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_frozen_guest_dies_on_time),
		TEST(a_guest_in_the_old_freezer_dies_when_thawed),
		TEST(a_guest_in_storages_hands_is_not_called_dead),
	};

	if (geteuid() != 0) {
		fprintf(stderr, "namespaces need root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
