#include "server/ha/ha_proactive.h"

#include "base/arena.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/timer.h"
#include "server/event/event.h"
#include "server/ha/ha.h"
#include "server/ha/ha_proactive_int.h"
#include "server/hosts/hosts.h"
#include "server/inventory/feed.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"
#include "server/ops/ops.h"

#define PROACTIVE_MAGIC 0x68617072u
#define SETTLE_MS       500u
#define ROUND_MS        10000u
#define RETRY_MS        300000u /* after a host could not be emptied */
#define SAID_MAX        2u      /* conditions that are named in texts */

/* What goes on with a host. */
struct doing {
	struct ha_proactive *p;
	obj_id host;
	bool is_busy;      /* something is on its way to the database */
	obj_id task;       /* that empties it, or none */
	char *refused;     /* why it could not be emptied, or NULL */
	uint64_t retry_ms; /* of that */
};

struct ha_proactive {
	uint32_t magic;
	struct ha_proactive_opts o;
	struct loop *loop;
	struct timer *settle, *round;
	uint64_t rev;
	struct map *doing; /* host id → struct doing */
};

static const struct caller self = { .name = "ha", .role = ROLE_ADMINISTRATOR };

static uint64_t
now_ms(const struct ha_proactive *p)
{
	return clock_mono_ms(loop_clock(p->loop));
}

static struct doing *
doing_of(struct ha_proactive *p, obj_id host)
{
	struct doing *d = map_get(p->doing, host.v);

	if (!d) {
		d = xcalloc(1, sizeof(*d));
		d->p = p;
		d->host = host;
		map_put(p->doing, host.v, d);
	}
	return d;
}

/* ---- the view ---- */

/* "memory: DIMM 3 fails; and 2 more" */
static const char *
what_of(const struct host *h, struct arena *mem)
{
	size_t n = h->health_conditions ? json_count(h->health_conditions) : 0;
	AUTO(str) struct str text = STR_INIT;

	for (size_t i = 0; i < n && i < SAID_MAX; i++) {
		const json *o = json_at(h->health_conditions, i);
		str_addf(&text, "%s%s: %s", i ? "; " : "",
		    json_str_value(json_get(o, "component"), NULL),
		    json_str_value(json_get(o, "text"), NULL));
	}
	if (n > SAID_MAX)
		str_addf(&text, "; and %zu more", n - SAID_MAX);
	return arena_strdup(mem, str_cstr(&text));
}

/* A task that could not empty the host: why, for a while. */
static void
follow(struct doing *d)
{
	const struct task *t = inv_task(d->p->o.inv, d->task);

	if (t && (t->state == TASK_QUEUED || t->state == TASK_RUNNING))
		return;
	d->task = OBJ_ID_NONE;
	if (!t || t->state != TASK_ERROR)
		return;
	text_set(&d->refused, t->error_message);
	d->retry_ms = now_ms(d->p) + RETRY_MS;
}

static const char *
refusal(struct doing *d)
{
	follow(d);
	if (d->refused && now_ms(d->p) >= d->retry_ms)
		free(MOVE(d->refused));
	return d->refused;
}

static struct proactive_host
host_of(struct ha_proactive *p, const struct host *h, struct arena *mem)
{
	return (struct proactive_host){
		.id = h->o.id,
		.name = h->o.name,
		.health = h->health,
		.remedy = h->health_remedy,
		.what = what_of(h, mem),
		.is_up = hosts_is_up(p->o.hosts, h->o.id),
		.is_asleep = h->standby != STANDBY_NONE,
		.maintenance = h->maintenance,
		.refused = refusal(doing_of(p, h->o.id)),
	};
}

/* ---- what is done ---- */

static void
on_changed(void *arg, int rc, const struct err *e)
{
	struct doing *d = arg;

	d->is_busy = false;
	if (rc)
		log_warn("ha", "what was done about host \"%s\" was not stored: %s",
		    inv_name(d->p->o.inv, d->host), e->msg);
}

static void
note_remedy(struct doing *d, enum ha_remedy remedy, const char *why)
{
	struct txn *t = txn_new(d->p->o.inv);
	struct host *h = txn_edit(t, d->host);

	if (h->health_remedy == HA_REMEDY_QUARANTINE && remedy == HA_REMEDY_NONE)
		txn_event(t, EV_HOST_QUARANTINE_LEFT, d->host, OBJ_ID_NONE, self.name,
		    "Host %s is back from quarantine: %s", h->o.name, why);
	h->health_remedy = remedy;
	d->is_busy = true;
	txn_commit(t, on_changed, d);
}

static void
on_quarantined(const struct op_result *r, void *arg)
{
	struct doing *d = arg;

	d->is_busy = false;
	if (r->rc)
		log_warn("ha", "host \"%s\" was not put into quarantine: %s",
		    inv_name(d->p->o.inv, d->host), r->err.msg);
}

/* What refuses at once is tried again like what failed. */
static void
on_emptying(const struct op_result *r, void *arg)
{
	struct doing *d = arg;

	d->is_busy = false;
	d->task = r->task;
	if (!r->rc)
		return;
	text_set(&d->refused, r->err.msg);
	d->retry_ms = now_ms(d->p) + RETRY_MS;
	timer_after(d->p->settle, SETTLE_MS);
}

static void
submit(struct doing *d, const char *op, json *args, op_fn done)
{
	const struct op_request req = {
		.op = op,
		.entity = d->host,
		.args = args,
		.who = &self,
	};

	d->is_busy = true;
	op_submit(d->p->o.ops, &req, done, d);
}

static void
empty(struct doing *d, const char *why)
{
	struct inv *inv = d->p->o.inv;

	event_post(inv, EV_HOST_EVACUATED, d->host, self.name,
	    "Host %s is emptied for maintenance: %s", inv_name(inv, d->host), why);
	submit(d, "host.maintenance", NULL, on_emptying);
}

static void
act(struct ha_proactive *p, const struct cluster *cl, const struct proactive_host *h,
    const struct proactive_act *a)
{
	struct doing *d = doing_of(p, h->id);
	bool is_automatic = cl->ha_proactive == HA_PROACTIVE_AUTOMATIC;

	if (d->is_busy)
		return;
	switch (a->what) {
	case PROACTIVE_NOTHING:
		break;
	case PROACTIVE_RELEASE:
		note_remedy(d, HA_REMEDY_NONE, a->why);
		break;
	case PROACTIVE_NOTE:
		note_remedy(d, HA_REMEDY_MAINTENANCE, NULL);
		break;
	case PROACTIVE_QUARANTINE:
		if (is_automatic) {
			AUTO(json) json *args = json_new_object();
			json_set_str(args, "reason", a->why);
			submit(d, "host.quarantine", args, on_quarantined);
		}
		break;
	case PROACTIVE_EMPTY:
		if (is_automatic && obj_id_none(d->task))
			empty(d, a->why);
		break;
	}
}

static void
look(struct ha_proactive *p, const struct cluster *cl)
{
	AUTO(arena) struct arena *mem = arena_new();
	size_t room = cl->o.n_kids + 1;
	struct proactive_host *hosts = arena_array(mem, room, sizeof(*hosts));
	struct proactive_act *acts = arena_array(mem, room, sizeof(*acts));
	struct proactive_view v = {
		.hosts = hosts,
		.mode = cl->ha_proactive,
		.moderate = cl->ha_proactive_moderate,
		.severe = cl->ha_proactive_severe,
		.level = cl->ha_failover_level,
		.is_braked = ha_is_braked(p->o.ha, cl->o.id),
	};

	for (size_t i = 0; i < cl->o.n_kids; i++) {
		const struct host *h = inv_host(p->o.inv, cl->o.kids[i]);
		if (h)
			hosts[v.n++] = host_of(p, h, mem);
	}
	proactive_decide(&v, mem, acts);
	proactive_recommend(
	    p->o.inv, cl->o.id, &v, v.mode == HA_PROACTIVE_MANUAL ? acts : NULL);
	for (size_t i = 0; i < v.n; i++)
		act(p, cl, &hosts[i], &acts[i]);
}

/* ---- when ---- */

static void
forget_removed(struct ha_proactive *p)
{
	MAP_EACH(p->doing, it) {
		struct doing *d = it.value;
		if (inv_host(p->o.inv, d->host) || d->is_busy)
			continue;
		map_del(p->doing, it.key);
		free(d->refused);
		free(d);
	}
}

static void
on_round(void *arg)
{
	struct ha_proactive *p = CAST_OBJ(ha_proactive, arg, PROACTIVE_MAGIC);

	INV_EACH(p->o.inv, KIND_CLUSTER, o)
	{
		look(p, inv_cluster(p->o.inv, o->id));
	}
	forget_removed(p);
}

static bool
is_of_interest(const struct change *c)
{
	enum obj_kind kind = obj_id_kind(c->id);

	return !c->volatile_only && (kind == KIND_CLUSTER || kind == KIND_HOST);
}

static void
on_feed(void *arg)
{
	struct ha_proactive *p = CAST_OBJ(ha_proactive, arg, PROACTIVE_MAGIC);
	const struct change *c;
	bool is_news = !feed_reaches(p->o.inv, p->rev);

	for (uint64_t i = 0; !is_news && (c = feed_after(p->o.inv, p->rev, i)); i++)
		is_news = is_of_interest(c);
	p->rev = inv_rev(p->o.inv);
	if (is_news)
		timer_after(p->settle, SETTLE_MS);
}

struct ha_proactive *
ha_proactive_new(const struct ha_proactive_opts *o)
{
	struct ha_proactive *p = xcalloc(1, sizeof(*p));

	p->magic = PROACTIVE_MAGIC;
	p->o = *o;
	p->loop = inv_loop(o->inv);
	p->doing = map_new_u64();
	p->settle = timer_new(p->loop, on_round, p);
	p->round = timer_new(p->loop, on_round, p);
	p->rev = inv_rev(o->inv);
	timer_every(p->round, ROUND_MS);
	feed_follow(o->inv, on_feed, p);
	return p;
}

void
ha_proactive_free(struct ha_proactive *p)
{
	if (!p)
		return;
	feed_unfollow(p->o.inv, on_feed, p);
	timer_free(p->settle);
	timer_free(p->round);
	MAP_EACH(p->doing, it) {
		struct doing *d = it.value;
		free(d->refused);
		free(d);
	}
	map_free(p->doing);
	free(p);
}
