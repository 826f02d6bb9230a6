#include "host-agent/storage/tmpl.h"

#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "host-agent/storage/ds_path.h"
#include "host-agent/storage/img_ext4.h"
#include "host-agent/storage/layer_pool.h"
#include "host-agent/storage/tmpl_int.h"

#define CHECK_MS   300000
#define LEAKS_ONLY 3 /* qemu-img check: wasted clusters, all data is sound */

char *
tmpl_folder(uint64_t tmpl)
{
	return xasprintf("templates/template-%" PRIu64, tmpl);
}

static void
import_free(struct tmpl_import *im)
{
	if (im->fd >= 0)
		close(im->fd);
	img_source_close(&im->from);
	datastore_unref(im->at.ds);
	datastore_unref(im->at.source_ds);
	drover__disk_source__free_unpacked(im->disk, NULL);
	free(im->program);
	free(im->source);
	free(im->folder);
	free(im->path);
	free(im->new_path);
	free(im->format_name);
	free(im);
}

/* ---- the loop's side ---- */

static void
tell(struct tmpl_import *im)
{
	Drover__TemplateFacts facts = DROVER__TEMPLATE_FACTS__INIT;

	facts.path = im->path;
	facts.format = im->format_name;
	facts.virtual_bytes = im->facts.virtual_bytes;
	facts.file_bytes = im->file_bytes;
	facts.sha256 = im->sha256;
	facts.name = im->ovf.name;
	facts.num_cpu = im->ovf.num_cpu;
	facts.memory_mb = im->ovf.memory_mb;
	facts.description = im->ovf.description;
	im->done(im->arg, 0, &im->err, &facts);
}

static void
end(struct tmpl_import *im, int rc)
{
	if (rc)
		tmpl_take_back(im);
	if (rc && !im->cancelled) {
		err_wrap(&im->err, "cannot %s \"%.80s\" on datastore %s",
		    im->kind == TMPL_DISK ? "make a template of" : "import", im->source,
		    datastore_name(im->at.ds));
		im->done(im->arg, rc, &im->err, NULL);
	} else if (!im->cancelled) {
		tell(im);
	}
	import_free(im);
}

static void
on_kept(void *job, int rc)
{
	struct tmpl_import *im = job;

	im->on_worker = false;
	end(im, rc);
}

static void
keep(struct tmpl_import *im)
{
	int rc = worker_run(im->at.workers, tmpl_run_keep, on_kept, im, &im->err);

	im->on_worker = !rc;
	if (rc)
		end(im, rc);
}

static void
on_checked(struct child *c, const struct child_result *r, void *arg)
{
	struct tmpl_import *im = arg;
	int status = r->status;

	im->child = NULL;
	if (WIFEXITED(status) && WEXITSTATUS(status) == LEAKS_ONLY && !r->timed_out)
		status = 0;
	if (status || r->timed_out) {
		child_err(r, "qemu-img check", &im->err);
		im->err.code = ERR_INVALID;
		end(im, err_wrap(&im->err, "the image is damaged"));
		return;
	}
	keep(im);
}

static void
check(struct tmpl_import *im)
{
	const char *argv[] = { qemu_img_program(&im->conf), "check", "-q", "-U", "-f",
		"qcow2", "/dev/fd/3", NULL };
	struct qemu_img run = { im->at.loop, &im->conf, argv, im->fd, CHECK_MS };
	int rc = qemu_img_start(&run, on_checked, im, &im->child, &im->err);

	if (rc)
		end(im, rc);
}

static bool
on_tick(void *arg, const struct img_copied *c)
{
	const struct tmpl_import *im = arg;
	Drover__Progress at = DROVER__PROGRESS__INIT;
	char copying[] = "copying the disk", converting[] = "converting the disk";

	at.done_bytes = c->done_bytes;
	at.total_bytes = c->total_bytes;
	at.bytes_per_s = c->bytes_per_s;
	at.phase = im->kind == TMPL_DISK ? copying : converting;
	progress_note(im->at.progress, im->at.order, &at);
	return true;
}

static void
on_copied(void *arg, int rc, const struct err *e)
{
	struct tmpl_import *im = arg;

	im->copy = NULL;
	if (rc)
		im->err = *e;
	if (rc)
		end(im, rc);
	else if (im->kind == TMPL_DISK)
		keep(im);
	else
		check(im);
}

static void
copy(struct tmpl_import *im)
{
	const struct img_copy_ops ops = { on_tick, on_copied, im };
	const struct img_copy_opts o = {
		.loop = im->at.loop,
		.conf = &im->conf,
		.source = &im->from,
		.target = IMG_TARGET_QCOW2,
		.target_fd = im->fd,
		.bytes_per_s = im->bytes_per_s,
		.max_file_bytes = im->max_file_bytes,
		.too_large = im->too_large,
	};
	int rc = img_copy_start(&o, &ops, &im->copy, &im->err);

	if (rc)
		end(im, rc);
}

static void
on_brought(void *job, int rc)
{
	struct tmpl_import *im = job;

	im->on_worker = false;
	if (!rc && im->cancelled)
		rc = ERR_CANCELLED;
	if (rc)
		end(im, rc);
	else if (!im->is_there && !im->filled)
		copy(im);
	else if (im->is_there || im->format == IMG_RAW || im->kind == TMPL_DISK)
		keep(im);
	else
		check(im);
}

/* What all kinds have; the source's name is for messages too. */
static struct tmpl_import *
import_new(
    const struct tmpl_place *p, uint64_t tmpl, const char *source, const char *format)
{
	struct tmpl_import *im = xcalloc(1, sizeof(*im));

	im->at = *p;
	im->at.ds = datastore_ref(p->ds);
	im->at.source_ds = p->source_ds ? datastore_ref(p->source_ds) : NULL;
	im->program = xstrdup(qemu_img_program(p->conf));
	im->conf = *p->conf;
	im->conf.qemu_img = im->program;
	im->tmpl = tmpl;
	im->format_name = xstrdup(format);
	im->source = xstrdup(source);
	im->folder = tmpl_folder(tmpl);
	im->path = xasprintf("%s/disk.%s", im->folder, format);
	im->new_path = xasprintf("%s.new", im->path);
	im->fd = -1;
	return im;
}

static int
begin(struct tmpl_import *im_take, tmpl_done_fn done, void *arg,
    struct tmpl_import **ret_im, struct err *e)
{
	int rc =
	    worker_run(im_take->at.workers, tmpl_run_bring, on_brought, im_take, e);

	im_take->done = done;
	im_take->arg = arg;
	if (rc) {
		import_free(im_take);
		return rc;
	}
	im_take->on_worker = true;
	*ret_im = im_take;
	return 0;
}

/* The order's format: ours, another's, or an appliance. */
static int
parse_kind(const char *name, enum tmpl_kind *ret_kind, enum img_format *ret_format,
    enum img_foreign *ret_foreign, struct err *e)
{
	*ret_format = IMG_QCOW2;
	*ret_foreign = IMG_VMDK;
	if (img_format_is_ext4(name))
		return err_set(e, ERR_UNSUPPORTED,
		    "a file system that came from outside is never mounted: a "
		    "container's root comes in as a tar archive");
	if (!img_format_parse(name, ret_format, NULL))
		*ret_kind = TMPL_NATIVE;
	else if (str_same(name, "ova"))
		*ret_kind = TMPL_OVA;
	else
		*ret_kind = TMPL_FOREIGN;
	return *ret_kind == TMPL_FOREIGN ? img_foreign_parse(name, ret_foreign, e) : 0;
}

int
tmpl_import_start(const struct tmpl_place *p, const Drover__TemplateImport *order,
    tmpl_done_fn done, void *arg, struct tmpl_import **ret_im, struct err *e)
{
	struct tmpl_import *im;
	enum img_format format;
	enum img_foreign foreign;
	enum tmpl_kind kind = TMPL_NATIVE;
	int rc = ds_path_check(order->path, e);

	if (!rc)
		rc = datastore_path_is_users(order->path, e);
	if (!rc)
		rc = parse_kind(order->format, &kind, &format, &foreign, e);
	if (rc)
		return rc;
	im = import_new(p, order->template_, order->path,
	    kind == TMPL_NATIVE ? order->format : "qcow2");
	im->kind = kind;
	im->format = format;
	im->foreign = foreign;
	im->keep_source = order->keep_source;
	return begin(im, done, arg, ret_im, e);
}

int
tmpl_from_disk_start(const struct tmpl_place *p, const Drover__TemplateFromDisk *order,
    tmpl_done_fn done, void *arg, struct tmpl_import **ret_im, struct err *e)
{
	struct tmpl_import *im;

	if (!order->source)
		return err_set(e, ERR_INVALID, "no disk to make a template of");
	im = import_new(p, order->template_, order->source->path, "qcow2");
	im->kind = TMPL_DISK;
	im->format = IMG_QCOW2;
	im->disk = img_source_dup(order->source);
	im->bytes_per_s = order->bytes_per_s;
	return begin(im, done, arg, ret_im, e);
}

void
tmpl_import_cancel(struct tmpl_import *im)
{
	im->cancelled = true;
	if (im->on_worker)
		return;
	child_free(im->child);
	img_copy_free(im->copy);
	end(im, ERR_CANCELLED);
}

/* What a container's template has below its disk. */
static int
delete_layers(int root, const char *folder, struct err *e)
{
	int rc = 0;

	for (size_t i = 1; !rc && i < ENGINE_LAYERS_MAX; i++) {
		AUTO_FREE char *path = xasprintf("%s/layer-%zu.ext4", folder, i);
		AUTO_FREE char *made = xasprintf("%s.new", path);

		rc = ds_path_remove(root, path, e);
		if (!rc)
			rc = ds_path_remove(root, made, e);
	}
	return rc;
}

int
tmpl_delete(const struct datastore *ds, uint64_t tmpl, struct err *e)
{
	static const char *const files[] = { "disk.qcow2", "disk.raw", "disk.ext4",
		"disk.qcow2.new", "disk.raw.new", "disk.ext4.new" };
	AUTO_FREE char *folder = tmpl_folder(tmpl);
	int root = datastore_fd(ds);
	int rc = layer_pool_forget(ds, tmpl, e);

	for (size_t i = 0; i < ARRAY_SIZE(files) && !rc; i++) {
		AUTO_FREE char *path = xasprintf("%s/%s", folder, files[i]);

		rc = ds_path_remove(root, path, e);
	}
	if (!rc)
		rc = delete_layers(root, folder, e);
	if (!rc)
		rc = ds_path_remove(root, folder, e);
	layer_pool_sweep(ds);
	return rc ? err_wrap(e, "datastore %s", datastore_name(ds)) : 0;
}
