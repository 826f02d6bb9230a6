#include "server/hosts/guest_news.h"

#include <stdio.h>

enum power_state
guest_power(Drover__GuestState s)
{
	switch (s) {
	case DROVER__GUEST_STATE__GUEST_CREATING:
	case DROVER__GUEST_STATE__GUEST_STOPPED:
	case DROVER__GUEST_STATE__GUEST_DELETING:
	case DROVER__GUEST_STATE__GUEST_FAILED:
		return POWER_OFF;
	case DROVER__GUEST_STATE__GUEST_STARTING:
		return POWER_STARTING;
	case DROVER__GUEST_STATE__GUEST_RUNNING:
	case DROVER__GUEST_STATE__GUEST_SUSPENDING:
	case DROVER__GUEST_STATE__GUEST_STOPPING:
	case DROVER__GUEST_STATE__GUEST_LEAVING:
		return POWER_ON;
	case DROVER__GUEST_STATE__GUEST_PAUSED:
		return POWER_PAUSED;
	case DROVER__GUEST_STATE__GUEST_STALLED:
		return POWER_STALLED;
	case DROVER__GUEST_STATE__GUEST_SUSPENDED:
		return POWER_SUSPENDED;
	/* Whoever moves it knows where it runs. */
	case DROVER__GUEST_STATE__GUEST_ARRIVING:
	case DROVER__GUEST_STATE__GUEST_GIVEN:
	case DROVER__GUEST_STATE__GUEST_UNKNOWN:
	case _DROVER__GUEST_STATE_IS_INT_SIZE:
		break;
	}
	/* Also what a newer agent may say. */
	return POWER_UNKNOWN;
}

static bool
was_running(enum power_state p)
{
	return p == POWER_ON || p == POWER_STARTING || p == POWER_PAUSED ||
	       p == POWER_STALLED;
}

static int
event_of_off(const struct guest_known *k, const Drover__GuestStatus *s)
{
	if (s->state == DROVER__GUEST_STATE__GUEST_FAILED && k->power != POWER_OFF)
		return EV_VM_DIED;
	return was_running(k->power) ? EV_VM_GUEST_SHUTDOWN : -1;
}

static int
event_of_on(const struct guest_known *k)
{
	switch (k->power) {
	case POWER_PAUSED:
		return EV_VM_RESUMED;
	case POWER_STALLED:
		return EV_VM_UNSTALLED;
	case POWER_OFF:
	case POWER_STARTING:
	case POWER_SUSPENDED:
	case POWER_UNKNOWN:
		return EV_VM_POWERED_ON;
	case POWER_ON:
	case power_state_COUNT_:
		break;
	}
	return -1;
}

static int
event_of(const struct guest_known *k, const Drover__GuestStatus *s)
{
	switch (guest_power(s->state)) {
	case POWER_OFF:
		return event_of_off(k, s);
	case POWER_ON:
		return event_of_on(k);
	case POWER_PAUSED:
		return EV_VM_PAUSED;
	case POWER_STALLED:
		return EV_VM_STALLED;
	case POWER_SUSPENDED:
		return EV_VM_SUSPENDED;
	case POWER_STARTING:
	case POWER_UNKNOWN:
	case power_state_COUNT_:
		break;
	}
	return -1;
}

static const char *
text_of(int event)
{
	switch (event) {
	case EV_VM_DIED:
		return "died";
	case EV_VM_GUEST_SHUTDOWN:
		return "has shut itself down";
	case EV_VM_POWERED_ON:
		return "was found running";
	case EV_VM_RESUMED:
		return "goes on";
	case EV_VM_UNSTALLED:
		return "goes on after it had stalled";
	case EV_VM_PAUSED:
		return "was found paused";
	case EV_VM_STALLED:
		return "has stalled";
	case EV_VM_SUSPENDED:
		return "was found suspended";
	default:
		return "";
	}
}

bool
guest_news(
    const struct guest_known *k, const Drover__GuestStatus *s, struct guest_change *ret)
{
	*ret = (struct guest_change){ .event = -1,
		.power = k->power,
		.run_gen = k->run_gen,
		.started_ms = k->started_ms };
	/* Until it is made, and while it is being deleted, a task knows better. */
	if (k->lifecycle != LIFE_READY)
		return false;
	if (s->generation > k->run_gen && s->generation <= MAX_GENERATION) {
		ret->gen_changed = true;
		ret->run_gen = s->generation;
	}
	if (s->started_ms && s->started_ms != k->started_ms) {
		ret->started_changed = true;
		ret->started_ms = s->started_ms;
	}
	enum power_state power = guest_power(s->state);
	if (power != k->power) {
		ret->power_changed = true;
		ret->power = power;
		ret->event = event_of(k, s);
		snprintf(ret->reason, sizeof(ret->reason), "%s", s->reason);
		snprintf(ret->text, sizeof(ret->text), "%s%s%.150s",
		    text_of(ret->event), s->reason[0] ? ": " : "", s->reason);
	}
	return ret->power_changed || ret->gen_changed || ret->started_changed;
}
