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
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/resource/cg.h"
#include "host-agent/resource/loop_dev.h"
#include "host-agent/resource/net_dev.h"

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

static void
v1_bounds_a_container(void **state)
{
	struct tree *t = *state;
	struct cg_values v = { .cpu_shares = 1000,
		.cpu_quota_us = 150000,
		.pids_max = 64,
		.memory_bytes = 1000,
		.swap_bytes = 500,
		.io_weight = 300 };
	const struct cg_disk d = {
		.dev = makedev(7, 3), .iops = 50, .bytes_per_s = 1024
	};
	struct err e = ERR_INIT;
	struct cg *cg;

	make_file(t, "memory/cgroup.procs", "");
	make_file(t, "cpu/cgroup.procs", "");
	make_file(t, "pids/cgroup.procs", "");
	make_file(t, "blkio/cgroup.procs", "");
	make_file(t, "memory/d/vm-1/memory.use_hierarchy", "0");
	make_file(t, "memory/d/vm-1/memory.limit_in_bytes", "2000");
	make_file(t, "memory/d/vm-1/memory.memsw.limit_in_bytes", "2000");
	make_file(t, "cpu/d/vm-1/cpu.shares", "....");
	make_file(t, "cpu/d/vm-1/cpu.cfs_period_us", "......");
	make_file(t, "cpu/d/vm-1/cpu.cfs_quota_us", "......");
	make_file(t, "pids/d/vm-1/pids.max", "..");
	make_file(t, "blkio/d/vm-1/blkio.bfq.weight", "...");
	make_file(t, "blkio/d/vm-1/blkio.throttle.read_bps_device", "........");
	make_file(t, "blkio/d/vm-1/blkio.throttle.write_bps_device", "........");
	make_file(t, "blkio/d/vm-1/blkio.throttle.read_iops_device", "........");
	make_file(t, "blkio/d/vm-1/blkio.throttle.write_iops_device", "........");
	sh("cp -r %s/blkio/d/vm-1 %s/ct && mv %s/ct %s/blkio/d/vm-1", t->root, t->root,
	    t->root, t->root);
	cg = open_cg(t, "d");
	if (cg_guest_set(cg, 1, &v, &e) || cg_guest_set_disk(cg, 1, &d, &e))
		fail_msg("%s", e.msg);
	expect_file(t, "memory/d/vm-1/memory.use_hierarchy", "1");
	expect_file(t, "memory/d/vm-1/memory.limit_in_bytes", "1000");
	expect_file(t, "memory/d/vm-1/memory.memsw.limit_in_bytes", "1500");
	expect_file(t, "cpu/d/vm-1/cpu.cfs_period_us", "100000");
	expect_file(t, "cpu/d/vm-1/cpu.cfs_quota_us", "150000");
	expect_file(t, "pids/d/vm-1/pids.max", "64");
	expect_file(t, "blkio/d/vm-1/blkio.bfq.weight", "300");
	expect_file(t, "blkio/d/vm-1/blkio.throttle.read_bps_device", "7:3 1024");
	expect_file(t, "blkio/d/vm-1/blkio.throttle.write_iops_device", "7:3 50");
	expect_file(t, "blkio/d/vm-1/ct/blkio.throttle.read_bps_device", "7:3 1024");
	cg_free(cg);
}

static void
v1_without_memory_refuses_a_container(void **state)
{
	struct tree *t = *state;
	struct cg_values v = { .cpu_shares = 1000, .memory_bytes = 1000 };
	const struct cg_disk d = { .dev = makedev(7, 3), .iops = 50 };
	struct err e = ERR_INIT;
	struct cg *cg;

	make_file(t, "cpu/cgroup.procs", "");
	cg = open_cg(t, "d");
	assert_int_equal(cg_guest_set(cg, 1, &v, &e), ERR_UNSUPPORTED);
	assert_int_equal(cg_guest_set_disk(cg, 1, &d, &e), ERR_UNSUPPORTED);
	cg_free(cg);
}

static void
expect_counter(
    const struct counters *c, const char *name, uint64_t current, uint64_t failures)
{
	const struct counter *one = counters_find(c, name);

	if (!one)
		fail_msg("no counter %s", name);
	assert_int_equal(one->current, current);
	assert_int_equal(one->failures, failures);
}

static void
v1_counts_groups_below(void **state)
{
	struct tree *t = *state;
	struct counters c = { .n = 0 };
	struct err e = ERR_INIT;
	struct cg *cg;

	make_file(t, "memory/cgroup.procs", "");
	make_file(t, "cpu/cgroup.procs", "");
	make_file(t, "cpuacct/cgroup.procs", "");
	make_file(t, "pids/cgroup.procs", "");
	make_file(t, "memory/d/vm-1/memory.usage_in_bytes", "700");
	make_file(t, "memory/d/vm-1/memory.max_usage_in_bytes", "900");
	make_file(t, "memory/d/vm-1/memory.limit_in_bytes", "1000");
	make_file(t, "memory/d/vm-1/memory.memsw.usage_in_bytes", "750");
	make_file(
	    t, "memory/d/vm-1/memory.memsw.limit_in_bytes", "9223372036854771712");
	make_file(t, "memory/d/vm-1/memory.oom_control", "under_oom 0\noom_kill 1");
	make_file(t, "memory/d/vm-1/ct/memory.oom_control", "oom_kill 2");
	make_file(t, "cpu/d/vm-1/cpu.stat", "nr_periods 9\nnr_throttled 4");
	make_file(t, "cpuacct/d/vm-1/cpuacct.usage", "5000000");
	make_file(t, "pids/d/vm-1/pids.current", "12");
	make_file(t, "pids/d/vm-1/pids.max", "64");
	make_file(t, "pids/d/vm-1/ct/pids.events", "max 7");
	cg = open_cg(t, "d");
	if (cg_guest_counters(cg, 1, &c, &e))
		fail_msg("%s", e.msg);
	expect_counter(&c, "memory", 700, 3);
	assert_int_equal(counters_find(&c, "memory")->peak, 900);
	assert_int_equal(counters_find(&c, "memory")->limit, 1000);
	expect_counter(&c, "swap", 50, 0);
	assert_int_equal(counters_find(&c, "swap")->limit, 0);
	expect_counter(&c, "cpu", 5000, 4);
	expect_counter(&c, "processes", 12, 7);
	assert_null(counters_find(&c, "kernel_memory"));
	cg_free(cg);
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

static struct cg *
v2_tree(const struct tree *t)
{
	static const char *const groups[] = { ".", "d", "d/vm-1" };

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		AUTO_FREE char *have = xasprintf("%s/cgroup.controllers", groups[i]);
		AUTO_FREE char *down =
		    xasprintf("%s/cgroup.subtree_control", groups[i]);

		make_file(t, have, "cpu io memory pids");
		make_file(t, down, "");
	}
	make_file(t, "d/vm-1/cpu.weight", "...");
	make_file(t, "d/vm-1/cpu.max", "............");
	make_file(t, "d/vm-1/pids.max", "..");
	make_file(t, "d/vm-1/memory.max", "....");
	make_file(t, "d/vm-1/memory.swap.max", "...");
	make_file(t, "d/vm-1/memory.current", "800");
	make_file(t, "d/vm-1/io.weight", "...........");
	make_file(t, "d/vm-1/io.max", "");
	return open_cg(t, "d");
}

static void
v2_bounds_a_container(void **state)
{
	struct tree *t = *state;
	struct cg_values v = { .cpu_weight = 100,
		.cpu_quota_us = 150000,
		.pids_max = 64,
		.memory_bytes = 1000,
		.swap_bytes = 500,
		.io_weight = 300 };
	const struct cg_disk d = { .dev = makedev(7, 3), .bytes_per_s = 1024 };
	struct err e = ERR_INIT;
	struct cg *cg = v2_tree(t);

	if (cg_guest_set(cg, 1, &v, &e) || cg_guest_set_disk(cg, 1, &d, &e))
		fail_msg("%s", e.msg);
	expect_file(t, "d/vm-1/memory.max", "1000");
	expect_file(t, "d/vm-1/memory.swap.max", "500");
	expect_file(t, "d/vm-1/cpu.max", "150000 100000");
	expect_file(t, "d/vm-1/pids.max", "64");
	expect_file(t, "d/vm-1/io.weight", "default 300");
	expect_file(t, "d/vm-1/io.max", "7:3 rbps=1024 wbps=1024 riops=max wiops=max");
	expect_file(t, "d/vm-1/cgroup.subtree_control", "+io");
	cg_free(cg);
}

/* The kernel would kill. */
static void
v2_refuses_less_than_is_used(void **state)
{
	struct tree *t = *state;
	struct cg_values v = { .cpu_weight = 100, .memory_bytes = 500 };
	struct err e = ERR_INIT;
	struct cg *cg = v2_tree(t);

	make_file(t, "d/vm-1/memory.max", "2000");
	assert_int_equal(cg_guest_set(cg, 1, &v, &e), ERR_BUSY);
	assert_non_null(strstr(e.msg, "are in use"));
	expect_file(t, "d/vm-1/memory.max", "2000");
	cg_free(cg);
}

static void
v2_counts(void **state)
{
	struct tree *t = *state;
	struct counters c = { .n = 0 };
	struct err e = ERR_INIT;
	struct cg *cg = v2_tree(t);

	make_file(t, "d/vm-1/memory.max", "max");
	make_file(t, "d/vm-1/memory.events", "max 5\noom 2\noom_kill 2");
	make_file(t, "d/vm-1/memory.stat", "anon 1\nkernel 300");
	make_file(t, "d/vm-1/pids.current", "3");
	make_file(t, "d/vm-1/pids.events", "max 9");
	make_file(t, "d/vm-1/cpu.stat", "usage_usec 77\nnr_throttled 5");
	if (cg_guest_counters(cg, 1, &c, &e))
		fail_msg("%s", e.msg);
	expect_counter(&c, "memory", 800, 2);
	assert_int_equal(counters_find(&c, "memory")->limit, 0);
	expect_counter(&c, "kernel_memory", 300, 0);
	expect_counter(&c, "processes", 3, 9);
	expect_counter(&c, "cpu", 77, 5);
	assert_null(counters_find(&c, "swap"));
	cg_free(cg);
}

static void
peaks_are_kept(void **state)
{
	struct counters was = { .n = 1, .v = { { .name = "a", .peak = 9 } } };
	struct counters now = { .n = 0 };

	counters_add(&now, &(struct counter){ .name = "a", .current = 4 });
	counters_add(&now, &(struct counter){ .name = "b", .current = 4 });
	counters_add(&now, &(struct counter){ .name = "c", .current = 4, .peak = 5 });
	counters_follow(&now, &was);
	assert_int_equal(now.v[0].peak, 9);
	assert_int_equal(now.v[1].peak, 4);
	assert_int_equal(now.v[2].peak, 5);
}

static void
refusals_are_told_now_and_then(void **state)
{
	struct counters c = { .n = 1,
		.v = { { .name = "memory",
		    .unit = COUNTER_BYTES,
		    .limit = 1u << 20,
		    .failures = 3,
		    .tells = true } } };
	struct counter *m = &c.v[0];
	char text[64];

	assert_int_equal(counter_news(m, 1000), 3);
	assert_int_equal(counter_news(m, 1000 + COUNTER_TELL_MS), 0);
	m->failures = 4;
	assert_int_equal(counter_news(m, 1000 + COUNTER_TELL_MS - 1), 0);
	assert_int_equal(counter_news(m, 1000 + COUNTER_TELL_MS), 1);
	/* A new group counts from nothing. */
	m->failures = 1;
	assert_int_equal(counter_news(m, 1000 + 2 * COUNTER_TELL_MS), 1);
	m->failures = 5;
	counters_begin(&c);
	assert_int_equal(counter_news(m, 1000 + 3 * COUNTER_TELL_MS), 0);
	m->failures = 6;
	m->tells = false;
	assert_int_equal(counter_news(m, 1000 + 3 * COUNTER_TELL_MS), 0);
	counter_text(m, 2, text, sizeof(text));
	assert_string_equal(text, "memory 2 times: its limit is 1 MB");
}

static void
links_are_read(void **state)
{
	struct tree *t = *state;
	AUTO_FREE char *path = xasprintf("%s/dev", t->root);
	struct net_dev *all = NULL;
	const struct net_dev *d;
	struct err e = ERR_INIT;
	size_t n = 0;

	make_file(t, "dev",
	    "Inter-|   Receive    |  Transmit\n"
	    " face |bytes    packets errs drop fifo frame compressed multicast|bytes\n"
	    "    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
	    "dvt4n0: 10 1 0 2 0 0 0 0 30 1 0 4 0 0 0 0\n"
	    "broken: 10 1 0\n");
	if (net_dev_read(path, &all, &n, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(n, 2);
	d = net_dev_find(all, n, "dvt4n0");
	assert_non_null(d);
	assert_int_equal(d->in_bytes, 10);
	assert_int_equal(d->in_dropped, 2);
	assert_int_equal(d->out_bytes, 30);
	assert_int_equal(d->out_dropped, 4);
	assert_null(net_dev_find(all, n, "broken"));
	free(all);
}

static void
finds_the_loop_device_of_a_file(void **state)
{
	struct tree *t = *state;
	AUTO_FREE char *sys = xasprintf("%s/sys", t->root);
	AUTO_FREE char *image = xasprintf("%s/image", t->root);
	AUTO_FREE char *other = xasprintf("%s/other", t->root);
	struct err e = ERR_INIT;
	dev_t dev = 0;

	make_file(t, "image", "");
	make_file(t, "other", "");
	make_file(t, "sys/block/loop1/loop/backing_file", other);
	make_file(t, "sys/block/loop1/dev", "7:1");
	make_file(t, "sys/block/loop12/loop/backing_file", image);
	make_file(t, "sys/block/loop12/dev", "7:192");
	make_file(t, "sys/block/loop2/dev", "7:2");
	if (loop_dev_find(sys, image, &dev, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(dev, makedev(7, 192));
	assert_int_equal(loop_dev_find(sys, sys, &dev, &e), ERR_NOT_FOUND);
}

static Drover__GuestSpec
guest_with(Drover__ResourceSpec *r, uint32_t num_cpu)
{
	Drover__GuestSpec s = DROVER__GUEST_SPEC__INIT;

	s.resources = r;
	s.num_cpu = num_cpu;
	s.memory_mb = 128;
	return s;
}

static void
shares_become_weights(void **state)
{
	Drover__ResourceSpec r = DROVER__RESOURCE_SPEC__INIT;
	Drover__GuestSpec none = guest_with(NULL, 2), s = guest_with(&r, 2);
	struct cg_values v;

	cg_values_of(&none, 0, &v);
	assert_int_equal(v.cpu_shares, 2000);
	assert_int_equal(v.cpu_weight, 200);
	assert_int_equal(v.pids_max, 2 + CG_PIDS_SPARE);
	assert_int_equal(v.memory_bytes, 0);
	assert_int_equal(v.cpu_quota_us, 0);
	r.cpu_shares = 500;
	cg_values_of(&s, 0, &v);
	assert_int_equal(v.cpu_shares, 500);
	assert_int_equal(v.cpu_weight, 50);
	r.cpu_shares = 1;
	cg_values_of(&s, 0, &v);
	assert_int_equal(v.cpu_shares, 2);
	assert_int_equal(v.cpu_weight, 1);
	r.cpu_shares = UINT64_MAX;
	cg_values_of(&s, 0, &v);
	assert_int_equal(v.cpu_shares, 262144);
	assert_int_equal(v.cpu_weight, 10000);
}

static void
a_container_is_bounded(void **state)
{
	Drover__ResourceSpec r = DROVER__RESOURCE_SPEC__INIT;
	Drover__ContainerSpec c = DROVER__CONTAINER_SPEC__INIT;
	Drover__GuestSpec s = guest_with(&r, 2);
	struct cg_values v;

	s.container = &c;
	cg_values_of(&s, 2000, &v);
	assert_int_equal(v.cpu_quota_us, 2 * CG_PERIOD_US);
	assert_int_equal(v.memory_bytes, 128u << 20);
	assert_int_equal(v.swap_bytes, 0);
	assert_int_equal(v.pids_max, CG_PIDS_CONTAINER);
	assert_int_equal(v.io_weight, CG_IO_WEIGHT_NORMAL);
	r.cpu_limit_mhz = 500;
	c.swap_limit_mb = 1;
	c.pids_limit = 7;
	c.io_weight = 1000;
	cg_values_of(&s, 2000, &v);
	assert_int_equal(v.cpu_quota_us, CG_PERIOD_US / 4);
	assert_int_equal(v.swap_bytes, 1u << 20);
	assert_int_equal(v.pids_max, 7);
	assert_int_equal(v.io_weight, 1000);
	r.cpu_limit_mhz = 1;
	cg_values_of(&s, 2000, &v);
	assert_int_equal(v.cpu_quota_us, 1000);
	cg_values_of(&s, 0, &v);
	assert_int_equal(v.cpu_quota_us, 2 * CG_PERIOD_US);
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

#define TREE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TREE(v1_is_one_tree_a_controller),
		TREE(v2_hands_controllers_down),
		TREE(without_groups_it_says_so),
		TREE(v1_bounds_a_container),
		TREE(v1_without_memory_refuses_a_container),
		TREE(v1_counts_groups_below),
		TREE(v1_removes_what_a_runtime_made),
		TREE(v2_bounds_a_container),
		TREE(v2_refuses_less_than_is_used),
		TREE(v2_counts),
		TREE(finds_the_loop_device_of_a_file),
		TREE(links_are_read),
		cmocka_unit_test(peaks_are_kept),
		cmocka_unit_test(refusals_are_told_now_and_then),
		cmocka_unit_test(shares_become_weights),
		cmocka_unit_test(a_container_is_bounded),
		cmocka_unit_test(kernel_groups_work),
		cmocka_unit_test(kernel_bounds_and_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
