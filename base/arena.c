#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

#define ARENA_ALIGN     _Alignof(max_align_t)
#define ARENA_CHUNK_MIN ((size_t)4096)
#define ARENA_CHUNK_MAX ((size_t)256 * 1024)

struct chunk {
	struct chunk *next;
	size_t size;
	size_t used;
	_Alignas(max_align_t) unsigned char bytes[];
};

struct arena {
	struct chunk *chunks; /* small things come out of the first one */
	size_t next_size;
	size_t handed_out;
};

struct arena *
arena_new(void)
{
	struct arena *a = xcalloc(1, sizeof(*a));
	a->next_size = ARENA_CHUNK_MIN;
	return a;
}

void
arena_free(struct arena *a)
{
	if (!a)
		return;
	while (a->chunks) {
		struct chunk *c = a->chunks;
		a->chunks = c->next;
		free(c);
	}
	free(a);
}

static struct chunk *
chunk_new(size_t size)
{
	struct chunk *c = xcalloc(1, sizeof(*c) + size);
	c->size = size;
	return c;
}

/* A thing that would waste most of a chunk gets its own, behind the one in use. */
static struct chunk *
chunk_for(struct arena *a, size_t n)
{
	if (a->chunks && n > a->next_size / 4) {
		struct chunk *c = chunk_new(n);
		c->next = a->chunks->next;
		a->chunks->next = c;
		return c;
	}
	struct chunk *c = chunk_new(n > a->next_size ? n : a->next_size);
	c->next = a->chunks;
	a->chunks = c;
	if (a->next_size < ARENA_CHUNK_MAX)
		a->next_size *= 2;
	return c;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	ASSERT(n < SIZE_MAX / 2);
	size_t want =
	    n ? (n + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN : ARENA_ALIGN;
	struct chunk *c = a->chunks;
	if (!c || c->size - c->used < want)
		c = chunk_for(a, want);
	void *p = c->bytes + c->used;
	c->used += want;
	a->handed_out += n;
	return p;
}

void *
arena_array(struct arena *a, size_t n, size_t size)
{
	size_t bytes;
	ASSERT(!__builtin_mul_overflow(n, size, &bytes));
	return arena_alloc(a, bytes);
}

char *
arena_strdup(struct arena *a, const char *s)
{
	if (!s)
		return NULL;
	size_t n = strlen(s) + 1;
	return memcpy(arena_alloc(a, n), s, n);
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	ASSERT(n >= 0);
	char *s = arena_alloc(a, (size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, fmt, again);
	va_end(again);
	return s;
}

size_t
arena_bytes(const struct arena *a)
{
	return a->handed_out;
}
