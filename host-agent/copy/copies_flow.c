/*
 * One copy as a table of steps, on either side: look, connect, copy.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "host-agent/copy/copies_int.h"
#include "loop/timer.h"
#include "loop/worker.h"

#define COPY_MAGIC  0x636f7079u
#define STREAM_NAME "image"
#define LOOK_MS     60000u
/* How long the other side may take to close what is over. */
#define LINGER_MS 10000u

static struct image_copy *
copy_of(void *arg)
{
	return CAST_OBJ(image_copy, arg, COPY_MAGIC);
}

/* ---- blocking calls ---- */

/* One of them; it outlives a copy that does not wait for it any more. */
struct call {
	struct image_copy *copy; /* NULL: nobody waits, and the job is the call's */
	struct image_job *job;
	int (*run)(struct image_job *j, struct err *e);
	struct wake w;
};

static int
call_run(void *arg)
{
	struct call *k = arg;

	return k->run(k->job, &k->job->e);
}

static void
call_done(void *arg, int rc)
{
	struct call *k = arg;

	if (rc && !k->job->e.code)
		err_set(&k->job->e, rc, "the agent is stopping");
	if (k->copy) {
		k->copy->call = NULL;
		post_wake(k->copy->owner->conf.loop, k->w, rc, &k->job->e);
	} else {
		image_job_free(k->job);
	}
	free(k);
}

static enum flow_rc
call_start(struct flow *f, struct image_copy *c, struct workers *on,
    int (*run)(struct image_job *j, struct err *e))
{
	struct call *k = xcalloc(1, sizeof(*k));

	*k = (struct call){ c, c->job, run, flow_wake(f) };
	if (worker_run(on, call_run, call_done, k, flow_err(f))) {
		free(k);
		return FLOW_FAIL;
	}
	c->call = k;
	return FLOW_WAIT;
}

/* It goes on without us. */
static void
call_leave(struct image_copy *c)
{
	if (!c->call)
		return;
	c->call->copy = NULL;
	c->call = NULL;
	c->job = NULL;
}

/* ---- look ---- */

static enum flow_rc
look_start(struct flow *f, void *arg)
{
	struct image_copy *c = copy_of(arg);

	return call_start(f, c, c->owner->conf.workers,
	    c->side == COPY_TAKES ? image_take_look : image_give_look);
}

static enum flow_rc
look_finish(struct flow *f, void *arg, int rc)
{
	struct image_copy *c = copy_of(arg);

	if (!rc)
		return FLOW_NEXT;
	call_leave(c);
	err_wrap(flow_err(f), "cannot %s \"%.80s\"",
	    c->side == COPY_TAKES ? "take" : "send", c->path);
	return FLOW_FAIL;
}

/* ---- connect ---- */

static int
dial(struct image_copy *c, int fd_take, struct wake up, struct err *e)
{
	const struct channel_opening o = {
		.key = c->key,
		.name = STREAM_NAME,
		.fd_take = fd_take,
		.cap = c->cap,
		.ends = { up, WAKE_NONE },
	};
	const struct channel_dest to = {
		.addresses = (const char *const *)c->addresses,
		.n_addresses = c->n_addresses,
		.port = c->port,
		.peer_uuid = c->peer_uuid,
	};

	return channel_dial(c->owner->conf.channel, &o, &to, &c->stream, e);
}

static int
expect(struct image_copy *c, int fd_take, struct wake up, struct err *e)
{
	const struct channel_opening o = {
		.key = c->key,
		.name = STREAM_NAME,
		.fd_take = fd_take,
		.ends = { up, WAKE_NONE },
	};
	int rc =
	    channel_expect(c->owner->conf.channel, &o, c->peer_uuid, &c->stream, e);

	if (!rc)
		copy_say_ready(c);
	return rc;
}

static enum flow_rc
connect_start(struct flow *f, void *arg)
{
	struct image_copy *c = copy_of(arg);
	int fds[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds)) {
		err_sys(flow_err(f), ERR_IO, errno, "making a socket for an image");
		return FLOW_FAIL;
	}
	c->wire_fd = fds[0];
	rc = c->side == COPY_TAKES ? expect(c, fds[1], flow_wake(f), flow_err(f))
				   : dial(c, fds[1], flow_wake(f), flow_err(f));
	if (rc)
		return FLOW_FAIL;
	flow_set_timeout(f, c->owner->conf.dial_ms);
	return FLOW_WAIT;
}

static enum flow_rc
connect_finish(struct flow *f, void *arg, int rc)
{
	const struct image_copy *c = copy_of(arg);

	if (!rc)
		return FLOW_NEXT;
	if (rc == ERR_TIMEOUT && c->side == COPY_TAKES) {
		err_set(flow_err(f), ERR_TIMEOUT,
		    "host %s has not begun to send \"%.80s\" within %u s", c->peer_uuid,
		    c->path, c->owner->conf.dial_ms / 1000);
	} else {
		err_wrap(flow_err(f), "cannot reach host %s", c->peer_uuid);
	}
	return FLOW_FAIL;
}

static enum flow_rc
connect_undo(struct flow *f, void *arg)
{
	struct image_copy *c = copy_of(arg);

	channel_stream_free(MOVE(c->stream));
	return FLOW_NEXT;
}

/* ---- copy ---- */

/* One that was given up has no stream any more. */
static struct channel_facts
facts_of(const struct image_copy *c)
{
	if (!c->stream)
		return (struct channel_facts){ 0 };
	return channel_stream_facts(c->stream);
}

static void
note(void *arg)
{
	const struct image_copy *c = copy_of(arg);
	struct channel_facts facts = facts_of(c);
	Drover__Progress at = DROVER__PROGRESS__INIT;
	char phase[] = "copying the image";

	at.done_bytes = c->job->done_bytes;
	at.total_bytes = c->job->data_bytes;
	at.bytes_per_s =
	    c->side == COPY_TAKES ? facts.in_bytes_per_s : facts.out_bytes_per_s;
	at.phase = phase;
	LIST_EACH(struct copy_waiter, w, &c->end_waiters, node)
		progress_note(c->owner->conf.progress, w->name, &at);
}

static enum flow_rc
copy_step_start(struct flow *f, void *arg)
{
	struct image_copy *c = copy_of(arg);
	struct loop *l = c->owner->conf.loop;

	c->job->wire_fd = MOVE_FD(c->wire_fd);
	c->thread = workers_new(l, 1, 1);
	c->timer = timer_new(l, note, c);
	timer_every(c->timer, PROGRESS_GAP_MS);
	return call_start(
	    f, c, c->thread, c->side == COPY_TAKES ? image_take : image_give);
}

static void
note_facts(struct image_copy *c)
{
	const struct image_job *j = c->job;
	struct channel_facts facts = facts_of(c);

	memcpy(c->sum, j->sum, sizeof(c->sum));
	drover__copy_facts__init(&c->facts);
	c->facts.bytes = j->bytes;
	c->facts.sha256 = c->sum;
	c->facts.total_ms = j->total_ms;
	c->facts.wire_bytes = c->side == COPY_TAKES ? facts.in_bytes : facts.out_bytes;
}

static enum flow_rc
copy_step_finish(struct flow *f, void *arg, int rc)
{
	struct image_copy *c = copy_of(arg);

	if (rc)
		return FLOW_FAIL;
	note_facts(c);
	return FLOW_NEXT;
}

static const struct flow_step steps[] = {
	{ "look", look_start, look_finish, NULL, LOOK_MS },
	{ "connect", connect_start, connect_finish, connect_undo, COPIES_DIAL_MS },
	{ "copy", copy_step_start, copy_step_finish, NULL, 0 },
	{ NULL },
};

/* ---- its end ---- */

/* Nobody runs any more. */
static void
drop_work(struct image_copy *c)
{
	timer_free(MOVE(c->timer));
	workers_free(MOVE(c->thread));
	image_job_free(MOVE(c->job));
	if (c->wire_fd >= 0)
		close(MOVE_FD(c->wire_fd));
}

static void
end_stream(void *arg)
{
	struct image_copy *c = copy_of(arg);

	channel_stream_free(MOVE(c->stream));
}

static void
on_ended(void *owner, struct flow *f, int rc, const struct err *e)
{
	struct image_copy *c = copy_of(owner);
	struct err why = rc ? *e : (struct err)ERR_INIT;

	c->flow = NULL;
	if (rc && c->why_ended) {
		err_clear(&why);
		err_set(&why, ERR_CANCELLED, "it was given up: %s", c->why_ended);
	}
	drop_work(c);
	if (c->stream) {
		c->timer = timer_new(c->owner->conf.loop, end_stream, c);
		timer_after(c->timer, LINGER_MS);
	}
	copy_say_end(c, &why);
}

static const struct flow_hooks hooks = { NULL, on_ended };

void
copy_start(struct image_copy *c)
{
	c->magic = COPY_MAGIC;
	c->flow = flow_new(c->owner->conf.flows,
	    c->side == COPY_TAKES ? "image-take" : "image-give", steps, c, &hooks, c);
	flow_start(c->flow);
}

/* What the thread waits for ends with its stream. */
static void
stop_thread(struct image_copy *c)
{
	c->job->is_stopped = true;
	channel_stream_free(MOVE(c->stream));
}

void
copy_give_up(struct image_copy *c, const char *why)
{
	if (c->why_ended)
		return;
	c->why_ended = xstrdup(why);
	if (c->thread)
		stop_thread(c);
	else
		flow_cancel(c->flow, why);
}

void
copy_let_go(struct image_copy *c)
{
	if (c->thread)
		stop_thread(c);
	channel_stream_free(MOVE(c->stream));
	call_leave(c);
	drop_work(c);
}
