/*
 * drs: keeps the guests of each cluster where they run best.
 *
 * Every so often, and soon after a host, a rule or a guest's power has changed, it
 * looks at a cluster (drs_view.h), decides (drs_decide.h) and keeps what it found as
 * recommendations. What the cluster's automation level lets it, it carries out itself,
 * by vm.migrate as anybody else would.  Core thread; only deciding is a worker's.
 */
#pragma once
#include <stdint.h>

#include "server/ops/op_def.h"

struct drs;
struct hosts;
struct inv;
struct ops;
struct tasks;
struct workers;

struct drs_opts {
	struct inv *inv;
	struct hosts *hosts;
	struct tasks *tasks;
	struct ops *ops;
	struct workers *workers; /* NULL: decides on the core thread */
	uint32_t interval_ms;    /* between rounds; 0: a minute */
};

/* Verbs of maintenance and recommendations: before ops_new. */
void drs_register(void);
struct drs *drs_new(const struct drs_opts *o); /* all borrowed */
void drs_free(struct drs *d);
/* Take up what was stored of the demand of the last day.  done comes once; what cannot
 * be had is begun anew. */
void drs_recall(struct drs *d, void (*done)(void *arg), void *arg);

enum drs_round {
	DRS_PERIODIC,  /* evens out what was uneven the last time, too */
	DRS_ON_CHANGE, /* only what must be */
	DRS_ASKED,     /* everything, now */
	DRS_SIMULATED, /* the same, and nothing is kept */
};

/* plan (drs_json.h) is borrowed; NULL with an error. */
typedef void (*drs_fn)(void *arg, int rc, const struct err *e, const json *plan);
/* done comes once, in a later posts phase. */
void drs_go(
    struct drs *d, obj_id cluster, enum drs_round round, drs_fn done, void *arg);
/* Carry a recommendation out, if it still makes sense: as op_submit of vm.migrate. */
void drs_apply(
    struct drs *d, obj_id rec, const struct caller *who, op_fn done, void *arg);

/*
 * What emptying a host would mean: {"items": the moves, "blockers": …}.
 */
json *drs_maintenance_plan(const struct inv *inv, const struct hosts *hosts,
    const struct tasks *tasks, obj_id host);
