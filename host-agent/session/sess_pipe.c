#include "host-agent/session/sess_pipe.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "loop/fd_watch.h"

/* ---- out of the guest ---- */

static size_t
room(const struct sess_outlet *o)
{
	uint64_t n = o->s->may_send[o->way];

	return n > MAX_SESSION_FRAME ? MAX_SESSION_FRAME : (size_t)n;
}

bool
sess_outlet_pump(struct sess_outlet *o)
{
	static uint8_t buf[MAX_SESSION_FRAME];
	size_t may;
	ssize_t n;

	while (o->fd >= 0 && (may = room(o)) > 0) {
		n = read(o->fd, buf, may);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && !o->dry) {
			fd_watch_once(o->watch);
			return false;
		}
		/* A terminal that nobody has open any more gives EIO. */
		if (n <= 0) {
			(void)sess_send(o->s, o->way, NULL, 0, true);
			return true;
		}
		if (!sess_send(o->s, o->way, buf, (size_t)n, false))
			return false;
	}
	return false;
}

static void
on_readable(void *arg)
{
	struct sess_outlet *o = arg;

	o->pumped(o->s);
}

void
sess_outlet_watch(struct sess_outlet *o, struct loop *l)
{
	o->watch = fd_watch_new(l, o->fd, FD_READ, on_readable, o);
}

void
sess_outlet_stop(struct sess_outlet *o)
{
	fd_watch_free(MOVE(o->watch));
	o->fd = -1;
}

/* ---- into the guest ---- */

/* In large steps: not every key that is typed needs an answer. */
static void
grant_taken(struct sess_inlet *i)
{
	if (i->taken < SESS_IN_WINDOW / 4)
		return;
	sess_grant(i->s, i->taken);
	i->taken = 0;
}

/* Nobody reads it any more: it falls on the floor. */
static void
go_deaf(struct sess_inlet *i)
{
	i->taken += i->n;
	i->deaf(i->s);
	grant_taken(i);
}

static void
feed(struct sess_inlet *i)
{
	ssize_t n;

	while (i->fd >= 0 && i->n) {
		n = write(i->fd, i->buf + i->at, i->n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			fd_watch_once(i->watch);
			break;
		}
		if (n < 0) {
			go_deaf(i);
			return;
		}
		i->at += (size_t)n;
		i->n -= (size_t)n;
		i->taken += (size_t)n;
	}
	grant_taken(i);
	if (!i->n && i->empty)
		i->empty(i->s);
}

static void
on_writable(void *arg)
{
	feed(arg);
}

void
sess_inlet_watch(struct sess_inlet *i, struct loop *l)
{
	i->watch = fd_watch_new(l, i->fd, FD_WRITE, on_writable, i);
	sess_grant(i->s, SESS_IN_WINDOW);
}

void
sess_inlet_stop(struct sess_inlet *i)
{
	fd_watch_free(MOVE(i->watch));
	i->fd = -1;
	i->at = i->n = 0;
}

void
sess_inlet_take(struct sess_inlet *i, const void *p, size_t n)
{
	if (i->fd < 0) {
		i->taken += n;
		grant_taken(i);
		return;
	}
	if (i->at + i->n + n > sizeof(i->buf)) {
		memmove(i->buf, i->buf + i->at, i->n);
		i->at = 0;
	}
	ASSERT(i->n + n <= sizeof(i->buf));
	if (n)
		memcpy(i->buf + i->at + i->n, p, n);
	i->n += n;
	feed(i);
}
