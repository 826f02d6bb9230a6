/*
 * Judges the hosts of a cluster (ha_decide) and does what follows from it.
 */
#include <stdio.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/event/event.h"
#include "server/ha/ha_int.h"
#include "server/hosts/host_beat.h"
#include "server/inventory/txn.h"

#define TELL_AFTER_MS 5000u

struct look {
	struct ha *ha;
	const struct cluster *cl;
	struct lease_terms terms;
	uint64_t now_ms;
	struct ha_node **nodes;
	struct ha_host *hosts; /* by the same index */
	size_t n;
};

static void
weigh_words(const struct look *l, struct ha_node *about, uint32_t slot,
    struct arena *mem, struct ha_host *h)
{
	struct ha_word *words = arena_array(mem, l->n + 1, sizeof(*words));
	size_t n = 0;

	h->says_isolated = false;
	for (size_t i = 0; i < l->n; i++) {
		const struct ha_node *by = l->nodes[i];
		if (by == about || !by->heard ||
		    l->now_ms - by->h.heard_ms >=
			(uint64_t)l->terms.renew_ms * HA_BEATS_MISSED)
			continue;
		for (size_t k = 0; k < by->n_words; k++) {
			if (by->words[k].slot != slot)
				continue;
			words[n++] = by->words[k].word;
			h->says_isolated =
			    h->says_isolated ||
			    (by->words[k].word.read && by->words[k].isolated);
			break;
		}
	}
	h->beat = ha_recall(&about->h, ha_weigh(words, n, l->terms.renew_ms),
	    l->terms.renew_ms, l->now_ms);
}

/* The one that it has been without for longest, though others have it. */
static void
weigh_stores(const struct look *l, const struct ha_node *n, struct ha_host *h)
{
	h->store_lost_ms = 0;
	h->others_have_store = false;
	for (size_t i = 0; i < n->n_stores; i++) {
		uint64_t since_ms = ha_store_lost_ms(l->ha, n, n->stores[i].number);
		if (!since_ms || (h->store_lost_ms && since_ms >= h->store_lost_ms))
			continue;
		h->store_lost_ms = since_ms;
		h->others_have_store = true;
	}
}

static void
count_protected(struct look *l)
{
	INV_EACH(l->ha->o.inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(l->ha->o.inv, o->id);
		const struct ha_node *n =
		    vm->ha_protected ? ha_node_find(l->ha, vm->host) : NULL;
		if (n && n->at < l->n && l->nodes[n->at] == n)
			l->hosts[n->at].protected_guests++;
	}
}

static void
fill_host(
    const struct look *l, struct ha_node *n, struct arena *mem, struct ha_host *h)
{
	const struct host *row = inv_host(l->ha->o.inv, n->id);

	*h = n->h;
	h->host_id = row->ha_slot;
	if (row->maintenance == MAINT_IN || row->standby != STANDBY_NONE)
		h->mode = HA_MAINTAINED;
	h->fenced = n->fencing || ha_is_fenced(row);
	h->powered_off = row->ha_off_inc >= row->ha_inc;
	h->was_frozen = row->ha_frozen;
	h->protected_guests = 0;
	weigh_words(l, n, row->ha_slot, mem, h);
	weigh_stores(l, n, h);
}

static void
collect(struct look *l, struct arena *mem)
{
	const struct inv *inv = l->ha->o.inv;

	l->nodes =
	    arena_array(mem, inv_count(inv, KIND_HOST) + 1, sizeof(struct ha_node *));
	INV_EACH(inv, KIND_HOST, o)
	{
		const struct host *row = inv_host(inv, o->id);
		if (obj_id_is(o->parent, l->cl->o.id) && row->ha_slot && row->ha_inc)
			l->nodes[l->n++] = ha_node_of(l->ha, o->id);
	}
	l->hosts = arena_array(mem, l->n + 1, sizeof(*l->hosts));
	for (size_t i = 0; i < l->n; i++) {
		l->nodes[i]->at = i;
		fill_host(l, l->nodes[i], mem, &l->hosts[i]);
	}
	count_protected(l);
}

/* ---- what follows ---- */

static void
tell_store_lost(struct ha *ha, const struct ha_node *n)
{
	const struct ha_store *lost = NULL;

	for (size_t i = 0; i < n->n_stores && !lost; i++) {
		if (ha_store_lost_ms(ha, n, n->stores[i].number))
			lost = &n->stores[i];
	}
	event_post(ha->o.inv, EV_HOST_HA_STORE_LOST, n->id, NULL,
	    "Host %s alone has lost datastore %s; its guests there are started "
	    "elsewhere%s%s",
	    inv_name(ha->o.inv, n->id),
	    lost ? inv_name(ha->o.inv, obj_id_make(KIND_DATASTORE, lost->number)) : "",
	    lost && lost->why[0] ? ": " : "", lost ? lost->why : "");
}

static void
tell_state(struct ha *ha, const struct ha_node *n)
{
	static const int codes[HA_STATES_] = {
		[HA_UP] = EV_HOST_HA_UP,
		[HA_STORE_LOST] = EV_HOST_HA_STORE_LOST,
		[HA_RESTS] = -1,
		[HA_SUSPECT] = EV_HOST_HA_SUSPECT,
		[HA_PARTITIONED] = EV_HOST_HA_PARTITIONED,
		[HA_ISOLATED] = EV_HOST_HA_ISOLATED,
		[HA_DEAD] = EV_HOST_HA_DEAD,
	};
	static const char *const texts[HA_STATES_] = {
		[HA_UP] = "sends heartbeats again",
		[HA_SUSPECT] = "sends no heartbeats",
		[HA_PARTITIONED] = "sends no heartbeats, but its datastores do; its "
				   "guests run on",
		[HA_ISOLATED] = "sends no heartbeats and is isolated, as its "
				"datastores say",
		[HA_DEAD] = "is dead: no heartbeats, and none of its leases hold",
	};

	if (n->is == HA_STORE_LOST)
		tell_store_lost(ha, n);
	else if (codes[n->is] >= 0)
		event_post(ha->o.inv, (enum event_code)codes[n->is], n->id, NULL,
		    "Host %s %s", inv_name(ha->o.inv, n->id), texts[n->is]);
}

/*
 * Every host that dies looks partitioned first, for as long as others remember that its
 * block moved: people are told what it is once that is clear.
 */
static void
tell_news(struct ha *ha, struct ha_node *n)
{
	bool may_pass = n->is == HA_PARTITIONED || n->is == HA_RESTS;

	if (n->is == n->told ||
	    (may_pass && ha_now_ms(ha) - n->is_since_ms < TELL_AFTER_MS))
		return;
	if (n->told != HA_RESTS)
		tell_state(ha, n);
	n->told = n->is;
}

static void
note_state(struct ha *ha, const struct ha_node *n)
{
	struct host *h = inv_note_begin(ha->o.inv, n->id);

	text_set(&h->ha_state, ha_is_text(n->is));
	inv_note_end(ha->o.inv, n->id);
}

static void
set_state(struct ha *ha, struct ha_node *n, enum ha_is to)
{
	log_notice("ha", "host \"%s\": %s -> %s", inv_name(ha->o.inv, n->id),
	    ha_is_text(n->is), ha_is_text(to));
	n->is = to;
	n->is_since_ms = ha_now_ms(ha);
	note_state(ha, n);
	if (to != HA_ISOLATED)
		ha_forget_retrieved(ha, n->id);
}

static void
on_fenced(void *arg, int rc, const struct err *e)
{
	obj_id host;
	struct ha *ha = ha_wait_end(arg, &host);
	struct ha_node *n = ha_node_find(ha, host);

	if (!n)
		return;
	n->busy = n->fencing = false;
	if (rc) {
		log_warn("ha", "host \"%s\" is not fenced yet: %s",
		    inv_name(ha->o.inv, host), e->msg);
		return;
	}
	/* What it was asked is over, whatever came of it: its guests are lost. */
	hosts_end_calls(ha->o.hosts, host, "was fenced");
	ha_look_soon(ha);
}

/* R5: in the database before any order relies on it. */
static void
fence(struct ha *ha, struct ha_node *n)
{
	const struct host *row = inv_host(ha->o.inv, n->id);

	if (n->busy)
		return;
	struct txn *t = txn_new(ha->o.inv);
	struct host *edit = txn_edit(t, n->id);
	edit->ha_fenced_inc = row->ha_inc;
	txn_event(t, EV_HOST_HA_FENCED, n->id, OBJ_ID_NONE, NULL,
	    "Host %s is fenced: incarnation %llu gets no lease any more, its guests "
	    "are started elsewhere",
	    row->o.name, (unsigned long long)row->ha_inc);
	n->busy = n->fencing = true;
	txn_commit(t, on_fenced, ha_wait_new(ha, n->id));
}

static void
brake(struct ha *ha, const struct cluster *cl, enum ha_do what)
{
	bool on = what == HA_BRAKE;

	event_post(ha->o.inv, on ? EV_CLUSTER_HA_BRAKED : EV_CLUSTER_HA_BRAKE_RELEASED,
	    cl->o.id, NULL, "%s of cluster %s %s",
	    on ? "Too many hosts" : "Enough hosts", cl->o.name,
	    on ? "fell silent at once: they are lost only once their datastores say "
		 "so too"
	       : "are heard again");
}

static void
carry_out(struct look *l, const struct ha_effects *out)
{
	for (size_t i = 0; i < out->n; i++) {
		const struct ha_effect *e = &out->list[i];
		struct ha_node *n = l->nodes[e->host];
		switch (e->what) {
		case HA_SET_STATE:
			set_state(l->ha, n, e->is);
			break;
		case HA_FENCE:
			fence(l->ha, n);
			break;
		case HA_RETRIEVE:
			ha_retrieve(l->ha, n->id);
			break;
		case HA_EVICT:
			break; /* the replies to its beats say so while it lasts */
		case HA_BRAKE:
		case HA_RELEASE_BRAKE:
			brake(l->ha, l->cl, e->what);
			break;
		}
	}
}

void
ha_fence_look(struct ha *ha, const struct cluster *cl)
{
	AUTO(arena) struct arena *mem = arena_new();
	struct ha_cluster *c = ha_cluster_of(ha, cl->o.id);
	struct look l = {
		.ha = ha,
		.cl = cl,
		.terms = ha_terms_of(cl),
		.now_ms = ha_now_ms(ha),
	};

	collect(&l, mem);
	struct ha_state s = {
		.is = arena_array(mem, l.n + 1, sizeof(*s.is)),
		.braked = c->braked,
		.mass_ms = c->mass_ms,
	};
	struct ha_effects out = {
		.list = arena_array(mem, HA_EFFECTS(l.n), sizeof(*out.list)),
	};
	struct ha_view v = {
		.hosts = l.hosts,
		.n = l.n,
		.terms = &l.terms,
		.beat_ms = l.terms.renew_ms,
		.lead_since_ms = ha->since_ms,
	};
	for (size_t i = 0; i < l.n; i++) {
		s.is[i] = l.nodes[i]->is;
		v.reported += l.nodes[i]->heard;
	}
	ha_decide(&v, l.now_ms, &s, &out);
	c->braked = s.braked;
	c->mass_ms = s.mass_ms;
	carry_out(&l, &out);
	for (size_t i = 0; i < l.n; i++) {
		if (!inv_host(ha->o.inv, l.nodes[i]->id)->ha_state)
			note_state(ha, l.nodes[i]);
		tell_news(ha, l.nodes[i]);
	}
}
