#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/enroll/enroll.h"
#include "host-agent/enroll/https.h"
#include "loop/tls.h"
#include "tests/lib/agent_bed.h"
#include "tests/lib/make_certs.h"

#define UUID "3f2504e0-4f89-41d3-9a0c-0305e82c3301"

/* What the server at the other end does with the one request that it takes. */
enum deed { SIGN, REFUSE, WRONG_UUID, OTHER_KEY, GARBAGE, HANG_UP, SILENT };

struct server {
	struct certs *certs;
	struct tls_files files;
	enum deed deed;
	bool without_ca;
	int listener;
	uint16_t port;
	pthread_t thread;
	bool asked; /* a request came through TLS */
};

struct world {
	struct bed *bed;
	struct certs *certs;
	struct server server;
	char fingerprint[65];
};

static char *
read_text(const char *path)
{
	size_t n;
	char *s = (char *)bed_read(path, &n);

	s[n] = '\0';
	return s;
}

static char *
answer_body(const struct server *s, const char *request)
{
	AUTO(json) json *asked = NULL;
	AUTO(json) json *o = json_new_object();
	AUTO_FREE char *key = NULL;
	AUTO_FREE char *other = NULL;
	AUTO_FREE char *cert = NULL;
	AUTO_FREE char *ca = read_text(certs_ca(s->certs));
	const char *body = strstr(request, "\r\n\r\n") + 4;
	const char *csr;
	struct tls_identity id;

	assert_int_equal(json_parse(body, strlen(body), "request", &asked, NULL), 0);
	assert_int_equal(
	    json_read_str(asked, "csr", JSON_REQUIRED, 65536, &csr, NULL), 0);
	assert_int_equal(tls_make_key_csr("x", &key, &other, NULL), 0);
	assert_int_equal(
	    tls_sign_host(s->deed == OTHER_KEY ? other : csr, certs_ca(s->certs),
		certs_ca_key(s->certs), UUID, 30, &cert, &id, NULL),
	    0);
	json_set_str(o, "host", "host-1");
	json_set_str(o, "uuid",
	    s->deed == WRONG_UUID ? "00000000-0000-0000-0000-000000000000" : UUID);
	json_set_str(o, "certificate", cert);
	json_set_str(o, "ca", ca);
	return json_text(o);
}

static char *
answer(const struct server *s, const char *request)
{
	AUTO_FREE char *body = NULL;

	if (s->deed == GARBAGE)
		return xstrdup("SSH-2.0-OpenSSH\r\n\r\n");
	if (s->deed == REFUSE) {
		body =
		    xstrdup("{\"error\":{\"code\":\"unauthenticated\",\"message\":"
			    "\"the token was used already\",\"request_id\":\"r-1\"}}");
		return xasprintf(
		    "HTTP/1.1 401 Unauthorized\r\nContent-Length: %zu\r\n\r\n%s",
		    strlen(body), body);
	}
	body = answer_body(s, request);
	return xasprintf("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
			 "%zx\r\n%s\r\n0\r\n\r\n",
	    strlen(body), body);
}

/* A whole request has a head and as much body as its Content-Length says. */
static bool
is_whole(const char *request)
{
	const char *end = strstr(request, "\r\n\r\n");
	const char *length = strstr(request, "Content-Length: ");

	return end && length && strlen(end + 4) >= strtoul(length + 16, NULL, 10);
}

static void
serve_tls(struct server *s, SSL *ssl)
{
	char request[16384] = "";
	size_t n = 0;
	int got;

	if (SSL_accept(ssl) != 1)
		return;
	while (!is_whole(request) &&
	       (got = SSL_read(ssl, request + n, (int)(sizeof(request) - 1 - n))) > 0) {
		n += (size_t)got;
		request[n] = '\0';
	}
	if (!n)
		return;
	s->asked = true;
	if (s->deed == SILENT) {
		SSL_read(
		    ssl, request, sizeof(request)); /* until the other end gives up */
	} else if (s->deed != HANG_UP) {
		AUTO_FREE char *text = answer(s, request);

		SSL_write(ssl, text, (int)strlen(text));
		SSL_shutdown(ssl);
	}
}

static void *
serve(void *arg)
{
	struct server *s = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int fd = accept(s->listener, NULL, NULL);
	SSL *ssl;

	if (s->without_ca)
		SSL_CTX_use_certificate_file(ctx, s->files.cert, SSL_FILETYPE_PEM);
	else
		SSL_CTX_use_certificate_chain_file(ctx, s->files.cert);
	SSL_CTX_use_PrivateKey_file(ctx, s->files.key, SSL_FILETYPE_PEM);
	ssl = SSL_new(ctx);
	if (fd >= 0) {
		SSL_set_fd(ssl, fd);
		serve_tls(s, ssl);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	if (fd >= 0)
		close(fd);
	return NULL;
}

static void
listen_on_loopback(struct server *s)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t n = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s->listener, 4), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &n), 0);
	s->port = ntohs(at.sin_port);
}

/* The server's certificate with the CA's behind it, as a real one shows it. */
static void
append_ca(const struct certs *c, const char *cert)
{
	AUTO_FREE char *leaf = read_text(cert);
	AUTO_FREE char *ca = read_text(certs_ca(c));
	AUTO_FREE char *both = xasprintf("%s%s", leaf, ca);

	bed_write(cert, both, strlen(both));
}

static int
setup(void **state)
{
	const struct cert_wish wish = { .san = "URI:drover:server" };
	struct world *w = xcalloc(1, sizeof(*w));

	signal(SIGPIPE, SIG_IGN);
	w->bed = bed_new();
	w->certs = certs_new("test CA");
	w->server.certs = w->certs;
	w->server.files = certs_make(w->certs, "server", &wish);
	append_ca(w->certs, w->server.files.cert);
	AUTO_FREE char *ca = read_text(certs_ca(w->certs));
	assert_int_equal(tls_pem_fingerprint(ca, w->fingerprint, NULL), 0);
	listen_on_loopback(&w->server);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	certs_free(w->certs);
	bed_free(w->bed);
	free(w);
	return 0;
}

static int
run(struct world *w, const char *fingerprint, struct err *e)
{
	AUTO_FREE char *cert = xstrdup(bed_path(w->bed, "tls/host.crt"));
	AUTO_FREE char *key = xstrdup(bed_path(w->bed, "tls/host.key"));
	AUTO_FREE char *ca = xstrdup(bed_path(w->bed, "tls/ca.crt"));
	AUTO_FREE char *uuid_file = xstrdup(bed_path(w->bed, "tls/host.uuid"));
	const struct enroll_order o = {
		.host = "127.0.0.1",
		.port = w->server.port,
		.token = "secret-token",
		.ca_fingerprint = fingerprint,
		.cert = cert,
		.key = key,
		.ca = ca,
		.uuid_file = uuid_file,
		.timeout_ms = w->server.deed == SILENT ? 300 : 10000,
	};
	char uuid[40] = "";
	int rc;

	assert_int_equal(pthread_create(&w->server.thread, NULL, serve, &w->server), 0);
	rc = enroll(&o, uuid, e);
	/* Wakes an accept that nobody came to. */
	shutdown(w->server.listener, SHUT_RDWR);
	pthread_join(w->server.thread, NULL);
	close(w->server.listener);
	assert_string_equal(uuid, rc ? "" : UUID);
	assert_int_equal(bed_exists(cert), rc == 0);
	assert_int_equal(bed_exists(key), rc == 0);
	return rc;
}

static void
assert_fails(struct world *w, enum deed deed, int code, const char *says)
{
	struct err e = ERR_INIT;

	w->server.deed = deed;
	assert_int_equal(run(w, w->fingerprint, &e), code);
	if (!strstr(e.msg, says))
		fail_msg("\"%s\" does not say \"%s\"", e.msg, says);
}

static void
host_gets_a_certificate_that_works(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *cert = xstrdup(bed_path(w->bed, "tls/host.crt"));
	AUTO_FREE char *key = xstrdup(bed_path(w->bed, "tls/host.key"));
	AUTO_FREE char *ca = xstrdup(bed_path(w->bed, "tls/ca.crt"));
	const struct tls_files files = { cert, key, ca };
	struct ssl_ctx_st *ctx = NULL;
	struct err e = ERR_INIT;
	struct stat st;

	if (run(w, w->fingerprint, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(tls_client_ctx(&files, &ctx, &e), 0);
	tls_ctx_free(ctx);
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	AUTO_FREE char *uuid = read_text(bed_path(w->bed, "tls/host.uuid"));
	assert_string_equal(uuid, UUID "\n");
}

static void
fingerprint_may_be_written_with_colons(void **state)
{
	struct world *w = *state;
	AUTO(str) struct str text = STR_INIT;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < 64; i += 2)
		str_addf(&text, "%s%.2s", i ? ":" : "", w->fingerprint + i);
	for (size_t i = 0; i < text.len; i++) {
		if (text.s[i] >= 'a' && text.s[i] <= 'f')
			text.s[i] = (char)(text.s[i] - 'a' + 'A');
	}
	assert_int_equal(run(w, text.s, &e), 0);
}

static void
other_fingerprint_gets_no_token(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;

	w->fingerprint[0] = w->fingerprint[0] == '0' ? '1' : '0';
	assert_int_equal(run(w, w->fingerprint, &e), ERR_DENIED);
	assert_non_null(strstr(e.msg, "fingerprint"));
	assert_false(w->server.asked);
}

static void
server_that_does_not_show_its_ca_gets_no_token(void **state)
{
	struct world *w = *state;

	w->server.without_ca = true;
	assert_fails(w, SIGN, ERR_DENIED, "fingerprint");
	assert_false(w->server.asked);
}

static void
host_does_not_pass_for_the_server(void **state)
{
	const struct cert_wish wish = { .san =
					    "URI:drover:host:" UUID ",IP:127.0.0.1" };
	struct world *w = *state;

	w->server.files = certs_make(w->certs, "host", &wish);
	append_ca(w->certs, w->server.files.cert);
	assert_fails(w, SIGN, ERR_DENIED, "a host's certificate");
	assert_false(w->server.asked);
}

static void
malformed_fingerprint_is_said(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;

	assert_int_equal(run(w, "abc", &e), ERR_INVALID);
	assert_false(w->server.asked);
}

static void
refused_token_is_said(void **state)
{
	assert_fails(*state, REFUSE, ERR_UNAUTHENTICATED, "the token was used already");
}

static void
certificate_for_another_key_is_refused(void **state)
{
	assert_fails(*state, OTHER_KEY, ERR_CORRUPT, "another key");
}

static void
certificate_for_another_host_is_refused(void **state)
{
	assert_fails(*state, WRONG_UUID, ERR_CORRUPT, "not for the host");
}

static void
garbage_is_refused(void **state)
{
	assert_fails(*state, GARBAGE, ERR_CORRUPT, "not HTTP");
}

static void
server_that_hangs_up_is_said(void **state)
{
	assert_fails(*state, HANG_UP, ERR_LOST, "reading the server's answer");
}

static void
silent_server_is_not_waited_for(void **state)
{
	assert_fails(*state, SILENT, ERR_TIMEOUT, "did not answer within 300 ms");
}

static void
nobody_there_is_said(void **state)
{
	struct world *w = *state;
	struct server other = { 0 };

	listen_on_loopback(&other);
	close(other.listener);
	w->server.port = other.port;
	assert_fails(w, SIGN, ERR_UNAVAILABLE, "cannot be reached");
}

static void
answers_are_parsed_with_care(void **state)
{
	static const struct {
		const char *text;
		int rc, status;
		const char *body;
	} rows[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 0, 200, "hi" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi there", 0, 200,
		    "hi" },
		{ "HTTP/1.1 204\r\n\r\n", 0, 204, "" },
		{ "HTTP/1.0 200 OK\n\nto the end", 0, 200, "to the end" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nhi\r\n3\r\n"
		  " ho\r\n0\r\n\r\n",
		    0, 200, "hi ho" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", ERR_CORRUPT, 0,
		    "" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhi", ERR_CORRUPT, 0,
		    "" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff"
		  "\r\nhi",
		    ERR_CORRUPT, 0, "" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
		    ERR_CORRUPT, 0, "" },
		{ "HTTP/1.1 200 OK\r\nX: y", ERR_CORRUPT, 0, "" },
		{ "HTTP/1.1 2x0 OK\r\n\r\n", ERR_CORRUPT, 0, "" },
		{ "hello\r\n\r\n", ERR_CORRUPT, 0, "" },
		{ "", ERR_CORRUPT, 0, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO(str) struct str body = STR_INIT;
		struct https_reply r = { 0, &body };

		assert_int_equal(
		    https_parse_reply(rows[i].text, strlen(rows[i].text), &r, NULL),
		    rows[i].rc);
		if (rows[i].rc)
			continue;
		assert_int_equal(r.status, rows[i].status);
		assert_string_equal(str_cstr(&body), rows[i].body);
	}
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(host_gets_a_certificate_that_works),
		T(fingerprint_may_be_written_with_colons),
		T(other_fingerprint_gets_no_token),
		T(server_that_does_not_show_its_ca_gets_no_token),
		T(host_does_not_pass_for_the_server),
		T(malformed_fingerprint_is_said),
		T(refused_token_is_said),
		T(certificate_for_another_key_is_refused),
		T(certificate_for_another_host_is_refused),
		T(garbage_is_refused),
		T(server_that_hangs_up_is_said),
		T(silent_server_is_not_waited_for),
		T(nobody_there_is_said),
		cmocka_unit_test(answers_are_parsed_with_care),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
