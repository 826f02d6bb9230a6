/*
 * What blocks when a template is made: reading headers, copying, hashing, naming.
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
#include "host-agent/storage/ova.h"
#include "host-agent/storage/tmpl_int.h"

#define CHUNK 1048576u

/*
 * A strangers' image may claim any size, and name one packed block a thousand times:
 * what it unpacks to is bounded by what real disks do.
 */
#define UNPACK_RATIO 100u
#define UNPACK_SPARE (1ull << 30)

static int
rename_below(int root, const char *from, const char *to, struct err *e)
{
	AUTO_CLOSE int from_fd = -1;
	AUTO_CLOSE int to_fd = -1;
	const char *from_base, *to_base;
	int rc = ds_path_parent(root, from, &from_fd, &from_base, e);

	if (!rc)
		rc = ds_path_parent(root, to, &to_fd, &to_base, e);
	if (!rc && renameat(from_fd, from_base, to_fd, to_base))
		rc = err_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
		    "cannot rename \"%.80s\"", from);
	if (!rc && fsync(to_fd))
		rc = err_sys(e, ERR_IO, errno, "cannot sync \"%.80s\"", to);
	return rc;
}

/* ---- stage 1: bring ---- */

static int
copy_bytes(int from, int to, struct err *e)
{
	AUTO_FREE uint8_t *buf = xmalloc(CHUNK);
	ssize_t n, done;

	while ((n = read(from, buf, CHUNK)) != 0) {
		if (n < 0)
			return err_sys(e, ERR_IO, errno, "cannot read it");
		for (ssize_t at = 0; at < n; at += done) {
			done = write(to, buf + at, (size_t)(n - at));
			if (done < 0)
				return err_sys(e,
				    errno == ENOSPC ? ERR_NO_CAPACITY : ERR_IO, errno,
				    "cannot copy it");
		}
	}
	return 0;
}

static int
copy_source(struct tmpl_import *im, int source, struct err *e)
{
	int root = datastore_fd(im->at.ds), rc;

	rc = ds_path_remove(root, im->new_path, e);
	if (!rc)
		rc = ds_path_open(
		    root, im->new_path, O_RDWR | O_CREAT | O_EXCL, 0600, &im->fd, e);
	return rc ? rc : copy_bytes(source, im->fd, e);
}

static int
bring_file(struct tmpl_import *im, struct err *e)
{
	int root = datastore_fd(im->at.ds), rc;
	AUTO_CLOSE int source = -1;

	rc = ds_path_open(root, im->source, O_RDONLY, 0, &source, e);
	/* Refused before anything is touched. */
	if (!rc)
		rc = img_check_fd(
		    source, im->format, IMG_BACKING_REFUSED, &im->facts, e);
	if (rc)
		return rc;
	if (im->keep_source)
		return copy_source(im, source, e);
	rc = rename_below(root, im->source, im->new_path, e);
	im->moved = !rc;
	if (!rc)
		im->fd = MOVE_FD(source);
	return rc;
}

/* An earlier order's work: the same number with its source gone, or still wanted. */
static int
look_for_template(struct tmpl_import *im, struct err *e)
{
	int root = datastore_fd(im->at.ds);
	AUTO_CLOSE int made = -1;
	AUTO_CLOSE int source = -1;

	if (ds_path_open(root, im->path, O_RDONLY, 0, &made, NULL))
		return 0;
	if (im->kind != TMPL_DISK && !im->keep_source &&
	    ds_path_open(root, im->source, O_RDONLY, 0, &source, NULL) != ERR_NOT_FOUND)
		return err_set(e, ERR_EXISTS, "template-%" PRIu64 " exists", im->tmpl);
	im->is_there = true;
	im->fd = MOVE_FD(made);
	return 0;
}

/* The agent may have died between taking the source and naming the template. */
static bool
was_brought(struct tmpl_import *im)
{
	int root = datastore_fd(im->at.ds);
	AUTO_CLOSE int source = -1;

	if (im->keep_source ||
	    ds_path_open(root, im->source, O_RDONLY, 0, &source, NULL) != ERR_NOT_FOUND)
		return false;
	return ds_path_open(root, im->new_path, O_RDONLY, 0, &im->fd, NULL) == 0;
}

static int
bring_native(struct tmpl_import *im, const struct datastore_room *room, struct err *e)
{
	int rc = was_brought(im) ? 0 : bring_file(im, e);

	im->filled = true;
	if (!rc)
		rc = img_check_fd(
		    im->fd, im->format, IMG_BACKING_REFUSED, &im->facts, e);
	if (!rc)
		rc = img_size_check(im->facts.virtual_bytes, room->capacity_bytes, e);
	/* Readable for the child, writable for nobody. */
	if (!rc)
		rc = disk_give(im->fd, im->conf.uid, im->conf.gid, 0400, e);
	return rc;
}

/* The file that the child fills. */
static int
make_empty(struct tmpl_import *im, struct err *e)
{
	int root = datastore_fd(im->at.ds);
	int rc = ds_path_remove(root, im->new_path, e);

	if (!rc)
		rc = ds_path_open(
		    root, im->new_path, O_RDWR | O_CREAT | O_EXCL, 0600, &im->fd, e);
	return rc ? rc : disk_give(im->fd, im->conf.uid, im->conf.gid, 0600, e);
}

/* How far a stranger's image may grow, and which bound that is. */
static void
bound_growth(struct tmpl_import *im, uint64_t file_bytes, uint64_t free_bytes)
{
	uint64_t most = file_bytes > UINT64_MAX / UNPACK_RATIO - UNPACK_SPARE
			    ? UINT64_MAX
			    : file_bytes * UNPACK_RATIO + UNPACK_SPARE;

	im->max_file_bytes = most < free_bytes ? most : free_bytes;
	im->too_large = most < free_bytes
			    ? "it unpacks to over a hundred times its size"
			    : "it unpacks to more than its datastore has room for";
}

/* The stretch of the opened file that is the disk. */
static int
find_disk(struct tmpl_import *im, int fd, struct span *ret_disk, struct err *e)
{
	struct ova o = { .disk.fd = -1 };
	int rc = span_whole(fd, ret_disk, e);

	if (rc || im->kind != TMPL_OVA)
		return rc;
	rc = ova_open(ret_disk, &o, e);
	if (rc)
		return rc;
	im->ovf = o.ovf;
	*ret_disk = o.disk;
	return 0;
}

static int
bring_foreign(struct tmpl_import *im, const struct datastore_room *room, struct err *e)
{
	struct img_source *from = &im->from;
	AUTO_CLOSE int fd = -1;
	struct span disk;
	int rc = ds_path_open(datastore_fd(im->at.ds), im->source, O_RDONLY, 0, &fd, e);

	if (!rc)
		rc = find_disk(im, fd, &disk, e);
	if (!rc)
		rc = img_foreign_check(&disk, im->foreign, &from->virtual_bytes, e);
	if (!rc)
		rc = img_size_check(from->virtual_bytes, room->capacity_bytes, e);
	if (!rc)
		rc = img_lend(fd, &im->conf, e);
	if (!rc)
		rc = make_empty(im, e);
	if (rc)
		return rc;
	bound_growth(im, disk.bytes, room->free_bytes);
	from->used_bytes = disk.bytes;
	if (im->kind == TMPL_OVA) {
		from->at = disk.at;
		from->bytes = disk.bytes;
	}
	from->images[0].driver = img_foreign_driver(im->foreign);
	from->images[0].fd = MOVE_FD(fd);
	from->n = 1;
	return 0;
}

static int
bring_disk(struct tmpl_import *im, const struct datastore_room *room, struct err *e)
{
	int rc = img_source_open(im->at.source_ds, im->disk, &im->conf, &im->from, e);

	if (!rc)
		rc = img_size_check(im->from.virtual_bytes, room->capacity_bytes, e);
	if (!rc && im->from.used_bytes > room->free_bytes)
		rc = err_set(e, ERR_NO_CAPACITY,
		    "it holds %" PRIu64 " bytes, and %" PRIu64 " are free",
		    im->from.used_bytes, room->free_bytes);
	if (!rc)
		rc = make_empty(im, e);
	if (!rc && im->from.n == 1 && str_same(im->from.images[0].driver, "qcow2"))
		im->filled = img_reflink(im->from.images[0].fd, im->fd);
	return rc;
}

int
tmpl_run_bring(void *job)
{
	struct tmpl_import *im = job;
	struct datastore_room room;
	struct err *e = &im->err;
	int rc = datastore_look(im->at.ds, &room, e);

	if (rc)
		return rc;
	rc = look_for_template(im, e);
	if (rc || im->is_there)
		return rc;
	rc = ds_path_mkdirs(datastore_fd(im->at.ds), im->folder, 0711, e);
	if (rc)
		return rc;
	switch (im->kind) {
	case TMPL_NATIVE:
		return bring_native(im, &room, e);
	case TMPL_DISK:
		return bring_disk(im, &room, e);
	case TMPL_FOREIGN:
	case TMPL_OVA:
		break;
	}
	return bring_foreign(im, &room, e);
}

/* ---- the last stage: keep ---- */

static int
keep_file(struct tmpl_import *im, struct err *e)
{
	int root = datastore_fd(im->at.ds);
	int rc = disk_give(im->fd, 0, im->conf.gid, 0440, e);

	if (!rc && fsync(im->fd))
		rc = err_sys(e, ERR_IO, errno, "cannot sync it");
	if (!rc)
		rc = rename_below(root, im->new_path, im->path, e);
	/* One that was taken as it is has gone by its renaming. */
	if (!rc && !im->keep_source && im->kind != TMPL_NATIVE && im->kind != TMPL_DISK)
		rc = ds_path_remove(root, im->source, e);
	return rc;
}

int
tmpl_run_keep(void *job)
{
	struct tmpl_import *im = job;
	struct err *e = &im->err;
	int rc = img_sum(im->fd, im->sha256, &im->file_bytes, e);

	if (!rc)
		rc = img_check_fd(
		    im->fd, im->format, IMG_BACKING_REFUSED, &im->facts, e);
	return rc || im->is_there ? rc : keep_file(im, e);
}

void
tmpl_take_back(struct tmpl_import *im)
{
	int root = datastore_fd(im->at.ds);

	/* The failure that led here is the one to tell of. */
	if (!im->is_there && im->fd >= 0) {
		(void)!disk_give(im->fd, 0, 0, 0600, NULL);
		if (im->moved)
			(void)!rename_below(root, im->new_path, im->source, NULL);
		else
			(void)!ds_path_remove(root, im->new_path, NULL);
	}
	(void)!ds_path_remove(root, im->folder, NULL);
}
