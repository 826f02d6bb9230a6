#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/lib/front_bed.h"

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
		FRONT_TEST(sockets_talk_both_ways),
		FRONT_TEST(sockets_into_guests_carry_bytes),
		FRONT_TEST(sockets_keep_to_what_they_are_for),
		FRONT_TEST(sockets_from_elsewhere_are_refused),
		FRONT_TEST(an_endless_message_ends_the_socket),
		FRONT_TEST(closes_a_socket_that_never_reads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
