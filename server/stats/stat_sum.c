/*
 * stat_sum: what pools and clusters use, of what their guests and hosts do.
 *
 * Summed up half a step after samples are due: by then they are there.  What comes
 * later, because a host or the server was away, is summed up again, a slot at a time;
 * files get only what no host may add to any more, for they take no row twice.
 */
#include <math.h>

#include "base/mem.h"
#include "server/stats/stats_int.h"

/* Pools in one another: more than anybody may make. */
#define DEPTH_MAX 32u
#define KB_PER_MB 1024.0f
#define PER_CENT  100.0f
#define N_SUMMED  2u
#define AGAIN_MS  1000u /* for more that is late, before it is summed up */
#define NEXT_MS   200u  /* between slots of it: others have their turns */

static const uint32_t summed[N_SUMMED] = { METRIC_CPU_USAGEMHZ, METRIC_MEM_CONSUMED };

struct stat_sums {
	struct timer *again;
	uint64_t first;  /* when we began: who was silent since may still tell of it */
	uint64_t newest; /* that was summed up */
	bool *stale;     /* by slot, of the ring's: its sums are old */
	uint32_t n_stale;
};

/* Of one pool or cluster. */
struct sum {
	unsigned of;    /* that should have a sample */
	unsigned known; /* that have */
	float used[N_SUMMED];
	float mhz, kb; /* that the hosts with a sample have */
};

static struct sum *
sum_of(struct map *sums, obj_id id)
{
	struct sum *s = map_get(sums, id.v);

	if (!s) {
		s = xcalloc(1, sizeof(*s));
		map_put(sums, id.v, s);
	}
	return s;
}

/* False: it has no sample of that moment. */
static bool
add_sample(struct stats *s, struct sum *to, obj_id from, uint64_t slot)
{
	const struct stat_object *o = stats_find(s, from);
	float v[N_SUMMED];

	to->of++;
	for (size_t i = 0; i < N_SUMMED; i++) {
		v[i] = o ? stat_ring_get(o->ring, slot, summed[i]) : NAN;
		if (isnan(v[i]))
			return false;
	}
	to->known++;
	for (size_t i = 0; i < N_SUMMED; i++)
		to->used[i] += v[i];
	return true;
}

static void
add_guests(struct stats *s, struct map *sums, uint64_t slot)
{
	INV_EACH(s->inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(s->inv, o->id);
		const struct pool *p = inv_pool(s->inv, vm->pool);

		if (vm->power_state != POWER_ON)
			continue;
		for (unsigned deep = 0; p && deep < DEPTH_MAX; deep++) {
			(void)add_sample(s, sum_of(sums, p->o.id), o->id, slot);
			p = inv_pool(s->inv, p->o.parent);
		}
	}
}

static void
add_hosts(struct stats *s, struct map *sums, uint64_t slot)
{
	INV_EACH(s->inv, KIND_HOST, o)
	{
		const struct host *h = inv_host(s->inv, o->id);
		struct sum *to = sum_of(sums, o->parent);

		if (!add_sample(s, to, o->id, slot))
			continue;
		to->mhz += (float)h->cpu_total_mhz;
		to->kb += (float)h->memory_total_mb * KB_PER_MB;
	}
}

static void
put_sum(struct stats *s, obj_id id, const struct sum *v, uint64_t slot)
{
	/* Where nothing was measured there is nothing to say; where there is nothing to
	 * measure nothing is used. */
	if (v->of && !v->known)
		return;
	for (size_t i = 0; i < N_SUMMED; i++)
		stats_put(s, id, slot, summed[i], v->used[i]);
	if (obj_id_kind(id) != KIND_CLUSTER || v->mhz <= 0 || v->kb <= 0)
		return;
	stats_put(s, id, slot, METRIC_CPU_TOTALMHZ, v->mhz);
	stats_put(s, id, slot, METRIC_CPU_USAGE, v->used[0] * PER_CENT / v->mhz);
	stats_put(s, id, slot, METRIC_MEM_USAGE, v->used[1] * PER_CENT / v->kb);
}

static void
put_kind(struct stats *s, enum obj_kind kind, struct map *sums, uint64_t slot)
{
	INV_EACH(s->inv, kind, o)
	{
		put_sum(s, o->id, sum_of(sums, o->id), slot);
	}
}

static void
sum_up(struct stats *s, uint64_t slot)
{
	struct map *sums = map_new_u64();

	add_guests(s, sums, slot);
	add_hosts(s, sums, slot);
	put_kind(s, KIND_POOL, sums, slot);
	put_kind(s, KIND_CLUSTER, sums, slot);
	MAP_EACH(sums, it)
		free(it.value);
	map_free(sums);
}

static void
set_stale(struct stats *s, uint64_t slot, bool is)
{
	bool *at = &s->sums->stale[slot % s->slots];

	if (*at != is)
		s->sums->n_stale += is ? 1 : -1u;
	*at = is;
}

void
stat_sum_up(struct stats *s, uint64_t slot)
{
	sum_up(s, slot);
	s->sums->newest = slot;
	set_stale(s, slot, false);
}

/* ---- what comes late ---- */

/* n_stale is not 0. */
static uint64_t
oldest_stale(const struct stats *s)
{
	uint64_t slot = s->sums->newest - s->slots + 1;

	while (!s->sums->stale[slot % s->slots])
		slot++;
	return slot;
}

static void
on_again(void *arg)
{
	struct stats *s = arg;
	uint64_t slot;

	if (!s->sums->n_stale)
		return;
	slot = oldest_stale(s);
	set_stale(s, slot, false);
	sum_up(s, slot);
	if (s->sums->n_stale)
		timer_after(s->sums->again, NEXT_MS);
}

void
stat_sum_late(struct stats *s, uint64_t slot)
{
	const struct stat_sums *m = s->sums;

	if (slot > m->newest || slot + s->slots <= m->newest)
		return;
	if (!m->n_stale)
		timer_after(m->again, AGAIN_MS);
	set_stale(s, slot, true);
}

/* A host that was silent for most of an hour has no more to tell of it: its agent keeps
 * no more, and the ring goes on. */
static uint64_t
heard_up_to(const struct stats *s, obj_id host, uint64_t newest)
{
	const struct stat_object *o = stats_find(s, host);
	uint64_t heard = o ? stat_ring_newest(o->ring) : s->sums->first;

	return heard + s->slots - s->slots / 6 <= newest ? newest : heard;
}

uint64_t
stat_sum_final(const struct stats *s, const struct stat_object *o)
{
	obj_id cluster = inv_ancestor(s->inv, o->id, KIND_CLUSTER);
	uint64_t newest = stat_ring_newest(o->ring), final = newest;

	if (!(o->objects & (METRIC_OF_POOL | METRIC_OF_CLUSTER)))
		return newest;
	if (s->sums->n_stale && oldest_stale(s) <= final)
		final = oldest_stale(s) - 1;
	INV_EACH(s->inv, KIND_HOST, h)
	{
		uint64_t heard = heard_up_to(s, h->id, newest);

		if (obj_id_is(h->parent, cluster) && heard < final)
			final = heard;
	}
	return final;
}

void
stat_sum_open(struct stats *s)
{
	uint64_t now_ms = clock_wall_ms(loop_clock(s->loop));

	s->sums = xcalloc(1, sizeof(*s->sums));
	s->sums->again = timer_new(s->loop, on_again, s);
	s->sums->stale = xcalloc(s->slots, sizeof(*s->sums->stale));
	s->sums->first = s->sums->newest = stats_slot(s, now_ms);
}

void
stat_sum_close(struct stats *s)
{
	if (!s->sums)
		return;
	timer_free(s->sums->again);
	free(s->sums->stale);
	free(s->sums);
}
