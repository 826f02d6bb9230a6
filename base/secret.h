/*
 * secret: passwords, tokens and keys: never printed, wiped when freed.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

struct secret;

struct secret *secret_new(const void *p, size_t n);
struct secret *secret_from_str(const char *s);
void secret_free(struct secret *s);
const void *secret_bytes(const struct secret *s, size_t *ret_n);
const char *secret_cstr(const struct secret *s); /* NUL-terminated view */
/* Compare in constant time. */
bool secret_equal(const void *a, const void *b, size_t n);
void secret_wipe(void *p, size_t n);

DEFINE_AUTO(secret, struct secret *, secret_free)
