#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "server/inventory/inv_alarm.h"
#include "server/inventory/inv_custspec.h"
#include "server/inventory/inv_drs.h"
#include "server/inventory/inv_int.h"
#include "server/inventory/inv_server.h"
#include "server/inventory/inv_tag.h"

#define OBJ_MAGIC 0x6f626a00u

static const size_t sizes[KIND_COUNT_] = {
	[KIND_DATACENTER] = sizeof(struct datacenter),
	[KIND_FOLDER] = sizeof(struct folder),
	[KIND_CLUSTER] = sizeof(struct cluster),
	[KIND_HOST] = sizeof(struct host),
	[KIND_POOL] = sizeof(struct pool),
	[KIND_VM] = sizeof(struct vm),
	[KIND_TEMPLATE] = sizeof(struct template),
	[KIND_DATASTORE] = sizeof(struct datastore),
	[KIND_NETWORK] = sizeof(struct network),
	[KIND_TASK] = sizeof(struct task),
	[KIND_USER] = sizeof(struct user),
	[KIND_SNAPSHOT] = sizeof(struct snapshot),
	[KIND_CUSTSPEC] = sizeof(struct custspec),
	[KIND_RULE] = sizeof(struct rule),
	[KIND_REC] = sizeof(struct rec),
	[KIND_GROUP] = sizeof(struct drs_group),
	[KIND_ALARMDEF] = sizeof(struct alarm_def),
	[KIND_ALARM] = sizeof(struct alarm),
	[KIND_CATEGORY] = sizeof(struct category),
	[KIND_TAG] = sizeof(struct tag),
	[KIND_SERVER] = sizeof(struct droverd),
};

size_t
kind_size(enum obj_kind kind)
{
	return kind < KIND_COUNT_ ? sizes[kind] : 0;
}

bool
kind_has_unique_names(enum obj_kind kind)
{
	return kind != KIND_TASK && kind != KIND_REC && kind != KIND_ALARM;
}

struct obj *
obj_new(obj_id id)
{
	enum obj_kind kind = obj_id_kind(id);
	ASSERT(kind_size(kind) > 0);
	struct obj *o = xcalloc(1, kind_size(kind));
	o->magic = OBJ_MAGIC | kind;
	o->id = id;
	return o;
}

void
obj_free(struct obj *o)
{
	if (!o)
		return;
	unsigned n;
	const struct field *f = fields_of(obj_id_kind(o->id), &n);
	for (unsigned i = 0; i < n; i++)
		field_reset(o, &f[i]);
	free(o->name);
	free(o->kids);
	free(o);
}

struct obj *
obj_dup(const struct obj *o)
{
	struct obj *copy = obj_new(o->id);
	copy->name = xstrdup(o->name);
	copy->parent = o->parent;
	copy->rev = o->rev;
	copy->wish_rev = o->wish_rev;
	copy->created_ms = o->created_ms;
	unsigned n;
	const struct field *f = fields_of(obj_id_kind(o->id), &n);
	for (unsigned i = 0; i < n; i++)
		field_copy(copy, o, &f[i]);
	return copy;
}

static size_t
plain_size(enum field_type type)
{
	switch (type) {
	case FIELD_U32:
		return sizeof(uint32_t);
	case FIELD_U64:
	case FIELD_TIME:
		return sizeof(uint64_t);
	case FIELD_BOOL:
		return sizeof(bool);
	case FIELD_ENUM:
		return sizeof(unsigned);
	case FIELD_ID:
		return sizeof(obj_id);
	case FIELD_STR:
	case FIELD_IDS:
	case FIELD_JSON:
		return 0;
	}
	return 0;
}

static bool
ids_same(const struct id_list *a, const struct id_list *b)
{
	return a->n == b->n && (a->n == 0 || !memcmp(a->v, b->v, a->n * sizeof(*a->v)));
}

static bool
json_both_same(const json *a, const json *b)
{
	return a == b || (a && b && json_same(a, b));
}

bool
field_same(const struct obj *a, const struct obj *b, const struct field *f)
{
	const void *x = field_at(a, f), *y = field_at(b, f);
	switch (f->type) {
	case FIELD_STR:
		return str_same(*(char *const *)x, *(char *const *)y);
	case FIELD_IDS:
		return ids_same(x, y);
	case FIELD_JSON:
		return json_both_same(*(json *const *)x, *(json *const *)y);
	case FIELD_U32:
	case FIELD_U64:
	case FIELD_TIME:
	case FIELD_BOOL:
	case FIELD_ENUM:
	case FIELD_ID:
		return !memcmp(x, y, plain_size(f->type));
	}
	return true;
}

void
field_reset(struct obj *o, const struct field *f)
{
	void *at = field_at_mut(o, f);
	struct id_list *ids = at;
	switch (f->type) {
	case FIELD_STR:
		free(*(char **)at);
		*(char **)at = NULL;
		return;
	case FIELD_IDS:
		free(ids->v);
		*ids = (struct id_list){ NULL, 0 };
		return;
	case FIELD_JSON:
		json_free(*(json **)at);
		*(json **)at = NULL;
		return;
	case FIELD_U32:
	case FIELD_U64:
	case FIELD_TIME:
	case FIELD_BOOL:
	case FIELD_ENUM:
	case FIELD_ID:
		memset(at, 0, plain_size(f->type));
		return;
	}
}

void
field_copy(struct obj *to, const struct obj *from, const struct field *f)
{
	void *at = field_at_mut(to, f);
	const void *src = field_at(from, f);
	const struct id_list *ids = src;
	field_reset(to, f);
	switch (f->type) {
	case FIELD_STR:
		*(char **)at = xstrdup(*(char *const *)src);
		return;
	case FIELD_IDS:
		if (ids->n > 0)
			*(struct id_list *)at =
			    (struct id_list){ xmemdup(ids->v, ids->n * sizeof(*ids->v)),
				    ids->n };
		return;
	case FIELD_JSON:
		/* A copy: who edits one may change it in place. */
		if (*(json *const *)src)
			*(json **)at = json_dup(*(json *const *)src);
		return;
	case FIELD_U32:
	case FIELD_U64:
	case FIELD_TIME:
	case FIELD_BOOL:
	case FIELD_ENUM:
	case FIELD_ID:
		memcpy(at, src, plain_size(f->type));
		return;
	}
}

static const char *
ids_store(const struct id_list *l, struct str *buf)
{
	str_addc(buf, '{');
	for (size_t i = 0; i < l->n; i++) {
		char id[OBJ_ID_TEXT];
		str_addf(buf, "%s%s", i ? "," : "", obj_id_text(l->v[i], id));
	}
	str_addc(buf, '}');
	return str_cstr(buf);
}

const char *
field_store(const struct obj *o, const struct field *f, struct str *buf)
{
	const void *at = field_at(o, f);
	char text[64];
	str_reset(buf);
	switch (f->type) {
	case FIELD_STR:
		return *(char *const *)at;
	case FIELD_IDS:
		return ids_store(at, buf);
	case FIELD_JSON: {
		if (!*(json *const *)at)
			return NULL;
		AUTO_FREE char *s = json_text(*(json *const *)at);
		str_add(buf, s);
		return str_cstr(buf);
	}
	case FIELD_ID:
		if (obj_id_none(*(const obj_id *)at))
			return NULL;
		str_add(buf, field_text(o, f, text));
		return str_cstr(buf);
	case FIELD_TIME:
		str_addf(buf, "%llu", (unsigned long long)*(const uint64_t *)at);
		return str_cstr(buf);
	case FIELD_U32:
	case FIELD_U64:
	case FIELD_BOOL:
	case FIELD_ENUM:
		str_add(buf, field_text(o, f, text));
		return str_cstr(buf);
	}
	return NULL;
}

static int
ids_restore(struct id_list *l, const char *text, struct err *e)
{
	size_t n = strlen(text);
	if (n < 2 || text[0] != '{' || text[n - 1] != '}')
		return err_set(e, ERR_CORRUPT, "\"%s\" is no list of ids", text);
	for (const char *p = text + 1; *p && *p != '}';) {
		size_t len = strcspn(p, ",}");
		AUTO_FREE char *one = xstrndup(p, len);
		obj_id id;
		int rc = obj_id_parse(one, KIND_NONE, &id, e);
		if (rc < 0)
			return rc;
		l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
		l->v[l->n++] = id;
		p += len + (p[len] == ',');
	}
	return 0;
}

static int
number_restore(void *at, enum field_type type, const char *text, struct err *e)
{
	uint64_t v, max = type == FIELD_U32 ? UINT32_MAX : UINT64_MAX;
	int rc = parse_u64(text, 0, max, "stored number", &v, e);
	if (rc < 0)
		return rc;
	if (type == FIELD_U32)
		*(uint32_t *)at = (uint32_t)v;
	else
		*(uint64_t *)at = v;
	return 0;
}

int
field_restore(struct obj *o, const struct field *f, const char *text, struct err *e)
{
	void *at = field_at_mut(o, f);
	field_reset(o, f);
	if (!text)
		return 0;
	switch (f->type) {
	case FIELD_STR:
		*(char **)at = xstrdup(text);
		return 0;
	case FIELD_IDS:
		return ids_restore(at, text, e);
	case FIELD_JSON:
		return json_parse(text, strlen(text), f->name, at, e);
	case FIELD_ID:
		return obj_id_parse(text, KIND_NONE, at, e);
	case FIELD_BOOL:
		*(bool *)at = text[0] == 't';
		return 0;
	case FIELD_ENUM: {
		int v = f->enum_parse(text);
		if (v < 0)
			return err_set(
			    e, ERR_CORRUPT, "%s: unknown value \"%s\"", f->name, text);
		*(unsigned *)at = (unsigned)v;
		return 0;
	}
	case FIELD_U32:
	case FIELD_U64:
	case FIELD_TIME:
		return number_restore(at, f->type, text, e);
	}
	return 0;
}

void
text_set(char **field, const char *v)
{
	if (str_same(*field, v))
		return;
	free(*field);
	*field = v && v[0] ? xstrdup(v) : NULL;
}
