/*
 * sampler: samples of this host and its guests, when the server wants them.
 *
 * They go on while the server is away and are kept until it has them, an hour of them
 * and SAMPLER_BYTES_MAX at most; the newest stay.  Nothing is sampled before a server
 * has told when.  Loop thread only.
 */
#pragma once
#include "host-agent/collect/look.h"

#define SAMPLER_KEPT_MS   3600000u
#define SAMPLER_BYTES_MAX ((size_t)64 << 20)
#define SAMPLER_MIN_MS    500u
#define SAMPLER_MAX_MS    300000u
/* In one batch, unless one round alone is more. */
#define SAMPLER_BATCH_ROUNDS 60u
#define SAMPLER_BATCH_BYTES  ((size_t)4 << 20)

struct sampler;

struct sampler_conf {
	struct look_conf look;
	/* False: it cannot be sent now. */
	bool (*send)(void *arg, Drover__StatBatch *b);
	void *arg;
};

struct sampler *sampler_new(const struct sampler_conf *c);
void sampler_free(struct sampler *s);
/* There is a link, and its server wants samples so often; 0: it wants none. */
void sampler_welcome(struct sampler *s, uint32_t interval_ms);
void sampler_ack(struct sampler *s, const Drover__StatAck *a);
/* The link is gone: what was on its way is sent again. */
void sampler_link_down(struct sampler *s);
