/*
 * chain_plan: what becomes of a disk's images when snapshots go.
 *
 * A disk's images form a tree: each stands on one other, and each snapshot, and the
 * machine itself, uses the chain from one image down.  An image below vms/ that is the
 * top of no chain any more is hidden: with nothing on it, it goes; with one image on
 * it, that one is merged into it; with several it stays until one is left.  What lies
 * elsewhere (a template) is never touched.
 *
 * Pure.  All texts are borrowed.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

#define CHAIN_LAYERS_MAX 32 /* images in a chain */

struct layer_ref {
	const char *path, *format;
};

struct layer_chain {
	size_t n;                             /* 0: the disk was not there then */
	struct layer_ref v[CHAIN_LAYERS_MAX]; /* the top first */
};

/* A user of the disk: the machine, or one of its snapshots. */
struct chain_state {
	struct layer_chain chain;
	bool gone; /* is being deleted, or given up */
};

struct chain_merge {
	struct layer_ref upper, lower;
	bool in_use; /* in the machine's own chain */
	/* What stands on upper outside the machine's chain. */
	const struct layer_ref *others;
	size_t n_others;
};

struct chain_plan {
	struct chain_merge *merges; /* in the order in which they must be done */
	size_t n_merges;
	struct layer_ref *drops;
	size_t n_drops;
	struct layer_chain
	    *chains; /* of each state afterwards; of one that is gone: n 0 */
	bool hides;  /* a hidden image stays in the machine's own chain */
};

/*
 * states[0] is the machine.  ERR_CORRUPT where two of them disagree about what an image
 * stands on.  Everything in ret_p is a's.
 */
int chain_plan(struct arena *a, const struct chain_state *states, size_t n,
    struct chain_plan *ret_p, struct err *e) WARN_UNUSED;
