/*
 * The wildcard patterns of str.h: linear in the text for each '*' but the last, never
 * exponential, since only the latest '*' is ever taken up again.
 */
#include <string.h>

#include "base/str.h"

/* The character at *s, ASCII letters lower-cased; moves *s behind it. */
static uint32_t
next_char(const char **s)
{
	const unsigned char *p = (const unsigned char *)*s;
	size_t len = utf8_seq(*s, strnlen(*s, 4));
	*s += len ? len : 1;
	switch (len) {
	case 2:
		return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
	case 3:
		return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
	case 4:
		return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 |
		       (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
	case 0:
		return 0x110000u + p[0]; /* a stray byte is like itself only */
	default:
		return p[0] >= 'A' && p[0] <= 'Z' ? p[0] | 0x20u : p[0];
	}
}

static uint32_t
next_quoted(const char **p)
{
	if (**p == '`' && (*p)[1])
		++*p;
	return next_char(p);
}

/* Is c in the set at *p?  Moves *p behind it, or leaves it if no ']' ends the set. */
static bool
in_set(const char **p, uint32_t c)
{
	bool hit = false;
	const char *q = *p + 1;
	while (*q && *q != ']') {
		uint32_t low = next_quoted(&q), high = low;
		if (q[0] == '-' && q[1] && q[1] != ']') {
			q++;
			high = next_quoted(&q);
		}
		hit = hit || (low <= c && c <= high);
	}
	if (*q != ']')
		return false;
	*p = q + 1;
	return hit;
}

/* Does the element at *p match c?  Moves *p behind it. */
static bool
matches(const char **p, uint32_t c)
{
	if (**p == '?') {
		++*p;
		return true;
	}
	if (**p == '[') {
		const char *start = *p;
		bool hit = in_set(p, c);
		if (*p != start)
			return hit;
	}
	return next_quoted(p) == c;
}

bool
wild_match(const char *pattern, const char *s)
{
	const char *p = pattern, *star = NULL, *retry = NULL;
	while (*s) {
		if (*p == '*') {
			star = ++p;
			retry = s;
			continue;
		}
		const char *p_next = p, *s_next = s;
		if (*p && matches(&p_next, next_char(&s_next))) {
			p = p_next;
			s = s_next;
			continue;
		}
		if (!star)
			return false;
		next_char(&retry);
		s = retry;
		p = star;
	}
	while (*p == '*')
		p++;
	return *p == '\0';
}
