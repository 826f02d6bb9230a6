/*
 * Entries lie in an array in the order they were put, beside an index of open
 * addressing into it.  So the order of iteration does not hang on the hash, and string
 * hashes can be keyed against input that is made to collide.
 */
#include "base/map.h"

#include <string.h>

#include "base/assert.h"
#include "base/rng.h"

#define INDEX_MIN 16
#define EMPTY     0u
#define GONE      UINT32_MAX /* was taken: a search goes on over it */

struct entry {
	uint64_t key; /* of a string: its hash */
	char *skey;
	void *value; /* NULL: removed */
};

struct map {
	bool by_str;
	uint64_t seed[2];
	struct entry *entries;
	uint32_t used;       /* of entries, with the removed ones */
	uint32_t count;      /* without them */
	uint32_t *index;     /* entry number + 1, EMPTY or GONE */
	uint32_t index_size; /* power of two; entries hold half as many */
};

static struct map *
map_new(bool by_str)
{
	struct map *m = xcalloc(1, sizeof(*m));
	m->by_str = by_str;
	if (by_str)
		rng_secret(m->seed, sizeof(m->seed));
	return m;
}

struct map *
map_new_u64(void)
{
	return map_new(false);
}

struct map *
map_new_str(void)
{
	return map_new(true);
}

void
map_free(struct map *m)
{
	if (!m)
		return;
	for (uint32_t i = 0; i < m->used; i++)
		free(m->entries[i].skey);
	free(m->entries);
	free(m->index);
	free(m);
}

size_t
map_count(const struct map *m)
{
	return m->count;
}

static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static uint64_t
rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 of the string. */
static uint64_t
hash_str(const struct map *m, const char *s)
{
	size_t n = strlen(s);
	uint64_t v[4] = { m->seed[0] ^ 0x736f6d6570736575ULL,
		m->seed[1] ^ 0x646f72616e646f6dULL, m->seed[0] ^ 0x6c7967656e657261ULL,
		m->seed[1] ^ 0x7465646279746573ULL };
	uint64_t last = (uint64_t)n << 56;
	for (; n >= 8; s += 8, n -= 8) {
		uint64_t word;
		memcpy(&word, s, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	for (size_t i = 0; i < n; i++)
		last |= (uint64_t)(unsigned char)s[i] << (8 * i);
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint32_t
home(const struct map *m, uint64_t key)
{
	return (uint32_t)(m->by_str ? key : mix(key)) & (m->index_size - 1);
}

static bool
is_entry(const struct entry *t, uint64_t key, const char *skey)
{
	return t->key == key && (!skey || strcmp(t->skey, skey) == 0);
}

/* The index slot of the key, or NULL. */
static uint32_t *
find(const struct map *m, uint64_t key, const char *skey)
{
	if (!m->index)
		return NULL;
	for (uint32_t i = home(m, key);; i = (i + 1) & (m->index_size - 1)) {
		uint32_t *slot = &m->index[i];
		if (*slot == EMPTY)
			return NULL;
		if (*slot != GONE && is_entry(&m->entries[*slot - 1], key, skey))
			return slot;
	}
}

/* Make the entries dense again and the index as large as four times their number. */
static void
rebuild(struct map *m)
{
	uint32_t size = INDEX_MIN, kept = 0;
	ASSERT(m->count < UINT32_MAX / 8);
	while (size / 4 <= m->count)
		size *= 2;
	for (uint32_t i = 0; i < m->used; i++) {
		if (m->entries[i].value)
			m->entries[kept++] = m->entries[i];
	}
	free(m->index);
	m->index = xcalloc(size, sizeof(*m->index));
	m->index_size = size;
	m->entries = xreallocarray(m->entries, size / 2, sizeof(*m->entries));
	m->used = kept;
	for (uint32_t n = 0; n < kept; n++) {
		uint32_t i = home(m, m->entries[n].key);
		while (m->index[i] != EMPTY)
			i = (i + 1) & (size - 1);
		m->index[i] = n + 1;
	}
}

static void *
put(struct map *m, uint64_t key, const char *skey, void *value)
{
	ASSERT(value);
	uint32_t *slot = find(m, key, skey);
	if (slot) {
		struct entry *t = &m->entries[*slot - 1];
		void *old = t->value;
		t->value = value;
		return old;
	}
	/* Every entry takes one slot for good, so half of the index stays EMPTY. */
	if (m->used == m->index_size / 2)
		rebuild(m);
	uint32_t i = home(m, key);
	while (m->index[i] != EMPTY)
		i = (i + 1) & (m->index_size - 1);
	m->entries[m->used++] = (struct entry){ key, xstrdup(skey), value };
	m->index[i] = m->used;
	m->count++;
	return NULL;
}

static void *
get(const struct map *m, uint64_t key, const char *skey)
{
	const uint32_t *slot = find(m, key, skey);
	return slot ? m->entries[*slot - 1].value : NULL;
}

static void *
del(struct map *m, uint64_t key, const char *skey)
{
	uint32_t *slot = find(m, key, skey);
	if (!slot)
		return NULL;
	struct entry *t = &m->entries[*slot - 1];
	void *old = t->value;
	free(t->skey);
	t->skey = NULL;
	t->value = NULL;
	*slot = GONE;
	m->count--;
	return old;
}

void *
map_put(struct map *m, uint64_t key, void *value)
{
	ASSERT(!m->by_str);
	return put(m, key, NULL, value);
}

void *
map_get(const struct map *m, uint64_t key)
{
	ASSERT(!m->by_str);
	return get(m, key, NULL);
}

void *
map_del(struct map *m, uint64_t key)
{
	ASSERT(!m->by_str);
	return del(m, key, NULL);
}

void *
map_put_str(struct map *m, const char *key, void *value)
{
	ASSERT(m->by_str);
	return put(m, hash_str(m, key), key, value);
}

void *
map_get_str(const struct map *m, const char *key)
{
	ASSERT(m->by_str);
	return get(m, hash_str(m, key), key);
}

void *
map_del_str(struct map *m, const char *key)
{
	ASSERT(m->by_str);
	return del(m, hash_str(m, key), key);
}

bool
map_next(const struct map *m, struct map_iter *it)
{
	while (it->slot < m->used) {
		const struct entry *t = &m->entries[it->slot++];
		if (!t->value)
			continue;
		it->key = m->by_str ? 0 : t->key;
		it->skey = t->skey;
		it->value = t->value;
		return true;
	}
	return false;
}

static int
by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

uint64_t *
map_keys_sorted(const struct map *m)
{
	ASSERT(!m->by_str);
	uint64_t *keys = xreallocarray(NULL, m->count, sizeof(*keys));
	size_t n = 0;
	MAP_EACH(m, it)
		keys[n++] = it.key;
	qsort(keys, n, sizeof(*keys), by_number);
	return keys;
}
