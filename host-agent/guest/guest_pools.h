/*
 * guest_pools: the resource pools that the server has guests of this host in.
 *
 * What it told last is kept and laid over the guests' own settings whenever one of
 * both changes.
 */
#pragma once
#include "host-agent/guest/guest_int.h"

struct cg_values;

/* A new set, whole; the old one is forgotten.  The first failure to carry it out, of
 * one that holds nevertheless. */
int guest_pools_take(
    struct guests *gs, const Drover__HostPools *p, struct err *e) WARN_UNUSED;
void guest_pools_free(struct guest_pools *p);
/* Lay them over the guests' groups as they are now; what fails is logged. */
void guest_pools_apply(struct guests *gs);
/* Have it where its pool is, with all that its engine has started since. */
void guest_pools_gather(const struct guest *g);
/* What of the guest's settings counts in its pool. */
void guest_pools_values(
    const struct guest *g, const Drover__GuestSpec *spec, struct cg_values *v);

/* What the server has told of its memory, in MB; zeroes: nothing. */
struct guest_share {
	uint64_t entitled, most;
};

struct guest_share guest_pools_memory(const struct guest *g);
/* MHz; 0: the server has not told. */
uint64_t guest_pools_entitlement(const struct guest *g);
