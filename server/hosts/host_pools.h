/*
 * host_pools: tell a host what the resource pools of its guests get there.
 *
 * Core thread only.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "proto/msg.h"

struct hosts;

/* The host has carried it out, or rc says why not; a link that broke is ERR_LOST.  When
 * the hosts are freed before: ERR_CANCELLED. */
typedef void (*host_pools_fn)(void *arg, int rc, const struct err *e);
/* p is packed at once.  False: the host is not linked, and done is not called. */
bool hosts_tell_pools(
    struct hosts *hs, obj_id host, Drover__HostPools *p, host_pools_fn done, void *arg);
/* When its present link was made, on the loop's clock: an agent that was started anew
 * has another one.  0: it has none. */
uint64_t hosts_link_since(const struct hosts *hs, obj_id host);
