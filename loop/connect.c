#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/assert.h"
#include "base/mem.h"
#include "loop/connect_int.h"
#include "loop/loop_int.h"

#define CONNECT_MAGIC 0x434f4e4eu

struct connecting {
	uint32_t magic;
	struct loop *loop;
	char *host;
	uint16_t port;
	connect_fn done;
	void *arg;
	struct post post; /* what was waited for is there */
	struct resolving *resolving;
	struct addrinfo *found, *next; /* next: to be tried after this one */
	int eai;
	int fd; /* being connected, or -1 */
	struct event *ev;
	struct err err; /* of the address tried last */
};

static void
on_resolved(struct addrinfo *found, int eai, void *arg)
{
	struct connecting *c = CAST_OBJ(connecting, arg, CONNECT_MAGIC);

	c->found = c->next = found;
	c->eai = eai;
	post_add(c->loop, &c->post);
}

static void
on_connected(evutil_socket_t fd, short what, void *arg)
{
	struct connecting *c = CAST_OBJ(connecting, arg, CONNECT_MAGIC);

	post_add(c->loop, &c->post);
}

static void
note_failure(struct connecting *c, int sys)
{
	err_sys(&c->err, ERR_UNAVAILABLE, sys, "cannot connect to %s port %u", c->host,
	    c->port);
}

static void
drop_attempt(struct connecting *c)
{
	if (c->ev)
		event_free(c->ev);
	c->ev = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

/* Begin with one address; false if it cannot even begin. */
static bool
try_address(struct connecting *c, const struct addrinfo *a)
{
	c->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0) {
		note_failure(c, errno);
		return false;
	}
	if (connect(c->fd, a->ai_addr, a->ai_addrlen) && errno != EINPROGRESS) {
		note_failure(c, errno);
		drop_attempt(c);
		return false;
	}
	c->ev = event_new(c->loop->base, c->fd, EV_WRITE, on_connected, c);
	ASSERT(c->ev && !event_add(c->ev, NULL));
	return true;
}

/* The attempt under way has come to its end. True if it failed. */
static bool
has_failed(struct connecting *c)
{
	socklen_t n = sizeof(int);
	int sys = 0;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &sys, &n))
		sys = errno;
	if (!sys)
		return false;
	note_failure(c, sys);
	drop_attempt(c);
	return true;
}

static void
go_on(void *arg)
{
	struct connecting *c = CAST_OBJ(connecting, arg, CONNECT_MAGIC);
	struct addrinfo *a;

	if (c->fd >= 0 && !has_failed(c)) {
		event_free(MOVE(c->ev));
		c->done(MOVE_FD(c->fd), NULL, c->arg);
		return;
	}
	if (c->eai)
		err_set(&c->err, ERR_UNAVAILABLE, "cannot resolve %s: %s", c->host,
		    gai_strerror(c->eai));
	while ((a = c->next)) {
		c->next = a->ai_next;
		if (try_address(c, a))
			return;
	}
	c->done(-1, &c->err, c->arg);
}

static void
start_lookup(struct connecting *c)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	char text[8];

	snprintf(text, sizeof(text), "%u", c->port);
	/* An address needs no thread. */
	if (!getaddrinfo(c->host, text, &hints, &c->found)) {
		c->next = c->found;
		post_add(c->loop, &c->post);
		return;
	}
	c->resolving =
	    resolve_start(c->loop, c->host, c->port, on_resolved, c, &c->err);
	if (!c->resolving)
		post_add(c->loop, &c->post);
}

struct connecting *
connect_start(
    struct loop *l, const char *host, uint16_t port, connect_fn done, void *arg)
{
	struct connecting *c = xcalloc(1, sizeof(*c));

	c->magic = CONNECT_MAGIC;
	c->loop = l;
	c->host = xstrdup(host);
	c->port = port;
	c->done = done;
	c->arg = arg;
	c->fd = -1;
	c->post = (struct post){ .fn = go_on, .arg = c, .name = "connect" };
	start_lookup(c);
	return c;
}

void
connect_free(struct connecting *c)
{
	if (!c)
		return;
	post_remove(c->loop, &c->post);
	drop_attempt(c);
	resolve_free(c->resolving);
	if (c->found)
		freeaddrinfo(c->found);
	free(c->host);
	c->magic = 0;
	free(c);
}
