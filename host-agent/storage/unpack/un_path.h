/*
 * un_path: the names in an archive from outside.  Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define UN_PATH_MAX 4095
#define UN_PART_MAX 255

/*
 * An entry's path without "." and doubled slashes; "" is the root.  ERR_INVALID for an
 * absolute one, for ".." in it, and for over-long ones.
 */
int un_path_clean(
    const char *path, char ret_path[UN_PATH_MAX + 1], struct err *e) WARN_UNUSED;

/* What an entry of an image's layer says of the layers below. */
enum un_mark {
	UN_MARK_NONE,   /* it is a file */
	UN_MARK_GONE,   /* what is named is not there any more */
	UN_MARK_OPAQUE, /* nothing of its folder is */
	UN_MARK_FOREIGN /* of a layer's former keeper: means nothing here */
};

/* path as cleaned; ret_path is the file or folder that is meant. */
int un_path_mark(const char *path, enum un_mark *ret_mark,
    char ret_path[UN_PATH_MAX + 1], struct err *e) WARN_UNUSED;
/* Parts of path that the one before it has not, without its last. */
unsigned un_path_new_folders(const char *before, const char *path);
