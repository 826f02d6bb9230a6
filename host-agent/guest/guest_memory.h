/*
 * guest_memory: how much memory each guest is left, once a second.
 *
 * Machines are asked for theirs by the balloon (balloon_decide), and their groups
 * follow what they give back; containers are bounded by their groups.
 */
#pragma once
#include "host-agent/guest/guest_int.h"

struct cg_values;
struct counters;

/* It is down, or gone. */
void guest_memory_drop(struct guest *g);
/* Fill in what its group is to do about memory, as things are. */
void guest_memory_values(
    const struct guest *g, const Drover__GuestSpec *spec, struct cg_values *v);
/* Bytes that a machine's process takes besides its guest's memory, at most. */
uint64_t guest_memory_overhead(const struct guest *g);
/* Add "memory_entitlement", "memory_demand" and "balloon". */
void guest_memory_count(const struct guest *g, struct counters *to);
