#include "server/api/filter.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "server/inventory/inv_json.h"
#include "server/inventory/inv_tag.h"

enum cmp { CMP_IS, CMP_LESS, CMP_LESS_EQ, CMP_MORE, CMP_MORE_EQ };

enum place { IN_WORDS, IN_FIELD, IN_ANCESTOR };

struct term {
	bool negated;
	enum place place;
	const struct field *field;
	enum obj_kind ancestor;
	enum cmp cmp;
	uint64_t number; /* of a comparison, in the field's unit */
	char *value;     /* alternatives, each ended by NUL */
	size_t n_values;
};

struct filter {
	struct term terms[FILTER_MAX_TERMS];
	size_t n;
};

static const struct {
	const char *alias, *name;
} aliases[] = {
	{ "power", "power_state" },
	{ "mem", "memory_mb" },
	{ "cpu", "num_cpu" },
	{ "ip", "ip_address" },
	{ "conn", "connection_state" },
	{ "tag", "tags" },
};

static int
find_field(struct term *t, enum obj_kind kind, const char *name, struct err *e)
{
	t->place = IN_FIELD;
	t->field = field_find(kind, name);
	for (size_t i = 0; i < ARRAY_SIZE(aliases) && !t->field; i++)
		if (!strcmp(aliases[i].alias, name))
			t->field = field_find(kind, aliases[i].name);
	if (t->field)
		return 0;
	if (!strcmp(name, "cluster") || !strcmp(name, "datacenter")) {
		t->place = IN_ANCESTOR;
		t->ancestor = *name == 'c' ? KIND_CLUSTER : KIND_DATACENTER;
		return 0;
	}
	return err_set(
	    e, ERR_INVALID, "filter: %s have no field \"%s\"", kind_plural(kind), name);
}

static bool
is_number(const struct field *f)
{
	return f->type == FIELD_U32 || f->type == FIELD_U64;
}

/* "4gb" against memory_mb is 4096. */
static int
read_number(struct term *t, const char *v, struct err *e)
{
	bool unit = isalpha((unsigned char)v[strlen(v) ? strlen(v) - 1 : 0]) != 0;

	if (!t->field || !is_number(t->field))
		return err_set(
		    e, ERR_INVALID, "filter: < and > want a field that is a number");
	if (!unit)
		return parse_u64(v, 0, UINT64_MAX, t->field->name, &t->number, e);
	int rc = parse_bytes(v, t->field->name, &t->number, e);
	if (rc == 0 && str_ends(t->field->name, "_mb"))
		t->number >>= 20;
	return rc;
}

static void
split_values(struct term *t, const char *v)
{
	t->value = xstrdup(v);
	t->n_values = 1;
	for (char *p = t->value; *p; p++) {
		if (*p != '|')
			continue;
		*p = 0;
		t->n_values++;
	}
}

static size_t
field_length(const char *s)
{
	size_t n = 0;
	while (islower((unsigned char)s[n]) || s[n] == '_')
		n++;
	return n;
}

static int
parse_term(struct term *t, const char *text, enum obj_kind kind, struct err *e)
{
	if (*text == '-' && text[1]) {
		t->negated = true;
		text++;
	}
	size_t n = field_length(text);
	if (!n || !text[n] || !strchr(":<>", text[n])) {
		split_values(t, text);
		return 0;
	}
	AUTO_FREE char *name = xstrndup(text, n);
	int rc = find_field(t, kind, name, e);
	if (rc < 0)
		return rc;
	const char *v = text + n + 1;
	if (text[n] != ':') {
		bool eq = *v == '=';
		t->cmp = text[n] == '<' ? (eq ? CMP_LESS_EQ : CMP_LESS)
					: (eq ? CMP_MORE_EQ : CMP_MORE);
		return read_number(t, v + eq, e);
	}
	split_values(t, v);
	return 0;
}

/* Cut the next term off *q into out; 1 there was one, 0 the end. */
static int
next_term(const char **q, struct str *out, struct err *e)
{
	const char *p = *q;
	bool quoted = false;

	str_reset(out);
	while (isspace((unsigned char)*p))
		p++;
	if (!*p)
		return 0;
	for (; *p && (quoted || !isspace((unsigned char)*p)); p++) {
		if (*p == '"')
			quoted = !quoted;
		else
			str_addc(out, *p);
	}
	*q = p;
	if (quoted)
		return err_set(e, ERR_INVALID, "filter: a quote is not closed");
	return 1;
}

int
filter_parse(const char *q, enum obj_kind kind, struct filter **ret, struct err *e)
{
	AUTO(filter) struct filter *f = xcalloc(1, sizeof(*f));
	AUTO(str) struct str text = STR_INIT;
	int rc;

	if (strlen(q) > FILTER_MAX_TEXT)
		return err_set(
		    e, ERR_INVALID, "filter: longer than %d bytes", FILTER_MAX_TEXT);
	while ((rc = next_term(&q, &text, e)) > 0) {
		if (f->n == FILTER_MAX_TERMS)
			return err_set(e, ERR_INVALID, "filter: more than %d terms",
			    FILTER_MAX_TERMS);
		rc = parse_term(&f->terms[f->n++], str_cstr(&text), kind, e);
		if (rc < 0)
			return rc;
	}
	if (rc < 0)
		return rc;
	*ret = MOVE(f);
	return 0;
}

void
filter_free(struct filter *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		free(f->terms[i].value);
	free(f);
}

static bool
any_value(const struct term *t, const char *have)
{
	const char *v = t->value;

	for (size_t i = 0; i < t->n_values; i++, v += strlen(v) + 1)
		if (wild_match(v, have))
			return true;
	return false;
}

/* Bare words are found anywhere in the text unless they bring wildcards. */
static bool
any_word(const struct term *t, const char *have)
{
	const char *v = t->value;

	for (size_t i = 0; i < t->n_values; i++, v += strlen(v) + 1) {
		AUTO_FREE char *within = xasprintf("*%s*", v);
		if (wild_match(strpbrk(v, "*?[") ? v : within, have))
			return true;
	}
	return false;
}

static bool
match_id(const struct term *t, const struct inv *inv, obj_id id)
{
	char buf[OBJ_ID_TEXT];

	if (any_value(t, obj_id_text(id, buf)) || any_value(t, inv_name(inv, id)))
		return true;
	if (obj_id_kind(id) != KIND_TAG)
		return false;
	AUTO_FREE char *path = inv_tag_path(inv, id);
	return any_value(t, path);
}

static bool
match_words(const struct term *t, const struct obj *o)
{
	const struct field *ip = field_find(obj_id_kind(o->id), "ip_address");
	char buf[64], id[OBJ_ID_TEXT];

	return any_word(t, o->name) || any_value(t, obj_id_text(o->id, id)) ||
	       (ip && any_word(t, field_text(o, ip, buf)));
}

static uint64_t
number_of(const struct obj *o, const struct field *f)
{
	const char *at = (const char *)o + f->offset;
	uint32_t small;
	uint64_t big;

	if (f->type == FIELD_U32) {
		memcpy(&small, at, sizeof(small));
		return small;
	}
	memcpy(&big, at, sizeof(big));
	return big;
}

static bool
compare(const struct term *t, uint64_t have)
{
	switch (t->cmp) {
	case CMP_LESS:
		return have < t->number;
	case CMP_LESS_EQ:
		return have <= t->number;
	case CMP_MORE:
		return have > t->number;
	case CMP_MORE_EQ:
		return have >= t->number;
	case CMP_IS:
		return have == t->number;
	}
	return false;
}

static bool
match_field(const struct term *t, const struct inv *inv, const struct obj *o)
{
	const char *at = (const char *)o + t->field->offset;
	char buf[64];

	if (t->cmp != CMP_IS)
		return compare(t, number_of(o, t->field));
	if (t->field->type == FIELD_ID) {
		obj_id id;
		memcpy(&id, at, sizeof(id));
		return match_id(t, inv, id);
	}
	if (t->field->type == FIELD_IDS) {
		struct id_list ids;
		memcpy(&ids, at, sizeof(ids));
		for (size_t i = 0; i < ids.n; i++)
			if (match_id(t, inv, ids.v[i]))
				return true;
		return false;
	}
	const char *text = field_text(o, t->field, buf);
	/* power:off and power:on are what people type. */
	return any_value(t, text) ||
	       (t->field->type == FIELD_ENUM && str_starts(text, "powered_") &&
		   any_value(t, text + strlen("powered_")));
}

static bool
match_ancestor(const struct term *t, const struct inv *inv, const struct obj *o)
{
	obj_id up = inv_ancestor(inv, o->id, t->ancestor);
	const struct vm *vm = inv_vm(inv, o->id);

	if (obj_id_none(up) && vm)
		up = inv_ancestor(inv, vm->pool, t->ancestor);
	return !obj_id_none(up) && match_id(t, inv, up);
}

bool
filter_match(const struct filter *f, const struct inv *inv, const struct obj *o)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct term *t = &f->terms[i];
		bool hit = false;

		switch (t->place) {
		case IN_WORDS:
			hit = match_words(t, o);
			break;
		case IN_FIELD:
			hit = match_field(t, inv, o);
			break;
		case IN_ANCESTOR:
			hit = match_ancestor(t, inv, o);
			break;
		}
		if (hit == t->negated)
			return false;
	}
	return true;
}
