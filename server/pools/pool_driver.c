#include "server/pools/pool_driver.h"

#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/timer.h"
#include "scheduler/divvy.h"
#include "server/hosts/host_pools.h"
#include "server/hosts/hosts.h"
#include "server/inventory/feed.h"
#include "server/inventory/inv_life.h"
#include "server/pools/pool_slices.h"
#include "server/pools/pool_tree.h"

#define LOOK_MS           2000u
#define SOON_MS           50u     /* changes come in bunches */
#define POOL_NORMAL       4000u   /* shares of a pool: CPU */
#define POOL_NORMAL_MEM   163840u /* and memory */
#define ENTITLEMENT_STEPS 20u     /* of what a guest could use */
#define MB_BYTES          INT64_C(0x100000)
#define MEM_DEMAND        "memory_demand" /* the counter */

/* What is divided, each for itself. */
enum resource { CPU, MEM, RESOURCES_ };

/* What a host was told. */
struct told {
	struct pool_driver *d; /* NULL: nobody waits for the answer */
	obj_id host;
	uint64_t link; /* over this one */
	uint8_t *bytes;
	size_t n;
	bool flying; /* it has not answered */
	bool seen;
	/* pool → its limit there, malloc'd */
	struct map *sent[RESOURCES_], *holds[RESOURCES_];
};

struct pool_driver {
	struct inv *inv;
	struct hosts *hosts;
	struct timer *timer;
	struct map *told; /* host → struct told */
	uint64_t rev;     /* looked at so far */
	bool soon;
};

struct look;

/* One resource of a cluster. */
struct part {
	const struct look *look;
	enum resource what;
	struct slice_pool *pools;
	struct slice_guest *guests;
	struct slice_host *hosts;
	struct slices out;
};

/* A cluster as it is looked at. */
struct look {
	struct pool_driver *d;
	struct arena *a;
	const struct pool **pool_rows;
	const struct vm **guest_rows;
	struct told **told;
	struct map *host_at, *pool_at; /* id → its position + 1 */
	size_t n_pools, n_guests, n_hosts;
	struct part parts[RESOURCES_];
};

static void
run_soon(struct pool_driver *d)
{
	if (d->soon)
		return;
	d->soon = true;
	timer_after(d->timer, SOON_MS);
}

/* ---- what hosts hold ---- */

static void
limits_free(struct map *m)
{
	if (!m)
		return;
	MAP_EACH(m, it)
		free(it.value);
	map_free(m);
}

static uint64_t
limits_get(const struct map *m, uint64_t pool)
{
	const uint64_t *v = m ? map_get(m, pool) : NULL;

	return v ? *v : 0;
}

static uint64_t
held_by(void *arg, uint64_t pool, uint32_t host)
{
	const struct part *p = arg;
	const struct told *t = p->look->told[host];
	uint64_t sent = limits_get(t->sent[p->what], pool);
	uint64_t holds = limits_get(t->holds[p->what], pool);

	return sent > holds ? sent : holds;
}

static struct told *
told_of(struct pool_driver *d, obj_id host)
{
	struct told *t = map_get(d->told, host.v);

	if (t)
		return t;
	t = xcalloc(1, sizeof(*t));
	t->d = d;
	t->host = host;
	map_put(d->told, host.v, t);
	return t;
}

static void
told_free(struct told *t)
{
	for (int r = 0; r < RESOURCES_; r++) {
		limits_free(t->sent[r]);
		limits_free(t->holds[r]);
	}
	free(t->bytes);
	free(t);
}

/* An answer on its way still comes here. */
static void
told_drop(struct told *t)
{
	t->d = NULL;
	if (!t->flying)
		told_free(t);
}

/* ---- telling ---- */

static void
on_told(void *arg, int rc, const struct err *e)
{
	struct told *t = arg;
	struct pool_driver *d = t->d;

	t->flying = false;
	if (!d) {
		told_free(t);
		return;
	}
	if (rc == ERR_LOST || rc == ERR_TIMEOUT || rc == ERR_CANCELLED) {
		/* It may have carried it out: what was sent counts as held still. */
		t->link = 0;
		return;
	}
	if (rc)
		log_warn("pools", "host \"%s\": %s", inv_name(d->inv, t->host), e->msg);
	for (int r = 0; r < RESOURCES_; r++) {
		limits_free(t->holds[r]);
		t->holds[r] = MOVE(t->sent[r]);
	}
	/* Others may wait for what it holds no more. */
	run_soon(d);
}

static struct map *
limits_in(const Drover__HostPools *p, enum resource what)
{
	struct map *m = map_new_u64();

	for (size_t i = 0; i < p->n_pools; i++) {
		uint64_t limit = what == CPU ? p->pools[i]->cpu_limit_mhz
					     : p->pools[i]->mem_limit_mb;

		if (limit)
			free(map_put(
			    m, p->pools[i]->pool, xmemdup(&limit, sizeof(limit))));
	}
	return m;
}

static bool
is_news(const struct told *t, uint64_t link, const uint8_t *bytes, size_t n)
{
	return t->link != link || t->n != n || (n && memcmp(t->bytes, bytes, n) != 0);
}

static void
tell(struct pool_driver *d, struct told *t, Drover__HostPools *p)
{
	uint64_t link = hosts_link_since(d->hosts, t->host);
	size_t n = drover__host_pools__get_packed_size(p);
	AUTO_FREE uint8_t *bytes = xmalloc(n + 1);

	if (!link || t->flying)
		return;
	drover__host_pools__pack(p, bytes);
	if (!is_news(t, link, bytes, n))
		return;
	if (!hosts_tell_pools(d->hosts, t->host, p, on_told, t))
		return;
	t->flying = true;
	t->link = link;
	free(t->bytes);
	t->bytes = MOVE(bytes);
	t->n = n;
	for (int r = 0; r < RESOURCES_; r++) {
		limits_free(t->sent[r]);
		t->sent[r] = limits_in(p, (enum resource)r);
	}
}

/* ---- the message ---- */

/* Pools are the same ones, in the same order, whatever is divided. */
static Drover__PoolSlice *
pool_message(const struct look *l, size_t i)
{
	const struct slice *cpu = &l->parts[CPU].out.v[i];
	const struct slice *mem = &l->parts[MEM].out.v[i];
	const struct pool *row = l->pool_rows[cpu->pool];
	uint32_t up = l->parts[CPU].pools[cpu->pool].parent;
	Drover__PoolSlice *m = arena_alloc(l->a, sizeof(*m));

	drover__pool_slice__init(m);
	m->pool = obj_id_number(row->o.id);
	m->parent = up == SLICE_ROOT ? 0 : obj_id_number(l->pool_rows[up]->o.id);
	m->name = arena_strdup(l->a, row->o.name);
	m->cpu_shares = cpu->weight;
	m->cpu_limit_mhz = cpu->limit;
	m->cpu_reservation_mhz = cpu->reservation;
	m->mem_limit_mb = mem->limit;
	m->mem_reservation_mb = mem->reservation;
	return m;
}

/* Not worth an order for each little bit that demand moves. */
static uint64_t
rounded(uint64_t amount, uint64_t most)
{
	uint64_t step = most / ENTITLEMENT_STEPS;

	return step ? (amount + step / 2) / step * step : amount;
}

/* Rounded down: together they keep within a limit. */
static uint64_t
most_of(const struct part *mem, size_t i)
{
	uint64_t most = mem->guests[i].most, left = mem->out.guest_most[i];
	uint64_t step = most / ENTITLEMENT_STEPS;

	if (left >= most)
		return 0;
	left -= step > 1 ? left % step : 0;
	/* None at all would be no limit. */
	return left ? left : 1;
}

static Drover__GuestSlice *
guest_message(const struct look *l, size_t i)
{
	const struct part *cpu = &l->parts[CPU], *mem = &l->parts[MEM];
	uint32_t in = cpu->guests[i].pool;
	Drover__GuestSlice *m = arena_alloc(l->a, sizeof(*m));

	drover__guest_slice__init(m);
	m->guest = obj_id_number(l->guest_rows[i]->o.id);
	m->pool = in == SLICE_ROOT ? 0 : obj_id_number(l->pool_rows[in]->o.id);
	m->cpu_shares = cpu->out.guest_weight[i];
	m->cpu_entitlement_mhz =
	    rounded(cpu->out.guest_entitlement[i], cpu->guests[i].most);
	m->mem_entitlement_mb = rounded(mem->out.guest_here[i], mem->guests[i].most);
	m->mem_most_mb = most_of(mem, i);
	return m;
}

static void
tell_host(const struct look *l, uint32_t host)
{
	const struct part *cpu = &l->parts[CPU];
	Drover__HostPools p = DROVER__HOST_POOLS__INIT;

	p.pools = arena_array(l->a, cpu->out.n + 1, sizeof(Drover__PoolSlice *));
	p.guests = arena_array(l->a, l->n_guests + 1, sizeof(Drover__GuestSlice *));
	for (size_t i = 0; i < cpu->out.n; i++) {
		if (cpu->out.v[i].host == host)
			p.pools[p.n_pools++] = pool_message(l, i);
	}
	for (size_t i = 0; i < l->n_guests; i++) {
		if (cpu->guests[i].host == host)
			p.guests[p.n_guests++] = guest_message(l, i);
	}
	tell(l->d, l->told[host], &p);
}

/* ---- the inventory ---- */

static uint32_t
position(const struct map *m, obj_id id)
{
	return (uint32_t)((uintptr_t)map_get(m, id.v) - 1);
}

static void
note_position(struct map *m, obj_id id, size_t at)
{
	(void)map_put(m, id.v, (void *)(uintptr_t)(at + 1)); /* NOLINT */
}

/* Room for what a look finds, the same for every resource. */
static void
make_room(struct look *l, const struct obj *cluster)
{
	size_t pools = inv_count(l->d->inv, KIND_POOL) + 1;
	size_t guests = inv_count(l->d->inv, KIND_VM) + 1;

	l->told = arena_array(l->a, cluster->n_kids + 1, sizeof(struct told *));
	l->pool_rows = arena_array(l->a, pools, sizeof(struct pool *));
	l->guest_rows = arena_array(l->a, guests, sizeof(struct vm *));
	for (int r = 0; r < RESOURCES_; r++) {
		struct part *p = &l->parts[r];

		p->look = l;
		p->what = (enum resource)r;
		p->hosts =
		    arena_array(l->a, cluster->n_kids + 1, sizeof(struct slice_host));
		p->pools = arena_array(l->a, pools, sizeof(struct slice_pool));
		p->guests = arena_array(l->a, guests, sizeof(struct slice_guest));
	}
}

static void
read_hosts(struct look *l, const struct obj *cluster)
{
	for (size_t i = 0; i < cluster->n_kids; i++) {
		const struct host *h = inv_host(l->d->inv, cluster->kids[i]);
		size_t at = l->n_hosts;
		bool away;

		if (!h)
			continue;
		away = !hosts_is_up(l->d->hosts, h->o.id);
		note_position(l->host_at, h->o.id, at);
		l->told[at] = told_of(l->d, h->o.id);
		l->told[at]->seen = true;
		l->parts[CPU].hosts[at] = (struct slice_host){ h->cpu_total_mhz, away };
		l->parts[MEM].hosts[at] =
		    (struct slice_host){ h->memory_total_mb, away };
		l->n_hosts++;
	}
}

static void
add_pool(struct look *l, const struct pool *p)
{
	uint64_t id = obj_id_number(p->o.id);
	uint32_t parent = position(l->pool_at, p->o.parent);

	note_position(l->pool_at, p->o.id, l->n_pools);
	l->pool_rows[l->n_pools] = p;
	l->parts[CPU].pools[l->n_pools] = (struct slice_pool){ id, parent,
		p->cpu_shares, p->cpu_reservation_mhz, p->cpu_limit_mhz };
	l->parts[MEM].pools[l->n_pools] = (struct slice_pool){ id, parent,
		p->mem_shares, p->mem_reservation_mb, p->mem_limit_mb };
	l->n_pools++;
}

static void
add_kids(struct look *l, const struct obj *o)
{
	for (size_t i = 0; o && i < o->n_kids; i++) {
		const struct pool *p = inv_pool(l->d->inv, o->kids[i]);

		if (p)
			add_pool(l, p);
	}
}

/* Those that hold others before them; the root pool stands for none: position() of what
 * is not noted is SLICE_ROOT. */
static void
read_pools(struct look *l, const struct obj *cluster)
{
	for (size_t i = 0; i < cluster->n_kids; i++) {
		const struct pool *p = inv_pool(l->d->inv, cluster->kids[i]);

		if (p && p->is_root)
			add_kids(l, &p->o);
	}
	for (size_t at = 0; at < l->n_pools; at++)
		add_kids(l, &l->pool_rows[at]->o);
}

/* Memory that is in use as far as its host can tell; if it cannot, all that it has. */
static uint64_t
memory_used(const struct vm *vm)
{
	size_t n = vm->counters ? json_count(vm->counters) : 0;

	for (size_t i = 0; i < n; i++) {
		const json *c = json_at(vm->counters, i);
		const char *name = json_str_value(json_get(c, "name"), NULL);

		if (name && str_same(name, MEM_DEMAND))
			return (uint64_t)(json_int_value(json_get(c, "current")) /
					  MB_BYTES);
	}
	return vm->memory_mb;
}

/* One that is down wants nothing, but its host knows where it belongs. */
static void
add_guest(struct look *l, const struct vm *vm, const struct host *h)
{
	bool on = vm->power_state != POWER_OFF && vm->power_state != POWER_SUSPENDED;
	const struct slice_guest both = {
		.id = obj_id_number(vm->o.id),
		.pool = position(l->pool_at, vm->pool),
		.host = position(l->host_at, vm->host),
	};
	struct slice_guest *cpu = &l->parts[CPU].guests[l->n_guests];
	struct slice_guest *mem = &l->parts[MEM].guests[l->n_guests];

	*cpu = *mem = both;
	cpu->shares =
	    pool_cpu_shares(vm->cpu_shares_level, vm->cpu_shares, vm->num_cpu);
	cpu->limit = vm->cpu_limit_mhz;
	mem->shares =
	    pool_mem_shares(vm->mem_shares_level, vm->mem_shares, vm->memory_mb);
	mem->limit = vm->mem_limit_mb;
	if (on) {
		cpu->reservation = vm->cpu_reservation_mhz;
		cpu->most = (uint64_t)vm->num_cpu * h->cpu_mhz;
		cpu->demand = slice_demand(vm->cpu_usage_mhz, cpu->most);
		mem->reservation = vm->mem_reservation_mb;
		mem->most = vm->memory_mb;
		mem->demand = slice_memory_demand(memory_used(vm), mem->most);
	}
	l->guest_rows[l->n_guests++] = vm;
}

static void
read_guests(struct look *l)
{
	const struct inv *inv = l->d->inv;

	INV_EACH(inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(inv, o->id);
		const struct host *h = inv_host(inv, vm->host);

		if (h && map_get(l->host_at, vm->host.v))
			add_guest(l, vm, h);
	}
}

/* A pool in a pool that scales counts by the shares of what runs in it, times its own
 * level. */
static void
scale_shares(const struct look *l, const struct part *part)
{
	uint64_t normal = part->what == CPU ? POOL_NORMAL : POOL_NORMAL_MEM;
	uint64_t *sums = arena_array(l->a, l->n_pools + 1, sizeof(*sums));

	for (size_t i = 0; i < l->n_guests; i++) {
		uint32_t p = part->guests[i].most ? part->guests[i].pool : SLICE_ROOT;

		for (; p != SLICE_ROOT; p = part->pools[p].parent)
			sums[p] += part->guests[i].shares;
	}
	for (size_t i = 0; i < l->n_pools; i++) {
		const struct pool *up = inv_pool(l->d->inv, l->pool_rows[i]->o.parent);
		struct slice_pool *p = &part->pools[i];

		if (!up || !up->scalable_shares || !sums[i])
			continue;
		p->shares = (uint64_t)((unsigned __int128)sums[i] * p->shares / normal);
		if (p->shares > DIVVY_MAX_SHARES)
			p->shares = DIVVY_MAX_SHARES;
	}
}

static int
divide(const struct look *l, struct part *p, struct err *e)
{
	const struct slice_view v = {
		.pools = p->pools,
		.n_pools = l->n_pools,
		.guests = p->guests,
		.n_guests = l->n_guests,
		.hosts = p->hosts,
		.n_hosts = l->n_hosts,
		.held = held_by,
		.arg = p,
		.finds_most = p->what == MEM,
	};

	scale_shares(l, p);
	return pool_slices(&v, l->a, &p->out, e);
}

static void
look_at(struct pool_driver *d, const struct obj *cluster)
{
	AUTO(arena) struct arena *a = arena_new();
	AUTO(map) struct map *host_at = map_new_u64();
	AUTO(map) struct map *pool_at = map_new_u64();
	struct look l = { .d = d, .a = a, .host_at = host_at, .pool_at = pool_at };
	struct err e = ERR_INIT;
	int rc = 0;

	make_room(&l, cluster);
	read_hosts(&l, cluster);
	read_pools(&l, cluster);
	read_guests(&l);
	for (int r = 0; r < RESOURCES_ && !rc; r++)
		rc = divide(&l, &l.parts[r], &e);
	if (rc) {
		log_err("pools", "cluster \"%s\": %s", cluster->name, e.msg);
		return;
	}
	for (uint32_t h = 0; h < l.n_hosts; h++) {
		if (!l.parts[CPU].hosts[h].is_away)
			tell_host(&l, h);
	}
}

static void
forget_gone(struct pool_driver *d)
{
	MAP_EACH(d->told, it) {
		struct told *t = it.value;

		if (!t->seen) {
			map_del(d->told, it.key);
			told_drop(t);
			continue;
		}
		t->seen = false;
	}
}

static void
on_time(void *arg)
{
	struct pool_driver *d = arg;

	d->soon = false;
	d->rev = inv_rev(d->inv);
	INV_EACH(d->inv, KIND_CLUSTER, o)
	look_at(d, o);
	forget_gone(d);
	if (!d->soon)
		timer_after(d->timer, LOOK_MS);
}

static bool
counts(const struct change *c)
{
	enum obj_kind k = obj_id_kind(c->id);

	return !c->volatile_only &&
	       (k == KIND_HOST || k == KIND_POOL || k == KIND_VM || k == KIND_CLUSTER);
}

static void
on_changes(void *arg)
{
	struct pool_driver *d = arg;
	const struct change *c;
	bool any = !feed_reaches(d->inv, d->rev);

	for (uint64_t i = 0; !any && (c = feed_after(d->inv, d->rev, i)); i++)
		any = counts(c);
	d->rev = inv_rev(d->inv);
	if (any)
		run_soon(d);
}

struct pool_driver *
pool_driver_new(struct inv *inv, struct hosts *hosts)
{
	struct pool_driver *d = xcalloc(1, sizeof(*d));

	d->inv = inv;
	d->hosts = hosts;
	d->told = map_new_u64();
	d->rev = inv_rev(inv);
	d->timer = timer_new(inv_loop(inv), on_time, d);
	feed_follow(inv, on_changes, d);
	run_soon(d);
	return d;
}

void
pool_driver_free(struct pool_driver *d)
{
	if (!d)
		return;
	feed_unfollow(d->inv, on_changes, d);
	timer_free(d->timer);
	MAP_EACH(d->told, it)
		told_drop(it.value);
	map_free(d->told);
	free(d);
}
