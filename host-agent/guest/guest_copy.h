/*
 * guest_copy: the guests as fencing sees them, and what it does to them.
 *
 * What it orders is the agent's own work: the server's orders wait for it.
 */
#pragma once
#include "host-agent/fence/fence.h"
#include "host-agent/guest/guests.h"

bool guest_copy(struct guests *gs, uint64_t guest, struct fence_copy *ret_c);
void guest_copies_each(struct guests *gs, fence_copy_fn fn, void *to);
int guest_copy_arm(
    struct guests *gs, uint64_t guest, uint64_t deadline_us, struct err *e) WARN_UNUSED;
/* Whatever is under way on it.  why is borrowed for ever. */
void guest_copy_kill(struct guests *gs, uint64_t guest, const char *why);
void guest_copy_shut_down(struct guests *gs, uint64_t guest, const char *why);
/* One that died, as the generation that it is.  ERR_BUSY, ERR_BAD_STATE. */
int guest_copy_restart(struct guests *gs, uint64_t guest, struct err *e) WARN_UNUSED;
