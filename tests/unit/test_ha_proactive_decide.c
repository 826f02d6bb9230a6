/* What becomes of hosts that report failing hardware: a cluster in, acts out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/mem.h"
#include "server/ha/ha_proactive_decide.h"

#define HOSTS 3u

#define OK       HOST_HEALTH_OK
#define MODERATE HOST_HEALTH_MODERATE
#define SEVERE   HOST_HEALTH_SEVERE

struct play {
	struct proactive_host hosts[HOSTS];
	struct proactive_view v;
	struct proactive_act acts[HOSTS];
	struct arena *mem;
};

/* Three hosts that are well; moderate: quarantine, severe: maintenance. */
static struct play *
play_new(void)
{
	static const char *const names[HOSTS] = { "h1", "h2", "h3" };
	struct play *p = xcalloc(1, sizeof(*p));

	for (unsigned i = 0; i < HOSTS; i++) {
		p->hosts[i] = (struct proactive_host){
			.id = obj_id_make(KIND_HOST, i + 1),
			.name = names[i],
			.health = HOST_HEALTH_OK,
			.what = "memory: DIMM 3 fails",
			.is_up = true,
		};
	}
	p->v = (struct proactive_view){
		.hosts = p->hosts,
		.n = HOSTS,
		.mode = HA_PROACTIVE_AUTOMATIC,
		.moderate = HA_REMEDY_QUARANTINE,
		.severe = HA_REMEDY_MAINTENANCE,
		.level = 1,
	};
	p->mem = arena_new();
	return p;
}

static void
play_free(struct play *p)
{
	arena_free(p->mem);
	free(p);
}

static void
expect(struct play *p, enum proactive_do a, enum proactive_do b, enum proactive_do c)
{
	proactive_decide(&p->v, p->mem, p->acts);
	assert_int_equal(p->acts[0].what, a);
	assert_int_equal(p->acts[1].what, b);
	assert_int_equal(p->acts[2].what, c);
}

#define NOTHING    PROACTIVE_NOTHING
#define QUARANTINE PROACTIVE_QUARANTINE
#define EMPTY      PROACTIVE_EMPTY
#define RELEASE    PROACTIVE_RELEASE

static void
each_health_has_its_remedy(void **state)
{
	struct play *p = play_new();

	expect(p, NOTHING, NOTHING, NOTHING);
	p->hosts[0].health = MODERATE;
	expect(p, QUARANTINE, NOTHING, NOTHING);
	assert_string_equal(
	    p->acts[0].why, "its hardware reports errors: memory: DIMM 3 fails");
	p->hosts[0].health = SEVERE;
	expect(p, EMPTY, NOTHING, NOTHING);
	assert_string_equal(
	    p->acts[0].why, "its hardware may fail at any time: memory: DIMM 3 fails");
	p->v.severe = HA_REMEDY_QUARANTINE;
	expect(p, QUARANTINE, NOTHING, NOTHING);
	p->v.moderate = p->v.severe = HA_REMEDY_MAINTENANCE;
	p->hosts[0].health = MODERATE;
	expect(p, EMPTY, NOTHING, NOTHING);
	p->v.mode = HA_PROACTIVE_MANUAL;
	expect(p, EMPTY, NOTHING, NOTHING);
	p->v.mode = HA_PROACTIVE_OFF;
	expect(p, NOTHING, NOTHING, NOTHING);
	play_free(p);
}

static void
what_was_done_is_not_done_again(void **state)
{
	struct play *p = play_new();

	p->hosts[0].health = MODERATE;
	p->hosts[0].remedy = HA_REMEDY_QUARANTINE;
	expect(p, NOTHING, NOTHING, NOTHING);
	/* But more is, when it gets worse. */
	p->hosts[0].health = SEVERE;
	expect(p, EMPTY, NOTHING, NOTHING);
	p->hosts[0].maintenance = MAINT_ENTERING;
	expect(p, NOTHING, NOTHING, NOTHING);
	p->hosts[0].maintenance = MAINT_IN;
	expect(p, PROACTIVE_NOTE, NOTHING, NOTHING);
	p->hosts[0].remedy = HA_REMEDY_MAINTENANCE;
	expect(p, NOTHING, NOTHING, NOTHING);
	/* Somebody has ended it. */
	p->hosts[0].maintenance = MAINT_NONE;
	expect(p, NOTHING, NOTHING, NOTHING);
	play_free(p);
}

static void
who_is_well_again_is_released(void **state)
{
	struct play *p = play_new();

	p->hosts[1].remedy = HA_REMEDY_QUARANTINE;
	p->hosts[2].remedy = HA_REMEDY_MAINTENANCE;
	p->hosts[2].maintenance = MAINT_IN;
	expect(p, NOTHING, RELEASE, RELEASE);
	p->hosts[1].health = HOST_HEALTH_UNKNOWN;
	p->hosts[2].health = MODERATE;
	expect(p, NOTHING, NOTHING, NOTHING);
	p->v.mode = HA_PROACTIVE_OFF;
	expect(p, NOTHING, RELEASE, RELEASE);
	play_free(p);
}

static void
only_as_many_as_may_be_lost(void **state)
{
	struct play *p = play_new();

	p->hosts[0].health = p->hosts[1].health = SEVERE;
	expect(p, EMPTY, QUARANTINE, NOTHING);
	assert_string_equal(p->acts[1].why,
	    "its hardware may fail at any time: memory: DIMM 3 fails; it cannot be "
	    "emptied yet: 1 host of the cluster may be out of use at once, and h1 is");
	p->hosts[1].remedy = HA_REMEDY_QUARANTINE;
	expect(p, EMPTY, NOTHING, NOTHING);
	p->v.level = 2;
	expect(p, EMPTY, EMPTY, NOTHING);
	p->v.level = 1;
	p->hosts[0].health = OK;
	p->hosts[2].is_up = false;
	p->hosts[1].remedy = HA_REMEDY_NONE;
	expect(p, NOTHING, QUARANTINE, NOTHING);
	/* One that sleeps can be woken. */
	p->hosts[2].is_asleep = true;
	expect(p, NOTHING, EMPTY, NOTHING);
	p->hosts[2] = p->hosts[0];
	p->hosts[2].maintenance = MAINT_IN;
	expect(p, NOTHING, QUARANTINE, NOTHING);
	/* 0 is what HA may lose, not what may be emptied. */
	p->hosts[2].maintenance = MAINT_NONE;
	p->v.level = 0;
	expect(p, NOTHING, EMPTY, NOTHING);
	play_free(p);
}

static void
somebody_has_to_take_guests(void **state)
{
	struct play *p = play_new();

	p->hosts[0].health = p->hosts[1].health = p->hosts[2].health = MODERATE;
	expect(p, QUARANTINE, QUARANTINE, NOTHING);
	p->hosts[0].remedy = p->hosts[1].remedy = HA_REMEDY_QUARANTINE;
	expect(p, NOTHING, NOTHING, NOTHING);
	p->hosts[1].remedy = HA_REMEDY_NONE;
	p->hosts[1].is_up = false;
	expect(p, NOTHING, NOTHING, NOTHING);
	play_free(p);
}

static void
who_could_not_be_emptied_waits_in_quarantine(void **state)
{
	struct play *p = play_new();

	p->hosts[0].health = SEVERE;
	p->hosts[0].refused = "\"a\" cannot leave: it is pinned";
	expect(p, QUARANTINE, NOTHING, NOTHING);
	assert_non_null(
	    strstr(p->acts[0].why, "it cannot be emptied yet: \"a\" cannot leave"));
	p->hosts[0].remedy = HA_REMEDY_QUARANTINE;
	expect(p, NOTHING, NOTHING, NOTHING);
	p->hosts[0].refused = NULL;
	expect(p, EMPTY, NOTHING, NOTHING);
	play_free(p);
}

static void
nothing_while_the_brake_is_on_or_the_host_is_away(void **state)
{
	struct play *p = play_new();

	p->hosts[0].health = SEVERE;
	p->v.is_braked = true;
	expect(p, NOTHING, NOTHING, NOTHING);
	p->v.is_braked = false;
	p->hosts[0].is_up = false;
	expect(p, NOTHING, NOTHING, NOTHING);
	p->hosts[0].is_up = true;
	p->hosts[0].is_asleep = true;
	expect(p, NOTHING, NOTHING, NOTHING);
	play_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_health_has_its_remedy),
		cmocka_unit_test(what_was_done_is_not_done_again),
		cmocka_unit_test(who_is_well_again_is_released),
		cmocka_unit_test(only_as_many_as_may_be_lost),
		cmocka_unit_test(somebody_has_to_take_guests),
		cmocka_unit_test(who_could_not_be_emptied_waits_in_quarantine),
		cmocka_unit_test(nothing_while_the_brake_is_on_or_the_host_is_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
