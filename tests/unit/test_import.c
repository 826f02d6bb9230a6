/*
 * Foreign images and appliances, made by the system's own tools or by hand, good and
 * hostile, imported by the real qemu-img.
 */
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

#define QEMU_IMG "/usr/bin/qemu-img"
#define MIB      (1ull << 20)

struct world {
	struct image_bed *bed;
	uint64_t tmpl;
	char name[81], description[128];
	uint64_t virtual_bytes, memory_mb;
	uint32_t num_cpu;
};

static int
set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	void *bed = NULL;

	image_bed_setup(&bed);
	w->bed = bed;
	/* A disk with something in it, as every case wants it. */
	image_bed_sh("cd %s && " QEMU_IMG
		     " create -q -f qcow2 disk.qcow2 16M && qemu-io -c "
		     "'write -P 5 1M 2M' disk.qcow2 >/dev/null",
	    w->bed->root);
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
	if (!facts)
		return;
	snprintf(w->name, sizeof(w->name), "%s", facts->name);
	snprintf(w->description, sizeof(w->description), "%s", facts->description);
	w->virtual_bytes = facts->virtual_bytes;
	w->memory_mb = facts->memory_mb;
	w->num_cpu = facts->num_cpu;
	assert_string_equal(facts->format, "qcow2");
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

static int
import(struct world *w, const char *path, const char *format)
{
	struct tmpl_place at = place_of(w);
	Drover__TemplateImport order = DROVER__TEMPLATE_IMPORT__INIT;
	struct tmpl_import *im;
	int rc;

	order.template_ = ++w->tmpl;
	order.path = borrow(path);
	order.format = borrow(format);
	order.keep_source = true;
	w->bed->ended = false;
	rc = tmpl_import_start(&at, &order, on_done, w, &im, &w->bed->err);
	return rc ? rc : image_bed_until_ended(w->bed);
}

/* The new template holds what disk.qcow2 does. */
static void
holds_the_disk(const struct world *w)
{
	image_bed_sh(QEMU_IMG " compare -q %s/disk.qcow2 "
			      "%s/templates/template-%d/disk.qcow2",
	    w->bed->root, w->bed->path, (int)w->tmpl);
}

static void
imports(struct world *w, const char *path, const char *format)
{
	if (import(w, path, format))
		fail_msg("%s: %s", path, w->bed->err.msg);
	assert_int_equal(w->virtual_bytes, 16 * MIB);
	holds_the_disk(w);
}

/* Refused, told why, and nothing is left of it. */
static void
refuses(
    struct world *w, const char *path, const char *format, int code, const char *says)
{
	AUTO_FREE char *made = NULL;

	if (import(w, path, format) != code)
		fail_msg("%s: %d %s", path, w->bed->rc, w->bed->err.msg);
	if (!strstr(w->bed->err.msg, says))
		fail_msg("%s: %s", path, w->bed->err.msg);
	made = xasprintf("templates/template-%d", (int)w->tmpl);
	assert_false(image_bed_has(w->bed, made));
	assert_true(image_bed_has(w->bed, path));
}

static void
images_of_other_systems_are_converted(void **state)
{
	static const struct {
		const char *path, *options, *format;
	} cases[] = {
		{ "up/a.vmdk", "-O vmdk", "vmdk" },
		{ "up/b.vmdk", "-O vmdk -o subformat=streamOptimized", "vmdk" },
		{ "up/c.vhdx", "-O vhdx", "vhdx" },
		{ "up/d.vhd", "-O vpc -o force_size=on", "vhd" },
		{ "up/e.vhd", "-O vpc -o force_size=on,subformat=fixed", "vhd" },
	};
	struct world *w = *state;
	struct stat st;
	AUTO_FREE char *made =
	    xasprintf("%s/templates/template-1/disk.qcow2", w->bed->path);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		image_bed_sh(QEMU_IMG " convert -f qcow2 %s %s/disk.qcow2 %s/%s",
		    cases[i].options, w->bed->root, w->bed->path, cases[i].path);
		imports(w, cases[i].path, cases[i].format);
		assert_true(image_bed_has(w->bed, cases[i].path));
	}
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0440);
	assert_int_equal(st.st_uid, geteuid());
	/* What was only zeros is no room taken. */
	assert_true((uint64_t)st.st_blocks * 512 < 4 * MIB);
}

static void
one_format_is_not_taken_for_another(void **state)
{
	struct world *w = *state;

	image_bed_sh("cp %s/disk.qcow2 %s/up/a", w->bed->root, w->bed->path);
	refuses(w, "up/a", "vmdk", ERR_INVALID, "no vmdk image");
	refuses(w, "up/a", "vhdx", ERR_INVALID, "no vhdx image");
	refuses(w, "up/a", "vhd", ERR_INVALID, "no vhd image");
	refuses(w, "up/a", "ova", ERR_INVALID, "no tar archive");
	refuses(w, "up/a", "iso", ERR_INVALID, "wants qcow2, raw, vmdk");
}

static void
vmdks_that_name_other_files_are_refused(void **state)
{
	struct world *w = *state;
	const char *p = w->bed->path;

	image_bed_sh("printf '# Disk DescriptorFile\\nversion=1\\nparentCID=ffffffff\\n"
		     "createType=\"monolithicFlat\"\\nRW 40 FLAT \"/etc/shadow\" 0\\n' "
		     ">%s/up/flat.vmdk",
	    p);
	refuses(w, "up/flat.vmdk", "vmdk", ERR_INVALID, "/etc/shadow");
	/* The same inside a sparse image, in whose header the size is taken away. */
	image_bed_sh(
	    "cd %s/up && " QEMU_IMG " create -q -f vmdk s.vmdk 16M && cp s.vmdk "
	    "zero.vmdk && printf '\\0\\0\\0\\0\\0\\0\\0\\0' | dd of=zero.vmdk bs=1 "
	    "seek=12 conv=notrunc status=none",
	    p);
	refuses(w, "up/zero.vmdk", "vmdk", ERR_INVALID, "no size");
	image_bed_sh(
	    "cd %s/up && sed 's/SPARSE \"s.vmdk\"/FLAT \"\\/etc\\/pass\"/' "
	    "s.vmdk >extent.vmdk && sed "
	    "'s/parentCID=ffffffff/parentCID=0badc0de/' s.vmdk >child.vmdk && sed "
	    "'s/monolithicSparse/vmfsSparse      /' s.vmdk >type.vmdk && head -c "
	    "3000 s.vmdk >cut.vmdk && sed 's/# Extent description/"
	    "#parentFileNameHint=/' s.vmdk >hint.vmdk && "
	    "cp hint.vmdk away.vmdk && printf '\\0\\0' | dd of=away.vmdk bs=1 "
	    "seek=28 conv=notrunc status=none",
	    p);
	refuses(w, "up/extent.vmdk", "vmdk", ERR_INVALID, "/etc/pass");
	refuses(w, "up/hint.vmdk", "vmdk", ERR_INVALID, "stands on another one");
	refuses(w, "up/away.vmdk", "vmdk", ERR_INVALID, "stands on another one");
	refuses(w, "up/child.vmdk", "vmdk", ERR_INVALID, "0badc0de");
	refuses(w, "up/type.vmdk", "vmdk", ERR_INVALID, "vmfsSparse");
	refuses(w, "up/cut.vmdk", "vmdk", ERR_CORRUPT, "cut off");
}

/* In the table of metadata, behind its head: what an item is, then where it lies. */
static void
set_vhdx_parent(const struct world *w)
{
	static const uint8_t parameters[] = { 0x37, 0x67, 0xa1, 0xca };
	AUTO_FREE char *path = xasprintf("%s/up/a.vhdx", w->bed->path);
	AUTO_FREE uint8_t *table = xcalloc(1, 4096);
	FILE *f = fopen(path, "r+e");
	uint32_t at = 0;

	assert_non_null(f);
	assert_int_equal(fseek(f, 3 * MIB, SEEK_SET), 0);
	assert_int_equal(fread(table, 1, 4096, f), 4096);
	assert_memory_equal(table, "metadata", 8);
	for (size_t i = 32; i < 4096 && !at; i += 32)
		if (!memcmp(table + i, parameters, sizeof(parameters)))
			memcpy(&at, table + i + 16, sizeof(at));
	assert_int_not_equal(at, 0);
	assert_int_equal(fseek(f, (long)(3 * MIB + at + 4), SEEK_SET), 0);
	assert_int_equal(fputc(2, f), 2);
	assert_int_equal(fclose(f), 0);
}

static void
differences_to_other_images_are_refused(void **state)
{
	struct world *w = *state;
	const char *p = w->bed->path;

	/* The type in a vhd's footer, and the flag in a vhdx's parameters. */
	image_bed_sh("cd %s/up && " QEMU_IMG
		     " create -q -f vpc a.vhd 16M && printf '\\004' "
		     "| dd of=a.vhd bs=1 seek=63 conv=notrunc status=none",
	    p);
	refuses(w, "up/a.vhd", "vhd", ERR_INVALID, "a difference");
	image_bed_sh("cd %s/up && " QEMU_IMG " create -q -f vhdx a.vhdx 16M", p);
	set_vhdx_parent(w);
	refuses(w, "up/a.vhdx", "vhdx", ERR_INVALID, "a difference");
}

static void
what_unpacks_without_end_is_stopped(void **state)
{
	struct world *w = *state;

	/* Sixty terabytes, says the header. */
	image_bed_sh("cd %s/up && " QEMU_IMG
		     " create -q -f vmdk huge.vmdk 16M && printf "
		     "'\\0\\0\\0\\0\\036' | dd of=huge.vmdk bs=1 seek=12 "
		     "conv=notrunc status=none",
	    w->bed->path);
	refuses(w, "up/huge.vmdk", "vmdk", ERR_NO_CAPACITY, "its datastore of");
	/* A child that writes on and on runs into its limit. */
	image_bed_sh("cd %s && chmod 755 . && printf '#!/bin/sh\\nexec truncate -s 5G "
		     "/dev/fd/3\\n' >bomb && chmod "
		     "755 bomb && " QEMU_IMG " create -q -f vmdk ds/up/small.vmdk 16M",
	    w->bed->root);
	AUTO_FREE char *bomb = xasprintf("%s/bomb", w->bed->root);
	w->bed->conf.qemu_img = bomb;
	refuses(w, "up/small.vmdk", "vmdk", ERR_NO_CAPACITY, "a hundred times");
}

/* ---- appliances ---- */

/* An .ova of a description and the disk, the way tar is told to make it. */
static void
make_ova(const struct world *w, const char *name, const char *edit, const char *more)
{
	image_bed_sh(
	    "cd %s && rm -rf ova && mkdir ova && cd ova && " QEMU_IMG
	    " convert -f qcow2 -O vmdk -o subformat=streamOptimized ../disk.qcow2 d.vmdk && "
	    "cat >m.ovf <<'END'\n"
	    "<?xml version=\"1.0\"?>\n"
	    "<Envelope xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\" "
	    "xmlns:ovf=\"http://schemas.dmtf.org/ovf/envelope/1\" "
	    "xmlns:rasd=\"http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/"
	    "CIM_ResourceAllocationSettingData\">\n"
	    "<References><File ovf:id=\"f\" ovf:href=\"d.vmdk\"/></References>\n"
	    "<DiskSection><Disk ovf:diskId=\"v\" ovf:fileRef=\"f\" ovf:capacity=\"16\" "
	    "ovf:capacityAllocationUnits=\"byte * 2^20\"/></DiskSection>\n"
	    "<VirtualSystem ovf:id=\"m\"><Name> a &amp; b </Name>\n"
	    "<AnnotationSection><Annotation>old</Annotation></AnnotationSection>\n"
	    "<VirtualHardwareSection>\n"
	    "<Item><rasd:ResourceType>3</rasd:ResourceType>"
	    "<rasd:VirtualQuantity>2</rasd:VirtualQuantity></Item>\n"
	    "<Item><rasd:AllocationUnits>byte * 2^30</rasd:AllocationUnits>"
	    "<rasd:ResourceType>4</rasd:ResourceType>"
	    "<rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>\n"
	    "</VirtualHardwareSection></VirtualSystem></Envelope>\n"
	    "END\n"
	    "for f in m.ovf d.vmdk; do echo \"SHA256($f)= $(sha256sum <$f | cut -d' ' "
	    "-f1)\"; done >m.mf && %s && tar cf ../ds/up/%s %s",
	    w->bed->root, edit, name, more);
}

static void
an_appliance_is_taken_apart(void **state)
{
	struct world *w = *state;

	make_ova(w, "gnu.ova", "true", "--format=gnu m.ovf m.mf d.vmdk");
	imports(w, "up/gnu.ova", "ova");
	assert_string_equal(w->name, "a & b");
	assert_string_equal(w->description, "old");
	assert_int_equal(w->num_cpu, 2);
	assert_int_equal(w->memory_mb, 1024);
	make_ova(w, "pax.ova", "true", "--format=pax m.ovf d.vmdk m.mf");
	imports(w, "up/pax.ova", "ova");
	make_ova(w, "bare.ova", "true", "--format=ustar m.ovf d.vmdk");
	imports(w, "up/bare.ova", "ova");
	make_ova(w, "sha1.ova",
	    "echo \"SHA1 (m.ovf) = $(sha1sum <m.ovf | cut -d' ' -f1)\" >>m.mf",
	    "m.ovf m.mf d.vmdk");
	imports(w, "up/sha1.ova", "ova");
}

static void
damaged_appliances_are_refused(void **state)
{
	struct world *w = *state;

	make_ova(w, "a.ova",
	    "printf x | dd of=d.vmdk bs=1 seek=70000 conv=notrunc status=none",
	    "m.ovf m.mf d.vmdk");
	refuses(w, "up/a.ova", "ova", ERR_CORRUPT, "\"d.vmdk\" is damaged");
	make_ova(w, "b.ova", "sed -i /vmdk/d m.mf", "m.ovf m.mf d.vmdk");
	refuses(w, "up/b.ova", "ova", ERR_INVALID, "says nothing of \"d.vmdk\"");
	make_ova(w, "c.ova", "echo 'MD5(d.vmdk)= 00' >m.mf", "m.ovf m.mf d.vmdk");
	refuses(w, "up/c.ova", "ova", ERR_UNSUPPORTED, "other than SHA1");
	make_ova(w, "d.ova", "true", "m.ovf m.mf");
	refuses(w, "up/d.ova", "ova", ERR_INVALID, "d.vmdk");
	make_ova(w, "e.ova", "true", "d.vmdk");
	refuses(w, "up/e.ova", "ova", ERR_INVALID, "no .ovf");
	make_ova(w, "f.ova", "true",
	    "m.ovf m.mf d.vmdk && truncate -s 20000 ../ds/up/f.ova");
	refuses(w, "up/f.ova", "ova", ERR_INVALID, "cut off");
	make_ova(w, "g.ova", "head -c 2000000 /dev/zero >>m.ovf", "m.ovf d.vmdk");
	refuses(w, "up/g.ova", "ova", ERR_TOO_LARGE, "m.ovf");
}

static void
appliances_that_climb_out_are_refused(void **state)
{
	struct world *w = *state;

	make_ova(w, "a.ova", "true", "-P --transform='s,^d,../../d,' m.ovf d.vmdk");
	refuses(w, "up/a.ova", "ova", ERR_INVALID, "../../d.vmdk");
	make_ova(w, "b.ova", "ln -s /etc/passwd l", "m.ovf d.vmdk l");
	refuses(w, "up/b.ova", "ova", ERR_INVALID, "no plain file");
	make_ova(w, "c.ova", "mkdir x", "m.ovf d.vmdk x");
	refuses(w, "up/c.ova", "ova", ERR_INVALID, "no plain file");
	make_ova(w, "d.ova", "true", "m.ovf d.vmdk m.ovf");
	refuses(w, "up/d.ova", "ova", ERR_INVALID, "no plain file");
	make_ova(
	    w, "e.ova", "cp m.ovf n.ovf", "--transform='s,^n,m,' m.ovf n.ovf d.vmdk");
	refuses(w, "up/e.ova", "ova", ERR_INVALID, "twice");
	make_ova(w, "f.ova", "for i in $(seq 70); do : >x$i; done", "m.ovf d.vmdk x*");
	refuses(w, "up/f.ova", "ova", ERR_INVALID, "more than 64");
	make_ova(w, "g.ova", "sed -i 's,d.vmdk,/etc/passwd,' m.ovf", "m.ovf d.vmdk");
	refuses(w, "up/g.ova", "ova", ERR_INVALID, "/etc/passwd");
	make_ova(w, "h.ova",
	    "sed -i 's,<Env,<!DOCTYPE Envelope [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>&,' "
	    "m.ovf",
	    "m.ovf d.vmdk");
	refuses(w, "up/h.ova", "ova", ERR_INVALID, "document type");
	make_ova(w, "i.ova",
	    "sed -i 's,</DiskSection>,<Disk ovf:fileRef=\"g\"/>&,' m.ovf",
	    "m.ovf d.vmdk");
	refuses(w, "up/i.ova", "ova", ERR_UNSUPPORTED, "2 disks");
	make_ova(w, "j.ova", "cp ../disk.qcow2 d.vmdk", "m.ovf d.vmdk");
	refuses(w, "up/j.ova", "ova", ERR_INVALID, "no vmdk image");
}

/* ---- a guest's disk ---- */

static int
from_disk(struct world *w, const char *path)
{
	struct tmpl_place at = place_of(w);
	Drover__TemplateFromDisk order = DROVER__TEMPLATE_FROM_DISK__INIT;
	Drover__DiskSource source = DROVER__DISK_SOURCE__INIT;
	struct tmpl_import *im;

	order.template_ = ++w->tmpl;
	order.source = &source;
	source.path = borrow(path);
	source.format = borrow("qcow2");
	w->bed->ended = false;
	if (tmpl_from_disk_start(&at, &order, on_done, w, &im, &w->bed->err))
		return w->bed->err.code;
	return image_bed_until_ended(w->bed);
}

static void
a_guests_disk_becomes_a_template(void **state)
{
	struct world *w = *state;

	image_bed_sh(
	    "mkdir -p %s/vms/vm-1 && cp %s/disk.qcow2 %s/vms/vm-1/disk-0.qcow2 && "
	    "chmod 600 %s/vms/vm-1/disk-0.qcow2",
	    w->bed->path, w->bed->root, w->bed->path, w->bed->path);
	if (from_disk(w, "vms/vm-1/disk-0.qcow2"))
		fail_msg("%s", w->bed->err.msg);
	holds_the_disk(w);
	assert_true(image_bed_has(w->bed, "vms/vm-1/disk-0.qcow2"));
	/* The order once more is answered with the same. */
	w->tmpl--;
	assert_int_equal(from_disk(w, "vms/vm-1/disk-0.qcow2"), 0);
	assert_int_equal(from_disk(w, "vms/vm-1/none.qcow2"), ERR_NOT_FOUND);
	assert_false(image_bed_has(w->bed, "templates/template-2"));
}

#define WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WORLD(images_of_other_systems_are_converted),
		WORLD(one_format_is_not_taken_for_another),
		WORLD(vmdks_that_name_other_files_are_refused),
		WORLD(differences_to_other_images_are_refused),
		WORLD(what_unpacks_without_end_is_stopped),
		WORLD(an_appliance_is_taken_apart),
		WORLD(damaged_appliances_are_refused),
		WORLD(appliances_that_climb_out_are_refused),
		WORLD(a_guests_disk_becomes_a_template),
	};

	if (access(QEMU_IMG, X_OK)) {
		fprintf(stderr, "skipped: no " QEMU_IMG " here\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
