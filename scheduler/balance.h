/*
 * balance: one balancing run, step by step, for those who judge each step themselves.
 *
 * Who is where, how even that is, and what a move would change.  x is a host's CPU
 * demand, y its memory, both by its capacity; the score is the population standard
 * deviation of x over the hosts plus that of y: 0 is even.  With S = sum of x and
 * Q = sum of x*x it is sqrt(Q/n - (S/n)^2), so a move changes four numbers and is
 * judged without looking at any other host.
 *
 *   b has an arena, hosts, guests with their home, and rules; the rest is 0
 *   bal_init(&b);
 *   while (bal_next(&b, &limits, &c)) bal_make(&b, &c);
 *
 * sched_balance (sched.h) does all of it on a snapshot, with reasons.
 *
 * Doubles: the same operations in the same order give the same bits, and hosts and
 * guests are in the order of their ids.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

#define BAL_NONE UINT32_MAX

struct bal_host {
	double cpu_cap, mem_cap; /* MHz, MB; above 0 */
	double cpu, mem;         /* of the guests there */
	uint32_t kind;           /* hosts of equal capacity have the same */
	bool closed;             /* takes no guest */
	bool busy;               /* takes none that need not come */
	uint32_t *guests;        /* those there, in no order */
	uint32_t guest_count, guest_room;
};

struct bal_guest {
	double cpu, mem;
	double dirty;      /* MB a second that it writes while it runs */
	double seconds;    /* that a move of it takes; bal_init() works them out */
	uint32_t home, at; /* host before the run, and now */
	uint32_t pos;      /* in its host's guests */
	uint32_t next;     /* of those it is kept together with, in a ring */
	bool fixed;        /* stays */
	bool ruled;        /* some rule names it */
};

enum bal_rule_kind { BAL_APART, BAL_TOGETHER, BAL_ONLY_ON, BAL_NEVER_ON };

struct bal_rule {
	enum bal_rule_kind kind;
	bool soft; /* not asked for while the run is lax */
	const uint32_t *guests;
	uint32_t guest_count;
	const bool *hosts; /* one for each host; NULL unless it names hosts */
};

struct bal_sums {
	double sx, qx, sy, qy;
};

/* One step: a guest to a host, and the other way round for a swap. */
struct bal_step {
	uint32_t guest, from, to;
};

struct bal {
	struct arena *arena;
	struct bal_host *hosts;
	uint32_t host_count, kind_count;
	struct bal_guest *guests;
	uint32_t guest_count;
	uint32_t guest_room; /* that the array has; 0: for these only */
	const struct bal_rule *rules;
	uint32_t rule_count;
	/* Rules of guest g: rule_of[rule_from[g]] … rule_of[rule_from[g + 1] - 1]. */
	uint32_t *rule_from, *rule_of;

	struct bal_sums sums;
	double score;
	uint32_t moved;         /* guests away from home */
	struct bal_step *steps; /* all that was done, legal one after the other */
	uint32_t step_count, step_room;

	double link_mb_s; /* that a move may send; 0: BAL_LINK_MB_S */
	double price; /* score that a second of moving must gain; 0: moves are free */
	double paid;  /* seconds, of the guests away from home */

	bool lax; /* somebody has to go: what is soft, busy or short of CPU will do */

	struct bal_screen *screen;
	struct bal_spare *spare; /* NULL: nobody asks what a lost host would need */
};

/* What is done next: a guest, with all those it is kept together with, goes to a host;
 * back (or BAL_NONE) comes for it. */
struct bal_change {
	uint32_t guest, to, back;
	double gain;
};

struct bal_limits {
	uint32_t max_moved; /* guests away from home */
	double target;      /* score that is good enough */
	double min_gain;    /* of one step */
};

/* Hosts, guests (home set) and rules are there. */
void bal_init(struct bal *b);
/* The best that can be done: one guest goes, or those that are kept together do, or two
 * change places.  False: nothing gains enough. */
bool bal_next(struct bal *b, const struct bal_limits *l, struct bal_change *ret);
/* False: it could not be done after all, which only happens where room is kept for a
 * lost host. */
bool bal_make(struct bal *b, const struct bal_change *c);
/* Guest to host to, now, whatever that does. */
void bal_apply(struct bal *b, uint32_t guest, uint32_t to);
