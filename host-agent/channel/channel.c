#include "host-agent/channel/channel.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/ssl.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/channel/channel_int.h"
#include "loop/handoff.h"

#define CHANNEL_MAGIC 0x6368616eu
#define STALL_MS      10000u
#define HANDSHAKE_MS  5000u
#define REFUSALS_MAX  20u /* lines in REFUSALS_MS */
#define REFUSALS_MS   60000u

enum stream_state { STREAM_EXPECTED, STREAM_RUNNING, STREAM_OVER };

struct channel_stream {
	struct list_node node;
	struct channel *owner;
	enum stream_state state;
	bool freed; /* by its owner; its thread has not ended yet */
	bool is_up;
	char peer_uuid[40];
	struct greeting greeting;
	struct channel_ends ends;
	int fd;              /* while expected */
	struct relay *relay; /* from then on */
	uint64_t cap;
};

struct channel {
	uint32_t magic;
	struct loop *loop;
	struct handoff *notes;
	struct door *door;
	SSL_CTX *dial_ctx;
	uint32_t stall_ms, handshake_ms;
	struct pace all;
	struct list streams;
	struct refusals refusals;
};

/* ---- what the threads say ---- */

void
refusal_log(struct refusals *r, const char *who, const char *why)
{
	uint64_t now = clock_mono_ms(clock_system());

	if (!r->since_ms || now - r->since_ms >= REFUSALS_MS)
		*r = (struct refusals){ .since_ms = now };
	if (r->count++ < REFUSALS_MAX)
		log_warn("channel", "connection refused: %s%s%s",
		    str_starts(why, who) ? "" : who, str_starts(why, who) ? "" : ": ",
		    why);
	if (r->count == REFUSALS_MAX)
		log_warn("channel", "more refusals within %u s are not logged",
		    REFUSALS_MS / 1000);
}

void
arrival_free(struct arrival *a)
{
	if (!a)
		return;
	wire_close(&a->wire);
	free(a);
}

static void
note_drop(void *msg)
{
	struct note *n = msg;

	arrival_free(n->arrival);
	free(n);
}

void
note_send(struct handoff *to, struct note *n_take)
{
	/* As many as there are threads, and a few more. */
	ASSERT(handoff_send(to, n_take));
}

/* ---- streams ---- */

static void
relay_drop(struct relay *r)
{
	wire_close(&r->wire);
	if (r->local_fd >= 0)
		close(r->local_fd);
	SSL_CTX_free(r->ctx);
	for (size_t i = 0; i < r->n_addresses; i++)
		free(r->addresses[i]);
	free(r->addresses);
	free(r);
}

void
relay_free(struct relay *r)
{
	if (!r)
		return;
	pthread_join(r->thread, NULL);
	waker_close(&r->waker);
	relay_drop(r);
}

static void
forget(struct channel_stream *s)
{
	list_remove(&s->node);
	relay_free(s->relay);
	if (s->fd >= 0)
		close(s->fd);
	OPENSSL_cleanse(s->greeting.key, sizeof(s->greeting.key));
	free(s);
}

static struct channel_stream *
stream_new(struct channel *c, const struct greeting *g, const char *peer_uuid,
    struct channel_ends ends)
{
	struct channel_stream *s = xcalloc(1, sizeof(*s));

	s->owner = c;
	s->greeting = *g;
	snprintf(s->peer_uuid, sizeof(s->peer_uuid), "%s", peer_uuid);
	s->ends = ends;
	s->fd = -1;
	list_add_tail(&c->streams, &s->node);
	return s;
}

static size_t
count(const struct channel *c, bool expected)
{
	size_t n = 0;

	LIST_EACH(struct channel_stream, s, &c->streams, node)
		n += (s->state == STREAM_EXPECTED) == expected;
	return n;
}

static struct relay *
relay_new(struct channel_stream *s, int fd_take)
{
	struct relay *r = xcalloc(1, sizeof(*r));
	struct channel *c = s->owner;

	r->stream = s;
	r->notes = c->notes;
	r->stall_ms = c->stall_ms;
	r->handshake_ms = c->handshake_ms;
	r->wire.fd = -1;
	r->local_fd = fd_take;
	r->greeting = s->greeting;
	r->all = &c->all;
	pace_set(&r->own, s->cap, clock_mono_us(clock_system()));
	return r;
}

/* From now on the relay is s's, whether it runs or not. */
static int
run(struct channel_stream *s, struct relay *r_take, struct err *e)
{
	int rc = relay_start(r_take, e);

	if (rc) {
		relay_drop(r_take);
		return rc;
	}
	s->relay = r_take;
	s->state = STREAM_RUNNING;
	return 0;
}

static void
say(const struct channel_stream *s, const char *what, const char *why)
{
	char key[9];

	channel_key_text(s->greeting.key, key);
	log_info("channel", "stream %s/%s with host %s: %s%s%s", key, s->greeting.name,
	    s->peer_uuid, what, *why ? ": " : "", why);
}

static void
on_up(struct channel_stream *s)
{
	if (s->freed)
		return;
	s->is_up = true;
	say(s, "up", "");
	post_wake(s->owner->loop, s->ends.up, 0, NULL);
}

static void
on_over(struct channel_stream *s, const struct note *n)
{
	struct wake w = n->was_up ? s->ends.down : s->ends.up;

	if (s->freed) {
		forget(s);
		return;
	}
	s->is_up = false;
	s->state = STREAM_OVER;
	say(s, n->was_up ? "over" : "not up", n->e.msg);
	post_wake(s->owner->loop, w, n->e.code, n->e.code ? &n->e : NULL);
}

/* ---- arrivals ---- */

/* Looks at all keys and all of each, so that time tells nobody how much fits. */
static struct channel_stream *
find_expected(const struct channel *c, const struct greeting *g)
{
	struct channel_stream *found = NULL;

	LIST_EACH(struct channel_stream, s, &c->streams, node) {
		int differs =
		    CRYPTO_memcmp(s->greeting.key, g->key, sizeof(s->greeting.key));

		differs |=
		    CRYPTO_memcmp(s->greeting.name, g->name, sizeof(s->greeting.name));
		if (!differs && s->state == STREAM_EXPECTED)
			found = s;
	}
	return found;
}

static void
turn_away(struct channel *c, struct arrival *a, const char *why)
{
	const uint8_t no = ANSWER_NO;
	short wants;

	refusal_log(&c->refusals, a->wire.addr, why);
	(void)!wire_write(&a->wire, &no, 1, &wants, NULL);
}

static void
welcome(struct channel_stream *s, struct arrival *a)
{
	struct relay *r = relay_new(s, MOVE_FD(s->fd));
	struct err e = ERR_INIT;

	r->wire = a->wire;
	a->wire = (struct wire){ .fd = -1 };
	if (!run(s, r, &e))
		return;
	s->state = STREAM_OVER;
	post_wake(s->owner->loop, s->ends.up, e.code, &e);
}

static void
on_arrival(struct channel *c, struct arrival *a)
{
	struct channel_stream *s = find_expected(c, &a->greeting);
	AUTO_FREE char *why = NULL;

	if (!s)
		why = xasprintf(
		    "host %s names a stream that is not expected", a->peer_uuid);
	else if (strcmp(s->peer_uuid, a->peer_uuid) != 0)
		why = xasprintf("host %s names stream %s, which host %s is to bring",
		    a->peer_uuid, s->greeting.name, s->peer_uuid);
	else if (count(c, false) >= CHANNEL_STREAMS_MAX)
		why = xasprintf("%u streams run already", CHANNEL_STREAMS_MAX);
	if (why)
		turn_away(c, a, why);
	else
		welcome(s, a);
}

static void
on_note(void *msg, void *arg)
{
	struct channel *c = CAST_OBJ(channel, arg, CHANNEL_MAGIC);
	struct note *n = msg;

	switch (n->kind) {
	case NOTE_ARRIVED:
		on_arrival(c, n->arrival);
		break;
	case NOTE_UP:
		on_up(n->stream);
		break;
	case NOTE_OVER:
		on_over(n->stream, n);
		break;
	}
	note_drop(n);
}

/* ---- the channel ---- */

int
channel_open(
    struct loop *l, const struct channel_opts *o, struct channel **ret_c, struct err *e)
{
	struct channel *c = xcalloc(1, sizeof(*c));
	int rc;

	c->magic = CHANNEL_MAGIC;
	c->loop = l;
	c->stall_ms = o->stall_ms ? o->stall_ms : STALL_MS;
	c->handshake_ms = o->handshake_ms ? o->handshake_ms : HANDSHAKE_MS;
	list_init(&c->streams);
	c->notes = handoff_new(l, SIZE_MAX, on_note, note_drop, c);
	SSL_CTX_up_ref(o->dial_ctx);
	c->dial_ctx = o->dial_ctx;
	channel_set_cap(c, o->bytes_per_s);
	const struct door_conf dc = {
		.notes = c->notes,
		.ctx = o->accept_ctx,
		.address = o->address,
		.port = o->port,
		.handshake_ms = c->handshake_ms,
	};
	rc = door_open(&dc, &c->door, e);
	if (rc) {
		channel_free(c);
		return rc;
	}
	*ret_c = c;
	return 0;
}

void
channel_free(struct channel *c)
{
	if (!c)
		return;
	ASSERT(c->magic == CHANNEL_MAGIC);
	door_free(c->door);
	LIST_EACH(struct channel_stream, s, &c->streams, node) {
		if (s->relay)
			relay_stop(s->relay);
	}
	LIST_EACH_SAFE(struct channel_stream, s, &c->streams, node)
		forget(s);
	handoff_free(c->notes);
	SSL_CTX_free(c->dial_ctx);
	c->magic = 0;
	free(c);
}

uint16_t
channel_port(const struct channel *c)
{
	return door_port(c->door);
}

void
channel_set_ctx(
    struct channel *c, struct ssl_ctx_st *accept_ctx, struct ssl_ctx_st *dial_ctx)
{
	SSL_CTX_up_ref(dial_ctx);
	SSL_CTX_free(c->dial_ctx);
	c->dial_ctx = dial_ctx;
	door_set_ctx(c->door, accept_ctx);
}

void
channel_set_cap(struct channel *c, uint64_t bytes_per_s)
{
	pace_set(&c->all, bytes_per_s, clock_mono_us(clock_system()));
	LIST_EACH(struct channel_stream, s, &c->streams, node) {
		if (s->relay)
			waker_ring(&s->relay->waker);
	}
}

static int
check_name(const char *name, const char *peer_uuid, struct err *e)
{
	size_t n = strlen(name);

	if (!n || n > CHANNEL_NAME_MAX)
		return err_set(
		    e, ERR_INVALID, "\"%.64s\" is no name of a stream", name);
	if (strlen(peer_uuid) >= sizeof(((struct channel_stream *)0)->peer_uuid))
		return err_set(e, ERR_INVALID, "\"%.64s\" is no host's id", peer_uuid);
	return 0;
}

static void
make_greeting(const uint8_t *key, const char *name, struct greeting *ret_g)
{
	*ret_g = (struct greeting){ 0 };
	memcpy(ret_g->key, key, CHANNEL_KEY_BYTES);
	memcpy(ret_g->name, name, strlen(name));
}

int
channel_expect(struct channel *c, const struct channel_opening *o,
    const char *peer_uuid, struct channel_stream **ret_s, struct err *e)
{
	AUTO_CLOSE int fd = o->fd_take;
	struct greeting g;
	int rc = check_name(o->name, peer_uuid, e);

	if (rc)
		return rc;
	make_greeting(o->key, o->name, &g);
	if (find_expected(c, &g))
		return err_set(e, ERR_EXISTS, "stream %s is expected already", o->name);
	if (count(c, true) >= CHANNEL_EXPECTED_MAX)
		return err_set(e, ERR_BUSY, "%u streams are expected already",
		    CHANNEL_EXPECTED_MAX);
	struct channel_stream *s = stream_new(c, &g, peer_uuid, o->ends);
	s->fd = MOVE_FD(fd);
	*ret_s = s;
	return 0;
}

static struct relay *
dialler_new(struct channel_stream *s, const struct channel_dest *to, int fd_take)
{
	struct relay *r = relay_new(s, fd_take);

	SSL_CTX_up_ref(s->owner->dial_ctx);
	r->ctx = s->owner->dial_ctx;
	r->port = to->port;
	memcpy(r->peer_uuid, s->peer_uuid, sizeof(r->peer_uuid));
	r->addresses = xcalloc(to->n_addresses + 1, sizeof(*r->addresses));
	for (; r->n_addresses < to->n_addresses; r->n_addresses++)
		r->addresses[r->n_addresses] = xstrdup(to->addresses[r->n_addresses]);
	return r;
}

static int
check_dest(const struct channel *c, const struct channel_dest *to, struct err *e)
{
	if (!to->port || !to->n_addresses)
		return err_set(e, ERR_INVALID,
		    "host %.40s has no address for transfers", to->peer_uuid);
	if (to->n_addresses > CHANNEL_DIALS_MAX)
		return err_set(e, ERR_INVALID, "host %.40s has more than %u addresses",
		    to->peer_uuid, CHANNEL_DIALS_MAX);
	if (count(c, false) >= CHANNEL_STREAMS_MAX)
		return err_set(
		    e, ERR_BUSY, "%u streams run already", CHANNEL_STREAMS_MAX);
	return 0;
}

int
channel_dial(struct channel *c, const struct channel_opening *o,
    const struct channel_dest *to, struct channel_stream **ret_s, struct err *e)
{
	AUTO_CLOSE int fd = o->fd_take;
	struct greeting g;
	struct channel_stream *s;
	int rc = check_name(o->name, to->peer_uuid, e);

	if (!rc)
		rc = check_dest(c, to, e);
	if (rc)
		return rc;
	make_greeting(o->key, o->name, &g);
	s = stream_new(c, &g, to->peer_uuid, o->ends);
	s->cap = o->cap;
	rc = run(s, dialler_new(s, to, MOVE_FD(fd)), e);
	if (rc) {
		forget(s);
		return rc;
	}
	*ret_s = s;
	return 0;
}

struct channel_facts
channel_stream_facts(const struct channel_stream *s)
{
	const struct relay *r = s->relay;

	if (!r)
		return (struct channel_facts){ 0 };
	return (struct channel_facts){
		.in_bytes = r->in_bytes,
		.out_bytes = r->out_bytes,
		.in_bytes_per_s = r->in_rate,
		.out_bytes_per_s = r->out_rate,
		.is_up = s->is_up,
	};
}

void
channel_stream_set_cap(struct channel_stream *s, uint64_t cap)
{
	s->cap = cap;
	if (!s->relay)
		return;
	pace_set(&s->relay->own, cap, clock_mono_us(clock_system()));
	waker_ring(&s->relay->waker);
}

void
channel_stream_free(struct channel_stream *s)
{
	if (!s)
		return;
	if (s->state != STREAM_RUNNING) {
		forget(s);
		return;
	}
	s->freed = true;
	relay_stop(s->relay);
}

void
channel_key_text(const uint8_t key[CHANNEL_KEY_BYTES], char out[9])
{
	hex_encode(key, 4, out);
}
