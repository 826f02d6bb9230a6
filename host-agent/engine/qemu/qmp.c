#include "host-agent/engine/qemu/qmp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "loop/timer.h"

#define QMP_MAGIC  0x514d5043u
#define READ_CHUNK 65536

/* One command on its way: unsent text first, then waiting for its answer. */
struct call {
	struct list_node node;
	uint64_t id;
	const char *command; /* a literal */
	char *text;
	size_t len, sent;
	int fd; /* to go with the first byte; -1: none */
	struct wake wake;
	qmp_answer_fn fn; /* NULL: the wake is told */
	void *arg;
};

struct qmp {
	uint32_t magic;
	struct loop *loop;
	const struct qmp_hooks *hooks;
	void *arg;
	char *who;
	int fd;
	struct event *readable, *writable;
	struct timer *work; /* runs what the socket brought, in the posts phase */
	struct str in;
	struct list unsent, waiting;
	uint64_t last_id;
	bool greeted, lost;
	bool at_end; /* the socket has nothing more to bring */
	bool in_work, freed;
	struct err why_lost;
	json *result;
};

static void
call_free(struct call *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->text);
	free(c);
}

/* Libevent callbacks take what there is and leave the rest to the posts phase. */
static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct qmp *q = CAST_OBJ(qmp, arg, QMP_MAGIC);
	char buf[READ_CHUNK];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		str_addn(&q->in, buf, (size_t)n);
	} else {
		q->at_end = true;
		event_del(q->readable);
	}
	timer_after(q->work, 0);
}

static ssize_t
send_some(int fd, struct call *c)
{
	struct iovec iov = { c->text + c->sent, c->len - c->sent };

	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .room = { 0 } };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (c->fd >= 0) {
		msg.msg_control = control.room;
		msg.msg_controllen = sizeof(control.room);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &c->fd, sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void
send_calls(struct qmp *q)
{
	struct call *c;
	ssize_t n;

	while (q->greeted && !q->lost && !list_empty(&q->unsent)) {
		c = LIST_FIRST(struct call, &q->unsent, node);
		n = send_some(q->fd, c);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			event_add(q->writable, NULL);
			return;
		}
		if (n < 0) {
			/* The reader sees the end too and tells everybody. */
			q->at_end = true;
			timer_after(q->work, 0);
			return;
		}
		if (c->fd >= 0)
			close(c->fd);
		c->fd = -1;
		c->sent += (size_t)n;
		if (c->sent < c->len)
			continue;
		list_remove(&c->node);
		list_add_tail(&q->waiting, &c->node);
	}
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	send_calls(CAST_OBJ(qmp, arg, QMP_MAGIC));
}

static struct call *
find_call(struct qmp *q, uint64_t id)
{
	LIST_EACH(struct call, c, &q->waiting, node) {
		if (c->id == id)
			return c;
	}
	return NULL;
}

static int
error_code(const char *class)
{
	if (str_same(class, "CommandNotFound"))
		return ERR_UNSUPPORTED;
	if (str_same(class, "DeviceNotFound"))
		return ERR_NOT_FOUND;
	return ERR_IO;
}

static void
answer(struct qmp *q, struct qmp_msg *m)
{
	struct call *c = m->has_id ? find_call(q, m->id) : NULL;
	struct err e = ERR_INIT;

	if (!c) {
		log_debug("qmp", "%s: an answer to no call of ours", q->who);
		return;
	}
	list_remove(&c->node);
	if (m->kind == QMP_ERROR)
		err_set(&e, error_code(m->name), "%s: QEMU refuses %s: %s", q->who,
		    c->command, m->text);
	if (c->fn) {
		c->fn(c->arg, e.code, m->kind == QMP_RETURN ? m->body : NULL);
		call_free(c);
		return;
	}
	if (c->wake.flow) {
		json_free(q->result);
		q->result = m->kind == QMP_RETURN ? json_ref(m->body) : NULL;
	}
	post_wake(q->loop, c->wake, e.code, &e);
	call_free(c);
}

static void
drop_calls(struct list *calls)
{
	LIST_EACH_SAFE(struct call, c, calls, node) {
		list_remove(&c->node);
		call_free(c);
	}
}

static void
fail_calls(struct qmp *q, struct list *calls)
{
	LIST_EACH(struct call, c, calls, node) {
		post_wake(q->loop, c->wake, ERR_LOST, &q->why_lost);
	}
	drop_calls(calls);
}

static void
lose(struct qmp *q, const struct err *e)
{
	if (q->lost)
		return;
	q->lost = true;
	if (e)
		q->why_lost = *e;
	else
		err_set(&q->why_lost, ERR_LOST,
		    "%s: QEMU has closed its control socket", q->who);
	event_del(q->readable);
	event_del(q->writable);
	fail_calls(q, &q->waiting);
	fail_calls(q, &q->unsent);
	q->hooks->gone(q->arg, &q->why_lost);
}

static void
take_line(struct qmp *q, const char *line, size_t n)
{
	struct qmp_msg m;
	struct err e = ERR_INIT;

	if (qmp_parse(line, n, &m, &e)) {
		err_wrap(&e, "%s", q->who);
		lose(q, &e);
		return;
	}
	switch (m.kind) {
	case QMP_GREETING:
		q->greeted = true;
		break;
	case QMP_RETURN:
	case QMP_ERROR:
		answer(q, &m);
		break;
	case QMP_EVENT:
		q->hooks->event(q->arg, m.name, m.body);
		break;
	}
	qmp_msg_fini(&m);
}

static void
take_lines(struct qmp *q)
{
	size_t from = 0;
	char *end;

	while (!q->lost && !q->freed && q->in.len > from) {
		end = memchr(q->in.s + from, '\n', q->in.len - from);
		if (!end)
			break;
		take_line(q, q->in.s + from, (size_t)(end - q->in.s) - from);
		from = (size_t)(end - q->in.s) + 1;
	}
	if (from > 0) {
		q->in.len -= from;
		memmove(q->in.s, q->in.s + from, q->in.len);
	}
}

static void
destroy(struct qmp *q)
{
	event_free(q->readable);
	event_free(q->writable);
	timer_free(q->work);
	close(q->fd);
	drop_calls(&q->waiting);
	drop_calls(&q->unsent);
	str_fini(&q->in);
	json_free(q->result);
	free(q->who);
	q->magic = 0;
	free(q);
}

static void
on_work(void *arg)
{
	struct qmp *q = CAST_OBJ(qmp, arg, QMP_MAGIC);
	struct err e = ERR_INIT;

	q->in_work = true;
	take_lines(q);
	if (!q->freed && q->in.len > QMP_LINE_MAX) {
		err_set(&e, ERR_TOO_LARGE, "%s: QEMU sent a line of over %u bytes",
		    q->who, QMP_LINE_MAX);
		lose(q, &e);
	}
	if (!q->freed && q->at_end)
		lose(q, NULL);
	if (!q->freed)
		send_calls(q);
	q->in_work = false;
	if (q->freed)
		destroy(q);
}

struct qmp *
qmp_new(struct loop *l, int fd_take, const char *who, const struct qmp_hooks *hooks,
    void *arg)
{
	struct qmp *q = xcalloc(1, sizeof(*q));

	q->magic = QMP_MAGIC;
	q->loop = l;
	q->hooks = hooks;
	q->arg = arg;
	q->who = xstrdup(who);
	q->fd = fd_take;
	list_init(&q->unsent);
	list_init(&q->waiting);
	q->work = timer_new(l, on_work, q);
	q->readable =
	    event_new(loop_base(l), q->fd, EV_READ | EV_PERSIST, on_readable, q);
	q->writable = event_new(loop_base(l), q->fd, EV_WRITE, on_writable, q);
	ASSERT(q->readable && q->writable && !event_add(q->readable, NULL));
	return q;
}

void
qmp_free(struct qmp *q)
{
	if (!q)
		return;
	ASSERT(q->magic == QMP_MAGIC);
	q->freed = true;
	if (!q->in_work)
		destroy(q);
}

static struct call *
call_new(struct qmp *q, const char *command, json *args_take)
{
	struct call *c = xcalloc(1, sizeof(*c));

	c->id = ++q->last_id;
	c->command = command;
	c->text = qmp_command(command, args_take, c->id);
	c->len = strlen(c->text);
	c->fd = -1;
	return c;
}

void
qmp_ask(
    struct qmp *q, const char *command, json *args_take, qmp_answer_fn fn, void *arg)
{
	struct call *c = call_new(q, command, args_take);

	c->fn = fn;
	c->arg = arg;
	if (q->lost) {
		call_free(c);
		return;
	}
	list_add_tail(&q->unsent, &c->node);
	send_calls(q);
}

void
qmp_call_fd(struct qmp *q, const char *command, json *args_take, int fd, struct wake w)
{
	struct call *c = call_new(q, command, args_take);

	if (fd >= 0)
		c->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	c->wake = w;
	if (q->lost) {
		post_wake(q->loop, w, ERR_LOST, &q->why_lost);
		call_free(c);
		return;
	}
	list_add_tail(&q->unsent, &c->node);
	send_calls(q);
}

void
qmp_call(struct qmp *q, const char *command, json *args_take, struct wake w)
{
	qmp_call_fd(q, command, args_take, -1, w);
}

const json *
qmp_result(const struct qmp *q)
{
	return q->result;
}

bool
qmp_is_lost(const struct qmp *q)
{
	return q->lost;
}
