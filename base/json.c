#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/assert.h"
#include "base/str.h"

#define MAX_DEPTH 32

/* jansson is out of memory when it makes nothing; nothing else can go wrong there. */
static json *
made(json *j)
{
	ASSERT(j);
	return j;
}

/*
 * Arrays and objects open at the deepest point.  Counted before the parse, since
 * jansson recurses to a depth of its own.
 */
static size_t
depth_of(const char *s, size_t n)
{
	size_t depth = 0, deepest = 0;
	bool quoted = false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '"')
			quoted = !quoted;
		else if (quoted)
			i += s[i] == '\\';
		else if (s[i] == '[' || s[i] == '{')
			depth++;
		else if ((s[i] == ']' || s[i] == '}') && depth > 0)
			depth--;
		deepest = depth > deepest ? depth : deepest;
	}
	return deepest;
}

int
json_parse(const char *s, size_t n, const char *what, json **ret_j, struct err *e)
{
	if (depth_of(s, n) > MAX_DEPTH)
		return err_set(e, ERR_INVALID, "%s: is nested deeper than %d levels",
		    what, MAX_DEPTH);
	json_error_t why;
	json *j = json_loadb(
	    s, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
	if (!j)
		return err_set(e, ERR_INVALID, "%s: is no JSON: line %d: %s", what,
		    why.line, why.text);
	*ret_j = j;
	return 0;
}

void
json_free(json *j)
{
	json_decref(j);
}

json *
json_ref(json *j)
{
	return json_incref(j);
}

/*
 * With 15 digits 0.1 stays 0.1, but the very largest numbers are rounded up to what no
 * parser takes; 17 digits give back every number as it was.
 */
static char *
dump(const json *j, size_t flags)
{
	flags |= JSON_ENCODE_ANY;
	char *s = json_dumps(j, flags | JSON_REAL_PRECISION(15));
	if (s && strstr(s, "e308")) {
		free(s);
		s = json_dumps(j, flags | JSON_REAL_PRECISION(17));
	}
	ASSERT(s);
	return s;
}

char *
json_text(const json *j)
{
	return dump(j, JSON_COMPACT);
}

char *
json_text_pretty(const json *j)
{
	return dump(j, JSON_INDENT(2));
}

json *
json_new_object(void)
{
	return made(json_object());
}

json *
json_new_array(void)
{
	return made(json_array());
}

/* s with U+FFFD for every byte that is no UTF-8: what a guest or a file says may be
 * anything. */
static void
add_clean(struct str *out, const char *s)
{
	for (size_t n = strlen(s); n > 0;) {
		size_t len = utf8_seq(s, n);
		str_addn(out, len ? s : "\xef\xbf\xbd", len ? len : 3);
		s += len ? len : 1;
		n -= len ? len : 1;
	}
}

static json *
text_value(const char *v)
{
	if (!v)
		return json_null();
	json *j = json_string(v);
	if (j)
		return j;
	AUTO(str) struct str clean = STR_INIT;
	add_clean(&clean, v);
	return made(json_string(str_cstr(&clean)));
}

void
json_set_json(json *o, const char *key, json *v_take)
{
	if (!v_take)
		v_take = json_null();
	if (utf8_valid(key, strlen(key))) {
		ASSERT(json_object_set_new_nocheck(o, key, v_take) == 0);
		return;
	}
	AUTO(str) struct str clean = STR_INIT;
	add_clean(&clean, key);
	ASSERT(json_object_set_new_nocheck(o, str_cstr(&clean), v_take) == 0);
}

void
json_set_str(json *o, const char *key, const char *v)
{
	json_set_json(o, key, text_value(v));
}

void
json_set_u64(json *o, const char *key, uint64_t v)
{
	json_set_i64(o, key, v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

void
json_set_i64(json *o, const char *key, int64_t v)
{
	json_set_json(o, key, made(json_integer(v)));
}

void
json_set_real(json *o, const char *key, double v)
{
	json_set_json(o, key, isfinite(v) ? made(json_real(v)) : json_null());
}

void
json_set_bool(json *o, const char *key, bool v)
{
	json_set_json(o, key, json_boolean(v));
}

void
json_set_null(json *o, const char *key)
{
	json_set_json(o, key, json_null());
}

void
json_del(json *o, const char *key)
{
	json_object_del(o, key);
}

void
json_add_str(json *a, const char *v)
{
	json_add_json(a, text_value(v));
}

void
json_add_u64(json *a, uint64_t v)
{
	json_add_json(
	    a, made(json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v)));
}

void
json_add_json(json *a, json *v_take)
{
	ASSERT(json_array_append_new(a, v_take ? v_take : json_null()) == 0);
}

enum json_type
json_what(const json *j)
{
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		return JSON_IS_OBJECT;
	case JSON_ARRAY:
		return JSON_IS_ARRAY;
	case JSON_STRING:
		return JSON_IS_STR;
	case JSON_INTEGER:
		return JSON_IS_INT;
	case JSON_REAL:
		return JSON_IS_REAL;
	case JSON_TRUE:
	case JSON_FALSE:
		return JSON_IS_BOOL;
	case JSON_NULL:
		break;
	}
	return JSON_IS_NULL;
}

size_t
json_count(const json *j)
{
	return json_is_array(j) ? json_array_size(j) : json_object_size(j);
}

json *
json_at(const json *a, size_t i)
{
	return json_array_get(a, i);
}

json *
json_get(const json *o, const char *key)
{
	return json_object_get(o, key);
}

bool
json_bool_value(const json *j)
{
	return json_is_true(j);
}

int64_t
json_int_value(const json *j)
{
	return json_integer_value(j);
}

double
json_number(const json *j)
{
	return json_number_value(j);
}

const char *
json_str_value(const json *j, size_t *ret_n)
{
	if (ret_n)
		*ret_n = json_string_length(j);
	return json_string_value(j);
}

bool
json_same(const json *a, const json *b)
{
	return json_equal(a, b);
}

json *
json_dup(const json *j)
{
	return made(json_deep_copy(j));
}

void *
json_iter(json *o)
{
	return json_object_iter(o);
}

void *
json_iter_next(json *o, void *it)
{
	return json_object_iter_next(o, it);
}

const char *
json_iter_key(void *it)
{
	return json_object_iter_key(it);
}

json *
json_iter_value(void *it)
{
	return json_object_iter_value(it);
}

/* 1: *ret_j is the field's value; 0: it is absent and may be; or an error. */
static int
read_field(
    const json *o, const char *key, enum json_need need, json **ret_j, struct err *e)
{
	json *j = json_object_get(o, key);
	if (j && !json_is_null(j)) {
		*ret_j = j;
		return 1;
	}
	if (need == JSON_OPTIONAL)
		return 0;
	return err_set(e, ERR_INVALID, "%s: is missing", key);
}

int
json_read_str(const json *o, const char *key, enum json_need need, size_t max,
    const char **ret_s, struct err *e)
{
	json *j = NULL;
	int rc = read_field(o, key, need, &j, e);
	if (rc <= 0)
		return rc;
	if (!json_is_string(j))
		return err_set(e, ERR_INVALID, "%s: wants text", key);
	const char *s = json_string_value(j);
	size_t n = json_string_length(j);
	if (n > max)
		return err_set(
		    e, ERR_INVALID, "%s: is %zu bytes long, at most %zu", key, n, max);
	if (memchr(s, '\0', n))
		return err_set(e, ERR_INVALID, "%s: holds a NUL character", key);
	*ret_s = s;
	return 0;
}

/* The refusal of a value, which is quoted up to a readable length. */
static int
wants(const char *key, const char *what, const json *got, struct err *e)
{
	AUTO_FREE char *text = json_text(got);
	/* Text brings its own quotes. */
	const char *quote = json_is_string(got) ? "" : "\"";
	return err_set(e, ERR_INVALID, "%s: wants %s, got %s%.40s%s", key, what, quote,
	    text, quote);
}

int
json_read_u64(const json *o, const char *key, enum json_need need, uint64_t min,
    uint64_t max, uint64_t *ret_v, struct err *e)
{
	json *j = NULL;
	int rc = read_field(o, key, need, &j, e);
	if (rc <= 0)
		return rc;
	json_int_t v = json_integer_value(j);
	if (json_is_integer(j) && v >= 0 && (uint64_t)v >= min && (uint64_t)v <= max) {
		*ret_v = (uint64_t)v;
		return 0;
	}
	char what[96];
	snprintf(what, sizeof(what), "a whole number between %llu and %llu",
	    (unsigned long long)min, (unsigned long long)max);
	return wants(key, what, j, e);
}

int
json_read_bool(
    const json *o, const char *key, enum json_need need, bool *ret_v, struct err *e)
{
	json *j = NULL;
	int rc = read_field(o, key, need, &j, e);
	if (rc <= 0)
		return rc;
	if (!json_is_boolean(j))
		return wants(key, "true or false", j, e);
	*ret_v = json_is_true(j);
	return 0;
}

static bool
is_listed(const char *const *known, const char *key)
{
	for (; *known; known++) {
		if (strcmp(*known, key) == 0)
			return true;
	}
	return false;
}

int
json_only(const json *o, const char *const *known, struct err *e)
{
	if (!json_is_object(o))
		return err_set(e, ERR_INVALID, "wants an object");

	/* jansson's iterator takes no const, though it only reads. */
	union {
		const json *in;
		json *out;
	} scan = { o };

	for (void *it = json_iter(scan.out); it; it = json_iter_next(scan.out, it)) {
		const char *key = json_iter_key(it);
		if (!is_listed(known, key))
			return err_set(e, ERR_INVALID, "unknown field \"%.80s\"", key);
	}
	return 0;
}
