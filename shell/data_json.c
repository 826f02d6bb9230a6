/*
 * data_json: values as JSON and back (see data.h).
 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "shell/data.h"
#include "shell/date.h"

#define MAX_PRINT_DEPTH 100

static void
add_string(struct str *b, const char *s)
{
	str_addc(b, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		const char *esc = strchr("\"\\\b\f\n\r\t", c);
		if (esc && c)
			str_addf(b, "\\%c", "\"\\bfnrt"[esc - "\"\\\b\f\n\r\t"]);
		else if (c < 0x20 || c == 0x7f)
			str_addf(b, "\\u%04x", c);
		else
			str_addc(b, *s);
	}
	str_addc(b, '"');
}

static void
new_line(struct str *b, const struct json_form *form, unsigned level)
{
	if (form->compress)
		return;
	str_addc(b, '\n');
	for (unsigned i = 0; i < level; i++)
		str_add(b, "  ");
}

static void add_json(
    struct str *b, struct val v, struct json_form *form, unsigned level);

static void
add_table(struct str *b, const struct table *t, struct json_form *form, unsigned level)
{
	if (!t->n) {
		str_add(b, "{}");
		return;
	}
	str_addc(b, '{');
	for (size_t i = 0; i < t->n; i++) {
		if (i)
			str_addc(b, ',');
		new_line(b, form, level + 1);
		add_string(b, t->m[i].key);
		str_add(b, form->compress ? ":" : ": ");
		add_json(b, t->m[i].v, form, level + 1);
	}
	new_line(b, form, level);
	str_addc(b, '}');
}

static void
add_list(struct str *b, const struct items *l, struct json_form *form, unsigned level)
{
	if (!l->n) {
		str_add(b, "[]");
		return;
	}
	str_addc(b, '[');
	for (size_t i = 0; i < l->n; i++) {
		if (i)
			str_addc(b, ',');
		new_line(b, form, level + 1);
		add_json(b, l->v[i], form, level + 1);
	}
	new_line(b, form, level);
	str_addc(b, ']');
}

static void
add_scalar(struct str *b, struct val v)
{
	struct str s = STR_INIT;

	if (v.type == VAL_NULL) {
		str_add(b, "null");
	} else if (v.type == VAL_BOOL) {
		str_add(b, v.b ? "true" : "false");
	} else if (v.type == VAL_INT || (v.type == VAL_REAL && isfinite(v.d))) {
		val_add_text(b, v);
		/* A whole double stays a double for whoever reads it. */
		if (v.type == VAL_REAL && v.d == rint(v.d) && fabs(v.d) < 1e15)
			str_add(b, ".0");
	} else {
		val_add_text(&s, v);
		add_string(b, str_cstr(&s));
		str_fini(&s);
	}
}

static void
add_json(struct str *b, struct val v, struct json_form *form, unsigned level)
{
	bool is_ref = v.type == VAL_TABLE && v.table->kind == TABLE_REF;

	if ((v.type != VAL_TABLE && v.type != VAL_LIST) || is_ref ||
	    level > MAX_PRINT_DEPTH) {
		add_scalar(b, v);
		return;
	}
	if (level > form->depth) {
		form->cut = true;
		add_scalar(b, v);
		return;
	}
	if (v.type == VAL_TABLE)
		add_table(b, v.table, form, level);
	else
		add_list(b, v.list, form, level);
}

void
json_print(struct str *b, struct val v, struct json_form *form)
{
	/* The outermost list is no level of its own. */
	form->depth += v.type == VAL_LIST;
	add_json(b, v, form, 0);
	if (!form->compress)
		str_addc(b, '\n');
}

/* RFC 3339 texts become points in time, so that they compare and format as such. */
static struct val
from_text(const json *j)
{
	size_t n = 0;
	int64_t ms;
	const char *s = json_str_value(j, &n);

	if (n >= 20 && s[4] == '-' && s[10] == 'T' && date_parse(s, &ms))
		return val_time(ms);
	return val_textn(s, n);
}

struct val
val_from_json(json *j, enum table_kind kind)
{
	struct val v;

	switch (json_what(j)) {
	case JSON_IS_NULL:
		return VAL_NONE;
	case JSON_IS_BOOL:
		return val_bool(json_bool_value(j));
	case JSON_IS_INT:
		return val_int(json_int_value(j));
	case JSON_IS_REAL:
		return val_real(json_number(j));
	case JSON_IS_STR:
		return from_text(j);
	case JSON_IS_ARRAY:
		v = val_list();
		for (size_t i = 0; i < json_count(j); i++)
			list_push(v.list, val_from_json(json_at(j, i), kind));
		return v;
	case JSON_IS_OBJECT:
		break;
	}
	v = val_table(kind, kind == TABLE_HASH ? "Hashtable" : "PSCustomObject");
	for (void *it = json_iter(j); it; it = json_iter_next(j, it))
		table_set(v.table, json_iter_key(it),
		    val_from_json(json_iter_value(it), kind));
	return v;
}

/* A member of a JSON object for v. */
static void
set_json(json *o, const char *key, struct val v)
{
	AUTO_FREE char *s = NULL;

	switch (v.type) {
	case VAL_BOOL:
		json_set_bool(o, key, v.b);
		return;
	case VAL_INT:
		json_set_i64(o, key, v.i);
		return;
	case VAL_REAL:
		json_set_real(o, key, v.d);
		return;
	case VAL_LIST:
	case VAL_TABLE:
		json_set_json(o, key, val_to_json(v));
		return;
	default:
		s = v.type == VAL_NULL ? NULL : val_cstr(v);
		json_set_str(o, key, s);
	}
}

json *
val_to_json(struct val v)
{
	json *j;

	if (v.type == VAL_TABLE) {
		j = json_new_object();
		for (size_t i = 0; i < v.table->n; i++)
			set_json(j, v.table->m[i].key, v.table->m[i].v);
		return j;
	}
	j = json_new_array();
	for (size_t i = 0; i < val_count(v); i++) {
		AUTO_FREE char *s = val_cstr(val_at(v, i));
		if (val_at(v, i).type == VAL_TABLE)
			json_add_json(j, val_to_json(val_at(v, i)));
		else
			json_add_str(j, s);
	}
	return j;
}
