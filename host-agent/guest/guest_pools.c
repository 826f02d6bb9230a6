#include "host-agent/guest/guest_pools.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/guest/guest_memory.h"
#include "host-agent/guest/guest_spec.h"
#include "host-agent/resource/cg.h"

#define MB_BYTES UINT64_C(0x100000)

struct guest_pools {
	Drover__HostPools *told;
	struct map *guests; /* number → its GuestSlice */
	char failed[240];   /* told last, so that it is not told again */
};

static Drover__HostPools *
dup_pools(const Drover__HostPools *p)
{
	size_t n = drover__host_pools__get_packed_size(p);
	AUTO_FREE uint8_t *bytes = xmalloc(n + 1);

	drover__host_pools__pack(p, bytes);
	return drover__host_pools__unpack(NULL, n, bytes);
}

static void
drop(struct guest_pools *p)
{
	map_free(p->guests);
	drover__host_pools__free_unpacked(p->told, NULL);
}

void
guest_pools_free(struct guest_pools *p)
{
	if (!p)
		return;
	drop(p);
	free(p);
}

static const Drover__GuestSlice *
slice_of(const struct guest *g)
{
	const struct guest_pools *p = g->gs->pools;

	return p ? map_get(p->guests, g->number) : NULL;
}

uint64_t
guest_pools_entitlement(const struct guest *g)
{
	const Drover__GuestSlice *s = slice_of(g);

	return s ? s->cpu_entitlement_mhz : 0;
}

struct guest_share
guest_pools_memory(const struct guest *g)
{
	const Drover__GuestSlice *s = slice_of(g);

	return s ? (struct guest_share){ s->mem_entitlement_mb, s->mem_most_mb }
		 : (struct guest_share){ 0, 0 };
}

void
guest_pools_values(
    const struct guest *g, const Drover__GuestSpec *spec, struct cg_values *v)
{
	const struct cg *cg = g->gs->env.cg;

	cg_values_of(spec, cg_cpu_mhz(cg), v);
	cg_values_place(cg, g->number, v);
	guest_memory_values(g, spec, v);
}

static struct cg_slice
pool_slice(const Drover__PoolSlice *p, uint32_t cpu_mhz)
{
	return (struct cg_slice){
		.id = p->pool,
		.pool = p->parent,
		.cpu_shares = cg_shares_v1(p->cpu_shares),
		.cpu_weight = cg_shares_v2(p->cpu_shares),
		.cpu_quota_us = cg_quota_us(p->cpu_limit_mhz, cpu_mhz),
		.mem_limit_bytes = p->mem_limit_mb * MB_BYTES,
	};
}

static struct cg_slice
guest_slice(const struct guests *gs, const Drover__GuestSlice *s)
{
	const struct guest *g = guests_find(gs, s->guest);
	struct cg_slice c = {
		.id = s->guest,
		.pool = s->pool,
		.cpu_shares = cg_shares_v1(s->cpu_shares),
		.cpu_weight = cg_shares_v2(s->cpu_shares),
	};
	struct cg_values own;

	if (!g)
		return c;
	cg_values_of(g->spec, cg_cpu_mhz(gs->env.cg), &own);
	c.cpu_quota_us = own.cpu_quota_us;
	guest_memory_values(g, g->spec, &own);
	c.mem_kept_bytes = own.memory_kept_bytes;
	c.mem_reserved_bytes = own.memory_reserved_bytes;
	return c;
}

/* A pool keeps what its guests keep, and has room for what running them takes. */
static void
add_memory(const struct guests *gs, struct cg_slice *pools, size_t n,
    const struct cg_slice *guest)
{
	const struct guest *g = guests_find(gs, guest->id);
	uint64_t in = guest->pool;

	/* Those that hold others come first. */
	for (size_t i = n; i-- > 0;) {
		struct cg_slice *p = &pools[i];

		if (!in || p->id != in)
			continue;
		p->mem_kept_bytes += guest->mem_kept_bytes;
		p->mem_reserved_bytes += guest->mem_reserved_bytes;
		if (p->mem_limit_bytes && g)
			p->mem_limit_bytes += guest_memory_overhead(g);
		in = p->pool;
	}
}

static int
lay(struct guests *gs, struct err *e)
{
	const Drover__HostPools *p = gs->pools->told;
	struct cg *cg = gs->env.cg;
	AUTO_FREE struct cg_slice *pools = xcalloc(p->n_pools + 1, sizeof(*pools));
	AUTO_FREE struct cg_slice *guests = xcalloc(p->n_guests + 1, sizeof(*guests));
	struct cg_pools all = { .pools = pools, .guests = guests };

	for (size_t i = 0; i < p->n_pools; i++)
		pools[all.n_pools++] = pool_slice(p->pools[i], cg_cpu_mhz(cg));
	for (size_t i = 0; i < p->n_guests; i++) {
		const struct guest *g = guests_find(gs, p->guests[i]->guest);

		if (g && guest_spec_invented(g->spec))
			continue;
		guests[all.n_guests] = guest_slice(gs, p->guests[i]);
		add_memory(gs, pools, all.n_pools, &guests[all.n_guests]);
		all.n_guests++;
	}
	return cg_pools_set(cg, &all, e);
}

void
guest_pools_apply(struct guests *gs)
{
	struct guest_pools *p = gs->pools;
	struct err e = ERR_INIT;

	if (!p || !gs->env.cg)
		return;
	if (!lay(gs, &e))
		p->failed[0] = '\0';
	else if (strcmp(p->failed, e.msg) != 0) {
		snprintf(p->failed, sizeof(p->failed), "%s", e.msg);
		log_warn("guest", "resource pools: %s", e.msg);
	}
}

void
guest_pools_gather(const struct guest *g)
{
	struct cg *cg = g->gs->env.cg;
	struct err e = ERR_INIT;

	if (cg && !guest_spec_invented(g->spec) && cg_guest_gather(cg, g->number, &e))
		log_debug("guest", "vm %s: %s", g->spec->name, e.msg);
}

int
guest_pools_take(struct guests *gs, const Drover__HostPools *p, struct err *e)
{
	Drover__HostPools *copy = dup_pools(p);
	int rc;

	if (!copy)
		return err_set(e, ERR_CORRUPT, "pools of this host cannot be read");
	if (!gs->pools)
		gs->pools = xcalloc(1, sizeof(*gs->pools));
	else
		drop(gs->pools);
	gs->pools->told = copy;
	gs->pools->guests = map_new_u64();
	for (size_t i = 0; i < copy->n_guests; i++)
		map_put(gs->pools->guests, copy->guests[i]->guest, copy->guests[i]);
	rc = gs->env.cg ? lay(gs, e) : 0;
	guests_memory_turn(gs, gs->pressure);
	return rc;
}
