/*
 * convert: from one type of value to another, and the order between values (see val.h).
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "shell/date.h"
#include "shell/val.h"

static const struct {
	const char *name, *type;
} types[] = {
	{ "int", "Int64" },
	{ "int32", "Int64" },
	{ "int64", "Int64" },
	{ "long", "Int64" },
	{ "double", "Double" },
	{ "float", "Double" },
	{ "decimal", "Double" },
	{ "string", "String" },
	{ "bool", "Boolean" },
	{ "boolean", "Boolean" },
	{ "switch", "Boolean" },
	{ "datetime", "DateTime" },
	{ "timespan", "TimeSpan" },
	{ "array", "Object[]" },
	{ "object[]", "Object[]" },
	{ "string[]", "String[]" },
	{ "int[]", "Int64[]" },
	{ "hashtable", "Hashtable" },
	{ "ordered", "Hashtable" },
	{ "scriptblock", "ScriptBlock" },
	{ "pscustomobject", "PSCustomObject" },
	{ "psobject", "PSCustomObject" },
	{ "object", "Object" },
	{ "void", "Void" },
	{ "math", "Math" },
};

/* The full name of a type that a script wrote, NULL if there is none of that name. */
static const char *
type_full(const char *type)
{
	if (!strncasecmp(type, "System.", 7))
		type += 7;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcasecmp(types[i].name, type) ||
		    !strcasecmp(types[i].type, type))
			return types[i].type;
	return NULL;
}

bool
val_is_type(struct val v, const char *type)
{
	const char *want = type_full(type), *dot = strrchr(type, '.');

	if (want && !strcmp(want, "Object"))
		return v.type != VAL_NULL;
	if (want && !strcmp(want, "PSCustomObject"))
		return v.type == VAL_TABLE && v.table->kind != TABLE_HASH;
	/* [System.Management.Automation.ErrorRecord]: by its last part. */
	if (!want)
		want = dot ? dot + 1 : type;
	return !strcasecmp(val_type_name(v), want);
}

static double
suffix_factor(const char *s, size_t n)
{
	static const char units[] = "kmgtp";
	const char *unit;

	if (n != 2 || tolower((unsigned char)s[1]) != 'b')
		return 0;
	unit = strchr(units, tolower((unsigned char)s[0]));
	return unit ? ldexp(1, 10 * (int)(unit - units + 1)) : 0;
}

/* Characters of s that belong to a decimal number; *ret_real: has a point or exponent.
 */
static size_t
decimal_span(const char *s, bool *ret_real)
{
	size_t i = 0, at;

	*ret_real = false;
	while (isdigit((unsigned char)s[i]))
		i++;
	if (s[i] == '.' && isdigit((unsigned char)s[i + 1])) {
		*ret_real = true;
		for (i++; isdigit((unsigned char)s[i]); i++)
			;
	}
	if (i && (s[i] == 'e' || s[i] == 'E')) {
		at = i + 1;
		at += s[at] == '+' || s[at] == '-';
		if (isdigit((unsigned char)s[at])) {
			*ret_real = true;
			for (i = at; isdigit((unsigned char)s[i]); i++)
				;
		}
	}
	return i;
}

static struct val
with_factor(struct val v, double factor)
{
	int64_t product;

	if (v.type == VAL_REAL)
		return val_real(v.d * factor);
	if (__builtin_mul_overflow(v.i, (int64_t)factor, &product))
		return val_real((double)v.i * factor);
	return val_int(product);
}

static bool
unsigned_parse(const char *t, struct val *ret_v)
{
	bool real;
	char *end = NULL;

	errno = 0;
	if (t[0] == '0' && (t[1] == 'x' || t[1] == 'X') &&
	    isxdigit((unsigned char)t[2])) {
		unsigned long long u = strtoull(t + 2, &end, 16);
		*ret_v = val_int((int64_t)u);
		return *end == '\0' && !errno;
	}
	size_t span = decimal_span(t, &real);
	if (!span)
		return false;
	double factor = t[span] ? suffix_factor(t + span, strlen(t + span)) : 1;
	if (factor == 0)
		return false;
	long long whole = strtoll(t, NULL, 10);
	if (real || errno)
		*ret_v = val_real(strtod(t, NULL));
	else
		*ret_v = val_int(whole);
	*ret_v = with_factor(*ret_v, factor);
	return true;
}

bool
number_parse(const char *s, size_t n, struct val *ret_v)
{
	char buf[64];
	bool negative;

	while (n && isspace((unsigned char)*s)) {
		s++;
		n--;
	}
	while (n && isspace((unsigned char)s[n - 1]))
		n--;
	if (!n || n >= sizeof(buf) || memchr(s, '\0', n))
		return false;
	negative = *s == '-';
	if (negative || *s == '+') {
		s++;
		n--;
	}
	memcpy(buf, s, n);
	buf[n] = '\0';
	if (!unsigned_parse(buf, ret_v))
		return false;
	if (negative)
		*ret_v = ret_v->type == VAL_REAL
			     ? val_real(-ret_v->d)
			     : val_int((int64_t)(0 - (uint64_t)ret_v->i));
	return true;
}

bool
val_to_number(struct val v, struct val *ret_v)
{
	switch (v.type) {
	case VAL_NULL:
		*ret_v = val_int(0);
		return true;
	case VAL_BOOL:
		*ret_v = val_int(v.b);
		return true;
	case VAL_INT:
	case VAL_REAL:
		*ret_v = v;
		return true;
	case VAL_TEXT:
		if (!v.text->len) {
			*ret_v = val_int(0);
			return true;
		}
		return number_parse(v.text->s, v.text->len, ret_v);
	case VAL_LIST:
		return v.list->n == 1 && v.list->v[0].type != VAL_LIST &&
		       val_to_number(v.list->v[0], ret_v);
	case VAL_TIME:
	case VAL_SPAN:
	case VAL_TABLE:
	case VAL_BLOCK:
		return false;
	}
	return false;
}

bool
val_to_int(struct val v, int64_t *ret_i)
{
	struct val n = VAL_NONE;

	if (!val_to_number(v, &n))
		return false;
	if (n.type == VAL_REAL) {
		double r = nearbyint(n.d);
		if (!(r >= -9223372036854775808.0 && r < 9223372036854775808.0))
			return false;
		n = val_int((int64_t)r);
	}
	*ret_i = n.i;
	return true;
}

static int
cast_fail(const char *type, struct val v, struct err *e)
{
	AUTO_FREE char *s = val_cstr(v);

	return err_set(e, ERR_INVALID, "cannot convert \"%.80s\" to %s", s, type);
}

static int
cast_list(const char *element, struct val v, struct val *ret_v, struct err *e)
{
	struct val list = val_list(), one = VAL_NONE;

	for (size_t i = 0; i < val_count(v); i++) {
		if (!element) {
			one = val_ref(val_at(v, i));
		} else if (val_cast(element, val_at(v, i), &one, e) < 0) {
			val_free(list);
			return e ? e->code : ERR_INVALID;
		}
		list_push(list.list, one);
	}
	*ret_v = list;
	return 0;
}

static int
cast_table(const char *full, struct val v, struct val *ret_v)
{
	*ret_v = table_copy(v.table);
	ret_v->table->kind = strcmp(full, "Hashtable") != 0 ? TABLE_RECORD : TABLE_HASH;
	ret_v->table->type = full;
	return 0;
}

static int
cast_point(const char *full, struct val v, struct val *ret_v, struct err *e)
{
	int64_t ms;
	bool is_time = !strcmp(full, "DateTime");

	if (v.type == (is_time ? VAL_TIME : VAL_SPAN)) {
		*ret_v = v;
		return 0;
	}
	if (v.type == VAL_TEXT && is_time && date_parse(v.text->s, &ms)) {
		*ret_v = val_time(ms);
		return 0;
	}
	if (v.type == VAL_TEXT && !is_time && span_parse(v.text->s, &ms)) {
		*ret_v = val_span(ms);
		return 0;
	}
	return cast_fail(full, v, e);
}

static int
cast_scalar(const char *full, struct val v, struct val *ret_v, struct err *e)
{
	struct val n = VAL_NONE;

	if (!strcmp(full, "Boolean")) {
		*ret_v = val_bool(val_truth(v));
	} else if (!strcmp(full, "String")) {
		*ret_v = v.type == VAL_NULL ? val_text("") : val_to_text(v);
	} else if (!strcmp(full, "Double")) {
		if (!val_to_number(v, &n))
			return cast_fail("a number", v, e);
		*ret_v = n.type == VAL_INT ? val_real((double)n.i) : n;
	} else {
		*ret_v = val_int(0);
		if (!val_to_int(v, &ret_v->i))
			return cast_fail("a whole number", v, e);
	}
	return 0;
}

int
val_cast(const char *type, struct val v, struct val *ret_v, struct err *e)
{
	const char *full = type_full(type);

	if (!full && list_kind_of(type) != LIST_ARRAY) {
		int rc = cast_list(NULL, v, ret_v, e);
		if (rc == 0)
			ret_v->list->kind = list_kind_of(type);
		return rc;
	}
	if (!full)
		return err_set(e, ERR_NOT_FOUND, "there is no type [%s]", type);
	if (!strcmp(full, "Object[]"))
		return cast_list(NULL, v, ret_v, e);
	if (!strcmp(full, "String[]"))
		return cast_list("string", v, ret_v, e);
	if (!strcmp(full, "Int64[]"))
		return cast_list("int", v, ret_v, e);
	if (!strcmp(full, "DateTime") || !strcmp(full, "TimeSpan"))
		return cast_point(full, v, ret_v, e);
	if (!strcmp(full, "Hashtable") || !strcmp(full, "PSCustomObject")) {
		if (v.type == VAL_TABLE)
			return cast_table(full, v, ret_v);
		return cast_fail(full, v, e);
	}
	if (!strcmp(full, "Void")) {
		*ret_v = VAL_NONE;
		return 0;
	}
	if (!strcmp(full, "Object") ||
	    (!strcmp(full, "ScriptBlock") && v.type == VAL_BLOCK)) {
		*ret_v = val_ref(v);
		return 0;
	}
	if (!strcmp(full, "ScriptBlock") || !strcmp(full, "Math"))
		return cast_fail(full, v, e);
	return cast_scalar(full, v, ret_v, e);
}

static int
order_reals(double a, double b)
{
	return a < b ? -1 : a > b;
}

static int
order_ints(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

static int
order_numbers(struct val a, struct val b)
{
	if (a.type == VAL_INT && b.type == VAL_INT)
		return order_ints(a.i, b.i);
	return order_reals(a.type == VAL_INT ? (double)a.i : a.d,
	    b.type == VAL_INT ? (double)b.i : b.d);
}

static int
order_texts(struct val a, struct val b, bool exact)
{
	AUTO_FREE char *s = val_cstr(a), *t = val_cstr(b);
	int n = exact ? strcmp(s, t) : strcasecmp(s, t);

	return n < 0 ? -1 : n > 0;
}

int
val_order(struct val a, struct val b, bool exact)
{
	struct val n = VAL_NONE;
	int64_t ms;

	if (a.type == VAL_NULL || b.type == VAL_NULL)
		return (a.type != VAL_NULL) - (b.type != VAL_NULL);
	if (val_is_number(a) && val_to_number(b, &n))
		return order_numbers(a, n);
	if (a.type == VAL_BOOL)
		return (int)a.b - (int)val_truth(b);
	if ((a.type == VAL_TIME || a.type == VAL_SPAN) && b.type == a.type)
		return order_ints(a.i, b.i);
	if (a.type == VAL_TIME && b.type == VAL_TEXT && date_parse(b.text->s, &ms))
		return order_ints(a.i, ms);
	return order_texts(a, b, exact);
}

bool
val_equal(struct val a, struct val b, bool exact)
{
	if (a.type == VAL_TABLE && b.type == VAL_TABLE) {
		const char *x = record_id(a), *y = record_id(b);
		const struct text *at = a.table->from, *bt = b.table->from;
		bool apart = at && bt && !str_same(at->s, bt->s);
		return a.table == b.table || (x && y && !strcmp(x, y) && !apart);
	}
	return val_order(a, b, exact) == 0;
}
