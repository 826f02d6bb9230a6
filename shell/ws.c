#include "shell/ws.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include "base/rng.h"
#include "shell/http_tls.h"

#define MAX_HEAD    16384u
#define MAX_MESSAGE (4u << 20)
#define GUID        "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_BYTES   16
#define KEY_TEXT    25 /* in base 64, with its NUL */
#define ACCEPT_TEXT 29

struct ws {
	SSL *ssl;
	int fd;
	ws_fn fn;
	void *arg;
	struct str in, out, message;
	size_t out_at;
	enum ws_op op; /* of the message that is gathered */
	bool reading_waits_to_write, writing_waits_to_read;
};

void
ws_free(struct ws *w)
{
	if (!w)
		return;
	if (w->ssl)
		SSL_shutdown(w->ssl);
	SSL_free(w->ssl);
	if (w->fd >= 0)
		close(w->fd);
	ERR_clear_error();
	str_fini(&w->in);
	str_fini(&w->out);
	str_fini(&w->message);
	free(w);
}

int
ws_fd(const struct ws *w)
{
	return w->fd;
}

short
ws_events(const struct ws *w)
{
	bool writes = w->out_at < w->out.len && !w->writing_waits_to_read;

	return (short)(POLLIN | (writes || w->reading_waits_to_write ? POLLOUT : 0));
}

size_t
ws_waiting(const struct ws *w)
{
	return w->out.len - w->out_at;
}

void
ws_send(struct ws *w, enum ws_op op, const void *p, size_t n)
{
	uint8_t mask[4];

	rng_secret(mask, sizeof(mask));
	ws_frame_add(&w->out, op, p, n, mask);
}

/* ---- opening ---- */

static int
write_head(struct ws *w, const char *head, struct err *e)
{
	size_t done = 0, n = strlen(head);

	if (SSL_write_ex(w->ssl, head, n, &done) == 1 && done == n)
		return 0;
	return err_set(e, ERR_LOST, "the connection broke while the request was sent");
}

static int
read_head(struct ws *w, size_t *ret_n, struct err *e)
{
	const char *end = NULL;
	char buf[4096];
	size_t n = 0;

	while (!end) {
		if (w->in.len > MAX_HEAD)
			return err_set(
			    e, ERR_CORRUPT, "the server's answer is too long");
		if (SSL_read_ex(w->ssl, buf, sizeof(buf), &n) != 1)
			return err_set(
			    e, ERR_LOST, "the connection broke before the answer");
		str_addn(&w->in, buf, n);
		end = strstr(w->in.s, "\r\n\r\n");
	}
	*ret_n = (size_t)(end - w->in.s) + 4;
	return 0;
}

/* What proves that the other side understood: RFC 6455, 4.2.2. */
static void
accept_of(const char *key, char out[ACCEPT_TEXT])
{
	AUTO_FREE char *both = xasprintf("%s" GUID, key);
	uint8_t sum[SHA_DIGEST_LENGTH];

	SHA1((const uint8_t *)both, strlen(both), sum);
	EVP_EncodeBlock((uint8_t *)out, sum, sizeof(sum));
}

static int
check_head(char *head, const char *key, struct err *e)
{
	static const char name[] = "sec-websocket-accept:";
	char wanted[ACCEPT_TEXT];

	accept_of(key, wanted);
	if (!str_starts(head, "HTTP/1.1 101"))
		return err_set(e, ERR_DENIED, "the server does not let in: %.*s",
		    (int)strcspn(head, "\r"), head);
	for (char *line; (line = strsep(&head, "\n")) != NULL;) {
		if (strncasecmp(line, name, strlen(name)) != 0)
			continue;
		line += strlen(name);
		line += strspn(line, " \t");
		line[strcspn(line, " \t\r")] = '\0';
		return str_same(line, wanted)
			   ? 0
			   : err_set(e, ERR_CORRUPT,
				 "the server's answer belongs to another request");
	}
	return err_set(e, ERR_CORRUPT, "the server does not speak WebSocket");
}

static void
drop_in(struct ws *w, size_t n)
{
	memmove(w->in.s, w->in.s + n, w->in.len - n + 1);
	w->in.len -= n;
}

static int
shake_hands(
    struct ws *w, const struct http *h, const struct ws_want *want, struct err *e)
{
	uint8_t raw[KEY_BYTES];
	char key[KEY_TEXT];
	size_t n = 0;
	int flags;

	rng_secret(raw, sizeof(raw));
	EVP_EncodeBlock((uint8_t *)key, raw, sizeof(raw));
	AUTO_FREE char *host = http_host(h);
	AUTO_FREE char *head = xasprintf("GET %s HTTP/1.1\r\nHost: %s\r\n"
					 "Upgrade: websocket\r\nConnection: Upgrade\r\n"
					 "Sec-WebSocket-Version: 13\r\n"
					 "Sec-WebSocket-Key: %s\r\n"
					 "Sec-WebSocket-Protocol: %s\r\n"
					 "Authorization: Bearer %s\r\n\r\n",
	    want->path, host, key, want->protocol, want->bearer);
	if (write_head(w, head, e) || read_head(w, &n, e))
		return e->code;
	AUTO_FREE char *answer = xstrndup(w->in.s, n);
	if (check_head(answer, key, e))
		return e->code;
	drop_in(w, n);
	flags = fcntl(w->fd, F_GETFL);
	if (flags < 0 || fcntl(w->fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_set(e, ERR_IO, "the connection cannot be set up");
	SSL_set_mode(w->ssl,
	    SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return 0;
}

int
ws_open(struct http *h, const struct ws_want *want, ws_fn fn, void *arg,
    struct ws **ret_w, struct err *e)
{
	struct ws *w = xcalloc(1, sizeof(*w));
	int rc;

	w->fd = -1;
	w->fn = fn;
	w->arg = arg;
	w->ssl = http_dial(h, &w->fd, e);
	rc = w->ssl ? shake_hands(w, h, want, e) : e->code;
	if (rc)
		ws_free(w);
	else
		*ret_w = w;
	return rc;
}

/* ---- going on ---- */

static int
closed_by_server(const struct ws_frame *f, struct err *e)
{
	int n = f->n > 2 ? (int)f->n - 2 : 0;

	return err_set(e, ERR_LOST, "the server closed the connection%s%.*s",
	    n ? ": " : "", n, n ? (const char *)f->p + 2 : "");
}

static int
take_frame(struct ws *w, const struct ws_frame *f, struct err *e)
{
	if (f->op == WS_CLOSE)
		return closed_by_server(f, e);
	if (f->op == WS_PING)
		ws_send(w, WS_PONG, f->p, f->n);
	if (f->op >= WS_CLOSE)
		return 0;
	if (f->op != WS_MORE)
		w->op = f->op;
	if (w->message.len + f->n > MAX_MESSAGE)
		return err_set(e, ERR_CORRUPT, "the server's message is too long");
	str_addn(&w->message, f->p, f->n);
	if (!f->last)
		return 0;
	w->fn(w->arg, w->op, str_cstr(&w->message), w->message.len);
	str_reset(&w->message);
	return 0;
}

static int
take_frames(struct ws *w, struct err *e)
{
	struct ws_frame f;
	size_t at = 0, used = 1;
	int rc = 0;

	while (!rc && used) {
		rc = ws_frame_parse((const uint8_t *)str_cstr(&w->in) + at,
		    w->in.len - at, &f, &used, e);
		if (!rc && used)
			rc = take_frame(w, &f, e);
		at += used;
	}
	if (at)
		drop_in(w, at);
	return rc;
}

static int
lost(struct err *e)
{
	ERR_clear_error();
	return err_set(e, ERR_LOST, "the connection to the server broke");
}

static int
read_some(struct ws *w, struct err *e)
{
	char buf[16384];
	size_t n = 0;

	w->reading_waits_to_write = false;
	while (SSL_read_ex(w->ssl, buf, sizeof(buf), &n) == 1) {
		str_addn(&w->in, buf, n);
		if (take_frames(w, e))
			return e->code;
	}
	switch (SSL_get_error(w->ssl, 0)) {
	case SSL_ERROR_WANT_READ:
		return 0;
	case SSL_ERROR_WANT_WRITE:
		w->reading_waits_to_write = true;
		return 0;
	default:
		return lost(e);
	}
}

static int
write_some(struct ws *w, struct err *e)
{
	size_t n = 0;

	w->writing_waits_to_read = false;
	while (ws_waiting(w)) {
		if (SSL_write_ex(w->ssl, w->out.s + w->out_at, ws_waiting(w), &n) != 1)
			break;
		w->out_at += n;
	}
	if (!ws_waiting(w)) {
		str_reset(&w->out);
		w->out_at = 0;
		return 0;
	}
	switch (SSL_get_error(w->ssl, 0)) {
	case SSL_ERROR_WANT_WRITE:
		return 0;
	case SSL_ERROR_WANT_READ:
		w->writing_waits_to_read = true;
		return 0;
	default:
		return lost(e);
	}
}

int
ws_turn(struct ws *w, struct err *e)
{
	/* What came with the head, or before this was asked. */
	if (take_frames(w, e) || read_some(w, e))
		return e->code;
	return write_some(w, e);
}
