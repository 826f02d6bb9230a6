/* What agents hear of a server that does not lead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/link.h"
#include "proto/msg.h"
#include "server/follower/follower_int.h"
#include "tests/lib/make_certs.h"

#define WITHIN_MS  20000u
#define LONG_MS    60000u
#define SHORT_MS   50u
#define HOST_SAN   "URI:drover:host:3f2504e0-4f89-41d3-9a0c-0305e82c3301"
#define SERVER_SAN "URI:drover:server,IP:127.0.0.1"

struct fixture {
	struct loop *loop;
	struct certs *certs;
	struct ssl_ctx_st *accept, *dial;
	struct follower *fo;
	struct link *link;
	unsigned ups, downs, standbys, pongs, others;
	Drover__Envelope *last;
};

static void
on_up(struct link *k, void *arg)
{
	((struct fixture *)arg)->ups++;
}

static void
on_frame(struct link *k, const uint8_t *p, size_t n, void *arg)
{
	struct fixture *f = arg;
	struct err e = ERR_INIT;

	msg_free(f->last);
	f->last = NULL;
	assert_int_equal(msg_unpack(p, n, &f->last, &e), 0);
	f->standbys += f->last->body_case == DROVER__ENVELOPE__BODY_STANDBY;
	f->pongs += f->last->body_case == DROVER__ENVELOPE__BODY_PONG;
	f->others += f->last->body_case != DROVER__ENVELOPE__BODY_STANDBY &&
		     f->last->body_case != DROVER__ENVELOPE__BODY_PONG;
}

static void
on_down(struct link *k, const struct err *why, void *arg)
{
	((struct fixture *)arg)->downs++;
}

static int
set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct cert_wish server = { .san = SERVER_SAN };
	struct tls_files files;

	f->loop = loop_new(clock_system());
	f->certs = certs_new("follower test");
	files = certs_make(f->certs, "server", &server);
	assert_int_equal(tls_server_ctx(&files, &f->accept, NULL), 0);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	link_free(f->link);
	follower_free(f->fo);
	msg_free(f->last);
	tls_ctx_free(f->accept);
	tls_ctx_free(f->dial);
	certs_free(f->certs);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void
until(struct fixture *f, const unsigned *count, unsigned n)
{
	uint64_t end = clock_mono_ms(clock_system()) + WITHIN_MS;

	while (*count < n) {
		loop_turn(f->loop, 20);
		if (clock_mono_ms(clock_system()) > end)
			fail_msg("waited %u ms", WITHIN_MS);
	}
}

/* A follower, and a link to it from somebody with this name in his certificate. */
static void
meet(struct fixture *f, uint32_t beat_ms, const char *san)
{
	static const struct link_events events = { on_up, on_frame, on_down };
	struct cert_wish wish = { .san = san };
	struct tls_files files = certs_make(f->certs, "agent", &wish);
	AUTO_FREE char *cert = xasprintf("%s/server.pem", certs_dir(f->certs));
	AUTO_FREE char *key = xasprintf("%s/server.key", certs_dir(f->certs));
	struct front_conf front = { "127.0.0.1", 0, cert, key, NULL, false };
	struct follower_opts o = {
		.loop = f->loop,
		.front = &front,
		.agents_ctx = f->accept,
		.agents_address = "127.0.0.1",
		.beat_ms = beat_ms,
	};
	struct err e = ERR_INIT;

	if (follower_new(&o, &f->fo, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(tls_client_ctx(&files, &f->dial, NULL), 0);
	assert_int_equal(
	    link_dial(f->loop, "127.0.0.1", link_listener_port(f->fo->listener),
		f->dial, NULL, &events, f, &f->link, &e),
	    0);
	until(f, &f->ups, 1);
}

static void
say(struct fixture *f, Drover__Envelope *m)
{
	AUTO_FREE uint8_t *p = NULL;
	struct err e = ERR_INIT;
	size_t n;

	m->version = PROTO_VERSION;
	assert_int_equal(msg_pack(m, &p, &n, &e), 0);
	assert_int_equal(link_send(f->link, p, n, &e), 0);
}

static void
greet(struct fixture *f)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Standby standby = DROVER__STANDBY__INIT;

	standby.version = PROTO_VERSION;
	m.body_case = DROVER__ENVELOPE__BODY_STANDBY;
	m.standby = &standby;
	say(f, &m);
}

static void
an_agent_is_told_that_nobody_is_known_to_lead(void **state)
{
	struct fixture *f = *state;

	meet(f, LONG_MS, HOST_SAN);
	greet(f);
	until(f, &f->standbys, 1);
	assert_false(f->last->standby->leads);
	assert_string_equal(f->last->standby->leader, "");
	assert_int_equal(f->last->standby->beat_ms, LONG_MS);
	/* No word of one that does not lead may pass for a leader's. */
	assert_int_equal(f->last->epoch, 0);
	/* Whoever leads from now on: those that have greeted hear it. */
	follower_note(f->fo, NULL);
	until(f, &f->standbys, 2);
}

static void
a_ping_is_answered_and_a_leaders_business_is_not(void **state)
{
	struct fixture *f = *state;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Ping ping = DROVER__PING__INIT;
	Drover__Report report = DROVER__REPORT__INIT;

	meet(f, LONG_MS, HOST_SAN);
	greet(f);
	m.body_case = DROVER__ENVELOPE__BODY_REPORT;
	m.report = &report;
	say(f, &m);
	ping.nonce = 4711;
	m.body_case = DROVER__ENVELOPE__BODY_PING;
	m.ping = &ping;
	say(f, &m);
	until(f, &f->pongs, 1);
	assert_int_equal(f->last->pong->nonce, 4711);
	assert_int_equal(f->others, 0);
	assert_int_equal(f->downs, 0);
}

static void
an_agent_that_falls_silent_is_let_go(void **state)
{
	struct fixture *f = *state;

	meet(f, SHORT_MS, HOST_SAN);
	greet(f);
	until(f, &f->downs, 1);
	assert_true(list_empty(&f->fo->conns));
}

static void
who_is_no_host_is_sent_away(void **state)
{
	struct fixture *f = *state;

	meet(f, LONG_MS, SERVER_SAN);
	until(f, &f->downs, 1);
	assert_int_equal(f->standbys, 0);
}

static void
who_breaks_the_protocol_is_sent_away(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	meet(f, LONG_MS, HOST_SAN);
	assert_int_equal(link_send(f->link, "\xff\xff\xff", 3, &e), 0);
	until(f, &f->downs, 1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_agent_is_told_that_nobody_is_known_to_lead),
		TEST(a_ping_is_answered_and_a_leaders_business_is_not),
		TEST(an_agent_that_falls_silent_is_let_go),
		TEST(who_is_no_host_is_sent_away),
		TEST(who_breaks_the_protocol_is_sent_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
