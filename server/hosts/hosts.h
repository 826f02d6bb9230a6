/*
 * hosts: the server's end of every agent's link.
 *
 * It accepts links, tells who may come in, keeps the hosts' state and facts in the
 * inventory and takes in what they report. Orders go out through host_call.h. What the
 * inventory should say is derived anew from each report, so that a transaction that
 * failed is made up for by the next one. Core thread only.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "loop/post.h"

struct hosts;
struct inv;
struct link;
struct ssl_ctx_st;
struct tasks;
struct workers;

struct hosts_opts {
	struct inv *inv;
	struct tasks *tasks;     /* a guest that a task works on is the task's */
	struct workers *workers; /* for signing; NULL: enrolment is UNSUPPORTED */
	uint64_t epoch;          /* of our leadership; goes with every order */
	uint32_t beat_ms;        /* 0: 2000 */
	uint32_t report_ms;      /* 0: 5000 */
	const char *ca_cert_path, *ca_key_path; /* copied; NULL: no enrolment */
};

/* Everything in o but texts is borrowed and outlives it. */
int hosts_new(
    const struct hosts_opts *o, struct hosts **ret, struct err *e) WARN_UNUSED;
/* After the loop's last turn: closes every link, drops what is on its way. */
void hosts_free(struct hosts *hs);

int hosts_listen(struct hosts *hs, const char *addr, uint16_t port,
    struct ssl_ctx_st *ctx, struct err *e) WARN_UNUSED;
uint16_t hosts_port(const struct hosts *hs);
/* Where agents reach all the servers that there are: they are told.  Copied. */
void hosts_set_servers(struct hosts *hs, const char *const *list, size_t n);
/* A link that was accepted, before its handshake; ours from now on. */
void hosts_accept(struct hosts *hs, struct link *k_take, const char *peer);

bool hosts_is_up(const struct hosts *hs, obj_id host);
/* From the last ping to its answer; 0: it has no link, or none came yet. */
uint64_t hosts_rtt_us(const struct hosts *hs, obj_id host);
unsigned hosts_up_count(const struct hosts *hs);
/*
 * Not up, but not given up either: its link broke a moment ago, or it was connected
 * when this server started. Orders to it wait for its link.
 */
bool hosts_is_expected(const struct hosts *hs, obj_id host);
bool hosts_any_expected(const struct hosts *hs);
/* Post w once when a host has come up, or is expected no more. */
void hosts_wait(struct hosts *hs, struct wake w);
/* ERR_BAD_STATE naming the host and why it is neither up nor expected. */
int hosts_need_up(const struct hosts *hs, obj_id host, struct err *e) WARN_UNUSED;
/* As the host last said; false while it has not. */
bool hosts_has_bridge(const struct hosts *hs, obj_id host, const char *bridge);
/* The first connected host (by id) that reaches a datastore, or none. */
obj_id hosts_reaching(const struct hosts *hs, obj_id datastore);
/* An order has shown that the host reaches it: no need to wait for its next report. */
void hosts_note_reach(struct hosts *hs, obj_id host, obj_id datastore);
/* Hosts that it is not attached to any more do not reach it. */
void hosts_forget_reach(struct hosts *hs, obj_id datastore);
