/*
 * The taking side: below its .new name until all of it is there, sums up to what the
 * giver said and is an image that may be used.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "host-agent/copy/image_job.h"
#include "host-agent/copy/image_sum.h"
#include "host-agent/copy/image_wire.h"
#include "host-agent/storage/ds_path.h"
#include "host-agent/storage/img_check.h"
#include "host-agent/storage/img_copy.h"
#include "host-agent/storage/layer.h"

#define FOLDER_MODE   0711
#define DISK_MODE     0600
#define TEMPLATE_MODE 0440

static char *
new_path(const struct image_job *j)
{
	return xasprintf("%s.new", j->path);
}

static char *
folder_of(const struct image_job *j)
{
	return xstrndup(j->path, (size_t)(strrchr(j->path, '/') - j->path));
}

static int
check_room(const struct image_job *j, uint64_t bytes, struct err *e)
{
	struct datastore_room room;
	int rc = datastore_look(j->ds, &room, e);

	if (!rc && bytes > room.free_bytes)
		rc = err_set(e, ERR_NO_CAPACITY,
		    "it takes %" PRIu64 " bytes, and datastore %s has %" PRIu64 " free",
		    bytes, datastore_name(j->ds), room.free_bytes);
	return rc;
}

static int
check_absent(const struct image_job *j, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct err why = ERR_INIT;
	int rc = ds_path_open(datastore_fd(j->ds), j->path, O_RDONLY, 0, &fd, &why);

	if (rc == ERR_NOT_FOUND)
		return 0;
	if (!rc)
		return err_set(e, ERR_EXISTS, "a file of that name exists");
	return err_set(e, rc, "%s", why.msg);
}

static int
check_backing(const struct image_job *j, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	int rc =
	    ds_path_open(datastore_fd(j->ds), j->backing->path, O_RDONLY, 0, &fd, e);

	return rc ? err_wrap(e, "what it stands on") : 0;
}

int
image_take_look(struct image_job *j, struct err *e)
{
	enum img_format f;
	int rc = img_place_check(j->path, e);

	if (!rc)
		rc = img_format_parse(j->format, &f, e);
	if (!rc)
		rc = check_room(j, j->size_bytes, e);
	if (!rc)
		rc = check_absent(j, e);
	return rc || !j->backing ? rc : check_backing(j, e);
}

static int
open_new(struct image_job *j, struct err *e)
{
	AUTO_FREE char *folder = folder_of(j);
	AUTO_FREE char *made = new_path(j);
	int root = datastore_fd(j->ds);
	int rc = ds_path_mkdirs(root, folder, FOLDER_MODE, e);

	/* Left over from an agent that died. */
	if (!rc)
		rc = ds_path_remove(root, made, e);
	if (!rc)
		rc = ds_path_open(
		    root, made, O_RDWR | O_CREAT | O_EXCL, DISK_MODE, &j->file_fd, e);
	return rc;
}

static int
write_failed(const struct image_job *j, int sys, struct err *e)
{
	if (sys == ENOSPC || sys == EDQUOT)
		return err_set(e, ERR_NO_CAPACITY,
		    "datastore %s is full after %" PRIu64 " of %" PRIu64 " bytes",
		    datastore_name(j->ds), j->done_bytes, j->data_bytes);
	if (sys == EFBIG)
		return err_set(e, ERR_NO_CAPACITY,
		    "datastore %s holds no file of %" PRIu64 " bytes",
		    datastore_name(j->ds), j->bytes);
	return err_sys(
	    e, ERR_IO, sys, "cannot write to datastore %s", datastore_name(j->ds));
}

static int
begin(struct image_job *j, const struct image_frame *f, struct err *e)
{
	int rc = check_room(j, f->data, e);

	j->bytes = f->bytes;
	j->data_bytes = f->data;
	if (!rc)
		rc = open_new(j, e);
	if (!rc && ftruncate(j->file_fd, (off_t)f->bytes))
		rc = write_failed(j, errno, e);
	return rc;
}

static int
write_piece(
    struct image_job *j, const struct image_frame *f, const uint8_t *p, struct err *e)
{
	for (size_t done = 0; done < f->n;) {
		ssize_t did =
		    pwrite(j->file_fd, p + done, f->n - done, (off_t)(f->at + done));

		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0)
			return write_failed(j, errno, e);
		done += (size_t)did;
	}
	j->done_bytes += f->n;
	return 0;
}

static int
take_end(struct image_job *j, struct image_sum *sum, const uint8_t *said, struct err *e)
{
	uint8_t own[IMAGE_SUM_BYTES];
	int rc = image_sum_end(sum, j->bytes, own, e);

	if (rc)
		return rc;
	if (memcmp(own, said, sizeof(own)) != 0)
		return err_set(e, ERR_CORRUPT, "it changed on its way");
	hex_encode(own, sizeof(own), j->sum);
	return 0;
}

/* Buf has room for a piece. */
static int
take_frame(struct image_job *j, struct image_course *c, struct image_sum *sum,
    uint8_t *buf, struct err *e)
{
	struct image_frame f;
	int rc = image_wire_next(j->wire_fd, &f, e);

	if (!rc)
		rc = image_course_take(c, &f, e);
	if (!rc)
		rc = image_wire_get(j->wire_fd, buf, f.n, e);
	if (rc)
		return rc;
	if (j->is_stopped)
		return err_set(e, ERR_CANCELLED, "given up");
	if (f.kind == IMAGE_BEGIN)
		return begin(j, &f, e);
	if (f.kind == IMAGE_END)
		return take_end(j, sum, buf, e);
	image_sum_add(sum, f.at, buf, f.n);
	return write_piece(j, &f, buf, e);
}

static int
take_all(struct image_job *j, struct err *e)
{
	AUTO(image_sum) struct image_sum *sum = image_sum_new();
	AUTO_FREE uint8_t *buf = xmalloc(IMAGE_PIECE_MAX);
	struct image_course c = { .has_begun = false };
	int rc = 0;

	while (!rc && !c.has_ended)
		rc = take_frame(j, &c, sum, buf, e);
	return rc;
}

/* ---- what has come ---- */

/* An order that was given up may still be at it when the next one makes the file. */
static int
check_ours(const struct image_job *j, const char *made, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct stat mine, there;
	int rc = ds_path_open(datastore_fd(j->ds), made, O_RDONLY, 0, &fd, e);

	if (rc)
		return rc;
	if (fstat(j->file_fd, &mine) || fstat(fd, &there))
		return err_sys(e, ERR_IO, errno, "cannot look at it");
	if (mine.st_dev != there.st_dev || mine.st_ino != there.st_ino)
		return err_set(e, ERR_BUSY, "another order makes it");
	return 0;
}

/* Strangers' headers are not believed, and neither are other hosts'. */
static int
check_image(const struct image_job *j, struct err *e)
{
	AUTO_FREE char *made = new_path(j);
	Drover__DiskLayer image = DROVER__DISK_LAYER__INIT;
	struct datastore_room room;
	struct img_facts facts;
	enum img_format f;
	int rc = check_ours(j, made, e);

	image.path = made;
	image.format = j->format;
	if (!rc)
		rc = layer_stands_on(j->ds, &image, j->backing, e);
	if (!rc)
		rc = img_format_parse(j->format, &f, e);
	if (!rc)
		rc = img_check_fd(j->file_fd, f, IMG_BACKING_ALLOWED, &facts, e);
	if (!rc)
		rc = datastore_look(j->ds, &room, e);
	return rc ? rc : img_size_check(facts.virtual_bytes, room.capacity_bytes, e);
}

static int
give_name(const struct image_job *j, struct err *e)
{
	AUTO_FREE char *made = new_path(j);
	AUTO_CLOSE int folder = -1;
	const char *from;
	int rc = ds_path_parent(datastore_fd(j->ds), made, &folder, &from, e);

	if (!rc)
		rc = check_absent(j, e);
	if (!rc && j->is_stopped)
		rc = err_set(e, ERR_CANCELLED, "given up");
	if (!rc && renameat(folder, from, folder, strrchr(j->path, '/') + 1))
		rc = err_sys(e, ERR_IO, errno, "cannot rename it");
	if (rc || !fsync(folder))
		return rc;
	rc = err_sys(e, ERR_IO, errno, "cannot sync its folder");
	/* Nobody is told of it. */
	unlinkat(folder, strrchr(j->path, '/') + 1, 0);
	return rc;
}

/* Owned as disk.h and tmpl.h say. */
static int
keep(const struct image_job *j, struct err *e)
{
	bool tmpl = str_starts(j->path, "templates/");
	int rc = check_image(j, e);

	if (!rc && ((geteuid() == 0 && fchown(j->file_fd, 0, tmpl ? j->gid : 0)) ||
		       fchmod(j->file_fd, tmpl ? TEMPLATE_MODE : DISK_MODE)))
		rc = err_sys(e, ERR_IO, errno, "cannot change its owner");
	if (!rc && fsync(j->file_fd))
		rc = write_failed(j, errno, e);
	return rc ? rc : give_name(j, e);
}

static void
take_away(const struct image_job *j)
{
	AUTO_FREE char *folder = folder_of(j);
	AUTO_FREE char *made = new_path(j);
	int root = datastore_fd(j->ds);

	/* The failure that led here is the one to tell of. */
	if (j->file_fd >= 0)
		(void)!ds_path_remove(root, made, NULL);
	(void)!ds_path_remove(root, folder, NULL);
}

int
image_take(struct image_job *j, struct err *e)
{
	uint64_t begun_ms = clock_mono_ms(clock_system());
	struct err ok = ERR_INIT;
	int rc = take_all(j, e);

	if (!rc)
		rc = keep(j, e);
	if (rc) {
		take_away(j);
		err_wrap(e, "cannot take \"%.80s\" on datastore %s", j->path,
		    datastore_name(j->ds));
	}
	j->total_ms = clock_mono_ms(clock_system()) - begun_ms;
	image_wire_judge(j->wire_fd, rc ? e : &ok);
	return rc;
}
