#include "server/drs/drs.h"

#include "base/arena.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/timer.h"
#include "loop/worker.h"
#include "server/db/db.h"
#include "server/drs/drs_apply.h"
#include "server/drs/drs_breach.h"
#include "server/drs/drs_demand.h"
#include "server/drs/drs_json.h"
#include "server/drs/drs_keep.h"
#include "server/drs/drs_past.h"
#include "server/drs/drs_view.h"
#include "server/event/event.h"
#include "server/hosts/hosts.h"
#include "server/inventory/feed.h"
#include "server/inventory/inv_json.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"

#define INTERVAL_MS 60000u
#define SETTLE_MS   1000u /* changes seldom come alone */
#define HELD_ROUNDS 2u    /* so often in a row it must be uneven */
#define IDLE_ROUNDS 5u    /* so often a host must be one too many */
#define MB_BYTES    1048576.0
#define DRS_MAGIC   0x64727331u

/* What the rounds remember of a cluster. */
struct seen {
	unsigned uneven; /* rounds in a row */
	unsigned idle;   /* likewise that a host could have slept */
	bool deciding;
};

struct drs {
	uint32_t magic;
	struct drs_opts o;
	struct loop *loop;
	struct timer *round, *settle;
	struct map *past;     /* vm id → struct drs_past */
	struct map *losses;   /* host id → struct drs_losses */
	struct map *broken;   /* ids of rules */
	struct map *clusters; /* id → struct seen */
	struct drs_applier *applier;
	uint64_t rev;  /* of the feed, as far as it was read */
	uint64_t slot; /* quarter of an hour that is the present one (drs_past.h) */
	void (*recalled)(void *arg);
	void *recalled_arg;
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

/* What is remembered of the object; begun where there is nothing yet. */
static void *
memory_of(struct map *m, obj_id id, size_t size)
{
	void *p = map_get(m, id.v);

	if (!p) {
		p = xcalloc(1, size);
		map_put(m, id.v, p);
	}
	return p;
}

static struct seen *
seen_of(struct drs *d, obj_id cluster)
{
	return memory_of(d->clusters, cluster, sizeof(struct seen));
}

static struct drs_past *
past_of(struct drs *d, obj_id vm)
{
	return memory_of(d->past, vm, sizeof(struct drs_past));
}

static uint64_t
now_ms(const struct drs *d)
{
	return clock_mono_ms(loop_clock(d->loop));
}

static uint64_t
wall_ms(const struct drs *d)
{
	return clock_wall_ms(loop_clock(d->loop));
}

/* Everybody who looks for a host is to see it. */
static void
tell_flapping(struct drs *d, obj_id host)
{
	const struct drs_losses *l = map_get(d->losses, host.v);
	const struct host *now = inv_host(d->o.inv, host);
	bool is_flapping = l && drs_losses_are_many(l, now_ms(d));

	if (!now || now->flapping == is_flapping)
		return;
	((struct host *)inv_note_begin(d->o.inv, host))->flapping = is_flapping;
	inv_note_end(d->o.inv, host);
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

/* Could a host sleep? */
static bool
is_idle(const struct drs_plan *p)
{
	return p->power_count && p->powers[0].action == REC_STANDBY;
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
	if (j->round == DRS_PERIODIC) {
		s->uneven = j->plan.is_uneven ? s->uneven + 1 : 0;
		s->idle = is_idle(&j->plan) ? s->idle + 1 : 0;
		if (is_idle(&j->plan) && s->idle < IDLE_ROUNDS)
			j->plan.power_count = 0;
	}
	if (j->round == DRS_SIMULATED) {
		answer(j);
		return;
	}
	drs_breach_tell(j->d->o.inv, j->d->broken, j->view, &j->plan);
	keep(j);
}

static void
on_decided_here(void *job)
{
	on_decided(job, 0);
}

/* Not while a host is on its way into or out of standby. */
static bool
may_power(const struct drs *d, obj_id cluster)
{
	const struct cluster *cl = inv_cluster(d->o.inv, cluster);

	if (!cl || cl->dpm_automation == DPM_OFF)
		return false;
	INV_EACH(d->o.inv, KIND_HOST, o)
	{
		const struct host *h = inv_host(d->o.inv, o->id);
		if (obj_id_is(o->parent, cluster) && h->standby != STANDBY_NONE &&
		    h->standby != STANDBY_IN)
			return false;
	}
	return true;
}

void
drs_go(struct drs *d, obj_id cluster, enum drs_round round, drs_fn done, void *arg)
{
	struct job *j = xcalloc(1, sizeof(*j));
	struct seen *s = seen_of(d, cluster);
	const struct drs_env env = {
		.inv = d->o.inv,
		.hosts = d->o.hosts,
		.tasks = d->o.tasks,
		.past = d->past,
		.now_ms = now_ms(d),
		.wall_ms = wall_ms(d),
	};
	struct err e = ERR_INIT;

	*j = (struct job){ d, cluster, round, .mem = arena_new(), .done = done,
		.arg = arg };
	j->view = drs_view_of(&env, cluster, OBJ_ID_NONE, j->mem);
	j->view->may_balance = round == DRS_ASKED || round == DRS_SIMULATED ||
			       (round == DRS_PERIODIC && s->uneven + 1 >= HELD_ROUNDS);
	j->view->may_power = round != DRS_ON_CHANGE && may_power(d, cluster);
	s->deciding = true;
	if (d->o.workers && !worker_run(d->o.workers, on_worker, on_decided, j, &e))
		return;
	on_worker(j);
	post_call(d->loop, on_decided_here, j);
}

/* ---- when ---- */

static void
take_figures(struct drs *d)
{
	INV_EACH(d->o.inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(d->o.inv, o->id);
		if (vm->power_state == POWER_ON && hosts_is_up(d->o.hosts, vm->host))
			drs_past_take(past_of(d, o->id), vm->cpu_usage_mhz, now_ms(d));
	}
	MAP_EACH(d->past, it) {
		if (!inv_vm(d->o.inv, (obj_id){ it.key }))
			free(map_del(d->past, it.key));
	}
	MAP_EACH(d->losses, it) {
		if (!inv_host(d->o.inv, (obj_id){ it.key }))
			free(map_del(d->losses, it.key));
		else
			tell_flapping(d, (obj_id){ it.key });
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
on_demand_stored(void *arg, int rc, const struct err *e)
{
	if (rc)
		log_warn("drs", "the demand of guests was not stored: %s", e->msg);
}

/* Once in a quarter of an hour, when it is over. */
static void
store_demand(struct drs *d)
{
	uint64_t slot = drs_past_slot(now_ms(d));
	struct txn *t;

	if (slot == d->slot)
		return;
	t = txn_new(d->o.inv);
	drs_demand_put(t, d->past, slot - 1, wall_ms(d) / DRS_SLOT_MS - 1);
	txn_commit(t, on_demand_stored, NULL);
	d->slot = slot;
}

/* A row that is being read, and the slot that it tells of. */
struct recalling {
	struct drs *d;
	uint64_t slot;
};

static void
recall_guest(void *arg, obj_id vm, uint32_t mhz)
{
	const struct recalling *r = arg;

	if (inv_vm(r->d->o.inv, vm))
		drs_past_recall(past_of(r->d, vm), r->slot, mhz);
}

static void
on_demand(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct drs *d = CAST_OBJ(drs, arg, DRS_MAGIC);
	uint64_t now = wall_ms(d) / DRS_SLOT_MS;

	if (rc)
		log_warn("drs", "the demand of the last day is not known: %s", e->msg);
	for (size_t i = 0; !rc && i < db_rows_count(rows); i++) {
		uint64_t quarter = db_value_u64(rows, i, 0);
		const char *most = db_value(rows, i, 1);
		struct recalling r = { .d = d };

		if (!most || quarter > now || now - quarter > DRS_SLOTS)
			continue;
		r.slot = drs_past_slot(now_ms(d)) - (now - quarter);
		drs_demand_read(most, recall_guest, &r);
	}
	d->recalled(d->recalled_arg);
}

void
drs_recall(struct drs *d, void (*done)(void *arg), void *arg)
{
	d->recalled = done;
	d->recalled_arg = arg;
	db_query(inv_db(d->o.inv), STMT_DEMAND_LOAD_ALL, 0, NULL, on_demand, d);
}

static void
on_round(void *arg)
{
	struct drs *d = CAST_OBJ(drs, arg, DRS_MAGIC);

	take_figures(d);
	store_demand(d);
	drs_breach_forget(d->o.inv, d->broken);
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
		return !c->volatile_only &&
		       (has_field(c, "connection_state") ||
			   has_field(c, "maintenance") ||
			   has_field(c, "standby") || has_field(c, "health_remedy"));
	case KIND_VM:
		return !c->volatile_only && has_field(c, "power_state");
	default:
		return false;
	}
}

static void
note_loss(struct drs *d, const struct change *c)
{
	const struct host *h = inv_host(d->o.inv, c->id);

	if (h && has_field(c, "connection_state") && h->standby == STANDBY_NONE &&
	    h->connection_state != CONN_CONNECTED)
		drs_losses_note(
		    memory_of(d->losses, c->id, sizeof(struct drs_losses)), now_ms(d));
	tell_flapping(d, c->id);
}

static void
on_awake(void *arg, int rc, const struct err *e)
{
	if (rc)
		log_warn("drs", "that a host is awake was not stored: %s", e->msg);
}

/* Somebody has switched on a host that slept. */
static void
note_awake(struct drs *d, const struct change *c)
{
	const struct host *h = inv_host(d->o.inv, c->id);
	struct txn *t;

	if (!h || h->standby != STANDBY_IN || h->connection_state != CONN_CONNECTED)
		return;
	t = txn_new(d->o.inv);
	((struct host *)txn_edit(t, c->id))->standby = STANDBY_NONE;
	txn_event(t, EV_HOST_WOKEN, c->id, OBJ_ID_NONE, NULL,
	    "Host %s is up, and no longer in standby", h->o.name);
	txn_commit(t, on_awake, NULL);
}

/* A move that has ended well tells how fast the guest writes. */
static void
note_dirty(struct drs *d, const struct change *c)
{
	const struct task *t = inv_task(d->o.inv, c->id);
	uint64_t bytes = 0;

	if (!t || t->state != TASK_SUCCESS || !str_same(t->op, "vm.migrate") ||
	    !inv_vm(d->o.inv, t->entity) || !t->result)
		return;
	if (!json_read_u64(t->result, "dirty_bytes_per_s", JSON_OPTIONAL, 0, INT64_MAX,
		&bytes, NULL) &&
	    bytes)
		past_of(d, t->entity)->dirty_mb_s = (double)bytes / MB_BYTES;
}

static void
note(struct drs *d, const struct change *c)
{
	if (obj_id_kind(c->id) == KIND_HOST && !c->volatile_only) {
		note_loss(d, c);
		note_awake(d, c);
	}
	if (obj_id_kind(c->id) == KIND_TASK)
		note_dirty(d, c);
}

static void
on_feed(void *arg)
{
	struct drs *d = CAST_OBJ(drs, arg, DRS_MAGIC);
	const struct change *c;
	bool is_news = !feed_reaches(d->o.inv, d->rev), is_task = is_news;

	for (uint64_t i = 0;
	     feed_reaches(d->o.inv, d->rev) && (c = feed_after(d->o.inv, d->rev, i));
	     i++) {
		is_news = is_news || is_of_interest(c);
		is_task = is_task || obj_id_kind(c->id) == KIND_TASK;
		note(d, c);
	}
	d->rev = inv_rev(d->o.inv);
	if (is_news)
		timer_after(d->settle, SETTLE_MS);
	if (is_news || is_task)
		drs_applier_look(d->applier);
}

/* Guests that have just moved are left alone for a while. */
static void
on_moved(void *arg, const struct drs_moved *m)
{
	struct drs *d = CAST_OBJ(drs, arg, DRS_MAGIC);
	struct drs_past *p = past_of(d, m->vm);

	p->moved_ms = now_ms(d);
	p->came_from = m->from;
	p->has_failed = m->has_failed;
}

/* What another server did lately is not to be undone by this one. */
static void
recall_moves(struct drs *d)
{
	INV_EACH(d->o.inv, KIND_REC, o)
	{
		const struct rec *r = inv_rec(d->o.inv, o->id);
		uint64_t age_ms = wall_ms(d) - o->created_ms, now = now_ms(d);
		bool is_late = o->created_ms > wall_ms(d) || age_ms >= DRS_RETURN_MS;
		if (r->state != REC_APPLIED || is_late || !inv_vm(d->o.inv, r->vm))
			continue;
		struct drs_past *p = past_of(d, r->vm);
		p->moved_ms = now > age_ms ? now - age_ms : 1;
		p->came_from = r->from;
	}
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
	d->past = map_new_u64();
	d->losses = map_new_u64();
	d->broken = map_new_u64();
	d->clusters = map_new_u64();
	d->applier = drs_applier_new(o->inv, o->hosts, o->ops, on_moved, d);
	d->round = timer_new(d->loop, on_round, d);
	d->settle = timer_new(d->loop, on_settled, d);
	d->rev = inv_rev(o->inv);
	d->slot = drs_past_slot(now_ms(d));
	timer_every(d->round, o->interval_ms ? o->interval_ms : INTERVAL_MS);
	feed_follow(o->inv, on_feed, d);
	recall_moves(d);
	return d;
}

static void
forget(struct map *m)
{
	MAP_EACH(m, it) {
		free(it.value);
	}
	map_free(m);
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
	forget(d->past);
	forget(d->losses);
	map_free(d->broken);
	forget(d->clusters);
	free(d);
}
