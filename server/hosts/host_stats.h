/*
 * host_stats: samples (proto/stats.proto) over a host's link, and who watches.
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

/* Samples of what is watched on a host, borrowed. */
typedef void (*host_live_fn)(void *arg, obj_id host, const Drover__StatRound *r);

/* Whom they are for; NULL: nobody any more. */
void hosts_set_watches(struct hosts *hs, host_live_fn take, void *arg);
/* It has a link, and its agent is no older one. */
bool hosts_takes_watches(const struct hosts *hs, obj_id host);
/* False: it does not, or its link takes no more now. */
bool hosts_watch(struct hosts *hs, obj_id host, Drover__StatWatch *w);
