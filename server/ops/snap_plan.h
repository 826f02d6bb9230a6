/*
 * snap_plan: a machine's snapshots as the inventory has them, and what becomes of its
 * images when some of them go.
 */
#pragma once
#include "base/arena.h"
#include "proto/msg.h"
#include "server/inventory/inv.h"

struct snap_disks {
	obj_id snapshot;
	json *disks;
};

struct snap_plan {
	json *disks;              /* of the machine, afterwards */
	struct snap_disks *snaps; /* of the snapshots that stay */
	size_t n_snaps;
	Drover__LayerMerge **merges;
	size_t n_merges;
	Drover__DiskSpec **drops;
	size_t n_drops;
	bool hides; /* an image that no snapshot needs stays in the machine's chains */
};

struct snap_wish {
	const struct inv *inv;
	const struct vm *vm;
	const struct id_list *gone; /* the snapshots that go, or NULL */
	const json *now;            /* the machine's disks */
	const json *given_up; /* disks that it had and does not go on from, or NULL */
};

/*
 * Messages are a's; snap_plan_fini frees the rest. ERR_CORRUPT where the inventory does
 * not agree with itself.
 */
int snap_plan(struct arena *a, const struct snap_wish *w, struct snap_plan *ret_p,
    struct err *e) WARN_UNUSED;
void snap_plan_fini(struct snap_plan *p);

/* Disks that stand on those of list: each has a fresh image on top, named by number. */
json *snap_fresh_disks(obj_id vm, const json *list, uint64_t number);
/* Images in the longest chain. */
size_t snap_chain_length(const json *disks);
