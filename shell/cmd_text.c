/*
 * cmd_text: lines that fit a pattern, pages, paths.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "shell/cmd.h"
#include "shell/print.h"

/* ---- Select-String ---- */

struct lines {
	int64_t number;
};

static enum run
try_line(struct stage *st, struct val line, const char *path)
{
	struct lines *l = st->state;
	struct val patterns = get_arg(st, "Pattern"), matches = VAL_NONE;
	bool simple = get_switch(st, "SimpleMatch"), hit = false;
	struct err e = ERR_INIT;

	l->number++;
	for (size_t i = 0; i < val_count(patterns) && !hit; i++) {
		bool exact = get_switch(st, "CaseSensitive");
		AUTO_FREE char *what = val_cstr(val_at(patterns, i)),
			       *text = val_cstr(line);
		if (simple)
			hit = (exact ? strstr : strcasestr)(text, what) != NULL;
		else if (text_match(
			     line, val_at(patterns, i), exact, &hit, &matches, &e) < 0)
			return throw_err(st->sh, st->node, &e);
	}
	if (hit == get_switch(st, "NotMatch")) {
		val_free(matches);
		return RUN_OK;
	}
	struct val r = val_table(TABLE_RECORD, "MatchInfo");
	table_set(r.table, "Path", val_text(path));
	table_set(r.table, "LineNumber", val_int(l->number));
	table_set(r.table, "Line", val_to_text(line));
	table_set(r.table, "Matches", matches);
	return put(st, r);
}

static enum run
read_lines(struct stage *st, const char *path)
{
	FILE *f = fopen(path, "re");
	struct err e = ERR_INIT;
	enum run rc = RUN_OK;
	char *line = NULL;
	size_t cap = 0;

	if (!f) {
		err_sys(&e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
		    "cannot open \"%s\"", path);
		return stage_error(st, &e, VAL_NONE);
	}
	((struct lines *)st->state)->number = 0;
	for (ssize_t n; rc == RUN_OK && (n = getline(&line, &cap, f)) >= 0;) {
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			n--;
		AUTO(val) struct val text = val_textn(line, (size_t)n);
		rc = try_line(st, text, path);
	}
	free(line);
	fclose(f);
	return rc;
}

static enum run
select_string_process(struct stage *st, struct val v)
{
	struct val paths = get_arg(st, "Path");
	enum run rc = RUN_OK;

	if (st->has_input && v.type != VAL_TEXT) {
		AUTO(val) struct val text = val_to_text(v);
		return try_line(st, text, NULL);
	}
	if (st->has_input)
		return try_line(st, v, NULL);
	if (!val_count(paths))
		return stage_fail(st, ERR_INVALID,
		    "Select-String wants -Path or lines from the pipeline");
	for (size_t i = 0; i < val_count(paths) && rc == RUN_OK; i++)
		rc = read_lines(st, val_at(paths, i).text->s);
	return rc;
}

const struct cmd_ops ops_select_string = { sizeof(struct lines), NULL,
	select_string_process, NULL, NULL };

/* ---- ConvertTo-Html ---- */

static void
add_html(struct str *b, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '<':
			str_add(b, "&lt;");
			break;
		case '>':
			str_add(b, "&gt;");
			break;
		case '&':
			str_add(b, "&amp;");
			break;
		case '"':
			str_add(b, "&quot;");
			break;
		default:
			str_addc(b, *s);
		}
	}
}

static void
add_cell(struct str *b, const char *tag, struct val v)
{
	AUTO_FREE char *s = val_cstr(v);

	str_addf(b, "<%s>", tag);
	add_html(b, s);
	str_addf(b, "</%s>", tag);
}

struct page {
	struct val list;
};

static enum run
html_begin(struct stage *st)
{
	((struct page *)st->state)->list = val_list();
	return RUN_OK;
}

static enum run
html_process(struct stage *st, struct val v)
{
	struct val given = get_arg(st, "InputObject");
	struct items *l = ((struct page *)st->state)->list.list;

	if (st->has_input)
		list_push(l, val_ref(v));
	for (size_t i = 0; i < val_count(given) && !st->has_input; i++)
		list_push(l, val_ref(val_at(given, i)));
	return RUN_OK;
}

static enum run
add_rows(struct stage *st, struct str *b, const struct items *l)
{
	struct columns cols = { 0 };
	AUTO(val)
	struct val all =
	    has_arg(st, "Property") ? val_ref(get_arg(st, "Property")) : val_text("*");
	enum run rc = l->n ? columns_from(st->sh, all, l->v[0], &cols) : RUN_OK;

	if (rc != RUN_OK)
		return rc;
	str_add(b, "<table>\n<tr>");
	for (size_t k = 0; k < cols.n; k++) {
		AUTO(val) struct val header = val_text(cols.v[k].header);
		add_cell(b, "th", header);
	}
	str_add(b, "</tr>\n");
	for (size_t i = 0; i < l->n; i++) {
		str_add(b, "<tr>");
		for (size_t k = 0; k < cols.n; k++) {
			AUTO(val)
			struct val v = column_value(st->sh, &cols.v[k], l->v[i]);
			add_cell(b, "td", v);
		}
		str_add(b, "</tr>\n");
	}
	str_add(b, "</table>");
	columns_free(&cols);
	return RUN_OK;
}

static enum run
html_end(struct stage *st)
{
	const char *title = get_text(st, "Title"), *before = get_text(st, "PreContent"),
		   *after = get_text(st, "PostContent");
	bool whole = !get_switch(st, "Fragment");
	struct str b = STR_INIT;
	enum run rc;

	if (whole) {
		str_add(&b,
		    "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n<title>");
		add_html(&b, title ? title : "");
		str_add(&b, "</title>\n</head>\n<body>\n");
	}
	if (before)
		str_addf(&b, "%s\n", before);
	rc = add_rows(st, &b, ((struct page *)st->state)->list.list);
	if (after)
		str_addf(&b, "\n%s", after);
	if (whole)
		str_add(&b, "\n</body>\n</html>");
	if (rc == RUN_OK)
		return put(st, val_from_str(&b));
	str_fini(&b);
	return rc;
}

static void
html_fini(struct stage *st)
{
	val_free(((struct page *)st->state)->list);
}

const struct cmd_ops ops_to_html = { sizeof(struct page), html_begin, html_process,
	html_end, html_fini };

/* ---- paths ---- */

static enum run
join_path_process(struct stage *st, struct val v)
{
	const char *front = get_text(st, "Path"), *back = get_text(st, "ChildPath");
	size_t n = strlen(front);

	while (n > 1 && front[n - 1] == '/')
		n--;
	back += strspn(back, "/");
	AUTO_FREE char *path = xasprintf(
	    "%.*s%s%s", (int)n, front, n && front[n - 1] == '/' ? "" : "/", back);
	return put(st, val_text(path));
}

const struct cmd_ops ops_join_path = { 0, NULL, join_path_process, NULL, NULL };

static enum run
split_path_process(struct stage *st, struct val v)
{
	const char *path = get_text(st, "Path"), *slash = strrchr(path, '/');
	const char *leaf = slash ? slash + 1 : path;
	size_t stem = strlen(leaf);

	if (get_switch(st, "LeafBase")) {
		const char *dot = strrchr(leaf, '.');
		stem = dot && dot > leaf ? (size_t)(dot - leaf) : stem;
		return put(st, val_textn(leaf, stem));
	}
	if (get_switch(st, "Leaf"))
		return put(st, val_text(leaf));
	if (!slash)
		return put(st, val_text(""));
	return put(st, val_textn(path, slash > path ? (size_t)(slash - path) : 1));
}

const struct cmd_ops ops_split_path = { 0, NULL, split_path_process, NULL, NULL };
