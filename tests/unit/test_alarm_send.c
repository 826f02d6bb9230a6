/* Receivers on loopback: those that answer, refuse, and hang. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/alarm/alarm_curl.h"
#include "server/alarm/alarm_notice.h"
#include "server/alarm/alarm_trap.h"

#define LONG_MS  20000u /* nothing takes as long, but on a machine that is very busy */
#define SHORT_MS 300u
#define READ_MAX 8192u

/* One that takes one connection: says each line of the play, after having read one. */
struct receiver {
	int fd;
	uint16_t port;
	pthread_t thread;
	const char *const *play; /* NULL-ended; NULL: it never says anything */
	char got[READ_MAX];
	size_t n;
	int end[2]; /* closed by the test: a receiver that hangs goes */
};

static void
bind_to(struct receiver *r, int type)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	r->fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	assert_true(r->fd >= 0);
	assert_int_equal(bind(r->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(r->fd, (struct sockaddr *)&a, &n), 0);
	r->port = ntohs(a.sin_port);
}

static void
take(struct receiver *r, int fd, const char *until)
{
	while (r->n + 1 < sizeof(r->got)) {
		ssize_t n = read(fd, r->got + r->n, sizeof(r->got) - r->n - 1);

		if (n <= 0)
			return;
		r->n += (size_t)n;
		r->got[r->n] = '\0';
		if (strstr(r->got, until))
			return;
	}
}

static void *
serve(void *arg)
{
	struct receiver *r = arg;
	int fd = accept4(r->fd, NULL, NULL, SOCK_CLOEXEC);
	struct pollfd p = { .fd = r->end[0], .events = POLLIN };

	if (fd < 0)
		return NULL;
	if (!r->play)
		(void)poll(&p, 1, -1);
	/* Each "what is waited for", "what is said then". */
	for (size_t i = 0; r->play && r->play[i]; i += 2) {
		if (*r->play[i])
			take(r, fd, r->play[i]);
		if (write(fd, r->play[i + 1], strlen(r->play[i + 1])) < 0)
			break;
	}
	close(fd);
	return NULL;
}

static void
begin(struct receiver *r, const char *const *play)
{
	*r = (struct receiver){ .play = play };
	bind_to(r, SOCK_STREAM);
	assert_int_equal(listen(r->fd, 1), 0);
	assert_int_equal(pipe(r->end), 0);
	assert_int_equal(pthread_create(&r->thread, NULL, serve, r), 0);
}

static void
end(struct receiver *r)
{
	close(r->end[1]);
	(void)shutdown(r->fd, SHUT_RDWR); /* nobody may have come */
	pthread_join(r->thread, NULL);
	close(r->end[0]);
	close(r->fd);
}

static struct alarm_notice
notice(void)
{
	return (struct alarm_notice){
		.delivery = xstrdup("alarm-7/3/chat"),
		.alarm = xstrdup("alarm-7"),
		.name = xstrdup("Größe"),
		.entity = xstrdup("vm-42"),
		.entity_name = xstrdup("web"),
		.entity_kind = xstrdup("vm"),
		.reason = xstrdup("cpu.usage.average is 93 %, above 90 for 5 min"),
		.status = ALARM_RED,
		.was = ALARM_YELLOW,
		.at_ms = 1767323045678,
	};
}

/* ---- webhooks ---- */

static int
post_to(
    const struct receiver *r, uint32_t deadline_ms, atomic_bool *stop, struct err *e)
{
	AUTO_FREE char *url = xasprintf("http://127.0.0.1:%u/T0/x", r->port);
	const struct alarm_line l = { .deadline_ms = deadline_ms, .stop = stop };
	const struct alarm_hook h = { .url = url,
		.body = "{\"status\":\"red\"}",
		.delivery = "alarm-7/3/chat",
		.signature = "t=1,sha256=ff" };

	return alarm_curl_hook(&l, &h, e);
}

static void
test_webhook(void **state)
{
	static const char *const play[] = { "\"red\"}",
		"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", NULL };
	atomic_bool stop = false;
	struct receiver r;
	struct err e = ERR_INIT;

	begin(&r, play);
	assert_int_equal(post_to(&r, LONG_MS, &stop, &e), 0);
	end(&r);
	assert_non_null(strstr(r.got, "POST /T0/x HTTP/1.1"));
	assert_non_null(strstr(r.got, "Content-Type: application/json"));
	assert_non_null(strstr(r.got, "X-Drover-Delivery: alarm-7/3/chat"));
	assert_non_null(strstr(r.got, "X-Drover-Signature: t=1,sha256=ff"));
}

static void
test_webhook_answers(void **state)
{
	static const struct {
		const char *line;
		int rc;
	} cases[] = {
		{ "HTTP/1.1 200 OK", 0 },
		{ "HTTP/1.1 404 Not Found", ERR_DENIED },
		{ "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/", ERR_DENIED },
		{ "HTTP/1.1 429 Slow down", ERR_LOST },
		{ "HTTP/1.1 503 Later", ERR_LOST },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *answer =
		    xasprintf("%s\r\nContent-Length: 0\r\n\r\n", cases[i].line);
		const char *const play[] = { "\"red\"}", answer, NULL };
		atomic_bool stop = false;
		struct receiver r;
		struct err e = ERR_INIT;

		begin(&r, play);
		if (post_to(&r, LONG_MS, &stop, &e) != cases[i].rc)
			fail_msg("%s: %s", cases[i].line, e.msg);
		end(&r);
	}
}

static void
test_webhook_that_hangs_is_cut(void **state)
{
	atomic_bool stop = false;
	struct receiver r;
	struct err e = ERR_INIT;

	begin(&r, NULL);
	assert_int_equal(post_to(&r, SHORT_MS, &stop, &e), ERR_TIMEOUT);
	end(&r);
}

static void
test_webhook_ends_with_the_server(void **state)
{
	atomic_bool stop = true;
	struct receiver r;
	struct err e = ERR_INIT;

	begin(&r, NULL);
	assert_int_equal(post_to(&r, 10 * LONG_MS, &stop, &e), ERR_CANCELLED);
	end(&r);
}

static void
test_nobody_is_there(void **state)
{
	atomic_bool stop = false;
	struct receiver r = { 0 };
	struct err e = ERR_INIT;

	bind_to(&r, SOCK_STREAM);
	close(r.fd);
	assert_int_equal(post_to(&r, LONG_MS, &stop, &e), ERR_LOST);
}

static void
test_signature(void **state)
{
	AUTO_FREE char *s = alarm_notice_sign("key", 5, "{}");

	/* printf '5.{}' | openssl dgst -sha256 -hmac key */
	assert_string_equal(s,
	    "t=5,sha256="
	    "9be615aec64f0d044b5ad6854ab1d893ec88617fb728d2149dcd3a3428e8c45d");
}

static void
test_body(void **state)
{
	struct alarm_notice n = notice();
	AUTO_FREE char *text = alarm_notice_json(&n);

	assert_string_equal(text,
	    "{\"delivery\":\"alarm-7/3/chat\",\"alarm\":\"alarm-7\","
	    "\"name\":\"Größe\",\"status\":\"red\",\"was\":\"yellow\","
	    "\"reason\":\"cpu.usage.average is 93 %, above 90 for 5 min\","
	    "\"time\":\"2026-01-02T03:04:05.678Z\","
	    "\"entity\":{\"id\":\"vm-42\",\"kind\":\"vm\",\"name\":\"web\"}}");
	alarm_notice_fini(&n);
}

/* ---- mails ---- */

static int
mail_to(const struct receiver *r, uint32_t deadline_ms, struct err *e)
{
	AUTO_FREE char *url = xasprintf("smtp://127.0.0.1:%u", r->port);
	struct alarm_notice n = notice();
	atomic_bool stop = false;
	const struct alarm_line l = { .deadline_ms = deadline_ms, .stop = &stop };
	json *to = json_new_array();

	json_add_str(to, "ops@drover.example");
	json_add_str(to, "night@drover.example");
	AUTO_FREE char *message =
	    alarm_notice_mail(&n, "drover@drover.example", to, n.at_ms);
	const struct alarm_mail m = { .url = url,
		.from = "drover@drover.example",
		.to = to,
		.message = message };
	int rc = alarm_curl_mail(&l, &m, e);

	json_free(to);
	alarm_notice_fini(&n);
	return rc;
}

static void
test_mail(void **state)
{
	static const char *const play[] = { "", "220 ready\r\n", "EHLO", "250 fine\r\n",
		"MAIL FROM:<drover@drover.example>", "250 fine\r\n",
		"RCPT TO:<ops@drover.example>", "250 fine\r\n",
		"RCPT TO:<night@drover.example>", "250 fine\r\n", "DATA",
		"354 go on\r\n", "\r\n.\r\n", "250 taken\r\n", "QUIT", "221 bye\r\n",
		NULL };
	struct receiver r;
	struct err e = ERR_INIT;

	begin(&r, play);
	if (mail_to(&r, LONG_MS, &e))
		fail_msg("%s", e.msg);
	end(&r);
	assert_non_null(strstr(r.got, "Date: Fri, 02 Jan 2026 03:04:05 +0000\r\n"));
	assert_non_null(
	    strstr(r.got, "To: <ops@drover.example>,\r\n <night@drover.example>\r\n"));
	assert_non_null(strstr(r.got, "Subject: =?UTF-8?B?R3LDtsOfZSBvbiB3ZWIg"));
	assert_non_null(
	    strstr(r.got, "Message-ID: <alarm-7.1767323045678.alarm-7/3/chat@drover."));
}

static void
test_mail_server_that_hangs_is_cut(void **state)
{
	struct receiver r;
	struct err e = ERR_INIT;

	begin(&r, NULL);
	assert_int_equal(mail_to(&r, SHORT_MS, &e), ERR_TIMEOUT);
	end(&r);
}

/* ---- traps ---- */

static void
test_trap(void **state)
{
	struct receiver r = { 0 };
	struct alarm_notice n = notice();
	struct pollfd p = { .events = POLLIN };
	struct err e = ERR_INIT;
	ssize_t len;

	bind_to(&r, SOCK_DGRAM);
	AUTO_FREE char *host = xasprintf("127.0.0.1:%u", r.port);
	const struct alarm_trap t = { host, "c0mmunity", &n };

	if (alarm_trap_send(&t, &e))
		fail_msg("%s", e.msg);
	p.fd = r.fd;
	assert_int_equal(poll(&p, 1, (int)LONG_MS), 1);
	len = recv(r.fd, r.got, sizeof(r.got), 0);
	assert_true(len > 0);
	/* A sequence with version 1, which is 2c. */
	assert_int_equal(r.got[0], 0x30);
	assert_non_null(memmem(r.got, (size_t)len, "\x02\x01\x01", 3));
	assert_non_null(memmem(r.got, (size_t)len, "c0mmunity", 9));
	assert_non_null(memmem(r.got, (size_t)len, "vm-42", 5));
	assert_non_null(memmem(r.got, (size_t)len, "above 90 for 5 min", 18));
	close(r.fd);
	alarm_notice_fini(&n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_webhook),
		cmocka_unit_test(test_webhook_answers),
		cmocka_unit_test(test_webhook_that_hangs_is_cut),
		cmocka_unit_test(test_webhook_ends_with_the_server),
		cmocka_unit_test(test_nobody_is_there),
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_mail),
		cmocka_unit_test(test_mail_server_that_hangs_is_cut),
		cmocka_unit_test(test_trap),
	};
	int rc;

	alarm_curl_init();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	alarm_curl_fini();
	return rc;
}
