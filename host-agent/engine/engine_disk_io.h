/*
 * engine_disk_io: what a running guest has read from each of its disks and written to
 * them, where only its engine knows.
 *
 * Not a verb: beside whatever verb is under way.
 */
#pragma once
#include "host-agent/engine/engine.h"

struct engine_disk_io_of {
	unsigned slot; /* of engine_device.h */
	uint64_t read_bytes, written_bytes;
	uint64_t reads, writes;
	uint64_t read_us, write_us; /* that they took together */
};

struct engine_disk_io {
	uint64_t at_us; /* mono: when it was told; 0: not yet */
	size_t n;
	struct engine_disk_io_of disks[ENGINE_DISKS_MAX];
};

/*
 * As it was told when it was asked before; this asks for news.  NULL: it does not run,
 * or its engine does not tell.  Borrowed until the next loop turn.
 */
const struct engine_disk_io *engine_disk_io(struct engine_guest *g);
