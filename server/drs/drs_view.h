/*
 * drs_view: a cluster as drs_decide sees it.
 *
 * CPU demand is what guests have used lately, smoothed; memory is what they are given.
 * A guest without figures counts as its configured size.
 */
#pragma once
#include <stdint.h>

#include "server/drs/drs_decide.h"

struct arena;
struct hosts;
struct inv;
struct map;
struct tasks;

/* What the rounds remember of a guest. */
struct drs_sample {
	double cpu_mhz;    /* smoothed */
	uint64_t since_ms; /* so long it has been about that */
	uint64_t moved_ms; /* of its last move, or 0 */
	bool has_failed;   /* that one */
};

#define DRS_REST_MS 600000u /* no guest is moved again for evenness within */

struct drs_env {
	const struct inv *inv;
	const struct hosts *hosts;
	const struct tasks *tasks;
	const struct map *samples; /* vm id → struct drs_sample; NULL: none yet */
	uint64_t now_ms;           /* of the clock that never steps */
};

/* All of it from mem. leaving: a host to be emptied, or none. */
struct drs_view *drs_view_of(
    const struct drs_env *env, obj_id cluster, obj_id leaving, struct arena *mem);
/* A new smoothed demand, from a figure that has just come in. */
void drs_sample_take(struct drs_sample *s, double cpu_mhz, uint64_t now_ms);
