/*
 * live: samples of what somebody watches, every other second for as long as he does.
 *
 * A wish of the server's is a lease: it ends by itself, and with the link.  Samples
 * that cannot be sent at once are dropped.  What the sampler does stays as it is.  Loop
 * thread only.
 */
#pragma once
#include <stdbool.h>

#include "host-agent/collect/look.h"

#define LIVE_OBJECTS_MAX  32u /* others are passed over */
#define LIVE_MIN_MS       1000u
#define LIVE_MAX_MS       60000u
#define LIVE_LEASE_MAX_MS 120000u

struct live;

struct live_conf {
	struct look_conf look;
	void (*send)(void *arg, Drover__StatRound *r);
	void *arg;
};

struct live *live_new(const struct live_conf *c);
void live_free(struct live *l);
void live_watch(struct live *l, const Drover__StatWatch *w);
void live_link_down(struct live *l);
/* Somebody watches. */
bool live_is_on(const struct live *l);
