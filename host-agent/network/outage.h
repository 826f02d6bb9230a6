/*
 * outage: for how long a guest that moves here does not answer on its network, by this
 * host's clock.
 *
 * It is asked for its address over and over (ARP, to its own hardware address, so that
 * the question goes where its neighbours' packets go), first at its old place and then
 * at its new one.  The longest time without an answer around the switch is the outage:
 * the pause itself, and what the bridges take to learn where it is.  Only what bears
 * the guest's hardware address counts as an answer.  Loop thread.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "loop/post.h"

struct outage;

struct outage_guest {
	const char *bridge;
	const char *mac;     /* "52:54:00:…" */
	const char *address; /* "10.1.2.3/24" */
	uint32_t vlan;       /* 0: untagged */
};

/* Begin to ask, as early as it is known that it is to come: one whose disks need not be
 * copied leaves a few milliseconds after its target is ready.  ERR_DENIED if this process may not, ERR_INVALID if it cannot be asked:
 * it has no address.  Everything is borrowed until this returns. */
int outage_new(struct loop *l, const struct outage_guest *g, struct outage **ret_o,
    struct err *e) WARN_UNUSED;
void outage_free(struct outage *o); /* NULL is fine */
/*
 * It runs here: w is posted when it has answered a few times since, or has not for a
 * second.  Then outage_us says; nothing is asked any more.
 */
void outage_end(struct outage *o, struct wake w);
/* ERR_LOST: it did not answer before the switch, or has not since. */
int outage_us(const struct outage *o, uint64_t *ret_us, struct err *e) WARN_UNUSED;
