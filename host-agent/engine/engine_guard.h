/*
 * engine_guard: a running guest's deadline, which the kernel keeps.
 *
 * A guest that was started with a guard (engine_boot.guard_until_us) has a process that
 * kills all of it at its deadline, whatever becomes of the agent; see ADR 30.  One that
 * ended so is told about as one that died: its reason begins with "its lease was over".
 *
 * Not verbs: beside whatever verb is under way.
 */
#pragma once
#include "host-agent/engine/engine.h"
#include "host-agent/fence/guard_client.h"

#define ENGINE_LEASE_OVER "its lease was over"

struct engine_guard {
	bool guarded;
	bool heard; /* the guard listens to us, and has confirmed the deadline */
	/* As the guard confirmed it last: clock_mono_us, or GUARD_NO_DEADLINE; 0 before
	 * it has said anything. */
	uint64_t deadline_us;
};

/* Nothing but false while the guest is down. */
struct engine_guard engine_guest_guard(const struct engine_guest *g);
/*
 * Be dead at that time unless armed again; a time that has passed kills at once.  What
 * the guard confirms is seen by engine_guest_guard.  ERR_BAD_STATE: it is down;
 * ERR_UNSUPPORTED: it was started without a guard; ERR_LOST: its guard does not listen
 * any more; ERR_BUSY: it has not taken what was said before.
 */
int engine_guard_arm(
    struct engine_guest *g, uint64_t deadline_us, struct err *e) WARN_UNUSED;
