#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/stage/stage_int.h"

static int
become_program(char **program, struct err *e)
{
	for (int i = 0; i < 3; i++)
		if (dup2(STAGE_FIRST_FD + i, i) < 0 || close(STAGE_FIRST_FD + i))
			return err_sys(
			    e, ERR_INVALID, errno, "descriptor %d", STAGE_FIRST_FD + i);
	execv(program[0], program);
	return err_sys(e, ERR_IO, errno, "cannot run %s", program[0]);
}

/* A terminal belongs to the leader of a session, which a leader of a group cannot
 * become; so it is a child, which ends when we do. */
static int
lead_session(pid_t parent, char **program, struct err *e)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != parent)
		return err_set(e, ERR_IO, "nobody waits for it any more");
	if (setsid() < 0 || ioctl(STAGE_FIRST_FD, TIOCSCTTY, 0))
		return err_sys(e, ERR_INVALID, errno, "descriptor 3 is no terminal");
	return become_program(program, e);
}

/* The other side sees the terminal's end when nobody has it open. */
static void
let_go_of_files(void)
{
	for (int fd = 0; fd < STAGE_FIRST_FD + 3; fd++)
		close(fd);
}

static _Noreturn void
end_like(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status)) {
		signal(WTERMSIG(status), SIG_DFL);
		raise(WTERMSIG(status));
	}
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

int
stage_cmd_exec(char **args, struct err *e)
{
	bool tty = *args && str_same(*args, "--tty");
	pid_t pid, self = getpid();

	args += tty ? 1 : 0;
	if (!*args || !str_same(*args, "--") || !args[1])
		return err_set(e, ERR_INVALID, "exec: wants a program");
	if (!tty)
		return become_program(args + 1, e);
	pid = fork();
	if (pid < 0)
		return err_sys(e, ERR_IO, errno, "cannot fork");
	if (pid == 0)
		return lead_session(self, args + 1, e);
	let_go_of_files();
	end_like(pid);
}
