#include "tests/engine/oci_suite.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/engine/suite.h"

bool
oci_suite_can(void)
{
	const char *why = geteuid()                           ? "containers take root"
			  : access("/usr/sbin/runc", X_OK)    ? "no runc here"
			  : access("/dev/loop-control", F_OK) ? "no loop devices here"
							      : NULL;

	if (!why && unshare(CLONE_NEWNET))
		why = "no network namespace";
	if (why)
		fprintf(stderr, "skipped: %s\n", why);
	return !why;
}

int
oci_suite_run(void)
{
	return 0;
}
