/*
 * stat_rows: what one object's file and memory have of a range, as rows of it.
 */
#pragma once
#include "base/id.h"
#include "server/stats/rrd_file.h"
#include "server/stats/stat_reduce.h"

struct stat_instance;
struct stats;

/* What is asked of one object. */
struct stat_rows {
	obj_id id;
	char instance[METRIC_INSTANCE_TEXT]; /* "": the object itself */
	char *path;                          /* NULL: it has no file */
	struct rrd_file file;
	uint8_t counters[METRIC_MAX];
	size_t n_counters;
	/* One counter after the other, stat_plan_rows of each; peaks NULL: as rows. */
	float *rows, *peaks;
};

/* Of the counters those that the object has; without room for rows yet.  daemon is
 * borrowed. */
void stat_rows_init(struct stat_rows *r, const struct stats *s, obj_id id,
    const char *daemon, const uint8_t *counters, size_t n_counters);
/* Of one of its cores, cards or disks, which is in memory alone. */
void stat_rows_init_instance(struct stat_rows *r, const struct stats *s, obj_id id,
    const struct stat_instance *of, const uint8_t *counters, size_t n_counters);
void stat_rows_fini(struct stat_rows *r);
/* Rows of an archive have peaks of their own, samples have not. */
bool stat_rows_have_peaks(const struct stats *s, const struct stat_plan *p);
/* From its file; blocks: for workers. */
void stat_rows_read(struct stat_rows *r, const struct stat_plan *p);
/* What memory knows besides, of the k-th of its counters. */
void stat_rows_overlay(
    struct stat_rows *r, const struct stats *s, const struct stat_plan *p, size_t k);
/* Its file has nothing to add. */
bool stat_rows_in_memory(const struct stats *s, obj_id id, const struct stat_plan *p);
