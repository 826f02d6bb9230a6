#include "server/stats/stat_instance.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static void
drop(struct stat_instance *i)
{
	list_remove(&i->node);
	stat_ring_free(i->ring);
	free(i);
}

void
stat_instances_drop(struct list *instances)
{
	LIST_EACH_SAFE(struct stat_instance, i, instances, node)
		drop(i);
}

const struct stat_instance *
stat_instance_find(const struct list *instances, const char *name)
{
	LIST_EACH(struct stat_instance, i, instances, node) {
		if (str_same(i->name, name))
			return i;
	}
	return NULL;
}

/* Of those whose samples are all too old; returns how many are left. */
static size_t
drop_gone(struct list *instances, uint32_t slots, uint64_t slot)
{
	size_t n = 0;

	LIST_EACH_SAFE(struct stat_instance, i, instances, node) {
		if (stat_ring_newest(i->ring) + slots <= slot)
			drop(i);
		else
			n++;
	}
	return n;
}

struct stat_instance *
stat_instance_at(
    struct list *instances, const char *name, uint32_t slots, uint64_t slot)
{
	struct stat_instance *made;

	LIST_EACH(struct stat_instance, i, instances, node) {
		if (str_same(i->name, name))
			return i;
	}
	if (!metric_instance_valid(name) ||
	    drop_gone(instances, slots, slot) >= METRIC_INSTANCES_MAX)
		return NULL;
	made = xcalloc(1, sizeof(*made));
	snprintf(made->name, sizeof(made->name), "%s", name);
	made->ring = stat_ring_new(slots);
	list_add_tail(instances, &made->node);
	return made;
}

bool
stat_instance_named(const char *list, const char *name)
{
	AUTO_FREE char *copy = xstrdup(list);
	char *rest = copy;

	for (char *word; (word = strsep(&rest, ",")) != NULL;) {
		if (wild_match(word, name))
			return true;
	}
	return false;
}
