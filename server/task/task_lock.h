/*
 * task_lock: which operations may run beside which on one object.  Pure.
 *
 * A task works on an object (exclusive) or leans on it (shared): nothing else works on
 * an object that somebody works on or leans on. A newcomer that would is refused, but
 * where people expect it to take its turn it is queued: see queue_table in task_lock.c.
 */
#pragma once
#include <stddef.h>

#include "base/id.h"

#define TASK_LOCKS_MAX 16

enum lock_mode { LOCK_SHARED, LOCK_EXCLUSIVE };

struct lock_want {
	obj_id id;
	enum lock_mode mode;
};

struct lock_set {
	struct lock_want want[TASK_LOCKS_MAX];
	size_t n;
};

/* An object twice keeps the stronger mode; no object is passed over. */
void lock_set_add(struct lock_set *s, obj_id id, enum lock_mode mode);
void lock_set_drop(struct lock_set *s, obj_id id);
/* The object that both want in ways that exclude each other, or none. */
obj_id lock_set_conflict(const struct lock_set *a, const struct lock_set *b);

enum lock_turn {
	TURN_REFUSED,
	TURN_QUEUED,            /* after the one that runs */
	TURN_QUEUED_CANCELLING, /* after it, and it is asked to stop */
};
/* What becomes of op, which conflicts with the running one. mode: its argument of that
 * name, or NULL. */
enum lock_turn lock_turn(const char *running_op, const char *op, const char *mode);
