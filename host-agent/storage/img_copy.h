/*
 * img_copy: what a chain of images holds, written into one image by qemu-img.
 *
 * The child has no rights, no network and nothing open but the images; which image
 * stands on which is told by us and not read from headers.  What holds only zeros is
 * left out.  It may take as long as bytes move: it is ended when none has for
 * IMG_COPY_STALL_MS, or when nobody waits for it any more.  Loop thread.
 */
#pragma once
#include <stdbool.h>

#include "host-agent/storage/datastore.h"
#include "host-agent/storage/disk.h"

#define IMG_COPY_STALL_MS 600000u

struct child;

/* What is copied, opened: the nearest image first. */
struct img_source {
	struct {
		int fd;
		const char *driver; /* "qcow2", "raw", "vmdk", "vhdx", "vpc"; static */
	} images[ENGINE_LAYERS_MAX];

	size_t n;
	uint64_t at,
	    bytes; /* the stretch of images[0] that is the image; 0 bytes: all */
	uint64_t virtual_bytes;
	uint64_t used_bytes; /* on disk, of all images: what there is to read */
	bool foreign;        /* written by strangers: its output is bounded too */
};

/*
 * Open all of s, of a container's disk its own image alone; refuses a chain whose
 * headers name anything else.  The child may read the images from now on.  Blocking;
 * any thread.
 */
int img_source_open(const struct datastore *ds, const Drover__DiskSource *s,
    const struct disk_conf *conf, struct img_source *ret_s, struct err *e) WARN_UNUSED;
void img_source_close(struct img_source *s); /* closed already is fine */
Drover__DiskSource *img_source_dup(const Drover__DiskSource *s);
/* Is it where disks of guests and templates lie?  ERR_DENIED if not. Pure. */
int img_place_check(const char *path, struct err *e) WARN_UNUSED;
/* Let the child read the open image. */
int img_lend(int fd, const struct disk_conf *conf, struct err *e) WARN_UNUSED;

enum img_target {
	IMG_TARGET_SIZED_QCOW2, /* there already, empty and at least of the size */
	IMG_TARGET_SIZED_RAW,
	IMG_TARGET_QCOW2,  /* an empty file, the child's to write */
	IMG_TARGET_STREAM, /* the same: a vmdk as appliances have it, compressed */
};

struct img_copied {
	uint64_t done_bytes, total_bytes;
	uint64_t bytes_per_s; /* of late */
};

struct img_copy_ops {
	/* Every second: where it is.  false: nobody waits, it ends with CANCELLED. */
	bool (*tick)(void *arg, const struct img_copied *c);
	/* Once, in the posts or timers phase; the copy is gone after it. */
	void (*done)(void *arg, int rc, const struct err *e);
	void *arg;
};

struct img_copy_opts {
	struct loop *loop;
	const struct disk_conf *conf;
	const struct img_source *source; /* borrowed until the start returns */
	/* What a SIZED_QCOW2 target stands on, borrowed likewise: it holds what lies
	 * below source->images[0], which alone is copied.  NULL: nothing. */
	const struct img_source *below;
	enum img_target target;
	int target_fd;
	uint64_t bytes_per_s;    /* cap; 0: none */
	uint64_t max_file_bytes; /* the target grows no further; 0: no bound */
	const char *too_large;   /* why it may not; static */
};

struct img_copy;

int img_copy_start(const struct img_copy_opts *o, const struct img_copy_ops *ops,
    struct img_copy **ret_c, struct err *e) WARN_UNUSED;
/* Forget it: the child is killed, done is not called. */
void img_copy_free(struct img_copy *c);

/* Share the blocks of from with the empty file to, where the file system can. */
bool img_reflink(int from, int to);
