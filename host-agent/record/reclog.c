#include "host-agent/record/reclog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/record/record.h"
#include "loop/worker.h"

#define COPY_BYTES 65536u

struct reclog_moves {
	const uint64_t *old; /* ascending */
	uint64_t *now;
	size_t n;
	/* What is not judged by the owner yet is kept whole: it began here, and does
	 * now. */
	uint64_t tail_was, tail_is;
};

/* One turn of the worker: a flush, or a compaction. It alone touches fd meanwhile. */
struct reclog_job {
	struct reclog *owner; /* NULL once it is gone */
	char *path;
	int fd;
	int new_fd;  /* of a compaction that went well */
	uint64_t at; /* flush: where bytes go; compaction: the end of the log */
	struct str bytes;
	bool compact;
	uint64_t *offsets;
	struct reclog_moves moves;
	reclog_compacted_fn done;
	void *arg;
	struct err e;
};

struct reclog_waiter {
	struct list_node node;
	uint64_t end;
	reclog_fn done;
	void *arg;
};

struct reclog {
	struct loop *loop;
	struct workers *workers;
	char *path;
	int fd;
	uint64_t durable;
	struct str flushing; /* a copy of what the job writes: readable meanwhile */
	struct str pending;  /* follows flushing */
	struct reclog_job *running;
	struct reclog_job *compaction; /* waits for its turn */
	struct list waiters;
};

static void start_next(struct reclog *g);

static void
job_free(struct reclog_job *j)
{
	if (!j)
		return;
	str_fini(&j->bytes);
	free(j->offsets);
	free(j->moves.now);
	free(j->path);
	if (j->new_fd >= 0)
		close(j->new_fd);
	if (!j->owner)
		close(j->fd);
	free(j);
}

static struct reclog_job *
job_new(struct reclog *g)
{
	struct reclog_job *j = xcalloc(1, sizeof(*j));

	j->owner = g;
	j->path = xstrdup(g->path);
	j->fd = g->fd;
	j->new_fd = -1;
	return j;
}

static int
write_at(int fd, const void *p, size_t n, uint64_t at, struct err *e)
{
	const char *b = p;

	while (n > 0) {
		ssize_t put = pwrite(fd, b, n, (off_t)at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return err_sys(e, ERR_IO, errno, "writing");
		b += put;
		at += (uint64_t)put;
		n -= (size_t)put;
	}
	return 0;
}

static int
read_at(int fd, void *p, size_t n, uint64_t at, struct err *e)
{
	char *b = p;

	while (n > 0) {
		ssize_t got = pread(fd, b, n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, ERR_IO, errno, "reading");
		if (got == 0)
			return err_set(e, ERR_CORRUPT, "the file ends within a record");
		b += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

static int
run_flush(struct reclog_job *j)
{
	/* An earlier attempt may have left part of a record behind. */
	if (ftruncate(j->fd, (off_t)j->at))
		return err_sys(&j->e, ERR_IO, errno, "cutting %s", j->path);
	if (write_at(j->fd, j->bytes.s, j->bytes.len, j->at, &j->e))
		return err_wrap(&j->e, "%s", j->path);
	if (fdatasync(j->fd))
		return err_sys(&j->e, ERR_IO, errno, "syncing %s", j->path);
	return 0;
}

/* The record at old, head and all, to the end of the new file. */
static int
copy_record(struct reclog_job *j, uint64_t old, uint64_t *at)
{
	uint8_t head[RECORD_HEAD];
	AUTO_FREE uint8_t *buf = NULL;
	uint32_t len;
	int rc;

	rc = read_at(j->fd, head, sizeof(head), old, &j->e);
	if (rc)
		return rc;
	len = (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 |
	      (uint32_t)head[2] << 8 | head[3];
	if (len == 0 || len > MAX_RECORD)
		return err_set(
		    &j->e, ERR_CORRUPT, "no record at %llu", (unsigned long long)old);
	buf = xmalloc(RECORD_HEAD + (size_t)len);
	rc = read_at(j->fd, buf, RECORD_HEAD + (size_t)len, old, &j->e);
	if (!rc)
		rc = write_at(j->new_fd, buf, RECORD_HEAD + (size_t)len, *at, &j->e);
	*at += RECORD_HEAD + (uint64_t)len;
	return rc;
}

static int
copy_tail(struct reclog_job *j, uint64_t to)
{
	AUTO_FREE uint8_t *buf = xmalloc(COPY_BYTES);
	int rc = 0;

	for (uint64_t at = j->moves.tail_was; !rc && at < j->at;) {
		size_t n = j->at - at < COPY_BYTES ? (size_t)(j->at - at) : COPY_BYTES;

		rc = read_at(j->fd, buf, n, at, &j->e);
		if (!rc)
			rc = write_at(j->new_fd, buf, n, to, &j->e);
		at += n;
		to += n;
	}
	return rc;
}

static int
fill_new_file(struct reclog_job *j, const char *tmp)
{
	uint64_t at = 0;

	j->new_fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (j->new_fd < 0)
		return err_sys(&j->e, ERR_IO, errno, "making %s", tmp);
	for (size_t i = 0; i < j->moves.n; i++) {
		j->moves.now[i] = at;
		if (copy_record(j, j->offsets[i], &at))
			return err_wrap(&j->e, "%s", j->path);
	}
	j->moves.tail_is = at;
	if (copy_tail(j, at))
		return err_wrap(&j->e, "%s", j->path);
	if (fsync(j->new_fd))
		return err_sys(&j->e, ERR_IO, errno, "syncing %s", tmp);
	return 0;
}

static int
run_compaction(struct reclog_job *j)
{
	AUTO_FREE char *tmp = xasprintf("%s.tmp", j->path);
	int rc;

	if (unlink(tmp) && errno != ENOENT)
		return err_sys(&j->e, ERR_IO, errno, "removing %s", tmp);
	rc = fill_new_file(j, tmp);
	if (!rc && rename(tmp, j->path))
		rc = err_sys(&j->e, ERR_IO, errno, "renaming %s", tmp);
	if (rc) {
		unlink(tmp);
		return rc;
	}
	/* From here the new file is the log, whether or not its name is safe already.
	 */
	(void)!record_dir_sync(j->path, NULL);
	return 0;
}

static int
job_run(void *arg)
{
	struct reclog_job *j = arg;

	return j->compact ? run_compaction(j) : run_flush(j);
}

static void
call_waiters(struct reclog *g, uint64_t end, const struct err *e)
{
	struct err why = *e;
	struct list due;

	list_init(&due);
	LIST_EACH_SAFE(struct reclog_waiter, w, &g->waiters, node) {
		if (w->end > end)
			continue;
		list_remove(&w->node);
		list_add_tail(&due, &w->node);
	}
	/* A waiter may free the log: nothing of it is read from here on. */
	LIST_EACH_SAFE(struct reclog_waiter, w, &due, node) {
		list_remove(&w->node);
		w->done(w->arg, why.code, &why);
		free(w);
	}
}

static void
flush_done(struct reclog *g, const struct err *e)
{
	uint64_t end = g->durable + g->flushing.len;

	if (!e->code) {
		g->durable = end;
		str_fini(&g->flushing);
	} else {
		/* Keeps its offsets; the next append tries it again. */
		str_addn(&g->flushing, str_cstr(&g->pending), g->pending.len);
		str_fini(&g->pending);
		g->pending = g->flushing;
		g->flushing = (struct str)STR_INIT;
	}
	if (!e->code)
		start_next(g);
	call_waiters(g, e->code ? UINT64_MAX : end, e);
}

static void
compaction_done(struct reclog *g, struct reclog_job *j)
{
	uint64_t shift = j->moves.tail_was - j->moves.tail_is;
	const struct reclog_moves *moves = NULL;

	if (!j->e.code) {
		close(g->fd);
		g->fd = MOVE_FD(j->new_fd);
		g->durable -= shift;
		LIST_EACH(struct reclog_waiter, w, &g->waiters, node)
			w->end -= shift;
		moves = &j->moves;
	}
	start_next(g);
	j->done(j->arg, j->e.code, moves, &j->e);
}

static void
job_done(void *arg, int rc)
{
	struct reclog_job *j = arg;
	struct reclog *g = j->owner;
	struct err e = j->e;

	if (!g) {
		job_free(j);
		return;
	}
	if (rc && !e.code)
		err_set(&e, rc, "%s was not written", j->path);
	j->e = e;
	g->running = NULL;
	if (j->compact)
		compaction_done(g, j);
	else
		flush_done(g, &e);
	/* Its descriptor is the log's, which may be gone by now. */
	j->owner = g;
	job_free(j);
}

static void
run_here(void *arg)
{
	job_done(arg, job_run(arg));
}

static void
start_next(struct reclog *g)
{
	struct reclog_job *j;

	if (g->running)
		return;
	if (g->pending.len) {
		j = job_new(g);
		j->at = g->durable;
		g->flushing = g->pending;
		g->pending = (struct str)STR_INIT;
		str_addn(&j->bytes, g->flushing.s, g->flushing.len);
	} else if (g->compaction) {
		j = MOVE(g->compaction);
		j->fd = g->fd;
		j->at = g->durable;
	} else {
		return;
	}
	g->running = j;
	/* With the workers' queue full: rather a slow turn than a lost record. */
	if (worker_run(g->workers, job_run, job_done, j, NULL))
		post_call(g->loop, run_here, j);
}

static int
save_damaged(const char *path, const uint8_t *p, size_t n, struct err *e)
{
	AUTO_FREE char *to = xasprintf("%s.damaged", path);

	return record_file_write(to, 0600, p, n, e);
}

static int
replay_all(struct reclog *g, const struct str *file, const struct reclog_conf *c,
    struct err *e)
{
	const uint8_t *p = (const uint8_t *)str_cstr(file);
	uint64_t at = 0;
	uint32_t len;

	while (record_peek(p + at, file->len - at, &len, NULL) == 1) {
		c->replay(c->arg, at, p + at + RECORD_HEAD, len);
		at += RECORD_HEAD + (uint64_t)len;
	}
	g->durable = at;
	if (at == file->len)
		return 0;
	if (save_damaged(g->path, p + at, file->len - at, e))
		return e->code;
	if (ftruncate(g->fd, (off_t)at) || fsync(g->fd))
		return err_sys(e, ERR_IO, errno, "cutting %s", g->path);
	return 0;
}

static int
load(struct reclog *g, const struct reclog_conf *c, uint64_t *ret_cut, struct err *e)
{
	AUTO(str) struct str file = STR_INIT;
	int rc;

	g->fd = open(g->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (g->fd < 0)
		return err_sys(e, ERR_IO, errno, "opening %s", g->path);
	rc = record_dir_sync(g->path, e);
	if (!rc)
		rc = record_file_read(g->path, SIZE_MAX, &file, e);
	if (!rc)
		rc = replay_all(g, &file, c, e);
	if (!rc)
		*ret_cut = file.len - g->durable;
	return rc;
}

int
reclog_open(
    const struct reclog_conf *c, struct reclog **ret, uint64_t *ret_cut, struct err *e)
{
	struct reclog *g = xcalloc(1, sizeof(*g));
	struct err why = ERR_INIT;

	g->loop = c->loop;
	g->workers = c->workers;
	g->path = xstrdup(c->path);
	list_init(&g->waiters);
	if (load(g, c, ret_cut, &why)) {
		reclog_free(g);
		return err_set(e, why.code, "%s", why.msg);
	}
	*ret = g;
	return 0;
}

void
reclog_free(struct reclog *g)
{
	if (!g)
		return;
	LIST_EACH_SAFE(struct reclog_waiter, w, &g->waiters, node) {
		list_remove(&w->node);
		free(w);
	}
	if (g->running)
		g->running->owner = NULL; /* it closes the descriptor */
	else if (g->fd >= 0)
		close(g->fd);
	job_free(g->compaction);
	str_fini(&g->flushing);
	str_fini(&g->pending);
	free(g->path);
	free(g);
}

uint64_t
reclog_append(struct reclog *g, const void *p, size_t n, reclog_fn done, void *arg)
{
	uint64_t at = g->durable + g->flushing.len + g->pending.len;

	record_add(&g->pending, p, n);
	if (done) {
		struct reclog_waiter *w = xcalloc(1, sizeof(*w));

		w->end = at + RECORD_HEAD + n;
		w->done = done;
		w->arg = arg;
		list_add_tail(&g->waiters, &w->node);
	}
	start_next(g);
	return at;
}

static int
read_durable(struct reclog *g, uint64_t offset, struct str *out, struct err *e)
{
	uint8_t head[RECORD_HEAD];
	AUTO_FREE uint8_t *buf = NULL;
	uint32_t len;
	int rc;

	rc = read_at(g->fd, head, sizeof(head), offset, e);
	if (rc)
		return rc;
	len = (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 |
	      (uint32_t)head[2] << 8 | head[3];
	if (len > MAX_RECORD)
		return err_set(e, ERR_CORRUPT, "no record there");
	buf = xmalloc(RECORD_HEAD + (size_t)len);
	rc = read_at(g->fd, buf, RECORD_HEAD + (size_t)len, offset, e);
	if (!rc && record_peek(buf, RECORD_HEAD + (size_t)len, &len, e) != 1)
		rc = ERR_CORRUPT;
	if (!rc)
		str_addn(out, buf + RECORD_HEAD, len);
	return rc;
}

int
reclog_read(struct reclog *g, uint64_t offset, struct str *out, struct err *e)
{
	const struct str *in = &g->flushing;
	uint64_t base = g->durable;
	uint32_t len;

	str_reset(out);
	if (offset < g->durable) {
		int rc = read_durable(g, offset, out, e);

		if (rc)
			err_wrap(e, "%s at %llu", g->path, (unsigned long long)offset);
		return rc;
	}
	if (offset - base >= in->len) {
		base += in->len;
		in = &g->pending;
	}
	if (offset - base >= in->len ||
	    record_peek((const uint8_t *)in->s + (offset - base),
		in->len - (offset - base), &len, NULL) != 1)
		return err_set(e, ERR_NOT_FOUND, "%s has no record at %llu", g->path,
		    (unsigned long long)offset);
	str_addn(out, in->s + (offset - base) + RECORD_HEAD, len);
	return 0;
}

uint64_t
reclog_moved(const struct reclog_moves *m, uint64_t old_offset)
{
	size_t lo = 0, hi = m->n;

	if (old_offset >= m->tail_was)
		return old_offset - m->tail_was + m->tail_is;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (m->old[mid] < old_offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < m->n ? m->now[lo] : m->tail_is;
}

int
reclog_compact(struct reclog *g, const uint64_t *offsets, size_t n,
    reclog_compacted_fn done, void *arg, struct err *e)
{
	struct reclog_job *j;

	if (g->compaction || (g->running && g->running->compact))
		return err_set(e, ERR_BUSY, "%s is being compacted", g->path);
	j = job_new(g);
	j->compact = true;
	j->offsets = n ? xmemdup(offsets, n * sizeof(*offsets)) : NULL;
	j->moves.old = j->offsets;
	j->moves.now = xcalloc(n ? n : 1, sizeof(*j->moves.now));
	j->moves.n = n;
	j->moves.tail_was = g->durable;
	j->done = done;
	j->arg = arg;
	g->compaction = j;
	start_next(g);
	return 0;
}

uint64_t
reclog_durable(const struct reclog *g)
{
	return g->durable;
}
