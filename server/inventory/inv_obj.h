/*
 * inv_obj: what the kinds of the inventory are made of (inv.h).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

#define ENUM_TABLE(type, ...) enum type { __VA_ARGS__ type##_COUNT_ };
#define VALUE(e, text)        e,
#include "server/inventory/inv_enum.def"
#undef ENUM_TABLE
#undef VALUE

struct id_list {
	obj_id *v;
	size_t n;
};

bool id_list_has(const struct id_list *l, obj_id id);

/* First member of every kind. */
struct obj {
	uint32_t magic;
	obj_id id;
	char *name;
	obj_id parent;     /* OBJ_ID_NONE for datacenters, tasks and users */
	uint64_t rev;      /* revision of its last change */
	uint64_t wish_rev; /* the same of what people set (inv_wish.h) */
	uint64_t created_ms;
	obj_id *kids; /* children in id order; the inventory's */
	size_t n_kids;
};

/* Kinds that are hardly more. */
struct datacenter {
	struct obj o;
	struct id_list tags;
};

struct folder { /* parent: datacenter or folder */
	struct obj o;
	struct id_list tags;
};

/* Give a text field of a txn's copy another value; "" and NULL are null. */
void text_set(char **field, const char *v);

/* Text of an enumeration's value and back (-1 if it is none). */
#define ENUM_TABLE(type, ...)                 \
	const char *type##_text(enum type v); \
	int type##_parse(const char *s);
#define VALUE(e, text)
#include "server/inventory/inv_enum.def"
#undef ENUM_TABLE
#undef VALUE
