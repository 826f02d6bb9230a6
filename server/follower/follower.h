/*
 * follower: what a server answers until it leads.
 *
 * Agents may link already: their links are kept with nothing but beats on them and go
 * over to hosts/ when this server takes the lead, so that a change of leader costs no
 * handshakes.  Whoever comes over HTTPS is told who leads: pages are redirected there,
 * the API says "unavailable" and where to ask.  Core thread only.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"

struct front_conf;
struct hosts;
struct leader;
struct loop;
struct ssl_ctx_st;
struct follower;

struct follower_opts {
	struct loop *loop;
	const struct front_conf *front; /* whose pages are of no account */
	struct ssl_ctx_st *agents_ctx;
	const char *agents_address; /* NULL: all */
	uint16_t agents_port;
	uint32_t beat_ms; /* 0: 2000 */
};

/* Listens from now on.  What o names is borrowed. */
int follower_new(
    const struct follower_opts *o, struct follower **ret, struct err *e) WARN_UNUSED;
void follower_free(struct follower *fo);
/* Who leads has changed; ld is borrowed until follower_free. */
void follower_note(struct follower *fo, const struct leader *ld);
/* We lead: agents' links and their port are hs's from now on. */
void follower_hand_over(struct follower *fo, struct hosts *hs);
/* The API serves itself from now on: its port is free. */
void follower_close_front(struct follower *fo);
