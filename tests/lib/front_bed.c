#include "tests/lib/front_bed.h"

#include <arpa/inet.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/lib/make_certs.h"

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

int
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
	write_page(f, "terminal.html", "<p>$</p>");
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

int
tear_down(void **state)
{
	static const char *const pages[] = { "index.html", "app-ABCD2345.js",
		"app-ABCD2345.js.gz", "terminal.html", ".secret.html" };
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

void
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

void
hang_up(struct client *c)
{
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	close(c->fd);
	str_reset(&c->in);
}

void
say(struct client *c, const void *p, size_t n)
{
	assert_int_equal(SSL_write(c->ssl, p, (int)n), (int)n);
}

void
say_text(struct client *c, const char *s)
{
	say(c, s, strlen(s));
}

bool
hear_more(struct client *c)
{
	char buf[4096];
	int n = SSL_read(c->ssl, buf, sizeof(buf));

	if (n > 0)
		str_addn(&c->in, buf, (size_t)n);
	return n > 0;
}

char *
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

void
expect(const char *answer, const char *part)
{
	if (!strcasestr(answer, part))
		fail_msg("no \"%s\" in: %s", part, answer);
}

void
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

void
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

void
turn_until(struct fixture *f, const unsigned *count, unsigned want)
{
	uint64_t end = clock_mono_ms(clock_system()) + PATIENCE_MS;

	while (*count < want && clock_mono_ms(clock_system()) < end)
		loop_turn(f->loop, 20);
	assert_int_equal(*count, want);
}

void
turn_until_closed(struct fixture *f, unsigned want)
{
	turn_until(f, &f->closed, want);
}
