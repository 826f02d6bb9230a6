#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/assert.h"
#include "base/mem.h"
#include "loop/connect_int.h"
#include "loop/loop_int.h"

#define QUERY_MAGIC 0x51455259u

/*
 * Shared by the loop and the thread; whoever lets go last frees it.  getaddrinfo cannot
 * be interrupted, so a resolving that is given up leaves its thread to run out.
 */
struct query {
	char *host;
	char port[8];
	int fd; /* eventfd that says the answer is there */
	pthread_mutex_t lock;
	unsigned holders; /* under lock */
	struct addrinfo *found;
	int eai;
};

struct resolving {
	uint32_t magic;
	struct query *query;
	struct event *ev;
	resolve_fn done;
	void *arg;
};

static void
query_unref(struct query *q)
{
	bool is_last;

	pthread_mutex_lock(&q->lock);
	is_last = --q->holders == 0;
	pthread_mutex_unlock(&q->lock);
	if (!is_last)
		return;
	if (q->found)
		freeaddrinfo(q->found);
	pthread_mutex_destroy(&q->lock);
	close(q->fd);
	free(q->host);
	free(q);
}

static void *
look_up(void *arg)
{
	struct query *q = arg;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_ADDRCONFIG };
	struct addrinfo *found = NULL;
	uint64_t one = 1;
	ssize_t n;
	int eai;

	eai = getaddrinfo(q->host, q->port, &hints, &found);
	pthread_mutex_lock(&q->lock);
	q->eai = eai;
	q->found = eai ? NULL : found;
	n = write(q->fd, &one, sizeof(one));
	pthread_mutex_unlock(&q->lock);
	ASSERT(n == (ssize_t)sizeof(one));
	query_unref(q);
	return NULL;
}

static void
on_answer(evutil_socket_t fd, short what, void *arg)
{
	struct resolving *r = CAST_OBJ(resolving, arg, QUERY_MAGIC);
	struct query *q = r->query;
	struct addrinfo *found;
	int eai;

	event_del(r->ev);
	pthread_mutex_lock(&q->lock);
	found = MOVE(q->found);
	eai = q->eai;
	pthread_mutex_unlock(&q->lock);
	r->done(found, eai, r->arg);
}

static int
start_thread(struct query *q)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* Signals are for the loop's thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&thread, &attr, look_up, q);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return rc;
}

struct resolving *
resolve_start(struct loop *l, const char *host, uint16_t port, resolve_fn done,
    void *arg, struct err *e)
{
	struct query *q = xcalloc(1, sizeof(*q));
	struct resolving *r;
	int rc;

	q->host = xstrdup(host);
	snprintf(q->port, sizeof(q->port), "%u", port);
	q->holders = 2;
	ASSERT(!pthread_mutex_init(&q->lock, NULL));
	q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT(q->fd >= 0);
	rc = start_thread(q);
	if (rc) {
		q->holders = 1;
		query_unref(q);
		err_sys(e, ERR_UNAVAILABLE, rc, "cannot start a thread to resolve %s",
		    host);
		return NULL;
	}
	r = xcalloc(1, sizeof(*r));
	r->magic = QUERY_MAGIC;
	r->query = q;
	r->done = done;
	r->arg = arg;
	r->ev = event_new(l->base, q->fd, EV_READ | EV_PERSIST, on_answer, r);
	ASSERT(r->ev && !event_add(r->ev, NULL));
	return r;
}

void
resolve_free(struct resolving *r)
{
	if (!r)
		return;
	event_free(r->ev);
	query_unref(r->query);
	r->magic = 0;
	free(r);
}
