/*
 * A host's own row: its state and its facts.  Looked at on every tick, so that what
 * could not be stored is stored later.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/event/event.h"
#include "server/hosts/host_int.h"

#define MB_BYTES UINT64_C(0x100000)

struct storing {
	struct pending p;
	obj_id host;
	bool facts;
	bool state_changed;
	enum conn_state from;
};

static json *
capabilities_json(const Drover__EngineFacts *f)
{
	json *list = json_new_array();

	for (size_t i = 0; i < f->n_capabilities; i++) {
		const Drover__Capability *c = f->capabilities[i];
		json *j = json_new_object();
		json_set_str(j, "name", c->name);
		json_set_bool(j, "able", c->able);
		if (!c->able)
			json_set_str(j, "why_not", c->why_not);
		json_add_json(list, j);
	}
	return list;
}

static json *
engines_json(const Drover__HostFacts *f)
{
	json *list = json_new_array();

	for (size_t i = 0; i < f->n_engines; i++) {
		const Drover__EngineFacts *en = f->engines[i];
		json *j = json_new_object();
		json_set_str(j, "name", en->name);
		json_set_str(j, "version", en->version);
		json_set_str(j, "accelerator", en->accelerator);
		json_set_str(j, "machine", en->machine);
		json_set_bool(j, "usable", en->usable);
		if (!en->usable)
			json_set_str(j, "why_not", en->why_not);
		json_set_json(j, "capabilities", capabilities_json(en));
		json_add_json(list, j);
	}
	return list;
}

static json *
texts_json(char *const *v, size_t n)
{
	json *list = json_new_array();

	for (size_t i = 0; i < n; i++)
		json_add_str(list, v[i]);
	return list;
}

static void
fill_facts(struct host *h, const struct host_rec *rec)
{
	const Drover__HostFacts *f = rec->facts;

	h->cpu_cores = f->cpu_cores;
	h->cpu_mhz = f->cpu_mhz;
	uint64_t total_mhz = (uint64_t)f->cpu_cores * f->cpu_mhz;
	h->cpu_total_mhz = total_mhz < UINT32_MAX ? (uint32_t)total_mhz : UINT32_MAX;
	h->memory_total_mb = f->memory_bytes / MB_BYTES;
	h->boot_time = f->boot_time_ms;
	text_set(&h->address, rec->address);
	text_set(&h->cpu_model, f->cpu_model);
	text_set(&h->machine, f->machine);
	text_set(&h->kernel, f->kernel);
	text_set(&h->agent_version, f->agent_version);
	text_set(&h->cgroup, f->cgroup);
	text_set(&h->anti_spoof, f->anti_spoof);
	json_free(h->engines);
	h->engines = engines_json(f);
	json_free(h->cpu_flags);
	h->cpu_flags = texts_json(f->cpu_flags, f->n_cpu_flags);
	json_free(h->channel_addresses);
	h->channel_addresses = texts_json(f->channel_addresses, f->n_channel_addresses);
	h->channel_port = f->channel_port;
}

static void
drop_storing(struct pending *p)
{
	free(LIST_ENTRY(p, struct storing, p));
}

static void
on_stored(void *arg, int rc, const struct err *e)
{
	AUTO_FREE struct storing *s = arg;
	struct hosts *hs = pending_end(&s->p);
	struct host_rec *rec = rec_find(hs, s->host);

	if (!rec)
		return;
	rec->storing = false;
	if (!rc && s->facts)
		rec->facts_new = false;
	if (!rc)
		hosts_wake_waiting(hs);
	const struct host *row = inv_host(hs->inv, s->host);
	const char *why = row && row->state_reason ? row->state_reason : "";
	if (!rc && s->state_changed && row)
		log_notice("hosts", "host \"%s\": %s -> %s%s%s", row->o.name,
		    conn_state_text(s->from), conn_state_text(row->connection_state),
		    why[0] ? ": " : "", why);
	if (rc)
		log_warn("hosts", "the state of host \"%s\" is not stored yet: %s",
		    inv_name(hs->inv, s->host), e->msg);
}

static void
add_event(struct txn *t, const struct host *row, const struct host_verdict *v)
{
	if (v->state == row->connection_state)
		return;
	if (v->state == CONN_CONNECTED)
		txn_event(t, EV_HOST_CONNECTED, row->o.id, OBJ_ID_NONE, NULL,
		    "Host %s is connected", row->o.name);
	else if (row->connection_state == CONN_CONNECTED &&
		 row->standby == STANDBY_NONE)
		txn_event(t, EV_HOST_LOST, row->o.id, OBJ_ID_NONE, NULL,
		    "Host %s does not respond: %s", row->o.name, v->reason);
}

static void
store(struct host_rec *rec, const struct host *row, const struct host_verdict *v)
{
	struct storing *s = xcalloc(1, sizeof(*s));
	struct txn *t = txn_new(rec->hs->inv);
	struct host *edit = txn_edit(t, rec->id);

	add_event(t, row, v);
	edit->connection_state = v->state;
	text_set(&edit->state_reason, v->reason[0] ? v->reason : NULL);
	if (rec->conn)
		host_cert_used(edit, link_peer(rec->conn->link)->fingerprint);
	if (rec->facts_new) {
		s->facts = true;
		fill_facts(edit, rec);
	}
	s->host = rec->id;
	s->from = row->connection_state;
	s->state_changed = v->state != row->connection_state;
	rec->storing = true;
	pending_add(rec->hs, &s->p, drop_storing);
	txn_commit(t, on_stored, s);
}

void
host_state_update(struct host_rec *rec)
{
	struct hosts *hs = rec->hs;
	const struct host *row = inv_host(hs->inv, rec->id);
	uint64_t since_ms = rec->heard ? rec->heard_ms : hs->started_ms;
	struct host_verdict v;

	if (!row)
		return;
	struct host_view view = {
		.state = row->connection_state,
		.heard = rec->heard,
		.linked = rec->conn != NULL,
		.silent_ms = loop_now_ms(hs->loop) - since_ms,
		.beat_ms = hs->beat_ms,
		.why_down = rec->why_down,
	};
	host_decide(&view, &v);
	if (v.close_link)
		conn_free(rec->conn);
	if (v.state != CONN_CONNECTED)
		host_leave_datastores(rec);
	const char *reason = row->state_reason ? row->state_reason : "";
	bool same = v.state == row->connection_state && str_same(v.reason, reason);
	if (!rec->storing && (!same || rec->facts_new))
		store(rec, row, &v);
}
