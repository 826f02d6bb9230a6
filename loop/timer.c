#include "loop/timer.h"

#include <stdbool.h>

#include "base/assert.h"
#include "base/mem.h"
#include "loop/loop_int.h"

#define TIMER_MAGIC 0x54494d52u
#define NOT_IN_HEAP SIZE_MAX

struct timer {
	uint32_t magic;
	struct loop *loop;
	loop_fn fn;
	void *arg;
	const char *name;
	uint64_t deadline; /* ms on the loop's clock */
	uint64_t period;   /* 0: one-shot */
	uint64_t seq;      /* order of arming, among equal deadlines */
	size_t at;         /* place in the heap */
};

static bool
is_before(const struct timer *a, const struct timer *b)
{
	if (a->deadline != b->deadline)
		return a->deadline < b->deadline;
	return a->seq < b->seq;
}

static void
place(struct loop *l, size_t i, struct timer *t)
{
	l->heap[i] = t;
	t->at = i;
}

static void
sift_up(struct loop *l, size_t i, struct timer *t)
{
	while (i > 0 && is_before(t, l->heap[(i - 1) / 2])) {
		place(l, i, l->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(l, i, t);
}

static void
sift_down(struct loop *l, size_t i, struct timer *t)
{
	for (;;) {
		size_t kid = 2 * i + 1;

		if (kid >= l->heap_len)
			break;
		if (kid + 1 < l->heap_len && is_before(l->heap[kid + 1], l->heap[kid]))
			kid++;
		if (!is_before(l->heap[kid], t))
			break;
		place(l, i, l->heap[kid]);
		i = kid;
	}
	place(l, i, t);
}

static void
heap_remove(struct timer *t)
{
	struct loop *l = t->loop;
	struct timer *last;
	size_t i = t->at;

	if (i == NOT_IN_HEAP)
		return;
	t->at = NOT_IN_HEAP;
	last = l->heap[--l->heap_len];
	if (last == t)
		return;
	if (i > 0 && is_before(last, l->heap[(i - 1) / 2]))
		sift_up(l, i, last);
	else
		sift_down(l, i, last);
}

static void
heap_add(struct timer *t)
{
	struct loop *l = t->loop;

	if (l->heap_len == l->heap_cap) {
		l->heap_cap = l->heap_cap ? l->heap_cap * 2 : 16;
		l->heap = xreallocarray(l->heap, l->heap_cap, sizeof(struct timer *));
	}
	t->seq = ++l->timer_seq;
	sift_up(l, l->heap_len++, t);
}

struct timer *
timer_new_named(struct loop *l, loop_fn fn, void *arg, const char *name)
{
	struct timer *t = xcalloc(1, sizeof(*t));

	t->magic = TIMER_MAGIC;
	t->loop = l;
	t->fn = fn;
	t->arg = arg;
	t->name = name;
	t->at = NOT_IN_HEAP;
	return t;
}

void
timer_free(struct timer *t)
{
	if (!t)
		return;
	ASSERT(t->magic == TIMER_MAGIC);
	heap_remove(t);
	t->magic = 0;
	free(t);
}

static void
arm(struct timer *t, uint64_t ms, uint64_t period)
{
	uint64_t now = loop_now_ms(t->loop);

	heap_remove(t);
	t->deadline = ms > UINT64_MAX - now ? UINT64_MAX : now + ms;
	t->period = period;
	heap_add(t);
}

void
timer_after(struct timer *t, uint64_t ms)
{
	arm(t, ms, 0);
}

void
timer_every(struct timer *t, uint64_t ms)
{
	ASSERT(ms > 0);
	arm(t, ms, ms);
}

void
timer_stop(struct timer *t)
{
	heap_remove(t);
}

/* Off the heap, or on to the first of its periods that is still to come. */
static void
settle(struct timer *t, uint64_t now)
{
	heap_remove(t);
	if (!t->period)
		return;
	t->deadline += ((now - t->deadline) / t->period + 1) * t->period;
	heap_add(t);
}

unsigned
timers_run(struct loop *l)
{
	uint64_t now = loop_now_ms(l);
	uint64_t newest = l->timer_seq;
	unsigned ran = 0;

	/* A timer armed by a callback with 0 ms is newer than newest: it has its turn
	 * next. */
	while (
	    l->heap_len && l->heap[0]->deadline <= now && l->heap[0]->seq <= newest) {
		struct timer *t = l->heap[0];
		const char *name = t->name;
		uint64_t begin_us = clock_mono_us(l->clock);

		settle(t, now);
		t->fn(t->arg);
		loop_check_slow(l, begin_us, name, NULL);
		ran++;
	}
	return ran;
}

bool
timers_next(const struct loop *l, uint64_t *ret_ms)
{
	if (!l->heap_len)
		return false;
	*ret_ms = l->heap[0]->deadline;
	return true;
}

void
timers_drop(struct loop *l)
{
	for (size_t i = 0; i < l->heap_len; i++)
		l->heap[i]->at = NOT_IN_HEAP;
	free(l->heap);
	l->heap = NULL;
	l->heap_len = l->heap_cap = 0;
}
