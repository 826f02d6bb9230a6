#include "host-agent/session/sess.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "host-agent/session/sess_int.h"
#include "proto/msg.h"

#define S(x) DROVER__SESSION_OPEN__WHAT_##x

struct sess_set *
sess_set_new(const struct sess_conf *c)
{
	struct sess_set *ss = xcalloc(1, sizeof(*ss));

	ss->conf = *c;
	list_init(&ss->all);
	return ss;
}

void
sess_link_down(struct sess_set *ss)
{
	LIST_EACH_SAFE(struct sess, s, &ss->all, node) {
		log_info(
		    "session", "session %" PRIu64 " ends with the link", s->number);
		s->ops->drop(s);
	}
}

void
sess_set_free(struct sess_set *ss)
{
	if (!ss)
		return;
	LIST_EACH_SAFE(struct sess, s, &ss->all, node) {
		s->ops->drop(s);
	}
	free(ss);
}

size_t
sess_count(const struct sess_set *ss)
{
	size_t n = 0;

	LIST_EACH(const struct sess, s, &ss->all, node) {
		n++;
	}
	return n;
}

/* ---- for the kinds ---- */

void
sess_init(struct sess *s, struct sess_set *ss, const struct sess_ops *ops,
    const Drover__SessionOpen *o)
{
	s->magic = SESS_MAGIC;
	s->set = ss;
	s->ops = ops;
	s->number = o->session;
	s->guest = o->guest;
	list_add_tail(&ss->all, &s->node);
}

void
sess_fini(struct sess *s)
{
	list_remove(&s->node);
	s->set = NULL;
	s->magic = 0;
}

int
sess_handle(const struct sess *s, struct engine_guest **ret_g, struct err *e)
{
	const struct sess_conf *c = &s->set->conf;

	return c->find(c->arg, s->guest, ret_g, e);
}

static bool
send_message(struct sess_set *ss, uint64_t number, Drover__Envelope *m)
{
	struct err e = ERR_INIT;

	if (!ss->conf.send(ss->conf.arg, m, &e))
		return true;
	log_debug("session", "session %" PRIu64 ": %s", number, e.msg);
	return false;
}

/* The message keeps no const. */
static ProtobufCBinaryData
bytes_of(const void *p, size_t n)
{
	union {
		const void *in;
		uint8_t *out;
	} u = { .in = p };

	return (ProtobufCBinaryData){ n, u.out };
}

bool
sess_send(struct sess *s, enum sess_way way, const void *p, size_t n, bool end)
{
	Drover__SessionData d = DROVER__SESSION_DATA__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	ASSERT(n <= s->may_send[way] && n <= MAX_SESSION_FRAME);
	s->may_send[way] -= n;
	d.session = s->number;
	d.stream = (Drover__SessionStream)way;
	d.data = bytes_of(p, n);
	d.end = end;
	m.body_case = DROVER__ENVELOPE__BODY_SESSION_DATA;
	m.session_data = &d;
	return send_message(s->set, s->number, &m);
}

void
sess_grant(struct sess *s, size_t n)
{
	Drover__SessionCredit c = DROVER__SESSION_CREDIT__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	if (!n || s->in_ended)
		return;
	s->granted += n;
	c.session = s->number;
	c.stream = DROVER__SESSION_STREAM__SESSION_IN;
	c.bytes = (uint32_t)n;
	m.body_case = DROVER__ENVELOPE__BODY_SESSION_CREDIT;
	m.session_credit = &c;
	(void)send_message(s->set, s->number, &m);
}

static void
send_end(struct sess_set *ss, Drover__SessionEnd *end)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	m.body_case = DROVER__ENVELOPE__BODY_SESSION_END;
	m.session_end = end;
	(void)send_message(ss, end->session, &m);
}

void
sess_tell_exit(struct sess *s, int status)
{
	Drover__SessionEnd end = DROVER__SESSION_END__INIT;

	end.session = s->number;
	if (WIFSIGNALED(status))
		end.signal = (uint32_t)WTERMSIG(status);
	else
		end.exit_code = (uint32_t)WEXITSTATUS(status);
	send_end(s->set, &end);
}

static void
tell_fault(struct sess_set *ss, uint64_t number, const struct err *e)
{
	Drover__SessionEnd end = DROVER__SESSION_END__INIT;

	end.session = number;
	end.fault = e ? msg_fault(e) : NULL;
	send_end(ss, &end);
	if (end.fault)
		drover__fault__free_unpacked(end.fault, NULL);
}

void
sess_tell_fault(struct sess *s, const struct err *e)
{
	tell_fault(s->set, s->number, e);
}

/* ---- messages ---- */

static struct sess *
find(const struct sess_set *ss, uint64_t number)
{
	LIST_EACH(struct sess, s, &ss->all, node) {
		if (s->number == number)
			return s;
	}
	return NULL;
}

/* The other side breaks the rules: what it wanted is ended. */
static void
cut(struct sess *s, const struct err *e)
{
	log_warn("session", "session %" PRIu64 " is cut: %s", s->number, e->msg);
	sess_tell_fault(s, e);
	s->ops->drop(s);
}

static int
check_room(const struct sess_set *ss, const Drover__SessionOpen *o, struct err *e)
{
	unsigned all = 0, of_guest = 0;

	LIST_EACH(const struct sess, s, &ss->all, node) {
		all++;
		of_guest += s->guest == o->guest;
	}
	if (all >= MAX_SESSIONS)
		return err_set(
		    e, ERR_BUSY, "this host serves %u sessions already", all);
	if (of_guest >= MAX_SESSIONS_PER_GUEST)
		return err_set(e, ERR_BUSY, "%u sessions are in it already", of_guest);
	return 0;
}

static int
open_kind(struct sess_set *ss, const Drover__SessionOpen *o, struct err *e)
{
	switch (o->what_case) {
	case S(EXEC):
		return sess_exec_open(ss, o, e);
	case S(GET):
		return sess_get_open(ss, o, e);
	case S(PUT):
		return sess_put_open(ss, o, e);
	case S(LOG):
		return sess_log_open(ss, o, e);
	case S(PICTURE):
		return sess_picture_open(ss, o, e);
	case S(SCREEN):
		return sess_screen_open(ss, o, e);
	case S(SERIAL):
		return sess_serial_open(ss, o, e);
	case S(_NOT_SET):
	case _DROVER__SESSION_OPEN__WHAT__CASE_IS_INT_SIZE:
		break;
	}
	return err_set(e, ERR_UNSUPPORTED, "no session of that kind is known here");
}

static void
on_open(struct sess_set *ss, const Drover__SessionOpen *o)
{
	struct err e = ERR_INIT;
	struct sess *twin = find(ss, o->session);
	int rc;

	/* Whom the messages that follow belong to could not be told any more. */
	if (twin) {
		err_set(
		    &e, ERR_EXISTS, "session %" PRIu64 " was opened twice", o->session);
		cut(twin, &e);
		return;
	}
	rc = check_room(ss, o, &e);
	if (!rc)
		rc = open_kind(ss, o, &e);
	if (!rc)
		return;
	err_wrap(&e, "vm-%" PRIu64, o->guest);
	log_info("session", "session %" PRIu64 ": %s", o->session, e.msg);
	tell_fault(ss, o->session, &e);
}

static void
on_data(struct sess_set *ss, const Drover__SessionData *d)
{
	struct sess *s = find(ss, d->session);
	struct err e = ERR_INIT;

	if (!s)
		return; /* it has ended meanwhile, and its end is on the way */
	if (d->stream != DROVER__SESSION_STREAM__SESSION_IN)
		err_set(&e, ERR_INVALID, "data came on a stream that goes out");
	else if (s->in_ended)
		err_set(&e, ERR_INVALID, "data came after the end of its stream");
	else if (d->data.len > s->granted)
		err_set(&e, ERR_TOO_LARGE,
		    "%zu bytes came where %" PRIu64 " were granted", d->data.len,
		    s->granted);
	if (e.code) {
		cut(s, &e);
		return;
	}
	s->granted -= d->data.len;
	s->in_ended = d->end;
	s->ops->input(s, d->data.data, d->data.len, d->end);
}

static void
on_credit(struct sess_set *ss, const Drover__SessionCredit *c)
{
	struct sess *s = find(ss, c->session);
	struct err e = ERR_INIT;
	enum sess_way way = (enum sess_way)c->stream;

	if (!s)
		return;
	if (way != SESS_OUT && way != SESS_ERR) {
		err_set(&e, ERR_INVALID, "credit came for a stream that comes in");
		cut(s, &e);
		return;
	}
	s->may_send[way] += c->bytes;
	s->ops->credit(s, way);
}

void
sess_message(struct sess_set *ss, const Drover__Envelope *m)
{
	struct sess *s;

	switch ((int)m->body_case) {
	case DROVER__ENVELOPE__BODY_SESSION_OPEN:
		on_open(ss, m->session_open);
		break;
	case DROVER__ENVELOPE__BODY_SESSION_DATA:
		on_data(ss, m->session_data);
		break;
	case DROVER__ENVELOPE__BODY_SESSION_CREDIT:
		on_credit(ss, m->session_credit);
		break;
	case DROVER__ENVELOPE__BODY_SESSION_SIZE:
		s = find(ss, m->session_size->session);
		if (s && s->ops->size)
			s->ops->size(
			    s, m->session_size->rows, m->session_size->columns);
		break;
	case DROVER__ENVELOPE__BODY_SESSION_END:
		s = find(ss, m->session_end->session);
		if (s)
			s->ops->drop(s);
		break;
	default:
		break;
	}
}

void
sess_guests_changed(struct sess_set *ss)
{
	LIST_EACH_SAFE(struct sess, s, &ss->all, node) {
		struct engine_guest *g = NULL;

		if (s->ops->guest_left && (sess_handle(s, &g, NULL) ||
					      engine_guest_state(g) != ENGINE_RUNNING))
			s->ops->guest_left(s);
	}
}
