/*
 * drs_demand: what guests wanted at most in a quarter of an hour, as one row of the
 * database holds it.
 *
 * A server that takes over expects what came at this time yesterday because of it.  A
 * row takes about ten bytes for each guest that wanted anything, and there is one more
 * each quarter of an hour; those of a day are kept.
 */
#pragma once
#include <stdint.h>

#include "base/id.h"

struct map;
struct txn;

/* Those of past (vm id → struct drs_past) in slot, as the row of quarter, into t. */
void drs_demand_put(
    struct txn *t, const struct map *past, uint64_t slot, uint64_t quarter);

typedef void (*drs_demand_fn)(void *arg, obj_id vm, uint32_t mhz);
/* Each guest of a row; what makes no sense ends it. */
void drs_demand_read(const char *most, drs_demand_fn each, void *arg);
