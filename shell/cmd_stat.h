/*
 * cmd_stat: what cmdlets about statistics have in common.
 */
#pragma once
#include "shell/cmd.h"
#include "shell/inventory.h"

/* Kinds of which something is counted. */
#define STATS_OBJECTS                                                           \
	(KIND_BIT(VM) | KIND_BIT(HOST) | KIND_BIT(DATASTORE) | KIND_BIT(POOL) | \
	    KIND_BIT(CLUSTER))

/* -Stat, -Instance, -Start and -Finish, -IntervalMins and -IntervalSecs, as arguments
 * of q. */
void stat_add_counters(struct stage *st, struct str *q);
void stat_add_instances(struct stage *st, struct str *q);
void stat_add_range(struct stage *st, struct str *q);
enum run stat_add_interval(struct stage *st, struct str *q);
