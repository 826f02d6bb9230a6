/*
 * Disks copied by the real qemu-img: whole, larger, given up, and out of what is
 * broken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/storage/disk.h"
#include "tests/lib/borrow.h"
#include "tests/lib/image_bed.h"

#define MIB      (1ull << 20)
#define QEMU_IMG "/usr/bin/qemu-img"

/* A template with a pattern, and vm-1's disk on top of it with another one. */
static void
make_chain(const struct image_bed *b)
{
	image_bed_sh(
	    "cd %s && mkdir -p templates/template-1 vms/vm-1 && " QEMU_IMG
	    " create -q -f qcow2 templates/template-1/disk.qcow2 64M && "
	    "qemu-io -c 'write -P 7 0 4M' templates/template-1/disk.qcow2 "
	    ">/dev/null && " QEMU_IMG " create -q -f qcow2 -F qcow2 -b "
	    "../../templates/template-1/disk.qcow2 vms/vm-1/disk-0.qcow2 && "
	    "qemu-io -c 'write -P 9 2M 1M' vms/vm-1/disk-0.qcow2 >/dev/null && "
	    "chmod 600 vms/vm-1/disk-0.qcow2",
	    b->path);
}

struct copy {
	Drover__DiskSpec spec;
	Drover__DiskSource source;
	Drover__DiskLayer below, *backing[1];
};

static void
init_copy(struct copy *c, const char *path, const char *format)
{
	drover__disk_spec__init(&c->spec);
	drover__disk_source__init(&c->source);
	drover__disk_layer__init(&c->below);
	c->spec.name = borrow("disk-0");
	c->spec.path = borrow(path);
	c->spec.format = borrow(format);
	c->spec.source = &c->source;
	c->source.path = borrow("vms/vm-1/disk-0.qcow2");
	c->source.format = borrow("qcow2");
	c->below.path = borrow("templates/template-1/disk.qcow2");
	c->below.format = borrow("qcow2");
	c->backing[0] = &c->below;
	c->source.backing = c->backing;
	c->source.n_backing = 1;
}

static int
copy(struct image_bed *b, const struct copy *c)
{
	image_bed_begin(b, IMAGE_COPY, &c->spec);
	return image_bed_until_ended(b);
}

static void
a_chain_becomes_one_image(void **state)
{
	struct image_bed *b = *state;
	struct engine_disk open = { .fd = -1 };
	struct err e = ERR_INIT;
	struct stat st;
	struct copy c;

	make_chain(b);
	init_copy(&c, "vms/vm-2/disk-0.qcow2", "qcow2");
	if (copy(b, &c))
		fail_msg("%s", b->err.msg);
	image_bed_sh("cd %s && " QEMU_IMG
		     " compare -q vms/vm-1/disk-0.qcow2 vms/vm-2/disk-0.qcow2",
	    b->path);
	/* It stands alone, is root's, and holes stayed holes. */
	assert_int_equal(disk_open(b->ds, &c.spec, &open, &e), 0);
	assert_int_equal(fstat(open.fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_uid, geteuid());
	assert_true((uint64_t)st.st_blocks * 512 < 8 * MIB);
	disk_close(&open);
	assert_false(image_bed_has(b, "vms/vm-2/disk-0.qcow2.new"));
	/* The order once more. */
	assert_int_equal(copy(b, &c), 0);
}

static void
a_copy_may_be_larger_and_raw(void **state)
{
	struct image_bed *b = *state;
	struct copy c;
	struct stat st;
	AUTO_FREE char *raw = xasprintf("%s/vms/vm-3/disk-0.raw", b->path);

	make_chain(b);
	init_copy(&c, "vms/vm-2/disk-0.qcow2", "qcow2");
	c.spec.size_bytes = 128 * MIB;
	assert_int_equal(copy(b, &c), 0);
	image_bed_sh("cd %s && " QEMU_IMG " info vms/vm-2/disk-0.qcow2 | grep -q "
		     "'virtual size: 128 MiB' && qemu-io -r -c 'read -P 9 2M 1M' -c "
		     "'read -P 0 64M 64M' vms/vm-2/disk-0.qcow2 | grep -c 'Pattern "
		     "verification failed' | grep -qx 0",
	    b->path);
	init_copy(&c, "vms/vm-3/disk-0.raw", "raw");
	assert_int_equal(copy(b, &c), 0);
	assert_int_equal(stat(raw, &st), 0);
	assert_int_equal(st.st_size, 64 * MIB);
	assert_true((uint64_t)st.st_blocks * 512 < 8 * MIB);
	image_bed_sh("cd %s && " QEMU_IMG " compare -q -F raw vms/vm-1/disk-0.qcow2 %s",
	    b->path, raw);
	init_copy(&c, "vms/vm-4/disk-0.qcow2", "qcow2");
	c.spec.size_bytes = 32 * MIB;
	assert_int_equal(copy(b, &c), ERR_INVALID);
}

/* What lies below is there under another name already. */
static void
a_linked_copy_stays_linked(void **state)
{
	struct image_bed *b = *state;
	struct copy c;
	struct stat st;
	Drover__DiskLayer there = DROVER__DISK_LAYER__INIT, *backing[] = { &there };
	AUTO_FREE char *made = xasprintf("%s/vms/vm-2/disk-0.qcow2", b->path);

	make_chain(b);
	image_bed_sh("cd %s && mkdir -p templates/template-2 && cp "
		     "templates/template-1/disk.qcow2 templates/template-2/copy.qcow2 "
		     "&& qemu-io -c 'write -z 1M 128k' -c 'write -P 3 8M 4k' "
		     "vms/vm-1/disk-0.qcow2 >/dev/null",
	    b->path);
	init_copy(&c, "vms/vm-2/disk-0.qcow2", "qcow2");
	there.path = borrow("templates/template-2/copy.qcow2");
	there.format = borrow("qcow2");
	c.spec.backing = backing;
	c.spec.n_backing = 1;
	if (copy(b, &c))
		fail_msg("%s", b->err.msg);
	image_bed_sh(
	    "cd %s && " QEMU_IMG
	    " compare -q vms/vm-1/disk-0.qcow2 vms/vm-2/disk-0.qcow2 && " QEMU_IMG
	    " info vms/vm-2/disk-0.qcow2 | grep -q "
	    "'backing file: ../../templates/template-2/copy.qcow2'",
	    b->path);
	assert_int_equal(stat(made, &st), 0);
	assert_true((uint64_t)st.st_blocks * 512 < 2 * MIB);
	/* A source that stands on nothing is no linked one. */
	init_copy(&c, "vms/vm-3/disk-0.qcow2", "qcow2");
	c.spec.backing = backing;
	c.spec.n_backing = 1;
	c.source.path = there.path;
	c.source.n_backing = 0;
	assert_int_equal(copy(b, &c), ERR_INVALID);
	assert_false(image_bed_has(b, "vms/vm-3/disk-0.qcow2"));
}

/* By sharing blocks on file systems that can, by qemu-img on the others. */
static void
one_image_is_copied_and_grown(void **state)
{
	struct image_bed *b = *state;
	struct copy c;

	make_chain(b);
	init_copy(&c, "vms/vm-2/disk-0.qcow2", "qcow2");
	c.source.path = borrow("templates/template-1/disk.qcow2");
	c.source.n_backing = 0;
	if (copy(b, &c))
		fail_msg("%s", b->err.msg);
	c.spec.path = borrow("vms/vm-2/disk-1.qcow2");
	c.spec.size_bytes = 128 * MIB;
	if (copy(b, &c))
		fail_msg("%s", b->err.msg);
	image_bed_sh(
	    "cd %s && " QEMU_IMG " compare -q templates/template-1/disk.qcow2 "
	    "vms/vm-2/disk-0.qcow2 && " QEMU_IMG
	    " compare -q templates/template-1/disk.qcow2 vms/vm-2/disk-1.qcow2 && " QEMU_IMG
	    " info vms/vm-2/disk-1.qcow2 | grep -q 'virtual size: 128 MiB' && "
	    "test $(stat -c %%a:%%u vms/vm-2/disk-1.qcow2) = 600:$(id -u)",
	    b->path);
}

/* What the headers name must be what was ordered, whatever lies there. */
static void
a_chain_that_names_another_image_is_refused(void **state)
{
	struct image_bed *b = *state;
	struct copy c;

	make_chain(b);
	init_copy(&c, "vms/vm-2/disk-0.qcow2", "qcow2");
	c.source.n_backing = 0;
	assert_int_equal(copy(b, &c), ERR_CORRUPT);
	init_copy(&c, "vms/vm-2/disk-0.qcow2", "qcow2");
	c.source.path = borrow("vms/vm-1/none.qcow2");
	assert_int_equal(copy(b, &c), ERR_NOT_FOUND);
	assert_non_null(strstr(b->err.msg, "vms/vm-1/none.qcow2"));
	c.source.path = borrow("up/disk.qcow2");
	assert_int_equal(copy(b, &c), ERR_DENIED);
	image_bed_sh("cd %s && head -c 100000 vms/vm-1/disk-0.qcow2 >cut && mv cut "
		     "vms/vm-1/disk-0.qcow2",
	    b->path);
	init_copy(&c, "vms/vm-2/disk-0.qcow2", "qcow2");
	assert_int_not_equal(copy(b, &c), 0);
	assert_false(image_bed_has(b, "vms/vm-2/disk-0.qcow2"));
	assert_false(image_bed_has(b, "vms/vm-2/disk-0.qcow2.new"));
}

/* A qemu-img whose "convert" is something else. */
static void
set_convert(struct image_bed *b, const char *instead)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/qemu-img", b->root);
	image_bed_sh(
	    "chmod 755 %s; printf '#!/bin/sh\\n[ $1 = convert ] || exec " QEMU_IMG
	    " \"$@\"\\n%s\\n' >%s; chmod 755 %s",
	    b->root, instead, path, path);
	b->conf.qemu_img = path;
}

static void
what_nobody_waits_for_ends(void **state)
{
	struct image_bed *b = *state;
	uint64_t until = clock_mono_ms(clock_system()) + IMAGE_BED_MS;
	struct flow *f;
	struct copy c;

	make_chain(b);
	set_convert(b, "exec sleep 1000");
	init_copy(&c, "vms/vm-2/disk-0.qcow2", "qcow2");
	f = image_bed_begin(b, IMAGE_COPY, &c.spec);
	while (!image_bed_has(b, "vms/vm-2/disk-0.qcow2.new")) {
		assert_true(clock_mono_ms(clock_system()) < until);
		loop_turn(b->loop, 20);
	}
	flow_cancel(f, "not wanted");
	assert_int_equal(image_bed_until_ended(b), ERR_CANCELLED);
	while (image_bed_has(b, "vms/vm-2/disk-0.qcow2.new")) {
		assert_true(clock_mono_ms(clock_system()) < until);
		loop_turn(b->loop, 20);
	}
	assert_false(image_bed_has(b, "vms/vm-2/disk-0.qcow2"));
}

static void
a_full_datastore_is_named_and_nothing_stays(void **state)
{
	struct image_bed *b = *state;
	struct copy c;

	make_chain(b);
	set_convert(b, "echo write error: No space left on device >&2; exit 1");
	init_copy(&c, "vms/vm-2/disk-0.qcow2", "qcow2");
	assert_int_equal(copy(b, &c), ERR_NO_CAPACITY);
	assert_non_null(strstr(b->err.msg, "datastore is full"));
	assert_false(image_bed_has(b, "vms/vm-2/disk-0.qcow2.new"));
	assert_false(image_bed_has(b, "vms/vm-2/disk-0.qcow2"));
}

#define BED(test) \
	cmocka_unit_test_setup_teardown(test, image_bed_setup, image_bed_teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		BED(a_chain_becomes_one_image),
		BED(a_copy_may_be_larger_and_raw),
		BED(a_linked_copy_stays_linked),
		BED(one_image_is_copied_and_grown),
		BED(a_chain_that_names_another_image_is_refused),
		BED(what_nobody_waits_for_ends),
		BED(a_full_datastore_is_named_and_nothing_stays),
	};

	if (access(QEMU_IMG, X_OK)) {
		fprintf(stderr, "skipped: no " QEMU_IMG " here\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
