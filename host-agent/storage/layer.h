/*
 * layer: the frozen images of guests, merged and linked anew while no engine has them,
 * and the memory that goes with a snapshot.
 *
 * What changes an image is a child without rights that has nothing open but the one or
 * two images concerned; which stands on which is told by us and not read from headers.
 * Everything here may be repeated after it was cut short.
 */
#pragma once
#include "host-agent/storage/disk.h"

/*
 * Put all that upper holds into lower, on which it stands.  lower's own content is
 * overwritten where upper has any; upper stays.  ERR_NO_CAPACITY before anything was
 * written where the datastore could not hold the result.  at and the layers are
 * borrowed until this returns; the end is posted to w when it is on disk.
 */
void layer_merge(const struct disk_place *at, const Drover__DiskLayer *upper,
    const Drover__DiskLayer *lower, struct wake w);
/*
 * Make the header of image name below.  It must name one of the two now: that, or was,
 * which has the same content.
 */
void layer_relink(const struct disk_place *at, const Drover__DiskLayer *image,
    const Drover__DiskLayer *was, const Drover__DiskLayer *below, struct wake w);

/* As the header of the image at path is to name what is below it; caller frees. */
char *layer_name(const char *path, const Drover__DiskLayer *below);
/* Does the header of image name exactly below?  ERR_CORRUPT, ERR_NOT_FOUND. Blocking.
 */
int layer_stands_on(const struct datastore *ds, const Drover__DiskLayer *image,
    const Drover__DiskLayer *below, struct err *e) WARN_UNUSED;
/* Absent is fine. Blocking. */
int layer_remove(
    const struct datastore *ds, const char *path, struct err *e) WARN_UNUSED;
/* Whatever a guest's snapshots have left in its folder: images and memory. Blocking. */
int layer_remove_all(
    const struct datastore *ds, uint64_t guest, struct err *e) WARN_UNUSED;

/*
 * The memory of a snapshot: vms/vm-N/snapshot-S.mem on the datastore of the guest's
 * first disk.  Blocking.
 */
int snapshot_memory_create(const struct datastore *ds, uint64_t guest,
    uint64_t snapshot, int *ret_fd, struct err *e) WARN_UNUSED;
/* ERR_NOT_FOUND */
int snapshot_memory_open(const struct datastore *ds, uint64_t guest, uint64_t snapshot,
    int *ret_fd, struct err *e) WARN_UNUSED;
int snapshot_memory_delete(const struct datastore *ds, uint64_t guest,
    uint64_t snapshot, struct err *e) WARN_UNUSED;
/* Make it the memory that the guest's next start goes on from; the snapshot keeps it.
 */
int snapshot_memory_use(const struct datastore *ds, uint64_t guest, uint64_t snapshot,
    struct err *e) WARN_UNUSED;
