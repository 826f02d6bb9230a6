#include "base/id.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define NUMBER_MAX 0x00ffffffffffffffULL

static const struct {
	const char *prefix;
	const char *plural;
	const char *word;
} kinds[] = {
	{ "", "", "" },

#define KIND(k, prefix, plural, word) { prefix, plural, word },
#include "base/kind.def"
#undef KIND
};

const char *
kind_prefix(enum obj_kind k)
{
	return k < KIND_COUNT_ ? kinds[k].prefix : "";
}

const char *
kind_word(enum obj_kind k)
{
	return k < KIND_COUNT_ ? kinds[k].word : "";
}

const char *
kind_plural(enum obj_kind k)
{
	return k < KIND_COUNT_ ? kinds[k].plural : "";
}

enum obj_kind
kind_from_plural(const char *s)
{
	for (enum obj_kind k = KIND_NONE + 1; k < KIND_COUNT_; k++) {
		if (str_same(s, kinds[k].plural))
			return k;
	}
	return KIND_NONE;
}

const char *
obj_id_text(obj_id id, char buf[OBJ_ID_TEXT])
{
	buf[0] = '\0';
	if (!obj_id_none(id))
		snprintf(buf, OBJ_ID_TEXT, "%s-%" PRIu64, kind_prefix(obj_id_kind(id)),
		    obj_id_number(id));
	return buf;
}

static enum obj_kind
kind_of(const char *prefix, size_t n)
{
	for (enum obj_kind k = KIND_NONE + 1; k < KIND_COUNT_; k++) {
		if (strlen(kinds[k].prefix) == n && !memcmp(kinds[k].prefix, prefix, n))
			return k;
	}
	return KIND_NONE;
}

int
obj_id_parse(const char *s, enum obj_kind kind, obj_id *ret_id, struct err *e)
{
	const char *what = kind == KIND_NONE ? "object" : kind_prefix(kind);
	const char *dash = strchr(s, '-');
	enum obj_kind got = dash ? kind_of(s, (size_t)(dash - s)) : KIND_NONE;
	uint64_t number = 0;

	/* One object, one text: "vm-042" would be a second name of vm-42. */
	if (got == KIND_NONE || dash[1] == '0' ||
	    parse_u64(dash + 1, 1, NUMBER_MAX, "id", &number, NULL) < 0)
		return err_set(e, ERR_INVALID, "\"%.40s\" is no id of the form %s-42",
		    s, kind == KIND_NONE ? "vm" : what);
	if (kind != KIND_NONE && got != kind)
		return err_set(e, ERR_INVALID,
		    "%.40s is the id of a %s, wanted is a %s", s, kind_prefix(got),
		    what);
	*ret_id = obj_id_make(got, number);
	return 0;
}
