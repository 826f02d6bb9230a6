/*
 * front: HTTPS and WebSocket on a thread of their own; bytes in, requests out.
 *
 * libwebsockets 4.1 cannot share libevent's loop, so it has its own thread and two
 * queues (docs/adr/0001).  Nothing here knows what a request means: authentication,
 * roles and JSON are api/'s.  Static pages are read into memory once and served from
 * the front's thread; everything under /api and /metrics, /healthz goes to the core.
 *
 * All functions are for the core thread; the events come in its posts phase.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "loop/loop.h"
#include "server/front/request.h"

struct front;

struct front_conf {
	const char *address;   /* to listen on; NULL: all */
	uint16_t port;         /* 0: any free one, see front_port */
	const char *cert_path; /* PEM */
	const char *key_path;
	const char *web_root; /* folder of the pages, or NULL */
	bool pages_to_core;   /* whoever asks for a page asks the core */
};

#define FRONT_MAX_BODY ((size_t)1024 * 1024)
/* A body over the limit is read and dropped up to here, so that the client can read
 * why. */
#define FRONT_MAX_SKIP    ((size_t)64 * 1024 * 1024)
#define FRONT_MAX_WS_RX   ((size_t)16 * 1024) /* one message from a browser */
#define FRONT_MAX_WAITING 4096u               /* messages on their way to the core */
#define FRONT_MAX_CONNS   4096u
#define FRONT_MAX_ARGS    32u /* of a query */

struct front_events {
	/* Answer with front_reply; the request is the callee's. */
	void (*on_request)(struct request *r_take, void *arg);
	/* All pieces of an answer so far have gone to the socket: it is time for the
	 * next. NULL where no answer is in pieces. */
	void (*on_reply_drained)(uint64_t conn, void *arg);
	/* Whoever asked went away before the last piece. */
	void (*on_reply_closed)(uint64_t conn, void *arg);
	/* A socket is open, not yet authenticated; r is its handshake. */
	void (*on_ws_open)(uint64_t ws, struct request *r_take, void *arg);
	void (*on_ws_text)(uint64_t ws, const char *text, size_t n, void *arg);
	/* Of a session's socket only. */
	void (*on_ws_binary)(uint64_t ws, const uint8_t *p, size_t n, void *arg);
	/* n bytes handed over by front_ws_send have gone to the socket. */
	void (*on_ws_drained)(uint64_t ws, size_t n, void *arg);
	void (*on_ws_closed)(uint64_t ws, void *arg);
};

int front_start(struct loop *core, const struct front_conf *conf,
    const struct front_events *ev, void *arg, struct front **ret,
    struct err *e) WARN_UNUSED;
uint16_t front_port(const struct front *f);
/* Stops the thread; open connections are closed. */
void front_free(struct front *f);

void front_reply(struct front *f, struct response *p_take);
/* The next piece of an answer in pieces, after on_reply_drained; NULL: that was all.
 * Where nobody waits for it any more it is dropped. */
void front_reply_more(struct front *f, uint64_t conn, uint8_t *p_take, size_t n);
/* End it here, so that the client sees that it is not whole. */
void front_reply_cut(struct front *f, uint64_t conn);
/* Queue one text frame. A socket that has gone is no error: the frame is dropped. */
void front_ws_send(struct front *f, uint64_t ws, char *text_take, size_t n);
/* One binary frame. */
void front_ws_send_binary(struct front *f, uint64_t ws, uint8_t *p_take, size_t n);
void front_ws_close(struct front *f, uint64_t ws, uint16_t code, const char *reason);
/* Close it when what is queued has gone. */
void front_ws_finish(struct front *f, uint64_t ws);
