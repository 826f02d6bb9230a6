#include "shell/http_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "shell/shell.h"

static int
ssl_fault(struct err *e, int code, const char *what)
{
	char why[160] = "no reason given";
	unsigned long n = ERR_get_error();

	if (n)
		ERR_error_string_n(n, why, sizeof(why));
	ERR_clear_error();
	return err_set(e, code, "%s: %s", what, why);
}

static int
trust_pem(SSL_CTX *ctx, const char *pem, struct err *e)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	int ok = cert && X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert) == 1;

	X509_free(cert);
	BIO_free(bio);
	return ok ? 0 : ssl_fault(e, ERR_INVALID, "the CA certificate cannot be used");
}

static int
trust(SSL_CTX *ctx, const struct http_conf *conf, struct err *e)
{
	if (conf->ca_pem)
		return trust_pem(ctx, conf->ca_pem, e);
	if (!conf->ca_file) {
		SSL_CTX_set_default_verify_paths(ctx);
		return 0;
	}
	if (SSL_CTX_load_verify_locations(ctx, conf->ca_file, NULL) == 1)
		return 0;
	ERR_clear_error();
	return err_set(
	    e, ERR_INVALID, "no CA certificate can be read from \"%s\"", conf->ca_file);
}

SSL_CTX *
tls_client_new(const struct http_conf *conf, struct err *e)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx) {
		ssl_fault(e, ERR_INTERNAL, "TLS cannot be set up");
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_AUTO_RETRY);
	if (trust(ctx, conf, e) == 0)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* Wait until fd is connected. */
static int
finish_connect(int fd, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int n = poll(&p, 1, CONNECT_MS), sys = 0;
	socklen_t len = sizeof(sys);

	if (n < 0 && shell_interrupted())
		return err_set(e, ERR_CANCELLED, "interrupted");
	if (n <= 0)
		return err_set(
		    e, ERR_UNAVAILABLE, "no answer within %d s", CONNECT_MS / 1000);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &len) < 0 || sys)
		return err_set(e, ERR_UNAVAILABLE, "%s", strerror(sys ? sys : errno));
	return 0;
}

static int
set_blocking(int fd)
{
	struct timeval limit = { .tv_sec = REPLY_S };
	int flags = fcntl(fd, F_GETFL), one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

static int
tcp_connect(const struct http_conf *conf, struct err *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all = NULL;
	int rc = getaddrinfo(conf->host, conf->port, &hints, &all), fd = -1;

	if (rc) {
		err_set(e, ERR_UNAVAILABLE, "%s: %s", conf->host, gai_strerror(rc));
		return -1;
	}
	for (struct addrinfo *a = all; a && fd < 0; a = a->ai_next) {
		err_clear(e);
		fd =
		    socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0)
			err_sys(e, ERR_UNAVAILABLE, errno, "no socket");
		else if (connect(fd, a->ai_addr, a->ai_addrlen) < 0 &&
			 errno != EINPROGRESS)
			err_set(e, ERR_UNAVAILABLE, "%s", strerror(errno));
		else if (finish_connect(fd, e) == 0 && set_blocking(fd) == 0)
			break;
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(all);
	if (fd < 0 && e)
		err_wrap(e, "cannot connect to %s port %s", conf->host, conf->port);
	return fd;
}

/* The name that the certificate must be for: an address or a host's name. */
static void
want_name(SSL *ssl, const char *host)
{
	unsigned char addr[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, host, addr) == 1 ||
	    inet_pton(AF_INET6, host, addr) == 1) {
		X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
		return;
	}
	/* The macro behind this call takes no const. */
	AUTO_FREE char *name = xstrdup(host);
	SSL_set_tlsext_host_name(ssl, name);
	SSL_set1_host(ssl, host);
}

SSL *
tls_client_open(SSL_CTX *ctx, const struct http_conf *conf, int *ret_fd, struct err *e)
{
	int fd = tcp_connect(conf, e);
	SSL *ssl = fd >= 0 ? SSL_new(ctx) : NULL;

	if (!ssl) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	want_name(ssl, conf->host);
	SSL_set_fd(ssl, fd);
	if (SSL_connect(ssl) == 1) {
		*ret_fd = fd;
		return ssl;
	}
	long verify = SSL_get_verify_result(ssl);
	if (shell_interrupted())
		err_set(e, ERR_CANCELLED, "interrupted");
	else if (verify != X509_V_OK) {
		err_set(e, ERR_UNAUTHENTICATED,
		    "the certificate of %s port %s is not to be trusted: %s",
		    conf->host, conf->port, X509_verify_cert_error_string(verify));
	} else {
		ssl_fault(e, ERR_UNAVAILABLE, "the TLS handshake failed");
	}
	ERR_clear_error();
	SSL_free(ssl);
	close(fd);
	return NULL;
}

static bool
is_fingerprint(X509 *cert, const char *wanted)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	char hex[2 * EVP_MAX_MD_SIZE + 1];
	const char *w = strncasecmp(wanted, "sha256:", 7) ? wanted : wanted + 7;
	size_t i = 0;

	if (!X509_digest(cert, EVP_sha256(), digest, &n))
		return false;
	hex_encode(digest, n, hex);
	for (; *w; w++) {
		if (*w == ':')
			continue;
		char c = *w >= 'A' && *w <= 'F' ? (char)(*w | 0x20) : *w;
		if (hex[i++] != c)
			return false;
	}
	return i == 2 * (size_t)n;
}

static char *
to_pem(X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data = NULL, *pem = NULL;

	if (bio && PEM_write_bio_X509(bio, cert) == 1) {
		long n = BIO_get_mem_data(bio, &data);
		pem = n > 0 ? xstrndup(data, (size_t)n) : NULL;
	}
	BIO_free(bio);
	return pem;
}

int
http_fetch_ca(const struct http_conf *conf, const char *fingerprint, char **ret_pem,
    struct err *e)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	char *pem = NULL;
	int fd = -1;

	/* Nothing is believed here: the fingerprint alone decides, and the real
	 * connection is checked against what it picked. */
	SSL *ssl = ctx ? tls_client_open(ctx, conf, &fd, e) : NULL;
	STACK_OF(X509) *chain = ssl ? SSL_get_peer_cert_chain(ssl) : NULL;
	for (int i = 0; chain && i < sk_X509_num(chain) && !pem; i++)
		if (is_fingerprint(sk_X509_value(chain, i), fingerprint))
			pem = to_pem(sk_X509_value(chain, i));
	if (ssl && !pem)
		err_set(e, ERR_UNAUTHENTICATED,
		    "the server %s sends no certificate with that fingerprint",
		    conf->host);
	SSL_free(ssl);
	if (fd >= 0)
		close(fd);
	SSL_CTX_free(ctx);
	if (!pem)
		return e->code ? e->code : ERR_INTERNAL;
	*ret_pem = pem;
	return 0;
}

/* SHA-256 as people compare it: "5f:0c:…". */
static void
print_of(X509 *cert, char ret_print[CA_PRINT])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	*ret_print = '\0';
	if (!X509_digest(cert, EVP_sha256(), digest, &n))
		return;
	for (unsigned i = 0; i < n && 3 * i + 3 <= CA_PRINT; i++)
		snprintf(ret_print + 3 * (size_t)i, 4, "%02x%s", digest[i],
		    i + 1 < n ? ":" : "");
}

int
http_ask_ca(const struct http_conf *conf, char ret_print[CA_PRINT], struct err *e)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int fd = -1;

	*ret_print = '\0';
	if (!ctx)
		return ssl_fault(e, ERR_INTERNAL, "TLS cannot be set up");
	SSL_CTX_set_default_verify_paths(ctx);
	SSL *ssl = tls_client_open(ctx, conf, &fd, e);
	STACK_OF(X509) *chain = ssl ? SSL_get_peer_cert_chain(ssl) : NULL;
	int n = chain ? sk_X509_num(chain) : 0;
	if (ssl && SSL_get_verify_result(ssl) != X509_V_OK && n)
		print_of(sk_X509_value(chain, n - 1), ret_print);
	SSL_free(ssl);
	if (fd >= 0)
		close(fd);
	SSL_CTX_free(ctx);
	return ssl ? 0 : e->code;
}
