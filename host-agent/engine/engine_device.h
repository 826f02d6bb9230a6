/*
 * engine_device: disks and network cards of a guest that is up: put in, taken out,
 * changed.
 *
 * A device has a number that says where in the machine it sits: the one in its name
 * ("disk-3", "nic-0"), whatever its place in the spec.  So a later start, an adoption
 * and the target of a move put each where the running guest has it, whatever was taken
 * out before.  A name without a free number gets the lowest that nobody has.
 */
#pragma once
#include "host-agent/engine/engine.h"

unsigned engine_disk_slot(const Drover__GuestSpec *spec, size_t i);
unsigned engine_nic_slot(const Drover__GuestSpec *spec, size_t i);

/* One device of a spec.  All of it is borrowed until the call returns. */
struct engine_device {
	const Drover__GuestSpec *spec;
	size_t i; /* in spec->disks or spec->nics */
	/* To plug it: the open image, the tap. */
	const struct engine_disk *disk;
	int tap_fd;
};

/* A device of that number that is there already, left by an order that was cut short,
 * is taken out first.  When it fails nothing of it is left. */
void engine_plug_disk(
    struct engine_guest *g, const struct engine_device *d, struct wake w);
void engine_plug_nic(
    struct engine_guest *g, const struct engine_device *d, struct wake w);
/*
 * The guest has to let go of it: ERR_TIMEOUT if it does not within a while, and then it
 * may still do so later.  Absent already: done.
 */
void engine_unplug_disk(
    struct engine_guest *g, const struct engine_device *d, struct wake w);
void engine_unplug_nic(
    struct engine_guest *g, const struct engine_device *d, struct wake w);
/* To size_bytes of its spec; never smaller. */
void engine_grow_disk(
    struct engine_guest *g, const struct engine_device *d, struct wake w);
/* To iops_limit and bytes_per_s_limit of its spec. */
void engine_limit_disk(
    struct engine_guest *g, const struct engine_device *d, struct wake w);
