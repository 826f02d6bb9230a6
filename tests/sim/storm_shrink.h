/*
 * storm_shrink: the smallest schedule that still fails: faults are left out, then made
 * shorter, as long as the run breaks the same invariant.
 */
#pragma once
#include "tests/sim/storm.h"

/* s is a schedule of seed that fails; made smaller in place. */
void storm_shrink(uint64_t seed, enum storm_plant plant, struct storm_schedule *s);
