/*
 * Groups of pools on the kernel's own control groups, and of v2 on a tree of files.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/cg_tree.h"

struct kernel {
	struct cg *cg;
	char base[64];
};

static void
set(struct kernel *k, const struct cg_pools *p)
{
	struct err e = ERR_INIT;

	if (cg_pools_set(k->cg, p, &e))
		fail_msg("%s", e.msg);
}

static bool
open_kernel(struct kernel *k, const char *version)
{
	struct err e = ERR_INIT;

	snprintf(k->base, sizeof(k->base), "drover-pools-%d", (int)getpid());
	k->cg = NULL;
	if (cg_new(KERNEL_ROOT, k->base, &k->cg, &e))
		return false;
	if (str_same(cg_version(k->cg), version))
		return true;
	cg_free(k->cg);
	return false;
}

/* What a file of the CPU hierarchy says, up to its first blank. */
static char *
cpu_file(const struct kernel *k, const char *group, const char *file)
{
	AUTO_FREE char *path = xasprintf(
	    KERNEL_ROOT "/cpu/%s%s%s/%s", k->base, *group ? "/" : "", group, file);
	char text[64] = "";
	FILE *f = fopen(path, "re");

	if (f && !fgets(text, sizeof(text), f))
		text[0] = '\0';
	if (f)
		fclose(f);
	text[strcspn(text, " \n")] = '\0';
	return xstrdup(f ? text : "absent");
}

static void
expect_cpu(
    const struct kernel *k, const char *group, const char *file, const char *text)
{
	AUTO_FREE char *is = cpu_file(k, group, file);

	if (!str_same(is, text))
		fail_msg("%s/%s is %s, not %s", group, file, is, text);
}

/* A process that waits in the group, with a child that does. */
static pid_t
inhabit(const char *const *join)
{
	int ready[2];
	char c;

	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (; *join; join++) {
			FILE *f = fopen(*join, "we");

			if (!f || fputs("0", f) < 0 || fclose(f))
				_exit(1);
		}
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void
end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

#define QUOTA(number, in, us)                                                    \
	{                                                                        \
		.id = number, .pool = in, .cpu_shares = 1000, .cpu_weight = 100, \
		.cpu_quota_us = us                                               \
	}

static void
a_guest_that_runs_is_carried_from_pool_to_pool(void **state)
{
	const struct cg_slice pools[] = { QUOTA(1, 0, 80000), QUOTA(2, 1, 50000) };
	const struct cg_slice in_2 = { .id = 9,
		.pool = 2,
		.cpu_shares = 3000,
		.cpu_weight = 300,
		.cpu_quota_us = 200000 };
	const struct cg_slice in_none = QUOTA(9, 0, 0);
	struct cg_values v = { .cpu_shares = 500, .cpu_weight = 50, .pids_max = 99 };
	struct err e = ERR_INIT;
	struct kernel k;

	if (!open_kernel(&k, "v1"))
		skip();
	assert_int_equal(cg_guest_set(k.cg, 9, &v, &e), 0);
	pid_t pid = inhabit(cg_guest_join(k.cg, 9));
	AUTO_FREE char *text = xasprintf("%d", (int)pid);

	set(&k, &(struct cg_pools){ pools, 2, &in_2, 1 });
	expect_cpu(&k, "pool-1/pool-2/vm-9", "cgroup.procs", text);
	expect_cpu(&k, "pool-1/pool-2/vm-9", "cpu.shares", "3000");
	/* No more than what is around it. */
	expect_cpu(&k, "pool-1/pool-2/vm-9", "cpu.cfs_quota_us", "50000");
	expect_cpu(&k, "pool-1", "cpu.cfs_quota_us", "80000");

	/* Another agent finds it there; memory stays where it is charged. */
	cg_free(k.cg);
	assert_int_equal(cg_new(KERNEL_ROOT, k.base, &k.cg, &e), 0);
	assert_true(strstr(cg_guest_join(k.cg, 9)[0], "/pool-") == NULL);
	set(&k, &(struct cg_pools){ NULL, 0, &in_none, 1 });
	expect_cpu(&k, "vm-9", "cgroup.procs", text);
	expect_cpu(&k, "pool-1", "cpu.shares", "absent");
	end(pid);
	assert_int_equal(cg_guest_del(k.cg, 9, &e), 0);
	assert_int_equal(cg_remove_base(k.cg, &e), 0);
	cg_free(k.cg);
}

static void
limits_go_down_and_up_in_an_order_the_kernel_takes(void **state)
{
	const struct cg_slice wide[] = { QUOTA(1, 0, 90000), QUOTA(2, 1, 80000) };
	const struct cg_slice tight[] = { QUOTA(1, 0, 20000), QUOTA(2, 1, 10000) };
	const struct cg_slice none[] = { QUOTA(1, 0, 0), QUOTA(2, 1, 0) };
	const struct cg_slice guest = QUOTA(9, 2, 70000);
	struct cg_values v = { .cpu_shares = 500, .pids_max = 99 };
	struct err e = ERR_INIT;
	struct kernel k;

	if (!open_kernel(&k, "v1"))
		skip();
	set(&k, &(struct cg_pools){ wide, 2, &guest, 1 });
	cg_values_place(k.cg, 9, &v);
	assert_string_equal(v.place, "pool-1/pool-2");
	v.cpu_quota_us = 85000;
	if (cg_guest_set(k.cg, 9, &v, &e))
		fail_msg("%s", e.msg);
	expect_cpu(&k, "pool-1/pool-2/vm-9", "cpu.cfs_quota_us", "80000");
	set(&k, &(struct cg_pools){ tight, 2, &guest, 1 });
	expect_cpu(&k, "pool-1", "cpu.cfs_quota_us", "20000");
	expect_cpu(&k, "pool-1/pool-2/vm-9", "cpu.cfs_quota_us", "10000");
	set(&k, &(struct cg_pools){ none, 2, &guest, 1 });
	expect_cpu(&k, "pool-1/pool-2", "cpu.cfs_quota_us", "-1");
	expect_cpu(&k, "pool-1/pool-2/vm-9", "cpu.cfs_quota_us", "70000");
	/* A pool that moves takes along who is in it. */
	const struct cg_slice moved[] = { QUOTA(2, 0, 30000), QUOTA(1, 2, 0) };
	set(&k, &(struct cg_pools){ moved, 2, &guest, 1 });
	expect_cpu(&k, "pool-2/vm-9", "cpu.cfs_quota_us", "30000");
	expect_cpu(&k, "pool-1", "cpu.shares", "absent");
	assert_int_equal(cg_guest_del(k.cg, 9, &e), 0);
	assert_int_equal(cg_remove_base(k.cg, &e), 0);
	cg_free(k.cg);
}

static void
what_an_engine_puts_beside_it_is_gathered(void **state)
{
	const struct cg_slice pool = QUOTA(1, 0, 0), guest = QUOTA(9, 1, 0);
	struct cg_values v = { .cpu_shares = 500, .pids_max = 99 };
	struct err e = ERR_INIT;
	struct kernel k;

	if (!open_kernel(&k, "v1"))
		skip();
	set(&k, &(struct cg_pools){ &pool, 1, &guest, 1 });
	cg_values_place(k.cg, 9, &v);
	assert_int_equal(cg_guest_set(k.cg, 9, &v, &e), 0);
	AUTO_FREE char *entrance =
	    xasprintf(KERNEL_ROOT "/cpu/%s/ct", cg_guest_path(k.cg, 9));
	AUTO_FREE char *tasks = xasprintf("%s/tasks", entrance);
	const char *const join[] = { tasks, NULL };

	sh("mkdir -p %s", entrance);
	pid_t pid = inhabit(join);
	AUTO_FREE char *text = xasprintf("%d", (int)pid);
	if (cg_guest_gather(k.cg, 9, &e))
		fail_msg("%s", e.msg);
	expect_cpu(&k, "pool-1/vm-9", "cgroup.procs", text);
	end(pid);
	assert_int_equal(cg_guest_del(k.cg, 9, &e), 0);
	assert_int_equal(cg_remove_base(k.cg, &e), 0);
	cg_free(k.cg);
}

static void
pools_must_be_told_before_what_lies_in_them(void **state)
{
	const struct cg_slice pools[] = { QUOTA(2, 1, 0), QUOTA(1, 0, 0) };
	struct tree *t = *state;
	struct err e = ERR_INIT;
	struct cg *cg;

	make_file(t, "cpu/cgroup.procs", "");
	cg = open_cg(t, "d");
	assert_int_equal(
	    cg_pools_set(cg, &(struct cg_pools){ pools, 2, NULL, 0 }, &e), ERR_INVALID);
	assert_string_equal(
	    e.msg, "pool-2 lies in pool-1, which is not told before it");
	cg_free(cg);
}

static struct cg *
v2_tree(const struct tree *t)
{
	static const char *const groups[] = { ".", "d", "d/pool-1", "d/pool-2",
		"d/pool-1/vm-9", "d/pool-2/vm-9" };

	static const struct {
		const char *file, *text;
	} files[] = {
		{ "cgroup.controllers", "cpu memory pids" },
		{ "cgroup.subtree_control", "" },
		{ "cgroup.procs", "" },
		{ "cpu.weight", "..." },
		{ "cpu.max", "max 100000" },
		{ "cpu.stat", "usage_usec 0" },
		{ "memory.min", "0" },
		{ "memory.low", "0" },
		{ "memory.max", "max" },
		{ "memory.current", "1000" },
		{ "pids.max", "..." },
		{ "pids.current", "1" },
	};

	for (size_t g = 0; g < ARRAY_SIZE(groups); g++) {
		for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
			AUTO_FREE char *path =
			    xasprintf("%s/%s", groups[g], files[i].file);

			make_file(t, path, files[i].text);
		}
	}
	return open_cg(t, "d");
}

/* What an engine nests in it has its own view of where it lies. */
static void
v2_leaves_a_container_where_it_started(void **state)
{
	const struct cg_slice pools[] = { QUOTA(1, 0, 80000), QUOTA(2, 0, 0) };
	const struct cg_slice in_1 = QUOTA(9, 1, 0), in_2 = QUOTA(9, 2, 0);
	struct cg_values v = { .cpu_weight = 50, .pids_max = 99, .nests = true };
	struct tree *t = *state;
	struct err e = ERR_INIT;
	struct cg *cg = v2_tree(t);

	sh("rm -r %s/d/pool-2/vm-9", t->root);
	if (cg_pools_set(cg, &(struct cg_pools){ pools, 2, &in_1, 1 }, &e))
		fail_msg("%s", e.msg);
	expect_file(t, "d/pool-1/cpu.max", "80000 100000");
	expect_file(t, "d/pool-1/cgroup.subtree_control", "+pids");
	assert_string_equal(cg_guest_path(cg, 9), "d/pool-1/vm-9");
	cg_values_place(cg, 9, &v);
	if (cg_guest_set(cg, 9, &v, &e) ||
	    cg_pools_set(cg, &(struct cg_pools){ pools, 2, &in_2, 1 }, &e))
		fail_msg("%s", e.msg);
	assert_string_equal(cg_guest_path(cg, 9), "d/pool-1/vm-9");
	sh("rm -r %s/d/pool-1/vm-9", t->root);
	assert_int_equal(
	    cg_pools_set(cg, &(struct cg_pools){ pools, 2, &in_2, 1 }, &e), 0);
	assert_string_equal(cg_guest_path(cg, 9), "d/pool-2/vm-9");
	cg_free(cg);
}

static void
v2_gives_a_machine_its_settings_where_it_is_carried(void **state)
{
	const struct cg_slice pools[] = { QUOTA(1, 0, 0), QUOTA(2, 0, 0) };
	const struct cg_slice in_1 = QUOTA(9, 1, 0), in_2 = QUOTA(9, 2, 0);
	struct cg_values v = { .cpu_weight = 50,
		.pids_max = 99,
		.memory_bytes = 5000,
		.memory_reserved_bytes = 700 };
	struct tree *t = *state;
	struct err e = ERR_INIT;
	struct cg *cg = v2_tree(t);

	sh("mv %s/d/pool-2/vm-9 %s/kept", t->root, t->root);
	assert_int_equal(
	    cg_pools_set(cg, &(struct cg_pools){ pools, 2, &in_1, 1 }, &e), 0);
	sh("mv %s/kept %s/d/pool-2/vm-9", t->root, t->root);
	cg_values_place(cg, 9, &v);
	assert_int_equal(cg_guest_set(cg, 9, &v, &e), 0);
	/* Only in the kernel do a group's files go with it. */
	assert_int_equal(
	    cg_pools_set(cg, &(struct cg_pools){ pools, 2, &in_2, 1 }, &e), ERR_IO);
	assert_non_null(strstr(e.msg, "pool-1/vm-9"));
	expect_file(t, "d/pool-2/vm-9/memory.max", "5000");
	expect_file(t, "d/pool-2/vm-9/memory.min", "700");
	expect_file(t, "d/pool-2/vm-9/pids.max", "99");
	cg_free(cg);
}

static void
v2_bounds_a_pool_no_lower_than_what_is_in_use(void **state)
{
	struct cg_slice pools[] = { { .id = 1,
					.cpu_weight = 100,
					.mem_limit_bytes = 3000,
					.mem_kept_bytes = 900,
					.mem_reserved_bytes = 500 },
		{ .id = 2, .pool = 0, .cpu_weight = 100, .mem_kept_bytes = 50 } };
	const struct cg_pools p = { pools, 2, NULL, 0 };
	struct tree *t = *state;
	struct err e = ERR_INIT;
	struct cg *cg = v2_tree(t);

	if (cg_pools_set(cg, &p, &e))
		fail_msg("%s", e.msg);
	expect_file(t, "d/pool-1/memory.max", "3000");
	expect_file(t, "d/pool-1/memory.min", "500");
	expect_file(t, "d/pool-1/memory.low", "900");
	/* What is around it protects as much. */
	expect_file(t, "d/memory.low", "950");
	assert_false(cg_pools_wait(cg));
	pools[0].mem_limit_bytes = 600;
	assert_int_equal(cg_pools_set(cg, &p, &e), 0);
	expect_file(t, "d/pool-1/memory.max", "1000");
	assert_true(cg_pools_wait(cg));
	make_file(t, "d/pool-1/memory.current", "599");
	assert_int_equal(cg_pools_set(cg, &p, &e), 0);
	expect_file(t, "d/pool-1/memory.max", "600");
	assert_false(cg_pools_wait(cg));
	pools[0].mem_limit_bytes = 0;
	assert_int_equal(cg_pools_set(cg, &p, &e), 0);
	expect_file(t, "d/pool-1/memory.max", "max");
	cg_free(cg);
}

static void
v2_carries_a_machine_that_runs(void **state)
{
	struct cg_slice pools[] = { QUOTA(1, 0, 80000), QUOTA(2, 0, 50000) };
	const struct cg_slice in_1 = QUOTA(9, 1, 0), in_2 = QUOTA(9, 2, 0);
	const struct cg_slice in_none = QUOTA(9, 0, 0);
	struct cg_values v = { .cpu_weight = 50, .pids_max = 99 };
	struct err e = ERR_INIT;
	struct kernel k;

	if (!open_kernel(&k, "v2"))
		skip();
	pools[1].mem_limit_bytes = 32u << 20;
	pools[1].mem_kept_bytes = 8u << 20;
	v.memory_bytes = 64u << 20;
	set(&k, &(struct cg_pools){ pools, 2, &in_1, 1 });
	cg_values_place(k.cg, 9, &v);
	if (cg_guest_set(k.cg, 9, &v, &e))
		fail_msg("%s", e.msg);
	pid_t pid = inhabit(cg_guest_join(k.cg, 9));
	AUTO_FREE char *there =
	    xasprintf(KERNEL_ROOT "/%s/pool-2/vm-9/cgroup.procs", k.base);
	AUTO_FREE char *line = xasprintf("grep -qx %d %s", (int)pid, there);
	set(&k, &(struct cg_pools){ pools, 2, &in_2, 1 });
	sh("%s", line);
	sh("grep -qx %u " KERNEL_ROOT "/%s/pool-2/vm-9/memory.max", 64u << 20, k.base);
	sh("grep -qx %u " KERNEL_ROOT "/%s/pool-2/memory.max", 32u << 20, k.base);
	sh("grep -qx %u " KERNEL_ROOT "/%s/memory.low", 8u << 20, k.base);
	sh("test ! -e " KERNEL_ROOT "/%s/pool-1/vm-9", k.base);
	set(&k, &(struct cg_pools){ NULL, 0, &in_none, 1 });
	sh("grep -qx %d " KERNEL_ROOT "/%s/vm-9/cgroup.procs", (int)pid, k.base);
	end(pid);
	assert_int_equal(cg_guest_del(k.cg, 9, &e), 0);
	assert_int_equal(cg_remove_base(k.cg, &e), 0);
	cg_free(k.cg);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_that_runs_is_carried_from_pool_to_pool),
		cmocka_unit_test(limits_go_down_and_up_in_an_order_the_kernel_takes),
		cmocka_unit_test(what_an_engine_puts_beside_it_is_gathered),
		TREE(pools_must_be_told_before_what_lies_in_them),
		TREE(v2_leaves_a_container_where_it_started),
		TREE(v2_gives_a_machine_its_settings_where_it_is_carried),
		TREE(v2_bounds_a_pool_no_lower_than_what_is_in_use),
		cmocka_unit_test(v2_carries_a_machine_that_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
