/*
 * guard_int: the parts of drover-guard.
 *
 *   drover-guard run --listen FD [--deadline US] [--uid N --gid N] [--cgroup FILE]… \
 *       -- PROGRAM ARGUMENT…
 *   drover-guard hold --listen FD [--deadline US]
 *   drover-guard enter --init FD -- PROGRAM ARGUMENT…
 *
 * run: the program becomes the first process of a PID namespace.  hold: the first
 * process is one of ours that does nothing but bury; what is to die with the guard is
 * brought in by enter, whose descriptor is a pidfd of that process, and which ends as
 * its program does.
 *
 * The guard itself stays outside.  At the deadline, microseconds of CLOCK_BOOTTIME, the
 * kernel kills it, because of that its child, and because of that all in the namespace:
 * nobody of us need be scheduled for it.  Other descriptors than its own go to the
 * program as they are.  docs/adr/0030 says why all this.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "host-agent/fence/guard_wire.h"

#define GUARD_CGROUPS_MAX 16

struct guard_plan {
	int listen_fd;
	bool armed;
	uint64_t deadline_us;
	uint32_t uid, gid;
	const char *cgroups[GUARD_CGROUPS_MAX];
	unsigned n_cgroups;
	char *const *program; /* NULL: hold */
};

/* Why there is no program; stage GUARD_STAGE_NONE: there is. */
struct guard_failure {
	int32_t stage, sys;
};

/* guard_child.c: fork the first process of a new PID namespace, and wait until it has
 * become its program.  *ret_pid is 0 if it did not. */
void guard_fork(
    const struct guard_plan *p, pid_t *ret_pid, struct guard_failure *ret_failure);

/* Let go of everything that the guest may want to have alone: its descriptors from 3 on
 * but keep (-1: none), its output and the folder. */
void guard_let_go(int keep);

/* All of s is a number; -1: it is not. */
int guard_number(const char *s, uint64_t *ret_n);

/* guard_enter.c: the command; returns only on failure. */
int guard_enter(char **args);
