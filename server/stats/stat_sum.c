/*
 * stat_sum: what pools and clusters use, of what their guests and hosts do.
 *
 * Summed up half a step after samples are due: by then they are there.  What comes
 * later, because a host or the server was away, is summed up again, a slot at a time;
 * files get only what no host may add to any more, for they take no row twice.
 *
 * One slot at a time is walked through, a thousand objects a turn of the loop; its
 * sums are put where others see them when the walk has ended.
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
#define A_TURN    1000u /* objects that are looked at */

static const uint32_t summed[N_SUMMED] = { METRIC_CPU_USAGEMHZ, METRIC_MEM_CONSUMED };

/* What is walked through, in this order: who is summed up, then for whom. */
static const enum obj_kind walked[] = { KIND_VM, KIND_HOST, KIND_POOL, KIND_CLUSTER };

struct stat_sums {
	struct timer *again;
	uint64_t first;  /* when we began: who was silent since may still tell of it */
	uint64_t newest; /* that was due */
	bool *stale;     /* by slot, of the ring's: its sums are old */
	uint32_t n_stale;
	/* The walk under way. */
	struct map *sums; /* by pool and cluster; NULL: there is none */
	uint64_t slot;
	size_t kind; /* where it stands in walked */
	obj_id after;
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
add_guest(struct stats *s, const struct vm *vm)
{
	const struct pool *p = inv_pool(s->inv, vm->pool);

	if (vm->power_state != POWER_ON)
		return;
	for (unsigned deep = 0; p && deep < DEPTH_MAX; deep++) {
		(void)add_sample(
		    s, sum_of(s->sums->sums, p->o.id), vm->o.id, s->sums->slot);
		p = inv_pool(s->inv, p->o.parent);
	}
}

static void
add_host(struct stats *s, const struct host *h)
{
	struct sum *to = sum_of(s->sums->sums, h->o.parent);

	if (!add_sample(s, to, h->o.id, s->sums->slot))
		return;
	to->mhz += (float)h->cpu_total_mhz;
	to->kb += (float)h->memory_total_mb * KB_PER_MB;
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
walk_past(struct stats *s, const struct obj *o)
{
	struct stat_sums *m = s->sums;

	switch (obj_id_kind(o->id)) {
	case KIND_VM:
		add_guest(s, inv_vm(s->inv, o->id));
		return;
	case KIND_HOST:
		add_host(s, inv_host(s->inv, o->id));
		return;
	default:
		put_sum(s, o->id, sum_of(m->sums, o->id), m->slot);
		/* What is older than their newest sample is no news. */
		if (m->slot == m->newest)
			stats_tell(s, o->id, m->slot);
	}
}

static void
end_walk(struct stat_sums *m)
{
	struct map *sums = MOVE(m->sums);

	if (!sums)
		return;
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

static void
begin_walk(struct stats *s, uint64_t slot)
{
	struct stat_sums *m = s->sums;

	/* A sample that comes while it goes on marks it again. */
	set_stale(s, slot, false);
	m->sums = map_new_u64();
	m->slot = slot;
	m->kind = 0;
	m->after = OBJ_ID_NONE;
}

/* n_stale is not 0. */
static uint64_t
oldest_stale(const struct stats *s)
{
	uint64_t slot = s->sums->newest - s->slots + 1;

	while (!s->sums->stale[slot % s->slots])
		slot++;
	return slot;
}

static bool
is_stale(const struct stats *s, uint64_t slot)
{
	return s->sums->stale[slot % s->slots];
}

/* What is due comes before what is late. */
static void
arm_next(struct stats *s)
{
	struct stat_sums *m = s->sums;

	if (m->sums || is_stale(s, m->newest))
		timer_after(m->again, 0);
	else if (m->n_stale)
		timer_after(m->again, NEXT_MS);
}

/* A turn's worth of the walk. */
static void
walk_on(struct stats *s)
{
	struct stat_sums *m = s->sums;

	for (unsigned n = 0; m->kind < ARRAY_SIZE(walked); n++) {
		const struct obj *o = inv_next(s->inv, walked[m->kind], m->after);

		if (n == A_TURN)
			break;
		m->after = o ? o->id : OBJ_ID_NONE;
		if (o)
			walk_past(s, o);
		else
			m->kind++;
	}
	if (m->kind == ARRAY_SIZE(walked))
		end_walk(m);
	arm_next(s);
}

void
stat_sum_up(struct stats *s, uint64_t slot)
{
	struct stat_sums *m = s->sums;

	m->newest = slot;
	set_stale(s, slot, true);
	if (m->sums)
		return;
	begin_walk(s, slot);
	walk_on(s);
}

/* ---- what comes late ---- */

static void
on_again(void *arg)
{
	struct stats *s = arg;
	struct stat_sums *m = s->sums;

	if (!m->sums && !m->n_stale)
		return;
	if (!m->sums)
		begin_walk(s, is_stale(s, m->newest) ? m->newest : oldest_stale(s));
	walk_on(s);
}

void
stat_sum_late(struct stats *s, uint64_t slot)
{
	const struct stat_sums *m = s->sums;

	if (slot > m->newest || slot + s->slots <= m->newest)
		return;
	if (!m->n_stale && !m->sums)
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

/* Up to which slot all hosts of a cluster have told, for a pool or the cluster itself
 * whose newest sample is of newest. */
static uint64_t
told_up_to(const struct stats *s, obj_id cluster, uint64_t newest)
{
	uint64_t told = newest;

	INV_EACH(s->inv, KIND_HOST, h)
	{
		uint64_t heard;

		if (!obj_id_is(h->parent, cluster))
			continue;
		heard = heard_up_to(s, h->id, newest);
		told = heard < told ? heard : told;
	}
	return told;
}

uint64_t
stat_sum_final(
    const struct stats *s, const struct stat_object *o, struct stat_final *known)
{
	uint64_t newest = stat_ring_newest(o->ring), final;
	const struct stat_sums *m = s->sums;
	obj_id cluster;

	if (!(o->objects & (METRIC_OF_POOL | METRIC_OF_CLUSTER)))
		return newest;
	cluster = inv_ancestor(s->inv, o->id, KIND_CLUSTER);
	if (!obj_id_is(known->cluster, cluster) || known->newest != newest)
		*known = (struct stat_final){ cluster, newest,
			told_up_to(s, cluster, newest) };
	final = known->told;
	if (m->n_stale && oldest_stale(s) <= final)
		final = oldest_stale(s) - 1;
	if (m->sums && m->slot <= final)
		final = m->slot - 1;
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
	end_walk(s->sums);
	timer_free(s->sums->again);
	free(s->sums->stale);
	free(s->sums);
}
