/*
 * attribute: what "[Parameter(…)]" and "[Validate…]" before a function's parameter mean
 * (see cmd.h).
 */
#include <string.h>

#include "base/mem.h"
#include "shell/cmd.h"

const struct node *
attribute_find(const struct node *param, const char *name)
{
	for (size_t i = 1; i < param->n; i++)
		if (!strcasecmp(param->kid[i]->text, name))
			return param->kid[i];
	return NULL;
}

/* Its argument of that name: NULL, or the node, which has a value or is "true". */
static const struct node *
argument_find(const struct node *attribute, const char *name)
{
	for (size_t i = 0; attribute && i < attribute->n; i++) {
		const struct node *a = attribute->kid[i];
		if (a->kind == NODE_ARGUMENT && !strcasecmp(a->text, name))
			return a;
	}
	return NULL;
}

/* What [Parameter()] says by that name: null if nothing, true if only the name. */
static enum run
argument_value(
    struct shell *sh, const struct node *param, const char *name, struct val *ret_v)
{
	const struct node *a = argument_find(attribute_find(param, "Parameter"), name);

	*ret_v = a ? val_bool(true) : VAL_NONE;
	return a && a->n ? eval(sh, a->kid[0], ret_v) : RUN_OK;
}

static enum run
read_flag(struct shell *sh, const struct node *param, const char *name, bool *ret_is)
{
	struct val v = VAL_NONE;
	enum run rc = argument_value(sh, param, name, &v);

	if (rc != RUN_OK)
		return rc;
	*ret_is = val_truth(v);
	val_free(v);
	return RUN_OK;
}

static enum run
read_position(struct shell *sh, const struct node *param, int64_t *ret_position)
{
	struct val v = VAL_NONE;
	enum run rc = argument_value(sh, param, "Position", &v);

	if (rc != RUN_OK)
		return rc;
	*ret_position = -1;
	if (v.type != VAL_NULL && !val_to_int(v, ret_position))
		rc = throw_new(sh, param, ERR_INVALID,
		    "Position of -%s wants a whole number", param->text);
	val_free(v);
	return rc;
}

static enum run
facts_read(struct shell *sh, const struct node *param, struct facts *ret_facts)
{
	enum run rc = read_flag(sh, param, "Mandatory", &ret_facts->mandatory);

	if (rc == RUN_OK)
		rc = read_flag(sh, param, "ValueFromPipeline", &ret_facts->by_value);
	if (rc == RUN_OK)
		rc = read_flag(
		    sh, param, "ValueFromPipelineByPropertyName", &ret_facts->by_name);
	return rc == RUN_OK ? read_position(sh, param, &ret_facts->position) : rc;
}

enum run
parameters_read(struct shell *sh, const struct node *params, struct facts **ret_facts)
{
	size_t n = params ? params->n : 0;
	struct facts *all = xcalloc(n + 1, sizeof(*all));
	enum run rc = RUN_OK;

	for (size_t i = 0; i < n && rc == RUN_OK; i++)
		rc = facts_read(sh, params->kid[i], &all[i]);
	if (rc == RUN_OK)
		*ret_facts = all;
	else
		free(all);
	return rc;
}

bool
parameter_has_alias(const struct node *param, const char *name)
{
	const struct node *a = attribute_find(param, "Alias");

	for (size_t i = 0; a && i < a->n; i++)
		if (a->kid[i]->kind == NODE_STRING &&
		    !strcasecmp(a->kid[i]->text, name))
			return true;
	return false;
}

/* The values in an attribute's parentheses, as a list. */
static enum run
arguments(struct shell *sh, const struct node *attribute, struct val *ret_list)
{
	struct val list = val_list(), v = VAL_NONE;
	enum run rc = RUN_OK;

	for (size_t i = 0; i < attribute->n && rc == RUN_OK; i++) {
		const struct node *a = attribute->kid[i];
		if (a->kind == NODE_ARGUMENT)
			continue;
		rc = eval(sh, a, &v);
		if (rc == RUN_OK)
			list_push(list.list, v);
	}
	if (rc != RUN_OK)
		val_free(list);
	else
		*ret_list = list;
	return rc;
}

/* What is wrong with one value, or NULL; the caller frees it. */
typedef char *(*check_fn)(struct val v, struct val args);

static char *
check_set(struct val v, struct val args)
{
	struct str b = STR_INIT;

	for (size_t i = 0; i < val_count(args); i++) {
		if (val_equal(v, val_at(args, i), false)) {
			str_fini(&b);
			return NULL;
		}
		str_add(&b, i ? ", " : "is none of ");
		val_add_text(&b, val_at(args, i));
	}
	return b.s ? str_take(&b) : xstrdup("is none of an empty set");
}

static char *
check_range(struct val v, struct val args)
{
	AUTO_FREE char *least = val_cstr(val_at(args, 0)),
		       *most = val_cstr(val_at(args, 1));

	if (val_count(args) == 2 && val_order(v, val_at(args, 0), false) >= 0 &&
	    val_order(v, val_at(args, 1), false) <= 0)
		return NULL;
	return xasprintf("is not between %s and %s", least, most);
}

static char *
check_pattern(struct val v, struct val args)
{
	AUTO_FREE char *pattern = val_cstr(val_at(args, 0));
	bool hit = false;
	struct err e = ERR_INIT;

	if (text_match(v, val_at(args, 0), false, &hit, NULL, &e) < 0)
		return xstrdup(e.msg);
	return hit ? NULL : xasprintf("does not match %s", pattern);
}

static char *
check_length(struct val v, struct val args)
{
	AUTO(val) struct val text = val_to_text(v);
	AUTO_FREE char *why = check_range(member_get(text, "Length"), args);

	return why ? xasprintf("has a length that %s", why) : NULL;
}

static char *
check_not_null(struct val v, struct val args)
{
	return v.type == VAL_NULL ? xstrdup("is null") : NULL;
}

static char *
check_not_empty(struct val v, struct val args)
{
	bool empty = v.type == VAL_NULL || (v.type == VAL_TEXT && !v.text->len) ||
		     (v.type == VAL_LIST && !v.list->n);

	return empty ? xstrdup("is empty") : NULL;
}

static const struct {
	const char *name;
	check_fn check;
	bool whole; /* of a list not each element */
} checks[] = {
	{ "ValidateSet", check_set, false },
	{ "ValidateRange", check_range, false },
	{ "ValidatePattern", check_pattern, false },
	{ "ValidateLength", check_length, false },
	{ "ValidateNotNullOrEmpty", check_not_empty, true },
	{ "ValidateNotNull", check_not_null, true },
};

static enum run
run_check(struct shell *sh, const struct node *param, struct val v, size_t which)
{
	const struct node *a = attribute_find(param, checks[which].name);
	bool each = v.type == VAL_LIST && !checks[which].whole;
	struct val args = VAL_NONE;
	enum run rc = a ? arguments(sh, a, &args) : RUN_OK;

	for (size_t i = 0; a && rc == RUN_OK && i < (each ? v.list->n : 1); i++) {
		struct val one = each ? v.list->v[i] : v;
		AUTO_FREE char *why = checks[which].check(one, args);
		AUTO_FREE char *s = val_cstr(one);
		if (why)
			rc = throw_new(sh, param, ERR_INVALID, "-%s \"%.60s\" %s",
			    param->text, s, why);
	}
	val_free(args);
	return rc;
}

/* "[ValidateScript({ $_ -gt 0 })]" */
static enum run
run_script(struct shell *sh, const struct node *param, struct val v)
{
	const struct node *a = attribute_find(param, "ValidateScript");
	struct val args = VAL_NONE, hit = VAL_NONE;
	enum run rc = a ? arguments(sh, a, &args) : RUN_OK;

	if (a && rc == RUN_OK)
		rc = call_block_on(
		    sh, val_count(args) ? val_at(args, 0) : VAL_NONE, v, &hit);
	if (a && rc == RUN_OK && !val_truth(hit)) {
		AUTO_FREE char *s = val_cstr(v);
		rc = throw_new(sh, param, ERR_INVALID,
		    "-%s \"%.60s\" does not pass its ValidateScript", param->text, s);
	}
	val_free(hit);
	val_free(args);
	return rc;
}

enum run
parameter_check(struct shell *sh, const struct node *param, struct val v)
{
	enum run rc = RUN_OK;

	if (param->n < 2)
		return RUN_OK;
	for (size_t i = 0; i < ARRAY_SIZE(checks) && rc == RUN_OK; i++)
		rc = run_check(sh, param, v, i);
	return rc == RUN_OK ? run_script(sh, param, v) : rc;
}
