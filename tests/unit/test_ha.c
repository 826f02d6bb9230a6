/* Hosts that beat, fall silent and come back, and what becomes of their guests. */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/drs/drs.h"
#include "server/ha/ha.h"
#include "server/migrate/migrate.h"
#include "tests/lib/ha_play.h"

#define SECOND_MS UINT64_C(1000)
#define DEAD_MS   9500u
#define S(x)      DROVER__GUEST_STATE__GUEST_##x

/* ---- leases ---- */

static void
hosts_join_and_get_leases(void **state)
{
	struct ha_play *p = hp_new(3);

	for (unsigned i = 0; i < 3; i++) {
		const struct host *h = hp_row(p, i);
		const Drover__HaConf *c = agent_fake_conf(p->l->agent[i]);
		assert_int_equal(h->ha_slot, i + 1);
		assert_int_equal(h->ha_inc, 1);
		assert_int_equal(agent_fake_inc(p->l->agent[i]), 1);
		/* Six seconds, but no longer than we lead. */
		assert_int_equal(agent_fake_lease_ms(p->l->agent[i]), 4000);
		assert_true(c && c->enabled);
		assert_int_equal(c->slot, i + 1);
		assert_int_equal(c->slots, 3);
		assert_int_equal(c->n_peers, 2);
		assert_int_equal(c->cluster.len, 16);
		assert_int_equal(c->n_datastores, 1);
		assert_int_equal(c->terms->dead_ms, DEAD_MS);
		assert_string_equal(h->ha_state, "up");
		assert_string_equal(h->ha_fencing, "software fencing");
	}
	hp_set(p, "{'ha_enabled':false}");
	hp_seconds(p, 2);
	assert_false(agent_fake_conf(p->l->agent[0])->enabled);
	hp_free(p);
}

static void
a_start_is_protected_before_it_is_acknowledged(void **state)
{
	struct ha_play *p = hp_new(2);
	obj_id vm = lab_vm(p->l, "web", true);
	const struct vm *row = inv_vm(p->l->inv, vm);
	const struct agent_fake *a = p->l->agent[hp_host_of(p, vm)];

	assert_true(row->ha_protected);
	assert_int_equal(row->ha_inc, 1);
	const Drover__RunClaim *claim = agent_fake_last_claim(a);
	assert_non_null(claim);
	assert_int_equal(claim->guest->guest, obj_id_number(vm));
	assert_int_equal(claim->guest->datastore, obj_id_number(p->l->datastore));
	assert_int_equal(claim->n_attests, 0);
	hp_seconds(p, 2);
	assert_int_equal(agent_fake_conf(a)->n_guests, 1);
	assert_int_equal(lab_do(p->l, "vm.stop", vm, "{'mode':'kill'}"), 0);
	assert_false(inv_vm(p->l->inv, vm)->ha_protected);
	hp_seconds(p, 5);
	assert_int_equal(lab_power(p->l, vm), POWER_OFF);
	assert_int_equal(hp_restarts(p), 0);
	hp_free(p);
}

static void
what_is_not_wanted_is_not_protected(void **state)
{
	struct ha_play *p = hp_new(2);
	obj_id vm = lab_vm(p->l, "web", false);

	assert_int_equal(
	    lab_op(p->l, "vm.update", vm, "{'ha_restart_priority':'off'}"), 0);
	assert_int_equal(lab_do(p->l, "vm.start", vm, NULL), 0);
	assert_false(inv_vm(p->l->inv, vm)->ha_protected);
	assert_null(agent_fake_last_claim(p->l->agent[hp_host_of(p, vm)]));
	hp_seconds(p, 2);
	assert_string_equal(inv_vm(p->l->inv, vm)->ha_status,
	    "not protected: its restart priority is off");
	hp_kill(p, hp_host_of(p, vm));
	hp_seconds(p, 20);
	assert_int_equal(hp_restarts(p), 0);
	hp_free(p);
}

/* ---- a host is lost ---- */

static void
guests_of_a_dead_host_run_elsewhere(void **state)
{
	struct ha_play *p = hp_new(3);
	obj_id a = lab_vm(p->l, "a", true), b = lab_vm(p->l, "b", true);

	hp_seconds(p, 2);
	unsigned lost = hp_host_of(p, a);
	bool both = hp_host_of(p, b) == lost;
	hp_kill(p, lost);
	hp_seconds(p, 6);
	assert_int_equal(hp_restarts(p), 0);
	assert_string_equal(hp_row(p, lost)->ha_state, "suspect");
	hp_seconds(p, 4);
	assert_string_equal(hp_row(p, lost)->ha_state, "dead");
	assert_int_equal(hp_row(p, lost)->ha_fenced_inc, 1);
	hp_assert_once(p, a);
	hp_assert_once(p, b);
	assert_int_equal(hp_restarts(p), both ? 2 : 1);
	assert_int_not_equal(hp_host_of(p, a), lost);
	assert_int_equal(inv_vm(p->l->inv, a)->run_gen, 2);

	const Drover__RunClaim *claim =
	    agent_fake_last_claim(p->l->agent[hp_host_of(p, a)]);
	assert_int_equal(claim->n_attests, 1);
	assert_int_equal(
	    claim->attests[0]->proof, DROVER__CLAIM_PROOF__CLAIM_PROOF_NETFENCED);
	assert_int_equal(claim->attests[0]->slot, lost + 1);
	assert_int_equal(claim->attests[0]->inc, 1);
	hp_seconds(p, 2);
	assert_true(hp_has_event(p, "VmRestartedOnAlternateHostEvent",
	    "wait 2.5 s, claim 0.0 s, exec 0.4 s"));
	assert_true(hp_has_event(p, "HostHaFencedEvent", "incarnation 1"));
	hp_free(p);
}

static void
the_host_comes_back_without_them(void **state)
{
	struct ha_play *p = hp_new(3);
	obj_id a = lab_vm(p->l, "a", true);

	hp_seconds(p, 2);
	unsigned lost = hp_host_of(p, a);
	hp_kill(p, lost);
	hp_seconds(p, 12);
	hp_revive(p, lost);
	agent_fake_report(p->l->agent[lost]);
	hp_seconds(p, 4);
	assert_int_equal(agent_fake_inc(p->l->agent[lost]), 2);
	assert_int_equal(agent_fake_lease_ms(p->l->agent[lost]), 4000);
	assert_string_equal(hp_row(p, lost)->ha_state, "up");
	agent_fake_report(p->l->agent[lost]);
	hp_seconds(p, 2);
	/* What its book had of the guest is released. */
	assert_int_equal(hp_state(p, lost, a), S(UNKNOWN));
	hp_assert_once(p, a);
	assert_int_equal(hp_restarts(p), 1);
	hp_free(p);
}

/* Back before anybody missed it, but what ran there is gone (R9). */
static void
a_host_that_restarts_at_once_has_lost_its_guests_too(void **state)
{
	struct ha_play *p = hp_new(3);
	obj_id a = lab_vm(p->l, "a", true);

	hp_seconds(p, 2);
	unsigned lost = hp_host_of(p, a);
	hp_kill(p, lost);
	hp_second(p);
	hp_revive(p, lost);
	agent_fake_report(p->l->agent[lost]);
	hp_seconds(p, 6);
	assert_int_equal(hp_row(p, lost)->ha_inc, 2);
	assert_int_equal(hp_row(p, lost)->ha_fenced_inc, 0);
	hp_assert_once(p, a);
	assert_int_equal(hp_restarts(p), 1);
	hp_free(p);
}

static void
a_host_that_only_we_do_not_hear_is_let_alone(void **state)
{
	struct ha_play *p = hp_new(3);
	obj_id a = lab_vm(p->l, "a", true);

	hp_seconds(p, 2);
	unsigned cut = hp_host_of(p, a);
	agent_fake_cut(p->l->agent[cut]);
	p->silent[cut] = true;
	hp_seconds(p, 60);
	assert_string_equal(hp_row(p, cut)->ha_state, "partitioned");
	assert_int_equal(hp_restarts(p), 0);
	assert_int_equal(hp_row(p, cut)->ha_fenced_inc, 0);
	hp_revive(p, cut);
	hp_seconds(p, 3);
	assert_string_equal(hp_row(p, cut)->ha_state, "up");
	hp_assert_once(p, a);
	hp_free(p);
}

/* Their agents are exchanged, and have nothing yet to compare with. */
static void
who_cannot_tell_yet_makes_nobody_dead(void **state)
{
	struct ha_play *p = hp_new(3);
	obj_id a = lab_vm(p->l, "a", true);

	hp_seconds(p, 2);
	unsigned cut = hp_host_of(p, a);
	agent_fake_cut(p->l->agent[cut]);
	p->silent[cut] = true;
	hp_seconds(p, 20);
	p->blind = true;
	hp_seconds(p, 4);
	p->blind = false;
	hp_seconds(p, 20);
	assert_string_equal(hp_row(p, cut)->ha_state, "partitioned");
	assert_int_equal(hp_row(p, cut)->ha_fenced_inc, 0);
	/* Where nobody can tell at all, its leases by the network decide. */
	p->blind = true;
	hp_seconds(p, 8);
	assert_string_equal(hp_row(p, cut)->ha_state, "dead");
	hp_free(p);
}

static void
an_isolated_host_gives_up_those_that_wish_it(void **state)
{
	struct ha_play *p = hp_new(3);
	obj_id stays = lab_vm(p->l, "stays", true);
	unsigned cut = hp_host_of(p, stays);
	obj_id goes = lab_vm(p->l, "goes", true);

	assert_int_equal(
	    lab_op(p->l, "vm.update", goes, "{'ha_isolation_response':'power_off'}"),
	    0);
	hp_seconds(p, 2);
	if (hp_host_of(p, goes) != cut) {
		stays = OBJ_ID_NONE;
		cut = hp_host_of(p, goes);
	}
	agent_fake_cut(p->l->agent[cut]);
	p->silent[cut] = p->isolated[cut] = true;
	hp_seconds(p, 8);
	assert_string_equal(hp_row(p, cut)->ha_state, "isolated");
	assert_int_equal(hp_restarts(p), 1);
	assert_int_not_equal(hp_host_of(p, goes), cut);
	/* It is heard again before it has ended its copy: that is the older one. */
	hp_revive(p, cut);
	hp_seconds(p, 3);
	hp_assert_once(p, goes);
	if (!obj_id_none(stays))
		hp_assert_once(p, stays);
	hp_free(p);
}

static void
a_datastore_that_one_host_alone_has_lost(void **state)
{
	struct ha_play *p = hp_new(3);
	obj_id a = lab_vm(p->l, "a", true);

	hp_seconds(p, 2);
	unsigned from = hp_host_of(p, a);
	for (unsigned i = 1; i < 20; i++) {
		agent_fake_lose_store(p->l->agent[from], i * SECOND_MS);
		hp_second(p);
		assert_false(agent_fake_evicted(p->l->agent[from]));
	}
	agent_fake_lose_store(p->l->agent[from], 21 * SECOND_MS);
	hp_seconds(p, 3);
	assert_true(agent_fake_evicted(p->l->agent[from]));
	assert_int_equal(hp_restarts(p), 0);
	agent_fake_reap(p->l->agent[from], obj_id_number(a));
	agent_fake_report(p->l->agent[from]);
	hp_seconds(p, 3);
	hp_assert_once(p, a);
	assert_int_not_equal(hp_host_of(p, a), from);
	const Drover__RunClaim *claim =
	    agent_fake_last_claim(p->l->agent[hp_host_of(p, a)]);
	assert_int_equal(claim->n_attests, 1);
	assert_int_equal(
	    claim->attests[0]->proof, DROVER__CLAIM_PROOF__CLAIM_PROOF_REAPED);
	assert_int_equal(claim->attests[0]->run_gen, 1);
	hp_free(p);
}

static void
a_host_without_the_datastore_is_given_nothing(void **state)
{
	struct ha_play *p = hp_new(4);
	obj_id a = lab_vm(p->l, "a", true);

	hp_seconds(p, 2);
	unsigned from = hp_host_of(p, a), last = from == 3 ? 2 : 3;
	for (unsigned i = 0; i < 4; i++) {
		if (i != from && i != last)
			agent_fake_lose_store(p->l->agent[i], 3 * SECOND_MS);
	}
	hp_kill(p, from);
	hp_seconds(p, 14);
	assert_int_equal(hp_restarts(p), 1);
	assert_int_equal(hp_host_of(p, a), last);
	hp_assert_once(p, a);
	hp_free(p);
}

static void
a_stall_that_all_see_is_ridden_out(void **state)
{
	struct ha_play *p = hp_new(3);
	obj_id a = lab_vm(p->l, "a", true);

	for (unsigned i = 1; i < 60; i++) {
		for (unsigned k = 0; k < 3; k++)
			agent_fake_lose_store(p->l->agent[k], i * SECOND_MS);
		hp_second(p);
	}
	assert_false(agent_fake_evicted(p->l->agent[hp_host_of(p, a)]));
	assert_int_equal(hp_restarts(p), 0);
	hp_free(p);
}

static void
too_many_silent_hosts_at_once_are_not_believed(void **state)
{
	struct ha_play *p = hp_new(4);
	obj_id a = lab_vm(p->l, "a", true);

	hp_seconds(p, 2);
	unsigned lost = hp_host_of(p, a);
	/* Whether their blocks move nobody knows. */
	p->blind = true;
	for (unsigned i = 0; i < 4; i++) {
		struct agent_fake_word w = { .slot = 0 };
		agent_fake_sees(p->l->agent[i], &w);
	}
	hp_kill(p, lost);
	hp_kill(p, (lost + 1) % 4);
	for (unsigned i = 0; i < 4; i++)
		p->still_since_ms[i] = clock_mono_ms(p->l->clock);
	p->blind = false;
	hp_seconds(p, 9);
	assert_int_equal(lab_events(p->l, "ClusterHaBrakedEvent"), 1);
	assert_int_equal(hp_restarts(p), 0);
	hp_seconds(p, 3);
	/* The others' clocks have it dead now. */
	assert_int_equal(hp_restarts(p), 1);
	hp_assert_once(p, a);
	hp_free(p);
}

/* ---- restarts that fail ---- */

static void
a_failed_start_is_tried_elsewhere_for_ever(void **state)
{
	struct ha_play *p = hp_new(4);
	obj_id a = lab_vm(p->l, "a", true);
	unsigned tried[4] = { 0 };

	hp_seconds(p, 2);
	unsigned lost = hp_host_of(p, a);
	hp_kill(p, lost);
	for (unsigned i = 0; i < 4; i++)
		agent_fake_fail_next(p->l->agent[i], ERR_IO, "no such device");
	for (unsigned i = 0; i < 300 && lab_power(p->l, a) != POWER_STARTING; i++)
		hp_second(p);
	hp_seconds(p, 90);
	INV_EACH(p->l->inv, KIND_TASK, o)
	{
		const struct task *t = inv_task(p->l->inv, o->id);
		const char *host = json_str_value(json_get(t->args, "host"), NULL);
		if (!str_same(t->op, "ha.restart"))
			continue;
		for (unsigned i = 0; i < 4; i++) {
			char text[OBJ_ID_TEXT];
			tried[i] += str_same(host, obj_id_text(p->l->host[i], text));
		}
	}
	/* Each of the three that are left, before one of them again. */
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(tried[i] > 0, i != lost);
	hp_assert_once(p, a);
	assert_int_equal(lab_events(p->l, "VmFailoverFailedEvent"), 1);
	hp_free(p);
}

static void
what_finds_no_host_waits_and_says_why(void **state)
{
	struct ha_play *p = hp_new(2);
	obj_id a = lab_vm(p->l, "a", true);
	struct ha_status s;

	hp_seconds(p, 2);
	unsigned lost = hp_host_of(p, a);
	AUTO_FREE char *rule = xasprintf("{'name':'here','cluster':'cluster-1',"
					 "'type':'must_run_on','vms':['vm-1'],"
					 "'hosts':['host-%u']}",
	    lost + 1);
	assert_int_equal(lab_op(p->l, "rule.create", OBJ_ID_NONE, rule), 0);
	hp_kill(p, lost);
	hp_seconds(p, 30);
	assert_int_equal(hp_restarts(p), 0);
	assert_int_equal(lab_events(p->l, "VmNoFailoverHostEvent"), 1);
	AUTO(arena) struct arena *mem = arena_new();
	ha_status_read(p->ha, p->l->cluster, mem, &s);
	assert_int_equal(s.n_hosts, 2);
	assert_int_equal(s.hosts[lost].is, HA_DEAD);
	assert_int_equal(s.n_waiting, 1);
	assert_non_null(strstr(s.waiting[0].why, "here"));
	assert_non_null(strstr(inv_vm(p->l->inv, a)->ha_status, "lost with host"));
	/* Where it may run is back. */
	hp_revive(p, lost);
	agent_fake_report(p->l->agent[lost]);
	hp_seconds(p, 6);
	hp_assert_once(p, a);
	hp_free(p);
}

static void
what_finds_no_host_wakes_one(void **state)
{
	struct ha_play *p = hp_new(3);
	unsigned lost = hp_host_of(p, lab_vm(p->l, "a", true)), asleep = (lost + 1) % 3;
	struct txn *t = txn_new(p->l->inv);

	((struct host *)txn_edit(t, p->l->host[asleep]))->standby = STANDBY_IN;
	txn_commit_wake(t, WAKE_NONE);
	hp_kill(p, asleep);
	hp_set(p, "{'dpm_automation':'automatic','dpm_wake':['true'],"
		  "'dpm_standby':['true']}");
	hp_seconds(p, 2);
	AUTO_FREE char *rule =
	    xasprintf("{'name':'here','cluster':'cluster-1','type':'must_run_on',"
		      "'vms':['vm-1'],'hosts':['host-%u','host-%u']}",
		lost + 1, asleep + 1);
	assert_int_equal(lab_op(p->l, "rule.create", OBJ_ID_NONE, rule), 0);
	hp_kill(p, lost);
	hp_seconds(p, 30);
	assert_int_equal(hp_restarts(p), 0);
	assert_int_equal(hp_tasks(p, "host.wake"), 1);
	hp_free(p);
}

/* A port of ours that refuses until it is listened on. */
static int
port_new(uint16_t *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

static obj_id
vm_on_first(struct ha_play *p, const char *name)
{
	AUTO_FREE char *args = xasprintf("{'name':'%s','template':'template-1',"
					 "'power_on':true,'host':'host-1'}",
	    name);

	assert_int_equal(lab_do(p->l, "vm.create", OBJ_ID_NONE, args), 0);
	return p->l->object;
}

static void
others_wait_for_the_application_of_the_first(void **state)
{
	struct ha_play *p = hp_new(3);
	obj_id first = vm_on_first(p, "db"), next = vm_on_first(p, "web");
	uint16_t port;
	int fd = port_new(&port);
	AUTO_FREE char *args =
	    xasprintf("{'ha_restart_priority':'high','ha_ready_port':%u}", port);

	assert_int_equal(lab_op(p->l, "vm.update", first, args), 0);
	struct txn *t = txn_new(p->l->inv);
	struct vm *edit = txn_edit(t, first);
	text_set(&edit->ip_address, "127.0.0.1");
	txn_commit_wake(t, WAKE_NONE);
	hp_set(p, "{'ha_gate':'port'}");
	hp_seconds(p, 2);
	hp_kill(p, 0);
	hp_seconds(p, 20);
	hp_assert_once(p, first);
	assert_int_equal(hp_restarts(p), 1);
	assert_int_equal(hp_host_of(p, next), 0);
	assert_int_equal(listen(fd, 1), 0);
	hp_seconds(p, 5);
	hp_assert_once(p, next);
	close(fd);
	hp_free(p);
}

static void
one_that_shut_itself_down_stays_down(void **state)
{
	struct ha_play *p = hp_new(3);
	obj_id a = lab_vm(p->l, "a", true), b = lab_vm(p->l, "b", true);

	hp_seconds(p, 2);
	agent_fake_happen(p->l->agent[hp_host_of(p, a)], obj_id_number(a), S(STOPPED),
	    "shutdown", "");
	/* This one its agent starts again in place. */
	agent_fake_happen(p->l->agent[hp_host_of(p, b)], obj_id_number(b), S(FAILED),
	    "died", "killed by SIGSEGV");
	lab_settle(p->l);
	assert_false(inv_vm(p->l->inv, a)->ha_protected);
	assert_true(inv_vm(p->l->inv, b)->ha_protected);
	hp_free(p);
}

/* ---- those who lead ---- */

static void
the_next_leader_goes_on(void **state)
{
	struct ha_play *p = hp_new(3);
	obj_id a = lab_vm(p->l, "a", true);

	hp_seconds(p, 2);
	unsigned lost = hp_host_of(p, a);
	hp_kill(p, lost);
	hp_seconds(p, 2);
	hp_crash(p);
	for (unsigned i = 0; i < 3; i++) {
		if (i != lost)
			agent_fake_dial(p->l->agent[i], p->l->hosts);
	}
	hp_seconds(p, 14);
	hp_assert_once(p, a);
	assert_int_equal(hp_restarts(p), 1);
	hp_crash(p);
	for (unsigned i = 0; i < 3; i++) {
		if (i != lost)
			agent_fake_dial(p->l->agent[i], p->l->hosts);
	}
	hp_seconds(p, 14);
	hp_assert_once(p, a);
	assert_int_equal(hp_restarts(p), 1);
	hp_free(p);
}

/* What failed the leader before knew; the next one sees only that it runs nowhere. */
static void
the_next_leader_tries_again_what_had_failed(void **state)
{
	struct ha_play *p = hp_new(3);
	obj_id a = lab_vm(p->l, "a", true);

	hp_seconds(p, 2);
	unsigned lost = hp_host_of(p, a);
	hp_kill(p, lost);
	for (unsigned i = 0; i < 3; i++)
		agent_fake_fail_next(p->l->agent[i], ERR_IO, "read-only file system");
	for (unsigned i = 0; i < 60 && lab_power(p->l, a) != POWER_UNKNOWN; i++)
		hp_second(p);
	assert_int_equal(lab_power(p->l, a), POWER_UNKNOWN);
	hp_crash(p);
	for (unsigned i = 0; i < 3; i++) {
		if (i != lost)
			agent_fake_dial(p->l->agent[i], p->l->hosts);
	}
	hp_seconds(p, 60);
	hp_assert_once(p, a);
	hp_free(p);
}

static void
a_leader_that_hears_nobody_yet_fences_nobody(void **state)
{
	struct ha_play *p = hp_new(3);
	obj_id a = lab_vm(p->l, "a", true);

	hp_seconds(p, 2);
	hp_crash(p);
	hp_seconds(p, 4);
	assert_int_equal(hp_restarts(p), 0);
	for (unsigned i = 0; i < 3; i++)
		agent_fake_dial(p->l->agent[i], p->l->hosts);
	hp_seconds(p, 20);
	assert_int_equal(hp_restarts(p), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(hp_row(p, i)->ha_fenced_inc, 0);
	hp_assert_once(p, a);
	hp_free(p);
}

static void
an_operator_may_say_that_a_host_is_dead(void **state)
{
	struct ha_play *p = hp_new(3);
	obj_id a = lab_vm(p->l, "a", true);

	hp_seconds(p, 2);
	unsigned lost = hp_host_of(p, a);
	assert_int_equal(
	    lab_op(p->l, "host.confirm_dead", p->l->host[lost], NULL), ERR_BAD_STATE);
	hp_kill(p, lost);
	hp_seconds(p, 4);
	/* Sooner than its leases are over. */
	assert_int_equal(hp_restarts(p), 0);
	assert_int_equal(lab_op(p->l, "host.confirm_dead", p->l->host[lost], NULL), 0);
	hp_seconds(p, 2);
	hp_assert_once(p, a);
	const Drover__RunClaim *claim =
	    agent_fake_last_claim(p->l->agent[hp_host_of(p, a)]);
	bool said = false;
	for (size_t i = 0; i < claim->n_attests; i++)
		said = said || claim->attests[i]->proof ==
				   DROVER__CLAIM_PROOF__CLAIM_PROOF_POWERED_OFF;
	assert_true(said);
	hp_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_join_and_get_leases),
		cmocka_unit_test(a_start_is_protected_before_it_is_acknowledged),
		cmocka_unit_test(what_is_not_wanted_is_not_protected),
		cmocka_unit_test(guests_of_a_dead_host_run_elsewhere),
		cmocka_unit_test(the_host_comes_back_without_them),
		cmocka_unit_test(a_host_that_restarts_at_once_has_lost_its_guests_too),
		cmocka_unit_test(a_host_that_only_we_do_not_hear_is_let_alone),
		cmocka_unit_test(who_cannot_tell_yet_makes_nobody_dead),
		cmocka_unit_test(an_isolated_host_gives_up_those_that_wish_it),
		cmocka_unit_test(a_datastore_that_one_host_alone_has_lost),
		cmocka_unit_test(a_host_without_the_datastore_is_given_nothing),
		cmocka_unit_test(a_stall_that_all_see_is_ridden_out),
		cmocka_unit_test(too_many_silent_hosts_at_once_are_not_believed),
		cmocka_unit_test(a_failed_start_is_tried_elsewhere_for_ever),
		cmocka_unit_test(what_finds_no_host_waits_and_says_why),
		cmocka_unit_test(what_finds_no_host_wakes_one),
		cmocka_unit_test(others_wait_for_the_application_of_the_first),
		cmocka_unit_test(one_that_shut_itself_down_stays_down),
		cmocka_unit_test(the_next_leader_goes_on),
		cmocka_unit_test(the_next_leader_tries_again_what_had_failed),
		cmocka_unit_test(a_leader_that_hears_nobody_yet_fences_nobody),
		cmocka_unit_test(an_operator_may_say_that_a_host_is_dead),
	};
	ops_register(migrate_defs);
	drs_register();
	ha_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
