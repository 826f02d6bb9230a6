/*
 * id: names of managed objects that never change, "vm-42".
 *
 * One type for all kinds: the kind is part of the value, so an id of the wrong kind is
 * seen at run time where it enters (obj_id_parse with a wanted kind) and two ids never
 * compare equal across kinds.  docs/adr/0002 says why not one C type a kind.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum obj_kind {
	KIND_NONE,
#define KIND(k, prefix, plural, word) KIND_##k,
#include "base/kind.def"
#undef KIND
	KIND_COUNT_
};

/* v = kind << 56 | number; 0 is "no object". */
typedef struct {
	uint64_t v;
} obj_id;

#define OBJ_ID_NONE ((obj_id){ 0 })
#define OBJ_ID_TEXT 32 /* bytes that hold any id's text */

static inline obj_id
obj_id_make(enum obj_kind kind, uint64_t number)
{
	return (obj_id){ (uint64_t)kind << 56 | (number & 0x00ffffffffffffffULL) };
}

static inline enum obj_kind
obj_id_kind(obj_id id)
{
	return (enum obj_kind)(id.v >> 56);
}

static inline uint64_t
obj_id_number(obj_id id)
{
	return id.v & 0x00ffffffffffffffULL;
}

static inline bool
obj_id_is(obj_id a, obj_id b)
{
	return a.v == b.v;
}

static inline bool
obj_id_none(obj_id id)
{
	return id.v == 0;
}

/* "vm-42" into buf (OBJ_ID_TEXT bytes); "" for no object. Returns buf. */
const char *obj_id_text(obj_id id, char buf[OBJ_ID_TEXT]);
/* Text from outside to an id; kind KIND_NONE takes any. */
int obj_id_parse(
    const char *s, enum obj_kind kind, obj_id *ret_id, struct err *e) WARN_UNUSED;
const char *kind_prefix(enum obj_kind k);      /* "vm" */
const char *kind_word(enum obj_kind k);        /* for people: "snapshot", not "snap" */
const char *kind_plural(enum obj_kind k);      /* "vms", as in URLs */
enum obj_kind kind_from_plural(const char *s); /* KIND_NONE if it is none */
