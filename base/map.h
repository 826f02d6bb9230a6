/*
 * map: hash map from uint64_t or string to a borrowed void *.
 *
 * String keys are copied.  Iteration order of MAP_EACH is unspecified but does not depend
 * on addresses; map_keys_* give ascending order where output must be stable.
 * Do not insert while iterating; removing the current entry is fine.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

struct map;

struct map *map_new_u64(void);
struct map *map_new_str(void);
void map_free(struct map *m); /* the values are the caller's */
size_t map_count(const struct map *m);

/* Returns the value that stood under the key before, or NULL. value must not be NULL. */
void *map_put(struct map *m, uint64_t key, void *value);
void *map_get(const struct map *m, uint64_t key);
void *map_del(struct map *m, uint64_t key);
void *map_put_str(struct map *m, const char *key, void *value);
void *map_get_str(const struct map *m, const char *key);
void *map_del_str(struct map *m, const char *key);

struct map_iter {
	size_t slot;
	uint64_t key;
	const char *skey;
	void *value;
};
bool map_next(const struct map *m, struct map_iter *it); /* start from a zeroed it */
#define MAP_EACH(m, it) for (struct map_iter it = { 0 }; map_next((m), &it);)
/* All keys, ascending; caller frees the array. Count is map_count(m). */
uint64_t *map_keys_sorted(const struct map *m);

DEFINE_AUTO(map, struct map *, map_free)
