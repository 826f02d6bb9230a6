/*
 * drs_past: what the rounds remember of guests and hosts.  Pure.
 *
 * Demand is smoothed, and the most of each quarter of an hour is kept for a day and an
 * hour: what came at this time yesterday is to be expected today.  Times are of the
 * clock that never steps.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"

#define DRS_REST_MS   600000u  /* no guest is moved again for evenness within */
#define DRS_RETURN_MS 3600000u /* nor back to where it came from */
#define DRS_FLAPS     3u       /* times that a host was lost … */
#define DRS_FLAPS_MS  900000u  /* … within this, and so long it gets no guest */
#define DRS_SLOTS     100u
#define DRS_SLOT_MS   900000u

struct drs_past {
	double cpu_mhz;    /* smoothed */
	uint64_t since_ms; /* so long it has been about that */
	uint64_t moved_ms; /* of its last move by us, or 0 */
	obj_id came_from;  /* that one */
	bool has_failed;   /* that one */
	double dirty_mb_s; /* that it rewrote in its last move; 0: not known */
	uint64_t slot;     /* newest quarter of an hour (drs_past_slot); 0: none */
	uint32_t most_mhz[DRS_SLOTS];
};

/* A new smoothed demand, from a figure that has just come in. */
void drs_past_take(struct drs_past *p, double cpu_mhz, uint64_t now_ms);
/* The most that is to be expected within an hour: of the last one, and of the one that
 * began at this time yesterday. */
double drs_past_peak(const struct drs_past *p, uint64_t now_ms);

/* The quarter of an hour that now is; those of the day before have numbers, too. */
uint64_t drs_past_slot(uint64_t now_ms);
uint32_t drs_past_most(const struct drs_past *p, uint64_t slot); /* 0: not known */
/* What it wanted then, as it was stored. */
void drs_past_recall(struct drs_past *p, uint64_t slot, uint32_t mhz);

struct drs_losses {
	uint64_t at_ms[DRS_FLAPS]; /* the newest; 0: none */
};

void drs_losses_note(struct drs_losses *l, uint64_t now_ms);
/* Does it come and go? */
bool drs_losses_are_many(const struct drs_losses *l, uint64_t now_ms);
