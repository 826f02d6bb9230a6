#include "host-agent/storage/root_import.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "host-agent/storage/ds_path.h"
#include "host-agent/storage/ext4_image.h"
#include "host-agent/storage/img_ext4.h"
#include "host-agent/storage/root_import_int.h"

/*
 * Stages: bring (worker) opens the source; plan (child) says which layers an image has;
 * then for each layer open (worker) links or makes its file, unpack or copy (child)
 * fills it, keep_layer (worker) names it; user (child) finds out who the image runs as;
 * keep (worker) hashes and notes what is answered.
 */

static void
import_free(struct root_import *im)
{
	for (size_t i = 0; i < ROOT_LAYERS_MAX; i++) {
		if (im->layers[i].fd >= 0)
			close(im->layers[i].fd);
		free(im->layers[i].path);
	}
	if (im->source_fd >= 0)
		close(im->source_fd);
	img_source_close(&im->copied);
	datastore_unref(im->at.ds);
	datastore_unref(im->at.source_ds);
	drover__disk_source__free_unpacked(im->disk, NULL);
	drover__disk_layer__free_unpacked(im->disk_top, NULL);
	drover__container_spec__free_unpacked(im->container, NULL);
	drover__template_facts__free_unpacked(im->facts, NULL);
	free(im->program);
	free(im->source);
	free(im->folder);
	free(im->format);
	free(im->reference);
	free(im->user);
	free(im);
}

static void
end(struct root_import *im, int rc)
{
	if (!rc && im->cancelled)
		rc = ERR_CANCELLED;
	if (rc)
		root_take_back(im);
	if (rc && !im->cancelled) {
		err_wrap(&im->err, "cannot %s \"%.80s\" on datastore %s",
		    im->disk ? "make a template of" : "import", im->source,
		    datastore_name(im->at.ds));
		im->done(im->arg, rc, &im->err, NULL);
	} else if (!im->cancelled) {
		im->done(im->arg, 0, &im->err, im->facts);
	}
	import_free(im);
}

/* A stage on a worker; false: it ended there, or does not begin. */
static void
work(struct root_import *im, int (*run)(void *job), void (*done)(void *job, int rc))
{
	int rc = worker_run(im->at.workers, run, done, im, &im->err);

	im->on_worker = !rc;
	if (rc)
		end(im, rc);
}

/* Back on the loop; true: it goes on. */
static bool
goes_on(struct root_import *im, int rc)
{
	im->on_worker = false;
	if (!rc && !im->cancelled)
		return true;
	if (rc && !im->err.code)
		err_set(&im->err, rc, "the agent is stopping");
	end(im, rc);
	return false;
}

static void
on_kept(void *job, int rc)
{
	if (goes_on(job, rc))
		end(job, 0);
}

static void
on_user(struct child *c, const struct child_result *r, void *arg)
{
	struct root_import *im = arg;

	im->child = NULL;
	if (root_unpack_take(im, ROOT_USER, r, &im->err))
		end(im, im->err.code);
	else
		work(im, root_run_keep, on_kept);
}

/* All layers are there. */
static void
finish(struct root_import *im)
{
	if (!im->user || !*im->user)
		work(im, root_run_keep, on_kept);
	else if (root_unpack_start(im, ROOT_USER, on_user, &im->err))
		end(im, im->err.code);
}

/* ---- each layer ---- */

static void on_layer_opened(void *job, int rc);

static void
note_progress(struct root_import *im)
{
	Drover__Progress at = DROVER__PROGRESS__INIT;
	char unpacking[] = "unpacking the layers", copying[] = "copying the layers";

	at.phase = im->disk ? copying : unpacking;
	for (size_t i = 0; i < im->n; i++) {
		at.total_bytes += im->layers[i].bytes;
		at.done_bytes += i < im->next ? im->layers[i].bytes : 0;
	}
	progress_note(im->at.progress, im->at.order, &at);
}

static void
next_layer(struct root_import *im)
{
	note_progress(im);
	if (im->next < im->n)
		work(im, root_run_open_layer, on_layer_opened);
	else
		finish(im);
}

static void
on_layer_kept(void *job, int rc)
{
	struct root_import *im = job;

	if (!goes_on(im, rc))
		return;
	im->next++;
	next_layer(im);
}

static void
on_unpacked(struct child *c, const struct child_result *r, void *arg)
{
	struct root_import *im = arg;

	im->child = NULL;
	if (!root_unpack_take(im, ROOT_LAYER, r, &im->err))
		work(im, root_run_keep_layer, on_layer_kept);
	else if (im->n > 1)
		end(im, err_wrap(&im->err, "layer %zu of %zu", im->next + 1, im->n));
	else
		end(im, im->err.code);
}

/* The container may have been stopped in the middle of something, and its quota is no
 * matter of the template. */
static void
on_shrunk(void *arg, int rc, const struct err *e)
{
	struct root_import *im = arg;

	if (rc && !im->err.code)
		im->err = *e;
	if (goes_on(im, rc))
		work(im, root_run_keep_layer, on_layer_kept);
}

static void
shrink(struct root_import *im)
{
	const struct ext4_tool t = { im->at.loop, &im->conf, im->layers[im->next].fd,
		im->copied.virtual_bytes };
	int rc = ext4_shrink_start(&t, on_shrunk, im, &im->err);

	/* It is short and cannot be called off: what is given up waits for it. */
	im->on_worker = !rc;
	if (rc)
		end(im, rc);
}

static void
on_copied(void *arg, int rc, const struct err *e)
{
	struct root_import *im = arg;
	bool is_top = im->next == im->n - 1;

	im->copy = NULL;
	if (rc)
		im->err = *e;
	if (rc)
		end(im, rc);
	else if (is_top)
		shrink(im);
	else
		work(im, root_run_keep_layer, on_layer_kept);
}

static bool
on_tick(void *arg, const struct img_copied *c)
{
	const struct root_import *im = arg;
	Drover__Progress at = DROVER__PROGRESS__INIT;
	char copying[] = "copying the layers";

	at.done_bytes = c->done_bytes;
	at.total_bytes = c->total_bytes;
	at.bytes_per_s = c->bytes_per_s;
	at.phase = copying;
	progress_note(im->at.progress, im->at.order, &at);
	return true;
}

static void
copy(struct root_import *im)
{
	const struct img_copy_ops ops = { on_tick, on_copied, im };
	const struct img_copy_opts o = {
		.loop = im->at.loop,
		.conf = &im->conf,
		.source = &im->copied,
		.target = IMG_TARGET_SIZED_RAW,
		.target_fd = im->layers[im->next].fd,
		.bytes_per_s = im->bytes_per_s,
	};
	int rc = img_copy_start(&o, &ops, &im->copy, &im->err);

	if (rc)
		end(im, rc);
}

static void
on_layer_opened(void *job, int rc)
{
	struct root_import *im = job;

	if (!goes_on(im, rc))
		return;
	if (im->disk && im->layers[im->next].is_linked)
		work(im, root_run_keep_layer, on_layer_kept);
	else if (im->disk)
		copy(im);
	else if (root_unpack_start(im, ROOT_LAYER, on_unpacked, &im->err))
		end(im, im->err.code);
}

/* ---- the beginning ---- */

static void
on_planned(struct child *c, const struct child_result *r, void *arg)
{
	struct root_import *im = arg;

	im->child = NULL;
	if (root_unpack_take(im, ROOT_PLAN, r, &im->err))
		end(im, im->err.code);
	else
		next_layer(im);
}

static void
on_brought(void *job, int rc)
{
	struct root_import *im = job;

	if (!goes_on(im, rc))
		return;
	if (im->facts)
		end(im, 0);
	else if (im->n)
		next_layer(im);
	else if (root_unpack_start(im, ROOT_PLAN, on_planned, &im->err))
		end(im, im->err.code);
}

static struct root_import *
import_new(const struct tmpl_place *p, uint64_t tmpl, const char *source)
{
	struct root_import *im = xcalloc(1, sizeof(*im));

	im->at = *p;
	im->at.ds = datastore_ref(p->ds);
	im->at.source_ds = p->source_ds ? datastore_ref(p->source_ds) : NULL;
	im->conf = *p->conf;
	im->tmpl = tmpl;
	im->source = xstrdup(source);
	im->folder = tmpl_folder(tmpl);
	im->source_fd = -1;
	for (size_t i = 0; i < ROOT_LAYERS_MAX; i++)
		im->layers[i].fd = -1;
	return im;
}

static int
begin(struct root_import *im_take, tmpl_done_fn done, void *arg,
    struct root_import **ret_im, struct err *e)
{
	int rc =
	    worker_run(im_take->at.workers, root_run_bring, on_brought, im_take, e);

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

int
root_import_start(const struct tmpl_place *p, const Drover__TemplateImport *order,
    tmpl_done_fn done, void *arg, struct root_import **ret_im, struct err *e)
{
	const char *format = order->format;
	struct root_import *im;
	int rc = ds_path_check(order->path, e);

	if (!rc)
		rc = datastore_path_is_users(order->path, e);
	if (rc)
		return rc;
	if (!str_same(format, "tar") && !str_same(format, "oci") &&
	    !str_same(format, "docker")) {
		return err_set(e, ERR_INVALID,
		    "format: wants tar, oci or docker for a container's root, got "
		    "\"%.32s\"",
		    format);
	}
	if (str_same(format, "tar") && *order->reference)
		return err_set(e, ERR_INVALID,
		    "reference: an archive of files holds no image of a name");
	im = import_new(p, order->template_, order->path);
	im->format = xstrdup(format);
	im->reference = xstrdup(order->reference);
	im->keep_source = order->keep_source;
	im->container = xcalloc(1, sizeof(*im->container));
	drover__container_spec__init(im->container);
	return begin(im, done, arg, ret_im, e);
}

int
root_from_disk_start(const struct tmpl_place *p, const Drover__TemplateFromDisk *order,
    tmpl_done_fn done, void *arg, struct root_import **ret_im, struct err *e)
{
	const Drover__DiskSource *d = order->source;
	struct root_import *im = import_new(p, order->template_, d->path);

	im->disk = img_source_dup(d);
	im->disk_top = xcalloc(1, sizeof(*im->disk_top));
	drover__disk_layer__init(im->disk_top);
	im->disk_top->path = xstrdup(d->path);
	im->disk_top->format = xstrdup(d->format);
	im->bytes_per_s = order->bytes_per_s;
	return begin(im, done, arg, ret_im, e);
}

void
root_import_cancel(struct root_import *im)
{
	im->cancelled = true;
	if (im->on_worker)
		return;
	if (im->child)
		child_free(im->child);
	img_copy_free(im->copy);
	end(im, ERR_CANCELLED);
}
