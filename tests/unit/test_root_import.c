/*
 * Roots of containers made templates: from archives and from containers' disks, with
 * layers that templates share.
 */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/storage/layer_pool.h"
#include "host-agent/storage/root_import.h"
#include "tests/lib/borrow.h"
#include "tests/lib/image_bed.h"
#include "tests/lib/tar_maker.h"

#define MIB      (1ull << 20)
#define OCI_JSON "application/vnd.oci.image."
#define DIGEST   80

struct made {
	struct image_bed *b;
	Drover__TemplateFacts *facts;
};

static struct made last;

static int
set_up(void **state)
{
	int rc = image_bed_setup(state);

	last = (struct made){ .b = *state };
	return rc;
}

static void
forget_facts(void)
{
	drover__template_facts__free_unpacked(last.facts, NULL);
	last.facts = NULL;
}

static int
tear_down(void **state)
{
	forget_facts();
	return image_bed_teardown(state);
}

static void
on_done(void *arg, int rc, const struct err *e, const Drover__TemplateFacts *facts)
{
	struct image_bed *b = last.b;

	b->ended = true;
	b->rc = rc;
	b->err = *e;
	forget_facts();
	if (facts) {
		size_t n = drover__template_facts__get_packed_size(facts);
		AUTO_FREE uint8_t *p = xmalloc(n + 1);

		drover__template_facts__pack(facts, p);
		last.facts = drover__template_facts__unpack(NULL, n, p);
	}
}

static struct tmpl_place
place_of(struct image_bed *b)
{
	return (struct tmpl_place){ .loop = b->loop,
		.workers = b->workers,
		.conf = &b->conf,
		.ds = b->ds,
		.source_ds = b->ds };
}

enum source { RENAME, KEEP };

static int
import(struct image_bed *b, uint64_t tmpl, const char *format, const char *reference,
    enum source s)
{
	const struct tmpl_place at = place_of(b);
	Drover__TemplateImport order = DROVER__TEMPLATE_IMPORT__INIT;
	struct root_import *im;
	int rc;

	order.template_ = tmpl;
	order.path = borrow("up/a");
	order.format = borrow(format);
	order.reference = borrow(reference);
	order.keep_source = s == KEEP;
	b->ended = false;
	err_clear(&b->err);
	rc = root_import_start(&at, &order, on_done, NULL, &im, &b->err);
	return rc ? rc : image_bed_until_ended(b);
}

static void
must_import(struct image_bed *b, uint64_t tmpl, const char *format)
{
	if (import(b, tmpl, format, "", KEEP))
		fail_msg("%s", b->err.msg);
}

static void
refused(struct image_bed *b, const char *format, const char *reference, int code,
    const char *says)
{
	int rc = import(b, 9, format, reference, RENAME);

	if (rc != code || !strstr(b->err.msg, says))
		fail_msg("%d: %s", rc, b->err.msg);
	/* Its owner still has it, and nothing else is there. */
	assert_true(image_bed_has(b, "up/a"));
	assert_false(image_bed_has(b, "templates/template-9"));
	assert_null(layer_pool_load(b->ds, 9));
}

static void
save(struct image_bed *b, struct tar_maker *t)
{
	AUTO_FREE char *path = xasprintf("%s/up/a", b->path);

	tar_maker_end(t);
	tar_maker_save(t, path);
	tar_maker_free(t);
}

/* ---- images ---- */

static void
digest_of(const void *p, size_t n, char ret[DIGEST])
{
	uint8_t sum[32];
	char hex[65];

	assert_int_equal(EVP_Digest(p, n, sum, NULL, EVP_sha256(), NULL), 1);
	hex_encode(sum, sizeof(sum), hex);
	snprintf(ret, DIGEST, "sha256:%s", hex);
}

static void
add_blob(struct tar_maker *t, const void *p, size_t n, char ret_digest[DIGEST])
{
	char name[DIGEST + 16];
	struct tar_entry e = { .name = name, .type = '0', .mode = 0644 };

	digest_of(p, n, ret_digest);
	snprintf(name, sizeof(name), "blobs/sha256/%s", ret_digest + 7);
	e.data = p;
	e.n = n;
	tar_maker_add(t, &e);
}

static void
base_layer(struct tar_maker *t)
{
	tar_maker_folder(t, "etc");
	tar_maker_file(t, "etc/passwd", "root:x:0:0::/:\nweb:x:33:34:::\n");
	tar_maker_file(t, "etc/group", "log:x:51:web\n");
	tar_maker_file(t, "etc/old", "old");
	tar_maker_file(t, "etc/kept", "kept");
	tar_maker_folder(t, "var");
	tar_maker_file(t, "var/a", "a");
	tar_maker_end(t);
}

static void
top_layer(struct tar_maker *t, const char *text)
{
	tar_maker_file(t, "etc/.wh.old", "");
	tar_maker_file(t, "var/.wh..wh..opq", "");
	tar_maker_file(t, "var/b", text);
	tar_maker_end(t);
}

struct image {
	const char *text; /* that its top layer differs by */
	const char *arch; /* NULL: this host's */
	const char *name;
	const char *media; /* of its layers; NULL: as it should be */
	bool wrong_digest, wrong_diff_id, no_layer, loop;
};

static const char *
host_arch(void)
{
#if defined(__aarch64__)
	return "arm64";
#else
	return "amd64";
#endif
}

static char *
config_text(const struct image *im, char diff[2][DIGEST])
{
	if (im->wrong_diff_id)
		diff[1][10] = diff[1][10] == '0' ? '1' : '0';
	return xasprintf(
	    "{\"architecture\":\"%s\",\"os\":\"linux\",\"config\":{\"User\":"
	    "\"web\",\"Env\":[\"A=b\"],\"Entrypoint\":[\"/bin/run\"],"
	    "\"Cmd\":[\"-x\"],\"WorkingDir\":\"/srv\",\"StopSignal\":"
	    "\"SIGINT\"},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":["
	    "\"%s\",\"%s\"]}}",
	    im->arch ? im->arch : host_arch(), diff[0], diff[1]);
}

/* An OCI image's blobs; its manifest's descriptor as text. */
static char *
add_image(struct tar_maker *t, const struct image *im)
{
	struct tar_maker layers[2] = { { NULL, 0 }, { NULL, 0 } };
	char diff[2][DIGEST], config_sum[DIGEST], sum[DIGEST];
	const char *media = im->media ? im->media : OCI_JSON "layer.v1.tar";
	AUTO_FREE char *config = NULL;
	AUTO_FREE char *manifest = NULL;

	base_layer(&layers[0]);
	top_layer(&layers[1], im->text);
	add_blob(t, layers[0].p, layers[0].n, diff[0]);
	digest_of(layers[1].p, layers[1].n, diff[1]);
	if (!im->no_layer)
		add_blob(t, layers[1].p, layers[1].n, diff[1]);
	if (im->wrong_digest)
		t->p[t->n - 1] ^= 1;
	manifest = xasprintf("%s", diff[1]);
	config = config_text(im, diff);
	add_blob(t, config, strlen(config), config_sum);
	snprintf(diff[1], sizeof(diff[1]), "%s", manifest);
	free(manifest);
	manifest =
	    xasprintf("{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" OCI_JSON
		      "config.v1+json\",\"digest\":\"%s\",\"size\":%zu},"
		      "\"layers\":[{\"mediaType\":\"%s\",\"digest\":\"%s\","
		      "\"size\":%zu},{\"mediaType\":\"%s\",\"digest\":\"%s\","
		      "\"size\":%zu}]}",
		config_sum, strlen(config), media, diff[0], layers[0].n, media, diff[1],
		layers[1].n);
	add_blob(t, manifest, strlen(manifest), sum);
	tar_maker_free(&layers[0]);
	tar_maker_free(&layers[1]);
	return xasprintf("{\"mediaType\":\"" OCI_JSON "manifest.v1+json\",\"digest\":"
			 "\"%s\",\"size\":%zu,\"annotations\":{"
			 "\"org.opencontainers.image.ref.name\":\"%s\"}}",
	    sum, strlen(manifest), im->name ? im->name : "latest");
}

static void
save_oci(struct image_bed *b, const struct image *images, size_t n)
{
	AUTO(str) struct str index = STR_INIT;
	struct tar_maker t = { NULL, 0 };

	tar_maker_file(&t, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	str_add(&index, "{\"schemaVersion\":2,\"manifests\":[");
	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *desc = add_image(&t, &images[i]);

		str_addf(&index, "%s%s", i ? "," : "", desc);
	}
	str_add(&index, "]}");
	tar_maker_file(&t, "index.json", index.s);
	save(b, &t);
}

/* ---- tests ---- */

static void
tar_becomes_a_template_of_one_layer(void **state)
{
	struct image_bed *b = *state;
	struct tar_maker t = { NULL, 0 };
	AUTO_FREE char *disk = xasprintf("%s/templates/template-1/disk.ext4", b->path);
	struct stat st;

	tar_maker_file(&t, "etc/hostname", "box");
	tar_maker_add(&t, &(struct tar_entry){ .name = "null", .type = '3' });
	tar_maker_add(&t, &(struct tar_entry){ "init", '0', .mode = 0755 });
	save(b, &t);
	assert_int_equal(import(b, 1, "tar", "latest", KEEP), ERR_INVALID);
	must_import(b, 1, "tar");
	assert_string_equal(last.facts->path, "templates/template-1/disk.ext4");
	assert_string_equal(last.facts->format, "ext4");
	assert_int_equal(last.facts->n_layers, 0);
	assert_int_equal(last.facts->container->n_args, 0);
	assert_non_null(strstr(last.facts->description, "1 device nodes"));
	assert_int_equal(stat(disk, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0440);
	assert_int_equal(st.st_uid, geteuid());
	image_bed_sh("sha256sum < %s | grep -q %s", disk, last.facts->sha256);
	image_bed_sh("/sbin/e2fsck -fn %s >/dev/null 2>&1", disk);
	/* As after a lost answer; now the source is to go. */
	assert_int_equal(import(b, 1, "tar", "", RENAME), 0);
	assert_string_equal(last.facts->path, "templates/template-1/disk.ext4");
	assert_false(image_bed_has(b, "up/a"));
	assert_int_equal(tmpl_delete(b->ds, 1, &b->err), 0);
	assert_int_equal(tmpl_delete(b->ds, 1, &b->err), 0);
	assert_false(image_bed_has(b, "templates/template-1"));
}

static void
image_says_how_it_is_run(void **state)
{
	struct image_bed *b = *state;
	const struct image im = { .text = "one" };
	const Drover__ContainerSpec *c;

	save_oci(b, &im, 1);
	must_import(b, 1, "oci");
	c = last.facts->container;
	assert_int_equal(c->n_args, 2);
	assert_string_equal(c->args[0], "/bin/run");
	assert_string_equal(c->args[1], "-x");
	assert_int_equal(c->n_env, 1);
	assert_string_equal(c->env[0], "A=b");
	assert_string_equal(c->cwd, "/srv");
	assert_string_equal(c->stop_signal, "SIGINT");
	assert_int_equal(c->uid, 33);
	assert_int_equal(c->gid, 34);
	assert_int_equal(c->n_groups, 1);
	assert_int_equal(c->groups[0], 51);
	assert_int_equal(last.facts->n_layers, 1);
	assert_string_equal(
	    last.facts->layers[0]->path, "templates/template-1/layer-1.ext4");
	assert_true(image_bed_has(b, "templates/template-1/layer-1.ext4"));
}

static nlink_t
names_of(const struct image_bed *b, const char *path)
{
	AUTO_FREE char *full = xasprintf("%s/%s", b->path, path);
	struct stat st;

	return stat(full, &st) ? 0 : st.st_nlink;
}

static void
layers_are_shared_and_outlive_a_template(void **state)
{
	struct image_bed *b = *state;
	const struct image one = { .text = "one" }, two = { .text = "two" };

	save_oci(b, &one, 1);
	must_import(b, 1, "oci");
	save_oci(b, &two, 1);
	must_import(b, 2, "oci");
	/* Two templates and the pool. */
	assert_int_equal(names_of(b, "templates/template-1/layer-1.ext4"), 3);
	assert_int_equal(names_of(b, "templates/template-1/disk.ext4"), 2);
	assert_int_equal(tmpl_delete(b->ds, 1, &b->err), 0);
	assert_false(image_bed_has(b, "templates/template-1"));
	assert_int_equal(names_of(b, "templates/template-2/layer-1.ext4"), 2);
	image_bed_sh("test $(ls %s/" LAYER_POOL "/sha256-* | wc -l) = 2", b->path);
	assert_int_equal(tmpl_delete(b->ds, 2, &b->err), 0);
	image_bed_sh("test -z \"$(ls %s/" LAYER_POOL ")\"", b->path);
}

static void
overlay_sees_what_the_layers_say(void **state)
{
	struct image_bed *b = *state;
	const struct image im = { .text = "new" };

	if (geteuid() || unshare(CLONE_NEWNS) || access("/dev/loop-control", W_OK))
		skip();
	save_oci(b, &im, 1);
	must_import(b, 1, "oci");
	image_bed_sh(
	    "mount --make-rprivate / && cd %s && mkdir l1 l0 o w u && "
	    "mount -t tmpfs t w && mkdir w/w w/u && "
	    "mount -o ro,loop,noload ds/templates/template-1/layer-1.ext4 l1 && "
	    "mount -o ro,loop,noload ds/templates/template-1/disk.ext4 l0 && "
	    "mount -t overlay o -o lowerdir=l0/upper:l1/upper,upperdir=w/u,"
	    "workdir=w/w o",
	    b->root);
	image_bed_sh("cd %s/o && test \"$(ls etc)\" = \"$(printf 'group\\nkept\\n"
		     "passwd')\" && test \"$(ls var)\" = b && grep -q new var/b",
	    b->root);
	image_bed_sh("cd %s && umount o l0 l1 w", b->root);
}

static void
bad_images_are_refused(void **state)
{
	static const struct {
		struct image im;
		int code;
		const char *says;
	} table[] = {
		{ { .text = "a", .wrong_digest = true }, ERR_CORRUPT, "wrong digest" },
		{ { .text = "a", .wrong_diff_id = true }, ERR_CORRUPT, "wrong digest" },
		{ { .text = "a", .no_layer = true }, ERR_NOT_FOUND,
		    "is missing in the archive" },
		{ { .text = "a", .arch = "sparc" }, ERR_UNSUPPORTED,
		    "for linux on sparc and this host" },
		{ { .text = "a", .media = "application/zip" }, ERR_UNSUPPORTED,
		    "media type \"application/zip\" is not known" },
	};
	struct image_bed *b = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		save_oci(b, &table[i].im, 1);
		refused(b, "oci", "", table[i].code, table[i].says);
	}
}

static void
one_of_several_images_is_named(void **state)
{
	struct image_bed *b = *state;
	const struct image images[] = { { .text = "one", .name = "box:1" },
		{ .text = "two", .name = "box:2" } };

	save_oci(b, images, 2);
	refused(b, "oci", "", ERR_INVALID, "\"box:1\", \"box:2\"");
	refused(b, "oci", "box:3", ERR_NOT_FOUND, "no image \"box:3\"");
	assert_int_equal(import(b, 1, "oci", "box:2", KEEP), 0);
	image_bed_sh("/sbin/debugfs -R 'cat /upper/var/b' "
		     "%s/templates/template-1/disk.ext4 2>/dev/null | grep -q two",
	    b->path);
}

static void
indexes_without_end_are_refused(void **state)
{
	struct image_bed *b = *state;
	struct tar_maker t = { NULL, 0 };
	AUTO_FREE char *text = xstrdup("{\"manifests\":[]}");
	char sum[DIGEST];

	for (int i = 0; i < 8; i++) {
		add_blob(&t, text, strlen(text), sum);
		free(text);
		text = xasprintf("{\"manifests\":[{\"mediaType\":\"" OCI_JSON
				 "index.v1+json\",\"digest\":\"%s\",\"size\":1}]}",
		    sum);
	}
	tar_maker_file(&t, "index.json", text);
	save(b, &t);
	refused(b, "oci", "", ERR_INVALID, "indexes in over 4 indexes");
	/* One that names itself has the wrong digest somewhere. */
	tar_maker_file(&t,
	    "blobs/sha256/"
	    "0000000000000000000000000000000000000000000000000000000000"
	    "000000",
	    text);
	tar_maker_file(&t, "index.json",
	    "{\"manifests\":[{\"mediaType\":\"" OCI_JSON "index.v1+json\",\"digest\":"
	    "\"sha256:0000000000000000000000000000000000000000000000000000000000000000"
	    "\",\"size\":1}]}");
	save(b, &t);
	refused(b, "oci", "", ERR_CORRUPT, "wrong digest");
	tar_maker_file(&t, "index.json", "{\"manifests\":[]}");
	save(b, &t);
	refused(b, "oci", "", ERR_INVALID, "index is empty");
	tar_maker_file(&t, "index.json", "[1,");
	save(b, &t);
	refused(b, "oci", "", ERR_INVALID, "index.json");
	tar_maker_file(&t, "other", "");
	save(b, &t);
	refused(b, "oci", "", ERR_NOT_FOUND, "\"index.json\" is missing");
	refused(b, "docker", "", ERR_NOT_FOUND, "\"manifest.json\" is missing");
	image_bed_sh("echo text >%s/up/a", b->path);
	refused(b, "oci", "", ERR_INVALID, "no tar archive");
	refused(b, "tar", "", ERR_INVALID, "no tar archive");
	refused(b, "qcow2", "", ERR_INVALID, "wants tar, oci or docker");
}

/* What could never start is not kept for somebody to find out. */
static void
tars_without_a_program_are_refused(void **state)
{
	struct image_bed *b = *state;
	struct tar_maker t = { NULL, 0 };

	save(b, &t);
	refused(b, "tar", "", ERR_INVALID, "the archive is empty: no file is in it");
	tar_maker_folder(&t, "sbin");
	tar_maker_file(&t, "sbin/init", "only text");
	save(b, &t);
	refused(b, "tar", "", ERR_INVALID, "none of its files is a program");
	image_bed_sh("cd %s/up && : >none && tar -czf a -T none", b->path);
	refused(b, "tar", "", ERR_INVALID, "the archive is empty: no file is in it");
}

/* As docker wrote it for years: a layer that is there twice is a link. */
static void
docker_archives_are_taken(void **state)
{
	struct image_bed *b = *state;
	struct tar_maker t = { NULL, 0 }, layer = { NULL, 0 };
	const struct image im = { .text = "x" };
	AUTO_FREE char *config = NULL;
	AUTO_FREE char *name = NULL;
	AUTO_FREE char *manifest = NULL;
	char diff[2][DIGEST], sum[DIGEST];

	base_layer(&layer);
	digest_of(layer.p, layer.n, diff[0]);
	digest_of(layer.p, layer.n, diff[1]);
	tar_maker_add(&t,
	    &(struct tar_entry){
		.name = "1/layer.tar", .type = '0', .data = layer.p, .n = layer.n });
	tar_maker_add(
	    &t, &(struct tar_entry){
		    .name = "2/layer.tar", .type = '2', .link = "../1/layer.tar" });
	config = config_text(&im, diff);
	digest_of(config, strlen(config), sum);
	name = xasprintf("%s.json", sum + 7);
	tar_maker_file(&t, name, config);
	manifest = xasprintf("[{\"Config\":\"%s\",\"RepoTags\":[\"box:1\"],\"Layers\":"
			     "[\"1/layer.tar\",\"2/layer.tar\"]}]",
	    name);
	tar_maker_file(&t, "manifest.json", manifest);
	save(b, &t);
	tar_maker_free(&layer);
	must_import(b, 1, "docker");
	assert_int_equal(last.facts->n_layers, 1);
	assert_int_equal(last.facts->container->uid, 33);
	/* The same layer twice, and the pool. */
	assert_int_equal(names_of(b, "templates/template-1/disk.ext4"), 3);
	refused(b, "docker", "box:2", ERR_NOT_FOUND, "there is: \"box:1\"");
}

/* ---- from a container ---- */

struct creating {
	struct image_bed *b;
	const Drover__DiskSpec *spec;
};

static enum flow_rc
create_start(struct flow *f, void *arg)
{
	const struct creating *c = arg;
	const struct disk_place at = { c->b->loop, c->b->workers, &c->b->conf,
		c->b->ds };

	disk_create(&at, c->spec, flow_wake(f));
	return FLOW_WAIT;
}

static void
on_created(void *owner, struct flow *f, int rc, const struct err *e)
{
	struct image_bed *b = ((struct creating *)owner)->b;

	b->ended = true;
	b->rc = rc;
	if (rc)
		b->err = *e;
}

static void
create_disk(struct image_bed *b, const Drover__DiskSpec *spec)
{
	static const struct flow_step steps[] = {
		{ "create", create_start, NULL, NULL, IMAGE_BED_MS },
		{ .name = NULL },
	};
	static const struct flow_hooks hooks = { .ended = on_created };
	struct creating c = { b, spec };

	b->ended = false;
	flow_start(flow_new(b->flows, "create", steps, &c, &hooks, &c));
	if (image_bed_until_ended(b))
		fail_msg("%s", b->err.msg);
}

static void
container_becomes_a_template_on_its_layers(void **state)
{
	struct image_bed *b = *state;
	const struct tmpl_place at = place_of(b);
	const struct image im = { .text = "one" };
	Drover__TemplateFromDisk order = DROVER__TEMPLATE_FROM_DISK__INIT;
	Drover__DiskSource source = DROVER__DISK_SOURCE__INIT;
	Drover__DiskLayer layers[2], *below[] = { &layers[0], &layers[1] };
	Drover__DiskSpec d = DROVER__DISK_SPEC__INIT;
	struct engine_disk open;
	struct root_import *made;
	int rc;

	save_oci(b, &im, 1);
	must_import(b, 1, "oci");
	for (size_t i = 0; i < 2; i++) {
		drover__disk_layer__init(&layers[i]);
		layers[i].format = borrow("ext4");
	}
	layers[0].path = borrow("templates/template-1/disk.ext4");
	layers[1].path = borrow("templates/template-1/layer-1.ext4");
	d.name = borrow("disk-0");
	d.path = source.path = borrow("vms/vm-1/disk-0.ext4");
	d.format = source.format = borrow("ext4");
	d.size_bytes = 64 * MIB;
	d.backing = source.backing = below;
	d.n_backing = source.n_backing = 2;
	create_disk(b, &d);
	image_bed_sh("/sbin/debugfs -w -R 'mkdir /upper/mine' %s/%s 2>/dev/null",
	    b->path, d.path);
	order.template_ = 5;
	order.source = &source;
	b->ended = false;
	rc = root_from_disk_start(&at, &order, on_done, NULL, &made, &b->err);
	if (rc || image_bed_until_ended(b))
		fail_msg("%s", b->err.msg);
	assert_string_equal(last.facts->path, "templates/template-5/disk.ext4");
	assert_int_equal(last.facts->n_layers, 2);
	assert_true(last.facts->virtual_bytes < 64 * MIB);
	assert_string_equal(
	    last.facts->layers[1]->path, "templates/template-5/layer-2.ext4");
	assert_int_equal(names_of(b, "templates/template-5/layer-2.ext4"), 3);
	image_bed_sh(
	    "/sbin/debugfs -R 'stat /upper/mine' "
	    "%s/templates/template-5/disk.ext4 2>/dev/null | grep -q directory",
	    b->path);
	/* Its own template may go; what stands on the new one stands. */
	assert_int_equal(tmpl_delete(b->ds, 1, &b->err), 0);
	layers[0].path = borrow("templates/template-5/layer-1.ext4");
	layers[1].path = borrow("templates/template-5/layer-2.ext4");
	d.path = borrow("vms/vm-2/disk-0.ext4");
	create_disk(b, &d);
	if (disk_open(b->ds, &d, &open, &b->err))
		fail_msg("%s", b->err.msg);
	disk_close(&open);
}

static void
cancelled_import_leaves_nothing(void **state)
{
	struct image_bed *b = *state;
	const struct tmpl_place at = place_of(b);
	const struct image im = { .text = "one" };
	Drover__TemplateImport order = DROVER__TEMPLATE_IMPORT__INIT;
	uint64_t until;
	struct root_import *made;

	save_oci(b, &im, 1);
	order.template_ = 1;
	order.path = borrow("up/a");
	order.format = borrow("oci");
	for (int turns = 0; turns < 12; turns += 3) {
		b->ended = false;
		if (root_import_start(&at, &order, on_done, NULL, &made, &b->err))
			fail_msg("%s", b->err.msg);
		for (int i = 0; i < turns && !b->ended; i++)
			loop_turn(b->loop, 5);
		if (b->ended)
			break;
		root_import_cancel(made);
		until = 0;
		while (image_bed_has(b, "templates/template-1") && until++ < 200)
			loop_turn(b->loop, 10);
		assert_false(image_bed_has(b, "templates/template-1"));
		assert_false(b->ended);
		assert_true(image_bed_has(b, "up/a"));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    tar_becomes_a_template_of_one_layer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    image_says_how_it_is_run, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    layers_are_shared_and_outlive_a_template, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    tars_without_a_program_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    bad_images_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    one_of_several_images_is_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    indexes_without_end_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    docker_archives_are_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    container_becomes_a_template_on_its_layers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    cancelled_import_leaves_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    overlay_sees_what_the_layers_say, set_up, tear_down),
	};

	if (access("/sbin/mke2fs", X_OK) || access("/usr/bin/qemu-img", X_OK)) {
		fprintf(stderr, "skipped: no mke2fs or no qemu-img\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
