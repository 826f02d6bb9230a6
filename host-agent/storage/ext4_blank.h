/*
 * ext4_blank: new file systems of whole GiB, kept to be copied: the few blocks that
 * they have are written in a fraction of the time that mke2fs takes.
 *
 * They lie in the datastore's pool (layer_pool.h), one a size, and are made from the
 * first image of it.  Beside them lie a few copies that are on disk already: a spare
 * becomes somebody's image by its name alone.  What cannot be kept or copied is no
 * failure.  Blocking; any thread, and hosts that share a datastore share these.
 */
#pragma once
#include "host-agent/storage/datastore.h"

/* Fill the empty file of that many bytes; false: nothing of it is there. */
bool ext4_blank_take(const struct datastore *ds, int fd, uint64_t bytes);
/* Nobody has written to the image yet: others may begin like it. */
void ext4_blank_keep(const struct datastore *ds, int fd, uint64_t bytes);
/* A spare of that many bytes becomes the image at path, whose folder is there and is
 * synced; false: there is none, or something lies at path. */
bool ext4_spare_take(const struct datastore *ds, const char *path, uint64_t bytes);
/* Make what is missing of that size's spares. */
void ext4_spare_stock(const struct datastore *ds, uint64_t bytes);
