/*
 * assert: checks of our own logic, on in release builds too.
 *
 * Peers, users and disks never reach an ASSERT: what they send is checked and refused.
 * A failed ASSERT logs, calls the crash hook (if set) and aborts.
 */
#pragma once
#include <stdint.h>

#define ASSERT(cond)                                                                   \
	((cond) ? (void)0 : assert_failed(#cond, __FILE__, __LINE__, __func__))

/* The object behind a void *, checked by its magic (first member, uint32_t). */
#define CAST_OBJ(type, ptr, want) ((struct type *)assert_magic((ptr), (want), #type))

_Noreturn void assert_failed(
    const char *cond, const char *file, int line, const char *func);
void *assert_magic(void *obj, uint32_t want, const char *type);

/* Called once before abort; prints what is at hand to stderr.  Must not allocate. */
void assert_set_hook(void (*hook)(void));
