/*
 * What blocks when a container's template is made: opening, linking, naming, hashing.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "host-agent/storage/ds_path.h"
#include "host-agent/storage/img_check.h"
#include "host-agent/storage/img_sum.h"
#include "host-agent/storage/layer_pool.h"
#include "host-agent/storage/root_import_int.h"

#define FOLDER_MODE 0711
#define BLOCK_BYTES 512u

static char *
new_path(const struct root_layer *l)
{
	return xasprintf("%s.new", l->path);
}

/* The topmost is the template's disk; the others are counted downwards. */
void
root_name_layers(struct root_import *im)
{
	for (size_t i = 0; i < im->n; i++) {
		size_t below = im->n - 1 - i;

		im->layers[i].path =
		    below ? xasprintf("%s/layer-%zu.ext4", im->folder, below)
			  : xasprintf("%s/disk.ext4", im->folder);
	}
}

/* ---- what it is made of ---- */

static int
bring_archive(struct root_import *im, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct stat st;
	int rc = ds_path_open(datastore_fd(im->at.ds), im->source, O_RDONLY, 0, &fd, e);

	if (!rc && (fstat(fd, &st) || !S_ISREG(st.st_mode)))
		rc = err_set(e, ERR_INVALID, "it is no plain file");
	if (!rc)
		rc = img_lend(fd, &im->conf, e);
	if (rc)
		return rc;
	im->source_fd = MOVE_FD(fd);
	im->source_bytes = (uint64_t)st.st_size;
	if (str_same(im->format, "tar")) {
		im->layers[0].bytes = im->source_bytes;
		im->n = 1;
		root_name_layers(im);
	}
	return 0;
}

/* The disk on top, and below it the layers that the container stands on. */
static int
bring_disk(struct root_import *im, struct err *e)
{
	const Drover__DiskSource *d = im->disk;

	if (d->n_backing >= ROOT_LAYERS_MAX) {
		return err_set(e, ERR_INVALID,
		    "a template of %zu layers, and containers on it would have one too "
		    "many",
		    d->n_backing + 1);
	}
	im->n = d->n_backing + 1;
	im->layers[im->n - 1].from = im->disk_top;
	for (size_t i = 0; i < d->n_backing; i++)
		im->layers[im->n - 2 - i].from = d->backing[i];
	root_name_layers(im);
	return 0;
}

int
root_run_bring(void *job)
{
	struct root_import *im = job;
	struct datastore_room room;
	struct err *e = &im->err;
	int rc = datastore_look(im->at.ds, &room, e);

	if (rc)
		return rc;
	im->facts = layer_pool_load(im->at.ds, im->tmpl);
	if (im->facts)
		return im->keep_source || im->disk
			   ? 0
			   : ds_path_remove(datastore_fd(im->at.ds), im->source, e);
	im->free_bytes = room.free_bytes;
	rc = im->disk ? bring_disk(im, e) : bring_archive(im, e);
	if (!rc)
		rc =
		    ds_path_mkdirs(datastore_fd(im->at.ds), im->folder, FOLDER_MODE, e);
	return rc;
}

/* ---- a layer ---- */

static int
open_new(struct root_import *im, struct root_layer *l, struct err *e)
{
	AUTO_FREE char *made = new_path(l);
	int root = datastore_fd(im->at.ds);
	/* Left over from an import that was cut short. */
	int rc = ds_path_remove(root, made, e);

	if (!rc)
		rc = ds_path_open(
		    root, made, O_RDWR | O_CREAT | O_EXCL, 0600, &l->fd, e);
	return rc ? rc : disk_give(l->fd, im->conf.uid, im->conf.gid, 0600, e);
}

static int
open_linked(struct root_import *im, struct root_layer *l, struct err *e)
{
	struct img_facts facts;
	int rc = ds_path_open(datastore_fd(im->at.ds), l->path, O_RDONLY, 0, &l->fd, e);

	if (!rc)
		rc = img_check_fd(l->fd, IMG_EXT4, IMG_BACKING_REFUSED, &facts, e);
	l->is_linked = !rc;
	return rc ? err_wrap(e, "the layer \"%.80s\"", l->path) : 0;
}

/* Layers are never changed, so one file serves all templates of a datastore. */
static bool
link_there(struct root_import *im, struct root_layer *l)
{
	bool is_top = l->from == im->disk_top;

	if (!l->from)
		return *l->diff_id &&
		       !layer_pool_take(im->at.ds, l->diff_id, l->path, NULL);
	return !is_top &&
	       datastore_number(im->at.ds) == datastore_number(im->at.source_ds) &&
	       !ds_path_remove(datastore_fd(im->at.ds), l->path, NULL) &&
	       !layer_link(im->at.ds, l->from->path, l->path, NULL);
}

/* A copy is of the size of what it copies. */
static int
open_copied(struct root_import *im, struct root_layer *l, struct err *e)
{
	Drover__DiskSource s = DROVER__DISK_SOURCE__INIT;
	int rc;

	s.path = l->from->path;
	s.format = l->from->format;
	img_source_close(&im->copied);
	rc = img_source_open(im->at.source_ds, &s, &im->conf, &im->copied, e);
	if (!rc && im->copied.used_bytes > im->free_bytes)
		rc = err_set(e, ERR_NO_CAPACITY,
		    "it holds %" PRIu64 " bytes, and %" PRIu64 " are free",
		    im->copied.used_bytes, im->free_bytes);
	if (!rc)
		rc = open_new(im, l, e);
	if (!rc && ftruncate(l->fd, (off_t)im->copied.virtual_bytes))
		rc = err_sys(e, ERR_IO, errno, "cannot set its size");
	return rc;
}

int
root_run_open_layer(void *job)
{
	struct root_import *im = job;
	struct root_layer *l = &im->layers[im->next];

	if (link_there(im, l))
		return open_linked(im, l, &im->err);
	return l->from ? open_copied(im, l, &im->err) : open_new(im, l, &im->err);
}

static int
give_name(const struct root_import *im, const struct root_layer *l, struct err *e)
{
	AUTO_FREE char *made = new_path(l);
	AUTO_CLOSE int folder = -1;
	const char *from, *to = strrchr(l->path, '/') + 1;
	int rc = ds_path_parent(datastore_fd(im->at.ds), made, &folder, &from, e);

	if (!rc && (renameat(folder, from, folder, to) || fsync(folder)))
		rc = err_sys(e, ERR_IO, errno, "cannot rename \"%.80s\"", made);
	return rc;
}

int
root_run_keep_layer(void *job)
{
	struct root_import *im = job;
	struct root_layer *l = &im->layers[im->next];
	struct img_facts facts;
	struct err *e = &im->err;
	int rc;

	if (l->is_linked)
		return 0;
	rc = disk_give(l->fd, 0, im->conf.gid, 0440, e);
	if (!rc)
		rc = img_check_fd(l->fd, IMG_EXT4, IMG_BACKING_REFUSED, &facts, e);
	if (!rc && fsync(l->fd))
		rc = err_sys(e, ERR_IO, errno, "cannot sync it");
	if (!rc)
		rc = give_name(im, l, e);
	if (!rc && *l->diff_id)
		layer_pool_offer(im->at.ds, l->diff_id, l->path);
	return rc;
}

/* ---- the end ---- */

static char *
left_out_text(const struct root_import *im)
{
	if (!im->left_out[0] && !im->left_out[1])
		return xstrdup("");
	return xasprintf("left out: %" PRIu64 " device nodes and %" PRIu64
			 " extended attributes that no container may have",
	    im->left_out[0], im->left_out[1]);
}

static Drover__DiskLayer *
layer_new(const char *path)
{
	Drover__DiskLayer *l = xcalloc(1, sizeof(*l));

	drover__disk_layer__init(l);
	l->path = xstrdup(path);
	l->format = xstrdup("ext4");
	return l;
}

static void
add_layers(struct root_import *im, Drover__TemplateFacts *f)
{
	struct stat st;

	f->layers = xcalloc(im->n, sizeof(Drover__DiskLayer *));
	for (size_t i = im->n; i--;) {
		if (!fstat(im->layers[i].fd, &st))
			f->file_bytes += (uint64_t)st.st_blocks * BLOCK_BYTES;
		if (i < im->n - 1)
			f->layers[f->n_layers++] = layer_new(im->layers[i].path);
	}
}

int
root_run_keep(void *job)
{
	struct root_import *im = job;
	const struct root_layer *top = &im->layers[im->n - 1];
	Drover__TemplateFacts *f;
	char sha256[IMG_SUM_LEN + 1];
	uint64_t bytes;
	struct err *e = &im->err;
	int rc = img_sum(top->fd, sha256, &bytes, e);

	if (rc)
		return rc;
	f = xcalloc(1, sizeof(*f));
	drover__template_facts__init(f);
	f->path = xstrdup(top->path);
	f->format = xstrdup("ext4");
	f->virtual_bytes = bytes;
	f->sha256 = xstrdup(sha256);
	f->name = xstrdup("");
	f->description = left_out_text(im);
	f->container = MOVE(im->container);
	add_layers(im, f);
	im->facts = f;
	rc = layer_pool_save(im->at.ds, im->tmpl, f, e);
	if (!rc && !im->keep_source && !im->disk)
		rc = ds_path_remove(datastore_fd(im->at.ds), im->source, e);
	return rc;
}

void
root_take_back(struct root_import *im)
{
	int root = datastore_fd(im->at.ds);

	/* The failure that led here is the one to tell of. */
	for (size_t i = 0; i < im->n; i++) {
		AUTO_FREE char *made = new_path(&im->layers[i]);

		(void)!ds_path_remove(root, made, NULL);
		(void)!ds_path_remove(root, im->layers[i].path, NULL);
	}
	(void)!layer_pool_forget(im->at.ds, im->tmpl, NULL);
	(void)!ds_path_remove(root, im->folder, NULL);
	layer_pool_sweep(im->at.ds);
}
