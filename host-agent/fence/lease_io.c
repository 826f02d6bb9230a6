#include "host-agent/fence/lease_io.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/mem.h"
#include "loop/handoff.h"
#include "loop/timer.h"

#define LEASE_IO_MAGIC 0x4c45494fu

struct task {
	struct list_node queued;  /* in the shared queue, under lock */
	struct list_node awaited; /* in the loop's list, until somebody was told */
	struct lease_io *io;
	struct lease_job job;
	struct timer *deadline;
	uint32_t deadline_ms;
	int rc;
	struct err e;
};

/* What both sides have: it goes with the last of them. */
struct shared {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct list queue;
	unsigned n_queued;
	struct handoff *finished; /* NULL: the loop's side has gone */
	unsigned users;
};

struct lease_io {
	uint32_t magic;
	struct loop *loop;
	unsigned max;
	struct shared *shared;
	struct list awaited;
};

static void
task_free(void *msg)
{
	struct task *t = msg;

	t->job.drop(t->job.data);
	free(t);
}

static void
unref_unlock(struct shared *s)
{
	unsigned left = --s->users;

	pthread_mutex_unlock(&s->lock);
	if (left)
		return;
	pthread_cond_destroy(&s->more);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- the thread ---- */

/* The next one; NULL: the loop's side has gone. */
static struct task *
next_task(struct shared *s)
{
	struct task *t = NULL;

	pthread_mutex_lock(&s->lock);
	while (s->finished && list_empty(&s->queue))
		pthread_cond_wait(&s->more, &s->lock);
	if (s->finished)
		t = LIST_FIRST(struct task, &s->queue, queued);
	if (t) {
		list_remove(&t->queued);
		s->n_queued--;
	}
	pthread_mutex_unlock(&s->lock);
	return t;
}

static void
hand_over(struct shared *s, struct task *t)
{
	bool sent;

	pthread_mutex_lock(&s->lock);
	sent = s->finished && handoff_send(s->finished, t);
	pthread_mutex_unlock(&s->lock);
	if (!sent)
		task_free(t);
}

static void *
work(void *arg)
{
	struct shared *s = arg;
	struct task *t;

	while ((t = next_task(s))) {
		t->rc = t->job.run(t->job.data, &t->e);
		hand_over(s, t);
	}
	pthread_mutex_lock(&s->lock);
	unref_unlock(s);
	return NULL;
}

/* ---- the loop ---- */

static void
stop_waiting(struct task *t)
{
	list_remove(&t->awaited);
	timer_free(MOVE(t->deadline));
	t->io = NULL;
}

static void
on_finished(void *msg, void *arg)
{
	struct task *t = msg;

	if (t->io) {
		stop_waiting(t);
		t->job.done(t->job.data, t->rc, &t->e);
	}
	task_free(t);
}

static void
on_deadline(void *arg)
{
	struct task *t = arg;
	struct err e = ERR_INIT;

	stop_waiting(t);
	err_set(
	    &e, ERR_TIMEOUT, "storage has not answered within %u ms", t->deadline_ms);
	t->job.done(t->job.data, ERR_TIMEOUT, &e);
}

static void
start_thread(struct shared *s)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;

	ASSERT(!pthread_attr_init(&attr));
	ASSERT(!pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED));
	/* Signals are for the loop's thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ASSERT(!pthread_create(&thread, &attr, work, s));
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
}

struct lease_io *
lease_io_new(struct loop *l, unsigned max)
{
	struct lease_io *io = xcalloc(1, sizeof(*io));
	struct shared *s = xcalloc(1, sizeof(*s));

	io->magic = LEASE_IO_MAGIC;
	io->loop = l;
	io->max = max;
	io->shared = s;
	list_init(&io->awaited);
	ASSERT(!pthread_mutex_init(&s->lock, NULL));
	ASSERT(!pthread_cond_init(&s->more, NULL));
	list_init(&s->queue);
	s->finished = handoff_new(l, SIZE_MAX, on_finished, task_free, NULL);
	s->users = 2;
	start_thread(s);
	return io;
}

void
lease_io_free(struct lease_io *io)
{
	struct shared *s;
	struct handoff *finished;

	if (!io)
		return;
	ASSERT(io->magic == LEASE_IO_MAGIC);
	s = io->shared;
	LIST_EACH_SAFE(struct task, t, &io->awaited, awaited) {
		stop_waiting(t);
	}
	pthread_mutex_lock(&s->lock);
	finished = MOVE(s->finished);
	LIST_EACH_SAFE(struct task, t, &s->queue, queued) {
		list_remove(&t->queued);
		task_free(t);
	}
	pthread_cond_signal(&s->more);
	unref_unlock(s);
	handoff_free(finished);
	io->magic = 0;
	free(io);
}

static int
enqueue(struct lease_io *io, struct task *t, struct err *e)
{
	struct shared *s = io->shared;
	bool full;

	pthread_mutex_lock(&s->lock);
	full = s->n_queued >= io->max;
	if (!full) {
		list_add_tail(&s->queue, &t->queued);
		s->n_queued++;
		pthread_cond_signal(&s->more);
	}
	pthread_mutex_unlock(&s->lock);
	return full ? err_set(e, ERR_BUSY,
			  "storage has not answered %u earlier requests", io->max)
		    : 0;
}

int
lease_io_run(struct lease_io *io, const struct lease_job *job, uint32_t deadline_ms,
    struct err *e)
{
	struct task *t = xcalloc(1, sizeof(*t));
	int rc;

	t->io = io;
	t->job = *job;
	t->deadline_ms = deadline_ms;
	list_add_tail(&io->awaited, &t->awaited);
	t->deadline = timer_new(io->loop, on_deadline, t);
	timer_after(t->deadline, deadline_ms);
	rc = enqueue(io, t, e);
	if (rc) {
		stop_waiting(t);
		free(t);
	}
	return rc;
}

bool
lease_io_is_idle(const struct lease_io *io)
{
	return list_empty(&io->awaited);
}

void
lease_io_forget(struct lease_io *io, const void *owner)
{
	LIST_EACH_SAFE(struct task, t, &io->awaited, awaited) {
		if (t->job.owner == owner)
			stop_waiting(t);
	}
}
