#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host-agent/fence/guard_int.h"

static int
fail(const char *what)
{
	fprintf(stderr, "drover-guard: %s: %s\n", what, strerror(errno));
	return 126;
}

/* Our folder by its name: the one inside is the same, seen through other mounts. */
static int
go_in(int init)
{
	char cwd[PATH_MAX];

	if (!getcwd(cwd, sizeof(cwd)))
		return fail("cannot tell its folder");
	if (setns(init, CLONE_NEWPID | CLONE_NEWNS))
		return fail("cannot enter the guest's namespaces");
	if (chdir(cwd))
		return fail(cwd);
	return 0;
}

static _Noreturn void
become(char **program)
{
	/* Asked by signal to end, we do; it must not go on alone. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
		_exit(126);
	execv(program[0], program);
	_exit(fail(program[0]));
}

/* End as it did. */
static int
end_like(int status)
{
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	return 128 + WTERMSIG(status);
}

int
guard_enter(char **args)
{
	int init, rc, status;
	uint64_t n = 0;
	pid_t pid;

	if (strcmp(args[0], "--init") != 0 || !args[1] || guard_number(args[1], &n) ||
	    !args[2] || strcmp(args[2], "--") != 0 || !args[3]) {
		fprintf(stderr,
		    "usage: drover-guard enter --init FD -- PROGRAM ARGUMENT…\n");
		return 2;
	}
	init = (int)n;
	if (fcntl(init, F_SETFD, FD_CLOEXEC))
		return fail("--init");
	rc = go_in(init);
	if (rc)
		return rc;
	pid = fork();
	if (pid == 0)
		become(args + 3);
	if (pid < 0)
		return fail("cannot fork");
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail("cannot wait");
	return end_like(status);
}
