/*
 * area_file: one file of lease blocks, read and written past all caches.
 *
 * O_DIRECT, so that what is read is what storage holds and not what this host
 * remembers; O_DSYNC, so that a write has arrived when it returns.  Where the file
 * system refuses O_DIRECT (memory, some network and fuse ones) O_DSYNC alone is used
 * and is_direct says so: such storage is fit for tests and for hosts that share its
 * cache, no other.
 *
 * The file is opened for each turn: another datastore at the same path is seen at
 * once.  Everything here may block for as long as storage likes; for threads that may.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "host-agent/fence/lease_file.h"

struct area_file {
	int fd;
	bool is_direct;
	uint32_t slots;
	uint32_t n_read; /* blocks that were read, head and all, from the first on */
	uint8_t *blocks; /* of slots + 1, aligned */
};

/* Make the file whole, its slots unused and its space taken, so that a full disk later
 * hurts nobody; or leave alone one that is there.  slots as in a. */
int area_file_make(
    const char *path, const struct lease_area *a, struct err *e) WARN_UNUSED;
/*
 * Open it and read it, as far as slot a->slots: what lies behind is not known then, so
 * whoever must not miss a block asks for LEASE_MAX_SLOTS.  ERR_NOT_FOUND: no such file.  ERR_CHANGED: a sound file
 * of another cluster, datastore or guest.  ERR_CORRUPT: no file of this kind, or its
 * head is damaged.  ERR_IO: storage did not give it.  None of them means that
 * somebody's lease is free.
 */
int area_file_open(const char *path, const struct lease_area *a,
    struct area_file *ret_f, struct err *e) WARN_UNUSED;
void area_file_close(struct area_file *f);
/* Block number n as it was read; NULL: it was not. */
const uint8_t *area_file_block(const struct area_file *f, uint32_t n);
/* ret_sent_us is the time just before the write: from there a lease counts. */
int area_file_write(struct area_file *f, uint32_t n, const uint8_t *block,
    uint64_t *ret_sent_us, struct err *e) WARN_UNUSED;
