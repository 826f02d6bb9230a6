/*
 * ha_proactive_int: what the files of ha_proactive share.
 */
#pragma once
#include <stddef.h>

#include "server/ha/ha_proactive_decide.h"

#define PROACTIVE_REASON "hostInDegradation"

struct inv;

/* ha_proactive_rec.c: recommendations of a cluster become those of acts, of which
 * there is one for each of the hosts; NULL: there are none. */
void proactive_recommend(struct inv *inv, obj_id cluster,
    const struct proactive_view *v, const struct proactive_act *acts);
