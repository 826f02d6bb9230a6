#include "server/ha/ha_capacity.h"

#include "base/arena.h"
#include "base/assert.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/post.h"
#include "loop/timer.h"
#include "loop/worker.h"
#include "server/admission/admission.h"
#include "server/advice/advice.h"
#include "server/event/event.h"
#include "server/ha/ha_loss.h"
#include "server/inventory/feed.h"
#include "server/inventory/inv_life.h"

#define CAPACITY_MAGIC 0x68616361u
#define SETTLE_MS      2000u
#define ROUND_MS       60000u
#define QUIET_MS       60000u /* after a start hosts are still coming back */
#define REST_TIMES     9u     /* a look's own time, until the next one */
#define TURN_MS        20u    /* for the views of clusters, in one turn of the loop */
#define AT_ONCE        8u     /* as many as HA starts on a host at once */
#define MAX_LOSSES     256u   /* single hosts that are tried in a large cluster */

/* What is known of a cluster. */
struct known {
	json *capacity;
	bool is_trying, is_low, is_degraded;
	uint64_t began_ms;
	uint64_t rests_until_ms; /* a large cluster does not keep a worker busy */
};

struct ha_capacity {
	uint32_t magic;
	struct ha_capacity_opts o;
	struct loop *loop;
	struct timer *settle, *round;
	bool is_settling;
	obj_id last; /* the cluster that was looked at last */
	uint64_t rev, since_ms;
	struct map *known; /* cluster id → struct known */
};

struct job {
	struct ha_capacity *c;
	obj_id cluster;
	struct sched_view *view;
	struct arena *mem;
	struct ha_loss *losses;
	size_t n;
	const uint64_t *by_load; /* those that carry most first */
	size_t n_by_load;
	uint32_t survives;
	ha_try_fn done; /* NULL: a look at all hosts */
	void *arg;
};

static struct known *
known_of(struct ha_capacity *c, obj_id cluster)
{
	struct known *k = map_get(c->known, cluster.v);

	if (!k) {
		k = xcalloc(1, sizeof(*k));
		map_put(c->known, cluster.v, k);
	}
	return k;
}

static uint64_t
now_ms(const struct ha_capacity *c)
{
	return clock_mono_ms(loop_clock(c->loop));
}

/* ---- trying, on a worker ---- */

static void
lose(const struct job *j, struct ha_loss *l)
{
	const struct restart_ask ask = {
		.lost = l->hosts,
		.lost_count = l->n,
		.at_once = AT_ONCE,
		.keeps_apart = true,
		.waits = true,
		.detail = SCHED_BRIEF,
	};

	if (sched_restart(j->view, &ask, &l->plan, &l->err))
		l->plan = NULL;
}

static bool
is_survived(const struct job *j, size_t n)
{
	struct ha_loss l = { .hosts = j->by_load, .n = n };
	bool is;

	lose(j, &l);
	is = l.plan && !l.plan->refused;
	sched_plan_free(l.plan);
	return is;
}

/* More than one: those that carry most, which are the hardest to do without. */
static uint32_t
count_survived(const struct job *j)
{
	uint32_t n = 1;

	for (size_t i = 0; i < j->n; i++) {
		if (!j->losses[i].plan || j->losses[i].plan->refused)
			return 0;
	}
	while (n + 1 < j->n_by_load && is_survived(j, n + 1))
		n++;
	return j->n ? n : 0;
}

static int
on_worker(void *job)
{
	struct job *j = job;

	for (size_t i = 0; i < j->n; i++)
		lose(j, &j->losses[i]);
	if (!j->done)
		j->survives = count_survived(j);
	return 0;
}

static void
job_free(struct job *j)
{
	for (size_t i = 0; i < j->n; i++)
		sched_plan_free(j->losses[i].plan);
	sched_view_free(j->view);
	arena_free(j->mem);
	free(j);
}

/* ---- what came out ---- */

static void
note_row(const struct job *j, const char *text)
{
	struct inv *inv = j->c->o.inv;
	struct admission_room room;
	struct cluster *cl;

	admission_stand(inv, j->cluster, &room);
	cl = inv_note_begin(inv, j->cluster);
	cl->ha_survives = j->survives;
	text_set(&cl->ha_capacity, text);
	cl->ha_slots_total = room.slots.total;
	cl->ha_slots_used = room.slots.used;
	cl->ha_slots_free = room.slots.free;
	cl->ha_slot_mhz = room.slots.slot.cpu_mhz;
	cl->ha_slot_mb = room.slots.slot.memory_mb;
	inv_note_end(inv, j->cluster);
}

/* Once when it gets worse, and once when it is well again. */
static void
tell_level(const struct job *j, struct known *k, const char *text)
{
	const struct cluster *cl = inv_cluster(j->c->o.inv, j->cluster);
	bool is_low = j->survives < cl->ha_failover_level;

	if (is_low && !k->is_low) {
		event_post(j->c->o.inv, EV_HA_CAPACITY_LOW, j->cluster, NULL,
		    "Cluster %s may lose %u host%s and should %u: %s", cl->o.name,
		    j->survives, j->survives == 1 ? "" : "s", cl->ha_failover_level,
		    text);
	} else if (!is_low && k->is_low) {
		event_post(j->c->o.inv, EV_HA_CAPACITY_OK, j->cluster, NULL,
		    "Cluster %s %s", cl->o.name, text);
	}
	k->is_low = is_low;
}

static void
tell_degradation(const struct job *j, struct known *k)
{
	const struct cluster *cl = inv_cluster(j->c->o.inv, j->cluster);
	uint32_t percent = admission_degradation(j->c->o.inv, j->cluster);
	bool is_degraded = percent > cl->ha_degradation_percent;

	if (is_degraded && !k->is_degraded) {
		event_post(j->c->o.inv, EV_HA_DEGRADATION, j->cluster, NULL,
		    "With %u host%s of cluster %s lost its guests would miss %u %% of "
		    "what they use; %u %% is tolerated",
		    cl->ha_failover_level, cl->ha_failover_level == 1 ? "" : "s",
		    cl->o.name, percent, cl->ha_degradation_percent);
	}
	k->is_degraded = is_degraded;
}

static void
keep(const struct job *j)
{
	struct known *k = known_of(j->c, j->cluster);
	const struct inv *inv = j->c->o.inv;
	AUTO(str) struct str text = STR_INIT;

	ha_loss_say(inv, j->losses, j->n, j->survives, &text);
	json_free(k->capacity);
	k->capacity = ha_loss_json(inv, j->losses, j->n, j->survives, str_cstr(&text));
	note_row(j, str_cstr(&text));
	if (now_ms(j->c) < j->c->since_ms + QUIET_MS)
		return;
	tell_level(j, k, str_cstr(&text));
	tell_degradation(j, k);
}

static void
answer(const struct job *j)
{
	const struct ha_loss *l = &j->losses[0];
	AUTO(json) json *plan = l->plan ? ha_plan_json(j->c->o.inv, l->plan) : NULL;

	j->done(j->arg, l->err.code, &l->err, plan);
}

static void
rest(const struct ha_capacity *c, struct known *k)
{
	uint64_t now = now_ms(c);

	k->is_trying = false;
	k->rests_until_ms = now + REST_TIMES * (now - k->began_ms);
}

static void
on_tried(void *job, int rc)
{
	struct job *j = job;

	if (rc)
		err_set(&j->losses[0].err, rc, "the server is stopping");
	if (j->done)
		answer(j);
	else if (!rc && inv_cluster(j->c->o.inv, j->cluster))
		keep(j);
	if (!j->done)
		rest(j->c, known_of(j->c, j->cluster));
	job_free(j);
}

static void
on_tried_here(void *job)
{
	on_tried(job, 0);
}

static void
begin(struct job *j)
{
	struct ha_capacity *c = j->c;
	struct err e = ERR_INIT;

	if (!j->done) {
		known_of(c, j->cluster)->is_trying = true;
		known_of(c, j->cluster)->began_ms = now_ms(c);
	}
	if (c->o.workers && !worker_run(c->o.workers, on_worker, on_tried, j, &e))
		return;
	on_worker(j);
	post_call(c->loop, on_tried_here, j);
}

/* ---- what is tried ---- */

struct carrier {
	uint64_t host, memory_mb;
};

static int
by_memory(const void *pa, const void *pb)
{
	const struct carrier *a = pa, *b = pb;

	if (a->memory_mb != b->memory_mb)
		return a->memory_mb > b->memory_mb ? -1 : 1;
	return (a->host > b->host) - (a->host < b->host);
}

static int
by_id(const void *key, const void *member)
{
	uint64_t a = *(const uint64_t *)key;
	uint64_t b = ((const struct carrier *)member)->host;

	return (a > b) - (a < b);
}

/* What runs on each, of a list in the order of ids. */
static void
add_up(const struct inv *inv, struct carrier *list, size_t n)
{
	INV_EACH(inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(inv, o->id);
		uint64_t host = obj_id_number(vm->host);
		if (vm->power_state == POWER_OFF || vm->power_state == POWER_SUSPENDED)
			continue;
		struct carrier *c = bsearch(&host, list, n, sizeof(*list), by_id);
		if (c)
			c->memory_mb += vm->memory_mb;
	}
}

/* The cluster's hosts that could be lost, those that carry most first. */
static void
list_hosts(struct job *j)
{
	const struct inv *inv = j->c->o.inv;
	struct carrier *list =
	    arena_array(j->mem, inv_count(inv, KIND_HOST) + 1, sizeof(*list));
	uint64_t *ids;
	size_t n = 0;

	INV_EACH(inv, KIND_HOST, o)
	{
		if (obj_id_is(o->parent, j->cluster) &&
		    inv_host(inv, o->id)->connection_state == CONN_CONNECTED)
			list[n++].host = obj_id_number(o->id);
	}
	add_up(inv, list, n);
	qsort(list, n, sizeof(*list), by_memory);
	j->by_load = ids = arena_array(j->mem, n + 1, sizeof(*ids));
	j->n_by_load = n;
	for (size_t i = 0; i < n; i++)
		ids[i] = list[i].host;
	j->n = n < MAX_LOSSES ? n : MAX_LOSSES;
	j->losses = arena_array(j->mem, j->n + 1, sizeof(*j->losses));
	for (size_t i = 0; i < j->n; i++)
		j->losses[i] = (struct ha_loss){ .hosts = &ids[i], .n = 1 };
}

static struct job *
job_new(struct ha_capacity *c, obj_id cluster, struct err *e)
{
	struct job *j = xcalloc(1, sizeof(*j));

	j->c = c;
	j->cluster = cluster;
	j->mem = arena_new();
	if (!advice_restart_view(c->o.advice, &j->view, e))
		return j;
	job_free(j);
	return NULL;
}

static void
look(struct ha_capacity *c, obj_id cluster)
{
	struct err e = ERR_INIT;
	struct job *j = job_new(c, cluster, &e);

	if (!j) {
		struct cluster *cl = inv_note_begin(c->o.inv, cluster);
		text_set(&cl->ha_capacity, e.msg);
		inv_note_end(c->o.inv, cluster);
		return;
	}
	list_hosts(j);
	begin(j);
}

/* Of one that has HA no more nothing is shown. */
static void
drop(struct ha_capacity *c, obj_id cluster)
{
	struct known *k = map_get(c->known, cluster.v);
	struct cluster *cl = k ? inv_note_begin(c->o.inv, cluster) : NULL;

	if (cl) {
		cl->ha_survives = 0;
		text_set(&cl->ha_capacity, NULL);
		inv_note_end(c->o.inv, cluster);
	}
	if (!k || k->is_trying)
		return;
	json_free(k->capacity);
	free(map_del(c->known, cluster.v));
}

static void
look_after(struct ha_capacity *c, uint64_t ms)
{
	if (c->is_settling)
		return;
	c->is_settling = true;
	timer_after(c->settle, ms);
}

static bool
may_look(const struct ha_capacity *c, const struct known *k)
{
	return !k->is_trying && now_ms(c) >= k->rests_until_ms;
}

/* The one after id, and after the last one the first again. */
static const struct obj *
next_cluster(const struct ha_capacity *c, obj_id id)
{
	const struct obj *o = inv_next(c->o.inv, KIND_CLUSTER, id);

	return o ? o : inv_next(c->o.inv, KIND_CLUSTER, OBJ_ID_NONE);
}

/* Each view has all hosts and guests in it, so of many clusters some wait. */
static void
on_round(void *arg)
{
	struct ha_capacity *c = CAST_OBJ(ha_capacity, arg, CAPACITY_MAGIC);
	uint64_t begin_ms = now_ms(c);
	const struct obj *o = next_cluster(c, c->last);

	c->is_settling = false;
	for (size_t n = inv_count(c->o.inv, KIND_CLUSTER); n > 0; n--) {
		uint64_t spent_ms = now_ms(c) - begin_ms;
		if (spent_ms >= TURN_MS) {
			look_after(c, spent_ms * REST_TIMES);
			return;
		}
		c->last = o->id;
		if (!inv_cluster(c->o.inv, o->id)->ha_enabled)
			drop(c, o->id);
		else if (may_look(c, known_of(c, o->id)))
			look(c, o->id);
		else
			look_after(c, SETTLE_MS);
		o = next_cluster(c, c->last);
	}
}

static bool
is_of_interest(const struct change *ch)
{
	switch (obj_id_kind(ch->id)) {
	case KIND_CLUSTER:
	case KIND_HOST:
	case KIND_VM:
	case KIND_RULE:
		return !ch->volatile_only;
	default:
		return false;
	}
}

static void
on_feed(void *arg)
{
	struct ha_capacity *c = CAST_OBJ(ha_capacity, arg, CAPACITY_MAGIC);
	const struct change *ch;
	bool is_news = !feed_reaches(c->o.inv, c->rev);

	for (uint64_t i = 0; !is_news && (ch = feed_after(c->o.inv, c->rev, i)); i++)
		is_news = is_of_interest(ch);
	c->rev = inv_rev(c->o.inv);
	if (is_news)
		look_after(c, SETTLE_MS);
}

/* ---- for others ---- */

const json *
ha_capacity_of(const struct ha_capacity *c, obj_id cluster)
{
	const struct known *k = map_get(c->known, cluster.v);

	return k ? k->capacity : NULL;
}

/* Something to be told in the next posts phase. */
static void
fail(struct ha_capacity *c, const struct err *e, ha_try_fn done, void *arg)
{
	struct job *j = xcalloc(1, sizeof(*j));

	j->c = c;
	j->mem = arena_new();
	j->losses = arena_array(j->mem, 1, sizeof(*j->losses));
	j->losses[0].err = *e;
	j->n = 1;
	j->done = done;
	j->arg = arg;
	post_call(c->loop, on_tried_here, j);
}

void
ha_capacity_try(struct ha_capacity *c, obj_id cluster, const obj_id *hosts, size_t n,
    ha_try_fn done, void *arg)
{
	struct err e = ERR_INIT;
	struct job *j = job_new(c, cluster, &e);

	if (!j) {
		fail(c, &e, done, arg);
		return;
	}
	uint64_t *ids = arena_array(j->mem, n + 1, sizeof(*ids));
	for (size_t i = 0; i < n; i++)
		ids[i] = obj_id_number(hosts[i]);
	j->losses = arena_array(j->mem, 1, sizeof(*j->losses));
	j->losses[0] = (struct ha_loss){ .hosts = ids, .n = n };
	j->n = 1;
	j->done = done;
	j->arg = arg;
	begin(j);
}

struct ha_capacity *
ha_capacity_new(const struct ha_capacity_opts *o)
{
	struct ha_capacity *c = xcalloc(1, sizeof(*c));

	c->magic = CAPACITY_MAGIC;
	c->o = *o;
	c->loop = inv_loop(o->inv);
	c->known = map_new_u64();
	c->settle = timer_new(c->loop, on_round, c);
	c->round = timer_new(c->loop, on_round, c);
	c->rev = inv_rev(o->inv);
	c->since_ms = now_ms(c);
	timer_every(c->round, ROUND_MS);
	feed_follow(o->inv, on_feed, c);
	return c;
}

void
ha_capacity_free(struct ha_capacity *c)
{
	if (!c)
		return;
	feed_unfollow(c->o.inv, on_feed, c);
	timer_free(c->settle);
	timer_free(c->round);
	MAP_EACH(c->known, it) {
		struct known *k = it.value;
		json_free(k->capacity);
		free(k);
	}
	map_free(c->known);
	free(c);
}
