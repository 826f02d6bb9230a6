#include "server/ops/op_args.h"

#include <string.h>

#include <openssl/sha.h>

#include "base/assert.h"
#include "base/id.h"
#include "base/str.h"

#define MAX_ARGS 32
#define MAX_IDS  1000
#define MAX_ITEM 4096u /* bytes of one of ARG_TEXTS */
/* Longer than any text that is taken, so that the checks below say what is wrong with
 * it. */
#define MAX_ANY_TEXT 0x100000u

static int
check_name(const struct op_arg *a, const json *args, struct err *e)
{
	const char *s;
	int rc = json_read_str(args, a->name, JSON_REQUIRED, MAX_ANY_TEXT, &s, e);

	return rc ? rc : name_check(s, strlen(s), a->name, e);
}

static int
check_plain(const struct op_arg *a, const char *s, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];
		if ((c < 0x20 || c == 0x7f) && c != '\n' && c != '\t')
			return err_set(e, ERR_INVALID,
			    "%s: has a control character at byte %zu", a->name, i);
	}
	return 0;
}

static int
check_text(const struct op_arg *a, const json *args, struct err *e)
{
	const char *s;
	int rc = json_read_str(args, a->name, JSON_REQUIRED, MAX_ANY_TEXT, &s, e);

	if (rc)
		return rc;
	size_t n = strlen(s);
	if (n < a->min || n > a->max)
		return err_set(e, ERR_INVALID,
		    "%s: wants a text of %llu to %llu bytes, got %zu", a->name,
		    (unsigned long long)a->min, (unsigned long long)a->max, n);
	return a->type == ARG_TEXT ? check_plain(a, s, n, e) : 0;
}

static int
check_list(const struct op_arg *a, const json *args, struct err *e)
{
	const json *list = json_get(args, a->name);

	if (json_what(list) != JSON_IS_ARRAY)
		return err_set(e, ERR_INVALID, "%s: wants a list", a->name);
	if (json_count(list) >= a->min && json_count(list) <= a->max)
		return 0;
	return err_set(e, ERR_INVALID, "%s: has %zu entries, %llu to %llu may be",
	    a->name, json_count(list), (unsigned long long)a->min,
	    (unsigned long long)a->max);
}

static int
check_texts(const struct op_arg *a, const json *args, struct err *e)
{
	const json *list = json_get(args, a->name);
	int rc = 0;

	if (json_what(list) != JSON_IS_ARRAY)
		return err_set(e, ERR_INVALID, "%s: wants a list of texts", a->name);
	rc = check_list(a, args, e);
	for (size_t i = 0; !rc && i < json_count(list); i++) {
		const json *j = json_at(list, i);
		size_t n = 0;
		const char *s =
		    json_what(j) == JSON_IS_STR ? json_str_value(j, &n) : NULL;
		if (!s || strlen(s) != n || n > MAX_ITEM)
			return err_set(e, ERR_INVALID,
			    "%s: entry %zu is no text of up to %u bytes", a->name, i,
			    MAX_ITEM);
		rc = check_plain(a, s, n, e);
	}
	return rc;
}

static int
check_number(const struct op_arg *a, const json *args, struct err *e)
{
	uint64_t v;

	return json_read_u64(args, a->name, JSON_REQUIRED, a->min, a->max, &v, e);
}

static int
check_bool(const struct op_arg *a, const json *args, struct err *e)
{
	bool v;

	return json_read_bool(args, a->name, JSON_REQUIRED, &v, e);
}

/* "host" or "folder, datacenter" */
static void
add_kinds(struct str *b, uint32_t kinds)
{
	for (unsigned k = 1; k < KIND_COUNT_; k++) {
		if (kinds & 1u << k)
			str_addf(b, "%s%s", b->len ? " or " : "",
			    kind_prefix((enum obj_kind)k));
	}
}

static int
check_id_text(const struct op_arg *a, const char *s, struct err *e)
{
	struct err ignored = ERR_INIT;
	obj_id id;

	if (!obj_id_parse(s, KIND_NONE, &id, &ignored) &&
	    a->kinds & 1u << obj_id_kind(id))
		return 0;
	AUTO(str) struct str kinds = STR_INIT;
	add_kinds(&kinds, a->kinds);
	return err_set(e, ERR_INVALID, "%s: wants the id of a %s, got \"%.80s\"",
	    a->name, str_cstr(&kinds), s);
}

static int
check_id(const struct op_arg *a, const json *args, struct err *e)
{
	const char *s;
	int rc = json_read_str(args, a->name, JSON_REQUIRED, MAX_ANY_TEXT, &s, e);

	return rc ? rc : check_id_text(a, s, e);
}

static bool
is_repeated(const json *list, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (json_same(json_at(list, i), json_at(list, at)))
			return true;
	}
	return false;
}

static int
check_ids(const struct op_arg *a, const json *args, struct err *e)
{
	const json *list = json_get(args, a->name);

	if (json_what(list) != JSON_IS_ARRAY || json_count(list) == 0)
		return err_set(e, ERR_INVALID, "%s: wants a list of ids", a->name);
	if (json_count(list) > MAX_IDS)
		return err_set(e, ERR_INVALID, "%s: has %zu entries, at most %u may be",
		    a->name, json_count(list), MAX_IDS);
	for (size_t i = 0; i < json_count(list); i++) {
		const json *j = json_at(list, i);
		size_t n = 0;
		const char *s =
		    json_what(j) == JSON_IS_STR ? json_str_value(j, &n) : NULL;
		if (!s || strlen(s) != n)
			return err_set(
			    e, ERR_INVALID, "%s: entry %zu is not an id", a->name, i);
		int rc = check_id_text(a, s, e);
		if (rc)
			return rc;
		if (is_repeated(list, i))
			return err_set(e, ERR_INVALID, "%s: has %s twice", a->name, s);
	}
	return 0;
}

static bool
word_is_listed(const char *words, const char *w)
{
	size_t n = strlen(w);

	for (const char *p = words; n && p; p = strchr(p, '|')) {
		p += *p == '|';
		if (strcspn(p, "|") == n && memcmp(p, w, n) == 0)
			return true;
	}
	return false;
}

static int
check_word(const struct op_arg *a, const json *args, struct err *e)
{
	const char *s;
	int rc = json_read_str(args, a->name, JSON_REQUIRED, MAX_ANY_TEXT, &s, e);

	if (rc || word_is_listed(a->words, s))
		return rc;
	return err_set(
	    e, ERR_INVALID, "%s: wants one of %s, got \"%.80s\"", a->name, a->words, s);
}

static int
check_object(const struct op_arg *a, const json *args, struct err *e)
{
	if (json_what(json_get(args, a->name)) == JSON_IS_OBJECT)
		return 0;
	return err_set(e, ERR_INVALID, "%s: wants an object", a->name);
}

static int
check_one(const struct op_arg *a, const json *args, struct err *e)
{
	const json *v = json_get(args, a->name);

	if (!v || json_what(v) == JSON_IS_NULL)
		return a->required ? err_set(e, ERR_INVALID, "%s: is missing", a->name)
				   : 0;
	switch (a->type) {
	case ARG_NAME:
		return check_name(a, args, e);
	case ARG_TEXT:
	case ARG_SECRET:
		return check_text(a, args, e);
	case ARG_TEXTS:
		return check_texts(a, args, e);
	case ARG_U32:
	case ARG_U64:
		return check_number(a, args, e);
	case ARG_BOOL:
		return check_bool(a, args, e);
	case ARG_ID:
		return check_id(a, args, e);
	case ARG_IDS:
		return check_ids(a, args, e);
	case ARG_WORD:
		return check_word(a, args, e);
	case ARG_LIST:
		return check_list(a, args, e);
	case ARG_OBJECT:
		return check_object(a, args, e);
	}
	return err_set(e, ERR_INTERNAL, "%s: has no type", a->name);
}

int
op_args_check(const struct op_info *op, const json *args, struct err *e)
{
	const char *known[MAX_ARGS + 1] = { NULL };
	unsigned n = 0;

	if (args && json_what(args) != JSON_IS_OBJECT)
		return err_set(
		    e, ERR_INVALID, "%s wants an object of arguments", op->name);
	for (const struct op_arg *a = op->args; a && a->name; a++) {
		ASSERT(n < MAX_ARGS);
		known[n++] = a->name;
	}
	int rc = args ? json_only(args, known, e) : 0;
	for (const struct op_arg *a = op->args; !rc && a && a->name; a++) {
		if (!args && a->required)
			return err_set(e, ERR_INVALID, "%s: is missing", a->name);
		rc = args ? check_one(a, args, e) : 0;
	}
	return rc;
}

char *
op_args_digest(const struct op_info *op, const json *args)
{
	AUTO(json) json *asked = args ? json_dup(args) : json_new_object();
	bool has_members = json_what(asked) == JSON_IS_OBJECT;
	uint8_t sum[SHA256_DIGEST_LENGTH];
	char hex[2 * SHA256_DIGEST_LENGTH + 1];

	for (const struct op_arg *a = op->args; has_members && a && a->name; a++) {
		if (a->type == ARG_SECRET)
			json_del(asked, a->name);
	}
	AUTO_FREE char *text = json_text(asked);
	SHA256((const uint8_t *)text, strlen(text), sum);
	hex_encode(sum, sizeof(sum), hex);
	return xstrdup(hex);
}
