/*
 * guest_snapshot: what the files about a guest's snapshots share.
 */
#pragma once
#include "host-agent/guest/guest_job.h"

extern const struct flow_step guest_snapshot_steps[];
extern const struct flow_step guest_revert_steps[];
/* One for each merge of the order; the job owns it. */
const struct flow_step *guest_merge_steps(struct guest_job *j);

/* Of all disks of a spec: the fresh images on top. */
enum flow_rc guest_step_tops(struct flow *f, void *arg);
enum flow_rc guest_finish_tops(struct flow *f, void *arg, int rc);
enum flow_rc guest_undo_tops(struct flow *f, void *arg);

/*
 * The disks are about to change, or have not changed after all: note in the record that
 * they may be as next (taken; NULL: they are not) has them.
 */
enum flow_rc guest_step_next(struct flow *f, struct guest *g, Drover__GuestSpec *next);
/* The disks are as spec has them: note that alone. */
enum flow_rc guest_step_chain(
    struct flow *f, struct guest *g, const Drover__GuestSpec *spec);
/* Remove images that nothing needs. */
enum flow_rc guest_step_drop(
    struct flow *f, struct guest_job *j, Drover__DiskSpec **drop, size_t n);
enum flow_rc guest_finish_drop(struct flow *f, void *arg, int rc);

/* Which of the two that are noted is true.  What cannot be told now is told later. */
enum flow_rc guest_step_settle(struct flow *f, void *arg);
enum flow_rc guest_finish_settle(struct flow *f, void *arg, int rc);
/* The same where it must be known to go on. */
enum flow_rc guest_finish_settled(struct flow *f, void *arg, int rc);
extern const struct flow_step guest_settle_steps[];
