/*
 * guest_state: where a guest stands, which moves are legal, and what an order may do
 * there.
 *
 * Pure.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/envelope.pb-c.h"

enum guest_state {

#define STATE(code, name, rests) GUEST_##code,
#include "host-agent/guest/guest_state.def"
#undef STATE
	GUEST_STATES_
};

enum guest_verb {
	GV_CREATE,
	GV_START,
	GV_STOP,
	GV_RESET,
	GV_PAUSE,
	GV_RESUME,
	GV_SUSPEND,
	GV_DELETE,
	GV_UPDATE,
	GV_OFFER,
	GV_ARRIVE,
	GV_LEAVE,
	GV_ARRIVED,
	GV_REFUSE,
	GV_TAKE_BACK,
	GV_RELEASE,
	GV_MOVE_DISKS,
	GV_SNAPSHOT,
	GV_REVERT,
	GV_MERGE,
	GV_VERBS_
};

enum guest_verdict {
	GUEST_GO,
	GUEST_ALREADY, /* it is as wanted */
	GUEST_REFUSED,
};

const char *guest_state_name(enum guest_state s);
bool guest_state_may(enum guest_state from, enum guest_state to);
/* Does it stay there without a job? */
bool guest_state_rests(enum guest_state s);
/* Is there, or may there be, a process of it? */
bool guest_state_is_up(enum guest_state s);
const char *guest_verb_name(enum guest_verb v);

/* May the verb begin in that state?  name is the guest's, for the reason. */
enum guest_verdict guest_verb_check(
    enum guest_verb v, enum guest_state s, const char *name, struct err *e);

/*
 * The rule of generations (proto/order.proto, GuestStart): seen is the highest that
 * this host has met, ran whether that one came to run, runs whether it runs now.
 */
struct guest_generation {
	uint64_t seen;
	bool ran, runs;
};
/*
 * Why an order of a generation is not done that this host has met, or a later one: what
 * has happened, and what is to be done.  ERR_STALE.
 */
int guest_generation_overtaken(
    const char *name, uint64_t wanted, uint64_t seen, struct err *e) WARN_UNUSED;
/* The same of an arrival. */
int guest_arrival_overtaken(
    const char *name, uint64_t wanted, uint64_t seen, struct err *e) WARN_UNUSED;
enum guest_verdict guest_generation_check(
    const struct guest_generation *g, uint64_t wanted, const char *name, struct err *e);
