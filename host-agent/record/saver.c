#include "host-agent/record/saver.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include "base/list.h"
#include "base/mem.h"
#include "host-agent/record/record.h"
#include "loop/worker.h"

#define FOLDER_MODE 0700

struct save_job {
	struct saver *owner; /* NULL once it is gone */
	uint64_t seq;
	char *path;
	void *p; /* NULL: remove */
	size_t n;
	struct err e;
};

struct saver_waiter {
	struct list_node node;
	uint64_t seq;
	saver_fn done;
	void *arg;
};

struct saver {
	struct loop *loop;
	struct workers *workers;
	char *path;
	uint64_t put_seq;  /* contents put so far */
	uint64_t done_seq; /* contents whose write has ended, well or not */
	struct save_job *next;
	struct save_job *running;
	struct list waiters;
	struct err last; /* of the write that ended last */
};

static void start_next(struct saver *s);

static void
job_free(struct save_job *j)
{
	if (!j)
		return;
	free(j->path);
	free(j->p);
	free(j);
}

/* The name of a folder that is new has to last as what lies in it. */
static int
make_folder(const char *path, struct err *e)
{
	AUTO_FREE char *folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));

	if (mkdir(folder, FOLDER_MODE))
		return errno == EEXIST
			   ? 0
			   : err_sys(e, ERR_IO, errno, "making folder %s", folder);
	return record_dir_sync(folder, e);
}

static int
job_run(void *arg)
{
	struct save_job *j = arg;

	if (!j->p)
		return record_file_remove(j->path, &j->e);
	if (make_folder(j->path, &j->e))
		return j->e.code;
	return record_file_write(j->path, 0600, j->p, j->n, &j->e);
}

static void
call_waiters(struct saver *s)
{
	struct list due;

	list_init(&due);
	LIST_EACH_SAFE(struct saver_waiter, w, &s->waiters, node) {
		if (w->seq > s->done_seq)
			continue;
		list_remove(&w->node);
		list_add_tail(&due, &w->node);
	}
	struct err e = s->last;
	/* A waiter may free the saver: nothing of it is read from here on. */
	LIST_EACH_SAFE(struct saver_waiter, w, &due, node) {
		list_remove(&w->node);
		w->done(w->arg, w->seq, e.code, &e);
		free(w);
	}
}

static void
job_done(void *arg, int rc)
{
	struct save_job *j = arg;
	struct saver *s = j->owner;

	if (!s) {
		job_free(j);
		return;
	}
	s->last = j->e;
	if (rc && !s->last.code)
		err_set(&s->last, rc, "%s was not written", j->path);
	s->done_seq = j->seq;
	s->running = NULL;
	job_free(j);
	start_next(s);
	call_waiters(s);
}

/* The workers' queue was full: rather a slow turn than a lost write. */
static void
run_here(void *arg)
{
	job_done(arg, job_run(arg));
}

static void
start_next(struct saver *s)
{
	struct save_job *j = s->next;

	if (s->running || !j)
		return;
	s->next = NULL;
	s->running = j;
	if (worker_run(s->workers, job_run, job_done, j, NULL))
		post_call(s->loop, run_here, j);
}

struct saver *
saver_new(struct loop *l, struct workers *w, const char *path)
{
	struct saver *s = xcalloc(1, sizeof(*s));

	s->loop = l;
	s->workers = w;
	s->path = xstrdup(path);
	list_init(&s->waiters);
	return s;
}

void
saver_free(struct saver *s)
{
	if (!s)
		return;
	LIST_EACH_SAFE(struct saver_waiter, w, &s->waiters, node) {
		list_remove(&w->node);
		free(w);
	}
	if (s->running)
		s->running->owner = NULL;
	job_free(s->next);
	free(s->path);
	free(s);
}

uint64_t
saver_put(struct saver *s, const void *p, size_t n, saver_fn done, void *arg)
{
	struct save_job *j = xcalloc(1, sizeof(*j));

	j->owner = s;
	j->seq = ++s->put_seq;
	j->path = xstrdup(s->path);
	j->p = p ? xmemdup(p, n) : NULL;
	j->n = n;
	job_free(s->next);
	s->next = j;
	if (done) {
		struct saver_waiter *w = xcalloc(1, sizeof(*w));

		w->seq = j->seq;
		w->done = done;
		w->arg = arg;
		list_add_tail(&s->waiters, &w->node);
	}
	start_next(s);
	return s->put_seq;
}
