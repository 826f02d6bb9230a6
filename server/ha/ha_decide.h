/*
 * ha_decide: which hosts are up, partitioned, isolated or dead, and what follows. Pure;
 * times are the leader's own CLOCK_BOOTTIME.
 *
 * A host is judged by two witnesses that fail apart: its heartbeats to us, and its
 * block on the datastores as the other hosts read it and tell us.
 *
 *   heartbeat   block       state
 *   comes       -           up (or: its datastore is lost to it alone)
 *   missing     moves       partitioned: it runs its guests under its storage lease;
 *                           nothing is done.  Isolated where its block says so: those
 *                           are taken over that it ends and releases then (R11)
 *   missing     still       suspect, until no grant of ours can hold any longer; then
 *                           dead: fenced, and its guests are ordered elsewhere
 *   missing     unread      as still; the host that takes over reads it for itself
 *
 * R4: dead needs that every grant to this incarnation ran out and the kill bound
 * passed.  A new leader knows of no grants, but those of the old one did not outlive
 * its leadership: ha_take_over says what it waits for.  It also waits for reports.
 *
 * R5: fenced is written to the database before any order relies on it, and never taken
 * back: ha_grant gives such an incarnation nothing.  From when that write is sent until
 * its outcome is known the caller takes the host for fenced.
 *
 * R11: a host that alone has lost its datastore is told so after HA_LOST_STORE_MS and
 * ends its guests; a stall that all of them see is ridden out.
 *
 * R12: frozen and maintained hosts are let alone.  A host is frozen once the database
 * says so: its guests live on for LEASE_FREEZE_MS without their agent, and whoever
 * leads next has to know that he must wait that out.
 *
 * The brake: if more than 30 % of the hosts fall silent at once, we are the likelier
 * cause.  Then a host is dead only if others saw its block dead, not merely unread.  It
 * stays on for HA_BRAKE_HOLD_MS after that: the last of many that come back are not
 * dead for being the last.
 *
 * Where nothing is protected nobody is fenced.
 *
 * That the storage lease is over too (R3) is not decided here: the host that takes over
 * sees to it (claim_decide), so orders may go out while it still waits.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lease.h"

#define HA_BEATS_MISSED      3u
#define HA_COLLECT_MS        5000u /* how long a new leader waits for reports */
#define HA_COLLECT_PERMILLE  950u
#define HA_BRAKE_PERMILLE    300u
#define HA_BRAKE_LEAST_HOSTS 2u /* one host of three is no mass */
#define HA_BRAKE_HOLD_MS     10000u
#define HA_LOST_STORE_MS     20000u

enum ha_mode { HA_NORMAL, HA_FROZEN, HA_MAINTAINED };

/* What the hosts that we hear say about another's block. */
enum ha_beat {
	HA_BEAT_UNREAD, /* nobody could read it lately */
	HA_BEAT_MOVES,
	HA_BEAT_STILL, /* not long enough to be dead */
	HA_BEAT_DEAD,  /* R3, by somebody's clock */
};

enum ha_is {
	HA_UP,
	HA_STORE_LOST,
	HA_RESTS, /* frozen or maintained */
	HA_SUSPECT,
	HA_PARTITIONED,
	HA_ISOLATED,
	HA_DEAD,
	HA_STATES_
};

struct ha_host {
	uint32_t host_id;
	enum ha_mode mode;
	uint64_t frozen_until_ms; /* ours; both sides agreed on it */
	bool was_frozen;        /* in the database: such a grant may still hold (R4) */
	bool fenced;            /* this incarnation, in the database (R5) */
	bool powered_off;       /* operator or its controller: this incarnation */
	bool long_leases;       /* has guests that only the network vouches for */
	uint64_t heard_ms;      /* last heartbeat */
	uint64_t grants_end_ms; /* of every grant to this incarnation, as answered */
	uint64_t long_end_ms;
	enum ha_beat beat;
	uint64_t moved_ms;      /* when others last saw its block move; 0: never */
	bool says_isolated;     /* in its block */
	uint64_t store_lost_ms; /* since when it reports its datastore lost; 0: not */
	bool others_have_store;
	uint32_t protected_guests;
};

struct ha_view {
	const struct ha_host *hosts;
	size_t n;
	const struct lease_terms *terms;
	uint32_t beat_ms;
	uint64_t lead_since_ms;
	size_t reported; /* hosts that we heard since then */
};

enum ha_do {
	HA_SET_STATE, /* of the host, to is */
	HA_FENCE,     /* store fenced for its incarnation, then restart its guests */
	HA_RETRIEVE, /* isolated: order those of its guests elsewhere that it ends then;
			the claims see to it that it has (R6) */
	HA_EVICT,    /* tell it that others have its datastore */
	HA_BRAKE,    /* alarm: too many silent at once; host is no matter */
	HA_RELEASE_BRAKE,
};

struct ha_effect {
	enum ha_do what;
	size_t host; /* index */
	enum ha_is is;
};

struct ha_state {
	enum ha_is *is; /* the caller's, one a host; HA_UP for a new one */
	bool braked;
	uint64_t mass_ms; /* when too many were silent, last */
};

#define HA_EFFECTS(hosts) (3 * (hosts) + 1) /* room that ha_decide may need */

struct ha_effects {
	struct ha_effect *list;
	size_t n;
};

/* Look at every change and at least twice a second. */
void ha_decide(const struct ha_view *v, uint64_t now_ms, struct ha_state *s,
    struct ha_effects *out);

/* R4: no network lease of this incarnation holds anywhere.  With LONG also none of
 * those that guests without a storage lease have. */
enum ha_lease_kind { HA_SHORT, HA_LONG };

bool ha_netfence_ready(const struct ha_host *h, const struct lease_terms *t,
    enum ha_lease_kind kind, uint64_t now_ms);

/* What a new leader takes a host's grants and last word for. */
void ha_take_over(struct ha_host *h, uint64_t now_ms);

/* R4, R5: what to answer a heartbeat that asks for a lease; the caller notes both ends
 * (raised, never lowered) before it sends them.  lead_end_ms: of our leadership. */
struct ha_grant {
	uint64_t length_ms, long_ms; /* 0: none */
};
struct ha_grant ha_grant(const struct ha_host *h, const struct lease_terms *t,
    uint64_t now_ms, uint64_t lead_end_ms);

/* R9, A3: a host that is asked_inc wants a new incarnation, and the database has
 * row_inc. An answer that got lost is told again; one that was fenced meanwhile is not.
 */
enum ha_join { HA_JOIN_RAISE /* by one, in the database */, HA_JOIN_TELL };
enum ha_join ha_join(const struct ha_host *h, uint64_t row_inc, uint64_t asked_inc);

/* One host's word on another's block, and how they add up.  Words older than three
 * beats are not to be passed. */
struct ha_word {
	bool read; /* it could read the block lately */
	bool dead; /* R3 */
	uint64_t still_ms;
};
enum ha_beat ha_weigh(const struct ha_word *words, size_t n, uint32_t beat_ms);

/*
 * The same, with what was known before.  An agent that has just started cannot tell yet
 * whether a block moves; where nobody else can, one that moved is believed to for
 * HA_RECALL_BEATS more.
 */
#define HA_RECALL_BEATS 6u
enum ha_beat ha_recall(
    struct ha_host *h, enum ha_beat weighed, uint32_t beat_ms, uint64_t now_ms);

const char *ha_is_text(enum ha_is is); /* "partitioned" */
