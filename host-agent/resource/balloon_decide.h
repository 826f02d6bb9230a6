/*
 * balloon_decide: how much of its memory a machine is left, and whether it gives back
 * what it is asked for.
 *
 * A limit, its own or one of its pools', holds always.  What it is entitled to counts
 * once its host is short of memory: then it is asked for what is beyond that, little by
 * little; where that does not do, for more, down to its reservation.  It gets memory
 * back a while after the last shortage.
 *
 * A guest whose balloon does not follow is held by its control group, and only to a
 * limit: to kill it would not be worth what the host is short of.
 *
 * Pure; all in MB.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "host-agent/resource/pressure.h"

/* A guest is not made smaller than this part of what it is configured with. */
#define BALLOON_LEAST_PART 4
/* For how long a guest may come no nearer before it does not follow. */
#define BALLOON_STILL_MS 15000u
/* For how long what was taken is kept after the last shortage. */
#define BALLOON_REST_MS 10000u

struct balloon_view {
	uint64_t size;     /* that it is configured with */
	uint64_t reserved; /* it keeps that in any case */
	uint64_t entitled; /* 0: nobody has said */
	uint64_t most;     /* what limits leave to it; 0: all */
	uint64_t actual;   /* that it has at present; 0: not known */
	enum pressure pressure;
	uint64_t now_ms;
};

enum balloon_trust {
	BALLOON_UNTRIED, /* it was asked for nothing yet, or is on its way */
	BALLOON_FOLLOWS,
	BALLOON_STUCK,
};

/* Zeroes: it was just started, or found. */
struct balloon_state {
	uint64_t target;   /* that it was asked for last */
	uint64_t nearest;  /* that it has come to its target */
	uint64_t moved_ms; /* when it came nearer last, or was there */
	uint64_t short_ms; /* when its host was short last; 0: never */
	enum balloon_trust trust;
};

struct balloon_order {
	uint64_t target; /* to ask it for; 0: as before */
	/* What its control group is to bound it to, besides what running it takes; 0:
	 * to nothing. */
	uint64_t limit;
	bool is_news; /* whether it follows has become clear, or has changed */
};

void balloon_decide(
    const struct balloon_view *v, struct balloon_state *s, struct balloon_order *out);

/* What the driver inside told, in bytes. */
struct balloon_figures {
	uint64_t actual, free, available;
};

/*
 * Memory that it needs: what is in use and a quarter of what lies idle in caches, as
 * far as it can be believed.
 */
uint64_t balloon_demand(const struct balloon_figures *f);
