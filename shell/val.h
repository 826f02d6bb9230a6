/*
 * val: the values of the shell's language.
 *
 * A struct val is passed by value; text, lists, tables are shared and counted.  A val
 * that a call returns (or writes to ret_v) is the caller's to val_free; one that is
 * passed in is borrowed, unless the parameter's name ends in _take.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum val_type {
	VAL_NULL,
	VAL_BOOL,
	VAL_INT,
	VAL_REAL,
	VAL_TEXT,
	VAL_TIME, /* ms since 1970, UTC */
	VAL_SPAN, /* ms */
	VAL_LIST,
	VAL_TABLE,
	VAL_BLOCK
};

struct node;
struct map;

struct text {
	unsigned refs;
	size_t len;
	char s[]; /* NUL-terminated */
};

struct val {
	enum val_type type;

	union {
		bool b;
		int64_t i; /* INT, TIME, SPAN */
		double d;
		struct text *text;
		struct items *list;
		struct table *table;
		const struct node *block; /* its program lives as long as the shell */
	};
};

/* Only the last two may grow; Add of an ArrayList says where. */
enum list_kind { LIST_ARRAY, LIST_ARRAYLIST, LIST_TYPED };

struct items {
	unsigned refs;
	enum list_kind kind;
	size_t n, cap;
	struct val *v;
};

/* REF: the name and id of another object; shown and compared as its name. */
enum table_kind { TABLE_HASH, TABLE_RECORD, TABLE_REF };

struct member {
	const char *key;
	char *own_key; /* the same where it is not a literal */
	struct val v;
};

/* Keys are text, case ignored, in order of insertion. */
struct table {
	unsigned refs;
	enum table_kind kind;
	const char *type;  /* "Hashtable", "VirtualMachine"; a literal */
	struct text *from; /* the server it came from, "host:port"; NULL: none */
	bool keys_lent;    /* its keys are literals */
	size_t n, cap;
	struct member *m;
	struct map *index; /* of large tables: folded key → its member */
};

#define VAL_NONE ((struct val){ .type = VAL_NULL })

static inline struct val
val_bool(bool b)
{
	return (struct val){ .type = VAL_BOOL, .b = b };
}

static inline struct val
val_int(int64_t i)
{
	return (struct val){ .type = VAL_INT, .i = i };
}

static inline struct val
val_real(double d)
{
	return (struct val){ .type = VAL_REAL, .d = d };
}

static inline struct val
val_time(int64_t ms)
{
	return (struct val){ .type = VAL_TIME, .i = ms };
}

static inline struct val
val_span(int64_t ms)
{
	return (struct val){ .type = VAL_SPAN, .i = ms };
}

static inline struct val
val_block(const struct node *n)
{
	return (struct val){ .type = VAL_BLOCK, .block = n };
}

struct val val_text(const char *s); /* NULL gives VAL_NONE */
struct val val_textn(const char *s, size_t n);
struct val val_from_str(struct str *b); /* leaves b empty */
struct val val_list(void);
struct val val_table(enum table_kind kind, const char *type);

struct val val_ref(struct val v); /* one more owner */
void val_free(struct val v);
void val_set(struct val *slot, struct val v_take); /* frees what stood there */

static inline void
auto_val_(const struct val *v)
{
	val_free(*v);
}

static inline bool
val_is_number(struct val v)
{
	return v.type == VAL_INT || v.type == VAL_REAL;
}

void list_push(struct items *l, struct val v_take);
/* What type names: "System.Collections.ArrayList", "…Generic.List[string]"; LIST_ARRAY
 * if neither. */
enum list_kind list_kind_of(const char *type);
/* The same, or of a list that may grow what it holds now; owned. */
struct val val_steady(struct val v);
/* Is v l, or is l in it? */
bool val_holds(struct val v, const struct items *l);
/* Elements: of a list its own; of null none; of anything else itself. */
size_t val_count(struct val v);
struct val val_at(struct val v, size_t i); /* borrowed */

/* NULL if there is no such member; else borrowed until the table changes. */
struct val *table_get(const struct table *t, const char *key);
void table_set(struct table *t, const char *key, struct val v_take);
/* The first member of an object that is made, and each further one: key is a literal,
 * and not yet there. */
void table_add(struct table *t, const char *key, struct val v_take);
bool table_del(struct table *t, const char *key);
struct val table_copy(const struct table *t);
void table_set_from(struct table *t, struct text *from); /* one more owner */
/* The inventory id of a record or reference, NULL if it has none. */
const char *record_id(struct val v);

bool val_truth(struct val v);
/* As text, the way it would stand in a string. */
void val_add_text(struct str *b, struct val v);
struct val val_to_text(struct val v);
char *val_cstr(struct val v); /* caller frees */
void real_text(double d, char buf[40]);
/* Numbers from text: "12", "0x1f", "1.5e3", "4GB". false if it is none. */
bool number_parse(const char *s, size_t n, struct val *ret_v);
bool val_to_number(struct val v, struct val *ret_v); /* INT or REAL */
bool val_to_int(struct val v, int64_t *ret_i);
const char *val_type_name(struct val v);
/* [name]value */
int val_cast(
    const char *type, struct val v, struct val *ret_v, struct err *e) WARN_UNUSED;
bool val_is_type(struct val v, const char *type);

/* -1, 0, 1; text without case unless exact.  The left value's type decides. */
int val_order(struct val a, struct val b, bool exact);
bool val_equal(struct val a, struct val b, bool exact);
