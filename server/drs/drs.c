#include "server/drs/drs.h"

#include "base/arena.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/timer.h"
#include "loop/worker.h"
#include "server/drs/drs_apply.h"
#include "server/drs/drs_json.h"
#include "server/drs/drs_keep.h"
#include "server/drs/drs_view.h"
#include "server/inventory/feed.h"
#include "server/inventory/inv_json.h"
#include "server/inventory/inv_life.h"

#define INTERVAL_MS 60000u
#define SETTLE_MS   1000u /* changes seldom come alone */
#define HELD_ROUNDS 2u    /* so often in a row it must be uneven */
#define DRS_MAGIC   0x64727331u

/* What the rounds remember of a cluster. */
struct seen {
	unsigned uneven; /* rounds in a row */
	bool deciding;
};

struct drs {
	uint32_t magic;
	struct drs_opts o;
	struct loop *loop;
	struct timer *round, *settle;
	struct map *samples;  /* vm id → struct drs_sample */
	struct map *clusters; /* id → struct seen */
	struct drs_applier *applier;
	uint64_t rev; /* of the feed, as far as it was read */
};

struct job {
	struct drs *d;
	obj_id cluster;
	enum drs_round round;
	struct arena *mem;
	struct drs_view *view;
	struct drs_plan plan;
	drs_fn done;
	void *arg;
};

static struct seen *
seen_of(struct drs *d, obj_id cluster)
{
	struct seen *s = map_get(d->clusters, cluster.v);

	if (!s) {
		s = xcalloc(1, sizeof(*s));
		map_put(d->clusters, cluster.v, s);
	}
	return s;
}

static uint64_t
now_ms(const struct drs *d)
{
	return clock_mono_ms(loop_clock(d->loop));
}

/* ---- one run ---- */

static void
job_free(struct job *j)
{
	arena_free(j->mem);
	free(j);
}

static int
on_worker(void *job)
{
	struct job *j = job;

	drs_decide(j->view, j->mem, &j->plan);
	return 0;
}

/* Those who asked find what was found once it is kept. */
static void
answer(void *job)
{
	struct job *j = job;

	seen_of(j->d, j->cluster)->deciding = false;
	if (j->done) {
		AUTO(json) json *plan = drs_plan_json(j->view, &j->plan);
		j->done(j->arg, 0, NULL, plan);
	}
	job_free(j);
}

static void
keep(struct job *j)
{
	struct drs *d = j->d;
	struct drs_keep k = {
		.inv = d->o.inv,
		.cluster = j->cluster,
		.view = j->view,
		.plan = &j->plan,
		.is_whole = j->view->may_balance || !j->plan.is_uneven,
	};

	if (inv_cluster(d->o.inv, j->cluster) &&
	    !drs_applier_busy(d->applier, j->cluster))
		drs_applier_keep(d->applier, &k, answer, j);
	else
		answer(j);
}

static void
on_decided(void *job, int rc)
{
	struct job *j = job;
	struct seen *s = seen_of(j->d, j->cluster);
	struct err e = ERR_INIT;

	if (rc) {
		s->deciding = false;
		err_set(&e, rc, "the server is stopping");
		if (j->done)
			j->done(j->arg, rc, &e, NULL);
		job_free(j);
		return;
	}
	if (j->round == DRS_PERIODIC)
		s->uneven = j->plan.is_uneven ? s->uneven + 1 : 0;
	if (j->round == DRS_SIMULATED)
		answer(j);
	else
		keep(j);
}

static void
on_decided_here(void *job)
{
	on_decided(job, 0);
}

void
drs_go(struct drs *d, obj_id cluster, enum drs_round round, drs_fn done, void *arg)
{
	struct job *j = xcalloc(1, sizeof(*j));
	struct seen *s = seen_of(d, cluster);
	const struct drs_env env = { d->o.inv, d->o.hosts, d->o.tasks, d->samples,
		now_ms(d) };
	struct err e = ERR_INIT;

	*j = (struct job){ d, cluster, round, .mem = arena_new(), .done = done,
		.arg = arg };
	j->view = drs_view_of(&env, cluster, OBJ_ID_NONE, j->mem);
	j->view->may_balance = round == DRS_ASKED || round == DRS_SIMULATED ||
			       (round == DRS_PERIODIC && s->uneven + 1 >= HELD_ROUNDS);
	s->deciding = true;
	if (d->o.workers && !worker_run(d->o.workers, on_worker, on_decided, j, &e))
		return;
	on_worker(j);
	post_call(d->loop, on_decided_here, j);
}

/* ---- when ---- */

static void
take_samples(struct drs *d)
{
	INV_EACH(d->o.inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(d->o.inv, o->id);
		struct drs_sample *s = map_get(d->samples, o->id.v);
		if (vm->power_state != POWER_ON)
			continue;
		if (!s) {
			s = xcalloc(1, sizeof(*s));
			map_put(d->samples, o->id.v, s);
		}
		drs_sample_take(s, vm->cpu_usage_mhz, now_ms(d));
	}
	MAP_EACH(d->samples, it) {
		if (!inv_vm(d->o.inv, (obj_id){ it.key }))
			free(map_del(d->samples, it.key));
	}
}

static void
go_round(struct drs *d, enum drs_round round)
{
	INV_EACH(d->o.inv, KIND_CLUSTER, o)
	{
		if (inv_cluster(d->o.inv, o->id)->drs_enabled &&
		    !seen_of(d, o->id)->deciding &&
		    !drs_applier_busy(d->applier, o->id))
			drs_go(d, o->id, round, NULL, NULL);
	}
}

static void
on_round(void *arg)
{
	struct drs *d = CAST_OBJ(drs, arg, DRS_MAGIC);

	take_samples(d);
	go_round(d, DRS_PERIODIC);
}

static void
on_settled(void *arg)
{
	struct drs *d = CAST_OBJ(drs, arg, DRS_MAGIC);

	go_round(d, DRS_ON_CHANGE);
}

static bool
has_field(const struct change *c, const char *name)
{
	const struct field *f = field_find(obj_id_kind(c->id), name);

	return c->kind != CHANGE_SET || (f && c->fields & (UINT64_C(1) << f->index));
}

static bool
is_of_interest(const struct change *c)
{
	switch (obj_id_kind(c->id)) {
	case KIND_RULE:
		return true;
	case KIND_HOST:
		return !c->volatile_only && (has_field(c, "connection_state") ||
						has_field(c, "maintenance"));
	case KIND_VM:
		return !c->volatile_only && has_field(c, "power_state");
	default:
		return false;
	}
}

static void
on_feed(void *arg)
{
	struct drs *d = CAST_OBJ(drs, arg, DRS_MAGIC);
	const struct change *c;
	bool is_news = !feed_reaches(d->o.inv, d->rev), is_task = is_news;

	for (uint64_t i = 0; !is_news && (c = feed_after(d->o.inv, d->rev, i)); i++) {
		is_news = is_of_interest(c);
		is_task = is_task || obj_id_kind(c->id) == KIND_TASK;
	}
	d->rev = inv_rev(d->o.inv);
	if (is_news)
		timer_after(d->settle, SETTLE_MS);
	if (is_news || is_task)
		drs_applier_look(d->applier);
}

/* Guests that have just moved are left alone for a while. */
static void
on_moved(void *arg, obj_id vm, bool has_failed)
{
	struct drs *d = CAST_OBJ(drs, arg, DRS_MAGIC);
	struct drs_sample *s = map_get(d->samples, vm.v);

	if (!s) {
		s = xcalloc(1, sizeof(*s));
		map_put(d->samples, vm.v, s);
	}
	s->moved_ms = now_ms(d);
	s->has_failed = has_failed;
}

void
drs_apply(struct drs *d, obj_id rec, const struct caller *who, op_fn done, void *arg)
{
	drs_applier_ask(d->applier, rec, who, done, arg);
}

struct drs *
drs_new(const struct drs_opts *o)
{
	struct drs *d = xcalloc(1, sizeof(*d));

	d->magic = DRS_MAGIC;
	d->o = *o;
	d->loop = inv_loop(o->inv);
	d->samples = map_new_u64();
	d->clusters = map_new_u64();
	d->applier = drs_applier_new(o->inv, o->hosts, o->ops, on_moved, d);
	d->round = timer_new(d->loop, on_round, d);
	d->settle = timer_new(d->loop, on_settled, d);
	d->rev = inv_rev(o->inv);
	timer_every(d->round, o->interval_ms ? o->interval_ms : INTERVAL_MS);
	feed_follow(o->inv, on_feed, d);
	return d;
}

void
drs_free(struct drs *d)
{
	if (!d)
		return;
	feed_unfollow(d->o.inv, on_feed, d);
	timer_free(d->round);
	timer_free(d->settle);
	drs_applier_free(d->applier);
	MAP_EACH(d->samples, it) {
		free(it.value);
	}
	MAP_EACH(d->clusters, it) {
		free(it.value);
	}
	map_free(d->samples);
	map_free(d->clusters);
	free(d);
}
