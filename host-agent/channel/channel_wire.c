/*
 * One TLS connection between two hosts, read and written without ever blocking.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/mem.h"
#include "host-agent/channel/channel_int.h"

#define READ_AHEAD_BYTES 262144u
#define GREETING_MAGIC   "DRVC"
#define GREETING_VERSION 1u
#define GREETING_KEY     8u
#define GREETING_NAME    (GREETING_KEY + CHANNEL_KEY_BYTES)

int
waker_open(struct waker *k, struct err *e)
{
	k->stop = false;
	k->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return k->fd < 0 ? err_sys(e, ERR_IO, errno, "cannot make an eventfd") : 0;
}

void
waker_close(struct waker *k)
{
	if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
}

void
waker_ring(struct waker *k)
{
	uint64_t one = 1;

	/* A full counter has rung already. */
	(void)!write(k->fd, &one, sizeof(one));
}

void
waker_hush(struct waker *k)
{
	uint64_t n;

	(void)!read(k->fd, &n, sizeof(n));
}

static int
tls_error(const struct wire *w, const char *what, int code, int sys, struct err *e)
{
	unsigned long first = ERR_get_error();
	long verdict = SSL_get_verify_result(w->ssl);
	const char *reason = first ? ERR_reason_error_string(first) : NULL;

	ERR_clear_error();
	if (verdict != X509_V_OK)
		return err_set(e, ERR_DENIED, "%s: certificate refused: %s", w->addr,
		    X509_verify_cert_error_string(verdict));
	if (first && ERR_GET_REASON(first) >= SSL_AD_REASON_OFFSET)
		return err_set(e, ERR_DENIED, "%s: refused by the peer: %s", w->addr,
		    reason ? reason : "no reason given");
	if (first)
		return err_set(e, code, "%s: %s: %s", w->addr, what,
		    reason ? reason : "no reason given");
	if (sys)
		return err_sys(e, ERR_LOST, sys, "%s: %s", w->addr, what);
	return err_set(e, ERR_LOST, "%s: %s: closed by the peer", w->addr, what);
}

int
wire_open(
    struct wire *w, struct ssl_ctx_st *ctx, int fd, const char *addr, struct err *e)
{
	int one = 1;

	w->fd = fd;
	snprintf(w->addr, sizeof(w->addr), "%s", addr);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	ERR_clear_error();
	w->ssl = SSL_new(ctx);
	/* Half the rounds of the larger key, and no weaker in our time. */
	if (!w->ssl ||
	    SSL_set_ciphersuites(w->ssl,
		"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
		"TLS_CHACHA20_POLY1305_SHA256") != 1 ||
	    SSL_set_fd(w->ssl, fd) != 1) {
		ERR_clear_error();
		wire_close(w);
		return err_set(e, ERR_INTERNAL, "%s: cannot begin TLS", addr);
	}
	/* A connection that ends without our own last frame is a fault. */
	SSL_clear_options(w->ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_set_mode(w->ssl,
	    SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_set_default_read_buffer_len(w->ssl, READ_AHEAD_BYTES);
	SSL_set_read_ahead(w->ssl, 1);
	return 0;
}

void
wire_close(struct wire *w)
{
	SSL_free(w->ssl);
	if (w->ssl || w->fd > 0)
		close(w->fd);
	*w = (struct wire){ .fd = -1 };
}

/* What an unfinished call waits for, or 0 if it failed. */
static short
wants_of(const struct wire *w, int rc)
{
	switch (SSL_get_error(w->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return POLLIN;
	case SSL_ERROR_WANT_WRITE:
		return POLLOUT;
	default:
		return 0;
	}
}

int
wire_handshake_step(
    struct wire *w, enum wire_side side, short *ret_wants, struct err *e)
{
	short wants;
	int rc, sys;

	ERR_clear_error();
	errno = 0;
	rc = side == WIRE_ACCEPTS ? SSL_accept(w->ssl) : SSL_connect(w->ssl);
	sys = errno;
	if (rc == 1)
		return 0;
	wants = wants_of(w, rc);
	if (!wants)
		return tls_error(w, "TLS handshake", ERR_DENIED, sys, e);
	*ret_wants = wants;
	return 1;
}

int
wire_read(struct wire *w, void *p, size_t n, short *ret_wants, struct err *e)
{
	short wants;
	int rc, sys;

	ERR_clear_error();
	errno = 0;
	rc = SSL_read(w->ssl, p, n < INT32_MAX ? (int)n : INT32_MAX);
	sys = errno;
	if (rc > 0)
		return rc;
	wants = wants_of(w, rc);
	if (!wants)
		return tls_error(w, "connection lost", ERR_LOST, sys, e);
	*ret_wants = wants;
	return 0;
}

int
wire_write(struct wire *w, const void *p, size_t n, short *ret_wants, struct err *e)
{
	short wants;
	int rc, sys;

	ERR_clear_error();
	errno = 0;
	rc = SSL_write(w->ssl, p, n < INT32_MAX ? (int)n : INT32_MAX);
	sys = errno;
	if (rc > 0)
		return rc;
	wants = wants_of(w, rc);
	if (!wants)
		return tls_error(w, "connection lost", ERR_LOST, sys, e);
	*ret_wants = wants;
	return 0;
}

int
wire_peer(const struct wire *w, char ret_uuid[40], struct err *e)
{
	X509 *cert = SSL_get1_peer_certificate(w->ssl);
	struct tls_identity id;
	int rc;

	if (!cert || SSL_get_verify_result(w->ssl) != X509_V_OK)
		rc = err_set(e, ERR_DENIED, "%s: no valid certificate", w->addr);
	else
		rc = tls_identify(cert, &id, e);
	if (!rc && id.role != TLS_ROLE_HOST)
		rc = err_set(
		    e, ERR_DENIED, "%s: its certificate is not a host's", w->addr);
	if (!rc)
		memcpy(ret_uuid, id.uuid, sizeof(id.uuid));
	X509_free(cert);
	return rc;
}

void
greeting_pack(const struct greeting *g, uint8_t out[GREETING_BYTES])
{
	size_t n = strlen(g->name);

	memset(out, 0, GREETING_BYTES);
	memcpy(out, GREETING_MAGIC, 4);
	out[4] = GREETING_VERSION;
	out[5] = (uint8_t)n;
	memcpy(out + GREETING_KEY, g->key, CHANNEL_KEY_BYTES);
	memcpy(out + GREETING_NAME, g->name, n);
}

int
greeting_unpack(const uint8_t in[GREETING_BYTES], struct greeting *ret_g, struct err *e)
{
	size_t n = in[5];

	if (memcmp(in, GREETING_MAGIC, 4) != 0)
		return err_set(e, ERR_INVALID, "what it said is no greeting");
	if (in[4] != GREETING_VERSION)
		return err_set(e, ERR_UNSUPPORTED,
		    "its greeting has version %u, this host speaks %u", in[4],
		    GREETING_VERSION);
	if (!n || n > CHANNEL_NAME_MAX || memchr(in + GREETING_NAME, 0, n))
		return err_set(e, ERR_INVALID, "its greeting names no stream");
	memset(ret_g, 0, sizeof(*ret_g));
	memcpy(ret_g->key, in + GREETING_KEY, CHANNEL_KEY_BYTES);
	memcpy(ret_g->name, in + GREETING_NAME, n);
	return 0;
}
