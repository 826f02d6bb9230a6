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
