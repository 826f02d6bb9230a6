/*
 * guest_change: from one spec to the next, device by device.
 *
 * Devices are told apart by name.  Pure.
 */
#pragma once
#include "host-agent/guest/guest_spec.h"

/* In the order in which they are carried out: what is taken away goes last. */
enum guest_change_kind {
	CHANGE_DISK_NEW,
	CHANGE_DISK_GROWN,
	CHANGE_DISK_LIMITS,
	CHANGE_NIC_NEW,
	CHANGE_NIC_SET, /* its bridge, VLAN, address or limits */
	CHANGE_NIC_GONE,
	CHANGE_DISK_GONE,
};

struct guest_change {
	enum guest_change_kind kind;
	size_t was; /* its place in the old spec, unless it is new */
	size_t is;  /* its place in the new one, unless it is gone */
};

#define GUEST_CHANGES_MAX (3 * GUEST_MAX_DISKS + 2 * GUEST_MAX_NICS)

struct guest_changes {
	size_t n;
	struct guest_change v[GUEST_CHANGES_MAX];
};

void guest_changes(
    const Drover__GuestSpec *a, const Drover__GuestSpec *b, struct guest_changes *out);

/* Disks only grow, running or not.  ERR_INVALID. */
int guest_change_check(
    const Drover__GuestSpec *a, const Drover__GuestSpec *b, struct err *e) WARN_UNUSED;

/* What holds the guest's state of now: its process, or the memory that was saved. */
enum guest_held { GUEST_HELD_UP, GUEST_HELD_SAVED };

/* Can b replace a meanwhile?  ERR_UNSUPPORTED "needs power off: …" if not. */
int guest_change_hot(const Drover__GuestSpec *a, const Drover__GuestSpec *b,
    enum guest_held held, struct err *e) WARN_UNUSED;
