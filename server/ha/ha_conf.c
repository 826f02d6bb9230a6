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

static void
fill_peers(struct arena *mem, const struct ha *ha, const struct cluster *cl,
    obj_id self, Drover__HaConf *to)
{
	to->peers = arena_array(
	    mem, inv_count(ha->o.inv, KIND_HOST) + 1, sizeof(Drover__HaPeer *));
	INV_EACH(ha->o.inv, KIND_HOST, o)
	{
		const struct host *h = inv_host(ha->o.inv, o->id);
		if (!obj_id_is(o->parent, cl->o.id) || !h->ha_slot)
			continue;
		if (h->ha_slot > to->slots)
			to->slots = h->ha_slot;
		if (obj_id_is(o->id, self)) {
			to->slot = h->ha_slot;
			continue;
		}
		Drover__HaPeer *p = arena_alloc(mem, sizeof(*p));
		drover__ha_peer__init(p);
		p->host = obj_id_number(o->id);
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
fill_guests(
    struct arena *mem, const struct ha *ha, const struct ha_node *n, Drover__HaConf *to)
{
	to->guests = arena_array(mem, MAX_GUESTS_PER_HOST, sizeof(Drover__HaGuest *));
	INV_EACH(ha->o.inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(ha->o.inv, o->id);
		struct err ignored = ERR_INIT;
		if (!concerns(ha, n, vm) || to->n_guests == MAX_GUESTS_PER_HOST ||
		    protect_wanted(ha->o.inv, vm, &ignored))
			continue;
		Drover__HaGuest *g = arena_alloc(mem, sizeof(*g));
		protect_fill(ha->o.inv, vm, g);
		to->guests[to->n_guests++] = g;
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

static void
fill(
    struct arena *mem, const struct ha *ha, const struct ha_node *n, Drover__HaConf *to)
{
	const struct cluster *cl = ha_enabled_of(ha, n->id);
	const struct host *row = inv_host(ha->o.inv, n->id);

	drover__ha_conf__init(to);
	if (!cl || !cl->ha_uuid || !row->ha_slot)
		return;
	to->enabled = true;
	fill_cluster(mem, ha, cl, to);
	fill_peers(mem, ha, cl, n->id, to);
	fill_stores(mem, ha, n->id, to);
	fill_guests(mem, ha, n, to);
	fill_addresses(mem, ha, cl, to);
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

void
ha_conf_send(struct ha *ha, struct ha_node *n)
{
	AUTO(arena) struct arena *mem = arena_new();
	Drover__HaConf conf;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	if (!inv_host(ha->o.inv, n->id))
		return;
	fill(mem, ha, n, &conf);
	if (conf.enabled && !has_said_its_guests(ha, n))
		return;
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

/* 0: there is none left. */
static uint32_t
free_slot(const struct ha *ha, const struct cluster *cl)
{
	for (uint32_t slot = 1; slot <= HA_MAX_SLOTS; slot++) {
		bool taken = false;
		INV_EACH(ha->o.inv, KIND_HOST, o)
		{
			taken =
			    taken || (obj_id_is(o->parent, cl->o.id) &&
					 inv_host(ha->o.inv, o->id)->ha_slot == slot);
		}
		if (!taken)
			return slot;
	}
	return 0;
}

/* The next host that has no slot gets one, and the area its mark. */
static void
prepare(struct ha *ha, const struct cluster *cl)
{
	struct ha_cluster *c = ha_cluster_of(ha, cl->o.id);
	obj_id host = OBJ_ID_NONE;
	char uuid[UUID_TEXT];

	INV_EACH(ha->o.inv, KIND_HOST, o)
	{
		if (obj_id_none(host) && obj_id_is(o->parent, cl->o.id) &&
		    !inv_host(ha->o.inv, o->id)->ha_slot &&
		    hosts_is_up(ha->o.hosts, o->id))
			host = o->id;
	}
	uint32_t slot = obj_id_none(host) ? 0 : free_slot(ha, cl);
	if (c->busy || (cl->ha_uuid && !slot))
		return;
	struct txn *t = txn_new(ha->o.inv);
	if (!cl->ha_uuid) {
		struct cluster *edit = txn_edit(t, cl->o.id);
		text_set(&edit->ha_uuid, uuid_make(uuid));
	}
	if (slot) {
		struct host *h = txn_edit(t, host);
		h->ha_slot = slot;
	}
	c->busy = true;
	txn_commit(t, on_stored, ha_wait_new(ha, cl->o.id));
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
	INV_EACH(ha->o.inv, KIND_HOST, o)
	{
		struct ha_node *n = ha_node_of(ha, o->id);
		if ((due || !n->conf) && hosts_is_up(ha->o.hosts, o->id))
			ha_conf_send(ha, n);
	}
}
