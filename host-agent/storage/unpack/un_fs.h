/*
 * un_fs: files written into the image of a file system that nobody has mounted.
 *
 * All of them lie below its folder "upper", as an overlay layer has them.  Names are
 * looked up in memory: a link is followed within that folder and never out of it.
 * Folders are written when the file system is closed.
 */
#pragma once
#include "base/err.h"
#include "host-agent/storage/unpack/un_tree.h"

struct un_fs;

struct un_owner {
	uint32_t mode; /* 07777 */
	uint32_t uid, gid;
	int64_t mtime_s;
	uint32_t mtime_ns;
};

/* What mke2fs has just made at path. */
int un_fs_open(const char *path, struct un_fs **ret_fs, struct err *e) WARN_UNUSED;
/* All of it is on disk when this returns 0; it is gone in any case. */
int un_fs_close(struct un_fs *fs_take, struct err *e) WARN_UNUSED;
void un_fs_free(struct un_fs *fs); /* given up; NULL is fine */

/*
 * Make the file or folder at path, which is relative; folders on the way are made.
 * What is there already gives way, but for a folder with something in it.
 */
struct un_file {
	const char *path;
	enum un_type type;
	struct un_owner owner;
	const char *target; /* of a link */
};

int un_fs_make(struct un_fs *fs, const struct un_file *f, uint32_t *ret_node,
    struct err *e) WARN_UNUSED;
/* The node at path; a link at its end is not followed.  ERR_NOT_FOUND. */
int un_fs_find(
    struct un_fs *fs, const char *path, uint32_t *ret_node, struct err *e) WARN_UNUSED;
/* The folder at path, made where there is none. */
int un_fs_folder(
    struct un_fs *fs, const char *path, uint32_t *ret_node, struct err *e) WARN_UNUSED;
/* Another name of a file. */
int un_fs_hard_link(
    struct un_fs *fs, const char *path, uint32_t node, struct err *e) WARN_UNUSED;
int un_fs_set_xattr(struct un_fs *fs, uint32_t node, const char *name,
    const void *value, size_t n, struct err *e) WARN_UNUSED;

/* The content of a file, from its beginning on; what is left out reads as zeros. */
struct un_writer;
int un_writer_open(struct un_fs *fs, uint32_t node, struct un_writer **ret_w,
    struct err *e) WARN_UNUSED;
int un_writer_put(struct un_writer *w, uint64_t at, const void *p, size_t n,
    struct err *e) WARN_UNUSED;
int un_writer_close(
    struct un_writer *w_take, uint64_t bytes, struct err *e) WARN_UNUSED;
