/*
 * un_mkfs: an empty file system for just what a layer needs.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"

struct un_need {
	uint64_t nodes, blocks;
	uint64_t name_bytes; /* in folders */
};

/* How large its file becomes; most of the spare room in it is a hole. */
uint64_t un_need_bytes(const struct un_need *n);
/* Run mke2fs on the file at path, which is empty. */
int un_mkfs(const char *path, const struct un_need *n, struct err *e) WARN_UNUSED;
