#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "server/hosts/host_sync.h"

#define S(x) DROVER__GUEST_STATE__GUEST_##x

static char uuid_a[] = "a", uuid_b[] = "b", no_text[] = "";

static Drover__GuestStatus
guest(uint64_t number, char *uuid, Drover__GuestState s, uint64_t gen)
{
	Drover__GuestStatus g = DROVER__GUEST_STATUS__INIT;
	g.guest = number;
	g.uuid = uuid;
	g.name = no_text;
	g.state = s;
	g.generation = gen;
	g.reason = no_text;
	return g;
}

static void
a_guest_state_changes_the_power_state(void **state)
{
	static const struct {
		enum power_state from;
		Drover__GuestState said;
		enum power_state to;
		int event;
	} rows[] = {
		{ POWER_ON, S(RUNNING), POWER_ON, -2 },
		{ POWER_OFF, S(STOPPED), POWER_OFF, -2 },
		{ POWER_OFF, S(FAILED), POWER_OFF, -2 },
		{ POWER_OFF, S(RUNNING), POWER_ON, EV_VM_POWERED_ON },
		{ POWER_UNKNOWN, S(RUNNING), POWER_ON, EV_VM_POWERED_ON },
		{ POWER_STALLED, S(RUNNING), POWER_ON, EV_VM_UNSTALLED },
		{ POWER_PAUSED, S(RUNNING), POWER_ON, EV_VM_RESUMED },
		{ POWER_ON, S(FAILED), POWER_OFF, EV_VM_DIED },
		{ POWER_STARTING, S(FAILED), POWER_OFF, EV_VM_DIED },
		{ POWER_ON, S(STOPPED), POWER_OFF, EV_VM_GUEST_SHUTDOWN },
		{ POWER_UNKNOWN, S(STOPPED), POWER_OFF, -1 },
		{ POWER_ON, S(STALLED), POWER_STALLED, EV_VM_STALLED },
		{ POWER_ON, S(PAUSED), POWER_PAUSED, EV_VM_PAUSED },
		{ POWER_ON, S(SUSPENDED), POWER_SUSPENDED, EV_VM_SUSPENDED },
		{ POWER_ON, S(STOPPING), POWER_ON, -2 },
		{ POWER_ON, S(UNKNOWN), POWER_UNKNOWN, -1 },
		{ POWER_ON, (Drover__GuestState)99, POWER_UNKNOWN, -1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct guest_known k = { LIFE_READY, rows[i].from, 3, 0 };
		Drover__GuestStatus s = guest(1, uuid_a, rows[i].said, 3);
		struct guest_change c;
		bool news = guest_news(&k, &s, &c);
		if (news != (rows[i].event != -2) || c.power != rows[i].to)
			fail_msg("row %zu: %s, %s", i, news ? "news" : "no news",
			    power_state_text(c.power));
		if (news)
			assert_int_equal(c.event, rows[i].event);
	}
}

static void
the_reason_of_a_death_is_told(void **state)
{
	struct guest_known k = { LIFE_READY, POWER_ON, 3, 0 };
	Drover__GuestStatus s = guest(1, uuid_a, S(FAILED), 3);
	char why[] = "killed by SIGKILL";
	struct guest_change c;
	s.reason = why;
	assert_true(guest_news(&k, &s, &c));
	assert_string_equal(c.reason, why);
	assert_string_equal(c.text, "died: killed by SIGKILL");
}

static void
a_higher_generation_is_adopted(void **state)
{
	struct guest_known k = { LIFE_READY, POWER_ON, 3, 0 };
	Drover__GuestStatus s = guest(1, uuid_a, S(RUNNING), 5);
	struct guest_change c;
	assert_true(guest_news(&k, &s, &c));
	assert_true(c.gen_changed && !c.power_changed);
	assert_int_equal(c.run_gen, 5);

	s.generation = 2;
	assert_false(guest_news(&k, &s, &c));
}

static void
what_is_being_made_or_deleted_is_the_tasks(void **state)
{
	Drover__GuestStatus s = guest(1, uuid_a, S(RUNNING), 5);
	struct guest_change c;

	enum vm_lifecycle life[] = { LIFE_CREATING, LIFE_DELETING, LIFE_ORPHANED };

	for (size_t i = 0; i < ARRAY_SIZE(life); i++) {
		struct guest_known k = { life[i], POWER_OFF, 0, 0 };
		assert_false(guest_news(&k, &s, &c));
	}
}

static void
differences_are_found_and_named(void **state)
{
	struct sync_vm vms[] = {
		{ 1, "a", false, { LIFE_READY, POWER_ON, 1, 0 }, false, false },
		{ 2, "b", false, { LIFE_READY, POWER_OFF, 1, 0 }, false, false },
		{ 3, "c", false, { LIFE_READY, POWER_ON, 1, 0 }, false, false },
		{ 4, "d", true, { LIFE_READY, POWER_ON, 1, 0 }, false, false },
		{ 5, "e", false, { LIFE_READY, POWER_UNKNOWN, 1, 0 }, false, false },
		{ 6, "f", false, { LIFE_CREATING, POWER_OFF, 0, 0 }, false, false },
	};
	char other[] = "other";
	Drover__GuestStatus same = guest(1, uuid_a, S(RUNNING), 1);
	Drover__GuestStatus runs = guest(2, uuid_b, S(RUNNING), 1);
	Drover__GuestStatus alien = guest(9, other, S(RUNNING), 1);
	Drover__GuestStatus impostor = guest(3, other, S(RUNNING), 1);
	Drover__GuestStatus *guests[] = { &same, &runs, &alien, &impostor };
	struct sync_finding f[16];

	size_t n = host_sync(
	    vms, ARRAY_SIZE(vms), guests, ARRAY_SIZE(guests), SYNC_PRESENT, f);
	assert_int_equal(n, 3);
	assert_int_equal(f[0].kind, SYNC_CHANGE);
	assert_int_equal(f[0].number, 2);
	assert_int_equal(f[0].change.power, POWER_ON);
	assert_int_equal(f[1].kind, SYNC_UNKNOWN);
	assert_int_equal(f[1].number, 9);
	assert_int_equal(f[2].kind, SYNC_UNKNOWN);
	assert_int_equal(f[2].number, 3);

	n = host_sync(vms, ARRAY_SIZE(vms), guests, ARRAY_SIZE(guests), SYNC_WHOLE, f);
	assert_int_equal(n, 4);
	assert_int_equal(f[3].kind, SYNC_MISSING);
	assert_int_equal(f[3].number, 3);
	assert_null(f[3].status);
}

static void
a_guest_that_a_task_works_on_is_left_alone(void **state)
{
	struct sync_vm vm = { 1, "a", true, { LIFE_READY, POWER_OFF, 1, 0 }, false,
		false };
	Drover__GuestStatus runs = guest(1, uuid_a, S(RUNNING), 1);
	Drover__GuestStatus *guests[] = { &runs };
	struct sync_finding f[4];
	assert_int_equal(host_sync(&vm, 1, guests, 1, SYNC_WHOLE, f), 0);
}

static void
what_a_move_has_left_is_put_in_order(void **state)
{
	static const struct {
		bool elsewhere, busy;
		Drover__GuestState said;
		int kind; /* -1: nothing */
	} rows[] = {
		{ true, false, S(GIVEN), SYNC_RELEASE },
		{ true, false, S(ARRIVING), SYNC_REFUSE },
		{ true, false, S(RUNNING), SYNC_UNKNOWN },
		{ true, false, S(STOPPED), SYNC_RELEASE },
		{ true, false, S(SUSPENDED), SYNC_UNKNOWN },
		{ true, false, S(FAILED), SYNC_UNKNOWN },
		{ true, true, S(GIVEN), -1 },
		{ true, true, S(ARRIVING), -1 },
		{ true, true, S(RUNNING), -1 },
		{ false, false, S(GIVEN), SYNC_TAKE_BACK },
		{ false, true, S(GIVEN), -1 },
		{ false, false, S(LEAVING), -1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sync_vm vm = { 1, "a", rows[i].busy,
			{ LIFE_READY, POWER_ON, 2, 0 }, rows[i].elsewhere, false };
		Drover__GuestStatus s = guest(1, uuid_a, rows[i].said, 1);
		Drover__GuestStatus *guests[] = { &s };
		struct sync_finding f[4];
		size_t n = host_sync(&vm, 1, guests, 1, SYNC_WHOLE, f);
		if (n != (rows[i].kind >= 0) || (n && (int)f[0].kind != rows[i].kind))
			fail_msg("row %zu", i);
	}
}

static void
what_ha_has_started_elsewhere_is_released(void **state)
{
	struct sync_vm vm = { 1, "a", false, { LIFE_READY, POWER_ON, 2, 0 }, true,
		true };
	Drover__GuestStatus s = guest(1, uuid_a, S(FAILED), 1);
	Drover__GuestStatus *guests[] = { &s };
	struct sync_finding f[4];

	assert_int_equal(host_sync(&vm, 1, guests, 1, SYNC_WHOLE, f), 1);
	assert_int_equal(f[0].kind, SYNC_RELEASE);
	s.generation = 2;
	assert_int_equal(host_sync(&vm, 1, guests, 1, SYNC_WHOLE, f), 1);
	assert_int_equal(f[0].kind, SYNC_UNKNOWN);
}

/* The inventory's generation was raised, not given out. */
static void
after_a_restore_an_older_generation_says_nothing(void **state)
{
	struct sync_vm vm = { 1, "a", false,
		{ LIFE_READY, POWER_OFF, 2 + GENERATION_JUMP, 0 }, true, true };
	Drover__GuestStatus s = guest(1, uuid_a, S(STOPPED), 9);
	Drover__GuestStatus *guests[] = { &s };
	struct sync_finding f[4];

	assert_int_equal(host_sync(&vm, 1, guests, 1, SYNC_WHOLE, f), 1);
	assert_int_equal(f[0].kind, SYNC_UNKNOWN);
	s.state = S(FAILED);
	assert_int_equal(host_sync(&vm, 1, guests, 1, SYNC_WHOLE, f), 1);
	assert_int_equal(f[0].kind, SYNC_UNKNOWN);
}

static void
what_is_not_older_than_the_inventory_is_left_alone(void **state)
{
	struct sync_vm vm = { 1, "a", false, { LIFE_READY, POWER_OFF, 2, 0 }, true,
		false };
	Drover__GuestStatus s = guest(1, uuid_a, S(STOPPED), 2);
	Drover__GuestStatus *guests[] = { &s };
	struct sync_finding f[4];

	assert_int_equal(host_sync(&vm, 1, guests, 1, SYNC_WHOLE, f), 1);
	assert_int_equal(f[0].kind, SYNC_UNKNOWN);
}

static void
a_machine_of_another_host_is_not_missed(void **state)
{
	struct sync_vm vm = { 1, "a", false, { LIFE_READY, POWER_ON, 2, 0 }, true,
		false };
	struct sync_finding f[4];

	assert_int_equal(host_sync(&vm, 1, NULL, 0, SYNC_WHOLE, f), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_state_changes_the_power_state),
		cmocka_unit_test(the_reason_of_a_death_is_told),
		cmocka_unit_test(a_higher_generation_is_adopted),
		cmocka_unit_test(what_is_being_made_or_deleted_is_the_tasks),
		cmocka_unit_test(differences_are_found_and_named),
		cmocka_unit_test(a_guest_that_a_task_works_on_is_left_alone),
		cmocka_unit_test(what_a_move_has_left_is_put_in_order),
		cmocka_unit_test(what_ha_has_started_elsewhere_is_released),
		cmocka_unit_test(after_a_restore_an_older_generation_says_nothing),
		cmocka_unit_test(what_is_not_older_than_the_inventory_is_left_alone),
		cmocka_unit_test(a_machine_of_another_host_is_not_missed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
