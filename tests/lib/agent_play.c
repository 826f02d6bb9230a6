#include "tests/lib/agent_play.h"

#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/make_certs.h"

#define PATIENCE_MS 30000u

static void
keep(Drover__Envelope **at, Drover__Envelope *m)
{
	msg_free(*at);
	*at = m;
}

void
play_say(struct play *p, Drover__Envelope *m)
{
	AUTO_FREE uint8_t *bytes = NULL;
	size_t n;

	m->version = PROTO_VERSION;
	m->epoch = p->epoch;
	assert_int_equal(msg_pack(m, &bytes, &n, NULL), 0);
	assert_int_equal(link_send(p->link, bytes, n, NULL), 0);
}

static void
welcome(struct play *p)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Welcome wel = DROVER__WELCOME__INIT;

	wel.version = PROTO_VERSION;
	wel.host = 1;
	wel.report_ms = 200;
	wel.beat_ms = 2000;
	wel.signs = p->signs;
	m.body_case = DROVER__ENVELOPE__BODY_WELCOME;
	m.welcome = &wel;
	play_say(p, &m);
}

static void
answer_ping(struct play *p, uint64_t nonce)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Pong pong = DROVER__PONG__INIT;

	pong.nonce = nonce;
	m.body_case = DROVER__ENVELOPE__BODY_PONG;
	m.pong = &pong;
	play_say(p, &m);
}

static void
on_message(struct play *p, Drover__Envelope *m)
{
	switch (m->body_case) {
	case DROVER__ENVELOPE__BODY_HELLO:
		p->hellos++;
		keep(&p->hello, m);
		welcome(p);
		return;
	case DROVER__ENVELOPE__BODY_REPLY:
		p->replies++;
		keep(&p->reply, m);
		return;
	case DROVER__ENVELOPE__BODY_EVENT:
		p->events++;
		keep(&p->event, m);
		return;
	case DROVER__ENVELOPE__BODY_REPORT:
		p->reports++;
		keep(&p->report, m);
		return;
	case DROVER__ENVELOPE__BODY_CERT_REQUEST:
		p->cert_requests++;
		keep(&p->cert_request, m);
		return;
	case DROVER__ENVELOPE__BODY_PING:
		answer_ping(p, m->ping->nonce);
		msg_free(m);
		return;
	default:
		msg_free(m);
	}
}

static void
on_frame(struct link *k, const uint8_t *bytes, size_t n, void *arg)
{
	Drover__Envelope *m = NULL;

	assert_int_equal(msg_unpack(bytes, n, &m, NULL), 0);
	on_message(arg, m);
}

static void
on_up(struct link *k, void *arg)
{
	struct play *p = arg;

	snprintf(p->peer, sizeof(p->peer), "%s", link_peer(k)->fingerprint);
	assert_int_equal(link_peer(k)->role, TLS_ROLE_HOST);
	assert_string_equal(link_peer(k)->uuid, PLAY_UUID);
}

static void
on_down(struct link *k, const struct err *why, void *arg)
{
	struct play *p = arg;

	if (p->link == k)
		p->link = NULL;
	link_free(k);
}

static void
on_link(struct link *k, const char *peer, void *arg)
{
	static const struct link_events ev = { on_up, on_frame, on_down };
	struct play *p = arg;

	link_free(p->link);
	p->link = k;
	link_set_events(k, &ev, p);
}

void
play_until(struct play *p, const unsigned *count, unsigned n)
{
	uint64_t end = clock_mono_ms(clock_system()) + PATIENCE_MS;

	while (*count < n) {
		if (clock_mono_ms(clock_system()) > end)
			fail_msg("the agent did not answer; see its log");
		loop_turn(p->loop, 50);
	}
}

void
play_run_agent(struct play *p)
{
	AUTO_FREE char *program = xstrdup(AGENT_PROGRAM);
	AUTO_FREE char *option = xstrdup("--config");
	char *argv[] = { program, option, p->conf, NULL };
	unsigned hellos = p->hellos;

	assert_int_equal(posix_spawn(&p->agent, program, NULL, NULL, argv, environ), 0);
	play_until(p, &p->hellos, hellos + 1);
}

int
play_end_agent(struct play *p, int signo)
{
	int status = -1;

	assert_int_equal(kill(p->agent, signo), 0);
	while (waitpid(p->agent, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	p->agent = 0;
	return status;
}

int
play_await_end(struct play *p)
{
	uint64_t end = clock_mono_ms(clock_system()) + PATIENCE_MS;
	int status = -1;

	while (waitpid(p->agent, &status, WNOHANG) == 0) {
		if (clock_mono_ms(clock_system()) > end)
			fail_msg("the agent did not end; see its log");
		loop_turn(p->loop, 5);
	}
	p->agent = 0;
	return status;
}

static void
write_conf(struct play *p, const struct tls_files *host, const char *more)
{
	AUTO(str) struct str s = STR_INIT;

	str_addf(
	    &s, "[server]\naddress = 127.0.0.1:%u\n", link_listener_port(p->listener));
	str_addf(&s, "[tls]\ncert = %s\nkey = %s\nca = %s\n", host->cert, host->key,
	    host->ca);
	str_addf(&s, "[state]\ndir = %s/state\n[run]\ndir = %s/run\n", p->bed->dir,
	    p->bed->dir);
	str_addf(
	    &s, "[storage]\nroots = %s/stores\n[channel]\nport = 0\n", p->bed->dir);
	str_add(&s, more);
	str_addf(&s, "[log]\nfile = %s/log\nlevel = debug\n", p->bed->dir);
	p->conf = xstrdup(bed_path(p->bed, "agent.conf"));
	bed_write(p->conf, s.s, s.len);
}

struct play *
play_new(const char *conf)
{
	const struct cert_wish server_wish = { .san =
						   "URI:drover:server,IP:127.0.0.1" };
	const struct cert_wish host_wish = { .san = "URI:drover:host:" PLAY_UUID };
	struct play *p = xcalloc(1, sizeof(*p));
	struct tls_files server, host;
	struct err e = ERR_INIT;

	signal(SIGPIPE, SIG_IGN);
	p->bed = bed_new();
	p->loop = loop_new(clock_system());
	p->certs = certs_new("test CA");
	p->epoch = 1;
	server = certs_make(p->certs, "server", &server_wish);
	host = certs_make(p->certs, "host", &host_wish);
	assert_int_equal(tls_server_ctx(&server, &p->ctx, &e), 0);
	assert_int_equal(link_listen(p->loop, "127.0.0.1", 0, p->ctx, NULL, on_link, p,
			     &p->listener, &e),
	    0);
	write_conf(p, &host, conf);
	return p;
}

/* The agent leaves it for its next life, and there is none. */
static void
drop_group(void)
{
	AUTO_FREE char *pattern =
	    xasprintf("/sys/fs/cgroup/{,*/}" PLAY_GROUP, (int)getpid());
	glob_t found;

	if (!glob(pattern, GLOB_BRACE, NULL, &found))
		for (size_t i = 0; i < found.gl_pathc; i++)
			rmdir(found.gl_pathv[i]);
	globfree(&found);
}

void
play_free(struct play *p)
{
	if (p->agent > 0)
		play_end_agent(p, SIGKILL);
	drop_group();
	link_free(p->link);
	link_listener_free(p->listener);
	tls_ctx_free(p->ctx);
	certs_free(p->certs);
	loop_free(p->loop);
	bed_free(p->bed);
	msg_free(p->hello);
	msg_free(p->reply);
	msg_free(p->event);
	msg_free(p->report);
	msg_free(p->cert_request);
	free(p->conf);
	free(p);
}

void
play_order(struct play *p, uint32_t step, Drover__Order *o)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	o->task = 77;
	o->step = step;
	o->deadline_ms = 20000;
	m.body_case = DROVER__ENVELOPE__BODY_ORDER;
	m.order = o;
	play_say(p, &m);
}

void
play_assert_done(const struct play *p)
{
	if (p->reply->reply->fault)
		fail_msg("%s", p->reply->reply->fault->message);
}

void
play_assert_running(const struct play *p)
{
	play_assert_done(p);
	assert_int_equal(
	    p->reply->reply->guest->state, DROVER__GUEST_STATE__GUEST_RUNNING);
}
