/*
 * fence_decide: may this host's guests go on running?  Leases, link and time in; what
 * to do with each guest and with the host out.  Pure; all times are our CLOCK_BOOTTIME.
 *
 * R2, the OR-lease: a guest runs while its datastore's lease or the network lease
 * holds, so neither a manager that is down nor storage that stalls stops it alone.  The
 * guard's deadline is the later of both and only ever grows.
 *
 * R5: an incarnation that was fenced gets no network lease ever again, because somebody
 * may act on that: its copies end, and it joins anew.
 *
 * R7: a guest that died is started again here, without asking, while its claim says run
 * and a lease holds.
 *
 * R8: a claim is dropped after its guest was reaped, not before; a guest that is paused
 * has not been reaped.
 *
 * R9: a copy that outlived its deadline never comes back: neither lease is renewed
 * until it was reaped and its claim dropped, however late an answer makes the lease
 * look valid again.
 *
 * R11: the isolation response of a guest, if wished.  The guests on a datastore that
 * this host alone has lost are killed after FENCE_LOST_STORE_MS, because another host
 * can run them.  R12: neither is done while frozen.  Then the leader's promise is a
 * lease of its own, long enough for another agent to come.
 *
 * A guest that is killed or stopped for any of these reasons is not wanted here any
 * longer: the caller makes that durable before it reports it reaped, because the leader
 * starts it elsewhere on that word.
 *
 * What cannot be killed within the kill bound takes the host down with it: the order to
 * reset it is given, and the hardware watchdog, where there is one, no longer fed (A4).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lease.h"
#include "host-agent/fence/lease_file.h"

#define FENCE_LOST_STORE_MS     20000u
#define FENCE_SHUTDOWN_LIMIT_MS 300000u /* then an isolated guest is powered off */

enum fence_authority {
	FENCE_SHARED,  /* its datastore's lease or the network's (R2) */
	FENCE_NETWORK, /* the long network lease alone: replicated or stateless */
	FENCE_NONE,    /* its disk is here alone: nobody else may ever start it */
};

enum fence_response { /* to isolation */
	FENCE_LEAVE_ON,
	FENCE_SHUT_DOWN,
	FENCE_POWER_OFF,
};

enum fence_mode { FENCE_NORMAL, FENCE_FROZEN };

struct fence_store {
	uint64_t end_ms;   /* of its lease */
	uint64_t renew_ms; /* when the last renewal that worked was sent */
	bool others_have;  /* the leader says: it is lost to this host alone */
};

struct fence_guest {
	enum fence_authority authority;
	enum fence_response response;
	size_t store;           /* of FENCE_SHARED: index of its datastore */
	bool alive;             /* it has processes that were not reaped */
	bool wanted;            /* nobody ordered it to stop */
	enum claim_phase phase; /* of our claim; CLAIM_NONE without one */
	uint64_t guard_ms;      /* deadline its guard is armed with; 0: no guard yet */
	uint64_t shutdown_ms;   /* when it was asked to shut down; 0: not */
};

enum fence_act {
	FENCE_KEEP,
	FENCE_ARM,     /* move the guard's deadline to guard_ms */
	FENCE_STOP,    /* ask the guest to shut down */
	FENCE_KILL,    /* now; the guard does the same on its own where it is late */
	FENCE_DROP,    /* it is reaped: write phase none (R8) */
	FENCE_RESTART, /* it died: start it again, guard at guard_ms (R7) */
};

enum fence_why {
	FENCE_WHY_NONE,
	FENCE_WHY_EXPIRED,  /* its lease is over */
	FENCE_WHY_FENCED,   /* our incarnation is (R5) */
	FENCE_WHY_ISOLATED, /* R11 */
	FENCE_WHY_STORE,    /* R11: this host alone lost its datastore */
	FENCE_WHY_STOPPED,  /* ordered */
	FENCE_WHY_DIED,     /* by itself */
	FENCE_WHYS_
};

struct fence_order {
	enum fence_act act;
	enum fence_why why;
	uint64_t guard_ms;
};

struct fence_view {
	bool joined; /* the leader gave us our incarnation since the host started */
	bool fenced; /* it said that this incarnation is over (R5) */
	enum fence_mode mode;
	uint64_t network_end_ms; /* of the grants of this incarnation */
	uint64_t long_end_ms;
	uint64_t freeze_end_ms; /* R12: holds for every guest */
	uint64_t manager_ms;    /* the leader's last word */
	uint64_t gateway_ms;    /* last answer of an isolation address */
	uint64_t isolation_ms;  /* T of R11; 0: never isolated */
	const struct lease_terms *terms;
	const struct fence_store *stores;
	size_t n_stores;
	const struct fence_guest *guests;
	size_t n_guests;
};

/* Kept from look to look; zero at the start of an agent and after each join. */
struct fence_state {
	bool expired; /* a copy outlived its deadline in this incarnation (R9) */
};

struct fence_effects {
	struct fence_order *orders; /* the caller's, one for each guest */
	bool *renew;      /* the caller's: may this store's block be written (R9) */
	bool ask_network; /* heartbeats may ask for a grant (R9) */
	bool isolated;    /* say so in the heartbeat block (R11) */
	bool rejoin; /* ask the leader for a new incarnation (R9); take no order till
			then */
	bool reset_host;    /* an expired copy is not dead after the kill bound */
	bool feed_watchdog; /* no expired copy is unreaped */
};

/* Look at every change of the view and at least once in half a second. */
void fence_decide(const struct fence_view *v, uint64_t now_ms, struct fence_state *s,
    struct fence_effects *out);

/* R2: until when a guest may run, by the leases alone. */
uint64_t fence_deadline(const struct fence_view *v, const struct fence_guest *g);

/* "its lease is over"; for events and logs. */
const char *fence_why_text(enum fence_why w);
