#include <arpa/inet.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "base/str.h"
#include "server/front/front.h"
#include "tests/lib/make_certs.h"

#define PATIENCE_MS  20000
#define FLOOD_FRAMES 400u
#define FLOOD_BYTES  65536u
#define PIECES       6u
#define PIECE_BYTES  40000u

/* The core's side answers /api/echo with the body and sends every WebSocket text back.
 */
struct fixture {
	struct loop *loop;
	struct certs *certs;
	struct front *front;
	char web[128];
	size_t drained;
	unsigned opened, closed;
	unsigned pieces, most; /* of an answer in pieces: sent, and to be sent */
	unsigned cut;          /* answers whose reader went away */
	struct client *left;   /* what a finished client left open */
};

/* A blocking client on its own thread, as a browser would be. */
struct client {
	struct fixture *f;
	void (*run)(struct client *c);
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
	struct str in;
	atomic_bool done;
};

static void
on_request(struct request *r_take, void *arg)
{
	struct fixture *f = arg;
	const char *who = request_arg(r_take, "who");
	char *text = xasprintf("%d %s %s %.*s", (int)r_take->method, r_take->path,
	    who ? who : "-", (int)r_take->body_len,
	    r_take->body ? (char *)r_take->body : "");

	struct response *p =
	    response_new(r_take, 200, "text/plain", text, strlen(text));
	p->in_pieces = str_starts(r_take->path, "/api/pieces");
	f->pieces = 0;
	f->most = str_ends(r_take->path, "endless") ? UINT_MAX : PIECES;
	front_reply(f->front, p);
	request_free(r_take);
}

static void
on_reply_drained(uint64_t conn, void *arg)
{
	struct fixture *f = arg;
	uint8_t *p = NULL;

	if (f->pieces < f->most) {
		p = xmalloc(PIECE_BYTES);
		memset(p, 'a' + (int)(f->pieces++ % PIECES), PIECE_BYTES);
	}
	front_reply_more(f->front, conn, p, p ? PIECE_BYTES : 0);
}

static void
on_reply_closed(uint64_t conn, void *arg)
{
	((struct fixture *)arg)->cut++;
}

static void
on_ws_open(uint64_t ws, struct request *r_take, void *arg)
{
	struct fixture *f = arg;

	f->opened++;
	front_ws_send(f->front, ws, xstrdup("welcome"), 7);
	request_free(r_take);
}

static void
on_ws_text(uint64_t ws, const char *text, size_t n, void *arg)
{
	struct fixture *f = arg;

	if (n == 5 && !memcmp(text, "flood", 5)) {
		for (unsigned i = 0; i < FLOOD_FRAMES; i++)
			front_ws_send(
			    f->front, ws, xcalloc(1, FLOOD_BYTES), FLOOD_BYTES);
		front_ws_close(f->front, ws, 4408, "too slow for too long");
	} else if (n == 3 && !memcmp(text, "bye", 3))
		front_ws_close(f->front, ws, 4401, "log in first");
	else
		front_ws_send(f->front, ws, xmemdup(text, n), n);
}

static void
on_ws_binary(uint64_t ws, const uint8_t *p, size_t n, void *arg)
{
	struct fixture *f = arg;

	front_ws_send_binary(f->front, ws, xmemdup(p, n), n);
	front_ws_finish(f->front, ws);
}

static void
on_ws_drained(uint64_t ws, size_t n, void *arg)
{
	((struct fixture *)arg)->drained += n;
}

static void
on_ws_closed(uint64_t ws, void *arg)
{
	((struct fixture *)arg)->closed++;
}

static const struct front_events events = {
	.on_request = on_request,
	.on_reply_drained = on_reply_drained,
	.on_reply_closed = on_reply_closed,
	.on_ws_open = on_ws_open,
	.on_ws_text = on_ws_text,
	.on_ws_binary = on_ws_binary,
	.on_ws_drained = on_ws_drained,
	.on_ws_closed = on_ws_closed,
};

static void
write_page(const struct fixture *f, const char *name, const char *text)
{
	AUTO_FREE char *path = xasprintf("%s/%s", f->web, name);
	FILE *out = fopen(path, "we");

	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

static int
set_up(void **state)
{
	static const struct cert_wish wish = { .san = "IP:127.0.0.1",
		.eku = "serverAuth" };
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct err e = ERR_INIT;

	f->loop = loop_new(clock_system());
	f->certs = certs_new("front test");
	struct tls_files files = certs_make(f->certs, "front", &wish);
	snprintf(f->web, sizeof(f->web), "%s/web", certs_dir(f->certs));
	assert_int_equal(mkdir(f->web, 0700), 0);
	write_page(f, "index.html", "<p>hello</p>");
	write_page(f, "app-ABCD2345.js", "let x;");
	write_page(f, "app-ABCD2345.js.gz", "not really gzip");
	write_page(f, ".secret.html", "never");
	struct front_conf conf = { .address = "127.0.0.1",
		.cert_path = files.cert,
		.key_path = files.key,
		.web_root = f->web };
	if (front_start(f->loop, &conf, &events, f, &f->front, &e) < 0)
		fail_msg("%s", e.msg);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	static const char *const pages[] = { "index.html", "app-ABCD2345.js",
		"app-ABCD2345.js.gz", ".secret.html" };
	struct fixture *f = *state;

	front_free(f->front);
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		AUTO_FREE char *path = xasprintf("%s/%s", f->web, pages[i]);
		unlink(path);
	}
	rmdir(f->web);
	certs_free(f->certs);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void
dial(struct client *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(front_port(c->f->front)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval tv = { .tv_sec = PATIENCE_MS / 1000 };
	setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	assert_int_equal(connect(c->fd, (struct sockaddr *)&to, sizeof(to)), 0);
	c->ctx = SSL_CTX_new(TLS_client_method());
	c->ssl = SSL_new(c->ctx);
	SSL_set_fd(c->ssl, c->fd);
	assert_int_equal(SSL_connect(c->ssl), 1);
}

static void
hang_up(struct client *c)
{
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	close(c->fd);
	str_reset(&c->in);
}

static void
say(struct client *c, const void *p, size_t n)
{
	assert_int_equal(SSL_write(c->ssl, p, (int)n), (int)n);
}

static void
say_text(struct client *c, const char *s)
{
	say(c, s, strlen(s));
}

/* One more read; false at the end of the stream. */
static bool
hear_more(struct client *c)
{
	char buf[4096];
	int n = SSL_read(c->ssl, buf, sizeof(buf));

	if (n > 0)
		str_addn(&c->in, buf, (size_t)n);
	return n > 0;
}

/* A whole answer with Content-Length; what follows stays in c->in. */
static char *
hear_answer(struct client *c)
{
	const char *end, *len;
	size_t want;

	while (!(end = strstr(str_cstr(&c->in), "\r\n\r\n")))
		if (!hear_more(c))
			return xstrdup(str_cstr(&c->in));
	len = strcasestr(str_cstr(&c->in), "content-length:");
	want = (size_t)(end - c->in.s) + 4 + (len ? strtoul(len + 15, NULL, 10) : 0);
	while (c->in.len < want)
		assert_true(hear_more(c));
	char *answer = xstrndup(c->in.s, want);
	AUTO_FREE char *rest = xmemdup(c->in.s + want, c->in.len - want + 1);
	size_t left = c->in.len - want;
	str_reset(&c->in);
	str_addn(&c->in, rest, left);
	return answer;
}

static void
expect(const char *answer, const char *part)
{
	if (!strcasestr(answer, part))
		fail_msg("no \"%s\" in: %s", part, answer);
}

static void
ask(struct client *c, const char *request, const char *status, const char *part)
{
	say_text(c, request);
	AUTO_FREE char *answer = hear_answer(c);
	expect(answer, status);
	expect(answer, part);
}

static void *
client_main(void *arg)
{
	struct client *c = arg;

	c->run(c);
	str_fini(&c->in);
	atomic_store(&c->done, true);
	return NULL;
}

static void
play(struct fixture *f, void (*run)(struct client *c))
{
	struct client c = { .f = f, .run = run };
	uint64_t end = clock_mono_ms(clock_system()) + PATIENCE_MS;
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, client_main, &c), 0);
	while (!atomic_load(&c.done) && clock_mono_ms(clock_system()) < end)
		loop_turn(f->loop, 20);
	assert_true(atomic_load(&c.done));
	pthread_join(t, NULL);
}

static void
turn_until(struct fixture *f, const unsigned *count, unsigned want)
{
	uint64_t end = clock_mono_ms(clock_system()) + PATIENCE_MS;

	while (*count < want && clock_mono_ms(clock_system()) < end)
		loop_turn(f->loop, 20);
	assert_int_equal(*count, want);
}

static void
turn_until_closed(struct fixture *f, unsigned want)
{
	turn_until(f, &f->closed, want);
}

static void
pages(struct client *c)
{
	dial(c);
	ask(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "<p>hello</p>");
	ask(c, "GET /vms/vm-1 HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "<p>hello</p>");
	ask(c, "GET /app-ABCD2345.js HTTP/1.1\r\nHost: x\r\n\r\n", "immutable",
	    "let x;");
	ask(c,
	    "GET /app-ABCD2345.js HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n",
	    "content-encoding: gzip", "not really gzip");
	ask(c, "GET /gone.js HTTP/1.1\r\nHost: x\r\n\r\n", "404", "no such page");
	ask(c, "GET /.secret.html HTTP/1.1\r\nHost: x\r\n\r\n", "404", "no such page");
	ask(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
	    "content-security-policy:", "x-content-type-options: nosniff");
	hang_up(c);
}

static void
serves_pages(void **state)
{
	play(*state, pages);
}

static void
calls(struct client *c)
{
	dial(c);
	ask(c, "GET /api/echo?who=a%20b HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK",
	    "0 /api/echo a b");
	ask(c,
	    "POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	    "Content-Length: 5\r\n\r\nhello",
	    "200 OK", "1 /api/echo - hello");
	ask(c, "POST /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
	    "200 OK", "1 /api/echo -");
	ask(c, "DELETE /api/echo HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "4 /api/echo");
	ask(c, "PATCH /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
	    "x-request-id: r-", "3 /api/echo - {}");
	hang_up(c);
}

static void
carries_requests_to_the_core(void **state)
{
	play(*state, calls);
}

/* Take the chunks of an answer out of their frames, to its end; caller frees. */
static char *
hear_chunks(struct client *c)
{
	struct str body = STR_INIT;
	const char *at;

	while (!strstr(str_cstr(&c->in), "\r\n0\r\n\r\n"))
		assert_true(hear_more(c));
	at = strstr(c->in.s, "\r\n\r\n") + 4;
	for (;;) {
		char *end;
		size_t n = strtoul(at, &end, 16);

		assert_memory_equal(end, "\r\n", 2);
		if (!n)
			break;
		str_addn(&body, end + 2, n);
		at = end + 2 + n + 2;
	}
	str_reset(&c->in);
	return str_take(&body);
}

static void
pieces(struct client *c)
{
	dial(c);
	say_text(c, "GET /api/pieces HTTP/1.1\r\nHost: x\r\n\r\n");
	while (!strstr(str_cstr(&c->in), "\r\n\r\n"))
		assert_true(hear_more(c));
	expect(c->in.s, "transfer-encoding: chunked");
	assert_null(strcasestr(c->in.s, "content-length"));
	AUTO_FREE char *body = hear_chunks(c);
	static const char first[] = "0 /api/pieces - ";
	size_t n = strlen(first);
	assert_int_equal(strlen(body), n + (size_t)PIECES * PIECE_BYTES);
	assert_memory_equal(body, first, n);
	for (size_t i = 0; i < PIECES; i++) {
		assert_int_equal(body[n + i * PIECE_BYTES], 'a' + (int)i);
		assert_int_equal(body[n + (i + 1) * PIECE_BYTES - 1], 'a' + (int)i);
	}
	/* The connection goes on, after a head alone, too. */
	say_text(c, "HEAD /api/pieces HTTP/1.1\r\nHost: x\r\n\r\n");
	while (!strstr(str_cstr(&c->in), "\r\n\r\n"))
		assert_true(hear_more(c));
	str_reset(&c->in);
	ask(c, "GET /api/echo HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "0 /api/echo");
	hang_up(c);
}

static void
old_pieces(struct client *c)
{
	dial(c);
	say_text(c, "GET /api/pieces HTTP/1.0\r\nHost: x\r\n\r\n");
	while (hear_more(c))
		continue;
	expect(c->in.s, "connection: close");
	const char *body = strstr(c->in.s, "\r\n\r\n") + 4;
	assert_int_equal(
	    strlen(body), strlen("0 /api/pieces - ") + (size_t)PIECES * PIECE_BYTES);
	hang_up(c);
}

static void
half_a_piece(struct client *c)
{
	dial(c);
	say_text(c, "GET /api/pieces/endless HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(hear_more(c));
	hang_up(c);
}

static void
answers_in_pieces(void **state)
{
	struct fixture *f = *state;

	play(f, pieces);
	turn_until(f, &f->cut, 1); /* after the head nobody wanted a body */
	play(f, old_pieces);
	assert_int_equal(f->cut, 1);
	play(f, half_a_piece);
	turn_until(f, &f->cut, 2);
}

/* HEAD is GET without the body: what follows on the connection must not suffer. */
static void
heads(struct client *c)
{
	static const char *const paths[] = { "/api/echo", "/", "/gone.js" };

	dial(c);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		AUTO_FREE char *head =
		    xasprintf("HEAD %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i]);
		say_text(c, head);
		const char *end;
		while (!(end = strstr(str_cstr(&c->in), "\r\n\r\n")))
			assert_true(hear_more(c));
		expect(str_cstr(&c->in), "content-length: ");
		assert_string_equal(end, "\r\n\r\n");
		str_reset(&c->in);
		ask(c, "GET /api/echo HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK",
		    "0 /api/echo");
	}
	hang_up(c);
}

static void
answers_head_without_a_body(void **state)
{
	play(*state, heads);
}

static void
odd_requests(struct client *c)
{
	AUTO(str) struct str many = STR_INIT;

	dial(c);
	ask(c, "GET /api/echo?who=%ff HTTP/1.1\r\nHost: x\r\n\r\n", "400", "UTF-8");
	ask(c, "GET /api/%c0%af HTTP/1.1\r\nHost: x\r\n\r\n", "400", "UTF-8");
	ask(c, "GET /api/echo HTTP/1.1\r\nHost: x\r\nX-Drover-Op: \xff\r\n\r\n", "400",
	    "UTF-8");
	str_add(&many, "GET /api/echo?");
	for (unsigned i = 0; i < FRONT_MAX_ARGS; i++)
		str_add(&many, "a=b&");
	str_add(&many, "who=me HTTP/1.1\r\nHost: x\r\n\r\n");
	ask(c, str_cstr(&many), "400", "too many arguments");
	str_reset(&many);
	str_add(&many, "GET /api/echo?who=");
	for (unsigned i = 0; i < 2000; i++)
		str_addc(&many, 'w');
	str_add(&many, "e HTTP/1.1\r\nHost: x\r\n\r\n");
	ask(c, str_cstr(&many), "200 OK", "wwwwe");
	hang_up(c);
}

static void
refuses_what_is_no_text_and_leaves_nothing_out(void **state)
{
	play(*state, odd_requests);
}

/* What stands in an unread body must not be taken for a request. */
static void
hidden_request(struct client *c)
{
	static const char hidden[] = "GET /api/hidden HTTP/1.1\r\nHost: x\r\n\r\n";
	static const char *const heads[] = {
		"POST /nopage HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n",
		"POST /api/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST /api/x HTTP/1.1\r\nHost: x\r\nContent-Length: -40\r\n\r\n",
		"POST /api/%ff HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		AUTO_FREE char *text = xasprintf("%s%s", heads[i], hidden);
		dial(c);
		say_text(c, text);
		while (hear_more(c))
			continue;
		expect(str_cstr(&c->in), "HTTP/1.1 4");
		assert_null(strstr(str_cstr(&c->in), "HTTP/1.1 200"));
		hang_up(c);
	}
}

static void
closes_after_a_refusal_that_left_a_body(void **state)
{
	play(*state, hidden_request);
}

static void
big_body(struct client *c)
{
	size_t n = 1024 * 1024;
	AUTO_FREE char *body = xmalloc(n);
	char head[128];

	memset(body, 'x', n);
	dial(c);
	snprintf(head, sizeof(head),
	    "PUT /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", n);
	say_text(c, head);
	for (size_t at = 0; at < n; at += 8192)
		say(c, body + at, 8192);
	AUTO_FREE char *answer = hear_answer(c);
	expect(answer, "200 OK");
	expect(answer, "2 /api/echo - xxxx");
	assert_true(strlen(answer) > n);
	hang_up(c);
}

static void
takes_a_mebibyte(void **state)
{
	play(*state, big_body);
}

static void
bad_bodies(struct client *c)
{
	dial(c);
	ask(c,
	    "PUT /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
	    "413", "too_large");
	hang_up(c);
	dial(c);
	ask(c,
	    "PUT /api/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
	    "411", "Content-Length");
	hang_up(c);
	dial(c);
	ask(c, "PUT /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
	    "400", "invalid");
	hang_up(c);
	dial(c);
	say_text(
	    c, "PUT /api/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhalf");
	hang_up(c); /* a body that never comes whole reaches nobody */
}

static void
refuses_bodies_it_cannot_take(void **state)
{
	play(*state, bad_bodies);
}

static void
ws_ask_for(struct client *c, const char *path, const char *extra)
{
	AUTO_FREE char *head =
	    xasprintf("GET %s HTTP/1.1\r\nHost: here:1\r\n"
		      "Upgrade: websocket\r\nConnection: Upgrade\r\n"
		      "Sec-WebSocket-Version: 13\r\n"
		      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		      "%s\r\n",
		path, extra);
	say_text(c, head);
}

static void
ws_ask(struct client *c, const char *extra)
{
	ws_ask_for(c, "/api/v1/watch", extra);
}

#define SESSION  "Sec-WebSocket-Protocol: drover.session.v1\r\n"
#define PROTOCOL "Sec-WebSocket-Protocol: drover.v1\r\n"
#define BEARER   "Authorization: Bearer x\r\n"

static void
ws_say(struct client *c, const char *text)
{
	uint8_t frame[200] = { 0x81, (uint8_t)(0x80 | strlen(text)), 1, 2, 3, 4 };

	for (size_t i = 0; text[i]; i++)
		frame[6 + i] = (uint8_t)text[i] ^ frame[2 + i % 4];
	say(c, frame, 6 + strlen(text));
}

/* One short frame: its first byte, the payload in text. */
static uint8_t
ws_hear(struct client *c, char text[126])
{
	while (c->in.len < 2 || c->in.len < 2 + (size_t)c->in.s[1])
		if (!hear_more(c))
			return 0;
	uint8_t first = (uint8_t)c->in.s[0];
	size_t n = (size_t)c->in.s[1];
	memcpy(text, c->in.s + 2, n);
	text[n] = 0;
	AUTO_FREE char *rest = xmemdup(c->in.s + 2 + n, c->in.len - 2 - n + 1);
	size_t left = c->in.len - 2 - n;
	str_reset(&c->in);
	str_addn(&c->in, rest, left);
	return first;
}

static void
ws_talk(struct client *c)
{
	char text[126];

	dial(c);
	ws_ask(c, PROTOCOL "Origin: https://here:1\r\n");
	AUTO_FREE char *answer = hear_answer(c);
	expect(answer, "101");
	expect(answer, "drover.v1");
	assert_int_equal(ws_hear(c, text), 0x81);
	assert_string_equal(text, "welcome");
	ws_say(c, "hello there");
	assert_int_equal(ws_hear(c, text), 0x81);
	assert_string_equal(text, "hello there");
	ws_say(c, "bye");
	assert_int_equal(ws_hear(c, text), 0x88);
	assert_int_equal((uint8_t)text[0] << 8 | (uint8_t)text[1], 4401);
	hang_up(c);
}

/* What is sent just before the end still comes. */
static void
ws_visit(struct client *c)
{
	static const uint8_t frame[] = { 0x82, 0x83, 1, 2, 3, 4, 1 ^ 0, 2 ^ 0xff,
		3 ^ 'x' };
	char text[126];

	dial(c);
	ws_ask_for(c, "/api/v1/vms/vm-7/enter", SESSION "Origin: https://here:1\r\n");
	AUTO_FREE char *answer = hear_answer(c);
	expect(answer, "101");
	expect(answer, "drover.session.v1");
	assert_int_equal(ws_hear(c, text), 0x81);
	say(c, frame, sizeof(frame));
	assert_int_equal(ws_hear(c, text), 0x82);
	assert_memory_equal(text, "\0\xffx", 3);
	assert_int_equal(ws_hear(c, text), 0x88);
	assert_int_equal((uint8_t)text[0] << 8 | (uint8_t)text[1], 1000);
	hang_up(c);
}

static void
sockets_into_guests_carry_bytes(void **state)
{
	play(*state, ws_visit);
}

/* Only a guest's socket takes bytes, and each is only for its own path. */
static void
ws_mismatch(struct client *c)
{
	static const uint8_t frame[] = { 0x82, 0x80, 1, 2, 3, 4 };
	char text[126];

	dial(c);
	ws_ask_for(c, "/api/v1/vms/vm-7/enter", PROTOCOL BEARER);
	assert_false(hear_more(c) && strstr(str_cstr(&c->in), " 101 "));
	hang_up(c);
	dial(c);
	ws_ask(c, SESSION BEARER);
	assert_false(hear_more(c) && strstr(str_cstr(&c->in), " 101 "));
	hang_up(c);
	dial(c);
	ws_ask_for(c, "/api/v1/vms/vm-7/enter", SESSION "Origin: https://evil:1\r\n");
	assert_false(hear_more(c) && strstr(str_cstr(&c->in), " 101 "));
	hang_up(c);
	dial(c);
	ws_ask(c, PROTOCOL BEARER);
	AUTO_FREE char *answer = hear_answer(c);
	assert_int_equal(ws_hear(c, text), 0x81);
	say(c, frame, sizeof(frame));
	assert_int_equal(ws_hear(c, text), 0);
	hang_up(c);
}

static void
sockets_keep_to_what_they_are_for(void **state)
{
	play(*state, ws_mismatch);
}

static void
sockets_talk_both_ways(void **state)
{
	struct fixture *f = *state;

	play(f, ws_talk);
	turn_until_closed(f, 1);
	assert_int_equal(f->opened, 1);
	assert_int_equal(f->drained, strlen("welcome") + strlen("hello there"));
}

static void
ws_refused(struct client *c, const char *extra)
{
	char text[126];

	dial(c);
	ws_ask(c, extra);
	AUTO_FREE char *answer = hear_answer(c);
	if (strcasestr(answer, " 101 "))
		assert_int_equal(ws_hear(c, text), 0);
	hang_up(c);
}

static void
ws_strangers(struct client *c)
{
	ws_refused(c, PROTOCOL "Origin: https://evil.example\r\n");
	ws_refused(c, PROTOCOL "Origin: http://here:1\r\n");
	ws_refused(c, PROTOCOL);
	ws_refused(c, BEARER);
	ws_refused(c, BEARER "Sec-WebSocket-Protocol: other\r\n");
}

static void
sockets_from_elsewhere_are_refused(void **state)
{
	struct fixture *f = *state;

	play(f, ws_strangers);
	assert_int_equal(f->opened, 0);
}

static void
ws_long(struct client *c)
{
	uint8_t head[14] = { 0x81, 0x80 | 127, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0 };
	uint8_t zeros[4096] = { 0 };
	char text[126];

	dial(c);
	ws_ask(c, PROTOCOL BEARER);
	AUTO_FREE char *answer = hear_answer(c);
	expect(answer, "101");
	assert_int_equal(ws_hear(c, text), 0x81);
	SSL_write(c->ssl, head, sizeof(head));
	for (int i = 0; i < 16; i++)
		if (SSL_write(c->ssl, zeros, sizeof(zeros)) <= 0)
			break;
	while (hear_more(c))
		;
	hang_up(c);
}

static void
an_endless_message_ends_the_socket(void **state)
{
	struct fixture *f = *state;

	play(f, ws_long);
	turn_until_closed(f, 1);
}

static void
stopping_with_a_call_under_way(void **state)
{
	struct fixture *f = *state;
	struct response *p = xcalloc(1, sizeof(*p));

	p->conn = 12345; /* nobody: the connection has gone */
	p->status = 200;
	front_reply(f->front, p);
	front_ws_send(f->front, 999, xstrdup("x"), 1);
	front_ws_close(f->front, 999, 1000, "gone");
}

#define FRONT_TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

static void
ask_for_a_flood(struct client *c)
{
	dial(c);
	ws_ask(c, BEARER PROTOCOL);
	while (!strstr(str_cstr(&c->in), "welcome"))
		assert_true(hear_more(c));
	ws_say(c, "flood");
	c->f->left = xcalloc(1, sizeof(*c));
	*c->f->left = (struct client){ .ctx = c->ctx, .ssl = c->ssl, .fd = c->fd };
}

static void
closes_a_socket_that_never_reads(void **state)
{
	struct fixture *f = *state;

	play(f, ask_for_a_flood);
	turn_until_closed(f, 1);
	hang_up(f->left);
	free(f->left);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FRONT_TEST(serves_pages),
		FRONT_TEST(carries_requests_to_the_core),
		FRONT_TEST(answers_in_pieces),
		FRONT_TEST(answers_head_without_a_body),
		FRONT_TEST(refuses_what_is_no_text_and_leaves_nothing_out),
		FRONT_TEST(closes_after_a_refusal_that_left_a_body),
		FRONT_TEST(takes_a_mebibyte),
		FRONT_TEST(refuses_bodies_it_cannot_take),
		FRONT_TEST(sockets_talk_both_ways),
		FRONT_TEST(sockets_into_guests_carry_bytes),
		FRONT_TEST(sockets_keep_to_what_they_are_for),
		FRONT_TEST(sockets_from_elsewhere_are_refused),
		FRONT_TEST(an_endless_message_ends_the_socket),
		FRONT_TEST(closes_a_socket_that_never_reads),
		FRONT_TEST(stopping_with_a_call_under_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
