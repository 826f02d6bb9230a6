/*
 * guest_int: what the files of this folder share.
 */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "host-agent/guest/guests.h"
#include "host-agent/network/port.h"
#include "loop/flow.h"
#include "proto/book.pb-c.h"

#define GUEST_JOB_MAGIC  0x474a4f42u
#define GUEST_REASON_MAX ENGINE_REASON_MAX
#define MAX_WAITING      64u /* orders that wait for the agent's own work on one guest */

struct guest_job;
struct guest_memory;
struct guest_past;
struct guest_pools;
struct guest_resources;
struct guest_transfer;
struct saver;

struct waiting_order {
	struct list_node node;
	struct order_name name;
	const Drover__Order *order; /* the inbox's, good until the reply */
};

/* What is known of the moment at which a guest came. */
struct guest_arrival {
	uint64_t resumed_ms; /* wall clock */
	uint64_t outage_us;  /* 0: not measured */
	char why_not[96];
	char lost_why[GUEST_REASON_MAX]; /* of one that has not come by itself */
};

struct guest {
	struct guests *gs;
	uint64_t number;
	Drover__GuestSpec *spec;
	enum guest_state state;
	uint64_t generation;
	uint64_t started_ms; /* 0: that generation has neither run nor been booted */
	struct order_name restart; /* has shut it down, or is about to, to boot it */
	char reason[GUEST_REASON_MAX];
	char digest[65];
	Drover__MoveRecord *move; /* NULL: it is on none */
	Drover__GuestSpec *next;  /* what its disks may be by now; NULL: as spec */
	struct guest_transfer *transfer; /* NULL: no bytes of it are on their way */
	struct guest_arrival arrival;    /* of the last move that brought it here */

	struct engine_guest *handle;
	struct saver *saver;
	uint64_t save_seq;  /* the write that save_wake waits for */
	uint64_t saved_seq; /* the last one that has ended */
	bool save_failed;   /* that one */
	struct wake save_wake;

	bool tentative; /* unknown here until its first job has written the record */
	struct guest_job *job;
	struct list waiting; /* of struct waiting_order, behind the agent's own job */
	unsigned n_waiting;
	bool has_event; /* came while a job was under way */
	enum engine_event_kind event;
	char event_reason[GUEST_REASON_MAX];

	struct guest_usage usage;
	struct guest_resources *resources; /* NULL: nothing is known of its group */
	struct guest_memory *memory;       /* NULL: it is not up, or was not looked at */
	uint64_t disk_bytes;
	bool sizing;              /* a worker sums up its disks */
	uint64_t resume_after_ms; /* a stalled one is not resumed before this */
	unsigned stalls;          /* in a row */
};

struct guests {
	struct guest_past *past;
	struct guest_pools *pools; /* NULL: the server has told of none */
	enum pressure pressure;    /* of memory, at the last look */
	struct guests_env env;
	struct guests_ops ops;
	struct map *by_number;
	struct list works;
	uint64_t last_job;
	unsigned adopting;
	void (*adopted)(void *arg);
	void *adopted_arg;
};

/* ---- guest.c: one guest ---- */

struct guest *guest_new(struct guests *gs, const Drover__GuestSpec *spec);
void guest_free(struct guest *g);
/* Forget an order that waits; who does so answers it. */
void guest_waiting_drop(struct guest *g, struct waiting_order *w);
/* The one writer of state; logs the move. */
void guest_set_state(struct guest *g, enum guest_state to, const char *why);
void guest_set_spec(struct guest *g, const Drover__GuestSpec *spec);
/* Write its record; w (WAKE_NONE: nobody) is posted when it is on disk. */
void guest_save(struct guest *g, struct wake w);
/* The same, but a restart of the agent is to find it in state. */
void guest_save_as(struct guest *g, enum guest_state state, struct wake w);
/* Nobody waited for that so far: post w when it is on disk. */
void guest_await_save(struct guest *g, struct wake w);
/* Remove the record; w as above. */
void guest_unsave(struct guest *g, struct wake w);
/* The engine's handle, made if there is none. */
int guest_handle(
    struct guest *g, struct engine_guest **ret_h, struct err *e) WARN_UNUSED;
/* After spec.engine changed, or at the end. */
void guest_drop_handle(struct guest *g);
/* A start that came to nothing: its generation may be started again. */
void guest_forget_claim(struct guest *g);
bool guest_is_live(const struct guest *g); /* its engine has it, in whatever state */
bool guest_runs(const struct guest *g);    /* or is paused or stalled */
/* Replace what the book keeps of its move. */
void guest_set_move(struct guest *g, Drover__MoveRecord *m_take);
Drover__GuestStatus *guest_status(const struct guest *g);
void guest_emit(struct guest *g, const char *what, const char *reason);
/* Set the state to what the engine says; where it is down, to down. */
void guest_follow_engine(struct guest *g, enum guest_state down);
void guest_on_engine_event(
    struct engine_guest *h, const struct engine_event *ev, void *arg);
/* Act on an event that came while a job was under way. */
void guest_replay_event(struct guest *g);
/* Wires and control group of a guest that is down. */
void guest_clear_host(struct guest *g);

/* ---- guest_wire.c: cards of a spec that is g's or is to be ---- */

struct guest_wire {
	const Drover__GuestSpec *spec;
	size_t i; /* the card in it */
};

/* *ret_tap: the caller's; -1: it is a container's, or the guest is invented. */
int guest_wire_make(const struct guest *g, const Drover__GuestSpec *spec, size_t i,
    int *ret_tap, struct err *e) WARN_UNUSED;
/* What cannot be taken away is logged. */
void guest_wire_drop(const struct guest *g, const Drover__GuestSpec *spec, size_t i);
int guest_wire_change(const struct guest *g, const struct guest_wire *from,
    const struct guest_wire *to, struct err *e) WARN_UNUSED;
/* See to it that they carry the guest's own frames alone, whoever made them. */
void guest_wires_guard(const struct guest *g);

/* ---- guests.c ---- */

struct guest *guests_find(const struct guests *gs, uint64_t number);
struct guest *guests_add(struct guests *gs, const Drover__GuestSpec *spec);
void guests_remove(struct guests *gs, struct guest *g);
/* NULL: the host has none of that name. */
struct engine *guests_engine(const struct guests *gs, const char *name, struct err *e);
/* What counts for an order that names a generation of the guest, known here or not. */
struct guest_generation guests_generation(const struct guests *gs, uint64_t number);
/* Verbs on a guest that is about to be started need a sound host around them. */
int guests_spec_check(
    const struct guests *gs, const Drover__GuestSpec *spec, struct err *e) WARN_UNUSED;
