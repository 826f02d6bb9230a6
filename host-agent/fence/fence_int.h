/*
 * fence_int: what the files of the driver share.
 */
#pragma once
#include "base/map.h"
#include "host-agent/fence/beat_watch.h"
#include "host-agent/fence/claim_decide.h"
#include "host-agent/fence/fence.h"
#include "host-agent/fence/fence_decide.h"
#include "proto/book.pb-c.h"

#define FENCE_LOOK_MS     250u
#define FENCE_STALL_MS    2000u /* between two looks: the agent was not let run */
#define FENCE_SENT_BEATS  64u   /* whose replies still count */
#define FENCE_MAX_STORES  256u
#define FENCE_MAX_GUESTS  4096u
#define FENCE_MAX_ATTESTS 1024u
/* Slots of a new register; of more hosts, all that can be.  Files do not grow, for who
 * makes them longer could write over what another has just put there. */
#define FENCE_CLAIM_SLOTS 64u

struct beat_io;
struct claim_turn;
struct lease_io;
struct saver;
struct timer;
struct watchdog;

/* One datastore that carries heartbeats. */
struct lease_store {
	struct fence *f;
	uint64_t number;
	struct datastore *ds;                  /* NULL: it is not there */
	struct lease_area area;                /* as far as hosts have slots */
	struct lease_io *beats_io, *claims_io; /* apart: claims hold up no heartbeat */
	struct beat_io *beats;
	/* A turn, or making the file, is under way; one that renews is to follow. */
	bool turning, turn_renews, renew_due;
	uint64_t turn_inc;
	bool alone;            /* nobody else writes our block, as far as can be seen */
	uint64_t listened_ms;  /* since when it was read for that; 0: not yet */
	struct lease_beat own; /* as it was read first */
	struct fence_store lease;
	bool may_renew, cached; /* R9; what is read is what this host remembers */
	uint64_t read_ms;       /* begin of the last reading that worked */
	struct beat_watch watches[LEASE_MAX_SLOTS + 1];
	char why[160]; /* our block is not renewed */
};

enum claim_stage {
	CLAIM_AT_REST,
	CLAIM_AWAITS_LEASE,   /* ours, and the end of what went before here */
	CLAIM_AWAITS_RECORD,  /* what is about to be on the datastore is kept first */
	CLAIM_AWAITS_BLOCK,   /* our claim is being written */
	CLAIM_AWAITS_OTHERS,  /* theirs are read again and again */
	CLAIM_AWAITS_ARRIVAL, /* of the guest, from the host where it runs */
	CLAIM_AWAITS_RUN,     /* phase run is being written */
};

/* A guest that is, was or wants to be under leases here. */
struct held {
	struct fence *f;
	uint64_t guest;

	/* Kept. */
	Drover__HaGuest *ha;
	uint64_t run_gen;
	enum claim_phase phase; /* what our block may say: none only if it is certain */
	uint64_t datastore;     /* where that block lies */
	bool unwanted;
	bool listed;
	uint64_t left; /* a datastore where it lay before, and lies still; 0: none */
	bool late;     /* it runs, and was not claimed yet (fence_late.c) */
	uint64_t kept_seq; /* the write that has it as it is */

	/* An order's wish. */
	enum claim_stage stage;
	uint64_t wish_gen;
	enum fence_start how;
	struct claim_attest *attests;
	size_t n_attests;
	struct wake done;
	char note[200];
	uint64_t asked_ms, claimed_ms, clear_ms, ran_ms, look_ms;

	/* Our block. */
	bool writing, looking, making;
	bool unplaced; /* it is not yet where it belongs now */
	enum claim_phase putting;
	uint64_t failed_ms;
	bool dropping; /* until it says none */
	bool ordered;  /* whose end its order reports */
	struct wake dropped;

	uint64_t guard_us; /* of its copy as it was seen last, also when that is gone */
	uint64_t shutdown_ms, kill_ms;
	uint64_t restart_ms;
	unsigned restarts; /* in a row */
};

struct sent_beat {
	uint64_t nonce, sent_ms;
};

struct fence {
	struct loop *loop;
	struct fence_hands hands;
	char *boot;
	struct fence_ping *ping;
	struct saver *saver;
	uint64_t kept_seq; /* the last write that has ended well */
	uint64_t keep_seq; /* the last one that was begun; 0: it has ended */
	bool keep_again;   /* one has failed */

	/* Kept. */
	uint64_t inc;
	Drover__HaConf *conf; /* NULL: none has come */
	struct map *held;
	bool fenced;
	struct fence_state state;

	bool started;
	bool joined;
	uint64_t join_seq; /* the write that has the new incarnation; 0: none */
	struct lease_terms terms;
	struct lease_store **stores;
	size_t n_stores;
	uint64_t writer;
	uint64_t mended; /* the guest whose block was looked at last */
	bool ask_network, isolated, rejoin;
	uint64_t network_end_ms, long_end_ms;
	uint64_t manager_ms;
	uint64_t freezing_until_ms; /* so long the leader is asked for it (R12) */
	uint64_t frozen_until_ms;   /* that it has granted */
	uint64_t last_nonce;
	struct sent_beat sent[FENCE_SENT_BEATS];
	uint64_t epoch; /* of the leader that we heard last */
	uint8_t *said;  /* packed runs of the last whole Beat; NULL: say all anew */
	size_t n_said;
	uint64_t looked_ms;
	bool look_due, reset_told;
	uint64_t reset_ms; /* since when a copy should have made the host go; 0: none */
	struct timer *beat, *look, *claims;
	struct watchdog *watchdog; /* armed, or NULL */
	bool watchdog_tried;
	uint32_t watchdog_ms; /* what the hardware took when it was tried; 0: none */
};

/* ---- fence.c ---- */

uint64_t fence_now_ms(const struct fence *f);
/* A time of the lease threads, on the loop's clock. */
uint64_t fence_ms_of(const struct fence *f, uint64_t system_us);
bool fence_is_on(const struct fence *f);
struct held *fence_held(const struct fence *f, uint64_t guest);
/* Made where there is none. */
struct held *fence_hold(struct fence *f, const Drover__HaGuest *ha);
void fence_let_go(struct fence *f, struct held *h);
/* Beats go as the conf says, from now on. */
void fence_beats_follow(struct fence *f);

/* ---- fence_freeze.c ---- */

bool fence_is_freezing(const struct fence *f);

/* ---- fence_look.c ---- */

void fence_look(struct fence *f);
/* Until when it may run by the leases alone; LEASE_NEVER: under none. */
uint64_t fence_end_ms(const struct fence *f, const struct held *h);

/* ---- fence_keep.c ---- */

int fence_keep_load(struct fence *f, const char *path, struct err *e) WARN_UNUSED;
/* Returns the write that has all as it is now. */
uint64_t fence_keep(struct fence *f);

static inline bool
fence_is_kept(const struct fence *f, uint64_t seq)
{
	return seq <= f->kept_seq;
}

Drover__HaGuest *fence_ha_dup(const Drover__HaGuest *ha);

/* ---- fence_store.c ---- */

/* As the conf has them; those that stay keep their leases. */
void fence_stores_set(struct fence *f);
void fence_stores_free(struct fence *f);
struct lease_store *fence_store_find(const struct fence *f, uint64_t number);

enum store_turn { STORE_RENEW, STORE_LOOK };

void fence_store_turn(struct lease_store *st, enum store_turn how);
/* Take up its datastore, as far as it is there. */
int fence_store_ready(struct lease_store *st, struct err *e) WARN_UNUSED;
/* A new incarnation: no lease of the old one counts. */
void fence_store_joined(struct lease_store *st);

/* ---- fence_beat.c ---- */

void fence_beat_send(struct fence *f);
/* What we say of it: its copy was reaped, and does not come back by itself. */
bool fence_is_reaped(const struct fence *f, const struct held *h);

/* ---- fence_late.c ---- */

/* Hold those that the leader names and that run here under guards alone. */
void fence_late_find(struct fence *f);
/* Claim it, if that can be done now; let it go, if it has ended before. */
void fence_late_turn(struct held *h);

/* ---- fence_reply.c ---- */

bool fence_is_listed(const struct fence *f, uint64_t guest);
/* What the conf says of it, whether or not it does. */
void fence_held_follow(struct held *h);

/* Of what the leader wants, also where it was kept. */
int fence_conf_check(
    const Drover__HaConf *c, struct lease_terms *ret_t, struct err *e) WARN_UNUSED;
/* The number of the host in a slot; 0: nobody's. */
uint64_t fence_peer(const struct fence *f, uint32_t slot);

/* ---- fence_claim.c ---- */

/* The next step of those that wait. */
void fence_claims_turn(struct fence *f);
void fence_claim_go_on(struct held *h);
/* Its order cannot have it. */
void fence_claim_fail(struct held *h, const struct err *e);
/* Write none, as soon as that can be done. */
void fence_claim_drop(struct held *h);
void fence_note(struct held *h, const char *text);
/* Tell who waits for the claim, and who for its end. */
void fence_order_end(struct held *h, int rc, const struct err *e);
void fence_drop_end(struct held *h);

/* ---- fence_register.c ---- */

/* May our block be written now? */
bool fence_register_is_free(const struct held *h);
/* What comes of it moves h on. */
void fence_register_put(struct held *h, enum claim_phase phase);
void fence_register_look(struct held *h);
/* Its first disk lies on another datastore now: there is where others look. */
void fence_register_follow(struct held *h);
/* See to our block of one of them: if it is damaged, nobody else may mend it. */
void fence_claims_mend(struct fence *f);
