/*
 * balance_int: one balancing run: who is where, how even that is, and what a move would
 * change.
 *
 * x is a host's CPU demand, y its memory, both by its capacity; the score is the
 * population standard deviation of x over the hosts plus that of y: 0 is even.  With
 * S = sum of x and Q = sum of x*x it is sqrt(Q/n - (S/n)^2), so a move changes four
 * numbers and is judged without looking at any other host.
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
	const struct bal_rule *rules;
	uint32_t rule_count;
	/* Rules of guest g: rule_of[rule_from[g]] … rule_of[rule_from[g + 1] - 1]. */
	uint32_t *rule_from, *rule_of;

	struct bal_sums sums;
	double score;
	uint32_t moved;         /* guests away from home */
	struct bal_step *steps; /* all that was done, legal one after the other */
	uint32_t step_count, step_room;

	double price; /* score that a second of moving must gain; 0: moves are free */
	double paid;  /* seconds, of the guests away from home */

	struct bal_screen *screen;
	struct bal_spare *spare; /* NULL: nobody asks what a lost host would need */
};

struct bal_limits {
	uint32_t max_moved; /* guests away from home */
	double target;      /* score that is good enough */
	double min_gain;    /* of one step */
};

/* balance_state.c: hosts, guests (home set) and rules are there. */
void bal_init(struct bal *b);
void bal_resum(struct bal *b); /* against drift; every BAL_RESUM steps */
#define BAL_RESUM 64u
/* Guest to host to, now. */
void bal_apply(struct bal *b, uint32_t guest, uint32_t to);
/* The score if guest went to host to. */
double bal_after(const struct bal *b, uint32_t guest, uint32_t to);
/* The score if so many MHz and MB went from one host to another. */
double bal_after_load(
    const struct bal *b, uint32_t from, uint32_t to, double cpu, double mem);
/* The score if a guest of a host went to another, and v came back for it. */
double bal_after_swap(const struct bal *b, uint32_t u, uint32_t v);
double bal_score_of(const struct bal *b, const struct bal_sums *s);
/* Room for it there, and no rule against it?  The first does not ask for what a lost
 * host would need, which takes longer. */
bool bal_has_room(const struct bal *b, uint32_t guest, uint32_t to);
bool bal_fits(const struct bal *b, uint32_t guest, uint32_t to);
bool bal_rules_allow(const struct bal *b, uint32_t guest, uint32_t to);
uint32_t bal_rules_broken(const struct bal *b);

/* balance_move.c */
/* What is sent while the guest writes on, and how long that takes. */
double bal_sent_mb(const struct bal_guest *g);
double bal_move_seconds(const struct bal_guest *g);
/* More than it can send: the move would not end by itself. */
bool bal_is_too_busy(const struct bal_guest *g);

/* balance_repair.c */
/* What has to be, whatever it does to the score: closed hosts are emptied, rules that
 * are broken are kept again, hosts that hold more memory than they have give some away.
 * Neither limits nor prices are asked.  How many guests it moved. */
uint32_t bal_repair(struct bal *b);
/* All that are kept together with guest, itself too: may they go there at once? */
bool bal_ring_fits(const struct bal *b, uint32_t guest, uint32_t to);
void bal_ring_apply(struct bal *b, uint32_t guest, uint32_t to);
/* The score if they, now on one host, went there; how many they are. */
double bal_after_ring(
    const struct bal *b, uint32_t guest, uint32_t to, uint32_t *ret_count);
bool bal_ring_is_whole(const struct bal *b, uint32_t guest);

/* balance_greedy.c */
/* The best single move, by exact score; its gain, 0 if none gains. */
double bal_best_move(
    struct bal *b, bool may_move_more, uint32_t *ret_guest, uint32_t *ret_to);
/* Moves (and swaps where none gains) until the limits are met. */
void bal_greedy(struct bal *b, const struct bal_limits *l);

/* balance_swap.c */
/* Two guests that change places; budget: how many more may be away from home. */
double bal_best_swap(struct bal *b, uint32_t budget, uint32_t *ret_u, uint32_t *ret_v);
void bal_swap(struct bal *b, uint32_t u, uint32_t v);

/* balance_search.c */
/* Look for a better set of at most l->max_moved moves: that many tries. */
void bal_search(
    struct bal *b, const struct bal_limits *l, uint32_t tries, uint64_t seed);
/* Home again with who is not needed for the target. */
void bal_prune(struct bal *b, const struct bal_limits *l);

/* balance_order.c */
/*
 * The moves that lead from home to here, each guest once, in an order in which every
 * target has room at its turn, and those that gain most come first.  False if there is
 * no such order.
 */
bool bal_order(struct bal *b, struct bal_step **ret_steps, uint32_t *ret_count);

/* balance_wave.c */
/*
 * Which of these may be made at the same time: a number from 0 for each, so that the
 * moves of one wave fit beside all that is there when it begins and no host has more
 * than at_once of them.  How many waves.
 */
uint32_t bal_waves(const struct bal *b, const struct bal_step *steps, uint32_t count,
    uint32_t at_once, uint32_t *ret_wave);
