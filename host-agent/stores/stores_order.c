/*
 * Orders about datastores, their files and their templates: each is one blocking call
 * on a worker, but for those of stores_image.c.
 */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "host-agent/copy/copies.h"
#include "host-agent/storage/ds_file.h"
#include "host-agent/stores/stores_int.h"

struct store_verb {
	Drover__Order__VerbCase verb;
	int (*start)(struct stores *s, struct order_name name, const Drover__Order *o,
	    struct err *e);
};

Drover__Reply *
store_reply_new(void)
{
	Drover__Reply *r = xcalloc(1, sizeof(*r));

	drover__reply__init(r);
	return r;
}

static void
order_ended(struct stores *s, struct store_job *j, int rc)
{
	if (rc)
		s->ops.fail(s->ops.arg, j->name, &j->e);
	else
		s->ops.reply(s->ops.arg, j->name, MOVE(j->reply));
}

/* One blocking call on a datastore that answers the order. */
static int
run_order(struct stores *s, struct order_name name, const Drover__Order *o,
    uint64_t datastore, int (*work)(struct store_job *j), struct err *e)
{
	struct datastore *ds;
	struct store_job *j;
	int rc = stores_get(s, datastore, &ds, e);

	if (rc)
		return rc;
	j = store_job_new(s);
	j->ordered = true;
	j->name = name;
	j->order = o;
	j->ds = datastore_ref(ds);
	j->work = work;
	j->ended = order_ended;
	j->reply = store_reply_new();
	return store_job_start(j, e);
}

static int
same_place(const struct store *st, const Drover__DatastoreSpec *spec, struct err *e)
{
	if (!strcmp(st->spec->uuid, spec->uuid) && !strcmp(st->spec->path, spec->path))
		return 0;
	return err_set(e, ERR_EXISTS,
	    "datastore-%" PRIu64 " is attached to this host at %s already", st->number,
	    st->spec->path);
}

static int
start_attach(
    struct stores *s, struct order_name name, const Drover__Order *o, struct err *e)
{
	const Drover__DatastoreSpec *spec = o->datastore_attach->spec;
	struct store *st;
	int rc;

	rc = store_spec_check(spec, e);
	if (rc)
		return rc;
	st = store_find(s, spec->datastore);
	rc = st ? same_place(st, spec, e) : 0;
	if (rc)
		return rc;
	if (!st) {
		if (s->count >= MAX_STORES)
			return err_set(e, ERR_NO_CAPACITY,
			    "this host has %u datastores already", MAX_STORES);
		st = store_add(s, spec);
		stores_save(s);
	}
	/* An attached one is looked at again: that is what tells whether it is there.
	 */
	return store_attach(s, st, &name, e);
}

static int
start_detach(
    struct stores *s, struct order_name name, const Drover__Order *o, struct err *e)
{
	struct store *st = store_find(s, o->datastore_detach->datastore);
	const char *who;

	if (st) {
		who = s->ops.needed_by(s->ops.arg, st->number);
		if (who)
			return err_set(e, ERR_BAD_STATE,
			    "datastore %s holds disks of vm %s on this host",
			    st->spec->name, who);
		store_remove(s, st);
	}
	stores_save_for(s, name, store_reply_new());
	return 0;
}

static int
work_write(struct store_job *j)
{
	const Drover__FileWrite *w = j->order->file_write;
	Drover__FileFacts *f = xcalloc(1, sizeof(*f));
	struct datastore_written done = { 0 };
	int rc;

	drover__file_facts__init(f);
	f->path = xstrdup(w->path);
	j->reply->result_case = DROVER__REPLY__RESULT_FILE;
	j->reply->file = f;
	rc = datastore_write(j->ds, w, &done, &j->e);
	f->size_bytes = done.size_bytes;
	f->misplaced = done.misplaced;
	return rc;
}

static int
work_read(struct store_job *j)
{
	Drover__FileData *d = NULL;
	int rc = ds_file_read(j->ds, j->order->file_read, &d, &j->e);

	if (rc)
		return rc;
	j->reply->result_case = DROVER__REPLY__RESULT_FILE_DATA;
	j->reply->file_data = d;
	return 0;
}

static int
start_read(
    struct stores *s, struct order_name name, const Drover__Order *o, struct err *e)
{
	return run_order(s, name, o, o->file_read->datastore, work_read, e);
}

static int
work_sum(struct store_job *j)
{
	Drover__FileSumFacts *sum = NULL;
	int rc = ds_file_sum(j->ds, j->order->file_sum->path, &sum, &j->e);

	if (rc)
		return rc;
	j->reply->result_case = DROVER__REPLY__RESULT_FILE_SUM;
	j->reply->file_sum = sum;
	return 0;
}

static int
start_sum(
    struct stores *s, struct order_name name, const Drover__Order *o, struct err *e)
{
	return run_order(s, name, o, o->file_sum->datastore, work_sum, e);
}

static int
work_scan(struct store_job *j)
{
	Drover__ScanFacts *scan = NULL;
	int rc = ds_scan(j->ds, &scan, &j->e);

	if (rc)
		return rc;
	j->reply->result_case = DROVER__REPLY__RESULT_SCAN;
	j->reply->scan = scan;
	return 0;
}

static int
start_scan(
    struct stores *s, struct order_name name, const Drover__Order *o, struct err *e)
{
	return run_order(s, name, o, o->datastore_scan->datastore, work_scan, e);
}

static int
start_write(
    struct stores *s, struct order_name name, const Drover__Order *o, struct err *e)
{
	return run_order(s, name, o, o->file_write->datastore, work_write, e);
}

static int
work_list(struct store_job *j)
{
	Drover__FileListing *l = NULL;
	int rc = datastore_list(j->ds, j->order->file_list->path, &l, &j->e);

	if (rc)
		return rc;
	j->reply->result_case = DROVER__REPLY__RESULT_FILES;
	j->reply->files = l;
	return 0;
}

static int
start_list(
    struct stores *s, struct order_name name, const Drover__Order *o, struct err *e)
{
	return run_order(s, name, o, o->file_list->datastore, work_list, e);
}

static int
work_delete(struct store_job *j)
{
	return datastore_delete(j->ds, j->order->file_delete->path, &j->e);
}

static int
start_delete(
    struct stores *s, struct order_name name, const Drover__Order *o, struct err *e)
{
	return run_order(s, name, o, o->file_delete->datastore, work_delete, e);
}

static int
work_template_delete(struct store_job *j)
{
	return tmpl_delete(j->ds, j->order->template_delete->template_, &j->e);
}

static int
start_template_delete(
    struct stores *s, struct order_name name, const Drover__Order *o, struct err *e)
{
	return run_order(
	    s, name, o, o->template_delete->datastore, work_template_delete, e);
}

/* ---- from host to host ---- */

static int
start_receive(
    struct stores *s, struct order_name name, const Drover__Order *o, struct err *e)
{
	struct datastore *ds;
	int rc = stores_get(s, o->image_receive->datastore, &ds, e);

	return rc ? rc : copies_receive(s->copies, name, ds, o->image_receive, e);
}

static int
start_send(
    struct stores *s, struct order_name name, const Drover__Order *o, struct err *e)
{
	struct datastore *ds;
	int rc = stores_get(s, o->image_send->datastore, &ds, e);

	return rc ? rc : copies_send(s->copies, name, ds, o->image_send, e);
}

static int
start_received(
    struct stores *s, struct order_name name, const Drover__Order *o, struct err *e)
{
	return copies_received(s->copies, name, o->image_received, e);
}

static const struct store_verb verbs[] = {
	{ DROVER__ORDER__VERB_DATASTORE_ATTACH, start_attach },
	{ DROVER__ORDER__VERB_DATASTORE_DETACH, start_detach },
	{ DROVER__ORDER__VERB_FILE_WRITE, start_write },
	{ DROVER__ORDER__VERB_FILE_LIST, start_list },
	{ DROVER__ORDER__VERB_FILE_DELETE, start_delete },
	{ DROVER__ORDER__VERB_FILE_READ, start_read },
	{ DROVER__ORDER__VERB_FILE_SUM, start_sum },
	{ DROVER__ORDER__VERB_DATASTORE_SCAN, start_scan },
	{ DROVER__ORDER__VERB_TEMPLATE_IMPORT, store_image_import },
	{ DROVER__ORDER__VERB_TEMPLATE_FROM_DISK, store_image_from_disk },
	{ DROVER__ORDER__VERB_APPLIANCE_EXPORT, store_image_export },
	{ DROVER__ORDER__VERB_TEMPLATE_DELETE, start_template_delete },
	{ DROVER__ORDER__VERB_IMAGE_RECEIVE, start_receive },
	{ DROVER__ORDER__VERB_IMAGE_SEND, start_send },
	{ DROVER__ORDER__VERB_IMAGE_RECEIVED, start_received },
};

void
stores_order(void *arg, struct order_name name, const Drover__Order *o)
{
	struct stores *s = arg;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (verbs[i].verb != o->verb_case)
			continue;
		if (verbs[i].start(s, name, o, &e))
			s->ops.fail(s->ops.arg, name, &e);
		return;
	}
	err_set(&e, ERR_UNSUPPORTED, "datastores do not know this order");
	s->ops.fail(s->ops.arg, name, &e);
}

void
stores_cancel(void *arg, struct order_name name, const char *why)
{
	struct stores *s = arg;
	struct err e = ERR_INIT;

	/* A copy answers when nothing is left of it. */
	if (copies_cancel(s->copies, name, why))
		return;
	/* A blocking call ends by itself; only the making of an image can be given up.
	 */
	if (!store_image_cancel(s, name))
		return;
	err_set(&e, ERR_CANCELLED, "it was given up: %s", why);
	s->ops.fail(s->ops.arg, name, &e);
}
