#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/link.h"
#include "loop/tls.h"
#include "tests/lib/borrow.h"
#include "tests/lib/lab.h"

#define S(x) DROVER__GUEST_STATE__GUEST_##x

static struct agent_fake *
agent_of(struct lab *l, const char *uuid, const char *fingerprint)
{
	struct agent_fake_facts f = { uuid, fingerprint, 4, 1000, 1024 };

	return agent_fake_new(l->loop, &f);
}

static void
only_known_hosts_come_in(void **state)
{
	struct lab *l = lab_new(1, 4096);
	static const char uuid[] = "00000000-0000-4000-8000-000000000001";
	struct agent_fake *stranger =
	    agent_of(l, "00000000-0000-4000-8000-000000000077", "f1");
	struct agent_fake *former = agent_of(l, uuid, "f0");

	agent_fake_dial(stranger, l->hosts);
	agent_fake_dial(former, l->hosts);
	lab_settle(l);
	assert_int_equal(agent_fake_refused(stranger), ERR_NOT_FOUND);
	assert_int_equal(agent_fake_refused(former), ERR_DENIED);
	assert_int_equal(lab_events(l, "HostConnectionRefusedEvent"), 2);

	/* It comes again and again: one event a minute is enough. */
	for (unsigned i = 0; i < 5; i++) {
		agent_fake_dial(stranger, l->hosts);
		lab_advance(l, 1000);
	}
	assert_int_equal(lab_events(l, "HostConnectionRefusedEvent"), 2);
	assert_true(hosts_is_up(l->hosts, l->host[0]));
	agent_fake_free(stranger);
	agent_fake_free(former);
	lab_free(l);
}

/* Somebody with a certificate of that role and uuid, who says what the test wishes. */
struct greeter {
	struct link *link;
	Drover__Hello hello;
	char refused[24]; /* the code; "" while nothing came */
};

static void
greet(struct link *k, void *arg)
{
	struct greeter *g = arg;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	AUTO_FREE uint8_t *p = NULL;
	struct err e = ERR_INIT;
	size_t n;

	m.version = PROTO_VERSION;
	m.body_case = DROVER__ENVELOPE__BODY_HELLO;
	m.hello = &g->hello;
	assert_int_equal(msg_pack(&m, &p, &n, &e), 0);
	assert_int_equal(link_send(k, p, n, &e), 0);
}

static void
hear_refusal(struct link *k, const uint8_t *p, size_t n, void *arg)
{
	struct greeter *g = arg;
	AUTO(msg) Drover__Envelope *m = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(msg_unpack(p, n, &m, &e), 0);
	assert_int_equal(m->body_case, DROVER__ENVELOPE__BODY_REFUSE);
	snprintf(g->refused, sizeof(g->refused), "%s", m->refuse->code);
}

static void
let_go(struct link *k, const struct err *why, void *arg)
{
}

static void
assert_refused(
    struct lab *l, struct greeter *g, const struct tls_identity *who, const char *code)
{
	static const struct link_events events = { greet, hear_refusal, let_go };
	struct tls_identity server = { .role = TLS_ROLE_SERVER };
	struct link *theirs;

	*g->refused = '\0';
	link_pair(l->loop, who, &server, &g->link, &theirs);
	link_set_events(g->link, &events, g);
	hosts_accept(l->hosts, theirs, "10.0.0.66:40000");
	lab_settle(l);
	assert_string_equal(g->refused, code);
	link_free(g->link);
}

static void
who_says_what_his_certificate_does_not_is_refused(void **state)
{
	static char uuid[] = "00000000-0000-4000-8000-000000000001";
	static char other[] = "00000000-0000-4000-8000-000000000002";
	static char boot[] = "later";
	struct lab *l = lab_new(2, 4096);
	struct tls_identity who = { .role = TLS_ROLE_HOST };
	struct greeter g = { .hello = DROVER__HELLO__INIT };

	snprintf(who.uuid, sizeof(who.uuid), "%s", uuid);
	snprintf(who.fingerprint, sizeof(who.fingerprint), "f1");
	g.hello.version_min = g.hello.version_max = PROTO_VERSION;
	g.hello.boot_id = boot;
	g.hello.host_uuid = other;
	assert_refused(l, &g, &who, "denied");
	g.hello.host_uuid = uuid;
	who.role = TLS_ROLE_SERVER;
	assert_refused(l, &g, &who, "denied");
	who.role = TLS_ROLE_HOST;
	g.hello.version_min = g.hello.version_max = PROTO_VERSION + 1;
	assert_refused(l, &g, &who, "unsupported");
	g.hello.version_min = g.hello.version_max = PROTO_VERSION_MIN - 1;
	assert_refused(l, &g, &who, "unsupported");
	/* It has obeyed a later leader than this one. */
	g.hello.version_min = g.hello.version_max = PROTO_VERSION;
	g.hello.epoch_seen = UINT32_MAX;
	assert_refused(l, &g, &who, "stale");
	assert_true(
	    agent_fake_welcomed(l->agent[0]) && agent_fake_welcomed(l->agent[1]));
	lab_free(l);
}

static void
a_second_agent_of_one_identity_is_refused(void **state)
{
	struct lab *l = lab_new(1, 4096);
	struct agent_fake *twin =
	    agent_of(l, "00000000-0000-4000-8000-000000000001", "f1");

	agent_fake_restart(twin);
	agent_fake_dial(twin, l->hosts);
	lab_settle(l);
	assert_int_equal(agent_fake_refused(twin), ERR_EXISTS);
	assert_true(agent_fake_welcomed(l->agent[0]));

	/* The older is dead: the newer takes over. */
	agent_fake_be_silent(l->agent[0]);
	lab_advance(l, 5000);
	agent_fake_dial(twin, l->hosts);
	lab_settle(l);
	assert_int_equal(agent_fake_refused(twin), ERR_EXISTS);
	lab_advance(l, 2000);
	agent_fake_dial(twin, l->hosts);
	lab_settle(l);
	assert_true(agent_fake_welcomed(twin));
	agent_fake_free(twin);
	lab_free(l);
}

static void
a_silent_host_is_lost_and_comes_back(void **state)
{
	struct lab *l = lab_new(1, 4096);

	agent_fake_be_silent(l->agent[0]);
	lab_advance(l, 5000);
	assert_int_equal(
	    inv_host(l->inv, l->host[0])->connection_state, CONN_CONNECTED);
	lab_advance(l, 2000);
	const struct host *h = inv_host(l->inv, l->host[0]);
	assert_int_equal(h->connection_state, CONN_NOT_RESPONDING);
	assert_non_null(strstr(h->state_reason, "3 beats"));
	assert_false(inv_datastore(l->inv, l->datastore)->accessible);
	assert_int_equal(lab_events(l, "HostConnectionLostEvent"), 1);

	agent_fake_dial(l->agent[0], l->hosts);
	lab_advance(l, 1000);
	h = inv_host(l->inv, l->host[0]);
	assert_int_equal(h->connection_state, CONN_CONNECTED);
	assert_null(h->state_reason);
	assert_true(inv_datastore(l->inv, l->datastore)->accessible);
	assert_int_equal(lab_events(l, "HostConnectionLostEvent"), 1);
	lab_free(l);
}

static void
a_short_break_is_forgiven(void **state)
{
	struct lab *l = lab_new(1, 4096);

	agent_fake_restart(l->agent[0]);
	lab_advance(l, 3000);
	agent_fake_dial(l->agent[0], l->hosts);
	lab_advance(l, 10000);
	assert_int_equal(lab_events(l, "HostConnectionLostEvent"), 0);
	lab_free(l);
}

static void
facts_are_the_hosts(void **state)
{
	struct lab *l = lab_new(1, 4096);
	const struct host *h = inv_host(l->inv, l->host[0]);

	assert_int_equal(h->cpu_cores, 8);
	assert_int_equal(h->cpu_total_mhz, 16000);
	assert_int_equal(h->memory_total_mb, 4096);
	assert_string_equal(h->address, "10.0.0.9");
	assert_string_equal(h->anti_spoof, "yes");
	assert_int_equal(json_count(h->engines), 2);
	assert_true(hosts_has_bridge(l->hosts, l->host[0], "br0"));
	assert_false(hosts_has_bridge(l->hosts, l->host[0], "br1"));
	/* On a clock that stands still: the least that there is. */
	lab_advance(l, 3000);
	assert_int_equal(hosts_rtt_us(l->hosts, l->host[0]), 1);
	agent_fake_cut(l->agent[0]);
	lab_settle(l);
	assert_int_equal(hosts_rtt_us(l->hosts, l->host[0]), 0);
	lab_free(l);
}

static void
a_death_is_told_once_and_acknowledged(void **state)
{
	struct lab *l = lab_new(1, 4096);
	obj_id vm = lab_vm(l, "web", true);

	agent_fake_happen(l->agent[0], 1, S(FAILED), "died", "killed by SIGKILL");
	agent_fake_report(l->agent[0]);
	lab_settle(l);
	assert_int_equal(lab_power(l, vm), POWER_OFF);
	assert_string_equal(inv_vm(l->inv, vm)->power_reason, "killed by SIGKILL");
	assert_int_equal(lab_events(l, "VmDiedEvent"), 1);
	assert_int_equal(agent_fake_acked(l->agent[0]), 1);
	agent_fake_report(l->agent[0]);
	lab_settle(l);
	assert_int_equal(lab_events(l, "VmDiedEvent"), 1);
	lab_free(l);
}

static void
a_host_speaks_for_its_own_guests_only(void **state)
{
	struct lab *l = lab_new(2, 4096);
	obj_id vm = lab_vm(l, "web", true);
	const struct vm *row = inv_vm(l->inv, vm);
	struct agent_fake *liar = l->agent[obj_id_is(row->host, l->host[0]) ? 1 : 0];

	agent_fake_plant(liar, obj_id_number(vm), row->uuid);
	agent_fake_happen(liar, obj_id_number(vm), S(FAILED), "died", "a lie");
	agent_fake_report(liar);
	lab_settle(l);
	assert_int_equal(lab_power(l, vm), POWER_ON);
	assert_int_equal(lab_events(l, "VmDiedEvent"), 0);
	assert_int_equal(lab_events(l, "VmUnknownOnHostEvent"), 1);
	lab_free(l);
}

static void
progress_is_told_by_who_works(void **state)
{
	struct lab *l = lab_new(2, 4096);
	obj_id vm = lab_vm(l, "web", false);
	unsigned at = obj_id_is(inv_vm(l->inv, vm)->host, l->host[0]) ? 0 : 1;
	Drover__Progress p = DROVER__PROGRESS__INIT;

	agent_fake_hold(l->agent[at]);
	assert_int_equal(lab_op(l, "vm.start", vm, "{}"), 0);
	lab_settle(l);
	p.task = obj_id_number(l->task);
	p.phase = borrow("nearly done");
	p.total_bytes = INT64_MAX;
	p.bytes_per_s = 1;
	agent_fake_claim(l->agent[!at], &p);
	lab_settle(l);
	assert_null(inv_task(l->inv, l->task)->phase);
	agent_fake_claim(l->agent[at], &p);
	lab_settle(l);
	assert_string_equal(inv_task(l->inv, l->task)->phase, "nearly done");
	/* Not within the life of anybody, and not past the end of numbers. */
	assert_int_equal(inv_task(l->inv, l->task)->expected_end, 0);
	agent_fake_release(l->agent[at]);
	assert_int_equal(lab_wait(l, l->task), 0);
	lab_free(l);
}

static void
an_absurd_generation_is_not_believed(void **state)
{
	struct lab *l = lab_new(1, 4096);
	obj_id vm = lab_vm(l, "web", true);
	uint64_t gen = inv_vm(l->inv, vm)->run_gen;

	agent_fake_lie(l->agent[0], obj_id_number(vm), INT64_MAX);
	agent_fake_report(l->agent[0]);
	lab_settle(l);
	assert_int_equal(inv_vm(l->inv, vm)->run_gen, gen);
	lab_free(l);
}

static void
news_wait_for_the_database(void **state)
{
	struct lab *l = lab_new(1, 4096);
	obj_id vm = lab_vm(l, "web", true);

	db_fake_down(l->db);
	agent_fake_happen(l->agent[0], 1, S(STALLED), "stalled", "no space left");
	lab_advance(l, 6000);
	assert_int_equal(agent_fake_acked(l->agent[0]), 0);
	assert_int_equal(lab_power(l, vm), POWER_ON);
	db_fake_up(l->db);
	agent_fake_report(l->agent[0]);
	lab_advance(l, 1000);
	assert_int_equal(lab_power(l, vm), POWER_STALLED);
	assert_int_equal(lab_events(l, "VmStalledEvent"), 1);
	agent_fake_happen(l->agent[0], 1, S(RUNNING), "resumed", "");
	lab_settle(l);
	assert_int_equal(lab_power(l, vm), POWER_ON);
	assert_int_equal(lab_events(l, "VmUnstalledEvent"), 1);
	lab_free(l);
}

static void
what_differs_after_a_break_is_repaired_or_named(void **state)
{
	struct lab *l = lab_new(1, 8192);
	obj_id runs = lab_vm(l, "runs", false);
	obj_id gone = lab_vm(l, "gone", true);

	/* Away, one was started by hand, one vanished, and a stranger came. */
	agent_fake_cut(l->agent[0]);
	lab_settle(l);
	agent_fake_plant(l->agent[0], obj_id_number(runs), "");
	agent_fake_forget(l->agent[0], obj_id_number(gone));
	agent_fake_plant(l->agent[0], 99, "alien");
	agent_fake_dial(l->agent[0], l->hosts);
	lab_settle(l);
	assert_int_equal(lab_power(l, runs), POWER_ON);
	assert_int_equal(lab_power(l, gone), POWER_UNKNOWN);
	assert_int_equal(lab_events(l, "VmMissingOnHostEvent"), 1);
	assert_int_equal(lab_events(l, "VmUnknownOnHostEvent"), 1);
	assert_int_equal(agent_fake_state(l->agent[0], 99), S(RUNNING));
	agent_fake_report(l->agent[0]);
	lab_settle(l);
	assert_int_equal(lab_events(l, "VmUnknownOnHostEvent"), 1);
	lab_free(l);
}

static void
nothing_is_missed_while_the_server_starts_anew(void **state)
{
	struct lab *l = lab_new(2, 8192);
	obj_id vm = lab_vm(l, "web", true);

	lab_crash(l);
	lab_dial(l);
	lab_advance(l, 60000);
	assert_int_equal(lab_power(l, vm), POWER_ON);
	assert_int_equal(lab_events(l, "HostConnectionLostEvent"), 0);
	assert_int_equal(hosts_up_count(l->hosts), 2);
	lab_free(l);
}

int
main(void)
{
	log_set_level(LOG_LEVEL_ERR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_known_hosts_come_in),
		cmocka_unit_test(who_says_what_his_certificate_does_not_is_refused),
		cmocka_unit_test(a_second_agent_of_one_identity_is_refused),
		cmocka_unit_test(a_silent_host_is_lost_and_comes_back),
		cmocka_unit_test(a_short_break_is_forgiven),
		cmocka_unit_test(facts_are_the_hosts),
		cmocka_unit_test(a_death_is_told_once_and_acknowledged),
		cmocka_unit_test(a_host_speaks_for_its_own_guests_only),
		cmocka_unit_test(progress_is_told_by_who_works),
		cmocka_unit_test(an_absurd_generation_is_not_believed),
		cmocka_unit_test(news_wait_for_the_database),
		cmocka_unit_test(what_differs_after_a_break_is_repaired_or_named),
		cmocka_unit_test(nothing_is_missed_while_the_server_starts_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
