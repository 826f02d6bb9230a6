/*
 * loop_dev: the loop device that a file is mounted by.
 */
#pragma once
#include <sys/types.h>

#include "base/err.h"

/* ERR_NOT_FOUND: it has none.  Blocks on the file system that the file is on. */
int loop_dev_find(const char *path, dev_t *ret_dev, struct err *e) WARN_UNUSED;
