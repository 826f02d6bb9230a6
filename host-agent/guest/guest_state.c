#include "host-agent/guest/guest_state.h"

#include <inttypes.h>

static const char *const names[] = {

#define STATE(code, name, rests) [GUEST_##code] = name,
#include "host-agent/guest/guest_state.def"
#undef STATE
};

static const bool resting[] = {

#define STATE(code, name, rests) [GUEST_##code] = rests,
#include "host-agent/guest/guest_state.def"
#undef STATE
};

static const bool moves[GUEST_STATES_][GUEST_STATES_] = {

#define MAY(from, to) [GUEST_##from][GUEST_##to] = true,
#include "host-agent/guest/guest_state.def"
#undef MAY
};

#define BIT(s)    (1u << GUEST_##s)
#define REST_DOWN (BIT(STOPPED) | BIT(FAILED))

/* Where each verb may begin, and where there is nothing left to do. */
static const struct {
	const char *name;
	unsigned go, already;
} verb_table[GV_VERBS_] = {
	[GV_CREATE] = { "create", BIT(UNKNOWN) | BIT(CREATING) | REST_DOWN, 0 },
	[GV_START] = { "start",
	    BIT(UNKNOWN) | REST_DOWN | BIT(SUSPENDED) | BIT(STARTING),
	    BIT(RUNNING) | BIT(PAUSED) | BIT(STALLED) },
	[GV_STOP] = { "stop",
	    BIT(RUNNING) | BIT(PAUSED) | BIT(STALLED) | BIT(SUSPENDED) | BIT(FAILED) |
		BIT(STOPPING),
	    BIT(STOPPED) | BIT(CREATING) },
	[GV_RESET] = { "reset", BIT(RUNNING) | BIT(PAUSED) | BIT(STALLED), 0 },
	[GV_PAUSE] = { "pause", BIT(RUNNING), BIT(PAUSED) },
	[GV_RESUME] = { "resume", BIT(PAUSED) | BIT(STALLED), BIT(RUNNING) },
	[GV_SUSPEND] = { "suspend", BIT(RUNNING) | BIT(PAUSED), BIT(SUSPENDED) },
	[GV_DELETE] = { "delete",
	    BIT(UNKNOWN) | BIT(CREATING) | REST_DOWN | BIT(SUSPENDED) | BIT(DELETING),
	    0 },
	[GV_UPDATE] = { "update",
	    REST_DOWN | BIT(SUSPENDED) | BIT(RUNNING) | BIT(PAUSED) | BIT(STALLED), 0 },
	[GV_OFFER] = { "offer",
	    REST_DOWN | BIT(SUSPENDED) | BIT(RUNNING) | BIT(PAUSED) | BIT(STALLED), 0 },
	[GV_ARRIVE] = { "arrive", BIT(UNKNOWN) | REST_DOWN | BIT(GIVEN), 0 },
	[GV_LEAVE] = { "leave", BIT(RUNNING) | BIT(PAUSED), 0 },
	/* Of a guest that has not come, whatever is known of it here. */
	[GV_ARRIVED] = { "arrived", ~0u, 0 },
	[GV_REFUSE] = { "refuse", ~0u, 0 },
	[GV_TAKE_BACK] = { "be taken back", BIT(GIVEN),
	    BIT(RUNNING) | BIT(PAUSED) | BIT(STALLED) },
	[GV_RELEASE] = { "be released",
	    BIT(UNKNOWN) | REST_DOWN | BIT(SUSPENDED) | BIT(GIVEN) | BIT(DELETING), 0 },
	[GV_SNAPSHOT] = { "take a snapshot", REST_DOWN | BIT(RUNNING) | BIT(PAUSED),
	    0 },
	[GV_REVERT] = { "go back to a snapshot", REST_DOWN | BIT(SUSPENDED), 0 },
	[GV_MERGE] = { "delete a snapshot",
	    REST_DOWN | BIT(SUSPENDED) | BIT(RUNNING) | BIT(PAUSED) | BIT(STALLED), 0 },
	[GV_MOVE_DISKS] = { "move its disks", REST_DOWN | BIT(RUNNING) | BIT(PAUSED),
	    0 },
};

const char *
guest_state_name(enum guest_state s)
{
	return s < GUEST_STATES_ ? names[s] : "?";
}

bool
guest_state_may(enum guest_state from, enum guest_state to)
{
	return from < GUEST_STATES_ && to < GUEST_STATES_ && moves[from][to];
}

bool
guest_state_rests(enum guest_state s)
{
	return s < GUEST_STATES_ && resting[s];
}

bool
guest_state_is_up(enum guest_state s)
{
	return (1u << s) & (BIT(STARTING) | BIT(RUNNING) | BIT(PAUSED) | BIT(STALLED) |
			       BIT(SUSPENDING) | BIT(STOPPING) | BIT(ARRIVING) |
			       BIT(LEAVING) | BIT(GIVEN));
}

const char *
guest_verb_name(enum guest_verb v)
{
	return v < GV_VERBS_ ? verb_table[v].name : "?";
}

enum guest_verdict
guest_verb_check(enum guest_verb v, enum guest_state s, const char *name, struct err *e)
{
	if (verb_table[v].already & 1u << s)
		return GUEST_ALREADY;
	if (verb_table[v].go & 1u << s)
		return GUEST_GO;
	err_set(e, ERR_BAD_STATE, "vm %s is %s: it cannot %s", name,
	    guest_state_name(s), guest_verb_name(v));
	return GUEST_REFUSED;
}

int
guest_generation_overtaken(
    const char *name, uint64_t wanted, uint64_t seen, struct err *e)
{
	if (wanted == seen)
		return err_set(e, ERR_STALE,
		    "vm %s has been started here already and has ended since, or was"
		    " refused: order its start again (generation %" PRIu64 ")",
		    name, wanted);
	return err_set(e, ERR_STALE,
	    "vm %s: a later start or move (generation %" PRIu64
	    ") has overtaken this one (%" PRIu64 "): look where it is now",
	    name, seen, wanted);
}

int
guest_arrival_overtaken(const char *name, uint64_t wanted, uint64_t seen, struct err *e)
{
	if (wanted != seen)
		return guest_generation_overtaken(name, wanted, seen, e);
	return err_set(e, ERR_STALE,
	    "vm %s: this host was making ready for it and has given that up, as its"
	    " agent was restarted or nobody began to send: order the move again"
	    " (generation %" PRIu64 ")",
	    name, wanted);
}

enum guest_verdict
guest_generation_check(
    const struct guest_generation *g, uint64_t wanted, const char *name, struct err *e)
{
	if (g->runs && wanted == g->seen)
		return GUEST_ALREADY;
	if (g->runs && wanted > g->seen) {
		err_set(e, ERR_BAD_STATE,
		    "vm %s runs here already, as generation %" PRIu64, name, g->seen);
		return GUEST_REFUSED;
	}
	if (wanted > g->seen || (wanted == g->seen && !g->ran))
		return GUEST_GO;
	(void)!guest_generation_overtaken(name, wanted, g->seen, e);
	return GUEST_REFUSED;
}
