/*
 * host_int: what the files of hosts/ share.
 */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "loop/link.h"
#include "loop/timer.h"
#include "proto/msg.h"
#include "server/hosts/host_beat.h"
#include "server/hosts/host_call.h"
#include "server/hosts/host_decide.h"
#include "server/hosts/host_session.h"
#include "server/hosts/host_stats.h"
#include "server/hosts/hosts.h"
#include "server/hosts/uuid.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"

#define HOSTS_MAGIC      0x686f7374u
#define CONN_MAGIC       0x636f6e6eu
#define HELLO_MS         10000u /* from the handshake to Hello */
#define HOSTS_TICK_MS    500u
#define REFUSED_EVENT_MS 60000u /* the same host is not named more often */
#define REFUSED_RETRY_MS 15000u

/* One accepted link; a host's once its Hello was taken. */
struct conn {
	uint32_t magic;
	struct list_node node; /* in hosts->conns */
	struct hosts *hs;
	struct link *link;
	struct host_rec *rec; /* NULL until welcomed */
	char peer[64];
	char boot_id[64];
	uint64_t since_ms;
	uint64_t pinged_ms;
	uint64_t nonce;
	uint64_t pinged_us, rtt_us; /* of the last ping; rtt 0: not known yet */
	bool closing;
	bool takes_watches; /* StatWatch */
	bool takes_servers;
};

/* What is known of a host besides the inventory. */
struct host_rec {
	obj_id id;
	struct hosts *hs;
	struct conn *conn; /* NULL: not linked */
	bool heard;
	uint64_t heard_ms;
	char why_down[160];
	char address[64];
	Drover__HostFacts *facts; /* the last, NULL before */
	struct list calls;
	bool facts_new;          /* not in the inventory yet */
	bool storing;            /* a change of its row is on its way */
	uint64_t refused_ms;     /* last event about a refusal; 0: none */
	size_t n_guests;         /* in the last report */
	struct map *cpu_used;    /* guest → struct cpu_mark */
	struct map *unknown;     /* guests of which an event was posted */
	struct map *leftovers;   /* guests that are being put in order after a move */
	bool reaching;           /* it stands in datastores' lists */
	struct map *lost_stores; /* datastores that it said it does not reach */
	uint64_t last_event;     /* acknowledged */
	bool renewing;           /* a certificate for it is being signed */
	uint64_t renewed_ms;     /* the last was; 0: none */
	Drover__HostHealth *health; /* the last, NULL before */
	bool health_new;            /* not in the inventory yet */
	bool health_storing;
};

struct hosts {
	uint32_t magic;
	struct inv *inv;
	struct tasks *tasks;
	struct workers *workers;
	struct loop *loop;
	uint64_t epoch;
	uint32_t beat_ms, report_ms;
	char *ca_cert_path, *ca_key_path, *ca_pem;
	char ca_fingerprint[65];
	uint64_t started_ms;
	uint64_t refused_ms; /* last event about somebody who is no host of ours */
	uint64_t last_number;
	struct link_listener *listener;
	struct list conns;
	struct map *recs;     /* host id → struct host_rec */
	struct map *busy_vms; /* a change of it is on its way */
	struct list pending;  /* of struct pending */
	const struct host_session_events *session_ev; /* NULL: nobody wants them */
	void *session_arg;
	uint32_t stats_ms; /* between samples; 0: nobody wants them */
	host_stats_fn stats_take;
	void *stats_arg;
	host_live_fn live_take; /* NULL: nobody wants what is watched */
	void *live_arg;
	const struct host_beat_events *beat_ev; /* NULL: nobody wants them */
	void *beat_arg;
	struct wake *waiting; /* for a host to come up */
	size_t n_waiting;
	struct timer *tick;
	char **servers; /* where agents reach each of us */
	size_t n_servers;
};

/* What will call back, unless the hosts are freed before: then it is dropped. */
struct pending {
	struct list_node node;
	struct hosts *hs; /* NULL: gone */
	void (*drop)(struct pending *p);
};

void pending_add(struct hosts *hs, struct pending *p, void (*drop)(struct pending *p));
struct hosts *pending_end(struct pending *p); /* unlinks; NULL: gone */

void hosts_wake_waiting(struct hosts *hs);
struct host_rec *rec_of(struct hosts *hs, obj_id host); /* made if absent */
struct host_rec *rec_find(const struct hosts *hs, obj_id host);
bool rec_is_up(const struct host_rec *rec);

/* host_conn.c */
void conn_new(struct hosts *hs, struct link *k, const char *peer);
void conn_free(struct conn *c);
void conn_tick(struct conn *c, uint64_t now_ms);
/* Fills version and epoch. A failure is logged. */
int conn_send(struct conn *c, Drover__Envelope *m);

/* host_servers.c */
void conn_send_servers(struct conn *c); /* if it takes them */
void hosts_drop_servers(struct hosts *hs);

/* host_sign.c */
struct signing {
	char *csr, *ca_cert_path, *ca_key_path;
	char uuid[UUID_TEXT];
	char *certificate;
	struct tls_identity identity;
	struct err err;
};

bool hosts_sign(const struct hosts *hs); /* has it workers and the key? */
void signing_init(struct signing *s, const struct hosts *hs, const char *csr);
/* For a worker, which touches nothing else; s->err says why not. */
int signing_run(struct signing *s) WARN_UNUSED;
void signing_fini(struct signing *s);

/* host_renew.c */
void host_renew_take(struct host_rec *rec, const Drover__CertRequest *q);
/* Of the host, and not replaced yet? */
bool host_cert_is_good(const struct host *h, const char *fingerprint);
/* The host has come with what it was given last: from now on with that alone. */
void host_cert_used(struct host *edit, const char *fingerprint);

/* host_state.c: the host's own row */
void host_state_update(struct host_rec *rec);

/* host_report.c */
void host_take_hello(struct host_rec *rec, const Drover__Hello *h);
void host_take_report(struct host_rec *rec, const Drover__Report *r);
void host_take_event(struct host_rec *rec, const Drover__GuestEvent *ev);
void host_forget_usage(struct host_rec *rec);

/* host_health.c: what its hardware reports, in its row */
void host_health_take(struct host_rec *rec, const Drover__HostHealth *m);
void host_health_update(struct host_rec *rec); /* stores what is not stored yet */

/* host_leftover.c: what a move has left on a host that was away when it ended */
struct sync_finding;
void host_leftover_order(struct host_rec *rec, const struct sync_finding *f);

/* host_datastore.c */
void host_take_datastores(struct host_rec *rec, size_t n, Drover__DatastoreStatus **v);
void host_leave_datastores(struct host_rec *rec);

/* host_session.c */
void host_session_take(struct host_rec *rec, const Drover__Envelope *m);
void host_session_down(struct host_rec *rec);

/* host_beat.c */
void host_beat_take(struct host_rec *rec, const Drover__Beat *b);
void host_beat_linked(struct host_rec *rec);

/* host_stats.c */
void host_stats_take(struct host_rec *rec, const Drover__StatBatch *b);
void host_live_take(struct host_rec *rec, const Drover__StatRound *r);

/* host_call.c */
typedef void (*call_fn)(
    void *arg, int rc, const struct err *e, const Drover__Reply *reply);
/* As host_call, for those who are no flow. Sent again after a lost link until the
 * deadline. */
void host_call_fn(struct host_rec *rec, const Drover__Order *o, uint32_t deadline_ms,
    call_fn fn, void *arg);
/* The same, but it goes out over the link there is, or not at all: then false, and fn
 * is not called. ERR_LOST when that link breaks. */
bool host_call_now(struct host_rec *rec, const Drover__Order *o, uint32_t deadline_ms,
    call_fn fn, void *arg);
/* Is an order of that task on its way there? */
bool host_calls_wait(const struct host_rec *rec, uint64_t task);
void host_calls_up(struct host_rec *rec);   /* send what waits for the link */
void host_calls_down(struct host_rec *rec); /* the link is gone */
void host_calls_reply(struct host_rec *rec, Drover__Envelope *m_take);
void host_calls_end(struct host_rec *rec, const struct err *why); /* all of them */
void host_calls_free(struct host_rec *rec);
