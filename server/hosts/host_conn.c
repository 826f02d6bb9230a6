/*
 * One agent's link: who may come in, and what frames mean.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/event/event.h"
#include "server/hosts/host_int.h"

int
conn_send(struct conn *c, Drover__Envelope *m)
{
	struct err e = ERR_INIT;
	uint8_t *p;
	size_t n;

	m->version = PROTO_VERSION;
	m->epoch = c->hs->epoch;
	int rc = msg_pack(m, &p, &n, &e);
	if (!rc) {
		rc = link_send(c->link, p, n, &e);
		free(p);
	}
	if (rc)
		log_warn("hosts", "cannot send to %s: %s", c->peer, e.msg);
	return rc;
}

static void
send_refuse(struct conn *c, const struct err *why)
{
	Drover__Refuse refuse = DROVER__REFUSE__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	AUTO_FREE char *code = xstrdup(err_name(why->code));
	AUTO_FREE char *message = xstrdup(why->msg);

	refuse.code = code;
	refuse.message = message;
	refuse.retry_after_ms = REFUSED_RETRY_MS;
	m.body_case = DROVER__ENVELOPE__BODY_REFUSE;
	m.refuse = &refuse;
	conn_send(c, &m);
}

/* An agent that is refused comes again and again: one event a minute is enough. */
static void
post_refused(struct conn *c, obj_id host, const struct err *why)
{
	struct hosts *hs = c->hs;
	uint64_t now_ms = loop_now_ms(hs->loop);
	uint64_t *last_ms =
	    obj_id_none(host) ? &hs->refused_ms : &rec_of(hs, host)->refused_ms;

	log_warn("hosts", "link from %s refused: %s", c->peer, why->msg);
	if (*last_ms && now_ms - *last_ms < REFUSED_EVENT_MS)
		return;
	*last_ms = now_ms;
	event_post(hs->inv, EV_HOST_REFUSED, host, NULL, "Refused a link from %s: %s",
	    c->peer, why->msg);
}

static void
conn_refuse(struct conn *c, obj_id host, const struct err *why)
{
	post_refused(c, host, why);
	send_refuse(c, why);
	c->closing = true;
	link_close(c->link);
}

static const struct host *
host_by_uuid(const struct inv *inv, const char *uuid)
{
	INV_EACH(inv, KIND_HOST, o)
	{
		const struct host *h = inv_host(inv, o->id);
		if (h->uuid && str_same(h->uuid, uuid))
			return h;
	}
	return NULL;
}

static int
check_identity(const struct conn *c, const Drover__Hello *hello,
    const struct host **ret_host, struct err *e)
{
	const struct tls_identity *peer = link_peer(c->link);
	const struct host *h;

	if (peer->role != TLS_ROLE_HOST || !peer->uuid[0])
		return err_set(e, ERR_DENIED, "its certificate is not a host's");
	if (!str_same(hello->host_uuid, peer->uuid))
		return err_set(e, ERR_DENIED,
		    "it says to be host %.40s, its certificate is that of %s",
		    hello->host_uuid, peer->uuid);
	h = host_by_uuid(c->hs->inv, peer->uuid);
	if (!h)
		return err_set(e, ERR_NOT_FOUND, "no host has the uuid %s", peer->uuid);
	*ret_host = h;
	if (!host_cert_is_good(h, peer->fingerprint))
		return err_set(e, ERR_DENIED,
		    "host \"%s\" was enrolled again: this certificate is no longer valid",
		    h->o.name);
	return 0;
}

static int
check_version(const struct conn *c, const Drover__Hello *hello, struct err *e)
{
	if (hello->version_min > PROTO_VERSION ||
	    hello->version_max < PROTO_VERSION_MIN) {
		return err_set(e, ERR_UNSUPPORTED,
		    "it speaks protocol versions %u to %u, the server %u to %u",
		    hello->version_min, hello->version_max, PROTO_VERSION_MIN,
		    PROTO_VERSION);
	}
	if (hello->epoch_seen > c->hs->epoch) {
		return err_set(e, ERR_STALE,
		    "it has seen a server of epoch %llu, this one's is %llu",
		    (unsigned long long)hello->epoch_seen,
		    (unsigned long long)c->hs->epoch);
	}
	return 0;
}

static int
check_only_one(const struct conn *c, const struct host_rec *rec,
    const Drover__Hello *hello, struct err *e)
{
	if (!rec->conn)
		return 0;
	uint64_t silent_ms = loop_now_ms(c->hs->loop) - rec->heard_ms;
	bool same = str_same(rec->conn->boot_id, hello->boot_id);
	if (host_newer_wins(silent_ms, c->hs->beat_ms, same))
		return 0;
	return err_set(e, ERR_EXISTS,
	    "host \"%s\" is connected from %s already; two agents have its identity",
	    inv_name(c->hs->inv, rec->id), rec->conn->peer);
}

static void
fill_datastore(const struct datastore *ds, Drover__DatastoreSpec *spec)
{
	drover__datastore_spec__init(spec);
	spec->datastore = obj_id_number(ds->o.id);
	spec->uuid = ds->uuid;
	spec->name = ds->o.name;
	spec->type = ds->type;
	spec->path = ds->path;
}

static void
send_welcome(struct conn *c)
{
	const struct inv *inv = c->hs->inv;
	Drover__Welcome w = DROVER__WELCOME__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	size_t max = inv_count(inv, KIND_DATASTORE);
	AUTO_FREE Drover__DatastoreSpec *specs = xcalloc(max + 1, sizeof(*specs));
	AUTO_FREE Drover__DatastoreSpec **list =
	    xcalloc(max + 1, sizeof(Drover__DatastoreSpec *));

	INV_EACH(inv, KIND_DATASTORE, o)
	{
		const struct datastore *ds = inv_datastore(inv, o->id);
		if (!id_list_has(&ds->hosts, c->rec->id))
			continue;
		fill_datastore(ds, &specs[w.n_datastores]);
		list[w.n_datastores] = &specs[w.n_datastores];
		w.n_datastores++;
	}
	AUTO_FREE char *name = xstrdup(inv_name(inv, c->rec->id));
	w.version = PROTO_VERSION;
	w.host = obj_id_number(c->rec->id);
	w.host_name = name;
	w.report_ms = c->hs->report_ms;
	w.beat_ms = c->hs->beat_ms;
	w.stats_ms = c->hs->stats_ms;
	w.datastores = list;
	w.signs = hosts_sign(c->hs);
	m.body_case = DROVER__ENVELOPE__BODY_WELCOME;
	m.welcome = &w;
	conn_send(c, &m);
}

/* The host's link is this one from now on. */
static void
conn_become(struct conn *c, struct host_rec *rec, const Drover__Hello *hello)
{
	char *colon;

	if (rec->conn)
		conn_free(rec->conn);
	rec->conn = c;
	rec->heard = true;
	rec->heard_ms = loop_now_ms(c->hs->loop);
	rec->why_down[0] = '\0';
	c->rec = rec;
	snprintf(c->boot_id, sizeof(c->boot_id), "%s", hello->boot_id);
	c->takes_watches = hello->takes_watches;
	c->takes_servers = hello->takes_servers;
	snprintf(rec->address, sizeof(rec->address), "%s", c->peer);
	colon = strrchr(rec->address, ':');
	if (colon)
		*colon = '\0';
	log_notice("hosts", "host \"%s\": linked from %s, %zu guests",
	    inv_name(c->hs->inv, rec->id), c->peer, hello->n_guests);
}

static void
take_hello(struct conn *c, const Drover__Hello *hello)
{
	const struct host *h = NULL;
	struct err e = ERR_INIT;
	int rc = check_version(c, hello, &e);

	if (!rc)
		rc = check_identity(c, hello, &h, &e);
	if (!rc && !hello->facts)
		rc = err_set(&e, ERR_INVALID, "its hello says nothing about the host");
	if (!rc && h)
		rc = check_only_one(c, rec_of(c->hs, h->o.id), hello, &e);
	if (rc || !h) {
		conn_refuse(c, h ? h->o.id : OBJ_ID_NONE, &e);
		return;
	}
	struct host_rec *rec = rec_of(c->hs, h->o.id);
	conn_become(c, rec, hello);
	send_welcome(c);
	conn_send_servers(c);
	host_take_hello(rec, hello);
	host_beat_linked(rec);
	host_state_update(rec);
	host_calls_up(rec);
	hosts_wake_waiting(c->hs);
}

static void
send_pong(struct conn *c, uint64_t nonce)
{
	Drover__Pong pong = DROVER__PONG__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	pong.nonce = nonce;
	m.body_case = DROVER__ENVELOPE__BODY_PONG;
	m.pong = &pong;
	conn_send(c, &m);
}

static void
send_ping(struct conn *c)
{
	Drover__Ping ping = DROVER__PING__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	ping.nonce = ++c->nonce;
	c->pinged_us = clock_mono_us(loop_clock(c->hs->loop));
	m.body_case = DROVER__ENVELOPE__BODY_PING;
	m.ping = &ping;
	conn_send(c, &m);
}

/* Of an older ping: its time is known no more. */
static void
take_pong(struct conn *c, uint64_t nonce)
{
	uint64_t us = clock_mono_us(loop_clock(c->hs->loop)) - c->pinged_us;

	if (nonce == c->nonce)
		c->rtt_us = us ? us : 1;
}

/* A frame that breaks the rules ends the link: what follows cannot be trusted. */
static void
conn_fault(struct conn *c, const struct err *why)
{
	log_warn("hosts", "%s breaks the protocol: %s", c->peer, why->msg);
	send_refuse(c, why);
	c->closing = true;
	link_close(c->link);
}

static void
send_standby(struct conn *c)
{
	Drover__Standby standby = DROVER__STANDBY__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	standby.version = PROTO_VERSION;
	standby.beat_ms = c->hs->beat_ms;
	standby.leads = true;
	m.body_case = DROVER__ENVELOPE__BODY_STANDBY;
	m.standby = &standby;
	conn_send(c, &m);
}

static void
take_first(struct conn *c, const Drover__Envelope *m)
{
	struct err e = ERR_INIT;

	switch (m->body_case) {
	case DROVER__ENVELOPE__BODY_HELLO:
		take_hello(c, m->hello);
		return;
	case DROVER__ENVELOPE__BODY_STANDBY:
		c->since_ms = loop_now_ms(c->hs->loop);
		send_standby(c);
		return;
	case DROVER__ENVELOPE__BODY_PING:
		c->since_ms = loop_now_ms(c->hs->loop);
		send_pong(c, m->ping->nonce);
		return;
	default:
		err_set(&e, ERR_INVALID, "the first message must be Hello");
		conn_fault(c, &e);
	}
}

static void
take_message(struct conn *c, Drover__Envelope *m_take)
{
	AUTO(msg) Drover__Envelope *m = m_take;
	struct err e = ERR_INIT;

	switch (m->body_case) {
	case DROVER__ENVELOPE__BODY_REPLY:
		host_calls_reply(c->rec, MOVE(m));
		return;
	case DROVER__ENVELOPE__BODY_REPORT:
		host_take_report(c->rec, m->report);
		return;
	case DROVER__ENVELOPE__BODY_EVENT:
		host_take_event(c->rec, m->event);
		return;
	case DROVER__ENVELOPE__BODY_BEAT:
		host_beat_take(c->rec, m->beat);
		return;
	case DROVER__ENVELOPE__BODY_PING:
		send_pong(c, m->ping->nonce);
		return;
	case DROVER__ENVELOPE__BODY_PONG:
		take_pong(c, m->pong->nonce);
		return;
	case DROVER__ENVELOPE__BODY_SESSION_DATA:
	case DROVER__ENVELOPE__BODY_SESSION_CREDIT:
	case DROVER__ENVELOPE__BODY_SESSION_END:
		host_session_take(c->rec, m);
		return;
	case DROVER__ENVELOPE__BODY_CERT_REQUEST:
		host_renew_take(c->rec, m->cert_request);
		return;
	case DROVER__ENVELOPE__BODY_STAT_BATCH:
		host_stats_take(c->rec, m->stat_batch);
		return;
	case DROVER__ENVELOPE__BODY_STAT_LIVE:
		host_live_take(c->rec, m->stat_live);
		return;
	default:
		err_set(&e, ERR_INVALID, "an agent does not send that");
		conn_fault(c, &e);
	}
}

static void
on_frame(struct link *k, const uint8_t *p, size_t n, void *arg)
{
	struct conn *c = CAST_OBJ(conn, arg, CONN_MAGIC);
	Drover__Envelope *m;
	struct err e = ERR_INIT;

	if (c->closing)
		return;
	if (c->rec) {
		c->rec->heard_ms = loop_now_ms(c->hs->loop);
		c->rec->heard = true;
	}
	if (msg_unpack(p, n, &m, &e)) {
		conn_fault(c, &e);
		return;
	}
	if (c->rec) {
		take_message(c, m);
		return;
	}
	take_first(c, m);
	msg_free(m);
}

static void
on_up(struct link *k, void *arg)
{
	struct conn *c = CAST_OBJ(conn, arg, CONN_MAGIC);

	c->since_ms = loop_now_ms(c->hs->loop);
}

static void
on_down(struct link *k, const struct err *why, void *arg)
{
	struct conn *c = CAST_OBJ(conn, arg, CONN_MAGIC);

	if (c->rec) {
		log_notice("hosts", "host \"%s\": link down: %s",
		    inv_name(c->hs->inv, c->rec->id), why->msg);
		snprintf(
		    c->rec->why_down, sizeof(c->rec->why_down), "%.150s", why->msg);
	} else if (!c->closing) {
		log_info("hosts", "link from %s ended: %s", c->peer, why->msg);
	}
	conn_free(c);
}

static const struct link_events link_events = { on_up, on_frame, on_down };

void
conn_new(struct hosts *hs, struct link *k, const char *peer)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	c->magic = CONN_MAGIC;
	c->hs = hs;
	c->link = k;
	c->since_ms = loop_now_ms(hs->loop);
	snprintf(c->peer, sizeof(c->peer), "%s", peer);
	list_add_tail(&hs->conns, &c->node);
	link_set_events(k, &link_events, c);
}

void
conn_free(struct conn *c)
{
	struct host_rec *rec = c->rec;

	list_remove(&c->node);
	link_free(c->link);
	if (rec && rec->conn == c) {
		rec->conn = NULL;
		host_calls_down(rec);
		host_session_down(rec);
	}
	c->magic = 0;
	free(c);
}

void
conn_tick(struct conn *c, uint64_t now_ms)
{
	if (!c->rec) {
		if (now_ms - c->since_ms > HELLO_MS && !c->closing) {
			log_info("hosts", "link from %s: no word within %u s", c->peer,
			    HELLO_MS / 1000);
			conn_free(c);
		}
		return;
	}
	if (now_ms - c->pinged_ms >= c->hs->beat_ms) {
		c->pinged_ms = now_ms;
		send_ping(c);
	}
	if (!c->closing)
		host_calls_up(c->rec);
}
