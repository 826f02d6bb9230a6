/*
 * pool_tree: the resource pools of a cluster, and what they admit.
 *
 * CPU is MHz, memory MB.  The root pool has the capacity of the cluster's connected
 * hosts as its reservation.  Guests count that are on, or about to be: with their
 * reservation. The rules are those of scheduler/admit.h; refusals name the pool, what
 * it lacks and what would make it fit.
 *
 * Core thread; nothing is kept between calls.
 */
#pragma once
#include "base/err.h"
#include "base/id.h"
#include "server/inventory/inv.h"

/* What a guest or a pool has reserved, and its bounds. */
struct pool_claim {
	uint64_t cpu_mhz, mem_mb;
};

/*
 * May a guest that claims so much run in pool, besides those that run there?  vm, which
 * may be none, is not counted as it is now.  Also for a guest that runs and is to be
 * moved to the pool, or to get another reservation.  ERR_NO_CAPACITY.
 */
int pool_admit_guest(const struct inv *inv, obj_id pool, obj_id vm,
    const struct pool_claim *claim, struct err *e) WARN_UNUSED;
/* Is it refused because the cluster's hosts are too few, so that more of them would do?
 */
bool pool_wants_hosts(
    const struct inv *inv, obj_id pool, obj_id vm, const struct pool_claim *claim);

/*
 * Would the tree hold with the pool as it is wanted: below parent, with its new
 * settings? now is the pool as it is, NULL for a new one.  ERR_NO_CAPACITY; ERR_INVALID
 * for settings that contradict each other, a parent that lies in the pool, or one too
 * deep.
 */
int pool_admit_pool(const struct inv *inv, const struct pool *now,
    const struct pool *wanted, obj_id parent, struct err *e) WARN_UNUSED;

#define POOL_MAX_DEPTH 8u /* below the root pool */

enum pool_health { POOL_HEALTH_VALID, POOL_HEALTH_OVERCOMMITTED, POOL_HEALTH_INVALID };

/* Of the cluster's tree; why (may be NULL, caller frees) names the pool. */
enum pool_health pool_tree_health(
    const struct inv *inv, obj_id cluster, char **ret_why);

/* Of a guest that is on, or about to be. */
struct pool_claim pool_claim_of(const struct vm *vm);
/* CPU and memory shares of a guest, from its level or its own number. */
uint64_t pool_cpu_shares(const char *level, uint64_t custom, uint64_t num_cpu);
uint64_t pool_mem_shares(const char *level, uint64_t custom, uint64_t memory_mb);
