/*
 * host_samples: what is sampled of this host for everybody, and for whoever watches,
 * over its uplink.
 */
#pragma once
#include "host-agent/collect/live.h"
#include "host-agent/collect/sampler.h"

struct uplink;

struct host_samples {
	struct uplink *uplink;
	struct sampler *sampler;
	struct live *live;
};

/* The uplink outlives it. */
void host_samples_open(
    struct host_samples *h, const struct look_conf *look, struct uplink *u);
/* A zeroed one is fine. */
void host_samples_fini(struct host_samples *h);
/* There is a link, and its server wants samples so often; 0: it wants none. */
void host_samples_welcome(struct host_samples *h, uint32_t interval_ms);
void host_samples_link_down(struct host_samples *h);
