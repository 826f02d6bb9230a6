/*
 * wake_room: hosts in standby that are woken because a guest finds no room.
 *
 * Only where its cluster's power management is automatic; elsewhere the refusal names
 * the host that could be woken.  A host is woken once for a step: if it does not come,
 * the next one is.
 */
#pragma once
#include "server/ops/ops_int.h"

/* Asleep, or about to be awake. */
bool wake_is_asleep(const struct inv *inv, obj_id host);
/* Does the cluster have such a host, and are they woken there?  For checks before a
 * task begins: its first step will know more. */
bool wake_may_help(const struct inv *inv, obj_id cluster);

/*
 * The step has found no room for g (task_err(r) says why).  Waits for hosts that are
 * expected back, or else for one in standby that would take it; finish is run_again.
 * FLOW_FAIL: there is none, and the error says what stands against waking.
 */
enum flow_rc run_wake_for_room(struct task_run *r, const struct advice_guest *g);
/* What a wait for a host that was to wake has come to: false if rc is of another wait.
 */
bool run_was_waking(struct task_run *r, int rc);

/* The same for who has no step, and looks again later.  Nothing is begun while a host
 * of the cluster wakes already. */
void wake_for_room(
    struct ops *ops, const struct advice_guest *g, const struct caller *who);
