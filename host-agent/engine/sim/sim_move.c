#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/assert.h"
#include "base/mem.h"
#include "host-agent/engine/sim/sim_int.h"
#include "loop/timer.h"

/*
 * An invented guest goes over its stream as how many bytes it has, then these.  The
 * last one leaves when the guest has stopped for good, as with a real engine.
 */
#define BYTES_A_MB  1024u /* of memory, in the stream */
#define STREAM_MAX  (4u << 20)
#define PIECE_BYTES 4096u
#define PIECES      16 /* about as many a move, unless it is large */
#define BUSY_MS     1  /* the stream takes no more at the moment */
#define LAST_BYTE   'E'

static void
stream_close(struct sim_stream *t)
{
	if (t->ready)
		event_free(MOVE(t->ready));
	if (t->fd >= 0)
		close(MOVE_FD(t->fd));
}

void
sim_move_drop(struct sim_guest *s)
{
	timer_stop(s->pump);
	stream_close(&s->stream);
}

static uint64_t
stream_bytes(const struct sim_guest *s)
{
	uint64_t n = s->memory_mb * BYTES_A_MB;

	return n < STREAM_MAX ? n : STREAM_MAX;
}

/* ---- out ---- */

static void
stay(struct sim_guest *s, int code, const char *why)
{
	struct err e = ERR_INIT;

	sim_move_drop(s);
	s->g.progress.phase = "";
	sim_set_state(s, s->was_running ? ENGINE_RUNNING : ENGINE_PAUSED);
	err_set(&e, code, "vm-%" PRIu64 " stays: %s", s->g.number, why);
	engine_done(&s->g, e.code, &e);
}

/* What is noted before the last byte leaves holds even if nobody sees it leave. */
static void
give(struct sim_guest *s)
{
	const char last = LAST_BYTE;
	struct engine_progress *p = &s->g.progress;

	sim_set_state(s, ENGINE_GIVEN);
	if (send(s->stream.fd, &last, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) {
		stay(s, ERR_LOST, "the way to the target broke");
		return;
	}
	sim_move_drop(s);
	p->phase = "";
	p->done_bytes = p->total_bytes;
	p->total_ms = loop_now_ms(s->g.engine->loop) - s->left_ms;
	p->downtime_ms = 1;
	engine_done(&s->g, 0, NULL);
}

static ssize_t
send_piece(struct sim_stream *t)
{
	char piece[PIECE_BYTES] = { 0 };
	uint64_t left = t->total - t->at - 1;
	size_t n = left < sizeof(piece) ? (size_t)left : sizeof(piece);
	uint64_t total = t->total;

	if (t->at < sizeof(t->head)) {
		memcpy(piece, &total, sizeof(total));
		n = sizeof(total);
	}
	return send(t->fd, piece, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
give_up(struct sim_guest *s)
{
	AUTO_FREE char *why = NULL;

	why = xasprintf("given up after %u ms: its memory changes faster than it gets "
			"across",
	    s->give_up_ms);
	stay(s, ERR_TIMEOUT, why);
}

static void
pump_out(struct sim_guest *s)
{
	struct sim_stream *t = &s->stream;
	uint64_t gone_ms = loop_now_ms(s->g.engine->loop) - s->left_ms;
	ssize_t n;

	if (s->fault == SIM_CRASH) {
		sim_crash(s);
		return;
	}
	if (s->give_up_ms && gone_ms >= s->give_up_ms) {
		give_up(s);
		return;
	}
	s->g.progress.phase = "copying memory";
	n = t->at + 1 == t->total ? 0 : send_piece(t);
	if (n < 0 && errno != EAGAIN) {
		stay(s, ERR_LOST, "the way to the target broke");
		return;
	}
	if (n > 0)
		t->at += (uint64_t)n;
	s->g.progress.done_bytes = t->at;
	if (t->at + 1 == t->total && !s->held_back) {
		give(s);
		return;
	}
	timer_after(s->pump, n < 0 ? BUSY_MS : s->pace_ms);
}

int
sim_op_move_out(struct engine_guest *g, const struct engine_departure *d, struct err *e)
{
	struct sim_guest *s = sim_guest_of(g);
	uint64_t ms = 0;
	int rc;

	if (d->memory_fd < 0)
		return err_set(e, ERR_INVALID, "there is no stream for its memory");
	rc = sim_run(s, s->sim->start_ms, &ms, e);
	if (rc)
		return rc;
	timer_stop(s->timer);
	s->stream = (struct sim_stream){ .fd = fcntl(d->memory_fd, F_DUPFD_CLOEXEC, 3),
		.total = stream_bytes(s) + sizeof(s->stream.head) + 1 };
	s->was_running = g->state == ENGINE_RUNNING;
	s->held_back = s->fault == SIM_LOST;
	s->left_ms = loop_now_ms(g->engine->loop);
	s->pace_ms = (uint32_t)(ms / PIECES);
	s->give_up_ms = d->give_up_ms;
	g->progress.total_bytes = s->stream.total;
	sim_set_state(s, ENGINE_LEAVING);
	timer_after(s->pump, s->pace_ms);
	return 0;
}

void
sim_op_move_cancel(struct engine_guest *g)
{
	struct sim_guest *s = sim_guest_of(g);

	if (g->state == ENGINE_LEAVING)
		stay(s, ERR_CANCELLED, "the move was cancelled");
}

/* ---- in ---- */

static void
tell_waiter(struct sim_guest *s, int rc, const struct err *e)
{
	if (s->g.busy && s->g.verb == ENGINE_MOVE_WAIT)
		engine_done(&s->g, rc, e);
}

static void
not_whole(struct sim_guest *s)
{
	struct err e = ERR_INIT;

	sim_move_drop(s);
	sim_end(s, ENGINE_END_DIED, "the way from the source broke");
	err_set(&e, ERR_LOST, "vm-%" PRIu64 " did not come whole: %s", s->g.number,
	    s->g.reason);
	tell_waiter(s, e.code, &e);
}

static void
whole(struct sim_guest *s)
{
	sim_move_drop(s);
	s->started_ms = loop_now_ms(s->g.engine->loop);
	sim_set_state(s, s->was_running ? ENGINE_RUNNING : ENGINE_PAUSED);
	tell_waiter(s, 0, NULL);
}

static void
take_head(struct sim_stream *t, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n && t->at + i < sizeof(t->head); i++)
		t->head[t->at + i] = p[i];
	t->at += n;
	if (t->at >= sizeof(t->head))
		memcpy(&t->total, t->head, sizeof(t->total));
}

static void
pump_in(struct sim_guest *s)
{
	struct sim_stream *t = &s->stream;
	unsigned char piece[PIECE_BYTES];
	ssize_t n = recv(t->fd, piece, sizeof(piece), MSG_DONTWAIT);

	if (n > 0)
		take_head(t, piece, (size_t)n);
	if (n > 0 && t->total && t->at == t->total && piece[n - 1] == LAST_BYTE)
		whole(s);
	else if (n == 0 || (n < 0 && errno != EAGAIN))
		not_whole(s);
	else
		event_add(t->ready, NULL);
}

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct sim_guest *s = arg;

	timer_after(s->pump, 0);
}

int
sim_op_move_in(struct engine_guest *g, const struct engine_boot *b,
    const struct engine_arrival *a, struct err *e)
{
	struct sim_guest *s = sim_guest_of(g);
	AUTO(json) json *o = NULL;
	int rc = json_parse((const char *)a->shape, a->n_shape, "shape", &o, e);

	if (!rc && json_what(o) != JSON_IS_OBJECT)
		rc = err_set(e, ERR_CORRUPT, "shape: wants an object");
	if (!rc)
		rc = sim_read_sizes(s, o, e);
	if (!rc && a->memory_fd < 0)
		rc = err_set(e, ERR_INVALID, "there is no stream for its memory");
	if (!rc)
		rc = sim_quick(g, e);
	if (rc)
		return rc;
	s->stream =
	    (struct sim_stream){ .fd = fcntl(a->memory_fd, F_DUPFD_CLOEXEC, 3) };
	s->stream.ready =
	    event_new(loop_base(g->engine->loop), s->stream.fd, EV_READ, on_ready, s);
	ASSERT(s->stream.ready && !event_add(s->stream.ready, NULL));
	s->was_running = a->run;
	sim_guard_set(s, b->guard_until_us);
	engine_set_state(g, ENGINE_ARRIVING, "");
	return 0;
}

int
sim_op_move_wait(struct engine_guest *g, struct err *e)
{
	if (g->state == ENGINE_ARRIVING)
		return 0;
	return err_set(e, ERR_LOST, "vm-%" PRIu64 " has not come%s%s", g->number,
	    *g->reason ? ": " : "", g->reason);
}

/* ---- the rest ---- */

int
sim_op_move_offer(struct engine_guest *g, struct err *e)
{
	struct sim_guest *s = sim_guest_of(g);
	AUTO(json) json *o = sim_sizes_json(s);

	g->offer.shape = (uint8_t *)json_text(o);
	g->offer.n_shape = strlen((char *)g->offer.shape);
	g->offer.memory_bytes = s->memory_mb << 20;
	return sim_quick(g, e);
}

int
sim_op_adopt_moving(struct engine_guest *g, const Drover__GuestSpec *spec,
    enum engine_moving how, bool run, struct err *e)
{
	return g->engine->ops->adopt(g, spec, e);
}

static void
on_pump(void *arg)
{
	struct sim_guest *s = arg;

	if (s->g.state == ENGINE_LEAVING)
		pump_out(s);
	else if (s->g.state == ENGINE_ARRIVING)
		pump_in(s);
}

void
sim_move_init(struct sim_guest *s)
{
	s->stream.fd = -1;
	s->pump = timer_new(s->g.engine->loop, on_pump, s);
}

void
sim_move_fini(struct sim_guest *s)
{
	sim_move_drop(s);
	timer_free(s->pump);
}
