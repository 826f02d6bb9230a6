#include "tests/engine/snapshot_suite.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/engine/engine_snapshot.h"
#include "tests/engine/pair.h"
#include "tests/lib/borrow.h"

#define DISK_MIB 16

extern const unsigned char disk_writer_sector[512];

/* A guest that writes to its disk all the time, and what the disk is once it is frozen.
 */
struct frozen {
	struct suite_guest *sg;
	char top[160], memory[160];
	Drover__GuestSpec spec;
	Drover__DiskSpec disk, *disks[1];
	Drover__DiskLayer layer, *layers[1];
	int memory_fd;
	uint64_t noted_ns;
};

/* The one whose test runs: verbs take no more than a guest. */
static struct frozen *frozen;

static void
run_command(char *command_take)
{
	AUTO_FREE char *command = command_take;

	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own text */
}

static void
make_top(const struct frozen *z)
{
	run_command(xasprintf(
	    "qemu-img create -q -u -f qcow2 -b '%s' -F raw '%s' %dM && chmod 600 '%s'",
	    z->sg->disk_path, z->top, DISK_MIB, z->top));
}

static void
frozen_start(struct frozen *z, struct suite *s)
{
	struct err e = ERR_INIT;

	*z = (struct frozen){ .sg = suite_guest_new(s, 51, NULL, disk_writer_sector),
		.memory_fd = -1 };
	frozen = z;
	snprintf(z->top, sizeof(z->top), "%s.top", z->sg->disk_path);
	snprintf(z->memory, sizeof(z->memory), "%s.mem", z->sg->disk_path);
	z->sg->disk.path = borrow("vms/vm-51/disk-0.raw");
	z->spec = z->sg->spec;
	z->disk = z->sg->disk;
	drover__disk_layer__init(&z->layer);
	z->layer.path = z->sg->disk.path;
	z->layer.format = borrow("raw");
	z->layers[0] = &z->layer;
	z->disk.path = borrow("vms/vm-51/disk-0.s1.qcow2");
	z->disk.format = borrow("qcow2");
	z->disk.backing = z->layers;
	z->disk.n_backing = 1;
	z->disks[0] = &z->disk;
	z->spec.disks = z->disks;
	make_top(z);
	if (suite_start(z->sg, -1, &e))
		fail_msg("start: %s", e.msg);
}

static void
verb_freeze(struct suite_guest *sg, struct wake w)
{
	AUTO_CLOSE int top = open(frozen->top, O_RDWR | O_CLOEXEC);
	AUTO_CLOSE int base = open(sg->disk_path, O_RDWR | O_CLOEXEC);
	const struct engine_disk disk = {
		.fd = top, .backing_fds = { base }, .n_backing = 1
	};
	const struct engine_freeze fr = {
		.spec = &frozen->spec, .disks = &disk, .memory_fd = frozen->memory_fd
	};

	assert_true(top >= 0 && base >= 0);
	engine_freeze(sg->g, &fr, w);
}

static void
verb_merge(struct suite_guest *sg, struct wake w)
{
	const struct engine_merge m = { .spec = &frozen->spec, .lower_name = "" };

	engine_merge(sg->g, &m, w);
}

static void
verb_merge_end(struct suite_guest *sg, struct wake w)
{
	engine_merge_end(sg->g, w);
}

static void
verb_adopt_frozen(struct suite_guest *sg, struct wake w)
{
	engine_adopt(sg->g, &frozen->spec, w);
}

/* The guest has written something since it was frozen. */
static bool
has_grown(void *arg)
{
	const struct frozen *z = arg;
	struct stat st;

	assert_int_equal(stat(z->top, &st), 0);
	return st.st_blocks * 512 > (1 << 20);
}

/* When the image below was written last, in nanoseconds. */
static uint64_t
written_ns(const struct frozen *z)
{
	struct stat st;

	assert_int_equal(stat(z->sg->disk_path, &st), 0);
	return (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec;
}

static bool
is_written(void *arg)
{
	const struct frozen *z = arg;

	return written_ns(z) != z->noted_ns;
}

/* What it writes goes to the one below again. */
static void
expect_merged(struct frozen *z)
{
	z->noted_ns = written_ns(z);
	suite_await(z->sg->suite, is_written, z);
	pair_expect(z->sg, ENGINE_RUNNING);
}

static void
expect_closed(const struct frozen *z)
{
	run_command(xasprintf("test -z \"$(find /proc/%d/fd -lname '%s')\"",
	    (int)engine_guest_stat(z->sg->g)->pid, z->top));
}

static void
freeze(struct frozen *z)
{
	suite_must(z->sg, verb_freeze);
	assert_true(engine_frozen(z->sg->g)->disks);
	pair_expect(z->sg, ENGINE_RUNNING);
}

static void
disks_are_frozen_and_merged(void **state)
{
	struct frozen z;

	frozen_start(&z, *state);
	for (int i = 0; i < 2; i++) {
		make_top(&z);
		freeze(&z);
		z.noted_ns = written_ns(&z);
		suite_await(*state, has_grown, &z);
		assert_false(is_written(&z));
		suite_must(z.sg, verb_merge);
		suite_must(z.sg, verb_merge_end);
		expect_merged(&z);
		expect_closed(&z);
	}
	assert_int_equal(((struct suite *)*state)->n_events, 0);
	suite_guest_free(z.sg);
}

static void
memory_is_of_the_same_moment(void **state)
{
	struct frozen z;
	AUTO_CLOSE int fd = -1;
	struct err e = ERR_INIT;

	frozen_start(&z, *state);
	fd = open(z.memory, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	z.memory_fd = fd;
	freeze(&z);
	assert_true(engine_frozen(z.sg->g)->memory);
	assert_true(engine_frozen(z.sg->g)->memory_bytes > 0);
	if (engine_memory_check(fd, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(ftruncate(fd, 16), 0);
	assert_int_equal(engine_memory_check(fd, &e), ERR_CORRUPT);
	suite_guest_free(z.sg);
}

static void
restart(struct frozen *z)
{
	engine_guest_free(z->sg->g);
	suite_restart(z->sg->suite);
	suite_guest_handle(z->sg);
}

/* The agent ends while both images hold the same; the record says which it is. */
static void
record_says_how_long_the_chain_is(void **state)
{
	struct frozen z;

	frozen_start(&z, *state);
	freeze(&z);
	suite_await(*state, has_grown, &z);
	suite_must(z.sg, verb_merge);
	restart(&z);
	suite_must(z.sg, verb_adopt_frozen);
	assert_int_equal(engine_chain_length(z.sg->g, &z.spec, 0), 2);
	/* It was given up, and can be begun anew at once. */
	suite_must(z.sg, verb_merge);
	restart(&z);
	suite_must(z.sg, verb_adopt);
	assert_int_equal(engine_chain_length(z.sg->g, &z.sg->spec, 0), 1);
	expect_merged(&z);
	suite_guest_free(z.sg);
}

static int
set_up(void **state)
{
	*state = suite_new(SUITE_QEMU, NULL);
	return 0;
}

static int
tear_down(void **state)
{
	suite_free(*state);
	return 0;
}

#define GUEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
snapshot_suite_run(void)
{
	static const struct CMUnitTest tests[] = {
		GUEST(disks_are_frozen_and_merged),
		GUEST(memory_is_of_the_same_moment),
		GUEST(record_says_how_long_the_chain_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
