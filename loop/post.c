#include "loop/post.h"

#include "base/assert.h"
#include "base/mem.h"
#include "loop/loop_int.h"

/* post_call's entry: freed by the loop, and found again by its run function. */
struct call_post {
	struct post post;
	loop_fn fn;
	void *arg;
};

struct wake_post {
	struct post post;
	struct loop *loop;
	struct wake wake;
	int rc;
	struct err err;
};

void
post_add(struct loop *l, struct post *p)
{
	if (list_linked(&p->node))
		return;
	list_add_tail(&l->posts, &p->node);
	l->n_posts++;
}

void
post_remove(struct loop *l, struct post *p)
{
	if (!list_linked(&p->node))
		return;
	list_remove(&p->node);
	l->n_posts--;
}

static void
run_call(void *arg)
{
	struct call_post *c = arg;
	loop_fn fn = c->fn;
	void *fn_arg = c->arg;

	free(c);
	fn(fn_arg);
}

void
post_call_named(struct loop *l, loop_fn fn, void *arg, const char *name)
{
	struct call_post *c = xcalloc(1, sizeof(*c));

	c->post = (struct post){ .fn = run_call, .arg = c, .name = name };
	c->fn = fn;
	c->arg = arg;
	post_add(l, &c->post);
}

static void
run_wake(void *arg)
{
	struct wake_post *w = arg;

	if (w->loop->flows)
		flows_deliver(w->loop->flows, w->wake, w->rc, &w->err);
	free(w);
}

void
post_wake(struct loop *l, struct wake w, int rc, const struct err *e)
{
	struct wake_post *p;

	if (!w.flow)
		return;
	p = xcalloc(1, sizeof(*p));
	p->post = (struct post){ .fn = run_wake, .arg = p, .name = "wake" };
	p->loop = l;
	p->wake = w;
	p->rc = rc;
	if (e)
		p->err = *e;
	if (rc && !p->err.msg[0])
		err_set(&p->err, rc, "%s", err_name(rc));
	p->err.code = rc;
	post_add(l, &p->post);
}

bool
wake_is_awaited(const struct loop *l, struct wake w)
{
	return w.flow && l->flows && flows_await(l->flows, w);
}

unsigned
posts_run(struct loop *l)
{
	/* Only those that wait now: what they post belongs to the next turn. */
	struct list due = LIST_INIT(due);
	unsigned ran = 0;

	if (list_empty(&l->posts))
		return 0;
	due.head = l->posts.head;
	due.head.next->prev = due.head.prev->next = &due.head;
	list_init(&l->posts);
	while (!list_empty(&due)) {
		struct post *p = LIST_FIRST(struct post, &due, node);
		const char *name = p->name;
		uint64_t begin_us = clock_mono_us(l->clock);

		post_remove(l, p);
		p->fn(p->arg);
		loop_check_slow(l, begin_us, name, NULL);
		ran++;
	}
	return ran;
}

void
posts_drop(struct loop *l)
{
	LIST_EACH_SAFE(struct post, p, &l->posts, node) {
		post_remove(l, p);
		if (p->fn == run_call || p->fn == run_wake)
			free(p->arg);
	}
}
