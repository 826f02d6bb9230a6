/*
 * The beginning of a stream, in its relay's thread: connect to the other host and name
 * the stream, or tell whoever came that it may begin.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host-agent/channel/channel_int.h"

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

/* 0 when fd is ready for wants. */
static int
wait_for(struct relay *r, const char *addr, int fd, short wants, uint64_t until_us,
    struct err *e)
{
	for (;;) {
		uint64_t now = now_us();
		struct pollfd p[] = {
			{ .fd = r->waker.fd, .events = POLLIN },
			{ .fd = fd, .events = wants },
		};

		if (r->waker.stop)
			return err_set(e, ERR_CANCELLED, "%s: given up", addr);
		if (now >= until_us)
			return err_set(e, ERR_TIMEOUT, "%s: no answer within %u ms",
			    addr, r->handshake_ms);
		if (poll(p, 2, (int)((until_us - now) / 1000 + 1)) > 0 && p[1].revents)
			return 0;
		waker_hush(&r->waker);
	}
}

static int
parse_address(const char *text, uint16_t port, union address *ret, socklen_t *ret_len,
    char addr[ADDRESS_TEXT], struct err *e)
{
	*ret = (union address){ 0 };
	if (inet_pton(AF_INET, text, &ret->v4.sin_addr) == 1) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons(port);
		*ret_len = sizeof(ret->v4);
		snprintf(addr, ADDRESS_TEXT, "%.40s:%u", text, port);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &ret->v6.sin6_addr) == 1) {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons(port);
		*ret_len = sizeof(ret->v6);
		snprintf(addr, ADDRESS_TEXT, "[%.46s]:%u", text, port);
		return 0;
	}
	return err_set(e, ERR_INVALID, "\"%.64s\" is no IP address", text);
}

static int
connect_to(struct relay *r, const char *text, uint64_t until_us, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	char addr[ADDRESS_TEXT];
	union address a;
	socklen_t len = 0, size = sizeof(int);
	int sys = 0;
	int rc = parse_address(text, r->port, &a, &len, addr, e);

	if (rc)
		return rc;
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, ERR_IO, errno, "%s: no socket", addr);
	if (connect(fd, &a.any, len) && errno != EINPROGRESS)
		return err_sys(e, ERR_LOST, errno, "%s: cannot connect", addr);
	rc = wait_for(r, addr, fd, POLLOUT, until_us, e);
	if (rc)
		return rc;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &size) || sys)
		return err_sys(e, ERR_LOST, sys, "%s: cannot connect", addr);
	return wire_open(&r->wire, r->ctx, MOVE_FD(fd), addr, e);
}

static int
shake_hands(struct relay *r, uint64_t until_us, struct err *e)
{
	short wants;
	int rc;

	while ((rc = wire_handshake_step(&r->wire, WIRE_DIALS, &wants, e)) == 1) {
		rc = wait_for(r, r->wire.addr, r->wire.fd, wants, until_us, e);
		if (rc)
			return rc;
	}
	return rc;
}

static int
check_peer(struct relay *r, struct err *e)
{
	char uuid[40];
	int rc = wire_peer(&r->wire, uuid, e);

	if (!rc && strcmp(uuid, r->peer_uuid) != 0)
		rc = err_set(e, ERR_DENIED, "%s: is host %s, not %s", r->wire.addr,
		    uuid, r->peer_uuid);
	return rc;
}

static int
write_all(struct relay *r, const uint8_t *p, size_t n, uint64_t until_us, struct err *e)
{
	for (size_t at = 0; at < n;) {
		short wants;
		int rc = wire_write(&r->wire, p + at, n - at, &wants, e);

		if (!rc)
			rc = wait_for(r, r->wire.addr, r->wire.fd, wants, until_us, e);
		if (rc < 0)
			return rc;
		at += (size_t)rc;
	}
	return 0;
}

static int
hear_answer(struct relay *r, uint64_t until_us, struct err *e)
{
	uint8_t answer = ANSWER_NO;
	short wants;
	int rc;

	while ((rc = wire_read(&r->wire, &answer, 1, &wants, e)) == 0) {
		rc = wait_for(r, r->wire.addr, r->wire.fd, wants, until_us, e);
		if (rc)
			return rc;
	}
	if (rc < 0)
		return rc;
	if (answer != ANSWER_YES)
		return err_set(e, ERR_DENIED, "%s: does not expect stream %s of us",
		    r->wire.addr, r->greeting.name);
	return 0;
}

static int
try_address(struct relay *r, const char *text, struct err *e)
{
	uint64_t until_us = now_us() + UINT64_C(1000) * r->handshake_ms;
	uint8_t said[GREETING_BYTES];
	int rc = connect_to(r, text, until_us, e);

	if (!rc)
		rc = shake_hands(r, until_us, e);
	if (!rc)
		rc = check_peer(r, e);
	if (!rc) {
		greeting_pack(&r->greeting, said);
		rc = write_all(r, said, sizeof(said), until_us, e);
	}
	if (!rc)
		rc = hear_answer(r, until_us, e);
	if (rc)
		wire_close(&r->wire);
	return rc;
}

int
relay_dial(struct relay *r, struct err *e)
{
	int rc = err_set(e, ERR_INVALID, "no address to dial is known");

	for (size_t i = 0; rc && rc != ERR_CANCELLED && i < r->n_addresses; i++) {
		err_clear(e);
		rc = try_address(r, r->addresses[i], e);
	}
	return rc;
}

int
relay_welcome(struct relay *r, struct err *e)
{
	const uint8_t yes = ANSWER_YES;

	return write_all(r, &yes, 1, now_us() + UINT64_C(1000) * r->handshake_ms, e);
}
