/*
 * sess_root: opening what lies in a guest's root from outside.
 */
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define TAR_BLOCK 512u

enum root_rule {
	ROOT_INSIDE, /* links are followed as inside: the folder is their root */
	ROOT_BELOW,  /* links that lead out of the folder are refused */
};

/* openat2() that no link leads out of.  -1: errno. */
int root_open(int dir_fd, const char *path, int flags, enum root_rule rule);
/*
 * We read and write with our own rights, and inside anything may be mounted: what proc,
 * sysfs or a control group's folder holds is the host's.  Only file systems that keep
 * a guest's own files pass.
 */
int root_check_read(int fd, const char *path, struct err *e);
/* The folder fd, besides, is of the disk that the root dev is on: memory that we filled
 * would be the host's. */
int root_check_write(int fd, dev_t root_dev, const char *path, struct err *e);
/* A code for errno, of something inside a guest. */
int root_err(struct err *e, int sys, const char *what, const char *path);
