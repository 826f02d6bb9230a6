#include "server/task/task_lock.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"

static const struct {
	const char *running, *op, *mode;
	enum lock_turn turn;
} queue_table[] = {
	/* Start what I just asked for. */
	{ "vm.create", "vm.start", NULL, TURN_QUEUED },
	{ "vm.stop", "vm.start", NULL, TURN_QUEUED },
	{ "vm.suspend", "vm.start", NULL, TURN_QUEUED },
	/* The guest does not heed the polite way: do not wait for its time to run out.
	 */
	{ "vm.stop", "vm.stop", "kill", TURN_QUEUED_CANCELLING },
	{ "vm.restart", "vm.stop", "kill", TURN_QUEUED_CANCELLING },
};

void
lock_set_add(struct lock_set *s, obj_id id, enum lock_mode mode)
{
	if (obj_id_none(id))
		return;
	for (size_t i = 0; i < s->n; i++) {
		if (!obj_id_is(s->want[i].id, id))
			continue;
		if (mode == LOCK_EXCLUSIVE)
			s->want[i].mode = mode;
		return;
	}
	ASSERT(s->n < TASK_LOCKS_MAX);
	s->want[s->n++] = (struct lock_want){ id, mode };
}

void
lock_set_drop(struct lock_set *s, obj_id id)
{
	for (size_t i = 0; i < s->n; i++) {
		if (!obj_id_is(s->want[i].id, id))
			continue;
		s->want[i] = s->want[--s->n];
		return;
	}
}

obj_id
lock_set_conflict(const struct lock_set *a, const struct lock_set *b)
{
	for (size_t i = 0; i < a->n; i++) {
		for (size_t k = 0; k < b->n; k++) {
			if (!obj_id_is(a->want[i].id, b->want[k].id))
				continue;
			if (a->want[i].mode == LOCK_EXCLUSIVE ||
			    b->want[k].mode == LOCK_EXCLUSIVE)
				return a->want[i].id;
		}
	}
	return OBJ_ID_NONE;
}

enum lock_turn
lock_turn(const char *running_op, const char *op, const char *mode)
{
	for (size_t i = 0; i < ARRAY_SIZE(queue_table); i++) {
		if (!str_same(queue_table[i].running, running_op) ||
		    !str_same(queue_table[i].op, op))
			continue;
		if (!queue_table[i].mode || str_same(queue_table[i].mode, mode))
			return queue_table[i].turn;
	}
	return TURN_REFUSED;
}
