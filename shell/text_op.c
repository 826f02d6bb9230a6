/*
 * text_op: -f, values as text by a format (see eval.h).
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "shell/date.h"
#include "shell/eval.h"

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
