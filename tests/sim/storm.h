/*
 * storm: a cluster in virtual time, to look for schedules that break HA.
 *
 * The decisions are the real ones: fence_decide, claim_decide, beat_watch,
 * leader_decide, ha_decide and ha_restart_decide.  Around them stand doubles of
 * everything they do not do themselves: hosts with agents, guards and guests; a
 * network; a datastore of blocks; a database of rows.  A seed draws clocks, delays and
 * a schedule of faults; the same seed gives the same run.  The oracle (storm_oracle.c)
 * sees true time and all copies.
 *
 * A plant leaves out one rule of the protocol, in the doubles or in what they hand to
 * the decisions; the production code has no switch for it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/lease.h"
#include "base/rng.h"
#include "tests/sim/storm_event.h"
#include "tests/sim/storm_fault.h"

#define STORM_MAX_HOSTS   5u
#define STORM_MAX_SERVERS 3u
#define STORM_MAX_GUESTS  6u
#define STORM_MAX_NODES   (STORM_MAX_HOSTS + STORM_MAX_SERVERS)
#define STORM_START_MS    1000000u

enum storm_plant {
	PLANT_NONE,

#define PLANT(id, name, breaks, text) PLANT_##id,
#include "tests/sim/plant.def"
#undef PLANT
	PLANTS_
};

/* A node's CLOCK_BOOTTIME: begins anywhere, runs up to 1 % fast or slow (A1). */
struct storm_clock {
	uint64_t base_ms;
	int32_t ppm;
};

/* One process of one guest on one host, with the guard that its host's kernel keeps. */
struct storm_copy {
	bool alive;
	uint64_t gen;
	uint64_t guard_ms;  /* deadline, by the host's clock */
	uint64_t died_ms;   /* true time, by a fault of its own */
	uint64_t ending_ms; /* true time at which a guard that fired strikes; 0: not */
	uint64_t id;        /* of this process */
};

struct storm_failure {
	bool is;
	char text[200];
};

/* What a run measures; true times. */
struct storm_figures {
	uint64_t from_ms;       /* set before the run: nothing before it counts */
	uint64_t ordered_ms;    /* first order to start a guest since then */
	uint64_t running_ms;    /* first guest that starts since then */
	uint64_t led_ms;        /* first take-over since then */
	uint64_t guard_late_ms; /* I10: the latest kill after a guard's deadline */
	uint64_t
	    in_place_ms;  /* the longest from a guest's death to its restart there */
	uint64_t touched; /* copies that ended, but by a fault of their own */
	uint64_t starts, restarts_in_place, take_overs, fences;
};

struct storm_agents;
struct storm_servers;
struct storm_store;
struct storm_db;
struct storm_net;

struct storm {
	uint64_t seed, now_ms;
	uint32_t calm; /* looks in a row at which all was well */
	enum storm_plant plant;
	bool trace;
	uint32_t hosts, servers, guests;
	struct lease_terms terms;
	struct rng rng;
	struct storm_queue queue;
	struct storm_schedule schedule;
	struct storm_faults on; /* what of the schedule is in force now */
	struct storm_clock clocks[STORM_MAX_NODES];
	uint64_t paused_ms[STORM_MAX_NODES]; /* true time until which it is stopped */
	uint64_t lives[STORM_MAX_NODES];     /* raised when the node's process ends */
	struct storm_copy copies[STORM_MAX_GUESTS][STORM_MAX_HOSTS];
	uint64_t copy_ids;
	uint64_t top_gen[STORM_MAX_GUESTS];
	uint64_t op_gen[STORM_MAX_GUESTS];      /* of the last order that took effect */
	uint64_t epochs_heard[STORM_MAX_HOSTS]; /* by the agent, to check I5 */
	struct storm_failure failure;
	struct storm_figures figures;
	struct storm_agents *agents;
	struct storm_servers *srv;
	struct storm_store *store;
	struct storm_db *db;
	struct storm_net *net;
};

/* A cluster with the faults that the seed draws; before it runs, others may be given.
 */
struct storm *storm_new(uint64_t seed, enum storm_plant plant);
void storm_use(struct storm *w, const struct storm_schedule *schedule);
void storm_run(struct storm *w);
void storm_free(struct storm *w);

uint64_t storm_clock_ms(const struct storm *w, uint32_t node);
/* True time at which the node's clock will show ms or just more. */
uint64_t storm_true_ms(const struct storm *w, uint32_t node, uint64_t ms);
uint64_t storm_between(struct storm *w, uint64_t least, uint64_t most);
bool storm_chance(struct storm *w, uint32_t permille);
bool storm_is_paused(const struct storm *w, uint32_t node);
uint32_t storm_home(const struct storm *w, uint32_t guest); /* where it runs first */
uint32_t storm_server_node(const struct storm *w, uint32_t server);
void storm_trace(const struct storm *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void storm_post(struct storm *w, uint64_t at_ms, enum storm_event_kind kind,
    uint32_t node, uint64_t arg);

bool storm_powers_off(const struct storm *w, uint32_t guest); /* when isolated (R11) */

/* ---- copies, as kernels know them (storm_copy.c) ---- */

/* The guard is armed before the guest runs: a deadline that is past ends it at once. */
void copy_start(
    struct storm *w, uint32_t guest, uint32_t host, uint64_t gen, uint64_t guard_ms);
void copy_arm(struct storm *w, uint32_t guest, uint32_t host, uint64_t guard_ms);

enum copy_end { COPY_KILLED, COPY_GUARDED, COPY_FAULT };

void copy_end(struct storm *w, uint32_t guest, uint32_t host, enum copy_end how);
void copy_on_guard(struct storm *w, const struct storm_event *ev);

/* ---- oracle ---- */

void oracle_started(struct storm *w, uint32_t guest, uint32_t host);       /* I1 I2 */
void oracle_ended(struct storm *w, uint32_t guest, uint32_t host);         /* I3 */
void oracle_order(struct storm *w, uint32_t guest, uint64_t gen);          /* I6 */
void oracle_epoch(struct storm *w, uint32_t host, uint64_t epoch);         /* I5 */
void oracle_placed(struct storm *w, uint32_t host, uint32_t guests_there); /* I11 */
void oracle_guard(struct storm *w, uint64_t late_ms);                      /* I10 */
bool oracle_is_calm(const struct storm *w);                                /* I4 */
void oracle_calm(struct storm *w);
