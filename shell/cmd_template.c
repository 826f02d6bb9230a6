/*
 * cmd_template: cmdlets of templates: from files, from machines, and out as appliances.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell/body.h"
#include "shell/change.h"
#include "shell/data.h"
#include "shell/rest.h"
#include "shell/store_path.h"

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

	static const char *const known[] = { "qcow2", "vmdk", "vhdx", "vhd", "ova",
		"tar" };
	const char *dot = strrchr(path, '.');

	if (!given && get_text(st, "Kind") &&
	    !strcasecmp(get_text(st, "Kind"), "Container"))
		return "tar";
	for (size_t i = 0; dot && !given && i < ARRAY_SIZE(known); i++) {
		if (!strcasecmp(dot + 1, known[i]))
			return known[i];
	}
	return given ? given : "raw";
}

/* A file that was sent for the template whose change is the at-th. */
struct upload {
	size_t at;
	char *path; /* "/datastores/datastore-1/content?path=…" */
};

struct new_template {
	struct changes changes; /* first: changes_of() */
	struct upload *v;
	size_t n;
};

static enum run
template_begin(struct stage *st)
{
	return changes_of(st, KIND_TEMPLATE);
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
	const char *id;
	enum run rc;

	if (is_store_path(path)) {
		struct store_path p = STORE_PATH_NONE;
		rc = store_path_need(st, path, &p);
		if (rc == RUN_OK) {
			json_set_str(body, "datastore", p.store);
			json_set_str(body, "path", p.path);
		}
		store_path_fini(&p);
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
template_of_file(struct stage *st)
{
	const char *path = get_text(st, "Path"), *name = get_text(st, "Name");
	enum should should = stage_should(st, name, path);
	json *body;
	enum run rc;

	if (should != SHOULD_DO)
		return should == SHOULD_FAIL ? RUN_THROW : RUN_OK;
	body = body_named(st);
	rc = place_image(st, body, path);
	if (rc == RUN_OK)
		rc = body_id(st, body, "Location",
		    KIND_BIT(FOLDER) | KIND_BIT(DATACENTER), "parent");
	json_set_str(body, "format", format_of(st, path));
	body_number(st, body, "NumCpu", "num_cpu");
	body_number(st, body, "MemoryMB", "memory_mb");
	body_text(st, body, "Notes", "notes");
	body_text(st, body, "Version", "version");
	body_text(st, body, "Reference", "reference");
	body_word(st, body, "Kind", "guest_type");
	body_texts(st, body, "Command", "args");
	body_texts(st, body, "Environment", "env");
	if (get_switch(st, "KeepSource"))
		json_set_bool(body, "keep_source", true);
	if (rc == RUN_OK)
		return change_send(st, st->state, "POST", "/templates", body, name);
	json_free(body);
	return rc;
}

/* A machine's disk instead of a file. */
static enum run
template_of_vm(struct stage *st)
{
	AUTO(json) json *body = body_named(st);
	struct val refs = VAL_NONE;
	enum run rc = body_id(st, body, "Datastore", KIND_BIT(DATASTORE), "datastore");

	body_text(st, body, "Version", "version");
	body_text(st, body, "Notes", "notes");
	body_bool(st, body, "KeepVM", "keep");
	if (rc == RUN_OK)
		rc = resolve(st, get_arg(st, "VM"), KIND_BIT(VM), &refs);
	if (rc == RUN_OK)
		rc = change_each(st, refs, "POST", "template", body);
	val_free(refs);
	return rc;
}

static enum run
template_process(struct stage *st, struct val v)
{
	if (!has_arg(st, "Path") == !has_arg(st, "VM"))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "New-Template wants either -Path or -VM");
	return has_arg(st, "VM") ? template_of_vm(st) : template_of_file(st);
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
	changes_fini(st);
}

const struct cmd_ops ops_new_template = { sizeof(struct new_template), template_begin,
	template_process, template_end, template_fini };

static enum run
set_begin(struct stage *st)
{
	return changes_of(st, get_switch(st, "ToVM") ? KIND_VM : KIND_TEMPLATE);
}

/* A machine in the template's place has its name, unless another is given. */
static enum run
to_vm(struct stage *st, struct val refs)
{
	enum run rc = RUN_OK;

	for (size_t i = 0; i < val_count(refs) && rc == RUN_OK; i++) {
		AUTO_FREE char *name = val_cstr(val_at(refs, i));
		AUTO_FREE char *path = object_path(record_id(val_at(refs, i)), "vm");
		const char *wish = get_text(st, "Name");
		enum should should = stage_should(st, name, "to a machine");
		json *body;

		if (should == SHOULD_FAIL)
			return RUN_THROW;
		if (should == SHOULD_SKIP)
			continue;
		body = json_new_object();
		json_set_str(body, "name", wish ? wish : name);
		rc = change_send(st, st->state, "POST", path, body, name);
	}
	return rc;
}

static enum run
set_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	struct val refs = VAL_NONE;
	enum run rc = body_cpus(st, body);

	if (rc == RUN_OK)
		rc = body_memory(st, body);
	body_text(st, body, "Name", "name");
	body_text(st, body, "Version", "version");
	body_text(st, body, "Notes", "notes");
	if (rc == RUN_OK && !json_count(body) && !get_switch(st, "ToVM"))
		rc = throw_new(st->sh, st->node, ERR_INVALID,
		    "Set-Template wants something to change");
	if (rc == RUN_OK)
		rc = resolve(st, get_arg(st, "Template"), KIND_BIT(TEMPLATE), &refs);
	if (rc == RUN_OK)
		rc = get_switch(st, "ToVM")
			 ? to_vm(st, refs)
			 : change_each(st, refs, "PATCH", NULL, body);
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_set_template = { sizeof(struct changes), set_begin,
	set_process, changes_finish, changes_fini };

static enum run
copy_begin(struct stage *st)
{
	return changes_of(st, KIND_TEMPLATE);
}

static enum run
copy_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	struct val refs = VAL_NONE;
	enum run rc = body_id(st, body, "Datastore", KIND_BIT(DATASTORE), "datastore");

	if (rc == RUN_OK)
		rc = resolve(st, get_arg(st, "Template"), KIND_BIT(TEMPLATE), &refs);
	if (rc == RUN_OK)
		rc = change_each(st, refs, "POST", "copy", body);
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_copy_template = { sizeof(struct changes), copy_begin,
	copy_process, changes_finish, changes_fini };

static enum run
export_begin(struct stage *st)
{
	return RUN_OK;
}

static enum run
export_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	struct store_path p = STORE_PATH_NONE;
	struct val refs = VAL_NONE;
	enum run rc = store_path_need(st, get_text(st, "Destination"), &p);

	if (rc != RUN_OK)
		return rc;
	json_set_str(body, "datastore", p.store);
	json_set_str(body, "path", p.path);
	store_path_fini(&p);
	rc = resolve(st, get_arg(st, "VM"), KIND_BIT(VM), &refs);
	if (rc == RUN_OK)
		rc = change_each(st, refs, "POST", "export", body);
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_export_vapp = { sizeof(struct changes), export_begin,
	export_process, changes_finish, changes_fini };
