#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"

#define CRASHED 137

/* Exit code of a child that passes "here" n times; the words are told in its file. */
static int
pass_with_file(const char *words, unsigned n)
{
	char dir[] = "/tmp/drover-fault-XXXXXX", path[sizeof(dir) + 20];
	int status;
	pid_t pid;

	assert_non_null(mkdtemp(dir));
	pid = fork();
	if (pid == 0) {
		FILE *f;

		setenv("DROVER_CRASH_DIR", dir, 1);
		fault_point("here");
		snprintf(path, sizeof(path), "%s/%d", dir, (int)getpid());
		f = fopen(path, "w");
		if (!f || fputs(words, f) < 0 || fclose(f))
			_exit(1);
		for (unsigned i = 0; i < n; i++)
			fault_point("here");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	snprintf(path, sizeof(path), "%s/%d", dir, (int)pid);
	unlink(path);
	rmdir(dir);
	return WEXITSTATUS(status);
}

static void
a_running_process_is_told_where_to_end(void **state)
{
	if (!FAULT_POINTS_BUILT)
		skip();
	assert_int_equal(pass_with_file("here", 1), CRASHED);
	assert_int_equal(pass_with_file("here:2", 1), 0);
	assert_int_equal(pass_with_file("here:2", 2), CRASHED);
	assert_int_equal(pass_with_file("her", 1), 0);
	assert_int_equal(pass_with_file("hereafter", 1), 0);
	assert_int_equal(pass_with_file("", 1), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_running_process_is_told_where_to_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
