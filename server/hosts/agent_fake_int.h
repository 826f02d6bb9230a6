/*
 * agent_fake_int: the fake agent from the inside: agent_fake.c is its link, book and
 * journal, agent_fake_work.c what it does with an order, agent_fake_move.c what it does
 * with a guest that moves.
 */
#pragma once
#include "base/err.h"
#include "base/map.h"
#include "server/hosts/agent_fake.h"

#define FAKE_MAGIC       0x66616b65u
#define FAKE_MAX_PEERS   4
#define MAX_STORES       8
#define MB_BYTES         UINT64_C(0x100000)
#define MAX_HELD         64
#define FAKE_MAX_WORDS   64
#define FAKE_MAX_WATCHED 32

struct fake_guest {
	char uuid[40];
	char reason[100];
	uint64_t gen;
	uint64_t started_ms;
	Drover__GuestState state;
	unsigned starts;
	uint8_t key[32];      /* of the move that brings or takes it */
	bool runs_after_move; /* or is paused */
	bool is_memory_gone;  /* of one that was given away: its host died since */
	bool is_claimed;
};

/* Its leases, as it knows of them. */
struct fake_lease {
	Drover__HaConf *conf; /* NULL: it was told nothing */
	uint64_t inc, nonce;
	bool joined, fenced;
	uint32_t lease_ms, frozen_ms; /* of the last reply */
	bool freezing;
	struct agent_fake_word words[FAKE_MAX_WORDS];
	size_t n_words;
	uint64_t store_lost_ms;
	bool others_have;
	Drover__RunClaim *claim; /* of the last start */
	bool brief;
	uint8_t *said; /* packed runs of the last beat; NULL: say all anew */
	size_t n_said;
};

/* What it was told to sample closely. */
struct fake_watch {
	Drover__StatWatch last;
	uint64_t objects[FAKE_MAX_WATCHED];
	bool is_told; /* over this link */
	unsigned times;
};

struct agent_fake {
	uint32_t magic;
	struct loop *loop;
	struct link *link;
	agent_fake_send_fn send; /* or NULL: the link is its own */
	void *send_arg;
	char *uuid, *fingerprint;
	uint32_t cpu_cores, cpu_mhz;
	uint64_t memory_mb;
	unsigned boots;
	bool welcomed, silent, holding, lose_next;
	int refused;
	struct err fail_next;
	struct map *guests;  /* number → struct fake_guest */
	struct map *replies; /* task << 16 | step → packed envelope */
	uint64_t stores[MAX_STORES];
	size_t n_stores;
	Drover__Envelope *held[MAX_HELD];
	size_t n_held;
	unsigned orders, works;
	agent_fake_fn watcher;
	void *watcher_arg;
	agent_fake_session_fn server_of_sessions;
	void *server_arg;
	struct map *never; /* guest → uint64_t: generations up to it are refused */
	struct agent_fake *peers[FAKE_MAX_PEERS];
	size_t n_peers;
	struct agent_fake_trap trap;
	bool is_trap_set, is_tripped, is_wire_cut, is_torn;
	char obstacle[100], oci_why_not[100];
	bool is_old;
	unsigned doubled;
	struct map *deleted; /* "datastore/path" of disks → the agent */
	uint64_t seq, event, acked, written;
	struct fake_lease lease;
	struct fake_watch watch;
	bool takes_no_watches;
};

struct fake_guest *fake_guest_make(
    struct agent_fake *a, uint64_t number, const char *uuid);
/* A guest is in the memory of this host. */
bool fake_is_live(const struct fake_guest *g);

/* agent_fake_work.c */
/* What a reply may point to. */
struct fake_results {
	Drover__TemplateFacts tpl;
	Drover__DiskLayer layer, *layers[1];
	Drover__ContainerSpec container;
	Drover__ArriveReady ready;
	Drover__CopyFacts copy;
	Drover__FileFacts file;
	Drover__DatastoreStatus store;
};

int fake_do_order(struct agent_fake *a, const Drover__Order *o, struct err *e);
/* Of an order that went well. */
void fake_fill_result(struct agent_fake *a, const Drover__Order *o, Drover__Reply *r,
    struct fake_results *to);
void fake_fill_store(uint64_t number, Drover__DatastoreStatus *s);
int fake_no_guest(uint64_t number, struct err *e);
void fake_delete_disk(struct agent_fake *a, const Drover__DiskSpec *d);

/* agent_fake_beat.c */
void fake_take_conf(struct agent_fake *a, const Drover__HaConf *c);
void fake_take_reply(struct agent_fake *a, const Drover__BeatReply *r);
void fake_take_claim(
    struct agent_fake *a, struct fake_guest *g, const Drover__RunClaim *claim);
void fake_forget_leases(struct agent_fake *a);
/* Another leader knows nothing of what was said before. */
void fake_say_anew(struct agent_fake *a);

/* agent_fake_move.c */
struct fake_move_results {
	Drover__Offer offer;
	Drover__ArriveReady ready;
	Drover__MoveFacts move;
	Drover__ArrivedFacts arrived;
	char *texts[1];
};

/* True if it is one of its verbs; *rc is what came of it. */
bool fake_do_move(struct agent_fake *a, const Drover__Order *o, int *rc, struct err *e);
void fake_fill_move(struct agent_fake *a, const Drover__Order *o, Drover__Reply *r,
    struct fake_move_results *to);
/* The guest that a move's order is about; 0: none of its verbs. */
uint64_t fake_guest_of_move(const Drover__Order *o);
void fake_count_doubled(struct agent_fake *a);
/* Its agent has ended: what came through it is lost. */
void fake_forget_arriving(struct agent_fake *a);
/* Do the harm if the order is the one it waits for. True: the order is lost in it. */
bool fake_spring(
    struct agent_fake *a, const Drover__Order *o, enum agent_fake_when when);
