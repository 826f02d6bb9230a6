/*
 * stat_names: objects and counters by what people call them.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/metric.h"

struct inv;

#define STAT_OBJECTS_MAX 1000u /* with a series for each */

struct stat_names {
	obj_id *ids;
	size_t n_ids;
	uint8_t counters[METRIC_MAX];
	size_t n_counters;
};

struct stat_names *stat_names_new(void);
void stat_names_free(struct stat_names *a);

/* Any object there is. */
int stat_names_id(
    const struct inv *inv, const char *word, obj_id *ret_id, struct err *e) WARN_UNUSED;
void stat_names_add_id(struct stat_names *a, obj_id id);
/* An object that something is counted of. */
int stat_names_add(const struct inv *inv, const char *word, struct stat_names *a,
    struct err *e) WARN_UNUSED;
/* A counter's name, or a pattern of names. */
int stat_names_add_counter(
    struct stat_names *a, const char *word, struct err *e) WARN_UNUSED;
/* What everybody looks at: the counters of level 1. */
void stat_names_add_preset(struct stat_names *a);

DEFINE_AUTO(stat_names, struct stat_names *, stat_names_free)
