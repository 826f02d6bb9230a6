/*
 * sess_unpack: a tar of any origin into a folder inside a guest, piece by piece, as the
 * guest's root would.
 *
 * ustar, GNU and pax.  Refused by name: a member that climbs out of the folder, by its
 * name or over a link, an owner whom the guest does not have, devices, sparse files. No
 * member is opened before what stood in its place is removed.  Blocking; any one thread
 * at a time.
 */
#pragma once
#include <stdbool.h>

#include "host-agent/engine/engine_exec.h"

struct unpack;

/* root->fd is borrowed until the call returns; the folder must be there. */
int unpack_new(const struct engine_root *root, const char *path, struct unpack **ret_u,
    struct err *e) WARN_UNUSED;
void unpack_free(struct unpack *u);
int unpack_some(struct unpack *u, const void *p, size_t n, struct err *e) WARN_UNUSED;
/* Nothing more comes: was it whole? */
int unpack_end(const struct unpack *u, struct err *e) WARN_UNUSED;
