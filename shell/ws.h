/*
 * ws: a WebSocket to the server, for one who waits for other descriptors too.
 *
 * Nothing here blocks after ws_open: poll its descriptor for ws_events(), then
 * ws_turn().
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "shell/ws_frame.h"

struct http;
struct ws;

struct ws_want {
	const char *path, *protocol, *bearer;
};

/* A message; p is borrowed and not ended by NUL. op: WS_TEXT or WS_BINARY. */
typedef void (*ws_fn)(void *arg, enum ws_op op, const void *p, size_t n);

/* A connection of its own, with h's trust. */
int ws_open(struct http *h, const struct ws_want *w, ws_fn fn, void *arg,
    struct ws **ret_w, struct err *e) WARN_UNUSED;
void ws_free(struct ws *w);

int ws_fd(const struct ws *w);
short ws_events(const struct ws *w);
/* Read and write what can be. ERR_LOST: it broke, or the server closed it with why. */
int ws_turn(struct ws *w, struct err *e) WARN_UNUSED;
/* Queued; goes out with ws_turn. */
void ws_send(struct ws *w, enum ws_op op, const void *p, size_t n);
size_t ws_waiting(const struct ws *w); /* bytes queued */

DEFINE_AUTO(ws, struct ws *, ws_free)
