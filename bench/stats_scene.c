#include "bench/stats_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop.h"
#include "proto/msg.h"
#include "server/db/db_fake.h"
#include "server/event/event_life.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"

#define PER_TXN      500u
#define DEADLINE_MS  5000u
#define WILD         5000u /* a value, in what travels a thousand times that */
#define BYTES_PER_MB 1048576.0

void
scene_print(const char *name, double v, const char *unit)
{
	printf("%-36s %12.3f %s\n", name, v, unit);
	fflush(stdout);
}

double
scene_cpu_s(int who)
{
	struct rusage u;

	ASSERT(!getrusage(who, &u));
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

double
scene_now_s(void)
{
	return (double)clock_mono_us(clock_system()) / 1e6;
}

double
scene_resident_mb(int pid)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/statm", pid);
	FILE *f = fopen(path, "re");
	char line[128];

	ASSERT(f && fgets(line, sizeof(line), f));
	fclose(f);
	return (double)strtoull(strchr(line, ' '), NULL, 10) *
	       (double)sysconf(_SC_PAGESIZE) / BYTES_PER_MB;
}

size_t
scene_all(const struct scene *s)
{
	return (size_t)s->hosts * s->guests;
}

void
scene_settle(struct scene *s)
{
	while (loop_turn(s->loop, 0) > 0)
		;
}

/* ---- hosts and guests ---- */

static void
ignore_end(void *arg, int rc, const struct err *e)
{
	ASSERT(!rc);
}

static obj_id
add(struct txn *t, enum obj_kind kind, obj_id parent, const char *name)
{
	void *o = NULL;

	ASSERT(!txn_add(t, kind, parent, name, &o, NULL));
	return ((struct obj *)o)->id;
}

static void
add_hosts(struct scene *s, struct txn *t, obj_id cluster)
{
	for (unsigned i = 0; i < s->hosts; i++) {
		AUTO_FREE char *name = xasprintf("host-%u", i);
		struct host *h;

		s->host_ids[i] = add(t, KIND_HOST, cluster, name);
		h = txn_edit(t, s->host_ids[i]);
		h->cpu_total_mhz = 64000;
		h->memory_total_mb = 262144;
	}
}

static void
add_all(struct scene *s)
{
	struct txn *t = txn_new(s->inv);
	obj_id dc = add(t, KIND_DATACENTER, OBJ_ID_NONE, "dc");
	obj_id cluster = add(t, KIND_CLUSTER, dc, "cluster");
	obj_id pool = add(t, KIND_POOL, cluster, "Resources");

	add_hosts(s, t, cluster);
	for (unsigned i = 0; i < scene_all(s); i++) {
		AUTO_FREE char *name = xasprintf("vm-%u", i);
		struct vm *vm;

		s->vm_ids[i] = add(t, KIND_VM, dc, name);
		vm = txn_edit(t, s->vm_ids[i]);
		vm->host = s->host_ids[i / s->guests];
		vm->pool = pool;
		vm->power_state = POWER_ON;
		if (i % PER_TXN)
			continue;
		txn_commit(t, ignore_end, NULL);
		scene_settle(s);
		t = txn_new(s->inv);
	}
	txn_commit(t, ignore_end, NULL);
	scene_settle(s);
}

void
scene_open(struct scene *s, const struct clock *clock)
{
	const struct metric *m = NULL;

	snprintf(s->dir, sizeof(s->dir), "/tmp/bench-stats-XXXXXX");
	ASSERT(mkdtemp(s->dir));
	s->loop = loop_new(clock);
	s->db = db_fake_new(s->loop, DEADLINE_MS);
	s->inv = inv_new(s->loop, s->db);
	inv_load(s->inv, ignore_end, NULL);
	scene_settle(s);
	s->events = events_new(s->inv);
	s->host_ids = xcalloc(s->hosts, sizeof(*s->host_ids));
	s->vm_ids = xcalloc(scene_all(s), sizeof(*s->vm_ids));
	add_all(s);
	for (unsigned n = 0; n < SCENE_COUNTERS; n++) {
		do {
			m = metric_next(m);
		} while (!(m->objects & METRIC_OF_MACHINE));
		s->counters[n] = (uint8_t)m->number;
	}
}

void
scene_remove(const struct scene *s)
{
	AUTO_FREE char *line = xasprintf("rm -rf '%s'", s->dir);

	/* NOLINTNEXTLINE(cert-env33-c): a folder that this program has made */
	ASSERT(!system(line));
}

/* ---- samples ---- */

static uint64_t
value_of(const struct scene *s, const struct scene_round *r, uint64_t id, unsigned k)
{
	uint64_t wild = r->seq * 7919 + id * 31 + k * UINT64_C(104729);

	if (r->calm && str_same(metric_at(s->counters[k])->sign, "%"))
		return wild % ((uint64_t)r->calm * METRIC_SCALE);
	return wild % ((uint64_t)WILD * METRIC_SCALE);
}

uint8_t *
scene_frame(
    const struct scene *s, unsigned host, const struct scene_round *r, size_t *ret_n)
{
	Drover__StatSet *sets = xcalloc(s->guests, sizeof(*sets));
	Drover__StatSet **list = xcalloc(s->guests, sizeof(Drover__StatSet *));
	uint64_t *values = xcalloc((size_t)s->guests * SCENE_COUNTERS, sizeof(*values));
	uint32_t counters[SCENE_COUNTERS];
	Drover__StatRound round = DROVER__STAT_ROUND__INIT, *rounds[] = { &round };
	Drover__StatBatch batch = DROVER__STAT_BATCH__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	uint8_t *p;

	for (unsigned k = 0; k < SCENE_COUNTERS; k++)
		counters[k] = s->counters[k];
	for (unsigned i = 0; i < s->guests; i++) {
		list[i] = &sets[i];
		drover__stat_set__init(&sets[i]);
		sets[i].id = obj_id_number(s->vm_ids[host * s->guests + i]);
		sets[i].n_counters = sets[i].n_values = SCENE_COUNTERS;
		sets[i].counters = counters;
		sets[i].values = values + (size_t)i * SCENE_COUNTERS;
		for (unsigned k = 0; k < SCENE_COUNTERS; k++)
			sets[i].values[k] = value_of(s, r, sets[i].id, k);
	}
	round.seq = r->seq;
	round.age_ms = r->age_ms;
	round.span_ms = SCENE_STEP_S * 1000;
	round.n_guests = s->guests;
	round.guests = list;
	batch.n_rounds = 1;
	batch.rounds = rounds;
	m.version = PROTO_VERSION;
	m.body_case = DROVER__ENVELOPE__BODY_STAT_BATCH;
	m.stat_batch = &batch;
	ASSERT(!msg_pack(&m, &p, ret_n, NULL));
	free(sets);
	free(list);
	free(values);
	return p;
}
