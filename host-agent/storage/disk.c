#include "host-agent/storage/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "host-agent/engine/engine_snapshot.h"
#include "host-agent/storage/disk_int.h"
#include "host-agent/storage/ds_path.h"
#include "host-agent/storage/img_check.h"
#include "host-agent/storage/img_ext4.h"

#define QEMU_IMG_CPU_S  120
#define QEMU_IMG_MEMORY (1ull << 30)
#define FOLDER_MODE     0711

const char *
qemu_img_program(const struct disk_conf *conf)
{
	return conf->qemu_img && *conf->qemu_img ? conf->qemu_img : QEMU_IMG_PRESET;
}

int
qemu_img_start(const struct qemu_img *q, child_fn done, void *arg, struct child **ret_c,
    struct err *e)
{
	struct child_opts o = {
		.argv = q->argv,
		.pass_fds = &q->image_fd,
		.n_pass_fds = 1,
		.rlimit_as_bytes = QEMU_IMG_MEMORY,
		.rlimit_cpu_s = QEMU_IMG_CPU_S,
		.timeout_ms = q->timeout_ms,
	};

	if (geteuid() == 0) {
		o.uid = q->conf->uid;
		o.gid = q->conf->gid;
	}
	return child_start(q->loop, &o, done, arg, ret_c, e);
}

int
disk_give(int fd, uint32_t uid, uint32_t gid, mode_t mode, struct err *e)
{
	if ((geteuid() == 0 && fchown(fd, uid, gid)) || fchmod(fd, mode))
		return err_sys(e, ERR_IO, errno, "cannot change the image's owner");
	return 0;
}

char *
disk_backing_text(const char *path, const Drover__DiskLayer *below)
{
	AUTO_FREE char *rel = NULL;

	if (!below)
		return xstrdup("");
	rel = ds_path_relative(path, below->path);
	/* A name with a colon would be taken for a protocol. */
	return xasprintf("%s%s", str_starts(rel, "../") ? "" : "./", rel);
}

/* Can an image of format f stand on one of format below? */
static int
check_pair(enum img_format f, enum img_format below, struct err *e)
{
	if ((f == IMG_EXT4) != (below == IMG_EXT4))
		return err_set(e, ERR_INVALID,
		    "an image of format ext4 stands on such images alone, and others "
		    "never do");
	if (f == IMG_RAW)
		return err_set(
		    e, ERR_INVALID, "only a qcow2 image can stand on another");
	return 0;
}

int
disk_spec_check(const Drover__DiskSpec *d, struct err *e)
{
	enum img_format f = IMG_RAW, below = IMG_RAW;
	int rc = ds_path_check(d->path, e);

	if (!rc)
		rc = img_format_parse(d->format, &f, e);
	if (!rc && d->n_backing >= ENGINE_LAYERS_MAX)
		rc = err_set(e, ERR_INVALID, "a chain of %zu images: at most %d",
		    d->n_backing + 1, ENGINE_LAYERS_MAX);
	for (size_t i = 0; !rc && i < d->n_backing; i++) {
		rc = ds_path_check(d->backing[i]->path, e);
		if (!rc)
			rc = img_format_parse(d->backing[i]->format, &below, e);
		if (!rc)
			rc = check_pair(f, below, e);
		f = below;
	}
	return rc;
}

bool
image_takes_direct(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT))
		return false;
	return fcntl(fd, F_SETFL, flags) == 0;
}

/* The image at path, which must stand on below, NULL: on nothing. */
static int
check_image(
    int fd, const struct disk_image *im, struct img_facts *ret_facts, struct err *e)
{
	AUTO_FREE char *expected = disk_backing_text(im->path, im->below);
	enum img_format f = IMG_RAW;
	int rc = img_format_parse(im->format, &f, e);

	if (!rc)
		rc = img_check_fd(fd, f, IMG_BACKING_ALLOWED, ret_facts, e);
	/* Which layers a file system stands on is the spec's alone to say. */
	if (rc || f == IMG_EXT4)
		return rc;
	if (!str_same(ret_facts->backing, expected))
		return err_set(e, ERR_CORRUPT,
		    "the image's backing file is \"%.60s\" and not \"%.60s\"",
		    ret_facts->backing, expected);
	if (im->below && *ret_facts->backing_format &&
	    !str_same(ret_facts->backing_format, im->below->format))
		return err_set(e, ERR_CORRUPT,
		    "the image takes \"%.60s\" for %s, and it is %s", expected,
		    ret_facts->backing_format, im->below->format);
	return 0;
}

int
disk_image_open(const struct datastore *ds, const struct disk_image *im, int flags,
    int *ret_fd, struct img_facts *ret_facts, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	int rc = ds_path_open(datastore_fd(ds), im->path, flags, 0, &fd, e);

	if (!rc)
		rc = check_image(fd, im, ret_facts, e);
	if (!rc)
		*ret_fd = MOVE_FD(fd);
	return rc;
}

struct disk_image
disk_image_at(const Drover__DiskSpec *d, size_t i)
{
	return (struct disk_image){
		.path = i ? d->backing[i - 1]->path : d->path,
		.format = i ? d->backing[i - 1]->format : d->format,
		.below = i < d->n_backing ? d->backing[i] : NULL,
	};
}

/* The i-th image below d's. */
static int
open_layer(const struct datastore *ds, const Drover__DiskSpec *d, size_t i, int *ret_fd,
    struct img_facts *ret_facts, struct err *e)
{
	struct disk_image im = disk_image_at(d, i + 1);
	bool writes =
	    !img_format_is_ext4(im.format) && engine_layer_is_own(d->backing[i]);
	int flags = writes ? O_RDWR : O_RDONLY;
	int rc = disk_image_open(ds, &im, flags, ret_fd, ret_facts, e);

	return rc ? err_wrap(e, "its base \"%.100s\"", im.path) : 0;
}

int
disk_open(const struct datastore *ds, const Drover__DiskSpec *d,
    struct engine_disk *ret_d, struct err *e)
{
	struct engine_disk open = { .fd = -1 };
	struct disk_image top = disk_image_at(d, 0);
	struct img_facts facts;
	int rc = disk_spec_check(d, e);

	if (!rc)
		rc = disk_image_open(ds, &top, O_RDWR, &open.fd, &facts, e);
	for (size_t i = 0; !rc && i < d->n_backing; i++) {
		rc = open_layer(ds, d, i, &open.backing_fds[i], &facts, e);
		open.n_backing += !rc;
	}
	if (rc) {
		disk_close(&open);
		return err_wrap(e, "%s on datastore %s", d->name, datastore_name(ds));
	}
	open.direct = image_takes_direct(open.fd);
	*ret_d = open;
	return 0;
}

void
disk_close(struct engine_disk *d)
{
	if (d->fd >= 0)
		close(d->fd);
	for (size_t i = 0; i < d->n_backing; i++)
		close(d->backing_fds[i]);
	d->fd = -1;
	d->n_backing = 0;
}

/* ---- the rest of an image's life ---- */

int
disk_delete(const struct datastore *ds, const Drover__DiskSpec *d, struct err *e)
{
	AUTO_FREE char *made = xasprintf("%s.new", d->path);
	AUTO_FREE char *folder = NULL;
	const char *slash = strrchr(d->path, '/');
	int root = datastore_fd(ds), rc;

	rc = ds_path_remove(root, d->path, e);
	if (!rc)
		rc = ds_path_remove(root, made, e);
	if (rc)
		return err_wrap(e, "%s on datastore %s", d->name, datastore_name(ds));
	/* Other disks of the guest may be in it. */
	if (slash) {
		folder = xstrndup(d->path, (size_t)(slash - d->path));
		(void)!ds_path_remove(root, folder, NULL);
	}
	return 0;
}

int
disk_used(const struct datastore *ds, const Drover__DiskSpec *d, uint64_t *ret_bytes,
    struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct err why = ERR_INIT;
	struct stat st;
	int rc = ds_path_open(datastore_fd(ds), d->path, O_RDONLY, 0, &fd, &why);

	if (rc == ERR_NOT_FOUND) {
		*ret_bytes = 0;
		return 0;
	}
	if (rc)
		return err_set(e, rc, "%s on datastore %s: %s", d->name,
		    datastore_name(ds), why.msg);
	if (fstat(fd, &st))
		return err_sys(e, ERR_IO, errno, "%s on datastore %s", d->name,
		    datastore_name(ds));
	*ret_bytes = (uint64_t)st.st_blocks * 512;
	return 0;
}

static int
memory_path(
    uint64_t guest, int flags, const struct datastore *ds, int *ret_fd, struct err *e)
{
	AUTO_FREE char *folder = xasprintf("vms/vm-%" PRIu64, guest);
	AUTO_FREE char *path = xasprintf("%s/memory.img", folder);
	int rc = 0;

	if (flags & O_CREAT)
		rc = ds_path_mkdirs(datastore_fd(ds), folder, FOLDER_MODE, e);
	if (!rc)
		rc = ds_path_open(datastore_fd(ds), path, flags, 0600, ret_fd, e);
	return rc ? err_wrap(e, "datastore %s", datastore_name(ds)) : 0;
}

int
memory_create(const struct datastore *ds, uint64_t guest, int *ret_fd, struct err *e)
{
	/* Never what is there: it may be a snapshot's too. */
	int rc = memory_delete(ds, guest, e);

	return rc ? rc : memory_path(guest, O_RDWR | O_CREAT | O_EXCL, ds, ret_fd, e);
}

int
memory_open(const struct datastore *ds, uint64_t guest, int *ret_fd, struct err *e)
{
	return memory_path(guest, O_RDONLY, ds, ret_fd, e);
}

int
memory_delete(const struct datastore *ds, uint64_t guest, struct err *e)
{
	AUTO_FREE char *path = xasprintf("vms/vm-%" PRIu64 "/memory.img", guest);
	int rc = ds_path_remove(datastore_fd(ds), path, e);

	return rc ? err_wrap(e, "datastore %s", datastore_name(ds)) : 0;
}
