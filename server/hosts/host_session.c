#include "server/hosts/host_session.h"

#include "server/hosts/host_int.h"

void
hosts_set_sessions(struct hosts *hs, const struct host_session_events *ev, void *arg)
{
	hs->session_ev = ev;
	hs->session_arg = arg;
}

int
hosts_send_session(struct hosts *hs, obj_id host, Drover__Envelope *m, struct err *e)
{
	struct host_rec *rec = rec_find(hs, host);

	if (!rec || !rec->conn || rec->conn->closing)
		return err_set(e, ERR_UNAVAILABLE, "host \"%s\" is not connected",
		    inv_name(hs->inv, host));
	if (conn_send(rec->conn, m))
		return err_set(e, ERR_BUSY, "too much is on its way to host \"%s\"",
		    inv_name(hs->inv, host));
	return 0;
}

void
host_session_take(struct host_rec *rec, const Drover__Envelope *m)
{
	struct hosts *hs = rec->hs;

	if (hs->session_ev)
		hs->session_ev->message(hs->session_arg, rec->id, m);
}

void
host_session_down(struct host_rec *rec)
{
	struct hosts *hs = rec->hs;

	if (hs->session_ev)
		hs->session_ev->down(hs->session_arg, rec->id);
}
