/*
 * cmd_stat: what cmdlets about statistics have in common.
 */
#pragma once
#include "shell/cmd.h"
#include "shell/inventory.h"

/* Kinds of which something is counted. */
#define STATS_OBJECTS                                                           \
	(KIND_BIT(VM) | KIND_BIT(HOST) | KIND_BIT(DATASTORE) | KIND_BIT(POOL) | \
	    KIND_BIT(CLUSTER) | KIND_BIT(SERVER))

/* -Stat, -Instance, -Start and -Finish, -IntervalMins and -IntervalSecs, as arguments
 * of q. */
void stat_add_counters(struct stage *st, struct str *q);
void stat_add_instances(struct stage *st, struct str *q);
void stat_add_range(struct stage *st, struct str *q);
enum run stat_add_interval(struct stage *st, struct str *q);
/* The word that the API has for -Kind; a guest's if it is not given. */
const char *stat_kind(struct stage *st);
/* "&tag=" for the one that is -Tag. */
enum run stat_add_tag(struct stage *st, struct str *q);
/* Samples of an answer of GET /stats, as records. */
enum run stat_put_answer(struct stage *st, const json *answer);
/* Calls put for each place of -Location; for none (NULL) where it is not given. */
enum run stat_each_place(
    struct stage *st, enum run (*ask)(struct stage *st, const char *within));
