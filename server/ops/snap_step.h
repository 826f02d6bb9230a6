/*
 * snap_step: what operations on snapshots have in common.
 */
#pragma once
#include "base/arena.h"
#include "server/ops/vm_step.h"

#define SNAP_MAX_LAYERS 31u
/* What the machine may be while its images are merged, or it goes back. */
#define SNAP_ANY_POWER                                                          \
	(POWER_BIT(POWER_OFF) | POWER_BIT(POWER_ON) | POWER_BIT(POWER_PAUSED) | \
	    POWER_BIT(POWER_SUSPENDED) | POWER_BIT(POWER_STALLED))

/* The machine, and the snapshots that the arguments name. */
void snap_locks(
    const struct inv *inv, obj_id entity, const json *args, struct lock_set *out);
/* The machine of a task on it or on its snapshot; NULL with the error filled. */
const struct vm *snap_vm(struct task_run *r);
/* The machine's spec as if it had these disks. */
Drover__GuestSpec *snap_spec_with(
    struct arena *a, const struct inv *inv, const struct vm *vm, json *disks);
/* A reference more for the field, one less for what it had. */
void snap_set_disks(json **field, json *disks);
/* Ids of snapshots in a list of texts; the caller frees out->v. */
void snap_ids(const json *ids, struct id_list *out);

/* Is it on a host that answers, with nothing else under way, in such a state? */
int snap_need_host(const struct op_call *c, const struct vm *vm, unsigned power,
    struct err *e) WARN_UNUSED;
/* A guess from below: the images grow with what the machine writes. */
int snap_check_room(const struct op_call *c, const struct vm *vm, bool memory,
    struct err *e) WARN_UNUSED;
int snap_check_ready(const struct snapshot *s, struct err *e) WARN_UNUSED;
