#include <stdlib.h>

#include "base/mem.h"
#include "tests/sim/storm_server_int.h"

#define TICK_MS 200u

struct storm_servers *
servers_new(struct storm *w)
{
	struct storm_servers *s = xcalloc(1, sizeof(*s));

	for (uint32_t i = 0; i < w->servers; i++)
		s->list[i].up = true;
	return s;
}

void
servers_free(struct storm_servers *s)
{
	free(s);
}

static void
ask_db(struct storm *w, uint32_t server, enum txn_kind kind)
{
	struct server *s = server_at(w, server);
	struct txn t = {
		.kind = kind,
		.server = server,
		.life = w->lives[storm_server_node(w, server)],
		.begun_ms = storm_clock_ms(w, storm_server_node(w, server)),
		.epoch = s->view.epoch,
		.expect = s->view.watch.row,
	};

	s->view.busy = true;
	if (kind == TXN_READ)
		s->view.read_ms = t.begun_ms;
	else
		s->view.wrote_ms = t.begun_ms;
	db_submit(w, &t);
}

static void
begin_lead(struct storm *w, uint32_t server, uint64_t epoch, uint64_t proved_ms)
{
	struct server *s = server_at(w, server);
	uint32_t node = storm_server_node(w, server);

	s->view.leading = true;
	s->view.epoch = epoch;
	s->view.proved_ms = proved_ms;
	s->lead = (struct lead){ .since_ms = storm_clock_ms(w, node) };
	if (w->plant == PLANT_NO_LEADER_WAIT)
		s->lead.since_ms -= HA_COLLECT_MS;
	storm_trace(
	    w, "server %u: leads with epoch %llu", server, (unsigned long long)epoch);
}

void
server_on_tick(struct storm *w, uint32_t server)
{
	struct server *s = server_at(w, server);
	uint64_t now = storm_clock_ms(w, storm_server_node(w, server));

	storm_post(
	    w, w->now_ms + TICK_MS, EV_SERVER_TICK, storm_server_node(w, server), 0);
	switch (leader_decide(&s->view, &w->terms, now)) {
	case LEADER_IDLE:
		break;
	case LEADER_READ:
		ask_db(w, server, TXN_READ);
		break;
	case LEADER_CAMPAIGN:
		ask_db(w, server, TXN_TAKE_OVER);
		break;
	case LEADER_RENEW:
		ask_db(w, server, TXN_RENEW);
		break;
	case LEADER_LEAD:
		begin_lead(w, server, s->view.watch.row.epoch, s->view.wrote_ms);
		break;
	case LEADER_STEP_DOWN:
		storm_trace(w, "server %u: steps down", server);
		s->view.leading = false;
		break;
	}
	if (s->view.leading)
		lead_look(w, server);
}

void
server_on_message(struct storm *w, uint32_t server, uint64_t arg)
{
	struct server *s = server_at(w, server);
	struct message m;
	uint64_t now = storm_clock_ms(w, storm_server_node(w, server));

	if (!net_take(w, arg, &m) || !s->up)
		return;
	if (m.kind == MESSAGE_BEAT && lease_holds(leader_end_ms(&s->view), now) &&
	    s->lead.loaded)
		lead_on_beat(w, server, &m);
}

static void
on_leader_txn(struct storm *w, uint32_t server, const struct txn *t)
{
	struct server *s = server_at(w, server);
	uint64_t now = storm_clock_ms(w, storm_server_node(w, server));

	s->view.busy = false;
	if (t->lost) {
		s->view.unknown = s->view.unknown || t->kind != TXN_READ;
		return;
	}
	s->view.unknown = false;
	leader_watch_note(&s->view.watch, &t->row, t->begun_ms, now);
	if (!t->done)
		return;
	if (t->kind == TXN_TAKE_OVER)
		begin_lead(w, server, t->row.epoch, t->begun_ms);
	else if (t->kind == TXN_RENEW && s->view.leading &&
		 t->begun_ms > s->view.proved_ms)
		s->view.proved_ms = t->begun_ms;
}

void
server_on_db(struct storm *w, uint32_t server, uint64_t arg)
{
	struct server *s = server_at(w, server);
	struct txn t = db_take(w, arg);

	if (!s->up || t.life != w->lives[storm_server_node(w, server)])
		return;
	switch (t.kind) {
	case TXN_READ:
	case TXN_TAKE_OVER:
	case TXN_RENEW:
		on_leader_txn(w, server, &t);
		break;
	case TXN_LOAD:
	case TXN_FENCE:
	case TXN_JOIN:
	case TXN_START:
		if (s->view.leading && s->view.epoch == t.epoch)
			lead_on_txn(w, server, &t);
		break;
	}
}

void
server_dies(struct storm *w, uint32_t server, uint64_t back_ms)
{
	struct server *s = server_at(w, server);
	uint32_t node = storm_server_node(w, server);

	if (!s->up)
		return;
	*s = (struct server){ 0 };
	w->lives[node]++;
	if (back_ms)
		storm_post(w, w->now_ms + back_ms, EV_SERVER_BACK, node, 0);
}

void
server_on_back(struct storm *w, uint32_t server)
{
	server_at(w, server)->up = true;
	storm_post(w, w->now_ms + 1, EV_SERVER_TICK, storm_server_node(w, server), 0);
}

void
leader_dies(struct storm *w, uint64_t back_ms)
{
	for (uint32_t i = 0; i < w->servers; i++) {
		uint64_t now = storm_clock_ms(w, storm_server_node(w, i));
		if (lease_holds(leader_end_ms(&server_at(w, i)->view), now))
			server_dies(w, i, back_ms);
	}
}
