/*
 * arena: one request's or one scheduler run's memory, freed at once.
 */
#pragma once
#include <stddef.h>

#include "base/mem.h"

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a);
/* Zeroed memory, aligned for any type, good until arena_free. */
void *arena_alloc(struct arena *a, size_t n);
/* n*size zeroed, with overflow check. */
void *arena_array(struct arena *a, size_t n, size_t size);
char *arena_strdup(struct arena *a, const char *s);
char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
size_t arena_bytes(const struct arena *a); /* bytes handed out so far */

DEFINE_AUTO(arena, struct arena *, arena_free)
