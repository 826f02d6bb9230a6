#include "loop/link.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "loop/frame.h"
#include "loop/link_int.h"
#include "loop/timer.h"

#define LINK_MAGIC          0x4c494e4bu
#define PRESET_BACKLOG      ((size_t)64 << 20)
#define PRESET_HANDSHAKE_MS 10000
#define FLUSH_MS            2000

static struct link *
cast(void *arg)
{
	return CAST_OBJ(link, arg, LINK_MAGIC);
}

static void
shut(struct link *k)
{
	if (k->is_shut)
		return;
	k->is_shut = true;
	timer_stop(k->limit);
	timer_stop(k->idle);
	k->ops->shut(k);
}

static void
release(struct link *k)
{
	shut(k);
	post_remove(k->loop, &k->post);
	timer_free(k->limit);
	timer_free(k->idle);
	k->magic = 0;
	k->ops->release(k);
}

static void
go_up(struct link *k)
{
	struct err e = ERR_INIT;
	int rc;

	k->came_up = false;
	if (k->state != LINK_OPENING)
		return;
	rc = k->ops->identify(k, &k->peer, &e);
	if (rc) {
		link_fail(k, &e);
		return;
	}
	k->state = LINK_UP;
	timer_stop(k->limit);
	k->last_frame_ms = loop_now_ms(k->loop);
	if (k->opts.idle_ms)
		timer_after(k->idle, k->opts.idle_ms);
	if (k->ev.on_up)
		k->ev.on_up(k, k->arg);
}

static void
go_down(struct link *k)
{
	k->state = LINK_DOWN;
	shut(k);
	if (k->ev.on_down)
		k->ev.on_down(k, &k->why, k->arg);
}

/* All callbacks come from here, in the order of what happened: up, frames, down. */
static void
work(void *arg)
{
	struct link *k = cast(arg);

	if (k->state == LINK_DOWN)
		return;
	k->working = true;
	if (k->came_up)
		go_up(k);
	if (!k->freed)
		k->ops->pump(k);
	if (!k->freed && k->why.code)
		go_down(k);
	k->working = false;
	if (k->freed)
		release(k);
}

static void
on_limit(void *arg)
{
	struct link *k = cast(arg);
	struct err e = ERR_INIT;
	size_t left = link_backlog(k);

	if (k->state == LINK_OPENING)
		err_set(&e, ERR_TIMEOUT, "%s: no handshake within %u ms", k->addr,
		    k->opts.handshake_ms);
	else if (left)
		err_set(
		    &e, ERR_TIMEOUT, "%s: closed with %zu bytes unsent", k->addr, left);
	else
		err_set(&e, ERR_CANCELLED, "%s: closed", k->addr);
	link_fail(k, &e);
}

static void
on_idle(void *arg)
{
	struct link *k = cast(arg);
	uint64_t silent_ms = loop_now_ms(k->loop) - k->last_frame_ms;
	struct err e = ERR_INIT;

	if (k->state != LINK_UP)
		return;
	if (silent_ms < k->opts.idle_ms) {
		timer_after(k->idle, k->opts.idle_ms - silent_ms);
		return;
	}
	err_set(&e, ERR_LOST, "%s: nothing heard for %llu ms", k->addr,
	    (unsigned long long)silent_ms);
	link_fail(k, &e);
}

void
link_init(struct link *k, struct loop *l, const struct link_ops *ops,
    const struct link_opts *o, const char *addr)
{
	k->magic = LINK_MAGIC;
	k->ops = ops;
	k->loop = l;
	if (o)
		k->opts = *o;
	if (!k->opts.max_backlog)
		k->opts.max_backlog = PRESET_BACKLOG;
	if (!k->opts.max_frame || k->opts.max_frame > MAX_FRAME)
		k->opts.max_frame = MAX_FRAME;
	if (!k->opts.handshake_ms)
		k->opts.handshake_ms = PRESET_HANDSHAKE_MS;
	k->state = LINK_OPENING;
	k->post = (struct post){ .fn = work, .arg = k, .name = "link" };
	k->limit = timer_new(l, on_limit, k);
	k->idle = timer_new(l, on_idle, k);
	timer_after(k->limit, k->opts.handshake_ms);
	snprintf(k->addr, sizeof(k->addr), "%s", addr);
}

void
link_opened(struct link *k)
{
	k->came_up = true;
	post_add(k->loop, &k->post);
}

void
link_pump(struct link *k)
{
	post_add(k->loop, &k->post);
}

void
link_fail(struct link *k, const struct err *why)
{
	if (k->why.code)
		return;
	k->why = *why;
	post_add(k->loop, &k->post);
}

bool
link_frame(struct link *k, const uint8_t *p, size_t n)
{
	k->last_frame_ms = loop_now_ms(k->loop);
	if (k->ev.on_frame)
		k->ev.on_frame(k, p, n, k->arg);
	return !k->freed && k->state == LINK_UP;
}

void
link_set_events(struct link *k, const struct link_events *ev, void *arg)
{
	k->ev = *ev;
	k->arg = arg;
}

int
link_send(struct link *k, const void *p, size_t n, struct err *e)
{
	size_t waiting;

	if (k->state == LINK_DOWN || k->why.code)
		return err_set(e, ERR_LOST, "%s: the link is down", k->addr);
	if (k->state != LINK_UP)
		return err_set(e, ERR_BAD_STATE, "%s: the link is not up", k->addr);
	if (n == 0)
		return err_set(e, ERR_INVALID, "%s: an empty frame", k->addr);
	if (n > k->opts.max_frame)
		return err_set(e, ERR_TOO_LARGE,
		    "%s: a frame of %zu bytes is over the limit of %u", k->addr, n,
		    k->opts.max_frame);
	waiting = link_backlog(k);
	/* An idle link takes any frame, or one larger than the limit would never go. */
	if (waiting && waiting + FRAME_HEAD + n > k->opts.max_backlog)
		return err_set(
		    e, ERR_BUSY, "%s: %zu bytes wait to be sent", k->addr, waiting);
	k->ops->send(k, p, n);
	return 0;
}

size_t
link_backlog(const struct link *k)
{
	return k->is_shut ? 0 : k->ops->backlog(k);
}

const struct tls_identity *
link_peer(const struct link *k)
{
	return &k->peer;
}

const char *
link_peer_addr(const struct link *k)
{
	return k->addr;
}

void
link_own_host(const struct link *k, char out[LINK_HOST_TEXT])
{
	*out = '\0';
	if (!k->is_shut && k->ops->own_host)
		k->ops->own_host(k, out);
}

void
link_close(struct link *k)
{
	struct err e = ERR_INIT;

	if (k->state == LINK_OPENING) {
		err_set(&e, ERR_CANCELLED, "%s: closed", k->addr);
		link_fail(k, &e);
	}
	if (k->state != LINK_UP)
		return;
	k->state = LINK_CLOSING;
	timer_stop(k->idle);
	timer_after(k->limit, FLUSH_MS);
	link_pump(k);
}

void
link_free(struct link *k)
{
	if (!k)
		return;
	ASSERT(k->magic == LINK_MAGIC && !k->freed);
	/* Inside a callback: what it was given stays good until it returns. */
	if (k->working)
		k->freed = true;
	else
		release(k);
}
