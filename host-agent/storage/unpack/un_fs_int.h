/*
 * un_fs_int: what the files that write a file system share.
 */
#pragma once
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>

#include "host-agent/storage/unpack/un_fs.h"

struct un_fs {
	ext2_filsys fs;
	struct un_tree tree;
};

/* What e2fsprogs' library said, in words; what names the thing. */
int un_fs_error(long rc, const char *what, struct err *e);
/* A new node of the file system, in use from now on. */
int un_node_new(struct un_fs *fs, const struct un_file *f, uint32_t *ret_ino,
    struct err *e) WARN_UNUSED;
/* It has one name less, and goes with its last. */
int un_node_drop(struct un_fs *fs, uint32_t ino, struct err *e) WARN_UNUSED;
int un_node_own(struct un_fs *fs, uint32_t ino, const struct un_owner *o,
    struct err *e) WARN_UNUSED;
int un_node_add_name(struct un_fs *fs, uint32_t ino, struct err *e) WARN_UNUSED;
/* Write what all folders hold. */
int un_folders_write(struct un_fs *fs, struct err *e) WARN_UNUSED;
