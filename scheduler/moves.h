/*
 * moves: one run over guests that run: what its parts share.
 *
 * A run takes the view as the balancer's hosts and guests, moves guests there, and at
 * the end everything goes back home and is done again step by step, in an order in
 * which each step is possible: that is the plan, with the numbers as they are at each
 * step's turn.
 */
#pragma once
#include "scheduler/bal_view.h"

struct moves {
	const struct sched_view *v;
	const struct sched_ask *ask;
	struct bal_view x;
	struct arena *scratch;
	struct sched_plan *plan;    /* its arena holds what is in it */
	enum sched_why leaving_why; /* of those on hosts that are to be emptied */
	enum sched_why even_why;    /* of those that need not go; COUNT_: evenness */
	uint32_t *goal; /* of each of the balancer's guests, once all is decided */
	struct sched_move *refused; /* guests that have to go and cannot */
};

/* Loads of the hosts that stay, added up. */
struct even_sums {
	struct bal_sums s;
	uint32_t n;
};

/* even.c */
struct even_sums even_sum(const struct bal *b);
/* The same, were guest on host to. */
struct even_sums even_sum_after(
    const struct bal *b, const struct even_sums *now, uint32_t guest, uint32_t to);
struct sched_unevenness even_of(const struct even_sums *e);
double even_total(const struct even_sums *e);
/* What a cluster this uneven is worth doing something about: 2 … 5, 6: nothing. */
uint32_t even_priority(const struct bal *b, const struct even_sums *e);

/* worth.c */
struct sched_worth worth_of(const struct moves *m, uint32_t guest, uint32_t to);

/* moves.c */
int moves_begin(struct moves *m, const struct sched_view *v,
    const struct sched_ask *ask, const bool *leaving, struct err *e) WARN_UNUSED;
/* Order, waves, and the plan with its grounds. */
struct sched_plan *moves_finish(struct moves *m);
void moves_end(struct moves *m);
/* What fails if guest goes to a host, as things are; NULL: nothing.  ret_text is the
 * plan's. */
const char *moves_against(
    const struct moves *m, uint32_t guest, uint32_t to, const char **ret_text);
/* The first of its rules that guest breaks, or would break, on a host; or NULL. */
const struct view_rule *moves_broken(
    const struct moves *m, uint32_t guest, uint32_t host);
/* A guest that has to go and cannot. */
void moves_refuse(struct moves *m, uint32_t guest);

/* grounds.c */
/* The next step of the plan, before it is made. */
void grounds_of(struct moves *m, const struct bal_step *s, uint32_t wave,
    struct sched_move *out, struct sched_grounds *g);
