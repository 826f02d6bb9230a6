#include "server/stats/stat_live.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "server/hosts/host_stats.h"
#include "server/stats/stats_int.h"

#define LEASE_MS    30000u
#define RENEW_MS    10000u
#define SILENT_MS   (3u * STAT_LIVE_MS)
#define SPAN_MAX_MS 60000u
#define MS_PER_S    1000u

struct stat_watcher {
	struct list_node node; /* in watched->watchers */
	struct stat_watch_ask ask;
};

/* An object that somebody watches. */
struct watched {
	obj_id id;
	struct list watchers;
	unsigned closely;  /* of them */
	uint64_t heard_ms; /* its last close sample; 0: none */
};

/* What a host's agent was asked for. */
struct asked {
	obj_id host;
	bool is_told; /* it was sent */
	uint64_t told_ms, heard_ms;
	uint64_t ids[STAT_LIVE_PER_HOST], wanted[STAT_LIVE_PER_HOST];
	size_t n_ids, n_wanted;
};

struct stat_lives {
	struct map *watched; /* by object */
	struct map *asked;   /* by host */
	struct timer *tick;
	unsigned closely; /* watchers, in all */
};

static obj_id
host_of(const struct stats *s, obj_id id)
{
	const struct vm *vm = inv_vm(s->inv, id);

	return vm ? vm->host : inv_host(s->inv, id) ? id : OBJ_ID_NONE;
}

/* ---- what agents are asked for ---- */

static struct asked *
asked_of(struct stat_lives *l, obj_id host)
{
	struct asked *a = map_get(l->asked, host.v);

	if (!a) {
		a = xcalloc(1, sizeof(*a));
		a->host = host;
		map_put(l->asked, host.v, a);
	}
	return a;
}

/* By host, in order of the objects' ids, so that the same ones find room. */
static void
gather(struct stats *s)
{
	struct stat_lives *l = s->lives;
	AUTO_FREE uint64_t *keys = map_keys_sorted(l->watched);

	MAP_EACH(l->asked, it)
		((struct asked *)it.value)->n_wanted = 0;
	for (size_t i = 0; i < map_count(l->watched); i++) {
		const struct watched *w = map_get(l->watched, keys[i]);
		obj_id host = host_of(s, w->id);
		struct asked *a;

		if (!w->closely || obj_id_none(host))
			continue;
		a = asked_of(l, host);
		if (a->n_wanted < STAT_LIVE_PER_HOST)
			a->wanted[a->n_wanted++] =
			    obj_id_is(w->id, host) ? 0 : obj_id_number(w->id);
	}
}

static bool
is_due(const struct asked *a, uint64_t now_ms)
{
	return !a->is_told || a->n_ids != a->n_wanted ||
	       memcmp(a->ids, a->wanted, a->n_ids * sizeof(a->ids[0])) ||
	       now_ms - a->told_ms >= RENEW_MS ||
	       (now_ms - a->heard_ms > SILENT_MS && now_ms - a->told_ms > SILENT_MS);
}

static void
tell_agent(const struct stats *s, struct asked *a, uint64_t now_ms)
{
	Drover__StatWatch w = DROVER__STAT_WATCH__INIT;

	memcpy(a->ids, a->wanted, sizeof(a->ids));
	a->n_ids = a->n_wanted;
	w.n_objects = a->n_ids;
	w.objects = a->ids;
	w.interval_ms = STAT_LIVE_MS;
	w.lease_ms = LEASE_MS;
	a->is_told = hosts_watch(s->hosts, a->host, &w);
	a->told_ms = now_ms;
}

static void
tell_agents(struct stats *s)
{
	struct stat_lives *l = s->lives;
	uint64_t now_ms = loop_now_ms(s->loop);

	gather(s);
	MAP_EACH(l->asked, it) {
		struct asked *a = it.value;

		if (s->hosts && is_due(a, now_ms))
			tell_agent(s, a, now_ms);
		if (a->n_wanted)
			continue;
		map_del(l->asked, a->host.v);
		free(a);
	}
	if (!l->closely)
		timer_stop(l->tick);
}

static void
on_tick(void *arg)
{
	tell_agents(CAST_OBJ(stats, arg, STATS_MAGIC));
}

void
stat_live_look(struct stats *s)
{
	if (s->lives->closely)
		tell_agents(s);
}

/* ---- what is told ---- */

static void
tell(const struct watched *w, const struct stat_live *x, bool is_close)
{
	LIST_EACH(struct stat_watcher, one, &w->watchers, node) {
		if (one->ask.is_close == is_close)
			one->ask.fn(one->ask.arg, x);
	}
}

static void
clear(struct stat_live *x, obj_id id)
{
	x->id = id;
	for (size_t i = 0; i < METRIC_MAX; i++)
		x->v[i] = NAN;
}

static void
tell_set(struct stats *s, obj_id id, const Drover__StatSet *set, uint32_t span_ms)
{
	struct watched *w = map_get(s->lives->watched, id.v);
	unsigned objects = stats_objects_of(s->inv, id);
	size_t n = set->n_counters < set->n_values ? set->n_counters : set->n_values;
	struct stat_live x = { .span_ms = span_ms };

	if (!w || !w->closely)
		return;
	w->heard_ms = loop_now_ms(s->loop);
	x.wall_ms = clock_wall_ms(loop_clock(s->loop));
	clear(&x, id);
	for (size_t i = 0; i < n; i++) {
		const struct metric *m = metric_at(set->counters[i]);

		if (m && m->objects & objects)
			x.v[m->number] = (float)set->values[i] / METRIC_SCALE;
	}
	tell(w, &x, true);
}

static void
take(void *arg, obj_id host, const Drover__StatRound *r)
{
	struct stats *s = CAST_OBJ(stats, arg, STATS_MAGIC);
	struct asked *a = map_get(s->lives->asked, host.v);

	if (!a || !r->span_ms || r->span_ms > SPAN_MAX_MS)
		return;
	a->heard_ms = loop_now_ms(s->loop);
	if (r->host)
		tell_set(s, host, r->host, r->span_ms);
	for (size_t i = 0; i < r->n_guests; i++) {
		obj_id id = stat_told_of(s, host, r->guests[i]);

		if (!obj_id_none(id) && !obj_id_is(id, host))
			tell_set(s, id, r->guests[i], r->span_ms);
	}
}

static bool
is_heard(const struct stats *s, const struct watched *w)
{
	return w->heard_ms && loop_now_ms(s->loop) - w->heard_ms <= SILENT_MS;
}

void
stat_live_tell(const struct stats *s, obj_id id, uint64_t slot)
{
	const struct watched *w = map_get(s->lives->watched, id.v);
	const struct stat_object *o = w ? stats_find(s, id) : NULL;
	struct stat_live x = { .span_ms = s->step_s * MS_PER_S };
	uint8_t counters[METRIC_MAX];

	if (!o)
		return;
	x.wall_ms = slot * s->step_s * MS_PER_S;
	clear(&x, id);
	for (size_t i = metrics_of(o->objects, counters); i-- > 0;) {
		float v = stat_ring_get(o->ring, slot, counters[i]);

		if (metric_at(counters[i])->kind == METRIC_DELTA)
			v *= (float)s->step_s;
		x.v[counters[i]] = v;
	}
	tell(w, &x, false);
	if (!is_heard(s, w))
		tell(w, &x, true);
}

/* ---- who watches ---- */

static int
check_room(const struct stats *s, obj_id id, struct err *e)
{
	const struct watched *known = map_get(s->lives->watched, id.v);
	obj_id host = host_of(s, id);
	const struct asked *a =
	    obj_id_none(host) ? NULL : map_get(s->lives->asked, host.v);

	if ((known && known->closely) || !a || a->n_wanted < STAT_LIVE_PER_HOST)
		return 0;
	return err_set(e, ERR_NO_CAPACITY,
	    "%u objects of host \"%s\" are watched closely already, as many as may be",
	    STAT_LIVE_PER_HOST, inv_name(s->inv, host));
}

static struct watched *
watched_of(struct stat_lives *l, obj_id id)
{
	struct watched *w = map_get(l->watched, id.v);

	if (!w) {
		w = xcalloc(1, sizeof(*w));
		w->id = id;
		list_init(&w->watchers);
		map_put(l->watched, id.v, w);
	}
	return w;
}

int
stats_watch(struct stats *s, const struct stat_watch_ask *ask,
    struct stat_watcher **ret, struct err *e)
{
	struct stat_lives *l = s->lives;
	struct stat_watcher *one;
	struct watched *w;

	if (!stats_objects_of(s->inv, ask->id))
		return err_set(e, ERR_INVALID, "nothing is counted of %s",
		    kind_plural(obj_id_kind(ask->id)));
	if (ask->is_close && check_room(s, ask->id, e))
		return e->code;
	one = xcalloc(1, sizeof(*one));
	one->ask = *ask;
	w = watched_of(l, ask->id);
	list_add_tail(&w->watchers, &one->node);
	*ret = one;
	if (!ask->is_close)
		return 0;
	w->closely++;
	if (!l->closely++)
		timer_every(l->tick, STAT_LIVE_MS);
	tell_agents(s);
	return 0;
}

void
stats_unwatch(struct stats *s, struct stat_watcher *one)
{
	struct watched *w = map_get(s->lives->watched, one->ask.id.v);

	list_remove(&one->node);
	if (one->ask.is_close) {
		w->closely--;
		s->lives->closely--;
		tell_agents(s);
	}
	if (list_empty(&w->watchers)) {
		map_del(s->lives->watched, w->id.v);
		free(w);
	}
	free(one);
}

uint32_t
stats_watch_ms(const struct stats *s, const struct stat_watcher *one)
{
	obj_id host = host_of(s, one->ask.id);

	return one->ask.is_close && !obj_id_none(host) && s->hosts &&
		       hosts_takes_watches(s->hosts, host)
		   ? STAT_LIVE_MS
		   : s->step_s * MS_PER_S;
}

void
stat_live_open(struct stats *s)
{
	s->lives = xcalloc(1, sizeof(*s->lives));
	s->lives->watched = map_new_u64();
	s->lives->asked = map_new_u64();
	s->lives->tick = timer_new(s->loop, on_tick, s);
	if (s->hosts)
		hosts_set_watches(s->hosts, take, s);
}

/* Who still watches has forgotten to say that it does not. */
void
stat_live_close(struct stats *s)
{
	struct stat_lives *l = MOVE(s->lives);

	if (!l)
		return;
	ASSERT(!map_count(l->watched));
	if (s->hosts)
		hosts_set_watches(s->hosts, NULL, NULL);
	MAP_EACH(l->asked, it)
		free(it.value);
	map_free(l->watched);
	map_free(l->asked);
	timer_free(l->tick);
	free(l);
}
