/*
 * drs_keep: recommendations in the inventory.
 */
#pragma once
#include "server/drs/drs_decide.h"

struct txn;

#define DRS_KEPT 1000u /* of a cluster, the newest */

struct drs_keep {
	struct inv *inv;
	obj_id cluster;
	const struct drs_view *view;
	const struct drs_plan *plan;
	bool is_whole; /* what it does not recommend is not worth it any more */
};

/* A recommendation of the plan, as it is kept. */
struct drs_kept {
	obj_id rec; /* none: it was dismissed a short while ago */
	uint32_t waits_for;
	bool is_new;
};

/*
 * Those of the plan that are not there yet, into t; those that make no sense any more
 * become stale, and what is beyond the bound goes.  kept has a place for each move, and then
 * for each power.
 */
bool drs_keep_plan(const struct drs_keep *k, struct txn *t, struct drs_kept *kept);
