/*
 * What hosts say about datastores: who reaches them, how full they are.
 */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/event/event.h"
#include "server/hosts/host_int.h"

/* Free room is stored when it moved by more than this share: it moves all the time. */
#define FREE_SHARE     1000u
#define FREE_MIN_BYTES UINT64_C(0x1000000) /* 16 MiB */

static void
list_add(struct id_list *l, obj_id id)
{
	if (id_list_has(l, id))
		return;
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	size_t at = l->n++;
	for (; at > 0 && l->v[at - 1].v > id.v; at--)
		l->v[at] = l->v[at - 1];
	l->v[at] = id;
}

static void
list_del(struct id_list *l, obj_id id)
{
	size_t to = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (!obj_id_is(l->v[i], id))
			l->v[to++] = l->v[i];
	}
	l->n = to;
}

enum reach { REACHED, NOT_REACHED };

static void
note_reach(struct host_rec *rec, obj_id datastore, enum reach reach)
{
	struct inv *inv = rec->hs->inv;
	const struct datastore *row = inv_datastore(inv, datastore);

	if (id_list_has(&row->reachable_hosts, rec->id) == (reach == REACHED))
		return;
	struct datastore *ds = inv_note_begin(inv, datastore);
	if (reach == REACHED) {
		list_add(&ds->reachable_hosts, rec->id);
		rec->reaching = true;
	} else {
		list_del(&ds->reachable_hosts, rec->id);
	}
	ds->accessible = ds->reachable_hosts.n > 0;
	inv_note_end(inv, datastore);
}

static void
tell_reach(
    struct host_rec *rec, const struct datastore *ds, const Drover__DatastoreStatus *s)
{
	const char *host = inv_name(rec->hs->inv, rec->id);
	bool was_lost = map_get(rec->lost_stores, ds->o.id.v) != NULL;

	if (!s->reachable && !was_lost) {
		map_put(rec->lost_stores, ds->o.id.v, rec);
		event_post(rec->hs->inv, EV_DATASTORE_LOST, ds->o.id, NULL,
		    "Host %s does not reach datastore %s: %.150s", host, ds->o.name,
		    s->why_not);
	}
	if (s->reachable && was_lost) {
		map_del(rec->lost_stores, ds->o.id.v);
		event_post(rec->hs->inv, EV_DATASTORE_FOUND, ds->o.id, NULL,
		    "Host %s reaches datastore %s again", host, ds->o.name);
	}
}

static bool
room_moved(const struct datastore *ds, const Drover__DatastoreStatus *s)
{
	uint64_t moved = s->free_bytes > ds->free_bytes
			     ? s->free_bytes - ds->free_bytes
			     : ds->free_bytes - s->free_bytes;
	uint64_t least = s->capacity_bytes / FREE_SHARE;

	if (least < FREE_MIN_BYTES)
		least = FREE_MIN_BYTES;
	/* Running full is news, however small the step. */
	bool full = s->free_bytes < FREE_MIN_BYTES && moved > 0;
	return s->capacity_bytes != ds->capacity_bytes || moved >= least || full;
}

static void
store_room(struct host_rec *rec, obj_id datastore, const Drover__DatastoreStatus *s)
{
	struct txn *t = txn_new(rec->hs->inv);
	struct datastore *ds = txn_edit(t, datastore);

	ds->capacity_bytes = s->capacity_bytes;
	ds->free_bytes = s->free_bytes;
	/* Lost: the next report says it again. */
	txn_commit_wake(t, WAKE_NONE);
}

static bool
same_ids(const struct id_list *a, const struct id_list *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; same && i < a->n; i++)
		same = id_list_has(b, a->v[i]);
	return same;
}

/* Hosts of the datastore whose beats are old, as this one sees it. */
static void
note_silent(struct host_rec *rec, obj_id datastore, const Drover__DatastoreStatus *s)
{
	const struct datastore *row = inv_datastore(rec->hs->inv, datastore);
	struct id_list silent = { 0 };

	for (size_t i = 0; i < row->hosts.n; i++) {
		const struct host *h = inv_host(rec->hs->inv, row->hosts.v[i]);

		for (size_t k = 0; h && k < s->n_stale; k++) {
			if (str_same(h->uuid, s->stale[k]))
				list_add(&silent, h->o.id);
		}
	}
	if (!same_ids(&silent, &row->silent_hosts)) {
		struct datastore *ds = inv_note_begin(rec->hs->inv, datastore);

		free(ds->silent_hosts.v);
		ds->silent_hosts = silent;
		silent.v = NULL;
		inv_note_end(rec->hs->inv, datastore);
	}
	free(silent.v);
}

/* The error names its host, who alone can take it back. */
static void
note_beat(struct host_rec *rec, obj_id datastore, const Drover__DatastoreStatus *s)
{
	const struct datastore *row = inv_datastore(rec->hs->inv, datastore);
	const char *host = inv_name(rec->hs->inv, rec->id);
	AUTO_FREE char *whose = xasprintf("host %s: ", host);
	AUTO_FREE char *text = xasprintf("%s%.200s", whose, s->beat_why_not);
	const char *now = row->beat_error ? row->beat_error : "";
	bool ours = str_starts(now, whose);

	if (*s->beat_why_not ? str_same(now, text) || (*now && !ours) : !ours)
		return;
	struct datastore *ds = inv_note_begin(rec->hs->inv, datastore);
	text_set(&ds->beat_error, *s->beat_why_not ? text : NULL);
	inv_note_end(rec->hs->inv, datastore);
}

void
host_take_datastores(struct host_rec *rec, size_t n, Drover__DatastoreStatus **v)
{
	for (size_t i = 0; i < n; i++) {
		obj_id id = obj_id_make(KIND_DATASTORE, v[i]->datastore);
		const struct datastore *ds = inv_datastore(rec->hs->inv, id);
		if (!ds || !id_list_has(&ds->hosts, rec->id))
			continue;
		tell_reach(rec, ds, v[i]);
		note_reach(rec, id, v[i]->reachable ? REACHED : NOT_REACHED);
		if (v[i]->reachable)
			note_silent(rec, id, v[i]);
		note_beat(rec, id, v[i]);
		if (v[i]->reachable && room_moved(ds, v[i]))
			store_room(rec, id, v[i]);
	}
}

void
host_leave_datastores(struct host_rec *rec)
{
	if (!rec->reaching)
		return;
	rec->reaching = false;
	INV_EACH(rec->hs->inv, KIND_DATASTORE, o)
	{
		note_reach(rec, o->id, NOT_REACHED);
	}
}

void
hosts_forget_reach(struct hosts *hs, obj_id datastore)
{
	const struct datastore *row = inv_datastore(hs->inv, datastore);
	struct datastore *ds;
	bool stale = false;

	for (size_t i = 0; row && i < row->reachable_hosts.n; i++)
		stale |= !id_list_has(&row->hosts, row->reachable_hosts.v[i]);
	if (!stale)
		return;
	ds = inv_note_begin(hs->inv, datastore);
	for (size_t i = ds->reachable_hosts.n; i-- > 0;) {
		if (!id_list_has(&ds->hosts, ds->reachable_hosts.v[i]))
			list_del(&ds->reachable_hosts, ds->reachable_hosts.v[i]);
	}
	ds->accessible = ds->reachable_hosts.n > 0;
	inv_note_end(hs->inv, datastore);
}

void
hosts_note_reach(struct hosts *hs, obj_id host, obj_id datastore)
{
	if (inv_datastore(hs->inv, datastore) && hosts_is_up(hs, host))
		note_reach(rec_of(hs, host), datastore, REACHED);
}
