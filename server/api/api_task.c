#include <string.h>

#include "base/list.h"
#include "loop/timer.h"
#include "server/api/api_int.h"
#include "server/inventory/feed.h"
#include "server/inventory/inv_json.h"
#include "server/ops/ops.h"

#define MAX_WAIT_MS 60000u

/* Calls that wait for a task's end. */
struct task_waits {
	struct api *api;
	struct list all;
	struct timer *timer;
};

struct task_wait {
	struct list_node node;
	struct api_call *call;
	uint64_t until_ms;
};

static bool
is_over(const struct task *t)
{
	return !t || t->state == TASK_SUCCESS || t->state == TASK_ERROR;
}

static void
reply_task(struct api_call *c)
{
	const struct obj *o = inv_get(c->api->d.inv, c->id);

	if (o)
		api_reply_json(c, 200, inv_json(c->api->d.inv, o));
	else
		api_refuse(c, ERR_NOT_FOUND, "%s is no longer kept", c->at.seg);
}

/* Answer whoever's task has ended or whose time is up; set the timer for the rest. */
static void
check(void *arg)
{
	struct task_waits *w = arg;
	uint64_t now = loop_now_ms(w->api->d.loop), next = UINT64_MAX;

	LIST_EACH_SAFE(struct task_wait, tw, &w->all, node) {
		if (!is_over(inv_task(w->api->d.inv, tw->call->id)) &&
		    now < tw->until_ms) {
			next = tw->until_ms < next ? tw->until_ms : next;
			continue;
		}
		list_remove(&tw->node);
		reply_task(tw->call);
		free(tw);
	}
	if (next != UINT64_MAX)
		timer_after(w->timer, next - now);
}

struct task_waits *
task_waits_new(struct api *a)
{
	struct task_waits *w = xcalloc(1, sizeof(*w));

	w->api = a;
	list_init(&w->all);
	w->timer = timer_new(a->d.loop, check, w);
	feed_follow(a->d.inv, check, w);
	return w;
}

void
task_waits_free(struct task_waits *w)
{
	if (!w)
		return;
	feed_unfollow(w->api->d.inv, check, w);
	timer_free(w->timer);
	LIST_EACH_SAFE(struct task_wait, tw, &w->all, node) {
		list_remove(&tw->node);
		api_drop(tw->call); /* the front has gone before us */
		free(tw);
	}
	free(w);
}

void
api_task_get(struct api_call *c)
{
	struct task_waits *w = c->api->waits;
	uint64_t wait_ms;

	if (api_arg_u64(c, "wait_ms", 0, MAX_WAIT_MS, &wait_ms) < 0)
		return;
	if (!wait_ms || is_over(inv_task(c->api->d.inv, c->id))) {
		reply_task(c);
		return;
	}
	struct task_wait *tw = xcalloc(1, sizeof(*tw));
	tw->call = c;
	tw->until_ms = loop_now_ms(c->api->d.loop) + wait_ms;
	list_add_tail(&w->all, &tw->node);
	check(w);
}

void
api_task_cancel(struct api_call *c)
{
	struct err e = ERR_INIT;

	if (op_cancel(c->api->d.ops, c->id, &c->who, &e) < 0)
		api_reply_err(c, &e);
	else
		reply_task(c);
}
