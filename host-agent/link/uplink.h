/*
 * uplink: the connection to whoever leads: dial, greet, beat, dial again.
 *
 * Every server of the settings is dialled, and every one of the leader's last list,
 * which is kept on disk.  The one that leads has the link; the others keep
 * a line on which nothing but beats goes, so that a server that takes the lead has its
 * hosts without a handshake.  An older epoch never takes the link from a newer one.
 * Waits between attempts with full jitter, 0.5 s doubling to what the settings say,
 * longer where the server asked for it.  Peers whose certificate is not a server's are
 * not spoken to.  Loop thread only.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "loop/link.h"
#include "proto/envelope.pb-c.h"

#define UPLINK_BACKOFF_MIN_MS 500u
#define UPLINK_BACKOFF_MAX_MS 30000u
#define UPLINK_ASKED_MAX_MS   300000u /* the longest wait that a server may ask for */
#define UPLINK_GREETING_MS    10000u
#define UPLINK_BEATS_MISSED   3u

struct epoch;
struct uplink;
struct workers;

enum uplink_state {
	UPLINK_WAITING,  /* for the next attempt */
	UPLINK_DIALLING, /* until TLS is through */
	UPLINK_GREETING, /* Hello is out */
	UPLINK_STANDBY,  /* the server follows, and will say when it leads */
	UPLINK_READY,    /* Welcome is in */
};

struct uplink_events {
	Drover__Hello *(*hello)(void *arg); /* made anew for each link; taken */
	void (*welcome)(void *arg, const Drover__Welcome *w);
	/* An order of the epoch that holds now. */
	void (*order)(void *arg, Drover__Envelope *m_take);
	/* An order that must not be obeyed. */
	void (*refuse)(void *arg, const Drover__Order *o, const struct err *why);
	void (*event_ack)(void *arg, uint64_t id);
	/* One of the session messages, borrowed. */
	void (*session)(void *arg, const Drover__Envelope *m);
	/* A link that had its welcome is gone: sessions end with it. */
	void (*down)(void *arg);
	/* An HaConf or a BeatReply, borrowed; NULL: nobody wants them. */
	void (*lease)(void *arg, const Drover__Envelope *m);
	/* Borrowed; NULL: nobody wants them. */
	void (*stat_ack)(void *arg, const Drover__StatAck *a);
	/* Borrowed; NULL: nobody wants them. */
	void (*stat_watch)(void *arg, const Drover__StatWatch *w);
	/* Borrowed; NULL: nobody wants them. */
	void (*cert_grant)(void *arg, const Drover__CertGrant *g);
};

/* One attempt. */
struct uplink_call {
	const char *host;
	uint16_t port;
	const struct link_events *ev; /* the link's, with ev_arg */
	void *ev_arg;
};

struct uplink_conf {
	const char *servers;    /* "host:port,[::1]:port"; copied */
	const char *list_path;  /* of the leader's list; copied; NULL: it is not kept */
	struct workers *savers; /* who write it */
	struct epoch *epoch;    /* borrowed */
	const struct uplink_events *ev;
	void *arg;     /* of the events and of dial */
	uint64_t seed; /* of the jitter */
	uint64_t
	    retry_max_ms; /* between attempts, from UPLINK_BACKOFF_MIN_MS to _MAX_MS */
	/* link_dial with the context at hand, or what a test puts in its place. */
	int (*dial)(void *arg, const struct uplink_call *call, struct link **ret_k,
	    struct err *e);
};

/* Split "host:port" or "[v6]:port"; host is malloc'd.  Pure. */
int uplink_parse_server(
    const char *s, char **ret_host, uint16_t *ret_port, struct err *e) WARN_UNUSED;

/* Not dialling before uplink_start. */
int uplink_new(struct loop *l, const struct uplink_conf *c, struct uplink **ret_u,
    struct err *e) WARN_UNUSED;
void uplink_start(struct uplink *u);
void uplink_free(struct uplink *u);
/* Of the line that has come farthest. */
enum uplink_state uplink_state(const struct uplink *u);
/* This host's address on the way to the server; "" while there is no link. */
void uplink_own_host(const struct uplink *u, char out[LINK_HOST_TEXT]);
/*
 * What dial uses is new: dial again on every line but the one that is obeyed.  That one
 * stays as long as it holds.
 */
void uplink_redial(struct uplink *u);
/* Fills in version and epoch and sends. ERR_LOST while the link is not ready. */
int uplink_send(struct uplink *u, Drover__Envelope *m, struct err *e);
