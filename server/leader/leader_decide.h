/*
 * leader_decide: does this server follow, campaign, lead or step down?  Pure.
 *
 * The database has one row (epoch, holder, beat): the epoch changes at each take-over,
 * the beat at each renewal.  A follower waits until the row has not moved for longer
 * than a leader may believe in it, by its own CLOCK_BOOTTIME; the database's clock,
 * which people set, plays no part.  The leader counts from when it sent the last
 * renewal that is known to be committed (R1), so it stops before anybody takes over,
 * even if it was frozen meanwhile or the database is away.
 *
 * A take-over changes the row only if it is still as it was read, so one of two
 * campaigners wins.  A statement whose answer was lost may have been done: the row is
 * read again before anything else, and tells by holder and epoch.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/lease.h"

#define LEADER_LEASE_MS 4000u
#define LEADER_RENEW_MS 1000u
#define LEADER_READ_MS  500u /* followers look so often */

struct leader_row {
	uint64_t epoch; /* 0: nobody ever led */
	uint64_t beat;
	bool mine;   /* the holder is this process, since its last start */
	bool vacant; /* its holder gave it up, or is known to have ended */
};

/* What a server knows of the row, from readings that worked; see beat_watch.h of the
 * host agent for why a wait lies between two of them. */
struct leader_watch {
	bool seen;
	struct leader_row row;
	uint64_t moved_ms, checked_ms;
};

void leader_watch_note(struct leader_watch *w, const struct leader_row *read,
    uint64_t begun_ms, uint64_t ended_ms);

struct leader_view {
	bool leading;
	uint64_t epoch;     /* that we lead with */
	uint64_t proved_ms; /* when the last renewal or take-over was sent that is
			       known to be committed */
	bool busy;          /* a statement of ours is under way */
	bool unknown;       /* what became of the row with our last write is */
	uint64_t wrote_ms;  /* when we sent our last write, whatever came of it */
	uint64_t read_ms;   /* when we sent our last reading */
	struct leader_watch watch;
};

enum leader_act {
	LEADER_IDLE,
	LEADER_READ,
	LEADER_CAMPAIGN, /* take over from watch.row */
	LEADER_RENEW,
	LEADER_LEAD, /* a take-over of unknown outcome was ours: act as watch.row.epoch
		      */
	LEADER_STEP_DOWN,
};

enum leader_act leader_decide(
    const struct leader_view *v, const struct lease_terms *t, uint64_t now_ms);

/* Until when a leader may act and grants may last. */
uint64_t leader_end_ms(const struct leader_view *v);
