/*
 * inv_place: all that an object is in: folders, datacenter, pools, host, cluster.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/id.h"

struct inv;
struct obj;

/* Deeper than anybody nests folders and pools. */
#define INV_PLACES_MAX 64u

/* NULL: there is none. */
typedef const struct obj *(*inv_look_fn)(const void *arg, obj_id id);

/* Itself, then what it is in; what look does not find leads no further.  Returns how
 * many. */
size_t inv_places_seen(
    inv_look_fn look, const void *arg, obj_id id, obj_id ret_ids[INV_PLACES_MAX]);
size_t inv_places(const struct inv *inv, obj_id id, obj_id ret_ids[INV_PLACES_MAX]);
/* Everything is within itself. */
bool inv_is_within(const struct inv *inv, obj_id id, obj_id place);
