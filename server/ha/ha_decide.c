#include "server/ha/ha_decide.h"

static uint64_t
later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

bool
ha_netfence_ready(const struct ha_host *h, const struct lease_terms *t,
    enum ha_lease_kind kind, uint64_t now_ms)
{
	uint64_t over =
	    lease_end(h->grants_end_ms, lease_after_end_ms(t, t->length_ms));

	if (kind == HA_LONG)
		over = later(over,
		    lease_end(h->long_end_ms, lease_after_end_ms(t, LEASE_FREEZE_MS)));
	return now_ms >= over;
}

/* The old leader's long grants are not clipped (R4): they may have been given last
 * when its leadership ended. */
void
ha_take_over(struct ha_host *h, uint64_t now_ms)
{
	h->heard_ms = now_ms;
	h->grants_end_ms = now_ms;
	h->long_end_ms =
	    now_ms + (h->mode == HA_FROZEN ? LEASE_FREEZE_MS : LEASE_LONG_MS);
}

struct ha_grant
ha_grant(const struct ha_host *h, const struct lease_terms *t, uint64_t now_ms,
    uint64_t lead_end_ms)
{
	struct ha_grant g = { 0 };

	if (h->fenced || !lease_holds(lead_end_ms, now_ms))
		return g;
	g.length_ms = lease_clip(t->length_ms, now_ms, lead_end_ms);
	if (h->long_leases)
		g.long_ms = h->mode == HA_FROZEN ? LEASE_FREEZE_MS : LEASE_LONG_MS;
	return g;
}

enum ha_join
ha_join(const struct ha_host *h, uint64_t row_inc, uint64_t asked_inc)
{
	return asked_inc < row_inc && !h->fenced ? HA_JOIN_TELL : HA_JOIN_RAISE;
}

enum ha_beat
ha_weigh(const struct ha_word *words, size_t n, uint32_t beat_ms)
{
	enum ha_beat all = HA_BEAT_UNREAD;

	for (size_t i = 0; i < n; i++) {
		if (!words[i].read)
			continue;
		if (words[i].still_ms < (uint64_t)beat_ms * HA_BEATS_MISSED)
			return HA_BEAT_MOVES;
		if (words[i].dead)
			all = HA_BEAT_DEAD;
		else if (all == HA_BEAT_UNREAD)
			all = HA_BEAT_STILL;
	}
	return all;
}

enum ha_beat
ha_recall(struct ha_host *h, enum ha_beat weighed, uint32_t beat_ms, uint64_t now_ms)
{
	if (weighed == HA_BEAT_MOVES)
		h->moved_ms = now_ms;
	if (weighed == HA_BEAT_UNREAD && h->moved_ms &&
	    now_ms < lease_end(h->moved_ms, (uint64_t)beat_ms * HA_RECALL_BEATS))
		return HA_BEAT_MOVES;
	return weighed;
}

static bool
is_silent(const struct ha_view *v, const struct ha_host *h, uint64_t now_ms)
{
	return now_ms >= lease_end(h->heard_ms, (uint64_t)v->beat_ms * HA_BEATS_MISSED);
}

static bool
rests(const struct ha_host *h, uint64_t now_ms)
{
	return h->mode == HA_MAINTAINED ||
	       (h->mode == HA_FROZEN && now_ms < h->frozen_until_ms);
}

/* A leader that has just begun has not heard those who are well either. */
static bool
has_collected(const struct ha_view *v, uint64_t now_ms)
{
	return now_ms >= lease_end(v->lead_since_ms, HA_COLLECT_MS) ||
	       v->reported * 1000 >= v->n * HA_COLLECT_PERMILLE;
}

static enum ha_is
judge_silent(const struct ha_view *v, const struct ha_host *h, const struct ha_state *s,
    uint64_t now_ms)
{
	if (h->fenced || h->powered_off)
		return HA_DEAD;
	if (h->beat == HA_BEAT_MOVES)
		return h->says_isolated ? HA_ISOLATED : HA_PARTITIONED;
	if (!has_collected(v, now_ms) ||
	    !ha_netfence_ready(h, v->terms, h->was_frozen ? HA_LONG : HA_SHORT, now_ms))
		return HA_SUSPECT;
	return s->braked && h->beat != HA_BEAT_DEAD ? HA_SUSPECT : HA_DEAD;
}

static enum ha_is
judge(const struct ha_view *v, const struct ha_host *h, const struct ha_state *s,
    uint64_t now_ms)
{
	if (rests(h, now_ms))
		return HA_RESTS;
	if (is_silent(v, h, now_ms))
		return judge_silent(v, h, s, now_ms);
	if (h->store_lost_ms && h->others_have_store &&
	    now_ms >= lease_end(h->store_lost_ms, HA_LOST_STORE_MS))
		return HA_STORE_LOST;
	return HA_UP;
}

static void
add(struct ha_effects *out, enum ha_do what, size_t host, enum ha_is is)
{
	out->list[out->n++] =
	    (struct ha_effect){ .what = what, .host = host, .is = is };
}

/* Hosts that are known to be dead have had their say: the brake is for those that fall
 * silent together. */
static void
weigh_brake(const struct ha_view *v, uint64_t now_ms, struct ha_state *s,
    struct ha_effects *out)
{
	size_t silent = 0, counted = 0;

	for (size_t i = 0; i < v->n; i++) {
		const struct ha_host *h = &v->hosts[i];
		if (rests(h, now_ms) || h->fenced || h->powered_off)
			continue;
		counted++;
		silent += is_silent(v, h, now_ms);
	}
	if (silent >= HA_BRAKE_LEAST_HOSTS &&
	    silent * 1000 > counted * HA_BRAKE_PERMILLE)
		s->mass_ms = now_ms;
	bool brake = s->mass_ms && now_ms < s->mass_ms + HA_BRAKE_HOLD_MS;
	if (brake != s->braked)
		add(out, brake ? HA_BRAKE : HA_RELEASE_BRAKE, 0, HA_SUSPECT);
	s->braked = brake;
}

static void
enter(const struct ha_host *h, size_t i, enum ha_is is, struct ha_effects *out)
{
	add(out, HA_SET_STATE, i, is);
	if (!h->protected_guests)
		return;
	if (is == HA_STORE_LOST)
		add(out, HA_EVICT, i, is);
	else if (is == HA_ISOLATED)
		add(out, HA_RETRIEVE, i, is);
}

void
ha_decide(const struct ha_view *v, uint64_t now_ms, struct ha_state *s,
    struct ha_effects *out)
{
	out->n = 0;
	weigh_brake(v, now_ms, s, out);
	for (size_t i = 0; i < v->n; i++) {
		const struct ha_host *h = &v->hosts[i];
		enum ha_is is = judge(v, h, s, now_ms);
		if (is != s->is[i])
			enter(h, i, is, out);
		/* Until the database has it: the write may have failed. */
		if (is == HA_DEAD && !h->fenced && h->protected_guests)
			add(out, HA_FENCE, i, is);
		s->is[i] = is;
	}
}

const char *
ha_is_text(enum ha_is is)
{
	static const char *const texts[HA_STATES_] = {
		[HA_UP] = "up",
		[HA_STORE_LOST] = "has lost its datastore",
		[HA_RESTS] = "resting",
		[HA_SUSPECT] = "suspect",
		[HA_PARTITIONED] = "partitioned",
		[HA_ISOLATED] = "isolated",
		[HA_DEAD] = "dead",
	};
	return texts[is];
}
