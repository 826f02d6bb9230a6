/*
 * engine_pick: which engine runs a guest of a kind.
 */
#pragma once
#include <stdbool.h>

#include "base/err.h"
#include "server/inventory/inv.h"

/* The best that the host can use for it, NULL if none. */
const char *engine_of_host(const struct host *h, enum guest_type type);
/* Why not that one; from the host's own words, NULL if it does not say. */
const char *engine_why_not(const struct host *h, const char *name);
/* Does that one of the host's say that it can do what a capability names? */
bool engine_is_able(const struct host *h, const char *name, const char *capability);
/* The best that any host of the cluster can use; ERR_NO_CAPACITY with each host's why.
 */
int engine_of_cluster(const struct inv *inv, obj_id cluster, enum guest_type type,
    const char **ret_name, struct err *e) WARN_UNUSED;
