#include "scheduler/bal_view.h"

#include <string.h>

#include "base/map.h"

#define RECENT 8u /* needs that are looked at before all are */

int
bal_scope_of(const struct sched_view *v, uint64_t cluster, struct bal_scope *ret_scope,
    struct err *e)
{
	uint32_t ix = cluster ? view_find(&v->clusters, cluster) : NO_IX;
	char text[SCHED_ID_TEXT];

	if (cluster && ix == NO_IX)
		return err_set(e, ERR_NOT_FOUND, "there is no cluster %s",
		    view_id_text(cluster, text));
	*ret_scope = (struct bal_scope){ .cluster_ix = ix };
	return 0;
}

static bool
is_in(const struct view_host *h, const struct bal_scope *s, uint32_t ix)
{
	if (h->cluster_ix != s->cluster_ix || !h->in.cpu_mhz || !h->in.memory_mb)
		return false;
	return h->in.state == SCHED_HOST_CONNECTED || (s->leaving && s->leaving[ix]);
}

uint64_t
bal_view_memory_mb(const struct view_host *h)
{
	return (h->in.memory_mb - h->in.memory_overhead_mb) *
	       h->policy.memory_overcommit_permille / 1000;
}

static void
take_hosts(struct bal_view *x, const struct bal_scope *s)
{
	struct bal *b = &x->b;

	for (uint32_t i = 0; i < x->v->hosts.count; i++) {
		const struct view_host *h = view_host_at(x->v, i);
		uint64_t memory_mb = bal_view_memory_mb(h);

		x->bal_host[i] = BAL_NONE;
		if (!is_in(h, s, i))
			continue;
		x->bal_host[i] = b->host_count;
		x->host_of[b->host_count] = i;
		b->hosts[b->host_count++] = (struct bal_host){
			.cpu_cap = (double)h->in.cpu_mhz,
			.mem_cap = (double)(memory_mb ? memory_mb : 1),
			.closed = s->leaving && s->leaving[i],
			.busy = h->in.network_permille > SCHED_BUSY ||
				h->in.disk_permille > SCHED_BUSY,
		};
	}
}

static void
take_guests(struct bal_view *x, const struct bal_scope *s)
{
	struct bal *b = &x->b;

	for (uint32_t i = 0; i < x->v->guests.count; i++) {
		const struct view_guest *g = view_guest_at(x->v, i);
		uint32_t at = g->host_ix == NO_IX ? BAL_NONE : x->bal_host[g->host_ix];

		x->bal_guest[i] = BAL_NONE;
		if (at == BAL_NONE || g->in.state == SCHED_GUEST_OFF ||
		    (s->without && s->without[i]))
			continue;
		x->bal_guest[i] = b->guest_count;
		x->guest_of[b->guest_count] = i;
		b->guests[b->guest_count++] = (struct bal_guest){
			.cpu =
			    (double)load_demand_mhz(g, view_host_at(x->v, g->host_ix)),
			.mem = (double)g->in.memory_mb,
			.dirty = (double)g->in.dirty_kb_s / 1024,
			.home = at,
			.at = at,
			.fixed = g->in.pinned || g->in.state == SCHED_GUEST_RESERVED,
		};
	}
}

/* ---- rules ---- */

static void
add_rule(struct bal_view *x, struct bal_rule *rules, const struct bal_rule *r,
    uint32_t rule_ix)
{
	if (!r->guest_count)
		return;
	x->rule_of[x->b.rule_count] = rule_ix;
	rules[x->b.rule_count++] = *r;
}

static void
take_rule(struct bal_view *x, uint32_t rule_ix, struct bal_rule *rules)
{
	const struct view_rule *r = view_rule_at(x->v, rule_ix);

	static const enum bal_rule_kind kinds[] = {
		[SCHED_RULE_TOGETHER] = BAL_TOGETHER,
		[SCHED_RULE_APART] = BAL_APART,
		[SCHED_RULE_MUST_RUN_ON] = BAL_ONLY_ON,
		[SCHED_RULE_MUST_NOT_RUN_ON] = BAL_NEVER_ON,
		[SCHED_RULE_SHOULD_RUN_ON] = BAL_ONLY_ON,
		[SCHED_RULE_SHOULD_NOT_RUN_ON] = BAL_NEVER_ON,
	};
	struct bal_rule rule = { .kind = kinds[r->in.kind],
		.soft = !rule_is_strict(r->in.kind) };
	uint32_t *guests =
	    arena_array(x->b.arena, r->in.guest_count + 1, sizeof(*guests));

	for (size_t i = 0; i < r->in.guest_count; i++) {
		if (x->bal_guest[r->guest_ix[i]] != BAL_NONE)
			guests[rule.guest_count++] = x->bal_guest[r->guest_ix[i]];
	}
	rule.guests = guests;
	if (rule_names_hosts(r->in.kind)) {
		bool *hosts =
		    arena_array(x->b.arena, x->b.host_count + 1, sizeof(*hosts));

		for (size_t i = 0; i < r->in.host_count; i++) {
			if (x->bal_host[r->host_ix[i]] != BAL_NONE)
				hosts[x->bal_host[r->host_ix[i]]] = true;
		}
		rule.hosts = hosts;
	}
	add_rule(x, rules, &rule, rule_ix);
}

/* What a guest needs of a host, as a key: guests alike are judged once. */
static void
write_needs(const struct view_guest *g, struct str *key)
{
	str_reset(key);
	str_addf(key, "%x|%u|%u|%u", g->in.engines, g->cluster_ix, g->want_ix,
	    (unsigned)g->in.num_cpu);
	for (size_t i = 0; i < g->in.disk_count; i++)
		str_addf(key, ",%u", g->datastore_ix[i]);
	for (size_t i = 0; i < g->in.network_count; i++)
		str_addf(key, ";%u", g->network_ix[i]);
}

/* Guests of one need; hosts: those within its reach. */
struct need {
	const struct view_guest *like; /* the first of them */
	bool *hosts;
	uint32_t missing; /* hosts that are not */
	uint32_t *guests;
	uint32_t guest_count;
};

static struct need *
find_need(struct bal_view *x, const struct view_guest *g)
{
	struct need *n = arena_alloc(x->b.arena, sizeof(*n));
	struct fit f;

	n->like = g;
	n->hosts = arena_array(x->b.arena, x->b.host_count + 1, sizeof(*n->hosts));
	for (uint32_t h = 0; h < x->b.host_count; h++) {
		n->hosts[h] = fit_reaches(x->v, g, x->host_of[h], &f);
		n->missing += !n->hosts[h];
	}
	return n;
}

static bool
is_alike(const struct view_guest *a, const struct view_guest *b)
{
	return a->in.engines == b->in.engines && a->cluster_ix == b->cluster_ix &&
	       a->want_ix == b->want_ix && a->in.num_cpu == b->in.num_cpu &&
	       a->in.disk_count == b->in.disk_count &&
	       a->in.network_count == b->in.network_count &&
	       !memcmp(a->datastore_ix, b->datastore_ix,
		   a->in.disk_count * sizeof(*a->datastore_ix)) &&
	       !memcmp(a->network_ix, b->network_ix,
		   a->in.network_count * sizeof(*a->network_ix));
}

/* Needs by key; most guests are like one of the last few. */
struct needs {
	struct bal_view *x;
	struct map *known;
	struct need *recent[RECENT];
	uint32_t next;
	struct need **list; /* those that do not reach every host */
	uint32_t count;
};

static struct need *
need_of(struct needs *s, const struct view_guest *g)
{
	AUTO(str) struct str key = STR_INIT;
	struct need *n;

	for (uint32_t i = 0; i < RECENT && s->recent[i]; i++) {
		if (is_alike(s->recent[i]->like, g))
			return s->recent[i];
	}
	write_needs(g, &key);
	n = map_get_str(s->known, str_cstr(&key));
	if (!n) {
		n = find_need(s->x, g);
		map_put_str(s->known, str_cstr(&key), n);
		if (n->missing)
			s->list[s->count++] = n;
	}
	s->recent[s->next++ % RECENT] = n;
	return n;
}

static struct need **
list_needs(struct bal_view *x, uint32_t *ret_count)
{
	AUTO(map) struct map *known = map_new_str();
	struct bal *b = &x->b;
	size_t guests = (size_t)b->guest_count + 1;
	struct need **of = arena_array(b->arena, guests, sizeof(void *));
	struct needs s = { .x = x,
		.known = known,
		.list = arena_array(b->arena, guests, sizeof(void *)) };

	for (uint32_t i = 0; i < b->guest_count; i++) {
		of[i] = need_of(&s, view_guest_at(x->v, x->guest_of[i]));
		of[i]->guest_count++;
	}
	for (uint32_t i = 0; i < s.count; i++) {
		s.list[i]->guests = arena_array(
		    b->arena, s.list[i]->guest_count, sizeof(*s.list[i]->guests));
		s.list[i]->guest_count = 0;
	}
	for (uint32_t i = 0; i < b->guest_count; i++) {
		if (of[i]->missing)
			of[i]->guests[of[i]->guest_count++] = i;
	}
	*ret_count = s.count;
	return s.list;
}

static void
take_rules(struct bal_view *x)
{
	uint32_t needs;
	struct need **list = list_needs(x, &needs);
	struct bal_rule *rules =
	    arena_array(x->b.arena, x->v->rules.count + needs + 1, sizeof(*rules));

	x->rule_of =
	    arena_array(x->b.arena, x->v->rules.count + needs + 1, sizeof(*x->rule_of));
	for (uint32_t i = 0; i < x->v->rules.count; i++)
		take_rule(x, i, rules);
	for (uint32_t i = 0; i < needs; i++) {
		const struct bal_rule rule = {
			.kind = BAL_ONLY_ON,
			.guests = list[i]->guests,
			.guest_count = list[i]->guest_count,
			.hosts = list[i]->hosts,
		};

		add_rule(x, rules, &rule, NO_IX);
	}
	x->b.rules = rules;
}

void
bal_view_init(struct bal_view *x, const struct sched_view *v, const struct bal_scope *s,
    struct arena *a)
{
	size_t hosts = v->hosts.count + 1, guests = v->guests.count + 1;

	*x = (struct bal_view){ .v = v,
		.b = { .arena = a,
		    .guest_room = (uint32_t)guests,
		    .link_mb_s = s->link_mb_s } };
	x->b.hosts = arena_array(a, hosts, sizeof(struct bal_host));
	x->b.guests = arena_array(a, guests, sizeof(struct bal_guest));
	x->host_of = arena_array(a, hosts, sizeof(uint32_t));
	x->bal_host = arena_array(a, hosts, sizeof(uint32_t));
	x->guest_of = arena_array(a, guests, sizeof(uint32_t));
	x->bal_guest = arena_array(a, guests, sizeof(uint32_t));
	take_hosts(x, s);
	take_guests(x, s);
	take_rules(x);
	bal_init(&x->b);
}
