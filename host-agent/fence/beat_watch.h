/*
 * beat_watch: what one host knows of another's heartbeat block: is its storage lease
 * dead?  Pure.
 *
 * R3: the lease is dead when (inc, seq) has not moved for D by our own clock, with L
 * and K as that block publishes them.  The wait counts between two readings that
 * worked: from the end of the one that first showed the value to the beginning of the
 * last one that still showed it.  A time in which we could not read, or read something
 * damaged, proves nothing; neither does a seq that goes backwards, which is a stale
 * reading or an old write that landed late.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/lease.h"
#include "host-agent/fence/lease_file.h"

struct beat_watch {
	bool seen;  /* at least one block was read */
	bool moved; /* it showed another value before; else moved_ms is our beginning */
	struct lease_beat beat;
	uint64_t moved_ms;   /* end of the reading that first showed this value */
	uint64_t checked_ms; /* begin of the last reading that still showed it */
};

/* A reading that began at begun_ms and ended at ended_ms; what is not known is
 * passed over. */
void beat_watch_note(struct beat_watch *w, const struct lease_beat *read,
    uint64_t begun_ms, uint64_t ended_ms);

/* How long the block is known not to have moved; 0 for one that was never read. */
uint64_t beat_watch_still_ms(const struct beat_watch *w);

/* Is that known?  What a first reading shows may have stood still for long: it tells
 * nothing until it moved, or stood for least_ms under our eyes. */
bool beat_watch_tells(const struct beat_watch *w, uint64_t least_ms);

/* R3.  A slot that nobody ever used is not dead either: there is no lease to end. */
bool beat_watch_dead(const struct beat_watch *w, const struct lease_terms *own);
