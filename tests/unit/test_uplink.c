#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/link/epoch.h"
#include "host-agent/link/uplink.h"
#include "proto/msg.h"
#include "tests/lib/agent_bed.h"

#define RETRY_MAX_MS 4000
#define UUID "3f2504e0-4f89-41d3-9a0c-0305e82c3301"

/* The server's end is scripted by the tests. */
struct world {
	struct bed *bed;
	struct epoch *epoch;
	struct uplink *uplink;
	struct link *server;
	enum tls_role role;
	unsigned dials, hellos, welcomes, orders, refused, acks, frames, sessions,
	    downs;
	bool unreachable;
	char last_host[64];
	uint16_t last_port;
	Drover__Envelope *got; /* the newest frame at the server */
};

static void
server_frame(struct link *k, const uint8_t *p, size_t n, void *arg)
{
	struct world *w = arg;

	msg_free(w->got);
	w->got = NULL;
	assert_int_equal(msg_unpack(p, n, &w->got, NULL), 0);
	w->frames++;
}

static void
server_up(struct link *k, void *arg)
{
}

static void
server_down(struct link *k, const struct err *why, void *arg)
{
	struct world *w = arg;

	link_free(w->server);
	w->server = NULL;
}

static const struct link_events server_evs = { server_up, server_frame, server_down };

static int
dial(void *arg, const struct uplink_call *c, struct link **ret_k, struct err *e)
{
	struct world *w = arg;
	struct tls_identity host = { .role = TLS_ROLE_HOST, .uuid = UUID };
	struct tls_identity server = { .role = w->role };

	w->dials++;
	snprintf(w->last_host, sizeof(w->last_host), "%s", c->host);
	w->last_port = c->port;
	if (w->unreachable)
		return err_set(e, ERR_UNAVAILABLE, "nobody there");
	link_free(w->server);
	link_pair(w->bed->loop, &server, &host, &w->server, ret_k);
	link_set_events(w->server, &server_evs, w);
	link_set_events(*ret_k, c->ev, c->ev_arg);
	return 0;
}

static Drover__Hello *
on_hello(void *arg)
{
	struct world *w = arg;
	Drover__Hello *h = xcalloc(1, sizeof(*h));

	drover__hello__init(h);
	h->host_uuid = xstrdup(UUID);
	w->hellos++;
	return h;
}

static void
on_welcome(void *arg, const Drover__Welcome *m)
{
	((struct world *)arg)->welcomes++;
}

static void
on_order(void *arg, Drover__Envelope *m_take)
{
	((struct world *)arg)->orders++;
	msg_free(m_take);
}

static void
on_refuse(void *arg, const Drover__Order *o, const struct err *why)
{
	assert_int_equal(why->code, ERR_STALE);
	((struct world *)arg)->refused++;
}

static void
on_ack(void *arg, uint64_t id)
{
	((struct world *)arg)->acks++;
}

static void
on_session(void *arg, const Drover__Envelope *m)
{
	((struct world *)arg)->sessions++;
}

static void
on_session_link_down(void *arg)
{
	((struct world *)arg)->downs++;
}

static const struct uplink_events evs = { on_hello, on_welcome, on_order, on_refuse,
	on_ack, on_session, on_session_link_down, NULL };

static void
open_world(struct world *w)
{
	struct uplink_conf c = {
		.servers = "alpha:7001, [::1]:7002",
		.ev = &evs,
		.arg = w,
		.seed = 42,
		.dial = dial,
		.retry_max_ms = RETRY_MAX_MS,
	};
	struct err e = ERR_INIT;

	assert_int_equal(epoch_open(bed_path(w->bed, "epoch"), &w->epoch, &e), 0);
	c.epoch = w->epoch;
	assert_int_equal(uplink_new(w->bed->loop, &c, &w->uplink, &e), 0);
	uplink_start(w->uplink);
}

static void
close_world(struct world *w)
{
	uplink_free(w->uplink);
	epoch_free(w->epoch);
	link_free(w->server);
	w->server = NULL;
}

static int
setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	log_set_level(LOG_LEVEL_ERR);
	w->bed = bed_new();
	w->role = TLS_ROLE_SERVER;
	open_world(w);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	close_world(w);
	msg_free(w->got);
	bed_free(w->bed);
	free(w);
	return 0;
}

static void
say(struct world *w, uint64_t epoch, Drover__Envelope *m)
{
	AUTO_FREE uint8_t *p = NULL;
	size_t n;

	m->version = PROTO_VERSION;
	m->epoch = epoch;
	assert_int_equal(msg_pack(m, &p, &n, NULL), 0);
	assert_int_equal(link_send(w->server, p, n, NULL), 0);
	bed_settle(w->bed);
}

static void
say_welcome(struct world *w, uint64_t epoch)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Welcome wel = DROVER__WELCOME__INIT;

	wel.version = PROTO_VERSION;
	wel.beat_ms = 1000;
	m.body_case = DROVER__ENVELOPE__BODY_WELCOME;
	m.welcome = &wel;
	say(w, epoch, &m);
}

static void
say_order(struct world *w, uint64_t epoch)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestPause pause = DROVER__GUEST_PAUSE__INIT;

	o.task = 1;
	o.verb_case = DROVER__ORDER__VERB_GUEST_PAUSE;
	o.guest_pause = &pause;
	m.body_case = DROVER__ENVELOPE__BODY_ORDER;
	m.order = &o;
	say(w, epoch, &m);
}

static void
link_up(struct world *w, uint64_t epoch)
{
	bed_settle(w->bed);
	assert_int_equal(uplink_state(w->uplink), UPLINK_GREETING);
	say_welcome(w, epoch);
	assert_int_equal(uplink_state(w->uplink), UPLINK_READY);
}

static void
greets_and_takes_orders(void **state)
{
	struct world *w = *state;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__EventAck ack = DROVER__EVENT_ACK__INIT;

	link_up(w, 3);
	assert_int_equal(w->got->body_case, DROVER__ENVELOPE__BODY_HELLO);
	assert_string_equal(w->got->hello->host_uuid, UUID);
	assert_int_equal(w->welcomes, 1);
	say_order(w, 3);
	assert_int_equal(w->orders, 1);
	m.body_case = DROVER__ENVELOPE__BODY_EVENT_ACK;
	m.event_ack = &ack;
	say(w, 3, &m);
	assert_int_equal(w->acks, 1);
}

static void
older_epoch_is_not_obeyed_even_after_a_restart(void **state)
{
	struct world *w = *state;

	link_up(w, 3);
	say_order(w, 2);
	assert_int_equal(w->orders, 0);
	assert_int_equal(w->refused, 1);
	say_order(w, 4);
	assert_int_equal(w->orders, 1);
	close_world(w);
	bed_restart(w->bed);
	open_world(w);
	assert_int_equal(epoch_seen(w->epoch), 4);
	bed_settle(w->bed);
	say_welcome(w, 3);
	assert_int_equal(uplink_state(w->uplink), UPLINK_WAITING);
}

static void
damaged_epoch_is_no_zero(void **state)
{
	struct world *w = *state;
	struct epoch *ep = NULL;
	size_t n;

	link_up(w, 77);
	AUTO_FREE uint8_t *p = bed_read(bed_path(w->bed, "epoch"), &n);
	for (size_t len = 0; len < n; len++) {
		bed_write(bed_path(w->bed, "epoch"), p, len);
		assert_int_equal(
		    epoch_open(bed_path(w->bed, "epoch"), &ep, NULL), ERR_CORRUPT);
	}
}

static void
only_a_server_is_spoken_to(void **state)
{
	struct world *w = *state;

	w->role = TLS_ROLE_HOST;
	bed_settle(w->bed);
	assert_int_equal(w->dials, 1);
	assert_int_equal(w->hellos, 0);
	assert_int_equal(uplink_state(w->uplink), UPLINK_WAITING);
}

static void
waits_grow_with_jitter_and_servers_take_turns(void **state)
{
	struct world *w = *state;
	uint64_t waited = 0, longest = 0;
	unsigned dials;

	w->unreachable = true;
	bed_settle(w->bed);
	assert_string_equal(w->last_host, "alpha");
	assert_int_equal(w->last_port, 7001);
	for (dials = w->dials; dials < 40; waited = 0) {
		while (w->dials == dials) {
			clock_advance(w->bed->clock, 10);
			waited += 10;
			bed_settle(w->bed);
			assert_true(waited <= RETRY_MAX_MS + 100);
		}
		dials = w->dials;
		if (dials == 2) {
			assert_true(waited <= UPLINK_BACKOFF_MIN_MS + 100);
			assert_string_equal(w->last_host, "::1");
		}
		if (waited > longest)
			longest = waited;
	}
	assert_true(longest > RETRY_MAX_MS / 2);
}

static void
refusal_is_waited_out(void **state)
{
	struct world *w = *state;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Refuse r = DROVER__REFUSE__INIT;

	bed_settle(w->bed);
	r.retry_after_ms = 8000;
	m.body_case = DROVER__ENVELOPE__BODY_REFUSE;
	m.refuse = &r;
	say(w, 0, &m);
	assert_int_equal(uplink_state(w->uplink), UPLINK_WAITING);
	clock_advance(w->bed->clock, 7999);
	bed_settle(w->bed);
	assert_int_equal(w->dials, 1);
	clock_advance(w->bed->clock, 2ull * UPLINK_BACKOFF_MIN_MS);
	bed_settle(w->bed);
	assert_int_equal(w->dials, 2);
}

static void
three_missing_beats_end_the_link(void **state)
{
	struct world *w = *state;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Pong pong = DROVER__PONG__INIT;

	link_up(w, 1);
	for (int i = 0; i < 5; i++) {
		clock_advance(w->bed->clock, 1000);
		bed_settle(w->bed);
		assert_int_equal(w->got->body_case, DROVER__ENVELOPE__BODY_PING);
		m.body_case = DROVER__ENVELOPE__BODY_PONG;
		m.pong = &pong;
		say(w, 1, &m);
	}
	for (int i = 0; i < 3; i++) {
		clock_advance(w->bed->clock, 1000);
		bed_settle(w->bed);
		assert_int_equal(uplink_state(w->uplink), UPLINK_READY);
	}
	clock_advance(w->bed->clock, 1000);
	bed_settle(w->bed);
	assert_int_equal(uplink_state(w->uplink), UPLINK_WAITING);
	assert_int_equal(uplink_send(w->uplink, &m, NULL), ERR_LOST);
	assert_int_equal(w->downs, 1);
}

static void
sessions_come_in_and_end_with_the_link(void **state)
{
	struct world *w = *state;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__SessionOpen open = DROVER__SESSION_OPEN__INIT;

	link_up(w, 1);
	m.body_case = DROVER__ENVELOPE__BODY_SESSION_OPEN;
	m.session_open = &open;
	say(w, 1, &m);
	assert_int_equal(w->sessions, 1);
	assert_int_equal(w->downs, 0);
	link_free(w->server);
	w->server = NULL;
	bed_settle(w->bed);
	assert_int_equal(w->downs, 1);
}

static void
pings_are_answered(void **state)
{
	struct world *w = *state;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Ping ping = DROVER__PING__INIT;

	link_up(w, 1);
	ping.nonce = 99;
	m.body_case = DROVER__ENVELOPE__BODY_PING;
	m.ping = &ping;
	say(w, 1, &m);
	assert_int_equal(w->got->body_case, DROVER__ENVELOPE__BODY_PONG);
	assert_int_equal(w->got->pong->nonce, 99);
}

static void
silent_server_and_garbage_are_left(void **state)
{
	struct world *w = *state;

	bed_settle(w->bed);
	clock_advance(w->bed->clock, UPLINK_GREETING_MS);
	bed_settle(w->bed);
	assert_int_equal(uplink_state(w->uplink), UPLINK_WAITING);
	clock_advance(w->bed->clock, UPLINK_BACKOFF_MAX_MS);
	link_up(w, 1);
	assert_int_equal(link_send(w->server, "\xff\xff\xff", 3, NULL), 0);
	bed_settle(w->bed);
	assert_int_equal(uplink_state(w->uplink), UPLINK_WAITING);
}

static void
server_addresses(void **state)
{
	char *host = NULL;
	uint16_t port;

	assert_int_equal(uplink_parse_server("h:1", &host, &port, NULL), 0);
	free(host);
	assert_int_equal(uplink_parse_server("[fe80::1]:7443", &host, &port, NULL), 0);
	assert_string_equal(host, "fe80::1");
	assert_int_equal(port, 7443);
	free(host);
	const char *const bad[] = { "", "h", ":1", "h:", "h:0", "h:65536", "h:x",
		"a:b:1", "[]:1", "[x:1" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(
		    uplink_parse_server(bad[i], &host, &port, NULL), ERR_INVALID);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(greets_and_takes_orders),
		T(older_epoch_is_not_obeyed_even_after_a_restart),
		T(damaged_epoch_is_no_zero),
		T(only_a_server_is_spoken_to),
		T(waits_grow_with_jitter_and_servers_take_turns),
		T(refusal_is_waited_out),
		T(three_missing_beats_end_the_link),
		T(sessions_come_in_and_end_with_the_link),
		T(pings_are_answered),
		T(silent_server_and_garbage_are_left),
		cmocka_unit_test(server_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
