#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "server/leader/process_mark.h"

static void
a_process_is_gone_when_its_mark_says_so(void **state)
{
	char own[PROCESS_MARK_TEXT], other[PROCESS_MARK_TEXT + 1];
	process_mark_own(own);
	assert_true(*own);
	assert_false(process_mark_gone(own));
	/* The same pid, started at another time. */
	snprintf(other, sizeof(other), "%s1", own);
	assert_true(process_mark_gone(other));
	/* Another boot, no mark at all: nobody knows. */
	own[0] = own[0] == '0' ? '1' : '0';
	assert_false(process_mark_gone(own));
	assert_false(process_mark_gone(""));
	assert_false(process_mark_gone("x"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_is_gone_when_its_mark_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
