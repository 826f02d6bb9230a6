/*
 * Control groups on trees of plain files, v1 and v2, and on the kernel's own where that
 * is allowed.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/cg_tree.h"

static void
v1_is_one_tree_a_controller(void **state)
{
	struct tree *t = *state;
	struct cg_values v = { .cpu_shares = 2000, .cpu_weight = 200, .pids_max = 99 };
	struct cg_usage u = { 0 };
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
	struct cg_usage u = { 0 };
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
	expect_file(t, "drover/h1/cgroup.subtree_control", "+io");
	expect_file(t, "cgroup.subtree_control", "+io");
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

/* A runtime's groups are in every hierarchy, also in those that we do not use. */
static void
v1_removes_what_a_runtime_made(void **state)
{
	struct tree *t = *state;
	struct err e = ERR_INIT;
	struct cg *cg;

	make_file(t, "cpu/cgroup.procs", "");
	make_file(t, "freezer/cgroup.procs", "");
	sh("mkdir -p %s/cpu/d/vm-1/ct/deep/deeper %s/freezer/d/vm-1/ct", t->root,
	    t->root);
	cg = open_cg(t, "d");
	if (cg_guest_del(cg, 1, &e))
		fail_msg("%s", e.msg);
	sh("! test -e %s/cpu/d/vm-1 && ! test -e %s/freezer/d/vm-1", t->root, t->root);
	assert_int_equal(cg_guest_del(cg, 1, &e), 0);
	assert_int_equal(cg_remove_base(cg, &e), 0);
	sh("! test -e %s/freezer/d && ! test -e %s/cpu/d", t->root, t->root);
	cg_free(cg);
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
	struct cg_values v = { .cpu_shares = 1000, .cpu_weight = 100, .pids_max = 99 };
	struct cg_usage u = { 0 };
	struct err e = ERR_INIT;
	struct cg *cg = NULL;
	unsigned n = 0;
	int hold[2];
	pid_t pid;

	if (cg_new(KERNEL_ROOT, base, &cg, &e)) {
		print_message("skipped: %s\n", e.msg);
		skip();
	}
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

#define HOG_MB 64

/* Forks more than it may, then takes twice the memory it may have. */
static void
hog(const char *const *procs)
{
	size_t bytes = (size_t)HOG_MB << 21;
	int refused = 0;
	char *p;

	for (; *procs; procs++) {
		FILE *f = fopen(*procs, "we");

		if (!f || fputs("0", f) < 0 || fclose(f))
			_exit(99);
	}
	for (int i = 0; i < 8; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			pause();
			_exit(0);
		}
		refused += pid < 0;
	}
	if (refused != 5)
		_exit(refused);
	p = mmap(
	    NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; p != MAP_FAILED && i < bytes; i += 4096)
		((volatile char *)p)[i] = 1;
	_exit(98);
}

/* What the hog has left, which is ours to wait for. */
static void
end_group(const char *procs)
{
	FILE *f = fopen(procs, "re");
	long pid;

	assert_non_null(f);
	while (fscanf(f, "%ld", &pid) == 1) { /* NOLINT(cert-err34-c) */
		assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
		assert_int_equal(waitpid((pid_t)pid, NULL, 0), pid);
	}
	fclose(f);
}

static void
kernel_bounds_and_counts(void **state)
{
	AUTO_FREE char *base = xasprintf("drover-test-%d", (int)getpid());
	struct cg_values v = { .cpu_shares = 1000,
		.cpu_weight = 100,
		.pids_max = 4,
		.cpu_quota_us = CG_PERIOD_US,
		.memory_bytes = (uint64_t)HOG_MB << 20 };
	const char *const *join;
	struct counters c = { .n = 0 };
	struct err e = ERR_INIT;
	struct cg *cg = NULL;
	int status;
	pid_t pid;

	if (cg_new(KERNEL_ROOT, base, &cg, &e)) {
		print_message("skipped: %s\n", e.msg);
		skip();
	}
	/* v2 wants the processes in a group below, which is the engine's to make. */
	if (strcmp(cg_version(cg), "v1") != 0 || cg_guest_set(cg, 5, &v, &e)) {
		print_message("skipped: %s\n", e.msg);
		assert_int_equal(cg_guest_del(cg, 5, &e), 0);
		assert_int_equal(cg_remove_base(cg, &e), 0);
		cg_free(cg);
		skip();
	}
	/* Memory alone is never above memory and swap, on the way up and down. */
	v.memory_bytes *= 2;
	if (cg_guest_set(cg, 5, &v, &e))
		fail_msg("%s", e.msg);
	v.memory_bytes /= 2;
	if (cg_guest_set(cg, 5, &v, &e))
		fail_msg("%s", e.msg);
	join = cg_guest_join(cg, 5);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	pid = fork();
	if (pid == 0)
		hog(join);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status))
		fail_msg("the hog ended with %d", WEXITSTATUS(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	if (cg_guest_counters(cg, 5, &c, &e))
		fail_msg("%s", e.msg);
	end_group(join[0]);
	assert_int_equal(counters_find(&c, "memory")->failures, 1);
	assert_int_equal(counters_find(&c, "memory")->limit, (uint64_t)HOG_MB << 20);
	assert_true(counters_find(&c, "memory")->peak > (uint64_t)HOG_MB << 19);
	assert_int_equal(counters_find(&c, "processes")->limit, 4);
	assert_true(counters_find(&c, "processes")->failures >= 1);
	if (cg_guest_del(cg, 5, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(cg_remove_base(cg, &e), 0);
	cg_free(cg);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TREE(v1_is_one_tree_a_controller),
		TREE(v2_hands_controllers_down),
		TREE(without_groups_it_says_so),
		TREE(v1_removes_what_a_runtime_made),
		cmocka_unit_test(kernel_groups_work),
		cmocka_unit_test(kernel_bounds_and_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
