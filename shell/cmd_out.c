/*
 * cmd_out: Format-*, Out-*, Write-* and what asks at the terminal.
 */
#include <errno.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/secret.h"
#include "shell/cmd.h"
#include "shell/print.h"

struct format {
	struct val list;
};

static enum run
format_begin(struct stage *st)
{
	struct format *f = st->state;

	f->list = val_list();
	return RUN_OK;
}

static enum run
format_process(struct stage *st, struct val v)
{
	struct format *f = st->state;

	if (st->has_input)
		list_push(f->list.list, val_ref(v));
	return RUN_OK;
}

/* Each line as a text of its own. */
static enum run
put_lines(struct stage *st, const char *s)
{
	enum run rc = RUN_OK;

	while (*s && rc == RUN_OK) {
		size_t n = strcspn(s, "\n");
		rc = put(st, val_textn(s, n));
		s += n + (s[n] == '\n');
	}
	return rc;
}

/* Of each object one value, as many beside each other as fit or are wanted. */
static enum run
format_wide(struct stage *st, const struct layout *l, const struct val *v, size_t n)
{
	AUTO_FREE char **cells = xcalloc(n + 1, sizeof(char *));
	int64_t columns = get_int(st, "Column", 0);
	struct str b = STR_INIT;
	int widest = 1;

	for (size_t i = 0; i < n; i++) {
		AUTO(val)
		struct val one = column_value(st->sh, &l->cols.v[0], v[i]);
		cells[i] = val_cstr(one);
		int w = text_cells(cells[i]);
		widest = w > widest ? w : widest;
	}
	if (columns < 1)
		columns = (l->width + 1) / (widest + 1);
	columns = columns < 1 ? 1 : columns;
	int width = (l->width + 1) / (int)columns - 1;
	for (size_t i = 0; i < n; i++) {
		bool last = (int64_t)(i + 1) % columns == 0 || i + 1 == n;
		AUTO_FREE char *s = text_fit(cells[i], width < 1 ? 1 : width, l->utf8);
		str_add(&b, s);
		for (int pad = text_cells(s); !last && pad <= width; pad++)
			str_addc(&b, ' ');
		if (last)
			str_addc(&b, '\n');
		free(cells[i]);
	}
	str_addc(&b, '\n');
	enum run rc = put(st, val_text(""));
	if (rc == RUN_OK)
		rc = put_lines(st, str_cstr(&b));
	str_fini(&b);
	return rc;
}

static enum run
format_some(struct stage *st, const struct val *v, size_t n)
{
	bool as_list = st->cmd->arg == 1, preset_list = false;
	struct layout l = { .width = st->sh->screen.width,
		.utf8 = st->sh->screen.utf8 };
	struct str b = STR_INIT;
	enum run rc = RUN_OK;

	if (st->cmd->arg != 2) {
		l.no_header = get_switch(st, "HideTableHeaders");
		l.wrap = get_switch(st, "Wrap");
	}
	if (has_arg(st, "Property")) {
		rc = columns_from(st->sh, get_arg(st, "Property"), v[0], &l.cols);
	} else if (as_list) {
		AUTO(val) struct val all = val_text("*");
		rc = columns_from(st->sh, all, v[0], &l.cols);
	} else {
		columns_default(v[0], &l.cols, &preset_list);
	}
	if (rc != RUN_OK)
		return rc;
	if (st->cmd->arg == 2) {
		rc = l.cols.n ? format_wide(st, &l, v, n) : RUN_OK;
		columns_free(&l.cols);
		return rc;
	}
	for (size_t i = 0; i < n && as_list; i++)
		print_list(st->sh, &b, &l, v[i]);
	if (!as_list)
		print_table(st->sh, &b, &l, v, n);
	str_addc(&b, '\n');
	columns_free(&l.cols);
	rc = put_lines(st, str_cstr(&b));
	str_fini(&b);
	return rc;
}

/* Objects that follow each other and have the same value of -GroupBy. */
static enum run
format_groups(struct stage *st, const struct items *l, const char *by)
{
	enum run rc = RUN_OK;

	for (size_t from = 0, to; from < l->n && rc == RUN_OK; from = to) {
		AUTO(val) struct val key = member_get(l->v[from], by);
		for (to = from + 1; to < l->n; to++) {
			AUTO(val) struct val next = member_get(l->v[to], by);
			if (val_order(key, next, false) != 0)
				break;
		}
		AUTO_FREE char *s = val_cstr(key);
		AUTO_FREE char *title = xasprintf("\n   %s: %s", by, s);
		rc = put_lines(st, title);
		if (rc == RUN_OK)
			rc = format_some(st, l->v + from, to - from);
	}
	return rc;
}

static enum run
format_end(struct stage *st)
{
	const struct format *f = st->state;
	const struct items *l = f->list.list;
	const char *by = get_text(st, "GroupBy");
	enum run rc = RUN_OK;

	if (!l->n)
		return RUN_OK;
	if (l->v[0].type != VAL_TABLE) {
		for (size_t i = 0; i < l->n && rc == RUN_OK; i++)
			rc = st->out->put(st->out, l->v[i]);
		return rc;
	}
	return by ? format_groups(st, l, by) : format_some(st, l->v, l->n);
}

static void
format_fini(struct stage *st)
{
	val_free(((struct format *)st->state)->list);
}

const struct cmd_ops ops_format = { sizeof(struct format), format_begin, format_process,
	format_end, format_fini };

/* Out-String and Out-File print into text. */
static enum run
text_begin(struct stage *st)
{
	struct printer *p = st->state;
	int64_t width = get_int(st, "Width", 0);

	printer_init(p, st->sh, NULL, OUT_AUTO);
	if (width > 0 && width <= 10000)
		p->layout.width = (int)width;
	return RUN_OK;
}

static enum run
text_process(struct stage *st, struct val v)
{
	struct printer *p = st->state;

	return st->has_input ? p->sink.put(&p->sink, v) : RUN_OK;
}

static void
text_fini(struct stage *st)
{
	struct printer *p = st->state;

	val_free(p->waiting);
	columns_free(&p->layout.cols);
	str_fini(&p->text);
}

static enum run
out_string_end(struct stage *st)
{
	struct printer *p = st->state;

	printer_end(p);
	if (get_switch(st, "Stream"))
		return put_lines(st, str_cstr(&p->text));
	return put(st, val_text(str_cstr(&p->text)));
}

const struct cmd_ops ops_out_string = { sizeof(struct printer), text_begin,
	text_process, out_string_end, text_fini };

enum run
write_file(struct stage *st, const char *path, bool append, const struct str *text)
{
	FILE *f = fopen(path, append ? "ae" : "we");
	struct err e = ERR_INIT;

	if (!f)
		err_sys(&e, ERR_IO, errno, "cannot open \"%s\"", path);
	else if (fwrite(str_cstr(text), 1, text->len, f) != text->len)
		err_sys(&e, ERR_IO, errno, "cannot write \"%s\"", path);
	if (f && fclose(f) != 0 && !e.code)
		err_sys(&e, ERR_IO, errno, "cannot write \"%s\"", path);
	return e.code ? stage_error(st, &e, VAL_NONE) : RUN_OK;
}

static enum run
out_file_end(struct stage *st)
{
	struct printer *p = st->state;

	printer_end(p);
	return write_file(
	    st, get_text(st, "FilePath"), get_switch(st, "Append"), &p->text);
}

const struct cmd_ops ops_out_file = { sizeof(struct printer), text_begin, text_process,
	out_file_end, text_fini };

static enum run
null_process(struct stage *st, struct val v)
{
	return RUN_OK;
}

const struct cmd_ops ops_out_null = { 0, NULL, null_process, NULL, NULL };

static enum run
host_begin(struct stage *st)
{
	printer_init(st->state, st->sh, st->sh->screen.out, OUT_AUTO);
	return RUN_OK;
}

static enum run
host_end(struct stage *st)
{
	printer_end(st->state);
	return RUN_OK;
}

const struct cmd_ops ops_out_host = { sizeof(struct printer), host_begin, text_process,
	host_end, text_fini };

static enum run
content_begin(struct stage *st)
{
	struct str *b = st->state;
	struct val v = get_arg(st, "Value");

	for (size_t i = 0; i < val_count(v); i++) {
		val_add_text(b, val_at(v, i));
		if (!get_switch(st, "NoNewline"))
			str_addc(b, '\n');
	}
	return RUN_OK;
}

static enum run
content_process(struct stage *st, struct val v)
{
	struct str *b = st->state;

	if (!st->has_input)
		return RUN_OK;
	val_add_text(b, v);
	if (!get_switch(st, "NoNewline"))
		str_addc(b, '\n');
	return RUN_OK;
}

static enum run
content_end(struct stage *st)
{
	return write_file(st, get_text(st, "Path"), st->cmd->arg == 1, st->state);
}

static void
content_fini(struct stage *st)
{
	str_fini(st->state);
}

const struct cmd_ops ops_set_content = { sizeof(struct str), content_begin,
	content_process, content_end, content_fini };

static enum run
write_output_process(struct stage *st, struct val v)
{
	struct val list = get_arg(st, "InputObject");
	enum run rc = RUN_OK;

	if (st->has_input)
		rc = st->out->put(st->out, v);
	for (size_t i = 0; i < val_count(list) && rc == RUN_OK; i++) {
		struct val one = val_at(list, i);
		rc = get_switch(st, "NoEnumerate") ? st->out->put(st->out, one)
						   : put_each(st->out, one);
	}
	return rc;
}

const struct cmd_ops ops_write_output = { 0, NULL, write_output_process, NULL, NULL };

static enum run
write_host_process(struct stage *st, struct val v)
{
	struct val list = get_arg(st, "Object");
	struct str b = STR_INIT;
	enum run rc = RUN_OK;

	if (st->has_input)
		val_add_text(&b, v);
	for (size_t i = 0; i < val_count(list) && !st->has_input; i++) {
		str_add(&b, i ? " " : "");
		val_add_text(&b, val_at(list, i));
	}
	if (!get_switch(st, "NoNewline"))
		str_addc(&b, '\n');
	struct sink *to = st->sh->streams ? st->sh->streams->to[STREAM_INFO] : NULL;
	if (to && b.len && b.s[b.len - 1] == '\n')
		b.s[--b.len] = '\0';
	if (to)
		rc = stream_say(st->sh, STREAM_INFO, str_cstr(&b));
	else
		fputs(str_cstr(&b), st->sh->screen.out);
	str_fini(&b);
	return rc;
}

const struct cmd_ops ops_write_host = { 0, NULL, write_host_process, NULL, NULL };

/* -Verbose and its like ask for more than the preferences do. */
static bool
stage_wants(const struct stage *st, enum stream s)
{
	int by = s == STREAM_VERBOSE ? COMMON_VERBOSE
		 : s == STREAM_DEBUG ? COMMON_DEBUG
				     : -1;

	if (by >= 0 && st->common_given[by])
		return val_truth(st->common[by]);
	/* Who redirects information wants it. */
	if (s == STREAM_INFO && st->sh->streams && st->sh->streams->to[s])
		return true;
	return stream_wanted(st->sh, s);
}

static enum run
message_process(struct stage *st, struct val v)
{
	const char *s = get_text(st, "Message");
	enum stream stream = (enum stream)st->cmd->arg;
	struct err e = ERR_INIT;

	s = s ? s : "";
	if (stream == STREAM_ERROR) {
		err_set(&e, ERR_INVALID, "%s", s);
		return stage_error(st, &e, VAL_NONE);
	}
	return stage_wants(st, stream) ? stream_say(st->sh, stream, s) : RUN_OK;
}

const struct cmd_ops ops_write_message = { 0, NULL, message_process, NULL, NULL };

static enum run
clear_process(struct stage *st, struct val v)
{
	if (st->sh->screen.tty)
		fputs("\033[H\033[2J", st->sh->screen.out);
	return RUN_OK;
}

const struct cmd_ops ops_clear_host = { 0, NULL, clear_process, NULL, NULL };

char *
ask_line(struct shell *sh, const char *prompt, enum echo how)
{
	struct termios old, quiet;
	char line[1024];
	bool changed = how == ECHO_OFF && tcgetattr(STDIN_FILENO, &old) == 0;

	fputs(prompt, sh->screen.err);
	fflush(sh->screen.err);
	if (changed) {
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	bool got = fgets(line, sizeof(line), stdin) != NULL;
	if (changed) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
		fputc('\n', sh->screen.err);
	}
	if (!got)
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	return xstrdup(line);
}

static enum run
read_host_process(struct stage *st, struct val v)
{
	const char *prompt = get_text(st, "Prompt");
	AUTO_FREE char *question =
	    xasprintf("%s%s", prompt ? prompt : "", prompt ? ": " : "");

	if (!st->sh->screen.tty)
		return stage_fail(
		    st, ERR_UNSUPPORTED, "there is no terminal to ask on");
	bool secure = get_switch(st, "AsSecureString");
	AUTO_FREE char *s = ask_line(st->sh, question, secure ? ECHO_OFF : ECHO_ON);
	if (!s)
		return RUN_OK;
	struct val v_out = secure ? secure_new(st->sh, s) : val_text(s);
	if (secure)
		secret_wipe(s, strlen(s));
	return put(st, v_out);
}

const struct cmd_ops ops_read_host = { 0, NULL, read_host_process, NULL, NULL };
