#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/lib/front_bed.h"

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
	ask(c, "GET /terminal.html HTTP/1.1\r\nHost: x\r\n\r\n",
	    "x-frame-options: SAMEORIGIN", "'unsafe-inline'");
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
		FRONT_TEST(stopping_with_a_call_under_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
