#include "server/follower/follower.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/link.h"
#include "loop/timer.h"
#include "proto/msg.h"
#include "server/follower/follower_int.h"
#include "server/hosts/hosts.h"

#define CONN_MAGIC   0x73636f6eu
#define BEAT_MS      2000u
#define BEATS_MISSED 3u
#define HELLO_MS     10000u /* from the handshake to the first frame */

/* One agent's link. */
struct waiting {
	uint32_t magic;
	struct list_node node;
	struct follower *fo;
	struct link *link;
	char peer[64];
	bool greeted;
	uint64_t heard_ms;
};

static void
waiting_free(struct waiting *c)
{
	list_remove(&c->node);
	link_free(c->link);
	c->magic = 0;
	free(c);
}

static void
say(struct waiting *c, Drover__Envelope *m)
{
	AUTO_FREE uint8_t *p = NULL;
	struct err e = ERR_INIT;
	size_t n;

	m->version = PROTO_VERSION;
	if (msg_pack(m, &p, &n, &e) || link_send(c->link, p, n, &e))
		log_info("follower", "cannot send to %s: %s", c->peer, e.msg);
}

static void
say_standby(struct waiting *c, bool leads)
{
	const struct leader *ld = c->fo->leader;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Standby standby = DROVER__STANDBY__INIT;
	AUTO_FREE char *agents = xstrdup(ld ? leader_seen(ld)->agents : "");

	standby.version = PROTO_VERSION;
	standby.beat_ms = c->fo->beat_ms;
	standby.leader = agents;
	standby.leads = leads;
	m.epoch = leads ? leader_epoch(ld) : 0;
	m.body_case = DROVER__ENVELOPE__BODY_STANDBY;
	m.standby = &standby;
	say(c, &m);
}

static void
say_pong(struct waiting *c, uint64_t nonce)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Pong pong = DROVER__PONG__INIT;

	pong.nonce = nonce;
	m.body_case = DROVER__ENVELOPE__BODY_PONG;
	m.pong = &pong;
	say(c, &m);
}

static void
on_frame(struct link *k, const uint8_t *p, size_t n, void *arg)
{
	struct waiting *c = CAST_OBJ(waiting, arg, CONN_MAGIC);
	AUTO(msg) Drover__Envelope *m = NULL;
	struct err e = ERR_INIT;

	c->heard_ms = loop_now_ms(c->fo->loop);
	if (msg_unpack(p, n, &m, &e)) {
		log_warn("follower", "%s breaks the protocol: %s", c->peer, e.msg);
		link_close(c->link);
		return;
	}
	switch (m->body_case) {
	case DROVER__ENVELOPE__BODY_HELLO:
	case DROVER__ENVELOPE__BODY_STANDBY:
		c->greeted = true;
		say_standby(c, false);
		break;
	case DROVER__ENVELOPE__BODY_PING:
		say_pong(c, m->ping->nonce);
		break;
	default:
		break; /* meant for a leader, which hears it again */
	}
}

static void
on_up(struct link *k, void *arg)
{
	struct waiting *c = CAST_OBJ(waiting, arg, CONN_MAGIC);

	c->heard_ms = loop_now_ms(c->fo->loop);
	if (link_peer(k)->role == TLS_ROLE_HOST)
		return;
	log_warn("follower", "%s: its certificate is not a host's", c->peer);
	link_close(k);
}

static void
on_down(struct link *k, const struct err *why, void *arg)
{
	struct waiting *c = CAST_OBJ(waiting, arg, CONN_MAGIC);

	log_info("follower", "link from %s ended: %s", c->peer, why->msg);
	waiting_free(c);
}

static void
on_link(struct link *k, const char *peer, void *arg)
{
	static const struct link_events events = { on_up, on_frame, on_down };
	struct follower *fo = CAST_OBJ(follower, arg, FOLLOWER_MAGIC);
	struct waiting *c = xcalloc(1, sizeof(*c));

	c->magic = CONN_MAGIC;
	c->fo = fo;
	c->link = k;
	c->heard_ms = loop_now_ms(fo->loop);
	snprintf(c->peer, sizeof(c->peer), "%s", peer);
	list_add_tail(&fo->conns, &c->node);
	link_set_events(k, &events, c);
}

static void
on_tick(void *arg)
{
	struct follower *fo = CAST_OBJ(follower, arg, FOLLOWER_MAGIC);
	uint64_t now_ms = loop_now_ms(fo->loop);

	LIST_EACH_SAFE(struct waiting, c, &fo->conns, node) {
		uint64_t patience =
		    c->greeted ? (uint64_t)BEATS_MISSED * fo->beat_ms : HELLO_MS;
		if (now_ms - c->heard_ms <= patience)
			continue;
		log_info("follower", "link from %s: silent", c->peer);
		waiting_free(c);
	}
}

const char *
follower_leader_api(const struct follower *fo)
{
	return fo->leader ? leader_seen(fo->leader)->api : "";
}

void
follower_note(struct follower *fo, const struct leader *ld)
{
	fo->leader = ld;
	LIST_EACH(struct waiting, c, &fo->conns, node) {
		if (c->greeted)
			say_standby(c, false);
	}
}

void
follower_hand_over(struct follower *fo, struct hosts *hs)
{
	size_t n = 0;

	link_listener_free(MOVE(fo->listener));
	timer_stop(fo->tick);
	LIST_EACH_SAFE(struct waiting, c, &fo->conns, node) {
		if (c->greeted)
			say_standby(c, true);
		hosts_accept(hs, MOVE(c->link), c->peer);
		waiting_free(c);
		n++;
	}
	log_info("follower", "%zu agents' links are at hand", n);
}

void
follower_close_front(struct follower *fo)
{
	front_free(MOVE(fo->front));
}

int
follower_new(const struct follower_opts *o, struct follower **ret, struct err *e)
{
	struct follower *fo = xcalloc(1, sizeof(*fo));
	struct front_conf front = *o->front;
	struct link_opts link = { 0 };

	fo->magic = FOLLOWER_MAGIC;
	fo->loop = o->loop;
	fo->beat_ms = o->beat_ms ? o->beat_ms : BEAT_MS;
	list_init(&fo->conns);
	fo->tick = timer_new(o->loop, on_tick, fo);
	timer_every(fo->tick, fo->beat_ms / 2 + 1);
	front.web_root = NULL;
	front.pages_to_core = true;
	if (link_listen(o->loop, o->agents_address, o->agents_port, o->agents_ctx,
		&link, on_link, fo, &fo->listener, e) < 0 ||
	    front_start(o->loop, &front, &follower_front_events, fo, &fo->front, e) <
		0) {
		follower_free(fo);
		return e->code;
	}
	*ret = fo;
	return 0;
}

void
follower_free(struct follower *fo)
{
	if (!fo)
		return;
	link_listener_free(fo->listener);
	front_free(fo->front);
	LIST_EACH_SAFE(struct waiting, c, &fo->conns, node) {
		waiting_free(c);
	}
	timer_free(fo->tick);
	fo->magic = 0;
	free(fo);
}
