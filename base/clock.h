/*
 * clock: where time comes from.  Nobody else calls clock_gettime or time.
 *
 * Durations and deadlines use mono; only what people read uses wall.
 */
#pragma once
#include <stdint.h>

struct clock;

const struct clock *clock_system(void); /* shared, never freed */
struct clock *clock_virtual_new(uint64_t mono_ms, uint64_t wall_ms); /* for tests */
void clock_free(struct clock *c);
void clock_advance(struct clock *c, uint64_t ms); /* virtual clocks only */

uint64_t clock_mono_ms(const struct clock *c); /* CLOCK_BOOTTIME */
uint64_t clock_mono_us(const struct clock *c);
uint64_t clock_wall_ms(const struct clock *c); /* since 1970, UTC */
/* RFC 3339 with milliseconds, UTC, "2026-01-02T03:04:05.678Z", into buf (32 bytes). */
const char *clock_text(uint64_t wall_ms, char buf[32]);
