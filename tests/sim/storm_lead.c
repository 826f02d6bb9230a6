#include <string.h>

#include "tests/sim/storm_server_int.h"

#define BEAT_MS UINT64_C(1000)

void
lead_submit(struct storm *w, uint32_t server, const struct txn *t)
{
	uint32_t node = storm_server_node(w, server);
	struct txn x = *t;

	x.server = server;
	x.life = w->lives[node];
	x.begun_ms = storm_clock_ms(w, node);
	x.epoch = server_at(w, server)->view.epoch;
	db_submit(w, &x);
}

void
lead_lose_host(struct storm *w, struct lead *l, uint32_t host, uint64_t now)
{
	for (uint32_t g = 0; g < w->guests; g++) {
		struct restart_guest *rg = &l->guests[g];
		if (l->rows.guests[g].host != host || rg->is == RESTART_WAITING ||
		    l->rows.guests[g].inc > l->attested[host])
			continue;
		rg->is = RESTART_WAITING;
		rg->lost_ms = now;
	}
}

/* ---- the database's answers ---- */

static void
take_rows(struct storm *w, struct server *s, const struct txn *t, uint64_t now)
{
	struct lead *l = &s->lead;

	l->rows = t->rows;
	l->loaded = true;
	for (uint32_t h = 0; h < w->hosts; h++) {
		struct ha_host *host = &l->hosts[h];
		if (host->host_id == 0) {
			host->host_id = h + 1;
			ha_take_over(host, l->since_ms);
			if (w->plant == PLANT_NO_LEADER_WAIT)
				host->heard_ms = host->grants_end_ms = 0;
		}
		host->fenced = t->rows.hosts[h].fenced;
		if (host->fenced)
			l->attested[h] = t->rows.hosts[h].inc;
	}
	for (uint32_t g = 0; g < w->guests; g++) {
		struct restart_guest *rg = &l->guests[g];
		const struct guest_row *row = &t->rows.guests[g];
		if (rg->id == 0)
			*rg = (struct restart_guest){ .id = g + 1,
				.priority = RESTART_MEDIUM,
				.is = RESTART_RUNNING };
		rg->host = row->host;
		/* It was reaped before its host joined anew (R9). */
		if (row->inc < t->rows.hosts[row->host].inc &&
		    rg->is != RESTART_WAITING) {
			rg->is = RESTART_WAITING;
			rg->lost_ms = now;
		}
	}
	for (uint32_t h = 0; h < w->hosts; h++)
		if (l->hosts[h].fenced)
			lead_lose_host(w, l, h, now);
}

static void
on_joined(struct storm *w, struct lead *l, const struct txn *t, uint64_t now)
{
	l->rows.hosts[t->host] = (struct host_row){ .inc = t->inc + 1 };
	l->hosts[t->host].fenced = false;
	for (uint32_t g = 0; g < w->guests; g++) {
		struct restart_guest *rg = &l->guests[g];
		const struct guest_row *row = &l->rows.guests[g];
		if (row->host == t->host && row->inc <= t->inc &&
		    rg->is != RESTART_WAITING) {
			rg->is = RESTART_WAITING;
			rg->lost_ms = now;
		}
	}
}

void
lead_on_txn(struct storm *w, uint32_t server, const struct txn *t)
{
	struct server *s = server_at(w, server);
	struct lead *l = &s->lead;
	uint64_t now = storm_clock_ms(w, storm_server_node(w, server));

	if (t->kind == TXN_LOAD)
		l->loading = false;
	else if (t->kind == TXN_START)
		l->guest_busy[t->guest] = false;
	else
		l->host_busy[t->host] = false;
	if (t->lost || !t->done) {
		/* Done or not: what the rows say counts, before anything else. */
		l->loaded = false;
		return;
	}
	switch (t->kind) {
	case TXN_LOAD:
		take_rows(w, s, t, now);
		break;
	case TXN_FENCE:
		storm_trace(w, "server %u: host %u inc %llu is fenced", server, t->host,
		    (unsigned long long)t->inc);
		l->attested[t->host] = t->inc;
		lead_lose_host(w, l, t->host, now);
		break;
	case TXN_JOIN:
		on_joined(w, l, t, now);
		break;
	case TXN_START:
		restart_ordered(w, server, t);
		break;
	case TXN_READ:
	case TXN_TAKE_OVER:
	case TXN_RENEW:
		break;
	}
}

/* ---- beats ---- */

static struct message
answer(struct storm *w, uint32_t server, const struct message *m)
{
	struct lead *l = &server_at(w, server)->lead;
	uint32_t h = m->from;
	const struct host_row *row = &l->rows.hosts[h];

	return (struct message){
		.kind = MESSAGE_REPLY,
		.from = storm_server_node(w, server),
		.to = h,
		.epoch = server_at(w, server)->view.epoch,
		.reply = { .inc = m->beat.inc,
		    .sent_ms = m->beat.sent_ms,
		    .row_inc = row->inc,
		    .over = l->hosts[h].fenced,
		    .others_have_store = l->is[h] == HA_STORE_LOST },
	};
}

static void
grant(struct storm *w, uint32_t server, const struct message *m, struct message *reply)
{
	struct server *s = server_at(w, server);
	struct ha_host *h = &s->lead.hosts[m->from];
	uint64_t now = storm_clock_ms(w, storm_server_node(w, server));

	if (!m->beat.asks || m->beat.inc != s->lead.rows.hosts[m->from].inc)
		return;
	struct ha_grant g = ha_grant(h, &w->terms, now, leader_end_ms(&s->view));
	uint64_t end = lease_end(now, g.length_ms);
	reply->reply.length_ms = g.length_ms;
	if (end > h->grants_end_ms)
		h->grants_end_ms = end;
}

static void
join(struct storm *w, uint32_t server, const struct message *m)
{
	struct lead *l = &server_at(w, server)->lead;
	const struct host_row *row = &l->rows.hosts[m->from];
	struct txn t = { .kind = TXN_JOIN, .host = m->from, .inc = row->inc };

	if (l->host_busy[m->from] ||
	    ha_join(&l->hosts[m->from], row->inc, m->beat.inc) == HA_JOIN_TELL)
		return; /* the reply tells it */
	l->host_busy[m->from] = true;
	lead_submit(w, server, &t);
}

void
lead_on_beat(struct storm *w, uint32_t server, const struct message *m)
{
	struct server *s = server_at(w, server);
	struct lead *l = &s->lead;
	uint32_t h = m->from;
	uint64_t now = storm_clock_ms(w, storm_server_node(w, server));
	struct message reply = answer(w, server, m);

	if (m->beat.number <= l->numbers[h])
		return; /* late, or twice */
	l->numbers[h] = m->beat.number;
	l->heard[h] = true;
	l->hosts[h].heard_ms = now;
	l->hosts[h].store_lost_ms =
	    m->beat.store_lost_ms ? now - m->beat.store_lost_ms : 0;
	memcpy(l->words[h], m->beat.words, sizeof(l->words[h]));
	l->may_take[h] = m->beat.asks && !m->beat.rejoins && !m->beat.store_lost_ms &&
			 m->beat.inc == l->rows.hosts[h].inc;
	if (m->beat.rejoins)
		join(w, server, m);
	else
		grant(w, server, m, &reply);
	net_send(w, &reply);
	restart_report(w, server, h, m);
}

/* ---- decisions ---- */

static void
weigh_words(const struct storm *w, struct lead *l, uint32_t about, uint64_t now)
{
	struct ha_word words[STORM_MAX_HOSTS];
	struct ha_host *host = &l->hosts[about];
	size_t n = 0, well = 0;

	host->says_isolated = false;
	for (uint32_t by = 0; by < w->hosts; by++) {
		const struct message_word *m = &l->words[by][about];
		if (by == about || !l->heard[by] ||
		    now - l->hosts[by].heard_ms >= HA_BEATS_MISSED * BEAT_MS)
			continue;
		well += !l->hosts[by].store_lost_ms;
		host->says_isolated |= m->read && m->isolated;
		words[n++] = (struct ha_word){
			.read = m->read, .dead = m->dead, .still_ms = m->still_ms
		};
	}
	host->beat = ha_recall(
	    host, ha_weigh(words, n, (uint32_t)BEAT_MS), (uint32_t)BEAT_MS, now);
	host->others_have_store = well > 0;
}

static void
fence(struct storm *w, uint32_t server, uint32_t host)
{
	struct lead *l = &server_at(w, server)->lead;
	uint64_t inc = l->rows.hosts[host].inc;
	struct txn t = { .kind = TXN_FENCE, .host = host, .inc = inc };

	if (l->host_busy[host] || l->attested[host] == inc)
		return;
	l->host_busy[host] = true;
	/* From now on it may be in the database: nothing is granted any more. */
	if (w->plant != PLANT_NO_FENCE_FLAG)
		l->hosts[host].fenced = true;
	lead_submit(w, server, &t);
}

static void
retrieve(struct storm *w, struct lead *l, uint32_t host, uint64_t now)
{
	for (uint32_t g = 0; g < w->guests; g++) {
		if (l->rows.guests[g].host == host && storm_powers_off(w, g) &&
		    l->guests[g].is == RESTART_RUNNING) {
			l->guests[g].is = RESTART_WAITING;
			l->guests[g].lost_ms = now;
		}
	}
}

static void
carry_out(struct storm *w, uint32_t server, const struct ha_effects *out, uint64_t now)
{
	struct lead *l = &server_at(w, server)->lead;

	for (size_t i = 0; i < out->n; i++) {
		const struct ha_effect *e = &out->list[i];
		uint32_t h = (uint32_t)e->host;
		switch (e->what) {
		case HA_SET_STATE:
			storm_trace(w, "server %u: host %u is %s", server, h,
			    ha_is_text(e->is));
			break;
		case HA_FENCE:
			fence(w, server, h);
			break;
		case HA_RETRIEVE:
			retrieve(w, l, h, now);
			break;
		case HA_EVICT:
			break; /* its next replies say so */
		case HA_BRAKE:
		case HA_RELEASE_BRAKE:
			storm_trace(w, "server %u: brake %s", server,
			    e->what == HA_BRAKE ? "on" : "off");
			break;
		}
	}
}

void
lead_look(struct storm *w, uint32_t server)
{
	struct server *s = server_at(w, server);
	struct lead *l = &s->lead;
	uint64_t now = storm_clock_ms(w, storm_server_node(w, server));
	struct ha_host hosts[STORM_MAX_HOSTS];
	struct ha_effect list[HA_EFFECTS(STORM_MAX_HOSTS)];
	struct ha_effects out = { .list = list };
	struct lease_terms terms = w->terms;
	struct ha_state state = {
		.is = l->is, .braked = l->braked, .mass_ms = l->mass_ms
	};
	struct ha_view v = { .hosts = hosts,
		.n = w->hosts,
		.terms = &terms,
		.beat_ms = (uint32_t)BEAT_MS,
		.lead_since_ms = l->since_ms };

	if (!l->loaded) {
		struct txn t = { .kind = TXN_LOAD };
		if (!l->loading)
			lead_submit(w, server, &t);
		l->loading = true;
		return;
	}
	if (w->plant == PLANT_NO_KILL_MARGIN)
		terms.kill_ms = 0;
	for (uint32_t h = 0; h < w->hosts; h++) {
		weigh_words(w, l, h, now);
		hosts[h] = l->hosts[h];
		hosts[h].protected_guests = 1;
		if (w->plant == PLANT_NO_NET_WAIT)
			hosts[h].grants_end_ms = 0;
		v.reported += l->heard[h];
	}
	ha_decide(&v, now, &state, &out);
	l->braked = state.braked;
	l->mass_ms = state.mass_ms;
	carry_out(w, server, &out, now);
	restart_look(w, server);
}
