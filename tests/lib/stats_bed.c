#include "tests/lib/stats_bed.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/event/event_life.h"
#include "server/stats/stats.h"

void
bed_open(struct bed *b)
{
	const struct stats_opts o = {
		.inv = b->w->inv,
		.dir = b->dir,
		.daemon = "",
		.interval_ms = STEP_MS,
		.write_s = WRITE_S,
	};
	struct err e = ERR_INIT;

	assert_int_equal(stats_new(&o, &b->stats, &e), 0);
}

obj_id
bed_add_vm(struct bed *b, const char *name)
{
	obj_id dc = world_add(b->w, KIND_DATACENTER, OBJ_ID_NONE, name);
	obj_id id = world_add(b->w, KIND_VM, dc, name);
	struct txn *t = txn_new(b->w->inv);
	struct vm *vm = txn_edit(t, id);

	vm->host = b->host;
	assert_int_equal(world_commit(b->w, t), 0);
	return id;
}

int
bed_setup(void **state)
{
	struct bed *b = xcalloc(1, sizeof(*b));
	void *w;

	world_setup(&w);
	b->w = w;
	b->events = events_new(b->w->inv);
	snprintf(b->dir, sizeof(b->dir), "/tmp/test-stats-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	obj_id dc = world_add(b->w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	obj_id cluster = world_add(b->w, KIND_CLUSTER, dc, "c1");
	b->host = world_add(b->w, KIND_HOST, cluster, "h1");
	b->vm = bed_add_vm(b, "vm1");
	bed_open(b);
	*state = b;
	return 0;
}

static void
remove_tree(const char *dir)
{
	AUTO_FREE char *line = xasprintf("rm -rf '%s'", dir);

	/* NOLINTNEXTLINE(cert-env33-c): a folder that the test has made */
	assert_int_equal(system(line), 0);
}

int
bed_teardown(void **state)
{
	struct bed *b = *state;
	void *w = b->w;

	stats_free(b->stats);
	events_free(b->events);
	remove_tree(b->dir);
	world_teardown(&w);
	free(b);
	return 0;
}

uint64_t
bed_now_s(const struct bed *b)
{
	return clock_wall_ms(b->w->clock) / 1000;
}

void
bed_turn_until(struct bed *b, bool (*is)(struct bed *b, void *arg), void *arg)
{
	uint64_t end_ms = clock_mono_ms(clock_system()) + DEADLINE_MS;

	while (!is(b, arg)) {
		assert_true(clock_mono_ms(clock_system()) < end_ms);
		loop_turn(b->w->loop, 1);
		sched_yield();
	}
}

void
bed_go_to_slot(struct bed *b)
{
	uint64_t wall_ms = clock_wall_ms(b->w->clock);

	clock_advance(b->w->clock, STEP_MS - wall_ms % STEP_MS + 3);
	world_settle(b->w);
}
