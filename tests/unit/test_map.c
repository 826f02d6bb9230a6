#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"
#include "base/map.h"
#include "base/rng.h"
#include "base/str.h"

#define KEYS 500

static int things[KEYS];

static void
numbers_come_and_go(void **state)
{
	AUTO(map) struct map *m = map_new_u64();
	assert_null(map_get(m, 1));
	assert_null(map_del(m, 1));
	for (uint64_t k = 0; k < KEYS; k++)
		assert_null(map_put(m, k << 56 | k, &things[k]));
	assert_int_equal(map_count(m), KEYS);
	for (uint64_t k = 0; k < KEYS; k += 2)
		assert_ptr_equal(map_del(m, k << 56 | k), &things[k]);
	assert_int_equal(map_count(m), KEYS / 2);
	for (uint64_t k = 0; k < KEYS; k++)
		assert_ptr_equal(map_get(m, k << 56 | k), k % 2 ? &things[k] : NULL);
	assert_ptr_equal(map_put(m, 1ULL << 56 | 1, &things[0]), &things[1]);
	assert_ptr_equal(map_get(m, 1ULL << 56 | 1), &things[0]);
	assert_int_equal(map_count(m), KEYS / 2);
}

static void
strings_are_copied(void **state)
{
	AUTO(map) struct map *m = map_new_str();
	char key[32];
	for (int k = 0; k < KEYS; k++) {
		snprintf(key, sizeof(key), "%.*s%d", k % 12, "abcdefghijkl", k);
		assert_null(map_put_str(m, key, &things[k]));
	}
	for (int k = 0; k < KEYS; k++) {
		snprintf(key, sizeof(key), "%.*s%d", k % 12, "abcdefghijkl", k);
		assert_ptr_equal(map_get_str(m, key), &things[k]);
	}
	assert_null(map_get_str(m, ""));
	assert_null(map_put_str(m, "", &things[3]));
	assert_ptr_equal(map_del_str(m, ""), &things[3]);
	assert_null(map_del_str(m, ""));
	assert_int_equal(map_count(m), KEYS);
}

static void
iteration_is_in_the_order_of_putting(void **state)
{
	AUTO(map) struct map *m = map_new_str();
	map_put_str(m, "b", &things[0]);
	map_put_str(m, "c", &things[1]);
	map_put_str(m, "a", &things[2]);
	map_put_str(m, "b", &things[3]);
	AUTO(str) struct str seen = STR_INIT;
	MAP_EACH(m, it) {
		str_add(&seen, it.skey);
		assert_ptr_equal(it.value, map_get_str(m, it.skey));
	}
	assert_string_equal(str_cstr(&seen), "bca");
}

static void
the_current_entry_may_go(void **state)
{
	AUTO(map) struct map *m = map_new_u64();
	for (uint64_t k = 0; k < KEYS; k++)
		map_put(m, k, &things[k]);
	int seen = 0;
	MAP_EACH(m, it) {
		seen++;
		assert_ptr_equal(map_del(m, it.key), it.value);
	}
	assert_int_equal(seen, KEYS);
	assert_int_equal(map_count(m), 0);
	MAP_EACH(m, it)
		fail_msg("an emptied map has entries");
}

static void
agrees_with_a_plain_table_over_many_changes(void **state)
{
	AUTO(map) struct map *m = map_new_u64();
	bool in[KEYS] = { false };
	size_t count = 0;
	struct rng r;
	rng_seed(&r, 42);
	for (int i = 0; i < 50000; i++) {
		uint64_t k = rng_below(&r, KEYS);
		if (rng_below(&r, 2)) {
			assert_int_equal(map_put(m, k, &things[k]) != NULL, in[k]);
			count += !in[k];
			in[k] = true;
		} else {
			assert_int_equal(map_del(m, k) != NULL, in[k]);
			count -= in[k];
			in[k] = false;
		}
		assert_int_equal(map_count(m), count);
	}
	for (uint64_t k = 0; k < KEYS; k++)
		assert_ptr_equal(map_get(m, k), in[k] ? &things[k] : NULL);
}

static void
keys_are_sorted(void **state)
{
	AUTO(map) struct map *m = map_new_u64();
	AUTO_FREE uint64_t *none = map_keys_sorted(m);
	assert_non_null(none);
	map_put(m, UINT64_MAX, &things[0]);
	map_put(m, 3, &things[0]);
	map_put(m, 1ULL << 60, &things[0]);
	map_put(m, 0, &things[0]);
	map_del(m, 3);
	AUTO_FREE uint64_t *keys = map_keys_sorted(m);
	assert_true(keys[0] == 0 && keys[1] == 1ULL << 60 && keys[2] == UINT64_MAX);
}

struct item {
	int n;
	struct list_node node;
};

static void
lists_keep_order_and_let_go(void **state)
{
	struct list all = LIST_INIT(all);
	struct item items[4] = { { .n = 0 }, { .n = 1 }, { .n = 2 }, { .n = 3 } };
	assert_null(LIST_FIRST(struct item, &all, node));
	list_remove(&items[0].node);
	for (int i = 1; i < 4; i++)
		list_add_tail(&all, &items[i].node);
	list_add_head(&all, &items[0].node);
	int want = 0;
	LIST_EACH(struct item, it, &all, node)
		assert_int_equal(it->n, want++);
	LIST_EACH_SAFE(struct item, it, &all, node) {
		if (it->n % 2 == 0)
			list_remove(&it->node);
	}
	assert_false(list_linked(&items[0].node));
	assert_ptr_equal(LIST_FIRST(struct item, &all, node), &items[1]);
	list_remove(&items[1].node);
	list_remove(&items[1].node);
	list_remove(&items[3].node);
	assert_true(list_empty(&all));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_come_and_go),
		cmocka_unit_test(strings_are_copied),
		cmocka_unit_test(iteration_is_in_the_order_of_putting),
		cmocka_unit_test(the_current_entry_may_go),
		cmocka_unit_test(agrees_with_a_plain_table_over_many_changes),
		cmocka_unit_test(keys_are_sorted),
		cmocka_unit_test(lists_keep_order_and_let_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
