#include "tests/sim/storm_event.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

static bool
is_before(const struct storm_event *a, const struct storm_event *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

void
queue_push(struct storm_queue *q, const struct storm_event *ev)
{
	if (q->n == q->room) {
		q->room = q->room ? 2 * q->room : 1024;
		q->heap = xrealloc(q->heap, q->room * sizeof(q->heap[0]));
	}
	size_t i = q->n++;
	struct storm_event e = *ev;
	e.order = q->posted++;
	for (; i > 0; i = (i - 1) / 2) {
		struct storm_event *up = &q->heap[(i - 1) / 2];
		if (!is_before(&e, up))
			break;
		q->heap[i] = *up;
	}
	q->heap[i] = e;
}

struct storm_event
queue_pop(struct storm_queue *q)
{
	struct storm_event top = q->heap[0], last = q->heap[--q->n];
	size_t i = 0;

	for (size_t child; (child = 2 * i + 1) < q->n; i = child) {
		if (child + 1 < q->n && is_before(&q->heap[child + 1], &q->heap[child]))
			child++;
		if (!is_before(&q->heap[child], &last))
			break;
		q->heap[i] = q->heap[child];
	}
	q->heap[i] = last;
	return top;
}

void
queue_free(struct storm_queue *q)
{
	free(q->heap);
	*q = (struct storm_queue){ 0 };
}
