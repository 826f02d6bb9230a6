/*
 * Control groups on trees of plain files, v1 and v2, and once on the kernel's own where
 * that is allowed.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/resource/cg.h"

#define KERNEL_ROOT "/sys/fs/cgroup"

struct tree {
	char root[64];
};

static void
sh(const char *fmt, ...)
{
	AUTO(str) struct str s = STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	str_addv(&s, fmt, ap);
	va_end(ap);
	assert_int_equal(system(str_cstr(&s)), 0); /* NOLINT(cert-env33-c): our own */
}

static int
set_up(void **state)
{
	struct tree *t = xcalloc(1, sizeof(*t));

	snprintf(t->root, sizeof(t->root), "/tmp/drover-cg-XXXXXX");
	assert_non_null(mkdtemp(t->root));
	*state = t;
	return 0;
}

static int
tear_down(void **state)
{
	struct tree *t = *state;

	sh("rm -rf -- '%s'", t->root);
	free(t);
	return 0;
}

/* The kernel makes a group's files with its folder; here somebody has to. */
static void
make_file(const struct tree *t, const char *path, const char *text)
{
	sh("mkdir -p \"$(dirname %s/%s)\" && printf '%%s\\n' '%s' >%s/%s", t->root,
	    path, text, t->root, path);
}

static void
expect_file(const struct tree *t, const char *path, const char *text)
{
	AUTO_FREE char *full = xasprintf("%s/%s", t->root, path);
	char buf[128] = "";
	FILE *f = fopen(full, "re");

	assert_non_null(f);
	if (!fgets(buf, sizeof(buf), f))
		buf[0] = '\0';
	fclose(f);
	buf[strcspn(buf, "\n")] = '\0';
	/* The file is longer than what was written over its start. */
	if (!str_starts(buf, text))
		fail_msg("%s: \"%s\"", path, buf);
}

static struct cg *
open_cg(const struct tree *t, const char *base)
{
	struct err e = ERR_INIT;
	struct cg *cg = NULL;

	if (cg_new(t->root, base, &cg, &e))
		fail_msg("cg_new: %s", e.msg);
	return cg;
}

static void
v1_is_one_tree_a_controller(void **state)
{
	struct tree *t = *state;
	struct cg_values v = { .cpu_shares = 2000, .cpu_weight = 200, .pids_max = 99 };
	struct cg_usage u = { 0, 0, 0 };
	const char *const *join;
	struct err e = ERR_INIT;
	struct cg *cg;

	make_file(t, "cpu/cgroup.procs", "");
	make_file(t, "cpuacct/cgroup.procs", "");
	make_file(t, "memory/cgroup.procs", "");
	make_file(t, "cpu/lab/h1/vm-42/cpu.shares", "....");
	make_file(t, "cpuacct/lab/h1/vm-42/cpuacct.usage", "5000000");
	make_file(t, "memory/lab/h1/vm-42/memory.usage_in_bytes", "1048576");
	cg = open_cg(t, "lab/h1");
	assert_string_equal(cg_version(cg), "v1");
	assert_int_equal(cg_guest_set(cg, 42, &v, &e), 0);
	expect_file(t, "cpu/lab/h1/vm-42/cpu.shares", "2000");
	assert_int_equal(cg_guest_usage(cg, 42, &u, &e), 0);
	assert_int_equal(u.cpu_used_us, 5000);
	assert_int_equal(u.memory_bytes, 1048576);
	join = cg_guest_join(cg, 42);
	for (int i = 0; i < 3; i++)
		assert_true(str_ends(join[i], "/lab/h1/vm-42/tasks"));
	assert_null(join[3]);
	assert_string_equal(cg_guest_path(cg, 42), "lab/h1/vm-42");
	cg_free(cg);
}

static void
v2_hands_controllers_down(void **state)
{
	struct tree *t = *state;
	struct cg_values v = { .cpu_shares = 2000, .cpu_weight = 200, .pids_max = 99 };
	struct cg_usage u = { 0, 0, 0 };
	struct err e = ERR_INIT;
	struct cg *cg;

	for (int i = 0; i < 3; i++) {
		static const char *const groups[] = { ".", "drover", "drover/h1" };
		AUTO_FREE char *have = xasprintf("%s/cgroup.controllers", groups[i]);
		AUTO_FREE char *down =
		    xasprintf("%s/cgroup.subtree_control", groups[i]);

		make_file(t, have, "cpuset cpu io memory pids");
		make_file(t, down, "");
	}
	make_file(t, "drover/h1/vm-7/cpu.weight", "...");
	make_file(t, "drover/h1/vm-7/pids.max", "..");
	make_file(t, "drover/h1/vm-7/cpu.stat", "usage_usec 123456");
	make_file(t, "drover/h1/vm-7/memory.current", "4096");
	make_file(t, "drover/h1/vm-7/pids.current", "5");
	cg = open_cg(t, "drover/h1");
	assert_string_equal(cg_version(cg), "v2");
	expect_file(t, "drover/h1/cgroup.subtree_control", "+pids");
	expect_file(t, "cgroup.subtree_control", "+pids");
	assert_int_equal(cg_guest_set(cg, 7, &v, &e), 0);
	expect_file(t, "drover/h1/vm-7/cpu.weight", "200");
	expect_file(t, "drover/h1/vm-7/pids.max", "99");
	assert_int_equal(cg_guest_usage(cg, 7, &u, &e), 0);
	assert_int_equal(u.cpu_used_us, 123456);
	assert_int_equal(u.memory_bytes, 4096);
	assert_int_equal(u.pids, 5);
	cg_free(cg);
}

static void
without_groups_it_says_so(void **state)
{
	struct tree *t = *state;
	struct err e = ERR_INIT;
	struct cg *cg = NULL;

	assert_int_equal(cg_new(t->root, "drover", &cg, &e), ERR_UNAVAILABLE);
	/* A v2 mount without controllers, as in the hybrid layout. */
	make_file(t, "cgroup.controllers", "");
	assert_int_equal(cg_new(t->root, "drover", &cg, &e), ERR_UNAVAILABLE);
	assert_non_null(strstr(e.msg, "no cpu and memory controller"));
	assert_int_equal(cg_new(t->root, "../out", &cg, &e), ERR_INVALID);
	assert_int_equal(cg_new(t->root, "/abs", &cg, &e), ERR_INVALID);
	assert_int_equal(cg_new(t->root, "", &cg, &e), ERR_INVALID);
	assert_null(cg);
}

static void
shares_become_weights(void **state)
{
	Drover__ResourceSpec r = DROVER__RESOURCE_SPEC__INIT;
	struct cg_values v;

	cg_values_of(NULL, 2, &v);
	assert_int_equal(v.cpu_shares, 2000);
	assert_int_equal(v.cpu_weight, 200);
	assert_int_equal(v.pids_max, 2 + CG_PIDS_SPARE);
	r.cpu_shares = 500;
	cg_values_of(&r, 2, &v);
	assert_int_equal(v.cpu_shares, 500);
	assert_int_equal(v.cpu_weight, 50);
	r.cpu_shares = 1;
	cg_values_of(&r, 1, &v);
	assert_int_equal(v.cpu_shares, 2);
	assert_int_equal(v.cpu_weight, 1);
	r.cpu_shares = UINT64_MAX;
	cg_values_of(&r, 1, &v);
	assert_int_equal(v.cpu_shares, 262144);
	assert_int_equal(v.cpu_weight, 10000);
}

/* A child that has entered the group and sits there until its pipe is closed. */
static pid_t
enter(const char *const *procs, int hold[2])
{
	char c = 0;
	pid_t pid;

	assert_int_equal(pipe(hold), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid > 0) {
		assert_int_equal(read(hold[0], &c, 1), 1);
		return pid;
	}
	for (; *procs; procs++) {
		FILE *f = fopen(*procs, "we");

		if (!f || fputs("0", f) < 0 || fclose(f))
			_exit(1);
	}
	if (write(hold[1], "x", 1) != 1)
		_exit(1);
	pause();
	_exit(0);
}

static void
kernel_groups_work(void **state)
{
	AUTO_FREE char *base = xasprintf("drover-test-%d", (int)getpid());
	uint64_t guests[4] = { 0 };
	struct cg_values v;
	struct cg_usage u = { 0, 0, 0 };
	struct err e = ERR_INIT;
	struct cg *cg = NULL;
	unsigned n = 0;
	int hold[2];
	pid_t pid;

	if (cg_new(KERNEL_ROOT, base, &cg, &e)) {
		print_message("skipped: %s\n", e.msg);
		skip();
	}
	cg_values_of(NULL, 1, &v);
	if (cg_guest_set(cg, 9, &v, &e))
		fail_msg("set: %s", e.msg);
	pid = enter(cg_guest_join(cg, 9), hold);
	assert_int_equal(cg_guest_usage(cg, 9, &u, &e), 0);
	assert_true(u.pids >= 1);
	assert_int_equal(cg_guest_del(cg, 9, &e), ERR_BUSY);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(hold[0]);
	close(hold[1]);
	assert_int_equal(cg_guests(cg, guests, 4, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_int_equal(guests[0], 9);
	assert_int_equal(cg_guest_del(cg, 9, &e), 0);
	assert_int_equal(cg_guest_del(cg, 9, &e), 0);
	assert_int_equal(cg_remove_base(cg, &e), 0);
	cg_free(cg);
}

#define TREE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TREE(v1_is_one_tree_a_controller),
		TREE(v2_hands_controllers_down),
		TREE(without_groups_it_says_so),
		cmocka_unit_test(shares_become_weights),
		cmocka_unit_test(kernel_groups_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
