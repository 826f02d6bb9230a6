/*
 * img_foreign: may an image of another system's format be given to qemu-img?
 *
 * vmdk, vhdx and vhd can name other files to read from.  Only images that stand alone
 * in one file pass: what the header says of parents, extents and descriptors is read
 * here first.  Nothing else of the image is believed, and what reads the rest of it is
 * a confined child.  Blocking calls; any thread.
 */
#pragma once
#include "host-agent/storage/span.h"

enum img_foreign { IMG_VMDK, IMG_VHDX, IMG_VHD };

/* "vmdk", "vhdx", "vhd"; ERR_INVALID names the ones there are. */
int img_foreign_parse(
    const char *name, enum img_foreign *ret_f, struct err *e) WARN_UNUSED;
/* What qemu-img calls it. */
const char *img_foreign_driver(enum img_foreign f);
/* ret_bytes: the disk's size as its header says. */
int img_foreign_check(const struct span *image, enum img_foreign f, uint64_t *ret_bytes,
    struct err *e) WARN_UNUSED;
