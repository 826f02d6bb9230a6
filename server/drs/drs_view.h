/*
 * drs_view: a cluster as drs_decide sees it.
 *
 * CPU demand is what guests have used lately, smoothed; memory is what they are given.
 * A guest without figures, or with old ones, counts as its configured size.
 */
#pragma once
#include <stdint.h>

#include "server/drs/drs_decide.h"

struct arena;
struct hosts;
struct inv;
struct map;
struct tasks;

struct drs_env {
	const struct inv *inv;
	const struct hosts *hosts;
	const struct tasks *tasks;
	const struct map *past; /* vm id → struct drs_past; NULL: none yet */
	uint64_t now_ms;        /* of the clock that never steps */
	uint64_t wall_ms;
};

/* All of it from mem. leaving: a host to be emptied, or none. */
struct drs_view *drs_view_of(
    const struct drs_env *env, obj_id cluster, obj_id leaving, struct arena *mem);
