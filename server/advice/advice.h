/*
 * advice: the bridge between the inventory and the scheduler.
 *
 * It makes the scheduler's view of what exists, and keeps the room that a task was
 * given (a hold) from others until the task has ended: between a placement and its
 * commit, and until the guest runs. Core thread only.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "scheduler/sched_view.h"
#include "server/inventory/inv_drs.h"

struct advice;
struct arena;
struct hosts;
struct inv;
struct sched_view;

struct advice *advice_new(struct inv *inv, struct hosts *hosts); /* both borrowed */
void advice_free(struct advice *a);

/* A machine that is looked for a host for. */
struct advice_guest {
	obj_id vm; /* which machine, if there is one already; else none */
	const char *name;
	bool is_restart; /* of a lost host: what is kept free for it is its to take */
	obj_id cluster;
	obj_id want_host; /* only this one will do, or none */
	uint32_t num_cpu;
	uint64_t memory_mb;
	const char *engine;  /* "qemu"; NULL: any */
	obj_id datastore;    /* where its disk lies, or none */
	uint64_t disk_mb;    /* room that is still to be taken there */
	obj_id source;       /* datastore that it is copied from, or none */
	obj_id network;      /* or none */
	const obj_id *avoid; /* hosts not to take while there is another */
	size_t n_avoid;
	const obj_id *closed; /* hosts not to take */
	size_t n_closed;
	bool is_for_asleep; /* advice_find_asleep's own */
};

/* ERR_NO_CAPACITY with the resource, how much is asked, how much is free and where. */
int advice_find_host(struct advice *a, const struct advice_guest *g, obj_id *ret_host,
    struct err *e) WARN_UNUSED;
/* The same among hosts in standby and those that wake, as if they were there: of what
 * they have and are attached to. */
int advice_find_asleep(struct advice *a, const struct advice_guest *g, obj_id *ret_host,
    struct err *e) WARN_UNUSED;
/* The ranking of all hosts for POST /placements; count machines alike, one after
 * another. */
int advice_place(struct advice *a, const struct advice_guest *g, unsigned count,
    json **ret_j, struct err *e) WARN_UNUSED;
/* POST /placements: the body as sent. */
int advice_place_request(
    struct advice *a, const json *body, json **ret_j, struct err *e) WARN_UNUSED;

/* One host's room for a machine. */
struct advice_room {
	obj_id host;
	bool fits;
	const char **shortages; /* "lacks memory: …": follows the host's name */
	bool bends_rule;        /* fits, against a rule that only should be followed */
	size_t n_shortages;     /* may be 0 though it does not fit for another reason */
};

/* All hosts, best first, then those that do not fit by id; from mem. */
int advice_rooms(struct advice *a, const struct advice_guest *g, struct arena *mem,
    struct advice_room **ret, size_t *ret_n, struct err *e) WARN_UNUSED;

/*
 * What the scheduler is asked about lost hosts (scheduler/restart.h): all that guests
 * need of a host, with their priorities and the rules of their clusters.  Those that
 * could start nowhere else, or shall not, count as disabled.
 */
int advice_restart_view(
    const struct advice *a, struct sched_view **ret_v, struct err *e) WARN_UNUSED;

/* The scheduler's word for a kind of rule. */
enum sched_rule_kind advice_rule_kind(enum rule_type type);

/* Room (and an address) given to a machine until advice_hold_drop. A second hold
 * replaces the first. One that runs on another host than the hold's takes room on
 * both. */
struct advice_hold {
	obj_id vm;
	obj_id host;
	obj_id cluster;
	uint32_t num_cpu;
	uint64_t memory_mb;
	obj_id network;   /* or none */
	uint32_t address; /* IPv4 in host order on network; 0: none */
};

void advice_hold_take(struct advice *a, const struct advice_hold *h);
void advice_hold_drop(struct advice *a, obj_id vm);
const struct advice_hold *advice_hold_find(const struct advice *a, obj_id vm);
/* The addresses held on a network, in host order, appended to *list. */
void advice_held_addresses(
    const struct advice *a, obj_id network, uint32_t **list, size_t *n);
