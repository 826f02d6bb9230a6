/*
 * guard_wire: what the agent and the guard of a guest say to each other.
 *
 * A SOCK_SEQPACKET socket at a path; one packet an ask, one a say, in the machine's own
 * byte order, for both are on one host.  A guard outlives agents, also older ones: new
 * fields come at the end, and a packet that is longer than expected is fine.
 *
 *   agent                         guard
 *   HELLO                  →
 *                          ←      how things stand, with a pidfd of the first process
 *   ARM deadline           →
 *                          ←      how things stand
 *   …                      ←      unasked: everything has ended
 *   RELEASE                →      (ends)
 */
#pragma once
#include <stdint.h>

#define GUARD_MAGIC   0x44475244u
#define GUARD_VERSION 1

enum guard_verb {
	GUARD_HELLO = 1,
	GUARD_ARM,    /* be dead at deadline_us of CLOCK_BOOTTIME, unless told again */
	GUARD_DISARM, /* no deadline: the guest is not under a lease any more */
	GUARD_KILL,   /* end the guest now, and say how it ended */
	GUARD_RELEASE /* go, once all has ended: nobody will ask how */
};

enum guard_phase {
	GUARD_RUNNING = 1,
	GUARD_FAILED, /* the program could not be started: stage and sys say why */
	GUARD_ENDED /* the first process and all others were reaped: status says how */
};

/* Where a start got stuck. */
enum guard_stage {
	GUARD_STAGE_NONE,
	GUARD_STAGE_FORK,
	GUARD_STAGE_CGROUP,
	GUARD_STAGE_MOUNT,
	GUARD_STAGE_DROP,
	GUARD_STAGE_PARENT,
	GUARD_STAGE_EXEC,
	GUARD_STAGES_
};

struct guard_ask {
	uint32_t magic;
	uint16_t version, verb;
	uint64_t serial; /* comes back in the answer */
	uint64_t deadline_us;
};

#define GUARD_IS_ARMED  1u
#define GUARD_IS_LOCKED 2u /* its memory is in the machine's and stays there */

struct guard_say {
	uint32_t magic;
	uint16_t version, phase;
	uint64_t serial;      /* 0: unasked */
	uint64_t deadline_us; /* what the kernel's timer holds */
	uint32_t flags;
	int32_t pid;    /* of the first process; 0: there never was one */
	int32_t status; /* as of waitpid */
	int32_t stage, sys;
};
