/*
 * str: a growing string, and safe readings of text that came from outside.
 */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct str {
	char *s; /* NUL-terminated, never NULL after the first add; may be NULL when empty */
	size_t len;
	size_t cap;
};

#define STR_INIT                                                                       \
	{                                                                              \
		NULL, 0, 0                                                             \
	}

void str_fini(struct str *b); /* leaves it empty and usable */
void str_reset(struct str *b); /* length 0, keeps the memory */
void str_add(struct str *b, const char *s);
void str_addc(struct str *b, char c);
void str_addn(struct str *b, const void *p, size_t n);
void str_addf(struct str *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void str_addv(struct str *b, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
const char *str_cstr(const struct str *b); /* "" when empty */
char *str_take(struct str *b);		   /* caller frees; b is empty after */

static inline void
auto_str_(struct str *b)
{
	str_fini(b);
}

/* Decimal numbers, whole string, within [min, max]; what names the value in the error. */
int parse_u64(const char *s, uint64_t min, uint64_t max, const char *what,
    uint64_t *ret_v, struct err *e) WARN_UNUSED;
int parse_i64(const char *s, int64_t min, int64_t max, const char *what,
    int64_t *ret_v, struct err *e) WARN_UNUSED;
/* "512", "4KB", "4 MiB", "2GB", "1T": bytes, units of 1024, case ignored. */
int parse_bytes(
    const char *s, const char *what, uint64_t *ret_v, struct err *e) WARN_UNUSED;

bool utf8_valid(const char *s, size_t n);
/* Bytes of the valid UTF-8 character at s (n > 0 bytes at hand); 0: there is none. */
size_t utf8_seq(const char *s, size_t n);
/*
 * An object's display name: 1 to 80 bytes of valid UTF-8, no control characters, no '/',
 * no '\', not "." or "..", no leading or trailing space.  n is the length, so that an
 * embedded NUL is seen.  what is "vm name" or the like.
 */
int name_check(const char *s, size_t n, const char *what, struct err *e) WARN_UNUSED;
/* A name fit for a file: [A-Za-z0-9._-]+, at most 64, not starting with '-' or '.'. */
bool name_is_file_safe(const char *s);

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
bool str_same(const char *a, const char *b); /* NULL equals NULL only */
/* Wildcards * ? and [a-f], case ignored; backtick escapes. */
bool wild_match(const char *pattern, const char *s);
/* Lower-case hex of n bytes into out (2n+1 bytes). */
void hex_encode(const void *p, size_t n, char *out);
int hex_decode(const char *s, void *out, size_t n, struct err *e) WARN_UNUSED;
