#include "server/export/export_tally.h"

#include <string.h>

#include "base/assert.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/event/event.h"
#include "server/export/export_int.h"
#include "server/ha/ha.h"
#include "server/inventory/feed.h"

#define TALLY_MAGIC 0x74616c79u

const char *const tally_reasons[] = { "user", "drs", "ha" };
const char *const tally_results[] = { "success", "error" };

static const double migration_upper[] = { 1, 2.5, 5, 10, 30, 60, 300, 1800 };
static const double downtime_upper[] = { 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10 };
static const double failover_upper[] = { 5, 10, 15, 20, 30, 60, 120, 600 };

const struct expo_bounds tally_migration_bounds = { migration_upper,
	ARRAY_SIZE(migration_upper) };
const struct expo_bounds tally_downtime_bounds = { downtime_upper,
	ARRAY_SIZE(downtime_upper) };
const struct expo_bounds tally_failover_bounds = { failover_upper,
	ARRAY_SIZE(failover_upper) };

struct export_tally {
	uint32_t magic;
	struct inv *inv;
	struct ha *ha;
	struct map *clusters; /* struct tally_cluster */
	struct map *events;   /* struct tally_event by type */
	struct map *ended;    /* tasks that are counted, by id: the task's number */
	uint64_t rev;         /* of the feed, as far as it was read */
};

static struct tally_cluster *
cluster_of(struct export_tally *t, obj_id cluster)
{
	struct tally_cluster *c = map_get(t->clusters, cluster.v);

	if (!c) {
		c = xcalloc(1, sizeof(*c));
		map_put(t->clusters, cluster.v, c);
	}
	return c;
}

static enum tally_reason
reason_of(const struct task *task)
{
	/* The drivers act under names that no user can have. */
	if (str_same(task->user_name, "drs"))
		return TALLY_DRS;
	return str_same(task->user_name, "ha") ? TALLY_HA : TALLY_USER;
}

static void
count_migration(struct tally_cluster *c, const struct task *task)
{
	enum tally_result result =
	    task->state == TASK_SUCCESS ? TALLY_SUCCESS : TALLY_ERROR;
	const json *outage = task->result ? json_get(task->result, "outage_ms") : NULL;

	c->migrations[reason_of(task)][result]++;
	if (result != TALLY_SUCCESS)
		return;
	if (task->started_at && task->finished_at >= task->started_at)
		expo_observe(&c->migration_time, &tally_migration_bounds,
		    (double)(task->finished_at - task->started_at) / MS_PER_S);
	if (outage && json_what(outage) == JSON_IS_INT)
		expo_observe(&c->downtime, &tally_downtime_bounds,
		    (double)json_int_value(outage) / MS_PER_S);
}

static void
count_task(struct export_tally *t, const struct task *task)
{
	obj_id cluster;

	if (task->state != TASK_SUCCESS && task->state != TASK_ERROR)
		return;
	if (!str_same(task->op, "vm.migrate") && !str_same(task->op, "ha.restart"))
		return;
	if (map_put(t->ended, task->o.id.v, t))
		return;
	cluster = export_cluster_of(t->inv, task->entity);
	if (obj_id_none(cluster))
		return;
	if (str_same(task->op, "vm.migrate"))
		count_migration(cluster_of(t, cluster), task);
	else
		cluster_of(t, cluster)
		    ->restarts[task->state == TASK_SUCCESS ? TALLY_SUCCESS
							   : TALLY_ERROR]++;
}

static void
on_change(struct export_tally *t, const struct change *c)
{
	const struct task *task = NULL;

	if (obj_id_kind(c->id) == KIND_TASK) {
		task = inv_task(t->inv, c->id);
		if (task)
			count_task(t, task);
		else
			(void)map_del(t->ended, c->id.v);
	} else if (obj_id_kind(c->id) == KIND_CLUSTER && c->kind == CHANGE_DEL) {
		free(map_del(t->clusters, c->id.v));
	}
}

static void
on_feed(void *arg)
{
	struct export_tally *t = CAST_OBJ(export_tally, arg, TALLY_MAGIC);
	const struct change *c;
	uint64_t i = 0;

	while ((c = feed_after(t->inv, t->rev, i++)) != NULL)
		on_change(t, c);
	t->rev = inv_rev(t->inv);
}

static void
on_event(const json *ev, void *arg)
{
	struct export_tally *t = CAST_OBJ(export_tally, arg, TALLY_MAGIC);
	const char *type = json_str_value(json_get(ev, "type"), NULL);
	struct tally_event *e;

	if (!type)
		return;
	e = map_get_str(t->events, type);
	if (!e) {
		e = xcalloc(1, sizeof(*e));
		map_put_str(t->events, type, e);
	}
	e->n++;
}

static void
on_restarted(void *arg, obj_id cluster, const struct ha_status_failover *f)
{
	struct export_tally *t = CAST_OBJ(export_tally, arg, TALLY_MAGIC);

	if (!obj_id_none(cluster))
		expo_observe(&cluster_of(t, cluster)->failover_time,
		    &tally_failover_bounds,
		    (double)(f->detect_ms + f->wait_ms + f->claim_ms + f->exec_ms) /
			MS_PER_S);
}

const struct tally_cluster *
export_tally_of(const struct export_tally *t, obj_id cluster)
{
	static const struct tally_cluster nothing;
	const struct tally_cluster *c = map_get(t->clusters, cluster.v);

	return c ? c : &nothing;
}

const struct map *
export_tally_events(const struct export_tally *t)
{
	return t->events;
}

struct export_tally *
export_tally_new(struct inv *inv, struct ha *ha)
{
	struct export_tally *t = xcalloc(1, sizeof(*t));

	t->magic = TALLY_MAGIC;
	t->inv = inv;
	t->ha = ha;
	t->clusters = map_new_u64();
	t->events = map_new_str();
	t->ended = map_new_u64();
	t->rev = inv_rev(inv);
	feed_follow(inv, on_feed, t);
	event_follow(inv, on_event, t);
	if (ha)
		ha_follow_restarts(ha, on_restarted, t);
	return t;
}

void
export_tally_free(struct export_tally *t)
{
	if (!t)
		return;
	if (t->ha)
		ha_follow_restarts(t->ha, NULL, NULL);
	event_unfollow(t->inv, on_event, t);
	feed_unfollow(t->inv, on_feed, t);
	MAP_EACH(t->clusters, it)
		free(it.value);
	MAP_EACH(t->events, it)
		free(it.value);
	map_free(t->clusters);
	map_free(t->events);
	map_free(t->ended);
	free(t);
}
