/*
 * admission: what a cluster keeps free for the guests of lost hosts.
 *
 * Asked when a guest is powered on, moved into the cluster while it runs, or given more
 * of a reservation.  HA itself never asks: what is kept is there for its restarts.
 *
 * Hosts count that are connected and in use (admission_counts).  A machine takes
 * ADMISSION_OVERHEAD_MB besides its reservation, a container nothing.  Core thread;
 * nothing is kept between calls.
 */
#pragma once
#include "base/err.h"
#include "base/id.h"
#include "server/admission/admission_check.h"
#include "server/inventory/inv.h"

#define ADMISSION_OVERHEAD_MB 96u /* as hosts limit a machine's process */

/* Could vm, with what it reserves there, run in cluster besides the others?
 * ERR_NO_CAPACITY; 0 where HA is off. */
int admission_guest(const struct inv *inv, obj_id cluster, const struct vm *vm,
    struct err *e) WARN_UNUSED;
/* And start by somebody's order on the host that it is on: not where that is kept free.
 */
int admission_start(
    const struct inv *inv, const struct vm *vm, struct err *e) WARN_UNUSED;
/* May now, which is on, become wanted?  Only more of a reservation is asked about. */
int admission_grow(const struct inv *inv, const struct vm *now, const struct vm *wanted,
    struct err *e) WARN_UNUSED;
/* Is what it has there for guests?  Not while it is away, goes into maintenance or is
 * in it, goes into standby or comes back. */
bool admission_counts(const struct host *h);
/* Is it one of its cluster's failover hosts?  Nothing is placed or started there but by
 * HA. */
bool admission_is_kept(const struct inv *inv, obj_id host);
/* How much of what they use its guests would miss with as many hosts lost as may be, in
 * percent. */
uint32_t admission_degradation(const struct inv *inv, obj_id cluster);
/* How a cluster stands. */
void admission_stand(const struct inv *inv, obj_id cluster, struct admission_room *ret);
