#include "host-agent/link/uplink.h"

#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "host-agent/link/epoch.h"
#include "loop/timer.h"
#include "proto/msg.h"

#define MAX_SERVERS 16u
#define BEAT_MIN_MS 100u
#define BEAT_MAX_MS 60000u
/* Nobody is dialled more often than this, whatever the dice say. */
#define BACKOFF_FLOOR_MS 50u

struct server_addr {
	char *host;
	uint16_t port;
};

struct uplink {
	struct loop *loop;
	struct uplink_conf conf;
	struct epoch *epoch;
	const struct uplink_events *ev;
	void *arg;
	struct rng rng;
	struct server_addr servers[MAX_SERVERS];
	size_t n_servers, next_server;

	enum uplink_state state;
	struct link *link;
	struct link *ended; /* freed by the reaper, never from within its callback */
	unsigned failures;  /* attempts since the last Welcome */
	uint32_t asked_ms;  /* the server's wish for the next wait */
	uint64_t heard_ms;  /* when the last frame came */
	uint32_t beat_ms;
	uint64_t nonce;
	struct timer *retry, *greeting, *beat, *reaper;
	bool warned; /* the outage was logged already */
};

static const char *const state_names[] = { "waiting", "dialling", "greeting", "ready" };

static const bool may[4][4] = {
	[UPLINK_WAITING] = { [UPLINK_DIALLING] = true },
	[UPLINK_DIALLING] = { [UPLINK_WAITING] = true, [UPLINK_GREETING] = true },
	[UPLINK_GREETING] = { [UPLINK_WAITING] = true, [UPLINK_READY] = true },
	[UPLINK_READY] = { [UPLINK_WAITING] = true },
};

static void
set_state(struct uplink *u, enum uplink_state to, const char *why)
{
	ASSERT(may[u->state][to]);
	if (to == UPLINK_READY || u->state == UPLINK_READY || !u->warned)
		log_notice("uplink", "link: %s -> %s (%s)", state_names[u->state],
		    state_names[to], why);
	else
		log_debug("uplink", "link: %s -> %s (%s)", state_names[u->state],
		    state_names[to], why);
	u->state = to;
}

static uint64_t
next_wait_ms(struct uplink *u)
{
	unsigned shift = u->failures < 6 ? u->failures : 6;
	uint64_t cap = (uint64_t)UPLINK_BACKOFF_MIN_MS << shift;
	uint64_t wait;

	if (cap > u->conf.retry_max_ms)
		cap = u->conf.retry_max_ms;
	wait = u->asked_ms + BACKOFF_FLOOR_MS + rng_below(&u->rng, cap);
	u->asked_ms = 0;
	return wait;
}

/* Give the link up, whatever it does, and try again later. */
static void
drop(struct uplink *u, const char *why)
{
	bool was_ready = u->state == UPLINK_READY;
	bool first = was_ready || !u->warned;

	timer_stop(u->greeting);
	timer_stop(u->beat);
	if (u->link) {
		link_free(u->ended);
		u->ended = MOVE(u->link);
		timer_after(u->reaper, 0);
	}
	set_state(u, UPLINK_WAITING, why);
	if (first && u->failures)
		u->warned = true;
	u->next_server = (u->next_server + 1) % u->n_servers;
	timer_after(u->retry, next_wait_ms(u));
	u->failures++;
	if (was_ready)
		u->ev->down(u->arg);
}

static void
on_reap(void *arg)
{
	struct uplink *u = arg;

	link_free(MOVE(u->ended));
}

static int
send_now(struct uplink *u, Drover__Envelope *m, struct err *e)
{
	AUTO_FREE uint8_t *p = NULL;
	size_t n = 0;
	int rc;

	m->version = PROTO_VERSION;
	m->epoch = epoch_seen(u->epoch);
	rc = msg_pack(m, &p, &n, e);
	return rc ? rc : link_send(u->link, p, n, e);
}

int
uplink_send(struct uplink *u, Drover__Envelope *m, struct err *e)
{
	if (u->state != UPLINK_READY)
		return err_set(e, ERR_LOST, "no link to the server");
	return send_now(u, m, e);
}

static void
on_up(struct link *k, void *arg)
{
	struct uplink *u = arg;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	struct err e = ERR_INIT;
	int rc;

	if (k != u->link || u->state != UPLINK_DIALLING)
		return;
	if (link_peer(k)->role != TLS_ROLE_SERVER) {
		drop(u, "the peer's certificate is not a server's");
		return;
	}
	set_state(u, UPLINK_GREETING, link_peer_addr(k));
	m.body_case = DROVER__ENVELOPE__BODY_HELLO;
	m.hello = u->ev->hello(u->arg);
	rc = send_now(u, &m, &e);
	drover__hello__free_unpacked(m.hello, NULL);
	if (rc)
		drop(u, e.msg);
	else
		timer_after(u->greeting, UPLINK_GREETING_MS);
}

static void
on_welcome(struct uplink *u, const Drover__Welcome *w)
{
	if (w->version < PROTO_VERSION_MIN || w->version > PROTO_VERSION) {
		drop(u, "the server wants another version of the protocol");
		return;
	}
	timer_stop(u->greeting);
	set_state(u, UPLINK_READY, link_peer_addr(u->link));
	u->failures = 0;
	u->warned = false;
	u->beat_ms = w->beat_ms < BEAT_MIN_MS   ? BEAT_MIN_MS
		     : w->beat_ms > BEAT_MAX_MS ? BEAT_MAX_MS
						: w->beat_ms;
	timer_every(u->beat, u->beat_ms);
	u->ev->welcome(u->arg, w);
}

static void
on_refuse(struct uplink *u, const Drover__Refuse *r)
{
	struct str why = STR_INIT;

	u->asked_ms = r->retry_after_ms < UPLINK_ASKED_MAX_MS ? r->retry_after_ms
							      : UPLINK_ASKED_MAX_MS;
	str_addf(&why, "the server refused this host: %s (%s)", r->message, r->code);
	drop(u, str_cstr(&why));
	str_fini(&why);
}

static void
answer_ping(struct uplink *u, uint64_t nonce)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Pong pong = DROVER__PONG__INIT;

	pong.nonce = nonce;
	m.body_case = DROVER__ENVELOPE__BODY_PONG;
	m.pong = &pong;
	(void)send_now(u, &m, NULL);
}

/* Frames of a welcomed link. */
static void
on_message(struct uplink *u, Drover__Envelope **m)
{
	switch ((*m)->body_case) {
	case DROVER__ENVELOPE__BODY_ORDER:
		u->ev->order(u->arg, MOVE(*m));
		break;
	case DROVER__ENVELOPE__BODY_EVENT_ACK:
		u->ev->event_ack(u->arg, (*m)->event_ack->id);
		break;
	case DROVER__ENVELOPE__BODY_PING:
		answer_ping(u, (*m)->ping->nonce);
		break;
	case DROVER__ENVELOPE__BODY_REFUSE:
		on_refuse(u, (*m)->refuse);
		break;
	case DROVER__ENVELOPE__BODY_SESSION_OPEN:
	case DROVER__ENVELOPE__BODY_SESSION_DATA:
	case DROVER__ENVELOPE__BODY_SESSION_CREDIT:
	case DROVER__ENVELOPE__BODY_SESSION_SIZE:
	case DROVER__ENVELOPE__BODY_SESSION_END:
		u->ev->session(u->arg, *m);
		break;
	case DROVER__ENVELOPE__BODY_HA_CONF:
	case DROVER__ENVELOPE__BODY_BEAT_REPLY:
		if (u->ev->lease)
			u->ev->lease(u->arg, *m);
		break;
	case DROVER__ENVELOPE__BODY_STAT_ACK:
		if (u->ev->stat_ack)
			u->ev->stat_ack(u->arg, (*m)->stat_ack);
		break;
	case DROVER__ENVELOPE__BODY_PONG:
		break;
	case DROVER__ENVELOPE__BODY_BEAT:
	case DROVER__ENVELOPE__BODY_HELLO:
	case DROVER__ENVELOPE__BODY_WELCOME:
	case DROVER__ENVELOPE__BODY_REPLY:
	case DROVER__ENVELOPE__BODY_REPORT:
	case DROVER__ENVELOPE__BODY_EVENT:
	case DROVER__ENVELOPE__BODY_STAT_BATCH:
	case DROVER__ENVELOPE__BODY__NOT_SET:
	case _DROVER__ENVELOPE__BODY__CASE_IS_INT_SIZE:
		log_warn("uplink", "the server sent a message of kind %d: ignored",
		    (int)(*m)->body_case);
		break;
	}
}

/* False: the message is answered or the link is gone. */
static bool
obey_epoch(struct uplink *u, const Drover__Envelope *m)
{
	struct err e = ERR_INIT;

	if (!epoch_meet(u->epoch, m->epoch, &e))
		return true;
	if (u->state == UPLINK_READY && m->body_case == DROVER__ENVELOPE__BODY_ORDER)
		u->ev->refuse(u->arg, m->order, &e);
	else
		drop(u, e.msg);
	return false;
}

static void
take_message(struct uplink *u, Drover__Envelope **m)
{
	/* Who refuses us need not be the leader: its epoch says nothing. */
	if ((*m)->body_case == DROVER__ENVELOPE__BODY_REFUSE) {
		on_refuse(u, (*m)->refuse);
		return;
	}
	if (!obey_epoch(u, *m))
		return;
	if (u->state == UPLINK_READY)
		on_message(u, m);
	else if ((*m)->body_case == DROVER__ENVELOPE__BODY_WELCOME)
		on_welcome(u, (*m)->welcome);
	else
		drop(u, "the server's first message is no welcome");
}

static void
on_frame(struct link *k, const uint8_t *p, size_t n, void *arg)
{
	struct uplink *u = arg;
	AUTO(msg) Drover__Envelope *m = NULL;
	struct err e = ERR_INIT;
	int rc;

	if (k != u->link || (u->state != UPLINK_GREETING && u->state != UPLINK_READY))
		return;
	u->heard_ms = loop_now_ms(u->loop);
	rc = msg_unpack(p, n, &m, &e);
	if (rc == ERR_CORRUPT)
		drop(u, e.msg);
	else if (rc)
		log_warn("uplink", "message from the server ignored: %s", e.msg);
	else
		take_message(u, &m);
}

static void
on_down(struct link *k, const struct err *why, void *arg)
{
	struct uplink *u = arg;

	if (k == u->link)
		drop(u, why->msg);
}

static const struct link_events link_evs = { on_up, on_frame, on_down };

static void
on_retry(void *arg)
{
	struct uplink *u = arg;
	const struct server_addr *s = &u->servers[u->next_server];
	const struct uplink_call call = { s->host, s->port, &link_evs, u };
	struct err e = ERR_INIT;

	set_state(u, UPLINK_DIALLING, s->host);
	if (u->conf.dial(u->arg, &call, &u->link, &e)) {
		u->link = NULL;
		drop(u, e.msg);
	}
}

static void
on_greeting_over(void *arg)
{
	drop(arg, "the server did not answer the greeting in time");
}

static void
on_beat(void *arg)
{
	struct uplink *u = arg;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Ping ping = DROVER__PING__INIT;

	uint64_t patience = (uint64_t)UPLINK_BEATS_MISSED * u->beat_ms;

	if (loop_now_ms(u->loop) - u->heard_ms > patience) {
		drop(u, "three beats of the server are missing");
		return;
	}
	ping.nonce = ++u->nonce;
	m.body_case = DROVER__ENVELOPE__BODY_PING;
	m.ping = &ping;
	(void)send_now(u, &m, NULL);
}

int
uplink_parse_server(const char *s, char **ret_host, uint16_t *ret_port, struct err *e)
{
	const char *colon = strrchr(s, ':');
	const char *from = s, *to = colon;
	uint64_t port;

	if (!colon || colon == s)
		return err_set(e, ERR_INVALID, "server \"%s\": wants HOST:PORT", s);
	if (*s == '[') {
		from++;
		to--;
		if (to <= from || *to != ']')
			return err_set(
			    e, ERR_INVALID, "server \"%s\": wants [ADDRESS]:PORT", s);
	} else if (memchr(s, ':', (size_t)(colon - s))) {
		return err_set(e, ERR_INVALID,
		    "server \"%s\": an IPv6 address goes into brackets", s);
	}
	if (parse_u64(colon + 1, 1, 65535, "port of the server", &port, e))
		return ERR_INVALID;
	*ret_host = xstrndup(from, (size_t)(to - from));
	*ret_port = (uint16_t)port;
	return 0;
}

static int
parse_servers(struct uplink *u, const char *list, struct err *e)
{
	AUTO_FREE char *copy = xstrdup(list ? list : "");
	char *save = copy;

	for (char *s; (s = strsep(&save, ",")) != NULL;) {
		struct server_addr *a = &u->servers[u->n_servers];

		s += strspn(s, " ");
		if (!*s)
			continue;
		if (u->n_servers == MAX_SERVERS)
			return err_set(
			    e, ERR_INVALID, "more than %u servers", MAX_SERVERS);
		if (uplink_parse_server(s, &a->host, &a->port, e))
			return ERR_INVALID;
		u->n_servers++;
	}
	if (!u->n_servers)
		return err_set(e, ERR_INVALID, "no server is configured");
	return 0;
}

int
uplink_new(
    struct loop *l, const struct uplink_conf *c, struct uplink **ret_u, struct err *e)
{
	struct uplink *u = xcalloc(1, sizeof(*u));
	int rc;

	u->loop = l;
	u->conf = *c;
	u->conf.servers = NULL;
	u->epoch = c->epoch;
	u->ev = c->ev;
	u->arg = c->arg;
	rng_seed(&u->rng, c->seed);
	rc = parse_servers(u, c->servers, e);
	if (rc) {
		uplink_free(u);
		return rc;
	}
	u->retry = timer_new(l, on_retry, u);
	u->greeting = timer_new(l, on_greeting_over, u);
	u->beat = timer_new(l, on_beat, u);
	u->reaper = timer_new(l, on_reap, u);
	*ret_u = u;
	return 0;
}

void
uplink_start(struct uplink *u)
{
	timer_after(u->retry, 0);
}

void
uplink_free(struct uplink *u)
{
	if (!u)
		return;
	timer_free(u->retry);
	timer_free(u->greeting);
	timer_free(u->beat);
	timer_free(u->reaper);
	if (u->link)
		link_free(u->link);
	if (u->ended)
		link_free(u->ended);
	for (size_t i = 0; i < u->n_servers; i++)
		free(u->servers[i].host);
	free(u);
}

enum uplink_state
uplink_state(const struct uplink *u)
{
	return u->state;
}

void
uplink_own_host(const struct uplink *u, char out[LINK_HOST_TEXT])
{
	*out = '\0';
	if (u->link)
		link_own_host(u->link, out);
}
