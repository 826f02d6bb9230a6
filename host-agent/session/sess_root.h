/*
 * sess_root: opening what lies in a guest's root from outside.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"

#define TAR_BLOCK 512u

enum root_rule {
	ROOT_INSIDE, /* links are followed as inside: the folder is their root */
	ROOT_BELOW,  /* links that lead out of the folder are refused */
};

/* openat2() that no link leads out of.  -1: errno. */
int root_open(int dir_fd, const char *path, int flags, enum root_rule rule);
/* A code for errno, of something inside a guest. */
int root_err(struct err *e, int sys, const char *what, const char *path);
