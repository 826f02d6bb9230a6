/*
 * Who takes its slots when: in the order in which the tasks came, haste first.
 */
#include "base/mem.h"
#include "server/task/task_int.h"

/* a waits for its slots and is to have them before b. */
static bool
is_first(const struct task_int *a, const struct task_int *b)
{
	if (a->slots.haste != b->slots.haste)
		return a->slots.haste > b->slots.haste;
	return a->run->id.v < b->run->id.v;
}

/* What is in the way of in's slots, or NULL. */
static const struct slot_want *
blocked(const struct tasks *ts, const struct task_int *in)
{
	AUTO_FREE const struct slot_set **others =
	    xcalloc(tasks_live(ts) + 1, sizeof(struct slot_set *));
	size_t n = 0;

	LIST_EACH(struct task_int, o, &ts->live, node) {
		if (o == in)
			continue;
		if (o->slots_state == SLOTS_HELD ||
		    (o->slots_state == SLOTS_WAITED_FOR && is_first(o, in)))
			others[n++] = &o->slots;
	}
	return slot_set_blocked(&in->slots, others, n);
}

bool
task_slots_try(struct task_run *r, const struct slot_set *want)
{
	struct task_int *in = r->in;

	in->slots = *want;
	if (blocked(r->tasks, in)) {
		in->slots.n = 0;
		return false;
	}
	in->slots_state = SLOTS_HELD;
	return true;
}

enum flow_rc
task_slots_take(struct task_run *r, const struct slot_set *want)
{
	struct task_int *in = r->in;
	const struct tasks *ts = r->tasks;

	in->slots = *want;
	const struct slot_want *w = blocked(ts, in);
	if (!w) {
		in->slots_state = SLOTS_HELD;
		return FLOW_NEXT;
	}
	AUTO_FREE char *why =
	    xasprintf("waiting for other %s of \"%s\" to end (at most %u)", w->what,
		inv_name(ts->inv, w->object), w->ceiling / (w->cost ? w->cost : 1));
	in->slots_state = SLOTS_WAITED_FOR;
	in->slots_free = task_wake(r);
	task_set_waiting(r, why);
	return FLOW_WAIT;
}

void
task_slots_recover(struct task_run *r, const struct slot_set *had)
{
	r->in->slots = *had;
	r->in->slots_state = SLOTS_HELD;
}

void
tasks_give_slots(struct tasks *ts)
{
	LIST_EACH(struct task_int, in, &ts->live, node) {
		if (in->slots_state != SLOTS_WAITED_FOR || blocked(ts, in))
			continue;
		in->slots_state = SLOTS_HELD;
		task_set_waiting(in->run, NULL);
		post_wake(ts->loop, in->slots_free, 0, NULL);
	}
}
