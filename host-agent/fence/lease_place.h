/*
 * lease_place: where on a datastore the blocks of leases lie, and making that place.
 *
 *   .drover/ha/beats-CLUSTER       heartbeats of a cluster's hosts
 *   .drover/ha/guests/vm-N.claims  claims on a guest
 *
 * A file is made only on a datastore that still has its mark: in the empty folder of a
 * mount that is missing a lease would be one that nobody else can see.
 */
#pragma once
#include <stdint.h>

#include "host-agent/fence/lease_file.h"

struct datastore;
struct lease_io;

/* Areas of ds; cluster is 16 bytes.  ERR_INVALID: the datastore's uuid is none. */
int lease_area_of(const struct datastore *ds, const uint8_t *cluster, uint32_t slots,
    struct lease_area *ret_a, struct err *e) WARN_UNUSED;
/* Caller frees. */
char *lease_place_path(const struct datastore *ds, const struct lease_area *a);

struct lease_maker {
	void (*done)(void *arg, int rc, const struct err *e);
	void *arg;
	const void *owner; /* as of lease_io_forget */
};

/* See that the file of a is there, with a->slots or, where it was there, as many as it
 * has.  ds is referenced until it is done. */
int lease_place_make(struct lease_io *io, struct datastore *ds,
    const struct lease_area *a, uint32_t deadline_ms, struct lease_maker maker,
    struct err *e) WARN_UNUSED;
/* Is the datastore itself there, so that a file which is not found is none?  The
 * arguments are those of lease_place_make. */
int lease_place_check(struct lease_io *io, struct datastore *ds,
    const struct lease_area *a, uint32_t deadline_ms, struct lease_maker maker,
    struct err *e) WARN_UNUSED;
/* Remove it; nobody hears of the end. */
int lease_place_remove(struct lease_io *io, struct datastore *ds,
    const struct lease_area *a, uint32_t deadline_ms, struct err *e) WARN_UNUSED;
