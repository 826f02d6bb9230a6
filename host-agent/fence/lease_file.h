/*
 * lease_file: the blocks by which hosts see each other on a datastore.
 *
 * An area is a file of 4 KiB blocks: its head, then one block for each host slot;
 * block n is written by host n alone, so nobody ever rewrites what another wrote.
 * There are two kinds: heartbeats (one area a cluster and datastore) and claims (one a
 * guest).  Numbers are little endian, a CRC32C covers the whole block, and each block
 * names its area, so that one of another cluster, datastore or guest is nobody's.
 *
 * Whatever is not beyond doubt is unknown: never free, never dead, never another's.
 * Unknown is 0 in all of these, so that a cleared struct claims nothing.
 *
 * Pure: no I/O, no clock.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define LEASE_BLOCK_BYTES 4096
#define LEASE_MAX_SLOTS   256    /* host ids are 1 … slots */
#define LEASE_MAX_MS      600000 /* no lease and no kill bound is longer */

/* What all blocks of an area say about it. */
struct lease_area {
	uint8_t cluster[16]; /* uuid */
	uint8_t store[16];   /* uuid of the datastore, drawn when Drover took it */
	uint64_t guest;      /* obj_id.v of the guest; 0: an area of heartbeats */
	uint32_t slots;
};

/* One host's heartbeat: as long as (inc, seq) moves, its storage lease is renewed. */
struct lease_beat {
	bool known;
	uint32_t host_id;
	uint64_t inc;    /* incarnation; 0: no host has used the slot yet */
	uint64_t seq;    /* one more at each renewal */
	uint64_t writer; /* drawn at each start of an agent: tells a duplicate */
	uint32_t lease_ms, kill_ms; /* L and K, as this host keeps them */
	bool isolated;              /* it sees neither a manager nor its gateway */
};

enum claim_phase {
	CLAIM_UNKNOWN = 0,
	CLAIM_NONE,       /* no copy there; inc and run_gen are the last ones */
	CLAIM_CLAIM,      /* wants to run, has not looked at the others yet */
	CLAIM_RUN,        /* may execute */
	CLAIM_MIGRATE_IN, /* waits for a guest that runs elsewhere */
	CLAIM_PHASES_
};

/* What one host says about one guest. */
struct lease_claim {
	enum claim_phase phase;
	uint32_t host_id;
	uint64_t inc; /* incarnation of the claimer; 0: it never claimed */
	uint64_t run_gen;
};

/* Into block, LEASE_BLOCK_BYTES.  Values that decode would refuse are our bug. */
void lease_head_encode(const struct lease_area *a, uint8_t *block);
void lease_beat_encode(
    const struct lease_area *a, const struct lease_beat *b, uint8_t *block);
void lease_claim_encode(
    const struct lease_area *a, const struct lease_claim *c, uint8_t *block);

/* The head of an area that must be a; ret_slots is how many slots it has (a->slots is
 * not compared).  ERR_CORRUPT: damaged.  ERR_CHANGED: a sound head of another area. */
int lease_head_decode(const struct lease_area *a, const uint8_t *block,
    uint32_t *ret_slots, struct err *e) WARN_UNUSED;
/* Block number host_id of area a.  On failure, always ERR_CORRUPT, *ret says unknown.
 */
int lease_beat_decode(const struct lease_area *a, uint32_t host_id,
    const uint8_t *block, struct lease_beat *ret, struct err *e) WARN_UNUSED;
int lease_claim_decode(const struct lease_area *a, uint32_t host_id,
    const uint8_t *block, struct lease_claim *ret, struct err *e) WARN_UNUSED;

/* "claim"; for people and logs. */
const char *claim_phase_name(enum claim_phase p);
