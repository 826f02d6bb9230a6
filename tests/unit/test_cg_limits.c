/*
 * Settings of guests as control groups have them, v1 and v2, on trees of plain files.
 */
#include <fcntl.h>
#include <linux/loop.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/resource/loop_dev.h"
#include "tests/lib/cg_tree.h"

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

/* A machine that outgrows its limit goes to the host's swap, where there is any. */
static void
v1_lets_a_machine_swap(void **state)
{
	struct tree *t = *state;
	struct cg_values v = {
		.cpu_shares = 1000, .memory_bytes = 3000, .swap_bytes = CG_SWAP_ANY
	};
	struct err e = ERR_INIT;
	struct cg *cg;

	make_file(t, "memory/cgroup.procs", "");
	make_file(t, "cpu/cgroup.procs", "");
	make_file(t, "cpu/d/vm-1/cpu.shares", "....");
	make_file(t, "memory/d/vm-1/memory.limit_in_bytes", "2000");
	make_file(t, "memory/d/vm-1/memory.memsw.limit_in_bytes", "2000");
	cg = open_cg(t, "d");
	if (cg_guest_set(cg, 1, &v, &e))
		fail_msg("%s", e.msg);
	expect_file(t, "memory/d/vm-1/memory.limit_in_bytes", "3000");
	expect_file(t, "memory/d/vm-1/memory.memsw.limit_in_bytes", "-1");
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
		.io_weight = 300,
		.nests = true };
	const struct cg_disk d = { .dev = makedev(7, 3), .bytes_per_s = 1024 };
	struct err e = ERR_INIT;
	struct cg *cg = v2_tree(t);

	if (cg_guest_set(cg, 1, &v, &e) || cg_guest_set_disk(cg, 1, &d, &e))
		fail_msg("%s", e.msg);
	expect_file(t, "d/vm-1/memory.max", "1000");
	expect_file(t, "d/vm-1/memory.swap.max", "500");
	v.swap_bytes = CG_SWAP_ANY;
	if (cg_guest_set(cg, 1, &v, &e))
		fail_msg("%s", e.msg);
	expect_file(t, "d/vm-1/memory.swap.max", "max");
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
v2_keeps_memory_for_a_guest(void **state)
{
	struct tree *t = *state;
	struct cg_values v = { .memory_kept_bytes = 300, .memory_reserved_bytes = 400 };
	struct err e = ERR_INIT;
	struct cg *cg = v2_tree(t);

	make_file(t, "d/vm-1/memory.min", "...");
	make_file(t, "d/vm-1/memory.low", "...");
	make_file(t, "d/vm-1/memory.max", "2000");
	assert_int_equal(cg_guest_bound(cg, 1, &v, &e), 0);
	expect_file(t, "d/vm-1/memory.min", "400");
	expect_file(t, "d/vm-1/memory.low", "400");
	/* There is none any more. */
	expect_file(t, "d/vm-1/memory.max", "max");
	v.memory_bytes = 500;
	make_file(t, "d/vm-1/memory.current", "640");
	make_file(t, "d/vm-1/cpu.stat", "usage_usec 0");
	make_file(t, "d/vm-1/pids.current", "1");
	assert_int_equal(cg_guest_bound(cg, 1, &v, &e), 0);
	assert_int_equal(v.memory_bytes, 650);
	expect_file(t, "d/vm-1/memory.max", "650");
	cg_free(cg);
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
	r.mem_limit_mb = 100;
	cg_values_of(&s, 0, &v);
	assert_int_equal(v.memory_bytes, 100u << 20);
	r.mem_limit_mb = 500;
	cg_values_of(&s, 0, &v);
	assert_int_equal(v.memory_bytes, 128u << 20);
}

/* A loop device on the file, gone with the descriptor; -1 where that is not allowed. */
static int
attach(const char *path, dev_t *ret_dev)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	AUTO_FREE char *name = xasprintf("/dev/loop%d", number);
	struct loop_config c = { .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	int file = open(path, O_RDWR | O_CLOEXEC);
	int fd = number < 0 ? -1 : open(name, O_RDWR | O_CLOEXEC);
	struct stat st;

	c.fd = (uint32_t)file;
	if (fd >= 0 && (ioctl(fd, LOOP_CONFIGURE, &c) || fstat(fd, &st))) {
		close(fd);
		fd = -1;
	}
	if (fd >= 0)
		*ret_dev = st.st_rdev;
	if (control >= 0)
		close(control);
	close(file);
	return fd;
}

static void
finds_the_loop_device_of_a_file(void **state)
{
	struct tree *t = *state;
	AUTO_FREE char *image = xasprintf("%s/image", t->root);
	AUTO_FREE char *other = xasprintf("%s/other", t->root);
	struct err e = ERR_INIT;
	dev_t dev = 0, want = 0, ignored;
	int fd, second;

	sh("truncate -s 1M %s %s", image, other);
	second = attach(other, &ignored);
	fd = attach(image, &want);
	if (fd < 0 || second < 0) {
		print_message("skipped: no loop device can be had\n");
		close(fd);
		close(second);
		skip();
	}
	if (loop_dev_find(image, &dev, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(dev, want);
	close(fd);
	assert_int_equal(loop_dev_find(image, &dev, &e), ERR_NOT_FOUND);
	close(second);
	assert_int_equal(loop_dev_find(t->root, &dev, &e), ERR_NOT_FOUND);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TREE(v1_bounds_a_container),
		TREE(v1_lets_a_machine_swap),
		TREE(v1_without_memory_refuses_a_container),
		TREE(v2_bounds_a_container),
		TREE(v2_refuses_less_than_is_used),
		TREE(v2_keeps_memory_for_a_guest),
		cmocka_unit_test(shares_become_weights),
		cmocka_unit_test(a_container_is_bounded),
		TREE(finds_the_loop_device_of_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
