/*
 * link_int: what a transport (TLS, memory) owes link.c and gets from it.
 */
#pragma once
#include <stdbool.h>

#include "loop/link.h"
#include "loop/loop_int.h"

#define LINK_ADDR_TEXT 80 /* "[v6%zone]:port" and then some */

enum link_state { LINK_OPENING, LINK_UP, LINK_CLOSING, LINK_DOWN };

struct link_ops {
	/* The handshake is done: tell who the peer is. */
	int (*identify)(struct link *k, struct tls_identity *ret_id, struct err *e);
	/*
	 * Hand on what came in with link_frame while that returns true, then note with
	 * link_fail if it was the last.  In LINK_CLOSING: throw it away and see to the
	 * flushing.
	 */
	void (*pump)(struct link *k);
	void (*send)(struct link *k, const void *p, size_t n);
	size_t (*backlog)(const struct link *k);
	/* NULL: it has no address. */
	void (*own_host)(const struct link *k, char out[LINK_HOST_TEXT]);
	/* Let go of socket or peer; comes once. */
	void (*shut)(struct link *k);
	void (*release)(struct link *k); /* free the memory */
};

/* First member of each transport's own struct. */
struct link {
	uint32_t magic;
	const struct link_ops *ops;
	struct loop *loop;
	struct link_events ev;
	void *arg;
	struct link_opts opts; /* defaults filled in */
	enum link_state state;
	bool came_up;   /* on_up is due */
	struct err why; /* code is set once on_down is due */
	bool working, freed, is_shut;
	struct post post;
	struct timer *limit; /* of handshake or flushing */
	struct timer *idle;
	uint64_t last_frame_ms;
	struct tls_identity peer;
	char addr[LINK_ADDR_TEXT];
};

void link_init(struct link *k, struct loop *l, const struct link_ops *ops,
    const struct link_opts *o, const char *addr);
/* From callbacks; what follows happens in the posts phase. */
void link_opened(struct link *k);
void link_pump(struct link *k);
void link_fail(struct link *k, const struct err *why); /* the first reason counts */
/* Hand a frame on. False: stop, the owner has closed or freed the link. */
bool link_frame(struct link *k, const uint8_t *p, size_t n);

/* The accepting end over a connected socket, which it takes over. NULL: see e. */
struct link *link_accept_tls(struct loop *l, int fd, struct ssl_ctx_st *ctx,
    const struct link_opts *o, const char *addr, struct err *e);
