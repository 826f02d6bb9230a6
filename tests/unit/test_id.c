#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/id.h"
#include "base/mem.h"

static void
text_and_back_for_every_kind(void **state)
{
	for (enum obj_kind k = KIND_NONE + 1; k < KIND_COUNT_; k++) {
		char text[OBJ_ID_TEXT];
		obj_id id = obj_id_make(k, 0x00ffffffffffffffULL), back;
		obj_id_text(id, text);
		assert_true(strlen(text) < OBJ_ID_TEXT - 1);
		assert_int_equal(obj_id_parse(text, k, &back, NULL), 0);
		assert_true(obj_id_is(id, back));
		assert_int_equal(obj_id_kind(back), k);
		assert_int_equal(kind_from_plural(kind_plural(k)), k);
	}
}

static void
ids_of_two_kinds_are_never_equal(void **state)
{
	assert_false(obj_id_is(obj_id_make(KIND_VM, 7), obj_id_make(KIND_HOST, 7)));
	assert_true(obj_id_none(OBJ_ID_NONE));
	char text[OBJ_ID_TEXT];
	assert_string_equal(obj_id_text(OBJ_ID_NONE, text), "");
	assert_string_equal(obj_id_text(obj_id_make(KIND_VM, 42), text), "vm-42");
}

static void
only_the_one_spelling_is_taken(void **state)
{
	static const char *const bad[] = { "", "vm", "vm-", "-42", "vm-0", "vm-042",
		"vm--1", "vm-+1", "vm-1x", "vm- 1", "VM-1", "vms-1", "cow-1",
		"vm-72057594037927936", "vm-99999999999999999999999" };
	struct err e = ERR_INIT;
	obj_id id = obj_id_make(KIND_TASK, 5);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(obj_id_parse(bad[i], KIND_NONE, &id, &e), ERR_INVALID);
		assert_int_equal(obj_id_number(id), 5);
	}
	assert_int_equal(obj_id_parse("vm-x", KIND_VM, &id, &e), ERR_INVALID);
	assert_string_equal(e.msg, "\"vm-x\" is no id of the form vm-42");
	assert_int_equal(obj_id_parse("datastore-9", KIND_NONE, &id, &e), 0);
	assert_int_equal(obj_id_kind(id), KIND_DATASTORE);
}

static void
a_wrong_kind_is_named(void **state)
{
	struct err e = ERR_INIT;
	obj_id id;
	assert_int_equal(obj_id_parse("host-3", KIND_VM, &id, &e), ERR_INVALID);
	assert_string_equal(e.msg, "host-3 is the id of a host, wanted is a vm");
	assert_int_equal(kind_from_plural("cows"), KIND_NONE);
	assert_int_equal(kind_from_plural(""), KIND_NONE);
	assert_string_equal(kind_prefix(KIND_COUNT_), "");
	assert_string_equal(kind_word(KIND_COUNT_), "");
	assert_string_equal(kind_word(KIND_SNAPSHOT), "snapshot");
	assert_string_equal(kind_word(KIND_VM), "vm");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_and_back_for_every_kind),
		cmocka_unit_test(ids_of_two_kinds_are_never_equal),
		cmocka_unit_test(only_the_one_spelling_is_taken),
		cmocka_unit_test(a_wrong_kind_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
