/*
 * claim_decide: may this host start a guest?  R6, claim before look.  Pure.
 *
 * An order to start guest v at run generation g goes through three calls:
 *
 * claim_accept: g must be above every generation this host ever accepted for v.  The
 * caller makes g durable before anything else, so that an order that comes late, or
 * twice, starts nothing.
 *
 * Then the caller writes its own block, phase CLAIM_CLAIM (CLAIM_MIGRATE_IN for a guest
 * that arrives live), and only then reads all others.  Whoever of two writes later
 * reads later and sees the other's claim; looking first would let both see nothing.
 *
 * claim_decide on what was read.  Until it says CLAIM_GO or CLAIM_WITHDRAW: read and
 * ask again every quarter of a second, heartbeats too, so that no time is lost when a
 * lease is dead at last.
 *
 * Another host's claim with a lower generation gives way only when it is certain that
 * its copy is dead: reaped there (R8), or that host's storage lease is dead (R3) AND
 * the leader attests that its network lease is out, for exactly the incarnation in that
 * block (R4, R5), or somebody who knows says that that incarnation is without power.
 * The incarnation matters: a host that expired, joined anew and acted on an old order
 * runs under a lease that the attestation does not speak of.
 *
 * A block that was dropped keeps its last generation: if that is higher than ours, our
 * order came late, and the guest must not go back to it.
 *
 * What cannot be read is neither free nor dead.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host-agent/fence/lease_file.h"

enum claim_proof {
	CLAIM_REAPED,      /* that host confirmed that v up to run_gen is reaped */
	CLAIM_NETFENCED,   /* no network lease of (host_id, inc) holds, now or ever */
	CLAIM_POWERED_OFF, /* (host_id, inc) has no power: operator or its controller */
};

struct claim_attest { /* comes with the order */
	enum claim_proof proof;
	uint32_t host_id;
	uint64_t inc;     /* of CLAIM_NETFENCED and CLAIM_POWERED_OFF */
	uint64_t run_gen; /* of CLAIM_REAPED */
};

struct claim_seen {
	struct lease_claim claim; /* CLAIM_UNKNOWN: could not be read */
	bool beat_dead;           /* R3, of the host that owns the block */
};

struct claim_view {
	uint32_t host_id; /* ours; its block is passed over */
	uint64_t run_gen; /* that we claimed */
	const struct claim_attest *attests;
	size_t n_attests;
	const struct claim_seen *seen; /* one for each slot, read after our claim */
	size_t n_seen;
};

enum claim_verdict {
	CLAIM_WAIT,     /* somebody may still run it */
	CLAIM_GO,       /* write phase run, arm the guard, start */
	CLAIM_WITHDRAW, /* somebody newer: write phase none */
};

/* R6, first step: highest is what this host made durable for the guest; 0: nothing. */
bool claim_accept(uint64_t highest, uint64_t run_gen);

/* ret_host is the host on whose account it waits or withdraws; 0 for CLAIM_GO. */
enum claim_verdict claim_decide(const struct claim_view *v, uint32_t *ret_host);

/* After a write of our block failed it may still land, for the settling time (d): only
 * then may another be sent, or an old phase could replace a newer one. */
bool claim_may_write(uint64_t failed_ms, uint32_t settle_ms, uint64_t now_ms);
