#include "server/hosts/host_file.h"

#include "base/assert.h"
#include "base/mem.h"
#include "server/hosts/host_int.h"

#define FILE_CALL_MAGIC 0x66696c65u
#define FILE_CALL_MS    30000u
#define FILE_SUM_MS     80000u /* the front gives up soon after */

struct file_call {
	uint32_t magic;
	struct pending p;
	host_file_fn done;
	host_data_fn data_done; /* instead, of a read */
	char *path;             /* of a sum */
	void *arg;
	int rc;
	struct err err;
};

static void
call_free(struct file_call *c)
{
	free(c->path);
	free(c);
}

static void
drop_call(struct pending *p)
{
	call_free(LIST_ENTRY(p, struct file_call, p));
}

static json *
file_json(const Drover__FileFacts *f)
{
	json *j = json_new_object();

	json_set_str(j, "path", f->path);
	json_set_u64(j, "size_bytes", f->size_bytes);
	json_set_bool(j, "is_folder", f->is_folder);
	json_set_u64(j, "modified_ms", f->modified_ms);
	if (f->misplaced)
		json_set_bool(j, "misplaced", true);
	return j;
}

static json *
listing_json(const Drover__FileListing *l)
{
	json *j = json_new_object();
	json *items = json_new_array();

	for (size_t i = 0; i < l->n_files; i++)
		json_add_json(items, file_json(l->files[i]));
	json_set_json(j, "items", items);
	return j;
}

static json *
sum_json(const char *path, const Drover__FileSumFacts *s)
{
	json *j = json_new_object();

	json_set_str(j, "path", path);
	json_set_u64(j, "size_bytes", s->size_bytes);
	json_set_str(j, "sha256", s->sha256);
	return j;
}

static void
tell_data(
    const struct file_call *c, int rc, const struct err *e, const Drover__Reply *reply)
{
	struct host_file_data d = { .n = 0 };

	if (!rc && reply->result_case == DROVER__REPLY__RESULT_FILE_DATA)
		d = (struct host_file_data){ reply->file_data->data.data,
			reply->file_data->data.len, reply->file_data->size_bytes,
			reply->file_data->modified_ms };
	c->data_done(c->arg, rc, e, rc ? NULL : &d);
}

static void
on_reply(void *arg, int rc, const struct err *e, const Drover__Reply *reply)
{
	struct file_call *c = CAST_OBJ(file_call, arg, FILE_CALL_MAGIC);
	AUTO(json) json *j = NULL;

	pending_end(&c->p);
	if (!rc && reply->result_case == DROVER__REPLY__RESULT_FILE)
		j = file_json(reply->file);
	if (!rc && reply->result_case == DROVER__REPLY__RESULT_FILES)
		j = listing_json(reply->files);
	if (!rc && reply->result_case == DROVER__REPLY__RESULT_FILE_SUM)
		j = sum_json(c->path, reply->file_sum);
	if (c->data_done)
		tell_data(c, rc, e, reply);
	else
		c->done(c->arg, rc, e, j);
	call_free(c);
}

static void
on_refused(void *arg)
{
	struct file_call *c = arg;

	if (c->data_done)
		c->data_done(c->arg, c->rc, &c->err, NULL);
	else
		c->done(c->arg, c->rc, &c->err, NULL);
	call_free(c);
}

static struct file_call *
call_new(host_file_fn done, void *arg)
{
	struct file_call *c = xcalloc(1, sizeof(*c));

	c->magic = FILE_CALL_MAGIC;
	c->done = done;
	c->arg = arg;
	return c;
}

/* Find a host and send; o lacks only its name. */
static void
send_call(struct hosts *hs, obj_id datastore, Drover__Order *o, struct file_call *c,
    uint32_t deadline_ms)
{
	obj_id host = hosts_reaching(hs, datastore);
	char id[OBJ_ID_TEXT];

	if (!inv_datastore(hs->inv, datastore))
		c->rc = err_set(&c->err, ERR_NOT_FOUND, "there is no datastore %s",
		    obj_id_text(datastore, id));
	else if (obj_id_none(host))
		c->rc = err_set(&c->err, ERR_UNAVAILABLE,
		    "no connected host reaches datastore \"%s\"",
		    inv_name(hs->inv, datastore));
	if (c->rc) {
		post_call(hs->loop, on_refused, c);
		return;
	}
	o->task = host_call_number(hs);
	o->step = 1;
	pending_add(hs, &c->p, drop_call);
	host_call_fn(rec_of(hs, host), o, deadline_ms, on_reply, c);
}

static void
file_call(
    struct hosts *hs, obj_id datastore, Drover__Order *o, host_file_fn done, void *arg)
{
	send_call(hs, datastore, o, call_new(done, arg), FILE_CALL_MS);
}

void
hosts_file_read(struct hosts *hs, obj_id datastore, const struct host_file_range *range,
    host_data_fn done, void *arg)
{
	Drover__FileRead r = DROVER__FILE_READ__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	AUTO_FREE char *path = xstrdup(range->path);
	struct file_call *c = call_new(NULL, arg);

	c->data_done = done;
	r.datastore = obj_id_number(datastore);
	r.path = path;
	r.offset = range->offset;
	r.length = range->length;
	o.verb_case = DROVER__ORDER__VERB_FILE_READ;
	o.file_read = &r;
	send_call(hs, datastore, &o, c, FILE_CALL_MS);
}

void
hosts_file_sum(struct hosts *hs, obj_id datastore, const char *path_in,
    host_file_fn done, void *arg)
{
	Drover__FileSum s = DROVER__FILE_SUM__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	struct file_call *c = call_new(done, arg);

	c->path = xstrdup(path_in);
	s.datastore = obj_id_number(datastore);
	s.path = c->path;
	o.verb_case = DROVER__ORDER__VERB_FILE_SUM;
	o.file_sum = &s;
	send_call(hs, datastore, &o, c, FILE_SUM_MS);
}

void
hosts_file_write(struct hosts *hs, obj_id datastore,
    const struct host_file_chunk *chunk, host_file_fn done, void *arg)
{
	Drover__FileWrite w = DROVER__FILE_WRITE__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	AUTO_FREE char *path = xstrdup(chunk->path);
	AUTO_FREE void *data = xmemdup(chunk->data, chunk->n);
	const struct datastore *ds = inv_datastore(hs->inv, datastore);

	w.datastore = obj_id_number(datastore);
	w.path = path;
	w.offset = chunk->offset;
	w.data.data = data;
	w.data.len = chunk->n;
	w.truncate = chunk->offset == 0;
	w.last = chunk->last;
	w.quota_bytes = ds ? ds->quota_bytes : 0;
	o.verb_case = DROVER__ORDER__VERB_FILE_WRITE;
	o.file_write = &w;
	file_call(hs, datastore, &o, done, arg);
}

void
hosts_file_list(struct hosts *hs, obj_id datastore, const char *path_in,
    host_file_fn done, void *arg)
{
	Drover__FileList l = DROVER__FILE_LIST__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	AUTO_FREE char *path = xstrdup(path_in ? path_in : "");

	l.datastore = obj_id_number(datastore);
	l.path = path;
	o.verb_case = DROVER__ORDER__VERB_FILE_LIST;
	o.file_list = &l;
	file_call(hs, datastore, &o, done, arg);
}

void
hosts_file_delete(struct hosts *hs, obj_id datastore, const char *path_in,
    host_file_fn done, void *arg)
{
	Drover__FileDelete d = DROVER__FILE_DELETE__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	AUTO_FREE char *path = xstrdup(path_in);

	d.datastore = obj_id_number(datastore);
	d.path = path;
	o.verb_case = DROVER__ORDER__VERB_FILE_DELETE;
	o.file_delete = &d;
	file_call(hs, datastore, &o, done, arg);
}
