#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/link/epoch.h"
#include "host-agent/link/uplink_int.h"
#include "loop/timer.h"
#include "proto/msg.h"

#define BEAT_MIN_MS 100u
#define BEAT_MAX_MS 60000u
/* Nobody is dialled more often than this, whatever the dice say. */
#define BACKOFF_FLOOR_MS 50u

static const char *const state_names[] = { "waiting", "dialling", "greeting", "standby",
	"ready" };

static const bool may[5][5] = {
	[UPLINK_WAITING] = { [UPLINK_DIALLING] = true },
	[UPLINK_DIALLING] = { [UPLINK_WAITING] = true, [UPLINK_GREETING] = true },
	[UPLINK_GREETING] = { [UPLINK_WAITING] = true,
	    [UPLINK_STANDBY] = true,
	    [UPLINK_READY] = true },
	[UPLINK_STANDBY] = { [UPLINK_WAITING] = true, [UPLINK_GREETING] = true },
	[UPLINK_READY] = { [UPLINK_WAITING] = true },
};

static void
line_set_state(struct line *l, enum uplink_state to, const char *why)
{
	bool loud = to >= UPLINK_STANDBY || l->state >= UPLINK_STANDBY || !l->warned;

	ASSERT(may[l->state][to]);
	log_write(loud ? LOG_LEVEL_NOTICE : LOG_LEVEL_DEBUG, "uplink",
	    "link to %s:%u: %s -> %s (%s)", l->host, l->port, state_names[l->state],
	    state_names[to], why);
	l->state = to;
}

static uint64_t
next_wait_ms(struct line *l)
{
	unsigned shift = l->failures < 6 ? l->failures : 6;
	uint64_t cap = (uint64_t)UPLINK_BACKOFF_MIN_MS << shift;
	uint64_t wait;

	if (cap > l->u->conf.retry_max_ms)
		cap = l->u->conf.retry_max_ms;
	wait = l->asked_ms + BACKOFF_FLOOR_MS + rng_below(&l->u->rng, cap);
	l->asked_ms = 0;
	return wait;
}

void
line_drop(struct line *l, const char *why)
{
	bool first = l->state >= UPLINK_STANDBY || !l->warned;

	timer_stop(l->greeting);
	timer_stop(l->beat);
	if (l->link) {
		link_free(l->ended);
		l->ended = MOVE(l->link);
		timer_after(l->reaper, 0);
	}
	line_set_state(l, UPLINK_WAITING, why);
	l->leads = false;
	if (first && l->failures)
		l->warned = true;
	timer_after(l->retry, next_wait_ms(l));
	l->failures++;
	uplink_lost(l);
}

static void
on_reap(void *arg)
{
	struct line *l = arg;

	link_free(MOVE(l->ended));
}

int
line_send(struct line *l, Drover__Envelope *m, struct err *e)
{
	AUTO_FREE uint8_t *p = NULL;
	size_t n = 0;
	int rc;

	m->version = PROTO_VERSION;
	m->epoch = epoch_seen(l->u->epoch);
	rc = msg_pack(m, &p, &n, e);
	return rc ? rc : link_send(l->link, p, n, e);
}

/* Whoever has a leader asks another server only to tell when it becomes one. */
static int
send_first(struct line *l, struct err *e)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Standby standby = DROVER__STANDBY__INIT;
	int rc;

	if (l->u->ready && !l->leads) {
		standby.version = PROTO_VERSION;
		m.body_case = DROVER__ENVELOPE__BODY_STANDBY;
		m.standby = &standby;
		return line_send(l, &m, e);
	}
	m.body_case = DROVER__ENVELOPE__BODY_HELLO;
	m.hello = l->u->ev->hello(l->u->arg);
	rc = line_send(l, &m, e);
	drover__hello__free_unpacked(m.hello, NULL);
	return rc;
}

static void
greet(struct line *l, const char *why)
{
	struct err e = ERR_INIT;

	line_set_state(l, UPLINK_GREETING, why);
	timer_stop(l->beat);
	if (send_first(l, &e))
		line_drop(l, e.msg);
	else
		timer_after(l->greeting, UPLINK_GREETING_MS);
}

void
line_greet(struct line *l)
{
	l->leads = true;
	greet(l, "it leads");
}

static void
on_up(struct link *k, void *arg)
{
	struct line *l = arg;

	if (k != l->link || l->state != UPLINK_DIALLING)
		return;
	if (link_peer(k)->role != TLS_ROLE_SERVER)
		line_drop(l, "the peer's certificate is not a server's");
	else
		greet(l, link_peer_addr(k));
}

static void
settle(struct line *l, enum uplink_state to, uint32_t beat_ms)
{
	timer_stop(l->greeting);
	if (l->state != to)
		line_set_state(l, to, link_peer_addr(l->link));
	l->failures = 0;
	l->warned = false;
	l->beat_ms = beat_ms < BEAT_MIN_MS   ? BEAT_MIN_MS
		     : beat_ms > BEAT_MAX_MS ? BEAT_MAX_MS
					     : beat_ms;
	timer_every(l->beat, l->beat_ms);
}

static bool
is_known_version(struct line *l, uint32_t version)
{
	if (version >= PROTO_VERSION_MIN && version <= PROTO_VERSION)
		return true;
	line_drop(l, "the server wants another version of the protocol");
	return false;
}

static void
on_welcome(struct line *l, const Drover__Welcome *w)
{
	if (!is_known_version(l, w->version))
		return;
	settle(l, UPLINK_READY, w->beat_ms);
	uplink_welcomed(l, w);
}

/* A server of an epoch that is over may believe that it leads. */
static void
on_standby(struct line *l, const Drover__Standby *s, uint64_t epoch)
{
	uint64_t seen = epoch_seen(l->u->epoch);

	if (!is_known_version(l, s->version))
		return;
	settle(l, UPLINK_STANDBY, s->beat_ms);
	l->leads = s->leads && epoch >= seen;
	if (l->leads && (!l->u->ready || epoch > seen))
		line_greet(l);
	else if (!s->leads)
		uplink_hint(l->u, s->leader);
}

static void
on_refuse(struct line *l, const Drover__Refuse *r)
{
	AUTO(str) struct str why = STR_INIT;

	l->asked_ms = r->retry_after_ms < UPLINK_ASKED_MAX_MS ? r->retry_after_ms
							      : UPLINK_ASKED_MAX_MS;
	str_addf(&why, "the server refused this host: %s (%s)", r->message, r->code);
	line_drop(l, str_cstr(&why));
}

static void
answer_ping(struct line *l, uint64_t nonce)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Pong pong = DROVER__PONG__INIT;

	pong.nonce = nonce;
	m.body_case = DROVER__ENVELOPE__BODY_PONG;
	m.pong = &pong;
	(void)!line_send(l, &m, NULL);
}

/* Frames of a welcomed link. */
static void
on_message(struct line *l, Drover__Envelope **m)
{
	const struct uplink_events *ev = l->u->ev;
	void *arg = l->u->arg;

	switch ((*m)->body_case) {
	case DROVER__ENVELOPE__BODY_ORDER:
		ev->order(arg, MOVE(*m));
		break;
	case DROVER__ENVELOPE__BODY_EVENT_ACK:
		ev->event_ack(arg, (*m)->event_ack->id);
		break;
	case DROVER__ENVELOPE__BODY_SESSION_OPEN:
	case DROVER__ENVELOPE__BODY_SESSION_DATA:
	case DROVER__ENVELOPE__BODY_SESSION_CREDIT:
	case DROVER__ENVELOPE__BODY_SESSION_SIZE:
	case DROVER__ENVELOPE__BODY_SESSION_END:
		ev->session(arg, *m);
		break;
	case DROVER__ENVELOPE__BODY_HA_CONF:
	case DROVER__ENVELOPE__BODY_BEAT_REPLY:
		if (ev->lease)
			ev->lease(arg, *m);
		break;
	case DROVER__ENVELOPE__BODY_STAT_ACK:
		if (ev->stat_ack)
			ev->stat_ack(arg, (*m)->stat_ack);
		break;
	case DROVER__ENVELOPE__BODY_STAT_WATCH:
		if (ev->stat_watch)
			ev->stat_watch(arg, (*m)->stat_watch);
		break;
	case DROVER__ENVELOPE__BODY_SERVER_LIST:
		uplink_list_take(l->u, (*m)->server_list);
		break;
	case DROVER__ENVELOPE__BODY_CERT_GRANT:
		if (ev->cert_grant)
			ev->cert_grant(arg, (*m)->cert_grant);
		break;
	default:
		log_warn("uplink", "the server sent a message of kind %d: ignored",
		    (int)(*m)->body_case);
		break;
	}
}

/* False: the message is answered or the link is gone. */
static bool
obey_epoch(struct line *l, const Drover__Envelope *m)
{
	struct err e = ERR_INIT;

	if (!epoch_meet(l->u->epoch, m->epoch, &e))
		return true;
	if (l->state == UPLINK_READY && m->body_case == DROVER__ENVELOPE__BODY_ORDER)
		l->u->ev->refuse(l->u->arg, m->order, &e);
	else
		line_drop(l, e.msg);
	return false;
}

/* What any server may say, leader or not: its epoch obliges nobody. */
static bool
take_from_any(struct line *l, const Drover__Envelope *m)
{
	switch (m->body_case) {
	case DROVER__ENVELOPE__BODY_REFUSE:
		on_refuse(l, m->refuse);
		return true;
	case DROVER__ENVELOPE__BODY_STANDBY:
		if (l->state != UPLINK_READY)
			on_standby(l, m->standby, m->epoch);
		return true;
	case DROVER__ENVELOPE__BODY_PING:
		answer_ping(l, m->ping->nonce);
		return true;
	case DROVER__ENVELOPE__BODY_PONG:
		return true;
	default:
		return false;
	}
}

static void
take_message(struct line *l, Drover__Envelope **m)
{
	if (take_from_any(l, *m) || !obey_epoch(l, *m))
		return;
	if (l->state == UPLINK_READY)
		on_message(l, m);
	else if (l->state == UPLINK_GREETING &&
		 (*m)->body_case == DROVER__ENVELOPE__BODY_WELCOME)
		on_welcome(l, (*m)->welcome);
	else
		line_drop(l, "the server's first message is no welcome");
}

static void
on_frame(struct link *k, const uint8_t *p, size_t n, void *arg)
{
	struct line *l = arg;
	AUTO(msg) Drover__Envelope *m = NULL;
	struct err e = ERR_INIT;
	int rc;

	if (k != l->link || l->state < UPLINK_GREETING)
		return;
	l->heard_ms = loop_now_ms(l->u->loop);
	rc = msg_unpack(p, n, &m, &e);
	if (rc == ERR_CORRUPT)
		line_drop(l, e.msg);
	else if (rc)
		log_warn("uplink", "message from the server ignored: %s", e.msg);
	else
		take_message(l, &m);
}

static void
on_down(struct link *k, const struct err *why, void *arg)
{
	struct line *l = arg;

	if (k == l->link)
		line_drop(l, why->msg);
}

static const struct link_events link_evs = { on_up, on_frame, on_down };

static void
on_retry(void *arg)
{
	struct line *l = arg;
	const struct uplink_call call = { l->host, l->port, &link_evs, l };
	struct err e = ERR_INIT;

	line_set_state(l, UPLINK_DIALLING, l->host);
	if (l->u->conf.dial(l->u->arg, &call, &l->link, &e)) {
		l->link = NULL;
		line_drop(l, e.msg);
	}
}

static void
on_greeting_over(void *arg)
{
	line_drop(arg, "the server did not answer the greeting in time");
}

static void
on_beat(void *arg)
{
	struct line *l = arg;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Ping ping = DROVER__PING__INIT;
	uint64_t patience = (uint64_t)UPLINK_BEATS_MISSED * l->beat_ms;

	if (loop_now_ms(l->u->loop) - l->heard_ms > patience) {
		line_drop(l, "three beats of the server are missing");
		return;
	}
	ping.nonce = ++l->nonce;
	m.body_case = DROVER__ENVELOPE__BODY_PING;
	m.ping = &ping;
	(void)!line_send(l, &m, NULL);
}

void
line_hurry(struct line *l)
{
	if (l->state != UPLINK_WAITING)
		return;
	l->failures = 0;
	timer_after(l->retry, 0);
}

void
line_start(struct line *l)
{
	timer_after(l->retry, 0);
}

struct line *
line_new(struct uplink *u, char *host_take, uint16_t port)
{
	struct line *l = xcalloc(1, sizeof(*l));

	l->u = u;
	l->host = host_take;
	l->port = port;
	l->retry = timer_new(u->loop, on_retry, l);
	l->greeting = timer_new(u->loop, on_greeting_over, l);
	l->beat = timer_new(u->loop, on_beat, l);
	l->reaper = timer_new(u->loop, on_reap, l);
	return l;
}

void
line_free(struct line *l)
{
	timer_free(l->retry);
	timer_free(l->greeting);
	timer_free(l->beat);
	timer_free(l->reaper);
	link_free(l->link);
	link_free(l->ended);
	free(l->host);
	free(l);
}
