/*
 * host_sync: a host's guests against what the inventory has there.  Pure.
 *
 * Nothing is ever deleted on a host because of a difference: what should not be there
 * is named. What a move has left behind, because the host was away when the move ended,
 * is put in order: the move has ended, so the inventory says where the machine is.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/hosts/guest_news.h"

/* A machine that the inventory has on this host, or elsewhere. */
struct sync_vm {
	uint64_t number;
	const char *uuid;
	bool busy; /* a task works on it: left alone */
	struct guest_known known;
	bool elsewhere; /* its host is another one */
	bool leased;    /* it runs under leases, so HA may have started it there */
};

enum sync_kind {
	SYNC_CHANGE,    /* change says what */
	SYNC_MISSING,   /* the host does not know it */
	SYNC_UNKNOWN,   /* the inventory does not have it here */
	SYNC_RELEASE,   /* given away: its target has it */
	SYNC_REFUSE,    /* a move that ended would have brought it here */
	SYNC_TAKE_BACK, /* given away, but its target refused */
};

struct sync_finding {
	enum sync_kind kind;
	uint64_t number;
	const Drover__GuestStatus *status; /* NULL of MISSING */
	struct guest_change change;
};

/*
 * vms ascending by number. What is missing is only looked for when whole is set.
 * Returns how many findings there are; out holds n_vms + n_guests.
 */
enum sync_scope { SYNC_PRESENT, SYNC_WHOLE };

size_t host_sync(const struct sync_vm *vms, size_t n_vms,
    Drover__GuestStatus *const *guests, size_t n_guests, enum sync_scope scope,
    struct sync_finding *out);
