/* Hosts whose agents are exchanged. */
#include "base/lease.h"
#include "base/mem.h"
#include "tests/lib/ha_play.h"

static unsigned
freeze_host_of(struct ha_play *p, obj_id vm)
{
	unsigned i = hp_host_of(p, vm);

	agent_fake_freeze(p->l->agent[i], true);
	hp_second(p);
	hp_second(p);
	assert_int_equal(agent_fake_frozen_ms(p->l->agent[i]), LEASE_FREEZE_MS);
	assert_true(hp_row(p, i)->ha_frozen);
	return i;
}

static void
a_frozen_host_is_let_alone_and_thaws(void **state)
{
	struct ha_play *p = hp_new(3);
	obj_id a = lab_vm(p->l, "a", true);

	hp_seconds(p, 2);
	unsigned i = freeze_host_of(p, a);
	agent_fake_cut(p->l->agent[i]);
	p->silent[i] = p->still[i] = true;
	p->still_since_ms[i] = clock_mono_ms(p->l->clock);
	hp_seconds(p, 40);
	assert_string_equal(hp_row(p, i)->ha_state, "resting");
	assert_int_equal(hp_restarts(p), 0);
	p->still[i] = false;
	agent_fake_freeze(p->l->agent[i], false);
	hp_revive(p, i);
	hp_seconds(p, 5);
	assert_string_equal(hp_row(p, i)->ha_state, "up");
	assert_int_equal(agent_fake_frozen_ms(p->l->agent[i]), 0);
	assert_true(hp_row(p, i)->ha_frozen);
	hp_seconds(p, 70);
	assert_false(hp_row(p, i)->ha_frozen);
	assert_int_equal(hp_restarts(p), 0);
	hp_free(p);
}

static void
a_frozen_host_that_does_not_come_back_is_lost(void **state)
{
	struct ha_play *p = hp_new(3);
	obj_id a = lab_vm(p->l, "a", true);

	hp_seconds(p, 2);
	unsigned i = freeze_host_of(p, a);
	hp_kill(p, i);
	/* Another leads, which has granted it nothing. */
	hp_seconds(p, 5);
	hp_crash(p);
	for (unsigned k = 0; k < p->l->n_hosts; k++) {
		if (k != i)
			agent_fake_dial(p->l->agent[k], p->l->hosts);
	}
	hp_seconds(p, 58);
	assert_int_equal(hp_restarts(p), 0);
	hp_seconds(p, 15);
	assert_string_equal(hp_row(p, i)->ha_state, "dead");
	hp_assert_once(p, a);
	hp_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frozen_host_is_let_alone_and_thaws),
		cmocka_unit_test(a_frozen_host_that_does_not_come_back_is_lost),
	};

	ha_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
