#include "server/alarm/alarm_eval.h"

#include <math.h>
#include <strings.h>

#include "base/str.h"

#define MS_PER_S 1000u

static bool
is_beyond(const struct alarm_cond *c, float v, float limit)
{
	return c->below ? v < limit : v > limit;
}

/* How one limit fares: on once it was exceeded for long enough, off once it is back. */
static void
step_limit(const struct alarm_cond *c, const struct alarm_limit *l, float v,
    uint32_t step_s, uint32_t *run_s, bool *on)
{
	if (!l->set)
		return;
	if (is_beyond(c, v, l->raise)) {
		*run_s = *run_s > UINT32_MAX - step_s ? UINT32_MAX : *run_s + step_s;
		*on = *on || *run_s >= c->for_s;
		return;
	}
	*run_s = 0;
	if (!is_beyond(c, v, l->clear))
		*on = false;
}

void
alarm_eval_sample(const struct alarm_cond *c, struct alarm_state *s, uint64_t slot,
    uint32_t step_s, float v)
{
	/* The clock was ahead, and was set back. */
	if (s->slot > slot && (s->slot - slot) * step_s > ALARM_BACK_S) {
		s->slot = 0;
		s->yellow_s = s->red_s = 0;
	}
	if (isnan(v) || slot <= s->slot)
		return;
	if (s->slot && slot - s->slot > ALARM_GAP_SLOTS)
		s->yellow_s = s->red_s = 0;
	s->slot = slot;
	s->value = v;
	step_limit(c, &c->yellow, v, step_s, &s->yellow_s, &s->yellow);
	step_limit(c, &c->red, v, step_s, &s->red_s, &s->red);
	s->level = s->red ? ALARM_RED : s->yellow ? ALARM_YELLOW : ALARM_GREEN;
}

void
alarm_eval_unknown(struct alarm_state *s)
{
	s->level = ALARM_GRAY;
	s->yellow = s->red = false;
	s->yellow_s = s->red_s = 0;
}

void
alarm_eval_gap(
    const struct alarm_cond *c, struct alarm_state *s, uint64_t now, uint32_t step_s)
{
	uint64_t slots = ALARM_GAP_S / step_s;

	if (slots < ALARM_GAP_SLOTS)
		slots = ALARM_GAP_SLOTS;
	if (c->type == ALARM_COUNTER && now > s->slot && now - s->slot > slots)
		alarm_eval_unknown(s);
}

static bool
has_value(const struct alarm_cond *c, const char *value)
{
	for (size_t i = 0; i < c->n_values; i++) {
		if (strcasecmp(c->values[i], value) == 0)
			return true;
	}
	return false;
}

void
alarm_eval_state(const struct alarm_cond *c, struct alarm_state *s, const char *value,
    uint64_t now_ms)
{
	if (has_value(c, value) == c->is_not) {
		s->since_ms = 0;
		s->level = ALARM_GREEN;
		return;
	}
	/* One that was raised before this server led has held for long enough. */
	if (s->level == c->status)
		return;
	/* The clock may have been set back. */
	if (!s->since_ms || s->since_ms > now_ms)
		s->since_ms = now_ms;
	s->level = now_ms - s->since_ms >= (uint64_t)c->for_s * MS_PER_S ? c->status
									 : ALARM_GREEN;
}

bool
alarm_eval_waits(const struct alarm_cond *c, const struct alarm_state *s)
{
	return c->type == ALARM_STATE && s->since_ms && s->level != c->status;
}

bool
alarm_eval_event(const struct alarm_cond *c, struct alarm_state *s, const char *type)
{
	if (c->type != ALARM_EVENT)
		return false;
	for (size_t i = 0; i < c->n_events; i++) {
		if (!str_same(c->events[i].type, type))
			continue;
		s->level = c->events[i].status;
		s->by = &c->events[i];
		return true;
	}
	return false;
}

void
alarm_eval_reset(const struct alarm_cond *c, struct alarm_state *s)
{
	if (c->type == ALARM_STATE)
		return;
	alarm_eval_unknown(s);
	s->level = ALARM_GREEN;
	s->by = NULL;
}

enum alarm_status
alarm_eval(const struct alarm_conds *c, const struct alarm_state *s)
{
	enum alarm_status level = c->n ? s[0].level : ALARM_GRAY;

	for (size_t i = 1; i < c->n; i++) {
		if (c->match == ALARM_ANY ? s[i].level > level : s[i].level < level)
			level = s[i].level;
	}
	return level;
}

size_t
alarm_eval_cause(
    const struct alarm_conds *c, const struct alarm_state *s, enum alarm_status level)
{
	size_t i = 0;

	while (i + 1 < c->n && s[i].level != level)
		i++;
	return i;
}
