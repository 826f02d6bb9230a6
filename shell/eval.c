#include "shell/eval.h"

#include <string.h>

#include "base/mem.h"

#define MAX_RANGE 10000000

static enum run
catch_one(struct sink *s, struct val v)
{
	struct catcher *c = (struct catcher *)s;

	list_push(c->list.list, val_ref(v));
	return RUN_OK;
}

void
catcher_init(struct catcher *c)
{
	c->sink.put = catch_one;
	c->list = val_list();
}

struct val
catcher_take(struct catcher *c)
{
	struct val list = c->list, v = VAL_NONE;

	c->list = VAL_NONE;
	if (list.list->n > 1)
		return list;
	if (list.list->n == 1)
		v = val_ref(list.list->v[0]);
	val_free(list);
	return v;
}

static enum run
drop_one(struct sink *s, struct val v)
{
	return RUN_OK;
}

struct sink *
sink_null(void)
{
	static struct sink null = { drop_one };

	return &null;
}

enum run
put_each(struct sink *out, struct val v)
{
	enum run rc = RUN_OK;

	if (v.type == VAL_NULL)
		return RUN_OK;
	if (v.type != VAL_LIST)
		return out->put(out, v);
	/* What takes one may put another in its place, or change the list. */
	AUTO(val) struct val now = val_steady(v);
	for (size_t i = 0; i < now.list->n && rc == RUN_OK; i++) {
		AUTO(val) struct val one = val_ref(now.list->v[i]);
		rc = out->put(out, one);
	}
	return rc;
}

enum run
capture(struct shell *sh, const struct node *n, struct val *ret_v)
{
	struct catcher c;
	enum run rc;

	catcher_init(&c);
	rc = exec(sh, n, &c.sink);
	struct val v = catcher_take(&c);
	if (rc == RUN_OK)
		*ret_v = v;
	else
		val_free(v);
	return rc;
}

/* All kids as a list, ended by VAL_NONE on failure. */
static enum run
eval_kids(struct shell *sh, const struct node *n, size_t from, struct val *ret_list)
{
	struct val list = val_list(), v = VAL_NONE;

	for (size_t i = from; i < n->n; i++) {
		enum run rc = eval(sh, n->kid[i], &v);
		if (rc != RUN_OK) {
			val_free(list);
			return rc;
		}
		list_push(list.list, v);
	}
	*ret_list = list;
	return RUN_OK;
}

static void
add_expanded(const struct shell *sh, struct str *b, struct val v)
{
	const struct val *ofs = v.type == VAL_LIST ? var_find(sh, "OFS") : NULL;

	if (!ofs) {
		val_add_text(b, v);
		return;
	}
	for (size_t i = 0; i < v.list->n; i++) {
		if (i)
			val_add_text(b, *ofs);
		val_add_text(b, v.list->v[i]);
	}
}

static enum run
eval_expand(struct shell *sh, const struct node *n, struct val *ret_v)
{
	struct str b = STR_INIT;

	for (size_t i = 0; i < n->n; i++) {
		struct val v = VAL_NONE;
		enum run rc = eval(sh, n->kid[i], &v);
		if (rc != RUN_OK) {
			str_fini(&b);
			return rc;
		}
		add_expanded(sh, &b, v);
		val_free(v);
	}
	*ret_v = val_from_str(&b);
	return RUN_OK;
}

static enum run
eval_hash(struct shell *sh, const struct node *n, struct val *ret_v)
{
	struct val t = val_table(TABLE_HASH, "Hashtable"), key = VAL_NONE, v = VAL_NONE;

	for (size_t i = 0; i + 1 < n->n; i += 2) {
		enum run rc = eval(sh, n->kid[i], &key);
		if (rc == RUN_OK) {
			AUTO_FREE char *k = val_cstr(key);
			val_free(key);
			rc = is_command(n->kid[i + 1]) ? capture(sh, n->kid[i + 1], &v)
						       : eval(sh, n->kid[i + 1], &v);
			if (rc == RUN_OK)
				table_set(t.table, k, v);
		}
		if (rc != RUN_OK) {
			val_free(t);
			return rc;
		}
	}
	*ret_v = t;
	return RUN_OK;
}

static enum run
range(struct shell *sh, const struct node *n, struct val a, struct val b,
    struct val *ret_v)
{
	int64_t from, to;

	if (!val_to_int(a, &from) || !val_to_int(b, &to))
		return throw_new(sh, n, ERR_INVALID, "a range wants two whole numbers");
	uint64_t count =
	    from < to ? (uint64_t)to - (uint64_t)from : (uint64_t)from - (uint64_t)to;
	if (count >= MAX_RANGE)
		return throw_new(
		    sh, n, ERR_TOO_LARGE, "a range of more than %d numbers", MAX_RANGE);
	struct val list = val_list();
	list.list->cap = count + 1;
	list.list->v = xreallocarray(NULL, count + 1, sizeof(struct val));
	for (uint64_t i = 0; i <= count; i++)
		list.list->v[list.list->n++] =
		    val_int(from < to ? from + (int64_t)i : from - (int64_t)i);
	*ret_v = list;
	return RUN_OK;
}

static enum run
eval_logic(struct shell *sh, const struct node *n, struct val a, struct val *ret_v)
{
	bool left = val_truth(a);
	struct val b = VAL_NONE;

	if (left == (n->op == OP_OR)) {
		*ret_v = val_bool(left);
		return RUN_OK;
	}
	enum run rc = eval(sh, n->kid[1], &b);
	if (rc != RUN_OK)
		return rc;
	*ret_v = val_bool(val_truth(b));
	val_free(b);
	return RUN_OK;
}

static enum run
operate(struct shell *sh, const struct node *n, struct val a, struct val b,
    struct val *ret_v)
{
	struct err e = ERR_INIT;
	bool hit = false;
	int rc;

	if (n->op == OP_RANGE)
		return range(sh, n, a, b, ret_v);
	if ((n->op == OP_MATCH || n->op == OP_NOTMATCH) && a.type != VAL_LIST) {
		struct val matches = VAL_NONE;
		rc = text_match(a, b, n->exact, &hit, &matches, &e);
		if (rc == 0 && hit)
			val_set(&sh->matches, val_ref(matches));
		val_free(matches);
		*ret_v = val_bool(hit == (n->op == OP_MATCH));
	} else {
		rc = op_binary(n->op, n->exact, a, b, ret_v, &e);
	}
	return rc < 0 ? throw_err(sh, n, &e) : RUN_OK;
}

static enum run
eval_binary(struct shell *sh, const struct node *n, struct val *ret_v)
{
	struct val a = VAL_NONE, b = VAL_NONE;
	enum run rc = eval(sh, n->kid[0], &a);

	if (rc != RUN_OK)
		return rc;
	if (n->op == OP_AND || n->op == OP_OR) {
		rc = eval_logic(sh, n, a, ret_v);
	} else if (n->op == OP_COALESCE) {
		if (a.type == VAL_NULL)
			return eval(sh, n->kid[1], ret_v);
		*ret_v = a;
		return RUN_OK;
	} else if (n->kid[1]->kind == NODE_TYPE) {
		AUTO(val) struct val type = val_text(n->kid[1]->type);
		rc = operate(sh, n, a, type, ret_v);
	} else {
		rc = eval(sh, n->kid[1], &b);
		if (rc == RUN_OK) {
			rc = operate(sh, n, a, b, ret_v);
			val_free(b);
		}
	}
	val_free(a);
	return rc;
}

static enum run
eval_ternary(struct shell *sh, const struct node *n, struct val *ret_v)
{
	struct val condition = VAL_NONE;
	enum run rc = eval(sh, n->kid[0], &condition);

	if (rc != RUN_OK)
		return rc;
	bool hit = val_truth(condition);
	val_free(condition);
	return eval(sh, n->kid[hit ? 1 : 2], ret_v);
}

static enum run
eval_unary(struct shell *sh, const struct node *n, struct val *ret_v)
{
	struct err e = ERR_INIT;
	struct val v = VAL_NONE;
	enum run rc = eval(sh, n->kid[0], &v);

	if (rc != RUN_OK)
		return rc;
	if (op_unary(n->op, v, ret_v, &e) < 0)
		rc = throw_err(sh, n, &e);
	val_free(v);
	return rc;
}

static enum run
eval_cast(struct shell *sh, const struct node *n, struct val *ret_v)
{
	struct err e = ERR_INIT;
	struct val v = VAL_NONE;
	enum run rc = eval(sh, n->kid[0], &v);

	if (rc != RUN_OK)
		return rc;
	if (val_cast(n->type, v, ret_v, &e) < 0)
		rc = throw_err(sh, n, &e);
	val_free(v);
	return rc;
}

static enum run
eval_static(struct shell *sh, const struct node *n, struct val *ret_v)
{
	struct err e = ERR_INIT;
	struct val args = VAL_NONE;
	enum run rc = eval_kids(sh, n, 0, &args);

	if (rc != RUN_OK)
		return rc;
	if (static_call(n->type, n->text, args, n->op == OP_CALL, ret_v, &e) < 0)
		rc = throw_err(sh, n, &e);
	val_free(args);
	return rc;
}

static enum run
eval_var(struct shell *sh, const struct node *n, struct val *ret_v)
{
	*ret_v = var_get_in(sh, n->type, n->text);
	if (ret_v->type == VAL_NULL && sh->strict && !n->type &&
	    !var_is_set(sh, n->text))
		return throw_new(sh, n, ERR_NOT_FOUND, "$%s has not been set", n->text);
	return RUN_OK;
}

static enum run
eval_member(struct shell *sh, const struct node *n, struct val *ret_v)
{
	struct val object = VAL_NONE, name = VAL_NONE;
	enum run rc = eval(sh, n->kid[0], &object);

	if (rc != RUN_OK)
		return rc;
	rc = eval(sh, n->kid[1], &name);
	if (rc == RUN_OK) {
		AUTO_FREE char *s = val_cstr(name);
		*ret_v = member_get(object, s);
		if (ret_v->type == VAL_NULL && sh->strict && n->op != OP_SAFE &&
		    !member_is(object, s))
			rc = throw_new(sh, n, ERR_NOT_FOUND,
			    "a %s has no property \"%s\"", val_type_name(object), s);
		val_free(name);
	}
	val_free(object);
	return rc;
}

/* .Invoke() of a block; .ForEach() and .Where() of anything, as it had elements. */
static bool
method_runs_block(struct val object, const char *name, struct val args)
{
	if (object.type == VAL_BLOCK && !strcasecmp(name, "Invoke"))
		return true;
	return args.list->n &&
	       (!strcasecmp(name, "ForEach") || !strcasecmp(name, "Where"));
}

/* One element through the block or, of ForEach, its property of that name. */
static enum run
method_run_one(
    struct shell *sh, struct val element, struct val how, bool where, struct sink *out)
{
	AUTO(val) struct val mine = val_ref(element); /* the block may replace it */
	struct val v = VAL_NONE;
	enum run rc = RUN_OK;

	if (how.type != VAL_BLOCK && !where) {
		AUTO_FREE char *name = val_cstr(how);
		v = member_get(element, name);
	} else {
		rc = call_block_on(sh, how, element, &v);
	}
	if (rc == RUN_OK && !where)
		rc = put_each(out, v);
	else if (rc == RUN_OK && val_truth(v))
		rc = out->put(out, element);
	val_free(v);
	return rc;
}

static enum run
method_run(struct shell *sh, const struct node *n, struct val object, const char *name,
    struct val args, struct val *ret_v)
{
	bool where = !strcasecmp(name, "Where");
	struct catcher c;
	enum run rc = RUN_OK;

	catcher_init(&c);
	if (object.type == VAL_BLOCK && !strcasecmp(name, "Invoke"))
		rc = invoke_block(sh, object, args.list->v, args.list->n, &c.sink);
	else if (where && args.list->v[0].type != VAL_BLOCK)
		rc = throw_new(sh, n, ERR_INVALID, "Where wants a script block");
	else
		for (size_t i = 0; i < val_count(object) && rc == RUN_OK; i++)
			rc = method_run_one(
			    sh, val_at(object, i), args.list->v[0], where, &c.sink);
	struct val v = catcher_take(&c);
	if (rc == RUN_OK)
		*ret_v = v;
	else
		val_free(v);
	return rc;
}

static enum run
invoke(struct shell *sh, const struct node *n, struct val object, const char *name,
    struct val *ret_v)
{
	struct err e = ERR_INIT;
	struct val args = VAL_NONE;
	enum run rc = eval_kids(sh, n, 2, &args);

	if (rc != RUN_OK)
		return rc;
	if (method_runs_block(object, name, args)) {
		rc = method_run(sh, n, object, name, args, ret_v);
	} else if (method_call(object, name, args, ret_v, &e) < 0) {
		rc = throw_err(sh, n, &e);
	}
	val_free(args);
	return rc;
}

static enum run
eval_invoke(struct shell *sh, const struct node *n, struct val *ret_v)
{
	struct val object = VAL_NONE, name = VAL_NONE;
	enum run rc = eval(sh, n->kid[0], &object);

	if (rc != RUN_OK)
		return rc;
	if (n->op == OP_SAFE && object.type == VAL_NULL) {
		*ret_v = VAL_NONE;
		return RUN_OK;
	}
	rc = eval(sh, n->kid[1], &name);
	if (rc == RUN_OK) {
		AUTO_FREE char *s = val_cstr(name);
		rc = invoke(sh, n, object, s, ret_v);
		val_free(name);
	}
	val_free(object);
	return rc;
}

static enum run
eval_index(struct shell *sh, const struct node *n, struct val *ret_v)
{
	struct err e = ERR_INIT;
	struct val object = VAL_NONE, key = VAL_NONE;
	enum run rc = eval(sh, n->kid[0], &object);

	if (rc != RUN_OK)
		return rc;
	rc = eval(sh, n->kid[1], &key);
	if (rc == RUN_OK) {
		if (index_get(object, key, ret_v, &e) < 0)
			rc = throw_err(sh, n, &e);
		val_free(key);
	}
	val_free(object);
	return rc;
}

/* What stands in parentheses: an expression's value as it is, a command's output. */
static enum run
eval_paren(struct shell *sh, const struct node *n, struct val *ret_v)
{
	const struct node *inner = n->kid[0];

	if (is_command(inner))
		return capture(sh, inner, ret_v);
	if (inner->kind == NODE_ASSIGN) {
		enum run rc = eval_assign(sh, inner);
		return rc == RUN_OK ? eval(sh, inner->kid[0], ret_v) : rc;
	}
	return eval(sh, inner, ret_v);
}

static enum run
eval_array_of(struct shell *sh, const struct node *n, struct val *ret_v)
{
	struct catcher c;
	enum run rc;

	catcher_init(&c);
	rc = exec_list(sh, n->kid[0], &c.sink);
	if (rc == RUN_OK)
		*ret_v = c.list;
	else
		val_free(c.list);
	return rc;
}

static enum run
eval_kind(struct shell *sh, const struct node *n, struct val *ret_v)
{
	switch (n->kind) {
	case NODE_NUMBER:
		*ret_v = n->real ? val_real(n->d) : val_int(n->i);
		return RUN_OK;
	case NODE_STRING:
		*ret_v = val_text(n->text);
		return RUN_OK;
	case NODE_VAR:
		return eval_var(sh, n, ret_v);
	case NODE_TYPE:
		*ret_v = val_text(n->type);
		return RUN_OK;
	case NODE_BLOCK:
		*ret_v = val_block(n->kid[0]);
		return RUN_OK;
	case NODE_EXPAND:
		return eval_expand(sh, n, ret_v);
	case NODE_ARRAY:
		return eval_kids(sh, n, 0, ret_v);
	case NODE_ARRAYEXPR:
		return eval_array_of(sh, n, ret_v);
	case NODE_SUBEXPR:
		return capture(sh, n->kid[0], ret_v);
	case NODE_PAREN:
		return eval_paren(sh, n, ret_v);
	case NODE_HASH:
		return eval_hash(sh, n, ret_v);
	case NODE_BINARY:
		return eval_binary(sh, n, ret_v);
	case NODE_TERNARY:
		return eval_ternary(sh, n, ret_v);
	case NODE_UNARY:
		return eval_unary(sh, n, ret_v);
	case NODE_PREFIX:
	case NODE_POSTFIX:
		return eval_step(sh, n, ret_v);
	case NODE_CAST:
		return eval_cast(sh, n, ret_v);
	case NODE_STATIC:
		return eval_static(sh, n, ret_v);
	case NODE_MEMBER:
		return eval_member(sh, n, ret_v);
	case NODE_INVOKE:
		return eval_invoke(sh, n, ret_v);
	case NODE_INDEX:
		return eval_index(sh, n, ret_v);
	default:
		return capture(sh, n, ret_v);
	}
}

enum run
eval(struct shell *sh, const struct node *n, struct val *ret_v)
{
	enum run rc;

	if (++sh->steps > MAX_STEPS)
		rc = throw_new(sh, n, ERR_TOO_LARGE,
		    "evaluation nested more than %d deep", MAX_STEPS);
	else
		rc = eval_kind(sh, n, ret_v);
	sh->steps--;
	return rc;
}
