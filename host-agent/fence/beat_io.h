/*
 * beat_io: this host's heartbeat on one datastore, and what it sees of the others'.
 *
 * A turn reads all blocks, looks whether our own is what we wrote last, and writes it
 * anew.  If somebody else wrote it, there are two of us (a disk was cloned): nothing is
 * renewed then, and every later turn says so too.  An agent that has just started and
 * finds a block of its own incarnation should read for two renewals without renewing:
 * one that moves meanwhile has another writer.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "host-agent/fence/lease_file.h"

struct beat_io;
struct lease_io;

struct beat_wish {
	bool renew; /* else only look */
	uint64_t inc;
	uint32_t lease_ms, kill_ms;
	bool isolated;
};

struct beat_turn {
	bool read; /* the head was sound and of this area; single blocks may be unknown
		    */
	uint64_t begun_us, ended_us; /* of the reading */
	uint32_t slots;
	struct lease_beat beats[LEASE_MAX_SLOTS + 1]; /* by host id, [0] is nobody */
	bool renewed;
	uint64_t sent_us; /* the lease counts from here */
	bool is_direct;   /* past the host's cache: see area_file */
	bool healed;      /* our own block was damaged and has been written anew */
};

/*
 * rc 0: read, and renewed if that was wished.  ERR_TIMEOUT: t is NULL, nothing is
 * known, and a renewal may still land.  ERR_EXISTS: another agent writes our block.
 * ERR_STALE: a later incarnation of ours was there.  ERR_CHANGED: another datastore is
 * at this place.  Others: as area_file_open.  t says what is known in spite of it.
 */
typedef void (*beat_fn)(
    void *arg, int rc, const struct err *e, const struct beat_turn *t);

/* writer: drawn at random at this start of the agent.  io is borrowed; path is kept. */
struct beat_io *beat_io_new(struct lease_io *io, const char *path,
    const struct lease_area *a, uint32_t host_id, uint64_t writer);
/* Nobody hears of turns that are under way. */
void beat_io_free(struct beat_io *b);
/* ERR_BUSY: storage has not answered earlier ones. */
int beat_io_turn(struct beat_io *b, const struct beat_wish *w, uint32_t deadline_ms,
    beat_fn done, void *arg, struct err *e) WARN_UNUSED;
/* Make the file if there is none; t is NULL. */
int beat_io_make(struct beat_io *b, uint32_t deadline_ms, beat_fn done, void *arg,
    struct err *e) WARN_UNUSED;
