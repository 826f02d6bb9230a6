/*
 * bal_view: a snapshot's cluster as the balancer takes it.
 *
 * Hosts that are connected, and those to be emptied; guests that run there.  What a
 * guest needs of a host whatever happens (engines, datastores, networks) becomes a rule
 * of the balancer's.
 */
#pragma once
#include "scheduler/balance_int.h"
#include "scheduler/sched_int.h"

struct bal_scope {
	uint32_t cluster_ix; /* its hosts only; NO_IX: those that stand alone */
	const bool *leaving; /* one a host of the view: to be emptied; NULL: none */
	double link_mb_s;    /* that a move may send; 0: 10 Gbit/s */
	const bool
	    *without; /* one a guest of the view: it is not counted; NULL: none */
};

/* All of a cluster, by its id; 0: the hosts that stand alone. */
int bal_scope_of(const struct sched_view *v, uint64_t cluster,
    struct bal_scope *ret_scope, struct err *e) WARN_UNUSED;

struct bal_view {
	const struct sched_view *v;
	struct bal b;
	uint32_t *host_of, *guest_of; /* the balancer's, as positions in the view */
	uint32_t *rule_of; /* the balancer's rules, likewise; NO_IX: a guest's need */
	uint32_t *bal_host, *bal_guest; /* and the other way round, or BAL_NONE */
};

/* bal_init()ed; everything is from a, and the view stays the caller's. */
void bal_view_init(struct bal_view *x, const struct sched_view *v,
    const struct bal_scope *s, struct arena *a);
/* The memory that a host may give to guests. */
uint64_t bal_view_memory_mb(const struct view_host *h);
