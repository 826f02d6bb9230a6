#include "shell/date.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS 86400000LL

struct tm
date_parts(int64_t ms)
{
	time_t t = (time_t)(ms >= 0 ? ms / 1000 : (ms - 999) / 1000);
	struct tm tm = { 0 };

	localtime_r(&t, &tm);
	return tm;
}

static int
part_ms(int64_t ms)
{
	return (int)(((ms % 1000) + 1000) % 1000);
}

const char *
date_text(int64_t ms, char buf[64])
{
	struct str b = STR_INIT;

	date_format(&b, ms,
	    part_ms(ms) ? "yyyy-MM-ddTHH:mm:ss.fffzzz" : "yyyy-MM-ddTHH:mm:sszzz");
	snprintf(buf, 64, "%s", str_cstr(&b));
	str_fini(&b);
	return buf;
}

const char *
span_text(int64_t ms, char buf[64])
{
	uint64_t u = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
	char days[24] = "", frac[8] = "";

	if (u >= DAY_MS)
		snprintf(days, sizeof(days), "%llu.", (unsigned long long)(u / DAY_MS));
	if (u % 1000)
		snprintf(frac, sizeof(frac), ".%03u", (unsigned)(u % 1000));
	unsigned s = (unsigned)(u % DAY_MS / 1000);
	snprintf(buf, 64, "%s%s%02u:%02u:%02u%s", ms < 0 ? "-" : "", days, s / 3600,
	    s / 60 % 60, s % 60, frac);
	return buf;
}

/* Exactly n digits at *s, moving it. */
static bool
digits(const char **s, int n, int *ret)
{
	int v = 0;

	for (int i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		v = v * 10 + (**s - '0');
	}
	*ret = v;
	return true;
}

/* ".678" at *s as milliseconds; 0 where there is none. */
static int
fraction(const char **s)
{
	int ms = 0, unit = 100;

	if (**s != '.' && **s != ',')
		return 0;
	for (++*s; **s >= '0' && **s <= '9'; ++*s, unit /= 10)
		ms += (**s - '0') * unit;
	return ms;
}

/* "Z" or "+hh:mm" or nothing (local); fills the seconds east of UTC. */
static bool
zone(const char **s, bool *ret_local, int *ret_east)
{
	int h = 0, m = 0;

	*ret_local = **s == '\0';
	*ret_east = 0;
	if (*ret_local)
		return true;
	if (**s == 'Z' || **s == 'z') {
		++*s;
		return **s == '\0';
	}
	int sign = **s == '+' ? 1 : **s == '-' ? -1 : 0;
	++*s;
	if (!sign || !digits(s, 2, &h))
		return false;
	if (**s == ':')
		++*s;
	if (!digits(s, 2, &m) || **s)
		return false;
	*ret_east = sign * (h * 3600 + m * 60);
	return true;
}

bool
date_parse(const char *s, int64_t *ret_ms)
{
	struct tm tm = { .tm_isdst = -1, .tm_mday = 1 };
	int ms = 0, east = 0;
	bool local = true;

	if (!digits(&s, 4, &tm.tm_year) || (*s != '-' && *s != '/') ||
	    !digits((++s, &s), 2, &tm.tm_mon) || (*s != '-' && *s != '/') ||
	    !digits((++s, &s), 2, &tm.tm_mday))
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	if (*s == 'T' || *s == ' ') {
		s++;
		if (!digits(&s, 2, &tm.tm_hour) || *s != ':' ||
		    !digits((++s, &s), 2, &tm.tm_min))
			return false;
		if (*s == ':' && !digits((++s, &s), 2, &tm.tm_sec))
			return false;
		ms = fraction(&s);
	}
	if (!zone(&s, &local, &east) || tm.tm_mon > 11 || tm.tm_mon < 0 ||
	    tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 60)
		return false;
	time_t t = local ? mktime(&tm) : timegm(&tm) - east;
	*ret_ms = (int64_t)t * 1000 + ms;
	return true;
}

bool
span_parse(const char *s, int64_t *ret_ms)
{
	bool negative = *s == '-';
	char *end = NULL;
	int h = 0, m = 0, sec = 0, ms = 0;

	s += negative;
	long days = strtol(s, &end, 10);
	if (end == s || days < 0 || days > 100000000)
		return false;
	if (*end == ':') {
		h = (int)days;
		days = 0;
	} else if (*end == '.') {
		s = end + 1;
		if (!digits(&s, 2, &h) || *s != ':')
			return false;
		end += s - end;
	}
	if (*end == ':') {
		s = end + 1;
		if (!digits(&s, 2, &m) || (*s == ':' && !digits((++s, &s), 2, &sec)))
			return false;
		ms = fraction(&s);
		end += s - end;
	}
	if (*end || h > 23 || m > 59 || sec > 59)
		return false;
	int64_t all = days * DAY_MS + ((h * 60LL + m) * 60 + sec) * 1000 + ms;
	*ret_ms = negative ? -all : all;
	return true;
}

static void
add_strftime(struct str *b, const struct tm *tm, const char *format)
{
	char buf[64];
	size_t n;

	/* Formats come from the table below, never from outside. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	n = strftime(buf, sizeof(buf), format, tm);
#pragma GCC diagnostic pop
	str_addn(b, buf, n);
}

static const struct {
	const char *pattern, *format;
} parts[] = {
	{ "yyyy", "%Y" },
	{ "yy", "%y" },
	{ "MMMM", "%B" },
	{ "MMM", "%b" },
	{ "MM", "%m" },
	{ "M", "%-m" },
	{ "dddd", "%A" },
	{ "ddd", "%a" },
	{ "dd", "%d" },
	{ "d", "%-d" },
	{ "HH", "%H" },
	{ "H", "%-H" },
	{ "hh", "%I" },
	{ "h", "%-I" },
	{ "mm", "%M" },
	{ "m", "%-M" },
	{ "ss", "%S" },
	{ "s", "%-S" },
	{ "tt", "%p" },
};

/* One part of a pattern; returns how many characters of it were used. */
static size_t
add_part(struct str *b, const struct tm *tm, int64_t ms, const char *p)
{
	if (str_starts(p, "fff")) {
		str_addf(b, "%03d", part_ms(ms));
		return 3;
	}
	if (str_starts(p, "zzz")) {
		long east = tm->tm_gmtoff / 60, a = labs(east);
		str_addf(b, "%c%02ld:%02ld", east < 0 ? '-' : '+', a / 60, a % 60);
		return 3;
	}
	const char *quote = *p == '\'' ? strchr(p + 1, '\'') : NULL;
	if (quote) {
		str_addn(b, p + 1, (size_t)(quote - p - 1));
		return (size_t)(quote - p) + 1;
	}
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (str_starts(p, parts[i].pattern)) {
			add_strftime(b, tm, parts[i].format);
			return strlen(parts[i].pattern);
		}
	}
	str_addc(b, *p);
	return 1;
}

void
date_format(struct str *b, int64_t ms, const char *pattern)
{
	struct tm tm = date_parts(ms);

	if (!strcmp(pattern, "o") || !strcmp(pattern, "s"))
		pattern = *pattern == 'o' ? "yyyy-MM-ddTHH:mm:ss.fffzzz"
					  : "yyyy-MM-ddTHH:mm:ss";
	while (*pattern)
		pattern += add_part(b, &tm, ms, pattern);
}

int64_t
date_add_months(int64_t ms, int64_t months)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	struct tm tm = date_parts(ms);
	int64_t m = tm.tm_year * 12LL + tm.tm_mon + months;

	m = m < 0 ? 0 : m;
	int64_t year = 1900 + m / 12;
	int last = days[m % 12];

	if (m % 12 == 1 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0))
		last = 29;
	tm.tm_year = (int)(m / 12);
	tm.tm_mon = (int)(m % 12);
	tm.tm_mday = tm.tm_mday > last ? last : tm.tm_mday;
	tm.tm_isdst = -1;
	return (int64_t)mktime(&tm) * 1000 + part_ms(ms);
}
