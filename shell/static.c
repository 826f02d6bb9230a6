/*
 * static: the members of types that scripts may use (see eval.h).
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "shell/date.h"
#include "shell/eval.h"

/* The i-th argument as text; "" where it is absent. */
static char *
arg_text(struct val args, size_t i)
{
	return val_cstr(i < args.list->n ? args.list->v[i] : VAL_NONE);
}

static double
round_to(double x, double digits)
{
	double unit = pow(10, digits);

	return nearbyint(x * unit) / unit;
}

/* Functions of doubles; the second argument is 0 where it is not given. */
static const struct {
	const char *name;
	double (*one)(double x);
	double (*two)(double x, double y);
} math[] = {
	{ "Floor", floor, NULL },
	{ "Ceiling", ceil, NULL },
	{ "Truncate", trunc, NULL },
	{ "Sqrt", sqrt, NULL },
	{ "Log", log, NULL },
	{ "Log10", log10, NULL },
	{ "Exp", exp, NULL },
	{ "Pow", NULL, pow },
	{ "Round", NULL, round_to },
};

static int
math_call(const char *name, struct val args, struct val *ret_v, struct err *e)
{
	struct val a = val_int(0), b = val_int(0);

	if (!strcasecmp(name, "PI")) {
		*ret_v = val_real(M_PI);
		return 0;
	}
	if (!args.list->n || !val_to_number(args.list->v[0], &a) ||
	    (args.list->n > 1 && !val_to_number(args.list->v[1], &b)))
		return err_set(e, ERR_INVALID, "[math]::%.40s wants numbers", name);
	double x = a.type == VAL_INT ? (double)a.i : a.d;
	double y = b.type == VAL_INT ? (double)b.i : b.d;
	bool max = !strcasecmp(name, "Max");
	if (max || !strcasecmp(name, "Min")) {
		*ret_v = (x > y) == max ? a : b;
		return 0;
	}
	if (!strcasecmp(name, "Abs")) {
		bool whole = a.type == VAL_INT && a.i != INT64_MIN;
		*ret_v = whole ? val_int(a.i < 0 ? -a.i : a.i) : val_real(fabs(x));
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(math); i++) {
		if (strcasecmp(name, math[i].name) != 0)
			continue;
		*ret_v = val_real(math[i].one ? math[i].one(x) : math[i].two(x, y));
		return 0;
	}
	return ERR_NOT_FOUND;
}

static int
string_call(const char *name, struct val args, struct val *ret_v, struct err *e)
{
	AUTO_FREE char *first = arg_text(args, 0);

	if (!strcasecmp(name, "IsNullOrEmpty")) {
		*ret_v = val_bool(!*first);
	} else if (!strcasecmp(name, "IsNullOrWhiteSpace")) {
		*ret_v = val_bool(strspn(first, " \t\r\n") == strlen(first));
	} else if (!strcasecmp(name, "Join") && args.list->n > 1) {
		struct val list = args.list->v[1];
		return op_binary(OP_JOIN, false, list, args.list->v[0], ret_v, e);
	} else if (!strcasecmp(name, "Format") && args.list->n) {
		AUTO(val) struct val rest = val_list();
		for (size_t i = 1; i < args.list->n; i++)
			list_push(rest.list, val_ref(args.list->v[i]));
		return text_format(args.list->v[0], rest, ret_v, e);
	} else {
		return ERR_NOT_FOUND;
	}
	return 0;
}

static int
time_static(const char *name, struct val args, struct val *ret_v, struct err *e)
{
	AUTO_FREE char *text = arg_text(args, 0);

	if (!strcasecmp(name, "Now") || !strcasecmp(name, "UtcNow")) {
		*ret_v = val_time((int64_t)clock_wall_ms(clock_system()));
		return 0;
	}
	if (!strcasecmp(name, "Parse")) {
		*ret_v = val_time(0);
		if (!date_parse(text, &ret_v->i))
			return err_set(e, ERR_INVALID, "\"%.60s\" is no date", text);
		return 0;
	}
	return ERR_NOT_FOUND;
}

static int
span_static(const char *name, struct val args, struct val *ret_v)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = {
		{ "FromMilliseconds", 1 },
		{ "FromSeconds", 1000 },
		{ "FromMinutes", 60000 },
		{ "FromHours", 3600000 },
		{ "FromDays", 86400000 },
	};
	struct val n = VAL_NONE;

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (!strcasecmp(name, units[i].name) && args.list->n &&
		    val_to_number(args.list->v[0], &n)) {
			double x = n.type == VAL_INT ? (double)n.i : n.d;
			*ret_v = val_span(fabs(x) < 1e9 ? llround(x * units[i].ms) : 0);
			return 0;
		}
	}
	return ERR_NOT_FOUND;
}

/* The third argument of a pattern's functions may be 'IgnoreCase'. */
static bool
is_exact(struct val args, size_t options)
{
	AUTO_FREE char *given =
	    val_cstr(val_count(args) > options ? val_at(args, options) : VAL_NONE);

	return !strcasestr(given, "IgnoreCase");
}

static int
regex_call(const char *name, struct val args, struct val *ret_v, struct err *e)
{
	struct val text = val_count(args) ? val_at(args, 0) : VAL_NONE, pattern, how;
	AUTO_FREE char *s = val_cstr(text);
	bool hit = false;
	int rc;

	if (!strcasecmp(name, "Escape")) {
		*ret_v = pattern_escape(s);
		return 0;
	}
	if (val_count(args) < 2)
		return err_set(
		    e, ERR_INVALID, "[regex]::%.40s wants a text and a pattern", name);
	pattern = val_at(args, 1);
	if (!strcasecmp(name, "IsMatch")) {
		rc = text_match(text, pattern, is_exact(args, 2), &hit, NULL, e);
		*ret_v = val_bool(hit);
		return rc;
	}
	if (!strcasecmp(name, "Split"))
		return text_split(text, pattern, is_exact(args, 2), ret_v, e);
	if (!strcasecmp(name, "Replace") && val_count(args) > 2) {
		how = val_list();
		list_push(how.list, val_ref(pattern));
		list_push(how.list, val_ref(val_at(args, 2)));
		rc = text_replace(text, how, is_exact(args, 3), ret_v, e);
		val_free(how);
		return rc;
	}
	if (!strcasecmp(name, "Matches"))
		return text_matches(
		    text, pattern, is_exact(args, 2), SIZE_MAX, ret_v, e);
	if (strcasecmp(name, "Match") != 0)
		return ERR_NOT_FOUND;
	struct val found = VAL_NONE;
	rc = text_matches(text, pattern, is_exact(args, 2), 1, &found, e);
	if (rc == 0)
		*ret_v = val_count(found) ? val_ref(val_at(found, 0)) : match_none();
	val_free(found);
	return rc;
}

/* "[System.Collections.ArrayList]::new()", of nothing, a capacity or a list. */
static int
list_new(enum list_kind kind, struct val args, struct val *ret_v)
{
	struct val from = val_count(args) ? val_at(args, 0) : VAL_NONE;

	*ret_v = val_list();
	ret_v->list->kind = kind;
	for (size_t i = 0; from.type == VAL_LIST && i < val_count(from); i++)
		list_push(ret_v->list, val_ref(val_at(from, i)));
	return 0;
}

int
static_call(const char *type, const char *name, struct val args, bool is_call,
    struct val *ret_v, struct err *e)
{
	int rc = ERR_NOT_FOUND;

	if (!strncasecmp(type, "System.", 7))
		type += 7;
	if (!strcasecmp(type, "math"))
		rc = math_call(name, args, ret_v, e);
	else if (!strcasecmp(type, "string"))
		rc = string_call(name, args, ret_v, e);
	else if (!strcasecmp(type, "datetime"))
		rc = time_static(name, args, ret_v, e);
	else if (!strcasecmp(type, "timespan"))
		rc = span_static(name, args, ret_v);
	else if (!strcasecmp(type, "regex") ||
		 !strcasecmp(type, "Text.RegularExpressions.Regex"))
		rc = regex_call(name, args, ret_v, e);
	else if (list_kind_of(type) != LIST_ARRAY && !strcasecmp(name, "new"))
		rc = list_new(list_kind_of(type), args, ret_v);
	else if (!strcasecmp(type, "int") || !strcasecmp(type, "int64") ||
		 !strcasecmp(type, "long")) {
		bool max = !strcasecmp(name, "MaxValue");
		if (max || !strcasecmp(name, "MinValue")) {
			*ret_v = val_int(max ? INT64_MAX : INT64_MIN);
			return 0;
		}
	}
	if (rc == ERR_NOT_FOUND)
		return err_set(e, rc,
		    "[%.40s] has no member %.40s that may be used here", type, name);
	return rc;
}
