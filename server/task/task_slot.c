#include "server/task/task_slot.h"

#include <stdbool.h>

#include "base/assert.h"
#include "base/str.h"

static bool
is_same(const struct slot_want *a, const struct slot_want *b)
{
	return obj_id_is(a->object, b->object) && str_same(a->what, b->what);
}

void
slot_set_add(struct slot_set *s, const struct slot_want *w)
{
	if (obj_id_none(w->object))
		return;
	for (size_t i = 0; i < s->n; i++) {
		if (!is_same(&s->want[i], w))
			continue;
		s->want[i].cost += w->cost;
		return;
	}
	ASSERT(s->n < TASK_SLOTS_MAX);
	s->want[s->n++] = *w;
}

static uint32_t
taken(const struct slot_want *w, const struct slot_set *const *others, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < others[i]->n; k++) {
			if (is_same(&others[i]->want[k], w))
				sum += others[i]->want[k].cost;
		}
	}
	return sum;
}

const struct slot_want *
slot_set_blocked(
    const struct slot_set *mine, const struct slot_set *const *others, size_t n)
{
	for (size_t i = 0; i < mine->n; i++) {
		const struct slot_want *w = &mine->want[i];
		uint32_t sum = taken(w, others, n);
		if (sum && sum + w->cost > w->ceiling)
			return w;
	}
	return NULL;
}
