/*
 * That the kernel is made to wait early, by a move of ourselves to where we are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/resource/cg_int.h"
#include "tests/lib/cg_tree.h"

static void
own_group_is_the_controllers(void **state)
{
	static const char *const cases[][3] = {
		{ "0::/\n", "", "/" },
		{ "2:cpu,cpuacct:/a/b\n1:cpuset:/c\n0::/d\n", "cpuacct", "/a/b" },
		{ "2:cpu,cpuacct:/a/b\n1:cpuset:/c\n0::/d\n", "cpu", "/a/b" },
		{ "2:cpuset:/a\n0::/d\n", "cpu", NULL },
		{ "2:cpuset:/a\n0::/d", "", "/d" },
		{ "1:cpu:/with:colon\n", "cpu", "/with:colon" },
		{ "1:cpu:no-path\n", "cpu", NULL },
		{ "1:cpu", "cpu", NULL },
		{ "\n\n", "", NULL },
		{ "", "", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *text = xstrdup(cases[i][0]);
		const char *own = cg_own_group(text, cases[i][1]);

		if (cases[i][2])
			assert_string_equal(own, cases[i][2]);
		else
			assert_null(own);
	}
}

static struct cg *
open_v2(const struct tree *t)
{
	static const char *const files[] = { "cgroup.controllers",
		"cgroup.subtree_control", "drover/cgroup.controllers",
		"drover/cgroup.subtree_control" };

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		make_file(t, files[i], i % 2 ? "" : "cpu memory");
	return open_cg(t, "drover");
}

static void
writes_itself_where_it_is(void **state)
{
	struct tree *t = *state;
	char text[CG_TEXT_MAX];
	AUTO_FREE char *pid = xasprintf("%d", (int)getpid());
	AUTO_FREE char *file = NULL;
	const char *own;
	struct cg *cg;

	assert_int_equal(cg_read("/proc/self", "cgroup", text, sizeof(text), NULL), 0);
	own = cg_own_group(text, "");
	if (!own) {
		skip();
		return;
	}
	file = xasprintf("%s%scgroup.procs", own + 1, own[1] ? "/" : "");
	make_file(t, file, "");
	cg = open_v2(t);
	cg_stir(cg);
	expect_file(t, file, pid);
	cg_free(cg);
}

static void
lets_be_where_it_is_not_seen(void **state)
{
	struct tree *t = *state;
	struct cg *cg = open_v2(t);

	cg_stir(cg);
	cg_free(cg);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_group_is_the_controllers),
		TREE(writes_itself_where_it_is),
		TREE(lets_be_where_it_is_not_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
