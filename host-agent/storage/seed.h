/*
 * seed: what cloud-init finds inside a guest, as a disk image.
 *
 * An ISO 9660 volume with the label CIDATA and the files meta-data, user-data and
 * network-config (cloud-init's datasource NoCloud).  The same texts give the same bytes
 * on every host; sizes are rounded up generously, so that a guest that moves finds a
 * disk of the same size.
 */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include "proto/guest.pb-c.h"

#define SEED_LABEL    "CIDATA"
#define SEED_TEXT_MAX (1u << 20) /* bytes of one file */

/* The image of s, added to an empty out.  ERR_TOO_LARGE names the text.  Pure. */
int seed_build(const Drover__SeedSpec *s, struct str *out, struct err *e) WARN_UNUSED;
/*
 * The image of s as a file in memory, open for reading alone and sealed: -1 if s is
 * NULL.  Any thread, no disk is touched.
 */
int seed_open(const Drover__SeedSpec *s, int *ret_fd, struct err *e) WARN_UNUSED;
