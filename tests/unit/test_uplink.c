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
#define UUID         "3f2504e0-4f89-41d3-9a0c-0305e82c3301"

/* The server's end is scripted by the tests. */
struct world {
	struct bed *bed;
	struct epoch *epoch;
	struct uplink *uplink;
	const char *servers;
	struct link *server, *other; /* the first one's end, and the second's */
	enum tls_role role;
	unsigned dialled[10]; /* by the last figure of the port */
	unsigned dials, hellos, welcomes, orders, refused, acks, frames, sessions,
	    downs;
	bool unreachable;
	char last_host[64];
	uint16_t last_port;
	Drover__Envelope *got, *got_other; /* the newest frame at each */
};

static void
server_frame(struct link *k, const uint8_t *p, size_t n, void *arg)
{
	struct world *w = arg;
	Drover__Envelope **got = k == w->other ? &w->got_other : &w->got;

	msg_free(*got);
	*got = NULL;
	assert_int_equal(msg_unpack(p, n, got, NULL), 0);
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
	struct link **end = k == w->other ? &w->other : &w->server;

	link_free(*end);
	*end = NULL;
}

static const struct link_events server_evs = { server_up, server_frame, server_down };

static int
dial(void *arg, const struct uplink_call *c, struct link **ret_k, struct err *e)
{
	struct world *w = arg;
	struct tls_identity host = { .role = TLS_ROLE_HOST, .uuid = UUID };
	struct tls_identity server = { .role = w->role };

	w->dials++;
	w->dialled[c->port % 10]++;
	snprintf(w->last_host, sizeof(w->last_host), "%s", c->host);
	w->last_port = c->port;
	if (w->unreachable)
		return err_set(e, ERR_UNAVAILABLE, "nobody there");
	struct link **end = c->port == 7001 ? &w->server : &w->other;
	link_free(*end);
	link_pair(w->bed->loop, &server, &host, end, ret_k);
	link_set_events(*end, &server_evs, w);
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

static const struct uplink_events evs = {
	.hello = on_hello,
	.welcome = on_welcome,
	.order = on_order,
	.refuse = on_refuse,
	.event_ack = on_ack,
	.session = on_session,
	.down = on_session_link_down,
};

static void
open_world(struct world *w)
{
	struct uplink_conf c = {
		.servers = w->servers,
		.ev = &evs,
		.arg = w,
		.seed = 42,
		.dial = dial,
		.retry_max_ms = RETRY_MAX_MS,
		.list_path = bed_path(w->bed, "servers"),
		.savers = w->bed->workers,
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
	link_free(w->other);
	w->server = w->other = NULL;
}

static int
setup_with(void **state, const char *servers)
{
	struct world *w = xcalloc(1, sizeof(*w));

	log_set_level(LOG_LEVEL_ERR);
	w->servers = servers;
	w->bed = bed_new();
	w->role = TLS_ROLE_SERVER;
	open_world(w);
	*state = w;
	return 0;
}

static int
setup(void **state)
{
	return setup_with(state, "alpha:7001");
}

static int
setup_two(void **state)
{
	return setup_with(state, "alpha:7001, [::1]:7002");
}

static int
teardown(void **state)
{
	struct world *w = *state;

	close_world(w);
	msg_free(w->got);
	msg_free(w->got_other);
	bed_free(w->bed);
	free(w);
	return 0;
}

static void
say_on(struct world *w, struct link *k, uint64_t epoch, Drover__Envelope *m)
{
	AUTO_FREE uint8_t *p = NULL;
	size_t n;

	m->version = PROTO_VERSION;
	m->epoch = epoch;
	assert_int_equal(msg_pack(m, &p, &n, NULL), 0);
	assert_int_equal(link_send(k, p, n, NULL), 0);
	bed_settle(w->bed);
}

static void
say(struct world *w, uint64_t epoch, Drover__Envelope *m)
{
	say_on(w, w->server, epoch, m);
}

static void
say_standby(
    struct world *w, struct link *k, uint64_t epoch, bool leads, const char *leader)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Standby standby = DROVER__STANDBY__INIT;
	AUTO_FREE char *own = xstrdup(leader);

	standby.version = PROTO_VERSION;
	standby.beat_ms = 1000;
	standby.leads = leads;
	standby.leader = own;
	m.body_case = DROVER__ENVELOPE__BODY_STANDBY;
	m.standby = &standby;
	say_on(w, k, epoch, &m);
}

static void
say_welcome_on(struct world *w, struct link *k, uint64_t epoch)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Welcome wel = DROVER__WELCOME__INIT;

	wel.version = PROTO_VERSION;
	wel.beat_ms = 1000;
	m.body_case = DROVER__ENVELOPE__BODY_WELCOME;
	m.welcome = &wel;
	say_on(w, k, epoch, &m);
}

static void
say_welcome(struct world *w, uint64_t epoch)
{
	say_welcome_on(w, w->server, epoch);
}

static void
say_order_on(struct world *w, struct link *k, uint64_t epoch)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestPause pause = DROVER__GUEST_PAUSE__INIT;

	o.task = 1;
	o.verb_case = DROVER__ORDER__VERB_GUEST_PAUSE;
	o.guest_pause = &pause;
	m.body_case = DROVER__ENVELOPE__BODY_ORDER;
	m.order = &o;
	say_on(w, k, epoch, &m);
}

static void
say_order(struct world *w, uint64_t epoch)
{
	say_order_on(w, w->server, epoch);
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
waits_grow_with_jitter(void **state)
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
		if (dials == 2)
			assert_true(waited <= UPLINK_BACKOFF_MIN_MS + 100);
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

/* Alpha leads with epoch 3, the other follows. */
static void
link_two(struct world *w)
{
	bed_settle(w->bed);
	assert_int_equal(w->dials, 2);
	say_standby(w, w->other, 0, false, "alpha:7001");
	assert_int_equal(uplink_state(w->uplink), UPLINK_STANDBY);
	say_welcome(w, 3);
	assert_int_equal(uplink_state(w->uplink), UPLINK_READY);
}

static void
a_new_certificate_is_dialled_with_beside_the_link(void **state)
{
	struct world *w = *state;

	link_two(w);
	uplink_redial(w->uplink);
	bed_settle(w->bed);
	assert_int_equal(w->dials, 3);
	assert_int_equal(w->last_port, 7002);
	assert_int_equal(w->downs, 0);
	assert_int_equal(uplink_state(w->uplink), UPLINK_READY);
	assert_int_equal(w->got_other->body_case, DROVER__ENVELOPE__BODY_STANDBY);
}

static void
the_next_leader_needs_no_handshake(void **state)
{
	struct world *w = *state;

	link_two(w);
	say_standby(w, w->other, 4, true, "");
	assert_int_equal(w->got_other->body_case, DROVER__ENVELOPE__BODY_HELLO);
	/* The first still has the link: nobody else has welcomed us. */
	say_order(w, 3);
	assert_int_equal(w->orders, 1);
	say_welcome_on(w, w->other, 4);
	assert_int_equal(w->dials, 2);
	assert_int_equal(w->welcomes, 2);
	assert_int_equal(w->downs, 1);
	say_order_on(w, w->other, 4);
	assert_int_equal(w->orders, 2);
	/* The first comes back as one that follows, and is only listened to. */
	clock_advance(w->bed->clock, 2ull * UPLINK_BACKOFF_MIN_MS);
	bed_settle(w->bed);
	assert_int_equal(w->dials, 3);
	assert_int_equal(w->got->body_case, DROVER__ENVELOPE__BODY_STANDBY);
}

static void
one_that_thinks_it_leads_does_not_get_the_link(void **state)
{
	struct world *w = *state;

	link_two(w);
	say_standby(w, w->other, 2, true, "");
	assert_int_not_equal(w->got_other->body_case, DROVER__ENVELOPE__BODY_STANDBY);
	assert_int_equal(w->hellos, 2);
	link_free(w->server);
	w->server = NULL;
	bed_settle(w->bed);
	assert_int_equal(w->hellos, 2);
	assert_int_equal(uplink_state(w->uplink), UPLINK_STANDBY);
}

static void
two_ways_to_one_leader(void **state)
{
	struct world *w = *state;

	link_two(w);
	say_standby(w, w->other, 3, true, "");
	assert_int_equal(w->hellos, 2);
	assert_int_equal(w->downs, 0);
	/* The other way is taken once the first is gone. */
	link_free(w->server);
	w->server = NULL;
	bed_settle(w->bed);
	assert_int_equal(w->hellos, 3);
	say_welcome_on(w, w->other, 3);
	assert_int_equal(uplink_state(w->uplink), UPLINK_READY);
}

static void
a_silent_follower_is_left_and_a_hint_hurries(void **state)
{
	struct world *w = *state;

	w->unreachable = true;
	bed_settle(w->bed);
	for (int i = 0; i < 20; i++) {
		clock_advance(w->bed->clock, RETRY_MAX_MS);
		bed_settle(w->bed);
	}
	w->unreachable = false;
	while (!w->other) {
		clock_advance(w->bed->clock, 10);
		bed_settle(w->bed);
	}
	link_free(w->server);
	w->server = NULL;
	bed_settle(w->bed);
	unsigned dials = w->dials;
	say_standby(w, w->other, 0, false, "alpha:7001");
	assert_int_equal(w->dials, dials + 1);
	assert_non_null(w->server);
	/* Nothing comes from the follower any more. */
	say_welcome(w, 3);
	for (int i = 0; i < 4; i++) {
		clock_advance(w->bed->clock, 1000);
		bed_settle(w->bed);
		if (w->server && w->got->body_case == DROVER__ENVELOPE__BODY_PING) {
			Drover__Envelope m = DROVER__ENVELOPE__INIT;
			Drover__Pong pong = DROVER__PONG__INIT;
			m.body_case = DROVER__ENVELOPE__BODY_PONG;
			m.pong = &pong;
			say(w, 3, &m);
		}
	}
	assert_null(w->other);
	assert_int_equal(uplink_state(w->uplink), UPLINK_READY);
	assert_int_equal(w->downs, 0);
}

/* ---- which servers there are ---- */

static void
say_servers(struct world *w, char **list, size_t n)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__ServerList servers = DROVER__SERVER_LIST__INIT;

	servers.agents = list;
	servers.n_agents = n;
	m.body_case = DROVER__ENVELOPE__BODY_SERVER_LIST;
	m.server_list = &servers;
	say(w, 3, &m);
	clock_advance(w->bed->clock, 10);
	bed_settle(w->bed);
}

/* Does one of them try that port, whoever else is tried? */
static bool
is_dialled(struct world *w, unsigned port)
{
	unsigned before = w->dialled[port % 10];

	for (int i = 0; i < 20; i++) {
		clock_advance(w->bed->clock, RETRY_MAX_MS);
		bed_settle(w->bed);
	}
	return w->dialled[port % 10] > before;
}

static bool
is_kept(void *arg)
{
	return bed_exists(bed_path(arg, "servers"));
}

static void
servers_of_the_list_are_dialled_and_kept(void **state)
{
	struct world *w = *state;
	char alpha[] = "alpha:7001", beta[] = "beta:7002", bad[] = "beta";
	char *all[] = { alpha, bad, beta };

	link_up(w, 3);
	w->unreachable = true;
	say_servers(w, all, 3);
	assert_true(is_dialled(w, 7002));
	bed_until(w->bed, is_kept, w->bed);
	close_world(w);
	open_world(w);
	assert_true(is_dialled(w, 7002));
}

static void
a_server_that_is_not_listed_any_more_is_let_go(void **state)
{
	struct world *w = *state;
	char beta[] = "beta:7002", gamma[] = "gamma:7003";
	char *two[] = { beta, gamma }, *one[] = { gamma };

	link_up(w, 3);
	w->unreachable = true;
	say_servers(w, two, 2);
	say_servers(w, one, 1);
	assert_false(is_dialled(w, 7002));
	assert_true(is_dialled(w, 7003));
	/* That of the settings is, whatever the list says. */
	assert_true(is_dialled(w, 7001));
}

static void
a_leader_that_is_named_is_dialled_though_nobody_listed_it(void **state)
{
	struct world *w = *state;

	bed_settle(w->bed);
	say_standby(w, w->server, 0, false, "beta:7002");
	assert_string_equal(w->last_host, "beta");
	assert_int_equal(w->last_port, 7002);
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
		T(waits_grow_with_jitter),
		T(refusal_is_waited_out),
		T(three_missing_beats_end_the_link),
		T(sessions_come_in_and_end_with_the_link),
		T(servers_of_the_list_are_dialled_and_kept),
		T(a_server_that_is_not_listed_any_more_is_let_go),
		T(a_leader_that_is_named_is_dialled_though_nobody_listed_it),
		T(pings_are_answered),
		T(silent_server_and_garbage_are_left),
#define T2(name) cmocka_unit_test_setup_teardown(name, setup_two, teardown)
		T2(a_new_certificate_is_dialled_with_beside_the_link),
		T2(the_next_leader_needs_no_handshake),
		T2(one_that_thinks_it_leads_does_not_get_the_link),
		T2(two_ways_to_one_leader),
		T2(a_silent_follower_is_left_and_a_hint_hurries),
		cmocka_unit_test(server_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
