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
#include "tests/lib/agent_play.h"
#include "tests/lib/make_certs.h"

static int
setup(void **state)
{
	*state = play_new("[host]\nmemory_mb = 1024\ncpus = 2\n"
			  "[engine.qemu]\nenabled = no\n[engine.oci]\nenabled = no\n"
			  "[engine.sim]\nenabled = yes\n"
			  "[cgroup]\nroot = /nonexistent\n");
	return 0;
}

static int
teardown(void **state)
{
	play_free(*state);
	return 0;
}

static void
start(struct play *p, uint32_t step, uint64_t guest)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestStart s = DROVER__GUEST_START__INIT;

	s.guest = guest;
	s.generation = 1;
	s.spec = bed_spec(guest);
	o.verb_case = DROVER__ORDER__VERB_GUEST_START;
	o.guest_start = &s;
	play_order(p, step, &o);
	drover__guest_spec__free_unpacked(s.spec, NULL);
}

static void
greets_with_its_facts_and_ends_in_order(void **state)
{
	struct play *p = *state;
	const Drover__HostFacts *f;

	play_run_agent(p);
	f = p->hello->hello->facts;
	assert_string_equal(p->hello->hello->host_uuid, PLAY_UUID);
	assert_int_equal(f->cpu_cores, 2);
	assert_int_equal(f->memory_bytes, 1ull << 30);
	assert_int_equal(f->n_engines, 1);
	assert_true(f->engines[0]->usable);
	assert_non_null(strstr(f->cgroup, "none: "));
	assert_string_equal(f->agent_version, DROVER_VERSION);
	assert_int_not_equal(f->channel_port, 0);
	assert_int_equal(f->n_channel_addresses, 1);
	assert_string_equal(f->channel_addresses[0], "127.0.0.1");
	for (size_t i = 1; i < f->n_cpu_flags; i++)
		assert_true(strcmp(f->cpu_flags[i - 1], f->cpu_flags[i]) <= 0);
	play_until(p, &p->reports, 3);
	assert_true(p->report->report->uptime_s > 0);
	assert_int_equal(play_end_agent(p, SIGTERM), 0);
}

static void
guests_and_answers_outlive_the_agent(void **state)
{
	struct play *p = *state;
	char boot[64];

	play_run_agent(p);
	snprintf(boot, sizeof(boot), "%s", p->hello->hello->boot_id);
	start(p, 1, 7);
	play_until(p, &p->replies, 1);
	play_assert_running(p);
	uint64_t started = p->reply->reply->guest->started_ms;
	play_end_agent(p, SIGKILL);

	play_run_agent(p);
	assert_string_not_equal(p->hello->hello->boot_id, boot);
	assert_int_equal(p->hello->hello->epoch_seen, 1);
	assert_int_equal(p->hello->hello->n_guests, 1);
	assert_int_equal(
	    p->hello->hello->guests[0]->state, DROVER__GUEST_STATE__GUEST_RUNNING);
	/* The record of it may have been on its way: then adoption's own word stands.
	 */
	uint64_t now_says = p->hello->hello->guests[0]->started_ms;
	assert_in_range(now_says, started - 1000, started + 1000);
	/* Told, and told again, until it is acknowledged. */
	play_until(p, &p->events, 1);
	assert_string_equal(p->event->event->what, "adopted");
	start(p, 1, 7);
	play_until(p, &p->replies, 2);
	play_assert_running(p);
	assert_int_equal(p->reply->reply->guest->started_ms, started);
}

/* Killed a little later each time after an order; repeated, it is done exactly once. */
static void
order_is_done_however_often_the_agent_is_killed(void **state)
{
	struct play *p = *state;

	play_run_agent(p);
	for (unsigned i = 0; i < 6; i++) {
		unsigned replies;

		start(p, 100 + i, 100 + i);
		loop_turn(p->loop, 0);
		for (unsigned k = 0; k < i; k++)
			loop_turn(p->loop, 4 * i);
		play_end_agent(p, SIGKILL);
		play_run_agent(p);
		replies = p->replies;
		start(p, 100 + i, 100 + i);
		play_until(p, &p->replies, replies + 1);
		play_assert_running(p);
		assert_int_equal(p->reply->reply->guest->generation, 1);
	}
}

static void
leader_of_the_past_is_not_obeyed(void **state)
{
	struct play *p = *state;

	p->epoch = 5;
	play_run_agent(p);
	p->epoch = 4;
	start(p, 1, 7);
	play_until(p, &p->replies, 1);
	assert_string_equal(p->reply->reply->fault->code, "stale");
	play_end_agent(p, SIGKILL);
	p->epoch = 5;
	play_run_agent(p);
	assert_int_equal(p->hello->hello->epoch_seen, 5);
	assert_int_equal(p->hello->hello->n_guests, 0);
}

/* Its host's certificate is over two thirds of its life, as the agent reads it. */
static void
grant(struct play *p)
{
	const Drover__CertRequest *q = p->cert_request->cert_request;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__CertGrant g = DROVER__CERT_GRANT__INIT;
	struct tls_identity id;

	assert_int_equal(
	    tls_sign_host(q->csr, certs_ca(p->certs), certs_ca_key(p->certs), PLAY_UUID,
		30, &g.certificate, &id, NULL),
	    0);
	g.request = q->request;
	m.body_case = DROVER__ENVELOPE__BODY_CERT_GRANT;
	m.cert_grant = &g;
	play_say(p, &m);
	free(g.certificate);
}

static void
certificate_is_renewed_before_it_ends(void **state)
{
	const struct cert_wish old = {
		.san = "URI:drover:host:" PLAY_UUID, .from_s = -3000, .to_s = 600
	};
	struct play *p = *state;
	char first[65];

	certs_make(p->certs, "host", &old);
	p->signs = true;
	play_run_agent(p);
	play_until(p, &p->cert_requests, 1);
	snprintf(first, sizeof(first), "%s", p->peer);
	assert_string_equal(p->cert_request->cert_request->held, first);
	/* Cut short by a kill, wherever it stands, it is begun again or done. */
	grant(p);
	loop_turn(p->loop, 0);
	play_end_agent(p, SIGKILL);
	play_run_agent(p);
	if (!strcmp(p->peer, first)) {
		play_until(p, &p->cert_requests, 2);
		grant(p);
		unsigned reports = p->reports;
		play_until(p, &p->reports, reports + 5);
		play_end_agent(p, SIGTERM);
		play_run_agent(p);
	}
	assert_string_not_equal(p->peer, first);
	unsigned reports = p->reports, asked = p->cert_requests;
	play_until(p, &p->reports, reports + 3);
	assert_int_equal(p->cert_requests, asked);
}

static void
second_agent_on_the_same_state_is_refused(void **state)
{
	struct play *p = *state;
	AUTO_FREE char *program = xstrdup(AGENT_PROGRAM);
	AUTO_FREE char *option = xstrdup("--config");
	char *argv[] = { program, option, p->conf, NULL };
	int status;
	pid_t pid;

	play_run_agent(p);
	assert_int_equal(posix_spawn(&pid, program, NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
	start(p, 1, 7);
	play_until(p, &p->replies, 1);
	play_assert_running(p);
}

static void
reload_keeps_the_link(void **state)
{
	struct play *p = *state;
	unsigned reports;

	play_run_agent(p);
	assert_int_equal(rename(bed_path(p->bed, "log"), bed_path(p->bed, "log.1")), 0);
	assert_int_equal(kill(p->agent, SIGHUP), 0);
	while (!bed_exists(bed_path(p->bed, "log")))
		loop_turn(p->loop, 10);
	reports = p->reports;
	play_until(p, &p->reports, reports + 2);
	assert_int_equal(p->hellos, 1);
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
		T(certificate_is_renewed_before_it_ends),
		T(second_agent_on_the_same_state_is_refused),
		T(reload_keeps_the_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
