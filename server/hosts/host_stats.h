/*
 * host_stats: samples (proto/stats.proto) over a host's link.
 *
 * Core thread only.
 */
#pragma once
#include "base/id.h"
#include "proto/msg.h"

struct hosts;

/* Samples of a host, borrowed; boot_id names its agent's life.  Fills in the answer. */
typedef void (*host_stats_fn)(void *arg, obj_id host, const char *boot_id,
    const Drover__StatBatch *b, Drover__StatAck *ret_ack);

/* Whom they are for, and how often they are wanted; NULL: nobody any more. */
void hosts_set_stats(
    struct hosts *hs, uint32_t interval_ms, host_stats_fn take, void *arg);
