/*
 * host_fence: this host's leases, and what they need of the rest of the agent.
 */
#pragma once
#include <stdbool.h>

#include "host-agent/fence/fence.h"

struct agent_conf;
struct guests;
struct stores;
struct uplink;

/* Its guests and its uplink are set when they are there, before host_fence_start. */
struct host_fence {
	struct fence *fence;
	struct fence_ping *ping; /* NULL: this process may not send echo requests */
	struct stores *stores;
	struct guests *guests;
	struct uplink *uplink;
	bool may_reset;
	const char *watchdog; /* the device; borrowed of the settings */
};

/* h stays where it is. */
int host_fence_open(struct host_fence *h, struct loop *l, struct workers *savers,
    const struct agent_conf *c, struct err *e) WARN_UNUSED;
void host_fence_fini(struct host_fence *h);
