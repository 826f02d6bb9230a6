/*
 * stat_intake: rounds of samples from agents to their objects' rings.
 */
#pragma once
#include "base/id.h"
#include "proto/msg.h"

struct stats;

/* As host_stats_fn, which it is for the hosts that stats were made with.  What was
 * taken before, is too old, or is of a guest that the host does not have is passed
 * over. */
void stats_take(void *stats, obj_id host, const char *boot_id,
    const Drover__StatBatch *b, Drover__StatAck *ret_ack);
