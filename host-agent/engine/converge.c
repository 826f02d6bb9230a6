#include "host-agent/engine/converge.h"

#include <inttypes.h>
#include <stdio.h>

#define PRESET_DOWNTIME_MS     300
#define PRESET_DOWNTIME_MAX_MS 2000
/* The first round is the whole memory, the second what was written during that. */
#define FIRST_ROUNDS 2
/* A step shows its effect after as many rounds, but not sooner than that. */
#define SETTLE_ROUNDS 2
#define SETTLE_MS     500
/* Rounds that shrink to three quarters come to an end soon enough. */
#define SHRINKS_PCT 75

void
converge_begin(struct converge *c, struct converge_policy *p)
{
	if (!p->downtime_ms)
		p->downtime_ms = PRESET_DOWNTIME_MS;
	if (!p->downtime_max_ms)
		p->downtime_max_ms = PRESET_DOWNTIME_MAX_MS;
	if (p->downtime_max_ms < p->downtime_ms)
		p->downtime_max_ms = p->downtime_ms;
	*c = (struct converge){ .limit_ms = p->downtime_ms };
}

/* Tenths of a megabyte, for messages. */
static uint64_t
tenths(uint64_t bytes)
{
	return bytes / 100000;
}

static void
tell(const struct converge *c, const struct converge_seen *s, char *note)
{
	uint64_t dirty = tenths(s->dirty_bytes_per_s), wire = tenths(s->bytes_per_s);
	char slowed[48] = "";

	if (s->throttle_pct)
		snprintf(slowed, sizeof(slowed), ", slowed by %u %%", s->throttle_pct);
	snprintf(note, CONVERGE_NOTE_MAX,
	    "its memory changes at %" PRIu64 ".%" PRIu64 " MB/s, %" PRIu64 ".%" PRIu64
	    " MB/s get across (pause of at most %u ms%s)",
	    dirty / 10, dirty % 10, wire / 10, wire % 10, c->limit_ms, slowed);
}

static bool
has_settled(const struct converge *c, const struct converge_seen *s)
{
	if (s->rounds <= FIRST_ROUNDS)
		return false;
	if (!c->acted_ms)
		return true;
	return s->rounds >= c->acted_round + SETTLE_ROUNDS &&
	       s->elapsed_ms >= c->acted_ms + SETTLE_MS;
}

/* Fits what is left into the pause, or will it soon? */
static bool
comes_down(const struct converge *c, const struct converge_seen *s)
{
	uint64_t in_pause = s->bytes_per_s / 1000 * c->limit_ms;

	if (!s->bytes_per_s || !s->dirty_bytes_per_s)
		return true;
	return s->remaining_bytes <= in_pause ||
	       s->dirty_bytes_per_s / SHRINKS_PCT < s->bytes_per_s / 100;
}

static enum converge_act
act(struct converge *c, const struct converge_seen *s, enum converge_act what)
{
	c->acted_round = s->rounds;
	c->acted_ms = s->elapsed_ms;
	return what;
}

enum converge_act
converge_decide(struct converge *c, const struct converge_policy *p,
    const struct converge_seen *s, char note[CONVERGE_NOTE_MAX])
{
	if (p->give_up_ms && s->elapsed_ms >= p->give_up_ms) {
		tell(c, s, note);
		return CONVERGE_GIVE_UP;
	}
	if (!has_settled(c, s) || comes_down(c, s))
		return CONVERGE_GO_ON;
	if (c->limit_ms < p->downtime_max_ms) {
		c->limit_ms = c->limit_ms <= p->downtime_max_ms / 2
				  ? c->limit_ms * 2
				  : p->downtime_max_ms;
		tell(c, s, note);
		return act(c, s, CONVERGE_RAISE);
	}
	if (p->may_throttle && !c->throttling) {
		c->throttling = true;
		tell(c, s, note);
		return act(c, s, CONVERGE_THROTTLE);
	}
	return CONVERGE_GO_ON;
}
