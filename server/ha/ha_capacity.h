/*
 * ha_capacity: which hosts each cluster can lose, found out by trying.
 *
 * Soon after something has changed, and every minute, the loss of each host of a
 * cluster with HA is gone through by scheduler/restart, which knows what guests need
 * and what rules they follow.  What came out is kept in the cluster's row (ha_survives,
 * ha_capacity and its slots) and for ha_capacity_of; events tell when fewer hosts may
 * be lost than the failover level says, and when guests would lose more than is
 * tolerated.
 *
 * Core thread; only trying is a worker's.
 */
#pragma once
#include <stddef.h>

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"

struct advice;
struct ha_capacity;
struct inv;
struct workers;

struct ha_capacity_opts {
	struct inv *inv;
	struct advice *advice;
	struct workers *workers; /* NULL: tries on the core thread */
};

struct ha_capacity *ha_capacity_new(const struct ha_capacity_opts *o); /* borrowed */
void ha_capacity_free(struct ha_capacity *c);

/*
 * {"survives", "text", "losses": [{"host", "host_name", "restarted", "unplaced":
 * [{"vm", "name", "text"}]}]}; NULL if the cluster has not been looked at yet. Borrowed
 * until the next loop turn.
 */
const json *ha_capacity_of(const struct ha_capacity *c, obj_id cluster);

/* plan is borrowed; NULL with an error. */
typedef void (*ha_try_fn)(void *arg, int rc, const struct err *e, const json *plan);
/*
 * What would come if these hosts of the cluster were lost at once: {"items": [{"vm",
 * "name", "priority", "from", "to", "wave", "text"}] in the order of their starts,
 * "restarted", "unplaced"}.  done comes once, in a later posts phase.
 */
void ha_capacity_try(struct ha_capacity *c, obj_id cluster, const obj_id *hosts,
    size_t n, ha_try_fn done, void *arg);
