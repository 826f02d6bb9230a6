/*
 * stats_scene: hosts with guests that send samples, for measurements.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "base/metric.h"

#define SCENE_STEP_S   20u
#define SCENE_COUNTERS 15u /* of each guest */
#define SCENE_ROWS     15u /* of five minutes */

struct clock;
struct db;
struct events;
struct inv;
struct loop;

/* One cluster with one pool, in which all guests are on. */
struct scene {
	struct loop *loop;
	struct db *db;
	struct inv *inv;
	struct events *events;
	char dir[64]; /* for files; scene_remove */
	unsigned hosts, guests;
	obj_id *host_ids, *vm_ids; /* those of a host one after the other */
	uint8_t counters[SCENE_COUNTERS];
};

/* hosts and guests (on each) are set; the clock is borrowed. */
void scene_open(struct scene *s, const struct clock *clock);
void scene_remove(const struct scene *s);
size_t scene_all(const struct scene *s);
/* Until nothing happens any more. */
void scene_settle(struct scene *s);

/* What guests measure: each counter something else in each round, percentages below
 * calm %; calm 0: all that they can. */
struct scene_round {
	uint64_t seq;
	uint32_t age_ms;
	unsigned calm;
};

/* What a host's agent sends: the frame's bytes, malloc'd. */
uint8_t *scene_frame(
    const struct scene *s, unsigned host, const struct scene_round *r, size_t *ret_n);

/* "name value unit" */
void scene_print(const char *name, double v, const char *unit);
double scene_cpu_s(int who); /* RUSAGE_… */
double scene_now_s(void);
/* Memory of this process, or of another one. */
double scene_resident_mb(int pid);
