#include "shell/http.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "shell/http_tls.h"
#include "shell/shell.h"

#define MAX_HEAD  65536u
#define MAX_REPLY (256u << 20)

struct http {
	char *host, *port;
	SSL_CTX *ctx;
	SSL *ssl; /* NULL: not connected */
	int fd;
	bool used; /* answered on this connection before */
	char buf[16384];
	size_t have, at; /* read ahead */
};

struct http *
http_new(const struct http_conf *conf, struct err *e)
{
	SSL_CTX *ctx = tls_client_new(conf, e);

	if (!ctx)
		return NULL;
	struct http *h = xcalloc(1, sizeof(*h));
	h->host = xstrdup(conf->host);
	h->port = xstrdup(conf->port);
	h->ctx = ctx;
	h->fd = -1;
	return h;
}

static void
hang_up(struct http *h)
{
	SSL_free(h->ssl);
	h->ssl = NULL;
	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
	h->have = h->at = 0;
	h->used = false;
	ERR_clear_error();
}

void
http_free(struct http *h)
{
	if (!h)
		return;
	if (h->ssl)
		SSL_shutdown(h->ssl);
	hang_up(h);
	SSL_CTX_free(h->ctx);
	free(h->host);
	free(h->port);
	free(h);
}

static int
broke(struct http *h, const char *when, struct err *e)
{
	int sys = errno;

	hang_up(h);
	if (shell_interrupted())
		return err_set(e, ERR_CANCELLED, "interrupted");
	if (sys == EAGAIN)
		return err_set(e, ERR_LOST, "the server %s did not answer within %d s",
		    h->host, REPLY_S);
	return err_set(e, ERR_LOST, "the connection to %s broke %s", h->host, when);
}

static int
send_all(struct http *h, const void *p, size_t n, struct err *e)
{
	size_t done = 0;

	while (n) {
		errno = 0;
		if (SSL_write_ex(h->ssl, p, n, &done) != 1)
			return broke(h, "while the request was sent", e);
		p = (const char *)p + done;
		n -= done;
	}
	return 0;
}

/* At least one more byte into the buffer. */
static int
fill(struct http *h, struct err *e)
{
	size_t n = 0;

	if (h->at < h->have)
		return 0;
	h->at = h->have = 0;
	errno = 0;
	if (SSL_read_ex(h->ssl, h->buf, sizeof(h->buf), &n) != 1)
		return broke(h, "before the answer was complete", e);
	h->have = n;
	return 0;
}

static int
read_line(struct http *h, struct str *line, struct err *e)
{
	str_reset(line);
	for (;;) {
		if (fill(h, e) < 0)
			return e->code;
		char c = h->buf[h->at++];
		if (c == '\n')
			break;
		str_addc(line, c);
		if (line->len > MAX_HEAD) {
			hang_up(h);
			return err_set(e, ERR_CORRUPT,
			    "the server's answer has a header that is too long");
		}
	}
	while (line->len &&
	       (line->s[line->len - 1] == '\r' || line->s[line->len - 1] == ' '))
		line->s[--line->len] = '\0';
	return 0;
}

static int
read_bytes(struct http *h, uint64_t n, struct str *body, struct err *e)
{
	if (n > MAX_REPLY || body->len + n > MAX_REPLY) {
		hang_up(h);
		return err_set(
		    e, ERR_TOO_LARGE, "the server's answer has more than 256 MiB");
	}
	while (n) {
		if (fill(h, e) < 0)
			return e->code;
		size_t part = h->have - h->at;
		part = part > n ? (size_t)n : part;
		str_addn(body, h->buf + h->at, part);
		h->at += part;
		n -= part;
	}
	return 0;
}

static int
read_chunks(struct http *h, struct str *body, struct err *e)
{
	struct str line = STR_INIT;
	uint64_t n = 1;
	int rc = 0;

	while (n && rc == 0) {
		char *end = NULL;
		rc = read_line(h, &line, e);
		if (rc < 0)
			break;
		n = strtoull(str_cstr(&line), &end, 16);
		if (end == str_cstr(&line)) {
			hang_up(h);
			rc = err_set(e, ERR_CORRUPT,
			    "the server's answer is broken (chunk size)");
			break;
		}
		rc = read_bytes(h, n, body, e);
		if (rc == 0)
			rc = read_line(h, &line, e);
	}
	str_fini(&line);
	return rc;
}

struct head {
	uint64_t length;
	bool has_length, chunked, close;
};

static void
take_header(const char *line, struct head *head, struct http_reply *r)
{
	const char *colon = strchr(line, ':'), *v = colon ? colon + 1 : "";
	size_t n = colon ? (size_t)(colon - line) : 0;

	while (*v == ' ' || *v == '\t')
		v++;
	if (n == 14 && !strncasecmp(line, "content-length", n)) {
		head->has_length =
		    parse_u64(v, 0, UINT64_MAX, "length", &head->length, NULL) == 0;
	} else if (n == 17 && !strncasecmp(line, "transfer-encoding", n)) {
		head->chunked = strcasestr(v, "chunked") != NULL;
	} else if (n == 10 && !strncasecmp(line, "connection", n)) {
		head->close = strcasestr(v, "close") != NULL;
	} else if (n == 17 && !strncasecmp(line, "x-drover-transfer", n)) {
		if (parse_u64(v, 1, INT64_MAX, "transfer", &r->transfer, NULL))
			r->transfer = 0;
	} else if (n == 11 && !strncasecmp(line, "retry-after", n)) {
		uint64_t s = 0;
		if (parse_u64(v, 0, 3600, "delay", &s, NULL) == 0)
			r->retry_after_s = (unsigned)s;
	}
}

/* Three digits; 0 is no status. */
static int
status_of(const char *s)
{
	int n = 0;

	for (int i = 0; i < 3; i++) {
		if (s[i] < '0' || s[i] > '9')
			return 0;
		n = n * 10 + (s[i] - '0');
	}
	return n;
}

static int
read_head(struct http *h, struct head *head, struct http_reply *r, struct err *e)
{
	struct str line = STR_INIT;
	int rc = read_line(h, &line, e);

	if (rc == 0 && (!str_starts(str_cstr(&line), "HTTP/1.") || line.len < 12)) {
		hang_up(h);
		rc = err_set(
		    e, ERR_CORRUPT, "the server %s does not speak HTTP", h->host);
	}
	if (rc == 0)
		r->status = status_of(line.s + 9);
	while (rc == 0 && (rc = read_line(h, &line, e)) == 0 && line.len)
		take_header(line.s, head, r);
	str_fini(&line);
	return rc;
}

static int
read_reply(struct http *h, struct http_reply *r, struct err *e)
{
	struct head head = { 0 };
	int rc = read_head(h, &head, r, e);

	if (rc < 0)
		return rc;
	if (r->status == 204 || r->status == 304)
		return 0;
	if (head.chunked)
		rc = read_chunks(h, &r->body, e);
	else if (head.has_length)
		rc = read_bytes(h, head.length, &r->body, e);
	else
		head.close = true;
	if (rc == 0 && head.close)
		hang_up(h);
	return rc;
}

char *
http_host(const struct http *h)
{
	bool v6 = strchr(h->host, ':') != NULL;

	return xasprintf("%s%s%s:%s", v6 ? "[" : "", h->host, v6 ? "]" : "", h->port);
}

SSL *
http_dial(const struct http *h, int *ret_fd, struct err *e)
{
	const struct http_conf conf = { .host = h->host, .port = h->port };

	return tls_client_open(h->ctx, &conf, ret_fd, e);
}

static void
add_head(const struct http *h, const struct http_request *q, struct str *b)
{
	AUTO_FREE char *host = http_host(h);

	str_addf(b, "%s %s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n",
	    q->method, q->path, host);
	if (q->bearer)
		str_addf(b, "Authorization: Bearer %s\r\n", q->bearer);
	if (q->op_id)
		str_addf(b, "X-Drover-Op: %s\r\n", q->op_id);
	if (q->content_type)
		str_addf(b, "Content-Type: %s\r\n", q->content_type);
	if (q->body || strcmp(q->method, "GET") != 0)
		str_addf(b, "Content-Length: %zu\r\n", q->body_len);
	str_add(b, "\r\n");
}

static int
try_call(
    struct http *h, const struct http_request *q, struct http_reply *r, struct err *e)
{
	struct str head = STR_INIT;
	int rc;

	if (!h->ssl) {
		h->ssl = http_dial(h, &h->fd, e);
		if (!h->ssl)
			return e->code;
	}
	add_head(h, q, &head);
	if (q->body_len < 16384)
		str_addn(&head, q->body, q->body_len);
	rc = send_all(h, head.s, head.len, e);
	if (rc == 0 && q->body_len >= 16384)
		rc = send_all(h, q->body, q->body_len, e);
	str_fini(&head);
	return rc < 0 ? rc : read_reply(h, r, e);
}

int
http_call(struct http *h, const struct http_request *q, struct http_reply *ret_r,
    struct err *e)
{
	struct err mine = ERR_INIT;
	bool reused = h->used;
	int rc;

	*ret_r = (struct http_reply){ 0 };
	rc = try_call(h, q, ret_r, &mine);
	/* A kept connection may have been closed meanwhile; reading again is harmless.
	 */
	if (rc == ERR_LOST && reused && !ret_r->status && !strcmp(q->method, "GET")) {
		str_fini(&ret_r->body);
		err_clear(&mine);
		*ret_r = (struct http_reply){ 0 };
		rc = try_call(h, q, ret_r, &mine);
	}
	if (rc < 0) {
		str_fini(&ret_r->body);
		if (e)
			*e = mine;
		return rc;
	}
	h->used = h->ssl != NULL;
	return 0;
}
