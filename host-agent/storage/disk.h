/*
 * disk: the images of guests, made and opened on a datastore.
 *
 * Those of machines are qcow2 or raw; a container's is a file system ("ext4") of the
 * size of its quota, and what it stands on are layers that nothing ever changes, named
 * by the spec alone (img_ext4.h, docs/adr/0019).
 *
 * Images belong to root, mode 0600; engines get open descriptors.  What reads an
 * image's inside (qemu-img) is a child without rights, bounded in time and memory.
 */
#pragma once
#include "host-agent/engine/engine.h"
#include "host-agent/link/progress.h"
#include "host-agent/storage/datastore.h"
#include "loop/post.h"

#define DISK_SIZE_MAX (64ull << 40)

struct workers;

struct disk_conf {
	const char *qemu_img; /* "" is /usr/bin/qemu-img */
	uint32_t uid, gid; /* of the child that reads and writes images; 0: our own */
	const char *unpack; /* "" or NULL: the drover-unpack beside our own program */
};

/* Outlives what is made with it; ds is referenced. */
struct disk_place {
	struct loop *loop;
	struct workers *workers; /* for what touches the datastore, which may hang */
	const struct disk_conf *conf;
	struct datastore *ds;
};

/*
 * Make the image of d on at->ds: a linked clone where it has a backing, else an empty
 * one of size_bytes (a clone may be larger than its base, never smaller).  An image
 * that is there already with that base and at least that size: done.  Loop thread; the
 * end is posted to w, when the image is on disk.  at and d are borrowed until this
 * returns.
 */
void disk_create(const struct disk_place *at, const Drover__DiskSpec *d, struct wake w);

/* Where a copy gets its content. */
struct disk_source {
	struct datastore *ds;      /* of d->source; referenced */
	struct progress *progress; /* NULL: nobody wants to know */
	struct order_name order;   /* under whose name */
	uint64_t bytes_per_s;      /* cap; 0: none */
};

/*
 * Make the image of d with the content of d->source, all of its chain in one: blocks
 * are shared where the file system can, else they are copied.  It may be larger than
 * the source, and ends with CANCELLED soon after nobody waits for w any more; nothing
 * is left of it then.  Else as disk_create.
 *
 * A d with a backing gets no more than the source's own image holds: what d stands on
 * must hold what lies below the source.  So it is with a container's always: d has as
 * many layers as the source.
 */
void disk_copy(const struct disk_place *at, const Drover__DiskSpec *d,
    const struct disk_source *from, struct wake w);

/*
 * Make the image of a guest that is down as large as d says.  It is so already: done;
 * it is larger: ERR_INVALID.  The end is told as for disk_create.
 */
void disk_grow(const struct disk_place *at, const Drover__DiskSpec *d, struct wake w);

/*
 * Open the image and all that lies below it for an engine.  Refuses a chain with an
 * image whose header does not name exactly the next one of the spec, or that is not of
 * the spec's format.  Close with disk_close.  Blocking, short; any thread.
 */
int disk_open(const struct datastore *ds, const Drover__DiskSpec *d,
    struct engine_disk *ret_d, struct err *e) WARN_UNUSED;
void disk_close(struct engine_disk *d); /* closed already is fine */

/* Remove the image and then its folder if that is empty; absent is fine. Blocking. */
int disk_delete(
    const struct datastore *ds, const Drover__DiskSpec *d, struct err *e) WARN_UNUSED;
/* Bytes allocated; 0 if it is absent. Blocking. */
int disk_used(const struct datastore *ds, const Drover__DiskSpec *d,
    uint64_t *ret_bytes, struct err *e) WARN_UNUSED;

/*
 * The file that holds a suspended guest's memory: vms/vm-N/memory.img on the datastore
 * of its first disk.  Blocking.
 */
int memory_create(
    const struct datastore *ds, uint64_t guest, int *ret_fd, struct err *e) WARN_UNUSED;
int memory_open(const struct datastore *ds, uint64_t guest, int *ret_fd,
    struct err *e) WARN_UNUSED; /* ERR_NOT_FOUND */
int memory_delete(
    const struct datastore *ds, uint64_t guest, struct err *e) WARN_UNUSED;
