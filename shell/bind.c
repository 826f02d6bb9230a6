/*
 * bind: arguments to parameters: by name, by position, from the pipeline (see cmd.h).
 */
#include <string.h>

#include "base/mem.h"
#include "shell/cmd.h"
#include "shell/date.h"

const struct param common_params[] = {
	[COMMON_ACTION] = { "ErrorAction", "EA", P_TEXT, -1, 0, KIND_NONE,
	    "Continue|SilentlyContinue|Ignore|Stop", "what an error does" },
	[COMMON_ERROR_VAR] = { "ErrorVariable", "EV", P_TEXT, -1, 0, KIND_NONE, NULL,
	    "variable that takes the errors" },
	[COMMON_OUT_VAR] = { "OutVariable", "OV", P_TEXT, -1, 0, KIND_NONE, NULL,
	    "variable that takes the output as well" },
	[COMMON_WARNING] = { "WarningAction", "WA", P_TEXT, -1, 0, KIND_NONE,
	    "Continue|SilentlyContinue", "what a warning does" },
	[COMMON_VERBOSE] = { "Verbose", "vb", P_SWITCH, -1, 0, KIND_NONE, NULL,
	    "say more" },
	[COMMON_DEBUG] = { "Debug", "db", P_SWITCH, -1, 0, KIND_NONE, NULL,
	    "say most" },
	[COMMON_WHATIF] = { "WhatIf", "wi", P_SWITCH, -1, 0, KIND_NONE, NULL,
	    "only say what would be done" },
	[COMMON_CONFIRM] = { "Confirm", "cf", P_SWITCH, -1, 0, KIND_NONE, NULL,
	    "ask first, or with :$false do not" },
	[COMMON_SERVER] = { "Server", NULL, P_ANY, -1, 0, KIND_NONE, NULL,
	    "only on these of the servers that are connected" },
	[COMMON_COUNT] = { NULL, NULL, P_ANY, -1, 0, KIND_NONE, NULL, NULL },
};

static void
args_add(struct arg_list *l, struct arg a)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 8;
		l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
	}
	l->v[l->n++] = a;
}

void
args_free(struct arg_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		val_free(l->v[i].v);
	free(l->v);
	*l = (struct arg_list){ 0 };
}

/* @name: a table's members by name, a list's elements by position. */
static void
splat(struct shell *sh, const struct node *n, struct arg_list *l)
{
	const struct val *v = var_find(sh, n->text);

	if (!v)
		return;
	if (v->type == VAL_TABLE) {
		for (size_t i = 0; i < v->table->n; i++)
			args_add(l, (struct arg){ v->table->m[i].key,
					val_ref(v->table->m[i].v), true, n });
		return;
	}
	for (size_t i = 0; i < val_count(*v); i++)
		args_add(l, (struct arg){ NULL, val_ref(val_at(*v, i)), false, n });
}

enum run
args_eval(struct shell *sh, const struct node *command, struct arg_list *ret_args)
{
	for (size_t i = 1; i < command->n; i++) {
		const struct node *n = command->kid[i];
		struct arg a = { NULL, VAL_NONE, false, n };
		enum run rc = RUN_OK;

		if (n->kind == NODE_SPLAT) {
			splat(sh, n, ret_args);
			continue;
		}
		if (n->kind == NODE_ARGUMENT) {
			a.name = n->text;
			a.attached = n->n > 0;
			a.node = n->n ? n->kid[0] : n;
			if (n->n)
				rc = eval(sh, n->kid[0], &a.v);
		} else {
			rc = eval(sh, n, &a.v);
		}
		if (rc != RUN_OK)
			return rc;
		args_add(ret_args, a);
	}
	return RUN_OK;
}

int
param_find(const struct param *params, const char *name, size_t *ret_i, struct err *e)
{
	size_t len = strlen(name), hits = 0;

	for (size_t i = 0; params && params[i].name; i++) {
		if (!strcasecmp(params[i].name, name) ||
		    (params[i].alias && !strcasecmp(params[i].alias, name))) {
			*ret_i = i;
			return 0;
		}
		if (!strncasecmp(params[i].name, name, len)) {
			hits++;
			*ret_i = i;
		}
	}
	if (hits == 1)
		return 0;
	return err_set(e, hits ? ERR_INVALID : ERR_NOT_FOUND,
	    hits ? "-%.40s could be more than one parameter"
		 : "there is no parameter -%.40s",
	    name);
}

static int
refuse(const struct param *p, struct val v, const char *wanted, struct err *e)
{
	AUTO_FREE char *s = val_cstr(v);

	return err_set(
	    e, ERR_INVALID, "-%s wants %s, got \"%.60s\"", p->name, wanted, s);
}

static int
check_words(const struct param *p, struct val v, struct err *e)
{
	AUTO_FREE char *s = val_cstr(v);
	size_t len = strlen(s);

	for (const char *w = p->words; w;
	     w = strchr(w, '|') ? strchr(w, '|') + 1 : NULL)
		if (strcspn(w, "|") == len && !strncasecmp(w, s, len))
			return 0;
	return refuse(p, v, p->words, e);
}

/* Text as it was written: 007 stays 007. */
static struct val
as_text(struct val v, const struct node *n)
{
	if (n && n->kind == NODE_NUMBER && n->text && val_is_number(v))
		return val_text(n->text);
	return val_to_text(v);
}

static struct val
as_texts(struct val v, const struct node *n)
{
	struct val list = val_list();
	bool by_element = n && n->kind == NODE_ARRAY && n->n == val_count(v);

	for (size_t i = 0; i < val_count(v); i++)
		list_push(list.list, as_text(val_at(v, i), by_element ? n->kid[i] : n));
	return list;
}

static struct val
as_objects(struct val v, const struct node *n)
{
	struct val list = val_list();
	bool by_element = n && n->kind == NODE_ARRAY && n->n == val_count(v);

	for (size_t i = 0; i < val_count(v); i++) {
		struct val one = val_at(v, i);
		list_push(list.list, one.type == VAL_TABLE
					 ? val_ref(one)
					 : as_text(one, by_element ? n->kid[i] : n));
	}
	return list;
}

static int
convert(const struct param *p, struct val v, const struct node *n, struct val *ret_v,
    struct err *e)
{
	struct val number = VAL_NONE;
	int64_t i;

	switch (p->type) {
	case P_ANY:
	case P_REST:
		*ret_v = val_steady(v);
		return 0;
	case P_TEXT:
		*ret_v = as_text(v, n);
		if (p->words && check_words(p, *ret_v, e) < 0) {
			val_free(*ret_v);
			return ERR_INVALID;
		}
		return 0;
	case P_TEXTS:
		*ret_v = as_texts(v, n);
		return 0;
	case P_OBJECTS:
		*ret_v = as_objects(v, n);
		return 0;
	case P_INT:
		if (v.type == VAL_NULL || !val_to_int(v, &i))
			return refuse(p, v, "a whole number", e);
		*ret_v = val_int(i);
		return 0;
	case P_REAL:
		if (v.type == VAL_NULL || !val_to_number(v, &number))
			return refuse(p, v, "a number", e);
		*ret_v = number;
		return 0;
	case P_SWITCH:
		*ret_v = val_bool(val_truth(v));
		return 0;
	case P_BLOCK:
	case P_TABLE:
		if (v.type != (p->type == P_BLOCK ? VAL_BLOCK : VAL_TABLE))
			return refuse(
			    p, v, p->type == P_BLOCK ? "a script block" : "a table", e);
		*ret_v = val_ref(v);
		return 0;
	case P_TIME:
		if (val_cast("datetime", v, ret_v, NULL) < 0)
			return refuse(p, v, "a date", e);
		return 0;
	}
	return 0;
}

static int
bind_one(struct stage *st, size_t i, struct val v, const struct node *n, struct err *e)
{
	const struct param *p = &st->cmd->params[i];
	struct val to = VAL_NONE;

	if (p->type == P_REST) {
		if (st->args[i].type != VAL_LIST)
			st->args[i] = val_list();
		list_push(st->args[i].list, val_steady(v));
		st->given[i] = true;
		return 0;
	}
	if (st->given[i])
		return err_set(e, ERR_INVALID, "-%s is given twice", p->name);
	if (convert(p, v, n, &to, e) < 0)
		return ERR_INVALID;
	val_set(&st->args[i], to);
	st->given[i] = true;
	return 0;
}

/* -ErrorAction 0: by the number that .NET has for it. */
static struct val
action_text(struct val v)
{
	static const char *const actions[] = { "SilentlyContinue", "Stop", "Continue",
		"Inquire", "Ignore" };

	if (v.type == VAL_INT && v.i >= 0 && v.i < (int64_t)ARRAY_SIZE(actions))
		return val_text(actions[v.i]);
	return val_to_text(v);
}

int
bind_common(
    struct stage *st, const struct arg_list *l, size_t *at, size_t i, struct err *e)
{
	const struct arg *a = &l->v[*at];
	struct val v = a->v;

	if (common_params[i].type == P_SWITCH) {
		val_set(&st->common[i], val_bool(!a->attached || val_truth(v)));
	} else {
		if (!a->attached) {
			if (*at + 1 >= l->n || l->v[*at + 1].name)
				return err_set(e, ERR_INVALID, "-%s wants a value",
				    common_params[i].name);
			v = l->v[++*at].v;
		}
		AUTO(val)
		struct val to = common_params[i].words           ? action_text(v)
				: common_params[i].type == P_ANY ? val_ref(v)
								 : val_to_text(v);
		if (common_params[i].words && check_words(&common_params[i], to, e) < 0)
			return ERR_INVALID;
		val_set(&st->common[i], val_ref(to));
	}
	st->common_given[i] = true;
	return 0;
}

static int
bind_named(struct stage *st, const struct arg_list *l, size_t *at, struct err *e)
{
	const struct arg *a = &l->v[*at];
	struct err mine = ERR_INIT;
	size_t i = 0;

	int rc = param_find(st->cmd->params, a->name, &i, &mine);
	if (rc < 0) {
		size_t c = 0;
		if (rc == ERR_NOT_FOUND &&
		    param_find(common_params, a->name, &c, e) == 0 &&
		    (c != COMMON_SERVER || st->is_servers))
			return bind_common(st, l, at, c, e);
		*e = mine;
		return rc;
	}
	if (st->cmd->params[i].type == P_SWITCH)
		return bind_one(st, i, a->attached ? a->v : val_bool(true), NULL, e);
	if (a->attached)
		return bind_one(st, i, a->v, a->node, e);
	if (*at + 1 >= l->n || l->v[*at + 1].name)
		return err_set(
		    e, ERR_INVALID, "-%s wants a value", st->cmd->params[i].name);
	++*at;
	return bind_one(st, i, l->v[*at].v, l->v[*at].node, e);
}

/* What the pipe brings leaves its position to what only arguments can give, where these
 * are too few for both: Get-VM ct-1 | Invoke-VMScript 'ps'. */
static bool
left_to_input(const struct stage *st, const struct arg_list *l, const bool *used)
{
	const struct param *p = st->cmd->params;
	size_t args = 0, needed = 0;
	bool comes = false;

	for (size_t i = 0; i < l->n; i++)
		args += !used[i];
	for (size_t i = 0; p[i].name; i++) {
		if (p[i].pos < 0 || st->given[i] || !(p[i].flags & P_NEEDED))
			continue;
		needed++;
		comes |= (p[i].flags & P_PIPE) != 0;
	}
	return st->has_input && comes && args && args < needed;
}

/* The parameter of the lowest position that has no value yet. */
static int
bind_positional(struct stage *st, const struct arg *a, bool skip_piped, struct err *e)
{
	const struct param *p = st->cmd->params;
	size_t best = SIZE_MAX;

	for (size_t i = 0; p[i].name; i++)
		if (p[i].pos >= 0 && (!st->given[i] || p[i].type == P_REST) &&
		    !(skip_piped && p[i].flags & P_PIPE) &&
		    (best == SIZE_MAX || p[i].pos < p[best].pos))
			best = i;
	if (best == SIZE_MAX) {
		AUTO_FREE char *s = val_cstr(a->v);
		return err_set(
		    e, ERR_INVALID, "nothing takes the argument \"%.60s\"", s);
	}
	return bind_one(st, best, a->v, a->node, e);
}

static int
bind_all(struct stage *st, const struct arg_list *l, struct err *e)
{
	int rc = 0;

	/* Names first: what is left goes by position. */
	AUTO_FREE bool *used = xcalloc(l->n + 1, sizeof(*used));
	for (size_t i = 0; i < l->n && rc == 0; i++) {
		if (!l->v[i].name)
			continue;
		size_t at = i;
		rc = bind_named(st, l, &at, e);
		used[i] = used[at] = true;
		i = at;
	}
	bool skip_piped = rc == 0 && left_to_input(st, l, used);
	for (size_t i = 0; i < l->n && rc == 0; i++)
		if (!used[i])
			rc = bind_positional(st, &l->v[i], skip_piped, e);
	return rc;
}

static enum run
bind_failed(struct stage *st, const struct err *e)
{
	struct val record = fault_record(st->node, e, VAL_NONE);

	table_set(record.table, "Command", val_text(st->cmd->name));
	return throw_record(st->sh, record, false);
}

enum run
args_bind(struct stage *st, const struct arg_list *l)
{
	struct err e = ERR_INIT;

	return bind_all(st, l, &e) < 0 ? bind_failed(st, &e) : RUN_OK;
}

/* What one parameter takes from an object; null if the object has nothing for it. */
static int
take_input(const struct param *p, struct val v, struct val *ret_v, struct err *e)
{
	const struct val *from = p->flags & P_PIPE ? &v : NULL;
	const struct val *field = NULL;

	if (p->flags & P_FIELD && v.type == VAL_TABLE)
		field = table_get(v.table, p->name);
	if (field)
		from = field;
	*ret_v = VAL_NONE;
	if (from && from->type != VAL_NULL)
		return convert(p, *from, NULL, ret_v, e);
	if (p->flags & P_NEEDED)
		return err_set(e, ERR_INVALID, "a %s gives nothing for -%s",
		    val_type_name(v), p->name);
	return 0;
}

int
args_bind_input(struct stage *st, struct val v, struct err *e)
{
	const struct param *p = st->cmd->params;

	for (size_t i = 0; p && p[i].name; i++) {
		struct val to = VAL_NONE;
		if (st->given[i] || !(p[i].flags & (P_PIPE | P_FIELD)))
			continue;
		if (take_input(&p[i], v, &to, e) < 0)
			return ERR_INVALID;
		val_set(&st->args[i], to);
	}
	return 0;
}

enum run
args_check(struct stage *st)
{
	const struct param *p = st->cmd->params;
	struct err e = ERR_INIT;

	for (size_t i = 0; p && p[i].name; i++) {
		bool comes = st->has_input && (p[i].flags & (P_PIPE | P_FIELD));
		if (!(p[i].flags & P_NEEDED) || st->given[i] || comes)
			continue;
		err_set(&e, ERR_INVALID, "-%s is missing (%s)", p[i].name, p[i].help);
		return bind_failed(st, &e);
	}
	return RUN_OK;
}
