/* Played hosts that report failing hardware, in a cluster with and without DRS. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/drs/drs.h"
#include "server/ha/ha_proactive.h"
#include "server/inventory/inv_drs.h"
#include "server/migrate/migrate.h"
#include "tests/lib/ha_play.h"

static const struct caller admin = { .name = "admin", .role = ROLE_ADMINISTRATOR };

struct play {
	struct ha_play *hp;
	struct lab *l;
	struct drs *d;
	struct ha_proactive *p;
	obj_id vm;
	unsigned home; /* number of its host */
};

static struct play
play_new(const char *settings)
{
	struct play p = { .hp = hp_new(3) };

	p.l = p.hp->l;
	lab_meet(p.l);
	p.vm = lab_vm(p.l, "a", true);
	hp_seconds(p.hp, 8);
	p.home = hp_host_of(p.hp, p.vm);
	hp_set(p.hp, settings);
	const struct drs_opts o = {
		.inv = p.l->inv,
		.hosts = p.l->hosts,
		.tasks = p.l->tasks,
		.ops = p.l->ops,
		.interval_ms = 3600000,
	};
	p.d = drs_new(&o);
	const struct ha_proactive_opts po = {
		.inv = p.l->inv,
		.hosts = p.l->hosts,
		.ops = p.l->ops,
		.ha = p.hp->ha,
	};
	p.p = ha_proactive_new(&po);
	return p;
}

static void
play_end(struct play *p)
{
	ha_proactive_free(p->p);
	drs_free(p->d);
	hp_free(p->hp);
}

static char source[] = "test", component[] = "memory", text[] = "DIMM 3 fails",
	    nothing[] = "";

/* severity: "ok", "moderate", "severe" */
static void
report(struct play *p, unsigned host, const char *severity)
{
	Drover__HealthCondition c = DROVER__HEALTH_CONDITION__INIT;
	Drover__HealthCondition *conditions[] = { &c };
	Drover__HealthSource s = DROVER__HEALTH_SOURCE__INIT;
	Drover__HealthSource *sources[] = { &s };
	Drover__HostHealth h = DROVER__HOST_HEALTH__INIT;

	c.source = s.name = source;
	c.component = component;
	c.text = text;
	c.severe = str_same(severity, "severe");
	s.why_not = nothing;
	h.conditions = conditions;
	h.n_conditions = !str_same(severity, "ok");
	h.sources = sources;
	h.n_sources = 1;
	agent_fake_health(p->l->agent[host], &h);
	hp_seconds(p->hp, 12);
}

static const struct rec *
find_pending(const struct play *p)
{
	INV_EACH(p->l->inv, KIND_REC, o)
	{
		const struct rec *r = inv_rec(p->l->inv, o->id);
		if (r && r->state == REC_PENDING)
			return r;
	}
	return NULL;
}

static const struct rec *
pending(const struct play *p)
{
	const struct rec *r = find_pending(p);

	ASSERT(r);
	return r;
}

static void
what_a_host_reports_is_in_its_row(void **state)
{
	struct play p = play_new("{}");
	const struct host *h = hp_row(p.hp, 0);

	assert_int_equal(h->health, HOST_HEALTH_UNKNOWN);
	report(&p, 0, "ok");
	h = hp_row(p.hp, 0);
	assert_int_equal(h->health, HOST_HEALTH_OK);
	report(&p, 0, "severe");
	h = hp_row(p.hp, 0);
	assert_int_equal(h->health, HOST_HEALTH_SEVERE);
	assert_int_equal(json_count(h->health_conditions), 1);
	AUTO_FREE char *conditions = json_text(h->health_conditions);
	assert_non_null(strstr(conditions, "DIMM 3 fails"));
	assert_non_null(strstr(conditions, "since"));
	assert_true(
	    hp_has_event(p.hp, "HostHealthSevereEvent", "memory: DIMM 3 fails"));
	/* Nothing is done about it unless it is wanted. */
	assert_int_equal(h->health_remedy, HA_REMEDY_NONE);
	assert_null(find_pending(&p));
	report(&p, 0, "ok");
	assert_true(hp_has_event(p.hp, "HostHealthRestoredEvent", "no errors"));
	play_end(&p);
}

static void
a_severe_host_is_emptied(void **state)
{
	struct play p = play_new(
	    "{'ha_proactive':'automatic','ha_proactive_severe':'maintenance'}");

	report(&p, p.home, "severe");
	assert_int_equal(hp_row(p.hp, p.home)->maintenance, MAINT_IN);
	assert_int_not_equal(hp_host_of(p.hp, p.vm), p.home);
	hp_assert_once(p.hp, p.vm);
	assert_true(hp_has_event(p.hp, "ProactiveEvacuationEvent", "DIMM 3 fails"));
	assert_int_equal(hp_row(p.hp, p.home)->health_remedy, HA_REMEDY_MAINTENANCE);
	/* Well again, it stays until somebody wants it back. */
	report(&p, p.home, "ok");
	assert_int_equal(hp_row(p.hp, p.home)->maintenance, MAINT_IN);
	report(&p, p.home, "severe");
	assert_int_equal(
	    lab_op(p.l, "host.maintenance_leave", p.l->host[p.home], NULL), 0);
	hp_seconds(p.hp, 30);
	assert_int_equal(hp_row(p.hp, p.home)->maintenance, MAINT_NONE);
	play_end(&p);
}

static void
a_moderate_host_gets_no_more_guests(void **state)
{
	struct play p = play_new("{'ha_proactive':'automatic','drs_enabled':true,"
				 "'drs_automation_level':'manual'}");
	char args[64], id[OBJ_ID_TEXT];

	report(&p, p.home, "moderate");
	assert_int_equal(hp_row(p.hp, p.home)->health_remedy, HA_REMEDY_QUARANTINE);
	assert_true(hp_has_event(p.hp, "EnteredQuarantineModeEvent", "DIMM 3 fails"));
	hp_seconds(p.hp, 10);
	/* Its guest has left it, as DRS was told to see to it by itself. */
	assert_int_not_equal(hp_host_of(p.hp, p.vm), p.home);
	snprintf(
	    args, sizeof(args), "{'host':'%s'}", obj_id_text(p.l->host[p.home], id));
	assert_int_not_equal(lab_op(p.l, "vm.migrate", p.vm, args), 0);
	assert_non_null(strstr(p.l->msg, "is in quarantine"));
	for (unsigned i = 0; i < 4; i++) {
		AUTO_FREE char *name = xasprintf("n%u", i);
		assert_int_not_equal(hp_host_of(p.hp, lab_vm(p.l, name, true)), p.home);
	}
	report(&p, p.home, "ok");
	assert_int_equal(hp_row(p.hp, p.home)->health_remedy, HA_REMEDY_NONE);
	assert_true(hp_has_event(p.hp, "ExitedQuarantineModeEvent", "no errors"));
	play_end(&p);
}

struct answer {
	bool is_there;
	int rc;
};

static void
on_applied(const struct op_result *r, void *arg)
{
	struct answer *a = arg;

	a->is_there = true;
	a->rc = r->rc;
}

static void
apply(struct play *p, obj_id rec)
{
	struct answer a = { 0 };

	drs_apply(p->d, rec, &admin, on_applied, &a);
	for (unsigned i = 0; i < 10 && !a.is_there; i++)
		hp_second(p->hp);
	assert_true(a.is_there);
	assert_int_equal(a.rc, 0);
}

static void
by_hand_it_is_recommended(void **state)
{
	struct play p =
	    play_new("{'ha_proactive':'manual','ha_proactive_severe':'maintenance'}");
	const struct rec *r;

	report(&p, p.home, "moderate");
	r = pending(&p);
	assert_int_equal(r->action, REC_QUARANTINE);
	assert_string_equal(r->reason, "hostInDegradation");
	assert_non_null(strstr(r->text, "DIMM 3 fails"));
	assert_int_equal(hp_row(p.hp, p.home)->health_remedy, HA_REMEDY_NONE);
	apply(&p, r->o.id);
	assert_int_equal(hp_row(p.hp, p.home)->health_remedy, HA_REMEDY_QUARANTINE);
	hp_seconds(p.hp, 12);
	assert_null(find_pending(&p));
	report(&p, p.home, "severe");
	r = pending(&p);
	assert_int_equal(r->action, REC_MAINTENANCE);
	apply(&p, r->o.id);
	hp_seconds(p.hp, 15);
	assert_int_equal(hp_row(p.hp, p.home)->maintenance, MAINT_IN);
	assert_int_not_equal(hp_host_of(p.hp, p.vm), p.home);
	play_end(&p);
}

static void
what_is_over_is_recommended_no_more(void **state)
{
	struct play p = play_new("{'ha_proactive':'manual'}");

	report(&p, p.home, "severe");
	const struct rec *r = pending(&p);
	obj_id id = r->o.id;
	report(&p, p.home, "ok");
	assert_int_equal(inv_rec(p.l->inv, id)->state, REC_STALE);
	assert_null(find_pending(&p));
	report(&p, p.home, "severe");
	assert_non_null(find_pending(&p));
	hp_set(p.hp, "{'ha_proactive':'off'}");
	hp_seconds(p.hp, 12);
	assert_null(find_pending(&p));
	play_end(&p);
}

static void
one_that_cannot_be_emptied_is_quarantined(void **state)
{
	struct play p = play_new(
	    "{'ha_proactive':'automatic','ha_proactive_severe':'maintenance'}");

	assert_int_equal(
	    lab_op(p.l, "vm.update", p.vm, "{'drs_automation':'disabled'}"), 0);
	report(&p, p.home, "severe");
	assert_int_equal(hp_row(p.hp, p.home)->maintenance, MAINT_NONE);
	assert_int_equal(hp_row(p.hp, p.home)->health_remedy, HA_REMEDY_QUARANTINE);
	assert_true(hp_has_event(
	    p.hp, "EnteredQuarantineModeEvent", "it cannot be emptied yet"));
	assert_int_equal(
	    lab_op(p.l, "vm.update", p.vm, "{'drs_automation':'cluster'}"), 0);
	hp_seconds(p.hp, 330);
	assert_int_equal(hp_row(p.hp, p.home)->maintenance, MAINT_IN);
	assert_int_not_equal(hp_host_of(p.hp, p.vm), p.home);
	play_end(&p);
}

static void
quarantine_is_for_failing_hosts(void **state)
{
	struct play p = play_new("{}");

	assert_int_equal(
	    lab_op(p.l, "host.quarantine", p.l->host[0], NULL), ERR_BAD_STATE);
	assert_non_null(strstr(p.l->msg, "ha_proactive is off"));
	hp_set(p.hp, "{'ha_proactive':'manual'}");
	assert_int_equal(
	    lab_op(p.l, "host.quarantine", p.l->host[0], NULL), ERR_BAD_STATE);
	assert_non_null(strstr(p.l->msg, "reports no failing hardware"));
	assert_int_equal(lab_op(p.l, "cluster.update", p.l->cluster,
			     "{'ha_proactive_moderate':'maintenance'}"),
	    ERR_INVALID);
	assert_non_null(strstr(p.l->msg, "ha_proactive_severe"));
	play_end(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_host_reports_is_in_its_row),
		cmocka_unit_test(a_severe_host_is_emptied),
		cmocka_unit_test(a_moderate_host_gets_no_more_guests),
		cmocka_unit_test(by_hand_it_is_recommended),
		cmocka_unit_test(what_is_over_is_recommended_no_more),
		cmocka_unit_test(one_that_cannot_be_emptied_is_quarantined),
		cmocka_unit_test(quarantine_is_for_failing_hosts),
	};

	ops_register(migrate_defs);
	drs_register();
	ha_register();
	ha_proactive_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
