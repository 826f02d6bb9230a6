#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/api/router.h"

static void
handle(struct api_call *c)
{
}

static const struct route routes[] = {
	{ HTTP_GET, "/v/vms", ROLE_READ_ONLY, handle, KIND_VM, NULL, "list" },
	{ HTTP_POST, "/v/vms", ROLE_OPERATOR, handle, KIND_NONE, "vm.create", "make" },
	{ HTTP_GET, "/v/users/current", ROLE_READ_ONLY, handle, KIND_NONE, NULL, "me" },
	{ HTTP_GET, "/v/users/{id}", ROLE_ADMINISTRATOR, handle, KIND_USER, NULL,
	    "one" },
	{ HTTP_POST, "/v/vms/{id}/start", ROLE_OPERATOR, handle, KIND_VM, "vm.start",
	    "on" },
	{ HTTP_DELETE, "/v/vms/{id}/disks/{name}", ROLE_OPERATOR, handle, KIND_VM,
	    "vm.remove_disk", "off" },
};

static const struct route *
find(enum http_method m, const char *path, int want, struct route_path *at)
{
	const struct route *r = NULL;

	assert_int_equal(route_find(routes, ARRAY_SIZE(routes), m, path, &r, at), want);
	return r;
}

static void
finds_by_method_and_path(void **state)
{
	struct route_path at;

	assert_ptr_equal(find(HTTP_GET, "/v/vms", 0, &at), &routes[0]);
	assert_string_equal(at.seg, "");
	assert_ptr_equal(find(HTTP_POST, "/v/vms", 0, &at), &routes[1]);
	assert_ptr_equal(find(HTTP_POST, "/v/vms/vm-42/start", 0, &at), &routes[4]);
	assert_string_equal(at.seg, "vm-42");
}

static void
takes_a_second_part_by_its_name(void **state)
{
	struct route_path at;
	const struct route *r = find(HTTP_DELETE, "/v/vms/vm-1/disks/disk-0", 0, &at);

	assert_ptr_equal(r, &routes[5]);
	assert_string_equal(at.seg, "vm-1");
	assert_string_equal(at.arg, "disk-0");
	char *name = route_arg_name(r);
	assert_string_equal(name, "name");
	free(name);
	assert_null(route_arg_name(&routes[4]));
	find(HTTP_POST, "/v/vms/vm-1/start", 0, &at);
	assert_string_equal(at.arg, "");
}

static void
prefers_the_literal_path(void **state)
{
	struct route_path at;

	assert_ptr_equal(find(HTTP_GET, "/v/users/current", 0, &at), &routes[2]);
	assert_ptr_equal(find(HTTP_GET, "/v/users/user-1", 0, &at), &routes[3]);
}

static void
tells_a_wrong_method_from_a_wrong_path(void **state)
{
	struct route_path at;
	char longest[MAX_SEGMENT + 32];

	find(HTTP_DELETE, "/v/vms", ERR_UNSUPPORTED, &at);
	find(HTTP_GET, "/v/vms/", ERR_NOT_FOUND, &at);
	find(HTTP_GET, "/v/vms/vm-1/start/now", ERR_NOT_FOUND, &at);
	find(HTTP_GET, "/v//start", ERR_NOT_FOUND, &at);
	find(HTTP_GET, "", ERR_NOT_FOUND, &at);
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "/v/users/", 9);
	longest[sizeof(longest) - 1] = 0;
	find(HTTP_GET, longest, ERR_NOT_FOUND, &at);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_by_method_and_path),
		cmocka_unit_test(takes_a_second_part_by_its_name),
		cmocka_unit_test(prefers_the_literal_path),
		cmocka_unit_test(tells_a_wrong_method_from_a_wrong_path),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
