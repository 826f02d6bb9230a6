#include "host-agent/stores/stores.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/copy/copies.h"
#include "host-agent/record/record.h"
#include "host-agent/record/saver.h"
#include "host-agent/stores/stores_int.h"
#include "loop/worker.h"

#define SPEC_MAX      8192u
#define BEAT_MS       10000u
#define LIST_FILE_MAX ((size_t)2 * MAX_STORES * SPEC_MAX)

Drover__DatastoreSpec *
store_spec_dup(const Drover__DatastoreSpec *spec)
{
	size_t n = drover__datastore_spec__get_packed_size(spec);
	AUTO_FREE uint8_t *p = xmalloc(n + 1);

	drover__datastore_spec__pack(spec, p);
	return drover__datastore_spec__unpack(NULL, n, p);
}

int
store_spec_check(const Drover__DatastoreSpec *spec, struct err *e)
{
	if (!spec || !spec->datastore)
		return err_set(e, ERR_INVALID, "a datastore without a number");
	if (drover__datastore_spec__get_packed_size(spec) > SPEC_MAX)
		return err_set(e, ERR_INVALID,
		    "datastore-%" PRIu64 " has more than %u bytes of texts",
		    spec->datastore, SPEC_MAX);
	return 0;
}

struct store *
store_find(const struct stores *s, uint64_t number)
{
	LIST_EACH(struct store, st, &s->all, node) {
		if (st->number == number)
			return st;
	}
	return NULL;
}

struct store *
store_add(struct stores *s, const Drover__DatastoreSpec *spec)
{
	struct store *st = xcalloc(1, sizeof(*st));

	st->number = spec->datastore;
	st->spec = store_spec_dup(spec);
	snprintf(st->why_not, sizeof(st->why_not), "not attached yet");
	list_add_tail(&s->all, &st->node);
	s->count++;
	return st;
}

static void
store_free(struct store *st)
{
	list_remove(&st->node);
	datastore_unref(st->ds);
	drover__datastore_spec__free_unpacked(st->spec, NULL);
	free(st);
}

void
store_remove(struct stores *s, struct store *st)
{
	store_free(st);
	s->count--;
}

static void
on_saved(void *arg, uint64_t seq, int rc, const struct err *e)
{
	if (rc)
		log_err("stores", "the list of datastores is not on disk: %s", e->msg);
}

static void
listed_free(struct listed_reply *l)
{
	list_remove(&l->node);
	drover__reply__free_unpacked(l->reply, NULL);
	free(l);
}

static void
on_listed(void *arg, uint64_t seq, int rc, const struct err *e)
{
	struct listed_reply *l = arg;
	struct stores *s = l->owner;

	on_saved(s, seq, rc, e);
	if (rc)
		s->ops.fail(s->ops.arg, l->name, e);
	else
		s->ops.reply(s->ops.arg, l->name, MOVE(l->reply));
	listed_free(l);
}

static void
save(struct stores *s, saver_fn done, void *arg)
{
	AUTO(str) struct str all = STR_INIT;

	LIST_EACH(struct store, st, &s->all, node) {
		size_t n = drover__datastore_spec__get_packed_size(st->spec);
		AUTO_FREE uint8_t *p = xmalloc(n + 1);

		drover__datastore_spec__pack(st->spec, p);
		record_add(&all, p, n);
	}
	saver_put(s->saver, str_cstr(&all), all.len, done, arg);
}

void
stores_save(struct stores *s)
{
	save(s, on_saved, s);
}

void
stores_save_for(struct stores *s, struct order_name name, Drover__Reply *r_take)
{
	struct listed_reply *l = xcalloc(1, sizeof(*l));

	l->owner = s;
	l->name = name;
	l->reply = r_take;
	list_add_tail(&s->listed, &l->node);
	save(s, on_listed, l);
}

void
store_note(struct stores *s, struct store *st, const struct datastore_room *room,
    const struct err *e)
{
	bool reachable = e == NULL;
	bool moved = !st->sampled || st->reachable != reachable;

	st->sampled = true;
	st->reachable = reachable;
	if (room)
		st->room = *room;
	snprintf(st->why_not, sizeof(st->why_not), "%s", e ? e->msg : "");
	if (!moved)
		return;
	if (e)
		log_warn("stores", "datastore %s: %s", st->spec->name, e->msg);
	else
		log_notice("stores", "datastore %s: reachable at %s", st->spec->name,
		    st->spec->path);
	s->ops.changed(s->ops.arg);
}

struct store_job *
store_job_new(struct stores *s)
{
	struct store_job *j = xcalloc(1, sizeof(*j));

	j->owner = s;
	list_add_tail(&s->jobs, &j->node);
	return j;
}

void
store_job_free(struct store_job *j)
{
	list_remove(&j->node);
	datastore_unref(j->ds);
	datastore_unref(j->attached);
	drover__reply__free_unpacked(j->reply, NULL);
	drover__datastore_spec__free_unpacked(j->spec, NULL);
	free(j->roots);
	free(j);
}

static int
job_run(void *arg)
{
	struct store_job *j = arg;

	return j->work(j);
}

static void
job_done(void *arg, int rc)
{
	struct store_job *j = arg;

	if (rc && !j->e.code)
		err_set(&j->e, rc, "the agent is stopping");
	if (j->owner)
		j->ended(j->owner, j, rc);
	store_job_free(j);
}

int
store_job_start(struct store_job *j, struct err *e)
{
	int rc = worker_run(j->owner->conf.workers, job_run, job_done, j, e);

	if (rc)
		store_job_free(j);
	return rc;
}

static int
work_attach(struct store_job *j)
{
	int rc = datastore_attach(j->spec, j->roots, &j->attached, &j->e);

	return rc ? rc : datastore_look(j->attached, &j->room, &j->e);
}

/* Once made it is never made again: an empty mount point would pass for the datastore.
 */
static void
keep_from_creating(struct stores *s, struct store *st)
{
	if (!st->spec->create)
		return;
	st->spec->create = false;
	stores_save(s);
}

static void
attach_ended(struct stores *s, struct store_job *j, int rc)
{
	struct store *st = store_find(s, j->number);

	if (st) {
		st->attaching = false;
		if (j->attached && !st->ds)
			st->ds = MOVE(j->attached);
		store_note(s, st, rc ? NULL : &j->room, rc ? &j->e : NULL);
		if (!rc)
			keep_from_creating(s, st);
	}
	if (!j->ordered)
		return;
	if (rc || !st) {
		/* An order that could not be carried out leaves nothing behind. */
		if (st && !st->ds) {
			store_remove(s, st);
			stores_save(s);
		}
		if (!rc)
			err_set(&j->e, ERR_CANCELLED,
			    "datastore-%" PRIu64 " was detached meanwhile", j->number);
		s->ops.fail(s->ops.arg, j->name, &j->e);
		return;
	}
	Drover__Reply *r = store_reply_new();

	r->result_case = DROVER__REPLY__RESULT_DATASTORE;
	r->datastore = store_status(st);
	stores_save_for(s, j->name, r);
}

int
store_attach(
    struct stores *s, struct store *st, const struct order_name *name, struct err *e)
{
	struct store_job *j = store_job_new(s);
	int rc;

	j->number = st->number;
	j->spec = store_spec_dup(st->spec);
	j->roots = xstrdup(s->roots);
	j->work = work_attach;
	j->ended = attach_ended;
	if (name) {
		j->ordered = true;
		j->name = *name;
	}
	rc = store_job_start(j, e);
	st->attaching = rc == 0;
	return rc;
}

static int
load(struct stores *s, struct err *e)
{
	AUTO(str) struct str file = STR_INIT;
	struct err why = ERR_INIT;
	const uint8_t *p;
	size_t at = 0;
	uint32_t n;
	int rc = record_file_read(s->path, LIST_FILE_MAX, &file, &why);

	if (rc == ERR_NOT_FOUND)
		return 0;
	if (rc)
		return err_set(e, rc, "%s", why.msg);
	p = (const uint8_t *)str_cstr(&file);
	while (at < file.len && record_peek(p + at, file.len - at, &n, &why) == 1) {
		Drover__DatastoreSpec *spec =
		    drover__datastore_spec__unpack(NULL, n, p + at + RECORD_HEAD);

		if (spec && !store_find(s, spec->datastore))
			store_add(s, spec);
		drover__datastore_spec__free_unpacked(spec, NULL);
		at += RECORD_HEAD + (size_t)n;
	}
	/* The server says in its welcome which ones there should be. */
	if (at < file.len)
		log_err(
		    "stores", "%s is damaged after %zu datastores", s->path, s->count);
	return 0;
}

static struct copies *
open_copies(const struct stores_conf *c, const struct stores_ops *ops)
{
	const struct copies_conf conf = {
		.loop = c->loop,
		.flows = c->flows,
		.workers = c->workers,
		.disk = c->disk,
		.channel = c->channel,
		.addresses = c->channel_addresses,
		.n_addresses = c->n_channel_addresses,
		.progress = c->progress,
	};
	const struct copies_ops to = { ops->reply, ops->fail, ops->arg };

	return copies_new(&conf, &to);
}

int
stores_open(const struct stores_conf *c, const struct stores_ops *ops,
    struct stores **ret_s, struct err *e)
{
	struct stores *s = xcalloc(1, sizeof(*s));
	int rc;

	s->conf = *c;
	s->ops = *ops;
	s->path = xstrdup(c->path);
	s->roots = xstrdup(c->roots ? c->roots : "");
	list_init(&s->all);
	list_init(&s->jobs);
	list_init(&s->images);
	list_init(&s->listed);
	s->copies = open_copies(c, ops);
	rc = load(s, e);
	if (rc) {
		stores_free(s);
		return rc;
	}
	s->saver = saver_new(c->loop, c->savers, c->path);
	LIST_EACH(struct store, st, &s->all, node) {
		struct err why = ERR_INIT;

		if (store_attach(s, st, NULL, &why))
			store_note(s, st, NULL, &why);
	}
	*ret_s = s;
	return 0;
}

void
stores_free(struct stores *s)
{
	if (!s)
		return;
	store_images_drop(s);
	copies_free(s->copies);
	LIST_EACH_SAFE(struct store_job, j, &s->jobs, node) {
		list_remove(&j->node);
		j->owner = NULL;
	}
	LIST_EACH_SAFE(struct store, st, &s->all, node)
		store_free(st);
	saver_free(s->saver);
	LIST_EACH_SAFE(struct listed_reply, l, &s->listed, node)
		listed_free(l);
	free(s->path);
	free(s->roots);
	free(s);
}

void
stores_want(struct stores *s, Drover__DatastoreSpec *const *specs, size_t n)
{
	bool added = false;

	for (size_t i = 0; i < n && s->count < MAX_STORES; i++) {
		struct store *st = store_find(s, specs[i]->datastore);
		struct err e = ERR_INIT;

		if (store_spec_check(specs[i], &e)) {
			log_warn("stores", "not attached: %s", e.msg);
			continue;
		}
		if (!st) {
			st = store_add(s, specs[i]);
			added = true;
		}
		if (!st->ds && !st->attaching && store_attach(s, st, NULL, &e))
			store_note(s, st, NULL, &e);
	}
	if (added)
		stores_save(s);
}

int
stores_get(
    struct stores *s, uint64_t datastore, struct datastore **ret_ds, struct err *e)
{
	struct store *st = store_find(s, datastore);

	if (!st)
		return err_set(e, ERR_NOT_FOUND,
		    "datastore-%" PRIu64 " is not attached to this host", datastore);
	if (!st->ds)
		return err_set(e, ERR_UNAVAILABLE, "datastore %s: %.180s",
		    st->spec->name, st->why_not);
	*ret_ds = st->ds;
	return 0;
}

bool
stores_room(const struct stores *s, uint64_t datastore, struct datastore_room *ret_room)
{
	const struct store *st = store_find(s, datastore);

	if (!st || !st->reachable)
		return false;
	*ret_room = st->room;
	return true;
}

/* One that cannot be written to can still be read. */
static int
work_look(struct store_job *j)
{
	const struct stores_conf *c = &j->conf;
	const struct ds_beat beat = { c->host_uuid, c->boot_id, j->wall_ms };
	int rc = datastore_look(j->ds, &j->room, &j->e);

	if (!rc && j->beats)
		(void)!ds_beat(j->ds, &beat, &j->stale, &j->beat_err);
	return rc;
}

static void
note_beat(struct store *st, const struct store_job *j)
{
	if (j->beat_err.code && !*st->beat_why_not)
		log_warn("stores", "datastore %s: no beat: %s", st->spec->name,
		    j->beat_err.msg);
	snprintf(st->beat_why_not, sizeof(st->beat_why_not), "%s",
	    j->beat_err.code ? j->beat_err.msg : "");
	st->stale = j->stale;
	st->beat_ms = j->wall_ms;
}

static void
look_ended(struct stores *s, struct store_job *j, int rc)
{
	struct store *st = store_find(s, j->number);

	if (st && st->ds == j->ds) {
		if (!rc && j->beats)
			note_beat(st, j);
		store_note(s, st, rc ? NULL : &j->room, rc ? &j->e : NULL);
	}
	if (--s->looks == 0)
		s->ops.sampled(s->ops.arg);
}

static void
start_look(struct stores *s, struct store *st)
{
	struct store_job *j = store_job_new(s);

	j->number = st->number;
	j->ds = datastore_ref(st->ds);
	j->conf = s->conf;
	j->wall_ms = clock_wall_ms(loop_clock(s->conf.loop));
	j->beats = s->conf.host_uuid && j->wall_ms >= st->beat_ms + BEAT_MS;
	j->work = work_look;
	j->ended = look_ended;
	if (!store_job_start(j, NULL))
		s->looks++;
}

void
stores_sample(struct stores *s)
{
	if (s->looks)
		return;
	LIST_EACH(struct store, st, &s->all, node) {
		if (st->ds)
			start_look(s, st);
		else if (!st->attaching)
			(void)!store_attach(s, st, NULL, NULL);
	}
}

Drover__DatastoreStatus *
store_status(const struct store *st)
{
	Drover__DatastoreStatus *d = xcalloc(1, sizeof(*d));

	drover__datastore_status__init(d);
	d->datastore = st->number;
	d->reachable = st->reachable;
	d->why_not = xstrdup(st->why_not);
	d->capacity_bytes = st->room.capacity_bytes;
	d->free_bytes = st->room.free_bytes;
	d->beat_why_not = xstrdup(st->beat_why_not);
	d->stale = xcalloc(st->stale.n + 1, sizeof(char *));
	for (size_t i = 0; i < st->stale.n; i++)
		d->stale[d->n_stale++] = xstrdup(st->stale.uuids[i]);
	return d;
}

size_t
stores_status(const struct stores *s, Drover__DatastoreStatus ***ret_st)
{
	Drover__DatastoreStatus **all =
	    xcalloc(s->count + 1, sizeof(Drover__DatastoreStatus *));
	size_t n = 0;

	LIST_EACH(struct store, st, &s->all, node)
		all[n++] = store_status(st);
	*ret_st = all;
	return n;
}
