#include "host-agent/engine/qemu/bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"

#define CHUNK (256u << 10)

/* One direction. */
struct lane {
	char *buf;
	size_t at, n; /* of buf, not sent yet */
	bool over;    /* its end was passed on */
};

struct bridge {
	int listens; /* -1: a is connected */
	int a, b;
	int stop; /* readable: end now */
	struct lane there, back;
	pthread_t thread;
};

static bool
would_block(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* False: this way is broken, and so is the other. */
static bool
carry(struct lane *l, int from, int to)
{
	ssize_t n;

	if (l->over)
		return true;
	if (l->at == l->n) {
		n = recv(from, l->buf, CHUNK, MSG_DONTWAIT);
		if (n < 0)
			return would_block(n);
		if (n == 0) {
			l->over = true;
			return !shutdown(to, SHUT_WR);
		}
		l->at = 0;
		l->n = (size_t)n;
	}
	n = send(to, l->buf + l->at, l->n - l->at, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0)
		l->at += (size_t)n;
	return n > 0 || would_block(n);
}

/* What to wait for on the end that in comes from and out goes to. */
static short
wants(const struct lane *in, const struct lane *out)
{
	bool reads = !in->over && in->at == in->n, writes = out->at < out->n;

	return (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
}

static void
relay(struct bridge *b)
{
	struct pollfd p[3] = { { .fd = b->stop, .events = POLLIN } };
	bool goes = true;

	while (goes && !(b->there.over && b->back.over)) {
		p[1] = (struct pollfd){ b->a, wants(&b->there, &b->back), 0 };
		p[2] = (struct pollfd){ b->b, wants(&b->back, &b->there), 0 };
		/* An end that is not waited for must not be heard of for ever. */
		for (int i = 1; i < 3; i++)
			if (!p[i].events)
				p[i].fd = -1;
		if (poll(p, 3, -1) < 0 && errno != EINTR)
			return;
		goes = !p[0].revents && carry(&b->there, b->a, b->b) &&
		       carry(&b->back, b->b, b->a);
	}
}

static bool
accept_one(struct bridge *b)
{
	struct pollfd p[2] = { { .fd = b->stop, .events = POLLIN },
		{ .fd = b->listens, .events = POLLIN } };

	while (poll(p, 2, -1) < 0 && errno == EINTR)
		;
	if (!p[0].revents)
		b->a = accept4(b->listens, NULL, NULL, SOCK_CLOEXEC);
	return b->a >= 0;
}

static void
close_both(struct bridge *b)
{
	if (b->a >= 0)
		close(MOVE_FD(b->a));
	close(MOVE_FD(b->b));
}

static void *
run(void *arg)
{
	struct bridge *b = arg;

	if (b->listens < 0 || accept_one(b))
		relay(b);
	/* Closed, not shut down: QEMU does not hear of that while it waits to write. */
	close_both(b);
	return NULL;
}

struct bridge *
bridge_new(int a_take, int b_take)
{
	struct bridge *b = xcalloc(1, sizeof(*b));
	int listens = 0;
	socklen_t n = sizeof(listens);

	(void)getsockopt(a_take, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n);
	b->listens = listens ? a_take : -1;
	b->a = listens ? -1 : a_take;
	b->b = b_take;
	b->stop = eventfd(0, EFD_CLOEXEC);
	b->there.buf = xmalloc(CHUNK);
	b->back.buf = xmalloc(CHUNK);
	ASSERT(b->stop >= 0 && !pthread_create(&b->thread, NULL, run, b));
	return b;
}

void
bridge_free(struct bridge *b)
{
	if (!b)
		return;
	ASSERT(!eventfd_write(b->stop, 1));
	pthread_join(b->thread, NULL);
	if (b->listens >= 0)
		close(b->listens);
	close(b->stop);
	free(b->there.buf);
	free(b->back.buf);
	free(b);
}
