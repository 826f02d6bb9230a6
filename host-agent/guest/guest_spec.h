/*
 * guest_spec: is this a guest that this host would run?
 *
 * Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"
#include "proto/guest.pb-c.h"

#define GUEST_MAX_CPU       512u
#define GUEST_MAX_MEMORY_MB (16u << 20)
#define GUEST_MAX_DISKS     32u
#define GUEST_MAX_NICS      16u
/* Packed; a spec that the book takes must be read from it again. */
#define GUEST_MAX_SPEC_BYTES (256u << 10)

#define GUEST_MAX_DEVICES 64u
#define GUEST_MAX_DNS     8u
#define GUEST_MAX_PIDS    4194304u

/* The engine whose guests are containers. */
#define GUEST_ENGINE_CONTAINER "oci"

/* An engine of this name invents its guests: no disks, wires or control groups are
 * made. */
#define GUEST_ENGINE_INVENTED "sim"

/*
 * Sound in itself, and within the host's own policy: bridges is the configured list of
 * allowed ones ("": any).  Disks lie in the guest's own folder, vms/vm-N/.
 */
int guest_spec_check(
    const Drover__GuestSpec *spec, const char *bridges, struct err *e) WARN_UNUSED;
Drover__GuestSpec *guest_spec_dup(const Drover__GuestSpec *spec);
void guest_spec_free(Drover__GuestSpec *spec); /* NULL is fine */
/* SHA-256 of the packed spec, hex. */
void guest_spec_digest(const Drover__GuestSpec *spec, char out[65]);
bool guest_spec_same(const Drover__GuestSpec *a, const Drover__GuestSpec *b);
bool guest_spec_invented(const Drover__GuestSpec *spec);
/* A real one: it has a root, wires and control groups of its own kind. */
bool guest_spec_is_container(const Drover__GuestSpec *spec);

/* guest_spec_container.c: what a container has besides what every guest has, as far as
 * it is the host's matter; the rest is for its engine to check. */
int guest_container_check(const Drover__GuestSpec *spec, struct err *e) WARN_UNUSED;
/* Is word one of the comma-separated list? */
bool guest_list_has(const char *list, const char *word);

DEFINE_AUTO(guest_spec, Drover__GuestSpec *, guest_spec_free)
