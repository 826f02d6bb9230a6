#include <errno.h>
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
#include "loop/link.h"
#include "proto/msg.h"
#include "tests/lib/agent_bed.h"
#include "tests/lib/make_certs.h"

#define UUID        "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
#define PATIENCE_MS 30000u

/* The real program over real TLS; the server's end is played here. */
struct world {
	struct bed *bed; /* its folder; its clock stands still */
	struct loop *loop;
	struct certs *certs;
	struct ssl_ctx_st *ctx;
	struct link_listener *listener;
	struct link *link;
	char *conf;
	pid_t agent;

	uint64_t epoch;
	unsigned hellos, replies, events, reports;
	Drover__Envelope *hello, *reply, *event, *report; /* the newest */
};

static void
keep(Drover__Envelope **at, Drover__Envelope *m)
{
	msg_free(*at);
	*at = m;
}

static void
say(struct world *w, Drover__Envelope *m)
{
	AUTO_FREE uint8_t *p = NULL;
	size_t n;

	m->version = PROTO_VERSION;
	m->epoch = w->epoch;
	assert_int_equal(msg_pack(m, &p, &n, NULL), 0);
	assert_int_equal(link_send(w->link, p, n, NULL), 0);
}

static void
welcome(struct world *w)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Welcome wel = DROVER__WELCOME__INIT;

	wel.version = PROTO_VERSION;
	wel.host = 1;
	wel.report_ms = 200;
	wel.beat_ms = 2000;
	m.body_case = DROVER__ENVELOPE__BODY_WELCOME;
	m.welcome = &wel;
	say(w, &m);
}

static void
answer_ping(struct world *w, uint64_t nonce)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Pong pong = DROVER__PONG__INIT;

	pong.nonce = nonce;
	m.body_case = DROVER__ENVELOPE__BODY_PONG;
	m.pong = &pong;
	say(w, &m);
}

static void
on_message(struct world *w, Drover__Envelope *m)
{
	switch (m->body_case) {
	case DROVER__ENVELOPE__BODY_HELLO:
		w->hellos++;
		keep(&w->hello, m);
		welcome(w);
		return;
	case DROVER__ENVELOPE__BODY_REPLY:
		w->replies++;
		keep(&w->reply, m);
		return;
	case DROVER__ENVELOPE__BODY_EVENT:
		w->events++;
		keep(&w->event, m);
		return;
	case DROVER__ENVELOPE__BODY_REPORT:
		w->reports++;
		keep(&w->report, m);
		return;
	case DROVER__ENVELOPE__BODY_PING:
		answer_ping(w, m->ping->nonce);
		msg_free(m);
		return;
	default:
		msg_free(m);
	}
}

static void
on_frame(struct link *k, const uint8_t *p, size_t n, void *arg)
{
	Drover__Envelope *m = NULL;

	assert_int_equal(msg_unpack(p, n, &m, NULL), 0);
	on_message(arg, m);
}

static void
on_up(struct link *k, void *arg)
{
	assert_int_equal(link_peer(k)->role, TLS_ROLE_HOST);
	assert_string_equal(link_peer(k)->uuid, UUID);
}

static void
on_down(struct link *k, const struct err *why, void *arg)
{
	struct world *w = arg;

	if (w->link == k)
		w->link = NULL;
	link_free(k);
}

static void
on_link(struct link *k, const char *peer, void *arg)
{
	static const struct link_events ev = { on_up, on_frame, on_down };
	struct world *w = arg;

	link_free(w->link);
	w->link = k;
	link_set_events(k, &ev, w);
}

static void
until(struct world *w, const unsigned *count, unsigned n)
{
	uint64_t end = clock_mono_ms(clock_system()) + PATIENCE_MS;

	while (*count < n) {
		if (clock_mono_ms(clock_system()) > end)
			fail_msg("the agent did not answer; see its log");
		loop_turn(w->loop, 50);
	}
}

static void
run_agent(struct world *w)
{
	AUTO_FREE char *program = xstrdup(AGENT_PROGRAM);
	AUTO_FREE char *option = xstrdup("--config");
	char *argv[] = { program, option, w->conf, NULL };
	unsigned hellos = w->hellos;

	assert_int_equal(posix_spawn(&w->agent, program, NULL, NULL, argv, environ), 0);
	until(w, &w->hellos, hellos + 1);
}

static int
end_agent(struct world *w, int signo)
{
	int status = -1;

	assert_int_equal(kill(w->agent, signo), 0);
	while (waitpid(w->agent, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	w->agent = 0;
	return status;
}

static void
write_conf(struct world *w, const struct tls_files *host)
{
	AUTO(str) struct str s = STR_INIT;

	str_addf(
	    &s, "[server]\naddress = 127.0.0.1:%u\n", link_listener_port(w->listener));
	str_addf(&s, "[tls]\ncert = %s\nkey = %s\nca = %s\n", host->cert, host->key,
	    host->ca);
	str_addf(&s, "[state]\ndir = %s/state\n[run]\ndir = %s/run\n", w->bed->dir,
	    w->bed->dir);
	str_addf(&s, "[storage]\nroots = %s/stores\n", w->bed->dir);
	str_add(&s, "[host]\nmemory_mb = 1024\ncpus = 2\n");
	str_add(&s, "[engine.qemu]\nenabled = no\n[engine.sim]\nenabled = yes\n");
	str_addf(&s, "[cgroup]\nroot = %s/no-cgroups\n", w->bed->dir);
	str_addf(&s, "[log]\nfile = %s/log\nlevel = debug\n", w->bed->dir);
	w->conf = xstrdup(bed_path(w->bed, "agent.conf"));
	bed_write(w->conf, s.s, s.len);
}

static int
setup(void **state)
{
	const struct cert_wish server_wish = { .san =
						   "URI:drover:server,IP:127.0.0.1" };
	const struct cert_wish host_wish = { .san = "URI:drover:host:" UUID };
	struct world *w = xcalloc(1, sizeof(*w));
	struct tls_files server, host;
	struct err e = ERR_INIT;

	signal(SIGPIPE, SIG_IGN);
	w->bed = bed_new();
	w->loop = loop_new(clock_system());
	w->certs = certs_new("test CA");
	w->epoch = 1;
	server = certs_make(w->certs, "server", &server_wish);
	host = certs_make(w->certs, "host", &host_wish);
	assert_int_equal(tls_server_ctx(&server, &w->ctx, &e), 0);
	assert_int_equal(link_listen(w->loop, "127.0.0.1", 0, w->ctx, NULL, on_link, w,
			     &w->listener, &e),
	    0);
	write_conf(w, &host);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	if (w->agent > 0)
		end_agent(w, SIGKILL);
	link_free(w->link);
	link_listener_free(w->listener);
	tls_ctx_free(w->ctx);
	certs_free(w->certs);
	loop_free(w->loop);
	bed_free(w->bed);
	msg_free(w->hello);
	msg_free(w->reply);
	msg_free(w->event);
	msg_free(w->report);
	free(w->conf);
	free(w);
	return 0;
}

static void
send_start(struct world *w, uint32_t step, uint64_t guest)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestStart s = DROVER__GUEST_START__INIT;

	s.guest = guest;
	s.generation = 1;
	s.spec = bed_spec(guest);
	o.task = 77;
	o.step = step;
	o.deadline_ms = 20000;
	o.verb_case = DROVER__ORDER__VERB_GUEST_START;
	o.guest_start = &s;
	m.body_case = DROVER__ENVELOPE__BODY_ORDER;
	m.order = &o;
	say(w, &m);
	drover__guest_spec__free_unpacked(s.spec, NULL);
}

static void
assert_running(struct world *w)
{
	if (w->reply->reply->fault)
		fail_msg("%s", w->reply->reply->fault->message);
	assert_int_equal(
	    w->reply->reply->guest->state, DROVER__GUEST_STATE__GUEST_RUNNING);
}

static void
greets_with_its_facts_and_ends_in_order(void **state)
{
	struct world *w = *state;
	const Drover__HostFacts *f;

	run_agent(w);
	f = w->hello->hello->facts;
	assert_string_equal(w->hello->hello->host_uuid, UUID);
	assert_int_equal(f->cpu_cores, 2);
	assert_int_equal(f->memory_bytes, 1ull << 30);
	assert_int_equal(f->n_engines, 1);
	assert_true(f->engines[0]->usable);
	assert_non_null(strstr(f->cgroup, "none: "));
	assert_string_equal(f->agent_version, DROVER_VERSION);
	until(w, &w->reports, 3);
	assert_true(w->report->report->uptime_s > 0);
	assert_int_equal(end_agent(w, SIGTERM), 0);
}

static void
guests_and_answers_outlive_the_agent(void **state)
{
	struct world *w = *state;
	char boot[64];

	run_agent(w);
	snprintf(boot, sizeof(boot), "%s", w->hello->hello->boot_id);
	send_start(w, 1, 7);
	until(w, &w->replies, 1);
	assert_running(w);
	uint64_t started = w->reply->reply->guest->started_ms;
	end_agent(w, SIGKILL);

	run_agent(w);
	assert_string_not_equal(w->hello->hello->boot_id, boot);
	assert_int_equal(w->hello->hello->epoch_seen, 1);
	assert_int_equal(w->hello->hello->n_guests, 1);
	assert_int_equal(
	    w->hello->hello->guests[0]->state, DROVER__GUEST_STATE__GUEST_RUNNING);
	assert_int_equal(w->hello->hello->guests[0]->started_ms, started);
	/* Told, and told again, until it is acknowledged. */
	until(w, &w->events, 1);
	assert_string_equal(w->event->event->what, "adopted");
	send_start(w, 1, 7);
	until(w, &w->replies, 2);
	assert_running(w);
	assert_int_equal(w->reply->reply->guest->started_ms, started);
}

/* Killed a little later each time after an order; repeated, it is done exactly once. */
static void
order_is_done_however_often_the_agent_is_killed(void **state)
{
	struct world *w = *state;

	run_agent(w);
	for (unsigned i = 0; i < 6; i++) {
		unsigned replies;

		send_start(w, 100 + i, 100 + i);
		loop_turn(w->loop, 0);
		for (unsigned k = 0; k < i; k++)
			loop_turn(w->loop, 4 * i);
		end_agent(w, SIGKILL);
		run_agent(w);
		replies = w->replies;
		send_start(w, 100 + i, 100 + i);
		until(w, &w->replies, replies + 1);
		assert_running(w);
		assert_int_equal(w->reply->reply->guest->generation, 1);
	}
}

static void
leader_of_the_past_is_not_obeyed(void **state)
{
	struct world *w = *state;

	w->epoch = 5;
	run_agent(w);
	w->epoch = 4;
	send_start(w, 1, 7);
	until(w, &w->replies, 1);
	assert_string_equal(w->reply->reply->fault->code, "stale");
	end_agent(w, SIGKILL);
	w->epoch = 5;
	run_agent(w);
	assert_int_equal(w->hello->hello->epoch_seen, 5);
	assert_int_equal(w->hello->hello->n_guests, 0);
}

static void
second_agent_on_the_same_state_is_refused(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *program = xstrdup(AGENT_PROGRAM);
	AUTO_FREE char *option = xstrdup("--config");
	char *argv[] = { program, option, w->conf, NULL };
	int status;
	pid_t pid;

	run_agent(w);
	assert_int_equal(posix_spawn(&pid, program, NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
	send_start(w, 1, 7);
	until(w, &w->replies, 1);
	assert_running(w);
}

static void
reload_keeps_the_link(void **state)
{
	struct world *w = *state;
	unsigned reports;

	run_agent(w);
	assert_int_equal(rename(bed_path(w->bed, "log"), bed_path(w->bed, "log.1")), 0);
	assert_int_equal(kill(w->agent, SIGHUP), 0);
	while (!bed_exists(bed_path(w->bed, "log")))
		loop_turn(w->loop, 10);
	reports = w->reports;
	until(w, &w->reports, reports + 2);
	assert_int_equal(w->hellos, 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(greets_with_its_facts_and_ends_in_order),
		T(guests_and_answers_outlive_the_agent),
		T(order_is_done_however_often_the_agent_is_killed),
		T(leader_of_the_past_is_not_obeyed),
		T(second_agent_on_the_same_state_is_refused),
		T(reload_keeps_the_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
