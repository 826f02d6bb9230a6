/*
 * sess_pack: a path inside a guest as a tar, piece by piece.
 *
 * No link of the guest leads out of its root, nothing but plain files is opened, and
 * what is mounted below the path is left out.  Owners are those inside.  Blocking; any
 * one thread at a time.
 */
#pragma once
#include <stdbool.h>

#include "host-agent/engine/engine_exec.h"

#define PACK_DEPTH_MAX 64u

struct pack;

/* root->fd is borrowed until the call returns.  Member names begin with path's last
 * part. */
int pack_new(const struct engine_root *root, const char *path, struct pack **ret_p,
    struct err *e) WARN_UNUSED;
void pack_free(struct pack *p);
/* The next bytes of the tar, at most cap; *ret_n 0: that was all. */
int pack_some(
    struct pack *p, void *buf, size_t cap, size_t *ret_n, struct err *e) WARN_UNUSED;
