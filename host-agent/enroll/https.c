#include "host-agent/enroll/https.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/tls.h"

#define REPLY_MAX ((size_t)1 << 20)

/* One conversation; everything in it ends by deadline_ms. */
struct call {
	const struct https_post *p;
	uint64_t deadline_ms;
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
};

static int
ssl_error(struct err *e, int code, const char *what)
{
	unsigned long n = ERR_get_error();
	const char *reason = n ? ERR_reason_error_string(n) : NULL;

	ERR_clear_error();
	return err_set(e, code, "%s: %s", what, reason ? reason : "the peer hung up");
}

static int
timed_out(const struct call *c, struct err *e)
{
	return err_set(e, ERR_TIMEOUT, "%s:%u did not answer within %u ms", c->p->host,
	    c->p->port, c->p->timeout_ms);
}

static int
wait_fd(const struct call *c, short events, struct err *e)
{
	struct pollfd pf = { c->fd, events, 0 };
	uint64_t now = clock_mono_ms(clock_system());
	int n;

	if (now >= c->deadline_ms)
		return timed_out(c, e);
	do {
		n = poll(&pf, 1, (int)(c->deadline_ms - now));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, ERR_IO, errno, "waiting for %s", c->p->host);
	return n == 0 ? timed_out(c, e) : 0;
}

static int
connect_one(struct call *c, const struct addrinfo *ai, struct err *e)
{
	int sys = 0;
	socklen_t len = sizeof(sys);

	c->fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    ai->ai_protocol);
	if (c->fd < 0)
		return err_sys(e, ERR_IO, errno, "socket");
	if (connect(c->fd, ai->ai_addr, ai->ai_addrlen))
		sys = errno;
	if (sys == EINPROGRESS) {
		if (wait_fd(c, POLLOUT, e))
			return e->code;
		if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &sys, &len))
			return err_sys(e, ERR_IO, errno, "socket");
	}
	if (!sys)
		return 0;
	return err_sys(
	    e, ERR_UNAVAILABLE, sys, "%s:%u cannot be reached", c->p->host, c->p->port);
}

static int
dial(struct call *c, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *all = NULL;
	char port[8];
	int rc;

	snprintf(port, sizeof(port), "%u", c->p->port);
	rc = getaddrinfo(c->p->host, port, &hints, &all);
	if (rc)
		return err_set(e, ERR_UNAVAILABLE, "%s cannot be resolved: %s",
		    c->p->host, gai_strerror(rc));
	rc = ERR_UNAVAILABLE;
	for (const struct addrinfo *ai = all; ai; ai = ai->ai_next) {
		rc = connect_one(c, ai, e);
		if (!rc)
			break;
		if (c->fd >= 0)
			close(MOVE_FD(c->fd));
	}
	freeaddrinfo(all);
	return rc;
}

/* Do what OpenSSL asked to wait for; 0: try again. */
static int
wait_ssl(const struct call *c, int rc, const char *what, struct err *e)
{
	switch (SSL_get_error(c->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return wait_fd(c, POLLIN, e);
	case SSL_ERROR_WANT_WRITE:
		return wait_fd(c, POLLOUT, e);
	default:
		return ssl_error(e, ERR_LOST, what);
	}
}

static int
handshake(struct call *c, struct err *e)
{
	int rc;

	c->ctx = SSL_CTX_new(TLS_client_method());
	if (!c->ctx)
		return ssl_error(e, ERR_INTERNAL, "TLS");
	SSL_CTX_set_min_proto_version(c->ctx, TLS1_3_VERSION);
	/* What the chain leads to is checked below, before a byte is sent. */
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_NONE, NULL);
	c->ssl = SSL_new(c->ctx);
	if (!c->ssl || !SSL_set_fd(c->ssl, c->fd))
		return ssl_error(e, ERR_INTERNAL, "TLS");
	SSL_set_tlsext_host_name(c->ssl, c->p->host);
	while ((rc = SSL_connect(c->ssl)) != 1) {
		if (wait_ssl(c, rc, "TLS 1.3 handshake with the server", e))
			return e->code;
	}
	return 0;
}

static bool
has_fingerprint(X509 *cert, const char *wanted)
{
	unsigned char hash[32];
	char text[65];

	if (!X509_digest(cert, EVP_sha256(), hash, NULL))
		return false;
	hex_encode(hash, sizeof(hash), text);
	return !strcmp(text, wanted);
}

static int
verify_against(X509 *leaf, STACK_OF(X509) * chain, X509 *ca, struct err *e)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	const char *why;
	int rc = 0;

	if (!store || !ctx || !X509_STORE_add_cert(store, ca) ||
	    !X509_STORE_CTX_init(ctx, store, leaf, chain)) {
		rc = ssl_error(e, ERR_INTERNAL, "checking the server's certificate");
		goto out;
	}
	X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER);
	if (X509_verify_cert(ctx) != 1) {
		why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
		rc = err_set(e, ERR_DENIED,
		    "the server's certificate is not of that CA: %s", why);
	}
out:
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return rc;
}

/* Hosts have certificates of the same CA: one of them must not pass for the server. */
static int
check_role(const struct call *c, X509 *leaf, struct err *e)
{
	struct tls_identity id;

	if (!tls_identify(leaf, &id, NULL)) {
		if (id.role == TLS_ROLE_SERVER)
			return 0;
		if (id.role == TLS_ROLE_HOST)
			return err_set(e, ERR_DENIED,
			    "%s:%u shows a host's certificate, not a server's",
			    c->p->host, c->p->port);
	}
	if (X509_check_host(leaf, c->p->host, 0, 0, NULL) == 1 ||
	    X509_check_ip_asc(leaf, c->p->host, 0) == 1)
		return 0;
	return err_set(e, ERR_DENIED,
	    "the server's certificate is neither a Drover server's nor for %s",
	    c->p->host);
}

static int
cert_pem(X509 *cert, char **ret_pem, struct err *e)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *p = NULL;
	long n;

	if (!out || !PEM_write_bio_X509(out, cert)) {
		BIO_free(out);
		return ssl_error(e, ERR_INTERNAL, "writing the CA");
	}
	n = BIO_get_mem_data(out, &p);
	*ret_pem = xstrndup(p, (size_t)n);
	BIO_free(out);
	return 0;
}

static int
check_peer(const struct call *c, char **ret_ca_pem, struct err *e)
{
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(c->ssl);
	X509 *leaf = SSL_get0_peer_certificate(c->ssl);
	X509 *ca = NULL;

	for (int i = 0; chain && i < sk_X509_num(chain); i++) {
		if (has_fingerprint(sk_X509_value(chain, i), c->p->ca_fingerprint))
			ca = sk_X509_value(chain, i);
	}
	if (!leaf || !ca)
		return err_set(e, ERR_DENIED,
		    "%s:%u is of another CA: it shows none with that fingerprint",
		    c->p->host, c->p->port);
	if (verify_against(leaf, chain, ca, e) || check_role(c, leaf, e))
		return e->code;
	return cert_pem(ca, ret_ca_pem, e);
}

static int
send_all(const struct call *c, const struct str *text, struct err *e)
{
	size_t at = 0;

	while (at < text->len) {
		int rc = SSL_write(c->ssl, text->s + at, (int)(text->len - at));

		if (rc > 0)
			at += (size_t)rc;
		else if (wait_ssl(c, rc, "sending to the server", e))
			return e->code;
	}
	return 0;
}

static int
receive_all(const struct call *c, struct str *out, struct err *e)
{
	char buf[4096];

	for (;;) {
		int rc = SSL_read(c->ssl, buf, sizeof(buf));

		if (rc > 0) {
			str_addn(out, buf, (size_t)rc);
			if (out->len > REPLY_MAX)
				return err_set(e, ERR_TOO_LARGE,
				    "the server's answer is larger than %zu bytes",
				    REPLY_MAX);
			continue;
		}
		/* Its end is judged by the length that its head gives. */
		if (SSL_get_error(c->ssl, rc) == SSL_ERROR_ZERO_RETURN ||
		    (out->len && SSL_get_error(c->ssl, rc) != SSL_ERROR_WANT_READ))
			return 0;
		if (wait_ssl(c, rc, "reading the server's answer", e))
			return e->code;
	}
}

static int
converse(struct call *c, struct https_reply *r, char **ret_ca_pem, struct err *e)
{
	AUTO(str) struct str text = STR_INIT;
	AUTO_FREE char *ca = NULL;
	const struct https_post *p = c->p;

	if (dial(c, e) || handshake(c, e) || check_peer(c, &ca, e))
		return e->code;
	str_addf(&text,
	    "POST %s HTTP/1.1\r\nHost: %s:%u\r\nContent-Type: application/json\r\n"
	    "Content-Length: %zu\r\nAccept: application/json\r\n"
	    "User-Agent: drover-agent/" DROVER_VERSION
	    "\r\nConnection: close\r\n\r\n%s",
	    p->path, p->host, p->port, strlen(p->body), p->body);
	if (send_all(c, &text, e))
		return e->code;
	str_reset(&text);
	if (receive_all(c, &text, e) || https_parse_reply(text.s, text.len, r, e))
		return e->code;
	*ret_ca_pem = MOVE(ca);
	return 0;
}

int
https_post(
    const struct https_post *p, struct https_reply *r, char **ret_ca_pem, struct err *e)
{
	struct call c = {
		.p = p,
		.deadline_ms = clock_mono_ms(clock_system()) + p->timeout_ms,
		.fd = -1,
	};
	struct err why = ERR_INIT;
	int rc = converse(&c, r, ret_ca_pem, &why);

	SSL_free(c.ssl);
	SSL_CTX_free(c.ctx);
	if (c.fd >= 0)
		close(c.fd);
	return rc ? err_set(e, rc, "%s", why.msg) : 0;
}
