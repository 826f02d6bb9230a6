/* A collector behind TLS on loopback. */
#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "base/mem.h"
#include "base/str.h"
#include "loop/loop.h"
#include "server/export/push_https.h"
#include "server/export/push_link.h"
#include "tests/lib/make_certs.h"

#define PATIENCE_MS 30000u
#define READ_MAX    8192u

/* Takes as many connections as it has answers, one after the other. */
struct collector {
	SSL_CTX *ctx;
	int fd;
	uint16_t port;
	pthread_t thread;
	const char *const *answers; /* NULL-ended; "": it hangs up */
	char got[READ_MAX];         /* the last request */
};

struct bed {
	struct certs *certs;
	struct loop *loop;
	struct collector c;
};

/* Until a line of samples has come; bodies end with " 1\n". */
static bool
read_request(struct collector *c, SSL *ssl)
{
	size_t n = 0;

	while (!strstr(c->got, " 1\n")) {
		int did = SSL_read(ssl, c->got + n, (int)(READ_MAX - n - 1));

		if (did <= 0)
			return false;
		n += (size_t)did;
		c->got[n] = '\0';
	}
	return true;
}

static void
answer_one(struct collector *c, int fd, const char *answer)
{
	SSL *ssl = SSL_new(c->ctx);

	SSL_set_fd(ssl, fd);
	c->got[0] = '\0';
	if (SSL_accept(ssl) == 1 && read_request(c, ssl) && *answer) {
		(void)SSL_write(ssl, answer, (int)strlen(answer));
		(void)SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	close(fd);
}

static void *
serve(void *arg)
{
	struct collector *c = arg;

	for (size_t i = 0; c->answers[i]; i++) {
		int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			break;
		answer_one(c, fd, c->answers[i]);
	}
	return NULL;
}

static void
begin(struct bed *b, const char *const *answers)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct cert_wish wish = { .san = "IP:127.0.0.1" };
	struct tls_files f = certs_make(b->certs, "collector", &wish);
	socklen_t n = sizeof(at);
	struct collector *c = &b->c;

	c->answers = answers;
	c->ctx = SSL_CTX_new(TLS_server_method());
	assert_int_equal(
	    SSL_CTX_use_certificate_file(c->ctx, f.cert, SSL_FILETYPE_PEM), 1);
	assert_int_equal(
	    SSL_CTX_use_PrivateKey_file(c->ctx, f.key, SSL_FILETYPE_PEM), 1);
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(c->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(c->fd, 4), 0);
	assert_int_equal(getsockname(c->fd, (struct sockaddr *)&at, &n), 0);
	c->port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&c->thread, NULL, serve, c), 0);
}

static void
end(struct bed *b)
{
	(void)shutdown(b->c.fd, SHUT_RDWR); /* nobody may have come */
	pthread_join(b->c.thread, NULL);
	close(b->c.fd);
	SSL_CTX_free(b->c.ctx);
}

static int
setup(void **state)
{
	struct bed *b = xcalloc(1, sizeof(*b));

	b->certs = certs_new("collectors");
	b->loop = loop_new(clock_system());
	*state = b;
	return 0;
}

static int
teardown(void **state)
{
	struct bed *b = *state;

	loop_free(b->loop);
	certs_free(b->certs);
	free(b);
	return 0;
}

static struct push_link *
link_to(struct bed *b, const char *ca_file)
{
	AUTO_FREE char *url = xasprintf("https://127.0.0.1:%u/write?db=d", b->c.port);
	struct push_address a;

	assert_int_equal(push_address_parse(PUSH_INFLUX, url, &a, NULL), 0);
	assert_true(a.tls);
	return push_link_new(b->loop, &a, "secret", ca_file);
}

static void
send_text(struct push_link *p, const char *text, size_t n_samples)
{
	push_link_send(p, xstrdup(text), strlen(text), n_samples);
}

static void
turn_until(struct bed *b, const struct push_link *p, uint64_t sent, uint64_t dropped)
{
	uint64_t end_ms = clock_mono_ms(clock_system()) + PATIENCE_MS;

	while (push_link_sent(p) != sent || push_link_dropped(p) != dropped) {
		assert_true(clock_mono_ms(clock_system()) < end_ms);
		loop_turn(b->loop, 5);
	}
}

static void
test_batches_are_requests(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		NULL
	};
	struct bed *b = *state;
	struct push_link *p;

	begin(b, answers);
	p = link_to(b, certs_ca(b->certs));
	send_text(p, "one x=1 1\n", 3);
	turn_until(b, p, 3, 0);
	send_text(p, "two x=1 1\n", 4);
	turn_until(b, p, 3, 4);
	end(b);
	assert_non_null(strstr(b->c.got, "POST /write?db=d HTTP/1.1\r\n"));
	assert_non_null(strstr(b->c.got, "Authorization: Token secret\r\n"));
	assert_non_null(strstr(b->c.got, "\r\n\r\ntwo x=1 1\n"));
	push_link_free(p);
}

static void
test_what_was_not_answered_is_sent_again(void **state)
{
	static const char *const answers[] = { "",
		"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		NULL };
	struct bed *b = *state;
	struct push_link *p;

	begin(b, answers);
	p = link_to(b, certs_ca(b->certs));
	send_text(p, "one x=1 1\n", 3);
	turn_until(b, p, 3, 0);
	end(b);
	push_link_free(p);
}

/* Signed by nobody whom the system trusts: it hears nothing of what was to be sent. */
static void
test_strangers_hear_nothing(void **state)
{
	static const char *const answers[] = { "", NULL };
	struct bed *b = *state;
	struct push_link *p;

	begin(b, answers);
	p = link_to(b, "");
	send_text(p, "one x=1 1\n", 3);
	pthread_join(b->c.thread, NULL);
	assert_string_equal(b->c.got, "");
	assert_int_equal(push_link_sent(p), 0);
	push_link_free(p);
	close(b->c.fd);
	SSL_CTX_free(b->c.ctx);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_batches_are_requests),
		CASE(test_what_was_not_answered_is_sent_again),
		CASE(test_strangers_hear_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
