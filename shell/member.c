/*
 * member: properties, elements and the methods that values have (see eval.h).
 */
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "shell/date.h"
#include "shell/eval.h"

/* Characters of text; what is no UTF-8 counts by bytes. */
static int64_t
characters(const char *s, size_t n)
{
	int64_t count = 0;

	for (size_t i = 0; i < n; count++) {
		size_t step = utf8_seq(s + i, n - i);
		i += step ? step : 1;
	}
	return count;
}

/* Where the i-th character starts. */
static size_t
byte_of(const struct text *t, int64_t i)
{
	size_t at = 0;

	while (i-- > 0 && at < t->len) {
		size_t step = utf8_seq(t->s + at, t->len - at);
		at += step ? step : 1;
	}
	return at;
}

static struct val
keys_of(const struct table *t, bool values)
{
	struct val list = val_list();

	for (size_t i = 0; i < t->n; i++)
		list_push(
		    list.list, values ? val_ref(t->m[i].v) : val_text(t->m[i].key));
	return list;
}

static struct val
time_part(int64_t ms, const char *name)
{
	struct tm tm = date_parts(ms);

	const struct {
		const char *name;
		int v;
	} part[] = {
		{ "Year", tm.tm_year + 1900 },
		{ "Month", tm.tm_mon + 1 },
		{ "Day", tm.tm_mday },
		{ "Hour", tm.tm_hour },
		{ "Minute", tm.tm_min },
		{ "Second", tm.tm_sec },
		{ "Millisecond", (int)(((ms % 1000) + 1000) % 1000) },
		{ "DayOfYear", tm.tm_yday + 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(part); i++)
		if (!strcasecmp(name, part[i].name))
			return val_int(part[i].v);
	if (!strcasecmp(name, "DayOfWeek")) {
		struct str b = STR_INIT;
		date_format(&b, ms, "dddd");
		return val_from_str(&b);
	}
	if (!strcasecmp(name, "Date")) {
		tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
		tm.tm_isdst = -1;
		return val_time((int64_t)mktime(&tm) * 1000);
	}
	return VAL_NONE;
}

static struct val
span_part(int64_t ms, const char *name)
{
	static const struct {
		const char *part, *total;
		int64_t unit, wrap;
	} units[] = {
		{ "Days", "TotalDays", 86400000, INT64_MAX },
		{ "Hours", "TotalHours", 3600000, 24 },
		{ "Minutes", "TotalMinutes", 60000, 60 },
		{ "Seconds", "TotalSeconds", 1000, 60 },
		{ "Milliseconds", "TotalMilliseconds", 1, 1000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (!strcasecmp(name, units[i].part))
			return val_int(ms / units[i].unit % units[i].wrap);
		if (!strcasecmp(name, units[i].total))
			return val_real((double)ms / (double)units[i].unit);
	}
	return VAL_NONE;
}

/* What tells the object from all others, on whatever server. */
static struct val
uid_of(const struct table *t)
{
	const struct val *id = table_get(t, "Id");
	struct str b = STR_INIT;

	str_addf(&b, "/VIServer=%s/%s=", t->from->s, t->type);
	val_add_text(&b, id ? *id : VAL_NONE);
	str_addc(&b, '/');
	return val_from_str(&b);
}

static struct val
table_member(const struct table *t, const char *name)
{
	const struct val *v = table_get(t, name);

	if (v)
		return val_ref(*v);
	if (!strcasecmp(name, "Count") || !strcasecmp(name, "Length"))
		return val_int(t->kind == TABLE_HASH ? (int64_t)t->n : 1);
	if (t->kind == TABLE_HASH && !strcasecmp(name, "Keys"))
		return keys_of(t, false);
	if (t->kind == TABLE_HASH && !strcasecmp(name, "Values"))
		return keys_of(t, true);
	if (t->from && !strcasecmp(name, "Uid"))
		return uid_of(t);
	return VAL_NONE;
}

static struct val
each_member(const struct items *l, const char *name)
{
	struct val list = val_list();

	for (size_t i = 0; i < l->n; i++) {
		struct val v =
		    l->v[i].type == VAL_LIST ? VAL_NONE : member_get(l->v[i], name);
		if (v.type == VAL_LIST) {
			for (size_t k = 0; k < v.list->n; k++)
				list_push(list.list, val_ref(v.list->v[k]));
			val_free(v);
		} else if (v.type != VAL_NULL) {
			list_push(list.list, v);
		}
	}
	if (list.list->n == 1) {
		struct val one = val_ref(list.list->v[0]);
		val_free(list);
		return one;
	}
	if (!list.list->n) {
		val_free(list);
		return VAL_NONE;
	}
	return list;
}

struct val
member_get(struct val object, const char *name)
{
	bool count = !strcasecmp(name, "Count") || !strcasecmp(name, "Length");

	switch (object.type) {
	case VAL_TABLE:
		return table_member(object.table, name);
	case VAL_LIST:
		return count ? val_int((int64_t)object.list->n)
			     : each_member(object.list, name);
	case VAL_TEXT:
		if (!strcasecmp(name, "Length"))
			return val_int(characters(object.text->s, object.text->len));
		break;
	case VAL_TIME:
		return time_part(object.i, name);
	case VAL_SPAN:
		return span_part(object.i, name);
	default:
		break;
	}
	return count ? val_int(object.type != VAL_NULL) : VAL_NONE;
}

bool
member_is(struct val object, const char *name)
{
	struct val v;

	if (object.type == VAL_TABLE)
		return table_get(object.table, name) != NULL;
	if (object.type == VAL_LIST) {
		for (size_t i = 0; i < object.list->n; i++)
			if (member_is(object.list->v[i], name))
				return true;
		return false;
	}
	v = member_get(object, name);
	val_free(v);
	return v.type != VAL_NULL;
}

/* Arguments of a method as text and numbers; absent ones are "" and 0. */
static char *
arg_text(struct val args, size_t i)
{
	return val_cstr(i < args.list->n ? args.list->v[i] : VAL_NONE);
}

static int64_t
arg_int(struct val args, size_t i)
{
	int64_t n = 0;

	if (i < args.list->n && !val_to_int(args.list->v[i], &n))
		n = 0;
	return n;
}

static struct val
in_case(const struct text *t, int (*change)(int))
{
	struct val v = val_textn(t->s, t->len);

	for (size_t i = 0; i < t->len; i++)
		v.text->s[i] = (char)change((unsigned char)t->s[i]);
	return v;
}

static struct val
trim(const struct text *t, struct val args, const char *name)
{
	AUTO_FREE char *set = args.list->n ? arg_text(args, 0) : xstrdup(" \t\r\n");
	size_t start = 0, end = t->len;

	if (strcasecmp(name, "TrimEnd") != 0)
		while (start < end && strchr(set, t->s[start]))
			start++;
	if (strcasecmp(name, "TrimStart") != 0)
		while (end > start && strchr(set, t->s[end - 1]))
			end--;
	return val_textn(t->s + start, end - start);
}

static struct val
split(const struct text *t, struct val args)
{
	AUTO_FREE char *set = args.list->n ? arg_text(args, 0) : xstrdup(" \t\r\n");
	struct val list = val_list();
	const char *from = t->s;

	for (const char *p = t->s; *p; p++) {
		if (strchr(set, *p)) {
			list_push(list.list, val_textn(from, (size_t)(p - from)));
			from = p + 1;
		}
	}
	list_push(list.list, val_text(from));
	return list;
}

static struct val
replace(const struct text *t, const char *what, const char *with)
{
	struct str b = STR_INIT;
	const char *at = t->s, *hit;

	while (*what && (hit = strstr(at, what))) {
		str_addn(&b, at, (size_t)(hit - at));
		str_add(&b, with);
		at = hit + strlen(what);
	}
	str_add(&b, at);
	return val_from_str(&b);
}

static struct val
pad(const struct text *t, struct val args, bool left)
{
	int64_t width = arg_int(args, 0);
	AUTO_FREE char *with = args.list->n > 1 ? arg_text(args, 1) : xstrdup(" ");
	struct str b = STR_INIT;
	int64_t missing = width > 10000 ? 0 : width - characters(t->s, t->len);

	if (!left)
		str_addn(&b, t->s, t->len);
	for (int64_t i = 0; i < missing; i++)
		str_addc(&b, *with ? *with : ' ');
	if (left)
		str_addn(&b, t->s, t->len);
	return val_from_str(&b);
}

static int
substring(const struct text *t, struct val args, struct val *ret_v, struct err *e)
{
	int64_t all = characters(t->s, t->len), start = arg_int(args, 0);
	int64_t len = args.list->n > 1 ? arg_int(args, 1) : all - start;

	if (start < 0 || len < 0 || start > all || len > all - start)
		return err_set(e, ERR_INVALID,
		    "the text has %lld characters, not %lld from %lld on",
		    (long long)all, (long long)len, (long long)start);
	size_t from = byte_of(t, start), to = byte_of(t, start + len);
	*ret_v = val_textn(t->s + from, to - from);
	return 0;
}

static int
text_method(const struct text *t, const char *name, struct val args, struct val *ret_v,
    struct err *e)
{
	AUTO_FREE char *a = arg_text(args, 0), *b = arg_text(args, 1);
	const char *hit = strstr(t->s, a);

	if (!strcasecmp(name, "ToUpper"))
		*ret_v = in_case(t, toupper);
	else if (!strcasecmp(name, "ToLower"))
		*ret_v = in_case(t, tolower);
	else if (!strncasecmp(name, "Trim", 4))
		*ret_v = trim(t, args, name);
	else if (!strcasecmp(name, "Split"))
		*ret_v = split(t, args);
	else if (!strcasecmp(name, "Replace"))
		*ret_v = replace(t, a, b);
	else if (!strcasecmp(name, "StartsWith"))
		*ret_v = val_bool(str_starts(t->s, a));
	else if (!strcasecmp(name, "EndsWith"))
		*ret_v = val_bool(str_ends(t->s, a));
	else if (!strcasecmp(name, "Contains"))
		*ret_v = val_bool(hit != NULL);
	else if (!strcasecmp(name, "IndexOf"))
		*ret_v = val_int(hit ? characters(t->s, (size_t)(hit - t->s)) : -1);
	else if (!strcasecmp(name, "PadLeft") || !strcasecmp(name, "PadRight"))
		*ret_v = pad(t, args, !strcasecmp(name, "PadLeft"));
	else if (!strcasecmp(name, "Substring"))
		return substring(t, args, ret_v, e);
	else
		return ERR_NOT_FOUND;
	return 0;
}

/* One row for each pair, as a foreach over a table would have them. */
static struct val
entries(const struct table *t)
{
	struct val list = val_list();

	for (size_t i = 0; i < t->n; i++) {
		struct val row = val_table(TABLE_RECORD, "DictionaryEntry");
		table_set(row.table, "Name", val_text(t->m[i].key));
		table_set(row.table, "Key", val_text(t->m[i].key));
		table_set(row.table, "Value", val_ref(t->m[i].v));
		list_push(list.list, row);
	}
	return list;
}

static int
table_method(struct table *t, const char *name, struct val args, struct val *ret_v)
{
	AUTO_FREE char *key = arg_text(args, 0);

	if (!strcasecmp(name, "ContainsKey") || !strcasecmp(name, "Contains"))
		*ret_v = val_bool(table_get(t, key) != NULL);
	else if (!strcasecmp(name, "Remove"))
		*ret_v = val_bool(table_del(t, key) && false);
	else if (t->kind == TABLE_HASH && !strcasecmp(name, "GetEnumerator"))
		*ret_v = entries(t);
	else if (!strcasecmp(name, "Add") && args.list->n > 1)
		table_set(t, key, val_ref(args.list->v[1]));
	else
		return ERR_NOT_FOUND;
	if (!strcasecmp(name, "Remove") || !strcasecmp(name, "Add"))
		*ret_v = VAL_NONE;
	return 0;
}

static int
time_method(struct val t, const char *name, struct val args, struct val *ret_v)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = {
		{ "AddMilliseconds", 1 },
		{ "AddSeconds", 1000 },
		{ "AddMinutes", 60000 },
		{ "AddHours", 3600000 },
		{ "AddDays", 86400000 },
	};
	struct val n = val_int(0);

	if (args.list->n && !val_to_number(args.list->v[0], &n))
		return ERR_NOT_FOUND;
	double amount = n.type == VAL_INT ? (double)n.i : n.d;
	if (!(fabs(amount) < 1e9))
		amount = 0;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (!strcasecmp(name, units[i].name)) {
			*ret_v = val_time(t.i + (int64_t)llround(amount * units[i].ms));
			return 0;
		}
	}
	if (!strcasecmp(name, "AddMonths") || !strcasecmp(name, "AddYears")) {
		int64_t months =
		    (int64_t)amount * (strcasecmp(name, "AddYears") ? 1 : 12);
		*ret_v = val_time(date_add_months(t.i, months));
		return 0;
	}
	if (!strcasecmp(name, "ToUniversalTime") || !strcasecmp(name, "ToLocalTime")) {
		*ret_v = t;
		return 0;
	}
	return ERR_NOT_FOUND;
}

static int
to_string(struct val object, struct val args, struct val *ret_v, struct err *e)
{
	struct str b = STR_INIT;
	AUTO_FREE char *format = arg_text(args, 0);

	if (*format && text_format_one(&b, object, format, e) < 0) {
		str_fini(&b);
		return ERR_INVALID;
	}
	if (!*format)
		val_add_text(&b, object);
	*ret_v = val_from_str(&b);
	return 0;
}

int
method_call(struct val object, const char *name, struct val args, struct val *ret_v,
    struct err *e)
{
	int rc = ERR_NOT_FOUND;

	if (!strcasecmp(name, "ToString"))
		return to_string(object, args, ret_v, e);
	if (!strcasecmp(name, "Equals") && args.list->n) {
		*ret_v = val_bool(val_equal(object, args.list->v[0], true));
		return 0;
	}
	if (!strcasecmp(name, "GetType")) {
		*ret_v = val_table(TABLE_RECORD, "RuntimeType");
		table_set(ret_v->table, "Name", val_text(val_type_name(object)));
		return 0;
	}
	if (object.type == VAL_TEXT)
		rc = text_method(object.text, name, args, ret_v, e);
	else if (object.type == VAL_TABLE)
		rc = table_method(object.table, name, args, ret_v);
	else if (object.type == VAL_LIST)
		rc = list_method(object.list, name, args, ret_v, e);
	else if (object.type == VAL_TIME)
		rc = time_method(object, name, args, ret_v);
	if (rc == ERR_NOT_FOUND)
		return err_set(
		    e, rc, "a %s has no method %.60s", val_type_name(object), name);
	return rc;
}

static struct val
element(struct val object, int64_t i)
{
	bool is_text = object.type == VAL_TEXT;
	int64_t n = is_text ? characters(object.text->s, object.text->len)
			    : (int64_t)val_count(object);

	i += i < 0 ? n : 0;
	if (i < 0 || i >= n)
		return VAL_NONE;
	if (!is_text)
		return val_ref(val_at(object, (size_t)i));
	size_t from = byte_of(object.text, i), to = byte_of(object.text, i + 1);
	return val_textn(object.text->s + from, to - from);
}

int
index_get(struct val object, struct val key, struct val *ret_v, struct err *e)
{
	int64_t i;

	if (object.type == VAL_NULL)
		return err_set(e, ERR_INVALID, "null has no elements");
	if (key.type == VAL_LIST) {
		*ret_v = val_list();
		for (size_t k = 0; k < key.list->n; k++) {
			struct val v = VAL_NONE;
			if (index_get(object, key.list->v[k], &v, e) < 0) {
				val_free(*ret_v);
				return ERR_INVALID;
			}
			list_push(ret_v->list, v);
		}
		return 0;
	}
	if (object.type == VAL_TABLE) {
		AUTO_FREE char *k = val_cstr(key);
		const struct val *v = table_get(object.table, k);
		int64_t zero = 1;
		/* A single record is a list of one: (Get-VM x)[0]. */
		if (!v && object.table->kind != TABLE_HASH && val_to_int(key, &zero) &&
		    (zero == 0 || zero == -1))
			*ret_v = val_ref(object);
		else
			*ret_v = v ? val_ref(*v) : VAL_NONE;
		return 0;
	}
	if (!val_to_int(key, &i)) {
		AUTO_FREE char *k = val_cstr(key);
		return err_set(e, ERR_INVALID, "\"%.60s\" is no index", k);
	}
	*ret_v = element(object, i);
	return 0;
}
