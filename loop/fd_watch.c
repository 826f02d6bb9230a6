#include "loop/fd_watch.h"

#include <event2/event.h>

#include "base/assert.h"
#include "base/mem.h"
#include "loop/loop_int.h"

#define FD_WATCH_MAGIC 0x46445741u

struct fd_watch {
	uint32_t magic;
	struct loop *loop;
	struct event *ev;
	struct post post;
};

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct fd_watch *w = CAST_OBJ(fd_watch, arg, FD_WATCH_MAGIC);

	post_add(w->loop, &w->post);
}

struct fd_watch *
fd_watch_new(struct loop *l, int fd, enum fd_way way, loop_fn fn, void *arg)
{
	struct fd_watch *w = xcalloc(1, sizeof(*w));

	w->magic = FD_WATCH_MAGIC;
	w->loop = l;
	w->post = (struct post){ .fn = fn, .arg = arg, .name = "descriptor" };
	w->ev =
	    event_new(l->base, fd, way == FD_READ ? EV_READ : EV_WRITE, on_ready, w);
	ASSERT(w->ev);
	return w;
}

void
fd_watch_once(struct fd_watch *w)
{
	ASSERT(!event_add(w->ev, NULL));
}

void
fd_watch_free(struct fd_watch *w)
{
	if (!w)
		return;
	ASSERT(w->magic == FD_WATCH_MAGIC);
	post_remove(w->loop, &w->post);
	event_free(w->ev);
	w->magic = 0;
	free(w);
}
