/*
 * A stream under way, in a thread of its own: bytes from the local socket go out as
 * frames, frames that come in go to the local socket.
 *
 *   DATA n   n bytes of content
 *   EOF      no more content follows (the local side shut down its writing)
 *   DONE     the other's EOF and all before it were taken by the local side here
 *   PING     nothing else was there to be said for a while
 *
 * Frames of our own say what TLS and TCP alone do not: that what was sent has been
 * taken, and that a peer which sends nothing is still there.  A peer whose local reader
 * is slow still pings; only silence while we listen is a stall.  TCP_USER_TIMEOUT would
 * not know the difference: it ends a connection whose window stays closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "host-agent/channel/channel_int.h"

#define FRAME_HEAD 4u
/* With its head sixteen whole TLS records. */
#define PIECE_MAX       (262144u - FRAME_HEAD)
#define RATE_US         1000000u
#define PINGS_A_STALL   4u
#define READS_A_TURN    64u
#define LINGER_US       2000000u
#define LOCAL_BUF_BYTES 1048576

enum frame_kind { FRAME_DATA = 1, FRAME_EOF, FRAME_DONE, FRAME_PING };

struct outgoing {
	uint8_t *buf;
	size_t at, n;   /* of the frame under way */
	size_t content; /* bytes of content in it */
	uint64_t not_before_us;
	uint64_t sent_us; /* something was taken by the connection last */
	bool local_eof;
	bool eof_sent, done_due, done_sent;
	short wants; /* of the connection, to go on; 0: nothing */
	bool local_dry;
};

struct incoming {
	uint8_t head[FRAME_HEAD];
	size_t n_head;
	size_t left; /* of the frame's content */
	uint8_t *buf;
	size_t at, n;
	uint64_t heard_us;
	bool eof, passed_on, done;
	short wants;
};

struct pump {
	struct relay *r;
	struct outgoing out;
	struct incoming in;
	uint64_t now_us;
	uint64_t rated_us, rated_in, rated_out;
	bool moved; /* in this turn */
};

/* ---- out ---- */

static void
begin_frame(struct outgoing *o, enum frame_kind kind, size_t content)
{
	o->buf[0] = (uint8_t)kind;
	o->buf[1] = (uint8_t)(content >> 16);
	o->buf[2] = (uint8_t)(content >> 8);
	o->buf[3] = (uint8_t)content;
	o->at = 0;
	o->n = FRAME_HEAD + content;
	o->content = content;
}

static size_t
piece(const struct pump *p)
{
	size_t own = pace_piece(&p->r->own, PIECE_MAX);

	return pace_piece(p->r->all, own);
}

static int
read_local(struct pump *p, struct err *e)
{
	struct outgoing *o = &p->out;
	ssize_t n = read(p->r->local_fd, o->buf + FRAME_HEAD, piece(p));

	o->local_dry = n < 0 && (errno == EAGAIN || errno == EINTR);
	if (n > 0)
		begin_frame(o, FRAME_DATA, (size_t)n);
	else if (n == 0)
		o->local_eof = true;
	else if (!o->local_dry)
		return err_sys(
		    e, ERR_LOST, errno, "%s: reading this host's end", p->r->wire.addr);
	return 0;
}

static uint64_t
ping_us(const struct pump *p)
{
	return UINT64_C(1000) * p->r->stall_ms / PINGS_A_STALL;
}

/* What is to be said next, if anything is. */
static int
choose_frame(struct pump *p, struct err *e)
{
	struct outgoing *o = &p->out;

	if (o->done_due && !o->done_sent) {
		o->done_sent = true;
		begin_frame(o, FRAME_DONE, 0);
		return 0;
	}
	if (!o->local_eof && p->now_us >= o->not_before_us) {
		int rc = read_local(p, e);

		if (rc || o->n)
			return rc;
	}
	if (o->local_eof && !o->eof_sent) {
		o->eof_sent = true;
		begin_frame(o, FRAME_EOF, 0);
	} else if (p->now_us - o->sent_us >= ping_us(p)) {
		begin_frame(o, FRAME_PING, 0);
	}
	return 0;
}

static void
frame_sent(struct pump *p)
{
	struct outgoing *o = &p->out;

	if (o->content) {
		uint64_t own = pace_take(&p->r->own, o->content, p->now_us);
		uint64_t all = pace_take(p->r->all, o->content, p->now_us);

		o->not_before_us = own > all ? own : all;
		p->r->out_bytes += o->content;
	}
	o->at = o->n = o->content = 0;
}

static int
pump_out(struct pump *p, struct err *e)
{
	struct outgoing *o = &p->out;
	int rc;

	o->wants = 0;
	if (!o->n) {
		rc = choose_frame(p, e);
		if (rc || !o->n)
			return rc;
	}
	while (o->at < o->n) {
		rc =
		    wire_write(&p->r->wire, o->buf + o->at, o->n - o->at, &o->wants, e);
		if (rc <= 0)
			return rc;
		o->at += (size_t)rc;
		o->sent_us = p->now_us;
		p->moved = true;
	}
	frame_sent(p);
	return 0;
}

/* ---- in ---- */

static int
begin_content(struct pump *p, struct err *e)
{
	struct incoming *in = &p->in;
	uint8_t kind = in->head[0];
	size_t n = (size_t)in->head[1] << 16 | (size_t)in->head[2] << 8 | in->head[3];

	in->n_head = 0;
	if (kind == FRAME_DATA && n && n <= PIECE_MAX && !in->eof)
		in->left = n;
	else if (kind == FRAME_EOF && !n && !in->eof)
		in->eof = true;
	else if (kind == FRAME_DONE && !n && p->out.eof_sent)
		in->done = true;
	else if (kind != FRAME_PING || n)
		return err_set(
		    e, ERR_CORRUPT, "%s: sent a frame that is none", p->r->wire.addr);
	return 0;
}

/* Behind EOF and DONE nothing comes but the end of the connection. */
static bool
listens(const struct incoming *in)
{
	return in->n < PIECE_MAX && !(in->eof && in->done);
}

/* One read from the connection, of a head or of content. */
static int
read_wire(struct pump *p, struct err *e)
{
	struct incoming *in = &p->in;
	size_t room = PIECE_MAX - in->n;
	int n;

	if (in->left) {
		n = wire_read(&p->r->wire, in->buf + in->n,
		    in->left < room ? in->left : room, &in->wants, e);
		if (n > 0) {
			in->n += (size_t)n;
			in->left -= (size_t)n;
		}
		return n;
	}
	n = wire_read(
	    &p->r->wire, in->head + in->n_head, FRAME_HEAD - in->n_head, &in->wants, e);
	if (n <= 0)
		return n;
	in->n_head += (size_t)n;
	if (in->n_head == FRAME_HEAD) {
		int rc = begin_content(p, e);

		if (rc)
			return rc;
	}
	return n;
}

static int
write_local(struct pump *p, struct err *e)
{
	struct incoming *in = &p->in;

	while (in->at < in->n) {
		ssize_t n = send(
		    p->r->local_fd, in->buf + in->at, in->n - in->at, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n < 0)
			return err_sys(e, ERR_LOST, errno,
			    "%s: writing to this host's end", p->r->wire.addr);
		in->at += (size_t)n;
		p->r->in_bytes += (uint64_t)n;
		p->moved = true;
	}
	in->at = in->n = 0;
	return 0;
}

static int
pump_in(struct pump *p, struct err *e)
{
	struct incoming *in = &p->in;
	unsigned reads = 0;
	int rc = 1;

	in->wants = 0;
	/* Bounded: a peer that sends pings alone, and never pauses, fills no buffer. */
	while (reads++ < READS_A_TURN && listens(in) && (rc = read_wire(p, e)) > 0) {
		in->heard_us = p->now_us;
		p->moved = true;
	}
	if (rc >= 0)
		rc = write_local(p, e);
	if (rc < 0)
		return rc;
	if (in->eof && !in->n && !in->passed_on) {
		in->passed_on = true;
		/* Whoever has closed it altogether needs no end of file. */
		(void)shutdown(p->r->local_fd, SHUT_WR);
		p->out.done_due = true;
	}
	return 0;
}

/* ---- turns ---- */

static void
note_rates(struct pump *p)
{
	struct relay *r = p->r;
	uint64_t us = p->now_us - p->rated_us;

	if (us < RATE_US)
		return;
	r->in_rate = (r->in_bytes - p->rated_in) * 1000000 / us;
	r->out_rate = (r->out_bytes - p->rated_out) * 1000000 / us;
	p->rated_in = r->in_bytes;
	p->rated_out = r->out_bytes;
	p->rated_us = p->now_us;
}

static bool
is_through(const struct pump *p)
{
	return p->in.passed_on && p->in.done && p->out.done_sent && !p->out.n;
}

static int
check_heard(struct pump *p, struct err *e)
{
	uint64_t stall_us = UINT64_C(1000) * p->r->stall_ms;

	/* Nobody is silent to one who does not listen. */
	if (!listens(&p->in))
		p->in.heard_us = p->now_us;
	if (p->now_us - p->in.heard_us < stall_us)
		return 0;
	return err_set(
	    e, ERR_LOST, "%s: silent for %u ms", p->r->wire.addr, p->r->stall_ms);
}

static bool
waits_for_pace(const struct pump *p)
{
	return !p->out.local_eof && p->out.not_before_us > p->now_us;
}

static uint64_t
next_us(const struct pump *p)
{
	uint64_t next = p->rated_us + RATE_US;
	uint64_t ping = p->out.sent_us + ping_us(p);
	uint64_t stall = p->in.heard_us + UINT64_C(1000) * p->r->stall_ms;

	if (!p->out.n && ping < next)
		next = ping;
	if (stall < next)
		next = stall;
	if (!p->out.n && waits_for_pace(p) && p->out.not_before_us < next)
		next = p->out.not_before_us;
	return next;
}

static void
wait_for_more(struct pump *p)
{
	const struct outgoing *o = &p->out;
	const struct incoming *in = &p->in;
	short wire = (short)((listens(in) ? POLLIN | in->wants : 0) | o->wants);
	short local = (short)(in->n ? POLLOUT : 0);
	uint64_t next = next_us(p);
	uint64_t us = next > p->now_us ? next - p->now_us : 0;
	const struct timespec ts = { (time_t)(us / 1000000),
		(long)(us % 1000000) * 1000 };

	if (!o->n && !o->local_eof && o->local_dry && !waits_for_pace(p))
		local |= POLLIN;
	/* One that nothing is wanted of would still report that it was hung up. */
	struct pollfd fds[] = {
		{ .fd = p->r->waker.fd, .events = POLLIN },
		{ .fd = wire ? p->r->wire.fd : -1, .events = wire },
		{ .fd = local ? p->r->local_fd : -1, .events = local },
	};
	if (ppoll(fds, ARRAY_SIZE(fds), &ts, NULL) > 0 && fds[0].revents) {
		waker_hush(&p->r->waker);
		/* The cap may be another one now. */
		p->out.not_before_us = 0;
	}
}

/* So that nothing unread here makes the kernel reset the connection before the peer has
 * read our last frame. */
static void
linger(struct pump *p)
{
	uint64_t until = clock_mono_us(clock_system()) + LINGER_US;
	short wants;

	(void)shutdown(p->r->wire.fd, SHUT_WR);
	while (!p->r->waker.stop && clock_mono_us(clock_system()) < until) {
		struct pollfd fds[] = {
			{ .fd = p->r->waker.fd, .events = POLLIN },
			{ .fd = p->r->wire.fd, .events = POLLIN },
		};
		int rc = wire_read(&p->r->wire, p->in.buf, PIECE_MAX, &wants, NULL);

		if (rc < 0)
			return;
		if (rc == 0 && poll(fds, 2, LINGER_US / 1000) == 0)
			return;
	}
}

static int
turn(struct pump *p, struct err *e)
{
	int rc;

	p->moved = false;
	p->now_us = clock_mono_us(clock_system());
	rc = pump_in(p, e);
	if (!rc)
		rc = pump_out(p, e);
	note_rates(p);
	if (!rc && !p->moved && !is_through(p))
		rc = check_heard(p, e);
	if (!rc && !p->moved && !is_through(p))
		wait_for_more(p);
	return rc;
}

static void
make_local_fit(int fd)
{
	int size = LOCAL_BUF_BYTES;

	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	/* The larger way is the administrator's alone; without it the stream is slower.
	 */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

int
relay_pump(struct relay *r, struct err *e)
{
	AUTO_FREE uint8_t *in = xmalloc(PIECE_MAX);
	AUTO_FREE uint8_t *out = xmalloc(FRAME_HEAD + PIECE_MAX);
	uint64_t now = clock_mono_us(clock_system());
	struct pump p = {
		.r = r,
		.out = { .buf = out, .sent_us = now },
		.in = { .buf = in, .heard_us = now },
		.now_us = now,
		.rated_us = now,
	};
	int rc = 0;

	make_local_fit(r->local_fd);
	while (!rc && !is_through(&p)) {
		if (r->waker.stop)
			return err_set(e, ERR_CANCELLED, "given up");
		rc = turn(&p, e);
	}
	r->in_rate = r->out_rate = 0;
	if (!rc)
		linger(&p);
	return rc;
}

/* ---- the thread ---- */

static void
tell(struct relay *r, enum note_kind kind, const struct err *e)
{
	struct note *n = xcalloc(1, sizeof(*n));

	n->kind = kind;
	n->stream = r->stream;
	n->was_up = r->was_up;
	if (e)
		n->e = *e;
	note_send(r->notes, n);
}

static void *
relay_thread(void *arg)
{
	struct relay *r = arg;
	struct err e = ERR_INIT;
	int rc = r->ctx ? relay_dial(r, &e) : relay_welcome(r, &e);

	if (!rc) {
		r->was_up = true;
		tell(r, NOTE_UP, NULL);
		rc = relay_pump(r, &e);
	}
	wire_close(&r->wire);
	close(r->local_fd);
	r->local_fd = -1;
	tell(r, NOTE_OVER, rc ? &e : NULL);
	return NULL;
}

int
relay_start(struct relay *r, struct err *e)
{
	sigset_t all, old;
	int rc = waker_open(&r->waker, e);

	if (rc)
		return rc;
	/* Signals are for the loop's thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&r->thread, NULL, relay_thread, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc) {
		waker_close(&r->waker);
		return err_sys(e, ERR_NO_CAPACITY, rc, "no thread for a stream");
	}
	pthread_setname_np(r->thread, "channel-stream");
	return 0;
}

void
relay_stop(struct relay *r)
{
	r->waker.stop = true;
	waker_ring(&r->waker);
}
