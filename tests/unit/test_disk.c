/*
 * Images made by the real qemu-img and opened again.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/borrow.h"
#include "tests/lib/image_bed.h"

#define MIB      (1ull << 20)
#define QEMU_IMG "/usr/bin/qemu-img"

static void
init_disk(Drover__DiskSpec *d, const char *path, uint64_t bytes)
{
	drover__disk_spec__init(d);
	d->name = borrow("disk-0");
	d->path = borrow(path);
	d->format = borrow("qcow2");
	d->size_bytes = bytes;
}

static void
init_layer(Drover__DiskLayer *l, const char *path, const char *format)
{
	drover__disk_layer__init(l);
	l->path = borrow(path);
	l->format = borrow(format);
}

static void
make(struct image_bed *b, const Drover__DiskSpec *d)
{
	if (image_bed_do(b, IMAGE_CREATE, d))
		fail_msg("create: %s", b->err.msg);
}

static int
hang(void *job)
{
	char c;

	return read(*(const int *)job, &c, 1) == 1 ? 0 : ERR_IO;
}

static void
on_hung(void *job, int rc)
{
	assert_int_equal(rc, 0);
}

/* A datastore that does not answer holds up its worker, never the loop. */
static void
datastore_that_hangs_does_not_hold_the_loop(void **state)
{
	struct image_bed *b = *state;
	AUTO_FREE char *folder = xasprintf("%s/vms", b->path);
	Drover__DiskSpec d;
	int hung[2];

	assert_int_equal(pipe(hung), 0);
	assert_int_equal(worker_run(b->workers, hang, on_hung, &hung[0], NULL), 0);
	init_disk(&d, "vms/vm-1/disk-0.qcow2", MIB);
	image_bed_begin(b, IMAGE_CREATE, &d);
	loop_turn(b->loop, 10);
	assert_int_not_equal(access(folder, F_OK), 0);
	assert_int_equal(write(hung[1], "x", 1), 1);
	assert_int_equal(image_bed_until_ended(b), 0);
	assert_int_equal(access(folder, F_OK), 0);
	close(hung[0]);
	close(hung[1]);
}

static void
empty_images_are_made_once(void **state)
{
	struct image_bed *b = *state;
	AUTO_FREE char *path = xasprintf("%s/vms/vm-1/disk-0.qcow2", b->path);
	struct engine_disk open = { .fd = -1 };
	Drover__DiskSpec d;
	struct err e = ERR_INIT;
	struct stat st, again;
	uint64_t used = 0;

	init_disk(&d, "vms/vm-1/disk-0.qcow2", 64 * MIB);
	make(b, &d);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_uid, geteuid());
	make(b, &d);
	assert_int_equal(stat(path, &again), 0);
	assert_int_equal(st.st_ino, again.st_ino);
	assert_int_equal(disk_open(b->ds, &d, &open, &e), 0);
	assert_true(open.fd >= 0);
	assert_int_equal(open.n_backing, 0);
	disk_close(&open);
	disk_close(&open);
	assert_int_equal(disk_used(b->ds, &d, &used, &e), 0);
	assert_true(used > 0);
	/* It cannot be taken for a larger one. */
	d.size_bytes = 128 * MIB;
	assert_int_equal(image_bed_do(b, IMAGE_CREATE, &d), ERR_EXISTS);
	assert_int_equal(disk_delete(b->ds, &d, &e), 0);
	assert_int_equal(disk_delete(b->ds, &d, &e), 0);
	assert_int_equal(disk_used(b->ds, &d, &used, &e), 0);
	assert_int_equal(used, 0);
	/* The folder went with its last disk. */
	path[strlen(path) - strlen("/disk-0.qcow2")] = '\0';
	assert_int_equal(access(path, F_OK), -1);
}

static void
clones_are_linked_to_their_base(void **state)
{
	struct image_bed *b = *state;
	struct engine_disk open = { .fd = -1 };
	Drover__DiskLayer below, *backing[] = { &below };
	Drover__DiskSpec base, d;
	struct err e = ERR_INIT;

	init_disk(&base, "templates/template-1/disk.qcow2", 32 * MIB);
	make(b, &base);
	init_disk(&d, "vms/vm-2/disk-0.qcow2", 0);
	init_layer(&below, base.path, "qcow2");
	d.backing = backing;
	d.n_backing = 1;
	make(b, &d);
	if (disk_open(b->ds, &d, &open, &e))
		fail_msg("open: %s", e.msg);
	assert_int_equal(open.n_backing, 1);
	disk_close(&open);
	/* An image on another base, or on none, is not the one of the spec. */
	below.path = borrow("templates/template-2/disk.qcow2");
	assert_int_equal(disk_open(b->ds, &d, &open, &e), ERR_CORRUPT);
	init_layer(&below, base.path, "raw");
	assert_int_equal(disk_open(b->ds, &d, &open, &e), ERR_CORRUPT);
	d.n_backing = 0;
	assert_int_equal(disk_open(b->ds, &d, &open, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.msg, "../../templates/template-1/disk.qcow2"));
	init_layer(&below, base.path, "qcow2");
	d.n_backing = 1;
	d.path = borrow("vms/vm-2/disk-1.qcow2");
	d.size_bytes = 16 * MIB;
	assert_int_equal(image_bed_do(b, IMAGE_CREATE, &d), ERR_INVALID);
	assert_non_null(strstr(b->err.msg, "less than its template's"));
	d.size_bytes = 64 * MIB;
	make(b, &d);
}

/* Four images on each other; each must name the next, or none is opened. */
static void
chains_are_opened_whole(void **state)
{
	struct image_bed *b = *state;
	AUTO_FREE char *second = xasprintf("%s/vms/vm-6/disk-0.s2.qcow2", b->path);
	struct engine_disk open = { .fd = -1 };
	Drover__DiskLayer layers[3],
	    *backing[] = { &layers[2], &layers[1], &layers[0] };
	Drover__DiskSpec d;
	struct err e = ERR_INIT;

	init_layer(&layers[0], "vms/vm-6/disk-0.qcow2", "qcow2");
	init_layer(&layers[1], "vms/vm-6/disk-0.s1.qcow2", "qcow2");
	init_layer(&layers[2], "vms/vm-6/disk-0.s2.qcow2", "qcow2");
	init_disk(&d, layers[0].path, 8 * MIB);
	make(b, &d);
	for (size_t i = 1; i < 4; i++) {
		d.path = i < 3 ? layers[i].path : borrow("vms/vm-6/disk-0.s3.qcow2");
		d.backing = backing + 3 - i;
		d.n_backing = i;
		make(b, &d);
	}
	assert_int_equal(disk_open(b->ds, &d, &open, &e), 0);
	assert_int_equal(open.n_backing, 3);
	disk_close(&open);
	/* Without the middle one. */
	backing[1] = &layers[0];
	d.n_backing = 2;
	assert_int_equal(disk_open(b->ds, &d, &open, &e), ERR_CORRUPT);
	backing[1] = &layers[1];
	d.n_backing = 3;
	assert_int_equal(unlink(second), 0);
	assert_int_equal(disk_open(b->ds, &d, &open, &e), ERR_NOT_FOUND);
	assert_non_null(strstr(e.msg, "disk-0.s2.qcow2"));
	assert_int_equal(open.fd, -1);
}

static void
raw_disks_are_sparse(void **state)
{
	struct image_bed *b = *state;
	Drover__DiskSpec d;
	struct err e = ERR_INIT;
	uint64_t used = 1;
	Drover__DiskLayer below, *backing[] = { &below };

	init_disk(&d, "vms/vm-3/disk-0.raw", 64 * MIB);
	d.format = borrow("raw");
	make(b, &d);
	assert_int_equal(disk_used(b->ds, &d, &used, &e), 0);
	assert_true(used < MIB);
	init_layer(&below, "x", "raw");
	d.backing = backing;
	d.n_backing = 1;
	assert_int_equal(image_bed_do(b, IMAGE_CREATE, &d), ERR_INVALID);
}

static void
failures_leave_nothing(void **state)
{
	struct image_bed *b = *state;
	AUTO_FREE char *left = xasprintf("%s/vms/vm-4/disk-0.qcow2.new", b->path);
	Drover__DiskLayer below, *backing[] = { &below };
	Drover__DiskSpec d;

	init_disk(&d, "vms/vm-4/disk-0.qcow2", UINT64_MAX - 511);
	assert_int_equal(image_bed_do(b, IMAGE_CREATE, &d), ERR_INVALID);
	d.size_bytes = 60ull << 40;
	assert_int_equal(image_bed_do(b, IMAGE_CREATE, &d), ERR_NO_CAPACITY);
	d.size_bytes = 1000;
	assert_int_equal(image_bed_do(b, IMAGE_CREATE, &d), ERR_INVALID);
	d.size_bytes = 0;
	assert_int_equal(image_bed_do(b, IMAGE_CREATE, &d), ERR_INVALID);
	init_layer(&below, "templates/none", "qcow2");
	d.backing = backing;
	d.n_backing = 1;
	assert_int_equal(image_bed_do(b, IMAGE_CREATE, &d), ERR_NOT_FOUND);
	d.path = borrow("../out");
	assert_int_equal(image_bed_do(b, IMAGE_CREATE, &d), ERR_INVALID);
	assert_int_equal(access(left, F_OK), -1);
}

static void
memory_images_come_and_go(void **state)
{
	struct image_bed *b = *state;
	AUTO_CLOSE int fd = -1;
	AUTO_CLOSE int again = -1;
	struct err e = ERR_INIT;

	assert_int_equal(memory_open(b->ds, 5, &fd, &e), ERR_NOT_FOUND);
	assert_int_equal(memory_create(b->ds, 5, &fd, &e), 0);
	assert_int_equal(memory_open(b->ds, 5, &again, &e), 0);
	assert_int_equal(memory_delete(b->ds, 5, &e), 0);
	assert_int_equal(memory_delete(b->ds, 5, &e), 0);
}

#define WORLD(test) \
	cmocka_unit_test_setup_teardown(test, image_bed_setup, image_bed_teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WORLD(datastore_that_hangs_does_not_hold_the_loop),
		WORLD(empty_images_are_made_once),
		WORLD(clones_are_linked_to_their_base),
		WORLD(chains_are_opened_whole),
		WORLD(raw_disks_are_sparse),
		WORLD(failures_leave_nothing),
		WORLD(memory_images_come_and_go),
	};

	if (access(QEMU_IMG, X_OK)) {
		fprintf(stderr, "skipped: no " QEMU_IMG " here\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
