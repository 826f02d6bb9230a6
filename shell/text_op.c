/*
 * text_op: -match, -replace, -split and -f (see eval.h).
 *
 * Patterns are POSIX extended ones with \d \w \s \b; groups are numbered.
 */
#include <ctype.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "shell/date.h"
#include "shell/eval.h"
#include "shell/lex.h"

#define MAX_GROUPS 16

/* \d and \D, which POSIX does not know; the rest glibc understands. */
static char *
translate(const char *p)
{
	struct str b = STR_INIT;
	bool set = false;

	for (; *p; p++) {
		if (*p == '\\' && p[1]) {
			p++;
			if (*p == 'd')
				str_add(&b, set ? "0-9" : "[0-9]");
			else if (*p == 'D')
				str_add(&b, "[^0-9]");
			else if (set && *p == 'w')
				str_add(&b, "A-Za-z0-9_");
			else if (set && *p == 's')
				str_add(&b, " \t\r\n");
			else if (*p == 't' || *p == 'n')
				str_addc(&b, lex_escape(*p));
			else if (set)
				str_addc(&b, *p);
			else
				str_addf(&b, "\\%c", *p);
			continue;
		}
		if (*p == '[')
			set = true;
		else if (*p == ']')
			set = false;
		str_addc(&b, *p);
	}
	return b.s ? str_take(&b) : xstrdup("");
}

static int
compile(regex_t *re, const char *pattern, bool exact, struct err *e)
{
	AUTO_FREE char *p = translate(pattern);
	char why[120];
	int rc = regcomp(re, p, REG_EXTENDED | (exact ? 0 : REG_ICASE));

	if (!rc)
		return 0;
	regerror(rc, re, why, sizeof(why));
	return err_set(e, ERR_INVALID, "bad pattern \"%.80s\": %s", pattern, why);
}

int
text_match(struct val s, struct val pattern, bool exact, bool *ret_hit,
    struct val *ret_matches, struct err *e)
{
	AUTO_FREE char *text = val_cstr(s), *p = val_cstr(pattern);
	regmatch_t m[MAX_GROUPS];
	regex_t re;

	*ret_hit = false;
	if (compile(&re, p, exact, e) < 0)
		return ERR_INVALID;
	*ret_hit = regexec(&re, text, MAX_GROUPS, m, 0) == 0;
	if (*ret_hit && ret_matches) {
		*ret_matches = val_table(TABLE_HASH, "Hashtable");
		for (int i = 0; i < MAX_GROUPS; i++) {
			char key[8];
			if (m[i].rm_so < 0)
				continue;
			snprintf(key, sizeof(key), "%d", i);
			table_set(ret_matches->table, key,
			    val_textn(
				text + m[i].rm_so, (size_t)(m[i].rm_eo - m[i].rm_so)));
		}
	}
	regfree(&re);
	return 0;
}

/* $1, ${1}, $& and $$ of a replacement. */
static void
add_replacement(struct str *b, const char *with, const char *text, const regmatch_t *m)
{
	for (; *with; with++) {
		const char *digit =
		    with[0] == '$' && with[1] == '{' ? with + 2 : with + 1;
		bool braces = digit == with + 2;
		int group = -1;
		if (*with == '$' && isdigit((unsigned char)*digit) &&
		    (!braces || digit[1] == '}'))
			group = *digit - '0';
		else if (*with == '$' && with[1] == '&')
			group = 0;
		if (group >= 0) {
			if (m[group].rm_so >= 0)
				str_addn(b, text + m[group].rm_so,
				    (size_t)(m[group].rm_eo - m[group].rm_so));
			with = digit + braces;
			continue;
		}
		if (*with == '$' && with[1] == '$')
			with++;
		str_addc(b, *with);
	}
}

int
text_replace(struct val s, struct val how, bool exact, struct val *ret_v, struct err *e)
{
	AUTO_FREE char *text = val_cstr(s),
		       *p = val_cstr(val_count(how) ? val_at(how, 0) : how);
	AUTO_FREE char *with = val_cstr(val_count(how) > 1 ? val_at(how, 1) : VAL_NONE);
	regmatch_t m[MAX_GROUPS];
	struct str b = STR_INIT;
	const char *at = text;
	regex_t re;
	int flags = 0;

	if (compile(&re, p, exact, e) < 0)
		return ERR_INVALID;
	while (regexec(&re, at, MAX_GROUPS, m, flags) == 0) {
		str_addn(&b, at, (size_t)m[0].rm_so);
		add_replacement(&b, with, at, m);
		if (m[0].rm_eo == m[0].rm_so) {
			if (!at[m[0].rm_eo]) {
				at += m[0].rm_eo;
				break;
			}
			str_addc(&b, at[m[0].rm_eo]);
			m[0].rm_eo++;
		}
		at += m[0].rm_eo;
		flags = REG_NOTBOL;
	}
	str_add(&b, at);
	regfree(&re);
	*ret_v = val_from_str(&b);
	return 0;
}

int
text_split(struct val s, struct val how, bool exact, struct val *ret_v, struct err *e)
{
	AUTO_FREE char *text = val_cstr(s),
		       *p = val_cstr(val_count(how) ? val_at(how, 0) : how);
	struct val list = val_list();
	int64_t most = 0;
	const char *at = text, *from = text;
	regmatch_t m[1];
	regex_t re;

	if (val_count(how) > 1)
		val_to_int(val_at(how, 1), &most);
	if (compile(&re, p, exact, e) < 0) {
		val_free(list);
		return ERR_INVALID;
	}
	while ((most <= 0 || (int64_t)list.list->n < most - 1) && *at &&
	       regexec(&re, at, 1, m, at == text ? 0 : REG_NOTBOL) == 0) {
		if (m[0].rm_eo == m[0].rm_so) {
			/* Nothing wide: between any two characters. */
			at += m[0].rm_so + 1;
			if (*at == '\0')
				break;
			list_push(list.list, val_textn(from, (size_t)(at - from)));
			from = at;
			continue;
		}
		list_push(list.list, val_textn(from, (size_t)(at + m[0].rm_so - from)));
		at += m[0].rm_eo;
		from = at;
	}
	list_push(list.list, val_text(from));
	regfree(&re);
	*ret_v = list;
	return 0;
}

/* 1234567.5 with commas between thousands. */
static void
add_grouped(struct str *b, double d, int decimals)
{
	char buf[360];

	snprintf(buf, sizeof(buf), "%.*f", decimals, fabs(d));
	size_t whole = strcspn(buf, ".");
	if (d < 0)
		str_addc(b, '-');
	for (size_t i = 0; buf[i]; i++) {
		if (i && i < whole && (whole - i) % 3 == 0)
			str_addc(b, ',');
		str_addc(b, buf[i]);
	}
}

/* "0.00", "#,##0.0", "000": digits wanted on both sides of the point. */
static void
add_custom(struct str *b, double d, const char *format)
{
	const char *dot = strchr(format, '.');
	int decimals = dot ? (int)strspn(dot + 1, "0#") : 0, most = decimals, zeros = 0;
	struct str s = STR_INIT;

	for (const char *p = format; *p && p != dot; p++)
		zeros += *p == '0';
	if (strchr(format, ','))
		add_grouped(&s, d, most);
	else
		str_addf(
		    &s, "%0*.*f", zeros + (decimals ? decimals + 1 : 0), decimals, d);
	if (dot && strchr(dot, '#')) {
		while (s.len && s.s[s.len - 1] == '0')
			s.s[--s.len] = '\0';
		if (s.len && s.s[s.len - 1] == '.')
			s.s[--s.len] = '\0';
	}
	str_add(b, str_cstr(&s));
	str_fini(&s);
}

static int
add_standard(struct str *b, struct val n, char kind, int digits)
{
	double d = n.type == VAL_INT ? (double)n.i : n.d;
	int decimals = digits < 0 ? 2 : digits;

	switch (tolower((unsigned char)kind)) {
	case 'n':
		add_grouped(b, d, decimals);
		return 0;
	case 'f':
		str_addf(b, "%.*f", decimals, d);
		return 0;
	case 'p':
		add_grouped(b, d * 100, decimals);
		str_addc(b, '%');
		return 0;
	case 'd':
		str_addf(b, "%s%0*llu", n.type == VAL_INT && n.i < 0 ? "-" : "",
		    digits < 0 ? 1 : digits,
		    (unsigned long long)(n.type == VAL_INT
					     ? (n.i < 0 ? 0 - (uint64_t)n.i
							: (uint64_t)n.i)
					     : (uint64_t)fabs(d)));
		return 0;
	case 'x':
		str_addf(b, kind == 'x' ? "%0*llx" : "%0*llX", digits < 0 ? 1 : digits,
		    (unsigned long long)(n.type == VAL_INT ? n.i : (int64_t)d));
		return 0;
	case 'e':
		str_addf(b, "%.*e", digits < 0 ? 6 : digits, d);
		return 0;
	default:
		return -1;
	}
}

int
text_format_one(struct str *b, struct val v, const char *format, struct err *e)
{
	struct val n = VAL_NONE;
	char *end = NULL;

	if (v.type == VAL_TIME) {
		date_format(b, v.i, format);
		return 0;
	}
	if (!val_is_number(v) || !val_to_number(v, &n)) {
		val_add_text(b, v);
		return 0;
	}
	if (strspn(format, "0#.,") == strlen(format)) {
		add_custom(b, n.type == VAL_INT ? (double)n.i : n.d, format);
		return 0;
	}
	long digits = format[1] ? strtol(format + 1, &end, 10) : -1;
	if ((end && *end) || digits > 40 ||
	    add_standard(b, n, format[0], (int)digits) < 0)
		return err_set(
		    e, ERR_INVALID, "\"%.40s\" is no format for a number", format);
	return 0;
}

/* What stands between braces: index[,width][:format]. */
static int
add_item(struct str *b, const char *item, struct val args, struct err *e)
{
	char *end = NULL;
	long index = strtol(item, &end, 10), width = 0;
	struct str one = STR_INIT;
	int rc = 0;

	if (end == item || index < 0 ||
	    (size_t)index >= (args.type == VAL_LIST ? val_count(args) : 1))
		return err_set(
		    e, ERR_INVALID, "{%.40s}: there is no such value to format", item);
	if (*end == ',')
		width = strtol(end + 1, &end, 10);
	struct val v = args.type == VAL_LIST ? val_at(args, (size_t)index) : args;
	if (*end == ':' && end[1])
		rc = text_format_one(&one, v, end + 1, e);
	else
		val_add_text(&one, v);
	if (width > 1000 || width < -1000)
		width = 0;
	if (rc == 0)
		str_addf(b, "%*s", (int)width, str_cstr(&one));
	str_fini(&one);
	return rc;
}

int
text_format(struct val pattern, struct val args, struct val *ret_v, struct err *e)
{
	AUTO_FREE char *s = val_cstr(pattern);
	struct str b = STR_INIT;
	int rc = 0;

	for (char *p = s; *p && rc == 0; p++) {
		if ((*p == '{' || *p == '}') && p[1] == *p) {
			str_addc(&b, *p++);
		} else if (*p == '{') {
			char *end = strchr(p, '}');
			if (!end) {
				rc = err_set(
				    e, ERR_INVALID, "a { of the format has no }");
				break;
			}
			*end = '\0';
			rc = add_item(&b, p + 1, args, e);
			p = end;
		} else {
			str_addc(&b, *p);
		}
	}
	if (rc == 0)
		*ret_v = val_from_str(&b);
	else
		str_fini(&b);
	return rc;
}
