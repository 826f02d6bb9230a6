/*
 * stage: what cmdlets ask of their stage (see cmd.h).
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "shell/sites.h"

static size_t
position(const struct stage *st, const char *name)
{
	for (size_t i = 0; st->cmd->params[i].name; i++)
		if (!strcmp(st->cmd->params[i].name, name))
			return i;
	ASSERT(!"a cmdlet asks for a parameter that cmd.def does not give it");
	return 0;
}

bool
has_arg(const struct stage *st, const char *name)
{
	size_t i = position(st, name);

	return st->given[i] || st->args[i].type != VAL_NULL;
}

struct val
get_arg(const struct stage *st, const char *name)
{
	return st->args[position(st, name)];
}

const char *
get_text(const struct stage *st, const char *name)
{
	struct val v = get_arg(st, name);

	return v.type == VAL_TEXT ? v.text->s : NULL;
}

int64_t
get_int(const struct stage *st, const char *name, int64_t preset)
{
	struct val v = get_arg(st, name);

	return v.type == VAL_INT ? v.i : preset;
}

bool
get_switch(const struct stage *st, const char *name)
{
	return val_truth(get_arg(st, name));
}

enum run
put(struct stage *st, struct val v_take)
{
	struct site *here = st->sh->site;
	enum run rc;

	if (st->is_servers && here && v_take.type == VAL_TABLE && !v_take.table->from)
		table_set_from(v_take.table, here->label);
	rc = st->out->put(st->out, v_take);
	/* What came behind may have visited others. */
	if (st->is_servers)
		st->sh->site = here;
	val_free(v_take);
	return rc;
}

enum run
stage_error(struct stage *st, const struct err *e, struct val target)
{
	struct val record = fault_record(st->node, e, target);
	const char *action = NULL;

	if (st->cmd->name)
		table_set(record.table, "Command", val_text(st->cmd->name));
	if (st->common[COMMON_ACTION].type == VAL_TEXT)
		action = st->common[COMMON_ACTION].text->s;
	if (st->errors.type == VAL_LIST)
		list_push(st->errors.list, val_ref(record));
	return fault_report(st->sh, record, action);
}

enum run
stage_fail(struct stage *st, int code, const char *fmt, ...)
{
	struct err e = ERR_INIT;
	char msg[240];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	err_set(&e, code, "%s", msg);
	return stage_error(st, &e, VAL_NONE);
}

enum run
stage_stop(struct stage *st)
{
	st->sh->stopper = st;
	return RUN_STOP;
}

bool
stage_lacks(struct stage *st, const char *name, bool is_here)
{
	return st->fan ? fan_lacks(st, name, is_here) : !is_here;
}

static bool
wants_question(const struct stage *st, enum impact impact)
{
	const struct val *v = var_find(st->sh, "ConfirmPreference");
	enum impact from = ENDS;

	if (st->common_given[COMMON_CONFIRM])
		return val_truth(st->common[COMMON_CONFIRM]);
	if (v && v->type == VAL_TEXT && !strcasecmp(v->text->s, "None"))
		return false;
	if (v && v->type == VAL_TEXT &&
	    (!strcasecmp(v->text->s, "Low") || !strcasecmp(v->text->s, "Medium")))
		from = CHANGES;
	return impact >= from;
}

static enum should
ask(struct stage *st, const char *target)
{
	char line[32];

	for (;;) {
		fprintf(st->sh->screen.err,
		    "%s \"%s\"?  [Y] Yes  [A] Yes to all  [N] No  [L] No to all: ",
		    st->cmd->name, target);
		fflush(st->sh->screen.err);
		if (!fgets(line, sizeof(line), stdin))
			return SHOULD_SKIP;
		switch (line[0]) {
		case 'a':
		case 'A':
			st->yes_to_all = true;
			return SHOULD_DO;
		case 'y':
		case 'Y':
			return SHOULD_DO;
		case 'l':
		case 'L':
			st->no_to_all = true;
			return SHOULD_SKIP;
		case 'n':
		case 'N':
			return SHOULD_SKIP;
		default:
			break;
		}
	}
}

enum should
stage_should(struct stage *st, const char *target, const char *detail)
{
	return stage_should_as(st, st->cmd->impact, target, detail);
}

enum should
stage_should_as(
    struct stage *st, enum impact impact, const char *target, const char *detail)
{
	const struct val *v = var_find(st->sh, "WhatIfPreference");
	bool what_if = v && val_truth(*v);

	if (st->common_given[COMMON_WHATIF])
		what_if = val_truth(st->common[COMMON_WHATIF]);
	if (what_if) {
		fprintf(st->sh->screen.out,
		    "What if: Performing \"%s\" on \"%s\"%s%s\n", st->cmd->name, target,
		    detail ? ": " : "", detail ? detail : "");
		return SHOULD_SKIP;
	}
	if (st->yes_to_all || !wants_question(st, impact))
		return SHOULD_DO;
	if (st->no_to_all)
		return SHOULD_SKIP;
	if (st->sh->screen.tty)
		return ask(st, target);
	throw_new(st->sh, st->node, ERR_DENIED,
	    "\"%s\" wants to be confirmed and there is no terminal to ask on; "
	    "give -Confirm:$false",
	    target);
	return SHOULD_FAIL;
}
