#include "server/hosts/host_stats.h"

#include "server/hosts/host_int.h"

void
hosts_set_stats(struct hosts *hs, uint32_t interval_ms, host_stats_fn take, void *arg)
{
	hs->stats_ms = take ? interval_ms : 0;
	hs->stats_take = take;
	hs->stats_arg = arg;
}

void
host_stats_take(struct host_rec *rec, const Drover__StatBatch *b)
{
	struct hosts *hs = rec->hs;
	Drover__StatAck ack = DROVER__STAT_ACK__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	if (!hs->stats_take)
		return;
	hs->stats_take(hs->stats_arg, rec->id, rec->conn->boot_id, b, &ack);
	m.body_case = DROVER__ENVELOPE__BODY_STAT_ACK;
	m.stat_ack = &ack;
	(void)conn_send(rec->conn, &m);
}

void
hosts_set_watches(struct hosts *hs, host_live_fn take, void *arg)
{
	hs->live_take = take;
	hs->live_arg = arg;
}

bool
hosts_takes_watches(const struct hosts *hs, obj_id host)
{
	const struct host_rec *rec = rec_find(hs, host);

	return rec && rec->conn && !rec->conn->closing && rec->conn->takes_watches;
}

bool
hosts_watch(struct hosts *hs, obj_id host, Drover__StatWatch *w)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	if (!hosts_takes_watches(hs, host))
		return false;
	m.body_case = DROVER__ENVELOPE__BODY_STAT_WATCH;
	m.stat_watch = w;
	return !conn_send(rec_find(hs, host)->conn, &m);
}

void
host_live_take(struct host_rec *rec, const Drover__StatRound *r)
{
	struct hosts *hs = rec->hs;

	if (hs->live_take)
		hs->live_take(hs->live_arg, rec->id, r);
}
