/*
 * stat_instance: samples of an object's cores, cards and disks.
 *
 * In memory alone, an hour of them: files are the objects' own (ADR 0051).  Pure.
 */
#pragma once
#include "base/list.h"
#include "server/stats/stat_ring.h"

struct stat_instance {
	struct list_node node;
	char name[METRIC_INSTANCE_TEXT];
	struct stat_ring *ring;
};

/* Made at its first sample, in list, with so many slots.  NULL: its name is none, or
 * METRIC_INSTANCES_MAX of them have samples that are kept. */
struct stat_instance *stat_instance_at(
    struct list *instances, const char *name, uint32_t slots, uint64_t slot);
/* NULL: there is none. */
const struct stat_instance *stat_instance_find(
    const struct list *instances, const char *name);
void stat_instances_drop(struct list *instances);
/* One of the list's names, with wildcards and commas between.  "" names the object
 * itself, which is no instance. */
bool stat_instance_named(const char *list, const char *name);
