/*
 * cmd_data: JSON, CSV and files that are read.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "shell/cmd.h"
#include "shell/data.h"

#define MAX_FILE (256u << 20)

struct kept {
	struct val list;
};

static enum run
keep_begin(struct stage *st)
{
	((struct kept *)st->state)->list = val_list();
	return RUN_OK;
}

static enum run
keep_process(struct stage *st, struct val v)
{
	if (st->has_input)
		list_push(((struct kept *)st->state)->list.list, val_ref(v));
	return RUN_OK;
}

static void
keep_fini(struct stage *st)
{
	val_free(((struct kept *)st->state)->list);
}

static enum run
to_json_end(struct stage *st)
{
	struct val list = ((struct kept *)st->state)->list,
		   given = get_arg(st, "InputObject");
	struct json_form form = { .depth = 2, .compress = get_switch(st, "Compress") };
	struct str b = STR_INIT;

	if (has_arg(st, "Depth")) {
		int64_t depth = get_int(st, "Depth", 2);
		form.depth = depth < 0 ? 0 : depth > 100 ? 100 : (unsigned)depth;
	}
	if (has_arg(st, "InputObject"))
		json_print(&b, given, &form);
	else if (!list.list->n)
		return RUN_OK;
	else if (list.list->n == 1 && !get_switch(st, "AsArray"))
		json_print(&b, list.list->v[0], &form);
	else
		json_print(&b, list, &form);
	if (b.len && b.s[b.len - 1] == '\n')
		b.s[--b.len] = '\0';
	if (form.cut)
		warn(st->sh, "the JSON was cut at depth %u; -Depth gives more",
		    form.depth);
	return put(st, val_from_str(&b));
}

const struct cmd_ops ops_to_json = { sizeof(struct kept), keep_begin, keep_process,
	to_json_end, keep_fini };

/* Lines from the pipeline make one text. */
static char *
joined(struct val list)
{
	struct str b = STR_INIT;

	for (size_t i = 0; i < val_count(list); i++) {
		str_add(&b, i ? "\n" : "");
		val_add_text(&b, val_at(list, i));
	}
	return b.s ? str_take(&b) : xstrdup("");
}

static enum run
from_json_end(struct stage *st)
{
	struct val list = ((struct kept *)st->state)->list;
	bool from_arg = has_arg(st, "InputObject") && !st->has_input;
	AUTO_FREE char *s = joined(from_arg ? get_arg(st, "InputObject") : list);
	struct err e = ERR_INIT;
	json *j = NULL;

	if (json_parse(s, strlen(s), "the JSON text", &j, &e) < 0)
		return stage_error(st, &e, VAL_NONE);
	AUTO(val)
	struct val v =
	    val_from_json(j, get_switch(st, "AsHashtable") ? TABLE_HASH : TABLE_RECORD);
	json_free(j);
	return put_each(st->out, v);
}

const struct cmd_ops ops_from_json = { sizeof(struct kept), keep_begin, keep_process,
	from_json_end, keep_fini };

static char
delimiter_of(const struct stage *st)
{
	const char *delimiter = get_text(st, "Delimiter");

	return delimiter && *delimiter ? *delimiter : ',';
}

static struct csv_form
csv_form_of(const struct stage *st)
{
	const char *quotes = get_text(st, "UseQuotes");

	return (struct csv_form){ .delimiter = delimiter_of(st),
		.header = true,
		.as_needed = quotes && !strcasecmp(quotes, "AsNeeded") };
}

static enum run
to_csv_end(struct stage *st)
{
	struct csv_form form = csv_form_of(st);
	struct str b = STR_INIT;
	enum run rc = RUN_OK;

	csv_print(&b, ((struct kept *)st->state)->list, &form);
	for (const char *s = str_cstr(&b); *s && rc == RUN_OK;) {
		size_t n = strcspn(s, "\n");
		rc = put(st, val_textn(s, n));
		s += n + (s[n] == '\n');
	}
	str_fini(&b);
	return rc;
}

const struct cmd_ops ops_to_csv = { sizeof(struct kept), keep_begin, keep_process,
	to_csv_end, keep_fini };

static enum run
export_csv_end(struct stage *st)
{
	struct csv_form form = csv_form_of(st);
	const char *path = get_text(st, "Path");
	bool append = get_switch(st, "Append");
	struct str b = STR_INIT;
	struct err e = ERR_INIT;
	FILE *f = fopen(path, append ? "ae" : "we");

	if (!f) {
		err_sys(&e, ERR_IO, errno, "cannot open \"%s\"", path);
		return stage_error(st, &e, VAL_NONE);
	}
	form.header = !append || ftell(f) == 0;
	csv_print(&b, ((struct kept *)st->state)->list, &form);
	if (fwrite(str_cstr(&b), 1, b.len, f) != b.len)
		err_sys(&e, ERR_IO, errno, "cannot write \"%s\"", path);
	if (fclose(f) != 0 && !e.code)
		err_sys(&e, ERR_IO, errno, "cannot write \"%s\"", path);
	str_fini(&b);
	return e.code ? stage_error(st, &e, VAL_NONE) : RUN_OK;
}

const struct cmd_ops ops_export_csv = { sizeof(struct kept), keep_begin, keep_process,
	export_csv_end, keep_fini };

static enum run
put_csv(struct stage *st, const char *s)
{
	struct val list = VAL_NONE;
	struct err e = ERR_INIT;
	enum run rc;

	if (csv_parse(s, delimiter_of(st), get_arg(st, "Header"), &list, &e) < 0)
		return stage_error(st, &e, VAL_NONE);
	rc = put_each(st->out, list);
	val_free(list);
	return rc;
}

static enum run
from_csv_end(struct stage *st)
{
	AUTO_FREE char *s = joined(((struct kept *)st->state)->list);

	return put_csv(st, s);
}

const struct cmd_ops ops_from_csv = { sizeof(struct kept), keep_begin, keep_process,
	from_csv_end, keep_fini };

static int
read_file(const char *path, struct str *b, struct err *e)
{
	char buf[65536];
	size_t n;
	FILE *f = fopen(path, "re");

	if (!f)
		return err_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
		    "cannot open \"%s\"", path);
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0 && b->len < MAX_FILE)
		str_addn(b, buf, n);
	if (ferror(f))
		err_sys(e, ERR_IO, errno, "cannot read \"%s\"", path);
	else if (b->len >= MAX_FILE)
		err_set(e, ERR_TOO_LARGE, "\"%s\" has more than 256 MiB", path);
	fclose(f);
	return e->code;
}

static enum run
import_csv_process(struct stage *st, struct val v)
{
	struct err e = ERR_INIT;
	struct str b = STR_INIT;
	enum run rc;

	if (read_file(get_text(st, "Path"), &b, &e) < 0)
		rc = stage_error(st, &e, VAL_NONE);
	else
		rc = put_csv(st, str_cstr(&b));
	str_fini(&b);
	return rc;
}

const struct cmd_ops ops_import_csv = { 0, NULL, import_csv_process, NULL, NULL };

/* Where the last n lines begin. */
static const char *
last_lines(const char *s, int64_t n)
{
	size_t at = strlen(s);

	if (n <= 0)
		return s + at;
	at -= at && s[at - 1] == '\n';
	while (at && (s[at - 1] != '\n' || --n > 0))
		at--;
	return s + at;
}

static enum run
put_file_lines(struct stage *st, const char *s)
{
	int64_t left =
	    has_arg(st, "TotalCount") ? get_int(st, "TotalCount", 0) : INT64_MAX;
	enum run rc = RUN_OK;

	while (*s && left-- > 0 && rc == RUN_OK) {
		size_t n = strcspn(s, "\n"), len = n && s[n - 1] == '\r' ? n - 1 : n;
		rc = put(st, val_textn(s, len));
		s += n + (s[n] == '\n');
	}
	return rc;
}

static enum run
get_content_process(struct stage *st, struct val v)
{
	struct err e = ERR_INIT;
	struct str b = STR_INIT;
	enum run rc;

	if (read_file(get_text(st, "Path"), &b, &e) < 0)
		rc = stage_error(st, &e, VAL_NONE);
	else if (get_switch(st, "Raw"))
		rc = put(st, val_textn(str_cstr(&b), b.len));
	else
		rc = put_file_lines(
		    st, has_arg(st, "Tail")
			    ? last_lines(str_cstr(&b), get_int(st, "Tail", 0))
			    : str_cstr(&b));
	str_fini(&b);
	return rc;
}

const struct cmd_ops ops_get_content = { 0, NULL, get_content_process, NULL, NULL };

static enum run
test_path_process(struct stage *st, struct val v)
{
	return put(st, val_bool(access(get_text(st, "Path"), F_OK) == 0));
}

const struct cmd_ops ops_test_path = { 0, NULL, test_path_process, NULL, NULL };
