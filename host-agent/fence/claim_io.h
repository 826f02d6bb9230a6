/*
 * claim_io: what hosts say about one guest, and what we say.
 *
 * A turn writes our block, if that is wished, and only then reads all: who claims at
 * the same time as another sees the other's claim or is seen by it.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "host-agent/fence/lease_file.h"

struct lease_io;

struct claim_file {
	const char *path;
	struct lease_area area;
	uint32_t host_id;
};

struct claim_turn {
	bool written;
	uint64_t sent_us;
	bool read; /* after the write, if there was one */
	uint64_t begun_us, ended_us;
	uint32_t slots;
	struct lease_claim claims[LEASE_MAX_SLOTS + 1]; /* by host id, [0] is nobody */
	bool is_direct; /* past the host's cache: see area_file */
};

/*
 * rc 0: written, if wished, and read.  ERR_TIMEOUT: t is NULL, nothing is known, and
 * the write may still land.  ERR_STALE: our block is of a later incarnation or
 * generation, and was left alone.  Others: as area_file_open.  t says what is known in
 * spite of it.
 */
typedef void (*claim_fn)(
    void *arg, int rc, const struct err *e, const struct claim_turn *t);

/* Who is told; owner is what lease_io_forget takes. */
struct claim_asker {
	claim_fn done;
	void *arg;
	const void *owner;
};

/* put: our block from now on, NULL: only look.  All is copied. */
int claim_io_turn(struct lease_io *io, const struct claim_file *f,
    const struct lease_claim *put, uint32_t deadline_ms, struct claim_asker asker,
    struct err *e) WARN_UNUSED;
/* Make the file if there is none; t is NULL. */
int claim_io_make(struct lease_io *io, const struct claim_file *f, uint32_t deadline_ms,
    struct claim_asker asker, struct err *e) WARN_UNUSED;
