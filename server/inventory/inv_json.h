/*
 * inv_json: objects as the API shows them; the names are those of inv_field.def.
 */
#pragma once
#include <stdint.h>

#include "base/json.h"
#include "server/inventory/inv.h"

/* The whole object, secrets left out: {"id","kind","name","parent","rev","created_at",
 * fields…}. */
json *inv_json(const struct inv *inv, const struct obj *o);
/* An id; null for none, and for the number 0 of any kind. */
void inv_json_id(json *j, const char *key, obj_id id);
/* A merge patch with the given fields (bits as in struct change) and "rev". */
json *inv_json_patch(const struct inv *inv, const struct obj *o, uint64_t fields);

/* A field by API name, for filters and sorting. */
enum field_type {
	FIELD_STR,
	FIELD_U32,
	FIELD_U64,
	FIELD_BOOL,
	FIELD_ID,
	FIELD_IDS,
	FIELD_ENUM,
	FIELD_JSON,
	FIELD_TIME
};

struct field {
	const char *name;
	enum field_type type;
	unsigned index; /* bit in struct change; 64 and up for the common ones */
	unsigned flags;
	uint32_t offset;
	const char *(*enum_text)(int v);
	int (*enum_parse)(const char *s);
};
const struct field *field_find(
    enum obj_kind kind, const char *name); /* NULL if none, or secret */
const struct field *fields_of(enum obj_kind kind, unsigned *ret_n);
/* The value as text (enum text, id text, number); "" for null. buf holds 64 bytes for
 * numbers. */
const char *field_text(const struct obj *o, const struct field *f, char buf[64]);
/* Order of two objects by a field: numbers by value, text without case, then id. */
int field_compare(const struct obj *a, const struct obj *b, const struct field *f);
/* The ids of a FIELD_IDS, borrowed; NULL for another type. field_text shows only as
 * many as fit. */
const struct id_list *field_ids(const struct obj *o, const struct field *f);
