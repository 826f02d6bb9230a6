#include "server/hosts/hosts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/hosts/host_int.h"

void
pending_add(struct hosts *hs, struct pending *p, void (*drop)(struct pending *p))
{
	p->hs = hs;
	p->drop = drop;
	list_add_tail(&hs->pending, &p->node);
}

struct hosts *
pending_end(struct pending *p)
{
	list_remove(&p->node);
	return p->hs;
}

struct host_rec *
rec_find(const struct hosts *hs, obj_id host)
{
	return map_get(hs->recs, host.v);
}

struct host_rec *
rec_of(struct hosts *hs, obj_id host)
{
	struct host_rec *rec = rec_find(hs, host);

	if (rec)
		return rec;
	rec = xcalloc(1, sizeof(*rec));
	rec->id = host;
	rec->hs = hs;
	list_init(&rec->calls);
	rec->cpu_used = map_new_u64();
	rec->unknown = map_new_u64();
	rec->leftovers = map_new_u64();
	rec->lost_stores = map_new_u64();
	map_put(hs->recs, host.v, rec);
	return rec;
}

static void
rec_free(struct host_rec *rec)
{
	host_calls_free(rec);
	host_forget_usage(rec);
	map_free(rec->cpu_used);
	map_free(rec->unknown);
	map_free(rec->leftovers);
	map_free(rec->lost_stores);
	if (rec->facts)
		drover__host_facts__free_unpacked(rec->facts, NULL);
	if (rec->health)
		drover__host_health__free_unpacked(rec->health, NULL);
	free(rec);
}

bool
rec_is_up(const struct host_rec *rec)
{
	return rec && rec->conn &&
	       loop_now_ms(rec->hs->loop) - rec->heard_ms <
		   (uint64_t)rec->hs->beat_ms * HOST_BEATS_MISSED;
}

/* Its row is gone: an operation removed it. */
static bool
is_removed(const struct host_rec *rec)
{
	return !inv_host(rec->hs->inv, rec->id) && !rec->storing;
}

static void
drop_removed(struct hosts *hs)
{
	MAP_EACH(hs->recs, it) {
		struct host_rec *rec = it.value;
		struct err why = ERR_INIT;
		if (!is_removed(rec))
			continue;
		err_set(&why, ERR_NOT_FOUND, "the host was removed");
		host_calls_end(rec, &why);
		if (rec->conn)
			conn_free(rec->conn);
		map_del(hs->recs, it.key);
		rec_free(rec);
	}
}

static void
on_tick(void *arg)
{
	struct hosts *hs = CAST_OBJ(hosts, arg, HOSTS_MAGIC);
	uint64_t now_ms = loop_now_ms(hs->loop);

	LIST_EACH_SAFE(struct conn, c, &hs->conns, node) {
		conn_tick(c, now_ms);
	}
	INV_EACH(hs->inv, KIND_HOST, o)
	{
		host_state_update(rec_of(hs, o->id));
		host_health_update(rec_of(hs, o->id));
	}
	drop_removed(hs);
}

/* The CA's certificate travels to every host that enrols. */
static int
read_ca(struct hosts *hs, struct err *e)
{
	FILE *in = fopen(hs->ca_cert_path, "re");
	struct str text = STR_INIT;
	char buf[4096];
	size_t n;

	if (!in)
		return err_sys(e, ERR_IO, errno, "cannot read %s", hs->ca_cert_path);
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		str_addn(&text, buf, n);
	fclose(in);
	hs->ca_pem = str_take(&text);
	int rc = tls_pem_fingerprint(hs->ca_pem, hs->ca_fingerprint, e);
	return rc ? err_wrap(e, "%s", hs->ca_cert_path) : 0;
}

int
hosts_new(const struct hosts_opts *o, struct hosts **ret, struct err *e)
{
	struct hosts *hs = xcalloc(1, sizeof(*hs));

	hs->magic = HOSTS_MAGIC;
	hs->inv = o->inv;
	hs->tasks = o->tasks;
	hs->workers = o->workers;
	hs->loop = inv_loop(o->inv);
	hs->epoch = o->epoch;
	hs->beat_ms = o->beat_ms ? o->beat_ms : 2000;
	hs->report_ms = o->report_ms ? o->report_ms : 5000;
	hs->ca_cert_path = xstrdup(o->ca_cert_path);
	hs->ca_key_path = xstrdup(o->ca_key_path);
	hs->started_ms = loop_now_ms(hs->loop);
	list_init(&hs->conns);
	list_init(&hs->pending);
	hs->recs = map_new_u64();
	hs->busy_vms = map_new_u64();
	hs->tick = timer_new(hs->loop, on_tick, hs);
	timer_every(hs->tick, HOSTS_TICK_MS);
	if (hs->ca_cert_path && read_ca(hs, e)) {
		hosts_free(hs);
		return e->code;
	}
	*ret = hs;
	return 0;
}

void
hosts_free(struct hosts *hs)
{
	if (!hs)
		return;
	link_listener_free(hs->listener);
	timer_free(hs->tick);
	LIST_EACH_SAFE(struct conn, c, &hs->conns, node) {
		conn_free(c);
	}
	LIST_EACH_SAFE(struct pending, p, &hs->pending, node) {
		list_remove(&p->node);
		p->hs = NULL;
		p->drop(p);
	}
	MAP_EACH(hs->recs, it) {
		rec_free(it.value);
	}
	map_free(hs->recs);
	map_free(hs->busy_vms);
	hosts_drop_servers(hs);
	free(hs->waiting);
	free(hs->ca_cert_path);
	free(hs->ca_key_path);
	free(hs->ca_pem);
	hs->magic = 0;
	free(hs);
}

static void
on_link(struct link *k, const char *peer, void *arg)
{
	hosts_accept(CAST_OBJ(hosts, arg, HOSTS_MAGIC), k, peer);
}

int
hosts_listen(struct hosts *hs, const char *addr, uint16_t port, struct ssl_ctx_st *ctx,
    struct err *e)
{
	struct link_opts o = { 0 };

	return link_listen(
	    hs->loop, addr, port, ctx, &o, on_link, hs, &hs->listener, e);
}

uint16_t
hosts_port(const struct hosts *hs)
{
	return hs->listener ? link_listener_port(hs->listener) : 0;
}

void
hosts_accept(struct hosts *hs, struct link *k_take, const char *peer)
{
	conn_new(hs, k_take, peer);
}

bool
hosts_is_up(const struct hosts *hs, obj_id host)
{
	return rec_is_up(rec_find(hs, host));
}

uint64_t
hosts_rtt_us(const struct hosts *hs, obj_id host)
{
	const struct host_rec *rec = rec_find(hs, host);

	return rec && rec->conn ? rec->conn->rtt_us : 0;
}

unsigned
hosts_up_count(const struct hosts *hs)
{
	unsigned n = 0;

	MAP_EACH(hs->recs, it) {
		n += rec_is_up(it.value);
	}
	return n;
}

bool
hosts_is_expected(const struct hosts *hs, obj_id host)
{
	const struct host *row = inv_host(hs->inv, host);

	/* host_decide changes the state when its patience ends. */
	return row && row->connection_state == CONN_CONNECTED && !hosts_is_up(hs, host);
}

bool
hosts_any_expected(const struct hosts *hs)
{
	INV_EACH(hs->inv, KIND_HOST, o)
	{
		if (hosts_is_expected(hs, o->id))
			return true;
	}
	return false;
}

void
hosts_wait(struct hosts *hs, struct wake w)
{
	hs->waiting =
	    xreallocarray(hs->waiting, hs->n_waiting + 1, sizeof(*hs->waiting));
	hs->waiting[hs->n_waiting++] = w;
}

void
hosts_wake_waiting(struct hosts *hs)
{
	for (size_t i = 0; i < hs->n_waiting; i++)
		post_wake(hs->loop, hs->waiting[i], 0, NULL);
	hs->n_waiting = 0;
}

int
hosts_need_up(const struct hosts *hs, obj_id host, struct err *e)
{
	const struct host *row = inv_host(hs->inv, host);
	char id[OBJ_ID_TEXT];

	if (!row)
		return err_set(
		    e, ERR_NOT_FOUND, "there is no host %s", obj_id_text(host, id));
	if (hosts_is_up(hs, host) || hosts_is_expected(hs, host))
		return 0;
	const char *state = conn_state_text(row->connection_state);
	bool why = row->state_reason && row->state_reason[0];
	return err_set(e, ERR_BAD_STATE, "host \"%s\" is %s%s%s", row->o.name, state,
	    why ? ": " : "", why ? row->state_reason : "");
}

bool
hosts_has_bridge(const struct hosts *hs, obj_id host, const char *bridge)
{
	const struct host_rec *rec = rec_find(hs, host);

	if (!rec || !rec->facts)
		return false;
	for (size_t i = 0; i < rec->facts->n_bridges; i++) {
		if (str_same(rec->facts->bridges[i], bridge))
			return true;
	}
	return false;
}

obj_id
hosts_reaching(const struct hosts *hs, obj_id datastore)
{
	const struct datastore *ds = inv_datastore(hs->inv, datastore);
	obj_id best = OBJ_ID_NONE;

	for (size_t i = 0; ds && i < ds->reachable_hosts.n; i++) {
		obj_id host = ds->reachable_hosts.v[i];
		if (hosts_is_up(hs, host) && (obj_id_none(best) || host.v < best.v))
			best = host;
	}
	return best;
}
