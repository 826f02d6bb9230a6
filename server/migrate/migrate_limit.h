/*
 * migrate_limit: what a move costs of which ceiling.  Pure.
 *
 *   host       8    a live or cold move 1, one with disks 4
 *   link       4    of a host at 1 Gbit/s, which is taken for granted; 8 from 10 on
 *   datastore  128  a machine that moves over it 1, one that leaves or enters it 16
 */
#pragma once
#include "server/inventory/inv.h"
#include "server/task/task_slot.h"

struct mig_cost {
	obj_id from, to; /* the same if only disks move */
	bool over_link;  /* bytes go from host to host */
	bool with_disks;
	struct id_list stores; /* where its disks lie; borrowed */
	obj_id store;          /* where they go, or none */
	enum slot_haste haste;
};

void migrate_limit(const struct mig_cost *c, struct slot_set *ret);
