/*
 * sess_files: a guest's files as a tar, out of it and into it.
 *
 * Workers read and write; one job at a time a session.  What a session holds open in
 * the guest's root is let go when the guest stops to run.
 */
#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "host-agent/session/sess_int.h"
#include "host-agent/session/sess_pack.h"
#include "host-agent/session/sess_unpack.h"

/* One of pack and unpack is made by the first job. */
struct files_sess {
	struct sess s;
	struct workers *workers;
	struct engine_root root; /* fd -1: used up */
	char *path;
	bool get;
	bool busy;    /* a job is under way and owns what is below */
	bool dropped; /* free when the job ends */
	bool left;    /* the guest does not run any more */
	struct pack *pack;
	struct unpack *unpack;
	uint8_t buf[MAX_SESSION_FRAME]; /* of a get */
	size_t want, have;
	uint8_t *taken; /* what the job unpacks */
	size_t n_taken;
	bool last; /* nothing comes after it */
	struct err err;

	uint8_t *waiting; /* came in meanwhile */
	size_t n_waiting;
};

static void
free_session(struct files_sess *f)
{
	pack_free(f->pack);
	unpack_free(f->unpack);
	if (f->root.fd >= 0)
		close(f->root.fd);
	free(f->path);
	free(f->taken);
	free(f->waiting);
	sess_fini(&f->s);
	free(f);
}

static void
drop(struct sess *s)
{
	struct files_sess *f = (struct files_sess *)s;

	if (!f->busy) {
		free_session(f);
		return;
	}
	f->dropped = true;
	list_remove(&s->node);
	s->set = NULL;
}

static void
end_with(struct files_sess *f, const struct err *e)
{
	sess_tell_fault(&f->s, e);
	free_session(f);
}

static int
run_get(struct files_sess *f)
{
	if (!f->pack && pack_new(&f->root, f->path, &f->pack, &f->err))
		return f->err.code;
	return pack_some(f->pack, f->buf, f->want, &f->have, &f->err);
}

static int
run_put(struct files_sess *f)
{
	if (!f->unpack && unpack_new(&f->root, f->path, &f->unpack, &f->err))
		return f->err.code;
	if (unpack_some(f->unpack, f->taken, f->n_taken, &f->err))
		return f->err.code;
	return f->last ? unpack_end(f->unpack, &f->err) : 0;
}

static int
run(void *job)
{
	struct files_sess *f = job;

	return f->get ? run_get(f) : run_put(f);
}

static void work(struct files_sess *f);

static void
got(struct files_sess *f)
{
	if (f->have) {
		(void)sess_send(&f->s, SESS_OUT, f->buf, f->have, false);
		work(f);
		return;
	}
	(void)sess_send(&f->s, SESS_OUT, NULL, 0, true);
	end_with(f, NULL);
}

static void
put(struct files_sess *f)
{
	size_t n = f->n_taken;

	free(MOVE(f->taken));
	f->n_taken = 0;
	if (f->last) {
		end_with(f, NULL);
		return;
	}
	sess_grant(&f->s, n);
	work(f);
}

static void
on_done(void *job, int rc)
{
	struct files_sess *f = job;

	f->busy = false;
	if (f->dropped) {
		free_session(f);
		return;
	}
	if (f->left)
		rc = err_set(&f->err, ERR_LOST, "vm-%" PRIu64 " does not run any more",
		    f->s.guest);
	if (rc)
		end_with(f, &f->err);
	else if (f->get)
		got(f);
	else
		put(f);
}

static bool
has_work(struct files_sess *f)
{
	uint64_t may = f->s.may_send[SESS_OUT];

	if (f->busy)
		return false;
	if (!f->get)
		return f->n_waiting || f->s.in_ended;
	f->want = may < sizeof(f->buf) ? (size_t)may : sizeof(f->buf);
	return f->want > 0;
}

static void
work(struct files_sess *f)
{
	struct err e = ERR_INIT;

	if (!has_work(f))
		return;
	if (!f->get) {
		f->taken = MOVE(f->waiting);
		f->n_taken = f->n_waiting;
		f->n_waiting = 0;
		f->last = f->s.in_ended;
	}
	f->busy = true;
	if (worker_run(f->workers, run, on_done, f, &e)) {
		f->busy = false;
		end_with(f, &e);
	}
}

static void
credit(struct sess *s, enum sess_way way)
{
	if (way == SESS_OUT)
		work((struct files_sess *)s);
}

static void
input(struct sess *s, const void *p, size_t n, bool end)
{
	struct files_sess *f = (struct files_sess *)s;

	if (n) {
		f->waiting = xrealloc(f->waiting, f->n_waiting + n);
		memcpy(f->waiting + f->n_waiting, p, n);
		f->n_waiting += n;
	}
	work(f);
}

static void
guest_left(struct sess *s)
{
	struct files_sess *f = (struct files_sess *)s;
	struct err e = ERR_INIT;

	f->left = true;
	if (f->busy)
		return;
	err_set(&e, ERR_LOST, "vm-%" PRIu64 " does not run any more", s->guest);
	end_with(f, &e);
}

static const struct sess_ops files_ops = {
	.credit = credit,
	.input = input,
	.guest_left = guest_left,
	.drop = drop,
};

static int
open_files(struct sess_set *ss, const Drover__SessionOpen *o, const char *path,
    struct files_sess **ret_f, struct err *e)
{
	struct files_sess *f;
	struct engine_guest *g = NULL;
	int rc;

	if (*path != '/' || strlen(path) > MAX_GUEST_PATH)
		return err_set(e, ERR_INVALID,
		    "path: wants an absolute one of at most %u bytes", MAX_GUEST_PATH);
	f = xcalloc(1, sizeof(*f));
	f->root.fd = -1;
	f->workers = ss->conf.workers;
	f->path = xstrdup(path);
	sess_init(&f->s, ss, &files_ops, o);
	rc = sess_handle(&f->s, &g, e);
	if (!rc)
		rc = engine_root(g, &f->root, e);
	if (rc)
		free_session(f);
	else
		*ret_f = f;
	return rc;
}

int
sess_get_open(struct sess_set *ss, const Drover__SessionOpen *o, struct err *e)
{
	struct files_sess *f = NULL;
	int rc = open_files(ss, o, o->get->path, &f, e);

	if (f)
		f->get = true;
	return rc;
}

int
sess_put_open(struct sess_set *ss, const Drover__SessionOpen *o, struct err *e)
{
	struct files_sess *f = NULL;
	int rc = open_files(ss, o, o->put->path, &f, e);

	if (f)
		sess_grant(&f->s, MAX_SESSION_WINDOW);
	return rc;
}
