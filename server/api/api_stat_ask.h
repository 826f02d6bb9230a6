/*
 * api_stat_ask: which objects, counters and times a question about statistics names.
 *
 * Each function answers the call and returns -1 where what it names does not do.
 */
#pragma once
#include <stdbool.h>

#include "server/api/stat_names.h"

struct api_call;
struct inv;
struct obj;
struct stat_want;

/* Those of "objects"; else those of "kind" (preset: guests) that are in "within" and
 * have "tag". */
int stat_names_read_objects(struct api_call *c, struct stat_names *a);
/* Those of "counters", names or patterns; else those of level 1. */
int stat_names_read_counters(struct api_call *c, struct stat_names *a);
/* One object that something is counted of. */
int stat_names_add_object(struct api_call *c, const char *word, struct stat_names *a);
/*
 * What each counts for by "group": ids become those that count, once for each thing
 * that it counts for, and *ret_groups (free it) has that.
 */
int stat_groups_read(struct api_call *c, struct stat_names *a, obj_id **ret_groups,
    struct err *e) WARN_UNUSED;
/* By its id, "Category/name" or, where no other has it, its name. */
int stat_tag_find(
    const struct inv *inv, const char *word, obj_id *ret_id, struct err *e) WARN_UNUSED;
bool stat_tag_has(const struct obj *o, obj_id tag);
/* "start", "end", "interval" and "points". */
int stat_want_read(struct api_call *c, struct stat_want *w);
