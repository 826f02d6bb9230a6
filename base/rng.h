/*
 * rng: random bytes for secrets, and a seeded generator for jitter and tests.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

void rng_secret(void *out, size_t n); /* from the kernel; dies if that fails */

struct rng {
	uint64_t s[4];
};
void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* 0 … n-1, unbiased; n > 0 */
