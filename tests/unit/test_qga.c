/*
 * The client against an agent that is the other end of a socket pair.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/qemu/qga.h"
#include "host-agent/engine/qemu/qga_parse.h"
#include "tests/lib/waiter.h"

#define TURNS 200 /* of the loop, until something has come */

struct world {
	struct clock *clock;
	struct loop *loop;
	struct flows *flows;
	struct qga *qga;
	int far; /* the agent's end; -1: nobody is there */
	unsigned connects;
	struct str heard;
};

static int
connect_pair(void *arg, int *ret_fd, struct err *e)
{
	struct world *w = arg;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds))
		return err_set(e, ERR_LOST, "no pair");
	if (w->far >= 0)
		close(w->far);
	w->far = fds[1];
	w->connects++;
	*ret_fd = fds[0];
	return 0;
}

static int
set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	const struct qga_hooks hooks = { connect_pair, w };

	w->clock = clock_virtual_new(1000, 5000000);
	w->loop = loop_new(w->clock);
	w->flows = flows_new(w->loop);
	w->far = -1;
	w->qga = qga_new(w->loop, "vm-1", &hooks);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	qga_free(w->qga);
	flows_free(w->flows);
	loop_free(w->loop);
	clock_free(w->clock);
	if (w->far >= 0)
		close(w->far);
	str_fini(&w->heard);
	free(w);
	return 0;
}

/* The next line that the agent is told. */
static const char *
hear(struct world *w)
{
	char c;

	str_reset(&w->heard);
	for (int i = 0; i < TURNS; i++) {
		while (w->far >= 0 && recv(w->far, &c, 1, MSG_DONTWAIT) == 1) {
			if (c == '\n')
				return str_cstr(&w->heard);
			str_addc(&w->heard, c);
		}
		loop_turn(w->loop, 1);
	}
	fail_msg("the agent was told nothing more than \"%s\"", str_cstr(&w->heard));
	return "";
}

static void
say(struct world *w, const char *text)
{
	assert_int_equal(send(w->far, text, strlen(text), 0), strlen(text));
	for (int i = 0; i < 20; i++)
		loop_turn(w->loop, 1);
}

static void
advance(struct world *w, uint64_t ms)
{
	clock_advance(w->clock, ms);
	for (int i = 0; i < 20; i++)
		loop_turn(w->loop, 1);
}

static void
sync_up(struct world *w)
{
	const char *line = hear(w), *id = strstr(line, "\"id\":");
	AUTO_FREE char *answer = NULL;

	assert_int_equal((unsigned char)line[0], 0xff);
	assert_non_null(strstr(line, "guest-sync-delimited"));
	assert_non_null(id);
	answer = xasprintf("{\"return\": 17}\n\xff{\"return\": %u}\n",
	    (unsigned)strtoul(id + 5, NULL, 10));
	say(w, answer);
}

static void
what_it_tells_is_taken(void **state)
{
	struct world *w = *state;
	const struct engine_inside *in = qga_inside(w->qga);

	assert_false(in->answers);
	advance(w, 2000);
	sync_up(w);
	assert_non_null(strstr(hear(w), "guest-ping"));
	say(w, "{\"return\": {}}\n");
	assert_true(in->answers);
	assert_true(in->heartbeat_ms >= 5002000);
	assert_non_null(strstr(hear(w), "guest-get-host-name"));
	say(w, "{\"return\": {\"host-name\": \"web-1\"}}\n");
	assert_string_equal(in->host_name, "web-1");
	assert_non_null(strstr(hear(w), "guest-get-osinfo"));
	say(w,
	    "{\"return\": {\"pretty-name\": \"Debian\\nGNU\", \"name\": \"Debian\"}}\n");
	assert_string_equal(in->os, "Debian");
	assert_non_null(strstr(hear(w), "guest-network-get-interfaces"));
	say(w,
	    "{\"return\": [{\"name\": \"lo\", \"ip-addresses\": [{\"ip-address\": "
	    "\"127.0.0.1\"}]}, 7, {\"name\": \"e\", \"ip-addresses\": [{\"ip-address\": "
	    "\"10.0.0.7\"}, {\"ip-address\": \"fe80::1\"}, {\"ip-address\": "
	    "\"2001:db8::7\"}, {\"ip-address\": \"<script>\"}, 3]}]}\n");
	assert_int_equal(in->n_addresses, 2);
	assert_string_equal(in->addresses[0], "10.0.0.7");
	assert_string_equal(in->addresses[1], "2001:db8::7");
}

static void
nobody_there_is_asked_again(void **state)
{
	struct world *w = *state;

	advance(w, 2000);
	assert_int_equal(w->connects, 1);
	(void)hear(w);
	advance(w, QGA_ANSWER_MS);
	assert_false(qga_inside(w->qga)->answers);
	advance(w, QGA_POLL_MS);
	assert_int_equal(w->connects, 2);
	/* An answer to another question is none. */
	(void)hear(w);
	say(w, "\xff{\"return\": 123456789}\n");
	assert_false(qga_inside(w->qga)->answers);
}

static void
calls_end_one_way_or_another(void **state)
{
	struct world *w = *state;
	struct waiter a = { .rc = 1 }, b = { .rc = 1 }, c = { .rc = 1 },
		      d = { .rc = 1 };

	qga_call(
	    w->qga, "guest-fsfreeze-freeze", 3000, waiter_start(&a, w->loop, w->flows));
	qga_call(
	    w->qga, "guest-fsfreeze-thaw", 3000, waiter_start(&b, w->loop, w->flows));
	assert_int_equal(waiter_end(&b, w->loop), ERR_BUSY);
	sync_up(w);
	assert_non_null(strstr(hear(w), "guest-fsfreeze-freeze"));
	say(w, "{\"return\": 2}\n");
	assert_int_equal(waiter_end(&a, w->loop), 0);
	qga_call(
	    w->qga, "guest-fsfreeze-freeze", 3000, waiter_start(&c, w->loop, w->flows));
	sync_up(w);
	(void)hear(w);
	say(w, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"disabled\"}}\n");
	assert_int_equal(waiter_end(&c, w->loop), ERR_UNSUPPORTED);
	assert_non_null(strstr(c.e.msg, "disabled"));
	qga_call(
	    w->qga, "guest-fsfreeze-freeze", 3000, waiter_start(&d, w->loop, w->flows));
	sync_up(w);
	(void)hear(w);
	advance(w, 3000);
	assert_int_equal(waiter_end(&d, w->loop), ERR_TIMEOUT);
}

/* A guest that floods or lies costs its own channel. */
static void
hostile_answers_end_the_connection(void **state)
{
	static const char *const bad[] = { "no json\n", "[1]\n", "{}\n",
		"{\"error\": 5}\n" };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct waiter a = { .rc = 1 };

		qga_call(w->qga, "guest-fsfreeze-thaw", 3000,
		    waiter_start(&a, w->loop, w->flows));
		sync_up(w);
		(void)hear(w);
		say(w, bad[i]);
		assert_int_equal(waiter_end(&a, w->loop), ERR_LOST);
	}
	struct waiter a = { .rc = 1 };
	AUTO_FREE char *flood = xmalloc(16385);

	memset(flood, 'x', 16384);
	flood[16384] = '\0';
	qga_call(
	    w->qga, "guest-fsfreeze-thaw", 3000, waiter_start(&a, w->loop, w->flows));
	sync_up(w);
	(void)hear(w);
	for (unsigned n = 0; n <= QGA_LINE_MAX / 16384 && !a.ended; n++)
		say(w, flood);
	assert_int_equal(waiter_end(&a, w->loop), ERR_LOST);
	assert_non_null(strstr(a.e.msg, "without an end"));
}

#define WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WORLD(what_it_tells_is_taken),
		WORLD(nobody_there_is_asked_again),
		WORLD(calls_end_one_way_or_another),
		WORLD(hostile_answers_end_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
