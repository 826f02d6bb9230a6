/*
 * operate: operators over values; the left operand's type decides (see eval.h).
 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "shell/eval.h"

#define MAX_TEXT   (64u << 20)
#define MAX_LENGTH 10000000u

static double
as_real(struct val v)
{
	return v.type == VAL_INT ? (double)v.i : v.d;
}

static int
arith_reals(enum op op, double a, double b, struct val *ret_v, struct err *e)
{
	switch (op) {
	case OP_ADD:
		*ret_v = val_real(a + b);
		return 0;
	case OP_SUB:
		*ret_v = val_real(a - b);
		return 0;
	case OP_MUL:
		*ret_v = val_real(a * b);
		return 0;
	case OP_DIV:
		*ret_v = val_real(a / b);
		return 0;
	default:
		*ret_v = val_real(fmod(a, b));
		return 0;
	}
}

static int
arith_ints(enum op op, int64_t a, int64_t b, struct val *ret_v, struct err *e)
{
	int64_t r = 0;
	bool over = false;

	if ((op == OP_DIV || op == OP_MOD) && b == 0)
		return err_set(e, ERR_INVALID, "attempted to divide by zero");
	if (op == OP_ADD)
		over = __builtin_add_overflow(a, b, &r);
	else if (op == OP_SUB)
		over = __builtin_sub_overflow(a, b, &r);
	else if (op == OP_MUL)
		over = __builtin_mul_overflow(a, b, &r);
	else if (op == OP_MOD)
		r = b == -1 ? 0 : a % b;
	else if ((b == -1 && a == INT64_MIN) || a % b != 0)
		over = true;
	else
		r = a / b;
	if (over)
		return arith_reals(op, (double)a, (double)b, ret_v, e);
	*ret_v = val_int(r);
	return 0;
}

static int
arith(enum op op, struct val a, struct val b, struct val *ret_v, struct err *e)
{
	struct val x = VAL_NONE, y = VAL_NONE;

	if (!val_to_number(a, &x) || !val_to_number(b, &y)) {
		AUTO_FREE char *s = val_cstr(val_to_number(a, &x) ? b : a);
		return err_set(e, ERR_INVALID,
		    "\"%.80s\" is no number that %s could work on", s, op_text(op));
	}
	if (x.type == VAL_INT && y.type == VAL_INT)
		return arith_ints(op, x.i, y.i, ret_v, e);
	return arith_reals(op, as_real(x), as_real(y), ret_v, e);
}

static struct val
add_lists(struct val a, struct val b)
{
	struct val list = val_list();

	for (size_t i = 0; i < a.list->n; i++)
		list_push(list.list, val_ref(a.list->v[i]));
	if (b.type != VAL_LIST)
		list_push(list.list, val_ref(b));
	else
		for (size_t i = 0; i < b.list->n; i++)
			list_push(list.list, val_ref(b.list->v[i]));
	return list;
}

static int
add_tables(struct val a, struct val b, struct val *ret_v, struct err *e)
{
	struct val t = table_copy(a.table);

	for (size_t i = 0; i < b.table->n; i++) {
		if (table_get(t.table, b.table->m[i].key)) {
			val_free(t);
			return err_set(e, ERR_EXISTS,
			    "both tables have the key \"%.80s\"", b.table->m[i].key);
		}
		table_set(t.table, b.table->m[i].key, val_ref(b.table->m[i].v));
	}
	*ret_v = t;
	return 0;
}

static int
add(struct val a, struct val b, struct val *ret_v, struct err *e)
{
	struct str s = STR_INIT;

	if (a.type == VAL_LIST) {
		*ret_v = add_lists(a, b);
		return 0;
	}
	if (a.type == VAL_TEXT) {
		val_add_text(&s, a);
		val_add_text(&s, b);
		*ret_v = val_from_str(&s);
		return 0;
	}
	if (a.type == VAL_TABLE && b.type == VAL_TABLE)
		return add_tables(a, b, ret_v, e);
	if (a.type == VAL_NULL) {
		*ret_v = val_ref(b);
		return 0;
	}
	if ((a.type == VAL_TIME || a.type == VAL_SPAN) && b.type == VAL_SPAN) {
		*ret_v = a;
		if (__builtin_add_overflow(a.i, b.i, &ret_v->i))
			return err_set(e, ERR_INVALID, "the time is out of range");
		return 0;
	}
	if (a.type == VAL_TABLE || a.type == VAL_BLOCK)
		return err_set(e, ERR_INVALID, "a %s and a %s cannot be added",
		    val_type_name(a), val_type_name(b));
	return arith(OP_ADD, a, b, ret_v, e);
}

static int
subtract(struct val a, struct val b, struct val *ret_v, struct err *e)
{
	bool points =
	    (a.type == VAL_TIME || a.type == VAL_SPAN) &&
	    (b.type == VAL_SPAN || (a.type == VAL_TIME && b.type == VAL_TIME));

	if (!points)
		return arith(OP_SUB, a, b, ret_v, e);
	*ret_v = b.type == VAL_TIME ? val_span(0) : a;
	if (__builtin_sub_overflow(a.i, b.i, &ret_v->i))
		return err_set(e, ERR_INVALID, "the time is out of range");
	return 0;
}

static int
multiply(struct val a, struct val b, struct val *ret_v, struct err *e)
{
	struct str s = STR_INIT;
	int64_t times;

	if (a.type != VAL_TEXT && a.type != VAL_LIST)
		return arith(OP_MUL, a, b, ret_v, e);
	size_t each = a.type == VAL_TEXT ? a.text->len : a.list->n;
	if (!val_to_int(b, &times) || times < 0)
		return err_set(e, ERR_INVALID, "* wants a number of times, 0 or more");
	if (each &&
	    (uint64_t)times > (a.type == VAL_TEXT ? MAX_TEXT : MAX_LENGTH) / each)
		return err_set(e, ERR_TOO_LARGE, "the result of * would be too long");
	if (a.type == VAL_TEXT) {
		for (int64_t i = 0; each && i < times; i++)
			str_addn(&s, a.text->s, each);
		*ret_v = val_from_str(&s);
		return 0;
	}
	*ret_v = val_list();
	for (int64_t i = 0; each && i < times; i++)
		for (size_t k = 0; k < each; k++)
			list_push(ret_v->list, val_ref(a.list->v[k]));
	return 0;
}

static int
bits(enum op op, struct val a, struct val b, struct val *ret_v, struct err *e)
{
	int64_t x, y;

	if (!val_to_int(a, &x) || !val_to_int(b, &y))
		return err_set(e, ERR_INVALID, "%s wants whole numbers", op_text(op));
	switch (op) {
	case OP_BAND:
		*ret_v = val_int(x & y);
		return 0;
	case OP_BOR:
		*ret_v = val_int(x | y);
		return 0;
	case OP_BXOR:
		*ret_v = val_int(x ^ y);
		return 0;
	case OP_SHL:
		*ret_v = val_int((int64_t)((uint64_t)x << (y & 63)));
		return 0;
	default:
		*ret_v = val_int(x >> (y & 63));
		return 0;
	}
}

static int
like(struct val a, struct val b, bool exact, bool *ret_hit)
{
	AUTO_FREE char *s = val_cstr(a), *pattern = val_cstr(b);

	*ret_hit = wild_match(pattern, s);
	/* wild_match ignores case; where it counts, plain text must agree as well. */
	if (exact && *ret_hit && !strpbrk(pattern, "*?[`"))
		*ret_hit = !strcmp(s, pattern);
	return 0;
}

/* One comparison of two single values. */
static int
compare(
    enum op op, bool exact, struct val a, struct val b, bool *ret_hit, struct err *e)
{
	bool hit = false;
	int rc = 0;

	switch (op) {
	case OP_EQ:
		hit = val_equal(a, b, exact);
		break;
	case OP_NE:
		hit = !val_equal(a, b, exact);
		break;
	case OP_GT:
		hit = val_order(a, b, exact) > 0;
		break;
	case OP_GE:
		hit = val_order(a, b, exact) >= 0;
		break;
	case OP_LT:
		hit = val_order(a, b, exact) < 0;
		break;
	case OP_LE:
		hit = val_order(a, b, exact) <= 0;
		break;
	case OP_LIKE:
	case OP_NOTLIKE:
		rc = like(a, b, exact, &hit);
		hit = hit == (op == OP_LIKE);
		break;
	default:
		rc = text_match(a, b, exact, &hit, NULL, e);
		hit = hit == (op == OP_MATCH);
	}
	*ret_hit = hit;
	return rc;
}

/* A list on the left is filtered. */
static int
compare_any(enum op op, bool exact, struct val a, struct val b, struct val *ret_v,
    struct err *e)
{
	bool hit;
	int rc = 0;

	if (a.type != VAL_LIST) {
		rc = compare(op, exact, a, b, &hit, e);
		*ret_v = val_bool(rc == 0 && hit);
		return rc;
	}
	struct val list = val_list();
	for (size_t i = 0; i < a.list->n && rc == 0; i++) {
		rc = compare(op, exact, a.list->v[i], b, &hit, e);
		if (rc == 0 && hit)
			list_push(list.list, val_ref(a.list->v[i]));
	}
	if (rc < 0)
		val_free(list);
	else
		*ret_v = list;
	return rc;
}

static bool
contains(struct val list, struct val v, bool exact)
{
	for (size_t i = 0; i < val_count(list); i++)
		if (val_equal(val_at(list, i), v, exact))
			return true;
	return list.type == VAL_NULL && v.type == VAL_NULL;
}

static struct val
join(struct val list, struct val with)
{
	struct str b = STR_INIT;

	for (size_t i = 0; i < val_count(list); i++) {
		if (i)
			val_add_text(&b, with);
		val_add_text(&b, val_at(list, i));
	}
	return val_from_str(&b);
}

/* -replace and -split work on each element of a list. */
static int
each_text(enum op op, bool exact, struct val a, struct val b, struct val *ret_v,
    struct err *e)
{
	struct val list = val_list(), v = VAL_NONE;

	for (size_t i = 0; i < a.list->n; i++) {
		int rc = op == OP_REPLACE ? text_replace(a.list->v[i], b, exact, &v, e)
					  : text_split(a.list->v[i], b, exact, &v, e);
		if (rc < 0) {
			val_free(list);
			return rc;
		}
		for (size_t k = 0; k < val_count(v); k++)
			list_push(list.list, val_ref(val_at(v, k)));
		val_free(v);
	}
	*ret_v = list;
	return 0;
}

static int
convert(enum op op, struct val a, struct val type, struct val *ret_v, struct err *e)
{
	AUTO_FREE char *s = val_cstr(type);

	if (op == OP_AS) {
		if (val_cast(s, a, ret_v, NULL) < 0)
			*ret_v = VAL_NONE;
		return 0;
	}
	*ret_v = val_bool(val_is_type(a, s) == (op == OP_IS));
	return 0;
}

static int
binary_text(enum op op, bool exact, struct val a, struct val b, struct val *ret_v,
    struct err *e)
{
	if (op == OP_JOIN) {
		*ret_v = join(a, b);
		return 0;
	}
	if (op == OP_FORMAT)
		return text_format(a, b, ret_v, e);
	if (a.type == VAL_LIST)
		return each_text(op, exact, a, b, ret_v, e);
	return op == OP_REPLACE ? text_replace(a, b, exact, ret_v, e)
				: text_split(a, b, exact, ret_v, e);
}

int
op_binary(enum op op, bool exact, struct val a, struct val b, struct val *ret_v,
    struct err *e)
{
	switch (op) {
	case OP_ADD:
		return add(a, b, ret_v, e);
	case OP_SUB:
		return subtract(a, b, ret_v, e);
	case OP_MUL:
		return multiply(a, b, ret_v, e);
	case OP_DIV:
	case OP_MOD:
		return arith(op, a, b, ret_v, e);
	case OP_BAND:
	case OP_BOR:
	case OP_BXOR:
	case OP_SHL:
	case OP_SHR:
		return bits(op, a, b, ret_v, e);
	case OP_XOR:
		*ret_v = val_bool(val_truth(a) != val_truth(b));
		return 0;
	case OP_CONTAINS:
	case OP_NOTCONTAINS:
		*ret_v = val_bool(contains(a, b, exact) == (op == OP_CONTAINS));
		return 0;
	case OP_IN:
	case OP_NOTIN:
		*ret_v = val_bool(contains(b, a, exact) == (op == OP_IN));
		return 0;
	case OP_IS:
	case OP_ISNOT:
	case OP_AS:
		return convert(op, a, b, ret_v, e);
	case OP_REPLACE:
	case OP_SPLIT:
	case OP_JOIN:
	case OP_FORMAT:
		return binary_text(op, exact, a, b, ret_v, e);
	default:
		return compare_any(op, exact, a, b, ret_v, e);
	}
}

/* Words between white space; none are empty. */
static int
split_words(struct val v, struct val *ret_v, struct err *e)
{
	AUTO(val) struct val space = val_text("[ \t\r\n]+");
	struct val all = VAL_NONE, words;
	int rc = v.type == VAL_LIST ? each_text(OP_SPLIT, false, v, space, &all, e)
				    : text_split(v, space, false, &all, e);

	if (rc < 0)
		return rc;
	words = val_list();
	for (size_t i = 0; i < val_count(all); i++)
		if (val_truth(val_at(all, i)))
			list_push(words.list, val_ref(val_at(all, i)));
	val_free(all);
	*ret_v = words;
	return 0;
}

int
op_unary(enum op op, struct val v, struct val *ret_v, struct err *e)
{
	int64_t i;

	switch (op) {
	case OP_NOT:
		*ret_v = val_bool(!val_truth(v));
		return 0;
	case OP_BNOT:
		if (!val_to_int(v, &i))
			return err_set(e, ERR_INVALID, "-bnot wants a whole number");
		*ret_v = val_int(~i);
		return 0;
	case OP_SUB:
		if (v.type == VAL_SPAN && v.i != INT64_MIN) {
			*ret_v = val_span(-v.i);
			return 0;
		}
		return arith(OP_SUB, val_int(0), v, ret_v, e);
	case OP_ADD:
		return arith(OP_ADD, val_int(0), v, ret_v, e);
	case OP_JOIN:
		*ret_v = join(v, VAL_NONE);
		return 0;
	default:
		return split_words(v, ret_v, e);
	}
}
