#include "shell/inside.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/json_peek.h"
#include "base/mem.h"
#include "base/str.h"
#include "shell/connect.h"
#include "shell/raw_tty.h"
#include "shell/ws.h"

#define SILENCE_MS  60000u /* the server says something every 15 s */
#define SEND_PIECE  8192u
#define SEND_ENOUGH 65536u /* wait to be sent */

struct stay {
	const struct inside *in;
	struct ws *ws;
	size_t credit; /* of input */
	bool in_ended, ended;
	int exit_code;
	uint64_t heard_ms;
	bool at_line_start, saw_tilde; /* "~." after a line's end gives up */
	bool gave_up;
	struct err err;
};

static uint64_t
now_ms(void)
{
	return clock_mono_ms(clock_system());
}

static uint64_t
number(const json *j, const char *key)
{
	uint64_t v = 0;

	json_read_u64(j, key, JSON_OPTIONAL, 0, INT64_MAX, &v, NULL);
	return v;
}

static void
take_end(struct stay *r, const json *j)
{
	const json *fault = json_get(j, "error");
	uint64_t sig = number(j, "signal");

	r->ended = true;
	r->exit_code = (int)(sig ? 128 + sig : number(j, "exit_code")) & 0xff;
	if (fault && json_what(fault) == JSON_IS_OBJECT)
		err_set(&r->err, err_from_name(json_peek_str(fault, "code")), "%s",
		    json_peek_str(fault, "message"));
}

static void
on_message(void *arg, enum ws_op op, const void *p, size_t n)
{
	struct stay *r = arg;
	AUTO(json) json *j = NULL;
	const uint8_t *b = p;
	const char *type;

	r->heard_ms = now_ms();
	if (op == WS_BINARY) {
		if (n && (b[0] == INSIDE_OUT || b[0] == INSIDE_ERR))
			r->in->out(r->in->arg, (enum inside_way)b[0], b + 1, n - 1);
		return;
	}
	if (json_parse(p, n, "message", &j, &r->err) || json_what(j) != JSON_IS_OBJECT)
		return;
	type = json_peek_str(j, "type");
	if (str_same(type, "credit"))
		r->credit += number(j, "bytes");
	else if (str_same(type, "end"))
		take_end(r, j);
}

static void
send_json(struct stay *r, const json *j)
{
	AUTO_FREE char *text = json_text(j);

	ws_send(r->ws, WS_TEXT, text, strlen(text));
}

static void
send_type(struct stay *r, const char *type)
{
	AUTO(json) json *j = json_new_object();

	json_set_str(j, "type", type);
	send_json(r, j);
}

static void
send_size(struct stay *r)
{
	AUTO(json) json *j = json_new_object();
	struct winsize w;

	if (ioctl(r->in->in_fd, TIOCGWINSZ, &w) < 0 || !w.ws_row || !w.ws_col)
		return;
	json_set_str(j, "type", "size");
	json_set_u64(j, "rows", w.ws_row);
	json_set_u64(j, "columns", w.ws_col);
	send_json(r, j);
}

/*
 * Copy to to what is for the guest of n bytes; returns how many.  A tilde that begins a
 * line is held back until it is known what it means: with a dot it gives up, a second
 * one stands for itself.
 */
static size_t
take_escapes(struct stay *r, const uint8_t *p, size_t n, uint8_t *to)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		if (r->saw_tilde && p[i] == '.') {
			r->gave_up = true;
			break;
		}
		if (r->at_line_start && p[i] == '~') {
			r->saw_tilde = true;
			r->at_line_start = false;
			continue;
		}
		if (r->saw_tilde)
			to[k++] = '~';
		if (!r->saw_tilde || p[i] != '~')
			to[k++] = p[i];
		r->saw_tilde = false;
		r->at_line_start = p[i] == '\r' || p[i] == '\n';
	}
	return k;
}

static void
read_input(struct stay *r)
{
	uint8_t buf[SEND_PIECE], frame[SEND_PIECE + 2] = { INSIDE_IN };
	size_t may = r->credit < SEND_PIECE ? r->credit : SEND_PIECE;
	ssize_t n = read(r->in->in_fd, buf, may - r->saw_tilde);
	size_t out;

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		r->in_ended = true;
		send_type(r, "end");
		return;
	}
	if (r->in->tty) {
		out = take_escapes(r, buf, (size_t)n, frame + 1);
	} else {
		out = (size_t)n;
		memcpy(frame + 1, buf, out);
	}
	if (out)
		ws_send(r->ws, WS_BINARY, frame, out + 1);
	r->credit -= out;
}

static int
wait_for_news(struct stay *r, uint64_t until_ms, struct err *e)
{
	bool reads =
	    !r->in_ended && r->credit > r->saw_tilde && ws_waiting(r->ws) < SEND_ENOUGH;
	struct pollfd fds[2] = {
		{ .fd = ws_fd(r->ws), .events = ws_events(r->ws) },
		{ .fd = reads ? r->in->in_fd : -1, .events = POLLIN },
	};
	uint64_t now = now_ms(), end = r->heard_ms + SILENCE_MS;

	end = until_ms && until_ms < end ? until_ms : end;
	if (until_ms && now >= until_ms)
		return err_set(
		    e, ERR_TIMEOUT, "the program did not end in time and was ended");
	if (now >= end)
		return err_set(e, ERR_LOST, "the server says nothing any more");
	const struct timespec wait = { (time_t)((end - now) / 1000),
		(long)((end - now) % 1000) * 1000000 };
	if (ppoll(fds, ARRAY_SIZE(fds), &wait, raw_tty_wait_mask()) < 0 &&
	    errno != EINTR)
		return err_sys(e, ERR_IO, errno, "waiting for the server");
	if (shell_interrupted())
		return err_set(e, ERR_CANCELLED, "interrupted");
	if (fds[1].revents)
		read_input(r);
	return 0;
}

static int
go_on(struct stay *r, struct err *e)
{
	uint64_t until = r->in->timeout_ms ? now_ms() + r->in->timeout_ms : 0;
	int rc = 0;

	if (r->in->in_fd < 0) {
		r->in_ended = true;
		send_type(r, "end");
	}
	while (!rc) {
		if (raw_tty_resized())
			send_size(r);
		rc = ws_turn(r->ws, e);
		if (r->ended)
			break;
		if (!rc && r->gave_up)
			rc = err_set(e, ERR_CANCELLED, "given up");
		if (!rc)
			rc = wait_for_news(r, until, e);
	}
	return r->ended ? 0 : rc;
}

static int
open_ws(struct shell *sh, struct stay *r, struct err *e)
{
	AUTO_FREE char *path = xasprintf("/api/v1/vms/%s/enter", r->in->vm);
	struct site *s;
	int rc = site_need(sh, &s, e);
	const struct ws_want w = { path, "drover.session.v1",
		rc || !s->token ? "" : secret_cstr(s->token) };

	return rc ? rc : ws_open(s->http, &w, on_message, r, &r->ws, e);
}

int
inside_run(struct shell *sh, const struct inside *in, struct inside_end *ret_end,
    struct err *e)
{
	struct stay r = { .in = in, .heard_ms = now_ms(), .at_line_start = true };
	int rc = open_ws(sh, &r, e);

	if (rc)
		return rc;
	if (in->tty)
		rc = raw_tty_begin(in->in_fd, e);
	send_json(&r, in->start);
	if (!rc)
		rc = go_on(&r, e);
	if (in->tty)
		raw_tty_end();
	ws_free(r.ws);
	if (!rc && r.err.code)
		rc = err_set(e, r.err.code, "%s", r.err.msg);
	if (!rc)
		ret_end->exit_code = r.exit_code;
	return rc;
}

json *
inside_start(const char *const *args, bool tty)
{
	json *j = json_new_object(), *list = json_new_array();

	for (size_t i = 0; args[i]; i++)
		json_add_str(list, args[i]);
	json_set_str(j, "type", "start");
	json_set_json(j, "args", list);
	json_set_bool(j, "tty", tty);
	return j;
}
