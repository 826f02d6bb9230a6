/*
 * export_tally: what happened since this server began, counted by cluster.
 *
 * It follows tasks, events and HA.  Core thread.
 */
#pragma once
#include <stdint.h>

#include "base/id.h"
#include "base/map.h"
#include "server/export/expo.h"

struct export_tally;
struct ha;
struct inv;

/* Who wanted a move. */
enum tally_reason { TALLY_USER, TALLY_DRS, TALLY_HA, TALLY_REASONS_ };

enum tally_result { TALLY_SUCCESS, TALLY_ERROR, TALLY_RESULTS_ };

extern const char *const tally_reasons[TALLY_REASONS_];
extern const char *const tally_results[TALLY_RESULTS_];

/* Of one cluster. */
struct tally_cluster {
	uint64_t migrations[TALLY_REASONS_][TALLY_RESULTS_];
	uint64_t restarts[TALLY_RESULTS_];
	struct expo_histogram migration_time, downtime, failover_time;
};

extern const struct expo_bounds tally_migration_bounds, tally_downtime_bounds,
    tally_failover_bounds;

/* Borrowed; ha may be NULL. */
struct export_tally *export_tally_new(struct inv *inv, struct ha *ha);
void export_tally_free(struct export_tally *t);
/* Never NULL: where nothing happened all is 0. */
const struct tally_cluster *export_tally_of(
    const struct export_tally *t, obj_id cluster);

/* Events by type: struct tally_event by name. */
struct tally_event {
	uint64_t n;
};

const struct map *export_tally_events(const struct export_tally *t);
