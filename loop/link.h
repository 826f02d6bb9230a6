/*
 * link: framed messages over a connection: mutual TLS, or joined in memory for tests.
 *
 * A link is owned by whoever made it. Callbacks come in the posts phase; on_down comes
 * once, after which only link_free may follow.  Frames go out in order; when more than
 * max_backlog bytes wait, link_send refuses with ERR_BUSY and sends nothing.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"
#include "loop/tls.h"

struct link;

struct link_events {
	void (*on_up)(struct link *k, void *arg); /* handshake done, identity known */
	/* p is borrowed during the call */
	void (*on_frame)(struct link *k, const uint8_t *p, size_t n, void *arg);
	void (*on_down)(struct link *k, const struct err *why, void *arg);
};

struct link_opts {
	size_t max_backlog;    /* bytes; 0: 64 MiB */
	uint32_t max_frame;    /* 0: MAX_FRAME */
	uint32_t handshake_ms; /* 0: 10000 */
	uint32_t idle_ms;      /* no frame for so long: down with ERR_LOST; 0: never */
	uint32_t max_waiting;  /* connections for their turn; 0: 3200 */
};

/*
 * Dial host:port (a name is resolved off the loop's thread).  host is also what the
 * server's certificate must carry.
 */
int link_dial(struct loop *l, const char *host, uint16_t port, struct ssl_ctx_st *ctx,
    const struct link_opts *o, const struct link_events *ev, void *arg,
    struct link **ret_k, struct err *e) WARN_UNUSED;

struct link_listener;
/*
 * on_link(link, peer address "10.0.0.7:41312") for each accepted connection, before its
 * handshake; the callee owns the link and must give it events with link_set_events at
 * once.
 *
 * When many come at once their handshakes begin by and by, for each costs a signature:
 * the rest waits for its turn, and who finds max_waiting before him is turned away.
 */
int link_listen(struct loop *l, const char *addr, uint16_t port, struct ssl_ctx_st *ctx,
    const struct link_opts *o,
    void (*on_link)(struct link *k, const char *peer, void *arg), void *arg,
    struct link_listener **ret, struct err *e) WARN_UNUSED;
/* The real one if 0 was asked. */
uint16_t link_listener_port(const struct link_listener *ls);
void link_listener_free(struct link_listener *ls);

/*
 * Two ends joined in memory on one loop, both up at the next turn.  End a is who id_a
 * says: that is what link_peer tells of it at end b, and the other way round.
 */
void link_pair(struct loop *l, const struct tls_identity *id_a,
    const struct tls_identity *id_b, struct link **ret_a, struct link **ret_b);

void link_set_events(struct link *k, const struct link_events *ev, void *arg);
/*
 * Copies p.  ERR_BUSY: too much waits; ERR_TOO_LARGE: over max_frame; ERR_BAD_STATE:
 * not up yet, or closing; ERR_LOST: down, or about to be.
 */
int link_send(struct link *k, const void *p, size_t n, struct err *e) WARN_UNUSED;
size_t link_backlog(const struct link *k);
const struct tls_identity *link_peer(const struct link *k); /* valid once up */
const char *link_peer_addr(const struct link *k);
/* "10.0.0.3", the address at this end; "" where there is none. */
#define LINK_HOST_TEXT 64
void link_own_host(const struct link *k, char out[LINK_HOST_TEXT]);
/*
 * Close in order: what is queued goes out first (up to 2 s), what comes in is dropped.
 * on_down follows with ERR_CANCELLED, or ERR_TIMEOUT if something stayed unsent; at the
 * peer, after its last frame, with ERR_LOST.
 */
void link_close(struct link *k);
void link_free(struct link *k); /* at once; no callbacks any more */
