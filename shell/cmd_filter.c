/*
 * cmd_filter: Where-Object and ForEach-Object.
 */
#include <string.h>

#include "base/mem.h"
#include "shell/cmd.h"

static const struct {
	const char *name;
	enum op op;
} comparisons[] = {
	{ "EQ", OP_EQ },
	{ "NE", OP_NE },
	{ "GT", OP_GT },
	{ "GE", OP_GE },
	{ "LT", OP_LT },
	{ "LE", OP_LE },
	{ "Like", OP_LIKE },
	{ "NotLike", OP_NOTLIKE },
	{ "Match", OP_MATCH },
	{ "NotMatch", OP_NOTMATCH },
	{ "Contains", OP_CONTAINS },
	{ "NotContains", OP_NOTCONTAINS },
	{ "In", OP_IN },
	{ "NotIn", OP_NOTIN },
};

struct where {
	struct val filter, value;
	enum op op; /* OP_NONE: the property's truth */
};

static enum run
where_begin(struct stage *st)
{
	struct where *w = st->state;

	w->filter = get_arg(st, "FilterScript");
	w->value = get_arg(st, "Value");
	if (!has_arg(st, "FilterScript"))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "Where-Object wants a block or a property to look at");
	for (size_t i = 0; i < ARRAY_SIZE(comparisons); i++)
		if (get_switch(st, comparisons[i].name))
			w->op = comparisons[i].op;
	if (w->op == OP_NONE && has_arg(st, "Value"))
		w->op = OP_EQ;
	return RUN_OK;
}

static enum run
where_test(struct stage *st, struct val v, struct val *ret_hit)
{
	const struct where *w = st->state;
	struct err e = ERR_INIT;

	if (w->filter.type == VAL_BLOCK)
		return call_block_on(st->sh, w->filter, v, ret_hit);
	AUTO_FREE char *name = val_cstr(w->filter);
	struct val m = member_get(v, name);
	if (w->op == OP_NONE) {
		*ret_hit = m;
		return RUN_OK;
	}
	int rc = op_binary(w->op, false, m, w->value, ret_hit, &e);
	val_free(m);
	return rc < 0 ? throw_err(st->sh, st->node, &e) : RUN_OK;
}

static enum run
where_process(struct stage *st, struct val v)
{
	struct val hit = VAL_NONE;
	enum run rc;

	if (!st->has_input)
		return RUN_OK;
	rc = where_test(st, v, &hit);
	if (rc == RUN_THROW && !st->sh->fatal && !st->sh->tries)
		return fault_settle(st->sh);
	if (rc != RUN_OK)
		return rc;
	bool through = val_truth(hit);
	val_free(hit);
	return through ? st->out->put(st->out, v) : RUN_OK;
}

const struct cmd_ops ops_where = { sizeof(struct where), where_begin, where_process,
	NULL, NULL };

static enum run
foreach_begin(struct stage *st)
{
	if (!has_arg(st, "Process"))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "ForEach-Object wants a block, a property or a method");
	return has_arg(st, "Begin") ? run_block(st->sh, get_arg(st, "Begin"), st->out)
				    : RUN_OK;
}

/* A property's value, or what the method of that name gives. */
static enum run
foreach_member(struct stage *st, struct val v, const char *name)
{
	struct err e = ERR_INIT;
	struct val m = member_get(v, name), given = get_arg(st, "ArgumentList");
	enum run rc;

	if (m.type == VAL_NULL && v.type != VAL_TABLE) {
		AUTO(val) struct val args = val_list();
		for (size_t i = 0; i < val_count(given); i++)
			list_push(args.list, val_ref(val_at(given, i)));
		if (method_call(v, name, args, &m, &e) < 0)
			return stage_error(st, &e, v);
	}
	rc = put_each(st->out, m);
	val_free(m);
	return rc;
}

static enum run
foreach_process(struct stage *st, struct val v)
{
	struct val what = get_arg(st, "Process"), outer = st->sh->it;
	enum run rc;

	if (!st->has_input)
		return RUN_OK;
	if (what.type != VAL_BLOCK) {
		AUTO_FREE char *name = val_cstr(what);
		return foreach_member(st, v, name);
	}
	st->sh->it = val_ref(v);
	rc = run_block(st->sh, what, st->out);
	val_set(&st->sh->it, outer);
	return rc;
}

static enum run
foreach_end(struct stage *st)
{
	return has_arg(st, "End") ? run_block(st->sh, get_arg(st, "End"), st->out)
				  : RUN_OK;
}

const struct cmd_ops ops_foreach = { 0, foreach_begin, foreach_process, foreach_end,
	NULL };
