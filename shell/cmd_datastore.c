/*
 * cmd_datastore: files of datastores, and the datastores themselves.
 *
 * A path in a datastore is written "[datastore] folder/file".
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/json_peek.h"
#include "shell/body.h"
#include "shell/change.h"
#include "shell/rest.h"
#include "shell/store_path.h"

#define SUM_TEXT 65

static uint64_t
size_of(const json *o)
{
	const json *v = o ? json_get(o, "size_bytes") : NULL;

	return v && json_what(v) == JSON_IS_INT ? (uint64_t)json_int_value(v) : 0;
}

/* "/datastores/datastore-1/WHAT?path=…"; caller frees. */
static char *
file_path(const struct store_path *p, const char *what)
{
	struct str b = STR_INIT;

	str_addf(&b, "/datastores/%s/%s?path=", p->store, what);
	url_add(&b, p->path);
	return str_take(&b);
}

/* ---- list and remove ---- */

static enum run
put_item(struct stage *st, const struct store_path *in, const json *f)
{
	struct val r = val_table(TABLE_RECORD, "DatastoreItem");
	const char *name = json_peek_str(f, "path");
	const json *folder = json_get(f, "is_folder");
	bool is_folder =
	    folder && json_what(folder) == JSON_IS_BOOL && json_bool_value(folder);
	AUTO_FREE char *full = xasprintf(
	    "[%s] %s%s%s", in->name, in->path, *in->path ? "/" : "", name ? name : "");
	const json *ms = json_get(f, "modified_ms");

	table_set(r.table, "Name", val_text(name));
	table_set(r.table, "ItemType", val_text(is_folder ? "Folder" : "File"));
	table_set(
	    r.table, "Length", is_folder ? VAL_NONE : val_int((int64_t)size_of(f)));
	if (ms && json_what(ms) == JSON_IS_INT)
		table_set(r.table, "LastWriteTime", val_time(json_int_value(ms)));
	table_set(r.table, "DatastoreFullPath", val_text(full));
	table_set(r.table, "Datastore", val_text(in->name));
	return put(st, r);
}

static enum run
get_item_process(struct stage *st, struct val v)
{
	AUTO(json) json *answer = NULL;
	struct store_path p = STORE_PATH_NONE;
	struct err e = ERR_INIT;
	enum run rc = store_path_need(st, get_text(st, "Path"), &p);
	AUTO_FREE char *path = rc == RUN_OK ? file_path(&p, "files") : NULL;

	if (rc == RUN_OK && rest_get(st->sh, path, &answer, &e) < 0)
		rc = stage_error(st, &e, get_arg(st, "Path"));
	const json *items = answer ? json_get(answer, "items") : NULL;
	for (size_t i = 0; items && rc == RUN_OK && i < json_count(items); i++)
		rc = put_item(st, &p, json_at(items, i));
	store_path_fini(&p);
	return rc;
}

const struct cmd_ops ops_get_item = { 0, NULL, get_item_process, NULL, NULL };

/* A text, or what Get-DatastoreItem gave. */
static char *
full_path(struct val one)
{
	const struct val *path =
	    one.type == VAL_TABLE ? table_get(one.table, "DatastoreFullPath") : NULL;

	return val_cstr(path ? *path : one);
}

static enum run
remove_one(struct stage *st, const char *full, struct val target)
{
	AUTO(json) json *answer = NULL;
	struct store_path p = STORE_PATH_NONE;
	struct err e = ERR_INIT;
	enum run rc = store_path_need(st, full, &p);
	AUTO_FREE char *path = rc == RUN_OK ? file_path(&p, "content") : NULL;
	enum should should = rc == RUN_OK ? stage_should(st, full, NULL) : SHOULD_SKIP;

	if (should == SHOULD_FAIL)
		rc = RUN_THROW;
	if (should == SHOULD_DO &&
	    rest_change(st->sh, "DELETE", path, NULL, &answer, &e) < 0)
		rc = stage_error(st, &e, target);
	store_path_fini(&p);
	return rc;
}

static enum run
remove_item_process(struct stage *st, struct val v)
{
	struct val list = get_arg(st, "Path");
	enum run rc = RUN_OK;

	for (size_t i = 0; rc == RUN_OK && i < val_count(list); i++) {
		AUTO_FREE char *full = full_path(val_at(list, i));

		rc = remove_one(st, full, val_at(list, i));
	}
	return rc;
}

const struct cmd_ops ops_remove_item = { 0, NULL, remove_item_process, NULL, NULL };

/* ---- copy ---- */

static void
show(struct shell *sh, const char *what, uint64_t done, uint64_t total)
{
	if (!sh->screen.tty)
		return;
	fprintf(sh->screen.err, "\r\033[K%s: %llu %%%s", what,
	    (unsigned long long)(total ? done * 100 / total : 100),
	    done >= total ? "\r\033[K" : "");
	fflush(sh->screen.err);
}

/* SHA-256 of the first n bytes. */
static int
sum_local(int fd, uint64_t n, char out[SUM_TEXT], struct err *e)
{
	AUTO_FREE char *buf = xmalloc(MAX_PIECE);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char hash[32];
	uint64_t at = 0;
	int rc = 0;

	if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		rc = err_set(e, ERR_INTERNAL, "SHA-256 is not to be had");
	while (!rc && at < n) {
		size_t want = n - at < MAX_PIECE ? (size_t)(n - at) : MAX_PIECE;
		ssize_t got = pread(fd, buf, want, (off_t)at);

		if (got <= 0)
			rc = err_sys(e, ERR_IO, got ? errno : EIO, "cannot read it");
		else if (EVP_DigestUpdate(md, buf, (size_t)got) != 1)
			rc = err_set(e, ERR_INTERNAL, "SHA-256 failed");
		at += got > 0 ? (uint64_t)got : 0;
	}
	if (!rc && EVP_DigestFinal_ex(md, hash, NULL) != 1)
		rc = err_set(e, ERR_INTERNAL, "SHA-256 failed");
	EVP_MD_CTX_free(md);
	if (!rc)
		hex_encode(hash, sizeof(hash), out);
	return rc;
}

/* What is there already; ERR_NOT_FOUND. */
static int
sum_there(struct shell *sh, const struct store_path *p, uint64_t *ret_bytes,
    char out[SUM_TEXT], struct err *e)
{
	AUTO_FREE char *path = file_path(p, "checksum");
	AUTO(json) json *answer = NULL;
	int rc = rest_get(sh, path, &answer, e);
	const char *sum = rc ? NULL : json_peek_str(answer, "sha256");

	if (rc)
		return rc;
	*ret_bytes = size_of(answer);
	snprintf(out, SUM_TEXT, "%s", sum ? sum : "");
	return 0;
}

/* From where the last attempt got to, if what lies there is the beginning of ours. */
static uint64_t
resume_at(struct shell *sh, const struct store_path *to, int fd, uint64_t size)
{
	char there[SUM_TEXT], here[SUM_TEXT];
	struct err e = ERR_INIT;
	uint64_t n = 0;

	if (sum_there(sh, to, &n, there, &e) || n > size || !n ||
	    sum_local(fd, n, here, &e) || strcmp(here, there) != 0)
		return 0;
	return n;
}

static int
send_file(
    struct shell *sh, const char *file, const struct store_path *to, struct err *e)
{
	AUTO_CLOSE int fd = open(file, O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *buf = xmalloc(MAX_PIECE);
	struct piece p = { .datastore = to->store, .path = to->path, .data = buf };
	struct stat st;
	uint64_t size;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO,
		    fd < 0 ? errno : EISDIR, "cannot open \"%s\"", file);
	size = (uint64_t)st.st_size;
	p.offset = resume_at(sh, to, fd, size);
	if (size && p.offset == size)
		return 0;
	while (!p.last) {
		ssize_t n = pread(fd, buf, MAX_PIECE, (off_t)p.offset);

		if (n < 0 || (n == 0 && p.offset < size))
			return err_sys(
			    e, ERR_IO, n ? errno : EIO, "cannot read \"%s\"", file);
		p.n = (size_t)n;
		p.last = p.offset + (uint64_t)n >= size;
		if (rest_upload(sh, &p, e) < 0)
			return e->code;
		p.offset += (uint64_t)n;
		show(sh, file, p.offset, size);
	}
	return 0;
}

static int
fetch_pieces(struct shell *sh, const struct store_path *from, int fd, uint64_t at,
    uint64_t size, struct err *e)
{
	AUTO_FREE char *base = file_path(from, "content");
	int rc = 0;

	while (!rc && at < size) {
		AUTO(str) struct str piece = STR_INIT;
		AUTO_FREE char *path =
		    xasprintf("%s&offset=%llu", base, (unsigned long long)at);

		rc = rest_download(sh, path, &piece, e);
		if (!rc && !piece.len)
			rc = err_set(
			    e, ERR_CHANGED, "\"%s\" has become shorter", from->path);
		if (!rc &&
		    pwrite(fd, piece.s, piece.len, (off_t)at) != (ssize_t)piece.len)
			rc = err_sys(e, ERR_IO, errno, "cannot write");
		at += piece.len;
		show(sh, from->path, at, size);
	}
	return rc;
}

/* Into "FILE.part", which the next attempt goes on with, and which gets its name when
 * all of it is there and right. */
static int
fetch_file(
    struct shell *sh, const struct store_path *from, const char *file, struct err *e)
{
	AUTO_FREE char *part = xasprintf("%s.part", file);
	AUTO_CLOSE int fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	char there[SUM_TEXT], here[SUM_TEXT];
	uint64_t size = 0, at;
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, ERR_IO, errno, "cannot open \"%s\"", part);
	rc = sum_there(sh, from, &size, there, e);
	at = (uint64_t)st.st_size < size ? (uint64_t)st.st_size : 0;
	if (!rc)
		rc = fetch_pieces(sh, from, fd, at, size, e);
	if (!rc && ftruncate(fd, (off_t)size))
		rc = err_sys(e, ERR_IO, errno, "cannot write \"%s\"", part);
	if (rc)
		return rc;
	rc = sum_local(fd, size, here, e);
	if (!rc && strcmp(here, there) != 0) {
		unlink(part);
		return err_set(e, ERR_CHANGED,
		    "\"%s\" changed while it was fetched, or its beginning was another's:"
		    " begin anew",
		    from->path);
	}
	if (!rc && rename(part, file))
		rc = err_sys(e, ERR_IO, errno, "cannot make \"%s\"", file);
	return rc;
}

/* "folder/" takes the file's own name. */
static char *
with_name(const char *to, const char *from)
{
	const char *slash = strrchr(from, '/');
	size_t n = strlen(to);

	if (n && to[n - 1] != '/')
		return xstrdup(to);
	return xasprintf("%s%s", to, slash ? slash + 1 : from);
}

static enum run
copy_up(struct stage *st, const char *file, const char *to)
{
	struct store_path p = STORE_PATH_NONE;
	struct err e = ERR_INIT;
	enum run rc = store_path_need(st, to, &p);

	if (rc == RUN_OK) {
		char *path = with_name(p.path, file);

		free(p.path);
		p.path = path;
		if (send_file(st->sh, file, &p, &e) < 0)
			rc = throw_err(st->sh, st->node, &e);
	}
	store_path_fini(&p);
	return rc;
}

static enum run
copy_down(struct stage *st, const char *from, const char *file)
{
	struct store_path p = STORE_PATH_NONE;
	struct err e = ERR_INIT;
	enum run rc = store_path_need(st, from, &p);

	if (rc == RUN_OK) {
		AUTO_FREE char *into = with_name(file, p.path);

		if (fetch_file(st->sh, &p, into, &e) < 0)
			rc = throw_err(st->sh, st->node, &e);
	}
	store_path_fini(&p);
	return rc;
}

static enum run
copy_item_process(struct stage *st, struct val v)
{
	AUTO_FREE char *from = full_path(get_arg(st, "Item"));
	const char *to = get_text(st, "Destination");
	enum should should;

	if (is_store_path(from) == is_store_path(to))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "Copy-DatastoreItem wants \"[datastore] path\" on one side and a file"
		    " here on the other");
	should = stage_should(st, from, to);
	if (should != SHOULD_DO)
		return should == SHOULD_FAIL ? RUN_THROW : RUN_OK;
	return is_store_path(to) ? copy_up(st, from, to) : copy_down(st, from, to);
}

const struct cmd_ops ops_copy_item = { 0, NULL, copy_item_process, NULL, NULL };

/* ---- datastores ---- */

static enum run
set_begin(struct stage *st)
{
	return changes_of(st, KIND_DATASTORE);
}

static enum run
body_hosts(struct stage *st, json *body)
{
	struct val hosts = VAL_NONE;
	enum run rc = RUN_OK;

	if (!has_arg(st, "VMHost"))
		return RUN_OK;
	rc = resolve(st, get_arg(st, "VMHost"), KIND_BIT(HOST), &hosts);
	json *list = json_new_array();
	for (size_t i = 0; rc == RUN_OK && i < val_count(hosts); i++)
		json_add_str(list, record_id(val_at(hosts, i)));
	json_set_json(body, "hosts", list);
	val_free(hosts);
	return rc;
}

static enum run
set_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	struct val refs = VAL_NONE;
	enum run rc = body_hosts(st, body);

	body_text(st, body, "Name", "name");
	if (rc == RUN_OK)
		rc =
		    body_amount(st, body, "UploadQuotaGB", 1073741824.0, "quota_bytes");
	if (rc == RUN_OK && !json_count(body))
		rc = throw_new(st->sh, st->node, ERR_INVALID,
		    "Set-Datastore wants something to change");
	if (rc == RUN_OK)
		rc = resolve(st, get_arg(st, "Datastore"), KIND_BIT(DATASTORE), &refs);
	if (rc == RUN_OK)
		rc = change_each(st, refs, "PATCH", NULL, body);
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_set_datastore = { sizeof(struct changes), set_begin,
	set_process, changes_finish, changes_fini };

static void
tell_orphans(struct stage *st, const struct pending *p, const json *task)
{
	const json *result = json_get(task, "result");
	const json *list = result ? json_get(result, "orphans") : NULL;

	for (size_t i = 0; list && i < json_count(list); i++) {
		const json *o = json_at(list, i);
		struct val r = val_table(TABLE_RECORD, "DatastoreOrphan");
		const json *ms = json_get(o, "modified_ms");
		const char *path = json_peek_str(o, "path");
		AUTO_FREE char *full = xasprintf("[%s] %s", p->name, path ? path : "");

		table_set(r.table, "Name", val_text(full));
		table_set(r.table, "Length", val_int((int64_t)size_of(o)));
		if (ms && json_what(ms) == JSON_IS_INT)
			table_set(
			    r.table, "LastWriteTime", val_time(json_int_value(ms)));
		table_set(r.table, "Reason", val_text(json_peek_str(o, "why")));
		table_set(r.table, "Datastore", val_text(p->name));
		if (put(st, r) != RUN_OK)
			return;
	}
}

static enum run
orphan_begin(struct stage *st)
{
	((struct changes *)st->state)->tell = tell_orphans;
	return RUN_OK;
}

static enum run
orphan_process(struct stage *st, struct val v)
{
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "Datastore"), KIND_BIT(DATASTORE), &refs);

	if (rc == RUN_OK)
		rc = change_each(st, refs, "POST", "scan", NULL);
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_get_orphan = { sizeof(struct changes), orphan_begin,
	orphan_process, changes_finish, changes_fini };
