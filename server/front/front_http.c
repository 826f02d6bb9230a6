#include <stdio.h>
#include <string.h>

#include <libwebsockets.h>

#include "base/clock.h"
#include "base/rng.h"
#include "base/str.h"
#include "server/front/front_int.h"

/* How long the core may take: its longest wait is a task poll of a minute. */
#define ANSWER_SECS 90
#define WRITE_MAX   16384u
#define CHUNK_FRAME 16u /* what stands around a chunk */

#define CSP                                                             \
	"default-src 'none'; script-src 'self'; img-src 'self' data:; " \
	"font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "

/* The terminal's document alone may stand in a frame, of ours, and make its own styles.
 */
static const struct {
	const char *csp, *frames;
} rules[] = {
	[FRONT_PAGE] = { CSP
	    "style-src 'self'; frame-src 'self'; frame-ancestors 'none'",
	    "DENY" },
	[FRONT_FRAMED] = { CSP
	    "style-src 'self' 'unsafe-inline'; frame-ancestors 'self'",
	    "SAMEORIGIN" },
};

static char *
header(struct lws *wsi, enum lws_token_indexes token)
{
	int n = lws_hdr_total_length(wsi, token);
	if (n <= 0)
		return NULL;
	char *s = xmalloc((size_t)n + 1);
	if (lws_hdr_copy(wsi, s, n + 1, token) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

static char *
custom_header(struct lws *wsi, const char *name)
{
	int n = lws_hdr_custom_length(wsi, name, (int)strlen(name));
	if (n <= 0)
		return NULL;
	char *s = xmalloc((size_t)n + 1);
	if (lws_hdr_custom_copy(wsi, s, n + 1, name, (int)strlen(name)) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

static const struct {
	enum lws_token_indexes token;
	enum http_method method;
} method_tokens[] = {
	{ WSI_TOKEN_GET_URI, HTTP_GET },
	{ WSI_TOKEN_POST_URI, HTTP_POST },
	{ WSI_TOKEN_PUT_URI, HTTP_PUT },
	{ WSI_TOKEN_PATCH_URI, HTTP_PATCH },
	{ WSI_TOKEN_DELETE_URI, HTTP_DELETE },
	{ WSI_TOKEN_HEAD_URI, HTTP_GET },
	{ WSI_TOKEN_OPTIONS_URI, HTTP_OTHER },
};

static bool
is_text(const char *s)
{
	return !s || utf8_valid(s, strlen(s));
}

/* Bytes that are no text would come to harm further in, and an argument that is left
 * out would make another request of it. */
static const char *
fault_of(const struct request *r)
{
	bool clean = is_text(r->path) && is_text(r->op_id);

	for (size_t i = 0; i < r->n_args; i++)
		clean = clean && is_text(r->args[i].name) && is_text(r->args[i].value);
	if (!clean)
		return "path, query and X-Drover-Op must be UTF-8";
	if (r->n_args > FRONT_MAX_ARGS)
		return "the query has too many arguments";
	return NULL;
}

static void
read_args(struct lws *wsi, struct request *r)
{
	char frag[MAX_HEADERS];

	for (int i = 0; r->n_args <= FRONT_MAX_ARGS; i++) {
		if (lws_hdr_copy_fragment(
			wsi, frag, sizeof(frag), WSI_TOKEN_HTTP_URI_ARGS, i) < 0)
			return;
		request_add_arg(r, frag);
	}
}

struct request *
front_read_head(struct lws *wsi)
{
	struct request *r = request_new();
	uint8_t raw[8];

	r->method = HTTP_OTHER;
	for (size_t i = 0; i < ARRAY_SIZE(method_tokens) && !r->path; i++) {
		r->path = header(wsi, method_tokens[i].token);
		r->method = method_tokens[i].method;
	}
	if (!r->path)
		r->path = xstrdup("/");
	read_args(wsi, r);
	r->authorization = header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION);
	r->cookie = header(wsi, WSI_TOKEN_HTTP_COOKIE);
	r->origin = header(wsi, WSI_TOKEN_ORIGIN);
	r->host = header(wsi, WSI_TOKEN_HOST);
	r->content_type = header(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE);
	r->accept = header(wsi, WSI_TOKEN_HTTP_ACCEPT);
	r->accept_encoding = header(wsi, WSI_TOKEN_HTTP_ACCEPT_ENCODING);
	r->if_match = header(wsi, WSI_TOKEN_HTTP_IF_MATCH);
	if (!r->if_match)
		r->if_match = header(wsi, WSI_TOKEN_HTTP_IF_RANGE);
	r->csrf = custom_header(wsi, "x-drover-csrf:");
	r->op_id = custom_header(wsi, "x-drover-op:");
	lws_get_peer_simple(wsi, r->peer, sizeof(r->peer));
	rng_secret(raw, sizeof(raw));
	memcpy(r->id, "r-", 2);
	hex_encode(raw, sizeof(raw), r->id + 2);
	r->fault = fault_of(r);
	r->received_us = clock_mono_us(clock_system());
	return r;
}

int
front_add_header(struct lws *wsi, const char *name, const char *value,
    unsigned char **p, unsigned char *end)
{
	return lws_add_http_header_by_name(wsi, (const unsigned char *)name,
	    (const unsigned char *)value, (int)strlen(value), p, end);
}

int
front_add_headers(struct lws *wsi, int status, const char *type, enum front_page page,
    unsigned char **p, unsigned char *end)
{
	const struct {
		const char *name, *value;
	} always[] = {
		{ "x-content-type-options:", "nosniff" },
		{ "x-frame-options:", rules[page].frames },
		{ "referrer-policy:", "no-referrer" },
		{ "content-security-policy:", rules[page].csp },
		{ "cross-origin-opener-policy:", "same-origin" },
	};

	if (lws_add_http_header_status(wsi, (unsigned)status, p, end))
		return -1;
	if (type && front_add_header(wsi, "content-type:", type, p, end))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(always); i++)
		if (front_add_header(wsi, always[i].name, always[i].value, p, end))
			return -1;
	return 0;
}

static int
add_length(struct lws *wsi, size_t len, unsigned char **p, unsigned char *end)
{
	return lws_add_http_header_content_length(wsi, len, p, end) ? -1 : 0;
}

/* Where an answer in pieces ends its last chunk says, and to HTTP/1.0 the end of the
 * connection. */
static int
add_pieces(struct http_conn *c, unsigned char **p, unsigned char *end)
{
	AUTO_FREE char *version = header(c->wsi, WSI_TOKEN_HTTP);

	c->chunked = version && str_same(version, "HTTP/1.1");
	if (c->chunked)
		return front_add_header(
		    c->wsi, "transfer-encoding:", "chunked", p, end);
	c->last = true;
	return front_add_header(c->wsi, "connection:", "close", p, end);
}

static int
send_head(
    struct http_conn *c, unsigned char **p, unsigned char *start, unsigned char *end)
{
	if (lws_finalize_write_http_header(c->wsi, start, p, end))
		return -1;
	c->head_sent = true;
	lws_callback_on_writable(c->wsi);
	return 0;
}

static int
send_reply_head(struct http_conn *c)
{
	unsigned char buf[LWS_PRE + 4096], *start = buf + LWS_PRE, *p = start,
					   *end = buf + sizeof(buf) - 1;
	const struct response *r = c->resp;
	char secs[16];

	if (front_add_headers(
		c->wsi, r->status, r->content_type, FRONT_PAGE, &p, end) ||
	    (r->in_pieces ? add_pieces(c, &p, end)
			  : add_length(c->wsi, r->body_len, &p, end)))
		return -1;
	if (front_add_header(c->wsi, "cache-control:", "no-store", &p, end) ||
	    front_add_header(c->wsi, "x-request-id:", r->request_id, &p, end))
		return -1;
	if (r->set_cookie &&
	    front_add_header(c->wsi, "set-cookie:", r->set_cookie, &p, end))
		return -1;
	for (size_t i = 0; i < r->n_headers; i++)
		if (front_add_header(
			c->wsi, r->headers[i].name, r->headers[i].value, &p, end))
			return -1;
	snprintf(secs, sizeof(secs), "%u", r->retry_after_s);
	if (r->retry_after_s && front_add_header(c->wsi, "retry-after:", secs, &p, end))
		return -1;
	c->out = r->body;
	c->out_len = c->head_only ? 0 : r->body_len;
	return send_head(c, &p, start, end);
}

static bool
accepts_gzip(struct lws *wsi)
{
	AUTO_FREE char *s = header(wsi, WSI_TOKEN_HTTP_ACCEPT_ENCODING);

	return s && strstr(s, "gzip");
}

static int
send_file_head(struct http_conn *c)
{
	unsigned char buf[LWS_PRE + 4096], *start = buf + LWS_PRE, *p = start,
					   *end = buf + sizeof(buf) - 1;
	const struct front_file *f = c->file;
	AUTO_FREE char *known = header(c->wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH);
	bool same = known && strstr(known, f->etag);
	bool gz = f->gz && accepts_gzip(c->wsi);

	c->out = same ? NULL : gz ? f->gz : f->data;
	c->out_len = same ? 0 : gz ? f->gz_n : f->n;
	if (front_add_headers(c->wsi, same ? 304 : 200, f->type, f->page, &p, end) ||
	    add_length(c->wsi, c->out_len, &p, end))
		return -1;
	if (gz && !same &&
	    front_add_header(c->wsi, "content-encoding:", "gzip", &p, end))
		return -1;
	if (c->head_only)
		c->out_len = 0;
	if (front_add_header(c->wsi, "etag:", f->etag, &p, end) ||
	    front_add_header(c->wsi, "vary:", "accept-encoding", &p, end) ||
	    front_add_header(c->wsi, "cache-control:",
		f->hashed ? "public, max-age=31536000, immutable" : "no-cache", &p,
		end))
		return -1;
	return send_head(c, &p, start, end);
}

static bool
tell_core(struct front *f, const struct http_conn *c, enum front_msg_kind kind)
{
	struct front_msg *m = xcalloc(1, sizeof(*m));

	m->kind = kind;
	m->ws = c->number;
	return front_to_core(f, m);
}

static void
forget(struct front *f, struct http_conn *c)
{
	if (c->resp && c->resp->in_pieces && !c->piece_last)
		(void)tell_core(f, c, MSG_REPLY_CLOSED);
	if (c->number)
		map_del(f->conns, c->number);
	request_free(c->req);
	response_free(c->resp);
	struct lws *wsi = c->wsi;
	memset(c, 0, sizeof(*c));
	c->wsi = wsi;
}

/* An answer that the front gives itself, as the API would. */
static int
refuse(struct front *f, struct http_conn *c, int status, const char *code,
    const char *text)
{
	char *body = xasprintf("{\"error\":{\"code\":\"%s\",\"message\":\"%s\","
			       "\"request_id\":\"%s\"}}",
	    code, text, c->req->id);

	c->resp = response_new(c->req, status, "application/json", body, strlen(body));
	c->dispatched = true;
	return send_reply_head(c);
}

static int
dispatch(struct front *f, struct http_conn *c)
{
	struct front_msg *m = xcalloc(1, sizeof(*m));

	if (c->dispatched) {
		free(m);
		return 0;
	}
	c->dispatched = true;
	c->last = false;
	c->number = ++f->last_number;
	c->req->conn = c->number;
	map_put(f->conns, c->number, c);
	m->kind = MSG_REQUEST;
	m->req = MOVE(c->req);
	lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_OK, ANSWER_SECS);
	/* A full queue means that the core is far behind: drop the connection. */
	return front_to_core(f, m) ? 0 : -1;
}

static bool
is_for_core(const char *path)
{
	return str_starts(path, "/api/") || !strcmp(path, "/metrics") ||
	       str_starts(path, "/metrics/") || !strcmp(path, "/healthz");
}

static int
body_length(struct lws *wsi, uint64_t *ret_n)
{
	AUTO_FREE char *s = header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH);

	*ret_n = 0;
	return s ? parse_u64(s, 0, UINT64_MAX, "content-length", ret_n, NULL) : 0;
}

static int
refuse_large(struct front *f, struct http_conn *c)
{
	return refuse(f, c, 413, "too_large", "the body is over 1 MiB");
}

static int
send_page(struct front *f, struct http_conn *c)
{
	c->dispatched = true;
	if (c->req->method == HTTP_GET)
		c->file = front_file_find(f->files, c->req->path);
	return c->file ? send_file_head(c)
		       : refuse(f, c, 404, "not_found", "there is no such page");
}

static bool
may_have_body(struct lws *wsi)
{
	return lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0 ||
	       lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0;
}

static int
begin(struct front *f, struct http_conn *c, struct lws *wsi)
{
	forget(f, c);
	c->wsi = wsi;
	c->req = front_read_head(wsi);
	c->head_only = lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0;
	c->last = may_have_body(wsi);
	if (c->req->fault)
		return refuse(f, c, 400, "invalid", c->req->fault);
	if (!f->pages_to_core && !is_for_core(c->req->path))
		return send_page(f, c);
	if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
		return refuse(f, c, 411, "invalid",
		    "a body needs Content-Length; chunked bodies are not taken");
	if (body_length(wsi, &c->want_body) < 0)
		return refuse(f, c, 400, "invalid", "Content-Length is no number");
	if (c->want_body > FRONT_MAX_SKIP)
		return refuse_large(f, c);
	c->skip_body = c->want_body > FRONT_MAX_BODY;
	if (c->want_body)
		return 0;
	return dispatch(f, c);
}

static int
take_body(struct front *f, struct http_conn *c, const void *p, size_t n)
{
	if (!c->req || c->dispatched || c->skip_body)
		return 0;
	if (c->req->body_len + n > FRONT_MAX_BODY)
		return -1;
	c->req->body = xrealloc(c->req->body, c->req->body_len + n + 1);
	memcpy(c->req->body + c->req->body_len, p, n);
	c->req->body_len += n;
	c->req->body[c->req->body_len] = 0;
	return 0;
}

static int
end_of_body(struct front *f, struct http_conn *c)
{
	if (!c->req || c->dispatched)
		return 0;
	return c->skip_body ? refuse_large(f, c) : dispatch(f, c);
}

static int
end_of_reply(struct front *f, struct http_conn *c)
{
	bool last = c->last;

	forget(f, c);
	if (last)
		return -1;
	return lws_http_transaction_completed(c->wsi) ? -1 : 0;
}

/* n bytes of the piece at hand; 0: the end of them all. */
static int
write_chunk(struct http_conn *c, size_t n)
{
	uint8_t buf[LWS_PRE + WRITE_MAX + CHUNK_FRAME], *p = buf + LWS_PRE;
	size_t len = 0;

	if (c->chunked)
		len = (size_t)snprintf((char *)p, CHUNK_FRAME, "%zx\r\n", n);
	if (n)
		memcpy(p + len, c->out + c->sent, n);
	len += n;
	if (c->chunked) {
		memcpy(p + len, "\r\n", 2);
		len += 2;
	}
	c->sent += n;
	if (!len)
		return 0;
	return lws_write(c->wsi, p, len, n ? LWS_WRITE_HTTP : LWS_WRITE_HTTP_FINAL) <
		       (int)len
		   ? -1
		   : 0;
}

static int
write_piece(struct front *f, struct http_conn *c)
{
	size_t left = c->out_len - c->sent;

	if (c->cut)
		return -1;
	if (c->head_only)
		return end_of_reply(f, c);
	if (left) {
		lws_callback_on_writable(c->wsi);
		return write_chunk(c, left < WRITE_MAX ? left : WRITE_MAX);
	}
	if (c->piece_last)
		return write_chunk(c, 0) ? -1 : end_of_reply(f, c);
	if (c->piece_wanted)
		return 0;
	c->piece_wanted = true;
	lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_OK, ANSWER_SECS);
	return tell_core(f, c, MSG_REPLY_DRAINED) ? 0 : -1;
}

void
front_http_more(struct front *f, struct front_cmd *cmd)
{
	struct http_conn *c = map_get(f->conns, cmd->ws);

	if (!c || !c->resp || !c->resp->in_pieces)
		return;
	free(c->resp->body);
	c->resp->body = MOVE(cmd->buf);
	c->out = c->resp->body;
	c->out_len = cmd->n;
	c->sent = 0;
	c->piece_wanted = false;
	c->piece_last = !c->out;
	lws_callback_on_writable(c->wsi);
}

void
front_http_cut(struct front *f, const struct front_cmd *cmd)
{
	struct http_conn *c = map_get(f->conns, cmd->ws);

	if (!c)
		return;
	c->cut = true;
	lws_callback_on_writable(c->wsi);
}

static int
write_some(struct front *f, struct http_conn *c)
{
	uint8_t buf[LWS_PRE + WRITE_MAX];
	size_t left = c->out_len - c->sent, n = left < WRITE_MAX ? left : WRITE_MAX;

	if (!c->head_sent)
		return 0;
	if (c->resp && c->resp->in_pieces)
		return write_piece(f, c);
	if (!n)
		return end_of_reply(f, c);
	memcpy(buf + LWS_PRE, c->out + c->sent, n);
	int done = lws_write(c->wsi, buf + LWS_PRE, n,
	    n == left ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP);
	if (done < (int)n)
		return -1;
	c->sent += n;
	if (c->sent == c->out_len)
		return end_of_reply(f, c);
	lws_callback_on_writable(c->wsi);
	return 0;
}

void
front_http_reply(struct front *f, struct response *p_take)
{
	struct http_conn *c = map_get(f->conns, p_take->conn);

	if (!c || c->resp) {
		response_free(p_take);
		return;
	}
	c->resp = p_take;
	lws_callback_on_writable(c->wsi);
}

int
front_http_callback(
    struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct front *f = lws_context_user(lws_get_context(wsi));
	struct http_conn *c = user;

	switch ((int)reason) {
	case LWS_CALLBACK_HTTP:
		return begin(f, c, wsi);
	case LWS_CALLBACK_HTTP_BODY:
		return take_body(f, c, in, len);
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		return end_of_body(f, c);
	case LWS_CALLBACK_HTTP_WRITEABLE:
		if (c->resp && !c->head_sent)
			return send_reply_head(c);
		return write_some(f, c);
	case LWS_CALLBACK_CLOSED_HTTP:
		if (c)
			forget(f, c);
		return 0;
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		return -1; /* a WebSocket must name its protocol */
	default:
		return 0;
	}
}
