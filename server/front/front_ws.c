#include <stdio.h>
#include <string.h>

#include <libwebsockets.h>

#include "base/str.h"
#include "server/front/front_int.h"

#define WATCH_PATH "/api/v1/watch"
/* The core knows whether the guest between the two is there. */
#define SESSION_PATH_HEAD "/api/v1/vms/"
#define SESSION_PATH_TAIL "/enter"
/* Tell the core about written bytes at least this often. */
#define DRAIN_STEP ((size_t)64 * 1024)
/* How long a socket may take to say goodbye: who does not read never would. */
#define CLOSE_US (5 * LWS_US_PER_SEC)

/* A page may open a socket only to the server that it came from. */
static bool
origin_fits(const struct request *r)
{
	if (!r->origin)
		return r->authorization != NULL; /* no browser */
	return r->host && str_starts(r->origin, "https://") &&
	       !strcmp(r->origin + strlen("https://"), r->host);
}

static void
drop_frames(struct ws_sock *s)
{
	struct ws_frame *fr;

	while ((fr = LIST_FIRST(struct ws_frame, &s->frames, node)) != NULL) {
		list_remove(&fr->node);
		free(fr->buf);
		free(fr);
	}
}

/* What waits is worth nothing any more. */
static void
close_soon(struct ws_sock *s)
{
	s->closing = true;
	drop_frames(s);
	lws_set_timer_usecs(s->wsi, CLOSE_US);
	lws_callback_on_writable(s->wsi);
}

static void
tell_core(struct front *f, struct ws_sock *s, enum front_msg_kind kind)
{
	struct front_msg *m = xcalloc(1, sizeof(*m));

	m->kind = kind;
	m->ws = s->number;
	if (kind == MSG_WS_OPEN)
		m->req = MOVE(s->handshake);
	if (kind == MSG_WS_TEXT || kind == MSG_WS_BINARY) {
		m->text = MOVE(s->rx);
		m->n = s->rx_len;
		s->rx_len = 0;
	}
	if (kind == MSG_WS_DRAINED) {
		m->n = s->drained;
		s->drained = 0;
	}
	if (!front_to_core(f, m) && s->live)
		close_soon(s);
}

/* A socket's path and its subprotocol say the same. */
static bool
path_fits(const struct request *r, bool is_session)
{
	if (!is_session)
		return str_same(r->path, WATCH_PATH);
	return str_starts(r->path, SESSION_PATH_HEAD) &&
	       str_ends(r->path, SESSION_PATH_TAIL);
}

static int
check_handshake(struct lws *wsi, struct ws_sock *s)
{
	struct request *r = front_read_head(wsi);

	memset(s, 0, sizeof(*s));
	list_init(&s->frames);
	s->wsi = wsi;
	s->is_session = str_same(lws_get_protocol(wsi)->name, SESSION_PROTOCOL);
	if (r->fault || !path_fits(r, s->is_session) || !origin_fits(r)) {
		request_free(r);
		return -1;
	}
	s->handshake = r;
	return 0;
}

static void
opened(struct front *f, struct ws_sock *s)
{
	s->number = ++f->last_number;
	s->live = true;
	map_put(f->socks, s->number, s);
	tell_core(f, s, MSG_WS_OPEN);
}

static void
closed(struct front *f, struct ws_sock *s)
{
	drop_frames(s);
	request_free(MOVE(s->handshake));
	free(MOVE(s->rx));
	if (!s->live)
		return;
	s->live = false;
	map_del(f->socks, s->number);
	tell_core(f, s, MSG_WS_CLOSED);
}

static int
receive(struct front *f, struct ws_sock *s, const void *in, size_t len)
{
	bool binary = lws_frame_is_binary(s->wsi);

	if ((binary && !s->is_session) || s->rx_len + len > FRONT_MAX_WS_RX)
		return -1;
	s->rx = xrealloc(s->rx, s->rx_len + len + 1);
	memcpy(s->rx + s->rx_len, in, len);
	s->rx_len += len;
	s->rx[s->rx_len] = 0;
	if (lws_is_final_fragment(s->wsi) && !lws_remaining_packet_payload(s->wsi))
		tell_core(f, s, binary ? MSG_WS_BINARY : MSG_WS_TEXT);
	return 0;
}

static int
write_one(struct front *f, struct ws_sock *s)
{
	struct ws_frame *fr = LIST_FIRST(struct ws_frame, &s->frames, node);

	if (fr) {
		list_remove(&fr->node);
		int rc = lws_write(s->wsi, fr->buf + LWS_PRE, fr->n,
		    fr->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT);
		s->drained += fr->n;
		bool bad = rc < (int)fr->n;
		free(fr->buf);
		free(fr);
		if (bad)
			return -1;
		if (list_empty(&s->frames) || s->drained >= DRAIN_STEP)
			tell_core(f, s, MSG_WS_DRAINED);
	}
	if (!list_empty(&s->frames)) {
		lws_callback_on_writable(s->wsi);
		return 0;
	}
	if (!s->closing)
		return 0;
	lws_close_reason(s->wsi, s->close_code ? s->close_code : 1013,
	    (unsigned char *)s->close_reason, strlen(s->close_reason));
	return -1;
}

void
front_ws_frame(struct front *f, struct front_cmd *c)
{
	struct ws_sock *s = map_get(f->socks, c->ws);
	if (!s || s->closing)
		return;
	struct ws_frame *fr = xcalloc(1, sizeof(*fr));
	fr->buf = MOVE(c->buf);
	fr->n = c->n;
	fr->binary = c->binary;
	list_add_tail(&s->frames, &fr->node);
	lws_callback_on_writable(s->wsi);
}

void
front_ws_end(struct front *f, const struct front_cmd *c)
{
	struct ws_sock *s = map_get(f->socks, c->ws);
	if (!s)
		return;
	s->close_code = c->code;
	snprintf(s->close_reason, sizeof(s->close_reason), "%s", c->reason);
	close_soon(s);
}

void
front_ws_drain(struct front *f, const struct front_cmd *c)
{
	struct ws_sock *s = map_get(f->socks, c->ws);

	if (!s || s->closing)
		return;
	s->close_code = LWS_CLOSE_STATUS_NORMAL;
	s->closing = true;
	lws_set_timer_usecs(s->wsi, CLOSE_US);
	lws_callback_on_writable(s->wsi);
}

int
front_ws_callback(
    struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct front *f = lws_context_user(lws_get_context(wsi));
	struct ws_sock *s = user;

	switch ((int)reason) {
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		return check_handshake(wsi, s);
	case LWS_CALLBACK_ESTABLISHED:
		opened(f, s);
		return 0;
	case LWS_CALLBACK_RECEIVE:
		return receive(f, s, in, len);
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return write_one(f, s);
	case LWS_CALLBACK_TIMER:
		lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
		return 0;
	case LWS_CALLBACK_CLOSED:
		closed(f, s);
		return 0;
	case LWS_CALLBACK_WSI_DESTROY:
		if (s && s->handshake)
			closed(f, s);
		return 0;
	default:
		return 0;
	}
}
