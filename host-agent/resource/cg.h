/*
 * cg: one control group for each guest, under one group of this agent.
 *
 * cgroup v1 (one mount for each controller) and v2 behind one interface; which one is
 * found at cg_new.  The root is given, so that tests use a tree of their own.  Files of
 * the kernel: calls are short and are made on the loop thread, but for memory that is
 * to be taken back, which takes a while: cg_guest_set may be called on any thread.
 *
 * Groups of pools lie between the agent's group and those of guests: in v2, and in v1
 * where CPU time is divided; with v1 the memory of a pool is held by its guests' groups
 * alone (ADR 0028).
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "host-agent/resource/cg_values.h"
#include "host-agent/resource/counters.h"

struct cg;
struct disk_io;

struct cg_usage {
	uint64_t cpu_used_us;
	uint64_t memory_bytes;
	uint64_t idle_bytes; /* of it, caches that were not used lately */
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
/* How fast a CPU of this host is, for limits in MHz; 0, as at first: not known. */
void cg_set_cpu_mhz(struct cg *cg, uint32_t mhz);
uint32_t cg_cpu_mhz(const struct cg *cg);

/*
 * Make the guest's group where it is absent and set the values.  Of a group in use too:
 * ERR_BUSY names what is used where that is more memory than it shall have, which then
 * it keeps, with all else.  The kernel takes back caches meanwhile.
 */
int cg_guest_set(struct cg *cg, uint64_t guest, const struct cg_values *v,
    struct err *e) WARN_UNUSED;

/* The same of memory alone.  A limit below what is in use becomes what is in use. */
int cg_guest_bound(
    struct cg *cg, uint64_t guest, struct cg_values *v, struct err *e) WARN_UNUSED;

/* Fill in where its group lies and what it weighs there, for cg_guest_set. */
void cg_values_place(const struct cg *cg, uint64_t guest, struct cg_values *v);

/* What a pool or a guest gets of the pool it lies in. */
struct cg_slice {
	uint64_t id;
	uint64_t pool; /* 0: it lies in the agent's own group */
	uint32_t cpu_shares, cpu_weight;
	uint64_t cpu_quota_us; /* 0: as much as there is */
	/* Of a pool, with what running its guests takes; 0: none. */
	uint64_t mem_limit_bytes, mem_kept_bytes, mem_reserved_bytes;
};

struct cg_pools {
	const struct cg_slice *pools; /* those that hold others before them */
	size_t n_pools;
	const struct cg_slice *guests;
	size_t n_guests;
};

/*
 * Make the groups of pools as they are told, whole: weights, quotas, memory in v2, and
 * the guests in them.  A guest that runs is carried over with all its processes; in v2
 * only one whose engine makes no groups below its own, others stay until theirs are
 * made anew.  Groups of other pools go once they are empty. Goes on past a failure; the
 * first one is told.
 */
int cg_pools_set(struct cg *cg, const struct cg_pools *s, struct err *e) WARN_UNUSED;
/* Some pool uses more memory than its limit is to be, which is where it is until then:
 * set them again. */
bool cg_pools_wait(const struct cg *cg);
/* Carry over what an engine has put beside the guest's group since. */
int cg_guest_gather(struct cg *cg, uint64_t guest, struct err *e) WARN_UNUSED;

/*
 * Limits of one disk, each way; 0: none; of the group and those that are below it by
 * now.  In v1 the kernel does not know whose writes
 * they are that its caches held back: what is read, written past the caches or synced
 * is bounded, the rest not.
 */
struct cg_disk {
	dev_t dev; /* of the whole device */
	uint64_t iops;
	uint64_t bytes_per_s;
};

int cg_guest_set_disk(
    struct cg *cg, uint64_t guest, const struct cg_disk *d, struct err *e) WARN_UNUSED;
/*
 * Who moves the first process after a while between groups waits 10 to 20 ms, until all
 * processors have let go of what is old; who moves more soon after does not.  So wait
 * now, while a guest is made ready.  Any thread.  What cannot be is let be.
 */
void cg_stir(const struct cg *cg);
/* What it enters its groups by, NULL-ended, for child_opts.join_cgroups; borrowed until
 * the next call. */
const char *const *cg_guest_join(struct cg *cg, uint64_t guest);
/* Its group below the root of every hierarchy, "drover/vm-42", for engine_boot.cgroup;
 * borrowed until the next call. */
const char *cg_guest_path(struct cg *cg, uint64_t guest);
int cg_guest_usage(
    struct cg *cg, uint64_t guest, struct cg_usage *ret_u, struct err *e) WARN_UNUSED;
/*
 * Add "memory", "swap", "kernel_memory", "cpu", "cpu_throttled", "cpu_ready" and
 * "processes", each where the kernel has it, of the group and those below it. Failures:
 * killings for lack of memory, forks that were refused, periods whose CPU time was used
 * up.
 */
int cg_guest_counters(
    struct cg *cg, uint64_t guest, struct counters *to, struct err *e) WARN_UNUSED;
/* What it has done to each of those devices since it was made, in place of what v says.
 */
int cg_guest_io(struct cg *cg, uint64_t guest, struct disk_io *v, size_t n,
    struct err *e) WARN_UNUSED;
/* Remove the group and those below it, in every hierarchy; absent is fine.  ERR_BUSY
 * while a process is in one. */
int cg_guest_del(struct cg *cg, uint64_t guest, struct err *e) WARN_UNUSED;
/* Numbers of the guests that have a group; returns how many, writes at most max. */
int cg_guests(struct cg *cg, uint64_t *ret_guests, unsigned max, unsigned *ret_n,
    struct err *e) WARN_UNUSED;
/* Remove the agent's own group, which must be empty by now. */
int cg_remove_base(struct cg *cg, struct err *e) WARN_UNUSED;
