/*
 * fault: errors of a script: records, throwing, reporting (see shell.h).
 */
#include <stdarg.h>
#include <string.h>

#include "base/mem.h"
#include "shell/cmd.h"

static volatile int interrupted;

void
shell_interrupt(void)
{
	interrupted = 1;
}

bool
shell_interrupted(void)
{
	return interrupted;
}

void
shell_clear_interrupt(void)
{
	interrupted = 0;
}

/* The cmdlet that a node calls, NULL if it calls none. */
static const char *
command_of(const struct node *at)
{
	const struct cmd *c = NULL;

	if (at && at->kind == NODE_COMMAND && at->kid[0]->kind == NODE_STRING)
		c = cmd_find(at->kid[0]->text);
	return c ? c->name : NULL;
}

struct val
fault_record(const struct node *at, const struct err *e, struct val target)
{
	struct val r = val_table(TABLE_RECORD, "ErrorRecord");
	struct val exception = val_table(TABLE_RECORD, "Exception");

	table_set(r.table, "Message", val_text(e->msg));
	table_set(r.table, "ErrorId", val_text(err_name(e->code)));
	table_set(r.table, "TargetObject", val_ref(target));
	table_set(exception.table, "Message", val_text(e->msg));
	table_set(r.table, "Exception", exception);
	table_set(r.table, "Command", val_text(command_of(at)));
	table_set(r.table, "RequestId", VAL_NONE);
	table_set(r.table, "Line", at ? val_int(at->line) : VAL_NONE);
	table_set(r.table, "Column", at ? val_int(at->col) : VAL_NONE);
	return r;
}

static bool
stop_is_preferred(const struct shell *sh)
{
	const struct val *v = var_find(sh, "ErrorActionPreference");

	return v && v->type == VAL_TEXT && !strcasecmp(v->text->s, "Stop");
}

enum run
throw_record(struct shell *sh, struct val record_take, bool fatal)
{
	val_set(&sh->thrown, record_take);
	sh->fatal = fatal || stop_is_preferred(sh);
	return RUN_THROW;
}

enum run
throw_err(struct shell *sh, const struct node *at, const struct err *e)
{
	if (e->code == ERR_CANCELLED && shell_interrupted()) {
		sh->exit_code = 130;
		return RUN_EXIT;
	}
	return throw_record(sh, fault_record(at, e, VAL_NONE), false);
}

enum run
throw_new(struct shell *sh, const struct node *at, int code, const char *fmt, ...)
{
	struct err e = ERR_INIT;
	char msg[240];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	err_set(&e, code, "%s", msg);
	return throw_err(sh, at, &e);
}

bool
may_tell_secret(const char *text)
{
	static const char *const words[] = { "password", "-token", "securestring",
		"pscredential" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasestr(text, words[i]))
			return true;
	return false;
}

/* The line of the script and a caret below the place. */
static void
print_place(const struct shell *sh, const struct val *line, const struct val *col)
{
	const char *s = sh->source;

	if (!s || !line || !col || line->type != VAL_INT || col->type != VAL_INT)
		return;
	for (int64_t i = 1; s && i < line->i; i++) {
		s = strchr(s, '\n');
		s = s ? s + 1 : NULL;
	}
	if (!s)
		return;
	int len = (int)strcspn(s, "\n");
	AUTO_FREE char *text = xstrndup(s, (size_t)len);
	/* What was typed may be a secret; it does not belong on screens and in logs. */
	if (may_tell_secret(text) || strcasestr(text, "token"))
		return;
	if (len > sh->screen.width - 8 || col->i > len + 1)
		return;
	fprintf(sh->screen.err, "%5lld | %.*s\n      | ", (long long)line->i, len, s);
	for (int64_t i = 1; i < col->i; i++)
		fputc(s[i - 1] == '\t' ? '\t' : ' ', sh->screen.err);
	fputs("^\n", sh->screen.err);
}

/* What a cmdlet says of itself begins with its name already. */
static bool
names_itself(const char *what, const char *who)
{
	size_t n = strlen(who);

	return n && !strncmp(what, who, n) && what[n] == ' ';
}

static void
print_record(const struct shell *sh, const struct table *r)
{
	const struct val *command = table_get(r, "Command");
	const struct val *message = table_get(r, "Message");
	AUTO_FREE char *who = val_cstr(command ? *command : VAL_NONE);
	AUTO_FREE char *what = val_cstr(message ? *message : VAL_NONE);
	FILE *f = sh->screen.err;
	bool named = names_itself(what, who);

	fflush(sh->screen.out);
	fprintf(f, "%s%s%s%s%s\n", sh->screen.colour ? "\033[31m" : "",
	    named  ? ""
	    : *who ? who
		   : "drover",
	    named ? "" : ": ", what, sh->screen.colour ? "\033[0m" : "");
	print_place(sh, table_get(r, "Line"), table_get(r, "Column"));
}

static enum run
say_record(const struct shell *sh, struct val record)
{
	struct sink *to = sh->streams ? sh->streams->to[STREAM_ERROR] : NULL;

	if (to)
		return to->put(to, record);
	print_record(sh, record.table);
	return RUN_OK;
}

static void
remember(struct shell *sh, struct val record)
{
	struct val list = val_list();

	if (sh->streams && sh->streams->errors)
		list_push(sh->streams->errors, val_ref(record));
	list_push(list.list, val_ref(record));
	for (size_t i = 0; i < sh->errors.list->n && i < MAX_ERRORS - 1; i++)
		list_push(list.list, val_ref(sh->errors.list->v[i]));
	val_set(&sh->errors, list);
}

enum run
fault_settle(struct shell *sh)
{
	struct val record = sh->thrown;
	enum run rc = RUN_OK;

	sh->thrown = VAL_NONE;
	sh->fatal = false;
	if (record.type == VAL_TABLE) {
		rc = say_record(sh, record);
		remember(sh, record);
	}
	val_free(record);
	sh->ok = false;
	return rc;
}

enum run
fault_report(struct shell *sh, struct val record_take, const char *action)
{
	enum run rc = RUN_OK;

	sh->ok = false;
	if (!action) {
		const struct val *v = var_find(sh, "ErrorActionPreference");
		action = v && v->type == VAL_TEXT ? v->text->s : "Continue";
	}
	if (!strcasecmp(action, "Stop"))
		return throw_record(sh, record_take, true);
	if (strcasecmp(action, "SilentlyContinue") != 0 &&
	    strcasecmp(action, "Ignore") != 0)
		rc = say_record(sh, record_take);
	if (strcasecmp(action, "Ignore") != 0)
		remember(sh, record_take);
	val_free(record_take);
	return rc;
}
