/*
 * What a host is told to do about leases: it acts by it also while there is no leader.
 */
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/advice/advice.h"
#include "server/ha/ha_int.h"
#include "server/hosts/host_beat.h"
#include "server/hosts/hosts.h"
#include "server/hosts/uuid.h"
#include "server/inventory/txn.h"
#include "server/protect/protect.h"

#define UUID_BYTES    ((size_t)16)
#define MAX_ADDRESSES 16u

static void
fill_cluster(struct arena *mem, const struct ha *ha, const struct cluster *cl,
    Drover__HaConf *to)
{
	char hex[2 * UUID_BYTES + 1];
	size_t n = 0;
	struct err ignored = ERR_INIT;

	for (const char *s = cl->ha_uuid; *s && n < 2 * UUID_BYTES; s++) {
		if (*s != '-')
			hex[n++] = *s;
	}
	hex[n] = '\0';
	to->cluster.data = arena_alloc(mem, UUID_BYTES);
	if (!hex_decode(hex, to->cluster.data, UUID_BYTES, &ignored))
		to->cluster.len = UUID_BYTES;
	to->isolation_ms = cl->ha_isolation_s * 1000;
	to->use_watchdog = cl->ha_terms != HA_TERMS_SOFTWARE;
	const struct lease_terms t = ha_terms_of(cl);
	to->terms = arena_alloc(mem, sizeof(*to->terms));
	drover__lease_terms__init(to->terms);
	to->terms->renew_ms = t.renew_ms;
	to->terms->length_ms = t.length_ms;
	to->terms->kill_ms = t.kill_ms;
	to->terms->drift_permille = t.drift_permille;
	to->terms->settle_ms = t.settle_ms;
	to->terms->dead_ms = t.dead_ms;
	to->terms->watchdog_ms = t.watchdog_ms;
}

struct page {
	obj_id *ids;
	size_t n, room;
};

/* Who is where: read once for all hosts that are told anew, or for one of them. */
struct book {
	const struct ha *ha;
	struct arena *mem;
	struct map *guests; /* host → struct page of those that are there, or come */
};

/* Ids come in their order, and may come twice. */
static void
page_add(struct book *b, obj_id host, obj_id id)
{
	struct page *p = map_get(b->guests, host.v);

	if (!p) {
		p = arena_alloc(b->mem, sizeof(*p));
		map_put(b->guests, host.v, p);
	}
	if (p->n && obj_id_is(p->ids[p->n - 1], id))
		return;
	if (p->n == p->room) {
		const obj_id *was = p->ids;
		p->room = p->room ? 2 * p->room : 8;
		p->ids = arena_array(b->mem, p->room, sizeof(*p->ids));
		if (p->n)
			memcpy(p->ids, was, p->n * sizeof(*was));
	}
	p->ids[p->n++] = id;
}

static void
book_guest(struct book *b, obj_id host, obj_id only, obj_id vm)
{
	if (!obj_id_none(host) && (obj_id_none(only) || obj_id_is(host, only)))
		page_add(b, host, vm);
}

/* only: a host; none: of all. */
static void
book_open(struct book *b, const struct ha *ha, obj_id only)
{
	*b = (struct book){
		.ha = ha,
		.mem = arena_new(),
		.guests = map_new_u64(),
	};
	INV_EACH(ha->o.inv, KIND_VM, o)
	{
		const struct advice_hold *hold = advice_hold_find(ha->o.advice, o->id);
		book_guest(b, inv_vm(ha->o.inv, o->id)->host, only, o->id);
		if (hold)
			book_guest(b, hold->host, only, o->id);
	}
}

static void
book_close(struct book *b)
{
	map_free(b->guests);
	arena_free(b->mem);
}

static void
fill_peers(
    const struct book *b, const struct cluster *cl, obj_id self, Drover__HaConf *to)
{
	to->peers = arena_array(b->mem, cl->o.n_kids + 1, sizeof(Drover__HaPeer *));
	for (size_t i = 0; i < cl->o.n_kids; i++) {
		const struct host *h = inv_host(b->ha->o.inv, cl->o.kids[i]);
		if (!h || !h->ha_slot)
			continue;
		if (h->ha_slot > to->slots)
			to->slots = h->ha_slot;
		if (obj_id_is(h->o.id, self)) {
			to->slot = h->ha_slot;
			continue;
		}
		Drover__HaPeer *p = arena_alloc(b->mem, sizeof(*p));
		drover__ha_peer__init(p);
		p->host = obj_id_number(h->o.id);
		p->slot = h->ha_slot;
		to->peers[to->n_peers++] = p;
	}
}

static void
fill_stores(struct arena *mem, const struct ha *ha, obj_id host, Drover__HaConf *to)
{
	to->datastores = arena_array(
	    mem, inv_count(ha->o.inv, KIND_DATASTORE) + 1, sizeof(uint64_t));
	INV_EACH(ha->o.inv, KIND_DATASTORE, o)
	{
		const struct datastore *ds = inv_datastore(ha->o.inv, o->id);
		if (ds->shared && id_list_has(&ds->hosts, host))
			to->datastores[to->n_datastores++] = obj_id_number(o->id);
	}
}

/*
 * It is there, comes, or is still there: what was told of it holds until its claim is
 * dropped, or its guard would let it live on.
 */
static bool
concerns(const struct ha *ha, const struct ha_node *n, const struct vm *vm)
{
	const struct advice_hold *hold = advice_hold_find(ha->o.advice, vm->o.id);
	const struct ha_run *run = ha_run_of(n, vm->o.id);
	bool is_off =
	    vm->power_state == POWER_OFF || vm->power_state == POWER_SUSPENDED;

	if (run && (run->alive || run->phase != DROVER__RUN_PHASE__RUN_NONE))
		return true;
	if (hold && obj_id_is(hold->host, n->id))
		return true;
	return obj_id_is(vm->host, n->id) && (!is_off || vm->ha_protected);
}

static void
add_guest(const struct book *b, const struct ha_node *n, obj_id id, Drover__HaConf *to)
{
	const struct vm *vm = inv_vm(b->ha->o.inv, id);
	struct err ignored = ERR_INIT;

	if (!vm || !concerns(b->ha, n, vm) || to->n_guests == MAX_GUESTS_PER_HOST ||
	    protect_wanted(b->ha->o.inv, vm, &ignored))
		return;
	Drover__HaGuest *g = arena_alloc(b->mem, sizeof(*g));
	protect_fill(b->ha->o.inv, vm, g);
	to->guests[to->n_guests++] = g;
}

static bool
is_listed(const struct page *p, obj_id id)
{
	size_t i = 0;

	while (i < p->n && !obj_id_is(p->ids[i], id))
		i++;
	return i < p->n;
}

static void
fill_guests(const struct book *b, const struct ha_node *n, Drover__HaConf *to)
{
	static const struct page nobody = { .n = 0 };
	const struct page *here = map_get(b->guests, n->id.v);
	AUTO_FREE uint64_t *runs = map_keys_sorted(n->runs);
	size_t n_runs = map_count(n->runs);

	if (!here)
		here = &nobody;
	to->guests =
	    arena_array(b->mem, here->n + n_runs + 1, sizeof(Drover__HaGuest *));
	for (size_t i = 0; i < here->n; i++)
		add_guest(b, n, here->ids[i], to);
	/* What is left of those that went elsewhere. */
	for (size_t i = 0; i < n_runs; i++) {
		obj_id id = obj_id_make(KIND_VM, runs[i]);
		if (!is_listed(here, id))
			add_guest(b, n, id, to);
	}
}

static void
add_address(struct arena *mem, Drover__HaConf *to, const char *s, size_t n)
{
	if (n > 0 && to->n_isolation_addresses < MAX_ADDRESSES)
		to->isolation_addresses[to->n_isolation_addresses++] =
		    arena_printf(mem, "%.*s", (int)n, s);
}

/* Those that were named, or the gateways of the networks there. */
static void
fill_addresses(struct arena *mem, const struct ha *ha, const struct cluster *cl,
    Drover__HaConf *to)
{
	const char *s = cl->ha_isolation_addresses;

	to->isolation_addresses = arena_array(mem, MAX_ADDRESSES, sizeof(char *));
	while (s && *s) {
		size_t n = strcspn(s, ", ");
		add_address(mem, to, s, n);
		s += n + strspn(s + n, ", ");
	}
	if (cl->ha_isolation_addresses)
		return;
	INV_EACH(ha->o.inv, KIND_NETWORK, o)
	{
		const char *gateway = inv_network(ha->o.inv, o->id)->gateway;
		if (gateway && obj_id_is(o->parent, cl->o.parent))
			add_address(mem, to, gateway, strlen(gateway));
	}
}

/* The row of its cluster if it is to hold leases there. */
static const struct cluster *
cluster_of(const struct ha *ha, const struct ha_node *n)
{
	const struct cluster *cl = ha_enabled_of(ha, n->id);

	return cl && cl->ha_uuid && inv_host(ha->o.inv, n->id)->ha_slot ? cl : NULL;
}

static void
fill(const struct book *b, const struct ha_node *n, Drover__HaConf *to)
{
	const struct cluster *cl = cluster_of(b->ha, n);

	drover__ha_conf__init(to);
	if (!cl)
		return;
	to->enabled = true;
	fill_cluster(b->mem, b->ha, cl, to);
	fill_peers(b, cl, n->id, to);
	fill_stores(b->mem, b->ha, n->id, to);
	fill_guests(b, n, to);
	fill_addresses(b->mem, b->ha, cl, to);
}

/*
 * A guest that is not named has no deadline any more, so a host that may have some that
 * went elsewhere has to say first what runs there.  One that has kept nothing says
 * nothing.
 */
static bool
has_said_its_guests(const struct ha *ha, const struct ha_node *n)
{
	return n->said || !inv_host(ha->o.inv, n->id)->ha_inc ||
	       ha_now_ms(ha) - n->linked_ms >= HA_COLLECT_MS;
}

static bool
may_be_told(const struct ha *ha, const struct ha_node *n)
{
	return inv_host(ha->o.inv, n->id) &&
	       (!cluster_of(ha, n) || has_said_its_guests(ha, n));
}

static void
send(struct ha *ha, struct ha_node *n, const struct book *b)
{
	Drover__HaConf conf;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	fill(b, n, &conf);
	size_t len = drover__ha_conf__get_packed_size(&conf);
	AUTO_FREE uint8_t *p = xmalloc(len + 1);
	drover__ha_conf__pack(&conf, p);
	if (n->conf && n->n_conf == len && memcmp(n->conf, p, len) == 0)
		return;
	conf.rev = ++n->conf_rev;
	m.body_case = DROVER__ENVELOPE__BODY_HA_CONF;
	m.ha_conf = &conf;
	if (!hosts_send_beat(ha->o.hosts, n->id, &m))
		return;
	free(n->conf);
	n->conf = MOVE(p);
	n->n_conf = len;
}

void
ha_conf_send(struct ha *ha, struct ha_node *n)
{
	struct book b;

	if (!may_be_told(ha, n))
		return;
	book_open(&b, ha, n->id);
	send(ha, n, &b);
	book_close(&b);
}

/* ---- what has to be in the database before ---- */

static void
on_stored(void *arg, int rc, const struct err *e)
{
	obj_id cluster;
	struct ha *ha = ha_wait_end(arg, &cluster);

	ha_cluster_of(ha, cluster)->busy = false;
	if (rc)
		log_warn("ha", "cluster \"%s\" has no lease area yet: %s",
		    inv_name(ha->o.inv, cluster), e->msg);
	ha->confs_due = true;
}

/* The hosts of a cluster that are up and have no slot, and the slots that are free. */
struct newcomers {
	obj_id hosts[HA_MAX_SLOTS];
	size_t n;
	bool taken[HA_MAX_SLOTS + 1];
};

static void
find_newcomers(const struct ha *ha, const struct cluster *cl, struct newcomers *to)
{
	*to = (struct newcomers){ .n = 0 };
	for (size_t i = 0; i < cl->o.n_kids; i++) {
		const struct host *h = inv_host(ha->o.inv, cl->o.kids[i]);
		if (!h)
			continue;
		if (h->ha_slot && h->ha_slot <= HA_MAX_SLOTS)
			to->taken[h->ha_slot] = true;
		else if (!h->ha_slot && to->n < HA_MAX_SLOTS &&
			 hosts_is_up(ha->o.hosts, h->o.id))
			to->hosts[to->n++] = h->o.id;
	}
}

/* Those that find no slot hold no leases. */
static unsigned
give_slots(struct txn *t, const struct newcomers *from)
{
	uint32_t slot = 0;
	unsigned given = 0;

	for (size_t i = 0; i < from->n; i++) {
		do {
			slot++;
		} while (slot <= HA_MAX_SLOTS && from->taken[slot]);
		if (slot > HA_MAX_SLOTS)
			break;
		struct host *h = txn_edit(t, from->hosts[i]);
		h->ha_slot = slot;
		given++;
	}
	return given;
}

/* Hosts that have no slot get one, and the area its mark. */
static void
prepare(struct ha *ha, const struct cluster *cl)
{
	struct ha_cluster *c = ha_cluster_of(ha, cl->o.id);
	struct newcomers fresh;
	char uuid[UUID_TEXT];

	if (c->busy)
		return;
	find_newcomers(ha, cl, &fresh);
	if (cl->ha_uuid && !fresh.n)
		return;
	struct txn *t = txn_new(ha->o.inv);
	unsigned given = give_slots(t, &fresh);
	if (!cl->ha_uuid) {
		struct cluster *edit = txn_edit(t, cl->o.id);
		text_set(&edit->ha_uuid, uuid_make(uuid));
	} else if (!given) {
		txn_free(t);
		return;
	}
	c->busy = true;
	txn_commit(t, on_stored, ha_wait_new(ha, cl->o.id));
}

static void
send_all(struct ha *ha, bool anew)
{
	struct book b = { .ha = NULL };

	INV_EACH(ha->o.inv, KIND_HOST, o)
	{
		struct ha_node *n = ha_node_of(ha, o->id);
		if ((n->conf && !anew) || !hosts_is_up(ha->o.hosts, o->id) ||
		    !may_be_told(ha, n))
			continue;
		if (!b.ha)
			book_open(&b, ha, OBJ_ID_NONE);
		send(ha, n, &b);
	}
	if (b.ha)
		book_close(&b);
}

void
ha_confs_send(struct ha *ha)
{
	INV_EACH(ha->o.inv, KIND_CLUSTER, o)
	{
		const struct cluster *cl = inv_cluster(ha->o.inv, o->id);
		if (cl->ha_enabled)
			prepare(ha, cl);
	}
	bool due = ha->confs_due;
	ha->confs_due = false;
	send_all(ha, due);
}
