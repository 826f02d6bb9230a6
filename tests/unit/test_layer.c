/*
 * Frozen images merged and linked anew by the real qemu-img, and what they hold then.
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
#include "host-agent/storage/layer.h"
#include "tests/lib/borrow.h"
#include "tests/lib/image_bed.h"
#include "tests/lib/waiter.h"

#define QEMU_IMG "/usr/bin/qemu-img"
#define QEMU_IO  "/usr/bin/qemu-io"
#define IMAGES   5

struct world {
	struct image_bed *bed;
	Drover__DiskLayer layers[IMAGES]; /* each stands on the one before */
	char names[IMAGES][32];
};

static void __attribute__((format(printf, 2, 3)))
run(const struct world *w, const char *fmt, ...)
{
	AUTO(str) struct str s = STR_INIT;
	va_list ap;

	str_addf(&s, "cd '%s/vms/vm-1' && ", w->bed->path);
	va_start(ap, fmt);
	str_addv(&s, fmt, ap);
	va_end(ap);
	/* NOLINTNEXTLINE(cert-env33-c): our own text */
	if (system(str_cstr(&s)))
		fail_msg("%s", str_cstr(&s));
}

/* Image i has its number at MiB i, and at MiB 0 what was written last. */
static void
make_images(struct world *w)
{
	run(w, QEMU_IMG " create -q -f qcow2 0.qcow2 8M");
	for (int i = 0; i < IMAGES; i++) {
		Drover__DiskLayer *l = &w->layers[i];

		drover__disk_layer__init(l);
		snprintf(w->names[i], sizeof(w->names[i]), "vms/vm-1/%d.qcow2", i);
		l->path = w->names[i];
		l->format = borrow("qcow2");
		if (i)
			run(w,
			    QEMU_IMG " create -q -f qcow2 -b ./%d.qcow2 -F qcow2 "
				     "%d.qcow2",
			    i - 1, i);
		run(w,
		    QEMU_IO " -c 'write -q -P %d %dM 1M' -c 'write -q -P %d 0 64k' "
			    "%d.qcow2",
		    i + 1, i, i + 1, i);
	}
}

static int
set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	void *bed;

	assert_int_equal(image_bed_setup(&bed), 0);
	w->bed = bed;
	image_bed_sh("mkdir -p '%s/vms/vm-1'", w->bed->path);
	make_images(w);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;
	void *bed = w->bed;

	free(w);
	return image_bed_teardown(&bed);
}

static struct disk_place
place(const struct world *w)
{
	const struct image_bed *b = w->bed;

	return (struct disk_place){ b->loop, b->workers, &b->conf, b->ds };
}

static int
merge(struct world *w, int upper, int lower, struct waiter *ret_w)
{
	const struct disk_place at = place(w);

	*ret_w = (struct waiter){ .rc = 1 };
	layer_merge(&at, &w->layers[upper], &w->layers[lower],
	    waiter_start(ret_w, w->bed->loop, w->bed->flows));
	return waiter_end(ret_w, w->bed->loop);
}

static int
relink(struct world *w, int image, int was, int below, struct waiter *ret_w)
{
	const struct disk_place at = place(w);

	*ret_w = (struct waiter){ .rc = 1 };
	layer_relink(&at, &w->layers[image], &w->layers[was], &w->layers[below],
	    waiter_start(ret_w, w->bed->loop, w->bed->flows));
	return waiter_end(ret_w, w->bed->loop);
}

/* What image number top and all below it show, up to what image number last wrote. */
static void
assert_content(const struct world *w, int top, int last)
{
	run(w, QEMU_IMG " check -q %d.qcow2", top);
	run(w, QEMU_IO " -r -c 'read -q -P %d 0 64k' %d.qcow2 | (! grep -q .)",
	    last + 1, top);
	for (int i = 1; i < IMAGES; i++)
		run(w, QEMU_IO " -r -c 'read -q -P %d %dM 1M' %d.qcow2 | (! grep -q .)",
		    i <= last ? i + 1 : 0, i, top);
}

static void
middle_is_merged_and_linked_past(void **state)
{
	struct world *w = *state;
	struct waiter end;
	struct err e = ERR_INIT;
	struct stat st;

	assert_content(w, 4, 4);
	assert_int_equal(merge(w, 2, 1, &end), 0);
	/* Until the link is changed nothing else has: the upper one hides it. */
	assert_content(w, 4, 4);
	assert_int_equal(relink(w, 3, 2, 1, &end), 0);
	assert_int_equal(relink(w, 3, 2, 1, &end), 0);
	assert_int_equal(
	    layer_stands_on(w->bed->ds, &w->layers[3], &w->layers[1], &e), 0);
	assert_int_equal(
	    layer_stands_on(w->bed->ds, &w->layers[3], &w->layers[2], &e), ERR_CORRUPT);
	assert_int_equal(layer_remove(w->bed->ds, w->layers[2].path, &e), 0);
	assert_int_equal(layer_remove(w->bed->ds, w->layers[2].path, &e), 0);
	assert_content(w, 4, 4);
	assert_content(w, 1, 2);
	AUTO_FREE char *path = xasprintf("%s/%s", w->bed->path, w->layers[1].path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void
the_top_is_merged_twice_to_the_same(void **state)
{
	struct world *w = *state;
	struct waiter end;

	assert_int_equal(merge(w, 4, 3, &end), 0);
	assert_int_equal(merge(w, 4, 3, &end), 0);
	assert_content(w, 3, 4);
}

/* What does not stand on it is not merged into it, and nothing is written. */
static void
strangers_are_refused(void **state)
{
	struct world *w = *state;
	struct waiter end;

	assert_int_equal(merge(w, 3, 1, &end), ERR_CORRUPT);
	assert_non_null(strstr(end.e.msg, "2.qcow2"));
	assert_int_equal(relink(w, 3, 4, 1, &end), ERR_CORRUPT);
	w->layers[0].path = borrow("vms/vm-1/none.qcow2");
	assert_int_equal(merge(w, 1, 0, &end), ERR_NOT_FOUND);
	w->layers[0].path = w->names[0];
	assert_content(w, 4, 4);
	assert_content(w, 1, 1);
}

static void
memory_is_shared_and_kept(void **state)
{
	struct world *w = *state;
	AUTO_CLOSE int fd = -1;
	AUTO_CLOSE int again = -1;
	AUTO_CLOSE int kept = -1;
	struct err e = ERR_INIT;
	char c = 0;

	assert_int_equal(
	    snapshot_memory_open(w->bed->ds, 1, 7, &fd, &e), ERR_NOT_FOUND);
	assert_int_equal(snapshot_memory_use(w->bed->ds, 1, 7, &e), ERR_NOT_FOUND);
	assert_int_equal(snapshot_memory_create(w->bed->ds, 1, 7, &fd, &e), 0);
	assert_int_equal(write(fd, "m", 1), 1);
	assert_int_equal(snapshot_memory_use(w->bed->ds, 1, 7, &e), 0);
	assert_int_equal(snapshot_memory_use(w->bed->ds, 1, 7, &e), 0);
	/* A later suspend writes a file of its own. */
	assert_int_equal(memory_create(w->bed->ds, 1, &again, &e), 0);
	assert_int_equal(write(again, "x", 1), 1);
	assert_int_equal(snapshot_memory_open(w->bed->ds, 1, 7, &kept, &e), 0);
	assert_int_equal(pread(kept, &c, 1, 0), 1);
	assert_int_equal(c, 'm');
	assert_int_equal(snapshot_memory_delete(w->bed->ds, 1, 7, &e), 0);
	assert_int_equal(snapshot_memory_delete(w->bed->ds, 1, 7, &e), 0);
}

static void
all_that_snapshots_left_goes(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;

	run(w,
	    "touch disk-0.s7.qcow2 disk-1.s12.qcow2.new snapshot-3.mem disk-0.qcow2");
	assert_int_equal(layer_remove_all(w->bed->ds, 1, &e), 0);
	run(w, "test ! -e disk-0.s7.qcow2 -a ! -e snapshot-3.mem -a -e disk-0.qcow2 "
	       "-a ! -e disk-1.s12.qcow2.new -a -e 0.qcow2");
	assert_int_equal(layer_remove_all(w->bed->ds, 2, &e), 0);
}

#define WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WORLD(middle_is_merged_and_linked_past),
		WORLD(the_top_is_merged_twice_to_the_same),
		WORLD(strangers_are_refused),
		WORLD(memory_is_shared_and_kept),
		WORLD(all_that_snapshots_left_goes),
	};

	if (access(QEMU_IMG, X_OK) || access(QEMU_IO, X_OK)) {
		fprintf(stderr, "skipped: no " QEMU_IMG " or " QEMU_IO " here\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
