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
#include "host-agent/storage/tmpl.h"
#include "tests/lib/borrow.h"

#define UUID     "6e9bd5ae-6b9b-4a35-9f0d-2f1a3f6f0a42"
#define WAIT_MS  20000
#define QEMU_IMG "/usr/bin/qemu-img"

struct world {
	struct loop *loop;
	struct workers *workers;
	struct datastore *ds;
	char root[64], path[96];
	bool ended;
	int rc;
	struct err err;
	uint64_t virtual_bytes;
	char sha256[65], tmpl_path[128];
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
	struct world *w = xcalloc(1, sizeof(*w));
	Drover__DatastoreSpec s;
	struct err e = ERR_INIT;

	snprintf(w->root, sizeof(w->root), "/tmp/drover-tmpl-XXXXXX");
	assert_non_null(mkdtemp(w->root));
	snprintf(w->path, sizeof(w->path), "%s/ds", w->root);
	drover__datastore_spec__init(&s);
	s.uuid = borrow(UUID);
	s.name = borrow("fast");
	s.type = borrow("dir");
	s.path = w->path;
	s.create = true;
	if (datastore_attach(&s, w->root, &w->ds, &e))
		fail_msg("attach: %s", e.msg);
	sh("mkdir %s/up", w->path);
	w->loop = loop_new(clock_system());
	w->workers = workers_new(w->loop, 1, 16);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	workers_free(w->workers);
	loop_free(w->loop);
	datastore_unref(w->ds);
	sh("rm -rf -- '%s'", w->root);
	free(w);
	return 0;
}

static void
on_done(void *arg, int rc, const struct err *e, const Drover__TemplateFacts *facts)
{
	struct world *w = arg;

	w->ended = true;
	w->rc = rc;
	w->err = *e;
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
	static const struct disk_conf conf = { .uid = 64999, .gid = 64999 };
	struct tmpl_place at = {
		.loop = w->loop, .workers = w->workers, .conf = &conf, .ds = w->ds
	};
	Drover__TemplateImport order;
	struct tmpl_import *im = NULL;

	drover__template_import__init(&order);
	order.template_ = tmpl;
	order.path = borrow(path);
	order.format = borrow(format);
	order.keep_source = s == KEEP;
	w->ended = false;
	w->rc = tmpl_import_start(&at, &order, on_done, w, &im, &w->err);
	return im;
}

static int
import(
    struct world *w, uint64_t tmpl, const char *path, const char *format, enum source s)
{
	uint64_t until = clock_mono_ms(clock_system()) + WAIT_MS;

	if (!begin(w, tmpl, path, format, s))
		return w->rc;
	while (!w->ended) {
		assert_true(clock_mono_ms(clock_system()) < until);
		loop_turn(w->loop, 50);
	}
	return w->rc;
}

static bool
exists(const struct world *w, const char *path)
{
	AUTO_FREE char *full = xasprintf("%s/%s", w->path, path);

	return access(full, F_OK) == 0;
}

static void
good_image_becomes_a_template(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *made = xasprintf("%s/templates/template-1/disk.qcow2", w->path);
	char sha256[65];
	struct stat st;

	sh(QEMU_IMG " create -q -f qcow2 %s/up/a 1G", w->path);
	if (import(w, 1, "up/a", "qcow2", KEEP))
		fail_msg("import: %s", w->err.msg);
	assert_string_equal(w->tmpl_path, "templates/template-1/disk.qcow2");
	assert_int_equal(w->virtual_bytes, 1ull << 30);
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0440);
	assert_int_equal(st.st_gid, geteuid() == 0 ? 64999 : getegid());
	sh("sha256sum < %s | grep -q %s", made, w->sha256);
	snprintf(sha256, sizeof(sha256), "%s", w->sha256);
	/* The order once more, as after a lost reply. */
	assert_int_equal(import(w, 1, "up/a", "qcow2", KEEP), 0);
	assert_string_equal(w->sha256, sha256);
	assert_true(exists(w, "up/a"));
	assert_int_equal(import(w, 2, "up/a", "qcow2", RENAME), 0);
	assert_false(exists(w, "up/a"));
	assert_int_equal(import(w, 2, "up/a", "qcow2", RENAME), 0);
	assert_string_equal(w->sha256, sha256);
	/* Another image does not take its place. */
	sh(QEMU_IMG " create -q -f qcow2 %s/up/b 2G", w->path);
	assert_int_equal(import(w, 2, "up/b", "qcow2", RENAME), ERR_EXISTS);
	assert_true(exists(w, "up/b") && exists(w, "templates/template-2/disk.qcow2"));
	assert_int_equal(tmpl_delete(w->ds, 2, &w->err), 0);
	assert_int_equal(tmpl_delete(w->ds, 2, &w->err), 0);
	assert_false(exists(w, "templates/template-2"));
}

static void
raw_only_when_asked_for(void **state)
{
	struct world *w = *state;

	sh("truncate -s 1M %s/up/raw; truncate -s 1000 %s/up/odd", w->path, w->path);
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
	if (!strstr(w->err.msg, says))
		fail_msg("%s: %s", path, w->err.msg);
	assert_false(exists(w, "templates/template-7"));
}

static void
bad_images_are_refused_and_stay(void **state)
{
	struct world *w = *state;

	sh(QEMU_IMG " create -q -f qcow2 %s/up/ok 1G", w->path);
	sh("head -c 100000 %s/up/ok >%s/up/cut", w->path, w->path);
	sh("echo 'I am a text' >%s/up/text", w->path);
	sh(QEMU_IMG " create -q -u -f qcow2 -b /etc/passwd -F raw %s/up/backed 1M",
	    w->path);
	sh(QEMU_IMG " create -q -f qcow2 %s/up/big 63T", w->path);
	sh(QEMU_IMG " create -q -f qcow2 -o data_file=%s/data %s/up/data 1M", w->root,
	    w->path);
	refused(w, "up/text", ERR_INVALID, "no qcow2 image");
	refused(w, "up/cut", ERR_INVALID, "truncated");
	refused(w, "up/backed", ERR_INVALID, "/etc/passwd");
	refused(w, "up/data", ERR_INVALID, "its data in another file");
	refused(w, "up/big", ERR_NO_CAPACITY, "its datastore of");
	refused(w, "up/none", ERR_NOT_FOUND, "up/none");
	refused(w, "../ds/up/ok", ERR_INVALID, "not allowed");
	/* Nothing was taken away from its owner. */
	assert_true(exists(w, "up/text") && exists(w, "up/big"));
}

static void
damaged_tables_are_found(void **state)
{
	struct world *w = *state;

	sh(QEMU_IMG " create -q -f qcow2 %s/up/hurt 64M", w->path);
	/* A table entry that points to nowhere. */
	sh("printf '\\200\\000\\000\\000\\177\\377\\000\\000' | dd of=%s/up/hurt bs=1 "
	   "seek=196608 conv=notrunc status=none",
	    w->path);
	refused(w, "up/hurt", ERR_INVALID, "damaged");
	assert_true(exists(w, "up/hurt"));
}

static void
cancelled_import_leaves_nothing(void **state)
{
	struct world *w = *state;
	uint64_t until = clock_mono_ms(clock_system()) + WAIT_MS;
	struct tmpl_import *im;

	sh(QEMU_IMG " create -q -f qcow2 %s/up/a 1G", w->path);
	im = begin(w, 3, "up/a", "qcow2", RENAME);
	assert_non_null(im);
	tmpl_import_cancel(im);
	/* The worker may have it still; it is done before the workers are. */
	workers_free(w->workers);
	while (loop_turn(w->loop, 20))
		assert_true(clock_mono_ms(clock_system()) < until);
	w->workers = workers_new(w->loop, 1, 16);
	assert_false(exists(w, "templates/template-3"));
	assert_true(exists(w, "up/a"));
	assert_false(w->ended);
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
