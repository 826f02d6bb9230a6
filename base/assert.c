#include "base/assert.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/log.h"

static void (*crash_hook)(void);

void
assert_set_hook(void (*hook)(void))
{
	crash_hook = hook;
}

void
assert_failed(const char *cond, const char *file, int line, const char *func)
{
	static atomic_flag dying = ATOMIC_FLAG_INIT;

	/* A hook that fails an ASSERT itself must not start over. */
	if (atomic_flag_test_and_set(&dying))
		abort();
	log_err("assert", "%s:%d: %s: failed: %s", file, line, func, cond);
	if (crash_hook)
		crash_hook();
	abort();
}

void *
assert_magic(void *obj, uint32_t want, const char *type)
{
	if (!obj)
		assert_failed("object is not NULL", type, 0, __func__);
	if (*(const uint32_t *)obj != want)
		assert_failed("object has its magic", type, 0, __func__);
	return obj;
}
