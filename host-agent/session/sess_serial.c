/*
 * sess_serial: a machine's serial line, to read and to type on.
 */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/session/sess_int.h"

#define IN_WINDOW 16384u

struct serial_sess {
	struct sess s;
	struct engine_ear ear;
	/* What waits for credit, the newest bytes; a ring. */
	char *buf;
	size_t at, n;
};

static void
drop(struct sess *s)
{
	struct serial_sess *x = (struct serial_sess *)s;

	engine_console_leave(&x->ear);
	sess_fini(s);
	free(x->buf);
	free(x);
}

static void
keep(struct serial_sess *x, const char *p, size_t n)
{
	if (n > MAX_SESSION_WINDOW) {
		p += n - MAX_SESSION_WINDOW;
		n = MAX_SESSION_WINDOW;
	}
	if (x->n + n > MAX_SESSION_WINDOW) {
		size_t lost = x->n + n - MAX_SESSION_WINDOW;

		x->at = (x->at + lost) % MAX_SESSION_WINDOW;
		x->n -= lost;
	}
	for (size_t part; n; p += part, n -= part) {
		size_t to = (x->at + x->n) % MAX_SESSION_WINDOW;

		part = MAX_SESSION_WINDOW - to < n ? MAX_SESSION_WINDOW - to : n;
		memcpy(x->buf + to, p, part);
		x->n += part;
	}
}

static void
pump(struct serial_sess *x)
{
	while (x->n && x->s.may_send[SESS_OUT]) {
		size_t n = MAX_SESSION_WINDOW - x->at < x->n
			       ? MAX_SESSION_WINDOW - x->at
			       : x->n;

		if (n > MAX_SESSION_FRAME)
			n = MAX_SESSION_FRAME;
		if (n > x->s.may_send[SESS_OUT])
			n = (size_t)x->s.may_send[SESS_OUT];
		if (!sess_send(&x->s, SESS_OUT, x->buf + x->at, n, false))
			return;
		x->at = (x->at + n) % MAX_SESSION_WINDOW;
		x->n -= n;
	}
}

static void
credit(struct sess *s, enum sess_way way)
{
	if (way == SESS_OUT)
		pump((struct serial_sess *)s);
}

static void
on_heard(void *arg, const void *p, size_t n)
{
	struct serial_sess *x = arg;

	keep(x, p, n);
	pump(x);
}

/* A line cannot hold up who types either: what the guest does not take is lost. */
static void
input(struct sess *s, const void *p, size_t n, bool end)
{
	struct engine_guest *g = NULL;
	struct err e = ERR_INIT;

	if (n && (sess_handle(s, &g, &e) || engine_console_write(g, p, n, &e)))
		log_debug("session", "%s", e.msg);
	sess_grant(s, n);
}

static void
guest_left(struct sess *s)
{
	struct engine_guest *g = NULL;

	if (!sess_handle(s, &g, NULL) && engine_guest_state(g) != ENGINE_DOWN)
		return; /* it only stands still */
	sess_tell_fault(s, NULL);
	drop(s);
}

static const struct sess_ops serial_ops = {
	.credit = credit,
	.input = input,
	.guest_left = guest_left,
	.drop = drop,
};

int
sess_serial_open(struct sess_set *ss, const Drover__SessionOpen *o, struct err *e)
{
	struct serial_sess *x = xcalloc(1, sizeof(*x));
	struct engine_guest *g = NULL;
	size_t cap = o->serial->bytes;
	int rc;

	sess_init(&x->s, ss, &serial_ops, o);
	rc = sess_handle(&x->s, &g, e);
	if (!rc && engine_guest_state(g) == ENGINE_DOWN)
		rc = err_set(
		    e, ERR_BAD_STATE, "nobody is at its serial line: it is down");
	if (rc) {
		drop(&x->s);
		return rc;
	}
	x->buf = xmalloc(MAX_SESSION_WINDOW);
	x->n = engine_console_tail(
	    g, x->buf, cap < MAX_SESSION_WINDOW ? cap : MAX_SESSION_WINDOW);
	x->ear = (struct engine_ear){ .heard = on_heard, .arg = x };
	engine_console_listen(g, &x->ear);
	sess_grant(&x->s, IN_WINDOW);
	return 0;
}
