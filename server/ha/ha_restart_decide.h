/*
 * ha_restart_decide: which lost guest starts next, and where.  Pure.
 *
 * Guests start by priority, highest first; within one by id, so that two leaders do the
 * same.  A guest waits for
 *  - those that it depends on, until each has passed the gate that was asked for or the
 *    gate's time is over;
 *  - those of higher priorities that are starting, by the gate of their priority.  One
 *    that has no place or backs off holds nobody up;
 *  - its back-off after a failure: 10 s, doubled up to 5 min, for ever, with an alarm
 *    after the third failure and another host each time while there is one;
 *  - a host with a start to spare: at most RESTART_PER_HOST at once, because a storm of
 *    boots starts nobody sooner.
 * Admission control has no say here: room that was kept for this is there to be used.
 *
 * Where a guest goes is the scheduler's to say; it is asked through restart_place_fn.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RESTART_PER_HOST       8u
#define RESTART_BACKOFF_MS     10000u
#define RESTART_BACKOFF_MAX_MS 300000u
#define RESTART_ALARM_AFTER    3u
#define RESTART_GATE_LIMIT_MS  600000u /* default of a gate's time */
#define RESTART_MAX_TRIED      8u      /* hosts a guest remembers to have failed on */

enum restart_priority {
	RESTART_OFF, /* registered elsewhere, never started */
	RESTART_LOWEST,
	RESTART_LOW,
	RESTART_MEDIUM,
	RESTART_HIGH,
	RESTART_HIGHEST,
	RESTART_PRIORITIES_
};

enum restart_gate {
	RESTART_GATE_NONE,      /* the start was ordered */
	RESTART_GATE_ON,        /* its process runs */
	RESTART_GATE_HEARTBEAT, /* the guest's own heartbeat comes */
	RESTART_GATE_PORT,      /* its application port answers */
};

enum restart_is {
	RESTART_HELD,    /* its old copy may still run: no order may go out yet */
	RESTART_WAITING, /* to be started */
	RESTART_STARTING,
	RESTART_RUNNING,
};

struct restart_need {
	size_t guest; /* index of the guest that goes first */
	enum restart_gate gate;
	uint64_t limit_ms; /* from when that one was ordered, or from our loss */
};

struct restart_guest {
	uint64_t id;
	enum restart_priority priority;
	enum restart_is is;
	bool has_heartbeat, has_port; /* readiness, of RESTART_RUNNING */
	uint64_t lost_ms;             /* when it was lost; 0: it was not */
	uint64_t ordered_ms;          /* its last start */
	uint32_t host;                /* index; of RESTART_STARTING */
	uint32_t failures;
	uint64_t failed_ms; /* the last one */
	bool alarmed;
	uint32_t tried[RESTART_MAX_TRIED]; /* hosts it failed on since it last ran */
	size_t n_tried;
	const struct restart_need *needs;
	size_t n_needs;
};

struct restart_ask {
	size_t guest;          /* index */
	const uint32_t *avoid; /* hosts not to take while there is another */
	size_t n_avoid;
	const bool *full; /* hosts, by index, that start as many as they may */
};

/* A host for a guest: its index, or false where there is none.  What it returned counts
 * as taken when it is asked for the next guest of the same look. */
typedef bool (*restart_place_fn)(
    void *arg, const struct restart_ask *ask, uint32_t *ret_host);

struct restart_view {
	const struct restart_guest *guests;
	size_t n;
	size_t hosts;
	enum restart_gate gates[RESTART_PRIORITIES_]; /* to pass before lower ones go */
	uint64_t gate_limit_ms;
	uint64_t start_limit_ms; /* an order that takes longer has failed */
	restart_place_fn place;
	void *place_arg;
};

enum restart_do {
	RESTART_START,    /* guest on host: draw a generation and order it */
	RESTART_FAIL,     /* its start takes too long: count a failure */
	RESTART_ALARM,    /* it failed RESTART_ALARM_AFTER times; goes on being tried */
	RESTART_NO_PLACE, /* it would start now, but nothing takes it */
};

struct restart_order {
	enum restart_do what;
	size_t guest;
	uint32_t host;
};

struct restart_orders {
	struct restart_order *list; /* the caller's: room for 2 a guest */
	size_t n;
	bool *full;          /* the caller's: one a host */
	uint32_t *starting;  /* the caller's: one a host */
	const size_t *order; /* guests sorted by restart_sort */
};

/* The indices of guests into order (room for n), first to start first. */
void restart_sort(const struct restart_guest *guests, size_t n, size_t *order);

void ha_restart_decide(
    const struct restart_view *v, uint64_t now_ms, struct restart_orders *out);

/* What a failure on host does to the guest's record. */
void restart_note_failure(struct restart_guest *g, uint32_t host, uint64_t now_ms);
uint64_t restart_backoff_ms(uint32_t failures);
