#include "base/mem.h"
#include "loop/flow.h"
#include "loop/flow_int.h"

void
join_free(struct join *j)
{
	waiter_remove(j->flows, &j->waiter);
	list_remove(&j->node);
	free(j->has);
	free(j);
}

static void
on_part(struct waiter *w, uint32_t wait, int rc, const struct err *e)
{
	struct join *j = LIST_ENTRY(w, struct join, waiter);

	if (wait == 0 || wait > j->n || j->has[wait - 1])
		return;
	j->has[wait - 1] = true;
	if (rc && !j->rc) {
		j->rc = rc;
		j->err = *e;
	}
	if (--j->missing)
		return;
	post_wake(j->loop, j->all, j->rc, &j->err);
	join_free(j);
}

static bool
awaits_part(struct waiter *w, uint32_t wait)
{
	const struct join *j = LIST_ENTRY(w, struct join, waiter);

	return wait > 0 && wait <= j->n && !j->has[wait - 1];
}

struct wake
flow_join(struct flow *f, unsigned n, struct wake *parts)
{
	struct wake all = flow_wake(f);
	struct join *j;

	if (!n) {
		post_wake(flow_loop(f), all, 0, NULL);
		return all;
	}
	j = xcalloc(1, sizeof(*j));
	j->waiter.deliver = on_part;
	j->waiter.awaits = awaits_part;
	j->loop = flow_loop(f);
	j->flows = f->flows;
	j->all = all;
	j->n = j->missing = n;
	j->has = xcalloc(n, sizeof(*j->has));
	waiter_add(j->flows, &j->waiter);
	/* The flow drops it when it stops waiting, or parts never posted would leak it.
	 */
	list_add_tail(&f->joins, &j->node);
	for (unsigned i = 0; i < n; i++)
		parts[i] = (struct wake){ j->waiter.id, i + 1 };
	return all;
}
