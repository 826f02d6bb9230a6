/*
 * File systems of containers: made, checked, grown, copied and refused.
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
#include "host-agent/storage/ext4_blank.h"
#include "tests/lib/borrow.h"
#include "tests/lib/image_bed.h"

#define MIB   (1ull << 20)
#define SIZE  (64 * MIB)
#define DISK  "vms/vm-1/disk-0.ext4"
#define LAYER "templates/template-1/disk.ext4"

static void
must(struct image_bed *b, enum image_work work, const Drover__DiskSpec *spec)
{
	if (image_bed_do(b, work, spec))
		fail_msg("%s: %s", spec->path, b->err.msg);
}

static void
refused(struct image_bed *b, enum image_work work, const Drover__DiskSpec *spec,
    int code, const char *says)
{
	assert_int_equal(image_bed_do(b, work, spec), code);
	if (!strstr(b->err.msg, says))
		fail_msg("%s", b->err.msg);
}

static void
init_disk(Drover__DiskSpec *d, const char *path, uint64_t bytes)
{
	drover__disk_spec__init(d);
	d->name = borrow("disk-0");
	d->path = borrow(path);
	d->format = borrow("ext4");
	d->size_bytes = bytes;
}

static void
init_layer(Drover__DiskLayer *l, const char *path, const char *format)
{
	drover__disk_layer__init(l);
	l->path = borrow(path);
	l->format = borrow(format);
}

/* A clean file system, with our folders as containers need them. */
static void
check_image(const struct image_bed *b, const char *path)
{
	image_bed_sh("/sbin/e2fsck -fn %s/%s >/dev/null 2>&1", b->path, path);
	image_bed_sh("/sbin/debugfs -R 'ls -l /' %s/%s 2>/dev/null >%s/ls", b->path,
	    path, b->root);
	image_bed_sh("grep -Eq ' 40755 \\(2\\) +0 +0 .* upper$' %s/ls", b->root);
	image_bed_sh("grep -Eq ' 40755 \\(2\\) +0 +0 .* work$' %s/ls", b->root);
	image_bed_sh("grep -Eq ' 40700 \\(2\\) +0 +0 .* log$' %s/ls", b->root);
	image_bed_sh("/sbin/debugfs -R 'stat /log/console' %s/%s 2>/dev/null"
		     " | grep -q 'Type: regular    Mode:  0600'",
	    b->path, path);
}

static void
containers_disk_is_made_and_opened(void **state)
{
	struct image_bed *b = *state;
	AUTO_FREE char *path = xasprintf("%s/" DISK, b->path);
	struct engine_disk open;
	struct err e = ERR_INIT;
	struct stat st;
	Drover__DiskSpec d;
	uint64_t used;

	init_disk(&d, DISK, SIZE);
	must(b, IMAGE_CREATE, &d);
	check_image(b, DISK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, SIZE);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_uid, geteuid());
	if (disk_open(b->ds, &d, &open, &e))
		fail_msg("open: %s", e.msg);
	assert_int_equal(open.n_backing, 0);
	disk_close(&open);
	/* Nothing but a few tables: the journal and the nodes lie in holes. */
	assert_int_equal(disk_used(b->ds, &d, &used, &e), 0);
	assert_in_range(used, 1, MIB / 2);
	image_bed_sh("! /sbin/dumpe2fs %s 2>/dev/null | grep '^Group [0-9]' | grep -qv "
		     "ITABLE_ZEROED",
	    path);
	/* Once more, as after a lost answer. */
	must(b, IMAGE_CREATE, &d);
	d.size_bytes = 2 * SIZE;
	refused(b, IMAGE_CREATE, &d, ERR_EXISTS, "67108864 bytes only");
	assert_int_equal(disk_delete(b->ds, &d, &e), 0);
	assert_false(image_bed_has(b, "vms/vm-1"));
}

static void
sizes_must_fit(void **state)
{
	struct image_bed *b = *state;
	Drover__DiskSpec d;

	init_disk(&d, DISK, 0);
	refused(b, IMAGE_CREATE, &d, ERR_INVALID, "16777216 bytes at least");
	d.size_bytes = 4 * MIB;
	refused(b, IMAGE_CREATE, &d, ERR_INVALID, "16777216 bytes at least");
	d.size_bytes = SIZE + 512;
	refused(b, IMAGE_CREATE, &d, ERR_INVALID, "whole blocks");
	d.size_bytes = 16 * MIB;
	must(b, IMAGE_CREATE, &d);
	check_image(b, DISK);
}

static void
put_file(const struct image_bed *b, const char *path, const char *name)
{
	image_bed_sh("head -c 3000000 /dev/urandom >%s/%s", b->root, name);
	image_bed_sh("/sbin/debugfs -w -R 'write %s/%s /upper/%s' %s/%s 2>/dev/null "
		     ">/dev/null",
	    b->root, name, name, b->path, path);
}

/* The second of a size is copied from what was kept of the first. */
static void
blanks_become_disks_of_their_own(void **state)
{
	struct image_bed *b = *state;
	Drover__DiskSpec d;
	char path[64];

	for (int i = 1; i <= 3; i++) {
		snprintf(path, sizeof(path), "vms/vm-%d/disk-0.ext4", i);
		init_disk(&d, path, 1024 * MIB);
		must(b, IMAGE_CREATE, &d);
		check_image(b, path);
		if (i == 2) {
			image_bed_sh("chmod 0600 %s/.drover-layers/blank-1.ext4 && "
				     "printf x | dd of=%s/.drover-layers/blank-1.ext4 "
				     "bs=1 seek=1080 conv=notrunc status=none",
			    b->path, b->path);
		}
		assert_true(image_bed_has(b, ".drover-layers/blank-1.ext4"));
		/* Nothing that is written to one is seen by the next. */
		put_file(b, path, "a");
	}
	image_bed_sh("for i in 1 2 3; do /sbin/dumpe2fs -h %s/vms/vm-$i/disk-0.ext4 "
		     "2>/dev/null | grep UUID; done | sort -u | wc -l | grep -qx 3",
	    b->path);
	image_bed_sh("! /sbin/debugfs -R 'stat /upper/a' "
		     "%s/.drover-layers/blank-1.ext4 2>/dev/null | grep -q Inode",
	    b->path);
}

static ino_t
inode_of(const struct image_bed *b, const char *path)
{
	AUTO_FREE char *full = xasprintf("%s/%s", b->path, path);
	struct stat st;

	assert_int_equal(stat(full, &st), 0);
	return st.st_ino;
}

static void
spares_become_disks_by_their_names(void **state)
{
	struct image_bed *b = *state;
	const char *const first = ".drover-layers/spare-1-0.ext4";
	const char *const second = ".drover-layers/spare-1-1.ext4";
	const char *const taken = "vms/vm-2/disk-0.ext4";
	Drover__DiskSpec d;
	ino_t spares[2], got;

	init_disk(&d, "vms/vm-1/disk-0.ext4", 1024 * MIB);
	must(b, IMAGE_CREATE, &d);
	ext4_spare_stock(b->ds, 1024 * MIB);
	spares[0] = inode_of(b, first);
	spares[1] = inode_of(b, second);
	init_disk(&d, taken, 1024 * MIB);
	must(b, IMAGE_CREATE, &d);
	check_image(b, taken);
	got = inode_of(b, taken);
	assert_true(got == spares[0] || got == spares[1]);
	/* Whoever has it keeps it. */
	ext4_spare_stock(b->ds, 1024 * MIB);
	assert_false(ext4_spare_take(b->ds, taken, 1024 * MIB));
	assert_true(inode_of(b, taken) == got);
	image_bed_sh(
	    "for i in 0 1; do printf x | dd of=%s/.drover-layers/spare-1-$i.ext4 "
	    "bs=1 seek=1080 conv=notrunc status=none; done",
	    b->path);
	assert_false(ext4_spare_take(b->ds, "vms/vm-2/disk-1.ext4", 1024 * MIB));
}

/* A layer as the agent makes them, by hand. */
static void
make_layer(struct image_bed *b, const char *path)
{
	Drover__DiskSpec d;

	init_disk(&d, path, 16 * MIB);
	must(b, IMAGE_CREATE, &d);
	image_bed_sh("chmod 0440 %s/%s", b->path, path);
}

static void
layers_are_checked_and_opened_for_reading(void **state)
{
	struct image_bed *b = *state;
	Drover__DiskLayer layer, second, *below[] = { &layer, &second };
	struct engine_disk open;
	struct err e = ERR_INIT;
	Drover__DiskSpec d;

	init_layer(&layer, LAYER, "ext4");
	init_layer(&second, "vms/vm-2/disk-0.ext4", "ext4");
	init_disk(&d, DISK, SIZE);
	d.backing = below;
	d.n_backing = 2;
	refused(b, IMAGE_CREATE, &d, ERR_NOT_FOUND, LAYER);
	assert_false(image_bed_has(b, DISK));
	make_layer(b, LAYER);
	make_layer(b, second.path);
	must(b, IMAGE_CREATE, &d);
	if (disk_open(b->ds, &d, &open, &e))
		fail_msg("open: %s", e.msg);
	assert_int_equal(open.n_backing, 2);
	assert_int_equal(fcntl(open.fd, F_GETFL) & O_ACCMODE, O_RDWR);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(
		    fcntl(open.backing_fds[i], F_GETFL) & O_ACCMODE, O_RDONLY);
	disk_close(&open);
}

static void
mixed_formats_are_refused(void **state)
{
	struct image_bed *b = *state;
	Drover__DiskLayer layer, *below = &layer;
	Drover__DiskSpec d;

	init_layer(&layer, LAYER, "qcow2");
	init_disk(&d, DISK, SIZE);
	d.backing = &below;
	d.n_backing = 1;
	refused(b, IMAGE_CREATE, &d, ERR_INVALID, "stands on such images alone");
	layer.format = borrow("ext4");
	d.format = borrow("qcow2");
	refused(b, IMAGE_CREATE, &d, ERR_INVALID, "stands on such images alone");
}

static void
open_refused(const struct image_bed *b, const char *says)
{
	struct engine_disk open;
	struct err e = ERR_INIT;
	Drover__DiskSpec d;

	init_disk(&d, DISK, SIZE);
	assert_int_not_equal(disk_open(b->ds, &d, &open, &e), 0);
	if (!strstr(e.msg, says))
		fail_msg("%s", e.msg);
}

static void
others_file_systems_are_never_opened(void **state)
{
	struct image_bed *b = *state;
	AUTO_FREE char *path = xasprintf("%s/" DISK, b->path);

	image_bed_sh("mkdir -p %s/vms/vm-1; truncate -s 64M %s", b->path, path);
	open_refused(b, "no ext4 file system");
	image_bed_sh("/sbin/mke2fs -q -F -t ext4 -L theirs %s", path);
	open_refused(b, "not made by a host of ours");
	/* Told by its features, whatever it is called. */
	image_bed_sh("/sbin/mke2fs -q -F -t ext4 -L drover %s", path);
	open_refused(b, "features that ours have not");
	image_bed_sh("rm %s", path);
	make_layer(b, DISK);
	image_bed_sh("truncate -s 8M %s", path);
	open_refused(b, "does not fit in its file");
	image_bed_sh("truncate -s 16M %s", path);
	image_bed_sh("/sbin/debugfs -w -R 'ssv state 3' %s 2>/dev/null", path);
	open_refused(b, "damaged");
}

static void
has_file(const struct image_bed *b, const char *path, const char *name)
{
	image_bed_sh("/sbin/debugfs -R 'dump /upper/%s %s/out' %s/%s 2>/dev/null", name,
	    b->root, b->path, path);
	image_bed_sh("cmp %s/out %s/%s", b->root, b->root, name);
}

static uint64_t
fs_mib(const struct image_bed *b, const char *path)
{
	AUTO_FREE char *command = xasprintf(
	    "/sbin/dumpe2fs -h %s/%s 2>/dev/null | sed -n 's/^Block count: *//p'",
	    b->path, path);
	FILE *p = popen(command, "r"); /* NOLINT(cert-env33-c): our own */
	char text[32] = "";

	assert_non_null(p);
	assert_non_null(fgets(text, sizeof(text), p));
	pclose(p);
	return strtoull(text, NULL, 10) * 4096 / MIB;
}

static void
disk_grows_and_keeps_its_files(void **state)
{
	struct image_bed *b = *state;
	Drover__DiskSpec d;

	init_disk(&d, DISK, SIZE);
	must(b, IMAGE_CREATE, &d);
	put_file(b, DISK, "a");
	d.size_bytes = 300 * MIB;
	must(b, IMAGE_GROW, &d);
	must(b, IMAGE_GROW, &d);
	check_image(b, DISK);
	assert_int_equal(fs_mib(b, DISK), 300);
	has_file(b, DISK, "a");
	d.size_bytes = SIZE;
	refused(b, IMAGE_GROW, &d, ERR_INVALID, "cannot shrink");
	/* As one that was cut short between the file and what is in it. */
	image_bed_sh("truncate -s 400M %s/" DISK, b->path);
	d.size_bytes = 400 * MIB;
	must(b, IMAGE_GROW, &d);
	assert_int_equal(fs_mib(b, DISK), 400);
}

static void
copy_stands_on_as_many_layers(void **state)
{
	struct image_bed *b = *state;
	Drover__DiskLayer layer, *below = &layer;
	Drover__DiskSource source = DROVER__DISK_SOURCE__INIT;
	Drover__DiskSpec d;
	struct err e = ERR_INIT;
	uint64_t used;

	make_layer(b, LAYER);
	init_layer(&layer, LAYER, "ext4");
	init_disk(&d, DISK, SIZE);
	d.backing = &below;
	d.n_backing = 1;
	must(b, IMAGE_CREATE, &d);
	put_file(b, DISK, "a");
	source.path = borrow(DISK);
	source.format = borrow("ext4");
	init_disk(&d, "vms/vm-2/disk-0.ext4", 0);
	d.source = &source;
	must(b, IMAGE_COPY, &d);
	check_image(b, d.path);
	has_file(b, d.path, "a");
	assert_int_equal(disk_used(b->ds, &d, &used, &e), 0);
	assert_in_range(used, 1, 5 * MIB);
	init_disk(&d, "vms/vm-3/disk-0.ext4", 200 * MIB);
	d.source = &source;
	must(b, IMAGE_COPY, &d);
	assert_int_equal(fs_mib(b, d.path), 200);
	has_file(b, d.path, "a");
	init_disk(&d, "vms/vm-4/disk-0.ext4", SIZE);
	source.backing = &below;
	source.n_backing = 1;
	d.source = &source;
	refused(b, IMAGE_COPY, &d, ERR_INVALID, "onto as many layers");
	d.backing = &below;
	d.n_backing = 1;
	must(b, IMAGE_COPY, &d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(containers_disk_is_made_and_opened,
		    image_bed_setup, image_bed_teardown),
		cmocka_unit_test_setup_teardown(spares_become_disks_by_their_names,
		    image_bed_setup, image_bed_teardown),
		cmocka_unit_test_setup_teardown(blanks_become_disks_of_their_own,
		    image_bed_setup, image_bed_teardown),
		cmocka_unit_test_setup_teardown(
		    sizes_must_fit, image_bed_setup, image_bed_teardown),
		cmocka_unit_test_setup_teardown(
		    layers_are_checked_and_opened_for_reading, image_bed_setup,
		    image_bed_teardown),
		cmocka_unit_test_setup_teardown(
		    mixed_formats_are_refused, image_bed_setup, image_bed_teardown),
		cmocka_unit_test_setup_teardown(others_file_systems_are_never_opened,
		    image_bed_setup, image_bed_teardown),
		cmocka_unit_test_setup_teardown(disk_grows_and_keeps_its_files,
		    image_bed_setup, image_bed_teardown),
		cmocka_unit_test_setup_teardown(
		    copy_stands_on_as_many_layers, image_bed_setup, image_bed_teardown),
	};

	if (access("/sbin/mke2fs", X_OK) || access("/usr/bin/qemu-img", X_OK)) {
		fprintf(stderr, "skipped: no mke2fs or no qemu-img\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
