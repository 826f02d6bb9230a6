#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "base/mem.h"

#define NAME_MAX_BYTES  80
#define FILE_NAME_BYTES 64

/* Room for n more bytes and the NUL. */
static void
grow(struct str *b, size_t n)
{
	ASSERT(n < SIZE_MAX / 4 && b->len < SIZE_MAX / 4);
	size_t need = b->len + n + 1;
	if (need <= b->cap)
		return;
	size_t cap = b->cap ? b->cap * 2 : 64;
	b->cap = cap < need ? need : cap;
	b->s = xrealloc(b->s, b->cap);
}

void
str_fini(struct str *b)
{
	free(b->s);
	*b = (struct str)STR_INIT;
}

void
str_reset(struct str *b)
{
	b->len = 0;
	if (b->s)
		b->s[0] = '\0';
}

void
str_add(struct str *b, const char *s)
{
	str_addn(b, s, strlen(s));
}

void
str_addc(struct str *b, char c)
{
	str_addn(b, &c, 1);
}

void
str_addn(struct str *b, const void *p, size_t n)
{
	grow(b, n);
	if (n)
		memcpy(b->s + b->len, p, n);
	b->len += n;
	b->s[b->len] = '\0';
}

void
str_addf(struct str *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	str_addv(b, fmt, ap);
	va_end(ap);
}

void
str_addv(struct str *b, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	grow(b, 0);
	int n = vsnprintf(b->s + b->len, b->cap - b->len, fmt, ap);
	ASSERT(n >= 0);
	if ((size_t)n >= b->cap - b->len) {
		grow(b, (size_t)n);
		vsnprintf(b->s + b->len, b->cap - b->len, fmt, again);
	}
	b->len += (size_t)n;
	va_end(again);
}

const char *
str_cstr(const struct str *b)
{
	return b->s ? b->s : "";
}

char *
str_take(struct str *b)
{
	char *s = b->s ? b->s : xstrdup("");
	*b = (struct str)STR_INIT;
	return s;
}

/* Decimal digits up to the end of s or the first other byte, which *ret_end names. */
static bool
read_digits(const char *s, uint64_t *ret_v, const char **ret_end)
{
	uint64_t v = 0;
	const char *p = s;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return false;
	}
	*ret_v = v;
	*ret_end = p;
	return p > s;
}

int
parse_u64(const char *s, uint64_t min, uint64_t max, const char *what, uint64_t *ret_v,
    struct err *e)
{
	uint64_t v;
	const char *end;
	if (read_digits(s, &v, &end) && *end == '\0' && v >= min && v <= max) {
		*ret_v = v;
		return 0;
	}
	return err_set(e, ERR_INVALID,
	    "%s: wants a whole number between %" PRIu64 " and %" PRIu64
	    ", got \"%.40s\"",
	    what, min, max, s);
}

int
parse_i64(const char *s, int64_t min, int64_t max, const char *what, int64_t *ret_v,
    struct err *e)
{
	bool negative = s[0] == '-';
	uint64_t size;
	const char *end;
	bool ok = read_digits(s + negative, &size, &end) && *end == '\0' &&
		  size <= (uint64_t)INT64_MAX + negative;
	/* Two's complement, so that INT64_MIN comes out right. */
	int64_t v = ok ? (int64_t)(negative ? 0 - size : size) : 0;
	if (ok && v >= min && v <= max) {
		*ret_v = v;
		return 0;
	}
	return err_set(e, ERR_INVALID,
	    "%s: wants a whole number between %" PRId64 " and %" PRId64
	    ", got \"%.40s\"",
	    what, min, max, s);
}

/* Bits to shift for a unit of bytes as "K", "kb", "KiB" or ""; -1: no unit. */
static int
unit_shift(const char *unit)
{
	static const char letters[] = "kmgtpe";
	if (unit[0] == '\0' || strcasecmp(unit, "b") == 0)
		return 0;
	const char *at = strchr(letters, unit[0] | 0x20);
	const char *rest = unit + 1;
	if (!at || (*rest && strcasecmp(rest, "b") != 0 && strcasecmp(rest, "ib") != 0))
		return -1;
	return (int)(at - letters + 1) * 10;
}

int
parse_bytes(const char *s, const char *what, uint64_t *ret_v, struct err *e)
{
	uint64_t v;
	const char *end;
	int shift = -1;
	if (read_digits(s, &v, &end)) {
		while (*end == ' ')
			end++;
		shift = unit_shift(end);
	}
	if (shift < 0 || v > UINT64_MAX >> shift)
		return err_set(e, ERR_INVALID,
		    "%s: wants a size as 512MB, 4GB or 1TB, got \"%.40s\"", what, s);
	*ret_v = v << shift;
	return 0;
}

size_t
utf8_seq(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	if (p[0] < 0x80)
		return 1;
	size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n < len)
		return 0;
	/* The second byte rules out overlong forms, surrogates and what is over
	 * U+10FFFF. */
	unsigned char low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

bool
utf8_valid(const char *s, size_t n)
{
	while (n > 0) {
		size_t len = utf8_seq(s, n);
		if (len == 0)
			return false;
		s += len;
		n -= len;
	}
	return true;
}

/* Terminals act on U+0080 to U+009F too. */
static bool
is_control(const char *s, size_t n)
{
	unsigned char c = (unsigned char)s[0];
	return c < 0x20 || c == 0x7f ||
	       (c == 0xc2 && n > 1 && (unsigned char)s[1] < 0xa0);
}

/* What is wrong with the name, or NULL. */
static const char *
name_fault(const char *s, size_t n)
{
	if (n == 0)
		return "must not be empty";
	if (!utf8_valid(s, n))
		return "is not valid UTF-8";
	for (size_t i = 0; i < n; i++) {
		if (is_control(s + i, n - i))
			return "must not hold control characters";
		if (s[i] == '/' || s[i] == '\\')
			return "must not hold '/' or '\\'";
	}
	if (s[0] == ' ' || s[n - 1] == ' ')
		return "must not start or end with a space";
	if (s[0] == '.' && (n == 1 || (n == 2 && s[1] == '.')))
		return "must not be \".\" or \"..\"";
	return NULL;
}

int
name_check(const char *s, size_t n, const char *what, struct err *e)
{
	if (n > NAME_MAX_BYTES)
		return err_set(e, ERR_INVALID, "%s is %zu bytes long, at most %d", what,
		    n, NAME_MAX_BYTES);
	const char *fault = name_fault(s, n);
	if (fault)
		return err_set(e, ERR_INVALID, "%s %s", what, fault);
	return 0;
}

static bool
is_file_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool
name_is_file_safe(const char *s)
{
	size_t n = 0;
	for (; s[n]; n++) {
		if (n == FILE_NAME_BYTES || !is_file_char(s[n]))
			return false;
	}
	return n > 0 && s[0] != '-' && s[0] != '.';
}

bool
str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool
str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);
	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool
str_same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

void
hex_encode(const void *p, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *bytes = p;
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * n] = '\0';
}

/* 16 for what is no hex digit. */
static unsigned
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned)(c - 'A') + 10;
	return 16;
}

int
hex_decode(const char *s, void *out, size_t n, struct err *e)
{
	unsigned char *bytes = out;
	bool ok = strlen(s) == 2 * n;
	for (size_t i = 0; ok && i < 2 * n; i++)
		ok = hex_digit(s[i]) < 16;
	if (!ok)
		return err_set(
		    e, ERR_INVALID, "wants %zu hex digits, got \"%.40s\"", 2 * n, s);
	for (size_t i = 0; i < n; i++)
		bytes[i] =
		    (unsigned char)(hex_digit(s[2 * i]) << 4 | hex_digit(s[2 * i + 1]));
	return 0;
}
