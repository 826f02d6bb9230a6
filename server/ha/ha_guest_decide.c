#include "server/ha/ha_guest_decide.h"

#include <string.h>

uint64_t
ha_guest_silent_ms(const struct ha_pulse *p, uint64_t now_ms)
{
	uint64_t since = p->beat_ms > p->heard_ms ? p->beat_ms : p->heard_ms;

	return now_ms > since ? now_ms - since : 0;
}

size_t
ha_guest_resets(
    const struct ha_pulse *p, const struct protect_monitor *m, uint64_t now_ms)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_resets; i++)
		n += p->resets_ms[i] + m->window_ms > now_ms;
	return n;
}

enum ha_guest_do
ha_guest_decide(const struct ha_pulse *p, const struct protect_monitor *m,
    const struct ha_guest_times *t, enum ha_guest_io io, uint64_t now_ms)
{
	if (!m->quiet_ms || !p->heard_ms || !p->beat_ms)
		return HA_GUEST_NOTHING;
	if (now_ms < p->on_ms + t->boot_ms ||
	    ha_guest_silent_ms(p, now_ms) < m->quiet_ms)
		return HA_GUEST_NOTHING;
	switch (io) {
	case HA_GUEST_IO_UNASKED:
		return HA_GUEST_ASK_IO;
	case HA_GUEST_IO_UNKNOWN:
	case HA_GUEST_IO_SOME:
		return HA_GUEST_NOTHING;
	case HA_GUEST_IO_NONE:
		break;
	}
	if (ha_guest_resets(p, m, now_ms) < m->resets)
		return HA_GUEST_RESET;
	return p->given_up ? HA_GUEST_NOTHING : HA_GUEST_GIVE_UP;
}

void
ha_guest_note_reset(struct ha_pulse *p, uint64_t now_ms)
{
	if (p->n_resets == PROTECT_MAX_RESETS) {
		memmove(p->resets_ms, p->resets_ms + 1,
		    (PROTECT_MAX_RESETS - 1) * sizeof(p->resets_ms[0]));
		p->n_resets--;
	}
	p->resets_ms[p->n_resets++] = now_ms;
	p->on_ms = now_ms;
	p->beat_ms = 0;
	p->given_up = false;
}
