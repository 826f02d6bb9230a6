/*
 * A disk written as an appliance, looked at by tar, and imported again.
 */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/storage/appliance.h"
#include "tests/lib/borrow.h"
#include "tests/lib/image_bed.h"

#define QEMU_IMG "/usr/bin/qemu-img"

struct world {
	struct image_bed *bed;
	Drover__TemplateFacts facts; /* texts below */
	char name[81], description[64];
	uint64_t file_bytes;
};

static int
set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	void *bed = NULL;

	image_bed_setup(&bed);
	w->bed = bed;
	image_bed_sh(
	    "cd %s && mkdir -p vms/vm-1 && " QEMU_IMG
	    " create -q -f qcow2 vms/vm-1/disk-0.qcow2 16M && qemu-io -c 'write -P "
	    "5 1M 2M' vms/vm-1/disk-0.qcow2 >/dev/null && chmod 600 "
	    "vms/vm-1/disk-0.qcow2",
	    w->bed->path);
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

static struct tmpl_place
place_of(const struct world *w)
{
	return (struct tmpl_place){
		.loop = w->bed->loop,
		.workers = w->bed->workers,
		.conf = &w->bed->conf,
		.ds = w->bed->ds,
		.source_ds = w->bed->ds,
	};
}

static void
on_exported(void *arg, int rc, const struct err *e, const Drover__FileFacts *facts)
{
	struct world *w = arg;

	w->bed->ended = true;
	w->bed->rc = rc;
	w->bed->err = *e;
	w->file_bytes = facts ? facts->size_bytes : 0;
}

static struct appliance_export *
begin(struct world *w, const char *path, const char *source)
{
	struct tmpl_place at = place_of(w);
	Drover__ApplianceExport order = DROVER__APPLIANCE_EXPORT__INIT;
	Drover__DiskSource disk = DROVER__DISK_SOURCE__INIT;
	struct appliance_export *x = NULL;

	disk.path = borrow(source);
	disk.format = borrow("qcow2");
	order.path = borrow(path);
	order.source = &disk;
	order.name = borrow("web <&> 1");
	order.description = borrow("the \"old\" one");
	order.num_cpu = 3;
	order.memory_mb = 768;
	order.num_nics = 2;
	w->bed->ended = false;
	w->bed->rc =
	    appliance_export_start(&at, &order, on_exported, w, &x, &w->bed->err);
	return x;
}

static int export(struct world *w, const char *path, const char *source)
{
	if (!begin(w, path, source))
		return w->bed->rc;
	return image_bed_until_ended(w->bed);
}

static void
on_imported(void *arg, int rc, const struct err *e, const Drover__TemplateFacts *facts)
{
	struct world *w = arg;

	w->bed->ended = true;
	w->bed->rc = rc;
	w->bed->err = *e;
	if (!facts)
		return;
	w->facts = *facts;
	snprintf(w->name, sizeof(w->name), "%s", facts->name);
	snprintf(w->description, sizeof(w->description), "%s", facts->description);
}

/* Files whose names begin with path's, on the datastore. */
static size_t
count_files(const struct world *w, const char *path)
{
	AUTO_FREE char *pattern = xasprintf("%s/%s*", w->bed->path, path);
	glob_t g = { 0 };
	size_t n = glob(pattern, 0, NULL, &g) ? 0 : g.gl_pathc;

	globfree(&g);
	return n;
}

static void
what_is_exported_can_be_imported(void **state)
{
	struct world *w = *state;
	struct tmpl_place at = place_of(w);
	Drover__TemplateImport order = DROVER__TEMPLATE_IMPORT__INIT;
	struct tmpl_import *im;

	if (export(w, "out/web.ova", "vms/vm-1/disk-0.qcow2"))
		fail_msg("%s", w->bed->err.msg);
	/* The system's tar and sha256sum find it in order. */
	image_bed_sh(
	    "cd %s && test $(stat -c %%s ds/out/web.ova) = %d && mkdir x && cd x && "
	    "tar xf ../ds/out/web.ova && test \"$(ls | tr '\\n' ' ')\" = "
	    "'appliance-disk1.vmdk appliance.mf appliance.ovf ' && sed "
	    "'s/SHA256(\\(.*\\))= \\(.*\\)/\\2  \\1/' appliance.mf | sha256sum "
	    "--quiet -c && grep -q 'web &lt;&amp;&gt; 1' appliance.ovf",
	    w->bed->root, (int)w->file_bytes);
	assert_int_equal(count_files(w, "out/web.ova"), 1);
	order.template_ = 1;
	order.path = borrow("out/web.ova");
	order.format = borrow("ova");
	w->bed->ended = false;
	assert_int_equal(
	    tmpl_import_start(&at, &order, on_imported, w, &im, &w->bed->err), 0);
	if (image_bed_until_ended(w->bed))
		fail_msg("%s", w->bed->err.msg);
	assert_string_equal(w->name, "web <&> 1");
	assert_string_equal(w->description, "the \"old\" one");
	assert_int_equal(w->facts.num_cpu, 3);
	assert_int_equal(w->facts.memory_mb, 768);
	image_bed_sh(
	    "cd %s && " QEMU_IMG
	    " compare -q vms/vm-1/disk-0.qcow2 templates/template-1/disk.qcow2",
	    w->bed->path);
	/* It was not to be kept. */
	assert_false(image_bed_has(w->bed, "out/web.ova"));
}

static void
an_export_replaces_nothing(void **state)
{
	struct world *w = *state;

	image_bed_sh("echo mine >%s/up/a.ova", w->bed->path);
	assert_int_equal(export(w, "up/a.ova", "vms/vm-1/disk-0.qcow2"), ERR_EXISTS);
	image_bed_sh("grep -qx mine %s/up/a.ova", w->bed->path);
	assert_int_equal(
	    export(w, "vms/vm-1/a.ova", "vms/vm-1/disk-0.qcow2"), ERR_DENIED);
	assert_int_equal(export(w, "../a.ova", "vms/vm-1/disk-0.qcow2"), ERR_INVALID);
	assert_int_equal(export(w, "up/b.ova", "vms/vm-1/none.qcow2"), ERR_NOT_FOUND);
	assert_int_equal(count_files(w, "up/b.ova"), 0);
}

static void
an_export_takes_no_name_of_a_user(void **state)
{
	struct world *w = *state;

	image_bed_sh("cd %s/up && echo mine >c.ova.new && echo mine >c.ova.disk.new",
	    w->bed->path);
	if (export(w, "up/c.ova", "vms/vm-1/disk-0.qcow2"))
		fail_msg("%s", w->bed->err.msg);
	image_bed_sh("cd %s/up && grep -qx mine c.ova.new && grep -qx mine "
		     "c.ova.disk.new",
	    w->bed->path);
	assert_int_equal(count_files(w, "up/c.ova"), 3);
}

static void
a_cancelled_export_leaves_nothing(void **state)
{
	struct world *w = *state;
	uint64_t until = clock_mono_ms(clock_system()) + IMAGE_BED_MS;
	AUTO_FREE char *slow = xasprintf("%s/slow", w->bed->root);
	struct appliance_export *x;

	image_bed_sh(
	    "chmod 755 %s; printf '#!/bin/sh\\nexec sleep 1000\\n' >%s; chmod 755 %s",
	    w->bed->root, slow, slow);
	w->bed->conf.qemu_img = slow;
	x = begin(w, "up/a.ova", "vms/vm-1/disk-0.qcow2");
	assert_non_null(x);
	/* Until the child has begun, and a little of its time. */
	for (int turns = 0; turns < 5 || !count_files(w, "up/a.ova."); turns++) {
		assert_true(clock_mono_ms(clock_system()) < until);
		loop_turn(w->bed->loop, 20);
	}
	appliance_export_cancel(x);
	while (count_files(w, "up/a.ova")) {
		assert_true(clock_mono_ms(clock_system()) < until);
		loop_turn(w->bed->loop, 20);
	}
	assert_false(w->bed->ended);
}

#define WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WORLD(what_is_exported_can_be_imported),
		WORLD(an_export_replaces_nothing),
		WORLD(an_export_takes_no_name_of_a_user),
		WORLD(a_cancelled_export_leaves_nothing),
	};

	if (access(QEMU_IMG, X_OK)) {
		fprintf(stderr, "skipped: no " QEMU_IMG " here\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
