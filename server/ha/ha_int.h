/*
 * ha_int: what the files of ha/ share.
 */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "loop/loop.h"
#include "proto/msg.h"
#include "server/ha/ha.h"
#include "server/inventory/inv.h"

#define HA_MAGIC 0x68616e64u
/* Of the blocks of a register of claims, and so of the hosts of a cluster that may hold
 * leases. */
#define HA_MAX_SLOTS 64u
#define HA_FAILOVERS 32u

/* A host's word on a guest. */
struct ha_run {
	uint64_t gen;
	Drover__RunPhase phase;
	bool alive, guarded, bare;
	uint64_t told_ms;
};

/* A host's word on another's block. */
struct ha_hearsay {
	uint32_t slot;
	struct ha_word word;
	bool isolated;
};

struct ha_store {
	uint64_t number;
	uint64_t lost_since_ms; /* 0: it takes our block */
	char why[120];
};

/* What a leader remembers of a host. */
struct ha_node {
	size_t at; /* among those of its cluster, at the last look */
	obj_id id;
	struct ha_host h; /* its lasting part; the rest is filled in for each look */
	enum ha_is is;
	uint64_t is_since_ms;
	enum ha_is told;     /* that people were */
	bool heard;          /* since we lead */
	bool able;           /* holds leases of its incarnation: may be given guests */
	bool busy;           /* a change of its row is on its way */
	bool fencing;        /* and may make it fenced: nothing is granted */
	uint64_t join_nonce; /* the beat that is answered once it has joined */
	uint64_t asked_inc;  /* in that beat */
	struct ha_hearsay *words;
	size_t n_words;
	struct ha_store *stores;
	size_t n_stores;
	struct map *runs; /* guest number → struct ha_run */
	char *fencing_by;
	uint8_t *conf; /* as it was sent last over this link, without rev */
	size_t n_conf;
	uint64_t conf_rev;
	uint64_t linked_ms; /* since when its link stands */
	bool said;          /* all of its guests, since then */
};

/* What a leader remembers of a guest that is or was to be started elsewhere. */
struct ha_guest {
	obj_id id;
	struct restart_guest g; /* its lasting part; tried has hosts' numbers */
	obj_id from, to;
	bool asked;     /* ha.restart was submitted, its answer is due */
	bool retrieved; /* its host is isolated and ends it */
	bool no_host;   /* and somebody was told so */
	char why[200];
	uint64_t heard_ms; /* the last word of the host that was lost */
	uint64_t busy_ms;  /* when some task worked on it last */
	uint64_t ordered_wall_ms;
	uint64_t gen; /* of the last start; 0: it was told how long that took */
	uint64_t port_ms, tried_ms;          /* its application answered; was asked */
	struct ha_try *trying;               /* NULL: it is not being asked */
	uint64_t seen_ms;                    /* when its host said that it runs */
	uint32_t claim_ms, wait_ms, exec_ms; /* as its host said */
};

struct ha_cluster {
	obj_id id;
	bool braked;
	uint64_t mass_ms; /* as in struct ha_state */
	bool busy; /* a change of its row is on its way */
	struct ha_status_failover failovers[HA_FAILOVERS];
	size_t n_failovers; /* ever; the newest is at (n - 1) % HA_FAILOVERS */
};

/* What will call back, unless ha is freed before. */
struct ha_wait {
	uint32_t magic;
	struct list_node node; /* in ha->waits */
	struct ha *ha;
	obj_id id;
};

struct ha {
	uint32_t magic;
	struct ha_opts o;
	struct loop *loop;
	struct timer *tick, *soon;
	uint64_t since_ms;       /* that we lead */
	struct map *nodes;       /* host → struct ha_node */
	struct map *guests;      /* vm → struct ha_guest */
	struct map *clusters;    /* → struct ha_cluster */
	uint64_t rev;            /* of the feed, as far as it was read */
	bool confs_due;          /* what hosts were told may have changed */
	bool looking;            /* a look is posted */
	uint64_t rests_until_ms; /* where there is much to look at, not at each word */
	struct list waits;
	bool busy_guests;          /* a change of guests' rows is on its way */
	ha_restarted_fn restarted; /* who is told of restarts, or NULL */
	void *restarted_arg;
};

/* ---- ha.c ---- */
uint64_t ha_now_ms(const struct ha *ha); /* not the turn's: what is answered counts */
struct ha_node *ha_node_of(struct ha *ha, obj_id host); /* made if absent */
struct ha_node *ha_node_find(const struct ha *ha, obj_id host);
struct ha_cluster *ha_cluster_of(struct ha *ha, obj_id cluster);
struct ha_guest *ha_guest_of(struct ha *ha, obj_id vm);
struct ha_guest *ha_guest_find(const struct ha *ha, obj_id vm);
/* The row of a host's cluster if that has HA switched on, else NULL. */
const struct cluster *ha_enabled_of(const struct ha *ha, obj_id host);
struct lease_terms ha_terms_of(const struct cluster *cl);
void ha_look_soon(struct ha *ha);
struct ha_wait *ha_wait_new(struct ha *ha, obj_id id);
/* It has called back: frees it, and says whom it was for. */
struct ha *ha_wait_end(void *wait, obj_id *ret_id);

static inline uint64_t
ha_later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}
/* Guests (by id) that a task works on: it as its value; caller frees the map. */
struct map *ha_busy_guests(const struct ha *ha);

/* ---- ha_beat.c ---- */
extern const struct host_beat_events ha_beat_events;
bool ha_is_fenced(const struct host *row); /* its incarnation, in the database */
/* What host says of the guest, or NULL. */
const struct ha_run *ha_run_of(const struct ha_node *n, obj_id vm);
/* Its copy runs there under the leases of the incarnation that the host has. */
bool ha_runs_there(
    const struct ha_node *n, const struct host *row, const struct vm *vm);
/* Since when it has lost it, though others have it; 0: not. */
uint64_t ha_store_lost_ms(
    const struct ha *ha, const struct ha_node *n, uint64_t number);

/* ---- ha_answer.c ---- */
void ha_answer(
    struct ha *ha, struct ha_node *n, const struct cluster *cl, const Drover__Beat *b);
void ha_reply(struct ha *ha, const struct ha_node *n, Drover__BeatReply *reply);

/* ---- ha_conf.c ---- */
/* Tell the host what is wanted of it, if that is not what it was told last. */
void ha_conf_send(struct ha *ha, struct ha_node *n);
void ha_confs_send(struct ha *ha);

/* ---- ha_fence.c ---- */
/* Judge the cluster's hosts, and do what follows. */
void ha_fence_look(struct ha *ha, const struct cluster *cl);

/* ---- ha_restart.c ---- */
void ha_restart_look(struct ha *ha, const struct cluster *cl);

/* ---- ha_lost.c ---- */
bool ha_is_reaped(const struct vm *vm, const struct ha_run *run);
/* The task of a restart has ended. */
void ha_restart_ended(struct ha *ha, const struct task *row);
/* Say that it runs elsewhere, and how long that took. */
void ha_restart_tell(struct ha *ha, struct ha_guest *g);
/* A host reports the run that was ordered there. */
void ha_restart_seen(
    struct ha *ha, const struct ha_node *n, const Drover__RunWord *word);
bool ha_is_lost(const struct ha *ha, const struct vm *vm);
/* The guests that the host is to end because it is isolated; and not any longer. */
void ha_retrieve(struct ha *ha, obj_id host);
void ha_forget_retrieved(struct ha *ha, obj_id host);

/* ---- ha_port.c ---- */
bool ha_port_answers(const struct ha *ha, const struct ha_guest *g);
/* Ask it, unless it was asked a moment ago. */
void ha_port_try(struct ha *ha, struct ha_guest *g);
void ha_port_forget(struct ha_guest *g); /* what is on its way */

/* ---- ha_protect.c ---- */
/* Take under leases what runs under them, let go what may not be; say why not. */
void ha_protect_look(struct ha *ha);

/* ---- ha_order.c ---- */
/* As a task of its own; what others have reaped of it goes along. */
void ha_order(struct ha *ha, struct ha_guest *g, obj_id host);
