#include "base/rng.h"

#include <errno.h>
#include <sys/random.h>

#include "base/assert.h"

void
rng_secret(void *out, size_t n)
{
	unsigned char *p = out;
	while (n > 0) {
		ssize_t got = getrandom(p, n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		ASSERT(got > 0);
		p += got;
		n -= (size_t)got;
	}
}

/* splitmix64: spreads any seed, 0 included, over the whole state. */
static uint64_t
split(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15ULL;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

void
rng_seed(struct rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		r->s[i] = split(&seed);
}

static uint64_t
rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

/* xoshiro256** by Blackman and Vigna. */
uint64_t
rng_next(struct rng *r)
{
	uint64_t *s = r->s;
	uint64_t out = rotate(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return out;
}

uint64_t
rng_below(struct rng *r, uint64_t n)
{
	ASSERT(n > 0);
	/* Numbers below 2^64 mod n would make the small results likelier. */
	uint64_t first_fair = -n % n;
	uint64_t x;
	do
		x = rng_next(r);
	while (x < first_fair);
	return x % n;
}
