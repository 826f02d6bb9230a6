#include "server/leader/leader_decide.h"

void
leader_watch_note(struct leader_watch *w, const struct leader_row *read,
    uint64_t begun_ms, uint64_t ended_ms)
{
	if (w->seen && w->row.epoch == read->epoch && w->row.beat == read->beat) {
		if (begun_ms > w->checked_ms)
			w->checked_ms = begun_ms;
		w->row.vacant = read->vacant;
		return;
	}
	*w = (struct leader_watch){
		.seen = true, .row = *read, .moved_ms = ended_ms, .checked_ms = ended_ms
	};
}

uint64_t
leader_end_ms(const struct leader_view *v)
{
	return v->leading ? lease_end(v->proved_ms, LEADER_LEASE_MS) : 0;
}

static bool
is_due(uint64_t last_ms, uint64_t period_ms, uint64_t now_ms)
{
	return last_ms == 0 || now_ms >= lease_end(last_ms, period_ms);
}

static enum leader_act
lead(const struct leader_view *v, uint64_t now_ms)
{
	if (!lease_holds(leader_end_ms(v), now_ms))
		return LEADER_STEP_DOWN;
	if (v->watch.seen && v->watch.row.epoch > v->epoch)
		return LEADER_STEP_DOWN;
	if (v->busy)
		return LEADER_IDLE;
	if (v->unknown)
		return LEADER_READ;
	return is_due(v->wrote_ms, LEADER_RENEW_MS, now_ms) ? LEADER_RENEW
							    : LEADER_IDLE;
}

static bool
is_vacant(const struct leader_watch *w, const struct lease_terms *t)
{
	if (w->row.epoch == 0 || w->row.vacant)
		return true;
	return w->checked_ms - w->moved_ms >= lease_wait_ms(t, LEADER_LEASE_MS, 0);
}

enum leader_act
leader_decide(const struct leader_view *v, const struct lease_terms *t, uint64_t now_ms)
{
	const struct leader_watch *w = &v->watch;

	if (v->leading)
		return lead(v, now_ms);
	if (v->busy)
		return LEADER_IDLE;
	if (v->unknown)
		return LEADER_READ;
	if (w->seen && w->row.mine && v->epoch < w->row.epoch &&
	    lease_holds(lease_end(v->wrote_ms, LEADER_LEASE_MS), now_ms))
		return LEADER_LEAD;
	if (w->seen && is_vacant(w, t))
		return LEADER_CAMPAIGN;
	return is_due(v->read_ms, LEADER_READ_MS, now_ms) ? LEADER_READ : LEADER_IDLE;
}
