#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/assert.h"
#include "base/mem.h"
#include "loop/connect_int.h"
#include "loop/frame.h"
#include "loop/link_int.h"
#include "loop/tls_int.h"

struct tls_link {
	struct link link;
	SSL *ssl;                /* the bufferevent's once that stands */
	struct connecting *dial; /* until connected */
	struct bufferevent *bev;
	bool eof;      /* the peer sends no more */
	bool said_bye; /* we send no more */
};

static struct tls_link *
tls_link(struct link *k)
{
	return (struct tls_link *)k;
}

static void
on_data(struct bufferevent *bev, void *arg)
{
	link_pump(arg);
}

/* What OpenSSL or the socket gave as the reason for a failure. */
static void
explain(struct tls_link *t, int sys, struct err *e)
{
	struct link *k = &t->link;
	unsigned long code = bufferevent_get_openssl_error(t->bev);
	long verdict = SSL_get_verify_result(t->ssl);
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	if (verdict != X509_V_OK)
		err_set(e, ERR_DENIED, "%s: certificate refused: %s", k->addr,
		    X509_verify_cert_error_string(verdict));
	else if (ERR_GET_REASON(code) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
		err_set(e, ERR_DENIED, "%s: came without a certificate", k->addr);
	else if (code && ERR_GET_REASON(code) >= SSL_AD_REASON_OFFSET)
		err_set(e, ERR_DENIED, "%s: refused by the peer: %s", k->addr,
		    reason ? reason : "no reason given");
	else if (code)
		err_set(e, ERR_CORRUPT, "%s: TLS: %s", k->addr,
		    reason ? reason : "no reason given");
	else
		err_sys(e, ERR_LOST, sys, "%s: connection lost", k->addr);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	int sys = EVUTIL_SOCKET_ERROR();
	struct tls_link *t = tls_link(arg);
	struct err e = ERR_INIT;

	if (what & BEV_EVENT_CONNECTED) {
		link_opened(&t->link);
		return;
	}
	if (what & BEV_EVENT_EOF) {
		t->eof = true;
		link_pump(&t->link);
		return;
	}
	explain(t, sys, &e);
	link_fail(&t->link, &e);
}

static void
start_tls(struct tls_link *t, int fd, enum bufferevent_ssl_state state)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	t->bev = bufferevent_openssl_socket_new(
	    t->link.loop->base, fd, t->ssl, state, BEV_OPT_CLOSE_ON_FREE);
	ASSERT(t->bev);
	bufferevent_setcb(t->bev, on_data, on_data, on_event, t);
	bufferevent_enable(t->bev, EV_READ | EV_WRITE);
}

static int
identify(struct link *k, struct tls_identity *ret_id, struct err *e)
{
	X509 *cert = SSL_get1_peer_certificate(tls_link(k)->ssl);
	int rc;

	if (!cert || SSL_get_verify_result(tls_link(k)->ssl) != X509_V_OK)
		rc = err_set(e, ERR_DENIED, "%s: no valid certificate", k->addr);
	else
		rc = tls_identify(cert, ret_id, e);
	if (!rc && ret_id->role == TLS_ROLE_NONE)
		rc = err_set(
		    e, ERR_DENIED, "%s: the certificate names no role", k->addr);
	X509_free(cert);
	return rc;
}

static void
note_eof(struct tls_link *t, size_t left)
{
	struct link *k = &t->link;
	struct err e = ERR_INIT;

	if (k->state == LINK_CLOSING)
		err_set(&e, ERR_CANCELLED, "%s: closed", k->addr);
	else if (k->state == LINK_OPENING)
		err_set(
		    &e, ERR_LOST, "%s: closed by the peer in the handshake", k->addr);
	else if (left)
		err_set(&e, ERR_LOST, "%s: closed by the peer in the middle of a frame",
		    k->addr);
	else
		err_set(&e, ERR_LOST, "%s: closed by the peer", k->addr);
	link_fail(k, &e);
}

static void
pump_frames(struct tls_link *t, struct evbuffer *in)
{
	uint8_t head[FRAME_HEAD];
	struct err e = ERR_INIT;
	uint32_t len;
	bool more = true;
	int rc;

	while (more && evbuffer_copyout(in, head, FRAME_HEAD) == (ssize_t)FRAME_HEAD) {
		rc = frame_peek(
		    head, evbuffer_get_length(in), t->link.opts.max_frame, &len, &e);
		if (rc == 0)
			break;
		if (rc < 0) {
			err_wrap(&e, "%s", t->link.addr);
			link_fail(&t->link, &e);
			break;
		}
		more = link_frame(&t->link,
		    evbuffer_pullup(in, (ssize_t)FRAME_HEAD + len) + FRAME_HEAD, len);
		evbuffer_drain(in, FRAME_HEAD + (size_t)len);
	}
}

/*
 * Say that nothing follows, and go on reading: closing with unread input would send a
 * reset, which can destroy what the peer has not read yet.
 */
static void
say_bye(struct tls_link *t)
{
	if (t->said_bye || evbuffer_get_length(bufferevent_get_output(t->bev)))
		return;
	t->said_bye = true;
	SSL_shutdown(t->ssl);
	ERR_clear_error();
	shutdown(bufferevent_getfd(t->bev), SHUT_WR);
}

static void
pump(struct link *k)
{
	struct tls_link *t = tls_link(k);
	struct evbuffer *in;

	if (!t->bev)
		return;
	in = bufferevent_get_input(t->bev);
	if (k->state == LINK_UP)
		pump_frames(t, in);
	if (k->freed)
		return;
	if (k->state == LINK_CLOSING) {
		evbuffer_drain(in, evbuffer_get_length(in));
		say_bye(t);
	}
	if (t->eof)
		note_eof(t, evbuffer_get_length(in));
}

static void
send_frame(struct link *k, const void *p, size_t n)
{
	struct bufferevent *bev = tls_link(k)->bev;
	uint8_t head[FRAME_HEAD];

	frame_head((uint32_t)n, head);
	bufferevent_write(bev, head, sizeof(head));
	bufferevent_write(bev, p, n);
}

static size_t
backlog(const struct link *k)
{
	struct bufferevent *bev = ((const struct tls_link *)k)->bev;

	return bev ? evbuffer_get_length(bufferevent_get_output(bev)) : 0;
}

static void
own_host(const struct link *k, char out[LINK_HOST_TEXT])
{
	struct bufferevent *bev = ((const struct tls_link *)k)->bev;
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a);

	if (bev && !getsockname(bufferevent_getfd(bev), (struct sockaddr *)&a, &len))
		(void)getnameinfo((struct sockaddr *)&a, len, out, LINK_HOST_TEXT, NULL,
		    0, NI_NUMERICHOST);
}

static void
shut(struct link *k)
{
	struct tls_link *t = tls_link(k);

	connect_free(t->dial);
	t->dial = NULL;
	if (t->bev)
		bufferevent_free(t->bev);
	else
		SSL_free(t->ssl);
	t->bev = NULL;
	t->ssl = NULL;
}

static void
release(struct link *k)
{
	free(tls_link(k));
}

static const struct link_ops tls_ops = {
	.identify = identify,
	.pump = pump,
	.send = send_frame,
	.backlog = backlog,
	.own_host = own_host,
	.shut = shut,
	.release = release,
};

struct link *
link_accept_tls(struct loop *l, int fd, struct ssl_ctx_st *ctx,
    const struct link_opts *o, const char *addr, struct err *e)
{
	SSL *ssl = SSL_new(ctx);
	struct tls_link *t;

	if (!ssl) {
		tls_fail(e, ERR_INTERNAL, "%s: cannot begin TLS", addr);
		close(fd);
		return NULL;
	}
	t = xcalloc(1, sizeof(*t));
	link_init(&t->link, l, &tls_ops, o, addr);
	t->ssl = ssl;
	start_tls(t, fd, BUFFEREVENT_SSL_ACCEPTING);
	return &t->link;
}

static void
on_connected(int fd, const struct err *why, void *arg)
{
	struct tls_link *t = tls_link(arg);

	if (fd < 0) {
		link_fail(&t->link, why);
		return;
	}
	connect_free(MOVE(t->dial));
	start_tls(t, fd, BUFFEREVENT_SSL_CONNECTING);
}

static bool
is_address(const char *host)
{
	struct in6_addr a;

	return inet_pton(AF_INET, host, &a) == 1 || inet_pton(AF_INET6, host, &a) == 1;
}

/* Have the certificate checked against the name or address that we dialled. */
static int
expect_host(SSL *ssl, const char *host, struct err *e)
{
	AUTO_FREE char *name = xstrdup(host);
	int ok;

	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (is_address(host))
		ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
	else
		ok = SSL_set1_host(ssl, host) && SSL_set_tlsext_host_name(ssl, name);
	if (!ok)
		return tls_fail(e, ERR_INVALID, "host name \"%.64s\"", host);
	return 0;
}

int
link_dial(struct loop *l, const char *host, uint16_t port, struct ssl_ctx_st *ctx,
    const struct link_opts *o, const struct link_events *ev, void *arg,
    struct link **ret_k, struct err *e)
{
	char addr[LINK_ADDR_TEXT];
	struct tls_link *t;
	SSL *ssl;
	int rc;

	if (!host[0] || !port)
		return err_set(
		    e, ERR_INVALID, "\"%.64s\" port %u cannot be dialled", host, port);
	ERR_clear_error();
	ssl = SSL_new(ctx);
	if (!ssl)
		return tls_fail(e, ERR_INTERNAL, "%.64s: cannot begin TLS", host);
	rc = expect_host(ssl, host, e);
	if (rc) {
		SSL_free(ssl);
		return rc;
	}
	snprintf(addr, sizeof(addr), strchr(host, ':') ? "[%.60s]:%u" : "%.60s:%u",
	    host, port);
	t = xcalloc(1, sizeof(*t));
	link_init(&t->link, l, &tls_ops, o, addr);
	link_set_events(&t->link, ev, arg);
	t->ssl = ssl;
	t->dial = connect_start(l, host, port, on_connected, t);
	*ret_k = &t->link;
	return 0;
}
