/*
 * pattern: -match, -replace and -split (see eval.h).
 *
 * Patterns are PCRE2's, which agree with .NET's where scripts meet them: lazy
 * quantifiers, look-around, named groups.  As in .NET groups without a name have the
 * lower numbers.  A pattern that backtracks without end is given up.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "shell/eval.h"

#define MATCH_LIMIT 10000000u /* steps: a second or so */

struct pattern {
	pcre2_code *code;
	pcre2_match_data *found;
	pcre2_match_context *context;
	uint32_t groups;    /* with group 0, the whole */
	const char **names; /* of each group, NULL: it has none */
	uint32_t *numbers;  /* .NET's number → PCRE2's */
	struct val text;    /* what is looked through */
	uint32_t flags;     /* of each look */
};

static void
pattern_fini(struct pattern *p)
{
	pcre2_match_context_free(p->context);
	pcre2_match_data_free(p->found);
	pcre2_code_free(p->code);
	free(p->names);
	free(p->numbers);
	val_free(p->text);
}

/* Groups by name, and their numbers as .NET has them. */
static void
name_groups(struct pattern *p)
{
	uint32_t count = 0, size = 0, next = 1;
	PCRE2_SPTR table = NULL;

	pcre2_pattern_info(p->code, PCRE2_INFO_NAMECOUNT, &count);
	pcre2_pattern_info(p->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
	pcre2_pattern_info(p->code, PCRE2_INFO_NAMETABLE, &table);
	for (uint32_t i = 0; i < count; i++) {
		PCRE2_SPTR entry = table + (size_t)i * size;
		p->names[entry[0] << 8 | entry[1]] = (const char *)entry + 2;
	}
	for (uint32_t i = 1; i < p->groups; i++)
		if (!p->names[i])
			p->numbers[next++] = i;
	for (uint32_t i = 1; i < p->groups; i++)
		if (p->names[i])
			p->numbers[next++] = i;
}

/* To look for text in s.  Text that is found valid here is not checked again at each
 * look, which would cost the square of its length. */
static int
pattern_init(
    struct pattern *p, const char *text, bool exact, struct val s, struct err *e)
{
	struct val in = val_to_text(s);
	bool valid = utf8_valid(in.text->s, in.text->len);
	uint32_t flags = (valid ? PCRE2_UTF : PCRE2_MATCH_INVALID_UTF) | PCRE2_UCP |
			 (exact ? 0 : PCRE2_CASELESS);
	PCRE2_SIZE at = 0;
	int code = 0;

	*p = (struct pattern){ .code = pcre2_compile((PCRE2_SPTR)text,
				   PCRE2_ZERO_TERMINATED, flags, &code, &at, NULL),
		.text = in,
		.flags = valid ? PCRE2_NO_UTF_CHECK : 0 };
	if (!p->code) {
		char why[120];
		val_free(in);
		pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof(why));
		return err_set(
		    e, ERR_INVALID, "bad pattern \"%.80s\": %s, at %zu", text, why, at);
	}
	pcre2_pattern_info(p->code, PCRE2_INFO_CAPTURECOUNT, &p->groups);
	p->groups++;
	p->found = pcre2_match_data_create_from_pattern(p->code, NULL);
	p->context = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(p->context, MATCH_LIMIT);
	p->names = xcalloc(p->groups, sizeof(*p->names));
	p->numbers = xcalloc(p->groups, sizeof(*p->numbers));
	name_groups(p);
	return 0;
}

/* The next place from at on: 1, 0 if there is none, or an error. */
static int
find(const struct pattern *p, size_t at, uint32_t flags, struct err *e)
{
	int rc = pcre2_match(p->code, (PCRE2_SPTR)p->text.text->s, p->text.text->len,
	    at, p->flags | flags, p->found, p->context);

	if (rc >= 0)
		return 1;
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	return err_set(e, ERR_TOO_LARGE,
	    rc == PCRE2_ERROR_MATCHLIMIT
		? "the pattern tries too many ways to fit the text"
		: "the pattern cannot be looked for (%d)",
	    rc);
}

static bool
group_span(const struct pattern *p, uint32_t group, size_t *ret_from, size_t *ret_to)
{
	const PCRE2_SIZE *v = pcre2_get_ovector_pointer(p->found);

	if (group >= p->groups || v[2 * (size_t)group] == PCRE2_UNSET)
		return false;
	*ret_from = v[2 * (size_t)group];
	*ret_to = v[2 * (size_t)group + 1];
	return true;
}

static struct val
matches_table(const struct pattern *p)
{
	struct val t = val_table(TABLE_HASH, "Hashtable");
	size_t from = 0, to = 0;

	for (uint32_t number = 0; number < p->groups; number++) {
		uint32_t group = p->numbers[number];
		char key[12];
		if (!group_span(p, group, &from, &to))
			continue;
		snprintf(key, sizeof(key), "%u", number);
		table_set(t.table, p->names[group] ? p->names[group] : key,
		    val_textn(p->text.text->s + from, to - from));
	}
	return t;
}

int
text_match(struct val s, struct val pattern, bool exact, bool *ret_hit,
    struct val *ret_matches, struct err *e)
{
	AUTO_FREE char *source = val_cstr(pattern);
	struct pattern p;
	int rc;

	*ret_hit = false;
	if (pattern_init(&p, source, exact, s, e) < 0)
		return ERR_INVALID;
	rc = find(&p, 0, 0, e);
	*ret_hit = rc > 0;
	if (*ret_hit && ret_matches)
		*ret_matches = matches_table(&p);
	pattern_fini(&p);
	return rc < 0 ? rc : 0;
}

/* Group "12" of n digits; where there is none, n is shortened to what is one: $12 may
 * be group 1 and a 2. */
static int64_t
group_numbered(const struct pattern *p, const char *s, size_t *n)
{
	for (; *n; (*n)--) {
		AUTO_FREE char *number = xstrndup(s, *n);
		unsigned long i = strtoul(number, NULL, 10);
		if (i < p->groups)
			return p->numbers[i];
	}
	return -1;
}

/* The group that "1", "12}" or "name}" stands for, *at behind it; -1: none. */
static int64_t
group_called(const struct pattern *p, const char **at, bool braces)
{
	const char *s = *at;
	size_t n = braces ? strcspn(s, "}") : strspn(s, "0123456789"), all = n;
	int64_t group = -1;

	if (braces && s[n] != '}')
		return -1;
	if (strspn(s, "0123456789") >= n)
		group = group_numbered(p, s, &n);
	for (uint32_t i = 1; braces && group < 0 && i < p->groups; i++)
		if (p->names[i] && strlen(p->names[i]) == all &&
		    !strncmp(p->names[i], s, all))
			group = i;
	if (group < 0 || (braces && n != all && n))
		return -1;
	*at = braces ? s + all + 1 : s + n;
	return group;
}

/* $1, ${1}, ${name}, $&, $` and $' and $$ of a replacement. */
static void
add_replacement(struct str *b, const struct pattern *p, const char *with)
{
	const struct text *text = p->text.text;
	size_t from = 0, to = 0;

	for (; *with; with++) {
		const char *at = with + 1 + (with[1] == '{');
		int64_t group;
		if (*with != '$') {
			str_addc(b, *with);
			continue;
		}
		group = with[1] == '&' ? 0 : group_called(p, &at, with[1] == '{');
		if (with[1] == '&')
			at = with + 2;
		if (group >= 0) {
			if (group_span(p, (uint32_t)group, &from, &to))
				str_addn(b, text->s + from, to - from);
			with = at - 1;
			continue;
		}
		group_span(p, 0, &from, &to);
		if (with[1] == '`')
			str_addn(b, text->s, from);
		else if (with[1] == '\'')
			str_addn(b, text->s + to, text->len - to);
		else
			str_addc(b, '$');
		with += with[1] == '`' || with[1] == '\'' || with[1] == '$';
	}
}

/* Bytes of the character at s. */
static size_t
character(const char *s)
{
	size_t n = 1;

	while (s[0] && ((unsigned char)s[n] & 0xc0) == 0x80)
		n++;
	return n;
}

/* Called at each place; false: enough. */
typedef bool (*found_fn)(void *arg, const struct pattern *p, size_t from, size_t to);

/* All places, from left to right; an empty one is not found twice. */
static int
find_all(const struct pattern *p, found_fn found, void *arg, struct err *e)
{
	const struct text *text = p->text.text;
	size_t at = 0, from = 0, to = 0;
	uint32_t flags = 0;

	while (at <= text->len) {
		int rc = find(p, at, flags, e);
		if (rc < 0)
			return rc;
		if (!rc && !flags)
			return 0;
		if (!rc) {
			/* No longer one where an empty one was: go on behind it. */
			at += character(text->s + at);
			flags = 0;
			continue;
		}
		group_span(p, 0, &from, &to);
		if (!found(arg, p, from, to))
			return 0;
		at = to > at ? to : at;
		flags = from == to ? PCRE2_NOTEMPTY_ATSTART | PCRE2_ANCHORED : 0;
	}
	return 0;
}

/* Where a group was found, in characters. */
static struct val
place_record(const struct pattern *p, uint32_t group)
{
	const char *s = p->text.text->s;
	size_t from = 0, to = 0, at = 0, length = 0;
	bool is = group_span(p, group, &from, &to);
	struct val r = val_table(TABLE_RECORD, group ? "Group" : "Match");

	for (size_t i = 0; i < to; i++) {
		bool begins = ((unsigned char)s[i] & 0xc0) != 0x80;
		at += begins && i < from;
		length += begins && i >= from;
	}
	table_set(r.table, "Success", val_bool(is));
	table_set(r.table, "Value", val_textn(s + from, is ? to - from : 0));
	table_set(r.table, "Index", val_int((int64_t)at));
	table_set(r.table, "Length", val_int((int64_t)length));
	return r;
}

struct finding {
	struct items *list;
	size_t most;
};

static bool
match_one(void *arg, const struct pattern *p, size_t from, size_t to)
{
	struct finding *f = arg;
	struct val r = place_record(p, 0), groups = val_table(TABLE_HASH, "Hashtable");

	for (uint32_t number = 0; number < p->groups; number++) {
		uint32_t group = p->numbers[number];
		char key[12];
		snprintf(key, sizeof(key), "%u", number);
		table_set(groups.table, p->names[group] ? p->names[group] : key,
		    place_record(p, group));
	}
	table_set(r.table, "Groups", groups);
	list_push(f->list, r);
	return f->list->n < f->most;
}

struct val
match_none(void)
{
	struct val r = val_table(TABLE_RECORD, "Match");

	table_set(r.table, "Success", val_bool(false));
	table_set(r.table, "Value", val_text(""));
	table_set(r.table, "Index", val_int(0));
	table_set(r.table, "Length", val_int(0));
	table_set(r.table, "Groups", val_table(TABLE_HASH, "Hashtable"));
	return r;
}

int
text_matches(struct val s, struct val pattern, bool exact, size_t most,
    struct val *ret_list, struct err *e)
{
	AUTO_FREE char *source = val_cstr(pattern);
	struct val list = val_list();
	struct finding f = { list.list, most };
	struct pattern p;
	int rc;

	if (pattern_init(&p, source, exact, s, e) < 0) {
		val_free(list);
		return ERR_INVALID;
	}
	rc = find_all(&p, match_one, &f, e);
	if (rc)
		val_free(list);
	else
		*ret_list = list;
	pattern_fini(&p);
	return rc;
}

/* As .NET does: what means something in a pattern, and white space. */
struct val
pattern_escape(const char *s)
{
	struct str b = STR_INIT;

	for (; *s; s++) {
		const char *at = strchr("\t\n\f\r", *s);
		if (at)
			str_addf(&b, "\\%c", "tnfr"[at - "\t\n\f\r"]);
		else
			str_addf(&b, strchr("\\*+?|{[()^$.# ", *s) ? "\\%c" : "%c", *s);
	}
	return b.s ? val_from_str(&b) : val_text("");
}

struct replacing {
	struct str out;
	const char *with;
	size_t done;
};

static bool
replace_one(void *arg, const struct pattern *p, size_t from, size_t to)
{
	struct replacing *r = arg;

	str_addn(&r->out, p->text.text->s + r->done, from - r->done);
	add_replacement(&r->out, p, r->with);
	r->done = to;
	return true;
}

int
text_replace(struct val s, struct val how, bool exact, struct val *ret_v, struct err *e)
{
	AUTO_FREE char *source = val_cstr(val_count(how) ? val_at(how, 0) : how);
	AUTO_FREE char *with = val_cstr(val_count(how) > 1 ? val_at(how, 1) : VAL_NONE);
	struct replacing r = { STR_INIT, .with = with };
	struct pattern p;
	int rc;

	if (pattern_init(&p, source, exact, s, e) < 0)
		return ERR_INVALID;
	rc = find_all(&p, replace_one, &r, e);
	str_addn(&r.out, p.text.text->s + r.done, p.text.text->len - r.done);
	if (rc)
		str_fini(&r.out);
	else
		*ret_v = val_from_str(&r.out);
	pattern_fini(&p);
	return rc;
}

struct splitting {
	struct items *parts;
	int64_t most; /* parts at most; 0: as many as there are */
	size_t done;
};

static void
add_part(struct splitting *s, const struct pattern *p, size_t from, size_t to)
{
	list_push(s->parts, val_textn(p->text.text->s + from, to - from));
}

/* What groups of the pattern caught stands between the parts. */
static bool
split_one(void *arg, const struct pattern *p, size_t from, size_t to)
{
	struct splitting *s = arg;
	size_t a = 0, b = 0;

	if (s->most > 0 && --s->most == 0)
		return false;
	add_part(s, p, s->done, from);
	for (uint32_t i = 1; i < p->groups; i++)
		if (group_span(p, i, &a, &b))
			add_part(s, p, a, b);
	s->done = to;
	return true;
}

/* The delimiter is no pattern: "-split '.', 0, 'SimpleMatch'". */
static char *
quoted(const char *s)
{
	struct str b = STR_INIT;

	for (; *s; s++)
		str_addf(
		    &b, isalnum((unsigned char)*s) || *s & 0x80 ? "%c" : "\\%c", *s);
	return b.s ? str_take(&b) : xstrdup("");
}

int
text_split(struct val s, struct val how, bool exact, struct val *ret_v, struct err *e)
{
	AUTO_FREE char *given = val_cstr(val_count(how) ? val_at(how, 0) : how);
	AUTO_FREE char *option =
	    val_cstr(val_count(how) > 2 ? val_at(how, 2) : VAL_NONE);
	AUTO_FREE char *source =
	    strcasestr(option, "SimpleMatch") ? quoted(given) : xstrdup(given);
	struct val list = val_list();
	struct splitting split = { .parts = list.list };
	struct pattern p;
	int rc;

	if (val_count(how) > 1)
		val_to_int(val_at(how, 1), &split.most);
	if (pattern_init(&p, source, exact, s, e) < 0) {
		val_free(list);
		return ERR_INVALID;
	}
	rc = find_all(&p, split_one, &split, e);
	if (rc) {
		val_free(list);
	} else {
		add_part(&split, &p, split.done, p.text.text->len);
		*ret_v = list;
	}
	pattern_fini(&p);
	return rc;
}
