/*
 * ds_path: files below a datastore's root, reached without ever leaving it.
 *
 * A path is relative, '/'-separated, at most 1023 bytes of UTF-8; empty parts, ".",
 * "..", control characters and a leading '/' are refused.  Opening uses openat2 with
 * RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS: no link is followed anywhere.
 * Blocking calls; any thread.
 */
#pragma once
#include <sys/types.h>

#include "base/err.h"

#define DS_PATH_MAX 1023

/* Is the text a path at all?  Pure. */
int ds_path_check(const char *path, struct err *e) WARN_UNUSED;
/* flags and mode as of open(2); O_CLOEXEC and O_NOFOLLOW are added. */
int ds_path_open(int root_fd, const char *path, int flags, mode_t mode, int *ret_fd,
    struct err *e) WARN_UNUSED;
/* Open the folder that holds path; *ret_base points into path. */
int ds_path_parent(int root_fd, const char *path, int *ret_fd, const char **ret_base,
    struct err *e) WARN_UNUSED;
/* Make the folders of path (all parts, mode each); there already is fine. */
int ds_path_mkdirs(
    int root_fd, const char *path, mode_t mode, struct err *e) WARN_UNUSED;
/* Remove a file or an empty folder; absent is fine. */
int ds_path_remove(int root_fd, const char *path, struct err *e) WARN_UNUSED;
/*
 * "../../templates/t/disk.qcow2": target as seen from the folder of from, both below
 * one root.  Pure; caller frees.
 */
char *ds_path_relative(const char *from, const char *target);
