/*
 * restart: what comes after a host is lost, and what makes sure that it can.
 *
 * Pure; any thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "scheduler/failover.h"
#include "scheduler/sched_plan.h"
#include "scheduler/sched_view.h"

struct restart_ask {
	const uint64_t *lost; /* hosts */
	size_t lost_count;
	uint32_t at_once; /* starts on one host in a wave */
	bool
	    keeps_apart; /* or rules of that kind may be broken, as vSphere's HA does */
	bool waits;      /* a priority begins a wave after the one before it */
	enum sched_detail detail;
};

struct restart_ask restart_ask_default(void); /* 32 at once, nothing else */

/*
 * Where the guests that ran on the lost hosts start again: by priority, the large ones
 * first, then by id.  Must rules are never broken, should rules only where there is no
 * other host, and no host gets more guests than it may run.  Those that are not to be
 * restarted are left out; one that finds no host is a move with ERR_NO_CAPACITY.
 */
int sched_restart(const struct sched_view *v, const struct restart_ask *ask,
    struct sched_plan **ret_plan, struct err *e) WARN_UNUSED;

struct restart_admission {
	struct failover_slots slots; /* with the new one running */
	struct failover_share unreserved, keep;
	bool by_slots, by_share; /* may it be started? */
};

/* What the guests reserve that run in a cluster (0: on hosts that stand alone), and one
 * more, with so many hosts that may be lost. */
int sched_admit(const struct sched_view *v, uint64_t cluster,
    const struct failover_guest *more, uint32_t failures, struct restart_admission *ret,
    struct err *e) WARN_UNUSED;
