/*
 * The thread that accepts connections, does their handshakes and reads what stream each
 * is for.  Whoever takes too long, or is no host of ours, does not get past it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "host-agent/channel/channel_int.h"

#define QUEUE_LENGTH 128
#define PLACE_BYTES  16
#define PAUSE_MS     500 /* after accept failed, usually for want of descriptors */

enum caller_state { AT_HANDSHAKE, AT_GREETING };

struct caller {
	struct wire wire;
	uint8_t place[PLACE_BYTES];
	enum caller_state state;
	uint64_t until_us;
	short wants;
	char uuid[40];
	uint8_t said[GREETING_BYTES];
	size_t n_said;
};

struct door {
	struct handoff *notes;
	SSL_CTX *ctx;             /* the thread's */
	_Atomic(SSL_CTX *) newer; /* to be used from now on; owned; NULL: none */
	int fd;
	uint16_t port;
	uint32_t handshake_ms;
	struct waker waker;
	pthread_t thread;
	struct refusals refusals;
	uint64_t paused_until_us;
	size_t n_callers;
	struct caller callers[CHANNEL_DOOR_MAX];
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static uint64_t
now_us(void)
{
	return clock_mono_us(clock_system());
}

/* ---- callers ---- */

static void
send_away(struct door *d, size_t i)
{
	wire_close(&d->callers[i].wire);
	d->callers[i] = d->callers[--d->n_callers];
}

static void
refuse(struct door *d, size_t i, const struct err *why)
{
	refusal_log(&d->refusals, d->callers[i].wire.addr, why->msg);
	send_away(d, i);
}

static void
let_in(struct door *d, size_t i, const struct greeting *g)
{
	struct caller *c = &d->callers[i];
	struct note *n = xcalloc(1, sizeof(*n));

	n->kind = NOTE_ARRIVED;
	n->arrival = xcalloc(1, sizeof(*n->arrival));
	n->arrival->wire = c->wire;
	n->arrival->greeting = *g;
	memcpy(n->arrival->peer_uuid, c->uuid, sizeof(c->uuid));
	c->wire = (struct wire){ .fd = -1 };
	send_away(d, i);
	note_send(d->notes, n);
}

/* 0: through; 1: waits. */
static int
shake_hands(struct caller *c, struct err *e)
{
	int rc = wire_handshake_step(&c->wire, WIRE_ACCEPTS, &c->wants, e);

	if (!rc)
		rc = wire_peer(&c->wire, c->uuid, e);
	if (!rc)
		c->state = AT_GREETING;
	return rc;
}

static int
hear(struct caller *c, struct err *e)
{
	while (c->n_said < sizeof(c->said)) {
		int rc = wire_read(&c->wire, c->said + c->n_said,
		    sizeof(c->said) - c->n_said, &c->wants, e);

		if (rc < 0)
			return rc;
		if (!rc)
			return 1;
		c->n_said += (size_t)rc;
	}
	return 0;
}

/* False: this one is gone from its place. */
static bool
serve(struct door *d, size_t i)
{
	struct caller *c = &d->callers[i];
	struct greeting g;
	struct err e = ERR_INIT;
	int rc = c->state == AT_HANDSHAKE ? shake_hands(c, &e) : 0;

	if (!rc)
		rc = hear(c, &e);
	if (!rc)
		rc = greeting_unpack(c->said, &g, &e);
	if (rc == 1)
		return true;
	if (rc)
		refuse(d, i, &e);
	else
		let_in(d, i, &g);
	return false;
}

/* ---- accepting ---- */

static void
address_text(const union address *a, char out[ADDRESS_TEXT])
{
	char ip[INET6_ADDRSTRLEN] = "?";

	if (a->any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &a->v6.sin6_addr, ip, sizeof(ip));
		snprintf(out, ADDRESS_TEXT, "[%s]:%u", ip, ntohs(a->v6.sin6_port));
		return;
	}
	inet_ntop(AF_INET, &a->v4.sin_addr, ip, sizeof(ip));
	snprintf(out, ADDRESS_TEXT, "%s:%u", ip, ntohs(a->v4.sin_port));
}

/*
 * What shares a place at the door: an IPv4 address (also one that came to an IPv6
 * socket), or the half of an IPv6 address that its owner cannot choose.
 */
static void
place_of(const union address *a, uint8_t out[PLACE_BYTES])
{
	const uint8_t *v6 = a->v6.sin6_addr.s6_addr;

	memset(out, 0, PLACE_BYTES);
	if (a->any.sa_family == AF_INET)
		memcpy(out, &a->v4.sin_addr, sizeof(a->v4.sin_addr));
	else if (IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr))
		memcpy(out, v6 + 12, sizeof(a->v4.sin_addr));
	else
		memcpy(out + PLACE_BYTES / 2, v6, PLACE_BYTES / 2);
}

static size_t
count_at(const struct door *d, const uint8_t place[PLACE_BYTES])
{
	size_t n = 0;

	for (size_t i = 0; i < d->n_callers; i++)
		n += !memcmp(d->callers[i].place, place, PLACE_BYTES);
	return n;
}

/* All places are taken: the address that has most of them gives up its oldest to one
 * that has fewer, so that nobody keeps the others out. */
static bool
make_room(struct door *d, const uint8_t place[PLACE_BYTES])
{
	size_t most = count_at(d, place) + 1, oldest = d->n_callers;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < d->n_callers; i++) {
		size_t n = count_at(d, d->callers[i].place);
		bool older = n == most && oldest < d->n_callers &&
			     d->callers[i].until_us < d->callers[oldest].until_us;

		if (n <= most && !older)
			continue;
		most = n;
		oldest = i;
	}
	if (oldest == d->n_callers)
		return false;
	err_set(&e, ERR_BUSY,
	    "made room for another host: %zu connections of this address waited", most);
	refuse(d, oldest, &e);
	return true;
}

static void
take_newer_ctx(struct door *d)
{
	SSL_CTX *newer = atomic_exchange(&d->newer, NULL);

	if (!newer)
		return;
	SSL_CTX_free(d->ctx);
	d->ctx = newer;
}

static void
admit(struct door *d, int fd, const union address *from)
{
	struct caller *c;
	char addr[ADDRESS_TEXT];
	uint8_t place[PLACE_BYTES];
	struct err e = ERR_INIT;

	address_text(from, addr);
	place_of(from, place);
	if (d->n_callers == CHANNEL_DOOR_MAX && !make_room(d, place)) {
		refusal_log(&d->refusals, addr, "too many connections wait already");
		close(fd);
		return;
	}
	take_newer_ctx(d);
	c = &d->callers[d->n_callers];
	*c = (struct caller){ .wants = POLLIN };
	memcpy(c->place, place, sizeof(place));
	if (wire_open(&c->wire, d->ctx, fd, addr, &e)) {
		refusal_log(&d->refusals, addr, e.msg);
		return;
	}
	c->until_us = now_us() + UINT64_C(1000) * d->handshake_ms;
	d->n_callers++;
}

static void
accept_some(struct door *d)
{
	for (unsigned i = 0; i < CHANNEL_DOOR_MAX; i++) {
		union address from = { 0 };
		socklen_t len = sizeof(from);
		int fd = accept4(d->fd, &from.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			admit(d, fd, &from);
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		log_warn("channel", "accepting on port %u pauses: %s", d->port,
		    strerror(errno));
		d->paused_until_us = now_us() + UINT64_C(1000) * PAUSE_MS;
		return;
	}
}

/* ---- the thread ---- */

static int
wait_ms(const struct door *d, uint64_t now)
{
	uint64_t first = d->paused_until_us > now ? d->paused_until_us : UINT64_MAX;

	for (size_t i = 0; i < d->n_callers; i++) {
		if (d->callers[i].until_us < first)
			first = d->callers[i].until_us;
	}
	if (first == UINT64_MAX)
		return -1;
	return first <= now ? 0 : (int)((first - now) / 1000 + 1);
}

static void
end_the_late(struct door *d)
{
	uint64_t now = now_us();
	struct err e = ERR_INIT;

	for (size_t i = d->n_callers; i-- > 0;) {
		if (d->callers[i].until_us > now)
			continue;
		err_set(&e, ERR_TIMEOUT, "did not name a stream within %u ms",
		    d->handshake_ms);
		refuse(d, i, &e);
	}
}

static void
turn(struct door *d)
{
	struct pollfd p[2 + CHANNEL_DOOR_MAX];
	uint64_t now = now_us();
	size_t n = d->n_callers;

	p[0] = (struct pollfd){ .fd = d->waker.fd, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = d->paused_until_us > now ? -1 : d->fd,
		.events = POLLIN };
	for (size_t i = 0; i < n; i++)
		p[2 + i] = (struct pollfd){ .fd = d->callers[i].wire.fd,
			.events = d->callers[i].wants };
	if (poll(p, 2 + n, wait_ms(d, now)) < 0)
		return;
	if (p[0].revents)
		waker_hush(&d->waker);
	/* From the end: who leaves gives his place to the last one, served already. */
	for (size_t i = n; i-- > 0;) {
		if (p[2 + i].revents)
			(void)serve(d, i);
	}
	end_the_late(d);
	if (p[1].revents)
		accept_some(d);
}

static void *
door_thread(void *arg)
{
	struct door *d = arg;

	while (!d->waker.stop)
		turn(d);
	while (d->n_callers)
		send_away(d, d->n_callers - 1);
	return NULL;
}

/* ---- opening ---- */

static int
parse_address(const char *text, uint16_t port, union address *ret, socklen_t *ret_len,
    struct err *e)
{
	*ret = (union address){ 0 };
	if (inet_pton(AF_INET, text, &ret->v4.sin_addr) == 1) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons(port);
		*ret_len = sizeof(ret->v4);
		return 0;
	}
	if (!*text || inet_pton(AF_INET6, text, &ret->v6.sin6_addr) == 1) {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons(port);
		*ret_len = sizeof(ret->v6);
		return 0;
	}
	return err_set(
	    e, ERR_INVALID, "listen address \"%.64s\" is no IP address", text);
}

static int
bind_to(const union address *a, socklen_t len, int *ret_fd)
{
	AUTO_CLOSE int fd =
	    socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, zero = 0;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (a->any.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, &a->any, len) || listen(fd, QUEUE_LENGTH))
		return -1;
	*ret_fd = MOVE_FD(fd);
	return 0;
}

static int
listen_on(struct door *d, const char *address, uint16_t port, struct err *e)
{
	union address a;
	socklen_t len = 0;
	int rc = parse_address(address, port, &a, &len, e);

	if (rc)
		return rc;
	rc = bind_to(&a, len, &d->fd);
	/* A kernel without IPv6. */
	if (rc && !*address && errno == EAFNOSUPPORT &&
	    !parse_address("0.0.0.0", port, &a, &len, e))
		rc = bind_to(&a, len, &d->fd);
	if (rc)
		return err_sys(e, errno == EADDRINUSE ? ERR_BUSY : ERR_IO, errno,
		    "cannot listen on %s port %u for other hosts",
		    *address ? address : "any address", port);
	len = sizeof(a);
	ASSERT(!getsockname(d->fd, &a.any, &len));
	d->port = ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
	return 0;
}

static void
start_thread(struct door *d)
{
	sigset_t all, old;

	/* Signals are for the loop's thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ASSERT(!pthread_create(&d->thread, NULL, door_thread, d));
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_setname_np(d->thread, "channel-door");
}

static void
release(struct door *d)
{
	if (d->fd >= 0)
		close(d->fd);
	waker_close(&d->waker);
	SSL_CTX_free(atomic_exchange(&d->newer, NULL));
	SSL_CTX_free(d->ctx);
	free(d);
}

int
door_open(const struct door_conf *c, struct door **ret_d, struct err *e)
{
	struct door *d = xcalloc(1, sizeof(*d));

	d->notes = c->notes;
	d->handshake_ms = c->handshake_ms;
	d->fd = -1;
	d->waker.fd = -1;
	SSL_CTX_up_ref(c->ctx);
	d->ctx = c->ctx;
	int rc = listen_on(d, c->address, c->port, e);
	if (!rc)
		rc = waker_open(&d->waker, e);
	if (rc) {
		release(d);
		return rc;
	}
	start_thread(d);
	*ret_d = d;
	return 0;
}

void
door_free(struct door *d)
{
	if (!d)
		return;
	d->waker.stop = true;
	waker_ring(&d->waker);
	pthread_join(d->thread, NULL);
	release(d);
}

uint16_t
door_port(const struct door *d)
{
	return d->port;
}

void
door_set_ctx(struct door *d, struct ssl_ctx_st *ctx)
{
	SSL_CTX_up_ref(ctx);
	SSL_CTX_free(atomic_exchange(&d->newer, ctx));
}
