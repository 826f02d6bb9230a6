#include <stdio.h>
#include <strings.h>

#include "base/assert.h"
#include "base/clock.h"
#include "server/inventory/inv_alarm.h"
#include "server/inventory/inv_custspec.h"
#include "server/inventory/inv_drs.h"
#include "server/inventory/inv_int.h"
#include "server/inventory/inv_server.h"
#include "server/inventory/inv_tag.h"

/* Enumerations as int, as struct field calls them. */
#define ENUM_TABLE(type, ...)                     \
	static const char *type##_int_text(int v) \
	{                                         \
		return type##_text((enum type)v); \
	}
#define VALUE(e, text)
#include "server/inventory/inv_enum.def"
#undef ENUM_TABLE
#undef VALUE

/* The place of every field in the table below. */
enum {

#define FIELD(kind, member, type, name, flags) PLACE_##kind##_##member,
#include "server/inventory/inv_field.def"
#undef FIELD
};

/* Where each kind's fields begin there. */
enum {
	FIRST_datacenter = PLACE_datacenter_tags,
	FIRST_folder = PLACE_folder_tags,
	FIRST_cluster = PLACE_cluster_drs_enabled,
	FIRST_host = PLACE_host_uuid,
	FIRST_pool = PLACE_pool_is_root,
	FIRST_vm = PLACE_vm_uuid,
	FIRST_template = PLACE_template_lifecycle,
	FIRST_datastore = PLACE_datastore_uuid,
	FIRST_network = PLACE_network_bridge,
	FIRST_task = PLACE_task_op,
	FIRST_user = PLACE_user_role,
	FIRST_snapshot = PLACE_snapshot_description,
	FIRST_custspec = PLACE_custspec_host_name,
	FIRST_rule = PLACE_rule_type,
	FIRST_rec = PLACE_rec_vm,
	FIRST_drs_group = PLACE_drs_group_type,
	FIRST_alarm_def = PLACE_alarm_def_entity,
	FIRST_alarm = PLACE_alarm_definition,
	FIRST_category = PLACE_category_cardinality,
	FIRST_tag = PLACE_tag_description,
	FIRST_droverd = PLACE_droverd_version,
};

#define STR  .type = FIELD_STR
#define U32  .type = FIELD_U32
#define U64  .type = FIELD_U64
#define BOOL .type = FIELD_BOOL
#define ID   .type = FIELD_ID
#define IDS  .type = FIELD_IDS
#define JSON .type = FIELD_JSON
#define TIME .type = FIELD_TIME
#define ENUM(kind) \
	.type = FIELD_ENUM, .enum_text = kind##_int_text, .enum_parse = kind##_parse
#define P FIELD_STORED
#define V FIELD_VOLATILE
#define S FIELD_SECRET
#define W FIELD_WRITABLE

static const struct field fields[] = {
#define FIELD(kind, member, field_type, field_name, field_flags) \
	{ .name = (field_name),                                  \
		field_type,                                      \
		.index = PLACE_##kind##_##member - FIRST_##kind, \
		.flags = (field_flags),                          \
		.offset = offsetof(struct kind, member) },
#include "server/inventory/inv_field.def"
#undef FIELD
};

static const struct field common_fields[] = {
	{ "id", FIELD_ID, COMMON_ID, 0, offsetof(struct obj, id), NULL, NULL },
	{ "kind", FIELD_STR, COMMON_KIND, 0, 0, NULL, NULL },
	{ "name", FIELD_STR, COMMON_NAME, 0, offsetof(struct obj, name), NULL, NULL },
	{ "parent", FIELD_ID, COMMON_PARENT, 0, offsetof(struct obj, parent), NULL,
	    NULL },
	{ "rev", FIELD_U64, COMMON_REV, 0, offsetof(struct obj, rev), NULL, NULL },
	{ "created_at", FIELD_TIME, COMMON_CREATED, 0, offsetof(struct obj, created_ms),
	    NULL, NULL },
};

static const struct kind_range {
	unsigned first, end;
} ranges[KIND_COUNT_] = {
	[KIND_DATACENTER] = { FIRST_datacenter, FIRST_folder },
	[KIND_FOLDER] = { FIRST_folder, FIRST_cluster },
	[KIND_CLUSTER] = { FIRST_cluster, FIRST_host },
	[KIND_HOST] = { FIRST_host, FIRST_pool },
	[KIND_POOL] = { FIRST_pool, FIRST_vm },
	[KIND_VM] = { FIRST_vm, FIRST_template },
	[KIND_TEMPLATE] = { FIRST_template, FIRST_datastore },
	[KIND_DATASTORE] = { FIRST_datastore, FIRST_network },
	[KIND_NETWORK] = { FIRST_network, FIRST_task },
	[KIND_TASK] = { FIRST_task, FIRST_user },
	[KIND_USER] = { FIRST_user, FIRST_snapshot },
	[KIND_SNAPSHOT] = { FIRST_snapshot, FIRST_custspec },
	[KIND_CUSTSPEC] = { FIRST_custspec, FIRST_rule },
	[KIND_RULE] = { FIRST_rule, FIRST_rec },
	[KIND_REC] = { FIRST_rec, FIRST_drs_group },
	[KIND_GROUP] = { FIRST_drs_group, FIRST_alarm_def },
	[KIND_ALARMDEF] = { FIRST_alarm_def, FIRST_alarm },
	[KIND_ALARM] = { FIRST_alarm, FIRST_category },
	[KIND_CATEGORY] = { FIRST_category, FIRST_tag },
	[KIND_TAG] = { FIRST_tag, FIRST_droverd },
	[KIND_SERVER] = { FIRST_droverd, PLACE_droverd_started_at + 1 },
};

const struct field *
fields_of(enum obj_kind kind, unsigned *ret_n)
{
	ASSERT(kind < KIND_COUNT_);
	*ret_n = ranges[kind].end - ranges[kind].first;
	return &fields[ranges[kind].first];
}

unsigned
fields_stored(enum obj_kind kind, const struct field *f[MAX_FIELDS])
{
	unsigned n, stored = 0;
	const struct field *all = fields_of(kind, &n);
	for (unsigned i = 0; i < n; i++) {
		if (all[i].flags & FIELD_STORED)
			f[stored++] = &all[i];
	}
	return stored;
}

const struct field *
field_find(enum obj_kind kind, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(common_fields); i++) {
		if (str_same(common_fields[i].name, name))
			return &common_fields[i];
	}
	unsigned n;
	const struct field *f = fields_of(kind, &n);
	for (unsigned i = 0; i < n; i++) {
		if (str_same(f[i].name, name))
			return f[i].flags & FIELD_SECRET ? NULL : &f[i];
	}
	return NULL;
}

const void *
field_at(const struct obj *o, const struct field *f)
{
	return (const char *)o + f->offset;
}

void *
field_at_mut(struct obj *o, const struct field *f)
{
	return (char *)o + f->offset;
}

/* A number of any of the numeric types, booleans and enumerations. */
static uint64_t
number_of(const struct obj *o, const struct field *f)
{
	const void *at = field_at(o, f);
	switch (f->type) {
	case FIELD_U32:
		return *(const uint32_t *)at;
	case FIELD_U64:
	case FIELD_TIME:
		return *(const uint64_t *)at;
	case FIELD_BOOL:
		return *(const bool *)at;
	case FIELD_ENUM:
		return *(const unsigned *)at;
	case FIELD_ID:
		return ((const obj_id *)at)->v;
	case FIELD_STR:
	case FIELD_IDS:
	case FIELD_JSON:
		return 0;
	}
	return 0;
}

const struct id_list *
field_ids(const struct obj *o, const struct field *f)
{
	return f->type == FIELD_IDS ? field_at(o, f) : NULL;
}

static const char *
ids_text(const struct id_list *l, char buf[64])
{
	size_t used = 0;
	buf[0] = '\0';
	for (size_t i = 0; i < l->n; i++) {
		char id[OBJ_ID_TEXT];
		int n = snprintf(buf + used, 64 - used, "%s%s", i ? "," : "",
		    obj_id_text(l->v[i], id));
		if (n < 0 || (size_t)n >= 64 - used) {
			buf[used] = '\0';
			break;
		}
		used += (size_t)n;
	}
	return buf;
}

const char *
field_text(const struct obj *o, const struct field *f, char buf[64])
{
	if (f->index == COMMON_KIND)
		return kind_prefix(obj_id_kind(o->id));
	switch (f->type) {
	case FIELD_STR: {
		const char *s = *(char *const *)field_at(o, f);
		return s ? s : "";
	}
	case FIELD_U32:
	case FIELD_U64:
		snprintf(buf, 64, "%llu", (unsigned long long)number_of(o, f));
		return buf;
	case FIELD_BOOL:
		return number_of(o, f) ? "true" : "false";
	case FIELD_ID:
		return obj_id_text(*(const obj_id *)field_at(o, f), buf);
	case FIELD_IDS:
		return ids_text(field_at(o, f), buf);
	case FIELD_ENUM:
		return f->enum_text((int)number_of(o, f));
	case FIELD_TIME:
		return number_of(o, f) ? clock_text(number_of(o, f), buf) : "";
	case FIELD_JSON:
		return "";
	}
	return "";
}

static bool
is_number(enum field_type t)
{
	return t == FIELD_U32 || t == FIELD_U64 || t == FIELD_BOOL || t == FIELD_TIME ||
	       t == FIELD_ID;
}

int
field_compare(const struct obj *a, const struct obj *b, const struct field *f)
{
	int by_value;
	if (is_number(f->type)) {
		uint64_t x = number_of(a, f), y = number_of(b, f);
		by_value = (x > y) - (x < y);
	} else {
		char x[64], y[64];
		by_value = strcasecmp(field_text(a, f, x), field_text(b, f, y));
	}
	if (by_value)
		return by_value;
	return (a->id.v > b->id.v) - (a->id.v < b->id.v);
}
