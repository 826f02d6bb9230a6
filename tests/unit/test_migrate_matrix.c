#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "server/migrate/migrate.h"
#include "tests/lib/move_bed.h"

#define V(x) DROVER__ORDER__VERB_##x

enum victim {
	SOURCE_AGENT,
	SOURCE_HOST,
	SOURCE_LINK,
	TARGET_AGENT,
	TARGET_HOST,
	TARGET_LINK,
	WIRE,
	SERVER,
	VICTIM_COUNT
};

static const char *const victim_names[] = { "source agent", "source host",
	"source link", "target agent", "target host", "target link", "wire", "server" };

struct point {
	const char *step;
	int verb;
	bool at_target;
};

/* A way to move, and the orders in which somebody may die. */
struct way {
	const char *name;
	bool running;
	bool with_disks; /* from a datastore of the source's to one of the target's */
	bool to_own;     /* only the disks go, to one that the source reaches */
	const struct point *points;
	size_t n_points;
};

static const struct point live_points[] = {
	{ "offer", V(GUEST_OFFER), false },
	{ "prepare", V(GUEST_ARRIVE), true },
	{ "copy", V(GUEST_LEAVE), false },
	{ "switch", V(GUEST_ARRIVED), true },
	{ "settle", V(GUEST_RELEASE), false },
};
static const struct point cold_points[] = {
	{ "register", V(GUEST_CREATE), true },
	{ "settle", V(GUEST_RELEASE), false },
};
static const struct point sent_points[] = {
	{ "expect", V(IMAGE_RECEIVE), true },
	{ "send", V(IMAGE_SEND), false },
	{ "came", V(IMAGE_RECEIVED), true },
	{ "register", V(GUEST_CREATE), true },
	{ "settle", V(GUEST_RELEASE), false },
};
static const struct point disk_points[] = {
	{ "disks", V(GUEST_MOVE_DISKS), false },
};
static const struct way ways[] = {
	{ "live", true, false, false, live_points, ARRAY_SIZE(live_points) },
	{ "live with disks", true, true, false, live_points, ARRAY_SIZE(live_points) },
	{ "off", false, false, false, cold_points, ARRAY_SIZE(cold_points) },
	{ "off with disks", false, true, false, sent_points, ARRAY_SIZE(sent_points) },
	{ "disks alone", true, false, true, disk_points, ARRAY_SIZE(disk_points) },
};

static struct agent_fake_trap
trap_of(const struct bed *b, enum victim v, int verb, enum agent_fake_when when)
{
	static const enum agent_fake_harm harms[] = { FAKE_AGENT_DIES, FAKE_HOST_DIES,
		FAKE_LINK_BREAKS };
	struct agent_fake_trap t = { .verb = verb, .when = when };
	struct agent_fake *source = b->l->agent[b->from];
	struct agent_fake *target = b->l->agent[b->to];

	if (v < TARGET_AGENT) {
		t.harm = harms[v];
		t.victim = source;
	} else if (v < WIRE) {
		t.harm = harms[v - TARGET_AGENT];
		t.victim = target;
	} else {
		t.harm = v == WIRE ? FAKE_WIRE_BREAKS : FAKE_TELL;
		t.victim = source;
	}
	return t;
}

static bool
all_tasks_ended(const struct lab *l)
{
	INV_EACH(l->inv, KIND_TASK, o)
	{
		const struct task *row = inv_task(l->inv, o->id);
		if (row->state == TASK_QUEUED || row->state == TASK_RUNNING)
			return false;
	}
	return !tasks_live(l->tasks);
}

/* Those whose links broke come back after a while; then all is told. */
static void
run_to_the_end(struct bed *b, uint64_t away_ms)
{
	struct lab *l = b->l;

	lab_advance(l, away_ms);
	for (unsigned i = 0; i < 3000 && !all_tasks_ended(l); i++) {
		lab_dial(l);
		lab_advance(l, 100);
	}
	if (!all_tasks_ended(l))
		fail_msg("it does not end");
	for (unsigned i = 0; i < l->n_hosts; i++)
		agent_fake_heal(l->agent[i]);
	lab_dial(l);
	for (unsigned i = 0; i < 4; i++) {
		lab_advance(l, 1000);
		bed_report(l);
	}
}

/* The machine as the way wants it, and the arguments of its move; free them. */
static char *
set_up(struct bed *b, const struct way *w)
{
	char id[OBJ_ID_TEXT];

	if (w->to_own)
		return xasprintf("{'datastore':'%s'}",
		    obj_id_text(bed_local_store(b, b->from, "own"), id));
	if (!w->with_disks)
		return bed_to_host(b);
	assert_int_equal(bed_move_disks(b, bed_local_store(b, b->from, "here")), 0);
	return xasprintf(
	    "{'datastore':'%s'}", obj_id_text(bed_local_store(b, b->to, "there"), id));
}

struct kill {
	const struct way *way;
	const struct point *point;
	enum victim victim;
	enum agent_fake_when when;
	uint64_t away_ms;
};

static const char *
kill_once(const struct kill *k)
{
	struct bed b = bed_new(2, k->way->running);
	AUTO_FREE char *args = set_up(&b, k->way);
	struct agent_fake_trap t = trap_of(&b, k->victim, k->point->verb, k->when);
	struct agent_fake *at = b.l->agent[k->point->at_target ? b.to : b.from];

	agent_fake_set_trap(at, &t);
	lab_submit(b.l, "vm.migrate", b.vm, args);
	for (unsigned i = 0; i < 200 && !agent_fake_tripped(at); i++)
		loop_turn(b.l->loop, 0);
	AUTO_FREE char *what =
	    xasprintf("%s: %s dies %s %s, back after %llu s", k->way->name,
		victim_names[k->victim], k->when == FAKE_BEFORE ? "before" : "after",
		k->point->step, (unsigned long long)k->away_ms / 1000);
	if (!agent_fake_tripped(at))
		fail_msg("%s: it was never reached", what);
	if (k->victim == SERVER)
		lab_crash(b.l);
	run_to_the_end(&b, k->away_ms);
	const char *end = bed_check_end(&b, what);
	lab_free(b.l);
	return end;
}

static unsigned
kill_everybody(const struct way *w, const struct point *p, enum agent_fake_when when)
{
	static const uint64_t away_ms[] = { 1000, 30000 };
	unsigned n = 0;

	for (int v = 0; v < VICTIM_COUNT; v++) {
		printf("%-16s %-9s %-7s %-13s", w->name, p->step,
		    when == FAKE_BEFORE ? "before" : "after", victim_names[v]);
		for (size_t i = 0; i < ARRAY_SIZE(away_ms); i++, n++) {
			struct kill k = { w, p, (enum victim)v, when, away_ms[i] };
			printf(" %-11s", kill_once(&k));
		}
		printf("\n");
	}
	return n;
}

static void
whoever_dies_one_or_none_runs(void **state)
{
	unsigned n = 0;

	printf("%-16s %-9s %-7s %-13s %-11s %s\n", "move", "order", "when", "victim",
	    "1 s", "30 s");
	for (size_t w = 0; w < ARRAY_SIZE(ways); w++) {
		for (size_t p = 0; p < ways[w].n_points; p++) {
			n += kill_everybody(&ways[w], &ways[w].points[p], FAKE_BEFORE);
			n += kill_everybody(&ways[w], &ways[w].points[p], FAKE_AFTER);
		}
	}
	printf("%u moves, none lost, none doubled\n", n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_dies_one_or_none_runs),
	};
	log_set_level(LOG_LEVEL_ERR);
	ops_register(migrate_defs);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
