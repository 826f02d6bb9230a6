#include "server/hosts/host_file.h"

#include "base/assert.h"
#include "base/mem.h"
#include "server/hosts/host_int.h"

#define FILE_CALL_MAGIC 0x66696c65u
#define FILE_CALL_MS    30000u

struct file_call {
	uint32_t magic;
	struct pending p;
	host_file_fn done;
	void *arg;
	int rc;
	struct err err;
};

static void
drop_call(struct pending *p)
{
	free(LIST_ENTRY(p, struct file_call, p));
}

static json *
file_json(const Drover__FileFacts *f)
{
	json *j = json_new_object();

	json_set_str(j, "path", f->path);
	json_set_u64(j, "size_bytes", f->size_bytes);
	json_set_bool(j, "is_folder", f->is_folder);
	json_set_u64(j, "modified_ms", f->modified_ms);
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

static void
on_reply(void *arg, int rc, const struct err *e, const Drover__Reply *reply)
{
	AUTO_FREE struct file_call *c = CAST_OBJ(file_call, arg, FILE_CALL_MAGIC);
	AUTO(json) json *j = NULL;

	pending_end(&c->p);
	if (!rc && reply->result_case == DROVER__REPLY__RESULT_FILE)
		j = file_json(reply->file);
	if (!rc && reply->result_case == DROVER__REPLY__RESULT_FILES)
		j = listing_json(reply->files);
	c->done(c->arg, rc, e, j);
}

static void
on_refused(void *arg)
{
	AUTO_FREE struct file_call *c = arg;

	c->done(c->arg, c->rc, &c->err, NULL);
}

/* Find a host and send; o lacks only its name. */
static void
file_call(
    struct hosts *hs, obj_id datastore, Drover__Order *o, host_file_fn done, void *arg)
{
	struct file_call *c = xcalloc(1, sizeof(*c));
	obj_id host = hosts_reaching(hs, datastore);
	char id[OBJ_ID_TEXT];

	c->magic = FILE_CALL_MAGIC;
	c->done = done;
	c->arg = arg;
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
	host_call_fn(rec_of(hs, host), o, FILE_CALL_MS, on_reply, c);
}

void
hosts_file_write(struct hosts *hs, obj_id datastore,
    const struct host_file_chunk *chunk, host_file_fn done, void *arg)
{
	Drover__FileWrite w = DROVER__FILE_WRITE__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	AUTO_FREE char *path = xstrdup(chunk->path);
	AUTO_FREE void *data = xmemdup(chunk->data, chunk->n);

	w.datastore = obj_id_number(datastore);
	w.path = path;
	w.offset = chunk->offset;
	w.data.data = data;
	w.data.len = chunk->n;
	w.truncate = chunk->offset == 0;
	w.last = chunk->last;
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
