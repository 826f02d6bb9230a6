/*
 * mem: allocation that cannot fail (dies on out of memory) and cleanup by scope.
 */
#pragma once
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
/* n*size with overflow check. */
void *xreallocarray(void *p, size_t n, size_t size);
char *xstrdup(const char *s); /* NULL stays NULL */
char *xstrndup(const char *s, size_t n);
void *xmemdup(const void *p, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* AUTO_FREE char *s = …;  AUTO_CLOSE int fd = …;  AUTO(str) struct str s = …; */
#define AUTO_FREE  __attribute__((cleanup(auto_free_)))
#define AUTO_CLOSE __attribute__((cleanup(auto_close_)))
/* DEFINE_AUTO(json, struct json *, json_free): AUTO(json) struct json *j runs json_free(j). */
#define DEFINE_AUTO(name, type, fn)                                                    \
	static inline void auto_##name##_(type *p)                                     \
	{                                                                              \
		fn(*p);                                                                \
	}
#define AUTO(name) __attribute__((cleanup(auto_##name##_)))
/* Give a pointer away: its value, leaving NULL behind. */
#define MOVE(p)                                                                        \
	({                                                                             \
		__typeof__(p) moved_ = (p);                                            \
		(p) = NULL;                                                            \
		moved_;                                                                \
	})
/* Give a descriptor away: its value, leaving -1 behind. */
#define MOVE_FD(fd)                                                                    \
	({                                                                             \
		int moved_ = (fd);                                                     \
		(fd) = -1;                                                             \
		moved_;                                                                \
	})
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline void
auto_free_(void *p)
{
	free(*(void **)p);
}

static inline void
auto_close_(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
