#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "shell/ws_frame.h"

static const uint8_t mask[4] = { 1, 2, 3, 4 };

/* A frame as the other side writes it: ours without its mask. */
static struct str
unmasked(enum ws_op op, const void *p, size_t n)
{
	struct str ours = STR_INIT, theirs = STR_INIT;
	static const uint8_t none[4];

	ws_frame_add(&ours, op, p, n, none);
	size_t head = ours.len - n - sizeof(none);
	str_addn(&theirs, ours.s, head);
	theirs.s[1] = (char)(theirs.s[1] & 0x7f);
	str_addn(&theirs, ours.s + head + sizeof(none), n);
	str_fini(&ours);
	return theirs;
}

static void
what_is_sent_is_masked(void **state)
{
	static const uint8_t want[] = { 0x81, 0x83, 1, 2, 3, 4, 'a' ^ 1, 'b' ^ 2,
		'c' ^ 3 };
	struct str b = STR_INIT;

	ws_frame_add(&b, WS_TEXT, "abc", 3, mask);
	assert_int_equal(b.len, sizeof(want));
	assert_memory_equal(b.s, want, sizeof(want));
	str_fini(&b);
}

static void
every_length_is_read_when_it_is_whole(void **state)
{
	static const size_t sizes[] = { 0, 1, 125, 126, 65535, 65536, MAX_WS_FRAME };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		AUTO_FREE uint8_t *data = xcalloc(1, sizes[i] + 1);
		struct str b = unmasked(WS_BINARY, data, sizes[i]);
		const uint8_t *p = (const uint8_t *)b.s;
		struct ws_frame f;
		size_t used = 1;

		assert_int_equal(ws_frame_parse(p, b.len - 1, &f, &used, NULL), 0);
		assert_int_equal(used, 0);
		assert_int_equal(ws_frame_parse(p, b.len, &f, &used, NULL), 0);
		assert_int_equal(used, b.len);
		assert_int_equal(f.n, sizes[i]);
		assert_int_equal(f.op, WS_BINARY);
		assert_true(f.last);
		str_fini(&b);
	}
}

static void
what_breaks_the_rules_is_refused(void **state)
{
	static const struct {
		uint8_t head[10];
		const char *what;
	} cases[] = {
		{ { 0xc1, 0 }, "reserved bits" },
		{ { 0x83, 0 }, "unknown kind" },
		{ { 0x8b, 0 }, "unknown control" },
		{ { 0x81, 0x81 }, "masked" },
		{ { 0x09, 0 }, "a ping in parts" },
		{ { 0x89, 126, 0, 126 }, "a long ping" },
		{ { 0x82, 127, 0, 0, 0, 0, 0, 0x10, 0, 1 }, "too large" },
		{ { 0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		    "far too large" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		struct ws_frame f;
		size_t used = 0;

		if (ws_frame_parse(cases[i].head, sizeof(cases[i].head), &f, &used,
			&e) != ERR_CORRUPT)
			fail_msg("%s is taken", cases[i].what);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sent_is_masked),
		cmocka_unit_test(every_length_is_read_when_it_is_whole),
		cmocka_unit_test(what_breaks_the_rules_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
