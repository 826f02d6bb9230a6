/*
 * task_slot: how many of a kind may run at once: what a task takes of which ceiling.
 *
 * A ceiling belongs to an object and a name ("moves of a host"). A task takes all that
 * it wants together, or waits; nobody overtakes an earlier one on the same ceiling,
 * unless it was asked for with more haste. What a task holds it gives back with its
 * end. Pure: the tasks themselves take them through
 * task_slots_take (task.h).
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

#define TASK_SLOTS_MAX 24

struct slot_want {
	obj_id object;
	const char *what; /* "moves": with the object the ceiling's name; a constant */
	uint32_t cost, ceiling;
};

enum slot_haste { HASTE_NORMAL, HASTE_HIGH };

struct slot_set {
	struct slot_want want[TASK_SLOTS_MAX];
	size_t n;
	enum slot_haste haste;
};

/* What is wanted twice of one ceiling adds up. Objects that are none are passed over.
 */
void slot_set_add(struct slot_set *s, const struct slot_want *w);
/*
 * The first of mine that does not fit beside others (those that hold and those that
 * come first), or NULL. One that alone is over a ceiling fits when nobody else is on
 * it.
 */
const struct slot_want *slot_set_blocked(
    const struct slot_set *mine, const struct slot_set *const *others, size_t n);
