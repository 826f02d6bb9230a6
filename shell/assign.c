/*
 * assign: = and its relatives, ++ and -- (see eval.h).
 */
#include <string.h>

#include "base/mem.h"
#include "shell/eval.h"

static enum run
store_index(struct shell *sh, const struct node *to, struct val object, struct val key,
    struct val v_take)
{
	int64_t i;

	if (object.type == VAL_TABLE) {
		AUTO_FREE char *k = val_cstr(key);
		table_set(object.table, k, v_take);
		return RUN_OK;
	}
	if (object.type == VAL_LIST && val_to_int(key, &i)) {
		i += i < 0 ? (int64_t)object.list->n : 0;
		if (val_holds(v_take, object.list)) {
			val_free(v_take);
			return throw_new(
			    sh, to, ERR_INVALID, "a list cannot hold itself");
		}
		if (i >= 0 && i < (int64_t)object.list->n) {
			val_set(&object.list->v[i], v_take);
			return RUN_OK;
		}
		val_free(v_take);
		return throw_new(
		    sh, to, ERR_INVALID, "the list has %zu elements", object.list->n);
	}
	val_free(v_take);
	return throw_new(sh, to, ERR_INVALID, "a %s has no elements to assign to",
	    val_type_name(object));
}

static enum run
store_part(struct shell *sh, const struct node *to, struct val v_take)
{
	struct val object = VAL_NONE, key = VAL_NONE;
	enum run rc = eval(sh, to->kid[0], &object);

	if (rc == RUN_OK) {
		rc = eval(sh, to->kid[1], &key);
		if (rc != RUN_OK)
			val_free(object);
	}
	if (rc != RUN_OK) {
		val_free(v_take);
		return rc;
	}
	if (to->kind == NODE_INDEX) {
		rc = store_index(sh, to, object, key, v_take);
	} else if (object.type == VAL_TABLE) {
		AUTO_FREE char *k = val_cstr(key);
		table_set(object.table, k, v_take);
	} else {
		AUTO_FREE char *k = val_cstr(key);
		val_free(v_take);
		rc = throw_new(sh, to, ERR_INVALID,
		    "a %s has no property \"%s\" to assign to", val_type_name(object),
		    k);
	}
	val_free(key);
	val_free(object);
	return rc;
}

static enum run
store(struct shell *sh, const struct node *to, struct val v_take)
{
	struct err e = ERR_INIT;
	struct val cast = VAL_NONE;

	if (to->kind == NODE_CAST) {
		int rc = val_cast(to->type, v_take, &cast, &e);
		val_free(v_take);
		return rc < 0 ? throw_err(sh, to, &e) : store(sh, to->kid[0], cast);
	}
	if (to->kind == NODE_PAREN)
		return store(sh, to->kid[0], v_take);
	if (to->kind == NODE_INDEX || to->kind == NODE_MEMBER)
		return store_part(sh, to, v_take);
	if (to->kind != NODE_VAR) {
		val_free(v_take);
		return throw_new(sh, to, ERR_INVALID,
		    "only variables, properties and elements can be assigned to");
	}
	if (var_set_in(sh, to->type, to->text, v_take, &e) < 0)
		return throw_err(sh, to, &e);
	return RUN_OK;
}

/* The first targets take one element each, the last what remains. */
static enum run
store_many(struct shell *sh, const struct node *n, struct val v)
{
	size_t targets = n->n - 1, have = val_count(v);
	enum run rc = RUN_OK;

	for (size_t i = 0; i < targets && rc == RUN_OK; i++) {
		struct val part;
		if (i + 1 < targets || have <= i + 1) {
			part = i < have ? val_ref(val_at(v, i)) : VAL_NONE;
		} else {
			part = val_list();
			for (size_t k = i; k < have; k++)
				list_push(part.list, val_ref(val_at(v, k)));
		}
		rc = store(sh, n->kid[i], part);
	}
	return rc;
}

static enum run
combine(struct shell *sh, const struct node *n, struct val v_take, struct val *ret_v)
{
	struct err e = ERR_INIT;
	struct val old = VAL_NONE;
	enum run rc = eval(sh, n->kid[0], &old);

	if (rc == RUN_OK) {
		if (op_binary(n->op, false, old, v_take, ret_v, &e) < 0)
			rc = throw_err(sh, n, &e);
		val_free(old);
	}
	val_free(v_take);
	return rc;
}

/* list += x where nobody else holds the list: appended in place. */
static bool
append_in_place(struct shell *sh, const struct node *n, struct val v)
{
	const struct node *to = n->kid[0];
	struct val *slot;

	if (n->op != OP_ADD || to->kind != NODE_VAR || to->type || !sh->scope->vars)
		return false;
	slot = table_get(sh->scope->vars, to->text);
	if (!slot || slot->type != VAL_LIST || slot->list->refs != 1 ||
	    slot->list->kind != LIST_ARRAY ||
	    (v.type == VAL_LIST && v.list == slot->list))
		return false;
	if (v.type == VAL_LIST)
		for (size_t i = 0; i < v.list->n; i++)
			list_push(slot->list, val_ref(v.list->v[i]));
	else
		list_push(slot->list, val_ref(v));
	return true;
}

enum run
eval_assign(struct shell *sh, const struct node *n)
{
	const struct node *right = n->kid[n->n - 1];
	struct val v = VAL_NONE;
	enum run rc;

	if (n->op == OP_COALESCE) {
		rc = eval(sh, n->kid[0], &v);
		bool has = rc == RUN_OK && v.type != VAL_NULL;
		val_free(v);
		v = VAL_NONE;
		if (rc != RUN_OK || has)
			return rc;
	}
	if (right->kind == NODE_ASSIGN) {
		rc = eval_assign(sh, right);
		if (rc == RUN_OK)
			rc = eval(sh, right->kid[0], &v);
	} else {
		rc = is_command(right) ? capture(sh, right, &v) : eval(sh, right, &v);
	}
	if (rc != RUN_OK)
		return rc;
	if (n->op != OP_NONE && append_in_place(sh, n, v)) {
		val_free(v);
		return RUN_OK;
	}
	if (n->op != OP_NONE && n->op != OP_COALESCE) {
		rc = combine(sh, n, v, &v);
		if (rc != RUN_OK)
			return rc;
	}
	if (n->n == 2)
		return store(sh, n->kid[0], v);
	rc = store_many(sh, n, v);
	val_free(v);
	return rc;
}

enum run
eval_step(struct shell *sh, const struct node *n, struct val *ret_v)
{
	struct err e = ERR_INIT;
	struct val old = VAL_NONE, now = VAL_NONE;
	enum run rc = eval(sh, n->kid[0], &old);

	if (rc != RUN_OK)
		return rc;
	if (old.type != VAL_NULL && !val_is_number(old)) {
		val_free(old);
		return throw_new(sh, n, ERR_INVALID, "++ and -- want a number");
	}
	if (old.type == VAL_NULL)
		old = val_int(0);
	if (op_binary(n->op, false, old, val_int(1), &now, &e) < 0)
		return throw_err(sh, n, &e);
	*ret_v = n->kind == NODE_PREFIX ? now : old;
	return store(sh, n->kid[0], now);
}
