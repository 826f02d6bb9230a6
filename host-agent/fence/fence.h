/*
 * fence: this host's leases, and what follows from them for the guests on it.
 *
 * fence_decide and claim_decide say what is to be done; here is who gathers what they
 * look at and does what they say.  Once in renew_ms of what the leader wants (HaConf,
 * kept on disk) the host writes its block on each datastore, reads the others', and
 * sends a Beat; a BeatReply brings the network lease, counted from when that Beat was
 * sent (R1).  Four times a second, and at each change, fence_decide looks at all
 * guests that are under leases.
 *
 * A guest is under leases from its claim on: the order that starts it, or takes it in,
 * waits for the wake of fence_claim, boots with fence_guard_until_us, and drops the
 * claim after the guest was reaped.  One that runs without a claim is let alone until
 * this host holds leases and the leader names it: it has had a guard from its start, so
 * it is claimed as it runs.
 *
 *   fence.c           life
 *   fence_look.c      what fence_decide looks at and says
 *   fence_keep.c      what outlives the agent
 *   fence_store.c     heartbeat blocks
 *   fence_beat.c      Beat; fence_reply.c: BeatReply, HaConf
 *   fence_claim.c     orders that wait for a claim
 *   fence_register.c  claims on storage
 *   fence_late.c      guests that are claimed as they run
 *   fence_freeze.c    the agent is about to be exchanged (R12)
 *
 * Loop thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "loop/post.h"
#include "proto/envelope.pb-c.h"

struct datastore;
struct fence;
struct fence_ping;
struct watchdog;
struct workers;

/* What there is of a guest on this host. */
struct fence_copy {
	uint64_t guest;
	uint64_t run_gen;
	bool alive;  /* it has processes that were not reaped */
	bool busy;   /* an order is at work that may start or end it */
	bool wanted; /* of one that is down: nobody meant it to be */
	bool guarded, heard;
	bool moves; /* it stands still: it has not come whole, or was given away */
	uint64_t guard_us; /* as its guard confirmed it; GUARD_NO_DEADLINE */
};

typedef void (*fence_copy_fn)(void *to, const struct fence_copy *c);

/* How the rest of the agent looks and acts for us.  Nothing here calls back at once. */
struct fence_hands {
	/* Borrowed until the next loop turn. */
	int (*store)(
	    void *arg, uint64_t datastore, struct datastore **ret_ds, struct err *e);
	/* False: the guest is not known here. */
	bool (*copy)(void *arg, uint64_t guest, struct fence_copy *ret_c);
	void (*each)(void *arg, fence_copy_fn fn, void *to);
	int (*arm)(void *arg, uint64_t guest, uint64_t deadline_us, struct err *e);
	void (*shut_down)(void *arg, uint64_t guest, const char *why);
	void (*kill)(void *arg, uint64_t guest, const char *why);
	/* Start one that died again, as the generation that it is. */
	int (*restart)(void *arg, uint64_t guest, struct err *e);
	int (*send)(void *arg, Drover__Envelope *m, struct err *e);
	/* A copy that cannot be killed runs beyond its lease: the host goes down. */
	void (*reset_host)(void *arg, const char *why);
	/* watchdog_open of the device that the host has. */
	int (*watchdog)(void *arg, uint32_t want_s, uint32_t kill_ms,
	    struct watchdog **ret_w, struct err *e);
	void *arg;
};

struct fence_conf {
	struct loop *loop;
	struct workers *savers;
	const char *path;        /* of what is kept; copied */
	const char *boot;        /* the kernel's boot id; copied */
	struct fence_ping *ping; /* borrowed; NULL: the host is never isolated */
};

/* Reads what was kept (blocks, start-up); what is damaged is set aside. */
int fence_open(const struct fence_conf *c, const struct fence_hands *hands,
    struct fence **ret_f, struct err *e) WARN_UNUSED;
/* Guests run on under their guards. */
void fence_free(struct fence *f);
/* The guests that run here are known: begin. */
void fence_start(struct fence *f);

/* An HaConf or a BeatReply. */
void fence_message(struct fence *f, const Drover__Envelope *m);
/* A link has its welcome: say all anew. */
void fence_link_up(struct fence *f);
/* Something has become of a guest: look soon. */
void fence_changed(struct fence *f);

/* All that it asked of storage, and of its own disk, was answered.  Whoever turns the
 * clock by hand lets it stand until then: storage is as slow as it is. */
bool fence_is_idle(const struct fence *f);

/* ---- an agent that is to be exchanged (R12) ---- */

/* Ask the leader to let this host alone for LEASE_FREEZE_MS; it is asked for as long.
 */
void fence_freeze(struct fence *f);
/* It does, and every guest lives on so long without us; or there is none that needs it.
 * Else e says what is still missing. */
bool fence_is_frozen(const struct fence *f, struct err *e);

/* ---- claims (R6) ---- */

enum fence_start {
	FENCE_BOOTS,
	FENCE_ARRIVES, /* live, from another host */
	FENCE_RETURNS, /* it was given to another host, which will never have it */
	FENCE_STAYS,   /* it runs here; nobody else was ever told that he may run it */
};

struct fence_wish {
	uint64_t guest, run_gen;
	enum fence_start how;
	const Drover__RunClaim *claim; /* copied; NULL: as it was under before */
};

/*
 * done: our block says run, and the guest may be booted; or, of one that arrives, it
 * says that it comes.  ERR_STALE: a newer copy is somewhere else, the text says where.
 * The caller made run_gen durable before.  Whoever gives up calls fence_drop.
 */
void fence_claim(struct fence *f, const struct fence_wish *w, struct wake done);
/* It has arrived whole: done when it may run here. */
void fence_claim_arrived(struct fence *f, uint64_t guest, struct wake done);

enum fence_end {
	FENCE_REAPED,
	FENCE_GIVEN, /* what is left of it stands still, and may return */
};

/* done: our block says none, or as good as that while there are no leases. */
void fence_drop(struct fence *f, uint64_t guest, enum fence_end how, struct wake done);
/* It is deleted, and what was claimed of it on that datastore. */
void fence_forget(struct fence *f, uint64_t guest, uint64_t datastore);
/* It is started without a claim, after fence_drop: nothing of before concerns it. */
void fence_unclaimed(struct fence *f, uint64_t guest, uint64_t run_gen);
/* Its process runs: so long its start took. */
void fence_ran(struct fence *f, uint64_t guest);
/* Is it, or is it about to be, under leases here? */
bool fence_holds(const struct fence *f, uint64_t guest);
/* For the boot.  Under no lease it is GUARD_NO_DEADLINE: one can be set as it runs.
 * ERR_UNAVAILABLE: its lease is over. */
int fence_guard_until_us(
    const struct fence *f, uint64_t guest, uint64_t *ret_us, struct err *e) WARN_UNUSED;
/* "waiting for host-1's lease to end"; "" when it waits for nothing. */
const char *fence_claim_text(const struct fence *f, uint64_t guest);
