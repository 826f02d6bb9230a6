#include "server/hosts/host_beat.h"

#include "server/hosts/host_int.h"

void
hosts_set_beats(struct hosts *hs, const struct host_beat_events *ev, void *arg)
{
	hs->beat_ev = ev;
	hs->beat_arg = arg;
}

bool
hosts_send_beat(struct hosts *hs, obj_id host, Drover__Envelope *m)
{
	struct host_rec *rec = rec_find(hs, host);

	return rec && rec->conn && !rec->conn->closing && !conn_send(rec->conn, m);
}

void
hosts_end_calls(struct hosts *hs, obj_id host, const char *why)
{
	struct host_rec *rec = rec_find(hs, host);
	struct err e = ERR_INIT;

	if (!rec)
		return;
	err_set(&e, ERR_TIMEOUT, "host %s %s", inv_name(hs->inv, host), why);
	host_calls_end(rec, &e);
}

void
host_beat_take(struct host_rec *rec, const Drover__Beat *b)
{
	struct hosts *hs = rec->hs;

	if (hs->beat_ev)
		hs->beat_ev->beat(hs->beat_arg, rec->id, b);
}

void
host_beat_linked(struct host_rec *rec)
{
	struct hosts *hs = rec->hs;

	if (hs->beat_ev)
		hs->beat_ev->linked(hs->beat_arg, rec->id);
}
