#include "host-agent/link/progress.h"

#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"

struct noted {
	struct list_node node;
	Drover__Progress at;
	char *phase;
};

struct progress {
	struct loop *loop;
	loop_fn news;
	void *arg;
	struct list all;
	size_t count;
	uint64_t told_ms;
	Drover__Progress **filled;
};

struct progress *
progress_new(struct loop *l, loop_fn news, void *arg)
{
	struct progress *p = xcalloc(1, sizeof(*p));

	p->loop = l;
	p->news = news;
	p->arg = arg;
	list_init(&p->all);
	return p;
}

static void
forget(struct progress *p, struct noted *n)
{
	list_remove(&n->node);
	p->count--;
	free(n->phase);
	free(n);
}

void
progress_free(struct progress *p)
{
	if (!p)
		return;
	LIST_EACH_SAFE(struct noted, n, &p->all, node)
		forget(p, n);
	free(p->filled);
	free(p);
}

static struct noted *
find(const struct progress *p, struct order_name name)
{
	LIST_EACH(struct noted, n, &p->all, node) {
		if (n->at.task == name.task && n->at.step == name.step)
			return n;
	}
	return NULL;
}

static struct noted *
add(struct progress *p)
{
	struct noted *n = xcalloc(1, sizeof(*n));

	list_add_tail(&p->all, &n->node);
	p->count++;
	return n;
}

void
progress_note(struct progress *p, struct order_name name, const Drover__Progress *at)
{
	struct noted *n;
	bool tell;

	if (!p)
		return;
	n = find(p, name);
	tell = !n || !str_same(n->phase, at->phase) ||
	       loop_now_ms(p->loop) - p->told_ms >= PROGRESS_GAP_MS;
	if (!n)
		n = add(p);
	if (!str_same(n->phase, at->phase)) {
		free(n->phase);
		n->phase = xstrdup(at->phase);
	}
	n->at = *at;
	n->at.task = name.task;
	n->at.step = name.step;
	n->at.phase = n->phase;
	if (!tell)
		return;
	p->told_ms = loop_now_ms(p->loop);
	p->news(p->arg);
}

void
progress_drop(struct progress *p, struct order_name name)
{
	struct noted *n = p ? find(p, name) : NULL;

	if (n)
		forget(p, n);
}

void
progress_fill(struct progress *p, Drover__Report *r)
{
	size_t i = 0;

	free(p->filled);
	p->filled = xcalloc(p->count + 1, sizeof(*p->filled));
	LIST_EACH(struct noted, n, &p->all, node)
		p->filled[i++] = &n->at;
	r->progress = p->filled;
	r->n_progress = i;
}
