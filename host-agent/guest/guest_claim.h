/*
 * guest_claim: the steps of orders that see to a guest's claim (host-agent/fence).
 *
 * A guest that its order puts under leases is claimed before it is booted, or before
 * bytes of it come; its claim is dropped after it was reaped.  Any other gets a guard
 * alone, and is claimed as it runs when that is wished.  On a host without leases, and
 * of a guest that is under none, these steps do nothing.
 */
#pragma once
#include "host-agent/guest/guest_job.h"

#define CLAIM_DROP_MS \
	10000u /* then the order goes on, and the claim is dropped later */

/* Start and arrive: until it may be booted.  No deadline but the order's. */
enum flow_rc guest_step_claim(struct flow *f, void *arg);
enum flow_rc guest_finish_claim(struct flow *f, void *arg, int rc);
enum flow_rc guest_undo_claim(struct flow *f, void *arg);
/* It has come whole, and stands still: until it may run here. */
enum flow_rc guest_step_take_claim(struct flow *f, void *arg);
enum flow_rc guest_finish_take_claim(struct flow *f, void *arg, int rc);
/* Then let it run, where it was not claimed it does already. */
enum flow_rc guest_step_let_run(struct flow *f, void *arg);
enum flow_rc guest_finish_let_run(struct flow *f, void *arg, int rc);
/* Its process runs. */
void guest_claim_ran(const struct guest *g);
/* It is reaped. */
enum flow_rc guest_step_unclaim(struct flow *f, void *arg);
/* All of it has been given to another host. */
enum flow_rc guest_step_give_claim(struct flow *f, void *arg);
/* It comes back from there. */
enum flow_rc guest_step_reclaim(struct flow *f, void *arg);
/* It is deleted. */
enum flow_rc guest_step_forget_claim(struct flow *f, void *arg);

/* Is it under leases here? */
bool guest_is_claimed(const struct guest *g);
/* For engine_boot. */
int guest_guard_until(
    const struct guest *g, uint64_t *ret_us, struct err *e) WARN_UNUSED;
