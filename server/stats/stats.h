/*
 * stats: how hosts, guests and datastores fare.
 *
 * Samples come from hosts' agents (proto/stats.proto) into a ring in memory for each
 * object, an hour of them; from there they are written to a file for each object,
 * which has ten years (rrd_file.h).  A query sees both as one.  Core thread; files are
 * its own workers'.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/metric.h"

struct hosts;
struct inv;
struct stats;

struct stats_opts {
	struct inv *inv;
	struct hosts *hosts;  /* NULL: nobody sends */
	const char *dir;      /* copied; made where it is absent */
	const char *daemon;   /* rrdcached's address; "": none */
	uint32_t interval_ms; /* between samples: whole seconds, a part of 300 */
	uint32_t write_s;     /* so often an object's file is written */
	const char *name; /* of this server among what is counted; NULL: it is not */
	/* What draws graphs when RRD_DRAW is its first argument; NULL: this program */
	const char *graph_program;
};

/* All borrowed but texts; the loop is the inventory's. */
int stats_new(
    const struct stats_opts *o, struct stats **ret, struct err *e) WARN_UNUSED;
/* No more is read or written: whoever waits hears it. */
void stats_close(struct stats *s);
/* Writes what is not written. */
void stats_free(struct stats *s);
/* May be sampled so often: whole rows of the archives come of it. */
int stats_check_interval(uint64_t ms, struct err *e) WARN_UNUSED;

/* Its sample of a slot of the clock; NaN: there is none. */
float stats_at(const struct stats *s, obj_id id, uint64_t slot, uint32_t counter);
/* Its newest sample, of lately; NaN: there is none. */
float stats_now(const struct stats *s, obj_id id, uint32_t counter);
/* What it came to since we began (stat_total.h); NaN: nothing yet. */
double stats_total(const struct stats *s, obj_id id, uint32_t counter);
uint32_t stats_step_s(const struct stats *s);
/* Names of its cores, cards and disks of which that counter is known, borrowed until
 * the next sample; returns how many. */
size_t stats_instances(const struct stats *s, obj_id id, uint32_t counter,
    const char *ret_names[METRIC_INSTANCES_MAX]);
/* What is counted of an object: METRIC_OF_…, 0: nothing. */
unsigned stats_objects_of(const struct inv *inv, obj_id id);

/* One sample of an object, at its slot of the clock: for what no agent tells. */
void stats_put(struct stats *s, obj_id id, uint64_t slot, uint32_t counter, float v);

/* A sample in memory; NaN: there is none. */
float stats_sample(const struct stats *s, obj_id id, uint64_t slot, uint32_t counter);
/* Called for each object that got samples, with their slot; those of one object come in
 * order.  One follower; NULL: nobody. */
typedef void (*stats_fn)(void *arg, obj_id id, uint64_t slot);
void stats_follow(struct stats *s, stats_fn fn, void *arg);
