/*
 * cmd_history: what was typed before, and doing it again.
 */
#include <string.h>

#include "base/mem.h"
#include "shell/cmd.h"
#include "shell/parse.h"

static enum run
get_history_process(struct stage *st, struct val v)
{
	const struct items *l = st->sh->history.list;
	int64_t count = get_int(st, "Count", (int64_t)l->n),
		only = get_int(st, "Id", 0);
	size_t from = (uint64_t)count < l->n ? l->n - (size_t)count : 0;
	enum run rc = RUN_OK;

	if (only && (only < 1 || (uint64_t)only > l->n))
		return stage_fail(st, ERR_NOT_FOUND,
		    "there is no entry %lld in the history", (long long)only);
	for (size_t i = from; i < l->n && rc == RUN_OK; i++) {
		if (only && (uint64_t)only != i + 1)
			continue;
		struct val r = val_table(TABLE_RECORD, "HistoryInfo");
		table_set(r.table, "Id", val_int((int64_t)i + 1));
		table_set(r.table, "CommandLine", val_ref(l->v[i]));
		rc = put(st, r);
	}
	return rc;
}

const struct cmd_ops ops_get_history = { 0, NULL, get_history_process, NULL, NULL };

/* The newest that is no Invoke-History itself, or the one with that number. */
static struct val
chosen(struct stage *st)
{
	const struct items *l = st->sh->history.list;
	int64_t id = get_int(st, "Id", 0);

	if (id)
		return id > 0 && (uint64_t)id <= l->n ? l->v[id - 1] : VAL_NONE;
	for (size_t i = l->n; i-- > 0;)
		if (strncasecmp(l->v[i].text->s, "Invoke-History", 14) != 0)
			return l->v[i];
	return VAL_NONE;
}

static enum run
invoke_history_process(struct stage *st, struct val v)
{
	AUTO(val) struct val line = val_ref(chosen(st));
	struct node *body = NULL;
	struct err e = ERR_INIT;

	if (line.type != VAL_TEXT)
		return stage_fail(
		    st, ERR_NOT_FOUND, "there is no such entry in the history");
	fprintf(st->sh->screen.err, "%s\n", line.text->s);
	if (parse_script(line.text->s, line.text->len, shell_program(st->sh), &body,
		&e) != PARSE_OK)
		return stage_error(st, &e, VAL_NONE);
	return run_block(st->sh, val_block(body), st->out);
}

const struct cmd_ops ops_invoke_history = { 0, NULL, invoke_history_process, NULL,
	NULL };
