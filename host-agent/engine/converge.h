/*
 * converge: does a guest's memory get across, and what to do when it does not.
 *
 * What a guest writes while its memory is copied must be copied again, in rounds.  When
 * the rounds do not get shorter the pause that the last one may take is raised step by
 * step up to its limit; then the guest is slowed down, where that is allowed; and when
 * the time is up the move is given up.  Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct converge_policy {
	uint32_t downtime_ms;     /* what the pause should take; 0: 300 */
	uint32_t downtime_max_ms; /* what it may take at worst; 0: 2000 */
	bool may_throttle;
	uint32_t give_up_ms; /* 0: never */
};

/* What is seen at one time. */
struct converge_seen {
	uint64_t elapsed_ms;
	uint32_t rounds; /* begun */
	uint64_t remaining_bytes;
	uint64_t dirty_bytes_per_s; /* 0: not known yet */
	uint64_t bytes_per_s;
	uint32_t throttle_pct;
};

enum converge_act {
	CONVERGE_GO_ON,
	CONVERGE_RAISE,    /* the pause may take limit_ms now */
	CONVERGE_THROTTLE, /* slow the guest down */
	CONVERGE_GIVE_UP,
};

/* What was decided so far. */
struct converge {
	uint32_t limit_ms;
	bool throttling;
	uint32_t acted_round;
	uint64_t acted_ms;
};

#define CONVERGE_NOTE_MAX 160

/* Fills in p's presets. */
void converge_begin(struct converge *c, struct converge_policy *p);
/* note says why, for people; untouched by GO_ON. */
enum converge_act converge_decide(struct converge *c, const struct converge_policy *p,
    const struct converge_seen *s, char note[CONVERGE_NOTE_MAX]);
