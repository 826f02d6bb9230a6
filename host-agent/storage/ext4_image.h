/*
 * ext4_image: file systems of containers made, grown and looked into as files.
 *
 * Nothing is mounted for it: mke2fs, e2fsck and resize2fs are children without rights,
 * and the folders are laid by e2fsprogs' library into what mke2fs has just made.
 */
#pragma once
#include "host-agent/storage/disk_int.h"

/* What a container's own image begins with; "upper" is the root of its files. */
#define EXT4_UPPER   "upper"
#define EXT4_WORK    "work"
#define EXT4_LOG     "log"
#define EXT4_CONSOLE "console" /* in log */

struct ext4_tool {
	struct loop *loop;
	const struct disk_conf *conf;
	int image_fd; /* lent to conf->uid while a child runs */
	uint64_t bytes;
};

/* Start mke2fs on an empty file of that many bytes: a container's own image. */
int ext4_make_start(const struct ext4_tool *t, child_fn done, void *arg,
    struct child **ret_c, struct err *e) WARN_UNUSED;
/* Lay the folders into what it made; not synced yet.  Blocking. */
int ext4_furnish(int fd, struct err *e) WARN_UNUSED;

typedef void (*ext4_done_fn)(void *arg, int rc, const struct err *e);

/*
 * Make the file system as large as the file, which has t->bytes: checked, repaired
 * where the last stop was none, then grown.  done is called once in the posts phase.
 */
int ext4_grow_start(
    const struct ext4_tool *t, ext4_done_fn done, void *arg, struct err *e) WARN_UNUSED;
/* The same, but as small as what is in it allows, and the file with it. */
int ext4_shrink_start(
    const struct ext4_tool *t, ext4_done_fn done, void *arg, struct err *e) WARN_UNUSED;
