/*
 * json: the only place that knows jansson.
 *
 * A struct json is a jansson value.  Getters name the bad field in their error
 * ("num_cpu: wants a whole number between 1 and 128, got \"x\"").  Depth is limited to 32,
 * duplicate keys and NUL in keys are refused, text must be valid UTF-8.  No name here is
 * one that jansson exports, or the library's own calls would land in ours.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

typedef struct json_t json; /* jansson's json_t */

/* From text of n bytes; what names it in errors. Trailing text is an error. */
int json_parse(const char *s, size_t n, const char *what, json **ret_j, struct err *e)
    WARN_UNUSED;
void json_free(json *j); /* drops one reference; NULL is fine */
json *json_ref(json *j); /* adds one */
char *json_text(const json *j); /* compact, keys in insertion order; caller frees */
char *json_text_pretty(const json *j);

json *json_new_object(void);
json *json_new_array(void);
/* Setters take no reference on text; the _json ones take over v. NULL text becomes null. */
void json_set_str(json *o, const char *key, const char *v);
void json_set_u64(json *o, const char *key, uint64_t v); /* > 2^63-1 is capped there */
void json_set_i64(json *o, const char *key, int64_t v);
void json_set_real(json *o, const char *key, double v); /* NaN and inf become null */
void json_set_bool(json *o, const char *key, bool v);
void json_set_null(json *o, const char *key);
void json_set_json(json *o, const char *key, json *v_take);
void json_del(json *o, const char *key);
void json_add_str(json *a, const char *v);
void json_add_u64(json *a, uint64_t v); /* capped as json_set_u64 does */
void json_add_json(json *a, json *v_take);

enum json_type { JSON_IS_NULL, JSON_IS_BOOL, JSON_IS_INT, JSON_IS_REAL, JSON_IS_STR, JSON_IS_ARRAY, JSON_IS_OBJECT };
enum json_type json_what(const json *j);
size_t json_count(const json *j); /* members of an array or object */
json *json_at(const json *a, size_t i); /* borrowed */
json *json_get(const json *o, const char *key); /* borrowed, NULL if absent */
bool json_bool_value(const json *j);
int64_t json_int_value(const json *j);
double json_number(const json *j); /* of int or real */
/* Borrowed. ret_n may be NULL. */
const char *json_str_value(const json *j, size_t *ret_n);
bool json_same(const json *a, const json *b);
json *json_dup(const json *j); /* deep */
/* Members in order: for (void *it = json_iter(o); it; it = json_iter_next(o, it)) */
void *json_iter(json *o);
void *json_iter_next(json *o, void *it);
const char *json_iter_key(void *it);
json *json_iter_value(void *it);

enum json_need { JSON_REQUIRED, JSON_OPTIONAL };
/* Absent optional fields (or null) leave *ret as it was and return 0. */
int json_read_str(const json *o, const char *key, enum json_need need, size_t max,
    const char **ret_s, struct err *e) WARN_UNUSED; /* borrowed; no NUL inside */
int json_read_u64(const json *o, const char *key, enum json_need need, uint64_t min,
    uint64_t max, uint64_t *ret_v, struct err *e);
int json_read_bool(const json *o, const char *key, enum json_need need, bool *ret_v,
    struct err *e) WARN_UNUSED;
/* Refuse members that are not in the NULL-ended list: "unknown field \"x\"". */
int json_only(const json *o, const char *const *known, struct err *e) WARN_UNUSED;

DEFINE_AUTO(json, json *, json_free)
