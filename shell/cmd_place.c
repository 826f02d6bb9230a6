/*
 * cmd_place: cmdlets that make what machines live in and on.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell/change.h"
#include "shell/data.h"
#include "shell/rest.h"

static enum run
begin_kind(struct stage *st, enum obj_kind kind)
{
	((struct changes *)st->state)->kind = kind;
	return RUN_OK;
}

/* Changes that are no tasks have no -RunAsync: put out what the answer says. */
static enum run
send_now(struct stage *st, const char *path, json *body_take, const char *name)
{
	struct changes *c = st->state;
	enum should should = stage_should(st, name, NULL);
	enum run rc;

	if (should != SHOULD_DO) {
		json_free(body_take);
		return should == SHOULD_FAIL ? RUN_THROW : RUN_OK;
	}
	size_t before = c->n;
	rc = change_send(st, c, "POST", path, body_take, name);
	if (rc == RUN_OK && c->n > before && !c->v[c->n - 1].task)
		rc = put(st, record_from(st->sh, c->kind, c->v[c->n - 1].result));
	return rc;
}

static void
fini_changes(struct stage *st)
{
	changes_free(st->state);
}

static json *
named_body(const struct stage *st)
{
	json *body = json_new_object();

	json_set_str(body, "name", get_text(st, "Name"));
	return body;
}

/* An object parameter as the body's key. */
static enum run
set_id(struct stage *st, json *body, const char *param, unsigned kinds, const char *key)
{
	const char *id;
	struct val keep = VAL_NONE;
	enum run rc = resolve_one(st, param, kinds, &id, &keep);

	if (rc == RUN_OK && id)
		json_set_str(body, key, id);
	if (rc == RUN_OK)
		val_free(keep);
	return rc;
}

static void
set_number(struct stage *st, json *body, const char *param, const char *key)
{
	if (has_arg(st, param))
		json_set_i64(body, key, get_int(st, param, 0));
}

static void
set_text(struct stage *st, json *body, const char *param, const char *key)
{
	if (has_arg(st, param))
		json_set_str(body, key, get_text(st, param));
}

/* -Datacenter, or the only one there is. */
static enum run
set_datacenter(struct stage *st, json *body)
{
	AUTO(json) json *items = NULL;
	struct err e = ERR_INIT;

	if (has_arg(st, "Datacenter"))
		return set_id(
		    st, body, "Datacenter", KIND_BIT(DATACENTER), "datacenter");
	if (inventory_list(st->sh, KIND_DATACENTER, NULL, &items, &e) < 0)
		return throw_err(st->sh, st->node, &e);
	if (json_count(items) != 1)
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "there are %zu datacenters; give -Datacenter", json_count(items));
	json_set_str(body, "datacenter",
	    json_str_value(json_get(json_at(items, 0), "id"), NULL));
	return RUN_OK;
}

static enum run
datacenter_begin(struct stage *st)
{
	return begin_kind(st, KIND_DATACENTER);
}

static enum run
datacenter_process(struct stage *st, struct val v)
{
	return send_now(st, "/datacenters", named_body(st), get_text(st, "Name"));
}

const struct cmd_ops ops_new_datacenter = { sizeof(struct changes), datacenter_begin,
	datacenter_process, NULL, fini_changes };

static enum run
folder_begin(struct stage *st)
{
	return begin_kind(st, KIND_FOLDER);
}

static enum run
folder_process(struct stage *st, struct val v)
{
	json *body = named_body(st);
	enum run rc = set_id(
	    st, body, "Location", KIND_BIT(FOLDER) | KIND_BIT(DATACENTER), "parent");

	if (rc == RUN_OK)
		return send_now(st, "/folders", body, get_text(st, "Name"));
	json_free(body);
	return rc;
}

const struct cmd_ops ops_new_folder = { sizeof(struct changes), folder_begin,
	folder_process, NULL, fini_changes };

static enum run
cluster_begin(struct stage *st)
{
	return begin_kind(st, KIND_CLUSTER);
}

static enum run
cluster_process(struct stage *st, struct val v)
{
	json *body = named_body(st);
	enum run rc = set_id(st, body, "Location", KIND_BIT(DATACENTER), "datacenter");

	set_number(st, body, "MemoryOvercommitPermille", "memory_overcommit_permille");
	set_number(st, body, "VCpusPerCore", "vcpus_per_core");
	if (rc == RUN_OK)
		return send_now(st, "/clusters", body, get_text(st, "Name"));
	json_free(body);
	return rc;
}

const struct cmd_ops ops_new_cluster = { sizeof(struct changes), cluster_begin,
	cluster_process, NULL, fini_changes };

static enum run
network_begin(struct stage *st)
{
	return begin_kind(st, KIND_NETWORK);
}

static enum run
network_process(struct stage *st, struct val v)
{
	json *body = named_body(st);
	enum run rc = set_datacenter(st, body);

	set_text(st, body, "Bridge", "bridge");
	set_number(st, body, "VLanId", "vlan");
	set_text(st, body, "Cidr", "cidr");
	set_text(st, body, "Gateway", "gateway");
	set_text(st, body, "RangeFirst", "range_first");
	set_text(st, body, "RangeLast", "range_last");
	set_text(st, body, "Dns", "dns");
	if (rc == RUN_OK)
		return send_now(st, "/networks", body, get_text(st, "Name"));
	json_free(body);
	return rc;
}

const struct cmd_ops ops_new_network = { sizeof(struct changes), network_begin,
	network_process, NULL, fini_changes };

struct new_datastore {
	struct changes changes; /* first: the state that end_changes knows */
	struct val hosts;       /* all that came through the pipeline */
};

static enum run
datastore_begin(struct stage *st)
{
	struct new_datastore *d = st->state;

	d->changes.kind = KIND_DATASTORE;
	d->hosts = val_list();
	return RUN_OK;
}

static enum run
datastore_process(struct stage *st, struct val v)
{
	struct new_datastore *d = st->state;
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "VMHost"), KIND_BIT(HOST), &refs);

	if (rc != RUN_OK)
		return rc;
	for (size_t i = 0; i < val_count(refs); i++)
		list_push(d->hosts.list, val_ref(val_at(refs, i)));
	val_free(refs);
	return RUN_OK;
}

static enum run
datastore_end(struct stage *st)
{
	struct new_datastore *d = st->state;
	json *body, *hosts;
	enum should should;
	enum run rc;

	if (!val_count(d->hosts))
		return RUN_OK;
	should = stage_should(st, get_text(st, "Name"), get_text(st, "Path"));
	if (should != SHOULD_DO)
		return should == SHOULD_FAIL ? RUN_THROW : RUN_OK;
	body = named_body(st);
	rc = set_datacenter(st, body);
	hosts = json_new_array();
	for (size_t i = 0; i < val_count(d->hosts); i++)
		json_add_str(hosts, record_id(val_at(d->hosts, i)));
	json_set_json(body, "hosts", hosts);
	set_text(st, body, "Path", "path");
	json_set_bool(body, "shared", get_switch(st, "Shared"));
	if (rc == RUN_OK)
		rc = change_send(
		    st, &d->changes, "POST", "/datastores", body, get_text(st, "Name"));
	else
		json_free(body);
	return rc == RUN_OK ? changes_end(st, &d->changes) : rc;
}

static void
datastore_fini(struct stage *st)
{
	struct new_datastore *d = st->state;

	changes_free(&d->changes);
	val_free(d->hosts);
}

const struct cmd_ops ops_new_datastore = { sizeof(struct new_datastore),
	datastore_begin, datastore_process, datastore_end, datastore_fini };

/* "[store] folder/disk.qcow2": the datastore's id and the path in it. */
static enum run
split_path(
    struct stage *st, const char *path, struct val *ret_store, const char **ret_rest)
{
	const char *end = strchr(path, ']');
	struct val refs = VAL_NONE;
	enum run rc;

	AUTO(val) struct val name = val_textn(path + 1, (size_t)(end - path - 1));
	rc = resolve(st, name, KIND_BIT(DATASTORE), &refs);
	if (rc != RUN_OK)
		return rc;
	*ret_store = val_count(refs) == 1 ? val_ref(val_at(refs, 0)) : VAL_NONE;
	val_free(refs);
	for (end++; *end == ' '; end++)
		;
	*ret_rest = end;
	return RUN_OK;
}

/* Send the file in pieces; into is its path in the datastore. */
static int
upload(struct shell *sh, const char *file, const char *datastore, const char *into,
    struct err *e)
{
	AUTO_CLOSE int fd = open(file, O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *buf = xmalloc(MAX_PIECE);
	struct piece p = { .datastore = datastore, .path = into, .data = buf };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
		    "cannot open \"%s\"", file);
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return err_set(e, ERR_INVALID, "\"%s\" is no file with content", file);
	while (!p.last) {
		ssize_t n = pread(fd, buf, MAX_PIECE, (off_t)p.offset);
		if (n <= 0)
			return err_sys(e, ERR_IO, n < 0 ? errno : EIO,
			    "cannot read \"%s\" at %llu", file,
			    (unsigned long long)p.offset);
		p.n = (size_t)n;
		p.last = p.offset + (uint64_t)n >= (uint64_t)st.st_size;
		if (rest_upload(sh, &p, e) < 0)
			return e->code;
		p.offset += (uint64_t)n;
		if (sh->screen.tty)
			fprintf(sh->screen.err, "\r\033[K%s: %llu %%%s", file,
			    (unsigned long long)(p.offset * 100 / (uint64_t)st.st_size),
			    p.last ? "\r\033[K" : "");
	}
	return 0;
}

static const char *
format_of(struct stage *st, const char *path)
{
	const char *given = get_text(st, "Format");

	return given ? given : str_ends(path, ".qcow2") ? "qcow2" : "raw";
}

/* A file that was sent for the template whose change is the at-th. */
struct upload {
	size_t at;
	char *path; /* "/datastores/datastore-1/content?path=…" */
};

struct new_template {
	struct changes changes; /* first: begin_kind() */
	struct upload *v;
	size_t n;
};

static enum run
template_begin(struct stage *st)
{
	return begin_kind(st, KIND_TEMPLATE);
}

static void
remember_upload(struct new_template *t, const char *datastore, const char *into)
{
	struct str path = STR_INIT;

	str_addf(&path, "/datastores/%s/content?path=", datastore);
	url_add(&path, into);
	t->v = xreallocarray(t->v, t->n + 1, sizeof(*t->v));
	t->v[t->n++] = (struct upload){ t->changes.n, str_take(&path) };
}

/* Nobody would look for what was sent for a template that there will not be. */
static void
discard_upload(struct stage *st, const struct upload *u)
{
	AUTO(json) json *answer = NULL;
	struct err e = ERR_INIT;

	if (rest_change(st->sh, "DELETE", u->path, NULL, &answer, &e) < 0 &&
	    e.code != ERR_NOT_FOUND)
		warn(st->sh, "the uploaded file stays: %s", e.msg);
}

/* Where the image lies in the datastore once it is there. */
static enum run
place_image(struct stage *st, json *body, const char *path)
{
	struct err e = ERR_INIT;
	struct val store = VAL_NONE;
	const char *rest = NULL, *id;
	enum run rc;

	if (path[0] == '[' && strchr(path, ']')) {
		rc = split_path(st, path, &store, &rest);
		if (rc == RUN_OK && store.type == VAL_NULL)
			rc = throw_new(st->sh, st->node, ERR_NOT_FOUND,
			    "\"%s\" names no datastore", path);
		if (rc == RUN_OK) {
			json_set_str(body, "datastore", record_id(store));
			json_set_str(body, "path", rest);
		}
		val_free(store);
		return rc;
	}
	rc = resolve_one(st, "Datastore", KIND_BIT(DATASTORE), &id, &store);
	if (rc != RUN_OK)
		return rc;
	if (!id)
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "-Datastore is missing: where shall the image lie?");
	AUTO_FREE char *into =
	    xasprintf("upload/%s.%s", get_text(st, "Name"), format_of(st, path));
	json_set_str(body, "datastore", id);
	json_set_str(body, "path", into);
	remember_upload(st->state, id, into);
	if (upload(st->sh, path, id, into, &e) < 0)
		rc = throw_err(st->sh, st->node, &e);
	val_free(store);
	return rc;
}

static enum run
template_process(struct stage *st, struct val v)
{
	const char *path = get_text(st, "Path"), *name = get_text(st, "Name");
	enum should should = stage_should(st, name, path);
	json *body;
	enum run rc;

	if (should != SHOULD_DO)
		return should == SHOULD_FAIL ? RUN_THROW : RUN_OK;
	body = named_body(st);
	rc = place_image(st, body, path);
	if (rc == RUN_OK)
		rc = set_id(st, body, "Location",
		    KIND_BIT(FOLDER) | KIND_BIT(DATACENTER), "parent");
	json_set_str(body, "format", format_of(st, path));
	set_number(st, body, "NumCpu", "num_cpu");
	set_number(st, body, "MemoryMB", "memory_mb");
	set_text(st, body, "Notes", "notes");
	if (get_switch(st, "KeepSource"))
		json_set_bool(body, "keep_source", true);
	if (rc == RUN_OK)
		return change_send(st, st->state, "POST", "/templates", body, name);
	json_free(body);
	return rc;
}

static enum run
template_end(struct stage *st)
{
	struct new_template *t = st->state;

	return changes_end(st, &t->changes);
}

static void
template_fini(struct stage *st)
{
	struct new_template *t = st->state;

	for (size_t i = 0; i < t->n; i++) {
		const struct upload *u = &t->v[i];
		if (u->at >= t->changes.n || t->changes.v[u->at].failed)
			discard_upload(st, u);
		free(u->path);
	}
	free(t->v);
	changes_free(&t->changes);
}

const struct cmd_ops ops_new_template = { sizeof(struct new_template), template_begin,
	template_process, template_end, template_fini };

/* The token and the command line that uses it. */
static struct val
token_record(struct stage *st, json *answer, const char *name)
{
	const struct site *s = st->sh->site;
	struct val r = val_table(TABLE_RECORD, "VMHostToken"), a;
	const char *token = NULL, *print = NULL;

	if (json_read_str(answer, "token", JSON_REQUIRED, 4096, &token, NULL) < 0 ||
	    json_read_str(answer, "ca_fingerprint", JSON_OPTIONAL, 256, &print, NULL) <
		0)
		token = token ? token : "";
	a = val_from_json(answer, TABLE_RECORD);
	const struct val *expires = table_get(a.table, "expires_at"),
			 *host = table_get(a.table, "host");
	AUTO_FREE char *line = xasprintf(
	    "drover-agent enroll --server %s:%u --token %s --ca-fingerprint %s",
	    s->address, s->port, token, print ? print : "");
	table_set(r.table, "Name", val_text(name));
	table_set(r.table, "Token", val_text(token));
	table_set(r.table, "CAFingerprint", val_text(print));
	table_set(r.table, "ExpiresAt", expires ? val_ref(*expires) : VAL_NONE);
	table_set(r.table, "HostId", host ? val_ref(*host) : VAL_NONE);
	table_set(r.table, "Command", val_text(line));
	val_free(a);
	return r;
}

static enum run
host_token_process(struct stage *st, struct val v)
{
	const char *name = get_text(st, "Name");
	json *body = named_body(st);
	AUTO(json) json *answer = NULL;
	struct err e = ERR_INIT;
	enum run rc = set_id(st, body, "Cluster", KIND_BIT(CLUSTER), "cluster");
	enum should should = rc == RUN_OK ? stage_should(st, name, NULL) : SHOULD_SKIP;

	if (has_arg(st, "ValidMinutes"))
		json_set_i64(body, "ttl_s", get_int(st, "ValidMinutes", 0) * 60);
	if (rc == RUN_OK && should == SHOULD_FAIL)
		rc = RUN_THROW;
	if (rc == RUN_OK && should == SHOULD_DO) {
		if (rest_change(st->sh, "POST", "/enroll-tokens", body, &answer, &e) <
		    0)
			rc = stage_error(st, &e, get_arg(st, "Name"));
		else
			rc = put(st, token_record(st, answer, name));
		known_expire(st->sh);
	}
	json_free(body);
	return rc;
}

const struct cmd_ops ops_host_token = { 0, NULL, host_token_process, NULL, NULL };
