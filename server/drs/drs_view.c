#include "server/drs/drs_view.h"

#include <math.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/str.h"
#include "scheduler/sched_view.h"
#include "server/admission/admission.h"
#include "server/drs/drs_past.h"
#include "server/hosts/hosts.h"
#include "server/rules/rules.h"
#include "server/task/task.h"

#define LINK_MB_S    112.0 /* 1 Gbit/s, as the ceilings of moves take it */
#define STABLE_MIN_S 300.0
#define STABLE_MAX_S 3600.0
#define OLD_MS       600000u /* figures this old say nothing any more */
/* What a guest rewrites of its memory for each MHz that it uses, where no move of it
 * has shown: a busy core of 2.5 GHz 25 MB/s. */
#define DIRTY_MB_PER_MHZ 0.01

struct gather {
	const struct drs_env *env;
	const struct cluster *cluster;
	obj_id leaving;
	struct arena *mem;
	struct drs_view *view;
	struct drs_host *hosts;
	struct drs_guest *guests;
	struct drs_reach *reaches;
	struct drs_rule *rules;
	struct map *host_at;  /* id → place + 1 */
	struct map *guest_at; /* likewise */
	struct map *reach_of; /* what a guest needs, as text → place + 1 */
};

static uint32_t
place_of(const struct map *m, obj_id id)
{
	return (uint32_t)(uintptr_t)map_get(m, id.v) - 1;
}

static void
note_place(struct map *m, obj_id id, uint32_t at)
{
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): a number, never followed */
	map_put(m, id.v, (void *)(uintptr_t)(at + 1));
}

/* Why it gets no guest although it is there, or NULL. */
static const char *
why_closed(const struct gather *x, const struct host *h)
{
	if (h->maintenance != MAINT_NONE)
		return "is in maintenance";
	if (h->standby != STANDBY_NONE)
		return "is in standby";
	if (!hosts_is_up(x->env->hosts, h->o.id))
		return "is not connected";
	if (admission_is_kept(x->env->inv, h->o.id))
		return "is kept free for the guests of lost hosts";
	if (h->health_remedy == HA_REMEDY_QUARANTINE)
		return "is in quarantine";
	if (h->flapping)
		return "comes and goes: it was lost three times in a quarter of an "
		       "hour";
	return NULL;
}

static const char *
why_busy(const struct gather *x, const struct host *h)
{
	bool is_network = h->network_busy_permille > SCHED_BUSY;
	uint32_t most = is_network ? h->network_busy_permille : h->disk_busy_permille;

	if (most <= SCHED_BUSY)
		return NULL;
	return arena_printf(x->mem, "its %s busy to %u.%u %%",
	    is_network ? "network is" : "disks are", most / 10, most % 10);
}

static void
add_host(struct gather *x, const struct host *h)
{
	double overcommit = x->cluster->memory_overcommit_permille
				? x->cluster->memory_overcommit_permille / 1000.0
				: 1;
	uint32_t at = x->view->host_count;

	/* One that has never said what it has can neither give nor take. */
	if (!h->cpu_total_mhz || !h->memory_total_mb)
		return;
	x->hosts[at] = (struct drs_host){
		.id = h->o.id,
		.name = arena_strdup(x->mem, h->o.name),
		.cpu_mhz = h->cpu_total_mhz,
		.mem_mb = (double)h->memory_total_mb * overcommit,
		.core_mhz =
		    (double)h->cpu_total_mhz / (h->cpu_cores ? h->cpu_cores : 1),
		/* One that goes into maintenance already is its task's to empty. */
		.is_leaving = obj_id_is(h->o.id, x->leaving),
		.is_closed = why_closed(x, h) != NULL,
		.is_asleep = h->standby == STANDBY_IN,
		.why_closed = why_closed(x, h),
		.is_quarantined = h->health_remedy == HA_REMEDY_QUARANTINE,
		.busy = why_busy(x, h),
	};
	note_place(x->host_at, h->o.id, at);
	x->view->host_count++;
}

static const json *
named(const json *list, const char *name)
{
	for (size_t i = 0; list && i < json_count(list); i++) {
		const json *n = json_get(json_at(list, i), "name");
		if (n && str_same(json_str_value(n, NULL), name))
			return json_at(list, i);
	}
	return NULL;
}

static bool
is_true(const json *o, const char *key)
{
	const json *v = o ? json_get(o, key) : NULL;

	return v && json_what(v) == JSON_IS_BOOL && json_bool_value(v);
}

/* Why running guests of this engine neither leave the host nor get there, or NULL. */
static const char *
cannot_move(const struct gather *x, const struct host *h, const char *engine)
{
	const json *en = named(h->engines, engine);
	const json *move =
	    en ? named(json_get(en, "capabilities"), "live_migration") : NULL;
	const json *why = move ? json_get(move, "why_not") : NULL;
	const char *text = why && json_what(why) == JSON_IS_STR
			       ? json_str_value(why, NULL)
			       : "it does not say that it can";

	if (!en || !is_true(en, "usable"))
		return arena_printf(x->mem, "cannot use an %s engine", engine);
	if (!is_true(move, "able"))
		return arena_printf(
		    x->mem, "its %s engine moves no running guest: %s", engine, text);
	return NULL;
}

static const char *
out_of_reach(const struct gather *x, const struct vm *vm, const struct host *h)
{
	const struct inv *inv = x->env->inv;
	const char *why =
	    vm->engine && vm->engine[0] ? cannot_move(x, h, vm->engine) : NULL;

	if (why)
		return why;
	for (size_t i = 0; i < vm->datastores.n; i++) {
		const struct datastore *ds = inv_datastore(inv, vm->datastores.v[i]);
		if (ds && !id_list_has(&ds->reachable_hosts, h->o.id))
			return arena_printf(
			    x->mem, "does not reach datastore \"%s\"", ds->o.name);
	}
	for (size_t i = 0; i < vm->networks.n; i++) {
		const struct network *n = inv_network(inv, vm->networks.v[i]);
		if (n && !hosts_has_bridge(x->env->hosts, h->o.id, n->bridge))
			return arena_printf(
			    x->mem, "does not reach network \"%s\"", n->o.name);
	}
	return NULL;
}

/* What it needs of a host, as a key: guests alike are judged once. */
static char *
needs_of(const struct vm *vm)
{
	const struct id_list *lists[] = { &vm->datastores, &vm->networks };
	struct str key = STR_INIT;

	str_add(&key, vm->engine ? vm->engine : "");
	for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
		str_addc(&key, '|');
		for (size_t i = 0; i < lists[l]->n; i++)
			str_addf(&key, "%llu,", (unsigned long long)lists[l]->v[i].v);
	}
	return str_take(&key);
}

static uint32_t
reach_of(struct gather *x, const struct vm *vm)
{
	AUTO_FREE char *key = needs_of(vm);
	uintptr_t known = (uintptr_t)map_get_str(x->reach_of, key);
	uint32_t at = x->view->reach_count, n = x->view->host_count;

	if (known)
		return (uint32_t)known - 1;
	bool *can = arena_array(x->mem, n + 1, sizeof(*can));
	const char **why = arena_array(x->mem, n + 1, sizeof(*why));
	for (uint32_t h = 0; h < n; h++) {
		why[h] = out_of_reach(x, vm, inv_host(x->env->inv, x->hosts[h].id));
		can[h] = !why[h];
	}
	x->reaches[at] = (struct drs_reach){ can, why };
	x->view->reach_count++;
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): a number, never followed */
	map_put_str(x->reach_of, key, (void *)(uintptr_t)(at + 1));
	return at;
}

static const char *
pinned_by(const struct gather *x, const struct vm *vm, const struct drs_host *h)
{
	if (str_same(vm->drs_automation, "disabled"))
		return "DRS is disabled for it";
	if (vm->power_state != POWER_ON)
		return arena_printf(
		    x->mem, "it is %s", power_state_text(vm->power_state));
	if (!hosts_is_up(x->env->hosts, h->id))
		return "its host is not connected";
	if (vm->lifecycle != LIFE_READY || task_works_on(x->env->tasks, vm->o.id))
		return "a task works on it";
	if (vm->engine && vm->engine[0])
		return cannot_move(x, inv_host(x->env->inv, h->id), vm->engine);
	return NULL;
}

/* Has its host told of it lately? */
static bool
has_figures(const struct gather *x, const struct vm *vm)
{
	const struct host *h = inv_host(x->env->inv, vm->host);
	bool is_old = h && h->last_seen && h->last_seen + OLD_MS < x->env->wall_ms;

	return !is_old && (vm->cpu_usage_mhz || vm->memory_usage_mb);
}

static void
take_past(const struct gather *x, const struct drs_past *p, struct drs_guest *g)
{
	uint64_t since_move = x->env->now_ms - p->moved_ms;

	if (p->since_ms)
		g->stable_s = fmin(
		    fmax((double)(x->env->now_ms - p->since_ms) / 1000, STABLE_MIN_S),
		    STABLE_MAX_S);
	if (p->dirty_mb_s > 0) {
		g->dirty_mb_s = p->dirty_mb_s;
		g->is_dirty_measured = true;
	}
	if (!p->moved_ms)
		return;
	if (since_move < DRS_REST_MS)
		g->resting = p->has_failed ? "its last move failed a short while ago"
					   : "it was moved a short while ago";
	uint32_t from = place_of(x->host_at, p->came_from);
	if (since_move < DRS_RETURN_MS && !p->has_failed && from != DRS_NONE)
		g->came_from = &x->hosts[from];
}

static void
take_demand(
    const struct gather *x, const struct vm *vm, struct drs_guest *g, double core_mhz)
{
	const struct drs_past *p =
	    x->env->past ? map_get(x->env->past, vm->o.id.v) : NULL;
	/* One that has only been moved has no figures yet. */
	bool has_demand = p && p->since_ms;
	double most = vm->num_cpu * core_mhz;

	if (vm->cpu_limit_mhz && (double)vm->cpu_limit_mhz < most)
		most = (double)vm->cpu_limit_mhz;
	g->is_measured = has_figures(x, vm);
	g->cpu_mhz = !g->is_measured ? most
		     : has_demand    ? p->cpu_mhz
				     : vm->cpu_usage_mhz;
	g->cpu_mhz = fmin(g->cpu_mhz, most);
	g->peak_mhz = p && g->is_measured ? fmin(drs_past_peak(p, x->env->now_ms), most)
					  : g->cpu_mhz;
	g->mem_mb = (double)vm->memory_mb;
	g->stable_s = STABLE_MIN_S;
	g->dirty_mb_s = g->cpu_mhz * DIRTY_MB_PER_MHZ;
	if (p)
		take_past(x, p, g);
}

static void
add_guest(struct gather *x, const struct vm *vm)
{
	uint32_t host = place_of(x->host_at, vm->host), at = x->view->guest_count;

	if (host == DRS_NONE || vm->power_state == POWER_OFF ||
	    vm->power_state == POWER_SUSPENDED)
		return;
	struct drs_guest *g = &x->guests[at];
	g->id = vm->o.id;
	g->name = arena_strdup(x->mem, vm->o.name);
	g->host = host;
	take_demand(x, vm, g, x->hosts[host].core_mhz);
	g->reach = reach_of(x, vm);
	g->pinned = pinned_by(x, vm, &x->hosts[host]);
	note_place(x->guest_at, vm->o.id, at);
	x->view->guest_count++;
}

static void
add_rule(struct gather *x, const struct rule *r)
{
	uint32_t *guests = arena_array(x->mem, r->vms.n + 1, sizeof(*guests)), n = 0;
	bool *hosts = arena_array(x->mem, x->view->host_count + 1, sizeof(*hosts));

	for (size_t i = 0; i < r->vms.n; i++) {
		uint32_t at = place_of(x->guest_at, r->vms.v[i]);
		if (at != DRS_NONE)
			guests[n++] = at;
	}
	for (uint32_t h = 0; h < x->view->host_count; h++)
		hosts[h] = id_list_has(&r->hosts, x->hosts[h].id);
	if (!n || (!r->hosts.n && !rules_are_among_guests(r->type)))
		return;
	x->rules[x->view->rule_count++] = (struct drs_rule){
		.name = arena_strdup(x->mem, r->o.name),
		.type = r->type,
		.guests = guests,
		.guest_count = n,
		.hosts = r->hosts.n ? hosts : NULL,
		.id = r->o.id,
	};
}

static void
add_all(struct gather *x)
{
	const struct inv *inv = x->env->inv;

	INV_EACH(inv, KIND_HOST, o)
	{
		if (obj_id_is(o->parent, x->cluster->o.id))
			add_host(x, inv_host(inv, o->id));
	}
	INV_EACH(inv, KIND_VM, o)
	{
		add_guest(x, inv_vm(inv, o->id));
	}
	INV_EACH(inv, KIND_RULE, o)
	{
		const struct rule *r = inv_rule(inv, o->id);
		if (r->enabled && obj_id_is(o->parent, x->cluster->o.id))
			add_rule(x, r);
	}
}

struct drs_view *
drs_view_of(
    const struct drs_env *env, obj_id cluster, obj_id leaving, struct arena *mem)
{
	size_t guests = inv_count(env->inv, KIND_VM) + 1;
	struct gather x = {
		.env = env,
		.cluster = inv_cluster(env->inv, cluster),
		.leaving = leaving,
		.mem = mem,
		.view = arena_alloc(mem, sizeof(struct drs_view)),
		.hosts = arena_array(
		    mem, inv_count(env->inv, KIND_HOST) + 1, sizeof(struct drs_host)),
		.guests = arena_array(mem, guests, sizeof(struct drs_guest)),
		.reaches = arena_array(mem, guests, sizeof(struct drs_reach)),
		.rules = arena_array(
		    mem, inv_count(env->inv, KIND_RULE) + 1, sizeof(struct drs_rule)),
		.host_at = map_new_u64(),
		.guest_at = map_new_u64(),
		.reach_of = map_new_str(),
	};

	x.view->hosts = x.hosts;
	x.view->guests = x.guests;
	x.view->reaches = x.reaches;
	x.view->rules = x.rules;
	x.view->threshold = x.cluster->drs_threshold;
	x.view->link_mb_s = LINK_MB_S;
	x.view->keeps_spare = x.cluster->ha_enabled;
	add_all(&x);
	map_free(x.host_at);
	map_free(x.guest_at);
	map_free(x.reach_of);
	return x.view;
}
