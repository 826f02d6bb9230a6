#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/hosts/host_stats.h"
#include "server/inventory/feed.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/inv_server.h"
#include "server/stats/stats_int.h"

#define WRITE_TICK_MS 1000u
#define DAY_MS        86400000u
#define STOP_MS       10000u /* for the last words to all files */
#define MS_PER_S      1000u
#define KB_BYTES      1024.0f
#define NOW_STEPS     3u /* a sample that is older says nothing of now */

const enum obj_kind stat_kinds[STAT_KINDS] = { KIND_HOST, KIND_VM, KIND_DATASTORE,
	KIND_POOL, KIND_CLUSTER, KIND_SERVER };

/* ---- objects ---- */

unsigned
stats_objects_of(const struct inv *inv, obj_id id)
{
	const struct vm *vm;

	switch (obj_id_kind(id)) {
	case KIND_HOST:
		return inv_host(inv, id) ? METRIC_OF_HOST : 0;
	case KIND_DATASTORE:
		return inv_datastore(inv, id) ? METRIC_OF_DATASTORE : 0;
	case KIND_POOL:
		return inv_pool(inv, id) ? METRIC_OF_POOL : 0;
	case KIND_CLUSTER:
		return inv_cluster(inv, id) ? METRIC_OF_CLUSTER : 0;
	case KIND_SERVER:
		return inv_droverd(inv, id) ? METRIC_OF_SERVER : 0;
	case KIND_VM:
		vm = inv_vm(inv, id);
		if (!vm)
			return 0;
		return vm->guest_type == GUEST_CONTAINER ? METRIC_OF_CONTAINER
							 : METRIC_OF_MACHINE;
	default:
		return 0;
	}
}

struct stat_object *
stats_find(const struct stats *s, obj_id id)
{
	return map_get(s->by_id, id.v);
}

static struct stat_object *
object_new(struct stats *s, obj_id id, unsigned objects)
{
	struct stat_object *o = xcalloc(1, sizeof(*o));

	o->id = id;
	o->objects = objects;
	o->ring = stat_ring_new(s->slots);
	list_init(&o->instances);
	map_put(s->by_id, id.v, o);
	list_add_tail(&s->objects, &o->node);
	stat_write_plan(s, o);
	return o;
}

struct stat_object *
stats_object(struct stats *s, obj_id id, uint64_t slot)
{
	struct stat_object *o = stats_find(s, id);
	unsigned objects;

	if (!o) {
		objects = stats_objects_of(s->inv, id);
		return objects ? object_new(s, id, objects) : NULL;
	}
	/* What comes is an hour old at most: the clock was ahead, and was set back. */
	if (stat_ring_newest(o->ring) > slot + s->slots) {
		stat_ring_free(o->ring);
		stat_instances_drop(&o->instances);
		o->ring = stat_ring_new(s->slots);
	}
	return o;
}

void
stats_drop(struct stats *s, struct stat_object *o)
{
	map_del(s->by_id, o->id.v);
	list_remove(&o->node);
	list_remove(&o->turn);
	stat_ring_free(o->ring);
	stat_instances_drop(&o->instances);
	stat_totals_free(o->totals);
	free(o);
}

bool
stats_put_value(struct stat_object *o, uint64_t slot, uint32_t counter, float v)
{
	const struct metric *m = metric_at(counter);

	if (!m || !(m->objects & o->objects) || m->level == METRIC_LEVEL_TOTAL)
		return true;
	return stat_ring_put(o->ring, slot, counter, v);
}

void
stats_put(struct stats *s, obj_id id, uint64_t slot, uint32_t counter, float v)
{
	struct stat_object *o = stats_object(s, id, slot);

	if (o)
		(void)stats_put_value(o, slot, counter, v);
}

size_t
stats_instances(const struct stats *s, obj_id id, uint32_t counter,
    const char *ret_names[METRIC_INSTANCES_MAX])
{
	const struct stat_object *o = stats_find(s, id);
	size_t n = 0;

	if (!o)
		return 0;
	LIST_EACH(struct stat_instance, i, &o->instances, node) {
		if (stat_ring_has(i->ring, counter))
			ret_names[n++] = i->name;
	}
	return n;
}

uint64_t
stats_slot(const struct stats *s, uint64_t wall_ms)
{
	uint64_t step_ms = (uint64_t)s->step_s * MS_PER_S;

	return (wall_ms + step_ms / 2) / step_ms;
}

float
stats_at(const struct stats *s, obj_id id, uint64_t slot, uint32_t counter)
{
	const struct stat_object *o = stats_find(s, id);

	return o ? stat_ring_get(o->ring, slot, counter) : NAN;
}

float
stats_now(const struct stats *s, obj_id id, uint32_t counter)
{
	const struct stat_object *o = stats_find(s, id);
	uint64_t slot = stats_slot(s, clock_wall_ms(loop_clock(s->loop)));
	uint64_t newest = o ? stat_ring_newest(o->ring) : 0;

	if (!newest || newest + NOW_STEPS < slot)
		return NAN;
	return stat_ring_get(o->ring, newest, counter);
}

double
stats_total(const struct stats *s, obj_id id, uint32_t counter)
{
	const struct stat_object *o = stats_find(s, id);

	return o && o->totals ? stat_totals_get(o->totals, counter) : (double)NAN;
}

char *
stats_path(const struct stats *s, obj_id id)
{
	char text[OBJ_ID_TEXT];

	return xasprintf("%s/%s/%s.rrd", s->dir, kind_plural(obj_id_kind(id)),
	    obj_id_text(id, text));
}

/* ---- what the inventory itself knows ---- */

static void
put_datastores(struct stats *s, uint64_t slot)
{
	INV_EACH(s->inv, KIND_DATASTORE, o)
	{
		const struct datastore *ds = inv_datastore(s->inv, o->id);
		uint64_t used = ds->capacity_bytes - ds->free_bytes;

		if (!ds->accessible || ds->free_bytes > ds->capacity_bytes)
			continue;
		stats_put(s, o->id, slot, METRIC_DISK_CAPACITY,
		    (float)ds->capacity_bytes / KB_BYTES);
		stats_put(s, o->id, slot, METRIC_DISK_USED, (float)used / KB_BYTES);
		stats_tell(s, o->id, slot);
	}
}

/* Half a step after what agents sample is due. */
static void
arm_due(struct stats *s)
{
	uint64_t step_ms = (uint64_t)s->step_s * MS_PER_S;
	uint64_t into_ms = clock_wall_ms(loop_clock(s->loop)) % step_ms;
	uint64_t half_ms = step_ms / 2;

	timer_after(s->own,
	    into_ms < half_ms ? half_ms - into_ms : step_ms + half_ms - into_ms);
}

static void
on_due(void *arg)
{
	struct stats *s = CAST_OBJ(stats, arg, STATS_MAGIC);
	uint64_t wall_ms = clock_wall_ms(loop_clock(s->loop));
	uint64_t slot = wall_ms / ((uint64_t)s->step_s * MS_PER_S);

	put_datastores(s, slot);
	stat_self_put(s, slot);
	stat_sum_up(s, slot);
	stat_tell_busy(s, slot);
	arm_due(s);
}

/* Files of what has gone go to their rest. */
static void
on_feed(void *arg)
{
	struct stats *s = CAST_OBJ(stats, arg, STATS_MAGIC);
	const struct change *c;
	uint64_t i = 0;

	while ((c = feed_after(s->inv, s->feed_rev, i++)) != NULL) {
		if (c->kind == CHANGE_DEL && stats_find(s, c->id))
			stat_put_away(s, c->id);
	}
	s->feed_rev = inv_rev(s->inv);
	stat_live_look(s);
}

static void
on_tick(void *arg)
{
	stat_write_due(CAST_OBJ(stats, arg, STATS_MAGIC));
}

static void
on_day(void *arg)
{
	stat_sweep(CAST_OBJ(stats, arg, STATS_MAGIC));
}

/* ---- life ---- */

int
stats_check_interval(uint64_t ms, struct err *e)
{
	uint64_t s = ms / MS_PER_S, row_s = stat_archives[1].row_s;

	if (!s || ms % MS_PER_S || row_s % s)
		return err_set(e, ERR_INVALID,
		    "samples every %llu ms do not make whole rows of %llu s",
		    (unsigned long long)ms, (unsigned long long)row_s);
	return 0;
}

static int
make_folder(const char *path, struct err *e)
{
	if (mkdir(path, 0750) && errno != EEXIST)
		return err_sys(e, ERR_IO, errno, "cannot make folder %s", path);
	return 0;
}

static int
make_folders(const struct stats *s, struct err *e)
{

	AUTO_FREE char *deleted = xasprintf("%s/deleted", s->dir);
	int rc = make_folder(s->dir, e);

	for (size_t i = 0; !rc && i < STAT_KINDS; i++) {
		AUTO_FREE char *path =
		    xasprintf("%s/%s", s->dir, kind_plural(stat_kinds[i]));

		rc = make_folder(path, e);
	}
	return rc ? rc : make_folder(deleted, e);
}

static void
start(struct stats *s)
{
	s->workers = workers_new(s->loop, STATS_THREADS, STATS_QUEUE);
	s->tick = timer_new(s->loop, on_tick, s);
	s->own = timer_new(s->loop, on_due, s);
	s->daily = timer_new(s->loop, on_day, s);
	s->feed_rev = inv_rev(s->inv);
	feed_follow(s->inv, on_feed, s);
	stat_sum_open(s);
	stat_live_open(s);
	stat_self_open(s);
	stat_intake_open(s);
	stat_sweep(s);
	timer_every(s->tick, WRITE_TICK_MS);
	arm_due(s);
	timer_every(s->daily, DAY_MS);
}

int
stats_new(const struct stats_opts *o, struct stats **ret, struct err *e)
{
	int rc = stats_check_interval(o->interval_ms, e);
	struct stats *s;

	if (rc)
		return rc;
	s = xcalloc(1, sizeof(*s));
	s->magic = STATS_MAGIC;
	s->inv = o->inv;
	s->hosts = o->hosts;
	s->loop = inv_loop(o->inv);
	s->dir = xstrdup(o->dir);
	s->daemon = xstrdup(o->daemon ? o->daemon : "");
	s->name = xstrdup(o->name ? o->name : "");
	s->started_ms = clock_wall_ms(loop_clock(s->loop));
	s->step_s = o->interval_ms / MS_PER_S;
	s->slots = STATS_RING_S / s->step_s;
	s->write_s = o->write_s;
	s->wheel = xcalloc(s->write_s, sizeof(*s->wheel));
	for (uint32_t i = 0; i < s->write_s; i++)
		list_init(&s->wheel[i]);
	list_init(&s->due);
	s->turned_s = loop_now_ms(s->loop) / MS_PER_S;
	s->by_id = map_new_u64();
	s->sources = map_new_u64();
	list_init(&s->objects);
	list_init(&s->scans);
	list_init(&s->queries);
	stat_graph_open(s, o->graph_program);
	rc = make_folders(s, e);
	if (rc) {
		stats_free(s);
		return rc;
	}
	start(s);
	*ret = s;
	return 0;
}

void
stats_close(struct stats *s)
{
	struct workers *w = MOVE(s->workers);

	if (w)
		feed_unfollow(s->inv, on_feed, s);
	workers_free(w);
	stat_scan_close(s);
	stat_query_close(s);
	stat_graph_close(s);
}

void
stats_free(struct stats *s)
{
	if (!s)
		return;
	stats_close(s);
	stat_write_all(s, STOP_MS);
	stat_intake_close(s);
	stat_live_close(s);
	stat_self_close(s);
	stat_sum_close(s);
	stat_graph_free(s);
	timer_free(s->tick);
	timer_free(s->own);
	timer_free(s->daily);
	LIST_EACH_SAFE(struct stat_object, o, &s->objects, node)
		stats_drop(s, o);
	map_free(s->by_id);
	map_free(s->sources);
	free(s->wheel);
	free(s->dir);
	free(s->daemon);
	free(s->name);
	s->magic = 0;
	free(s);
}

uint32_t
stats_step_s(const struct stats *s)
{
	return s->step_s;
}

float
stats_sample(const struct stats *s, obj_id id, uint64_t slot, uint32_t counter)
{
	const struct stat_object *o = stats_find(s, id);

	return o ? stat_ring_get(o->ring, slot, counter) : NAN;
}

void
stats_follow(struct stats *s, stats_fn fn, void *arg)
{
	s->follower = fn;
	s->follower_arg = arg;
}

void
stats_tell(const struct stats *s, obj_id id, uint64_t slot)
{
	if (s->follower)
		s->follower(s->follower_arg, id, slot);
	stat_live_tell(s, id, slot);
}
