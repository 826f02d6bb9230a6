/*
 * Two hosts' channels on loopback, and everything that may come between them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "host-agent/channel/channel.h"
#include "host-agent/channel/channel_int.h"
#include "tests/lib/make_certs.h"
#include "tests/lib/proxy.h"
#include "tests/lib/waiter.h"

#define UUID_A "3f2504e0-4f89-41d3-9a0c-0000000000aa"
#define UUID_B "3f2504e0-4f89-41d3-9a0c-0000000000bb"
#define UUID_C "3f2504e0-4f89-41d3-9a0c-0000000000cc"
#define MIB    1048576u
#define STALL  400u

struct world {
	struct loop *loop;
	struct flows *flows;
	struct certs *certs;
	struct channel *a, *b;
	struct ssl_ctx_st *accept[2], *dial[2], *server_dial;
	uint8_t key[CHANNEL_KEY_BYTES];
};

/* One stream, both ends. */
struct stream {
	struct channel_stream *from, *to;
	int from_fd, to_fd; /* the users' ends */
	struct waiter from_up, from_down, to_up, to_down;
};

static void
make_ctxs(struct world *w, const char *name, const char *san, size_t i)
{
	struct cert_wish wish = { .san = san };
	struct tls_files files = certs_make(w->certs, name, &wish);
	struct err e = ERR_INIT;

	assert_int_equal(tls_server_ctx(&files, &w->accept[i], &e), 0);
	assert_int_equal(tls_client_ctx(&files, &w->dial[i], &e), 0);
}

static struct channel *
open_channel(struct world *w, size_t i, uint64_t cap)
{
	struct channel_opts o = {
		.accept_ctx = w->accept[i],
		.dial_ctx = w->dial[i],
		.address = "127.0.0.1",
		.bytes_per_s = cap,
		.stall_ms = STALL,
		.handshake_ms = 2 * STALL,
	};
	struct channel *c = NULL;
	struct err e = ERR_INIT;

	if (channel_open(w->loop, &o, &c, &e))
		fail_msg("channel_open: %s", e.msg);
	return c;
}

static int
set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct cert_wish wish = { .san = "URI:drover:server" };
	struct err e = ERR_INIT;

	w->loop = loop_new(clock_system());
	w->flows = flows_new(w->loop);
	w->certs = certs_new("channel test");
	make_ctxs(w, "a", "URI:drover:host:" UUID_A, 0);
	make_ctxs(w, "b", "URI:drover:host:" UUID_B, 1);
	struct tls_files server = certs_make(w->certs, "server", &wish);
	assert_int_equal(tls_client_ctx(&server, &w->server_dial, &e), 0);
	w->a = open_channel(w, 0, 0);
	w->b = open_channel(w, 1, 0);
	rng_secret(w->key, sizeof(w->key));
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	channel_free(w->a);
	channel_free(w->b);
	flows_free(w->flows);
	loop_free(w->loop);
	for (size_t i = 0; i < 2; i++) {
		tls_ctx_free(w->accept[i]);
		tls_ctx_free(w->dial[i]);
	}
	tls_ctx_free(w->server_dial);
	certs_free(w->certs);
	free(w);
	return 0;
}

static int
local_pair(int *ret_mine)
{
	int fds[2];

	ASSERT(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	*ret_mine = fds[0];
	return fds[1];
}

static int
expect(struct world *w, struct stream *s, const char *peer, struct err *e)
{
	const struct channel_opening o = {
		.key = w->key,
		.name = "memory",
		.fd_take = local_pair(&s->to_fd),
		.ends = { waiter_start(&s->to_up, w->loop, w->flows),
		    waiter_start(&s->to_down, w->loop, w->flows) },
	};

	return channel_expect(w->b, &o, peer, &s->to, e);
}

static int
dial_with(struct world *w, struct stream *s, const struct channel_dest *to,
    const uint8_t *key, uint64_t cap, struct err *e)
{
	const struct channel_opening o = {
		.key = key,
		.name = "memory",
		.fd_take = local_pair(&s->from_fd),
		.cap = cap,
		.ends = { waiter_start(&s->from_up, w->loop, w->flows),
		    waiter_start(&s->from_down, w->loop, w->flows) },
	};

	return channel_dial(w->a, &o, to, &s->from, e);
}

static const char *const loopback[] = { "127.0.0.1" };

static struct channel_dest
dest(uint16_t port, const char *uuid)
{
	return (struct channel_dest){ loopback, 1, port, uuid };
}

static void
connect_through(struct world *w, struct stream *s, uint16_t port, uint64_t cap)
{
	struct channel_dest to = dest(port, UUID_B);
	struct err e = ERR_INIT;

	*s = (struct stream){ .from = NULL };
	assert_int_equal(expect(w, s, UUID_A, &e), 0);
	assert_int_equal(dial_with(w, s, &to, w->key, cap, &e), 0);
	if (waiter_end(&s->from_up, w->loop) || waiter_end(&s->to_up, w->loop))
		fail_msg("not up: %s%s", s->from_up.e.msg, s->to_up.e.msg);
}

static void
connect_both(struct world *w, struct stream *s)
{
	connect_through(w, s, channel_port(w->b), 0);
}

static void
end_stream(struct stream *s)
{
	channel_stream_free(s->from);
	channel_stream_free(s->to);
	close(s->from_fd);
	close(s->to_fd);
}

/* ---- who writes and reads ---- */

struct feeder {
	int fd;
	uint64_t seed;
	size_t left;
	pthread_t thread;
	uint8_t sum[32];
};

struct taker {
	int fd;
	size_t got;
	pthread_t thread;
	uint8_t sum[32];
};

static void *
feed(void *arg)
{
	struct feeder *f = arg;
	AUTO_FREE uint8_t *buf = xmalloc(MIB);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	struct rng r;

	rng_seed(&r, f->seed);
	for (size_t i = 0; i < MIB; i += 8) {
		uint64_t v = rng_next(&r);
		memcpy(buf + i, &v, 8);
	}
	EVP_DigestInit_ex(md, EVP_sha256(), NULL);
	while (f->left) {
		size_t n = f->left < MIB ? f->left : MIB;
		ssize_t did = send(f->fd, buf, n, MSG_NOSIGNAL);

		if (did <= 0)
			break;
		EVP_DigestUpdate(md, buf, (size_t)did);
		f->left -= (size_t)did;
		buf[f->left % MIB]++;
	}
	EVP_DigestFinal_ex(md, f->sum, NULL);
	EVP_MD_CTX_free(md);
	shutdown(f->fd, SHUT_WR);
	return NULL;
}

static void *
take(void *arg)
{
	struct taker *t = arg;
	AUTO_FREE uint8_t *buf = xmalloc(MIB);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	ssize_t n;

	EVP_DigestInit_ex(md, EVP_sha256(), NULL);
	while ((n = read(t->fd, buf, MIB)) > 0) {
		EVP_DigestUpdate(md, buf, (size_t)n);
		t->got += (size_t)n;
	}
	EVP_DigestFinal_ex(md, t->sum, NULL);
	EVP_MD_CTX_free(md);
	return NULL;
}

static void
start_feeding(struct feeder *f, int fd, size_t n)
{
	*f = (struct feeder){ .fd = fd, .seed = (uint64_t)fd, .left = n };
	ASSERT(!pthread_create(&f->thread, NULL, feed, f));
}

static void
start_taking(struct taker *t, int fd)
{
	*t = (struct taker){ .fd = fd };
	ASSERT(!pthread_create(&t->thread, NULL, take, t));
}

/* ---- tests ---- */

static void
test_content_is_whole_both_ways(void **state)
{
	struct world *w = *state;
	struct feeder feeders[2];
	struct taker takers[2];
	struct stream s;

	connect_both(w, &s);
	start_taking(&takers[0], s.to_fd);
	start_taking(&takers[1], s.from_fd);
	start_feeding(&feeders[0], s.from_fd, 100 * MIB);
	start_feeding(&feeders[1], s.to_fd, 20 * MIB + 7);
	assert_int_equal(waiter_end(&s.from_down, w->loop), 0);
	assert_int_equal(waiter_end(&s.to_down, w->loop), 0);
	for (size_t i = 0; i < 2; i++) {
		pthread_join(feeders[i].thread, NULL);
		pthread_join(takers[i].thread, NULL);
		assert_memory_equal(feeders[i].sum, takers[i].sum, 32);
	}
	assert_int_equal(takers[0].got, 100 * MIB);
	assert_int_equal(channel_stream_facts(s.from).out_bytes, 100 * MIB);
	assert_int_equal(channel_stream_facts(s.from).in_bytes, 20 * MIB + 7);
	assert_int_equal(channel_stream_facts(s.to).in_bytes, 100 * MIB);
	assert_false(channel_stream_facts(s.to).is_up);
	end_stream(&s);
}

static void
turn_until_readable(struct world *w, int fd)
{
	uint64_t end = clock_mono_ms(clock_system()) + 10000;
	struct pollfd p = { fd, POLLIN, 0 };

	while (poll(&p, 1, 0) == 0) {
		ASSERT(clock_mono_ms(clock_system()) < end);
		loop_turn(w->loop, 5);
	}
}

static void
test_half_close_arrives_as_one(void **state)
{
	struct world *w = *state;
	struct stream s;
	char buf[16];

	connect_both(w, &s);
	assert_int_equal(write(s.from_fd, "question", 8), 8);
	shutdown(s.from_fd, SHUT_WR);
	turn_until_readable(w, s.to_fd);
	assert_int_equal(read(s.to_fd, buf, sizeof(buf)), 8);
	turn_until_readable(w, s.to_fd);
	assert_int_equal(read(s.to_fd, buf, sizeof(buf)), 0);
	assert_false(s.from_down.ended);
	assert_int_equal(write(s.to_fd, "answer", 6), 6);
	shutdown(s.to_fd, SHUT_WR);
	turn_until_readable(w, s.from_fd);
	assert_int_equal(read(s.from_fd, buf, sizeof(buf)), 6);
	assert_memory_equal(buf, "answer", 6);
	assert_int_equal(waiter_end(&s.from_down, w->loop), 0);
	assert_int_equal(waiter_end(&s.to_down, w->loop), 0);
	end_stream(&s);
}

/* What becomes of a dial that must fail; the one who waits goes on waiting. */
static void
refused(struct world *w, const char *expected_peer, const char *dialled,
    const uint8_t *key, const char *why)
{
	struct channel_dest to = dest(channel_port(w->b), dialled);
	struct stream s = { .from = NULL };
	struct err e = ERR_INIT;

	assert_int_equal(expect(w, &s, expected_peer, &e), 0);
	assert_int_equal(dial_with(w, &s, &to, key, 0, &e), 0);
	assert_int_equal(waiter_end(&s.from_up, w->loop), ERR_DENIED);
	if (!strstr(s.from_up.e.msg, why))
		fail_msg("\"%s\" does not say \"%s\"", s.from_up.e.msg, why);
	assert_false(s.to_up.ended);
	end_stream(&s);
}

static void
test_wrong_key_is_refused(void **state)
{
	struct world *w = *state;
	uint8_t other[CHANNEL_KEY_BYTES];

	memcpy(other, w->key, sizeof(other));
	other[31] ^= 1;
	refused(w, UUID_A, UUID_B, other, "does not expect stream memory");
}

static void
test_wrong_host_is_refused(void **state)
{
	refused(*state, UUID_C, UUID_B, ((struct world *)*state)->key,
	    "does not expect stream memory");
	refused(*state, UUID_A, UUID_C, ((struct world *)*state)->key,
	    "is host " UUID_B ", not " UUID_C);
}

static void
test_other_roles_are_refused(void **state)
{
	struct world *w = *state;
	struct channel_dest to = dest(channel_port(w->b), UUID_B);
	struct stream s = { .from = NULL };
	struct err e = ERR_INIT;

	assert_int_equal(expect(w, &s, UUID_A, &e), 0);
	channel_set_ctx(w->a, w->accept[0], w->server_dial);
	assert_int_equal(dial_with(w, &s, &to, w->key, 0, &e), 0);
	assert_int_not_equal(waiter_end(&s.from_up, w->loop), 0);
	assert_false(s.to_up.ended);
	end_stream(&s);
}

static void
test_new_certificates_are_used(void **state)
{
	struct world *w = *state;
	struct channel_dest to = dest(channel_port(w->b), UUID_A);
	struct stream s = { .from = NULL };
	struct err e = ERR_INIT;

	/* The door of b now shows the certificate of a. */
	channel_set_ctx(w->b, w->accept[0], w->dial[1]);
	assert_int_equal(expect(w, &s, UUID_A, &e), 0);
	assert_int_equal(dial_with(w, &s, &to, w->key, 0, &e), 0);
	assert_int_equal(waiter_end(&s.from_up, w->loop), 0);
	end_stream(&s);
}

static void
test_stream_is_expected_once(void **state)
{
	struct world *w = *state;
	struct stream s = { .from = NULL }, again = { .from = NULL };
	struct err e = ERR_INIT;

	assert_int_equal(expect(w, &s, UUID_A, &e), 0);
	assert_int_equal(expect(w, &again, UUID_A, &e), ERR_EXISTS);
	close(again.to_fd);
	channel_stream_free(s.to);
	close(s.to_fd);
	assert_int_equal(expect(w, &s, UUID_A, &e), 0);
	channel_stream_free(s.to);
	close(s.to_fd);
}

static void
test_nobody_at_the_address(void **state)
{
	struct world *w = *state;
	struct channel_dest to = dest(1, UUID_B);
	struct stream s = { .from = NULL };
	struct err e = ERR_INIT;

	assert_int_equal(dial_with(w, &s, &to, w->key, 0, &e), 0);
	assert_int_equal(waiter_end(&s.from_up, w->loop), ERR_LOST);
	channel_stream_free(s.from);
	close(s.from_fd);
}

static void
test_next_address_is_tried(void **state)
{
	struct world *w = *state;
	static const char *const addresses[] = { "no address", "::1", "127.0.0.1" };
	struct channel_dest to = { addresses, 3, channel_port(w->b), UUID_B };
	struct stream s = { .from = NULL };
	struct err e = ERR_INIT;

	assert_int_equal(expect(w, &s, UUID_A, &e), 0);
	assert_int_equal(dial_with(w, &s, &to, w->key, 0, &e), 0);
	assert_int_equal(waiter_end(&s.from_up, w->loop), 0);
	end_stream(&s);
}

/* Both sides must find out by themselves. */
static void
lost_when(struct world *w, enum proxy_mode mode, const char *why)
{
	struct proxy p;
	struct stream s;

	proxy_start(&p, channel_port(w->b));
	connect_through(w, &s, p.port, 0);
	assert_int_equal(write(s.from_fd, "some", 4), 4);
	turn_until_readable(w, s.to_fd);
	p.mode = mode;
	assert_int_equal(waiter_end(&s.from_down, w->loop), ERR_LOST);
	assert_int_equal(waiter_end(&s.to_down, w->loop), ERR_LOST);
	if (!strstr(s.from_down.e.msg, why))
		fail_msg("\"%s\" does not say \"%s\"", s.from_down.e.msg, why);
	proxy_end(&p);
	end_stream(&s);
}

static void
test_silence_is_a_stall(void **state)
{
	lost_when(*state, PROXY_STOP, "silent for 400 ms");
}

static void
test_cut_connection_is_lost(void **state)
{
	lost_when(*state, PROXY_CUT, "connection lost");
}

static void
turn_for(struct world *w, uint64_t ms)
{
	uint64_t end = clock_mono_ms(clock_system()) + ms;

	while (clock_mono_ms(clock_system()) < end)
		loop_turn(w->loop, 20);
}

static void
test_slow_reader_is_no_stall(void **state)
{
	struct world *w = *state;
	struct feeder f;
	struct taker t;
	struct stream s;

	connect_both(w, &s);
	start_feeding(&f, s.from_fd, 16 * MIB);
	turn_for(w, 3 * STALL);
	assert_false(s.from_down.ended || s.to_down.ended);
	start_taking(&t, s.to_fd);
	shutdown(s.to_fd, SHUT_WR);
	assert_int_equal(waiter_end(&s.to_down, w->loop), 0);
	assert_int_equal(waiter_end(&s.from_down, w->loop), 0);
	pthread_join(f.thread, NULL);
	pthread_join(t.thread, NULL);
	assert_int_equal(t.got, 16 * MIB);
	end_stream(&s);
}

static void
test_idle_stream_stays(void **state)
{
	struct world *w = *state;
	struct stream s;

	connect_both(w, &s);
	turn_for(w, 3 * STALL);
	assert_true(channel_stream_facts(s.from).is_up);
	assert_true(channel_stream_facts(s.to).is_up);
	end_stream(&s);
}

static void
takes_ms(struct world *w, struct stream *s, size_t n, uint64_t ms)
{
	uint64_t begun = clock_mono_ms(clock_system()), took;
	struct feeder f;
	struct taker t;

	start_taking(&t, s->to_fd);
	start_feeding(&f, s->from_fd, n);
	shutdown(s->to_fd, SHUT_WR);
	assert_int_equal(waiter_end(&s->to_down, w->loop), 0);
	took = clock_mono_ms(clock_system()) - begun;
	pthread_join(f.thread, NULL);
	pthread_join(t.thread, NULL);
	assert_int_equal(t.got, n);
	assert_in_range(took, ms * 8 / 10, ms * 12 / 10);
}

static void
test_cap_of_a_stream_holds(void **state)
{
	struct world *w = *state;
	struct stream s;

	connect_through(w, &s, channel_port(w->b), 8 * MIB);
	takes_ms(w, &s, 8 * MIB, 1000);
	end_stream(&s);
}

static void
test_cap_of_the_channel_holds(void **state)
{
	struct world *w = *state;
	struct stream s;

	channel_set_cap(w->a, 8 * MIB);
	connect_both(w, &s);
	takes_ms(w, &s, 8 * MIB, 1000);
	end_stream(&s);
}

static void
test_cap_can_be_lifted(void **state)
{
	struct world *w = *state;
	struct taker t;
	struct feeder f;
	struct stream s;

	connect_through(w, &s, channel_port(w->b), 1);
	start_taking(&t, s.to_fd);
	start_feeding(&f, s.from_fd, MIB);
	shutdown(s.to_fd, SHUT_WR);
	turn_for(w, 100);
	assert_in_range(channel_stream_facts(s.from).out_bytes, 0, 8192);
	channel_stream_set_cap(s.from, 0);
	assert_int_equal(waiter_end(&s.to_down, w->loop), 0);
	pthread_join(f.thread, NULL);
	pthread_join(t.thread, NULL);
	end_stream(&s);
}

static void
test_freed_stream_is_lost_to_the_other(void **state)
{
	struct world *w = *state;
	struct feeder f;
	struct stream s;

	connect_both(w, &s);
	start_feeding(&f, s.from_fd, 64 * MIB);
	turn_until_readable(w, s.to_fd);
	channel_stream_free(s.from);
	assert_int_equal(waiter_end(&s.to_down, w->loop), ERR_LOST);
	/* The end that was given away is closed with it. */
	pthread_join(f.thread, NULL);
	assert_false(s.from_down.ended);
	channel_stream_free(s.to);
	close(s.from_fd);
	close(s.to_fd);
}

static void
test_channel_is_freed_with_streams(void **state)
{
	struct world *w = *state;
	struct feeder f;
	struct stream s;

	connect_both(w, &s);
	start_feeding(&f, s.from_fd, 64 * MIB);
	turn_until_readable(w, s.to_fd);
	channel_free(w->a);
	channel_free(w->b);
	w->a = w->b = NULL;
	pthread_join(f.thread, NULL);
	close(s.from_fd);
	close(s.to_fd);
}

/* A host whose certificate is good, and whose frames are pings without end. */
struct pinger {
	pthread_t thread;
	struct ssl_ctx_st *ctx;
	uint8_t key[CHANNEL_KEY_BYTES];
	uint16_t port;
};

static int
send_all(struct wire *wire, const void *p, size_t n)
{
	struct pollfd fd = { wire->fd, POLLIN | POLLOUT, 0 };

	for (size_t at = 0; at < n;) {
		int rc =
		    wire_write(wire, (const uint8_t *)p + at, n - at, &fd.events, NULL);

		if (rc < 0)
			return rc;
		at += (size_t)rc;
		if (!rc)
			poll(&fd, 1, 100);
	}
	return 0;
}

static void *
ping_for_ever(void *arg)
{
	struct pinger *p = arg;
	struct greeting g = { .name = "memory" };
	uint8_t said[GREETING_BYTES], frames[16384] = { 0 };
	struct wire wire = { .fd = -1 };
	struct pollfd fd = { .events = POLLIN };

	memcpy(g.key, p->key, sizeof(g.key));
	greeting_pack(&g, said);
	for (size_t i = 0; i < sizeof(frames); i += 4)
		frames[i] = 4;
	ASSERT(!wire_open(&wire, p->ctx, proxy_connect(p->port), "b", NULL));
	fd.fd = wire.fd;
	for (int rc = 1; rc;) {
		rc = wire_handshake_step(&wire, WIRE_DIALS, &fd.events, NULL);
		ASSERT(rc >= 0);
		if (rc)
			poll(&fd, 1, 100);
	}
	if (!send_all(&wire, said, sizeof(said)))
		while (!send_all(&wire, frames, sizeof(frames)))
			;
	wire_close(&wire);
	return NULL;
}

static void
test_pings_without_end_hold_nobody(void **state)
{
	struct world *w = *state;
	struct pinger p = { .ctx = w->dial[0], .port = channel_port(w->b) };
	struct stream s = { .from = NULL };
	struct err e = ERR_INIT;

	memcpy(p.key, w->key, sizeof(p.key));
	assert_int_equal(expect(w, &s, UUID_A, &e), 0);
	assert_int_equal(pthread_create(&p.thread, NULL, ping_for_ever, &p), 0);
	assert_int_equal(waiter_end(&s.to_up, w->loop), 0);
	turn_for(w, 100);
	/* Its thread ends though nothing that it reads does. */
	channel_stream_free(s.to);
	pthread_join(p.thread, NULL);
	close(s.to_fd);
}

static void
test_door_keeps_strangers_out(void **state)
{
	struct world *w = *state;
	int fds[CHANNEL_DOOR_MAX + 4];
	uint64_t begun = clock_mono_ms(clock_system());
	struct stream s;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = proxy_connect(channel_port(w->b));
	/* Those that are too many at once, the silent ones when their time is up. */
	for (size_t i = ARRAY_SIZE(fds); i-- > 0;) {
		errno = 0;
		assert_true(proxy_is_closed(fds[i]));
		if (i == CHANNEL_DOOR_MAX)
			assert_true(clock_mono_ms(clock_system()) - begun < STALL);
	}
	assert_true(clock_mono_ms(clock_system()) - begun >= STALL);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	connect_both(w, &s);
	end_stream(&s);
}

static void
test_one_address_cannot_fill_the_door(void **state)
{
	struct world *w = *state;
	int fds[CHANNEL_DOOR_MAX + 1];
	struct stream s;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = proxy_connect_from(channel_port(w->b), INADDR_LOOPBACK + 1);
	/* The last one was sent away, so all places are taken. */
	assert_true(proxy_is_closed(fds[CHANNEL_DOOR_MAX]));
	connect_both(w, &s);
	assert_true(proxy_is_closed(fds[0]));
	end_stream(&s);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static void
test_noise_at_the_door(void **state)
{
	struct world *w = *state;
	int fd = proxy_connect(channel_port(w->b));
	struct stream s;
	char rest[256];

	assert_int_equal(send(fd, "GET / HTTP/1.0\r\n\r\n", 18, 0), 18);
	/* An alert may come first. */
	while (recv(fd, rest, sizeof(rest), 0) > 0)
		;
	close(fd);
	connect_both(w, &s);
	end_stream(&s);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_content_is_whole_both_ways),
		TEST(test_half_close_arrives_as_one),
		TEST(test_wrong_key_is_refused),
		TEST(test_wrong_host_is_refused),
		TEST(test_other_roles_are_refused),
		TEST(test_new_certificates_are_used),
		TEST(test_stream_is_expected_once),
		TEST(test_nobody_at_the_address),
		TEST(test_next_address_is_tried),
		TEST(test_silence_is_a_stall),
		TEST(test_cut_connection_is_lost),
		TEST(test_slow_reader_is_no_stall),
		TEST(test_idle_stream_stays),
		TEST(test_cap_of_a_stream_holds),
		TEST(test_cap_of_the_channel_holds),
		TEST(test_cap_can_be_lifted),
		TEST(test_freed_stream_is_lost_to_the_other),
		TEST(test_channel_is_freed_with_streams),
		TEST(test_pings_without_end_hold_nobody),
		TEST(test_door_keeps_strangers_out),
		TEST(test_one_address_cannot_fill_the_door),
		TEST(test_noise_at_the_door),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
