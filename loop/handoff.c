#include "loop/handoff.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop_int.h"

#define HANDOFF_MAGIC 0x48414e44u

struct item {
	struct item *next;
	void *msg;
};

struct handoff {
	uint32_t magic;
	struct loop *loop;
	handoff_fn recv;
	void (*drop)(void *msg);
	void *arg;
	size_t max;
	int fd; /* eventfd: written by the sender that finds the queue empty */
	struct event *ev;
	struct post post;

	pthread_mutex_t lock;
	struct item *first, **last; /* under lock */
	_Atomic size_t waiting;     /* changed under lock, read without */

	/* Loop's thread only. */
	bool receiving;
	bool freed; /* from within recv */
};

static void
on_sent(evutil_socket_t fd, short what, void *arg)
{
	struct handoff *h = CAST_OBJ(handoff, arg, HANDOFF_MAGIC);
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		log_warn(
		    "loop", "cannot read a handoff's eventfd: %s", strerror(errno));
	post_add(h->loop, &h->post);
}

static struct item *
take_all(struct handoff *h)
{
	struct item *all;

	pthread_mutex_lock(&h->lock);
	all = h->first;
	h->first = NULL;
	h->last = &h->first;
	pthread_mutex_unlock(&h->lock);
	return all;
}

static void
count_out(struct handoff *h)
{
	pthread_mutex_lock(&h->lock);
	h->waiting--;
	pthread_mutex_unlock(&h->lock);
}

static void
drop_items(const struct handoff *h, struct item *it)
{
	struct item *next;

	for (; it; it = next) {
		next = it->next;
		if (h->drop)
			h->drop(it->msg);
		free(it);
	}
}

static void
release(struct handoff *h)
{
	drop_items(h, take_all(h));
	close(h->fd);
	pthread_mutex_destroy(&h->lock);
	h->magic = 0;
	free(h);
}

static void
receive(void *arg)
{
	struct handoff *h = CAST_OBJ(handoff, arg, HANDOFF_MAGIC);
	struct item *it = take_all(h);

	h->receiving = true;
	while (it && !h->freed) {
		struct item *next = it->next;
		void *msg = it->msg;

		free(it);
		it = next;
		count_out(h);
		h->recv(msg, h->arg);
	}
	h->receiving = false;
	if (h->freed) {
		drop_items(h, it);
		release(h);
	}
}

struct handoff *
handoff_new(
    struct loop *l, size_t max, handoff_fn recv, void (*drop)(void *msg), void *arg)
{
	struct handoff *h = xcalloc(1, sizeof(*h));

	h->magic = HANDOFF_MAGIC;
	h->loop = l;
	h->max = max;
	h->recv = recv;
	h->drop = drop;
	h->arg = arg;
	h->post = (struct post){ .fn = receive, .arg = h, .name = "handoff" };
	h->last = &h->first;
	ASSERT(!pthread_mutex_init(&h->lock, NULL));
	h->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT(h->fd >= 0);
	h->ev = event_new(l->base, h->fd, EV_READ | EV_PERSIST, on_sent, h);
	ASSERT(h->ev && !event_add(h->ev, NULL));
	return h;
}

void
handoff_free(struct handoff *h)
{
	if (!h)
		return;
	ASSERT(h->magic == HANDOFF_MAGIC && !h->freed);
	post_remove(h->loop, &h->post);
	event_free(h->ev);
	if (h->receiving)
		h->freed = true;
	else
		release(h);
}

bool
handoff_send(struct handoff *h, void *msg)
{
	struct item *it = xmalloc(sizeof(*it));
	uint64_t one = 1;
	bool is_first;

	*it = (struct item){ .msg = msg };
	pthread_mutex_lock(&h->lock);
	if (h->waiting >= h->max) {
		pthread_mutex_unlock(&h->lock);
		free(it);
		return false;
	}
	is_first = !h->first;
	*h->last = it;
	h->last = &it->next;
	h->waiting++;
	/* Under the lock: once it is released the receiver may free the handoff. */
	if (is_first && write(h->fd, &one, sizeof(one)) < 0)
		ASSERT(errno == EAGAIN);
	pthread_mutex_unlock(&h->lock);
	return true;
}

size_t
handoff_waiting(const struct handoff *h)
{
	return h->waiting;
}
