#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "base/mem.h"
#include "base/str.h"
#include "loop/frame.h"
#include "loop/link.h"
#include "tests/lib/make_certs.h"

#define UUID        "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
#define DEADLINE_MS 10000
#define SERVER_SAN  "URI:drover:server,IP:127.0.0.1,DNS:localhost"
#define HOST_SAN    "URI:drover:host:" UUID

/* One end of a link and what came in on it. */
struct end {
	struct link *link;
	bool up, down;
	struct err why;
	struct str first; /* what the first frames said, if they were short */
	unsigned frames;
	size_t bytes;
	bool in_order; /* frames begin with their number, as send_numbered writes it */
	char peer[80];

	enum { FREE_NEVER, FREE_ON_UP, FREE_ON_FRAME, CLOSE_ON_FRAME } then;

	bool echo;
};

struct world {
	struct loop *loop;
	struct certs *certs;
	struct ssl_ctx_st *server_ctx, *client_ctx;
	struct link_listener *listener;
	struct link_opts server_opts, client_opts;
	struct end server, client;
};

static void
drop(struct end *end)
{
	link_free(MOVE(end->link));
}

static void
on_up(struct link *k, void *arg)
{
	struct end *end = arg;

	end->up = true;
	if (end->then == FREE_ON_UP)
		drop(end);
}

static void
on_frame(struct link *k, const uint8_t *p, size_t n, void *arg)
{
	struct end *end = arg;
	uint32_t number;

	if (n <= 16)
		str_addn(&end->first, p, n);
	if (n >= sizeof(number)) {
		memcpy(&number, p, sizeof(number));
		end->in_order = end->in_order && number == end->frames;
	}
	end->frames++;
	end->bytes += n;
	if (end->echo)
		assert_int_equal(link_send(k, p, n, NULL), 0);
	if (end->then == FREE_ON_FRAME)
		drop(end);
	if (end->then == CLOSE_ON_FRAME)
		link_close(k);
	/* Still good, whatever happened to the link. */
	assert_true(p[0] || n);
}

static void
on_down(struct link *k, const struct err *why, void *arg)
{
	struct end *end = arg;

	assert_false(end->down);
	end->down = true;
	end->why = *why;
}

static const struct link_events events = { on_up, on_frame, on_down };

static void
on_link(struct link *k, const char *peer, void *arg)
{
	struct world *w = arg;

	assert_null(w->server.link);
	w->server.link = k;
	snprintf(w->server.peer, sizeof(w->server.peer), "%s", peer);
	link_set_events(k, &events, &w->server);
}

static int
setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct cert_wish server = { .san = SERVER_SAN };
	struct cert_wish host = { .san = HOST_SAN };
	struct tls_files f;

	w->loop = loop_new(clock_system());
	w->certs = certs_new("test CA");
	f = certs_make(w->certs, "server", &server);
	assert_int_equal(tls_server_ctx(&f, &w->server_ctx, NULL), 0);
	f = certs_make(w->certs, "host", &host);
	assert_int_equal(tls_client_ctx(&f, &w->client_ctx, NULL), 0);
	w->server.in_order = w->client.in_order = true;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	link_free(w->client.link);
	link_free(w->server.link);
	link_listener_free(w->listener);
	str_fini(&w->server.first);
	str_fini(&w->client.first);
	tls_ctx_free(w->server_ctx);
	tls_ctx_free(w->client_ctx);
	certs_free(w->certs);
	loop_free(w->loop);
	free(w);
	return 0;
}

#define WAIT_FOR(w, condition)                                          \
	do {                                                            \
		uint64_t until_ = loop_now_ms((w)->loop) + DEADLINE_MS; \
		while (!(condition) && loop_now_ms((w)->loop) < until_) \
			loop_turn((w)->loop, 20);                       \
		assert_true(condition);                                 \
	} while (0)

static void
listen_here(struct world *w)
{
	assert_int_equal(link_listen(w->loop, "127.0.0.1", 0, w->server_ctx,
			     &w->server_opts, on_link, w, &w->listener, NULL),
	    0);
	assert_true(link_listener_port(w->listener) > 0);
}

static void
dial(struct world *w, const char *host)
{
	assert_int_equal(
	    link_dial(w->loop, host, link_listener_port(w->listener), w->client_ctx,
		&w->client_opts, &events, &w->client, &w->client.link, NULL),
	    0);
	assert_false(w->client.up || w->client.down);
}

static void
connect_both(struct world *w)
{
	listen_here(w);
	dial(w, "127.0.0.1");
	WAIT_FOR(w, w->client.up && w->server.up);
}

static void
send_text(struct end *end, const char *s)
{
	assert_int_equal(link_send(end->link, s, strlen(s), NULL), 0);
}

/* Frames of n bytes that begin with 0, 1, 2 … */
static void
send_numbered(struct end *end, uint32_t count, size_t n)
{
	uint8_t *p = xcalloc(1, n);

	for (uint32_t i = 0; i < count; i++) {
		memcpy(p, &i, sizeof(i));
		assert_int_equal(link_send(end->link, p, n, NULL), 0);
	}
	free(p);
}

static void
both_ends_know_each_other(void **state)
{
	struct world *w = *state;

	connect_both(w);
	assert_int_equal(link_peer(w->client.link)->role, TLS_ROLE_SERVER);
	assert_int_equal(link_peer(w->server.link)->role, TLS_ROLE_HOST);
	assert_string_equal(link_peer(w->server.link)->uuid, UUID);
	assert_true(str_starts(w->server.peer, "127.0.0.1:"));
	assert_string_equal(w->server.peer, link_peer_addr(w->server.link));
	assert_true(str_starts(link_peer_addr(w->client.link), "127.0.0.1:"));
}

static void
frames_arrive_in_order(void **state)
{
	struct world *w = *state;

	connect_both(w);
	send_text(&w->client, "one ");
	send_text(&w->client, "two ");
	send_text(&w->server, "three");
	WAIT_FOR(w, w->server.frames == 2 && w->client.frames == 1);
	assert_string_equal(str_cstr(&w->server.first), "one two ");
	assert_string_equal(str_cstr(&w->client.first), "three");
}

static void
large_and_many_frames_come_back(void **state)
{
	struct world *w = *state;
	const size_t frame = (size_t)MAX_FRAME;

	w->server.echo = true;
	connect_both(w);
	send_numbered(&w->client, 1, frame);
	WAIT_FOR(w, w->client.bytes == frame);
	w->client.frames = w->server.frames = 0;
	send_numbered(&w->client, 2000, 300);
	WAIT_FOR(w, w->client.frames == 2000);
	assert_true(w->client.in_order && w->server.in_order);
}

static void
a_name_is_resolved(void **state)
{
	struct world *w = *state;

	listen_here(w);
	/* It may stand for ::1 first, where nobody listens. */
	dial(w, "localhost");
	WAIT_FOR(w, w->client.up && w->server.up);
}

static void
a_name_that_is_none_fails(void **state)
{
	struct world *w = *state;
	/* A label over 63 characters: no server is asked about it. */
	const char *name =
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	    "xxxxxxxx";

	listen_here(w);
	dial(w, name);
	WAIT_FOR(w, w->client.down);
	assert_int_equal(w->client.why.code, ERR_UNAVAILABLE);
	assert_true(str_starts(w->client.why.msg, "cannot resolve xxx"));
}

static void
a_dial_may_be_given_up_while_resolving(void **state)
{
	struct world *w = *state;

	listen_here(w);
	dial(w, "localhost");
	drop(&w->client);
	loop_turn(w->loop, 0);
	assert_false(w->client.up || w->client.down);
}

static void
a_closed_port_is_unavailable(void **state)
{
	struct world *w = *state;
	uint16_t port;

	listen_here(w);
	port = link_listener_port(w->listener);
	link_listener_free(MOVE(w->listener));
	assert_int_equal(link_dial(w->loop, "127.0.0.1", port, w->client_ctx, NULL,
			     &events, &w->client, &w->client.link, NULL),
	    0);
	WAIT_FOR(w, w->client.down);
	assert_int_equal(w->client.why.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(w->client.why.msg, "Connection refused"));
	assert_int_equal(link_send(w->client.link, "x", 1, NULL), ERR_LOST);
}

/* Give the client another certificate, from CA c, and dial. */
static void
dial_with(struct world *w, struct certs *c, const struct cert_wish *wish)
{
	struct tls_files f = certs_make(c, "odd", wish);

	f.ca = certs_ca(w->certs);
	tls_ctx_free(w->client_ctx);
	assert_int_equal(tls_client_ctx(&f, &w->client_ctx, NULL), 0);
	listen_here(w);
	dial(w, "127.0.0.1");
}

/* The same for the server's, and dial host. */
static void
dial_to(
    struct world *w, struct certs *c, const char *host, const struct cert_wish *wish)
{
	struct tls_files f = certs_make(c, "odd", wish);

	f.ca = certs_ca(w->certs);
	tls_ctx_free(w->server_ctx);
	assert_int_equal(tls_server_ctx(&f, &w->server_ctx, NULL), 0);
	listen_here(w);
	dial(w, host);
}

static void
expect_refused_by_server(struct world *w)
{
	WAIT_FOR(w, w->server.down && w->client.down);
	assert_false(w->server.up);
	assert_int_equal(w->server.frames, 0);
	assert_int_equal(w->server.why.code, ERR_DENIED);
}

static void
expect_refused_by_client(struct world *w)
{
	WAIT_FOR(w, w->server.down && w->client.down);
	assert_false(w->client.up || w->server.up);
	assert_int_equal(w->client.why.code, ERR_DENIED);
}

static void
a_client_of_another_ca_is_refused(void **state)
{
	struct world *w = *state;
	struct certs *other = certs_new("test CA");

	dial_with(w, other, &(struct cert_wish){ .san = HOST_SAN });
	expect_refused_by_server(w);
	assert_int_equal(w->client.why.code, ERR_DENIED);
	certs_free(other);
}

static void
a_server_of_another_ca_is_refused(void **state)
{
	struct world *w = *state;
	struct certs *other = certs_new("another CA");

	dial_to(w, other, "127.0.0.1", &(struct cert_wish){ .san = SERVER_SAN });
	expect_refused_by_client(w);
	certs_free(other);
}

static void
an_expired_client_is_refused(void **state)
{
	struct world *w = *state;

	dial_with(w, w->certs,
	    &(struct cert_wish){ .san = HOST_SAN, .from_s = -3000, .to_s = -10 });
	expect_refused_by_server(w);
	assert_non_null(strstr(w->server.why.msg, "expired"));
}

static void
an_expired_server_is_refused(void **state)
{
	struct world *w = *state;

	dial_to(w, w->certs, "127.0.0.1",
	    &(struct cert_wish){ .san = SERVER_SAN, .from_s = -3000, .to_s = -10 });
	expect_refused_by_client(w);
	assert_non_null(strstr(w->client.why.msg, "expired"));
}

static void
a_certificate_of_the_future_is_refused(void **state)
{
	struct world *w = *state;

	dial_with(w, w->certs,
	    &(struct cert_wish){ .san = HOST_SAN, .from_s = 600, .to_s = 3000 });
	expect_refused_by_server(w);
}

static void
a_server_for_another_address_is_refused(void **state)
{
	struct world *w = *state;

	dial_to(w, w->certs, "127.0.0.1",
	    &(struct cert_wish){
		.san = "URI:drover:server,IP:10.0.0.1,DNS:localhost" });
	expect_refused_by_client(w);
	assert_non_null(strstr(w->client.why.msg, "IP address mismatch"));
}

static void
a_server_for_another_name_is_refused(void **state)
{
	struct world *w = *state;

	dial_to(w, w->certs, "localhost",
	    &(struct cert_wish){
		.san = "URI:drover:server,IP:127.0.0.1,DNS:elsewhere" });
	expect_refused_by_client(w);
}

static void
a_certificate_for_another_use_is_refused(void **state)
{
	struct world *w = *state;

	dial_with(
	    w, w->certs, &(struct cert_wish){ .san = HOST_SAN, .eku = "serverAuth" });
	expect_refused_by_server(w);
}

static void
a_certificate_without_a_role_is_refused(void **state)
{
	struct world *w = *state;

	dial_with(w, w->certs, &(struct cert_wish){ .san = "DNS:h1" });
	expect_refused_by_server(w);
	assert_non_null(strstr(w->server.why.msg, "names no role"));
}

/* A plain socket to the listener. */
static int
raw_connect(struct world *w)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(link_listener_port(w->listener)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* A TLS client that is not a link, so that it can misbehave. */
static SSL *
raw_tls(struct world *w, SSL_CTX *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);
	uint64_t until = loop_now_ms(w->loop) + DEADLINE_MS;

	SSL_set_fd(ssl, fd);
	while (SSL_connect(ssl) != 1 && loop_now_ms(w->loop) < until && !w->server.down)
		loop_turn(w->loop, 5);
	return ssl;
}

static void
send_raw(struct world *w, const void *p, int n)
{
	SSL *ssl;
	int fd;

	listen_here(w);
	fd = raw_connect(w);
	ssl = raw_tls(w, w->client_ctx, fd);
	assert_int_equal(SSL_write(ssl, p, n), n);
	SSL_free(ssl);
	close(fd);
	WAIT_FOR(w, w->server.down);
}

static void
plain_garbage_is_refused(void **state)
{
	struct world *w = *state;
	static const char text[] = "GET / HTTP/1.0\r\n\r\n";
	AUTO_CLOSE int fd = -1;

	listen_here(w);
	fd = raw_connect(w);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	WAIT_FOR(w, w->server.down);
	assert_int_equal(w->server.why.code, ERR_CORRUPT);
	assert_false(w->server.up);
}

static void
a_connection_without_handshake_goes(void **state)
{
	struct world *w = *state;
	int fd;

	w->server_opts.handshake_ms = 200;
	listen_here(w);
	fd = raw_connect(w);
	WAIT_FOR(w, w->server.down);
	assert_int_equal(w->server.why.code, ERR_TIMEOUT);
	close(fd);
	/* One that closes instead is lost. */
	drop(&w->server);
	w->server = (struct end){ .link = NULL };
	close(raw_connect(w));
	WAIT_FOR(w, w->server.down);
	assert_int_equal(w->server.why.code, ERR_LOST);
}

static void
tls_before_1_3_is_refused(void **state)
{
	struct world *w = *state;
	AUTO_CLOSE int fd = -1;
	SSL *ssl;

	SSL_CTX_set_min_proto_version(w->client_ctx, TLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(w->client_ctx, TLS1_2_VERSION);
	listen_here(w);
	fd = raw_connect(w);
	ssl = raw_tls(w, w->client_ctx, fd);
	WAIT_FOR(w, w->server.down);
	assert_false(w->server.up);
	assert_int_equal(w->server.why.code, ERR_CORRUPT);
	SSL_free(ssl);
}

static void
a_client_without_certificate_is_refused(void **state)
{
	struct world *w = *state;
	SSL_CTX *bare = SSL_CTX_new(TLS_client_method());
	AUTO_CLOSE int fd = -1;
	SSL *ssl;

	listen_here(w);
	fd = raw_connect(w);
	ssl = raw_tls(w, bare, fd);
	WAIT_FOR(w, w->server.down);
	assert_false(w->server.up);
	assert_int_equal(w->server.why.code, ERR_DENIED);
	SSL_free(ssl);
	SSL_CTX_free(bare);
}

static void
a_frame_too_long_ends_the_link(void **state)
{
	struct world *w = *state;

	w->server_opts.max_frame = 1000;
	connect_both(w);
	send_numbered(&w->client, 1, 1000);
	send_numbered(&w->client, 1, 1001);
	WAIT_FOR(w, w->server.down && w->client.down);
	assert_int_equal(w->server.frames, 1);
	assert_int_equal(w->server.why.code, ERR_CORRUPT);
	assert_int_equal(w->client.why.code, ERR_LOST);
}

static void
an_empty_frame_ends_the_link(void **state)
{
	struct world *w = *state;

	send_raw(w, "\0\0\0\1x\0\0\0\0", 9);
	assert_int_equal(w->server.frames, 1);
	assert_int_equal(w->server.why.code, ERR_CORRUPT);
}

static void
a_frame_cut_off_is_not_delivered(void **state)
{
	struct world *w = *state;

	send_raw(w, "\0\0\0\2hi\0\0\0\144only ten b", 20);
	assert_int_equal(w->server.frames, 1);
	assert_int_equal(w->server.why.code, ERR_LOST);
	assert_non_null(strstr(w->server.why.msg, "in the middle of a frame"));
}

static void
silence_ends_an_idle_link(void **state)
{
	struct world *w = *state;
	uint64_t begin_ms;

	w->server_opts.idle_ms = 500;
	connect_both(w);
	begin_ms = loop_now_ms(w->loop);
	WAIT_FOR(w, loop_now_ms(w->loop) >= begin_ms + 300);
	send_text(&w->client, "still here");
	WAIT_FOR(w, w->server.down);
	assert_int_equal(w->server.why.code, ERR_LOST);
	assert_int_equal(w->server.frames, 1);
	/* The frame began the time anew. */
	assert_true(loop_now_ms(w->loop) >= begin_ms + 800);
}

static void
a_full_backlog_refuses(void **state)
{
	struct world *w = *state;
	uint8_t *p = xcalloc(1, 10000);
	struct err e = ERR_INIT;
	unsigned sent = 0;

	w->client_opts.max_backlog = 65536;
	connect_both(w);
	while (sent < 100 && !link_send(w->client.link, p, 10000, &e))
		sent++;
	assert_int_equal(sent, 6);
	assert_int_equal(e.code, ERR_BUSY);
	assert_int_equal(link_backlog(w->client.link), 6 * 10004);
	WAIT_FOR(w, w->server.frames == 6);
	assert_int_equal(link_backlog(w->client.link), 0);
	assert_int_equal(link_send(w->client.link, p, 10000, NULL), 0);
	free(p);
}

static void
send_checks_size_and_state(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;

	w->client_opts.max_frame = 100;
	listen_here(w);
	dial(w, "127.0.0.1");
	assert_int_equal(link_send(w->client.link, "x", 1, &e), ERR_BAD_STATE);
	WAIT_FOR(w, w->client.up);
	assert_int_equal(link_send(w->client.link, "", 0, &e), ERR_INVALID);
	assert_int_equal(link_send(w->client.link, "x", 101, &e), ERR_TOO_LARGE);
	assert_int_equal(link_backlog(w->client.link), 0);
}

static void
close_sends_what_is_queued(void **state)
{
	struct world *w = *state;

	connect_both(w);
	/* Unread input on the closing side must not spoil it. */
	send_numbered(&w->server, 20, 100000);
	send_numbered(&w->client, 80, 100000);
	link_close(w->client.link);
	assert_int_equal(link_send(w->client.link, "x", 1, NULL), ERR_BAD_STATE);
	WAIT_FOR(w, w->server.down);
	assert_int_equal(w->server.frames, 80);
	assert_true(w->server.in_order);
	assert_int_equal(w->server.why.code, ERR_LOST);
	assert_non_null(strstr(w->server.why.msg, "closed by the peer"));
	drop(&w->server);
	WAIT_FOR(w, w->client.down);
	assert_int_equal(w->client.why.code, ERR_CANCELLED);
}

static void
close_before_up_ends_at_once(void **state)
{
	struct world *w = *state;

	listen_here(w);
	dial(w, "127.0.0.1");
	link_close(w->client.link);
	assert_false(w->client.down);
	WAIT_FOR(w, w->client.down);
	assert_int_equal(w->client.why.code, ERR_CANCELLED);
}

static void
a_link_may_be_freed_in_its_callbacks(void **state)
{
	struct world *w = *state;

	w->client.then = FREE_ON_UP;
	w->server.then = FREE_ON_FRAME;
	listen_here(w);
	dial(w, "127.0.0.1");
	WAIT_FOR(w, w->client.up && w->server.down);
	assert_null(w->client.link);
	drop(&w->server);

	memset(&w->client, 0, sizeof(w->client));
	w->server = (struct end){ .then = FREE_ON_FRAME };
	dial(w, "127.0.0.1");
	WAIT_FOR(w, w->client.up && w->server.up);
	send_numbered(&w->client, 3, 100);
	WAIT_FOR(w, w->client.down);
	assert_int_equal(w->server.frames, 1);
	assert_false(w->server.down);
}

static void
a_link_may_be_closed_in_on_frame(void **state)
{
	struct world *w = *state;

	w->server.then = CLOSE_ON_FRAME;
	w->server.echo = true;
	connect_both(w);
	send_numbered(&w->client, 3, 100);
	WAIT_FOR(w, w->client.down);
	assert_int_equal(w->server.frames, 1);
	assert_int_equal(w->client.frames, 1);
}

static void
listening_needs_an_address_that_is_free(void **state)
{
	struct world *w = *state;
	struct link_listener *second = NULL;
	struct err e = ERR_INIT;

	listen_here(w);
	assert_int_equal(
	    link_listen(w->loop, "127.0.0.1", link_listener_port(w->listener),
		w->server_ctx, NULL, on_link, w, &second, &e),
	    ERR_BUSY);
	assert_int_equal(link_listen(w->loop, "localhost", 0, w->server_ctx, NULL,
			     on_link, w, &second, &e),
	    ERR_INVALID);
	assert_null(second);
}

static void
a_listener_may_go_with_connections_waiting(void **state)
{
	struct world *w = *state;
	int fd;

	listen_here(w);
	fd = raw_connect(w);
	link_listener_free(MOVE(w->listener));
	while (loop_turn(w->loop, 0))
		;
	assert_null(w->server.link);
	close(fd);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(both_ends_know_each_other),
		CASE(frames_arrive_in_order),
		CASE(large_and_many_frames_come_back),
		CASE(a_name_is_resolved),
		CASE(a_name_that_is_none_fails),
		CASE(a_dial_may_be_given_up_while_resolving),
		CASE(a_closed_port_is_unavailable),
		CASE(a_client_of_another_ca_is_refused),
		CASE(a_server_of_another_ca_is_refused),
		CASE(an_expired_client_is_refused),
		CASE(an_expired_server_is_refused),
		CASE(a_certificate_of_the_future_is_refused),
		CASE(a_server_for_another_address_is_refused),
		CASE(a_server_for_another_name_is_refused),
		CASE(a_certificate_for_another_use_is_refused),
		CASE(a_certificate_without_a_role_is_refused),
		CASE(plain_garbage_is_refused),
		CASE(a_connection_without_handshake_goes),
		CASE(tls_before_1_3_is_refused),
		CASE(a_client_without_certificate_is_refused),
		CASE(a_frame_too_long_ends_the_link),
		CASE(an_empty_frame_ends_the_link),
		CASE(a_frame_cut_off_is_not_delivered),
		CASE(silence_ends_an_idle_link),
		CASE(a_full_backlog_refuses),
		CASE(send_checks_size_and_state),
		CASE(close_sends_what_is_queued),
		CASE(close_before_up_ends_at_once),
		CASE(a_link_may_be_freed_in_its_callbacks),
		CASE(a_link_may_be_closed_in_on_frame),
		CASE(listening_needs_an_address_that_is_free),
		CASE(a_listener_may_go_with_connections_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
