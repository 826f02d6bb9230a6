/*
 * balance_int: what the files of the balancer share.
 */
#pragma once
#include "scheduler/balance.h"

/* balance_state.c */
void bal_resum(struct bal *b); /* against drift; every BAL_RESUM steps */
#define BAL_RESUM 64u
/* Take back all but the first so many steps. */
void bal_undo(struct bal *b, uint32_t steps);
/* One guest more, of the room that there is for them, on a host. */
void bal_join(struct bal *b, uint32_t host, double cpu, double mem);
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
/* The same once without has left there. */
bool bal_rules_allow_for(
    const struct bal *b, uint32_t guest, uint32_t to, uint32_t without);
/* The rule alone. */
bool bal_rule_allows(const struct bal *b, uint32_t rule, uint32_t guest, uint32_t to);
uint32_t bal_rules_broken(const struct bal *b);

/* balance_move.c */
#define BAL_LINK_MB_S 1100.0 /* a 10 Gbit/s network's */
/* What is sent while the guest writes on, and how long that takes. */
double bal_sent_mb(const struct bal *b, const struct bal_guest *g);
double bal_move_seconds(const struct bal *b, const struct bal_guest *g);

/* balance_repair.c */
/* What has to be, whatever it does to the score: closed hosts are emptied, rules that
 * are broken are kept again, hosts that hold more memory than they have give some away.
 * Neither limits nor prices are asked.  How many guests it moved. */
uint32_t bal_repair(struct bal *b);
/* All who can leave a host, the large ones first; those that find no place by all rules
 * follow only the strict ones.  How many went. */
uint32_t bal_empty_host(struct bal *b, uint32_t host);
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
/* What is screened of a host's guests is of the time before. */
void bal_rescreen(struct bal *b, uint32_t host);
/* Moves (and swaps where none gains) until the limits are met. */
void bal_greedy(struct bal *b, const struct bal_limits *l);

/* balance_swap.c */
/* Two guests that change places; budget: how many more may be away from home. */
double bal_best_swap(struct bal *b, uint32_t budget, uint32_t *ret_u, uint32_t *ret_v);
/* False: the certificate is against it; nothing is changed. */
bool bal_swap(struct bal *b, uint32_t u, uint32_t v);

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
