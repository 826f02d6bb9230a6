/*
 * guest_chain: how a snapshot, its revert and its deletion change a guest's disks.
 *
 * Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "proto/guest.pb-c.h"
#include "proto/snapshot.pb-c.h"

/* Is after what before becomes when each disk gets a fresh image on top? */
int chain_take_check(const Drover__GuestSpec *before, const Drover__GuestSpec *after,
    struct err *e) WARN_UNUSED;

/* Where a merge is in a guest's disks. */
struct chain_place {
	bool in_use;  /* in the chain of a disk, as the spec has it */
	size_t disk;  /* its number */
	size_t upper; /* counted from the top, 0 being the image that is written */
};

void chain_find(const Drover__GuestSpec *spec, const Drover__LayerMerge *m,
    struct chain_place *ret_p);
/* Number i from the top of d's chain; only what it points to is good after the call. */
Drover__DiskLayer chain_layer(const Drover__DiskSpec *d, size_t i);
/* The spec as it is after the merge at p; the caller frees. */
Drover__GuestSpec *chain_without(
    const Drover__GuestSpec *spec, const struct chain_place *p);
/* Is the written image of any disk of wanted one that has frozen since, below what spec
 * has?  Writing to it would spoil what stands on it. */
bool chain_is_behind(const Drover__GuestSpec *spec, const Drover__GuestSpec *wanted);
bool chain_same(const Drover__GuestSpec *a, const Drover__GuestSpec *b);
/* Does any chain of the spec have the image? */
bool chain_has(const Drover__GuestSpec *spec, uint64_t datastore, const char *path);

/*
 * May this guest's order touch these images?  All lie in its own folder, and the merges
 * lead from before to after.
 */
int chain_delete_check(const Drover__GuestSpec *before,
    const Drover__SnapshotDelete *del, struct err *e) WARN_UNUSED;
int chain_drop_check(const Drover__GuestSpec *after, Drover__DiskSpec *const *drop,
    size_t n, struct err *e) WARN_UNUSED;
