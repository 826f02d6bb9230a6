#include "loop/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/mem.h"
#include "loop/handoff.h"
#include "loop/loop_int.h"

#define WORKERS_MAGIC 0x574f524bu
#define MAX_THREADS   64u

struct task {
	struct list_node node;
	int (*run)(void *job);
	void (*done)(void *job, int rc);
	void *job;
	int rc;
};

struct workers {
	uint32_t magic;
	struct loop *loop;
	struct handoff *finished;
	unsigned max_queued;
	unsigned n_threads;
	pthread_t threads[MAX_THREADS];

	pthread_mutex_t lock;
	pthread_cond_t more;
	struct list queue; /* under lock, as the two below */
	unsigned queued;
	bool stopping;
};

static void
finish(void *msg)
{
	struct task *t = msg;

	t->done(t->job, t->rc);
	free(t);
}

static void
on_finished(void *msg, void *arg)
{
	finish(msg);
}

/* The next task, or NULL when the thread is to end. */
static struct task *
next_task(struct workers *w)
{
	struct task *t;

	pthread_mutex_lock(&w->lock);
	while (list_empty(&w->queue) && !w->stopping)
		pthread_cond_wait(&w->more, &w->lock);
	t = w->stopping ? NULL : LIST_FIRST(struct task, &w->queue, node);
	if (t) {
		list_remove(&t->node);
		w->queued--;
	}
	pthread_mutex_unlock(&w->lock);
	return t;
}

static void *
work(void *arg)
{
	struct workers *w = arg;
	struct task *t;

	while ((t = next_task(w))) {
		t->rc = t->run(t->job);
		ASSERT(handoff_send(w->finished, t));
	}
	return NULL;
}

struct workers *
workers_new(struct loop *l, unsigned threads, unsigned max_queued)
{
	struct workers *w = xcalloc(1, sizeof(*w));
	sigset_t all, old;

	ASSERT(threads > 0 && threads <= MAX_THREADS);
	w->magic = WORKERS_MAGIC;
	w->loop = l;
	w->max_queued = max_queued;
	w->finished = handoff_new(l, SIZE_MAX, on_finished, finish, w);
	list_init(&w->queue);
	ASSERT(!pthread_mutex_init(&w->lock, NULL));
	ASSERT(!pthread_cond_init(&w->more, NULL));
	/* Signals are for the loop's thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (; w->n_threads < threads; w->n_threads++)
		ASSERT(!pthread_create(&w->threads[w->n_threads], NULL, work, w));
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	for (unsigned i = 0; i < threads; i++)
		pthread_setname_np(w->threads[i], "worker");
	return w;
}

void
workers_free(struct workers *w)
{
	if (!w)
		return;
	ASSERT(w->magic == WORKERS_MAGIC);
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_broadcast(&w->more);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->n_threads; i++)
		pthread_join(w->threads[i], NULL);
	/* What ran to its end before the stop, then what never ran. */
	handoff_free(w->finished);
	LIST_EACH_SAFE(struct task, t, &w->queue, node) {
		t->rc = ERR_CANCELLED;
		finish(t);
	}
	pthread_cond_destroy(&w->more);
	pthread_mutex_destroy(&w->lock);
	w->magic = 0;
	free(w);
}

int
worker_run(struct workers *w, int (*run)(void *job), void (*done)(void *job, int rc),
    void *job, struct err *e)
{
	struct task *t = xcalloc(1, sizeof(*t));
	bool is_full;

	*t = (struct task){ .run = run, .done = done, .job = job };
	pthread_mutex_lock(&w->lock);
	is_full = w->stopping || w->queued >= w->max_queued;
	if (!is_full) {
		list_add_tail(&w->queue, &t->node);
		w->queued++;
		pthread_cond_signal(&w->more);
	}
	pthread_mutex_unlock(&w->lock);
	if (!is_full)
		return 0;
	free(t);
	return err_set(
	    e, ERR_BUSY, "the workers' queue is full (%u jobs wait)", w->max_queued);
}
