#include "host-agent/engine/qemu/qga.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/qemu/qga_parse.h"
#include "loop/timer.h"

#define QGA_MAGIC  0x51474131u
#define READ_CHUNK 16384
#define MAX_ID     0x7fffffffu
#define FIRST_MS   2000u /* after a start: a guest that boots needs longer anyway */

/* What is asked one after the other; each answer leads to the next. */
enum asked { ASK_NOTHING, ASK_SYNC, ASK_PING, ASK_NAME, ASK_OS, ASK_NET, ASK_CALL };

static const char *const commands[] = {
	[ASK_PING] = "guest-ping",
	[ASK_NAME] = "guest-get-host-name",
	[ASK_OS] = "guest-get-osinfo",
	[ASK_NET] = "guest-network-get-interfaces",
};

struct qga {
	uint32_t magic;
	struct loop *loop;
	const char *who;
	struct qga_hooks hooks;
	int fd;
	struct event *readable;
	struct timer *work, *poll, *deadline;
	struct str in;
	bool in_mark; /* bytes count from the mark on */
	enum asked asked;
	uint32_t sync_id;
	struct engine_inside inside;

	const char *call; /* a literal; NULL: none */
	uint32_t call_ms;
	struct wake wake;
};

static void
end_call(struct qga *q, int code, const char *why)
{
	const char *call = q->call;
	struct err e = ERR_INIT;

	if (!call)
		return;
	q->call = NULL;
	if (code)
		err_set(&e, code, "%s: its agent: %s: %s", q->who, call, why);
	post_wake(q->loop, q->wake, code, &e);
}

static void
hang_up(struct qga *q)
{
	if (q->readable)
		event_free(MOVE(q->readable));
	if (q->fd >= 0)
		close(MOVE_FD(q->fd));
	str_reset(&q->in);
	q->asked = ASK_NOTHING;
	timer_stop(q->deadline);
}

static void
fail(struct qga *q, int code, const char *why)
{
	hang_up(q);
	q->inside.answers = false;
	end_call(q, code, why);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct qga *q = CAST_OBJ(qga, arg, QGA_MAGIC);

	event_del(q->readable);
	timer_after(q->work, 0);
}

static bool
dial(struct qga *q)
{
	struct err e = ERR_INIT;

	if (q->fd >= 0)
		return true;
	if (q->hooks.connect(q->hooks.arg, &q->fd, &e)) {
		q->fd = -1;
		fail(q, ERR_LOST, e.msg);
		return false;
	}
	q->readable =
	    event_new(loop_base(q->loop), q->fd, EV_READ | EV_PERSIST, on_readable, q);
	ASSERT(q->readable && !event_add(q->readable, NULL));
	return true;
}

/* A channel that takes nothing has nobody at its other end. */
static void
ask(struct qga *q, enum asked what, const char *command, json *args, uint32_t ms)
{
	AUTO_FREE char *line = qga_command(command, args);
	size_t n = strlen(line);

	q->asked = what;
	if (send(q->fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)n) {
		fail(q, ERR_LOST, "the channel takes nothing");
		return;
	}
	timer_after(q->deadline, ms);
}

static void
synchronise(struct qga *q)
{
	static const char mark = QGA_MARK;
	json *o;

	if (!dial(q))
		return;
	/* Ends whatever the agent has half read. */
	if (send(q->fd, &mark, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1) {
		fail(q, ERR_LOST, "the channel takes nothing");
		return;
	}
	str_reset(&q->in);
	q->in_mark = false;
	q->sync_id = q->sync_id % MAX_ID + 1;
	o = json_new_object();
	json_set_u64(o, "id", q->sync_id);
	ask(q, ASK_SYNC, "guest-sync-delimited", o, QGA_ANSWER_MS);
}

static void
go_on(struct qga *q)
{
	enum asked next = q->asked + 1;

	timer_stop(q->deadline);
	if (q->asked == ASK_SYNC && q->call) {
		ask(q, ASK_CALL, q->call, NULL, q->call_ms);
	} else if (q->asked == ASK_CALL || next == ASK_CALL) {
		q->asked = ASK_NOTHING;
		end_call(q, 0, "");
	} else if (q->call) {
		/* What is learnt so far will do. */
		synchronise(q);
	} else {
		ask(q, next, commands[next], NULL, QGA_ANSWER_MS);
	}
}

static void
take(struct qga *q, const struct qga_msg *m)
{
	q->inside.answers = true;
	q->inside.heartbeat_ms = clock_wall_ms(loop_clock(q->loop));
	switch (q->asked) {
	case ASK_NAME:
		qga_take_host_name(&q->inside, m->body);
		break;
	case ASK_OS:
		qga_take_os(&q->inside, m->body);
		break;
	case ASK_NET:
		qga_take_addresses(&q->inside, m->body);
		break;
	case ASK_NOTHING:
	case ASK_SYNC:
	case ASK_PING:
	case ASK_CALL:
		break;
	}
}

/* False: the rest of what was read is of no use. */
static bool
on_line(struct qga *q, const char *line, size_t n)
{
	struct err e = ERR_INIT;
	struct qga_msg m;
	bool ours = true;

	if (q->asked == ASK_NOTHING)
		return true;
	if (qga_parse(line, n, &m, &e)) {
		fail(q, ERR_LOST, e.msg);
		return false;
	}
	if (q->asked == ASK_SYNC)
		ours = m.body && json_what(m.body) == JSON_IS_INT &&
		       json_int_value(m.body) == q->sync_id;
	if (ours && q->asked == ASK_CALL && !m.body) {
		q->asked = ASK_NOTHING;
		timer_stop(q->deadline);
		end_call(q, ERR_UNSUPPORTED, m.text);
	} else if (ours) {
		take(q, &m);
		go_on(q);
	}
	qga_msg_fini(&m);
	return q->fd >= 0;
}

static void
drop_front(struct qga *q, size_t n)
{
	q->in.len -= n;
	memmove(q->in.s, q->in.s + n, q->in.len);
}

/* Bytes until the mark are an answer to somebody else. */
static void
skip_to_mark(struct qga *q)
{
	const char *mark;

	if (q->in_mark || !q->in.len)
		return;
	mark = memchr(q->in.s, QGA_MARK, q->in.len);
	q->in_mark = mark != NULL;
	drop_front(q, mark ? (size_t)(mark - q->in.s) + 1 : q->in.len);
}

static void
split(struct qga *q)
{
	char *end;

	if (q->asked == ASK_SYNC)
		skip_to_mark(q);
	while (q->in.len && (end = memchr(q->in.s, '\n', q->in.len))) {
		size_t n = (size_t)(end - q->in.s);
		AUTO_FREE char *line = xstrndup(q->in.s, n);

		drop_front(q, n + 1);
		if (!on_line(q, line, n))
			return;
	}
	if (q->in.len > QGA_LINE_MAX)
		fail(q, ERR_LOST, "an answer without an end");
}

static void
on_work(void *arg)
{
	struct qga *q = CAST_OBJ(qga, arg, QGA_MAGIC);
	char buf[READ_CHUNK];
	ssize_t n;

	if (q->fd < 0)
		return;
	n = recv(q->fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		fail(q, ERR_LOST, "the channel is closed");
		return;
	}
	event_add(q->readable, NULL);
	if (n < 0)
		return;
	str_addn(&q->in, buf, (size_t)n);
	split(q);
}

static void
on_deadline(void *arg)
{
	fail(arg, ERR_TIMEOUT, "no answer in time");
}

static void
on_poll(void *arg)
{
	struct qga *q = arg;

	timer_after(q->poll, QGA_POLL_MS);
	if (q->asked == ASK_NOTHING)
		synchronise(q);
}

struct qga *
qga_new(struct loop *l, const char *who, const struct qga_hooks *hooks)
{
	struct qga *q = xcalloc(1, sizeof(*q));

	q->magic = QGA_MAGIC;
	q->loop = l;
	q->who = who;
	q->hooks = *hooks;
	q->fd = -1;
	q->work = timer_new(l, on_work, q);
	q->deadline = timer_new(l, on_deadline, q);
	q->poll = timer_new(l, on_poll, q);
	timer_after(q->poll, FIRST_MS);
	return q;
}

void
qga_free(struct qga *q)
{
	if (!q)
		return;
	hang_up(q);
	timer_free(q->work);
	timer_free(q->deadline);
	timer_free(q->poll);
	str_fini(&q->in);
	q->magic = 0;
	free(q);
}

const struct engine_inside *
qga_inside(const struct qga *q)
{
	return &q->inside;
}

void
qga_call(struct qga *q, const char *command, uint32_t timeout_ms, struct wake w)
{
	struct err e = ERR_INIT;

	if (q->call) {
		err_set(&e, ERR_BUSY, "%s: its agent is asked for %s already", q->who,
		    q->call);
		post_wake(q->loop, w, e.code, &e);
		return;
	}
	q->call = command;
	q->call_ms = timeout_ms;
	q->wake = w;
	if (q->asked == ASK_NOTHING)
		synchronise(q);
}
