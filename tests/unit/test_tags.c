#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "server/api/filter.h"
#include "server/inventory/inv_tag.h"
#include "tests/lib/lab.h"

static obj_id
new_category(struct lab *l, const char *name, const char *cardinality)
{
	AUTO_FREE char *args =
	    xasprintf("{'name':'%s','cardinality':'%s'}", name, cardinality);

	assert_int_equal(lab_op(l, "category.create", OBJ_ID_NONE, args), 0);
	return l->object;
}

static obj_id
new_tag(struct lab *l, const char *name, obj_id category)
{
	char id[OBJ_ID_TEXT];
	AUTO_FREE char *args =
	    xasprintf("{'name':'%s','category':'%s'}", name, obj_id_text(category, id));

	assert_int_equal(lab_op(l, "tag.create", OBJ_ID_NONE, args), 0);
	return l->object;
}

static bool
has(const struct lab *l, obj_id object, obj_id tag)
{
	return id_list_has(inv_tags_of(inv_get(l->inv, object)), tag);
}

static void
each_kind_of_place_takes_tags(void **state)
{
	static const char *const objects[] = { "dc-1", "cluster-1", "host-1", "pool-1",
		"vm-1", "template-1", "datastore-1", "network-1", "folder-1" };
	struct lab *l = lab_new(1, 8192);
	obj_id env = new_category(l, "Environment", "single");
	obj_id prod = new_tag(l, "prod", env);
	struct err e = ERR_INIT;

	lab_vm(l, "web", false);
	assert_int_equal(
	    lab_op(l, "folder.create", OBJ_ID_NONE, "{'name':'f','parent':'dc-1'}"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		AUTO_FREE char *args = xasprintf("{'objects':['%s']}", objects[i]);
		obj_id id;
		assert_int_equal(obj_id_parse(objects[i], KIND_NONE, &id, &e), 0);
		if (lab_op(l, "tag.assign", prod, args))
			fail_msg("%s: %s", objects[i], l->msg);
		assert_true(has(l, id, prod));
	}
	assert_int_equal(lab_events(l, "TagAttachedEvent"), ARRAY_SIZE(objects));
	assert_int_equal(
	    lab_op(l, "tag.assign", prod, "{'objects':['tag-1']}"), ERR_INVALID);
	assert_int_equal(
	    lab_op(l, "tag.assign", prod, "{'objects':['vm-9']}"), ERR_NOT_FOUND);

	/* Once more, or never, makes no difference. */
	assert_int_equal(lab_op(l, "tag.assign", prod, "{'objects':['vm-1']}"), 0);
	assert_int_equal(lab_events(l, "TagAttachedEvent"), ARRAY_SIZE(objects));
	assert_int_equal(
	    lab_op(l, "tag.unassign", prod, "{'objects':['vm-1','dc-1']}"), 0);
	assert_int_equal(lab_op(l, "tag.unassign", prod, "{'objects':['vm-1']}"), 0);
	assert_int_equal(lab_events(l, "TagDetachedEvent"), 2);
	assert_false(has(l, obj_id_make(KIND_VM, 1), prod));
	assert_true(has(l, l->host[0], prod));
	lab_free(l);
}

static void
a_single_category_gives_one_tag(void **state)
{
	struct lab *l = lab_new(1, 8192);
	obj_id env = new_category(l, "Environment", "single");
	obj_id use = new_category(l, "Use", "multiple");
	obj_id prod = new_tag(l, "prod", env), test = new_tag(l, "test", env);
	obj_id web = new_tag(l, "web", use), db = new_tag(l, "db", use);
	const char *args = "{'objects':['host-1']}";

	assert_int_equal(lab_op(l, "tag.assign", prod, args), 0);
	assert_int_equal(lab_op(l, "tag.assign", test, args), ERR_BAD_STATE);
	assert_string_equal(l->msg,
	    "host \"h1\" has tag \"prod\" already, and may have one of "
	    "category \"Environment\"");
	assert_int_equal(lab_op(l, "tag.assign", web, args), 0);
	assert_int_equal(lab_op(l, "tag.assign", db, args), 0);
	assert_int_equal(inv_tags_of(inv_get(l->inv, l->host[0]))->n, 3);

	/* All of them or none. */
	assert_int_equal(
	    lab_op(l, "tag.assign", test, "{'objects':['cluster-1','host-1']}"),
	    ERR_BAD_STATE);
	assert_false(has(l, l->cluster, test));

	assert_int_equal(lab_op(l, "category.update", use, "{'cardinality':'single'}"),
	    ERR_BAD_STATE);
	assert_int_equal(
	    lab_op(l, "category.update", env, "{'cardinality':'multiple'}"), 0);
	assert_int_equal(lab_op(l, "tag.assign", test, args), 0);
	lab_free(l);
}

static void
an_object_has_so_many_tags(void **state)
{
	struct lab *l = lab_new(1, 8192);
	obj_id cat = new_category(l, "Use", "multiple");
	obj_id tag = OBJ_ID_NONE;

	for (unsigned i = 0; i < TAGS_MAX; i++) {
		char name[16];
		snprintf(name, sizeof(name), "t%u", i);
		tag = new_tag(l, name, cat);
		assert_int_equal(
		    lab_op(l, "tag.assign", tag, "{'objects':['host-1']}"), 0);
	}
	obj_id more = new_tag(l, "one more", cat);
	assert_int_equal(
	    lab_op(l, "tag.assign", more, "{'objects':['host-1']}"), ERR_BAD_STATE);
	assert_non_null(strstr(l->msg, "has 64 tags"));
	assert_int_equal(lab_op(l, "tag.unassign", tag, "{'objects':['host-1']}"), 0);
	assert_int_equal(lab_op(l, "tag.assign", more, "{'objects':['host-1']}"), 0);
	lab_free(l);
}

static void
names_are_unique_in_their_category(void **state)
{
	struct lab *l = lab_new(1, 8192);
	obj_id env = new_category(l, "Environment", "single");
	obj_id use = new_category(l, "Use", "single");
	obj_id one = new_tag(l, "prod", env);

	new_tag(l, "prod", use);
	assert_int_equal(lab_op(l, "tag.create", OBJ_ID_NONE,
			     "{'name':'prod','category':'category-1'}"),
	    ERR_EXISTS);
	assert_int_equal(lab_op(l, "tag.create", OBJ_ID_NONE,
			     "{'name':'a/b','category':'category-1'}"),
	    ERR_INVALID);
	assert_int_equal(
	    lab_op(l, "category.create", OBJ_ID_NONE, "{'name':'Use'}"), ERR_EXISTS);
	assert_int_equal(
	    lab_op(l, "tag.update", one, "{'name':'live','description':'ours'}"), 0);
	AUTO_FREE char *path = inv_tag_path(l->inv, one);
	assert_string_equal(path, "Environment/live");
	assert_string_equal(inv_tag(l->inv, one)->description, "ours");
	lab_free(l);
}

static void
a_tag_that_goes_leaves_its_objects(void **state)
{
	struct lab *l = lab_new(2, 8192);
	obj_id env = new_category(l, "Environment", "single");
	obj_id use = new_category(l, "Use", "multiple");
	obj_id prod = new_tag(l, "prod", env), web = new_tag(l, "web", use);

	lab_vm(l, "web", false);
	assert_int_equal(
	    lab_op(l, "tag.assign", prod, "{'objects':['host-1','vm-1']}"), 0);
	assert_int_equal(lab_op(l, "tag.assign", web, "{'objects':['vm-1']}"), 0);
	assert_int_equal(lab_op(l, "tag.delete", prod, NULL), 0);
	assert_null(inv_get(l->inv, prod));
	assert_int_equal(inv_tags_of(inv_get(l->inv, l->host[0]))->n, 0);
	assert_true(has(l, obj_id_make(KIND_VM, 1), web));

	assert_int_equal(lab_op(l, "category.delete", use, NULL), 0);
	assert_null(inv_get(l->inv, web));
	assert_int_equal(inv_tags_of(inv_get(l->inv, obj_id_make(KIND_VM, 1)))->n, 0);
	assert_int_equal(lab_events(l, "ObjectRemovedEvent"), 2);

	lab_crash(l);
	assert_null(inv_get(l->inv, prod));
	assert_int_equal(inv_tags_of(inv_get(l->inv, l->host[0]))->n, 0);
	lab_free(l);
}

static void
tags_outlive_a_crash(void **state)
{
	struct lab *l = lab_new(1, 8192);
	obj_id env = new_category(l, "Environment", "multiple");
	obj_id prod = new_tag(l, "prod", env), test = new_tag(l, "test", env);

	assert_int_equal(lab_op(l, "tag.assign", prod, "{'objects':['host-1']}"), 0);
	assert_int_equal(lab_op(l, "tag.assign", test, "{'objects':['host-1']}"), 0);
	lab_crash(l);
	assert_true(has(l, l->host[0], prod));
	assert_true(has(l, l->host[0], test));
	assert_int_equal(inv_category(l->inv, env)->cardinality, TAG_MULTIPLE);
	lab_free(l);
}

/* Lists are written whole: of two at the same moment neither may be forgotten. */
static void
two_at_once_do_not_undo_each_other(void **state)
{
	struct lab *l = lab_new(1, 8192);
	obj_id env = new_category(l, "Environment", "multiple");
	obj_id prod = new_tag(l, "prod", env), test = new_tag(l, "test", env);
	const char *args = "{'objects':['host-1']}";

	db_fake_hold(l->db);
	lab_submit(l, "tag.assign", prod, args);
	lab_submit(l, "tag.delete", prod, NULL);
	lab_submit(l, "tag.assign", test, args);
	lab_settle(l);
	assert_int_equal(l->rc, ERR_BUSY);
	assert_string_equal(
	    l->msg, "tags of host \"h1\" are being changed at this moment");
	db_fake_release(l->db, 100);
	lab_settle(l);
	assert_true(has(l, l->host[0], prod));
	assert_non_null(inv_get(l->inv, prod));
	assert_int_equal(lab_op(l, "tag.assign", test, args), 0);
	assert_true(has(l, l->host[0], prod));
	assert_true(has(l, l->host[0], test));
	lab_free(l);
}

static void
lists_find_objects_by_tag(void **state)
{
	static const struct {
		const char *q;
		bool hit;
	} cases[] = { { "tag:prod", true }, { "tag:Environment/prod", true },
		{ "tag:environment/*", true }, { "tag:tag-1", true },
		{ "tags:prod", true }, { "tag:test", false }, { "tag:test|prod", true },
		{ "tag:Use/prod", false }, { "-tag:prod", false }, { "tag:*", true } };
	struct lab *l = lab_new(1, 8192);
	obj_id env = new_category(l, "Environment", "single");
	obj_id prod = new_tag(l, "prod", env);

	new_tag(l, "test", env);
	assert_int_equal(lab_op(l, "tag.assign", prod, "{'objects':['host-1']}"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(filter) struct filter *f = NULL;
		struct err e = ERR_INIT;
		assert_int_equal(filter_parse(cases[i].q, KIND_HOST, &f, &e), 0);
		if (filter_match(f, l->inv, inv_get(l->inv, l->host[0])) !=
		    cases[i].hit)
			fail_msg("\"%s\" should%s match", cases[i].q,
			    cases[i].hit ? "" : " not");
	}
	lab_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_place_takes_tags),
		cmocka_unit_test(a_single_category_gives_one_tag),
		cmocka_unit_test(an_object_has_so_many_tags),
		cmocka_unit_test(names_are_unique_in_their_category),
		cmocka_unit_test(a_tag_that_goes_leaves_its_objects),
		cmocka_unit_test(tags_outlive_a_crash),
		cmocka_unit_test(two_at_once_do_not_undo_each_other),
		cmocka_unit_test(lists_find_objects_by_tag),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
