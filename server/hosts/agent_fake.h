/*
 * agent_fake: an agent for tests, joined to the hosts in memory, or over a link that
 * somebody else sees to.
 *
 * It keeps a guest book and the replies that it gave, also over a restart, and answers
 * orders at once unless it is told otherwise.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "proto/msg.h"

struct agent_fake;
struct hosts;
struct loop;

struct agent_fake_facts {
	const char *uuid, *fingerprint;
	uint32_t cpu_cores, cpu_mhz;
	uint64_t memory_mb;
};

struct agent_fake *agent_fake_new(struct loop *l, const struct agent_fake_facts *f);
void agent_fake_free(struct agent_fake *a);

/* The server's loop is another one from now on. */
void agent_fake_move(struct agent_fake *a, struct loop *l);
/* Dial: Hello goes out when the link is up. */
void agent_fake_dial(struct agent_fake *a, struct hosts *hs);
void agent_fake_cut(struct agent_fake *a);     /* the link breaks, guests run on */
void agent_fake_restart(struct agent_fake *a); /* cut, with a new boot id */
bool agent_fake_welcomed(const struct agent_fake *a);
/*
 * The link is another's from now on: what it says goes to send, and whoever has the
 * link greets with agent_fake_hello and hands over what comes in.
 */
typedef void (*agent_fake_send_fn)(void *arg, Drover__Envelope *m);
void agent_fake_carry(struct agent_fake *a, agent_fake_send_fn send, void *arg);
Drover__Hello *agent_fake_hello(struct agent_fake *a); /* the caller's */
void agent_fake_linked(struct agent_fake *a);          /* the welcome is in */
void agent_fake_order(struct agent_fake *a, Drover__Envelope *m_take);
void agent_fake_hear(struct agent_fake *a, const Drover__Envelope *m); /* no order */
/* Code of the last Refuse, 0 if there was none. */
int agent_fake_refused(const struct agent_fake *a);

/* Told of each order that is worked on, before it is. */
typedef void (*agent_fake_fn)(const Drover__Order *o, void *arg);
void agent_fake_watch(struct agent_fake *a, agent_fake_fn fn, void *arg);
/* Why it runs no containers, from its next dialling on; "": it does. */
void agent_fake_no_containers(struct agent_fake *a, const char *why);
/* An older one: it makes disks by GuestCreate alone.  From its next dialling on. */
void agent_fake_age(struct agent_fake *a);
/* Told of each session message; what it says about it goes out with agent_fake_say. */
typedef void (*agent_fake_session_fn)(const Drover__Envelope *m, void *arg);
void agent_fake_serve(struct agent_fake *a, agent_fake_session_fn fn, void *arg);
void agent_fake_say(struct agent_fake *a, Drover__Envelope *m);
/* Of the next order: do it but break the link before the reply. */
void agent_fake_lose_next(struct agent_fake *a);
/* Of the next order: do nothing, answer with this fault. */
void agent_fake_fail_next(struct agent_fake *a, int code, const char *message);
/* Take orders but do nothing until released. */
void agent_fake_hold(struct agent_fake *a);
void agent_fake_release(struct agent_fake *a);
void agent_fake_be_silent(struct agent_fake *a); /* no frame goes out any more */

/* What moves. */
/* Guests move between the two from now on. */
void agent_fake_meet(struct agent_fake *a, struct agent_fake *b);
/* Why none of its guests can leave, and what has not come did not; "": no reason. */
void agent_fake_obstruct(struct agent_fake *a, const char *why);

enum agent_fake_harm {
	FAKE_AGENT_DIES, /* its guests run on, what is arriving is lost */
	FAKE_HOST_DIES,  /* with all that runs there */
	FAKE_LINK_BREAKS,
	FAKE_WIRE_BREAKS, /* between it and its peers */
	FAKE_TEAR,        /* the last bytes of a move get lost */
	FAKE_TELL,        /* the test does it: agent_fake_tripped */
};

enum agent_fake_when { FAKE_BEFORE, FAKE_AFTER }; /* the work, both before the reply */

struct agent_fake_trap {
	int verb; /* of the order that springs it */
	enum agent_fake_when when;
	enum agent_fake_harm harm;
	struct agent_fake *victim;
};

/* Once. */
void agent_fake_set_trap(struct agent_fake *a, const struct agent_fake_trap *t);
bool agent_fake_tripped(const struct agent_fake *a);
void agent_fake_die(struct agent_fake *a);  /* the host, with what runs on it */
void agent_fake_heal(struct agent_fake *a); /* its wire */
/* Was it told to delete that disk? */
bool agent_fake_deleted(
    const struct agent_fake *a, uint64_t datastore, const char *path);
/* So often a guest was seen in the memory of two hosts at once. */
unsigned agent_fake_doubled(const struct agent_fake *a);

/* Leases: a beat goes out only when it is told to. */
void agent_fake_beat(struct agent_fake *a);
/* It says what runs there only when that has changed, as a real one. */
void agent_fake_be_brief(struct agent_fake *a);

struct agent_fake_word {
	uint32_t slot;
	uint64_t still_ms; /* that it saw that block unmoved */
	bool dead, isolated;
	bool unread; /* it cannot tell */
};

/* What it says of another's block from now on. */
void agent_fake_sees(struct agent_fake *a, const struct agent_fake_word *w);
/* It has lost the shared datastore for so long; 0: it has not. */
void agent_fake_lose_store(struct agent_fake *a, uint64_t lost_ms);
/* The guest was killed by rule and reaped, and is not wanted there any more. */
void agent_fake_reap(struct agent_fake *a, uint64_t guest);
uint64_t agent_fake_inc(const struct agent_fake *a);      /* 0: it has not joined */
uint32_t agent_fake_lease_ms(const struct agent_fake *a); /* of the last reply */
/* Its agent is about to be exchanged, or is not any more. */
void agent_fake_freeze(struct agent_fake *a, bool freezing);
uint32_t agent_fake_frozen_ms(const struct agent_fake *a); /* of the last reply */
bool agent_fake_fenced(const struct agent_fake *a);
/* It was told that others have its datastore. */
bool agent_fake_evicted(const struct agent_fake *a);
const Drover__HaConf *agent_fake_conf(const struct agent_fake *a); /* or NULL */
/* What came with the last start; NULL: nothing. */
const Drover__RunClaim *agent_fake_last_claim(const struct agent_fake *a);

/* The last StatWatch over this link; NULL: none.  How many there were, in all. */
const Drover__StatWatch *agent_fake_watched(const struct agent_fake *a);
unsigned agent_fake_watches(const struct agent_fake *a);
/* An older one, which takes none.  From its next dialling on. */
void agent_fake_be_unwatchable(struct agent_fake *a);

void agent_fake_report(struct agent_fake *a);
/* A report with this of its hardware. */
void agent_fake_health(struct agent_fake *a, const Drover__HostHealth *health);
/* A report of nothing else, true or not. */
void agent_fake_claim(struct agent_fake *a, const Drover__Progress *p);
/* What it says of a guest's generation from now on. */
void agent_fake_lie(struct agent_fake *a, uint64_t guest, uint64_t generation);
/* The guest ends by itself, or the like; an event and the state behind it. */
void agent_fake_happen(struct agent_fake *a, uint64_t guest, Drover__GuestState s,
    const char *what, const char *reason);
uint64_t agent_fake_acked(const struct agent_fake *a); /* last acknowledged event */
/* A guest that nobody ordered. */
void agent_fake_plant(struct agent_fake *a, uint64_t guest, const char *uuid);
void agent_fake_forget(struct agent_fake *a, uint64_t guest);

unsigned agent_fake_guests(const struct agent_fake *a);
unsigned agent_fake_running(const struct agent_fake *a);
Drover__GuestState agent_fake_state(const struct agent_fake *a, uint64_t guest);
unsigned agent_fake_starts(const struct agent_fake *a, uint64_t guest); /* real ones */
unsigned agent_fake_orders(
    const struct agent_fake *a);                       /* received, repeated ones too */
unsigned agent_fake_works(const struct agent_fake *a); /* done */
/* The bytes of the last FileWrite, for the relay's tests. */
uint64_t agent_fake_written(const struct agent_fake *a);
