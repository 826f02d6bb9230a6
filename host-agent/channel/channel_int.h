/*
 * channel_int: what the files of channel/ share.
 *
 * channel.c lives on the loop's thread.  The door is one thread that accepts, does the
 * handshakes and reads the greetings; a relay is a thread that moves one stream's
 * bytes (and dials first, on the giving side).  They tell channel.c by notes through a
 * handoff, and are told by atomics and an eventfd.
 *
 * After the handshake the dialler sends one greeting of GREETING_BYTES:
 *   "DRVC"  version 1  name's length 1  0 0  key 32  name 32 (rest 0)
 * and gets one byte: ANSWER_YES or ANSWER_NO.  Then both sides send frames, each a head
 * of 4 bytes (kind, length in 24 bits) and its content; see channel_relay.c.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "host-agent/channel/channel.h"
#include "host-agent/channel/pace.h"
#include "loop/tls.h"

struct handoff;
struct ssl_st;

#define GREETING_BYTES    72u
#define ANSWER_YES        1u
#define ANSWER_NO         0u
#define ADDRESS_TEXT      64u
#define CHANNEL_DOOR_MAX  64u /* connections that have not named a stream yet */
#define CHANNEL_DIALS_MAX 16u /* addresses of one host */

/* ---- wire: one TLS connection, used by one thread at a time ---- */

struct wire {
	struct ssl_st *ssl;
	int fd;
	char addr[ADDRESS_TEXT];
};

/* What makes a waiting thread look up. */
struct waker {
	int fd; /* eventfd */
	atomic_bool stop;
};

int waker_open(struct waker *k, struct err *e) WARN_UNUSED;
void waker_close(struct waker *k);
void waker_ring(struct waker *k);
void waker_hush(struct waker *k); /* forget rings */

/* fd is taken, also on failure. */
int wire_open(struct wire *w, struct ssl_ctx_st *ctx, int fd, const char *addr,
    struct err *e) WARN_UNUSED;
/* At once; a zeroed one is fine. */
void wire_close(struct wire *w);

enum wire_side { WIRE_ACCEPTS, WIRE_DIALS };

/* A step of the handshake: 0 done; 1: again when *ret_wants (POLLIN or POLLOUT) comes.
 */
int wire_handshake_step(
    struct wire *w, enum wire_side side, short *ret_wants, struct err *e) WARN_UNUSED;
/*
 * Bytes read or written at once, never 0; or 0 when *ret_wants must come first.  The
 * end of the connection is ERR_LOST.
 */
int wire_read(
    struct wire *w, void *p, size_t n, short *ret_wants, struct err *e) WARN_UNUSED;
int wire_write(struct wire *w, const void *p, size_t n, short *ret_wants,
    struct err *e) WARN_UNUSED;
/* uuid of the host at the other end. */
int wire_peer(const struct wire *w, char ret_uuid[40], struct err *e) WARN_UNUSED;

/* ---- greeting ---- */

struct greeting {
	uint8_t key[CHANNEL_KEY_BYTES];
	char name[CHANNEL_NAME_MAX + 1];
};

void greeting_pack(const struct greeting *g, uint8_t out[GREETING_BYTES]);
int greeting_unpack(const uint8_t in[GREETING_BYTES], struct greeting *ret_g,
    struct err *e) WARN_UNUSED;

/* ---- notes to the loop's thread ---- */

/* Somebody at the door has named a stream. */
struct arrival {
	struct wire wire;
	char peer_uuid[40];
	struct greeting greeting;
};

enum note_kind { NOTE_ARRIVED, NOTE_UP, NOTE_OVER };

struct note {
	enum note_kind kind;
	struct arrival *arrival;       /* of ARRIVED; owned */
	struct channel_stream *stream; /* of UP and OVER */
	bool was_up;                   /* of OVER */
	struct err e;
};

void note_send(struct handoff *to, struct note *n_take);
void arrival_free(struct arrival *a);

/* ---- refusals, logged so that nobody can fill the disk with them ---- */

struct refusals {
	uint64_t since_ms;
	unsigned count;
};

void refusal_log(struct refusals *r, const char *who, const char *why);

/* ---- door ---- */

struct door_conf {
	struct handoff *notes;
	struct ssl_ctx_st *ctx;
	const char *address;
	uint16_t port;
	uint32_t handshake_ms;
};

struct door;

int door_open(
    const struct door_conf *c, struct door **ret_d, struct err *e) WARN_UNUSED;
void door_free(struct door *d);
uint16_t door_port(const struct door *d);
void door_set_ctx(struct door *d, struct ssl_ctx_st *ctx);

/* ---- relay ---- */

struct relay {
	struct channel_stream *stream;
	struct handoff *notes;
	pthread_t thread;
	struct waker waker;
	uint32_t stall_ms, handshake_ms;
	struct wire wire;
	int local_fd;

	/* Of one that dials; ctx is NULL where the wire stands already. */
	struct ssl_ctx_st *ctx;
	struct greeting greeting;
	char **addresses;
	size_t n_addresses;
	uint16_t port;
	char peer_uuid[40];

	struct pace own;
	struct pace *all;
	_Atomic uint64_t in_bytes, out_bytes, in_rate, out_rate;
	bool was_up;
};

/* Everything set but thread and waker; r is the caller's until relay_free. */
int relay_start(struct relay *r, struct err *e) WARN_UNUSED;
void relay_stop(struct relay *r);
/* Waits for its thread, which was told to stop or has sent its last note. */
void relay_free(struct relay *r);
/* In the relay's thread: connect, greet, be accepted. */
int relay_dial(struct relay *r, struct err *e) WARN_UNUSED;
/* In the relay's thread: tell the dialler that it is welcome. */
int relay_welcome(struct relay *r, struct err *e) WARN_UNUSED;
/* In the relay's thread: move bytes until both sides are through. */
int relay_pump(struct relay *r, struct err *e) WARN_UNUSED;
