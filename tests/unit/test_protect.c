/* Which guests run under leases, and what an order about one brings along. */
#include <string.h>

#include "base/mem.h"
#include "server/protect/protect.h"
#include "tests/lib/lab.h"

#define HOUR_MS (3600u * 1000u)

/* Two hosts that hold leases, in a cluster with HA, and a machine that is off. */
struct fixture {
	struct lab *l;
	obj_id vm;
};

static void
give_leases(struct lab *l, unsigned i, uint64_t inc)
{
	struct txn *t = txn_new(l->inv);
	struct host *h = txn_edit(t, l->host[i]);

	h->ha_slot = i + 1;
	h->ha_inc = inc;
	txn_commit_wake(t, WAKE_NONE);
	lab_settle(l);
}

static int
set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->l = lab_new(2, 8192);
	assert_int_equal(
	    lab_op(f->l, "cluster.update", f->l->cluster, "{'ha_enabled':true}"), 0);
	give_leases(f->l, 0, 3);
	give_leases(f->l, 1, 5);
	f->vm = lab_vm(f->l, "web", false);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	lab_free(f->l);
	free(f);
	return 0;
}

static const struct vm *
row(const struct fixture *f)
{
	return inv_vm(f->l->inv, f->vm);
}

static void
set_cluster(const struct fixture *f, const char *args)
{
	assert_int_equal(lab_op(f->l, "cluster.update", f->l->cluster, args), 0);
}

static void
set_vm(const struct fixture *f, const char *args)
{
	assert_int_equal(lab_do(f->l, "vm.update", f->vm, args), 0);
}

static void
assert_not_protected(const struct fixture *f, unsigned host, const char *why)
{
	struct err e = ERR_INIT;

	assert_int_not_equal(protect_check(f->l->inv, row(f), f->l->host[host], &e), 0);
	if (!strstr(e.msg, why))
		fail_msg("got \"%s\", wants \"%s\"", e.msg, why);
}

static void
assert_protected(const struct fixture *f, unsigned host)
{
	struct err e = ERR_INIT;

	if (protect_check(f->l->inv, row(f), f->l->host[host], &e))
		fail_msg("%s", e.msg);
}

/* ---- who is ---- */

static void
a_guest_is_protected_where_all_of_it_is_given(void **state)
{
	const struct fixture *f = *state;

	assert_protected(f, 0);
	assert_protected(f, 1);
	set_cluster(f, "{'ha_enabled':false}");
	assert_not_protected(f, 0, "HA switched off");
	set_cluster(f, "{'ha_enabled':true,'ha_restart_priority':'off'}");
	assert_not_protected(f, 0, "priority is off");
	set_vm(f, "{'ha_restart_priority':'high'}");
	assert_protected(f, 0);
}

static void
a_host_protects_only_with_leases_that_hold(void **state)
{
	const struct fixture *f = *state;
	struct txn *t = txn_new(f->l->inv);
	struct host *h = txn_edit(t, f->l->host[0]);

	h->ha_fenced_inc = 3;
	h = txn_edit(t, f->l->host[1]);
	h->ha_inc = 0;
	txn_commit_wake(t, WAKE_NONE);
	lab_settle(f->l);
	assert_not_protected(f, 0, "is fenced");
	assert_not_protected(f, 1, "holds no leases yet");
	give_leases(f->l, 0, 4);
	assert_protected(f, 0);
}

static void
a_guest_wishes_for_itself_before_its_cluster_does(void **state)
{
	const struct fixture *f = *state;
	const struct inv *inv = f->l->inv;

	set_cluster(f, "{'ha_restart_priority':'low','ha_isolation_response':"
		       "'shut_down','ha_monitoring':'medium'}");
	assert_int_equal(protect_priority(inv, row(f)), HA_PRIORITY_LOW);
	assert_int_equal(protect_response(inv, row(f)), HA_RESPONSE_SHUT_DOWN);
	assert_int_equal(protect_monitoring(inv, row(f)), HA_MONITOR_MEDIUM);
	set_vm(f, "{'ha_restart_priority':'highest','ha_isolation_response':"
		  "'power_off','ha_monitoring':'off'}");
	assert_int_equal(protect_priority(inv, row(f)), HA_PRIORITY_HIGHEST);
	assert_int_equal(protect_response(inv, row(f)), HA_RESPONSE_POWER_OFF);
	assert_int_equal(protect_monitoring(inv, row(f)), HA_MONITOR_OFF);
}

static void
monitoring_is_more_patient_the_lower_it_is(void **state)
{
	static const struct {
		enum ha_monitoring level;
		uint32_t quiet_s, window_h;
	} rows[] = { { HA_MONITOR_HIGH, 30, 1 }, { HA_MONITOR_MEDIUM, 60, 24 },
		{ HA_MONITOR_LOW, 120, 7 * 24 } };

	assert_int_equal(protect_monitor_of(HA_MONITOR_OFF)->quiet_ms, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct protect_monitor *m = protect_monitor_of(rows[i].level);

		assert_int_equal(m->quiet_ms, rows[i].quiet_s * 1000);
		assert_int_equal(m->window_ms, rows[i].window_h * HOUR_MS);
		assert_int_equal(m->resets, PROTECT_MAX_RESETS);
	}
}

/* ---- what is stored, what is told ---- */

static void
protection_is_stored_with_the_incarnation_and_ends_with_it(void **state)
{
	const struct fixture *f = *state;
	struct txn *t = txn_new(f->l->inv);
	struct vm *edit = txn_edit(t, f->vm);

	protect_begin(f->l->inv, edit, f->l->host[1]);
	assert_true(edit->ha_protected);
	assert_int_equal(edit->ha_inc, 5);
	protect_end(edit);
	assert_false(edit->ha_protected);
	assert_int_equal(edit->ha_inc, 0);
	txn_free(t);
}

static void
protect(const struct fixture *f, unsigned host)
{
	struct txn *t = txn_new(f->l->inv);

	protect_begin(f->l->inv, txn_edit(t, f->vm), f->l->host[host]);
	txn_commit_wake(t, WAKE_NONE);
	lab_settle(f->l);
	assert_true(row(f)->ha_protected);
}

static void
a_claim_says_what_is_over_on_other_hosts(void **state)
{
	const struct fixture *f = *state;
	AUTO(arena) struct arena *mem = arena_new();
	struct txn *t;
	struct host *h;

	protect(f, 1);
	t = txn_new(f->l->inv);
	h = txn_edit(t, f->l->host[0]);
	h->ha_fenced_inc = 3;
	h->ha_off_inc = 2;
	/* What is known of the host itself is no matter for it. */
	h = txn_edit(t, f->l->host[1]);
	h->ha_fenced_inc = 4;
	txn_commit_wake(t, WAKE_NONE);
	lab_settle(f->l);
	Drover__RunClaim *c = protect_claim(mem, f->l->inv, row(f), f->l->host[1]);
	assert_non_null(c);
	assert_int_equal(c->guest->guest, obj_id_number(f->vm));
	assert_int_equal(c->guest->datastore, obj_id_number(f->l->datastore));
	assert_int_equal(
	    c->guest->authority, DROVER__HA_AUTHORITY__HA_AUTHORITY_SHARED);
	assert_int_equal(c->n_attests, 2);
	assert_int_equal(
	    c->attests[0]->proof, DROVER__CLAIM_PROOF__CLAIM_PROOF_NETFENCED);
	assert_int_equal(c->attests[0]->slot, 1);
	assert_int_equal(c->attests[0]->inc, 3);
	assert_int_equal(
	    c->attests[1]->proof, DROVER__CLAIM_PROOF__CLAIM_PROOF_POWERED_OFF);
	assert_int_equal(c->attests[1]->inc, 2);
	/* What the caller knows, too: of a generation, not of the host. */
	protect_attest(mem, c, DROVER__CLAIM_PROOF__CLAIM_PROOF_REAPED,
	    inv_host(f->l->inv, f->l->host[0]), 7);
	assert_int_equal(c->n_attests, 3);
	assert_int_equal(c->attests[2]->run_gen, 7);
	assert_int_equal(c->attests[2]->inc, 0);
}

static void
a_guest_that_is_not_wanted_has_no_claim(void **state)
{
	const struct fixture *f = *state;
	AUTO(arena) struct arena *mem = arena_new();

	set_cluster(f, "{'ha_enabled':false}");
	assert_null(protect_claim(mem, f->l->inv, row(f), f->l->host[0]));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_guest_is_protected_where_all_of_it_is_given),
		TEST(a_host_protects_only_with_leases_that_hold),
		TEST(a_guest_wishes_for_itself_before_its_cluster_does),
		cmocka_unit_test(monitoring_is_more_patient_the_lower_it_is),
		TEST(protection_is_stored_with_the_incarnation_and_ends_with_it),
		TEST(a_claim_says_what_is_over_on_other_hosts),
		TEST(a_guest_that_is_not_wanted_has_no_claim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
