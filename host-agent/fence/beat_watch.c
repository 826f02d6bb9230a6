#include "host-agent/fence/beat_watch.h"

static bool
is_newer(const struct lease_beat *a, const struct lease_beat *b)
{
	return a->inc != b->inc ? a->inc > b->inc : a->seq > b->seq;
}

void
beat_watch_note(struct beat_watch *w, const struct lease_beat *read, uint64_t begun_ms,
    uint64_t ended_ms)
{
	if (!read->known)
		return;
	if (!w->seen || is_newer(read, &w->beat)) {
		*w = (struct beat_watch){ .seen = true,
			.moved = w->seen,
			.beat = *read,
			.moved_ms = ended_ms,
			.checked_ms = ended_ms };
		return;
	}
	if (is_newer(&w->beat, read)) {
		/* Storage that shows the past: what it showed before is in doubt, too.
		 */
		w->moved = false;
		w->moved_ms = ended_ms;
		w->checked_ms = ended_ms;
		return;
	}
	if (begun_ms > w->checked_ms)
		w->checked_ms = begun_ms;
}

uint64_t
beat_watch_still_ms(const struct beat_watch *w)
{
	return w->seen ? w->checked_ms - w->moved_ms : 0;
}

bool
beat_watch_tells(const struct beat_watch *w, uint64_t least_ms)
{
	return w->seen && (w->moved || beat_watch_still_ms(w) >= least_ms);
}

bool
beat_watch_dead(const struct beat_watch *w, const struct lease_terms *own)
{
	if (!w->seen || w->beat.inc == 0)
		return false;
	return beat_watch_still_ms(w) >=
	       lease_wait_ms(own, w->beat.lease_ms, w->beat.kill_ms);
}
