#include "server/hosts/host_decide.h"

#include <stdio.h>

/* After our own start agents need time to find us again before they are missed. */
#define START_GRACE_BEATS 10u

static void
say_silent(const struct host_view *v, struct host_verdict *ret)
{
	ret->state = CONN_NOT_RESPONDING;
	/* The seconds would change with every look at it. */
	snprintf(ret->reason, sizeof(ret->reason), "no word for %u beats%s%s",
	    HOST_BEATS_MISSED, v->why_down[0] ? "; " : "", v->why_down);
}

void
host_decide(const struct host_view *v, struct host_verdict *ret)
{
	uint64_t beats = v->silent_ms / v->beat_ms;

	*ret = (struct host_verdict){ .state = v->state };
	if (v->heard) {
		if (beats < HOST_BEATS_MISSED) {
			ret->state = CONN_CONNECTED;
			return;
		}
		say_silent(v, ret);
		ret->close_link = v->linked;
		return;
	}
	switch (v->state) {
	case CONN_CONNECTED:
	case CONN_NOT_RESPONDING:
		if (v->state == CONN_CONNECTED && beats < START_GRACE_BEATS)
			return;
		ret->state = CONN_NOT_RESPONDING;
		snprintf(ret->reason, sizeof(ret->reason),
		    "has not connected since the server started");
		return;
	case CONN_DISCONNECTED:
		snprintf(ret->reason, sizeof(ret->reason), "has not connected yet");
		return;
	case conn_state_COUNT_:
		break;
	}
}

bool
host_newer_wins(uint64_t older_silent_ms, uint32_t beat_ms, bool same_boot_id)
{
	return same_boot_id || older_silent_ms >= (uint64_t)beat_ms * HOST_BEATS_MISSED;
}
