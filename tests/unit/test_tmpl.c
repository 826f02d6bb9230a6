/*
 * Images of users made templates, or refused.
 */
#include <fcntl.h>
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
#include "tests/lib/borrow.h"
#include "tests/lib/image_bed.h"

#define QEMU_IMG "/usr/bin/qemu-img"

struct world {
	struct image_bed *bed;
	uint64_t virtual_bytes;
	char sha256[65], tmpl_path[128];
};

static int
set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	void *bed;

	assert_int_equal(image_bed_setup(&bed), 0);
	w->bed = bed;
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

static void
on_done(void *arg, int rc, const struct err *e, const Drover__TemplateFacts *facts)
{
	struct world *w = arg;

	w->bed->ended = true;
	w->bed->rc = rc;
	w->bed->err = *e;
	assert_true((facts != NULL) == (rc == 0));
	if (!facts)
		return;
	w->virtual_bytes = facts->virtual_bytes;
	snprintf(w->sha256, sizeof(w->sha256), "%s", facts->sha256);
	snprintf(w->tmpl_path, sizeof(w->tmpl_path), "%s", facts->path);
}

enum source { RENAME, KEEP };

static struct tmpl_import *
begin(
    struct world *w, uint64_t tmpl, const char *path, const char *format, enum source s)
{
	struct image_bed *b = w->bed;
	struct tmpl_place at = {
		.loop = b->loop, .workers = b->workers, .conf = &b->conf, .ds = b->ds
	};
	Drover__TemplateImport order;
	struct tmpl_import *im = NULL;

	drover__template_import__init(&order);
	order.template_ = tmpl;
	order.path = borrow(path);
	order.format = borrow(format);
	order.keep_source = s == KEEP;
	w->bed->ended = false;
	w->bed->rc = tmpl_import_start(&at, &order, on_done, w, &im, &w->bed->err);
	return im;
}

static int
import(
    struct world *w, uint64_t tmpl, const char *path, const char *format, enum source s)
{
	return begin(w, tmpl, path, format, s) ? image_bed_until_ended(w->bed)
					       : w->bed->rc;
}

static void
good_image_becomes_a_template(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *made =
	    xasprintf("%s/templates/template-1/disk.qcow2", w->bed->path);
	char sha256[65];
	struct stat st;

	image_bed_sh(QEMU_IMG " create -q -f qcow2 %s/up/a 1G", w->bed->path);
	if (import(w, 1, "up/a", "qcow2", KEEP))
		fail_msg("import: %s", w->bed->err.msg);
	assert_string_equal(w->tmpl_path, "templates/template-1/disk.qcow2");
	assert_int_equal(w->virtual_bytes, 1ull << 30);
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0440);
	assert_int_equal(st.st_gid, geteuid() == 0 ? 64999 : getegid());
	image_bed_sh("sha256sum < %s | grep -q %s", made, w->sha256);
	snprintf(sha256, sizeof(sha256), "%s", w->sha256);
	/* The order once more, as after a lost reply. */
	assert_int_equal(import(w, 1, "up/a", "qcow2", KEEP), 0);
	assert_string_equal(w->sha256, sha256);
	assert_true(image_bed_has(w->bed, "up/a"));
	assert_int_equal(import(w, 2, "up/a", "qcow2", RENAME), 0);
	assert_false(image_bed_has(w->bed, "up/a"));
	assert_int_equal(import(w, 2, "up/a", "qcow2", RENAME), 0);
	assert_string_equal(w->sha256, sha256);
	/* Another image does not take its place. */
	image_bed_sh(QEMU_IMG " create -q -f qcow2 %s/up/b 2G", w->bed->path);
	assert_int_equal(import(w, 2, "up/b", "qcow2", RENAME), ERR_EXISTS);
	assert_true(image_bed_has(w->bed, "up/b") &&
		    image_bed_has(w->bed, "templates/template-2/disk.qcow2"));
	assert_int_equal(tmpl_delete(w->bed->ds, 2, &w->bed->err), 0);
	assert_int_equal(tmpl_delete(w->bed->ds, 2, &w->bed->err), 0);
	assert_false(image_bed_has(w->bed, "templates/template-2"));
}

static void
raw_only_when_asked_for(void **state)
{
	struct world *w = *state;

	image_bed_sh("truncate -s 1M %s/up/raw; truncate -s 1000 %s/up/odd",
	    w->bed->path, w->bed->path);
	assert_int_equal(import(w, 1, "up/raw", "qcow2", KEEP), ERR_INVALID);
	assert_int_equal(import(w, 1, "up/odd", "raw", KEEP), ERR_INVALID);
	assert_int_equal(import(w, 1, "up/raw", "raw", KEEP), 0);
	assert_int_equal(w->virtual_bytes, 1 << 20);
	assert_string_equal(w->tmpl_path, "templates/template-1/disk.raw");
}

static void
refused(struct world *w, const char *path, int code, const char *says)
{
	assert_int_equal(import(w, 7, path, "qcow2", RENAME), code);
	if (!strstr(w->bed->err.msg, says))
		fail_msg("%s: %s", path, w->bed->err.msg);
	assert_false(image_bed_has(w->bed, "templates/template-7"));
}

static void
bad_images_are_refused_and_stay(void **state)
{
	struct world *w = *state;

	image_bed_sh(QEMU_IMG " create -q -f qcow2 %s/up/ok 1G", w->bed->path);
	image_bed_sh("head -c 100000 %s/up/ok >%s/up/cut", w->bed->path, w->bed->path);
	image_bed_sh("echo 'I am a text' >%s/up/text", w->bed->path);
	image_bed_sh(QEMU_IMG
	    " create -q -u -f qcow2 -b /etc/passwd -F raw %s/up/backed 1M",
	    w->bed->path);
	image_bed_sh(QEMU_IMG " create -q -f qcow2 %s/up/big 63T", w->bed->path);
	image_bed_sh(QEMU_IMG " create -q -f qcow2 -o data_file=%s/data %s/up/data 1M",
	    w->bed->root, w->bed->path);
	refused(w, "up/text", ERR_INVALID, "no qcow2 image");
	refused(w, "up/cut", ERR_INVALID, "truncated");
	refused(w, "up/backed", ERR_INVALID, "/etc/passwd");
	refused(w, "up/data", ERR_INVALID, "its data in another file");
	refused(w, "up/big", ERR_NO_CAPACITY, "its datastore of");
	refused(w, "up/none", ERR_NOT_FOUND, "up/none");
	refused(w, "../ds/up/ok", ERR_INVALID, "not allowed");
	/* Nothing was taken away from its owner. */
	assert_true(
	    image_bed_has(w->bed, "up/text") && image_bed_has(w->bed, "up/big"));
}

static void
damaged_tables_are_found(void **state)
{
	struct world *w = *state;

	image_bed_sh(QEMU_IMG " create -q -f qcow2 %s/up/hurt 64M", w->bed->path);
	/* A table entry that points to nowhere. */
	image_bed_sh(
	    "printf '\\200\\000\\000\\000\\177\\377\\000\\000' | dd of=%s/up/hurt bs=1 "
	    "seek=196608 conv=notrunc status=none",
	    w->bed->path);
	refused(w, "up/hurt", ERR_INVALID, "damaged");
	assert_true(image_bed_has(w->bed, "up/hurt"));
}

static void
cancelled_import_leaves_nothing(void **state)
{
	struct world *w = *state;
	uint64_t until = clock_mono_ms(clock_system()) + IMAGE_BED_MS;
	struct tmpl_import *im;

	image_bed_sh(QEMU_IMG " create -q -f qcow2 %s/up/a 1G", w->bed->path);
	im = begin(w, 3, "up/a", "qcow2", RENAME);
	assert_non_null(im);
	tmpl_import_cancel(im);
	/* The worker may have it still; it is done before the workers are. */
	workers_free(w->bed->workers);
	while (loop_turn(w->bed->loop, 20))
		assert_true(clock_mono_ms(clock_system()) < until);
	w->bed->workers = workers_new(w->bed->loop, 1, 16);
	assert_false(image_bed_has(w->bed, "templates/template-3"));
	assert_true(image_bed_has(w->bed, "up/a"));
	assert_false(w->bed->ended);
}

#define WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WORLD(good_image_becomes_a_template),
		WORLD(raw_only_when_asked_for),
		WORLD(bad_images_are_refused_and_stay),
		WORLD(damaged_tables_are_found),
		WORLD(cancelled_import_leaves_nothing),
	};

	if (access(QEMU_IMG, X_OK)) {
		fprintf(stderr, "skipped: no " QEMU_IMG " here\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
