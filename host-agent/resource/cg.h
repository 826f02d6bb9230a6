/*
 * cg: one control group for each guest, under one group of this agent.
 *
 * cgroup v1 (one mount for each controller) and v2 behind one interface; which one is
 * found at cg_new.  The root is given, so that tests use a tree of their own.  Files of
 * the kernel: writes are short, the calls are made on the loop thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "host-agent/resource/cg_values.h"

struct cg;

struct cg_usage {
	uint64_t cpu_used_us;
	uint64_t memory_bytes;
	uint64_t pids;
};

/*
 * root is "/sys/fs/cgroup" but in tests; base is the agent's group below it, "drover"
 * or "drover/lab-h1" (made where absent).  ERR_UNAVAILABLE with the reason where there
 * are no usable cgroups: the agent then runs without.
 */
int cg_new(
    const char *root, const char *base, struct cg **ret_cg, struct err *e) WARN_UNUSED;
void cg_free(struct cg *cg);                 /* groups stay */
const char *cg_version(const struct cg *cg); /* "v1" or "v2" */

/* Make the guest's group where it is absent and set the values. */
int cg_guest_set(struct cg *cg, uint64_t guest, const struct cg_values *v,
    struct err *e) WARN_UNUSED;
/* What it enters its groups by, NULL-ended, for child_opts.join_cgroups; borrowed until
 * the next call. */
const char *const *cg_guest_join(struct cg *cg, uint64_t guest);
/* Its group below the root of every hierarchy, "drover/vm-42", for engine_boot.cgroup;
 * borrowed until the next call. */
const char *cg_guest_path(struct cg *cg, uint64_t guest);
int cg_guest_usage(
    struct cg *cg, uint64_t guest, struct cg_usage *ret_u, struct err *e) WARN_UNUSED;
/* Remove the group; absent is fine. ERR_BUSY while a process is in it. */
int cg_guest_del(struct cg *cg, uint64_t guest, struct err *e) WARN_UNUSED;
/* Numbers of the guests that have a group; returns how many, writes at most max. */
int cg_guests(struct cg *cg, uint64_t *ret_guests, unsigned max, unsigned *ret_n,
    struct err *e) WARN_UNUSED;
/* Remove the agent's own group, which must be empty by now. */
int cg_remove_base(struct cg *cg, struct err *e) WARN_UNUSED;
