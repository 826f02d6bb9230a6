#include "base/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "base/assert.h"
#include "base/mem.h"

struct clock {
	bool is_virtual;
	/* Atomic: a test turns the clock while workers read it. */
	_Atomic uint64_t mono_ms;
	_Atomic uint64_t wall_ms;
};

static const struct clock real_clock = { .is_virtual = false };

const struct clock *
clock_system(void)
{
	return &real_clock;
}

struct clock *
clock_virtual_new(uint64_t mono_ms, uint64_t wall_ms)
{
	struct clock *c = xcalloc(1, sizeof(*c));
	c->is_virtual = true;
	atomic_init(&c->mono_ms, mono_ms);
	atomic_init(&c->wall_ms, wall_ms);
	return c;
}

void
clock_free(struct clock *c)
{
	free(c);
}

void
clock_advance(struct clock *c, uint64_t ms)
{
	ASSERT(c->is_virtual);
	atomic_fetch_add(&c->mono_ms, ms);
	atomic_fetch_add(&c->wall_ms, ms);
}

static uint64_t
read_us(clockid_t which)
{
	struct timespec ts;
	ASSERT(clock_gettime(which, &ts) == 0);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t
clock_mono_ms(const struct clock *c)
{
	return c->is_virtual ? atomic_load(&c->mono_ms)
			     : read_us(CLOCK_BOOTTIME) / 1000;
}

uint64_t
clock_mono_us(const struct clock *c)
{
	return c->is_virtual ? atomic_load(&c->mono_ms) * 1000
			     : read_us(CLOCK_BOOTTIME);
}

uint64_t
clock_wall_ms(const struct clock *c)
{
	return c->is_virtual ? atomic_load(&c->wall_ms)
			     : read_us(CLOCK_REALTIME) / 1000;
}

const char *
clock_text(uint64_t wall_ms, char buf[32])
{
	time_t s = (time_t)(wall_ms / 1000);
	struct tm tm;
	ASSERT(gmtime_r(&s, &tm));
	size_t n = strftime(buf, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, 32 - n, ".%03uZ", (unsigned)(wall_ms % 1000));
	return buf;
}
