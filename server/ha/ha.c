#include "server/ha/ha.h"

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/timer.h"
#include "server/ha/ha_int.h"
#include "server/hosts/host_beat.h"
#include "server/inventory/feed.h"
#include "server/inventory/inv_life.h"
#include "server/ops/op_def.h"

#define TICK_MS    500u
#define REST_TIMES 4u /* a look's own time, until the next one that news ask for */
#define WAIT_MAGIC 0x68617774u

uint64_t
ha_now_ms(const struct ha *ha)
{
	return clock_mono_ms(loop_clock(ha->loop));
}

/* ---- what is remembered ---- */

struct ha_node *
ha_node_find(const struct ha *ha, obj_id host)
{
	return map_get(ha->nodes, host.v);
}

/* R4: what the leader before us granted may hold until its leadership is over. */
static void
take_over(struct ha *ha, struct ha_node *n)
{
	uint64_t before_ms = ha->o.before_end_ms(ha->o.arg);
	const struct host *row = inv_host(ha->o.inv, n->id);

	if (row && row->ha_frozen) {
		n->h.mode = HA_FROZEN;
		n->h.frozen_until_ms = ha_now_ms(ha) + LEASE_FREEZE_MS;
	}
	ha_take_over(&n->h, ha_now_ms(ha));
	if (before_ms > n->h.grants_end_ms)
		n->h.grants_end_ms = before_ms;
}

struct ha_node *
ha_node_of(struct ha *ha, obj_id host)
{
	struct ha_node *n = ha_node_find(ha, host);

	if (n)
		return n;
	n = xcalloc(1, sizeof(*n));
	n->id = host;
	n->runs = map_new_u64();
	n->conf_rev = ha->o.epoch << 32;
	take_over(ha, n);
	map_put(ha->nodes, host.v, n);
	return n;
}

static void
node_free(struct ha_node *n)
{
	MAP_EACH(n->runs, it) {
		free(it.value);
	}
	map_free(n->runs);
	free(n->words);
	free(n->stores);
	free(n->fencing_by);
	free(n->conf);
	free(n);
}

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

struct ha_cluster *
ha_cluster_of(struct ha *ha, obj_id cluster)
{
	struct ha_cluster *c =
	    memory_of(ha->clusters, cluster, sizeof(struct ha_cluster));

	c->id = cluster;
	return c;
}

struct ha_guest *
ha_guest_of(struct ha *ha, obj_id vm)
{
	struct ha_guest *g = memory_of(ha->guests, vm, sizeof(struct ha_guest));

	g->id = vm;
	return g;
}

struct ha_guest *
ha_guest_find(const struct ha *ha, obj_id vm)
{
	return map_get(ha->guests, vm.v);
}

static void
forget_gone(struct ha *ha)
{
	MAP_EACH(ha->nodes, it) {
		const struct ha_node *n = it.value;
		if (!inv_host(ha->o.inv, n->id) && !n->busy)
			node_free(map_del(ha->nodes, it.key));
	}
	MAP_EACH(ha->guests, it) {
		struct ha_guest *g = it.value;
		if (inv_vm(ha->o.inv, g->id))
			continue;
		ha_port_forget(g);
		free(map_del(ha->guests, it.key));
	}
	MAP_EACH(ha->clusters, it) {
		const struct ha_cluster *c = it.value;
		if (!inv_cluster(ha->o.inv, c->id) && !c->busy)
			free(map_del(ha->clusters, it.key));
	}
}

struct ha_wait *
ha_wait_new(struct ha *ha, obj_id id)
{
	struct ha_wait *w = xcalloc(1, sizeof(*w));

	w->magic = WAIT_MAGIC;
	w->ha = ha;
	w->id = id;
	list_add_tail(&ha->waits, &w->node);
	return w;
}

struct ha *
ha_wait_end(void *wait, obj_id *ret_id)
{
	struct ha_wait *w = CAST_OBJ(ha_wait, wait, WAIT_MAGIC);
	struct ha *ha = w->ha;

	*ret_id = w->id;
	list_remove(&w->node);
	free(w);
	return ha;
}

/* ---- what others ask of the inventory ---- */

const struct cluster *
ha_enabled_of(const struct ha *ha, obj_id host)
{
	const struct cluster *cl =
	    inv_cluster(ha->o.inv, inv_ancestor(ha->o.inv, host, KIND_CLUSTER));

	return cl && cl->ha_enabled ? cl : NULL;
}

struct lease_terms
ha_terms_of(const struct cluster *cl)
{
	switch (cl->ha_terms) {
	case HA_TERMS_WATCHDOG:
		return lease_preset(LEASE_WATCHDOG);
	case HA_TERMS_TOLERANT:
		return lease_preset(LEASE_TOLERANT);
	case HA_TERMS_SOFTWARE:
	case ha_terms_COUNT_:
		break;
	}
	return lease_preset(LEASE_SOFTWARE);
}

struct busy {
	struct map *guests;
};

/* Fits none, so that it is asked for all. */
static bool
note_busy(const struct task_run *r, const void *arg)
{
	const struct busy *b = arg;

	if (obj_id_kind(r->entity) == KIND_VM)
		map_put(b->guests, r->entity.v, task_run_find(r->tasks, r->id));
	return false;
}

struct map *
ha_busy_guests(const struct ha *ha)
{
	struct busy b = { .guests = map_new_u64() };

	task_run_search(ha->o.tasks, note_busy, &b);
	return b.guests;
}

/* ---- when to look ---- */

/* Where HA was switched off nobody judges the hosts any more. */
static void
forget_states(struct ha *ha)
{
	INV_EACH(ha->o.inv, KIND_HOST, o)
	{
		if (!inv_host(ha->o.inv, o->id)->ha_state || ha_enabled_of(ha, o->id))
			continue;
		struct ha_node *n = ha_node_find(ha, o->id);
		struct host *h = inv_note_begin(ha->o.inv, o->id);
		text_set(&h->ha_state, NULL);
		inv_note_end(ha->o.inv, o->id);
		if (n)
			n->is = HA_UP;
	}
}

static void
look(struct ha *ha)
{
	uint64_t begin_ms = ha_now_ms(ha);

	forget_gone(ha);
	forget_states(ha);
	ha_protect_look(ha);
	ha_confs_send(ha);
	INV_EACH(ha->o.inv, KIND_CLUSTER, o)
	{
		const struct cluster *cl = inv_cluster(ha->o.inv, o->id);
		if (!cl->ha_enabled)
			continue;
		ha_fence_look(ha, cl);
		ha_restart_look(ha, cl);
	}
	uint64_t now_ms = ha_now_ms(ha);
	ha->rests_until_ms = now_ms + REST_TIMES * (now_ms - begin_ms);
}

static void
on_tick(void *arg)
{
	look(CAST_OBJ(ha, arg, HA_MAGIC));
}

static void
on_soon(void *arg)
{
	struct ha *ha = CAST_OBJ(ha, arg, HA_MAGIC);

	ha->looking = false;
	look(ha);
}

void
ha_look_soon(struct ha *ha)
{
	uint64_t now_ms = ha_now_ms(ha);

	if (ha->looking)
		return;
	ha->looking = true;
	timer_after(
	    ha->soon, ha->rests_until_ms > now_ms ? ha->rests_until_ms - now_ms : 0);
}

static void
take_change(struct ha *ha, const struct change *c)
{
	const struct task *task = inv_task(ha->o.inv, c->id);

	if (task && c->kind == CHANGE_SET && !c->volatile_only &&
	    str_same(task->op, "ha.restart"))
		ha_restart_ended(ha, task);
	if (task && inv_vm(ha->o.inv, task->entity))
		ha_guest_of(ha, task->entity)->busy_ms = ha_now_ms(ha);
	switch (obj_id_kind(c->id)) {
	case KIND_CLUSTER:
	case KIND_DATASTORE:
	case KIND_HOST:
	case KIND_NETWORK:
	case KIND_VM:
		ha->confs_due = ha->confs_due || !c->volatile_only;
		break;
	default:
		break;
	}
}

static void
on_feed(void *arg)
{
	struct ha *ha = CAST_OBJ(ha, arg, HA_MAGIC);
	const struct change *c;

	if (!feed_reaches(ha->o.inv, ha->rev))
		ha->confs_due = true;
	for (uint64_t i = 0; feed_reaches(ha->o.inv, ha->rev) &&
			     (c = feed_after(ha->o.inv, ha->rev, i));
	     i++)
		take_change(ha, c);
	ha->rev = inv_rev(ha->o.inv);
}

struct ha *
ha_new(const struct ha_opts *o)
{
	struct ha *ha = xcalloc(1, sizeof(*ha));

	ha->magic = HA_MAGIC;
	ha->o = *o;
	ha->loop = inv_loop(o->inv);
	ha->nodes = map_new_u64();
	ha->guests = map_new_u64();
	ha->clusters = map_new_u64();
	list_init(&ha->waits);
	ha->since_ms = ha_now_ms(ha);
	ha->rev = inv_rev(o->inv);
	ha->confs_due = true;
	ha->tick = timer_new(ha->loop, on_tick, ha);
	ha->soon = timer_new(ha->loop, on_soon, ha);
	timer_every(ha->tick, TICK_MS);
	/* All that we know of, before the first of them is heard. */
	INV_EACH(o->inv, KIND_HOST, h)
	{
		ha_node_of(ha, h->id);
	}
	feed_follow(o->inv, on_feed, ha);
	hosts_set_beats(o->hosts, &ha_beat_events, ha);
	return ha;
}

static void
free_all(struct map *m)
{
	MAP_EACH(m, it) {
		free(it.value);
	}
	map_free(m);
}

void
ha_free(struct ha *ha)
{
	if (!ha)
		return;
	hosts_set_beats(ha->o.hosts, NULL, NULL);
	feed_unfollow(ha->o.inv, on_feed, ha);
	timer_free(ha->tick);
	timer_free(ha->soon);
	LIST_EACH_SAFE(struct ha_wait, w, &ha->waits, node) {
		free(w);
	}
	MAP_EACH(ha->nodes, it) {
		node_free(it.value);
	}
	map_free(ha->nodes);
	MAP_EACH(ha->guests, it) {
		ha_port_forget(it.value);
	}
	free_all(ha->guests);
	free_all(ha->clusters);
	ha->magic = 0;
	free(ha);
}
