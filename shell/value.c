#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "shell/date.h"
#include "shell/val.h"

#define INDEX_FROM 12 /* members from which a table keeps an index */

struct val
val_textn(const char *s, size_t n)
{
	struct text *t = xmalloc(sizeof(*t) + n + 1);

	t->refs = 1;
	t->len = n;
	if (n)
		memcpy(t->s, s, n);
	t->s[n] = '\0';
	return (struct val){ .type = VAL_TEXT, .text = t };
}

struct val
val_text(const char *s)
{
	return s ? val_textn(s, strlen(s)) : VAL_NONE;
}

struct val
val_from_str(struct str *b)
{
	struct val v = val_textn(str_cstr(b), b->len);

	str_fini(b);
	return v;
}

struct val
val_list(void)
{
	struct items *l = xcalloc(1, sizeof(*l));

	l->refs = 1;
	return (struct val){ .type = VAL_LIST, .list = l };
}

struct val
val_table(enum table_kind kind, const char *type)
{
	struct table *t = xcalloc(1, sizeof(*t));

	t->refs = 1;
	t->kind = kind;
	t->type = type;
	return (struct val){ .type = VAL_TABLE, .table = t };
}

struct val
val_ref(struct val v)
{
	if (v.type == VAL_TEXT)
		v.text->refs++;
	else if (v.type == VAL_LIST)
		v.list->refs++;
	else if (v.type == VAL_TABLE)
		v.table->refs++;
	return v;
}

void
table_set_from(struct table *t, struct text *from)
{
	struct text *old = t->from;

	if (from)
		from->refs++;
	t->from = from;
	if (old)
		val_free((struct val){ .type = VAL_TEXT, .text = old });
}

/* What is to be freed yet: values that hold each other may be deeper than the stack. */
struct dying {
	struct val *v;
	size_t n, cap;
};

/* One owner less; with the last one v is left to its funeral. */
static void
let_go(struct dying *d, struct val v)
{
	if (v.type == VAL_TEXT && --v.text->refs == 0)
		free(v.text);
	if ((v.type != VAL_LIST || --v.list->refs != 0) &&
	    (v.type != VAL_TABLE || --v.table->refs != 0))
		return;
	if (d->n == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 16;
		d->v = xreallocarray(d->v, d->cap, sizeof(*d->v));
	}
	d->v[d->n++] = v;
}

static void
list_free(struct dying *d, struct items *l)
{
	for (size_t i = 0; i < l->n; i++)
		let_go(d, l->v[i]);
	free(l->v);
	free(l);
}

static void
table_free(struct dying *d, struct table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->m[i].own_key);
		let_go(d, t->m[i].v);
	}
	map_free(t->index);
	table_set_from(t, NULL);
	free(t->m);
	free(t);
}

void
val_free(struct val v)
{
	struct dying d = { 0 };

	/* Most values are no lists, or have another owner. */
	let_go(&d, v);
	while (d.n) {
		struct val dead = d.v[--d.n];
		if (dead.type == VAL_LIST)
			list_free(&d, dead.list);
		else
			table_free(&d, dead.table);
	}
	free(d.v);
}

void
val_set(struct val *slot, struct val v_take)
{
	struct val old = *slot;

	*slot = v_take;
	val_free(old);
}

void
list_push(struct items *l, struct val v_take)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 8;
		l->v = xreallocarray(l->v, l->cap, sizeof(*l->v));
	}
	l->v[l->n++] = v_take;
}

size_t
val_count(struct val v)
{
	if (v.type == VAL_LIST)
		return v.list->n;
	return v.type == VAL_NULL ? 0 : 1;
}

struct val
val_at(struct val v, size_t i)
{
	return v.type == VAL_LIST ? v.list->v[i] : v;
}

static char *
fold(const char *key)
{
	char *k = xstrdup(key);

	for (char *p = k; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return k;
}

static void
index_add(struct table *t, size_t pos)
{
	AUTO_FREE char *k = fold(t->m[pos].key);

	map_put_str(t->index, k, &t->m[pos]);
}

static void
index_build(struct table *t)
{
	map_free(t->index);
	t->index = NULL;
	if (t->n < INDEX_FROM)
		return;
	t->index = map_new_str();
	for (size_t i = 0; i < t->n; i++)
		index_add(t, i);
}

static struct member *
find(const struct table *t, const char *key)
{
	if (t->index) {
		AUTO_FREE char *k = fold(key);
		return map_get_str(t->index, k);
	}
	for (size_t i = 0; i < t->n; i++)
		if (!strcasecmp(t->m[i].key, key))
			return &t->m[i];
	return NULL;
}

struct val *
table_get(const struct table *t, const char *key)
{
	struct member *m = find(t, key);

	return m ? &m->v : NULL;
}

/* From now on like any table. */
static void
own_keys(struct table *t)
{
	t->keys_lent = false;
	for (size_t i = 0; i < t->n; i++)
		t->m[i].key = t->m[i].own_key = xstrdup(t->m[i].key);
	index_build(t);
}

void
table_add(struct table *t, const char *key, struct val v_take)
{
	if (!t->n)
		t->keys_lent = true;
	if (!t->keys_lent) {
		table_set(t, key, v_take);
		return;
	}
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 16;
		t->m = xreallocarray(t->m, t->cap, sizeof(*t->m));
	}
	t->m[t->n++] = (struct member){ key, NULL, v_take };
}

void
table_set(struct table *t, const char *key, struct val v_take)
{
	struct val *slot = table_get(t, key);
	bool moved = !slot && t->n == t->cap;

	if (slot) {
		val_set(slot, v_take);
		return;
	}
	if (t->keys_lent)
		own_keys(t);
	if (moved) {
		t->cap = t->cap ? t->cap * 2 : 8;
		t->m = xreallocarray(t->m, t->cap, sizeof(*t->m));
	}
	char *own = xstrdup(key);
	t->m[t->n++] = (struct member){ own, own, v_take };
	if (moved || t->n == INDEX_FROM)
		index_build(t);
	else if (t->index)
		index_add(t, t->n - 1);
}

bool
table_del(struct table *t, const char *key)
{
	struct member *m = find(t, key);

	if (!m)
		return false;
	size_t behind = t->n - (size_t)(m - t->m) - 1;
	if (t->keys_lent)
		own_keys(t);
	free(m->own_key);
	val_free(m->v);
	memmove(m, m + 1, behind * sizeof(*m));
	t->n--;
	index_build(t);
	return true;
}

struct val
table_copy(const struct table *t)
{
	struct val c = val_table(t->kind, t->type);

	table_set_from(c.table, t->from);
	for (size_t i = 0; i < t->n; i++)
		table_set(c.table, t->m[i].key, val_ref(t->m[i].v));
	return c;
}

const char *
record_id(struct val v)
{
	if (v.type != VAL_TABLE || v.table->kind == TABLE_HASH)
		return NULL;
	const struct val *id = table_get(v.table, "Id");
	return id && id->type == VAL_TEXT ? id->text->s : NULL;
}

bool
val_truth(struct val v)
{
	switch (v.type) {
	case VAL_NULL:
		return false;
	case VAL_BOOL:
		return v.b;
	case VAL_INT:
		return v.i != 0;
	case VAL_REAL:
		return v.d != 0;
	case VAL_TEXT:
		return v.text->len > 0;
	case VAL_LIST:
		if (v.list->n == 1)
			return val_truth(v.list->v[0]);
		return v.list->n > 1;
	case VAL_TIME:
	case VAL_SPAN:
	case VAL_TABLE:
	case VAL_BLOCK:
		return true;
	}
	return false;
}

void
real_text(double d, char buf[40])
{
	if (isnan(d)) {
		snprintf(buf, 40, "NaN");
	} else if (isinf(d)) {
		snprintf(buf, 40, d < 0 ? "-Infinity" : "Infinity");
	} else {
		for (int digits = 15; digits <= 17; digits++) {
			snprintf(buf, 40, "%.*g", digits, d);
			if (strtod(buf, NULL) == d)
				break;
		}
	}
	char *e = strchr(buf, 'e');
	if (e)
		*e = 'E';
}

static void
add_table_text(struct str *b, const struct table *t)
{
	const struct val *name = table_get(t, "Name");
	const struct val *message = table_get(t, "Message");

	if (t->kind == TABLE_HASH) {
		str_add(b, "System.Collections.Hashtable");
		return;
	}
	name = name ? name : message;
	if (strcmp(t->type, "PSCustomObject") != 0 && name && name->type != VAL_TABLE) {
		val_add_text(b, *name);
		return;
	}
	str_add(b, "@{");
	for (size_t i = 0; i < t->n; i++) {
		str_addf(b, "%s%s=", i ? "; " : "", t->m[i].key);
		if (t->m[i].v.type == VAL_TABLE &&
		    t->m[i].v.table->kind == TABLE_RECORD)
			str_add(b, t->m[i].v.table->type);
		else
			val_add_text(b, t->m[i].v);
	}
	str_add(b, "}");
}

static void
add_list_text(struct str *b, const struct items *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (i)
			str_addc(b, ' ');
		if (l->v[i].type == VAL_LIST)
			str_add(b, "System.Object[]");
		else
			val_add_text(b, l->v[i]);
	}
}

void
val_add_text(struct str *b, struct val v)
{
	char buf[64];

	switch (v.type) {
	case VAL_NULL:
		break;
	case VAL_BOOL:
		str_add(b, v.b ? "True" : "False");
		break;
	case VAL_INT:
		str_addf(b, "%lld", (long long)v.i);
		break;
	case VAL_REAL:
		real_text(v.d, buf);
		str_add(b, buf);
		break;
	case VAL_TEXT:
		str_addn(b, v.text->s, v.text->len);
		break;
	case VAL_TIME:
		str_add(b, date_text(v.i, buf));
		break;
	case VAL_SPAN:
		str_add(b, span_text(v.i, buf));
		break;
	case VAL_LIST:
		add_list_text(b, v.list);
		break;
	case VAL_TABLE:
		add_table_text(b, v.table);
		break;
	case VAL_BLOCK:
		str_add(b, "{...}");
		break;
	}
}

struct val
val_to_text(struct val v)
{
	struct str b = STR_INIT;

	if (v.type == VAL_TEXT)
		return val_ref(v);
	val_add_text(&b, v);
	return val_from_str(&b);
}

char *
val_cstr(struct val v)
{
	struct str b = STR_INIT;

	val_add_text(&b, v);
	return b.s ? str_take(&b) : xstrdup("");
}

const char *
val_type_name(struct val v)
{
	static const char *const names[] = { "Null", "Boolean", "Int64", "Double",
		"String", "DateTime", "TimeSpan", "Object[]", "Hashtable",
		"ScriptBlock" };

	static const char *const lists[] = { "Object[]", "ArrayList", "List`1" };

	if (v.type == VAL_LIST)
		return lists[v.list->kind];
	return v.type == VAL_TABLE ? v.table->type : names[v.type];
}
