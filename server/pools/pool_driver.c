#include "server/pools/pool_driver.h"

#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "loop/timer.h"
#include "scheduler/divvy.h"
#include "server/hosts/host_pools.h"
#include "server/hosts/hosts.h"
#include "server/inventory/feed.h"
#include "server/inventory/inv_life.h"
#include "server/pools/pool_slices.h"
#include "server/pools/pool_tree.h"

#define LOOK_MS           2000u
#define SOON_MS           50u   /* changes come in bunches */
#define POOL_NORMAL       4000u /* CPU shares of a pool */
#define ENTITLEMENT_STEPS 20u   /* of what a guest could use */

/* What a host was told. */
struct told {
	struct pool_driver *d; /* NULL: nobody waits for the answer */
	obj_id host;
	uint64_t link; /* over this one */
	uint8_t *bytes;
	size_t n;
	bool flying; /* it has not answered */
	bool seen;
	struct map *sent, *holds; /* pool → its limit there, malloc'd */
};

struct pool_driver {
	struct inv *inv;
	struct hosts *hosts;
	struct timer *timer;
	struct map *told; /* host → struct told */
	uint64_t rev;     /* looked at so far */
	bool soon;
};

/* A cluster as it is looked at. */
struct look {
	struct pool_driver *d;
	struct arena *a;
	struct slice_pool *pools;
	const struct pool **pool_rows;
	struct slice_guest *guests;
	const struct vm **guest_rows;
	struct slice_host *hosts;
	struct told **told;
	struct map *host_at, *pool_at; /* id → its position + 1 */
	struct slice_view v;
	struct slices out;
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
	const struct look *l = arg;
	const struct told *t = l->told[host];
	uint64_t sent = limits_get(t->sent, pool);
	uint64_t holds = limits_get(t->holds, pool);

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
	limits_free(t->sent);
	limits_free(t->holds);
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
	limits_free(t->holds);
	t->holds = MOVE(t->sent);
	/* Others may wait for what it holds no more. */
	run_soon(d);
}

static struct map *
limits_in(const Drover__HostPools *p)
{
	struct map *m = map_new_u64();

	for (size_t i = 0; i < p->n_pools; i++) {
		uint64_t limit = p->pools[i]->cpu_limit_mhz;

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
	limits_free(t->sent);
	t->sent = limits_in(p);
}

/* ---- the message ---- */

static Drover__PoolSlice *
pool_message(struct look *l, const struct slice *s)
{
	const struct pool *row = l->pool_rows[s->pool];
	uint32_t up = l->pools[s->pool].parent;
	Drover__PoolSlice *m = arena_alloc(l->a, sizeof(*m));

	drover__pool_slice__init(m);
	m->pool = obj_id_number(row->o.id);
	m->parent = up == SLICE_ROOT ? 0 : obj_id_number(l->pool_rows[up]->o.id);
	m->name = arena_strdup(l->a, row->o.name);
	m->cpu_shares = s->weight;
	m->cpu_limit_mhz = s->limit;
	m->cpu_reservation_mhz = s->reservation;
	return m;
}

/* For people: not worth an order for each little bit that demand moves. */
static uint64_t
rounded(uint64_t amount, uint64_t step)
{
	return step ? (amount + step / 2) / step * step : amount;
}

static Drover__GuestSlice *
guest_message(struct look *l, size_t i)
{
	uint32_t in = l->guests[i].pool;
	Drover__GuestSlice *m = arena_alloc(l->a, sizeof(*m));

	drover__guest_slice__init(m);
	m->guest = obj_id_number(l->guest_rows[i]->o.id);
	m->pool = in == SLICE_ROOT ? 0 : obj_id_number(l->pool_rows[in]->o.id);
	m->cpu_shares = l->out.guest_weight[i];
	m->cpu_entitlement_mhz =
	    rounded(l->out.guest_entitlement[i], l->guests[i].most / ENTITLEMENT_STEPS);
	return m;
}

static void
tell_host(struct look *l, uint32_t host)
{
	Drover__HostPools p = DROVER__HOST_POOLS__INIT;

	p.pools = arena_array(l->a, l->out.n + 1, sizeof(Drover__PoolSlice *));
	p.guests = arena_array(l->a, l->v.n_guests + 1, sizeof(Drover__GuestSlice *));
	for (size_t i = 0; i < l->out.n; i++) {
		if (l->out.v[i].host == host)
			p.pools[p.n_pools++] = pool_message(l, &l->out.v[i]);
	}
	for (size_t i = 0; i < l->v.n_guests; i++) {
		if (l->guests[i].host == host)
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

static void
read_hosts(struct look *l, const struct obj *cluster)
{
	l->hosts = arena_array(l->a, cluster->n_kids + 1, sizeof(*l->hosts));
	l->told = arena_array(l->a, cluster->n_kids + 1, sizeof(struct told *));
	for (size_t i = 0; i < cluster->n_kids; i++) {
		const struct host *h = inv_host(l->d->inv, cluster->kids[i]);

		if (!h)
			continue;
		note_position(l->host_at, h->o.id, l->v.n_hosts);
		l->told[l->v.n_hosts] = told_of(l->d, h->o.id);
		l->told[l->v.n_hosts]->seen = true;
		l->hosts[l->v.n_hosts++] = (struct slice_host){ h->cpu_total_mhz,
			!hosts_is_up(l->d->hosts, h->o.id) };
	}
}

static void
add_pool(struct look *l, const struct pool *p)
{
	note_position(l->pool_at, p->o.id, l->v.n_pools);
	l->pool_rows[l->v.n_pools] = p;
	l->pools[l->v.n_pools++] = (struct slice_pool){
		.id = obj_id_number(p->o.id),
		.parent = position(l->pool_at, p->o.parent),
		.shares = p->cpu_shares,
		.reservation = p->cpu_reservation_mhz,
		.limit = p->cpu_limit_mhz,
	};
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
	size_t most = inv_count(l->d->inv, KIND_POOL) + 1;

	l->pools = arena_array(l->a, most, sizeof(*l->pools));
	l->pool_rows = arena_array(l->a, most, sizeof(struct pool *));
	for (size_t i = 0; i < cluster->n_kids; i++) {
		const struct pool *p = inv_pool(l->d->inv, cluster->kids[i]);

		if (p && p->is_root)
			add_kids(l, &p->o);
	}
	for (size_t at = 0; at < l->v.n_pools; at++)
		add_kids(l, &l->pool_rows[at]->o);
}

/* One that is down wants nothing, but its host knows where it belongs. */
static struct slice_guest
guest_of(const struct look *l, const struct vm *vm, const struct host *h)
{
	bool on = vm->power_state != POWER_OFF && vm->power_state != POWER_SUSPENDED;

	return (struct slice_guest){
		.id = obj_id_number(vm->o.id),
		.pool = position(l->pool_at, vm->pool),
		.host = position(l->host_at, vm->host),
		.shares =
		    pool_cpu_shares(vm->cpu_shares_level, vm->cpu_shares, vm->num_cpu),
		.reservation = on ? vm->cpu_reservation_mhz : 0,
		.limit = vm->cpu_limit_mhz,
		.used = on ? vm->cpu_usage_mhz : 0,
		.most = on ? (uint64_t)vm->num_cpu * h->cpu_mhz : 0,
	};
}

static void
read_guests(struct look *l)
{
	const struct inv *inv = l->d->inv;
	size_t most = inv_count(inv, KIND_VM) + 1;

	l->guests = arena_array(l->a, most, sizeof(*l->guests));
	l->guest_rows = arena_array(l->a, most, sizeof(struct vm *));
	INV_EACH(inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(inv, o->id);
		const struct host *h = inv_host(inv, vm->host);

		if (!h || !map_get(l->host_at, vm->host.v))
			continue;
		l->guest_rows[l->v.n_guests] = vm;
		l->guests[l->v.n_guests++] = guest_of(l, vm, h);
	}
}

/* A pool in a pool that scales counts by the shares of what runs in it, times its own
 * level. */
static void
scale_shares(struct look *l)
{
	uint64_t *sums = arena_array(l->a, l->v.n_pools + 1, sizeof(*sums));

	for (size_t i = 0; i < l->v.n_guests; i++) {
		uint32_t p = l->guests[i].most ? l->guests[i].pool : SLICE_ROOT;

		for (; p != SLICE_ROOT; p = l->pools[p].parent)
			sums[p] += l->guests[i].shares;
	}
	for (size_t i = 0; i < l->v.n_pools; i++) {
		const struct pool *up = inv_pool(l->d->inv, l->pool_rows[i]->o.parent);

		if (!up || !up->scalable_shares || !sums[i])
			continue;
		l->pools[i].shares = (uint64_t)((unsigned __int128)sums[i] *
						l->pools[i].shares / POOL_NORMAL);
		if (l->pools[i].shares > DIVVY_MAX_SHARES)
			l->pools[i].shares = DIVVY_MAX_SHARES;
	}
}

static void
look_at(struct pool_driver *d, const struct obj *cluster)
{
	AUTO(arena) struct arena *a = arena_new();
	AUTO(map) struct map *host_at = map_new_u64();
	AUTO(map) struct map *pool_at = map_new_u64();
	struct look l = { .d = d, .a = a, .host_at = host_at, .pool_at = pool_at };
	struct err e = ERR_INIT;

	read_hosts(&l, cluster);
	read_pools(&l, cluster);
	read_guests(&l);
	scale_shares(&l);
	l.v.pools = l.pools;
	l.v.guests = l.guests;
	l.v.hosts = l.hosts;
	l.v.held = held_by;
	l.v.arg = &l;
	if (pool_slices(&l.v, a, &l.out, &e)) {
		log_err("pools", "cluster \"%s\": %s", cluster->name, e.msg);
		return;
	}
	for (uint32_t h = 0; h < l.v.n_hosts; h++) {
		if (!l.hosts[h].is_away)
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
