/*
 * func: functions and script blocks, as calls and as stages of a pipeline.
 */
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "shell/cmd.h"

#define BOUND "PSBoundParameters"

enum { BODY_PARAMS, BODY_BEGIN, BODY_PROCESS, BODY_END };

struct call {
	const struct node *body;
	const char *name;
	bool is_filter, own_scope;
	struct scope scope;
	struct val input;    /* what came, for $input of a body without process */
	char *script;        /* the file it stands in; NULL: that of its caller */
	bool ended;          /* by "exit" in that file */
	struct facts *facts; /* of its parameters */
};

static char *
folded(const char *s)
{
	char *k = xstrdup(s);

	for (char *p = k; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p | 0x20);
	return k;
}

const struct node *
function_find(const struct shell *sh, const char *name)
{
	AUTO_FREE char *k = folded(name);
	const struct function *f = map_get_str(sh->functions, k);

	return f ? f->node : NULL;
}

void
function_define(struct shell *sh, const struct node *n)
{
	AUTO_FREE char *k = folded(n->text);
	struct function *f = map_get_str(sh->functions, k);

	if (!f) {
		f = xcalloc(1, sizeof(*f));
		map_put_str(sh->functions, k, f);
	}
	f->node = n;
}

/* A block that is one expression needs no sink. */
static const struct node *
only_value(const struct node *body)
{
	const struct node *list = body->kid[BODY_END];

	if (body->kid[BODY_PARAMS] || body->kid[BODY_BEGIN] ||
	    body->kid[BODY_PROCESS] || !list || list->n != 1)
		return NULL;
	const struct node *n = list->kid[0];
	if (is_command(n) || n->kind == NODE_ASSIGN || n->kind == NODE_PREFIX ||
	    n->kind == NODE_POSTFIX)
		return NULL;
	return n;
}

enum run
run_block(struct shell *sh, struct val block, struct sink *out)
{
	const char *outer = sh->source;
	enum run rc = RUN_OK;

	if (block.type != VAL_BLOCK)
		return throw_new(sh, NULL, ERR_INVALID, "a script block is wanted");
	sh->source = block.block->text;
	for (int i = BODY_BEGIN; i <= BODY_END && rc == RUN_OK; i++)
		rc = exec_list(sh, block.block->kid[i], out);
	if (rc != RUN_THROW)
		sh->source = outer;
	return rc == RUN_RETURN ? RUN_OK : rc;
}

enum run
call_block(struct shell *sh, struct val block, struct val *ret_v)
{
	const struct node *value =
	    block.type == VAL_BLOCK ? only_value(block.block) : NULL;
	struct catcher c;
	enum run rc;

	if (value)
		return eval(sh, value, ret_v);
	catcher_init(&c);
	rc = run_block(sh, block, &c.sink);
	struct val v = catcher_take(&c);
	if (rc == RUN_OK)
		*ret_v = v;
	else
		val_free(v);
	return rc;
}

enum run
call_block_on(struct shell *sh, struct val block, struct val it, struct val *ret_v)
{
	struct val outer = sh->it;
	enum run rc;

	/* The block may give $_ another value, and so let go of this one. */
	sh->it = val_ref(it);
	rc = call_block(sh, block, ret_v);
	val_set(&sh->it, outer);
	return rc;
}

static int
param_of(const struct node *params, const char *name, size_t *ret_i, struct err *e)
{
	size_t len = strlen(name), hits = 0;

	for (size_t i = 0; params && i < params->n; i++) {
		if (!strcasecmp(params->kid[i]->text, name) ||
		    parameter_has_alias(params->kid[i], name)) {
			*ret_i = i;
			return 0;
		}
		if (!strncasecmp(params->kid[i]->text, name, len)) {
			*ret_i = i;
			hits++;
		}
	}
	if (hits == 1)
		return 0;
	return err_set(e, hits ? ERR_INVALID : ERR_NOT_FOUND,
	    hits ? "-%.40s could be more than one parameter"
		 : "there is no parameter -%.40s",
	    name);
}

static bool
is_switch(const struct node *param)
{
	return param->type && !strcasecmp(param->type, "switch");
}

static enum run
set_param(struct shell *sh, const struct node *param, struct val v)
{
	struct err e = ERR_INIT;
	struct val to = VAL_NONE;
	enum run rc;

	if (!param->type)
		to = val_ref(v);
	else if (val_cast(param->type, v, &to, &e) < 0) {
		err_wrap(&e, "-%s", param->text);
		return throw_err(sh, param, &e);
	}
	rc = parameter_check(sh, param, to);
	if (rc != RUN_OK) {
		val_free(to);
		return rc;
	}
	struct val *bound = var_find(sh, BOUND);
	if (bound && bound->type == VAL_TABLE)
		table_set(bound->table, param->text, val_ref(to));
	var_set(sh, param->text, to);
	return RUN_OK;
}

/* A parameter that all cmdlets have: what the call's own stage does not see to becomes
 * a preference of its scope. */
static enum run
bind_preference(struct shell *sh, const struct arg_list *l, size_t *at, size_t which,
    struct stage *st)
{
	static const char *const variables[COMMON_COUNT] = {
		[COMMON_ACTION] = "ErrorActionPreference",
		[COMMON_VERBOSE] = "VerbosePreference",
		[COMMON_DEBUG] = "DebugPreference",
		[COMMON_WHATIF] = "WhatIfPreference",
		[COMMON_CONFIRM] = "ConfirmPreference",
	};
	struct stage none = { 0 }, *to = st ? st : &none;
	const struct node *node = l->v[*at].node;
	struct err e = ERR_INIT;

	if (bind_common(to, l, at, which, &e) < 0)
		return throw_err(sh, node, &e);
	AUTO(val) struct val v = val_ref(to->common[which]);
	val_free(none.common[which]);
	if (which == COMMON_VERBOSE || which == COMMON_DEBUG)
		val_set(&v, val_text(val_truth(v) ? "Continue" : "SilentlyContinue"));
	if (which == COMMON_CONFIRM)
		val_set(&v, val_text(val_truth(v) ? "Low" : "None"));
	if (variables[which])
		var_set(sh, variables[which], val_ref(v));
	return RUN_OK;
}

static enum run
bind_named(struct shell *sh, const struct node *params, const struct arg_list *l,
    size_t *at, bool *given, struct stage *st)
{
	struct err e = ERR_INIT;
	const struct arg *a = &l->v[*at];
	struct val v = a->v;
	size_t i = 0, c = 0;

	if (param_of(params, a->name, &i, &e) < 0) {
		if (param_find(common_params, a->name, &c, NULL) < 0 ||
		    c == COMMON_SERVER)
			return throw_err(sh, a->node, &e);
		return bind_preference(sh, l, at, c, st);
	}
	given[i] = true;
	if (is_switch(params->kid[i]))
		return set_param(sh, params->kid[i], a->attached ? v : val_bool(true));
	if (!a->attached) {
		if (*at + 1 >= l->n || l->v[*at + 1].name)
			return throw_new(sh, a->node, ERR_INVALID, "-%s wants a value",
			    params->kid[i]->text);
		v = l->v[++*at].v;
	}
	return set_param(sh, params->kid[i], v);
}

/* Defaults of what was not given; switches are off. */
static enum run
set_presets(struct shell *sh, const struct node *params, const bool *given)
{
	enum run rc = RUN_OK;

	for (size_t i = 0; params && i < params->n && rc == RUN_OK; i++) {
		const struct node *p = params->kid[i];
		struct val v = VAL_NONE, to = VAL_NONE;
		struct err e = ERR_INIT;
		if (given[i])
			continue;
		if (p->kid[0])
			rc = eval(sh, p->kid[0], &v);
		if (rc != RUN_OK)
			return rc;
		/* A preset is not validated. */
		if ((p->kid[0] || is_switch(p)) && p->type &&
		    val_cast(p->type, v, &to, &e) < 0) {
			err_wrap(&e, "-%s", p->text);
			rc = throw_err(sh, p, &e);
		} else {
			var_set(sh, p->text, to.type == VAL_NULL ? val_ref(v) : to);
		}
		val_free(v);
	}
	return rc;
}

/* Parameters of a call (or NULL), and what is known of each. */
struct signature {
	const struct node *params;
	const struct facts *facts;
};

/* The parameter that the next argument without a name is for: by [Parameter(Position)]
 * if any has one, else as they stand.  params->n: none. */
static size_t
next_positional(const struct signature *s, const bool *given)
{
	size_t n = s->params ? s->params->n : 0, best = n, first = n;

	for (size_t i = 0; i < n; i++) {
		int64_t position = s->facts[i].position;
		if (given[i] || is_switch(s->params->kid[i]))
			continue;
		first = first == n ? i : first;
		if (position >= 0 && (best == n || position < s->facts[best].position))
			best = i;
	}
	return best < n ? best : first;
}

static enum run
need_all(struct shell *sh, const struct signature *s, const bool *given, bool has_input)
{
	for (size_t i = 0; s->params && i < s->params->n; i++) {
		const struct facts *f = &s->facts[i];
		if (!given[i] && f->mandatory &&
		    !(has_input && (f->by_value || f->by_name)))
			return throw_new(sh, s->params->kid[i], ERR_INVALID,
			    "-%s must be given", s->params->kid[i]->text);
	}
	return RUN_OK;
}

/* What no parameter takes, for $args. */
static void
add_rest(struct items *rest, const struct arg *a)
{
	if (!a->name) {
		list_push(rest, val_ref(a->v));
		return;
	}
	AUTO_FREE char *s = xasprintf("-%s", a->name);
	list_push(rest, val_text(s));
	if (a->attached)
		list_push(rest, val_ref(a->v));
}

static enum run
params_bind(struct shell *sh, const struct signature *s, const struct arg_list *l,
    struct stage *st)
{
	const struct node *params = s->params;
	size_t count = params ? params->n : 0;
	AUTO_FREE bool *given = xcalloc(count + 1, sizeof(*given));
	AUTO_FREE bool *used = xcalloc(l->n + 1, sizeof(*used));
	struct val rest = val_list();
	enum run rc = RUN_OK;

	if (params)
		var_set(sh, BOUND, val_table(TABLE_HASH, "Hashtable"));
	for (size_t i = 0; i < l->n && rc == RUN_OK && params; i++) {
		size_t at = i;
		if (!l->v[i].name)
			continue;
		rc = bind_named(sh, params, l, &at, given, st);
		used[i] = used[at] = true;
		i = at;
	}
	for (size_t i = 0; i < l->n && rc == RUN_OK; i++) {
		if (used[i])
			continue;
		size_t next = next_positional(s, given);
		if (next < count) {
			given[next] = true;
			rc = set_param(sh, params->kid[next], l->v[i].v);
		} else {
			add_rest(rest.list, &l->v[i]);
		}
	}
	var_set(sh, "args", rest);
	if (rc == RUN_OK)
		rc = need_all(sh, s, given, st && st->has_input);
	return rc == RUN_OK ? set_presets(sh, params, given) : rc;
}

enum run
bind_words(struct shell *sh, const struct node *body, const struct arg_list *l)
{
	struct facts *facts = NULL;
	enum run rc = parameters_read(sh, body->kid[BODY_PARAMS], &facts);
	const struct signature s = { body->kid[BODY_PARAMS], facts };

	if (rc == RUN_OK)
		rc = params_bind(sh, &s, l, NULL);
	free(facts);
	return rc;
}

/* One call more; sh->calls-- is the caller's. */
static enum run
go_deeper(struct shell *sh, const struct node *at)
{
	if (sh->calls >= MAX_CALLS)
		return throw_new(
		    sh, at, ERR_TOO_LARGE, "calls nested more than %d deep", MAX_CALLS);
	sh->calls++;
	return RUN_OK;
}

/* Run one phase of a call in its scope. */
static enum run
phase(struct stage *st, const struct node *list)
{
	struct call *c = st->state;
	struct shell *sh = st->sh;
	const char *source = sh->source, *script = sh->script;
	enum run rc = RUN_OK;

	if (!list || c->ended)
		return RUN_OK;
	rc = go_deeper(sh, st->node);
	if (rc != RUN_OK)
		return rc;
	sh->source = c->body->text;
	sh->script = c->script ? c->script : script;
	if (c->own_scope)
		scope_push(sh, &c->scope);
	rc = exec_list(sh, list, st->out);
	if (c->own_scope)
		sh->scope = c->scope.up;
	sh->script = script;
	if (rc != RUN_THROW)
		sh->source = source;
	sh->calls--;
	/* "exit" in a file ends that file. */
	if (rc == RUN_EXIT && c->script && !shell_interrupted()) {
		sh->ok = sh->exit_code == 0;
		c->ended = true;
		return RUN_OK;
	}
	return rc == RUN_RETURN ? RUN_OK : rc;
}

enum run
function_start(struct stage *st, const struct node *function, const struct node *body,
    const struct arg_list *args, bool own_scope)
{
	struct call *c = st->state;
	enum run rc;

	c->body = body;
	c->is_filter = function && function->op == OP_CALL;
	c->own_scope = own_scope;
	rc = go_deeper(st->sh, st->node);
	if (rc != RUN_OK)
		return rc;
	if (own_scope)
		scope_push(st->sh, &c->scope);
	rc = parameters_read(st->sh, body->kid[BODY_PARAMS], &c->facts);
	if (rc == RUN_OK) {
		const struct signature s = { body->kid[BODY_PARAMS], c->facts };
		rc = params_bind(st->sh, &s, args, st);
	}
	if (own_scope)
		st->sh->scope = c->scope.up;
	st->sh->calls--;
	return rc;
}

/* What came in, to the parameters that take it; into the call's scope. */
static enum run
bind_input(struct stage *st, struct val v)
{
	struct call *c = st->state;
	const struct node *params = c->body->kid[BODY_PARAMS];
	struct shell *sh = st->sh;
	enum run rc = go_deeper(sh, st->node);

	if (rc != RUN_OK)
		return rc;
	if (c->own_scope)
		scope_push(sh, &c->scope);
	for (size_t i = 0; params && i < params->n && rc == RUN_OK; i++) {
		const struct node *p = params->kid[i];
		if (c->facts[i].by_value) {
			rc = set_param(sh, p, v);
		} else if (c->facts[i].by_name) {
			struct val m = member_get(v, p->text);
			if (m.type != VAL_NULL)
				rc = set_param(sh, p, m);
			val_free(m);
		}
	}
	if (c->own_scope)
		sh->scope = c->scope.up;
	sh->calls--;
	return rc;
}

void
function_stands_in(struct stage *st, const char *script)
{
	((struct call *)st->state)->script = xstrdup(script);
}

static enum run
function_begin(struct stage *st)
{
	struct call *c = st->state;

	return phase(st, c->body->kid[BODY_BEGIN]);
}

static enum run
function_process(struct stage *st, struct val v)
{
	struct call *c = st->state;
	const struct node *list =
	    c->body->kid[c->is_filter && !c->body->kid[BODY_PROCESS] ? BODY_END
								     : BODY_PROCESS];
	struct val outer = st->sh->it;
	enum run rc = st->has_input ? bind_input(st, v) : RUN_OK;

	if (rc != RUN_OK)
		return rc;
	if (!list) {
		if (c->input.type != VAL_LIST)
			c->input = val_list();
		if (st->has_input)
			list_push(c->input.list, val_ref(v));
		return RUN_OK;
	}
	if (!st->has_input)
		return phase(st, list);
	st->sh->it = val_ref(v);
	rc = phase(st, list);
	val_set(&st->sh->it, outer);
	return rc;
}

static enum run
function_end(struct stage *st)
{
	struct call *c = st->state;
	struct val outer = st->sh->input;
	enum run rc;

	if (c->is_filter && !c->body->kid[BODY_PROCESS])
		return RUN_OK;
	st->sh->input = c->input;
	rc = phase(st, c->body->kid[BODY_END]);
	c->input = st->sh->input;
	st->sh->input = outer;
	return rc;
}

static void
function_fini(struct stage *st)
{
	struct call *c = st->state;

	if (c->scope.vars)
		val_free((struct val){ .type = VAL_TABLE, .table = c->scope.vars });
	val_free(c->input);
	free(c->facts);
	free(c->script);
}

const struct cmd_ops ops_function = { sizeof(struct call), function_begin,
	function_process, function_end, function_fini };

enum run
invoke_block(struct shell *sh, struct val block, const struct val *args, size_t n,
    struct sink *out)
{
	struct arg_list l = { 0 };
	struct scope scope = { 0 };
	enum run rc;

	rc = go_deeper(sh, NULL);
	if (rc != RUN_OK)
		return rc;
	l.v = xcalloc(n + 1, sizeof(*l.v));
	for (size_t i = 0; i < n; i++)
		l.v[l.n++].v = val_ref(args[i]);
	scope_push(sh, &scope);
	rc = bind_words(sh, block.block, &l);
	if (rc == RUN_OK)
		rc = run_block(sh, block, out);
	scope_pop(sh);
	sh->calls--;
	args_free(&l);
	return rc;
}
