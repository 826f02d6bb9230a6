/*
 * High availability: how a cluster stands, and what would come if hosts were lost.
 */
#include "base/arena.h"
#include "server/admission/admission.h"
#include "server/api/api_int.h"
#include "server/ha/ha.h"
#include "server/ha/ha_capacity.h"
#include "server/inventory/inv_json.h"
#include "server/protect/protect.h"

#define MAX_HOSTS 1000u

static json *
named(const struct inv *inv, const char *key, obj_id id)
{
	json *o = json_new_object();

	inv_json_id(o, key, id);
	json_set_str(o, "name", inv_name(inv, id));
	return o;
}

static json *
host_json(const struct inv *inv, const struct ha_status_host *h)
{
	json *o = named(inv, "host", h->host);

	json_set_str(o, "state", ha_is_text(h->is));
	json_set_str(o, "fencing", h->fencing);
	json_set_bool(o, "joined", h->slot != 0);
	json_set_u64(o, "incarnation", h->inc);
	json_set_bool(o, "fenced", h->fenced);
	json_set_bool(o, "heard", h->heard);
	json_set_u64(o, "silent_ms", h->silent_ms);
	json_set_u64(o, "lease_ms", h->lease_ms);
	json_set_str(o, "lost_datastores", h->lost);
	json_set_u64(o, "protected", h->n_protected);
	return o;
}

static json *
waiting_json(const struct inv *inv, const struct ha_status_waiting *w)
{
	static const char *const words[] = {
		[RESTART_HELD] = "held",
		[RESTART_WAITING] = "waiting",
		[RESTART_STARTING] = "starting",
		[RESTART_RUNNING] = "running",
	};
	json *o = named(inv, "vm", w->vm);

	json_set_str(o, "state", words[w->is]);
	json_set_str(o, "text", w->why);
	json_set_u64(o, "since_ms", w->since_ms);
	json_set_u64(o, "failures", w->failures);
	return o;
}

static json *
failover_json(const struct inv *inv, const struct ha_status_failover *f)
{
	json *o = named(inv, "vm", f->vm);
	char when[32];

	inv_json_id(o, "from", f->from);
	inv_json_id(o, "to", f->to);
	json_set_str(o, "at", clock_text(f->at_ms, when));
	json_set_u64(o, "detect_ms", f->detect_ms);
	json_set_u64(o, "wait_ms", f->wait_ms);
	json_set_u64(o, "claim_ms", f->claim_ms);
	json_set_u64(o, "exec_ms", f->exec_ms);
	return o;
}

static void
add_status(const struct api_call *c, json *o)
{
	const struct inv *inv = c->api->d.inv;
	AUTO(arena) struct arena *mem = arena_new();
	json *hosts = json_new_array(), *waiting = json_new_array();
	json *failovers = json_new_array();
	struct ha_status s;

	ha_status_read(c->api->d.ha, c->id, mem, &s);
	for (size_t i = 0; i < s.n_hosts; i++)
		json_add_json(hosts, host_json(inv, &s.hosts[i]));
	for (size_t i = 0; i < s.n_waiting; i++)
		json_add_json(waiting, waiting_json(inv, &s.waiting[i]));
	for (size_t i = 0; i < s.n_failovers; i++)
		json_add_json(failovers, failover_json(inv, &s.failovers[i]));
	json_set_bool(o, "braked", s.braked);
	json_set_u64(o, "collecting_ms", s.collect_ms);
	json_set_json(o, "hosts", hosts);
	json_set_u64(o, "protected", s.protected_on);
	json_set_json(o, "waiting", waiting);
	json_set_json(o, "failovers", failovers);
}

/* Guests that run here and would not be started elsewhere, and why. */
static json *
unprotected_json(const struct inv *inv, obj_id cluster)
{
	json *list = json_new_array();

	INV_EACH(inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(inv, o->id);
		struct err e = ERR_INIT;
		if (vm->ha_protected || vm->power_state == POWER_OFF ||
		    vm->power_state == POWER_SUSPENDED ||
		    !obj_id_is(inv_ancestor(inv, vm->host, KIND_CLUSTER), cluster))
			continue;
		bool could = !protect_check(inv, vm, vm->host, &e);
		json *item = named(inv, "vm", o->id);
		json_set_str(item, "text",
		    vm->ha_status ? vm->ha_status
		    : could       ? "its present run began without leases"
				  : e.msg);
		json_add_json(list, item);
	}
	return list;
}

static json *
slots_json(const struct failover_slots *s)
{
	json *o = json_new_object();

	json_set_u64(o, "cpu_mhz", s->slot.cpu_mhz);
	json_set_u64(o, "memory_mb", s->slot.memory_mb);
	json_set_u64(o, "total", s->total);
	json_set_u64(o, "used", s->used);
	json_set_u64(o, "kept", s->kept);
	json_set_u64(o, "free", s->free);
	return o;
}

static json *
admission_json(const struct inv *inv, const struct cluster *cl)
{
	json *o = json_new_object(), *hosts = json_new_array();
	struct admission_room room;
	char id[OBJ_ID_TEXT];

	admission_stand(inv, cl->o.id, &room);
	json_set_str(o, "policy", ha_admission_text(cl->ha_admission));
	json_set_u64(o, "failover_level", cl->ha_failover_level);
	json_set_u64(o, "cpu_mhz", room.cpu_mhz);
	json_set_u64(o, "cpu_reserved_mhz", room.reserved_mhz);
	json_set_u64(o, "cpu_unreserved_permille", room.unreserved.cpu_permille);
	json_set_u64(o, "cpu_keep_permille", room.keep.cpu_permille);
	json_set_u64(o, "memory_mb", room.memory_mb);
	json_set_u64(o, "memory_reserved_mb", room.reserved_mb);
	json_set_u64(o, "memory_unreserved_permille", room.unreserved.memory_permille);
	json_set_u64(o, "memory_keep_permille", room.keep.memory_permille);
	json_set_json(o, "slots", slots_json(&room.slots));
	for (size_t i = 0; i < cl->ha_failover_hosts.n; i++)
		json_add_str(hosts, obj_id_text(cl->ha_failover_hosts.v[i], id));
	json_set_json(o, "failover_hosts", hosts);
	return o;
}

void
api_ha_status(struct api_call *c)
{
	const struct api_deps *d = &c->api->d;
	const struct cluster *cl = inv_cluster(d->inv, c->id);
	const json *capacity = ha_capacity_of(d->ha_capacity, c->id);
	json *o = named(d->inv, "cluster", c->id);

	json_set_bool(o, "enabled", cl->ha_enabled);
	add_status(c, o);
	json_set_json(o, "unprotected", unprotected_json(d->inv, c->id));
	json_set_json(o, "admission", admission_json(d->inv, cl));
	if (capacity)
		json_set_json(o, "capacity", json_dup(capacity));
	else
		json_set_null(o, "capacity");
	api_reply_json(c, 200, o);
}

static void
on_tried(void *arg, int rc, const struct err *e, const json *plan)
{
	struct api_call *c = arg;

	if (rc)
		api_reply_err(c, e);
	else
		api_reply_json(c, 200, json_dup(plan));
}

/* Ids of hosts of the cluster; n of them in ret. */
static int
read_hosts(const struct api_call *c, const json *list, obj_id *ret, struct err *e)
{
	const struct inv *inv = c->api->d.inv;

	for (size_t i = 0; i < json_count(list); i++) {
		const json *j = json_at(list, i);
		const char *s =
		    json_what(j) == JSON_IS_STR ? json_str_value(j, NULL) : "";
		if (obj_id_parse(s, KIND_HOST, &ret[i], e))
			return err_wrap(e, "hosts");
		const struct host *h = inv_host(inv, ret[i]);
		if (!h)
			return err_set(e, ERR_NOT_FOUND, "hosts: there is no %.40s", s);
		if (!obj_id_is(h->o.parent, c->id)) {
			return err_set(e, ERR_INVALID,
			    "hosts: \"%s\" is of cluster \"%s\", not of \"%s\"",
			    h->o.name, inv_name(inv, h->o.parent),
			    inv_name(inv, c->id));
		}
	}
	return 0;
}

void
api_ha_test(struct api_call *c)
{
	static const char *const known[] = { "hosts", NULL };
	struct err e = ERR_INIT;

	if (api_need_body(c, known))
		return;
	const json *list = json_get(c->body, "hosts");
	size_t n = list && json_what(list) == JSON_IS_ARRAY ? json_count(list) : 0;
	if (!n || n > MAX_HOSTS) {
		api_refuse(
		    c, ERR_INVALID, "hosts: wants a list of 1 to %u hosts", MAX_HOSTS);
		return;
	}
	AUTO_FREE obj_id *hosts = xcalloc(n, sizeof(*hosts));
	if (read_hosts(c, list, hosts, &e)) {
		api_reply_err(c, &e);
		return;
	}
	ha_capacity_try(c->api->d.ha_capacity, c->id, hosts, n, on_tried, c);
}
