/*
 * drs_apply: carries recommendations out, in their order, and says what became of them.
 */
#pragma once
#include "server/drs/drs_keep.h"
#include "server/ops/ops.h"

struct drs_applier;
struct hosts;
struct inv;
struct ops;

struct drs_moved {
	obj_id vm, from;
	bool has_failed;
};

typedef void (*drs_moved_fn)(void *arg, const struct drs_moved *m);
struct drs_applier *drs_applier_new(struct inv *inv, struct hosts *hosts,
    struct ops *ops, drs_moved_fn moved, void *arg);
void drs_applier_free(struct drs_applier *a);

/* Keep a plan as recommendations, and begin with those that the levels allow.  done
 * comes when they are stored, at once if none is new. */
typedef void (*drs_kept_fn)(void *arg);
void drs_applier_keep(
    struct drs_applier *a, const struct drs_keep *k, drs_kept_fn done, void *arg);
/* As drs_apply of drs.h. */
void drs_applier_ask(
    struct drs_applier *a, obj_id rec, const struct caller *who, op_fn done, void *arg);
/* Something has changed: go on, or give up. */
void drs_applier_look(struct drs_applier *a);
/* Is a plan of the cluster under way? */
bool drs_applier_busy(const struct drs_applier *a, obj_id cluster);
